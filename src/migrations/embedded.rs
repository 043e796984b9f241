//! The product's own migrations, built into the binary from `migrations/`. In: nothing. Out: a `MigrationSet`. Never
//! reads the file system at run time.

use super::{IntakeError, MigrationSet};

/// Names and texts, as the build script found them.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Gives the embedded set.
///
/// # Errors
/// [`IntakeError`] as for a folder; the tests keep it from happening.
pub(super) fn load() -> Result<MigrationSet, IntakeError> {
    MigrationSet::from_texts(FILES.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::{Origin, VersionWidth};
    use std::path::Path;

    mod files {
        refinery::embed_migrations!("migrations");
    }

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
