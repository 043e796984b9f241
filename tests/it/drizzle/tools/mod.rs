//! Drizzle's own tools, as npm has them, on the databases that schemagate migrates: drizzle-kit and drizzle-orm 0.x and
//! the newest pre-release of 1.0. Takes time and a registry, so only `scripts/test --all` runs it.

use std::path::{Path, PathBuf};

use crate::support::database::Database;
use crate::support::job::{Job, Outcome};
use crate::support::npm::{fixture, packages};
use crate::support::programs::copy;
use crate::support::{skipped, slow};
use tempfile::TempDir;

mod catalogue;
mod changes;
mod orders;
mod take_over;
mod upgrade;

/// The two lines of Drizzle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// 0.x: a journal.
    Zero,
    /// The pre-release of 1.0: a folder for each migration.
    One,
}

impl Version {
    fn packages(self) -> PathBuf {
        packages(match self {
            Self::Zero => "drizzle-app/v0",
            Self::One => "drizzle-app/v1",
        })
    }
}

/// Whether tests that take minutes are wanted: not again for every other version of PostgreSQL.
fn long() -> bool {
    if std::env::var_os("SCHEMAGATE_TEST_PG_BIN").is_some_and(|bin| !bin.is_empty()) {
        skipped("takes minutes, so it runs on one version of PostgreSQL only");
        return false;
    }
    slow()
}

/// A user's project: the schema of `tests/fixtures/drizzle-app/`, the configuration, the folder of migrations.
struct Project {
    root: TempDir,
}

impl Project {
    /// None where the tests that take time are not wanted.
    fn new(version: Version) -> Option<Self> {
        if !slow() {
            return None;
        }
        let project = Self { root: tempfile::Builder::new().prefix("project-").tempdir().unwrap() };
        for file in ["schema.ts", "drizzle.config.ts", "migrate.mjs"] {
            std::fs::copy(fixture("drizzle-app").join(file), project.path().join(file)).unwrap();
        }
        project.take_packages(version);
        Some(project)
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    fn migrations(&self) -> PathBuf {
        self.path().join("drizzle")
    }

    /// Installs that version of Drizzle, in the place of another.
    fn take_packages(&self, version: Version) {
        let link = self.path().join("node_modules");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(version.packages(), link).unwrap();
    }

    /// Replaces text of the schema, which must be there.
    #[track_caller]
    fn edit(&self, find: &str, replace: &str) {
        let path = self.path().join("schema.ts");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(find), "the schema lacks {find:?}");
        std::fs::write(path, text.replacen(find, replace, 1)).unwrap();
    }

    /// `drizzle-kit` with these arguments.
    fn kit(&self, arguments: &[&str]) -> Job {
        let program = self.path().join("node_modules/drizzle-kit/bin.cjs");
        Job::program("node").arg(program).args(arguments).current_dir(self.path())
    }

    #[track_caller]
    fn generate(&self, name: &str) {
        let before = self.entries().len();
        self.kit(&["generate", "--name", name]).run().assert_code(0);
        assert_eq!(self.entries().len(), before + 1, "nothing was generated for {name}");
    }

    /// A custom migration with this text; with none, as `drizzle-kit generate --custom` leaves it.
    #[track_caller]
    fn custom(&self, name: &str, text: Option<&str>) {
        self.kit(&["generate", "--custom", "--name", name]).run().assert_code(0);
        let path = self.entries().pop().unwrap();
        if let Some(text) = text {
            std::fs::write(path, text).unwrap();
        }
    }

    /// The files of the migrations, in order; drizzle-kit numbers them or gives them their time.
    fn entries(&self) -> Vec<PathBuf> {
        let Ok(found) = std::fs::read_dir(self.migrations()) else { return Vec::new() };
        let mut files: Vec<PathBuf> = found
            .map(|entry| entry.unwrap().path())
            .map(|path| if path.is_dir() { path.join("migration.sql") } else { path })
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        files
    }

    /// Another project, as this one is now.
    fn snapshot(&self) -> Self {
        let root = tempfile::Builder::new().prefix("project-").tempdir().unwrap();
        copy(&self.path().join("."), root.path());
        Self { root }
    }

    /// `drizzle-kit migrate`.
    fn migrate(&self, database: &Database) -> Outcome {
        self.kit(&["migrate"]).env("DATABASE_URL", database.url()).run()
    }

    /// `drizzle-kit push`, which writes no history.
    fn push(&self, database: &Database) -> Outcome {
        self.kit(&["push", "--force"]).env("DATABASE_URL", database.url()).run()
    }

    /// `migrate()` of drizzle-orm.
    fn migrate_by_orm(&self, database: &Database) -> Outcome {
        Job::program("node").arg("migrate.mjs").current_dir(self.path()).env("DATABASE_URL", database.url()).run()
    }

    /// schemagate, with the folder and the database alone.
    fn gate(&self, database: &Database, arguments: &[&str]) -> Outcome {
        Job::on(database).migrations(&self.migrations()).args(arguments).run()
    }
}
