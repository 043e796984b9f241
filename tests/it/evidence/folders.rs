//! The whole folder of evidence: nothing besides, the newest package at the top, and every verdict told.

use std::path::Path;

use schemagate::evidence::Written;
use schemagate::protocol::{Protocol, Verdict};

use super::sample::{self, Evidence, case, now, protocol, step};
use super::{refused, verify};
use crate::support::job::Job;

const TOP: [&str; 3] = ["EV-SPEC-INF-002.jws", "IQ-SPEC-INF-002.html", "IQ-SPEC-INF-002.xml"];

fn with(verdict: Verdict) -> Protocol {
    let mut protocol = protocol();
    protocol.steps = vec![step("IQ-001", "Fresh database", vec![case("V0000__initial.sql", verdict, "seen")])];
    protocol
}

/// A run that passed, and a later one that failed.
fn passed_and_failed() -> (Evidence, Written) {
    let evidence = Evidence::of(&with(Verdict::Passed), true, now() - 60);
    let failed = sample::write(&evidence.dir(), &with(Verdict::Failed), Some(&evidence.key()), now());
    (evidence, failed)
}

fn json(path: &Path, evidence: &Evidence) -> serde_json::Value {
    let job = Job::new().args(["--format", "json", "evidence", "verify"]).arg(path);
    job.arg("--public-key").arg(evidence.public_key()).run().json()
}

#[test]
fn whatever_else_stands_at_the_top_is_refused_by_its_name() {
    let evidence = Evidence::signed();
    let record = &evidence.written.record;
    for (name, copied) in [
        ("IQ-SPEC-FORGED.html", &evidence.written.html),
        ("EV-FORGED.json", &evidence.public_key()),
        ("EV-FORGED.jws", record),
        ("EV-SPEC-INF-002.json", &evidence.public_key()),
        ("notes.txt", record),
        (".hidden", record),
        (".IQ-SPEC-INF-002.html.0123456789abcdef.partial", &evidence.written.html),
        ("metadata.json", &evidence.written.package.join("metadata.json")),
    ] {
        let path = evidence.dir().join(name);
        std::fs::copy(copied, &path).unwrap();
        refused(&evidence.dir(), &evidence.public_key(), &[&format!("{}: no pa", path.display())]);
        std::fs::remove_file(&path).unwrap();
    }
    for name in ["artifacts", ".git", "packages-2", ".x.partial"] {
        let path = evidence.dir().join(name);
        std::fs::create_dir(&path).unwrap();
        refused(&evidence.dir(), &evidence.public_key(), &[&format!("{}: not a regular file", path.display())]);
        std::fs::remove_dir(&path).unwrap();
    }
    verify(&evidence.dir(), &evidence.public_key()).assert_code(0);
}

#[test]
fn what_a_killed_run_left_among_the_packages_is_told_and_anything_else_hidden_is_refused() {
    let evidence = Evidence::signed();
    let packages = evidence.dir().join("packages");
    let left = packages.join(".IQ-SPEC-INF-002-20261122T101530Z.partial");
    std::fs::create_dir_all(left.join("artifacts")).unwrap();
    let words = format!("{}: begun by a run that was killed", left.display());
    verify(&evidence.dir(), &evidence.public_key()).assert_code(0).assert_stdout(&words);
    assert_eq!(json(&evidence.dir(), &evidence)["leftovers"][0], left.display().to_string());
    for (name, is_folder) in [(".hidden", true), (".file.partial", false), (".file", false), ("empty", true)] {
        let path = packages.join(name);
        if is_folder { std::fs::create_dir(&path) } else { std::fs::write(&path, "") }.unwrap();
        refused(&evidence.dir(), &evidence.public_key(), &[&path.display().to_string(), &words]);
        if is_folder { std::fs::remove_dir(&path) } else { std::fs::remove_file(&path) }.unwrap();
    }
}

