//! The version, which is said once, in Cargo.toml: every other file that names it has to agree. Never changes a file.

use std::path::{Path, PathBuf};

use regex::Regex;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How a version of ours is written, and the files that are known to write it so: a file added here later is held to
/// it as well, and one that stops naming the version is noticed.
const FORMS: &[(&str, &[&str])] = &[
    (
        r"schemagate[:@-]v?(\d+\.\d+\.\d+)",
        &[
            "Dockerfile",
            "deploy/README.md",
            "deploy/argo-cd/presync-job.yaml",
            "deploy/compose/compose.yaml",
            "deploy/kubernetes/init-container.yaml",
            "deploy/kubernetes/job.yaml",
            "deploy/railway/Dockerfile",
        ],
    ),
    (r"(?m)^ARG VERSION=(\S+)$", &["Dockerfile"]),
    (r"(?m)^version: (\S+)$", &["deploy/helm/Chart.yaml"]),
    (r#"(?m)^appVersion: "(\S+)"$"#, &["deploy/helm/Chart.yaml"]),
    (r"(?m)^ +newTag: (\S+)$", &["deploy/kubernetes/kustomization.yaml"]),
    (r"(?m)^(?:The first release|## \[)[, ]*(\d+\.\d+\.\d+)", &["CHANGELOG.md"]),
];

#[test]
fn every_file_that_names_the_version_names_that_of_cargo_toml() {
    let files = files();
    let mut wrong = Vec::new();
    for (form, known) in FORMS {
        let form = Regex::new(form).unwrap();
        let mut seen = Vec::new();
        for (name, text) in &files {
            let said: Vec<&str> = form.captures_iter(text).map(|found| found.get(1).unwrap().as_str()).collect();
            // The history of releases names them all; the newest stands first.
            let judged = if name == "CHANGELOG.md" { said.get(..said.len().min(1)).unwrap() } else { &said };
            wrong.extend(judged.iter().filter(|said| **said != VERSION).map(|said| format!("{name}: {said}")));
            if !said.is_empty() {
                seen.push(name.as_str());
            }
        }
        for name in *known {
            assert!(seen.contains(name), "{name} has nothing of the form {form}");
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "Cargo.toml says {VERSION}");
}

#[test]
fn the_name_of_the_kustomized_job_carries_the_version() {
    let text = std::fs::read_to_string(root().join("deploy/kubernetes/kustomization.yaml")).unwrap();
    let suffix = format!("nameSuffix: -{}", VERSION.replace('.', "-"));
    assert!(text.lines().any(|line| line == suffix), "no line {suffix:?}");
}

/// The compiler's version is said in Cargo.toml too, without its last part.
#[test]
fn every_file_that_names_a_compiler_names_that_of_cargo_toml() {
    let form = Regex::new(r"(?:library/rust:|rustup (?:toolchain install|default) )(\d+\.\d+)").unwrap();
    let mut seen = 0;
    for (name, text) in files() {
        for found in form.captures_iter(&text) {
            assert_eq!(&found[1], env!("CARGO_PKG_RUST_VERSION"), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "seen {seen} times only");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of the project that is not made by a tool, by its path from the root. Tests speak of other versions.
fn files() -> Vec<(String, String)> {
    const PASSED_OVER: &[&str] = &[".git", "target", "node_modules", "tests", "Cargo.lock"];
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            if PASSED_OVER.iter().any(|passed| entry.file_name() == *passed) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                found.push((name, text));
            }
        }
    }
    found
}
