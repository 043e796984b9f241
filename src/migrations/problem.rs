//! What can be wrong with migrations before a connection. In: texts and listings. Out: [`IntakeError`], all problems at
//! once. Never judges what a file's SQL does.

use std::collections::HashMap;
use std::{fmt, io};

use super::{BYTE_ORDER_MARK, DrizzleFault, NameFault, NameReason, Origin, Version};

/// The largest file in bytes: one message of the protocol, less its length word and final NUL
/// (`PQ_LARGE_MESSAGE_LIMIT` in PostgreSQL's `libpq/libpq.h`).
pub(super) const LARGEST_FILE_BYTES: u64 = 0x3fff_fffe - 5;

/// The migrations of a release cannot be used.
#[derive(Debug)]
pub struct IntakeError {
    /// Where they are.
    pub origin: Origin,
    /// Every problem, by path.
    pub problems: Vec<Problem>,
    /// A folder of drizzle-kit that was found below the given one.
    pub drizzle_below: Option<String>,
}

impl std::error::Error for IntakeError {}

impl fmt::Display for IntakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl IntakeError {
    /// Counts the problems and says where they are, without listing them.
    pub fn headline(&self) -> String {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        format!("{count} {noun} in {}", self.origin)
    }

    /// Gives the way out of one problem. A folder of drizzle-kit is not renamed file by file.
    pub fn hint_for(&self, problem: &Problem) -> Option<String> {
        let renames = matches!(problem.fault, Fault::Name(_));
        if self.drizzle_below.is_some() && renames { None } else { problem.fault.hint() }
    }

    /// Gives the way out that concerns the whole set; each problem may have its own besides.
    pub fn hint(&self) -> Option<String> {
        let below = self.drizzle_below.as_ref()?;
        Some(format!("{} below it is a folder of drizzle-kit: give that one", below.escape_debug()))
    }
}

/// One problem of one file.
#[derive(Debug)]
pub struct Problem {
    /// The label of the file; empty where the folder as a whole is meant.
    pub file: String,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            // A name may hold a line feed or an escape sequence; the list must stay one line a problem.
            write!(f, "{}: ", self.file.escape_debug())?;
        }
        self.fault.fmt(f)
    }
}

/// What is wrong with a file, or with the folder.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file name does not parse.
    #[error("{}", .0.reason)]
    Name(NameFault),
    /// Two files have one version; the prefix does not tell them apart.
    #[error("version {version} is already that of {other}")]
    Duplicate {
        /// The version.
        version: Version,
        /// The file before it.
        other: String,
    },
    /// Nothing but white space.
    #[error("the file is empty")]
    Empty,
    /// Bytes that are no UTF-8.
    #[error("not valid UTF-8 at byte {offset} (line {line})")]
    NotUtf8 {
        /// The first wrong byte, counted from 0.
        offset: usize,
        /// Its line, counted from 1.
        line: usize,
        /// Whether the file starts as UTF-16 does.
        utf16: bool,
    },
    /// A NUL, which PostgreSQL's text cannot hold.
    #[error("a NUL byte on line {line}")]
    Nul {
        /// Its line, counted from 1.
        line: usize,
    },
    /// The system refuses to read it.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// What the system said.
        reason: io::Error,
    },
    /// A link to nothing.
    #[error("a link to a file that does not exist")]
    DanglingLink,
    /// A folder with the name of a file.
    #[error("a folder, not a file")]
    IsFolder,
    /// A pipe, socket or device.
    #[error("not a regular file")]
    NotAFile,
    /// More than one message of the protocol can carry.
    #[error("the file holds {size_bytes} bytes (the limit is {LARGEST_FILE_BYTES})")]
    TooLarge {
        /// Its size.
        size_bytes: u64,
    },
    /// The folder does not exist.
    #[error("the folder does not exist")]
    FolderMissing,
    /// The folder is a file.
    #[error("not a folder")]
    NotAFolder,
    /// The folder holds none.
    #[error("no migrations in it")]
    NoMigrations,
    /// The folder is one of drizzle-kit, and not as that writes it.
    #[error(transparent)]
    Drizzle(DrizzleFault),
}

impl Fault {
    /// Gives the way out.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Fault::Name(fault) => return Some(name_hint(fault)),
            Fault::Duplicate { .. } => "give one of the two the next free version",
            Fault::Empty => "write its statements, or a comment that says why there are none",
            Fault::NotUtf8 { utf16: true, .. } => "it looks like UTF-16; save it as UTF-8",
            Fault::NotUtf8 { .. } => "save it as UTF-8",
            Fault::Nul { .. } => "remove it; PostgreSQL's text cannot hold one",
            Fault::TooLarge { .. } => "split it into several migrations; one message to the server holds 1 GiB at most",
            Fault::IsFolder => "rename the folder so that it does not end in .sql",
            Fault::FolderMissing => "check SCHEMAGATE_MIGRATIONS or --migrations, and that the image holds the folder",
            Fault::NotAFolder => "give the folder that holds the migrations, not a file",
            Fault::NoMigrations => "a migration is a file named V1__name.sql, or what `drizzle-kit generate` writes",
            Fault::Drizzle(fault) => fault.hint(),
            Fault::Unreadable { reason } if reason.kind() == io::ErrorKind::PermissionDenied => {
                "let the user that schemagate runs as read it"
            }
            Fault::Unreadable { .. } => "mend or remove it",
            Fault::DanglingLink => "mend the link, or remove it",
            Fault::NotAFile => "put a regular file in its place, or remove it",
        };
        Some(hint.to_owned())
    }
}

