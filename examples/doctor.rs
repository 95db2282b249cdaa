//! Looks at a running MCP endpoint as Claude, ChatGPT, Cursor and the others would, and says what each of them would do
//! and what to change: `cargo run --example doctor -- https://app.example/mcp [--register] [--json]`.
//!
//! The URL is the one that people paste into their tools. The server need not be grantor's. With `--register` each
//! client is registered as well, with its own request; those registrations stay behind.
//!
//! The exit code is 0 if every client connects, 1 if one does not, and 2 if nothing was examined.

use grantor::doctor::{Examination, ExamineError, Report};
use std::process::ExitCode;

async fn examine(url: &str, register: bool) -> Result<Report, ExamineError> {
    let examination = Examination::new(url)?;
    Ok(if register { examination.registering().run().await } else { examination.run().await })
}

#[tokio::main]
async fn main() -> ExitCode {
    let (flags, urls): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    let [url] = urls.as_slice() else { return usage() };
    if flags.iter().any(|flag| !matches!(flag.as_str(), "--register" | "--json")) {
        return usage();
    }
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    match examine(url, has("--register")).await {
        Ok(report) => {
            match serde_json::to_string_pretty(&report) {
                Ok(json) if has("--json") => println!("{json}"),
                _ => print!("{report}"),
            }
            ExitCode::from(u8::from(!report.all_connect()))
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: doctor https://app.example/mcp [--register] [--json]");
    ExitCode::from(2)
}
