//! A release that waits at the gate: one pending migration, a file for the reason of a failure, and a password that
//! must not show anywhere. Takes URLs. Never lets the password pass unseen.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::folder::Migrations;
use super::job::{Job, Outcome, Running};

/// The password of every role in these tests; only letters, so that no encoding hides it.
pub const CANARY: &str = "canaryInTheMine";

/// A release with one migration, which makes the table `gate_passed`.
#[derive(Debug)]
pub struct Gate {
    migrations: Migrations,
    folder: TempDir,
}

impl Gate {
    pub fn new() -> Self {
        let migrations = Migrations::new().file("V1__gate.sql", "create table gate_passed ();\n");
        let folder = tempfile::Builder::new().prefix("gate-").tempdir().unwrap();
        std::fs::write(folder.path().join("reason"), "").unwrap();
        Self { migrations, folder }
    }

    /// A folder for certificates, password files and the like.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The folder of its migrations.
    pub fn migrations(&self) -> &Path {
        self.migrations.path()
    }

    /// A run without a database: one second is all it waits for one.
    pub fn bare(&self) -> Job {
        Job::new()
            .migrations(self.migrations.path())
            .env("SCHEMAGATE_LOG_FORMAT", "text")
            .env("SCHEMAGATE_CONNECT_DEADLINE", "1s")
            .env("SCHEMAGATE_TERMINATION_LOG", self.folder.path().join("reason"))
    }

    /// A run on this URL.
    pub fn job(&self, url: impl AsRef<str>) -> Job {
        self.bare().env("DATABASE_URL", url.as_ref())
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(&self, url: impl AsRef<str>) -> Outcome {
        self.finish(self.job(url).spawn())
    }

    /// As [`Self::run`], with this exit code and these words.
    #[track_caller]
    pub fn expect(&self, url: impl AsRef<str>, code: i32, words: &[&str]) -> Outcome {
        let url = url.as_ref();
        let outcome = self.run(url);
        let all = words.iter().all(|word| outcome.stdout.contains(word));
        assert!(outcome.code == Some(code) && all, "{url}\nexpected exit code {code} and {words:?}\n{outcome}");
        outcome
    }

    /// Waits for the end of a run and looks for the password in all that it left.
    #[track_caller]
    pub fn finish(&self, run: Running) -> Outcome {
        let outcome = run.wait();
        outcome.assert_nowhere(CANARY);
        let reason = self.reason();
        assert!(!reason.contains(CANARY), "the termination log holds the password: {reason}\n{outcome}");
        if outcome.code != Some(0) {
            let first = reason.lines().next().unwrap_or_default();
            assert!(!first.is_empty() && outcome.stdout.contains(first), "the termination log: {reason}\n{outcome}");
        }
        outcome
    }

    /// The termination log of the last run that failed.
    pub fn reason(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("reason")).unwrap()
    }
}
