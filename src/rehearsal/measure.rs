//! What a session holds and has changed, between two statements. In: the session, inside its transaction. Out: a
//! [`Sample`], and what differs from the one before. The asking takes locks on system catalogues and changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::postgres::session::Rows as Answer;

use super::relations::{Relations, number};
use super::timeline::Shown;
use super::{Relation, Rows};
use crate::effects::LockMode;

const MEASURE: &str = include_str!("measure.sql");

/// Rows inserted, updated and deleted, from the beginning of the transaction.
type Counts = [u64; 3];

/// One look.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    /// The transaction's id.
    pub(super) transaction: Option<String>,
    /// The server's position in its log of changes, in bytes.
    pub(super) wal: u64,
    /// The counts of all relations that are new.
    new: Counts,
    /// Of relations that were there: the file that each is in, and its counts.
    relations: HashMap<u32, (u32, Counts)>,
    modes: Vec<(u32, LockMode)>,
}

/// The message that takes one.
pub(super) fn measure_sql(relations: &Relations) -> String {
    MEASURE.replace("{newest}", &relations.newest.to_string())
}

impl Sample {
    /// Reads the answer to [`measure_sql`].
    pub(super) fn read(answer: &[Answer]) -> Self {
        let mut sample = Self::default();
        for row in answer.first().into_iter().flatten() {
            let text = row.get(1).and_then(Option::as_deref).unwrap_or_default();
            let modes: Vec<LockMode> = text.split(',').filter_map(LockMode::of_catalogue).collect();
            match number(row, 0).filter(|_| !modes.is_empty()) {
                Some(oid) => {
                    sample.modes.extend(modes.into_iter().map(|mode| (oid, mode)));
                    sample.relations.insert(oid, (number(row, 2).unwrap_or(0), counts(row, 3)));
                }
                // The one row that is of no relation.
                None => {
                    sample.transaction = row.first().cloned().flatten();
                    sample.wal = number(row, 1).unwrap_or(0);
                    sample.new = counts(row, 3);
                }
            }
        }
        sample
    }

    /// The locks that it shows, on what has a name.
    pub(super) fn locks(&self, relations: &Relations) -> Shown {
        let known = |(oid, mode): &(u32, LockMode)| Some(((*oid, *mode), Arc::clone(relations.get(*oid)?.0)));
        self.modes.iter().filter_map(known).collect()
    }

    /// The relations that are in another file than before. One that was dropped is in none.
    pub(super) fn moved(&self, relations: &mut Relations) -> Vec<Arc<Relation>> {
        let mut moved = Vec::new();
        for (oid, (file, _)) in &self.relations {
            let before = relations.get(*oid).filter(|(_, before)| *before != *file && *file != 0);
            let Some(relation) = before.map(|(relation, _)| Arc::clone(relation)) else { continue };
            relations.moved(*oid, *file);
            moved.push(relation);
        }
        moved.sort_by(|a, b| a.name.cmp(&b.name));
        moved
    }

    /// The rows that were changed since `before`, by table.
    pub(super) fn rows_since(&self, before: &Self, relations: &Relations) -> Vec<Rows> {
        let mut changed: BTreeMap<Option<String>, Counts> = BTreeMap::new();
        for (oid, (_, counts)) in &self.relations {
            let earlier = before.relations.get(oid).map(|(_, counts)| *counts).unwrap_or_default();
            let Some((relation, _)) = relations.get(*oid) else { continue };
            changed.insert(Some(relation.name.clone()), grown(*counts, earlier));
        }
        changed.insert(None, grown(self.new, before.new));
        let rows = changed.into_iter().filter(|(_, counts)| counts.iter().any(|count| *count > 0));
        rows.map(|(table, [inserted, updated, deleted])| Rows { table, inserted, updated, deleted }).collect()
    }
}

fn counts(row: &[Option<String>], from: usize) -> Counts {
    [0, 1, 2].map(|offset| number(row, from + offset).unwrap_or(0))
}

/// A TRUNCATE and a savepoint take counts back.
fn grown(now: Counts, before: Counts) -> Counts {
    [0, 1, 2].map(|at| now[at].saturating_sub(before[at]))
}

/// The message that reads sizes and names once something was rewritten.
pub(super) fn sizes_sql(relations: &[Arc<Relation>]) -> String {
    let oids: Vec<String> = relations.iter().map(|relation| relation.oid.to_string()).collect();
    format!(
        "SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid) FROM pg_catalog.pg_class c \
         WHERE c.oid OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.oid[])",
        oids.join(",")
    )
}

/// The message that lists the relations above `known`, but for what is temporary or stored out of line.
pub(super) fn created_sql(known: u32) -> String {
    format!(
        "SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.oid > {known} AND n.nspname <> 'pg_toast' AND c.relpersistence <> 't' \
         AND c.relkind IN ('r', 'p', 'v', 'm', 'i', 'I', 'S', 'f') ORDER BY 1"
    )
}
