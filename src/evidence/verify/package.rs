//! A package against its manifest, file by file, and its documents against each other. In: a folder. Out: faults.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::fault::Wrong;
use super::{Check, Document, disk, signature_facts};
use crate::evidence::manifest::{MANIFEST, MIGRATIONS, REQUIRED, SIGNED_MANIFEST, TEST_RESULTS};
use crate::evidence::{pretty, record_file, shown};

/// A file as a manifest lists it.
struct Entry {
    path: String,
    sha256: String,
    size: u64,
}

/// A package as the folder around it sees it.
pub(super) struct Package {
    pub(super) folder: PathBuf,
    /// What sorts by age: when it was made, and the number behind its name where that is the same.
    pub(super) age: (String, u64),
    /// The files that a copy of stands beside the packages: record and reports.
    pub(super) beside: Vec<String>,
    /// What it says, where its signature fits.
    pub(super) document: Option<Document>,
}

impl Check<'_> {
    /// Verifies the package in `folder`; none where no manifest says what it holds.
    pub(super) fn package(&mut self, folder: &Path) -> Option<Package> {
        let before = self.faults.len();
        let at = |name: &str| shown(&folder.join(name));
        let plain = self.plain_manifest(&folder.join(MANIFEST));
        let signed = self.signed_manifest(folder);
        if let (Some(plain), Some(signed)) = (&plain, &signed)
            && without_times(signed) != *plain
        {
            let this = "what it says".to_owned();
            self.fault(&at(MANIFEST), Wrong::Differs { this, other: SIGNED_MANIFEST.to_owned() });
        }
        // What is signed counts; without it, everything else that is wrong is still told.
        let manifest = signed.clone().or(plain)?;
        let entries = self.entries(&at(MANIFEST), &manifest);
        self.files(folder, &entries);
        self.required(folder, &manifest, &entries);
        // Documents that are not those that were signed have nothing to say about each other.
        let mut outcome = if self.faults.len() == before { self.documents(folder, &manifest) } else { Map::new() };
        outcome.retain(|name, _| ["verdict", "passed", "failed", "skipped"].contains(&name.as_str()));
        self.name(folder, &manifest);
        let facts = signed.map(|signed| [facts(&manifest), outcome, signature_facts(&signed)].into_iter().flatten());
        let document = facts.map(|it| Document { kind: "package", path: shown(folder), facts: it.collect() });
        Some(Package { folder: folder.to_owned(), age: age(&manifest), beside: beside(&entries), document })
    }

    /// The folder's name is how people know a package, and is not signed itself.
    fn name(&mut self, folder: &Path, manifest: &Map<String, Value>) {
        let Some(package_id) = manifest.get("package_id").and_then(Value::as_str) else { return };
        // The path as it was given may end in `.`, or be a link.
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if real.file_name().and_then(|name| name.to_str()) != Some(package_id) {
            self.fault(&shown(folder), Wrong::Renamed { package_id: package_id.to_owned() });
        }
    }

    /// Its bytes are not in any manifest, so there is only one form that is taken.
    fn plain_manifest(&mut self, path: &Path) -> Option<Map<String, Value>> {
        let read = disk::read_regular(path).and_then(|bytes| Ok((disk::object(&bytes)?, bytes)));
        let (manifest, bytes) = read.map_err(|wrong| self.fault(&shown(path), wrong)).ok()?;
        if pretty(&Value::Object(manifest.clone())) != bytes {
            self.fault(&shown(path), Wrong::Form { how: "white space, order or escapes were changed" });
        }
        Some(manifest)
    }

    fn signed_manifest(&mut self, folder: &Path) -> Option<Map<String, Value>> {
        let path = folder.join(SIGNED_MANIFEST);
        match disk::read_regular(&path) {
            Ok(bytes) => self.signed_text(&shown(&path), &bytes),
            Err(Wrong::Missing) => {
                self.fault(&shown(&path), Wrong::Missing);
                self.fault(&shown(folder), Wrong::Unsigned);
                None
            }
            Err(wrong) => {
                self.fault(&shown(&path), wrong);
                None
            }
        }
    }

    /// The listed files, and whether the totals are theirs.
    fn entries(&mut self, at: &str, manifest: &Map<String, Value>) -> Vec<Entry> {
        for name in ["package_id", "spec_id", "tier", "created_at"] {
            if !manifest.get(name).is_some_and(Value::is_string) {
                self.fault(at, Wrong::Member { member: name.to_owned(), wanted: "a text".to_owned() });
            }
        }
        let listed = manifest.get("files").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut entries = Vec::new();
        for (index, entry) in listed.iter().enumerate() {
            match (entry["path"].as_str(), entry["sha256"].as_str(), entry["size_bytes"].as_u64()) {
                (Some(path), Some(sha256), Some(size)) => {
                    entries.push(Entry { path: path.to_owned(), sha256: sha256.to_owned(), size });
                }
                _ => {
                    let wanted = "a file with path, sha256 and size_bytes".to_owned();
                    self.fault(at, Wrong::Member { member: format!("files[{index}]"), wanted });
                }
            }
        }
        // First: a path that leads outside is an attempt, where a wrong total may be a slip.
        for entry in entries.iter().filter(|entry| !is_allowed(&entry.path)) {
            // Shown as it stands there, not as if it led somewhere.
            self.fault(&format!("{:?}", entry.path), Wrong::Path);
        }
        let total = entries.iter().map(|entry| entry.size).fold(0, u64::saturating_add);
        let count = u64::try_from(listed.len()).unwrap_or(u64::MAX);
        for (member, found) in [("file_count", count), ("total_size_bytes", total)] {
            if manifest.get(member).and_then(Value::as_u64) != Some(found) {
                let wanted = format!("{found}, as its files say");
                self.fault(at, Wrong::Member { member: member.to_owned(), wanted });
            }
        }
        entries
    }

    fn files(&mut self, folder: &Path, entries: &[Entry]) {
        let mut listed = BTreeSet::from([MANIFEST, SIGNED_MANIFEST]);
        for entry in entries.iter().filter(|entry| is_allowed(&entry.path)) {
            let first = listed.insert(&entry.path);
            if let Err(wrong) = if first { compare(folder, entry) } else { Err(Wrong::Twice) } {
                self.fault(&shown(&folder.join(&entry.path)), wrong);
            }
        }
        match disk::files_below(folder) {
            Ok(found) => {
                // Of a folder whose files are missing, they are told.
                let known = |path: &str| {
                    listed.contains(path) || path.ends_with('/') && listed.iter().any(|file| file.starts_with(path))
                };
                for extra in found.iter().filter(|path| !known(path)) {
                    self.fault(&shown(&folder.join(extra)), Wrong::Extra);
                }
            }
            Err(wrong) => self.fault(&shown(folder), wrong),
        }
    }

    fn required(&mut self, folder: &Path, manifest: &Map<String, Value>, entries: &[Entry]) {
        let text = |name: &str| manifest.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = format!("{}-{}", text("tier"), text("spec_id"));
        let reports = [format!("{name}.html"), format!("{name}.xml")];
        for path in REQUIRED.iter().copied().chain(reports.iter().map(String::as_str)) {
            if !entries.iter().any(|entry| entry.path == path) {
                self.fault(&shown(&folder.join(path)), Wrong::NotListed);
            }
        }
    }

    /// Record, results, metadata and manifest must be of one run. Gives what the record says.
    fn documents(&mut self, folder: &Path, manifest: &Map<String, Value>) -> Map<String, Value> {
        let read = |check: &mut Self, name: &str| {
            let path = folder.join(name);
            disk::read_object(&path).map_err(|wrong| check.fault(&shown(&path), wrong)).unwrap_or_default()
        };
        let metadata = read(self, "metadata.json");
        let results = read(self, TEST_RESULTS);
        self.same(&folder.join("metadata.json"), &metadata, manifest, &["package_id", "spec_id", "tier"], MANIFEST);
        let gxp_id = metadata.get("gxp_id").and_then(Value::as_str).unwrap_or_default();
        let path = folder.join(record_file(gxp_id, true));
        let at = shown(&path);
        let bytes = match disk::read_regular(&path) {
            Ok(bytes) => bytes,
            Err(wrong) => {
                self.fault(&at, wrong);
                return Map::new();
            }
        };
        let Some(record) = self.signed_text(&at, &bytes) else { return Map::new() };
        let says = self.record_members(&at, &record);
        self.same(&path, &record, &metadata, &["gxp_id", "spec_id", "traced_user_story"], "metadata.json");
        let of_record = record.get("test_results").and_then(Value::as_object).cloned().unwrap_or_default();
        self.same(&path, &of_record, &results, &["passed", "failed", "skipped", "duration_ms"], TEST_RESULTS);
        let hash = disk::measure(&folder.join(MIGRATIONS)).map(|(_, hash)| hash).unwrap_or_default();
        if record.get("system_state_hash").and_then(Value::as_str) != Some(&hash) {
            let this = "system_state_hash".to_owned();
            self.fault(&at, Wrong::Differs { this, other: MIGRATIONS.to_owned() });
        }
        says
    }

    fn same(&mut self, at: &Path, a: &Map<String, Value>, b: &Map<String, Value>, names: &[&str], other: &str) {
        for name in names.iter().filter(|name| a.get(**name).is_none() || a.get(**name) != b.get(**name)) {
            self.fault(&shown(at), Wrong::Differs { this: (*name).to_owned(), other: other.to_owned() });
        }
    }
}

