//! The manifest of a package: every file of it with hash and size. In: the files. Out: the manifest, and the object that
//! is signed.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::times::{rfc3339, seconds, ten_years_on};
use crate::settings::EvidenceIds;
use crate::sha256::sha256_hex;

/// The manifest's own file, which it does not list.
pub(super) const MANIFEST: &str = "manifest.json";
/// The signed manifest, which it does not list either.
pub(super) const SIGNED_MANIFEST: &str = "manifest.jws";
/// What no package lacks, beside its manifest.
pub(super) const REQUIRED: &[&str] =
    &["metadata.json", "environment.json", TEST_RESULTS, DEPENDENCY_TREE, HEALTH_CHECK, MIGRATIONS];
pub(super) const TEST_RESULTS: &str = "artifacts/test-results.json";
pub(super) const DEPENDENCY_TREE: &str = "artifacts/dependency-tree.json";
pub(super) const HEALTH_CHECK: &str = "artifacts/health-check.json";
/// The migrations' checksums; the record's `system_state_hash` is that of this file.
pub(super) const MIGRATIONS: &str = "artifacts/migrations.sha256";

/// A file of a package: its path below the package's folder, and its contents.
pub(super) type File = (String, Vec<u8>);

/// The manifest over `files`.
pub(super) fn manifest(package_id: &str, ids: &EvidenceIds, files: &[File], now: SystemTime) -> Value {
    let mut listed: Vec<&File> = files.iter().collect();
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    let total: usize = listed.iter().map(|(_, bytes)| bytes.len()).sum();
    let entries: Vec<Value> = listed
        .iter()
        .map(|(path, bytes)| json!({ "path": path, "sha256": sha256_hex(bytes), "size_bytes": bytes.len() }))
        .collect();
    json!({
        "package_id": package_id,
        "spec_id": ids.spec_id,
        "tier": ids.verification_tier,
        "created_at": rfc3339(now),
        "files": entries,
        "total_size_bytes": total,
        "file_count": entries.len(),
    })
}

/// The same object with the times of its signature.
pub(super) fn with_times(mut manifest: Value, now: SystemTime) -> Value {
    manifest["iat"] = seconds(now).into();
    manifest["exp"] = seconds(ten_years_on(now)).into();
    manifest
}
