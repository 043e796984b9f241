//! The size of what an image must hold to run a tool. In: its program, its packages. Out: MiB with the shared libraries
//! that it loads, less those that every image with a libc has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Libraries of the C library itself.
const LIBC: [&str; 5] = ["libc.so", "libm.so", "libpthread.so", "libdl.so", "ld-linux"];

/// The program, its libraries, and the packages with what they depend on.
pub fn mebibytes(program: &Path, node_modules: &Path, packages: &[&str]) -> f64 {
    let mut names = BTreeSet::new();
    for package in packages {
        add_with_dependencies(node_modules, package, &mut names);
    }
    let files = [program.to_owned()].into_iter().chain(libraries(program));
    let bytes: u64 = files.map(|file| bytes_of(&file)).sum();
    let below: u64 = names.iter().map(|name| bytes_of(&node_modules.join(name))).sum();
    (bytes + below) as f64 / f64::from(1 << 20)
}

/// Those that are installed beside one another; one of npm's folders holds all that the peers need.
fn add_with_dependencies(node_modules: &Path, package: &str, names: &mut BTreeSet<String>) {
    if !names.insert(package.to_owned()) {
        return;
    }
    let Ok(text) = std::fs::read_to_string(node_modules.join(package).join("package.json")) else { return };
    let description: serde_json::Value = serde_json::from_str(&text).unwrap();
    for kind in ["dependencies", "optionalDependencies"] {
        for (name, _) in description[kind].as_object().into_iter().flatten() {
            add_with_dependencies(node_modules, name, names);
        }
    }
}

fn libraries(program: &Path) -> Vec<PathBuf> {
    let Ok(said) = Command::new("ldd").arg(program).env("LC_ALL", "C").output() else { return Vec::new() };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let paths = said.lines().filter_map(|line| line.split_once("=> ")?.1.split(' ').next()).map(PathBuf::from);
    let of_libc = |path: &PathBuf| LIBC.iter().any(|name| path.display().to_string().contains(name));
    paths.filter(|path| path.is_file() && !of_libc(path)).collect()
}

fn bytes_of(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let entries = std::fs::read_dir(path).unwrap();
    entries
        .map(|entry| entry.unwrap())
        .filter(|entry| !entry.file_type().unwrap().is_symlink())
        .map(|entry| bytes_of(&entry.path()))
        .sum()
}