fn facts(manifest: &Map<String, Value>) -> Map<String, Value> {
    let members = [
        ("package_id", "package_id"),
        ("spec_id", "spec_id"),
        ("tier", "tier"),
        ("created_at", "created_at"),
        ("files", "file_count"),
        ("total_size_bytes", "total_size_bytes"),
    ];
    let fact = |(name, member): (&str, &str)| (name.to_owned(), manifest.get(member).cloned().unwrap_or_default());
    members.into_iter().map(fact).collect()
}

/// See [`Package::age`].
fn age(manifest: &Map<String, Value>) -> (String, u64) {
    let text = |name: &str| manifest.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = text("package_id").rsplit_once('-').and_then(|(_, number)| number.parse().ok());
    (text("created_at").to_owned(), number.unwrap_or(1))
}

/// See [`Package::beside`]: what lies in the package's own folder, but for what is of the package only.
fn beside(entries: &[Entry]) -> Vec<String> {
    let names = entries.iter().map(|entry| &entry.path).filter(|path| is_allowed(path) && !path.contains('/'));
    names.filter(|path| !REQUIRED.contains(&path.as_str())).cloned().collect()
}

fn compare(folder: &Path, entry: &Entry) -> Result<(), Wrong> {
    // A folder on the way that is a link would lead outside.
    let mut way = folder.to_owned();
    let mut parts: Vec<&str> = entry.path.split('/').collect();
    let file = parts.pop().unwrap_or_default();
    for part in parts {
        way.push(part);
        if way.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            return Err(Wrong::NotAFile);
        }
    }
    let (found, sha256) = disk::measure(&way.join(file))?;
    if found != entry.size {
        return Err(Wrong::Size { said: entry.size, found });
    }
    if sha256 != entry.sha256 {
        return Err(Wrong::Hash { said: entry.sha256.clone(), found: sha256 });
    }
    Ok(())
}

/// A plain path below the folder, and not a manifest, which cannot hold its own hash.
fn is_allowed(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0', ':']);
    path.split('/').all(plain) && path != MANIFEST && path != SIGNED_MANIFEST
}

fn without_times(signed: &Map<String, Value>) -> Map<String, Value> {
    signed
        .iter()
        .filter(|(name, _)| !["iat", "exp"].contains(&name.as_str()))
        .map(|(a, b)| (a.clone(), b.clone()))
        .collect()
}