#[test]
fn an_older_run_at_the_top_is_refused_and_both_packages_are_named() {
    let (evidence, failed) = passed_and_failed();
    verify(&evidence.dir(), &evidence.public_key()).assert_code(0);
    let (older, newest) = (evidence.written.package.display(), failed.package.display());
    for name in TOP {
        let path = evidence.dir().join(name);
        std::fs::copy(evidence.written.package.join(name), &path).unwrap();
        let words = format!("{}: is that of {older}, where the newest package is {newest}", path.display());
        let outcome = refused(&evidence.dir(), &evidence.public_key(), &[&words]);
        assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
        std::fs::remove_file(&path).unwrap();
        let words = format!("{}: missing, where the newest package, {newest}, has it", path.display());
        refused(&evidence.dir(), &evidence.public_key(), &[&words]);
        std::fs::copy(failed.package.join(name), &path).unwrap();
    }
    verify(&evidence.dir(), &evidence.public_key()).assert_code(0);
}

#[test]
fn of_packages_of_one_moment_the_higher_number_is_the_newer() {
    let evidence = Evidence::of(&with(Verdict::Failed), true, now());
    // More than nine, so that numbers and not letters decide.
    for _ in 2..=10 {
        sample::write(&evidence.dir(), &with(Verdict::Failed), Some(&evidence.key()), now());
    }
    let last = sample::write(&evidence.dir(), &with(Verdict::Passed), Some(&evidence.key()), now());
    assert!(last.package.display().to_string().ends_with("-11"));
    verify(&evidence.dir(), &evidence.public_key()).assert_code(0);
    std::fs::copy(evidence.written.package.join(TOP[0]), evidence.dir().join(TOP[0])).unwrap();
    refused(&evidence.dir(), &evidence.public_key(), &["-11"]);
}

#[test]
fn the_verdict_of_every_package_is_printed_and_the_newest_last() {
    let (evidence, failed) = passed_and_failed();
    let outcome = verify(&evidence.dir(), &evidence.public_key());
    let place = |words: &str| outcome.stdout.find(words).unwrap_or_else(|| panic!("{words}: {outcome}"));
    let (older, newest) = (evidence.written.package.display(), failed.package.display());
    let (older, newest) = (place(&format!("package {older}")), place(&format!("package {newest}")));
    assert!(older < place("verdict            passed") && place("verdict            passed") < newest, "{outcome}");
    assert!(newest < place("verdict            failed"), "{outcome}");
    let told = json(&evidence.dir(), &evidence);
    let verdicts: Vec<_> = told["documents"].as_array().unwrap().iter().map(|it| &it["says"]["verdict"]).collect();
    assert_eq!(verdicts, ["passed", "failed", "failed"]);
}

#[test]
fn a_single_package_tells_verdict_and_counts() {
    let evidence = Evidence::signed();
    let outcome = verify(&evidence.written.package, &evidence.public_key());
    outcome.assert_code(0).assert_stdout("verdict            not executed in full");
    outcome.assert_stdout("passed             3").assert_stdout("failed             0");
    let says = json(&evidence.written.package, &evidence)["documents"][0]["says"].clone();
    assert_eq!(
        (says["passed"].as_u64(), says["failed"].as_u64(), says["skipped"].as_u64()),
        (Some(3), Some(0), Some(1))
    );
    assert_eq!(says["verdict"], "not executed in full");
}

#[test]
fn evidence_of_several_ids_shares_a_folder() {
    let evidence = Evidence::signed();
    let mut other = protocol();
    other.subject.ids.gxp_id = "EV-OTHER".to_owned();
    other.subject.ids.spec_id = "OTHER".to_owned();
    sample::write(&evidence.dir(), &other, Some(&evidence.key()), now() + 5);
    let outcome = verify(&evidence.dir(), &evidence.public_key());
    outcome.assert_code(0).assert_stdout("EV-OTHER").assert_stdout("EV-SPEC-INF-002");
    std::fs::remove_file(&evidence.written.html).unwrap();
    refused(&evidence.dir(), &evidence.public_key(), &["IQ-SPEC-INF-002.html: missing"]);
}
