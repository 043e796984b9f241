//! What git says of a folder at a revision. In: a folder and a revision. Out: the files it had there, and their texts. Runs
//! the `git` program; never changes anything, and never asks a person.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why git gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no such program, or it cannot be run.
    #[error("cannot run git: {source}")]
    NoProgram {
        /// The system's reason.
        source: std::io::Error,
    },
    /// The folder is in no repository.
    #[error("{} is in no repository that git reads: {words}", .folder.display())]
    NoRepository {
        /// The folder.
        folder: PathBuf,
        /// What git said.
        words: String,
    },
    /// The repository belongs to another user, as a checkout that is mounted into a container does.
    #[error("git does not read the repository {checkout}, as it belongs to another user")]
    NotTrusted {
        /// As git names it.
        checkout: String,
    },
    /// There is no such revision.
    #[error("git knows no revision {revision:?}")]
    UnknownRevision {
        /// As it was given.
        revision: String,
    },
    /// The checkout holds too few commits to know the revision, or what it has in common with this one.
    #[error("this checkout is shallow, and does not hold {revision:?} or the commits since")]
    Shallow {
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
            Self::NotTrusted { .. } => {
                "say that it may: `git config --global --add safe.directory FOLDER`, with the folder named here"
            }
            Self::UnknownRevision { .. } => "name a tag, a branch or a commit that `git rev-parse` knows here",
            Self::Shallow { .. } => {
                "fetch the rest: `fetch-depth: 0` for actions/checkout, `git fetch --unshallow --tags` elsewhere"
            }
            Self::Failed { .. } => "try the same with git itself",
        }
    }
}

/// Gives the name by which a file is known again, none of what is no migration.
pub(super) type Key = fn(&str) -> Option<&str>;

/// A file at one commit.
#[derive(Debug)]
pub(super) struct Known {
    /// Below the folder.
    pub(super) path: String,
    /// The object that holds its text.
    object: String,
}

/// The files of a folder at one commit, by their keys.
type Files = BTreeMap<String, Known>;

/// The folder that is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Folder<'a> {
    pub(super) path: &'a Path,
    /// Its migrations as they are here, below it.
    pub(super) migrations: &'a [&'a str],
    pub(super) key: Key,
}

/// A folder as it was at a revision.
#[derive(Debug)]
pub(super) struct Revision {
    folder: PathBuf,
    /// As it was given.
    pub(super) name: String,
    files: Files,
    /// The files where this checkout parted from it, if it is a branch that has gone on since.
    fork: Option<Files>,
}

impl Revision {
    /// Reads the folder as it was at a revision that this checkout goes on from. Files are known by their key.
    pub(super) fn since(asked: Folder<'_>, name: &str) -> Result<Revision, GitError> {
        let folder = asked.path;
        let revision = Self::read(asked, name)?;
        // What a tag has was released; what a branch has got since may still be merged into this one.
        if commit_of(folder, &format!("refs/tags/{name}")).is_some() {
            return Ok(revision);
        }
        let fork = match base(folder, name) {
            Some(base) => Some(files(asked, &base)?),
            None if commit_of(folder, "HEAD").is_some() && is_shallow(folder) => {
                return Err(GitError::Shallow { revision: name.to_owned() });
            }
            None => None,
        };
        Ok(Revision { fork, ..revision })
    }

    /// Reads the folder. Files are known by their key.
    pub(super) fn read(asked: Folder<'_>, name: &str) -> Result<Revision, GitError> {
        let folder = asked.path;
        inside(folder)?;
        let Some(commit) = commit_of(folder, name) else {
            let revision = name.to_owned();
            return Err(if is_shallow(folder) {
                GitError::Shallow { revision }
            } else {
                GitError::UnknownRevision { revision }
            });
        };
        let files = files(asked, &commit)?;
        Ok(Revision { files, fork: None, folder: folder.to_owned(), name: name.to_owned() })
    }

