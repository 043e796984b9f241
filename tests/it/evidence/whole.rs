//! From `qualify` to `evidence verify`, as its users run them.

use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::pkey::PKey;
use schemagate::signing::{VerifyingKey, jws};

use super::sample::{private_pem, public_pem};
use super::verify;
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::Job;

/// Stands for every secret that the environment may hold.
const CANARY: &str = "c4n4ryInTheMine";

fn texts(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(texts(&path)),
            false => found.push((path.clone(), std::fs::read_to_string(&path).unwrap())),
        }
    }
    found
}

/// What a signed text holds, as text.
fn opened(text: &str, key: &VerifyingKey) -> String {
    jws::verify(text, key).map_or_else(|_| text.to_owned(), |payload| format!("{payload:?}"))
}

#[test]
fn a_qualification_is_signed_and_verifies_and_holds_no_secret() {
    let (database, folder) = (Database::new(), tempfile::tempdir().unwrap());
    let (dir, public) = (folder.path().join("evidence"), folder.path().join("public.pem"));
    let private = private_pem();
    std::fs::write(&public, public_pem(&private)).unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let outcome = Job::on(&database)
        .migrations(&migrations)
        .env("DATABASE_URL", database.url().replacen('@', &format!(":{CANARY}@"), 1))
        .env("SCHEMAGATE_SIGNING_KEY", private.replace('\n', "\\n"))
        .env("RAILWAY_DEPLOYMENT_ID", "deployment-1")
        .env("RAILWAY_TOKEN", CANARY)
        .env("SCHEMAGATE_GIT_COMMIT", "abc123")
        .env("SCHEMAGATE_LOG", "trace")
        .args(["qualify", "--evidence"])
        .arg(&dir)
        .run();
    outcome.assert_code(0).assert_nowhere(CANARY).assert_stdout("signed by the key").assert_stdout("IQ-008  passed");
    let key = VerifyingKey::load(&public).unwrap();
    let files = texts(&dir);
    assert_eq!(files.len(), 14);
    let secret: Vec<&str> = private.lines().filter(|line| !line.starts_with('-')).collect();
    for (path, text) in &files {
        let text = opened(text, &key);
        assert!(!text.contains(CANARY), "{}", path.display());
        assert!(!secret.iter().any(|line| text.contains(line)), "{}", path.display());
        assert!(path.extension().is_some_and(|extension| extension != "log"), "{}", path.display());
    }
    let verified = verify(&dir, &public);
    verified.assert_code(0).assert_stdout("verdict            passed").assert_stdout("git_commit         abc123");
    let state = Command::new("sh")
        .args(["-c", "LC_ALL=C sh -c 'sha256sum *.sql' | sha256sum"])
        .current_dir(&migrations)
        .output()
        .unwrap();
    let state = String::from_utf8(state.stdout).unwrap();
    verified.assert_stdout(state.split_whitespace().next().unwrap());
    let environment = files.iter().find(|(path, _)| path.ends_with("environment.json")).unwrap();
    assert!(environment.1.contains("deployment-1") && environment.1.contains("system_identifier"));
}

#[test]
fn evidence_of_a_failed_qualification_is_written_and_verifies_and_says_failed() {
    let (database, folder) = (Database::new(), tempfile::tempdir().unwrap());
    let (dir, public) = (folder.path().join("evidence"), folder.path().join("public.pem"));
    let key = folder.path().join("key.pem");
    let private = private_pem();
    std::fs::write(&key, &private).unwrap();
    std::fs::write(&public, public_pem(&private)).unwrap();
    let migrations = Migrations::new().file("V1__a.sql", "create table a ();\nselect nonsense;\n");
    let job = Job::on(&database).migrations(migrations.path()).env("SCHEMAGATE_SIGNING_KEY_FILE", &key);
    job.args(["qualify", "--evidence"]).arg(&dir).run().assert_code(1).assert_stdout("deviations");
    verify(&dir, &public).assert_code(0).assert_stdout("verdict            failed");
}

#[test]
fn a_key_that_cannot_sign_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("evidence");
    let sec1 = PKey::private_key_from_pem(private_pem().as_bytes()).unwrap().ec_key().unwrap();
    let sec1 = String::from_utf8(sec1.private_key_to_pem().unwrap()).unwrap();
    for (variable, value, words) in [
        ("SCHEMAGATE_SIGNING_KEY", sec1.as_str(), "a private key as SEC 1 has it"),
        ("SCHEMAGATE_SIGNING_KEY", CANARY, "no PEM in it"),
        ("SCHEMAGATE_SIGNING_KEY_FILE", "/nowhere/key.pem", "cannot read /nowhere/key.pem"),
    ] {
        // Nothing listens there: the key is looked at first.
        let job = Job::new().env("DATABASE_URL", "postgres://u@127.0.0.1:1/d").env(variable, value);
        let outcome = job.args(["qualify", "--evidence"]).arg(&dir).run();
        outcome.assert_code(78).assert_stderr(variable).assert_stderr(words).assert_stderr("hint:");
        let first = outcome.stderr.lines().find(|line| line.contains(words)).unwrap();
        assert_eq!(first.matches(variable).count(), 1, "{outcome}");
        outcome.assert_nowhere(CANARY).assert_nowhere(sec1.lines().nth(1).unwrap());
        assert!(!dir.exists());
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let job = Job::new().env("DATABASE_URL", "postgres://u@127.0.0.1:1/d").args(["qualify", "--evidence"]);
    job.arg(folder.path().join("file/evidence")).run().assert_code(65).assert_stderr("cannot write");
}
