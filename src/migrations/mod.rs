//! Files to a [`MigrationSet`]. In: a folder or the embedded set. Out: migrations in order, or every fault at once.
//! Never connects, never keeps the text of a folder's files in memory.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

mod checksum;
pub mod drizzle;
mod embedded;
mod file;
mod file_name;
pub mod new;
mod problem;
mod refinery;
pub mod script;
mod set;

pub use checksum::{Checksum, ChecksumError, VersionWidth};
pub use drizzle::{DrizzleFault, DrizzleRow, Layout, Oddity};
pub use file_name::{FileName, NameFault, NameReason, Prefix};
pub use problem::{Fault, IntakeError, Problem};
pub(crate) use refinery::PASSED_OVER;
pub use set::{MigrationSet, Origin};

use checksum::{Key, text_forms};

/// The byte-order mark that editors put before a text; never sent to the server.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The number of a migration, its place in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

impl Version {
    /// Makes a version of a number, as the history table holds it.
    pub const fn new(number: i64) -> Version {
        Version(number)
    }

    /// Gives the number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Says whether an `int4` column, refinery's default, can hold the version.
    pub fn fits_int4(self) -> bool {
        i32::try_from(self.0).is_ok()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a migration's checksum stands to the one in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same text.
    Exact,
    /// The same text but for CRLF line ends or a byte-order mark: the same migration, worth a warning.
    LineEndings,
    /// Another text, name or version: divergent.
    Different,
}

/// A migration's text could not be had again after intake.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is gone or no longer readable.
    #[error("{file}: cannot be read any more")]
    Unreadable {
        /// The label of the migration.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds another text than at intake.
    #[error("{file}: the file changed while schemagate was running")]
    Changed {
        /// The label of the migration.
        file: String,
    },
}

impl ReadError {
    /// Gives the way out.
    pub fn hint(&self) -> &'static str {
        "let nothing write to the migrations folder during a run, then run again"
    }
}

/// One migration: what its file name says, its checksum at intake, and where its text is.
#[derive(Debug, Clone)]
pub struct Migration {
    name: FileName,
    file: String,
    facts: Facts,
    source: Source,
    drizzle: Option<Box<DrizzleRow>>,
}

/// What is kept of a text.
#[derive(Debug, Clone, Copy)]
struct Facts {
    size_bytes: u64,
    int4: Option<Checksum>,
    int8: Checksum,
}

impl Facts {
    fn of(name: &FileName, text: &str) -> Facts {
        let key = Key { name: name.name(), version: name.version() };
        Facts {
            size_bytes: u64::try_from(text.len()).unwrap_or(u64::MAX),
            int4: key.checksum(VersionWidth::Int4, text),
            int8: key.checksum_int8(text),
        }
    }
}

/// Where the text is read from.
#[derive(Debug, Clone)]
enum Source {
    File(PathBuf),
    Text(Arc<str>),
}

impl Migration {
    /// Takes the facts of a text; the text itself is kept only where `source` holds it.
    fn of_text(name: FileName, file: String, text: &str, source: Source) -> Migration {
        let facts = Facts::of(&name, text);
        Migration::of_facts(name, file, facts, source)
    }

    fn of_facts(name: FileName, file: String, facts: Facts, source: Source) -> Migration {
        Migration { name, file, facts, source, drizzle: None }
    }

    fn of_drizzle(self, row: DrizzleRow) -> Migration {
        Migration { drizzle: Some(Box::new(row)), ..self }
    }

    /// Gives the version.
    pub fn version(&self) -> Version {
        self.name.version()
    }

    /// Gives the prefix, `V` or `U`.
    pub fn prefix(&self) -> Prefix {
        self.name.prefix()
    }

    /// Gives the name, as the history holds it: `initial_schema`.
    pub fn name(&self) -> &str {
        self.name.name()
    }

