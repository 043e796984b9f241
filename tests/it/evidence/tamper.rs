//! Packages that somebody has had a hand in, and paths that are no evidence.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::sample::{self, Evidence, now, private_pem, protocol, public_pem};
use super::tokens::token;
use super::{refused, verify};
use crate::support::job::Job;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn manifest(package: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(package.join("manifest.json")).unwrap()).unwrap()
}

/// Both manifests say `changed`, and the signed one is signed properly: what is left to be wrong are the files.
fn sign_manifest(evidence: &Evidence, changed: &Value) {
    let package = &evidence.written.package;
    std::fs::write(package.join("manifest.json"), format!("{changed:#}\n")).unwrap();
    let mut signed = changed.clone();
    signed["iat"] = json!(now());
    signed["exp"] = json!(now() + 1000);
    let header = format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{}"}}"#, evidence.key().kid());
    std::fs::write(package.join("manifest.jws"), token(&header, &signed.to_string(), &evidence.private)).unwrap();
}

#[test]
fn a_changed_byte_in_any_file_of_a_package_is_refused_by_the_files_name() {
    let evidence = Evidence::signed();
    let all = files(&evidence.written.package);
    assert_eq!(all.len(), 11);
    for path in all {
        let good = std::fs::read(&path).unwrap();
        for index in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[index] ^= 1;
            std::fs::write(&path, bad).unwrap();
            refused(&evidence.written.package, &evidence.public_key(), &[path.file_name().unwrap().to_str().unwrap()]);
        }
        // Shorter and longer, by what means nothing in JSON too.
        for ends in [&b"x"[..], b"\n", b"\r\n", b" ", b"\0"] {
            std::fs::write(&path, [good.as_slice(), ends].concat()).unwrap();
            refused(&evidence.written.package, &evidence.public_key(), &[path.file_name().unwrap().to_str().unwrap()]);
        }
        for shorter in [1, 3] {
            std::fs::write(&path, &good[..good.len() - shorter]).unwrap();
            refused(&evidence.written.package, &evidence.public_key(), &[path.file_name().unwrap().to_str().unwrap()]);
        }
        std::fs::write(&path, &good).unwrap();
    }
    verify(&evidence.written.package, &evidence.public_key()).assert_code(0);
}

#[test]
fn added_removed_and_renamed_files_are_refused() {
    let evidence = Evidence::signed();
    let package = &evidence.written.package;
    let check = |words: &[&str]| drop(refused(package, &evidence.public_key(), words));
    for extra in ["extra.txt", "artifacts/run.log", ".hidden", "new/folder/file"] {
        let path = package.join(extra);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        check(&[&format!("{extra}: not listed in the manifest")]);
        std::fs::remove_file(&path).unwrap();
    }
    // What is left of `new/folder/file`.
    check(&["new/folder/: not listed in the manifest"]);
    std::fs::remove_dir_all(package.join("new")).unwrap();
    for path in files(package) {
        let aside = evidence.beside("aside");
        std::fs::rename(&path, &aside).unwrap();
        check(&[&format!("{}: missing", path.display())]);
        let renamed = path.with_extension("other");
        std::fs::rename(&aside, &renamed).unwrap();
        check(&[&format!("{}: missing", path.display()), &format!("{}: not listed", renamed.display())]);
        std::fs::rename(&renamed, &path).unwrap();
    }
    for empty in [".empty", "artifacts/empty"] {
        std::fs::create_dir(package.join(empty)).unwrap();
        check(&[&format!("{empty}/: not listed in the manifest")]);
        std::fs::remove_dir(package.join(empty)).unwrap();
    }
    verify(package, &evidence.public_key()).assert_code(0);
}

#[test]
fn a_package_by_another_name_is_refused() {
    let evidence = Evidence::signed();
    let package = &evidence.written.package;
    let id = package.file_name().unwrap().to_str().unwrap();
    let words = format!("is the folder of the package {id}, by another name");
    for name in ["IQ-SPEC-INF-002-20200101T000000Z", &format!("{id}-2"), &id.to_lowercase()] {
        let renamed = package.with_file_name(name);
        std::fs::rename(package, &renamed).unwrap();
        refused(&renamed, &evidence.public_key(), &[&words]);
        refused(&evidence.dir(), &evidence.public_key(), &[&format!("{name}: {words}")]);
        std::fs::rename(&renamed, package).unwrap();
    }
    for path in [package.join("."), package.join("artifacts/..")] {
        verify(&path, &evidence.public_key()).assert_code(0);
    }
}

