//! The whole folder that a qualification writes into: the latest record and reports, every package, and nothing else. In:
//! a folder. Out: faults, and what a killed run left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fault::Wrong;
use super::package::Package;
use super::{Check, disk};
use crate::evidence::{PACKAGES, shown};
use crate::regular::Links;

/// What should stand at the top: each name, and the packages that have such a file, the newest last.
type Top<'a> = BTreeMap<&'a str, Vec<&'a Package>>;

impl Check<'_> {
    /// Verifies every package, and that what is beside them is the newest one's.
    pub(super) fn folder(&mut self, folder: &Path) {
        let path = folder.join(PACKAGES);
        if !path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
            return self.fault(&shown(&path), Wrong::NotAFolder);
        }
        let packages = self.packages(&path);
        let top = top(&packages);
        let found = self.entries_of(folder);
        if !found.iter().any(|path| is_record(path)) {
            self.fault(&shown(folder), Wrong::NoRecord);
        }
        for path in found.iter().filter(|path| !path.ends_with(PACKAGES)) {
            self.beside(path, &top);
        }
        for (name, of) in &top {
            let path = folder.join(name);
            if path.symlink_metadata().is_err() {
                let newest = of.last().map(|package| shown(&package.folder)).unwrap_or_default();
                self.fault(&shown(&path), Wrong::MissingOf { newest });
            }
        }
    }

    /// Every package, the oldest first, so that what is printed last is the newest.
    fn packages(&mut self, path: &Path) -> Vec<Package> {
        let mut packages = Vec::new();
        for package in self.entries_of(path) {
            let is_folder = package.symlink_metadata().is_ok_and(|found| found.is_dir());
            if is_folder && is_leftover(&package) {
                self.leftovers.push(shown(&package));
            } else if is_folder {
                packages.extend(self.package(&package));
            } else {
                self.fault(&shown(&package), Wrong::Extra);
            }
        }
        packages.sort_by(|a, b| a.age.cmp(&b.age));
        self.documents.extend(packages.iter().filter_map(|package| package.document.clone()));
        packages
    }

    /// One entry at the top: as it stands in the newest package that has it.
    fn beside(&mut self, path: &Path, top: &Top<'_>) {
        let at = shown(path);
        if !path.symlink_metadata().is_ok_and(|found| found.is_file()) {
            return self.fault(&at, Wrong::NotAFile);
        }
        let is_record = is_record(path);
        if is_record && let Err(reason) = self.file(path, Links::Refused) {
            self.fault(&at, Wrong::Unreadable { reason });
        }
        let name = path.file_name().unwrap_or_default();
        let of = name.to_str().and_then(|name| top.get(name)).map_or(&[][..], Vec::as_slice);
        let Some((newest, older)) = of.split_last() else {
            return self.fault(&at, if is_record { Wrong::NoPackage } else { Wrong::Stray });
        };
        let is_of = |package: &Package| match (disk::read_regular(path), disk::read_regular(&package.folder.join(name)))
        {
            (Ok(this), Ok(other)) => this == other,
            _ => false,
        };
        if is_of(newest) {
            return;
        }
        let newest = shown(&newest.folder);
        match older.iter().find(|package| is_of(package)) {
            Some(older) => self.fault(&at, Wrong::Outdated { older: shown(&older.folder), newest }),
            None => self.fault(&at, Wrong::Differs { this: "what it says".to_owned(), other: newest }),
        }
    }

    /// What a folder holds, hidden or not, sorted.
    fn entries_of(&mut self, folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        let entries = entries.map_err(|error| self.fault(&shown(folder), disk::unreadable(error)));
        let mut paths: Vec<PathBuf> = entries.unwrap_or_default().iter().map(std::fs::DirEntry::path).collect();
        paths.sort();
        paths
    }
}

/// Of every name, the packages that have it: a folder may hold the evidence of several ids.
fn top(packages: &[Package]) -> Top<'_> {
    let mut top = Top::new();
    for package in packages {
        for name in &package.beside {
            // A signed record takes the place of an unsigned one, and the other way round.
            for (this, other) in [(".jws", ".json"), (".json", ".jws")] {
                if let Some(id) = name.strip_suffix(this) {
                    top.remove(format!("{id}{other}").as_str());
                }
            }
            top.entry(name.as_str()).or_default().push(package);
        }
    }
    top
}

/// What a run that was killed, or one that is still at work, has not given its name yet.
fn is_leftover(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|it| it.starts_with('.') && it.ends_with(".partial"))
}

/// A signed record, or one that says that it is not.
fn is_record(path: &Path) -> bool {
    let has = |wanted: &str| path.extension().is_some_and(|extension| extension == wanted);
    let says_unsigned = || disk::read_regular(path).is_ok_and(|bytes| super::unsigned(&bytes).is_some());
    has("jws") || (has("json") && says_unsigned())
}
