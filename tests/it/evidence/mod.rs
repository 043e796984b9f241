//! The record of a qualification: written, verified, tampered with, and read by programs that are not ours.

mod folders;
mod foreign;
mod keys;
mod pipes;
mod reports;
mod runs;
mod sample;
mod tamper;
mod tokens;
mod whole;
mod writing;

use std::path::Path;

use crate::support::job::{Job, Outcome};

/// `evidence verify`, with nothing of a database around it.
fn verify(path: &Path, public_key: &Path) -> Outcome {
    Job::new().args(["evidence", "verify"]).arg(path).arg("--public-key").arg(public_key).run()
}

/// It does not verify, and every one of `words` is told on stdout.
#[track_caller]
fn refused(path: &Path, public_key: &Path, words: &[&str]) -> Outcome {
    let outcome = verify(path, public_key);
    outcome.assert_code(1).assert_stderr("the evidence does not verify");
    for word in words {
        outcome.assert_stdout(word);
    }
    outcome
}
