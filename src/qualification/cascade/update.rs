//! Changes the parent's key and looks at what the foreign key did. In: the two rows. Out: a verdict and what was
//! seen. Never changes a column that is generated, always an identity, or part of a key of the parent's own.

use std::collections::BTreeSet;

use super::delete::{Seen, stopped};
use super::trial::{Outcome, Trial};
use crate::postgres::literal;
use crate::protocol::Verdict;
use crate::qualification::rows::catalogue::{Catalogue, Key, Reaction, quoted};
use crate::qualification::rows::probe::Stumble;
use crate::qualification::rows::{Values, filter, own_and_referenced};

/// How many values are tried for one column, or for all together.
const TRIES: usize = 8;

/// The referenced columns that an UPDATE may set.
pub(super) fn changeable(catalogue: &Catalogue, key: &Key) -> BTreeSet<usize> {
    let table = &catalogue.tables[catalogue.parent(key)];
    let (_, mut columns) = own_and_referenced(catalogue, key);
    columns.retain(|column| !table.columns[*column].generated && table.columns[*column].identity != "a");
    columns
}

/// What the change of a parent's key came to.
pub(super) async fn on_update(mut trial: Trial<'_>) -> Result<Seen, Stumble> {
    let action = trial.key.on_update;
    let place = trial.catalogue.parent(trial.key);
    let mut columns = changeable(trial.catalogue, trial.key);
    for key in trial.catalogue.keys_of(place) {
        for own in own_and_referenced(trial.catalogue, key).0 {
            columns.remove(&own);
        }
    }
    if columns.is_empty() {
        return Err(Stumble::Cannot("what the key references is itself made of foreign keys".to_owned()));
    }
    let pairs = trial.catalogue.pairs(trial.key);
    let own: Vec<usize> = pairs.iter().map(|(own, _)| *own).collect();
    let defaults = if action == Reaction::SetDefault { trial.defaults(&own).await? } else { Values::new() };
    let parent = trial.parent.clone();
    let mut others = Vec::new();
    // One column after the other: the child may not allow another value in each of them.
    for column in &columns {
        others.extend(trial.maker.others(place, &parent, &BTreeSet::from([*column])).await?.into_iter().take(TRIES));
    }
    if columns.len() > 1 {
        others.extend(trial.maker.others(place, &parent, &columns).await?.into_iter().take(TRIES));
    }
    let mut last = Err(Stumble::Cannot("no other value was found for the parent's key".to_owned()));
    for other in others {
        match trial.act(&change(&trial, &other)).await? {
            Outcome::Ran => {
                let changed = |to: usize| other.get(&to).or_else(|| parent.get(&to)).cloned().flatten();
                let later = pairs.iter().map(|(own, to)| match action {
                    Reaction::SetNull => (*own, None),
                    Reaction::SetDefault => (*own, defaults.get(own).cloned().flatten()),
                    Reaction::Cascade | Reaction::NoAction | Reaction::Restrict => (*own, changed(*to)),
                });
                return ran(&trial, &later.collect()).await;
            }
            // Another value may be one that is not taken, or that suits the child.
            Outcome::Unreached(words) => {
                let reason = format!("the parent's key cannot be changed: {words}");
                last = last.or(Err(Stumble::Cannot(reason)));
            }
            outcome @ Outcome::Hindered(_) => last = Ok(stopped(&trial, action, "change", outcome).await?),
            outcome => return stopped(&trial, action, "change", outcome).await,
        }
    }
    last
}

fn change(trial: &Trial<'_>, other: &Values) -> String {
    let table = trial.parent_table();
    let set = other.iter().map(|(column, value)| {
        let value = value.as_deref().map_or_else(|| "NULL".to_owned(), literal);
        format!("{} = {value}", quoted(&table.columns[*column].name))
    });
    let set = set.collect::<Vec<_>>().join(", ");
    format!("UPDATE {} SET {set} WHERE {}", table.only(), filter(table, &trial.parent_key))
}

async fn ran(trial: &Trial<'_>, later: &Values) -> Result<Seen, Stumble> {
    if trial.parents().await? != 0 {
        return Ok(Seen::new(Verdict::Failed, "the parent's key changed without an error; it was as before"));
    }
    let to = match trial.key.on_update {
        Reaction::NoAction | Reaction::Restrict => {
            return Ok(Seen::new(Verdict::Failed, "the change of the parent's key was not refused"));
        }
        Reaction::Cascade => "changed with it",
        Reaction::SetNull => "null",
        Reaction::SetDefault => "their defaults",
    };
    Ok(match trial.child_values(&later.keys().copied().collect()).await? {
        Some(values) if values == *later => {
            Seen::new(Verdict::Passed, format!("the parent's key changed; the child's columns were {to}"))
        }
        Some(_) => Seen::new(Verdict::Failed, format!("the parent's key changed; the child's columns were not {to}")),
        None => Seen::new(Verdict::Failed, "the parent's key changed; the child was not found again"),
    })
}
