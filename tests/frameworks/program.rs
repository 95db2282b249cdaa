//! An example as its own process.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::support::{examples, ports};

/// A running example; it ends with this value.
pub(crate) struct Program {
    pub(crate) origin: String,
    pub(crate) password: String,
    process: Child,
    /// Kept, as a program whose output nobody takes may end.
    _output: BufReader<ChildStdout>,
}

impl Program {
    pub(crate) fn start(framework: &'static str) -> Self {
        // Without features of its own it would be built anew.
        let executable = examples::executable(framework, &["--all-features"]);
        let origin = format!("http://127.0.0.1:{}", ports::neighbouring(1));
        let port = origin.rsplit(':').next().unwrap();
        let mut command = Command::new(executable);
        let mut process = command.env("PORT", port).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let (_, password) = line.trim_end().split_once("password is ").expect(&line);
        let program = Self { password: password.to_owned(), origin, process, _output: output };
        program.wait_until_it_listens();
        program
    }

    fn wait_until_it_listens(&self) {
        let address = self.origin.strip_prefix("http://").unwrap();
        let listens = (0..600).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            std::net::TcpStream::connect(address).is_ok()
        });
        assert!(listens, "nobody listens at {address}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
