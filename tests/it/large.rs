//! Releases of a size that nobody should have: a file of 200 MB, ten thousand files.

use std::time::Duration;

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::Job;
use crate::support::{measured, slow};

const MEGABYTE: usize = 1_000_000;

/// The most memory that a process has held so far, in bytes.
fn peak_bytes(pid: i32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_file_of_200_megabytes_is_applied_in_little_more_memory_than_it_takes_twice() {
    if !slow() {
        return;
    }
    let database = Database::new();
    let row = format!("insert into t values ('{}');\n", "x".repeat(9_970));
    let rows = 200 * MEGABYTE / row.len();
    let text = format!("create table t (a text);\n{}select pg_sleep(2);", row.repeat(rows));
    let folder = Migrations::new().file("V1__data.sql", text);
    let run = Job::on(&database).migrations(folder.path()).limit(Duration::from_secs(170)).spawn();
    database.wait_until(
        "select exists (select from pg_stat_activity where application_name = 'schemagate' and wait_event = 'PgSleep')",
        Duration::from_secs(150),
    );
    let peak = peak_bytes(run.pid());
    let outcome = run.wait();
    outcome.assert_code(0);
    assert_eq!(database.value("select count(*) from t"), Some(rows.to_string()));
    measured(&format!("a file of 200 MB: {:.1?}, {} MB of memory at most", outcome.elapsed, peak / MEGABYTE));
    assert!(peak < 440 * MEGABYTE, "{peak} bytes");
}

#[test]
fn ten_thousand_files_are_applied_and_the_next_run_finds_them() {
    if !slow() {
        return;
    }
    let database = Database::new();
    let folder = Migrations::new();
    for version in 1..=10_000 {
        folder.write(&format!("V{version}__x.sql"), format!("select {version};"));
    }
    let job = || Job::on(&database).migrations(folder.path()).limit(Duration::from_secs(170));
    let fresh = job().run();
    fresh.assert_code(0);
    let again = job().run();
    again.assert_code(0).assert_stdout("up to date: 10000 applied");
    measured(&format!("10,000 files: {:.1?} fresh, {:.1?} up to date", fresh.elapsed, again.elapsed));
}
