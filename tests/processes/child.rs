//! A process of its own: the test binary runs itself again, and the same test does another part in it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use grantor::Timestamp;
use grantor::protocol::secret::OrderedId;
use serde::{Deserialize, Serialize};

use crate::place::Place;
use crate::steps::{Heard, Op};

const TASK: &str = "GRANTOR_TEST_TASK";

/// What a child is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) place: Place,
    pub(crate) seed: u64,
    /// The present at the start.
    pub(crate) clock: Timestamp,
    /// Grants to go on with, and their live refresh tokens.
    pub(crate) heads: Vec<(OrderedId, OrderedId)>,
}

/// What a child tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Event {
    /// It is about to ask the store for this.
    Begun { number: u64, op: Op },
    /// The store has acknowledged that.
    Done { number: u64, heard: Heard },
    /// The store could not answer.
    Failed { number: u64, temporary: bool, why: String },
    /// It is this late.
    Clock(Timestamp),
}

/// The task of this process, if it is a child.
pub(crate) fn task() -> Option<Task> {
    let task = std::env::var_os(TASK)?;
    Some(serde_json::from_str(task.to_str().unwrap()).unwrap())
}

/// Tells the parent something. Without a parent there is nothing left to do.
pub(crate) fn tell(what: &impl Serialize) {
    let mut line = serde_json::to_string(what).unwrap();
    line.push('\n');
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        std::process::exit(1);
    }
}

/// Ends the line that the test harness began.
pub(crate) fn begin_telling() {
    println!();
}

/// A child and what it has told so far.
#[derive(Debug)]
pub(crate) struct Child {
    process: std::process::Child,
    stdin: ChildStdin,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Child {
    /// Runs `test` in a process of its own.
    pub(crate) fn start(test: &str, task: &Task) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
            .env(TASK, serde_json::to_string(task).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            let mut stdout = BufReader::with_capacity(1 << 16, stdout);
            let mut line = String::new();
            // What was not told to the end was not told.
            while stdout.read_line(&mut line).is_ok_and(|_| line.ends_with('\n')) {
                kept.lock().unwrap().push(std::mem::take(&mut line));
            }
        });
        Self { process, stdin, lines, reader: Some(reader) }
    }

    /// Says something to it.
    pub(crate) fn say(&mut self, what: &impl Serialize) {
        let mut line = serde_json::to_string(what).unwrap();
        line.push('\n');
        self.stdin.write_all(line.as_bytes()).unwrap();
    }

    /// Takes the next thing that it tells after the first `known` lines, and waits for it.
    pub(crate) fn next<T: for<'a> Deserialize<'a>>(&mut self, known: &mut usize) -> T {
        loop {
            while let Some(line) = self.lines.lock().unwrap().get(*known) {
                *known += 1;
                if let Ok(told) = serde_json::from_str(line) {
                    return told;
                }
            }
            self.wait(Duration::from_millis(1));
        }
    }

    /// How many operations it has told to be acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.starts_with(r#"{"Done""#)).count()
    }

    /// Waits until it has told of more than `count`.
    pub(crate) fn wait_for_more_than(&mut self, count: usize) {
        for _ in 0..6000 {
            if self.acknowledged() > count {
                return;
            }
            self.wait(Duration::from_millis(10));
        }
        panic!("nothing was acknowledged for a minute");
    }

    fn wait(&mut self, time: Duration) {
        assert!(self.process.try_wait().unwrap().is_none(), "a child ended by itself");
        std::thread::sleep(time);
    }

    /// Kills it as `kill -9` does, and answers all that it told before.
    pub(crate) fn kill(mut self) -> Vec<Event> {
        assert!(self.process.try_wait().unwrap().is_none(), "a child ended by itself");
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        lines.iter().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
