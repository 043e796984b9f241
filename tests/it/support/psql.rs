//! The real psql, as people run a script with it.
//! Takes a database and a script. Never reads a psqlrc but one that the test gives.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use super::database::Database;
use super::programs::programs;

/// Runs a script with `ON_ERROR_STOP`, as its head says.
pub fn psql(database: &Database, script: &str) -> Output {
    run(&database.url(), script, &["-X", "-q"], None)
}

/// As people do who did not read its head.
pub fn psql_with(url: &str, script: &str, arguments: &[&str], psqlrc: &Path) -> Output {
    run(url, script, arguments, Some(psqlrc))
}

fn run(url: &str, script: &str, arguments: &[&str], psqlrc: Option<&Path>) -> Output {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(script.as_bytes()).unwrap();
    let beside_the_server = programs().path("psql");
    let program = if beside_the_server.exists() { beside_the_server } else { "psql".into() };
    let mut command = Command::new(program);
    command.args(arguments).args(["-v", "ON_ERROR_STOP=1", "-f"]).arg(file.path()).arg(url).env("PSQL_PAGER", "cat");
    if let Some(psqlrc) = psqlrc {
        command.env("PSQLRC", psqlrc);
    }
    command.output().unwrap()
}
