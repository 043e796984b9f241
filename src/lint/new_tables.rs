//! The tables that the release itself creates: nothing on them is dangerous. In: statements, in order. Out: whether a
//! name is one of them.

use std::collections::HashSet;

use crate::migrations::script::Words;
use crate::settings::TableName;

/// What was created so far.
#[derive(Debug, Default)]
pub(super) struct NewTables {
    full: HashSet<TableName>,
    /// Names without their schema, with which the search_path finds them.
    bare: HashSet<String>,
    /// Indexes, by their names without a schema.
    indexes: HashSet<String>,
}

impl NewTables {
    /// Takes note of a statement.
    pub(super) fn note(&mut self, mut words: Words<'_>) {
        if words.eat_all(&["ALTER", "TABLE"]) {
            return self.renamed(words);
        }
        if words.is("SELECT") {
            return self.selected(words);
        }
        if !words.eat("CREATE") {
            return;
        }
        let mut index = words;
        index.eat("UNIQUE");
        if index.eat("INDEX") {
            return self.index(index);
        }
        words.eat_any(&["GLOBAL", "LOCAL"]);
        words.eat_any(&["TEMP", "TEMPORARY", "UNLOGGED", "FOREIGN"]);
        if words.eat("TABLE") || words.eat_all(&["MATERIALIZED", "VIEW"]) {
            words.eat_all(&["IF", "NOT", "EXISTS"]);
            if let Some(name) = words.name() {
                self.add(name);
            }
        }
    }

    /// An index of a new table is new itself.
    fn index(&mut self, mut words: Words<'_>) {
        words.eat("CONCURRENTLY");
        words.eat_all(&["IF", "NOT", "EXISTS"]);
        let Some(name) = words.identifier().filter(|_| words.eat("ON")) else { return };
        words.eat("ONLY");
        if words.name().is_some_and(|table| self.has(&table)) {
            self.indexes.insert(name);
        }
    }

    fn renamed(&mut self, mut words: Words<'_>) {
        words.eat_all(&["IF", "EXISTS"]);
        let Some(from) = words.name().filter(|from| self.has(from)) else { return };
        let to = if words.eat_all(&["RENAME", "TO"]) {
            words.identifier().map(|to| TableName::new(from.schema(), &to))
        } else if words.eat_all(&["SET", "SCHEMA"]) {
            words.identifier().map(|schema| TableName::new(Some(&schema), from.table()))
        } else {
            None
        };
        if let Some(to) = to {
            self.add(to);
        }
    }

    /// `SELECT … INTO t FROM …`
    fn selected(&mut self, words: Words<'_>) {
        let Some(mut into) = words.outside_parentheses().find_map(|mut words| words.eat("INTO").then_some(words))
        else {
            return;
        };
        into.eat_any(&["TEMP", "TEMPORARY", "UNLOGGED"]);
        into.eat("TABLE");
        if let Some(name) = into.name() {
            self.add(name);
        }
    }

    fn add(&mut self, name: TableName) {
        self.bare.insert(name.table().to_owned());
        self.full.insert(name);
    }

    /// Says whether the release creates the index.
    pub(super) fn has_index(&self, name: &TableName) -> bool {
        self.indexes.contains(name.table())
    }

    /// Says whether the release creates it. A name without a schema may be one in any.
    pub(super) fn has(&self, name: &TableName) -> bool {
        match name.schema() {
            None => self.bare.contains(name.table()),
            Some(_) => self.full.contains(name) || self.full.contains(&TableName::new(None, name.table())),
        }
    }
}
