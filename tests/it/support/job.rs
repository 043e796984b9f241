//! The job as its user runs it: the built program with arguments and an environment, nothing of the developer's.
//! Gives its exit code and output. Never leaves a process behind.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;

use super::database::Database;

/// How long a run may take before it is killed and the test fails.
const LIMIT: Duration = Duration::from_secs(90);

/// A run to be.
#[derive(Debug)]
pub struct Job {
    command: Command,
    home: TempDir,
    limit: Duration,
}

/// A run under way; killed when dropped.
#[derive(Debug)]
pub struct Running {
    watched: Arc<Watched>,
    pid: Pid,
    deadline: Instant,
    seen: [usize; 2],
    _home: TempDir,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub elapsed: Duration,
}

#[derive(Debug, Default)]
struct Watched {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What has been read of stdout and stderr, whole lines.
    output: [String; 2],
    closed: usize,
    ended: Option<(ExitStatus, Duration)>,
}

impl Job {
    /// The job without arguments and without a database.
    pub fn new() -> Self {
        Self::program(env!("CARGO_BIN_EXE_schemagate"))
    }

    /// The job with this database as its `DATABASE_URL`.
    pub fn on(database: &Database) -> Self {
        Self::new().env("DATABASE_URL", database.url())
    }

    /// Another program, run in the same way.
    pub fn program(program: impl AsRef<OsStr>) -> Self {
        let home = tempfile::Builder::new().prefix("home-").tempdir().unwrap();
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { command, home, limit: LIMIT }
    }

    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Takes migrations from this folder.
    pub fn migrations(self, folder: &Path) -> Self {
        self.env("SCHEMAGATE_MIGRATIONS", folder)
    }

    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.command.current_dir(folder.into());
        self
    }

    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The run's empty home folder, to be filled before it starts.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.spawn().wait()
    }

    /// Starts it.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let start = Instant::now();
        let mut process =
            self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command.get_program()));
        let pid = Pid::from_child(&process);
        let watched = Arc::new(Watched::default());
        let (stdout, stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        watched.clone().read(0, stdout);
        watched.clone().read(1, stderr);
        let waiting = watched.clone();
        std::thread::spawn(move || {
            let status = process.wait().unwrap();
            waiting.change(|state| state.ended = Some((status, start.elapsed())));
        });
        Running { watched, pid, deadline: start + self.limit, seen: [0, 0], _home: self.home }
    }
}

impl Watched {
    fn read(self: Arc<Self>, stream: usize, from: impl Read + Send + 'static) {
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                self.change(|state| state.output[stream].push_str(&String::from_utf8_lossy(&line)));
                line.clear();
            }
            self.change(|state| state.closed += 1);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    /// Waits until `found` gives something, or `deadline` has passed.
    fn wait<T>(
        &self,
        deadline: Instant,
        mut found: impl FnMut(&State) -> Option<T>,
    ) -> (MutexGuard<'_, State>, Option<T>) {
        let mut state = self.state.lock().unwrap();
        loop {
            let value = found(&state);
            let left = deadline.saturating_duration_since(Instant::now());
            if value.is_some() || left.is_zero() {
                return (state, value);
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl State {
    fn all_over(&self) -> bool {
        self.ended.is_some() && self.closed == 2
    }

    fn outcome(&self) -> Outcome {
        let [stdout, stderr] = self.output.clone();
        let status = self.ended.map(|(status, _)| status);
        Outcome {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            elapsed: self.ended.map_or(Duration::ZERO, |(_, elapsed)| elapsed),
            stdout,
            stderr,
        }
    }
}

impl Running {
    /// Sends a signal, if the run has not ended by itself.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let state = self.watched.state.lock().unwrap();
        if state.ended.is_none() {
            match kill_process(self.pid, signal) {
                // It has just ended, and nobody has written that down yet.
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => panic!("{signal:?}: {error}"),
            }
        }
    }

    /// Waits for so long, or until it has ended; whether it has.
    pub fn wait_until_over(&self, limit: Duration) -> bool {
        self.watched.wait(Instant::now() + limit, |state| state.all_over().then_some(())).1.is_some()
    }

    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.watched.state.lock().unwrap().all_over()
    }

    /// Waits for the next line of stdout, after those found before, that contains `text`; the line.
    #[track_caller]
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) -> String {
        self.wait_for(0, text, limit)
    }

    /// As [`Self::wait_for_line`], on stderr.
    #[track_caller]
    pub fn wait_for_error_line(&mut self, text: &str, limit: Duration) -> String {
        self.wait_for(1, text, limit)
    }

    #[track_caller]
    fn wait_for(&mut self, stream: usize, text: &str, limit: Duration) -> String {
        let found = self.find(stream, text, limit);
        found.unwrap_or_else(|| panic!("no line with {text:?} within {limit:?}\n{}", self.so_far()))
    }

    /// As [`Self::wait_for_line`]; none where the run ends without it.
    pub fn find_line(&mut self, text: &str, limit: Duration) -> Option<String> {
        self.find(0, text, limit)
    }

    fn find(&mut self, stream: usize, text: &str, limit: Duration) -> Option<String> {
        let mut from = self.seen[stream];
        let (state, found) = self.watched.wait(Instant::now() + limit, |state| {
            for line in state.output[stream][from..].split_inclusive('\n') {
                from += line.len();
                if line.contains(text) {
                    return Some(Some(line.trim_end().to_owned()));
                }
            }
            state.all_over().then_some(None)
        });
        drop(state);
        self.seen[stream] = from;
        found.flatten()
    }

    /// The output so far.
    pub fn so_far(&self) -> Outcome {
        self.watched.state.lock().unwrap().outcome()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(self) -> Outcome {
        let (state, over) = self.watched.wait(self.deadline, |state| state.all_over().then_some(()));
        let outcome = state.outcome();
        drop(state);
        assert!(over.is_some(), "still running at its limit\n{outcome}");
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(state) = self.watched.state.lock()
            && state.ended.is_none()
        {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

impl Outcome {
    /// Fails with the whole output unless the exit code is `code`.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert!(self.code == Some(code), "expected exit code {code}\n{self}");
        self
    }

    #[track_caller]
    pub fn assert_stdout(&self, text: &str) -> &Self {
        assert!(self.stdout.contains(text), "stdout lacks {text:?}\n{self}");
        self
    }

    #[track_caller]
    pub fn assert_stderr(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "stderr lacks {text:?}\n{self}");
        self
    }

    /// Neither stream holds `text`: a password, say.
    #[track_caller]
    pub fn assert_nowhere(&self, text: &str) -> &Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!found, "the output holds {text:?}\n{self}");
        self
    }

    /// Stdout as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("stdout is no JSON: {error}\n{self}"))
    }

    /// Stdout as a JSON object a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let object =
            |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {line:?}: {error}\n{self}"));
        self.stdout.lines().map(object).collect()
    }

    /// The last line of stdout.
    #[track_caller]
    pub fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_else(|| panic!("stdout is empty\n{self}"))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => writeln!(f, "exit code {code} after {:?}", self.elapsed)?,
            (_, Some(signal)) => writeln!(f, "signal {signal} after {:?}", self.elapsed)?,
            _ => writeln!(f, "not ended")?,
        }
        write!(f, "--- stdout\n{}\n--- stderr\n{}\n---", self.stdout, self.stderr)
    }
}
