//! The quickstart as its own process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::scratch::Folder;

/// A running quickstart; it ends with this value, and what it keeps goes too.
pub(crate) struct Demo {
    folder: Arc<Folder>,
    process: Child,
    /// Kept, as a program whose output nobody takes may end.
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Demo {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more in its environment.
    pub(crate) fn start_with(environment: &[(&str, &str)]) -> Self {
        Self::start_at(Arc::new(Folder::new("quickstart")), two_free_ports, environment)
    }

    /// Kills it and starts it again, on the same ports and with the same file.
    pub(crate) fn restarted(mut self) -> Self {
        self.end();
        let (folder, port) = (Arc::clone(&self.folder), self.port);
        Self::start_at(folder, || port, &[])
    }

    fn start_at(folder: Arc<Folder>, port: impl FnOnce() -> u16, environment: &[(&str, &str)]) -> Self {
        // One at a time from the choice of a port until it is taken, as the tests run side by side.
        static STARTING: Mutex<()> = Mutex::new(());
        let _turn = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let port = port();
        let mut process = Command::new(executable())
            .env("PORT", port.to_string())
            .env("DATABASE", folder.path().join("oauth.db"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the quickstart starts");
        let output = BufReader::new(process.stdout.take().expect("its output is piped"));
        let mut demo = Self { folder, process, output, port };
        let address = demo.third_party();
        let listening = demo.output.by_ref().lines().map_while(Result::ok).any(|line| line.contains(&address));
        assert!(listening, "the quickstart says where to go");
        demo
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// The project app.
    pub(crate) fn ours(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The address of somebody else's app.
    pub(crate) fn third_party(&self) -> String {
        format!("http://{}", self.third_party_host())
    }

    pub(crate) fn third_party_host(&self) -> String {
        format!("localhost:{}", self.port + 1)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.end();
    }
}

/// Cargo hands a test the paths of the package's programs, but not of its examples.
fn executable() -> &'static str {
    static EXECUTABLE: OnceLock<String> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--example", "quickstart", "--message-format=json"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo starts");
        assert!(built.status.success(), "the quickstart builds");
        let messages = String::from_utf8(built.stdout).expect("cargo speaks JSON");
        let mut artifacts = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let path = artifacts.find_map(|artifact| {
            let is_ours = artifact["target"]["name"] == "quickstart";
            artifact["executable"].as_str().filter(|_| is_ours).map(str::to_owned)
        });
        path.expect("cargo names the executable")
    })
}

fn two_free_ports() -> u16 {
    let free = |host, port| TcpListener::bind((host, port)).is_ok();
    (0..100)
        .filter_map(|_| TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok())
        .map(|address| address.port())
        .find(|port| port.checked_add(1).is_some_and(|next| free("127.0.0.1", next) && free("::1", next)))
        .expect("two neighbouring free ports")
}
