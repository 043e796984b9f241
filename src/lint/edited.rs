//! Files that git says were released. In: a set and the revision of that release. Out: a finding for each that is another
//! one now, or gone.

use std::collections::HashSet;

use super::LintError;
use super::finding::Finding;
use super::git::{Key, Revision};
use super::rules::EDITED;
use crate::migrations::{FileName, Migration, MigrationSet, Origin, PASSED_OVER};

/// The name by which a migration is known again, none of what is no migration: `up` minds no subfolder, but Drizzle's
/// folders are its names.
pub(super) fn key(set: &MigrationSet) -> Key {
    match set.origin() {
        Origin::Drizzle { .. } => |path| (!path.starts_with("meta/")).then_some(path),
        Origin::Folder(_) | Origin::Embedded => |path| {
            let passed_over = |part: &str| part.starts_with('.') || part == PASSED_OVER;
            (!path.split('/').any(passed_over)).then(|| name(path))
        },
    }
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub(super) fn findings(set: &MigrationSet, since: &Revision) -> Result<Vec<Finding>, LintError> {
    let key = key(set);
    let key = |migration: &'_ Migration| key(migration.file()).unwrap_or_default().to_owned();
    let known: Vec<&Migration> = set.iter().filter(|migration| since.has(&key(migration))).collect();
    let files: Vec<&str> = known.iter().map(|migration| migration.file()).collect();
    let mut found = Vec::new();
    for (migration, object) in known.iter().zip(since.would_be(&files)?) {
        if !is_one_of(migration, &object, &since.objects(&key(migration)), since)? {
            let what = format!("the file was edited after {}", since.name);
            found.push(finding(migration.file(), &what));
        }
    }
    let here: HashSet<String> = set.iter().map(key).collect();
    let gone = since.files_before().filter(|(key, _)| is_migration(set, key) && !here.contains(*key));
    found.extend(gone.map(|(key, was)| match renamed(set, key) {
        Some(now) => finding(now.file(), &format!("the file was {} in {}, and was renamed", was.path, since.name)),
        None => finding(&was.path, &format!("the file of {} was removed", since.name)),
    }));
    Ok(found)
}

fn finding(file: &str, what: &str) -> Finding {
    let message = format!("{what}: `up` refuses it where it was applied");
    Finding::of_file(&EDITED, file, message).hint("restore the file, and put the change into a new one")
}

fn is_one_of(migration: &Migration, object: &str, released: &[&str], since: &Revision) -> Result<bool, LintError> {
    if released.contains(&object) {
        return Ok(true);
    }
    let now = migration.read()?;
    for released in released {
        if same(&since.text(released)?, now.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The same but for line ends and a byte-order mark, as `up` compares.
fn same(was: &[u8], now: &[u8]) -> bool {
    let plain = |text: &[u8]| {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        String::from_utf8_lossy(text).replace("\r\n", "\n")
    };
    was == now || plain(was) == plain(now)
}

/// The file that has the number of one that is gone.
fn renamed<'s>(set: &'s MigrationSet, gone: &str) -> Option<&'s Migration> {
    let gone = FileName::parse(gone).ok()?;
    set.iter().find(|migration| {
        let here = FileName::parse(name(migration.file())).ok();
        here.is_some_and(|here| (here.version(), here.prefix()) == (gone.version(), gone.prefix()))
    })
}

fn is_migration(set: &MigrationSet, file: &str) -> bool {
    match set.origin() {
        Origin::Drizzle { .. } => file.ends_with(".sql") && !file.split('/').any(|part| part.starts_with('.')),
        Origin::Folder(_) | Origin::Embedded => FileName::parse(file).is_ok(),
    }
}