fn name_hint(fault: &NameFault) -> String {
    match (&fault.nearest, &fault.reason) {
        (Some(nearest), _) => format!("name it {nearest}"),
        (None, NameReason::TooLong { .. }) => "shorten the name".to_owned(),
        (None, NameReason::VersionTooBig { .. }) => "give it a smaller number".to_owned(),
        (None, _) => {
            "name it V, a whole number, two underscores, a name and .sql, as in V12__add_orders.sql".to_owned()
        }
    }
}

/// Turns the bytes of a file into text.
///
/// # Errors
/// [`Fault::NotUtf8`].
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|error| {
        let (offset, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        Fault::NotUtf8 { offset, line: line_of(bytes, offset), utf16 }
    })
}

/// Judges whether the server can hold a text.
///
/// # Errors
/// [`Fault::Nul`].
pub(super) fn check_text(text: &str) -> Result<(), Fault> {
    match text.find('\0') {
        Some(offset) => Err(Fault::Nul { line: line_of(text.as_bytes(), offset) }),
        None => Ok(()),
    }
}

/// Judges whether a text says anything; a comment does.
///
/// # Errors
/// [`Fault::Empty`].
pub(super) fn check_not_blank(text: &str) -> Result<(), Fault> {
    let blank = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).trim().is_empty();
    if blank { Err(Fault::Empty) } else { Ok(()) }
}

fn line_of(bytes: &[u8], offset: usize) -> usize {
    1 + bytes.iter().take(offset).filter(|byte| **byte == b'\n').count()
}

/// Finds files whose version an earlier one has; `files` in the order in which the first is to win.
pub(super) fn duplicates<'a>(files: impl Iterator<Item = (&'a str, Version)>) -> Vec<Problem> {
    let mut first: HashMap<Version, &str> = HashMap::new();
    let mut problems = Vec::new();
    for (file, version) in files {
        let other = *first.entry(version).or_insert(file);
        if other != file {
            let fault = Fault::Duplicate { version, other: other.to_owned() };
            problems.push(Problem { file: file.to_owned(), fault });
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::MigrationSet;

    fn fault(bytes: &[u8]) -> String {
        let judged = decode(bytes.to_vec()).and_then(|text| check_text(&text).and_then(|()| check_not_blank(&text)));
        judged.unwrap_err().to_string()
    }

    #[test]
    fn white_space_alone_is_empty_and_a_comment_is_not() {
        for empty in ["", " \r\n\t", "\u{feff}", "\u{feff}\n"] {
            assert_eq!(fault(empty.as_bytes()), "the file is empty");
        }
        assert!(decode(b"-- nothing to do".to_vec()).is_ok());
        assert!(decode(b";".to_vec()).is_ok());
    }

    #[test]
    fn a_wrong_byte_is_named_with_its_line() {
        assert_eq!(fault(b"a\nb\n\xe9"), "not valid UTF-8 at byte 4 (line 3)");
        assert_eq!(fault(b"a\nb\0"), "a NUL byte on line 2");
    }

    #[test]
    fn utf16_is_recognised() {
        let fault = decode(b"\xff\xfes\0e\0".to_vec()).unwrap_err();
        assert_eq!(fault.hint().unwrap(), "it looks like UTF-16; save it as UTF-8");
    }

    #[test]
    fn all_problems_are_listed_at_once_by_path() {
        let error = MigrationSet::from_texts([
            ("V2__b.sql", "x"),
            ("V1__a.sql", "x"),
            ("U1__c.sql", "x"),
            ("V01__d.sql", "x"),
            ("v3__e.sql", "x"),
            ("V4__f.sql", " "),
        ])
        .unwrap_err();
        insta::assert_snapshot!(error, @r"
        4 problems in the embedded migrations
          U1__c.sql: version 1 is already that of V1__a.sql
          V01__d.sql: version 1 is already that of V1__a.sql
          V4__f.sql: the file is empty
          v3__e.sql: the prefix 'v' must be a capital letter
        ");
    }

    #[test]
    fn a_file_name_cannot_break_the_list() {
        let fault = Fault::Empty;
        let problem = Problem { file: "V1__a\n\u{1b}[2J.sql".to_owned(), fault };
        assert_eq!(problem.to_string(), "V1__a\\n\\u{1b}[2J.sql: the file is empty");
    }
}
