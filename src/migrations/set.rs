//! The migrations of a release, in order. In: a folder, or texts. Out: a [`MigrationSet`] without two of one version.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{
    Fault, FileName, IntakeError, Layout, Migration, Oddity, Problem, ReadError, Source, Version, drizzle, embedded,
    problem, refinery,
};

/// Where a set came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built into the binary.
    Embedded,
    /// A folder of refinery files.
    Folder(PathBuf),
    /// A folder of drizzle-kit.
    Drizzle {
        /// Where.
        folder: PathBuf,
        /// How it is laid out.
        layout: Layout,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Embedded => f.write_str("the embedded migrations"),
            Origin::Folder(folder) => write!(f, "the migrations folder {}", folder.display()),
            Origin::Drizzle { folder, .. } => write!(f, "the drizzle-kit folder {}", folder.display()),
        }
    }
}

/// The migrations of a release, in the order of their versions, which are unique.
#[derive(Debug, Clone)]
pub struct MigrationSet {
    migrations: Vec<Migration>,
    origin: Origin,
    oddities: Vec<Oddity>,
}

impl MigrationSet {
    /// Reads the folder, or the embedded set where there is none. Each file is read once, of large ones one at a
    /// time. A folder of drizzle-kit is known by what it holds.
    ///
    /// # Errors
    /// [`IntakeError`] with every fault of every file.
    pub fn load(folder: Option<&Path>) -> Result<MigrationSet, IntakeError> {
        match folder {
            Some(folder) => match drizzle::recognise(folder) {
                Some(layout) => drizzle::load(folder, layout),
                None => refinery::load(folder),
            },
            None => embedded::load(),
        }
    }

    /// Makes a set of files, by their paths below a folder, and texts in memory, judged as files of a folder are.
    ///
    /// # Errors
    /// [`IntakeError`] with every fault of every text.
    pub fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<MigrationSet, IntakeError> {
        let mut migrations = Vec::new();
        let mut problems = Vec::new();
        for (file, text) in texts {
            let parsed = FileName::parse(file.rsplit('/').next().unwrap_or(file)).map_err(Fault::Name);
            let judged = problem::check_text(text).and_then(|()| problem::check_not_blank(text));
            match parsed.and_then(|name| judged.map(|()| name)) {
                Ok(name) => {
                    migrations.push(Migration::of_text(name, file.to_owned(), text, Source::Text(text.into())));
                }
                Err(fault) => problems.push(Problem { file: file.to_owned(), fault }),
            }
        }
        problems.extend(problem::duplicates(migrations.iter().map(|m| (m.file(), m.version()))));
        MigrationSet::settle(Origin::Embedded, migrations, problems)
    }

    /// Gives the set in order, or the problems in theirs.
    pub(super) fn settle(
        origin: Origin,
        mut migrations: Vec<Migration>,
        mut problems: Vec<Problem>,
    ) -> Result<MigrationSet, IntakeError> {
        if migrations.is_empty() && problems.is_empty() {
            problems.push(Problem { file: String::new(), fault: Fault::NoMigrations });
        }
        if !problems.is_empty() {
            problems.sort_by(|a, b| a.file.cmp(&b.file));
            return Err(IntakeError { origin, problems, drizzle_below: None });
        }
        migrations.sort_by_key(Migration::version);
        Ok(MigrationSet { migrations, origin, oddities: Vec::new() })
    }

    pub(super) fn with_oddities(self, oddities: Vec<Oddity>) -> MigrationSet {
        MigrationSet { oddities, ..self }
    }

    /// Gives the set with one file more, as if it lay beside the others; or, where one has its version, instead of that.
    ///
    /// # Errors
    /// [`IntakeError`] where the name or the text is none of a migration's.
    pub fn with(&self, file: &str, text: &str) -> Result<MigrationSet, IntakeError> {
        let mut extra = MigrationSet::from_texts([(file, text)])?.migrations;
        let versions: Vec<Version> = extra.iter().map(Migration::version).collect();
        let mut set = self.clone();
        set.migrations.retain(|migration| !versions.contains(&migration.version()));
        set.migrations.append(&mut extra);
        set.migrations.sort_by_key(Migration::version);
        Ok(set)
    }

    /// Gives the set with `words` at the end of every file, as an edit would put them there.
    ///
    /// # Errors
    /// As [`Migration::read`].
    pub fn with_every_file_edited(&self, words: &str) -> Result<MigrationSet, ReadError> {
        let mut set = self.clone();
        for migration in &mut set.migrations {
            let text = format!("{}{words}", migration.read()?);
            let row = migration.drizzle.take();
            let source = Source::Text(text.as_str().into());
            *migration = Migration::of_text(migration.name.clone(), migration.file.clone(), &text, source);
            migration.drizzle = row;
        }
        Ok(set)
    }

    /// These migrations alone, and nothing that is odd about the folder as a whole.
    #[must_use]
    pub fn only(&self, versions: &[Version]) -> MigrationSet {
        let wanted = |migration: &&Migration| versions.contains(&migration.version());
        let migrations = self.migrations.iter().filter(wanted).cloned().collect();
        MigrationSet { migrations, origin: self.origin.clone(), oddities: Vec::new() }
    }

    /// Walks the migrations by ascending version.
    pub fn iter(&self) -> std::slice::Iter<'_, Migration> {
        self.migrations.iter()
    }

    /// Counts the migrations.
    pub fn len(&self) -> usize {
        self.migrations.len()
    }

    /// Says whether there is none; a loaded set always holds one.
    pub fn is_empty(&self) -> bool {
        self.migrations.is_empty()
    }

    /// Gives the migration of the highest version.
    pub fn newest(&self) -> Option<&Migration> {
        self.migrations.last()
    }

    /// Finds a migration by its version.
    pub fn get(&self, version: Version) -> Option<&Migration> {
        let place = self.migrations.binary_search_by_key(&version, Migration::version).ok()?;
        self.migrations.get(place)
    }

    /// Lists what is odd about the files and keeps nothing from running.
    pub fn oddities(&self) -> &[Oddity] {
        &self.oddities
    }

    /// Says where the set came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl<'a> IntoIterator for &'a MigrationSet {
    type Item = &'a Migration;
    type IntoIter = std::slice::Iter<'a, Migration>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
