//! What the statements of a file made or renamed so far. In: statements, in order. Out: a word in findings whose SQL is
//! about something of that: it has to be made before.

use super::finding::Finding;
use super::source::Source;
use crate::migrations::script::Words;
use crate::settings::TableName;

/// One thing that was made.
#[derive(Debug)]
struct Thing {
    name: String,
    /// Of a column, its table.
    table: Option<TableName>,
    at: usize,
}

/// What a file made so far.
#[derive(Debug, Default)]
pub(super) struct Made {
    things: Vec<Thing>,
}

/// What is made under a name of its own.
const KINDS: &[&str] = &["TABLE", "FUNCTION", "TYPE", "DOMAIN", "SEQUENCE", "SCHEMA", "COLLATION", "EXTENSION"];
/// What an `ADD` is followed by where it is no column's.
const CONSTRAINTS: &[&str] = &["CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE", "NOT"];

impl Made {
    /// Takes note of a statement.
    pub(super) fn note(&mut self, mut words: Words<'_>, at: usize) {
        if words.eat_all(&["ALTER", "TABLE"]) {
            words.eat_all(&["IF", "EXISTS"]);
            words.eat("ONLY");
            let Some(table) = words.name() else { return };
            words.eat_sign("*");
            for part in words.parts() {
                self.action(part, &table, at);
            }
        } else if words.eat("CREATE") {
            words.eat_all(&["OR", "REPLACE"]);
            words.eat("UNLOGGED");
            if words.eat_any(KINDS) {
                words.eat_all(&["IF", "NOT", "EXISTS"]);
                let name = words.name().map(|name| name.table().to_owned());
                self.things.extend(name.map(|name| Thing { name, table: None, at }));
            }
        }
    }

    fn action(&mut self, mut words: Words<'_>, table: &TableName, at: usize) {
        let of_table = Some(table.clone());
        if words.eat("ADD") {
            words.eat("COLUMN");
            words.eat_all(&["IF", "NOT", "EXISTS"]);
            let column = words.identifier().filter(|name| !is_constraint(name));
            self.things.extend(column.map(|name| Thing { name, table: of_table, at }));
        } else if words.eat("RENAME") && !words.is("CONSTRAINT") {
            let of_column = !words.eat("TO");
            if of_column {
                words.eat("COLUMN");
                words.skip();
                words.eat("TO");
            }
            let table = of_table.filter(|_| of_column);
            self.things.extend(words.identifier().map(|name| Thing { name, table, at }));
        }
    }

    /// Says so in the findings of a statement.
    pub(super) fn say(&self, source: &Source<'_>, words: Words<'_>, relation: &TableName, findings: &mut [Finding]) {
        let named = |thing: &&Thing| {
            let about = thing.table.as_ref().is_none_or(|table| table == relation);
            about && words.everywhere().any(|mut words| words.identifier().as_ref() == Some(&thing.name))
        };
        if self.things.is_empty() {
            return;
        }
        let Some(thing) = self.things.iter().find(named) else { return };
        let word = format!(
            "{} is made at {}, in the same file: leave that in a file before the first that has the directive",
            thing.name,
            source.words(thing.at)
        );
        for finding in findings.iter_mut().filter(|finding| finding.instead.is_some()) {
            finding.hint = Some(finding.hint.take().map_or_else(|| word.clone(), |hint| format!("{hint}; {word}")));
        }
    }
}

fn is_constraint(name: &str) -> bool {
    CONSTRAINTS.iter().any(|word| word.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::told;

    #[test]
    fn a_rewrite_about_what_the_file_has_just_made_says_so() {
        insta::assert_snapshot!(told(&[(
            "V1__a.sql",
            "alter table t add column x int;\ncreate index on t (x);\nalter table t rename to u;\n\
             alter table u add check (a > 0);\nalter table v add unique (x);\n"
        )]));
    }
}
