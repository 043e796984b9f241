//! Whether the rows of a table can be changed. In: a table. Out: a case. Leaves no row behind.

use std::collections::BTreeSet;
use std::time::Instant;

use super::rows::catalogue::{Catalogue, Table, quoted};
use super::rows::probe::{Probe, Stumble, words};
use super::rows::{Maker, Values};
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;
use crate::protocol::{Case, Verdict};

/// What nobody may do to the rows of an audit trail.
const REFUSED: &str = "42501";

/// Tries each table that `is_audit` picks by schema and name.
///
/// # Errors
/// [`QueryError`] where the connection is lost, or the catalogue cannot be read.
pub(super) async fn append_only(
    session: &Session,
    is_audit: impl Fn(&str, &str) -> bool,
) -> Result<Vec<Case>, QueryError> {
    let catalogue = Catalogue::read(session).await?;
    let mut cases = Vec::new();
    for (index, table) in catalogue.tables.iter().enumerate() {
        if table.bound.is_some() || !is_audit(&table.schema, &table.name) {
            continue;
        }
        let clock = Instant::now();
        let probe = Probe::begin(session).await?;
        let seen = tried(&catalogue, index, &probe).await;
        probe.end().await?;
        let (verdict, actual) = match seen {
            Ok(Ok(actual)) => (Verdict::Passed, actual),
            Ok(Err(actual)) => (Verdict::Failed, actual),
            Err(Stumble::Cannot(reason)) => (Verdict::NotExecuted, format!("no row could be made: {reason}")),
            Err(Stumble::Lost(error)) => return Err(error),
        };
        cases.push(Case { name: table.words(), verdict, actual, duration: clock.elapsed() });
    }
    Ok(cases)
}

/// What the server says to a change of each kind, with a row there to be changed.
async fn tried(catalogue: &Catalogue, index: usize, probe: &Probe<'_>) -> Result<Result<String, String>, Stumble> {
    let table = &catalogue.tables[index];
    let sql = table.sql();
    let filled = probe.ask(&format!("SELECT EXISTS (SELECT FROM {sql})")).await?;
    if filled.first().and_then(|row| row.first()?.as_deref()) != Some("t") {
        Maker::new(catalogue, probe, None).make(index, Values::new(), BTreeSet::new()).await?;
    }
    let mut let_through = Vec::new();
    let mut otherwise = Vec::new();
    for (what, statement) in statements(table) {
        match probe.attempt(&statement).await? {
            Ok(_) => let_through.push(what),
            Err(error) if error.sqlstate == REFUSED => {}
            Err(error) => otherwise.push(format!("{what} fails otherwise: {}", words(&error))),
        }
    }
    Ok(match (let_through.is_empty(), otherwise.is_empty()) {
        (true, true) => Ok(format!("UPDATE, DELETE and TRUNCATE are refused with {REFUSED}")),
        (false, _) => Err(format!("{} is let through", let_through.join(", "))),
        (true, false) => Err(otherwise.join("; ")),
    })
}

fn statements(table: &Table) -> Vec<(&'static str, String)> {
    let sql = table.sql();
    let column = table.columns.iter().find(|column| !column.generated && column.identity != "a");
    let mut statements: Vec<(&'static str, String)> = column
        .map(|column| ("UPDATE", format!("UPDATE {sql} SET {name} = {name}", name = quoted(&column.name))))
        .into_iter()
        .collect();
    statements.push(("DELETE", format!("DELETE FROM {sql}")));
    statements.push(("TRUNCATE", format!("TRUNCATE {sql} CASCADE")));
    statements
}
