//! Packages of npm that a test runs: installed once by a lock file of `tests/fixtures/`, kept under the target folder.
//! Takes npm and a reachable registry. Never lets a package run a script of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::cache;

/// A folder of `tests/fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The `node_modules` of a fixture that has a lock file; installed anew only when that has changed.
#[track_caller]
pub fn packages(name: &str) -> PathBuf {
    let from = fixture(name);
    let folder = cache("npm").join(name.replace('/', "-"));
    std::fs::create_dir_all(&folder).unwrap();
    let guard = File::create(folder.join("guard")).unwrap();
    guard.lock().unwrap();
    let (wanted, installed) = (from.join("package-lock.json"), folder.join("installed.json"));
    if std::fs::read(&wanted).unwrap() != std::fs::read(&installed).unwrap_or_default() {
        let _ = std::fs::remove_file(&installed);
        for file in ["package.json", "package-lock.json"] {
            std::fs::copy(from.join(file), folder.join(file)).unwrap();
        }
        let made = Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(&folder)
            .output()
            .unwrap_or_else(|error| panic!("npm: {error}; scripts/test --all installs it"));
        assert!(made.status.success(), "npm ci in {name}: {}", String::from_utf8_lossy(&made.stderr));
        std::fs::copy(&wanted, &installed).unwrap();
    }
    folder.join("node_modules")
}
