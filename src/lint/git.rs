//! What git says of a folder at a revision. In: a folder and a revision. Out: the files it had there, and their texts. Runs
//! the `git` program; never changes anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why git gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no such program, or it cannot be run.
    #[error("cannot run git: {source}")]
    NoProgram {
        /// The system's reason.
        source: std::io::Error,
    },
    /// The folder is in no repository that git would read.
    #[error("{} is in no repository that git reads: {words}", .folder.display())]
    NoRepository {
        /// The folder.
        folder: PathBuf,
        /// What git said.
        words: String,
    },
    /// There is no such revision.
    #[error("git knows no revision {revision:?}")]
    UnknownRevision {
        /// As it was given.
        revision: String,
    },
    /// Something else.
    #[error("git failed: {words}")]
    Failed {
        /// What git said.
        words: String,
    },
}

impl GitError {
    /// Whether the argument is wrong, and not the place.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::UnknownRevision { .. })
    }

    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoProgram { .. } => "install git, or leave --since and --against out",
            Self::NoRepository { .. } => "run it in a checkout, or leave --since and --against out",
            Self::UnknownRevision { .. } => {
                "name a tag, a branch or a commit; a shallow checkout has few of them (fetch-depth: 0, or git fetch --tags)"
            }
            Self::Failed { .. } => "try the same with git itself",
        }
    }
}

/// A folder as it was at a revision.
#[derive(Debug)]
pub(super) struct Revision {
    folder: PathBuf,
    /// As it was given.
    pub(super) name: String,
    /// The files below the folder, with the object that holds each.
    files: BTreeMap<String, String>,
}

impl Revision {
    pub(super) fn read(folder: &Path, name: &str) -> Result<Revision, GitError> {
        inside(folder)?;
        // What starts with a dash would be an option.
        let commit = format!("{name}^{{commit}}");
        let known = git(folder, &["rev-parse", "--quiet", "--verify", "--end-of-options", &commit]);
        let Ok(commit) = known else {
            return Err(GitError::UnknownRevision { revision: name.to_owned() });
        };
        let listing = git(folder, &["ls-tree", "-r", "-z", String::from_utf8_lossy(&commit).trim()])?;
        let files = listing.split(|byte| *byte == 0).filter_map(|entry| {
            let (head, path) = std::str::from_utf8(entry).ok()?.split_once('\t')?;
            let object = head.strip_prefix("100644 blob ").or_else(|| head.strip_prefix("100755 blob "))?;
            Some((path.to_owned(), object.trim().to_owned()))
        });
        Ok(Revision { files: files.collect(), folder: folder.to_owned(), name: name.to_owned() })
    }

    /// Whether it had a file.
    pub(super) fn has(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    /// The files it had.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The text of a file there.
    pub(super) fn text(&self, file: &str) -> Result<Option<Vec<u8>>, GitError> {
        let object = self.files.get(file);
        object.map(|object| git(&self.folder, &["cat-file", "blob", object])).transpose()
    }
}

fn inside(folder: &Path) -> Result<(), GitError> {
    match git(folder, &["rev-parse", "--is-inside-work-tree"]) {
        Ok(_) => Ok(()),
        Err(GitError::Failed { words }) => Err(GitError::NoRepository { folder: folder.to_owned(), words }),
        Err(error) => Err(error),
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output();
    let output = output.map_err(|source| GitError::NoProgram { source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(GitError::Failed { words })
}
