//! Packages of Python that a test runs: installed once by a pinned list of `tests/fixtures/`, in a virtual environment
//! under the target folder. Takes python3 with venv, and a reachable registry.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use super::npm::fixture;
use super::programs::cache;

/// The python of a virtual environment with the packages of a fixture's `requirements.txt`; made anew only when that has
/// changed.
#[track_caller]
pub fn python(name: &str) -> PathBuf {
    let wanted = fixture(name).join("requirements.txt");
    let folder = cache("python").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let guard = File::create(folder.join("guard")).unwrap();
    guard.lock().unwrap();
    let (environment, installed) = (folder.join("environment"), folder.join("installed.txt"));
    let python = environment.join("bin/python");
    if std::fs::read(&wanted).unwrap() != std::fs::read(&installed).unwrap_or_default() {
        let _ = std::fs::remove_file(&installed);
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
        // Every package is named in the list, so none is looked up; and none is built here.
        let options =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
        run(Command::new(&python).args(options).arg("--requirement").arg(&wanted));
        std::fs::copy(&wanted, &installed).unwrap();
    }
    python
}

#[track_caller]
fn run(command: &mut Command) {
    let made = command.output().unwrap_or_else(|error| panic!("python3: {error}; scripts/test --all installs it"));
    assert!(made.status.success(), "{command:?}: {}", String::from_utf8_lossy(&made.stderr));
}
