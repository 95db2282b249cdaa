//! A server on a core of its own, and wrk on another one.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use grantor_benches::ours::Ours;

const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";
/// Enough that the server never waits for a request.
const CONNECTIONS: &str = "64";

/// One of the servers, in a process of its own.
pub(crate) struct Server {
    process: Child,
    address: String,
}

/// What is asked again and again.
pub(crate) enum Load<'a> {
    Get(&'a str),
    /// With a token.
    Guarded(&'a str, String),
    /// A form.
    Post(&'a str, String),
    /// A form for each line of a file, which takes the place of CODE.
    Codes(&'a str, Vec<String>),
}

/// What came of it.
pub(crate) struct Found {
    pub(crate) per_second: f64,
    /// Microseconds of the server's CPU for a request.
    pub(crate) cpu: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
    pub(crate) longest: f64,
    pub(crate) requests: f64,
}

impl Server {
    pub(crate) fn start(name: &str) -> Self {
        let mut process = Command::new("taskset")
            .args(["-c", SERVER_CORE])
            .arg(std::env::current_exe().unwrap())
            .args(["serve", name])
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset is needed: on Debian it is in the package util-linux");
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(!address.is_empty(), "the server {name} did not start; it takes two cores, 0 and 1");
        Self { process, address }
    }

    /// The lines of what it made ready.
    pub(crate) fn prepared(&self, path: &str) -> Vec<String> {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nhost: app.example\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.lines().map(str::to_owned).collect()
    }

    /// Puts it under load for so many seconds.
    pub(crate) fn under(&self, load: &Load<'_>, seconds: u64) -> Found {
        let script = Script::of(load);
        let before = self.cpu_seconds();
        let output = Command::new("taskset")
            .args(["-c", LOAD_CORE, "wrk", "-t1", "-c", CONNECTIONS, "-d", &format!("{seconds}s"), "-s"])
            .arg(&script.0)
            .arg(format!("http://{}{}", self.address, load.path()))
            .output()
            .expect("taskset is needed: on Debian it is in the package util-linux");
        let cpu = self.cpu_seconds() - before;
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().find_map(|line| line.strip_prefix("found "));
        let line = line.unwrap_or_else(|| {
            let why = String::from_utf8_lossy(&output.stderr);
            panic!("wrk is needed, on Debian it is the package wrk: {said}{why}")
        });
        let figures: Vec<f64> = line.split(' ').map(|figure| figure.parse().unwrap()).collect();
        let [requests, took, failed, p99, longest] = figures[..] else { panic!("{line}") };
        assert!(requests > 0.0 && failed == 0.0, "{failed} of {requests} requests failed");
        Found { per_second: requests / took * 1e6, cpu: cpu / requests * 1e6, p99, longest, requests }
    }

    /// What the process has used.
    fn cpu_seconds(&self) -> f64 {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.process.id())).unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Load<'_> {
    const fn path(&self) -> &str {
        match self {
            Self::Get(path) | Self::Guarded(path, _) | Self::Post(path, _) | Self::Codes(path, _) => path,
        }
    }
}

/// A script of wrk, in a file.
struct Script(PathBuf);

/// What wrk says in the end: requests, microseconds, failures, and in milliseconds the 99th percentile and the longest.
const DONE: &str = r#"
function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format("found %d %d %d %f %f\n", summary.requests, summary.duration, failed,
    latency:percentile(99) / 1000, latency.max / 1000))
end
"#;

const FORM: &str = r#"
wrk.method = "POST"
wrk.headers["content-type"] = "application/x-www-form-urlencoded"
"#;

/// Stops at its last code.
const CODES: &str = r#"
local count = 0
function request()
  count = count + 1
  if count >= #codes then wrk.thread:stop() end
  return wrk.format(nil, nil, nil, before .. codes[math.min(count, #codes)] .. after)
end
"#;

impl Script {
    fn of(load: &Load<'_>) -> Self {
        let text = match load {
            Load::Get(_) => String::new(),
            Load::Guarded(_, token) => format!("wrk.headers[\"authorization\"] = \"Bearer {token}\"\n"),
            Load::Post(_, form) => {
                format!("{FORM}wrk.headers[\"authorization\"] = {:?}\nwrk.body = {form:?}\n", Ours::basic())
            }
            Load::Codes(_, codes) => {
                let form = Ours::form_of("CODE");
                let (before, after) = form.split_once("CODE").unwrap();
                let codes: String = codes.iter().map(|code| format!("{code:?},\n")).collect();
                format!("{FORM}local before, after = {before:?}, {after:?}\nlocal codes = {{\n{codes}}}\n{CODES}")
            }
        };
        let path = std::env::temp_dir().join(format!("grantor-load-{}.lua", std::process::id()));
        fs::write(&path, text + DONE).unwrap();
        Self(path)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
