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
}

impl NewTables {
    /// Takes note of a statement.
    pub(super) fn note(&mut self, mut words: Words<'_>) {
        if words.eat_all(&["ALTER", "TABLE"]) {
            return self.renamed(words);
        }
        if !words.eat("CREATE") {
            return;
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

    fn add(&mut self, name: TableName) {
        self.bare.insert(name.table().to_owned());
        self.full.insert(name);
    }

    /// Says whether the release creates it. A name without a schema may be one in any.
    pub(super) fn has(&self, name: &TableName) -> bool {
        match name.schema() {
            None => self.bare.contains(name.table()),
            Some(_) => self.full.contains(name) || self.full.contains(&TableName::new(None, name.table())),
        }
    }
}