    /// Gives the label users see: the path below the migrations folder, with `/` between its parts.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Gives what Drizzle records of it; none where it is not one of drizzle-kit.
    pub fn drizzle(&self) -> Option<&DrizzleRow> {
        self.drizzle.as_deref()
    }

    /// Gives the size of the text in bytes, a byte-order mark included.
    pub fn size_bytes(&self) -> u64 {
        self.facts.size_bytes
    }

    /// Reads the text exactly as it is in the file.
    ///
    /// # Errors
    /// [`ReadError::Unreadable`] where the file cannot be read, [`ReadError::Changed`] where its checksum is no longer
    /// the one seen at intake.
    pub fn read(&self) -> Result<String, ReadError> {
        let text = match &self.source {
            Source::Text(text) => return Ok(text.to_string()),
            Source::File(path) => file::read_text(path).map_err(|fault| self.read_error(fault))?,
        };
        if self.key().checksum_int8(&text) == self.facts.int8 { Ok(text) } else { Err(self.changed()) }
    }

    /// Gives the checksum as refinery computes it with versions of this width; none where the version does not fit.
    pub fn checksum(&self, width: VersionWidth) -> Option<Checksum> {
        match width {
            VersionWidth::Int4 => self.facts.int4,
            VersionWidth::Int8 => Some(self.facts.int8),
        }
    }

    /// Compares with a checksum of the history, computed at either width. The file is read only where it differs.
    ///
    /// # Errors
    /// As [`Migration::read`].
    pub fn compare(&self, recorded: Checksum) -> Result<Comparison, ReadError> {
        if self.facts.int4 == Some(recorded) || self.facts.int8 == recorded {
            return Ok(Comparison::Exact);
        }
        self.compare_text(self.key(), recorded)
    }

    /// As [`Migration::compare`], as if the migration had another version: `drizzle-kit up` gives it one.
    ///
    /// # Errors
    /// As [`Migration::read`].
    pub fn compare_at(&self, version: Version, recorded: Checksum) -> Result<Comparison, ReadError> {
        self.compare_text(Key { name: self.name(), version }, recorded)
    }

    fn compare_text(&self, key: Key<'_>, recorded: Checksum) -> Result<Comparison, ReadError> {
        const WIDTHS: [VersionWidth; 2] = [VersionWidth::Int4, VersionWidth::Int8];
        let text = self.read()?;
        if WIDTHS.iter().any(|width| key.checksum(*width, &text) == Some(recorded)) {
            return Ok(Comparison::Exact);
        }
        let same =
            text_forms(&text).any(|form| WIDTHS.iter().any(|width| key.checksum_of(*width, &form) == Some(recorded)));
        Ok(if same { Comparison::LineEndings } else { Comparison::Different })
    }

    /// Gives the part of a migration's text that is sent to the server: all but a leading byte-order mark.
    pub fn statements_text(sql: &str) -> &str {
        sql.strip_prefix(BYTE_ORDER_MARK).unwrap_or(sql)
    }

    /// Judges its text; breakpoints count in a file of drizzle-kit.
    pub fn judge(&self, sql: &str) -> script::Judgement {
        match self.drizzle {
            Some(_) => script::judge_drizzle(sql),
            None => script::judge(sql),
        }
    }

    /// Surveys what its text makes.
    pub fn survey(&self, sql: &str) -> script::Survey {
        script::survey(sql, self.drizzle.is_some())
    }

    /// Gives the checksum of a part of the migration.
    pub fn part_checksum(&self, part: &str) -> String {
        self.key().checksum_int8(part).to_string()
    }

    /// Says whether Drizzle may have hashed this very text with other line ends.
    pub fn has_drizzle_hash(&self, hash: &str) -> bool {
        let Ok(text) = self.read() else { return false };
        let lf = text.replace("\r\n", "\n");
        let crlf = lf.replace('\n', "\r\n");
        drizzle::hash(&lf) == hash || drizzle::hash(&crlf) == hash
    }

