//! The fault campaign: real faults at random points of real runs, and what each of them left. `scripts/faults` runs it.
//! In: a seed, a number of runs, names of faults. Out: a Markdown table; fails if an invariant was violated.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a program for tests, and what it calls, ends by panicking and speaks by printing"
)]

mod arguments;
mod audit;
mod campaign;
mod kinds;
mod lab;
mod release;
mod rng;
mod state;
#[allow(dead_code, reason = "the harness offers what a test may want; this one does not want all of it")]
#[path = "../it/support/mod.rs"]
mod support;
mod table;
mod trial;
mod wire;

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
    if campaign::run(&arguments) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
