//! Lists the files of `migrations/` for the crate to embed, and rebuilds it when one appears, leaves or changes. Writes from
//! `Cargo.lock` what the binary is made of, for the evidence of a qualification.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    embedded_files()?;
    dependency_tree()
}

/// Writes a list of names and texts. Every file of SQL is in it, so that one with a wrong name is told by the tests.
fn embedded_files() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=migrations");
    let mut files = Vec::new();
    list(Path::new("migrations"), "", &mut files)?;
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let path = format!("/migrations/{file}");
        // A folder of builds may serve more than one checkout.
        writeln!(list, "    ({file:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),")?;
    }
    list.push_str("]\n");
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("embedded.rs"), list)?;
    Ok(())
}

/// As a folder of migrations is read: neither hidden entries nor the product's qualification package.
fn list(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<(), Box<dyn Error>> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|name| format!("not Unicode: {}", name.display()))?;
        let label = format!("{prefix}{name}");
        if name.starts_with('.') || name == "qualification" {
        } else if entry.path().is_dir() {
            list(&entry.path(), &format!("{label}/"), files)?;
        } else if name.to_ascii_lowercase().ends_with(".sql") {
            files.push(label);
        }
    }
    Ok(())
}

fn dependency_tree() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rerun-if-changed=Cargo.toml");
    let locked = packages(&std::fs::read_to_string("Cargo.lock")?);
    let direct = direct_dependencies(&std::fs::read_to_string("Cargo.toml")?);
    let root = std::env::var("CARGO_PKG_NAME")?;
    let tree = tree(&root, &reachable(&locked, &root, &direct));
    let out = std::env::var("OUT_DIR")?;
    std::fs::write(Path::new(&out).join("dependency-tree.json"), tree)?;
    Ok(())
}

/// A `[[package]]` of the lock file.
#[derive(Clone, Default)]
struct Package {
    name: String,
    version: String,
    checksum: Option<String>,
    /// `name`, or `name version` where the lock file holds several.
    dependencies: Vec<String>,
}

/// cargo writes the file itself, one value a line, so that this much of TOML is enough.
fn packages(lock: &str) -> Vec<Package> {
    let value = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
    let read = |text: &str| {
        let mut package = Package::default();
        for line in text.lines().take_while(|line| !line.starts_with("[[")) {
            match line.split_whitespace().next() {
                Some("name") => package.name = value(line),
                Some("version") => package.version = value(line),
                Some("checksum") => package.checksum = Some(value(line)),
                Some(word) if word.starts_with('"') => package.dependencies.push(value(line)),
                _ => {}
            }
        }
        package
    };
    lock.split("[[package]]\n").skip(1).map(read).collect()
}

/// The names below `[dependencies]`: the lock file does not say which are of the tests only. In the manifest of a
/// published crate each has a table of its own.
fn direct_dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end().trim_end_matches(']');
            inside = header == "dependencies";
            names.extend(header.strip_prefix("dependencies.").map(str::to_owned));
        } else if inside && line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            names.extend(line.split([' ', '=']).next().map(str::to_owned));
        }
    }
    names
}

/// Everything that the root's own dependencies lead to, by name and version.
fn reachable(locked: &[Package], root: &str, direct: &BTreeSet<String>) -> BTreeMap<(String, String), Package> {
    let named = |wanted: &str| {
        let mut words = wanted.split(' ');
        let (name, version) = (words.next().unwrap_or_default().to_owned(), words.next().map(str::to_owned));
        locked.iter().find(move |it| it.name == name && version.as_ref().is_none_or(|version| it.version == *version))
    };
    let is_direct = |wanted: &String| wanted.split(' ').next().is_some_and(|name| direct.contains(name));
    let mut found = BTreeMap::new();
    let mut left: Vec<Package> = named(root).into_iter().cloned().collect();
    while let Some(mut package) = left.pop() {
        if package.name == root {
            package.dependencies.retain(is_direct);
        }
        let key = (package.name.clone(), package.version.clone());
        if found.contains_key(&key) {
            continue;
        }
        let next: Vec<Package> = package.dependencies.iter().filter_map(|name| named(name)).cloned().collect();
        package.dependencies = next.iter().map(|it| format!("{} {}", it.name, it.version)).collect();
        left.extend(next);
        found.insert(key, package);
    }
    found
}

/// Names, versions and checksums hold nothing that JSON would have escaped.
fn tree(root: &str, packages: &BTreeMap<(String, String), Package>) -> String {
    let mut text = format!(
        "{{\n  \"root\": \"{root}\",\n  \"source\": \"Cargo.lock, what the crate's own dependencies lead to on any \
         platform\",\n  \"packages\": ["
    );
    for (index, package) in packages.values().enumerate() {
        let checksum = package.checksum.as_ref().map_or("null".to_owned(), |checksum| format!("\"{checksum}\""));
        let dependencies: Vec<String> = package.dependencies.iter().map(|name| format!("\"{name}\"")).collect();
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(
            text,
            "{comma}\n    {{\"name\": \"{}\", \"version\": \"{}\", \"checksum\": {checksum}, \"dependencies\": [{}]}}",
            package.name,
            package.version,
            dependencies.join(", ")
        );
    }
    text.push_str("\n  ]\n}\n");
    text
}
