//! The tables and views that the release itself creates: nothing on them is dangerous. In: the statements of older files and
//! of the release, in order. Out: whether a name is one of them.

use std::collections::HashSet;

use super::search_path::{SearchPath, TEMPORARY};
use crate::migrations::script::Words;
use crate::settings::TableName;

/// What was created so far, by full names.
#[derive(Debug, Default)]
pub(super) struct NewTables {
    path: SearchPath,
    tables: HashSet<TableName>,
    indexes: HashSet<TableName>,
    /// What older files have created: `IF NOT EXISTS` and `OR REPLACE` make nothing new of it.
    older: HashSet<TableName>,
}

impl NewTables {
    /// A file begins: neither the path nor the temporary tables of the one before it are there any more.
    pub(super) fn begin_file(&mut self) {
        self.path = SearchPath::default();
        self.tables.retain(|table| table.schema() != Some(TEMPORARY));
    }

    /// Older files end: what was created so far exists.
    pub(super) fn begin_release(&mut self) {
        self.begin_file();
        self.older = std::mem::take(&mut self.tables);
        self.indexes.clear();
    }

    /// Takes note of a statement.
    pub(super) fn note(&mut self, mut words: Words<'_>) {
        self.path.note(words);
        if words.eat_all(&["ALTER", "TABLE"]) {
            self.renamed(words);
        } else if words.is("SELECT") {
            self.selected(words);
        } else if words.eat("CREATE") {
            self.create(words);
        } else if words.eat("DROP") {
            self.drop(words);
        }
    }

    fn create(&mut self, mut words: Words<'_>) {
        let mut index = words;
        index.eat("UNIQUE");
        if index.eat("INDEX") {
            return self.index(index);
        }
        let replace = words.eat_all(&["OR", "REPLACE"]);
        words.eat_any(&["GLOBAL", "LOCAL"]);
        let temporary = words.eat_any(&["TEMP", "TEMPORARY"]);
        words.eat_any(&["UNLOGGED", "FOREIGN", "RECURSIVE"]);
        if words.eat("TABLE") || words.eat_all(&["MATERIALIZED", "VIEW"]) || words.eat("VIEW") {
            let unless_there = words.eat_all(&["IF", "NOT", "EXISTS"]);
            if let Some(name) = words.name() {
                let full = self.full(&name, temporary);
                if !(replace || unless_there) || !self.older.contains(&full) {
                    self.tables.insert(full);
                }
            }
        }
    }

    fn full(&self, name: &TableName, temporary: bool) -> TableName {
        if temporary { TableName::new(Some(TEMPORARY), name.table()) } else { self.path.created(name) }
    }

    /// An index of a new table is new itself, and in the table's schema.
    fn index(&mut self, mut words: Words<'_>) {
        words.eat("CONCURRENTLY");
        words.eat_all(&["IF", "NOT", "EXISTS"]);
        let Some(name) = words.identifier().filter(|_| words.eat("ON")) else { return };
        words.eat("ONLY");
        let table = words.name().and_then(|table| self.found(&table));
        self.indexes.extend(table.map(|table| TableName::new(table.schema(), &name)));
    }

    fn renamed(&mut self, mut words: Words<'_>) {
        words.eat_all(&["IF", "EXISTS"]);
        let Some(from) = words.name() else { return };
        let is_new = self.found(&from);
        let full = is_new.clone().unwrap_or_else(|| self.path.created(&from));
        let to = if words.eat_all(&["RENAME", "TO"]) {
            words.identifier().map(|to| TableName::new(full.schema(), &to))
        } else if words.eat_all(&["SET", "SCHEMA"]) {
            words.identifier().map(|schema| TableName::new(Some(&schema), full.table()))
        } else {
            None
        };
        let Some(to) = to else { return };
        if is_new.is_some() {
            self.tables.remove(&full);
            self.tables.insert(to);
        } else if self.older.remove(&full) {
            self.older.insert(to);
        }
    }

