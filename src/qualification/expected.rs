//! The objects that the migrations leave, as their statements say it. In: changes, in the order of the files. Out: the
//! list, and the statement that says which of them the catalogue does not have. Never guesses: what a CASCADE may have
//! taken along is not expected.

use crate::migrations::script::{Change, Object, ObjectKind};
use crate::postgres::literal;
use crate::settings::TableName;

/// The objects that are to exist.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    objects: Vec<Object>,
}

impl Expected {
    /// Takes one change after another.
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Created(object) => {
                if !self.objects.contains(&object) {
                    self.objects.push(object);
                }
            }
            Change::Dropped { object, cascade } => self.drop(&object, cascade),
            Change::Renamed { object, to } => self.rename(&object, &to),
            Change::Moved { object, schema } => {
                for known in self.objects.iter_mut().filter(|known| is(known, &object)) {
                    known.name = TableName::new(Some(&schema), known.name.table());
                }
            }
        }
    }

    fn drop(&mut self, dropped: &Object, cascade: bool) {
        self.objects.retain(|known| !is(known, dropped) && !belongs_to(known, dropped));
        if cascade {
            // Tables stay, unless they are partitions or lie in what was dropped.
            self.objects.retain(|known| match dropped.kind {
                ObjectKind::Schema | ObjectKind::Extension | ObjectKind::Type => known.kind == ObjectKind::Schema,
                _ => matches!(known.kind, ObjectKind::Table | ObjectKind::Schema | ObjectKind::Extension),
            });
        }
    }

    fn rename(&mut self, renamed: &Object, to: &str) {
        for known in &mut self.objects {
            if is(known, renamed) {
                known.name = TableName::new(known.name.schema(), to);
            } else if let Some(table) = known.table.as_ref().filter(|table| same(table, &renamed.name))
                && renamed.kind == ObjectKind::Table
            {
                known.table = Some(TableName::new(table.schema(), to));
            }
            if renamed.kind == ObjectKind::Schema && known.name.schema() == Some(renamed.name.table()) {
                known.name = TableName::new(Some(to), known.name.table());
            }
        }
    }

    /// Each with its kind, as people read it.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// How many of each kind: `9 tables, 21 indexes`.
    pub(super) fn summary(&self) -> String {
        let mut counts: Vec<(ObjectKind, usize)> = Vec::new();
        for object in &self.objects {
            match counts.iter_mut().find(|(kind, _)| *kind == object.kind) {
                Some((_, count)) => *count += 1,
                None => counts.push((object.kind, 1)),
            }
        }
        let words: Vec<String> = counts.iter().map(|(kind, count)| plural(*kind, *count)).collect();
        words.join(", ")
    }

    /// The statement that lists those that the catalogue does not have. A name without schema may lie in any.
    pub(super) fn missing_sql(&self) -> String {
        if self.objects.is_empty() {
            return "SELECT NULL::text WHERE false".to_owned();
        }
        let rows: Vec<String> = self.objects.iter().map(row).collect();
        include_str!("missing.sql").replace("{objects}", &rows.join(", "))
    }
}

fn row(object: &Object) -> String {
    let text = |name: Option<&str>| name.map_or_else(|| "NULL".to_owned(), literal);
    let in_table = matches!(object.kind, ObjectKind::Trigger | ObjectKind::Policy | ObjectKind::Constraint);
    let table = object.table.as_ref().filter(|_| in_table).map(TableName::table);
    let label = match &object.table {
        Some(table) if in_table => format!("{} {} of {table}", object.kind.name(), object.name),
        _ => format!("{} {}", object.kind.name(), object.name),
    };
    format!(
        "({}, {}, {}, {}, {})",
        literal(object.kind.name()),
        text(object.name.schema()),
        literal(object.name.table()),
        text(table),
        literal(&label)
    )
}

fn plural(kind: ObjectKind, count: usize) -> String {
    match (kind, count) {
        (_, 1) => format!("1 {}", kind.name()),
        (ObjectKind::Index, _) => format!("{count} indexes"),
        (ObjectKind::Policy, _) => format!("{count} policies"),
        _ => format!("{count} {}s", kind.name()),
    }
}

/// Whether both may mean one object. `ALTER TABLE` and `DROP TABLE` are told of other relations by their names alone.
fn is(known: &Object, named: &Object) -> bool {
    let kinds = known.kind == named.kind || (known.kind.is_relation() && named.kind == ObjectKind::Table);
    let tables = match (&known.table, &named.table) {
        (Some(a), Some(b)) => same(a, b),
        _ => true,
    };
    kinds && tables && same(&known.name, &named.name)
}

/// Whether `known` goes with `dropped`: an index with its table, a table with its schema.
fn belongs_to(known: &Object, dropped: &Object) -> bool {
    match dropped.kind {
        ObjectKind::Schema => known.name.schema() == Some(dropped.name.table()),
        ObjectKind::Table | ObjectKind::MaterializedView => {
            known.table.as_ref().is_some_and(|table| same(table, &dropped.name))
        }
        _ => false,
    }
}

/// One name with and without schema may mean the same.
fn same(a: &TableName, b: &TableName) -> bool {
    let schemas = match (a.schema(), b.schema()) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    };
    schemas && a.table() == b.table()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::script::survey;

    fn left(sql: &str) -> Vec<String> {
        let mut expected = Expected::default();
        for change in survey(sql, false).changes {
            expected.apply(change);
        }
        expected.objects.iter().map(|object| format!("{} {}", object.kind.name(), object.name)).collect()
    }

    #[test]
    fn what_is_dropped_takes_what_belongs_to_it_along() {
        assert_eq!(
            left("create table a (x int); create index i on a (x); create table b (); drop table a"),
            ["table b"]
        );
        assert_eq!(
            left("create schema s; create table s.a (); create view v as select 1; drop schema s cascade"),
            Vec::<String>::new()
        );
        assert_eq!(
            left("create table p (); create table q partition of p default; drop table p"),
            Vec::<String>::new()
        );
        assert_eq!(
            left("create table a (); create view v as select 1; drop table a cascade; create view w as select 1"),
            ["view w"]
        );
    }

    #[test]
    fn a_renamed_object_is_expected_by_its_new_name() {
        assert_eq!(
            left(
                "create table a (x int); create index i on a (x); alter table a rename to b; alter table i rename to j; \
                  alter table b set schema s; drop table a"
            ),
            ["table s.b", "index j"]
        );
    }
}
