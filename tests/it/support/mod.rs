//! What every test stands on: servers, databases, the job as its user runs it, folders of migrations, redaction.
//! Takes a Linux machine with PostgreSQL's server programs. Never leaves a server, a process or a folder behind.

pub mod auditor;
pub mod cluster;
pub mod connection;
pub mod database;
pub mod folder;
pub mod gate;
pub mod job;
pub mod npm;
pub mod pgbouncer;
pub mod pip;
pub mod programs;
pub mod proxy;
pub mod psql;
pub mod redact;
pub mod server;
pub mod shared;
pub mod tls;
pub mod watchdog;

use std::io::Write as _;
use std::time::{Duration, Instant};

/// Tries `probe` every 10 ms until it gives a value; fails the test with `what` after `limit`.
///
/// For facts of another process that tell nobody when they change; anything else has an event to wait for.
#[track_caller]
pub fn poll<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether tests that take time are wanted (`SCHEMAGATE_TEST_SLOW=1`); if not, says that this one is skipped.
pub fn slow() -> bool {
    let wanted = slow_wanted();
    if !wanted {
        skipped("takes time; SCHEMAGATE_TEST_SLOW=1 runs it");
    }
    wanted
}

/// As [`slow`], for a test that is only quicker where they are not.
pub fn slow_wanted() -> bool {
    std::env::var_os("SCHEMAGATE_TEST_SLOW").is_some_and(|value| value == "1")
}

/// Says that the running test is skipped: on stderr past the capture, and in the file that `scripts/test` reads out.
pub fn skipped(reason: &str) {
    tell(&format!("skipped: {}: {reason}\n", test_name()), "SCHEMAGATE_TEST_SKIPPED");
}

/// Says what the running test measured, as [`skipped`] does.
pub fn measured(what: &str) {
    tell(&format!("measured: {what}\n"), "SCHEMAGATE_TEST_MEASURED");
}

fn tell(line: &str, file_variable: &str) {
    // A failed write of this line is no reason to fail the test.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os(file_variable) {
        let file = std::fs::File::options().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

/// The name of the running test, which libtest gives to its thread.
pub fn test_name() -> String {
    std::thread::current().name().unwrap_or("test").to_owned()
}

/// Every document of a YAML text.
pub fn documents(text: &str) -> Vec<serde_json::Value> {
    yaml_serde::Deserializer::from_str(text)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .filter(|document: &serde_json::Value| !document.is_null())
        .collect()
}
