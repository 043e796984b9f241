//! Gives a row the rows that its keys reference. In: a row under way and a key. Out: values for the key's columns.
//! Where NULL will do it is taken; where rows need one another, they share a statement.

use std::collections::BTreeSet;

use super::catalogue::{Key, quoted};
use super::probe::Stumble;
use super::values::nth;
use super::{Maker, Values, filter, own_and_referenced, picked};

impl Maker<'_> {
    /// Settles the columns of a key: NULL, or the key of a row that is there or comes with this one.
    pub(in crate::qualification) async fn attach(&mut self, depth: usize, key: &Key) -> Result<(), Stumble> {
        let pairs = self.catalogue.pairs(key);
        let frame = &self.frames[depth];
        let table = self.table(depth);
        // What a column holds, as far as that is known; NULL where it may be.
        let held = |column: &usize| match frame.values.get(column).or_else(|| frame.suggested.get(column)) {
            Some(value) => Some(value.clone()),
            None if frame.need.contains(column) || self.catalogue.not_null(&table.columns[*column]) => None,
            None => Some(None),
        };
        let held: Vec<(usize, usize, Option<Option<String>>)> =
            pairs.iter().map(|(own, referenced)| (*own, *referenced, held(own))).collect();
        let nulls = held.iter().filter(|(_, _, value)| matches!(value, Some(None))).count();
        if nulls == held.len() || (nulls > 0 && !key.full) {
            let values = held.into_iter().filter_map(|(own, _, value)| Some((own, value?)));
            let frame = &mut self.frames[depth];
            for (own, value) in values {
                frame.values.entry(own).or_insert(value);
            }
            return Ok(());
        }
        let wanted: Values = held.iter().filter_map(|(_, to, value)| Some((*to, Some(value.clone()??)))).collect();
        let hard = pairs.iter().filter_map(|(own, to)| Some((*to, Some(frame.values.get(own)?.clone()?))));
        let hard: Values = hard.collect();
        let found = match self.parent(key, wanted.clone()).await {
            // What the checks suggested may be no value for the other table; whether what it has instead satisfies the
            // checks is seen afterwards.
            Err(Stumble::Cannot(_)) if hard != wanted => self.parent(key, hard).await?,
            other => other?,
        };
        let values = &mut self.frames[depth].values;
        for (own, to) in pairs {
            if !self.catalogue.tables[self.catalogue.child(key)].columns[own].generated {
                values.insert(own, found.get(&to).cloned().flatten());
            }
        }
        Ok(())
    }

    /// The key of a row with these values: one that is there and has to be taken, one under way, a new one, or any.
    async fn parent(&mut self, key: &Key, wanted: Values) -> Result<Values, Stumble> {
        let table = self.catalogue.parent(key);
        let (_, referenced) = own_and_referenced(self.catalogue, key);
        if picked(&wanted, referenced.clone()).is_some()
            && self.existing(table, &referenced, &wanted, false).await?.is_some()
        {
            return Ok(wanted);
        }
        if let Some(at) = self.frames.iter().rposition(|frame| frame.table == table) {
            return self.reserve(at, &referenced, &wanted).await;
        }
        if let Some(values) = self.made_before(table, &referenced, &wanted) {
            return Ok(values);
        }
        let reason = match self.make(table, wanted.clone(), referenced.clone()).await {
            Ok(row) => match picked(&row, referenced.clone()) {
                Some(values) => {
                    // One that waits for another is not there yet.
                    if let (None, Some(made)) = (self.until, &mut self.made) {
                        made.push((table, row));
                    }
                    return Ok(values);
                }
                None => format!("the row of {} has no key", self.catalogue.tables[table].words()),
            },
            Err(Stumble::Cannot(reason)) => reason,
            Err(lost) => return Err(lost),
        };
        // Where no new row is to be had, as of a full table of constants, one that is there will do.
        let any = self.existing(table, &referenced, &wanted, true).await?;
        any.ok_or(Stumble::Cannot(reason))
    }

    /// The key of a row that was made to be referenced and has these values.
    fn made_before(&self, table: usize, columns: &BTreeSet<usize>, wanted: &Values) -> Option<Values> {
        let has = |row: &Values, values: &Values| values.iter().all(|(column, value)| row.get(column) == Some(value));
        let avoided = |row: &Values| self.avoided.as_ref().is_some_and(|(other, key)| *other == table && has(row, key));
        let rows =
            self.made.iter().flatten().filter(|(other, row)| *other == table && has(row, wanted) && !avoided(row));
        rows.into_iter().find_map(|(_, row)| picked(row, columns.iter().copied()))
    }

    /// The key of a row that is there and has these values.
    pub(in crate::qualification) async fn existing(
        &self,
        table: usize,
        columns: &BTreeSet<usize>,
        wanted: &Values,
        avoid: bool,
    ) -> Result<Option<Values>, Stumble> {
        let facts = &self.catalogue.tables[table];
        let mut condition = filter(facts, wanted);
        if let (true, Some((_, values))) = (avoid, self.avoided.as_ref().filter(|(other, _)| *other == table)) {
            condition.push_str(&format!(" AND NOT ({})", filter(facts, values)));
        }
        let names: Vec<String> = columns.iter().map(|column| quoted(&facts.columns[*column].name)).collect();
        let texts: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
        for name in names {
            condition.push_str(&format!(" AND {name} IS NOT NULL"));
        }
        let sql = format!("SELECT {} FROM {} WHERE {condition} LIMIT 1", texts.join(", "), facts.only());
        let rows = self.probe.ask(&sql).await?;
        Ok(rows.into_iter().next().map(|row| columns.iter().copied().zip(row).collect()))
    }

    /// A row that is there and has these values, whole.
    pub(in crate::qualification) async fn whole(
        &self,
        table: usize,
        wanted: &Values,
    ) -> Result<Option<Values>, Stumble> {
        let facts = &self.catalogue.tables[table];
        let names: Vec<String> = facts.columns.iter().map(|column| format!("{}::text", quoted(&column.name))).collect();
        let (only, condition) = (facts.only(), filter(facts, wanted));
        let rows =
            self.probe.ask(&format!("SELECT {} FROM {only} WHERE {condition} LIMIT 1", names.join(", "))).await?;
        Ok(rows.into_iter().next().map(|row| row.into_iter().enumerate().collect()))
    }

    /// Fixes the key of a row under way, so that another can reference it before it is inserted.
    async fn reserve(&mut self, at: usize, columns: &BTreeSet<usize>, wanted: &Values) -> Result<Values, Stumble> {
        let table = self.table(at);
        let mut key = Values::new();
        for column in columns {
            let frame = &self.frames[at];
            let known = frame.values.get(column).or_else(|| frame.suggested.get(column)).cloned();
            let value = match (known, wanted.get(column).cloned().flatten()) {
                (Some(Some(known)), Some(wanted)) if known != wanted => None,
                (Some(Some(known)), _) => Some(known),
                (Some(None), _) => None,
                (None, _) if table.columns[*column].generated => None,
                (None, Some(wanted)) => Some(wanted),
                (None, None) => match self.own_value(table, *column) {
                    Some(expression) => self.evaluate(&expression).await?,
                    None => self.fresh(self.frames[at].table, *column),
                },
            };
            let value = value.ok_or_else(|| Stumble::Cannot(format!("rows of {} need one another", table.words())))?;
            key.insert(*column, Some(value));
        }
        self.frames[at].values.extend(key.clone());
        self.until = Some(self.until.map_or(at, |until| until.min(at)));
        Ok(key)
    }

    /// A new value of a column's type.
    pub(in crate::qualification) fn fresh(&mut self, table: usize, column: usize) -> Option<String> {
        let number = self.next();
        let (_, oid, typmod, _) = self.catalogue.base(&self.catalogue.tables[table].columns[column]);
        nth(&self.catalogue.types, oid, typmod, number)
    }
}
