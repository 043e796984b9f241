//! The product's own migrations, built into the binary from `migrations/`. In: nothing. Out: a `MigrationSet`. Never
//! reads the file system at run time.

use super::{FileName, IntakeError, MigrationSet, Version};

mod files {
    refinery::embed_migrations!("migrations");
}

/// The files as they are named in `migrations/`: the macro keeps a version, not how its file pads it.
const FILES: &str = env!("SCHEMAGATE_EMBEDDED_FILES");

/// Gives the embedded set.
///
/// # Errors
/// [`IntakeError`] as for a folder; the tests keep it from happening.
pub(super) fn load() -> Result<MigrationSet, IntakeError> {
    let runner = files::migrations::runner();
    let embedded: Vec<(String, &str)> = runner
        .get_migrations()
        .iter()
        .map(|migration| (file_of(migration), migration.sql().unwrap_or_default()))
        .collect();
    MigrationSet::from_texts(embedded.iter().map(|(file, sql)| (file.as_str(), *sql)))
}

fn file_of(migration: &refinery::Migration) -> String {
    let version = Version::new(migration.version().into());
    let named = |file: &&str| FileName::parse(file).is_ok_and(|name| name.version() == version);
    FILES.split('/').find(named).map_or_else(|| format!("{migration}.sql"), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::{Origin, VersionWidth};
    use std::path::Path;

    #[test]
    fn the_embedded_set_loads_with_the_checksums_of_refinery() {
        let set = load().unwrap();
        assert_eq!(*set.origin(), Origin::Embedded);
        assert_eq!(set.iter().next().unwrap().file(), "V0000__initial_schema.sql");
        for theirs in files::migrations::runner().get_migrations() {
            let ours = set.get(crate::migrations::Version::new(theirs.version().into())).unwrap();
            assert_eq!(ours.checksum(VersionWidth::Int4).unwrap().to_string(), theirs.checksum().to_string());
            assert_eq!(ours.read().unwrap(), theirs.sql().unwrap());
        }
    }

    #[test]
    fn the_embedded_set_is_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let (embedded, folder) = (load().unwrap(), MigrationSet::load(Some(&folder)).unwrap());
        let facts = |set: &MigrationSet| -> Vec<_> {
            set.iter().map(|m| (m.version(), m.name().to_owned(), m.checksum(VersionWidth::Int8))).collect()
        };
        assert_eq!(facts(&embedded), facts(&folder));
    }
}
