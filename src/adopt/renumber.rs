//! Rows that a journal numbered, on the folders that `drizzle-kit up` made of it. In: migrations, rows. Out: the rows under
//! the versions that their migrations have now. Changes nothing in the database: a release with the journal may come back.

use std::collections::HashMap;

use crate::history::AppliedMigration;
use crate::migrations::{Comparison, Layout, Migration, MigrationSet, Origin, ReadError, VersionWidth};

/// Gives each row of a journal's number the version of the migration of its name and text.
///
/// # Errors
/// [`ReadError`] where a file is not the one that was taken in.
pub fn renumber(set: &MigrationSet, applied: &mut [AppliedMigration], width: VersionWidth) -> Result<(), ReadError> {
    // The versions of folders are times, which no journal reaches.
    let of_journal = |row: &AppliedMigration| row.version.fits_int4();
    if !matches!(set.origin(), Origin::Drizzle { layout: Layout::Folders, .. }) || !applied.iter().any(of_journal) {
        return Ok(());
    }
    let mut open: HashMap<&str, Vec<&Migration>> = HashMap::new();
    for migration in set {
        if applied.binary_search_by_key(&migration.version(), |row| row.version).is_err() {
            open.entry(migration.name()).or_default().push(migration);
        }
    }
    for row in applied.iter_mut().filter(|row| of_journal(row)) {
        let Some(candidates) = open.get_mut(row.name.as_str()) else { continue };
        // Custom migrations may share a name, and empty ones their text: the first that is left is as good as any.
        let mut same = None;
        for (at, migration) in candidates.iter().enumerate() {
            if same.is_none() && migration.compare_at(row.version, row.checksum)? != Comparison::Different {
                same = Some(at);
            }
        }
        if let Some(at) = same {
            let migration = candidates.remove(at);
            row.version = migration.version();
            row.checksum = migration.checksum(width).unwrap_or(row.checksum);
        } else if let [edited] = candidates.as_slice() {
            // Under its version, but with the old checksum: it is told as one that was edited.
            row.version = edited.version();
            candidates.clear();
        }
    }
    applied.sort_by_key(|row| row.version);
    Ok(())
}
