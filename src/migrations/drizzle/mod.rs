//! A folder of drizzle-kit. In: a path. Out: its migrations, or every problem, and what is odd about it. Reads both
//! layouts, recognised by what the folder holds; never writes into it.

mod fault;
mod folders;
mod journal;
mod oddity;
mod tag;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::sha256::sha256_hex;

use super::file::read_text;
use super::problem::check_not_blank;
use super::{FileName, IntakeError, Migration, MigrationSet, Origin, Problem, Source, Version};

pub use fault::DrizzleFault;
pub use oddity::{Oddity, oddity_lines};

/// How drizzle-kit lays out its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Versions 0.x: `meta/_journal.json` and a file for each of its entries.
    Journal,
    /// Version 1: a folder for each migration, `<timestamp>_<name>/migration.sql`.
    Folders,
}

/// What Drizzle itself records of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrizzleRow {
    /// The SHA-256 of the file, as hexadecimal digits.
    pub hash: String,
    /// `when` of the journal, or the folder's timestamp, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// The folder's name in version 1; of a journal's entry, the name that `drizzle-kit up` gives its folder.
    pub name: String,
}

/// One migration of the folder, by name alone.
struct Listed {
    version: Version,
    name: String,
    /// The path below the folder.
    label: String,
    created_at_ms: i64,
    folder_name: String,
}

/// Recognises the layout; none where the folder is not one of drizzle-kit.
pub(super) fn recognise(folder: &Path) -> Option<Layout> {
    // Snapshots without a journal: it was not shipped, and nobody is to be told to rename the files.
    if fs::exists(journal::path(folder)).unwrap_or(false) || journal::has_snapshots(folder) {
        return Some(Layout::Journal);
    }
    folders::any(folder).then_some(Layout::Folders)
}

/// Loads a folder of that layout.
///
/// # Errors
/// [`IntakeError`] with every problem of every file.
pub(super) fn load(folder: &Path, layout: Layout) -> Result<MigrationSet, IntakeError> {
    let Listing { listed, mut problems, mut oddities } = match layout {
        Layout::Journal => journal::list(folder),
        Layout::Folders => folders::list(folder),
    };
    let mut migrations = Vec::with_capacity(listed.len());
    for listed in listed {
        let label = listed.label.clone();
        match read(folder, listed) {
            Ok((migration, blank)) => {
                // Drizzle lets such a file pass.
                if blank {
                    oddities.push(Oddity::Empty { file: label });
                }
                migrations.push(migration);
            }
            Err(fault) => problems.push(Problem { file: label, fault }),
        }
    }
    let origin = Origin::Drizzle { folder: folder.to_owned(), layout };
    Ok(MigrationSet::settle(origin, migrations, problems)?.with_oddities(oddities))
}

/// What a layout's reader finds, by names alone.
#[derive(Default)]
struct Listing {
    listed: Vec<Listed>,
    problems: Vec<Problem>,
    oddities: Vec<Oddity>,
}

impl Listing {
    fn report(&mut self, file: &str, fault: DrizzleFault) {
        self.problems.push(Problem { file: file.to_owned(), fault: fault.into() });
    }
}

fn read(folder: &Path, listed: Listed) -> Result<(Migration, bool), super::Fault> {
    let Listed { version, name, label, created_at_ms, folder_name } = listed;
    let path = folder.join(&label);
    let text = read_text(&path).map_err(|fault| match fault {
        super::Fault::Unreadable { reason } if reason.kind() == io::ErrorKind::NotFound => DrizzleFault::NoFile.into(),
        other => other,
    })?;
    let row = DrizzleRow { hash: hash(&text), created_at_ms, name: folder_name };
    let blank = check_not_blank(&text).is_err();
    let migration = Migration::of_text(FileName::numbered(version, name), label, &text, Source::File(path));
    Ok((migration.of_drizzle(row), blank))
}

/// The hash that Drizzle records of a text.
pub(super) fn hash(text: &str) -> String {
    sha256_hex(text.as_bytes())
}

/// The entries of a folder that are not hidden, by name: whether each is a folder.
fn entries(folder: &Path) -> io::Result<Vec<(String, bool)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            let kind = entry.file_type()?;
            let is_folder = kind.is_dir() || kind.is_symlink() && entry.path().is_dir();
            found.push((name, is_folder));
        }
    }
    found.sort();
    Ok(found)
}

/// The file of a migration in its own folder.
const MIGRATION_FILE: &str = "migration.sql";

fn migration_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).join(MIGRATION_FILE)
}

/// Files that are named as refinery's are, in a folder of drizzle-kit: a mix that no tool reads as a whole.
fn report_foreign(listing: &mut Listing, file: &str) {
    if FileName::parse(file).is_ok() {
        listing.report(file, DrizzleFault::RefineryFile);
    } else {
        listing.oddities.push(Oddity::NotListed { file: file.to_owned() });
    }
}
