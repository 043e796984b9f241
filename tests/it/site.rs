//! A site whose queries go on while a migration waits for a table: how long the slowest of them waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::Job;
use crate::support::{measured, slow_wanted};

#[test]
fn a_long_select_in_the_way_of_an_alter_table_does_not_block_the_site() {
    // With the defaults in `--all`; else with a shorter timeout, and the same rule.
    let (setting, lock_timeout) =
        if slow_wanted() { ("", Duration::from_secs(5)) } else { ("1s", Duration::from_secs(1)) };
    let database = Database::new();
    database.execute("create table orders (id int); insert into orders select generate_series(1, 100)");
    let folder = Migrations::new().file("V1__total.sql", "alter table orders add column total numeric;");
    let mut report = database.connect();
    report.execute("begin; select count(*) from orders");
    let stop = Arc::new(AtomicBool::new(false));
    let site: Vec<_> = (0..4).map(|_| queries(&database, &stop)).collect();
    let mut job = Job::on(&database)
        .migrations(folder.path())
        .env("SCHEMAGATE_LOCK_TIMEOUT", setting)
        .limit(Duration::from_secs(120))
        .spawn();
    // The report goes on over two attempts.
    job.wait_for_line("attempt 2 of 10 follows", Duration::from_secs(30));
    job.wait_for_line("attempt 3 of 10 follows", Duration::from_secs(30));
    drop(report);
    job.wait().assert_code(0).assert_stdout("V1__total.sql ran in");
    stop.store(true, Ordering::Relaxed);
    let waits: Vec<(usize, Duration)> = site.into_iter().map(|thread| thread.join().unwrap()).collect();
    let longest = waits.iter().map(|(_, longest)| *longest).max().unwrap();
    let count: usize = waits.iter().map(|(count, _)| count).sum();
    measured(&format!(
        "{count} application queries behind an ALTER TABLE that waits for a long SELECT, lock_timeout {lock_timeout:?}: \
         the slowest took {longest:.1?}"
    ));
    // The SELECT was in the way throughout: a query that never waited would have proven nothing.
    assert!(longest > lock_timeout / 2, "{longest:?}");
    assert!(longest < lock_timeout + Duration::from_secs(1), "{longest:?}");
}

/// Queries one after the other; how many, and how long the slowest took.
fn queries(database: &Database, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<(usize, Duration)> {
    let (mut application, stop) = (database.connect(), Arc::clone(stop));
    std::thread::spawn(move || {
        let (mut count, mut longest) = (0, Duration::ZERO);
        while !stop.load(Ordering::Relaxed) {
            let sent = Instant::now();
            application.execute("select count(*) from orders");
            longest = longest.max(sent.elapsed());
            count += 1;
            // The pace of a site, not of a benchmark.
            std::thread::sleep(Duration::from_millis(5));
        }
        (count, longest)
    })
}
