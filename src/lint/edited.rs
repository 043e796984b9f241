//! Files that git says were released. In: a set and the revision of that release. Out: a finding for each that is another
//! one now, or gone.

use super::LintError;
use super::finding::Finding;
use super::git::Revision;
use super::rules::EDITED;
use crate::migrations::{FileName, MigrationSet, Origin};

pub(super) fn findings(set: &MigrationSet, since: &Revision) -> Result<Vec<Finding>, LintError> {
    let mut found = Vec::new();
    for migration in set {
        let Some(was) = since.text(migration.file())? else { continue };
        let now = migration.read()?;
        if same(&was, now.as_bytes()) {
            continue;
        }
        found.push(finding(migration.file(), &format!("the file was edited after {}", since.name)));
    }
    let here = |file: &str| set.iter().any(|migration| migration.file() == file);
    let gone = since.files().filter(|file| is_migration(set, file) && !here(file));
    found.extend(gone.map(|file| finding(file, &format!("the file of {} was renamed or removed", since.name))));
    Ok(found)
}

fn finding(file: &str, what: &str) -> Finding {
    let message = format!("{what}: `up` refuses it where it was applied");
    Finding::of_file(&EDITED, file, message).hint("restore the file, and put the change into a new one")
}

/// The same but for line ends and a byte-order mark, as `up` compares.
fn same(was: &[u8], now: &[u8]) -> bool {
    let plain = |text: &[u8]| {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        String::from_utf8_lossy(text).replace("\r\n", "\n")
    };
    was == now || plain(was) == plain(now)
}

fn is_migration(set: &MigrationSet, file: &str) -> bool {
    let hidden = file.split('/').any(|part| part.starts_with('.'));
    match set.origin() {
        Origin::Drizzle { .. } => file.ends_with(".sql") && !hidden && !file.starts_with("meta/"),
        Origin::Folder(_) | Origin::Embedded => {
            let name = file.rsplit('/').next().unwrap_or(file);
            !hidden && !file.starts_with("qualification/") && FileName::parse(name).is_ok()
        }
    }
}
