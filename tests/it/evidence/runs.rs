//! The audit trail of real runs as a signed file.

use std::path::PathBuf;

use super::sample::{private_pem, public_pem};
use super::tokens::token;
use super::{refused, verify};
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::Job;

const TRAIL: &str = "drizzle.__migration_runs__";

/// A database with a run that failed and one that went well, and a key pair.
struct Exporter {
    database: Database,
    migrations: Migrations,
    folder: tempfile::TempDir,
    private: String,
}

impl Exporter {
    fn new() -> Self {
        let migrations = Migrations::new().file("V1__a.sql", "create table a ();\n").file("V2__b.sql", "select 1/0;\n");
        let (folder, private) = (tempfile::tempdir().unwrap(), private_pem());
        std::fs::write(folder.path().join("public.pem"), public_pem(&private)).unwrap();
        let exporter = Self { database: Database::new(), migrations, folder, private };
        exporter.job().arg("up").run().assert_code(1);
        exporter.migrations.write("V2__b.sql", "select 1;\n");
        exporter.job().arg("up").run().assert_code(0);
        exporter
    }

    fn job(&self) -> Job {
        Job::on(&self.database).migrations(self.migrations.path()).env("SCHEMAGATE_SIGNING_KEY", &self.private)
    }

    fn runs(&self) -> Job {
        self.job().args(["evidence", "runs"])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Changes the trail as its owner can.
    fn by_force(&self, sql: &str) {
        self.database.execute(&format!("alter table {TRAIL} disable trigger user; {sql}"));
    }
}

#[test]
fn a_trail_is_exported_signed_and_verifies() {
    let exporter = Exporter::new();
    let (file, public) = (exporter.path("trail.jws"), exporter.path("public.pem"));
    let outcome = exporter.runs().arg("--output").arg(&file).run();
    outcome.assert_code(0).assert_stdout(&format!("2 runs of {TRAIL} written to")).assert_stdout("signed by the key");
    let verified = verify(&file, &public);
    verified.assert_code(0).assert_stdout("verified trail").assert_stdout(exporter.database.name());
    let last = format!("select hash from {TRAIL} order by sequence desc limit 1");
    verified.assert_stdout(&format!("last_hash          {}", exporter.database.value(&last).unwrap()));
    // The same on standard output, and over a file that is there.
    let printed = exporter.runs().run();
    std::fs::write(&file, &printed.assert_code(0).stdout).unwrap();
    verify(&file, &public).assert_code(0);
    exporter.runs().arg("--output").arg(&file).run().assert_code(0);
    let document = exporter.runs().args(["--format", "json"]).run().assert_code(0).json();
    assert_eq!(document["trail"]["rows"].as_array().unwrap().len(), 2);
    std::fs::write(&file, document["jws"].as_str().unwrap()).unwrap();
    verify(&file, &public).assert_code(0);
}

#[test]
fn a_broken_trail_is_exported_all_the_same_and_never_verifies() {
    let exporter = Exporter::new();
    exporter.by_force(&format!("update {TRAIL} set exit_code = 0 where sequence = 1"));
    let file = exporter.path("trail.jws");
    let outcome = exporter.runs().arg("--output").arg(&file).run();
    outcome.assert_code(1).assert_stderr("row 1 was altered").assert_stderr("is not append-only");
    refused(&file, &exporter.path("public.pem"), &["the audit trail is broken: row 1 was altered"]);
}

#[test]
fn an_export_whose_rows_were_cut_off_is_refused_though_it_is_signed() {
    let exporter = Exporter::new();
    let document = exporter.runs().args(["--format", "json"]).run().assert_code(0).json();
    let (file, kid) = (exporter.path("trail.jws"), document["kid"].as_str().unwrap());
    let header = format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#);
    let mut cut = document["trail"].clone();
    cut["rows"].as_array_mut().unwrap().pop();
    std::fs::write(&file, token(&header, &cut.to_string(), &exporter.private)).unwrap();
    refused(&file, &exporter.path("public.pem"), &["it does not hold as many rows as it says"]);
}

#[test]
fn without_a_key_a_trail_says_that_it_is_unsigned() {
    let exporter = Exporter::new();
    let file = exporter.path("trail.json");
    let job = Job::on(&exporter.database).args(["evidence", "runs", "--output"]).arg(&file);
    job.run().assert_code(0).assert_stderr("exported unsigned").assert_stdout("unsigned");
    let outcome = refused(&file, &exporter.path("public.pem"), &["unsigned: nobody can tell"]);
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
}

#[test]
fn a_database_without_a_trail_has_an_empty_one() {
    let database = Database::new();
    let document = Job::on(&database).args(["evidence", "runs", "--format", "json"]).run().assert_code(0).json();
    assert_eq!(document["trail"]["exists"], false);
    assert_eq!(document["trail"]["signed"], false);
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    let exporter = Exporter::new();
    exporter.runs().args(["--output", "/nowhere/trail.jws"]).run().assert_code(65).assert_stderr("cannot write");
    exporter.runs().args(["--output", "/"]).run().assert_code(65).assert_stderr("cannot write");
    exporter.runs().args(["--output"]).arg(exporter.folder.path()).run().assert_code(65).assert_stderr("cannot write");
}
