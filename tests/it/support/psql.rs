//! The real psql, as people run a script with it.
//! Takes a database and a script. Never reads a psqlrc.

use std::io::Write as _;
use std::process::{Command, Output};

use super::database::Database;
use super::programs::programs;

/// Runs a script with `ON_ERROR_STOP`, as its head says.
pub fn psql(database: &Database, script: &str) -> Output {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(script.as_bytes()).unwrap();
    let beside_the_server = programs().path("psql");
    let program = if beside_the_server.exists() { beside_the_server } else { "psql".into() };
    Command::new(program)
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"])
        .arg(file.path())
        .arg(database.url())
        .env("PSQL_PAGER", "cat")
        .output()
        .unwrap()
}
