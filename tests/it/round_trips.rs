//! What a run costs in round trips, counted by a proxy that lets the client send all it can before it answers.

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::proxy::{Proxy, Traffic};
use crate::support::server::Server;
use crate::support::skipped;
use crate::support::tls::Authority;

/// Runs the job through a proxy; how it ended and what it sent.
fn through_proxy(database: &Database, folder: &Migrations) -> (Outcome, Traffic) {
    let proxy = Proxy::before(database.address().port);
    let outcome = Job::new().env("DATABASE_URL", proxy.url(database.name())).migrations(folder.path()).run();
    (outcome, proxy.traffic())
}

fn tables(count: usize) -> Migrations {
    let folder = Migrations::new();
    for number in 1..=count {
        folder.write(&format!("V{number}__t.sql"), format!("create table t{number} (a int);"));
    }
    folder
}

#[test]
fn an_up_to_date_run_issues_one_query_after_the_handshake_and_takes_no_lock() {
    let database = Database::new();
    let folder = tables(3);
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    let (outcome, traffic) = through_proxy(&database, &folder);
    outcome.assert_code(0).assert_stdout("nothing to do");
    assert_eq!(traffic.queries.len(), 1, "{traffic:?}");
    assert_eq!((traffic.waits, traffic.connections), (2, 1), "{traffic:?}");
    assert!(!traffic.queries[0].contains("advisory"), "{traffic:?}");
}

#[test]
fn a_pending_run_of_any_length_costs_four_waits_after_the_handshake() {
    for count in [1, 40, 1000] {
        let database = Database::new();
        let (outcome, traffic) = through_proxy(&database, &tables(count));
        outcome.assert_code(0);
        // The handshake; history; lock and history; the fence; everything up to the COMMIT.
        assert_eq!(traffic.waits, 1 + 4, "{count} migrations\n{traffic:#?}");
        assert_eq!(traffic.connections, 1);
        // Beside them the history and the audit trail.
        assert_eq!(database.tables().len(), count + 2);
    }
}

#[test]
fn a_file_of_definitions_is_followed_by_its_row_alone() {
    let database = Database::new();
    let folder = tables(3).file("V4__data.sql", "insert into t1 values (1)").file("V5__t.sql", "create table t5 ()");
    let (outcome, traffic) = through_proxy(&database, &folder);
    outcome.assert_code(0);
    let resets = traffic.queries.iter().filter(|query| query.contains("RESET ALL")).count();
    let rows = traffic.queries.iter().filter(|query| query.contains("(version, name, applied_on, checksum)")).count();
    assert_eq!((resets, rows), (1, 5), "{traffic:#?}");
}

/// Waits of a run on `server` through a proxy, with what a URL says of TLS; the password is asked for.
fn waits(server: &Server, database: &Database, folder: &Migrations, tls: &str) -> usize {
    let proxy = Proxy::before(server.port());
    let url = format!("postgresql://postgres:secret@127.0.0.1:{}/{}?{tls}", proxy.port(), database.name());
    Job::new().env("DATABASE_URL", url).migrations(folder.path()).run().assert_code(0);
    assert_eq!(proxy.traffic().connections, 1);
    proxy.traffic().waits
}

fn asking_for_a_password(builder: crate::support::server::Builder) -> Server {
    let server = builder.hba("host all all all scram-sha-256").start();
    server.connect("postgres").execute("alter role postgres password 'secret'");
    server
}

#[test]
fn with_scram_a_run_waits_four_times_and_with_something_pending_seven_times() {
    let server = asking_for_a_password(Server::builder());
    let (database, folder) = (server.database(), tables(30));
    // The handshake of SCRAM takes three; then as above.
    assert_eq!(waits(&server, &database, &folder, "sslmode=disable"), 3 + 4);
    assert_eq!(waits(&server, &database, &folder, "sslmode=disable"), 3 + 1);
}

#[test]
fn tls_that_begins_with_the_first_byte_saves_a_wait() {
    let authority = Authority::new("test authority");
    let server = asking_for_a_password(Server::builder().tls(&authority.server(&["127.0.0.1"])));
    let (database, folder) = (server.database(), tables(2));
    waits(&server, &database, &folder, "sslmode=disable");
    let usual = waits(&server, &database, &folder, "sslmode=require");
    // The question for TLS and its handshake: whatever curve the server wants, its share was in the first message.
    assert_eq!(usual, 3 + 1 + 2);
    let version: u32 = server.connect("postgres").value("show server_version_num").unwrap().parse().unwrap();
    if version < 170_000 {
        return skipped("sslnegotiation=direct needs PostgreSQL 17 (SCHEMAGATE_TEST_PG_BIN)");
    }
    assert_eq!(waits(&server, &database, &folder, "sslmode=require&sslnegotiation=direct"), usual - 1);
}