    fn key(&self) -> Key<'_> {
        Key { name: self.name(), version: self.version() }
    }

    fn changed(&self) -> ReadError {
        ReadError::Changed { file: self.file.clone() }
    }

    /// What was text at intake and is none now has changed.
    fn read_error(&self, fault: Fault) -> ReadError {
        match fault {
            Fault::Unreadable { reason } => ReadError::Unreadable { file: self.file.clone(), source: reason },
            _ => self.changed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn one(text: &str) -> Migration {
        let set = MigrationSet::from_texts([("V7__orders.sql", text)]).unwrap();
        set.newest().unwrap().clone()
    }

    /// The checksum that refinery itself records for this text.
    fn recorded(text: &str) -> Checksum {
        let theirs = ::refinery::Migration::unapplied("V7__orders", text).unwrap();
        theirs.checksum().to_string().parse().unwrap()
    }

    #[test]
    fn a_set_is_in_the_order_of_versions_not_of_names() {
        let set = MigrationSet::from_texts([("V10__b.sql", "x"), ("U9__a.sql", "x"), ("V0100__c.sql", "x")]).unwrap();
        let versions: Vec<i64> = set.iter().map(|m| m.version().get()).collect();
        assert_eq!(versions, [9, 10, 100]);
        assert_eq!(set.newest().unwrap().file(), "V0100__c.sql");
        assert_eq!(set.get(Version::new(9)).unwrap().prefix(), Prefix::Unversioned);
        assert!(set.get(Version::new(11)).is_none());
    }

    #[test]
    fn the_same_text_compares_exact() {
        assert_eq!(one("a;\nb;\n").compare(recorded("a;\nb;\n")).unwrap(), Comparison::Exact);
    }

    #[test]
    fn line_ends_and_byte_order_marks_are_the_same_migration() {
        let forms = ["a;\nb;\n", "a;\r\nb;\r\n", "\u{feff}a;\nb;\n", "\u{feff}a;\r\nb;\r\n"];
        for ours in forms.into_iter().chain(["a;\nb;\r\n"]) {
            for theirs in forms.into_iter().filter(|theirs| *theirs != ours) {
                assert_eq!(
                    one(ours).compare(recorded(theirs)).unwrap(),
                    Comparison::LineEndings,
                    "{ours:?} {theirs:?}"
                );
            }
        }
    }

    #[test]
    fn another_text_is_different() {
        for theirs in ["a;\nb; \n", "a;\nb;", "A;\nb;\n", "a;\n\nb;\n", "a;\rb;\r"] {
            assert_eq!(one("a;\nb;\n").compare(recorded(theirs)).unwrap(), Comparison::Different, "{theirs:?}");
        }
    }

    #[test]
    fn a_mixed_file_that_gained_a_byte_order_mark_is_the_same_migration() {
        let comparison = one("\u{feff}a;\nb;\r\n").compare(recorded("a;\nb;\r\n")).unwrap();
        assert_eq!(comparison, Comparison::LineEndings);
    }

    #[test]
    fn a_file_that_changes_after_intake_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("V1__a.sql");
        fs::write(&path, "select 1;").unwrap();
        let set = MigrationSet::load(Some(folder.path())).unwrap();
        let migration = set.newest().unwrap();
        assert_eq!(migration.read().unwrap(), "select 1;");
        for other in ["select 2;".as_bytes(), b"", b"\xff", b"a\0"] {
            fs::write(&path, other).unwrap();
            assert!(matches!(migration.read(), Err(ReadError::Changed { .. })));
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(migration.read(), Err(ReadError::Unreadable { .. })));
    }

    #[test]
    fn only_a_leading_byte_order_mark_is_not_sent() {
        assert_eq!(Migration::statements_text("\u{feff}a\u{feff}"), "a\u{feff}");
        assert_eq!(Migration::statements_text("a"), "a");
    }

    #[test]
    fn an_empty_set_in_memory_is_refused() {
        let error = MigrationSet::from_texts([]).unwrap_err();
        assert!(matches!(error.problems[0].fault, Fault::NoMigrations));
    }
}
