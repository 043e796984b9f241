//! What a row must satisfy besides types and keys. In: a table and what is settled of a row. Out: conditions, each
//! with the columns that decide it. Never asks the server.

use std::collections::BTreeSet;

use super::catalogue::{Catalogue, Table};
use super::expression::{with_value, words};
use super::solve::Term;
use super::values::nth;
use super::{Values, filter};

/// All conditions of a row of this table. One without columns decides nothing and is left out.
pub(in crate::qualification) fn conditions(catalogue: &Catalogue, table: &Table, values: &Values) -> Vec<Term> {
    let mut all = Vec::new();
    let mut add = |name: String, expression: String| {
        let columns = columns_in(table, &expression);
        if !columns.is_empty() {
            all.push(Term { name, expression, columns });
        }
    };
    for check in &table.checks {
        add(format!("constraint {}", check.name), check.expression.clone());
    }
    if let Some(bound) = &table.bound {
        add("its partition's bounds".to_owned(), bound.clone());
    }
    if !table.leaves.is_empty() {
        let any: Vec<String> = table.leaves.iter().map(|leaf| format!("({leaf})")).collect();
        add("the partitions' bounds".to_owned(), any.join(" OR "));
    }
    for (place, column) in table.columns.iter().enumerate() {
        for domain in catalogue.base(column).0 {
            for check in &domain.checks {
                add(format!("the domain's constraint {}", check.name), with_value(&check.expression, &column.name));
            }
        }
        // What a generated column is to hold must come from what it is generated from.
        if let (true, Some(value)) = (column.generated, values.get(&place)) {
            let wanted = filter(table, &Values::from([(place, value.clone())]));
            add(format!("generated column {}", column.name), wanted);
        }
    }
    all.extend(unknown(catalogue, table));
    all
}

/// A type that is not known is a condition of its own: the server is asked what it takes for a value.
fn unknown(catalogue: &Catalogue, table: &Table) -> Vec<Term> {
    let mut all = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        let (_, oid, typmod, sql) = catalogue.base(column);
        let value = nth(&catalogue.types, oid, typmod, 1);
        let required = catalogue.not_null(column) && catalogue.default(column).is_none();
        if required && !column.generated && column.identity.is_empty() && value.is_none() {
            let name = format!("type {sql}");
            all.push(Term { name, expression: "true".to_owned(), columns: BTreeSet::from([place]) });
        }
    }
    all
}

/// The columns that an expression names, and those that a generated one among them is made of.
pub(in crate::qualification) fn columns_in(table: &Table, expression: &str) -> BTreeSet<usize> {
    let words = words(expression);
    let named = table.columns.iter().enumerate().filter(|(_, column)| words.contains(&column.name));
    named
        .flat_map(|(place, column)| match (column.generated, &column.default) {
            // One generated column cannot be made of another.
            (true, Some(from)) => columns_in(table, from),
            _ => BTreeSet::from([place]),
        })
        .collect()
}

/// Puts conditions that share a column together, with all their columns.
pub(in crate::qualification) fn grouped(conditions: Vec<Term>) -> Vec<(BTreeSet<usize>, Vec<Term>)> {
    let mut groups: Vec<(BTreeSet<usize>, Vec<Term>)> = Vec::new();
    for condition in conditions {
        let mut joined = (condition.columns.clone(), vec![condition]);
        // Those that touch it become part of it.
        for (columns, conditions) in std::mem::take(&mut groups) {
            if columns.is_disjoint(&joined.0) {
                groups.push((columns, conditions));
            } else {
                joined.0.extend(columns);
                joined.1.extend(conditions);
            }
        }
        groups.push(joined);
    }
    groups
}

/// The generated columns that are made of these.
pub(in crate::qualification) fn generated(table: &Table, columns: &BTreeSet<usize>) -> Vec<Term> {
    let made = table.columns.iter().filter(|column| column.generated);
    made.filter_map(|column| {
        let expression = column.default.clone()?;
        let term = Term { name: column.name.clone(), columns: columns_in(table, &expression), expression };
        term.columns.is_subset(columns).then_some(term)
    })
    .collect()
}
