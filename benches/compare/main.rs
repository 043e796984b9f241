//! The benchmark: schemagate beside the tools that it replaces, in one run. `scripts/bench` installs them and runs it.
//! In: names of cases, the folder of the peers. Out: a Markdown report, on stdout and in the target folder.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a program for measuring, and what it calls, ends by panicking and speaks by printing"
)]

mod arguments;
mod cases;
mod counting;
mod crowd;
mod lab;
mod line;
mod measure;
mod release;
mod report;
mod results;
#[allow(dead_code, reason = "the harness offers what a test may want; this one does not want all of it")]
#[path = "../../tests/it/support/mod.rs"]
mod support;
mod targets;
mod tools;

use std::process::ExitCode;

use arguments::{Arguments, Left};

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(Left::Help(words)) => {
            println!("{words}");
            return ExitCode::SUCCESS;
        }
        Err(Left::Wrong(words)) => {
            eprintln!("{words}");
            return ExitCode::from(2);
        }
    };
    let results = cases::run(&arguments);
    report::publish(&arguments, &results);
    ExitCode::SUCCESS
}
