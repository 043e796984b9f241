//! IQ-002: the history says what was applied, in order.

use std::time::Instant;

use super::{Definition, check, listed};
use crate::error::Error;
use crate::history::Reading;
use crate::plan::{State, compare};
use crate::postgres::counted;
use crate::protocol::Case;
use crate::qualification::bench::Bench;

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-002",
    title: "Ordering and tracking",
    requirement: "Migrations are applied in numeric order and tracked in the configured table.",
    expected: "The history table is the configured one; its rows, by the time at which they were written, ascend by \
               version; each row's checksum is that of its file.",
};

pub(super) async fn run(bench: &Bench<'_>) -> Result<Vec<Case>, Error> {
    let clock = Instant::now();
    let reading = bench.reading().await?;
    let entries = compare(bench.set, &reading.applied)?;
    let unlike: Vec<String> = entries
        .iter()
        .filter(|entry| entry.state != State::Applied)
        .map(|entry| format!("{entry} is {}", entry.state.name()))
        .collect();
    Ok(vec![
        check("tracking table", clock, tracking_table(bench, &reading)),
        check("numeric order", clock, order(&reading)),
        check(
            "checksums",
            clock,
            if unlike.is_empty() {
                Ok(format!("{}, each with the checksum of its file", counted(entries.len(), "row")))
            } else {
                Err(listed(&unlike))
            },
        ),
    ])
}

fn tracking_table(bench: &Bench<'_>, reading: &Reading) -> Result<String, String> {
    let (found, wanted) = (&reading.table.name, &bench.settings.history_table);
    let is_it = found.table() == wanted.table() && wanted.schema().is_none_or(|schema| found.schema() == Some(schema));
    match reading.table.exists && is_it {
        true => Ok(format!("{found} holds {}", counted(reading.applied.len(), "row"))),
        false => Err(format!("{wanted} does not exist")),
    }
}

/// The rows come by version; their times are the server's, to the microsecond.
fn order(reading: &Reading) -> Result<String, String> {
    let late: Vec<String> = reading
        .applied
        .windows(2)
        .filter(|pair| pair[0].applied_on > pair[1].applied_on)
        .map(|pair| format!("{} was applied before {}", pair[1], pair[0]))
        .collect();
    match (late.is_empty(), reading.applied.first(), reading.applied.last()) {
        (true, Some(first), Some(last)) => Ok(format!("applied in ascending order from {first} to {last}")),
        (true, _, _) => Err("the history is empty".to_owned()),
        (false, _, _) => Err(listed(&late)),
    }
}