#[test]
fn a_manifest_that_is_not_the_signed_one_is_refused() {
    let evidence = Evidence::signed();
    let package = &evidence.written.package;
    let mut changed = manifest(package);
    changed["created_at"] = json!("2020-01-01T00:00:00.000Z");
    std::fs::write(package.join("manifest.json"), changed.to_string()).unwrap();
    refused(package, &evidence.public_key(), &["manifest.json: what it says is not that of manifest.jws"]);
    // Of another package of the same key: its own files are missing here.
    let other = sample::write(&evidence.dir(), &protocol(), Some(&evidence.key()), now() - 60);
    for name in ["manifest.json", "manifest.jws"] {
        std::fs::copy(other.package.join(name), package.join(name)).unwrap();
    }
    refused(package, &evidence.public_key(), &["metadata.json: has the SHA-256"]);
}

#[test]
fn a_manifest_that_says_the_same_in_other_bytes_is_refused() {
    let evidence = Evidence::signed();
    let path = evidence.written.package.join("manifest.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let says: Value = serde_json::from_str(&good).unwrap();
    // The first member behind the second.
    let mut lines: Vec<&str> = good.lines().collect();
    lines.swap(1, 2);
    let reordered = lines.join("\n") + "\n";
    for other in [
        says.to_string(),
        reordered,
        good.replacen("{\n", "{ \n", 1),
        good.replace('\n', "\r\n"),
        good.replacen("IQ-SPEC", "\\u0049Q-SPEC", 1),
        good.trim_end().to_owned(),
    ] {
        assert_eq!(serde_json::from_str::<Value>(&other).unwrap(), says, "{other}");
        std::fs::write(&path, &other).unwrap();
        refused(
            &evidence.written.package,
            &evidence.public_key(),
            &["manifest.json: says what was written, but not in"],
        );
    }
    std::fs::write(&path, &good).unwrap();
    verify(&evidence.written.package, &evidence.public_key()).assert_code(0);
}

#[test]
fn a_line_end_behind_a_record_or_a_signed_manifest_is_refused() {
    let evidence = Evidence::signed();
    for (path, of) in [
        (evidence.written.package.join("manifest.jws"), &evidence.written.package),
        (evidence.written.record.clone(), &evidence.written.record),
    ] {
        let good = std::fs::read_to_string(&path).unwrap();
        for (end, words) in
            [("\n", "a line end was added"), ("\r\n", "no base64url"), ("\n\n", "no base64url"), (" ", "no base64url")]
        {
            std::fs::write(&path, format!("{good}{end}")).unwrap();
            refused(of, &evidence.public_key(), &[&format!("{}: ", path.display()), words]);
        }
        std::fs::write(&path, &good).unwrap();
        verify(of, &evidence.public_key()).assert_code(0);
    }
}

#[test]
fn every_fault_is_told_and_each_on_its_line() {
    let evidence = Evidence::signed();
    let package = &evidence.written.package;
    std::fs::write(package.join("metadata.json"), "{}").unwrap();
    std::fs::remove_file(package.join("environment.json")).unwrap();
    std::fs::write(package.join("extra\n\u{1b}[2J"), "").unwrap();
    let outcome = refused(
        package,
        &evidence.public_key(),
        &["metadata.json: has 2 bytes", "environment.json: missing", "extra \\u{1b}[2J: not listed"],
    );
    outcome.assert_stderr("3 faults");
    assert_eq!(outcome.stdout.lines().count(), 3, "{outcome}");
    let outcome = Job::new()
        .args(["--format", "json", "evidence", "verify"])
        .arg(package)
        .arg("--public-key")
        .arg(evidence.public_key())
        .run();
    let told = outcome.assert_code(1).json();
    assert_eq!((told["verified"].as_bool(), told["faults"].as_array().unwrap().len()), (Some(false), 3));
}

#[test]
fn a_link_in_a_package_is_refused_and_not_followed() {
    let evidence = Evidence::signed();
    let package = &evidence.written.package;
    // What the links lead to is exactly what the manifest wants.
    for name in ["metadata.json", "manifest.json", "manifest.jws", "artifacts"] {
        let (path, aside) = (package.join(name), evidence.beside("aside"));
        std::fs::rename(&path, &aside).unwrap();
        symlink(&aside, &path).unwrap();
        refused(package, &evidence.public_key(), &["not a regular file; it was not read"]);
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
    }
    let pipe = package.join("metadata.json");
    std::fs::remove_file(&pipe).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    refused(package, &evidence.public_key(), &["metadata.json: not a regular file; it was not read"]);
}

#[test]
fn a_path_that_leaves_the_package_is_not_read_though_it_is_signed() {
    let evidence = Evidence::signed();
    let good = manifest(&evidence.written.package);
    std::fs::write(evidence.beside("secret"), "x").unwrap();
    let absolute = evidence.beside("secret").display().to_string();
    for path in ["../../../secret", "artifacts/../../x", &absolute, "", ".", "a//b", "a\\b", "manifest.jws", "a/"] {
        let mut changed = good.clone();
        changed["files"][0]["path"] = json!(path);
        sign_manifest(&evidence, &changed);
        let words = format!("{path:?}: the manifest lists a path that is not allowed");
        let outcome = refused(&evidence.written.package, &evidence.public_key(), &[&words]);
        outcome.assert_nowhere("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
    }
}

#[test]
fn of_a_signed_manifest_in_which_only_a_path_is_wrong_the_path_is_told_and_nothing_else() {
    let evidence = Evidence::signed();
    let good = manifest(&evidence.written.package);
    let secret = evidence.beside("secret");
    std::fs::write(&secret, "x").unwrap();
    for path in ["../../../secret", &secret.display().to_string()] {
        // Size, hash and totals are those of the file outside.
        let mut changed = good.clone();
        let sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        let entry = json!({ "path": path, "sha256": sha256, "size_bytes": 1 });
        changed["files"].as_array_mut().unwrap().push(entry);
        changed["file_count"] = json!(good["file_count"].as_u64().unwrap() + 1);
        changed["total_size_bytes"] = json!(good["total_size_bytes"].as_u64().unwrap() + 1);
        sign_manifest(&evidence, &changed);
        let words = format!("{path:?}: the manifest lists a path that is not allowed");
        let outcome = refused(&evidence.written.package, &evidence.public_key(), &[&words]);
        assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
        // And first, where the totals are wrong too.
        changed["file_count"] = good["file_count"].clone();
        sign_manifest(&evidence, &changed);
        let outcome = refused(&evidence.written.package, &evidence.public_key(), &["file_count is not 10"]);
        assert!(outcome.stdout.starts_with(&words), "{outcome}");
    }
}

#[test]
fn a_signed_manifest_that_is_wrong_in_itself_is_refused() {
    let evidence = Evidence::signed();
    let good = manifest(&evidence.written.package);
    let total = good["total_size_bytes"].as_u64().unwrap();
    let mut changes: Vec<(Value, &str)> = Vec::new();
    let mut with = |words: &'static str, change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        changes.push((changed, words));
    };
    with("file_count is not 9", &|it| it["file_count"] = json!(8));
    with("total_size_bytes is not", &|it| it["total_size_bytes"] = json!(total + 1));
    with("package_id is not a text", &|it| it["package_id"] = json!(null));
    with("files[0] is not a file with path", &|it| it["files"][0]["size_bytes"] = json!("1"));
    with("listed twice", &|it| it["files"][1] = it["files"][0].clone());
    with("metadata.json: required, but not listed", &|it| {
        it["files"].as_array_mut().unwrap().retain(|file| file["path"] != "metadata.json");
    });
    with("IQ-SPEC-INF-002.html: required, but not listed", &|it| {
        it["files"].as_array_mut().unwrap().retain(|file| file["path"] != "IQ-SPEC-INF-002.html");
    });
    with("spec_id is not that of manifest.json", &|it| it["package_id"] = json!("IQ-SPEC-INF-002-other"));
    for (changed, words) in changes {
        sign_manifest(&evidence, &changed);
        let words = words.replace("spec_id is not that", "package_id is not that");
        refused(&evidence.written.package, &evidence.public_key(), &[&words]);
    }
}

#[test]
fn documents_of_another_run_are_refused_though_everything_is_signed() {
    let evidence = Evidence::signed();
    let package = &evidence.written.package;
    let mut changed = protocol();
    changed.steps.pop();
    changed.subject.migrations.pop();
    let other = sample::write(&evidence.beside("other"), &changed, Some(&evidence.key()), now());
    let name = "EV-SPEC-INF-002.jws";
    std::fs::copy(other.package.join(name), package.join(name)).unwrap();
    let mut listed = manifest(package);
    let theirs = manifest(&other.package);
    let files = listed["files"].as_array_mut().unwrap();
    for entry in theirs["files"].as_array().unwrap().iter().filter(|it| it["path"] == name) {
        *files.iter_mut().find(|it| it["path"] == name).unwrap() = entry.clone();
    }
    let total: u64 = files.iter().map(|it| it["size_bytes"].as_u64().unwrap()).sum();
    listed["total_size_bytes"] = json!(total);
    sign_manifest(&evidence, &listed);
    let words = [
        "passed is not that of artifacts/test-results.json",
        "system_state_hash is not that of artifacts/migrations.sha256",
    ];
    refused(package, &evidence.public_key(), &words);
}

#[test]
fn reports_beside_a_record_that_its_package_does_not_have_are_refused() {
    let evidence = Evidence::signed();
    let html = &evidence.written.html;
    let good = std::fs::read_to_string(html).unwrap();
    std::fs::write(html, good.replace("not executed in full", "passed")).unwrap();
    refused(&evidence.dir(), &evidence.public_key(), &["IQ-SPEC-INF-002.html: what it says is not that of"]);
    std::fs::remove_file(html).unwrap();
    refused(&evidence.dir(), &evidence.public_key(), &["IQ-SPEC-INF-002.html: missing"]);
    std::fs::write(html, &good).unwrap();
    verify(&evidence.dir(), &evidence.public_key()).assert_code(0);
    let aside = evidence.beside("aside");
    std::fs::rename(&evidence.written.package, &aside).unwrap();
    refused(&evidence.dir(), &evidence.public_key(), &["no package beside it holds this record"]);
    std::fs::rename(&aside, &evidence.written.package).unwrap();
    std::fs::write(evidence.dir().join("packages/stray"), "").unwrap();
    refused(&evidence.dir(), &evidence.public_key(), &["stray: not listed in the manifest"]);
    std::fs::remove_file(evidence.dir().join("packages/stray")).unwrap();
    std::fs::remove_file(&evidence.written.record).unwrap();
    refused(&evidence.dir(), &evidence.public_key(), &["holds no record"]);
}

#[test]
fn another_key_verifies_nothing() {
    let evidence = Evidence::signed();
    let other = evidence.beside("other.pem");
    std::fs::write(&other, public_pem(&private_pem())).unwrap();
    for path in [&evidence.dir(), &evidence.written.package, &evidence.written.record] {
        refused(path, &other, &["signed by another key: the header names"]);
    }
}

#[test]
fn what_is_no_evidence_exits_with_65() {
    let evidence = Evidence::signed();
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(&text, "hello").unwrap();
    for (path, words) in [
        (folder.path().join("nowhere"), "No such file"),
        (folder.path().to_owned(), "neither manifest nor packages"),
        (text, "no evidence: neither a signed text nor an unsigned one"),
        (PathBuf::from("/dev/null"), "neither a file nor a folder"),
        (evidence.written.package.join("manifest.jws"), "name the package's folder"),
    ] {
        verify(&path, &evidence.public_key()).assert_code(65).assert_stderr(words).assert_stderr("hint:");
    }
}

#[test]
fn a_public_key_that_cannot_be_used_exits_with_78_and_is_not_shown() {
    let evidence = Evidence::signed();
    let path = evidence.beside("key");
    for (text, words) in [
        (evidence.private.clone(), "a private key, where the public key is wanted"),
        ("hello".to_owned(), "no PEM and no JWK in it"),
        (r#"{"kty":"RSA","n":"x","e":"AQAB"}"#.to_owned(), "a JWK of the kind RSA"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let outcome = verify(&evidence.dir(), &path);
        outcome.assert_code(78).assert_stderr(words).assert_stderr("hint:");
        outcome.assert_nowhere(text.lines().nth(1).unwrap_or("nothing of it"));
    }
    verify(&evidence.dir(), &evidence.beside("nowhere")).assert_code(78).assert_stderr("cannot be read");
    Job::new().args(["evidence", "verify"]).arg(evidence.dir()).run().assert_code(2).assert_stderr("--public-key");
    Job::new().args(["evidence"]).run().assert_code(2);
}

#[test]
fn a_jwk_verifies_as_its_pem_does() {
    let evidence = Evidence::signed();
    let path = evidence.beside("key.jwk");
    std::fs::write(&path, evidence.key().public().jwk().to_string()).unwrap();
    verify(&evidence.dir(), &path).assert_code(0);
}
