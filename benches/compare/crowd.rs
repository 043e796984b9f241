//! Fifty copies at once, as replicas that start together. In: the lab. Out: when the last one was gone.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::arguments::Arguments;
use crate::cases::tools;
use crate::lab::{Entry, Lab};
use crate::measure::Invocation;
use crate::release::Content;
use crate::results::{Results, Row, Table};
use crate::support::database::Database;
use crate::tools::OURS;

pub const COPIES: usize = 50;
pub const UP_TO_DATE: &str = "copies-up-to-date";
pub const PENDING: &str = "copies-pending";
const APPLIED: Content = Content::Idle(10);
const RELEASE: Content = Content::Small(100);

pub fn copies(lab: &Lab, arguments: &Arguments, results: &mut Results) {
    let rounds = if arguments.quick { 5 } else { 15 };
    results.tables.push(up_to_date(lab, rounds));
    let (table, after_commit) = pending(lab, rounds);
    results.tables.push(table);
    results.after_commit = after_commit;
}

/// Those that are one program; fifty times Node.js is a test of the machine's memory.
fn up_to_date(lab: &Lab, rounds: usize) -> Table {
    let mut rows = Vec::new();
    let mut runs: Vec<(Invocation, Database)> = Vec::new();
    for tool in tools(lab).filter(|tool| !tool.needs_node() && tool.name != "psql, one message") {
        let database = lab.database();
        let url = lab.url_at(lab.server.port(), &database, Entry::Trust);
        let failed = tool.call(&lab.peers, APPLIED, &url, false).time().err();
        rows.push(Row { tool: tool.name, failed, ..Row::default() });
        runs.push((tool.call(&lab.peers, APPLIED, &url, true), database));
    }
    for _ in 0..rounds {
        for ((call, _), row) in runs.iter().zip(&mut rows) {
            let took = row.failed.is_none().then(|| at_once(call));
            row.rounds.push(took.as_ref().and_then(|took| took.as_ref().ok()).copied());
            row.failed = row.failed.take().or(took.and_then(Result::err));
        }
    }
    Table { case: UP_TO_DATE.to_owned(), about: format!("{COPIES} copies at once, 10 applied, nothing pending"), rows }
}

/// Seconds until the last of the copies is gone.
fn at_once(call: &Invocation) -> Result<f64, String> {
    let words = tempfile::tempfile().unwrap();
    let started = Instant::now();
    let children: Vec<_> = (0..COPIES).map(|_| call.start(&words)).collect();
    let mut failed = 0;
    for mut child in children {
        failed += usize::from(!child.wait().unwrap().success());
    }
    let elapsed = started.elapsed().as_secs_f64();
    if failed == 0 { Ok(elapsed) } else { Err(format!("{failed} of {COPIES} copies failed")) }
}

/// schemagate alone, whose copies wait for one another; of the whole and of the time after the COMMIT.
fn pending(lab: &Lab, rounds: usize) -> (Table, Vec<f64>) {
    let mut row = Row { tool: OURS, ..Row::default() };
    let mut after_commit = Vec::new();
    let tool = tools(lab).find(|tool| tool.name == OURS).expect("built by scripts/bench");
    for _ in 0..rounds {
        let database = lab.database();
        let url = lab.url_at(lab.server.port(), &database, Entry::Trust);
        match at_once(&tool.call(&lab.peers, RELEASE, &url, false)) {
            Ok(seconds) => {
                let ended = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
                after_commit.push(ended - committed(&database));
                row.rounds.push(Some(seconds));
            }
            Err(words) => row.failed = Some(words),
        }
    }
    let about = format!("{COPIES} copies at once, 100 small migrations pending");
    (Table { case: PENDING.to_owned(), about, rows: vec![row] }, after_commit)
}

/// When the release was committed, in seconds of the Unix clock.
fn committed(database: &Database) -> f64 {
    let sql = "select max(extract(epoch from pg_xact_commit_timestamp(xmin))) from drizzle.__migrations__";
    database.value(sql).expect("applied").parse().unwrap()
}
