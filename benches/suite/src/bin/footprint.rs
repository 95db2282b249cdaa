//! What a host takes that does little else than `examples/minimal.rs`: packages, time to compile, time to its first
//! answer, memory. `cargo bench --bench suite -- footprint`.
//!
//! The peer is an app in axum that greets. Both are packages of their own, made below `target/footprint` and built from
//! nothing with their packages fetched before.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use grantor_benches::ours::METADATA;
use grantor_benches::report::{Figure, Goal, Report, median, root};

const STARTS: usize = 31;

/// What the example needs of others.
const OTHERS: &str = r#"axum = "0.8"
tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
"#;

const GREETS: &str = r#"use axum::{Router, routing::get};

#[tokio::main]
async fn main() {
    let router = Router::new().route("/.well-known/oauth-authorization-server", get(async || "Hello"));
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:4000").await.unwrap(), router).await.unwrap();
}
"#;

fn main() {
    let mut report = Report::new("footprint", "The minimal host");
    let example = fs::read_to_string(root().join("examples/minimal.rs")).unwrap();
    let path = root().canonicalize().unwrap();
    let with_grantor = format!(
        "{OTHERS}base64 = \"0.23\"\ngrantor = {{ path = {path:?}, features = [\"axum\"] }}\n\
         ring = {{ version = \"0.17\", default-features = false }}\n"
    );
    let (ours, peer) = (Host::new("minimal", &with_grantor, &example), Host::new("greets", OTHERS, GREETS));
    let packages = |host: &Host| Figure(host.packages() as f64, "");
    report.ratio("packages", packages(&ours), ("axum alone", packages(&peer)), Goal::None);
    let compiled = |host: &Host| Figure(host.compiles().as_secs_f64(), "s");
    report.ratio("compile time, release", compiled(&ours), ("axum alone", compiled(&peer)), Goal::None);
    let ([start, resident], [start_of_peer, resident_of_peer]) = in_turns(&ours, &peer);
    report.figure("cold start to the first answer", start, Goal::AtMost(15.0));
    report.ratio("cold start to the first answer", start, ("axum alone", start_of_peer), Goal::None);
    report.figure("resident memory after it", resident, Goal::AtMost(8.0));
    report.ratio("resident memory after it", resident, ("axum alone", resident_of_peer), Goal::None);
    report.finish();
}

/// The time to the first answer and the memory after it, of both.
fn in_turns(ours: &Host, peer: &Host) -> ([Figure; 2], [Figure; 2]) {
    let [mut first, mut second] = [const { Vec::new() }; 2];
    for _ in 0..STARTS {
        first.push(ours.starts());
        second.push(peer.starts());
    }
    let figures = |found: Vec<(f64, f64)>| {
        let (times, sizes) = found.into_iter().unzip();
        [Figure(median(times), "ms"), Figure(median(sizes), "MiB")]
    };
    (figures(first), figures(second))
}

/// A package with one program, which serves on a port that was free.
struct Host {
    folder: PathBuf,
    name: &'static str,
    address: SocketAddr,
}

impl Host {
    fn new(name: &'static str, dependencies: &str, source: &str) -> Self {
        let folder = root().join("target/footprint").join(name);
        fs::create_dir_all(folder.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
             [dependencies]\n{dependencies}"
        );
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("src/main.rs"), source.replace("4000", &address.port().to_string())).unwrap();
        // The versions that everything here is tested with.
        fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let host = Self { folder, name, address };
        host.cargo(&["fetch", "--quiet"]);
        host
    }

    fn cargo(&self, arguments: &[&str]) -> String {
        let output = Command::new("cargo")
            .args(arguments)
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .current_dir(&self.folder)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "cargo {arguments:?} failed for {}", self.name);
        String::from_utf8(output.stdout).unwrap()
    }

    /// How many packages its build takes, itself excluded.
    fn packages(&self) -> usize {
        let tree = self.cargo(&["tree", "--edges", "normal,build", "--prefix", "none", "--no-dedupe"]);
        let mut packages: Vec<_> = tree.lines().filter_map(|line| line.split(" (").next()).collect();
        packages.sort_unstable();
        packages.dedup();
        packages.len() - 1
    }

    /// How long its build takes from nothing.
    fn compiles(&self) -> Duration {
        let _ = fs::remove_dir_all(self.folder.join("target"));
        let started = Instant::now();
        self.cargo(&["build", "--quiet", "--release"]);
        started.elapsed()
    }

    /// Milliseconds from its start to the first answer, and the memory that it has then in MiB.
    fn starts(&self) -> (f64, f64) {
        let started = Instant::now();
        let program = Command::new(self.folder.join("target/release").join(self.name)).stdout(Stdio::null()).spawn();
        let running = Running(program.unwrap());
        while !self.answers() {
            std::thread::yield_now();
            assert!(started.elapsed() < Duration::from_secs(10), "{} does not answer", self.name);
        }
        (started.elapsed().as_secs_f64() * 1e3, running.resident())
    }

    fn answers(&self) -> bool {
        let Ok(mut connection) = TcpStream::connect(self.address) else { return false };
        let asks = format!("GET {METADATA} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
        let mut answer = String::new();
        connection.write_all(asks.as_bytes()).unwrap();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        true
    }
}

struct Running(Child);

impl Running {
    fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
