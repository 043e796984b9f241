//! The layout of drizzle-kit 1.0. In: a folder. Out: the migrations in folders of their own, by name. Never opens one.

use std::path::Path;

use super::tag::{self, FolderName};
use super::{DrizzleFault, Listed, Listing, MIGRATION_FILE, entries, migration_file, report_foreign};
use crate::migrations::file_name::LONGEST_NAME;
use crate::migrations::{Fault, Problem, Version};

/// Says whether the folder holds a migration of this layout.
pub(super) fn any(folder: &Path) -> bool {
    entries(folder).is_ok_and(|found| {
        found.iter().any(|(name, is_folder)| {
            *is_folder && tag::parse_folder(name).is_some() && migration_file(folder, name).is_file()
        })
    })
}

pub(super) fn list(folder: &Path) -> Listing {
    let mut listing = Listing::default();
    let mut found = match entries(folder) {
        Ok(found) => found,
        Err(reason) => {
            listing.problems.push(Problem { file: String::new(), fault: Fault::Unreadable { reason } });
            return listing;
        }
    };
    // In one second letters count as drizzle-orm's comparison has them: `a` before `B`.
    found.sort_by_cached_key(|(name, _)| (name.to_lowercase(), name.clone()));
    for (name, is_folder) in found {
        if is_folder && migration_file(folder, &name).is_file() {
            list_folder(&mut listing, &name);
        } else if !is_folder && name.ends_with(".sql") {
            report_foreign(&mut listing, &name);
        }
    }
    listing
}

fn list_folder(listing: &mut Listing, folder_name: &str) {
    let label = format!("{folder_name}/{MIGRATION_FILE}");
    let Some(FolderName { number, name, created_at_ms }) = tag::parse_folder(folder_name) else {
        return listing.report(&label, DrizzleFault::Timestamp);
    };
    let characters = name.chars().count();
    if characters > LONGEST_NAME {
        return listing.report(&label, DrizzleFault::TooLong { characters });
    }
    // `drizzle-kit up` may give two folders one second; the order of names counts, so the later gets the next number.
    let taken = listing.listed.last().map_or(i64::MIN, |last| last.version.get());
    let version = Version::new(number.max(taken.saturating_add(1)));
    let (name, folder_name) = (name.to_owned(), folder_name.to_owned());
    listing.listed.push(Listed { version, name, label, created_at_ms, folder_name });
}
