//! The whole folder that a qualification writes into: the latest record and reports, and every package. In: a folder.
//! Out: faults.

use std::path::{Path, PathBuf};

use super::fault::Wrong;
use super::{Check, disk};
use crate::evidence::{PACKAGES, shown};
use crate::regular::Links;

impl Check<'_> {
    /// Verifies every package, every record, and that each record with its reports is the one of a package.
    pub(super) fn folder(&mut self, folder: &Path) {
        let packages = folder.join(PACKAGES);
        if !packages.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return self.fault(&shown(&packages), Wrong::NotAFolder);
        }
        let packages = self.entries_of(&packages);
        for package in &packages {
            if package.is_dir() && !package.is_symlink() {
                self.package(package);
            } else {
                self.fault(&shown(package), Wrong::Extra);
            }
        }
        let records: Vec<PathBuf> = self.entries_of(folder).into_iter().filter(|path| is_record(path)).collect();
        if records.is_empty() {
            self.fault(&shown(folder), Wrong::NoRecord);
        }
        for record in &records {
            if !record.symlink_metadata().is_ok_and(|found| found.is_file()) {
                self.fault(&shown(record), Wrong::NotAFile);
                continue;
            }
            if let Err(reason) = self.file(record, Links::Refused) {
                self.fault(&shown(record), Wrong::Unreadable { reason });
            }
            self.beside(folder, record, &packages);
        }
    }

    /// The record as it stands in a package, and the reports as they stand in the same one.
    fn beside(&mut self, folder: &Path, record: &Path, packages: &[PathBuf]) {
        let same = |path: &Path, other: &Path| match (disk::read_regular(path), disk::read_regular(other)) {
            (Ok(this), Ok(other)) => this == other,
            _ => false,
        };
        let name = record.file_name().unwrap_or_default();
        let Some(package) = packages.iter().find(|package| same(record, &package.join(name))) else {
            return self.fault(&shown(record), Wrong::NoPackage);
        };
        let reports = self.entries_of(package).into_iter().filter(|path| has_extension(path, &["html", "xml"]));
        for report in reports.collect::<Vec<_>>() {
            let beside = folder.join(report.file_name().unwrap_or_default());
            if let Err(wrong) = disk::read_regular(&beside) {
                self.fault(&shown(&beside), wrong);
            } else if !same(&report, &beside) {
                let this = "what it says".to_owned();
                self.fault(&shown(&beside), Wrong::Differs { this, other: shown(&report) });
            }
        }
    }

    /// What a folder holds, sorted, but for what is hidden: a run that was killed leaves such, and it is no evidence.
    fn entries_of(&mut self, folder: &Path) -> Vec<PathBuf> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.fault(&shown(folder), Wrong::Unreadable { reason: error.to_string() });
                return Vec::new();
            }
        };
        let visible = |name: &std::ffi::OsStr| !name.to_string_lossy().starts_with('.');
        let mut paths: Vec<PathBuf> =
            entries.filter_map(Result::ok).filter(|it| visible(&it.file_name())).map(|it| it.path()).collect();
        paths.sort();
        paths
    }
}

/// A signed record, or one that says that it is not.
fn is_record(path: &Path) -> bool {
    let says_unsigned = || disk::read_regular(path).is_ok_and(|bytes| super::unsigned(&bytes).is_some());
    has_extension(path, &["jws"]) || (has_extension(path, &["json"]) && says_unsigned())
}

fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    path.extension().and_then(|it| it.to_str()).is_some_and(|it| wanted.contains(&it))
}
