//! Inserts a row, with the rows that have to come in the same statement. In: a row under way, all of whose conditions
//! and keys are settled. Out: the row as the server keeps it. Tries other values where one is taken.

use std::collections::BTreeSet;

use super::catalogue::{Table, quoted};
use super::conditions::columns_in;
use super::probe::{Stumble, words};
use super::settle::Group;
use super::{Maker, Values};
use crate::postgres::literal;
use crate::postgres::server_error::ServerError;

/// How many values are tried where a value is taken.
const TRIES: usize = 60;

impl Maker<'_> {
    pub(in crate::qualification) async fn insert(
        &mut self,
        depth: usize,
        mut groups: Vec<Group>,
    ) -> Result<Values, Stumble> {
        let table = self.table(depth);
        let mut free = self.free(depth, &groups)?;
        let mut refused = String::new();
        for _ in 0..TRIES {
            let row = self.row(depth, &groups, &free);
            let answer = self.probe.attempt(&self.statement(table, &row)).await?;
            let error = match answer {
                Ok(rows) => {
                    let texts = rows.into_iter().next().ok_or_else(|| {
                        Stumble::Cannot(format!("a trigger or rule of {} keeps the row out", table.words()))
                    })?;
                    self.waiting.clear();
                    self.until = None;
                    return Ok(texts.into_iter().enumerate().collect());
                }
                Err(error) => error,
            };
            refused = words(&error);
            if !self.renew(depth, &error, &mut groups, &mut free) {
                break;
            }
        }
        let forced = if table.forced_security { ", which forces row-level security," } else { "" };
        Err(Stumble::Cannot(format!("a row of {}{forced} was refused: {refused}", table.words())))
    }

    /// Leaves the row to the statement of the one that it waits for, and says what it will hold.
    pub(in crate::qualification) async fn postpone(
        &mut self,
        depth: usize,
        groups: &[Group],
    ) -> Result<Values, Stumble> {
        let table = self.table(depth);
        let free = self.free(depth, groups)?;
        let mut row = self.row(depth, groups, &free);
        for column in self.frames[depth].need.clone() {
            if let (false, Some(expression)) = (row.contains_key(&column), self.own_value(table, column)) {
                row.insert(column, self.evaluate(&expression).await?);
            }
        }
        self.waiting.push(insertion(table, &row));
        Ok(row)
    }

    /// Values for the columns that need one and that nothing else has settled.
    fn free(&mut self, depth: usize, groups: &[Group]) -> Result<Values, Stumble> {
        let table = self.table(depth);
        let mut free = Values::new();
        for (place, column) in table.columns.iter().enumerate() {
            let settled = self.frames[depth].values.contains_key(&place)
                || groups.iter().any(|group| group.columns.contains(&place));
            let required = self.catalogue.not_null(column) || self.frames[depth].need.contains(&place);
            let by_itself = column.generated || self.own_value(table, place).is_some();
            if required && !settled && !by_itself {
                let value = self.fresh(self.frames[depth].table, place);
                let reason =
                    || format!("no value is known of type {}, column {} of {}", column.sql, column.name, table.words());
                free.insert(place, Some(value.ok_or_else(|| Stumble::Cannot(reason()))?));
            }
        }
        Ok(free)
    }

    /// All values that are said, and none of a generated column.
    fn row(&self, depth: usize, groups: &[Group], free: &Values) -> Values {
        let mut row = free.clone();
        row.extend(groups.iter().flat_map(Group::chosen));
        row.extend(self.frames[depth].values.clone());
        let table = self.table(depth);
        row.retain(|column, _| !table.columns[*column].generated);
        row
    }

    /// Takes other values for what a constraint refused; says whether there are any.
    fn renew(&mut self, depth: usize, error: &ServerError, groups: &mut [Group], free: &mut Values) -> bool {
        let table = self.table(depth);
        let place = self.frames[depth].table;
        match error.sqlstate.as_str() {
            "23505" | "23P01" => {}
            // What a partition or a function has against it besides.
            "23514" => return advanced(groups, &(0..table.columns.len()).collect()),
            _ => return false,
        }
        let unique = table.uniques.iter().find(|unique| error.constraint.as_deref() == Some(unique.name.as_str()));
        let mut columns: BTreeSet<usize> = match unique {
            Some(unique) => {
                let expressions = unique.expressions.as_deref().map(|text| columns_in(table, text)).unwrap_or_default();
                table.columns_of(unique).into_iter().chain(expressions).collect()
            }
            // A partition's own index has another name.
            None => table.uniques.iter().flat_map(|unique| table.columns_of(unique)).collect(),
        };
        let of_keys = self.key_columns(place);
        columns.retain(|column| !self.frames[depth].values.contains_key(column) && !of_keys.contains(column));
        columns.retain(|column| !table.columns[*column].generated);
        let mut renewed = advanced(groups, &columns);
        for column in columns {
            if !groups.iter().any(|group| group.columns.contains(&column))
                && let Some(value) = self.fresh(place, column)
            {
                free.insert(column, Some(value));
                renewed = true;
            }
        }
        renewed
    }

    fn statement(&self, table: &Table, row: &Values) -> String {
        let before: Vec<String> =
            self.waiting.iter().enumerate().map(|(place, sql)| format!("schemagate_{place} AS ({sql})")).collect();
        let before = if before.is_empty() { String::new() } else { format!("WITH {} ", before.join(", ")) };
        let returned: Vec<String> =
            table.columns.iter().map(|column| format!("{}::text", quoted(&column.name))).collect();
        format!("{before}{} RETURNING {}", insertion(table, row), returned.join(", "))
    }
}

fn advanced(groups: &mut [Group], columns: &BTreeSet<usize>) -> bool {
    let mut any = false;
    for group in groups {
        any |= group.advance(columns);
    }
    any
}

fn insertion(table: &Table, row: &Values) -> String {
    if row.is_empty() {
        return format!("INSERT INTO {} DEFAULT VALUES", table.sql());
    }
    let names: Vec<String> = row.keys().map(|column| quoted(&table.columns[*column].name)).collect();
    let values: Vec<String> =
        row.values().map(|value| value.as_deref().map_or_else(|| "NULL".to_owned(), literal)).collect();
    // A value for an identity column is only said where a check or a key asks for it.
    format!("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})", table.sql(), names.join(", "), values.join(", "))
}
