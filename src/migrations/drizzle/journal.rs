//! The layout of drizzle-kit 0.x. In: a folder. Out: what `meta/_journal.json` lists, in its order, held against the
//! files. Never opens a migration.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::tag::{self, Tag};
use super::{DrizzleFault, Listed, Listing, Oddity, entries, migration_file, report_foreign};
use crate::migrations::file::read_raw;
use crate::migrations::file_name::LONGEST_NAME;
use crate::migrations::{Fault, Problem, Version};

const LABEL: &str = "meta/_journal.json";

/// What of the journal counts; drizzle-kit writes more, and other versions of it other things.
#[derive(Deserialize)]
struct Journal {
    #[serde(default)]
    dialect: Option<String>,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    idx: i64,
    tag: String,
    when: i64,
}

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(LABEL)
}

/// Says whether `meta/` holds what drizzle-kit keeps beside the journal.
pub(super) fn has_snapshots(folder: &Path) -> bool {
    entries(&folder.join("meta")).is_ok_and(|found| found.iter().any(|(name, _)| name.ends_with("_snapshot.json")))
}

pub(super) fn list(folder: &Path) -> Listing {
    let mut listing = Listing::default();
    let bytes = match read_raw(&path(folder)) {
        Ok(bytes) => bytes,
        Err(Fault::Unreadable { reason }) if reason.kind() == std::io::ErrorKind::NotFound => {
            listing.report(LABEL, DrizzleFault::NoJournal);
            return listing;
        }
        Err(fault) => {
            listing.problems.push(Problem { file: LABEL.to_owned(), fault });
            return listing;
        }
    };
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let journal: Journal = match serde_json::from_slice(text) {
        Ok(journal) => journal,
        Err(source) => {
            listing.report(LABEL, DrizzleFault::BrokenJournal { source });
            return listing;
        }
    };
    // Earlier versions wrote `pg`.
    if let Some(dialect) = journal.dialect.filter(|dialect| !matches!(dialect.as_str(), "postgresql" | "pg")) {
        listing.report(LABEL, DrizzleFault::Dialect { dialect });
    }
    check_entries(&journal.entries, &mut listing);
    check_files(folder, &journal.entries, &mut listing);
    listing.listed.extend(journal.entries.into_iter().filter(|entry| is_file_name(&entry.tag)).map(listed));
    listing
}

fn listed(entry: Entry) -> Listed {
    let Entry { idx, tag, when } = entry;
    let name = tag::parse(&tag).name.to_owned();
    Listed {
        version: Version::new(idx),
        folder_name: tag::folder_name(when, &name),
        name,
        label: label(&tag),
        created_at_ms: when,
    }
}

fn label(tag: &str) -> String {
    format!("{tag}.sql")
}

/// A tag is part of a path; it must not lead out of the folder.
fn is_file_name(tag: &str) -> bool {
    !tag.is_empty() && !tag.contains(['/', '\\', '\0'])
}

/// Holds the entries against each other.
fn check_entries(entries: &[Entry], listing: &mut Listing) {
    let mut by_idx: HashMap<i64, &str> = HashMap::new();
    let mut tags: HashSet<&str> = HashSet::new();
    let mut highest: Option<i64> = None;
    let mut latest: Option<i64> = None;
    for Entry { idx, tag, when } in entries {
        let file = label(tag);
        let next = highest.map_or(0, |before| before.saturating_add(1));
        if !is_file_name(tag) {
            listing.report(LABEL, DrizzleFault::Tag { tag: tag.clone() });
        }
        if *idx < 0 {
            listing.report(&file, DrizzleFault::NegativeIdx { idx: *idx });
        }
        if !tags.insert(tag) {
            listing.report(&file, DrizzleFault::DuplicateTag { tag: tag.clone() });
        }
        let Tag { name, index } = tag::parse(tag);
        let characters = name.chars().count();
        if characters > LONGEST_NAME {
            listing.report(&file, DrizzleFault::TooLong { characters });
        }
        if let Some(other) = by_idx.insert(*idx, tag) {
            listing.report(&file, DrizzleFault::DuplicateIdx { idx: *idx, other: other.to_owned() });
        } else if let Some(before) = highest.filter(|before| before > idx) {
            listing.report(&file, DrizzleFault::IdxOrder { idx: *idx, before });
        } else if next < *idx {
            listing.oddities.push(Oddity::Gap { first: next, last: idx - 1 });
        }
        if index.is_some_and(|index| index != *idx) {
            listing.oddities.push(Oddity::OtherNumber { tag: tag.clone(), idx: *idx });
        }
        if latest.is_some_and(|latest| *when <= latest) {
            listing.oddities.push(Oddity::Older { tag: tag.clone() });
        }
        highest = highest.max(Some(*idx));
        latest = latest.max(Some(*when));
    }
}

/// Looks for what lies in the folder and is no entry's.
fn check_files(folder: &Path, listed: &[Entry], listing: &mut Listing) {
    // That the folder can be read is seen by its files; this is about what is there besides.
    let Ok(found) = entries(folder) else { return };
    let known: HashSet<String> = listed.iter().map(|entry| label(&entry.tag)).collect();
    for (name, is_folder) in found {
        if is_folder && migration_file(folder, &name).is_file() {
            listing.report(&format!("{name}/{}", super::MIGRATION_FILE), DrizzleFault::FolderBesideJournal);
        } else if !is_folder && name.ends_with(".sql") && !known.contains(&name) {
            report_foreign(listing, &name);
        }
    }
}
