//! One process, measured from outside. In: a program with its arguments. Out: wall time, peak memory, or its last words.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What is run; nothing of the developer's environment reaches it.
#[derive(Debug, Clone)]
pub struct Invocation {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub variables: Vec<(&'static str, OsString)>,
    pub folder: PathBuf,
}

impl Invocation {
    pub fn new(program: impl Into<PathBuf>, folder: &Path) -> Self {
        let variables = vec![("HOME", folder.into()), ("LC_ALL", "C".into()), ("PATH", "/usr/bin:/bin".into())];
        Self { program: program.into(), arguments: Vec::new(), variables, folder: folder.to_owned() }
    }

    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub fn var(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Starts it; what it says goes into `words`.
    pub fn start(&self, words: &File) -> Child {
        Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(words.try_clone().unwrap())
            .stderr(words.try_clone().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()))
    }

    /// Runs it once; the time from `exec` to its end.
    pub fn time(&self) -> Result<Duration, String> {
        let words = tempfile::NamedTempFile::new().unwrap();
        let started = Instant::now();
        let ended = self.start(words.as_file()).wait().unwrap();
        let elapsed = started.elapsed();
        if ended.success() { Ok(elapsed) } else { Err(last_words(words.path())) }
    }

    /// Runs it once more for its peak memory, which GNU time reads from the kernel: a parent as small as that does not
    /// count in its child's.
    pub fn peak_kib(&self) -> Option<u64> {
        let said = tempfile::NamedTempFile::new().unwrap();
        let mut arguments: Vec<OsString> = vec!["-f".into(), "%M".into(), "-o".into(), said.path().into()];
        arguments.push(self.program.clone().into());
        arguments.extend(self.arguments.iter().cloned());
        let wrapped = Self { program: "/usr/bin/time".into(), arguments, ..self.clone() };
        wrapped.time().ok()?;
        std::fs::read_to_string(said.path()).ok()?.trim().parse().ok()
    }
}

/// The end of what a program said, on one line.
fn last_words(path: &Path) -> String {
    let said = String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().rev().take(2).rev().copied().collect::<Vec<_>>().join(" / ");
    last.chars().take(160).collect()
}
