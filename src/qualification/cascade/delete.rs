//! Deletes the parent and looks at what the key did. In: the two rows. Out: a verdict and what was seen. Never passes
//! what it did not see.

use std::collections::BTreeSet;

use super::trial::{Outcome, Trial};
use crate::protocol::Verdict;
use crate::qualification::rows::catalogue::Reaction;
use crate::qualification::rows::filter;
use crate::qualification::rows::probe::Stumble;

/// A verdict, and the sentence that goes with it.
pub(super) struct Seen {
    pub(super) verdict: Verdict,
    pub(super) actual: String,
}

impl Seen {
    pub(super) fn new(verdict: Verdict, actual: impl AsRef<str>) -> Self {
        Self { verdict, actual: format!("parent and child inserted; {}", actual.as_ref()) }
    }
}

/// What the deletion of a parent came to.
pub(super) async fn on_delete(mut trial: Trial<'_>) -> Result<Seen, Stumble> {
    let action = trial.key.on_delete;
    let set = trial.catalogue.set_columns(trial.key);
    let later = match action {
        Reaction::SetDefault => trial.defaults(&set).await?,
        _ => set.iter().map(|column| (*column, None)).collect(),
    };
    let table = trial.parent_table();
    let sql = format!("DELETE FROM {} WHERE {}", table.only(), filter(table, &trial.parent_key));
    match trial.act(&sql).await? {
        Outcome::Ran => {}
        outcome => return stopped(&trial, action, "deletion", outcome).await,
    }
    if trial.parents().await? != 0 {
        return Ok(Seen::new(Verdict::Failed, "the parent deleted without an error; it was still there"));
    }
    let columns: BTreeSet<usize> = set.into_iter().collect();
    Ok(match action {
        Reaction::Cascade => match trial.children(&BTreeSet::new()).await? {
            0 => Seen::new(Verdict::Passed, "the parent deleted; the child was gone"),
            _ => Seen::new(Verdict::Failed, "the parent deleted; the child was still there"),
        },
        Reaction::NoAction | Reaction::Restrict => {
            let child = if trial.children(&BTreeSet::new()).await? == 0 { "gone" } else { "still there" };
            Seen::new(Verdict::Failed, format!("the parent's deletion was not refused; the child was {child}"))
        }
        Reaction::SetNull | Reaction::SetDefault => {
            let to = if action == Reaction::SetNull { "null" } else { "their defaults" };
            match trial.child_values(&columns).await? {
                Some(values) if values == later => {
                    Seen::new(Verdict::Passed, format!("the parent deleted; the child's columns were {to}"))
                }
                Some(_) => Seen::new(Verdict::Failed, format!("the parent deleted; the child's columns were not {to}")),
                None => Seen::new(Verdict::Failed, "the parent deleted; the child was not found again"),
            }
        }
    })
}

/// A deletion or change that did not run: as it should be, or not.
pub(super) async fn stopped(
    trial: &Trial<'_>,
    action: Reaction,
    what: &str,
    outcome: Outcome,
) -> Result<Seen, Stumble> {
    let refuses = matches!(action, Reaction::NoAction | Reaction::Restrict);
    Ok(match outcome {
        Outcome::Refused(words) if refuses => {
            let there = trial.parents().await? == 1 && trial.children(&BTreeSet::new()).await? == 1;
            let (verdict, rows) =
                if there { (Verdict::Passed, "still there") } else { (Verdict::Failed, "not both there") };
            Seen::new(verdict, format!("the parent's {what} was refused ({words}); both were {rows}"))
        }
        Outcome::Refused(words) | Outcome::Hindered(words) => Seen::new(
            Verdict::Failed,
            format!("the parent's {what} was refused while the key acted on the child: {words}"),
        ),
        Outcome::Unreached(words) => Seen::new(
            Verdict::NotExecuted,
            format!("the parent's {what} was refused by something else, so that this key was not seen to act: {words}"),
        ),
        Outcome::Ran => Seen::new(Verdict::NotExecuted, format!("the parent's {what} was neither run nor refused")),
    })
}