    /// What is dropped may be created anew.
    fn drop(&mut self, mut words: Words<'_>) {
        words.eat("MATERIALIZED");
        if !words.eat_any(&["TABLE", "VIEW"]) {
            return;
        }
        words.eat_all(&["IF", "EXISTS"]);
        while let Some(name) = words.name() {
            match self.found(&name) {
                Some(full) => self.tables.remove(&full),
                None => self.older.remove(&self.path.created(&name)),
            };
            words.eat_sign(",");
        }
    }

    /// `SELECT … INTO t FROM …`
    fn selected(&mut self, words: Words<'_>) {
        let Some(mut into) = words.outside_parentheses().find_map(|mut words| words.eat("INTO").then_some(words))
        else {
            return;
        };
        let temporary = into.eat_any(&["TEMP", "TEMPORARY"]);
        into.eat("UNLOGGED");
        into.eat("TABLE");
        if let Some(name) = into.name() {
            let full = self.full(&name, temporary);
            self.tables.insert(full);
        }
    }

    fn found(&self, name: &TableName) -> Option<TableName> {
        self.path.meant(name).into_iter().find(|full| self.tables.contains(full))
    }

    /// Says whether the release creates the index.
    pub(super) fn has_index(&self, name: &TableName) -> bool {
        self.path.meant(name).iter().any(|full| self.indexes.contains(full))
    }

    /// Says whether an older file has created it.
    pub(super) fn has_older(&self, name: &TableName) -> bool {
        self.path.meant(name).iter().any(|full| self.older.contains(full))
    }

    /// Says whether the release creates it.
    pub(super) fn has(&self, name: &TableName) -> bool {
        self.found(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{rules_of, rules_since};

    const INDEX: &str = "create index i on a (x);";

    #[test]
    fn what_an_older_file_created_is_not_new_where_it_is_created_if_it_does_not_exist() {
        let older = "create table a (x int); create table gone (x int); create table b (x int)";
        for sql in ["create table if not exists a (x int);", "create table if not exists public.a (x int);"] {
            assert_eq!(rules_since(older, &format!("{sql} {INDEX}")), ["blocking-index-build"], "{sql}");
        }
        for sql in [
            "create table if not exists gone2 (x int); create index i on gone2 (x)",
            "alter table b rename to c; create table if not exists b (x int); create index i on b (x)",
            "create table if not exists shop.a (x int); create index i on shop.a (x)",
        ] {
            assert!(!rules_since(older, sql).contains(&"blocking-index-build"), "{sql}");
        }
        let dropped = "drop table a; create table if not exists a (x int); create index i on a (x)";
        assert_eq!(rules_since(older, dropped), ["ban-drop-table"]);
        let moved = "create table z (x int); alter table z rename to a";
        assert_eq!(
            rules_since(moved, "create table if not exists a (x int); create index i on a (x)"),
            ["blocking-index-build"]
        );
        assert_eq!(rules_of(&format!("create table if not exists a (x int); {INDEX}")), Vec::<&str>::new());
    }

    #[test]
    fn a_new_table_is_not_the_one_of_another_schema() {
        for sql in [
            "create temp table a (x int); create index i on public.a (x)",
            "create temp table a (x int); create index i on shop.a (x)",
            "set local search_path = shop; create table a (x int); reset search_path; create index i on public.a (x)",
            "set local search_path = shop; create table a (x int); reset search_path; create index i on a (x)",
            "create table shop.a (x int); create index i on a (x)",
            "create table a (x int); create index i on shop.a (x)",
            "select set_config('search_path', 'shop, public', true); create table a (x int); create index i on public.a (x)",
            "create temp table a as select 1; drop table a; create index i on a (x)",
        ] {
            assert_eq!(rules_of(sql).last(), Some(&"blocking-index-build"), "{sql}");
        }
        for sql in [
            "create temp table a (x int); create index i on a (x); create index on pg_temp.a (x)",
            "set local search_path to shop, public; create table a (x int); create index i on a (x); create index on shop.a (x)",
            "create table public.a (x int); create index i on a (x)",
            "create table a (x int); create index i on public.a (x); reindex index public.i",
            "set local search_path = \"$user\", shop; create table a (x int); create index i on shop.a (x)",
        ] {
            assert_eq!(rules_of(sql), Vec::<&str>::new(), "{sql}");
        }
    }
}
