//! What is written, and that it is written whole or not at all.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use schemagate::evidence::{self, EvidenceError, check_writable, checksums};
use serde_json::Value;

use super::sample::{self, Evidence, at, now, protocol, rendered};
use super::verify;
use crate::support::folder::Migrations;

fn below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => drop(found.insert(path.strip_prefix(folder).unwrap().display().to_string())),
            }
        }
    }
    found
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The name of a package made at `seconds`.
fn package(seconds: u64) -> String {
    let time = humantime::format_rfc3339_seconds(at(seconds)).to_string();
    format!("IQ-SPEC-INF-002-{}", time.replace(['-', ':'], ""))
}

#[test]
fn a_signed_qualification_leaves_exactly_these_files() {
    let evidence = Evidence::signed();
    let package = format!("packages/{}", package(now()));
    let expected = [
        "EV-SPEC-INF-002.jws",
        "IQ-SPEC-INF-002.html",
        "IQ-SPEC-INF-002.xml",
        &format!("{package}/EV-SPEC-INF-002.jws"),
        &format!("{package}/IQ-SPEC-INF-002.html"),
        &format!("{package}/IQ-SPEC-INF-002.xml"),
        &format!("{package}/artifacts/dependency-tree.json"),
        &format!("{package}/artifacts/health-check.json"),
        &format!("{package}/artifacts/migrations.sha256"),
        &format!("{package}/artifacts/test-results.json"),
        &format!("{package}/environment.json"),
        &format!("{package}/manifest.json"),
        &format!("{package}/manifest.jws"),
        &format!("{package}/metadata.json"),
    ];
    assert_eq!(below(&evidence.dir()), expected.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(evidence.written.package, evidence.dir().join(&package));
    let outcome = verify(&evidence.dir(), &evidence.public_key());
    outcome.assert_code(0).assert_stdout("verified package").assert_stdout("verified record");
    outcome.assert_stdout(evidence.key().kid()).assert_stdout("valid_until  ");
    verify(&evidence.written.package, &evidence.public_key()).assert_code(0);
    verify(&evidence.written.record, &evidence.public_key()).assert_code(0).assert_stdout("not executed in full");
}

#[test]
fn the_manifest_has_the_members_of_the_specification() {
    let evidence = Evidence::signed();
    let manifest = json(&evidence.written.package.join("manifest.json"));
    let members: Vec<&str> = manifest.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["created_at", "file_count", "files", "package_id", "spec_id", "tier", "total_size_bytes"];
    assert_eq!(members, expected);
    assert_eq!(manifest["package_id"], package(now()));
    assert_eq!(manifest["file_count"], 9);
    let entry: Vec<&str> = manifest["files"][0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(entry, ["path", "sha256", "size_bytes"]);
}

#[test]
fn an_unsigned_record_says_so_everywhere_and_never_verifies() {
    let evidence = Evidence::of(&protocol(), false, now());
    assert_eq!(evidence.written.record, evidence.dir().join("EV-SPEC-INF-002.json"));
    assert_eq!(json(&evidence.written.record)["signed"], false);
    assert_eq!(json(&evidence.written.package.join("metadata.json"))["signed"], false);
    assert!(!evidence.written.package.join("manifest.jws").exists());
    for path in [&evidence.written.record, &evidence.written.package, &evidence.dir()] {
        let outcome = verify(path, &evidence.public_key());
        outcome.assert_code(1).assert_stdout("unsigned: nobody can tell whether it was changed");
        assert_eq!(outcome.stdout.matches("SHA-256").count(), 0, "{outcome}");
    }
}

#[test]
fn a_second_run_replaces_the_record_and_leaves_the_first_package_alone() {
    let evidence = Evidence::signed();
    let first = std::fs::read(evidence.written.package.join("metadata.json")).unwrap();
    let mut second = protocol();
    second.run_id = "fedcba9876543210".to_owned();
    let key = evidence.key();
    let written = sample::write(&evidence.dir(), &second, Some(&key), now());
    assert_eq!(written.package, evidence.dir().join(format!("packages/{}-2", package(now()))));
    assert_eq!(std::fs::read(evidence.written.package.join("metadata.json")).unwrap(), first);
    let third = sample::write(&evidence.dir(), &protocol(), Some(&key), now() + 1);
    assert!(third.package.ends_with(package(now() + 1)));
    verify(&evidence.dir(), &evidence.public_key()).assert_code(0);
}

#[test]
fn runs_in_the_same_second_each_have_a_package_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let packages: BTreeSet<_> = std::thread::scope(|scope| {
        let run = || sample::write(dir, &protocol(), None, now()).package;
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(packages.len(), 8);
    for package in &packages {
        let id = package.file_name().unwrap().to_str().unwrap();
        assert_eq!(json(&package.join("metadata.json"))["package_id"], id);
        assert_eq!(json(&package.join("manifest.json"))["package_id"], id);
    }
    assert!(below(dir).iter().all(|name| !name.contains("partial")), "{:?}", below(dir));
}

#[test]
fn a_run_without_a_key_does_not_leave_an_older_signed_record_beside_its_own() {
    let evidence = Evidence::signed();
    sample::write(&evidence.dir(), &protocol(), None, now() + 5);
    assert!(!evidence.written.record.exists());
    // The package of the signed run still has it.
    verify(&evidence.written.package, &evidence.public_key()).assert_code(0);
    sample::write(&evidence.dir(), &protocol(), Some(&evidence.key()), now() + 9);
    assert!(!evidence.dir().join("EV-SPEC-INF-002.json").exists());
}

#[test]
fn a_failure_on_the_way_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("out");
    // A folder stands where the report is to be; it cannot be replaced by a file.
    std::fs::create_dir_all(dir.join("IQ-SPEC-INF-002.html")).unwrap();
    let protocol = protocol();
    let error = evidence::write(&dir, &protocol, None, at(now()), &rendered(&protocol, None)).unwrap_err();
    assert!(matches!(&error, EvidenceError::Write { path, .. } if path.ends_with("IQ-SPEC-INF-002.html")), "{error}");
    assert_eq!(below(&dir), BTreeSet::new());
}

#[test]
fn a_folder_that_cannot_be_written_is_known_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = check_writable(&folder.path().join("file/out")).unwrap_err();
    assert!(matches!(error, EvidenceError::Write { .. }), "{error}");
    let made = folder.path().join("a/b");
    check_writable(&made).unwrap();
    assert_eq!(below(&made), BTreeSet::new());
    assert!(made.join("packages").metadata().unwrap().permissions().mode() & 0o700 == 0o700);
}

#[test]
fn sha256sum_makes_the_same_system_state() {
    let files = [("V0010__b.sql", "two\n"), ("V0002__a.sql", "one\n"), ("V0002__Z.sql", "")];
    let folder = files.iter().fold(Migrations::new(), |folder, (name, text)| folder.file(name, text));
    let installed: Vec<_> = files.iter().map(|(name, text)| sample::installed(1, name, text)).collect();
    let mut protocol = protocol();
    protocol.subject.migrations = installed.clone();
    let evidence = Evidence::of(&protocol, true, now());
    // The command of docs/qualification.md.
    let said =
        Command::new("sh").arg("-c").arg(documented("sha256sum *.sql")).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let payload = verify(&evidence.written.record, &evidence.public_key());
    payload.assert_code(0).assert_stdout(said.split_whitespace().next().unwrap());
    // And the file in the package is what sha256sum checks.
    let list = evidence.written.package.join("artifacts/migrations.sha256");
    assert_eq!(std::fs::read_to_string(&list).unwrap(), checksums(&installed));
    let checked = Command::new("sha256sum").args(["--check", "--strict"]).arg(list).current_dir(folder.path()).output();
    assert!(checked.unwrap().status.success());
}

/// The line of the manual that holds `part`.
fn documented(part: &str) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/qualification.md")).unwrap();
    let line = text.lines().find(|line| line.starts_with("$ ") && line.contains(part));
    line.unwrap_or_else(|| panic!("the manual has no command with {part}"))[2..].to_owned()
}

