//! What can be wrong with evidence, in words.

use std::fmt;

use crate::history::runs::ChainFault;
use crate::signing::jws::JwsFault;

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The file or folder.
    pub at: String,
    /// What.
    pub wrong: Wrong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.wrong)
    }
}

/// What is wrong with a file or folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The signed text.
    #[error(transparent)]
    Jws(#[from] JwsFault),
    /// The rows of an audit trail.
    #[error("the audit trail is broken: {0}")]
    Chain(ChainFault),
    /// Bytes that are no text.
    #[error("not a compact JWS: no text")]
    NotText,
    /// The same words in other bytes.
    #[error("says what was written, but not in the bytes that schemagate writes: {how}")]
    Form {
        /// What is else about it.
        how: &'static str,
    },
    /// Nobody signed it.
    #[error("unsigned: nobody can tell whether it was changed")]
    Unsigned,
    /// `iat` or `exp` missing, or one before the other.
    #[error("iat and exp do not say when it was signed and until when that holds")]
    Times,
    /// Too old.
    #[error("expired at {when}")]
    Expired {
        /// When.
        when: String,
    },
    /// Signed later than now.
    #[error("signed at {when}, which is still to come")]
    Future {
        /// When.
        when: String,
    },
    /// A member that is missing, or is something else than it should be.
    #[error("{member} is not {wanted}")]
    Member {
        /// Its name.
        member: String,
        /// What it should be.
        wanted: String,
    },
    /// Two that should say the same.
    #[error("{this} is not that of {other}")]
    Differs {
        /// What differs.
        this: String,
        /// From what.
        other: String,
    },
    /// A package in a folder of another name.
    #[error("is the folder of the package {package_id}, by another name")]
    Renamed {
        /// What its manifest says.
        package_id: String,
    },
    /// A file that should be there.
    #[error("missing")]
    Missing,
    /// A file at the top that should be there.
    #[error("missing, where the newest package, {newest}, has it")]
    MissingOf {
        /// That package.
        newest: String,
    },
    /// A file at the top that a later run should have replaced.
    #[error("is that of {older}, where the newest package is {newest}")]
    Outdated {
        /// Whose file it is.
        older: String,
        /// Whose it should be.
        newest: String,
    },
    /// Something beside the packages that none of them has.
    #[error("no part of the evidence: no package has such a file")]
    Stray,
    /// A file that the package needs and its manifest does not list.
    #[error("required, but not listed in the manifest")]
    NotListed,
    /// A file that should not be there.
    #[error("not listed in the manifest")]
    Extra,
    /// A link, a pipe, a device.
    #[error("not a regular file; it was not read")]
    NotAFile,
    /// A link, where a folder should be.
    #[error("not a folder; it was not read")]
    NotAFolder,
    /// A path that leaves the folder, or could.
    #[error(
        "the manifest lists a path that is not allowed: absolute, with `..`, or the manifest itself; it was not read"
    )]
    Path,
    /// A path that the manifest lists twice.
    #[error("listed twice in the manifest")]
    Twice,
    /// Another size.
    #[error("has {found} bytes, where the manifest says {said}")]
    Size {
        /// What the manifest says.
        said: u64,
        /// What is there.
        found: u64,
    },
    /// Other contents.
    #[error("has the SHA-256 {found}, where the manifest says {said}")]
    Hash {
        /// What the manifest says.
        said: String,
        /// What is there.
        found: String,
    },
    /// Not to be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// The system's reason.
        reason: String,
    },
    /// No JSON.
    #[error("no JSON object: {reason}")]
    NotJson {
        /// Why.
        reason: String,
    },
    /// A record without a package.
    #[error("no package beside it holds this record")]
    NoPackage,
    /// A folder without a record.
    #[error("holds no record")]
    NoRecord,
}
