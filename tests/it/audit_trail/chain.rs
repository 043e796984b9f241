//! The trail as the library gives it: read, exported, verified without the database.

use std::ffi::OsString;
use std::sync::Arc;

use schemagate::history::runs::{Trail, verify_document};
use schemagate::migrations::MigrationSet;
use schemagate::postgres::connect::Dialer;
use schemagate::postgres::startup::SessionParameters;
use schemagate::postgres::url::Target;
use schemagate::run::Run;
use schemagate::settings::Settings;
use schemagate::stop::Signals;

use super::rows;
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::Job;

/// Reads the trail as a command would.
fn trail(database: &Database, url: &str) -> Result<Trail, String> {
    let environment = [(OsString::from("DATABASE_URL"), OsString::from(url))];
    let settings = Settings::read(environment).unwrap();
    let set = MigrationSet::load(None).unwrap();
    let target = Target::parse(url, &|_| None).unwrap();
    let parameters = SessionParameters::new(
        settings.lock_timeout,
        settings.statement_timeout,
        target.options.clone(),
        database.name().to_owned(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let stop = Signals::listen(|_| {}).unwrap().stop();
        let dialer = Arc::new(Dialer::new(target, parameters));
        let mut run = Run { settings: &settings, set: &set, dialer, stop };
        run.trail().await.map_err(|error| error.to_string())
    }))
}

#[test]
fn an_export_is_verified_without_the_database() {
    let database = Database::new();
    let empty = trail(&database, &database.url()).unwrap();
    assert!(!empty.exists);
    verify_document(&empty.document("2026-11-22T10:00:00Z")).unwrap();
    let folder = Migrations::new().file("V1__a.sql", "select 1;").file("V2__b.sql", "select 1/0;");
    let job = || Job::on(&database).env("SCHEMAGATE_ATOMICITY", "migration").migrations(folder.path());
    job().run().assert_code(1);
    folder.write("V2__b.sql", "select 2;");
    job().run().assert_code(0);
    let trail = trail(&database, &database.url()).unwrap();
    assert_eq!((trail.database.as_str(), trail.rows.len(), trail.append_only), (database.name(), 2, true));
    let identifier = database.value("select system_identifier from pg_control_system()");
    assert_eq!(trail.system_identifier, identifier);
    let text = serde_json::to_string(&trail.document("2026-11-22T10:00:00Z")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    verify_document(&document).unwrap();
    assert_eq!(document["rows"][1]["hash"], rows(&database)[1]["hash"]);
    let tampered = text.replace("\"outcome\":\"failed\"", "\"outcome\":\"applied\"");
    let fault = verify_document(&serde_json::from_str(&tampered).unwrap()).unwrap_err();
    assert_eq!(fault.sequence(), Some(1));
}

#[test]
fn a_role_that_may_not_read_it_gets_no_export() {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "select 1;"));
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    let role = database.role("login");
    database
        .execute(&format!("grant usage on schema drizzle to {role}; grant select on drizzle.__migrations__ to {role}"));
    let error = trail(&database, &database.url_as(&role)).unwrap_err();
    assert!(error.contains("may not read the audit trail"), "{error}");
    database.execute(&format!("drop owned by {role}"));
}
