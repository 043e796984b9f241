//! Makes a row that satisfies everything, and the rows that it needs. In: a table and the values it is to have. Out:
//! the row as the server keeps it, inserted in the open transaction. Never commits, and never changes a row that was
//! there.

mod candidates;
pub(in crate::qualification) mod catalogue;
mod conditions;
mod expression;
mod insert;
mod parents;
mod pattern;
pub(in crate::qualification) mod probe;
mod settle;
pub(in crate::qualification) mod solve;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;

use crate::postgres::literal;
use catalogue::{Catalogue, Key, Table, quoted};
use probe::{Probe, Stumble};
use settle::Group;
use solve::Solved;

/// Values by the place of their column; `None` is NULL.
pub(in crate::qualification) type Values = BTreeMap<usize, Option<String>>;

/// How many rows may need one another in a line.
const DEEPEST: usize = 60;

/// Makes rows in one transaction.
pub(in crate::qualification) struct Maker<'a> {
    catalogue: &'a Catalogue,
    probe: &'a Probe<'a>,
    /// Tells values apart.
    number: u64,
    /// The rows under way, each needed by the one before it.
    frames: Vec<Frame>,
    /// Insertions that have to share a statement with that of a row further up, because they reference it: keys are
    /// checked at the end of a statement.
    waiting: Vec<String>,
    /// Which row that is, by its place in [`Self::frames`].
    until: Option<usize>,
    /// A row that no other may come to reference.
    avoided: Option<(usize, Values)>,
    /// Rows that were made to be referenced, with their table, where they may serve more than once.
    made: Option<Vec<(usize, Values)>>,
    /// What was solved for other keys, where that may be used again.
    solved: Option<&'a Solved>,
}

/// A row under way.
struct Frame {
    table: usize,
    /// What is settled.
    values: Values,
    /// What would satisfy the checks, for the columns that have any.
    suggested: Values,
    /// The columns that may not be NULL, whatever the table says.
    need: BTreeSet<usize>,
}

impl<'a> Maker<'a> {
    /// With `solved` what was found for another row is used again, and a row that was made to be referenced may be
    /// referenced by several: quicker, but one may be in the way of another.
    pub(in crate::qualification) fn new(
        catalogue: &'a Catalogue,
        probe: &'a Probe<'a>,
        solved: Option<&'a Solved>,
    ) -> Self {
        let made = solved.map(|_| Vec::new());
        let (frames, waiting) = (Vec::new(), Vec::new());
        Self { catalogue, probe, number: 0, frames, waiting, until: None, avoided: None, made, solved }
    }

    /// From now on no row comes to reference this one, unless it has to.
    pub(in crate::qualification) fn avoid(&mut self, table: usize, values: Values) {
        self.avoided = Some((table, values));
    }

    /// Makes a row with these values, in which the columns of `need` are not NULL.
    pub(in crate::qualification) fn make<'s>(
        &'s mut self,
        table: usize,
        values: Values,
        need: BTreeSet<usize>,
    ) -> Making<'s> {
        Box::pin(async move {
            let depth = self.frames.len();
            if depth >= DEEPEST {
                return Err(Stumble::Cannot(format!("more than {DEEPEST} rows need one another")));
            }
            let (waiting, until) = (self.waiting.len(), self.until);
            self.frames.push(Frame { table, values, suggested: Values::new(), need });
            let made = self.build(depth).await;
            self.frames.truncate(depth);
            if made.is_err() {
                self.waiting.truncate(waiting);
                self.until = until;
            }
            made
        })
    }

    async fn build(&mut self, depth: usize) -> Result<Values, Stumble> {
        let table = self.frames[depth].table;
        if self.table(depth).partitioned && self.table(depth).leaves.is_empty() {
            return Err(Stumble::Cannot(format!("{} has no partition that takes a row", self.table(depth).words())));
        }
        let mut groups = self.settle(depth).await?;
        let settled: BTreeSet<usize> = self.frames[depth].values.keys().copied().collect();
        self.frames[depth].suggested = suggestions(&groups);
        let catalogue = self.catalogue;
        for key in catalogue.keys_of(table) {
            self.attach(depth, key).await?;
        }
        let values = &self.frames[depth].values;
        let in_groups = |column: &usize| groups.iter().any(|group| group.columns.contains(column));
        if values.keys().any(|column| !settled.contains(column) && in_groups(column)) {
            groups = self.settle(depth).await?;
        }
        if self.until.is_some_and(|until| until < depth) {
            return self.postpone(depth, &groups).await;
        }
        self.insert(depth, groups).await
    }

    fn table(&self, depth: usize) -> &'a Table {
        &self.catalogue.tables[self.frames[depth].table]
    }

    /// A number that no value was made from.
    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// The first value of an expression.
    async fn evaluate(&self, expression: &str) -> Result<Option<String>, Stumble> {
        let rows = self.probe.ask(&format!("SELECT ({expression})::text")).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }

    /// What gives a column its value where nobody else does.
    fn own_value(&self, table: &Table, column: usize) -> Option<String> {
        let column = &table.columns[column];
        if column.identity.is_empty() {
            return self.catalogue.default(column).map(|default| format!("({default})::{}", column.sql));
        }
        let of = [literal(&table.sql()), literal(&column.name)].join(", ");
        Some(format!("pg_catalog.nextval(pg_catalog.pg_get_serial_sequence({of}))"))
    }

    /// The columns of a table that belong to foreign keys.
    fn key_columns(&self, table: usize) -> BTreeSet<usize> {
        let pairs = self.catalogue.keys_of(table).flat_map(|key| self.catalogue.pairs(key));
        pairs.map(|(own, _)| own).collect()
    }
}

/// A row being made. It needs others of its kind, so that its size is not known.
pub(in crate::qualification) type Making<'s> = Pin<Box<dyn Future<Output = Result<Values, Stumble>> + Send + 's>>;

fn suggestions(groups: &[Group]) -> Values {
    groups.iter().flat_map(Group::chosen).collect()
}

/// The condition that meets rows with these values. Compared as text, because not every type can be compared.
pub(in crate::qualification) fn filter(table: &Table, values: &Values) -> String {
    let terms = values.iter().map(|(column, value)| {
        let name = quoted(&table.columns[*column].name);
        match value {
            Some(text) => format!("{name}::text = {}", literal(text)),
            None => format!("{name} IS NULL"),
        }
    });
    let terms: Vec<String> = terms.collect();
    if terms.is_empty() { "true".to_owned() } else { terms.join(" AND ") }
}

/// The values of these columns, or nothing where one is missing or NULL.
pub(in crate::qualification) fn picked(values: &Values, columns: impl IntoIterator<Item = usize>) -> Option<Values> {
    columns.into_iter().map(|column| Some((column, Some(values.get(&column)?.clone()?)))).collect()
}

/// The columns of a key, and those that it references.
pub(in crate::qualification) fn own_and_referenced(catalogue: &Catalogue, key: &Key) -> (Vec<usize>, BTreeSet<usize>) {
    let pairs = catalogue.pairs(key);
    (pairs.iter().map(|(own, _)| *own).collect(), pairs.iter().map(|(_, referenced)| *referenced).collect())
}
