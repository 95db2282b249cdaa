//! The quickstart as its own process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::scratch::Folder;
use crate::support::{examples, ports};

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
        Self::start_at(Arc::new(Folder::new("quickstart")), || ports::neighbouring(2), environment)
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

fn executable() -> &'static str {
    static EXECUTABLE: OnceLock<String> = OnceLock::new();
    EXECUTABLE.get_or_init(|| examples::executable("quickstart", &[]))
}
