//! IQ-007: a file that was edited after it was applied is refused.

use std::time::Instant;

use super::{Definition, check, listed, unchanged};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::protocol::Case;
use crate::qualification::bench::{Bench, Ran};

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-007",
    title: "Divergence",
    requirement: "A migration that was edited after it was applied is refused.",
    expected: "With every file edited, the job ends with exit code 65 and names each of them; nothing is changed.",
};

const EDIT: &str = "\n-- edited after it was applied\n";

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Case>, Error> {
    let clock = Instant::now();
    let edited = bench.set.with_every_file_edited(EDIT)?;
    let before = bench.snapshot().await?;
    let ran = bench.up(&edited).await;
    let after = bench.snapshot().await?;
    let seen = refused(bench, &ran).and_then(|refused| unchanged(&before.changes(&after), &refused));
    Ok(vec![check("edited files", clock, seen)])
}

fn refused(bench: &Bench<'_>, ran: &Ran) -> Result<String, String> {
    let Err(error) = &ran.result else { return Err("the edited files were let through".to_owned()) };
    if error.exit_code() != ExitCode::Refused {
        return Err(ran.failure().unwrap_or_default());
    }
    let told = error.to_string();
    let unnamed: Vec<String> = bench
        .set
        .iter()
        .filter(|migration| !told.contains(&format!("{}: changed after it was applied", migration.file())))
        .map(|migration| migration.file().to_owned())
        .collect();
    match unnamed.is_empty() {
        true => {
            Ok(format!("exit code 65, {} of {} edited files named; nothing changed", bench.set.len(), bench.set.len()))
        }
        false => Err(format!("not named: {}", listed(&unnamed))),
    }
}