#[test]
fn the_dependency_tree_names_what_the_binary_is_made_of() {
    let evidence = Evidence::signed();
    let tree = json(&evidence.written.package.join("artifacts/dependency-tree.json"));
    let packages = tree["packages"].as_array().unwrap();
    let named = |name: &str| packages.iter().find(|package| package["name"] == name);
    for name in ["schemagate", "tokio-postgres", "openssl-sys", "sha2"] {
        assert!(named(name).is_some(), "{name}");
    }
    // Of the tests only.
    for name in ["insta", "k8s-openapi", "yaml_serde"] {
        assert!(named(name).is_none(), "{name}");
    }
    assert_eq!(named("tokio-postgres").unwrap()["checksum"].as_str().unwrap().len(), 64);
    let names: BTreeSet<String> = packages
        .iter()
        .map(|it| format!("{} {}", it["name"].as_str().unwrap(), it["version"].as_str().unwrap()))
        .collect();
    for dependency in packages.iter().flat_map(|it| it["dependencies"].as_array().unwrap()) {
        assert!(names.contains(dependency.as_str().unwrap()), "{dependency}");
    }
}

#[test]
fn cases_of_one_name_have_names_of_their_own_in_the_record() {
    let mut protocol = protocol();
    let same = protocol.steps[0].cases[0].clone();
    protocol.steps[0].cases = vec![same.clone(), same];
    let names = evidence::case_names(&protocol);
    assert_eq!(names[..2], ["IQ-001 V0000__initial.sql", "IQ-001 V0000__initial.sql (2)"]);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}
