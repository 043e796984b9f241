//! A value of an enum that is used in the transaction that added it. In: the statements of a batch. Out: findings, as the
//! server would refuse them with 55P04.

use std::collections::{HashMap, HashSet};

use super::finding::Finding;
use super::rules;
use super::source::Source;
use crate::migrations::script::Words;
use crate::settings::TableName;

/// A value that the batch added.
#[derive(Debug)]
struct Added {
    kind: TableName,
    /// How `ALTER TYPE` named the type, for SQL.
    named: String,
    place: String,
}

/// What a batch did to enums.
#[derive(Debug)]
pub(super) struct Enums {
    /// The server's major version.
    version: u32,
    created: HashSet<TableName>,
    /// By the value, which several enums may have.
    added: HashMap<String, Vec<Added>>,
}

impl Enums {
    pub(super) fn new(version: u32) -> Enums {
        Enums { version, created: HashSet::new(), added: HashMap::new() }
    }

    /// Judges a statement and takes note of it.
    pub(super) fn statement(&mut self, words: Words<'_>, source: &Source<'_>, start: usize) -> Option<Finding> {
        if let Some(added) = self.adds(words, source, start) {
            if let Some((value, added)) = added {
                self.added.entry(value).or_default().push(added);
            }
            return None;
        }
        if words.is("COMMENT") || self.added.is_empty() {
            return None;
        }
        let (value, added, at, certain) = words.everywhere().find_map(|words| self.uses(words))?;
        let Added { kind, named, place } = added;
        let message = format!("'{value}' was added to the enum {kind} at {place}, in the same transaction");
        let tail = "PostgreSQL refuses to use it before that is committed (55P04)";
        let message =
            if certain { format!("{message}: {tail}") } else { format!("{message}: if it is meant here, {tail}") };
        let finding = Finding::at(&rules::ENUM_VALUE, source, at, message)
            .in_statement(source, start)
            .hint("add the value in a file of its own before this one")
            .instead(format!("-- schemagate: no-transaction\nALTER TYPE {named} ADD VALUE IF NOT EXISTS '{value}';"));
        Some(if certain { finding } else { finding.warning() })
    }

    /// What the statement makes of types; none where it is about something else.
    fn adds(&mut self, words: Words<'_>, source: &Source<'_>, start: usize) -> Option<Option<(String, Added)>> {
        let mut rest = words;
        if rest.eat_all(&["CREATE", "TYPE"]) {
            self.created.extend(rest.name());
            return Some(None);
        }
        if !rest.eat_all(&["ALTER", "TYPE"]) {
            return None;
        }
        let from = rest;
        let kind = rest.name()?;
        let named = from.before(rest).to_owned();
        if !rest.eat_all(&["ADD", "VALUE"]) {
            if rest.eat_all(&["RENAME", "TO"]) && self.created.contains(&kind) {
                self.created.extend(rest.name());
            }
            return Some(None);
        }
        rest.eat_all(&["IF", "NOT", "EXISTS"]);
        // Before 17 a value counts as uncommitted even where its type is of the same transaction.
        let at_hand = self.version >= 17 && self.created.contains(&kind);
        let value = literal(rest).filter(|_| !at_hand);
        Some(value.map(|value| (value.to_owned(), Added { kind, named, place: source.words(start) })))
    }

    fn uses(&self, words: Words<'_>) -> Option<(String, &Added, usize, bool)> {
        let value = literal(words)?;
        let added = self.added.get(value)?;
        let mut rest = words;
        rest.skip();
        let cast = rest.eat_sign(":") && rest.eat_sign(":") || rest.eat("AS");
        let kind = if cast { rest.name() } else { None };
        let found = match &kind {
            // A cast to another type means another value.
            Some(kind) => added.iter().find(|added| added.kind.table() == kind.table())?,
            None => added.first()?,
        };
        Some((value.to_owned(), found, words.start()?, kind.is_some()))
    }
}

/// The text between plain quotes.
fn literal(words: Words<'_>) -> Option<&str> {
    words.token().strip_prefix('\'')?.strip_suffix('\'')
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{rules_of, told};

    #[test]
    fn a_value_added_and_used_in_one_batch_is_told() {
        insta::assert_snapshot!(told(&[
            ("V1__a.sql", "alter type shop.mood add value if not exists 'glad' after 'sad';"),
            ("V2__b.sql", "update t set a = 1\nwhere mood = 'glad'::shop.mood;"),
            ("V3__c.sql", "insert into t values ('glad');"),
        ]));
    }

    #[test]
    fn a_value_that_is_committed_before_or_only_named_is_fine() {
        let files = [
            ("V1__a.sql", "-- schemagate: no-transaction\nalter type mood add value if not exists 'glad';"),
            ("V2__b.sql", "insert into t values ('glad');"),
        ];
        assert_eq!(told(&files), "");
        for sql in [
            "alter type mood add value 'glad'; alter type mood add value 'mad' after 'glad'",
            "alter type mood add value 'glad'; comment on type mood is 'glad'",
            "alter type mood add value 'glad'; create function f() returns text language sql as $$ select 'glad' $$",
            "alter type mood add value 'glad'; update t set b = 'glad'::text",
        ] {
            assert_eq!(rules_of(sql), Vec::<&str>::new(), "{sql}");
        }
    }
}
