//! What statements that ran before say of types and partitions. In: statements, in order. Out: which domains have a
//! constraint, and which partition takes what no other does.

use crate::migrations::script::{Found, Words, walk};
use crate::settings::TableName;

/// What is known so far. Names without a schema are taken for any of theirs.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Each with whether it has a constraint.
    domains: Vec<(TableName, bool)>,
    /// Partitioned tables and their default partitions.
    defaults: Vec<(TableName, TableName)>,
}

impl Known {
    /// Takes note of every statement of a text.
    pub fn note_all(&mut self, sql: &str) {
        walk(sql, false, |piece| {
            if let Found::Statement(words, _) = piece {
                self.note(words);
            }
        });
    }

    /// Takes note of a statement.
    pub(crate) fn note(&mut self, mut words: Words<'_>) {
        if words.eat_all(&["CREATE", "DOMAIN"]) {
            self.domain(words);
        } else if words.eat_all(&["ALTER", "DOMAIN"]) {
            self.alter_domain(words);
        } else if words.eat_all(&["CREATE", "TABLE"]) {
            words.eat_all(&["IF", "NOT", "EXISTS"]);
            let Some(part) = words.name().filter(|_| words.eat_all(&["PARTITION", "OF"])) else { return };
            let parent = words.name();
            self.partition(parent, part, words);
        } else if words.eat_all(&["ALTER", "TABLE"]) {
            words.eat_all(&["IF", "EXISTS"]);
            words.eat("ONLY");
            let Some(parent) = words.name() else { return };
            if words.eat_all(&["ATTACH", "PARTITION"]) {
                let Some(part) = words.name() else { return };
                self.partition(Some(parent), part, words);
            } else if words.eat_all(&["DETACH", "PARTITION"]) {
                let Some(part) = words.name() else { return };
                self.defaults.retain(|(_, known)| !same(known, &part));
            }
        } else if words.eat("DROP") {
            self.drop(words);
        }
    }

    fn domain(&mut self, mut words: Words<'_>) {
        let Some(name) = words.name() else { return };
        words.eat("AS");
        let mut kind = words;
        let of_constrained = kind.name().is_some_and(|of| self.has_constrained(&of)) && kind.token() != "[";
        let constrained = of_constrained || words.have(&["CHECK"]) || words.have(&["NOT", "NULL"]);
        self.domains.push((name, constrained));
    }

    fn alter_domain(&mut self, mut words: Words<'_>) {
        let Some(name) = words.name() else { return };
        if words.is("ADD") || words.eat_all(&["SET", "NOT", "NULL"]) {
            self.domains.retain(|(known, _)| !same(known, &name));
            self.domains.push((name, true));
        }
    }

    fn partition(&mut self, parent: Option<TableName>, part: TableName, words: Words<'_>) {
        // What stands in parentheses are columns and their defaults.
        let takes_the_rest = words.outside_parentheses().find(|words| words.is_any(&["FOR", "DEFAULT"]));
        if takes_the_rest.is_some_and(|words| words.is("DEFAULT")) {
            self.defaults.extend(parent.map(|parent| (parent, part)));
        }
    }

    fn drop(&mut self, mut words: Words<'_>) {
        let domain = words.is("DOMAIN");
        if !words.eat_any(&["DOMAIN", "TABLE"]) {
            return;
        }
        words.eat_all(&["IF", "EXISTS"]);
        while let Some(name) = words.name() {
            if domain {
                self.domains.retain(|(known, _)| !same(known, &name));
            } else {
                self.defaults.retain(|(parent, part)| !same(parent, &name) && !same(part, &name));
            }
            words.eat_sign(",");
        }
    }

    /// Whether it is a domain that has a constraint.
    pub(super) fn has_constrained(&self, name: &TableName) -> bool {
        self.domains.iter().any(|(known, constrained)| *constrained && same(known, name))
    }

    /// The default partition of a table.
    pub(super) fn default_of(&self, parent: &TableName) -> Option<&TableName> {
        self.defaults.iter().find(|(known, _)| same(known, parent)).map(|(_, part)| part)
    }
}

fn same(one: &TableName, other: &TableName) -> bool {
    one.table() == other.table()
        && (one.schema() == other.schema() || one.schema().is_none() || other.schema().is_none())
}
