//! What a role needs for the audit trail, and what happens where it has less.

use super::{assert_intact, rows, said};
use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

/// A database with V1 applied and a role that may write the history and create tables of its own, and no more.
fn with_role() -> (Database, Migrations, String) {
    let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "create table a ();"));
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    let role = database.role("login");
    database.execute(&format!(
        "grant create on schema public to {role}; grant usage on schema drizzle to {role};
         grant select, insert on drizzle.__migrations__ to {role}"
    ));
    folder.write("V2__b.sql", "create table b ();");
    (database, folder, role)
}

fn job(database: &Database, folder: &Migrations, role: &str, arguments: &[&str]) -> Outcome {
    let job = Job::new().env("DATABASE_URL", database.url_as(role)).migrations(folder.path());
    job.env("SCHEMAGATE_LOG_FORMAT", "text").args(arguments).run()
}

#[test]
fn a_role_that_may_not_create_the_trail_is_warned_once_and_goes_on() {
    let (database, folder, role) = with_role();
    database.execute(&format!("drop table {TRAIL}"));
    let outcome = job(&database, &folder, &role, &["up"]);
    outcome.assert_code(0).assert_stdout("drizzle.__migration_runs__ does not exist, and this role may not create it");
    assert_eq!(outcome.stdout.matches("audit trail").count(), 1, "{outcome}");
    folder.write("V3__bad.sql", "select 1/0;");
    let outcome = job(&database, &folder, &role, &["up"]);
    outcome.assert_code(1);
    assert_eq!(outcome.stdout.matches("audit trail").count(), 1, "{outcome}");
    assert!(!database.tables().contains(&TRAIL.to_owned()));
    job(&database, &folder, &role, &["status"]).assert_code(0).assert_stdout("does not exist yet");
    // What the warning says is enough.
    database.execute(&format!("grant create on schema drizzle to {role}"));
    folder.write("V3__bad.sql", "select 3;");
    job(&database, &folder, &role, &["up"]).assert_code(0).assert_nowhere("audit trail");
    assert_eq!(said(&database), ["up applied 0 3"]);
    assert_intact(&database);
    database.execute(&format!("drop owned by {role}"));
}

#[test]
fn a_trail_that_takes_no_row_keeps_the_release_out_until_it_does() {
    let (database, folder, role) = with_role();
    for grant in ["", "select", "insert"] {
        if !grant.is_empty() {
            database.execute(&format!("revoke all on {TRAIL} from {role}; grant {grant} on {TRAIL} to {role}"));
        }
        let outcome = job(&database, &folder, &role, &["up"]);
        outcome.assert_code(77).assert_stdout("this role may not write the audit trail drizzle.__migration_runs__");
        outcome.assert_stdout("GRANT SELECT, INSERT ON \"drizzle\".\"__migration_runs__\" TO this role");
        assert!(!database.tables().contains(&"public.b".to_owned()));
    }
    // A run with nothing to do needs none of it.
    job(&database, &folder, &role, &["up", "--target", "1"]).assert_code(0);
    database.execute(&format!("grant select, insert on {TRAIL} to {role}"));
    job(&database, &folder, &role, &["up"]).assert_code(0);
    assert_eq!(said(&database), ["up applied 0 1", "up applied 0 2"]);
    assert_eq!(rows(&database)[1]["database_role"], role.as_str());
    assert_intact(&database);
    database.execute(&format!("drop owned by {role}"));
}

#[test]
fn a_role_that_may_not_read_the_trail_sees_the_status_all_the_same() {
    let (database, folder, role) = with_role();
    let text = job(&database, &folder, &role, &["status"]);
    text.assert_code(0).assert_stdout("1 applied, 1 pending").assert_stdout("this role may not read the audit trail");
    let json = job(&database, &folder, &role, &["status", "--format", "json"]);
    assert!(json.json()["audit_trail"]["error"].as_str().unwrap().contains("may not read"), "{json}");
    database.execute(&format!("drop owned by {role}"));
}

#[test]
fn a_relation_of_that_name_that_is_something_else_is_refused_once_it_is_needed() {
    for other in [
        "create table TRAIL (id int)",
        "create view TRAIL as select 1 as sequence",
        "create unlogged table TRAIL (sequence bigint)",
    ] {
        let (database, folder) = (Database::new(), Migrations::new().file("V1__a.sql", "create table a ();"));
        database.execute(&format!("create schema drizzle; {}", other.replace("TRAIL", TRAIL)));
        let run = |arguments: &[&str]| Job::on(&database).migrations(folder.path()).args(arguments).run();
        run(&["up"]).assert_code(78).assert_stdout("is no audit trail of schemagate's; it has (");
        assert!(!database.tables().contains(&"public.a".to_owned()));
        run(&["status"]).assert_code(0).assert_stdout("is no audit trail of schemagate's");
    }
}

#[test]
fn a_row_policy_in_the_way_keeps_the_release_out() {
    let (database, folder, role) = with_role();
    database
        .execute(&format!("grant select, insert on {TRAIL} to {role}; alter table {TRAIL} enable row level security"));
    let outcome = job(&database, &folder, &role, &["up"]);
    outcome.assert_code(77).assert_stdout("writing the audit trail: ").assert_stdout("nothing of this run was kept");
    outcome.assert_stdout("let no row policy stand in its way");
    assert!(!database.tables().contains(&"public.b".to_owned()));
    database.execute(&format!("drop owned by {role}"));
}
