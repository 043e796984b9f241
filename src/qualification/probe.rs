//! A migration of the qualification's own, appended to the release's. In: its text. Out: the set with it.

use crate::error::Error;
use crate::migrations::{MigrationSet, Version, VersionWidth};

use super::bench::Bench;

/// What its file is called, but for the version.
pub(super) const FILE_NAME: &str = "schemagate_probe";
pub(super) const NO_VERSION: &str = "no version above the newest one fits the history table";

/// The release with `text` as its newest migration; nothing where there is no higher version.
pub(super) async fn append(bench: &Bench<'_>, text: &str) -> Result<Option<MigrationSet>, Error> {
    let Some(version) = version(bench).await? else { return Ok(None) };
    Ok(Some(bench.set.with(&format!("V{version}__{FILE_NAME}.sql"), text)?))
}

/// The version that it gets.
pub(super) async fn version(bench: &Bench<'_>) -> Result<Option<Version>, Error> {
    let newest = bench.set.newest().map_or(0, |migration| migration.version().get());
    let version = newest.checked_add(1).map(Version::new);
    let width = bench.reading().await?.table.width;
    Ok(version.filter(|version| width == VersionWidth::Int8 || version.fits_int4()))
}