    /// Whether it had a file.
    pub(super) fn has(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    /// The files it had.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The files that cannot be missing here: those it had when this checkout parted from it.
    pub(super) fn files_before(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.fork.as_ref().unwrap_or(&self.files).iter()
    }

    /// The objects that a file may be here: what the revision has, or had when this checkout parted from it.
    pub(super) fn objects(&self, file: &str) -> Vec<&str> {
        let both = [Some(&self.files), self.fork.as_ref()];
        both.into_iter().flatten().filter_map(|files| files.get(file)).map(|known| known.object.as_str()).collect()
    }

    /// The text of an object.
    pub(super) fn text(&self, object: &str) -> Result<Vec<u8>, GitError> {
        git(&self.folder, &["cat-file", "blob", object])
    }

    /// The objects that these files of the folder would be, in their order: one call of git for all of them.
    pub(super) fn would_be(&self, files: &[&str]) -> Result<Vec<String>, GitError> {
        // git goes to the root of the checkout before it reads the names.
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        let mut input = Vec::new();
        for file in files {
            input.extend_from_slice(folder.join(file).as_os_str().as_bytes());
            input.push(b'\n');
        }
        let answer = git_with(&self.folder, &["hash-object", "--stdin-paths"], Some(input))?;
        Ok(String::from_utf8_lossy(&answer).lines().map(str::to_owned).collect())
    }
}

/// The commit that a name means. What starts with a dash would be an option.
fn commit_of(folder: &Path, name: &str) -> Option<String> {
    let commit = format!("{name}^{{commit}}");
    let answer = git(folder, &["rev-parse", "--quiet", "--verify", "--end-of-options", &commit]).ok()?;
    Some(String::from_utf8_lossy(&answer).trim().to_owned())
}

/// The commit at which this checkout parted from another.
fn base(folder: &Path, name: &str) -> Option<String> {
    let commit = commit_of(folder, name)?;
    let answer = git(folder, &["merge-base", &commit, "HEAD"]).ok()?;
    Some(String::from_utf8_lossy(&answer).trim().to_owned())
}

fn is_shallow(folder: &Path) -> bool {
    git(folder, &["rev-parse", "--is-shallow-repository"]).is_ok_and(|answer| answer == b"true\n")
}

/// The files of the folder at a commit; of the folder that it was moved from, where the commit has none of this name.
fn files(asked: Folder<'_>, commit: &str) -> Result<Files, GitError> {
    let here = listed(&git(asked.path, &["ls-tree", "-r", "-z", commit])?);
    let from = if here.is_empty() { moved_from(asked, commit)? } else { here };
    let known = |(path, object): (String, String)| Some(((asked.key)(&path)?.to_owned(), Known { path, object }));
    Ok(from.into_iter().filter_map(known).collect())
}

/// Files and their objects.
fn listed(listing: &[u8]) -> Vec<(String, String)> {
    let file = |entry: &[u8]| {
        let (head, path) = std::str::from_utf8(entry).ok()?.split_once('\t')?;
        let object = head.strip_prefix("100644 blob ").or_else(|| head.strip_prefix("100755 blob "))?;
        Some((path.to_owned(), object.trim().to_owned()))
    };
    listing.split(|byte| *byte == 0).filter_map(file).collect()
}

/// The files of the folder that had most of these migrations at a commit, and has them no more.
fn moved_from(asked: Folder<'_>, commit: &str) -> Result<Vec<(String, String)>, GitError> {
    let answer = git(asked.path, &["rev-parse", "--show-toplevel"])?;
    let top = PathBuf::from(String::from_utf8_lossy(&answer).trim_end());
    let everything = listed(&git(asked.path, &["ls-tree", "-r", "-z", "--full-tree", commit])?);
    let mut had: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, _) in &everything {
        let folder = |migration: &&str| {
            let folder = path.strip_suffix(*migration)?;
            (folder.is_empty() || folder.ends_with('/')).then_some(folder)
        };
        if let Some(folder) = asked.migrations.iter().find_map(folder).filter(|_| !top.join(path).exists()) {
            *had.entry(folder).or_default() += 1;
        }
    }
    let Some((folder, _)) = had.into_iter().max_by_key(|(_, files)| *files) else { return Ok(Vec::new()) };
    let below = |(path, object): &(String, String)| Some((path.strip_prefix(folder)?.to_owned(), object.clone()));
    Ok(everything.iter().filter_map(below).collect())
}

fn inside(folder: &Path) -> Result<(), GitError> {
    match git(folder, &["rev-parse", "--is-inside-work-tree"]) {
        Ok(_) => Ok(()),
        Err(GitError::Failed { words }) => Err(match words.split_once("--add safe.directory ") {
            Some((_, checkout)) => GitError::NotTrusted { checkout: checkout.trim().to_owned() },
            None => GitError::NoRepository { folder: folder.to_owned(), words },
        }),
        Err(error) => Err(error),
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
    git_with(folder, arguments, None)
}

fn git_with(folder: &Path, arguments: &[&str], input: Option<Vec<u8>>) -> Result<Vec<u8>, GitError> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments).env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
    // A hook of git has these set, for the folder that it runs in.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_PREFIX", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| GitError::NoProgram { source })?;
    let stdin = child.stdin.take();
    let output = std::thread::scope(|scope| {
        // Beside the reading: git answers before it has read everything.
        scope.spawn(move || stdin.zip(input).map(|(mut stdin, input)| stdin.write_all(&input)));
        child.wait_with_output()
    });
    let output = output.map_err(|source| GitError::NoProgram { source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let lines = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Err(GitError::Failed { words: words.join("; ") })
}
