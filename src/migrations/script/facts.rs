//! Facts of single statements: what they create, drop and set. In: words. Out: names. Judges nothing.

use std::collections::BTreeSet;

use super::words::Words;
use crate::settings::TableName;

/// An index built concurrently. It lies in the schema of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrentIndex {
    /// Its name.
    pub index: String,
    /// Its table.
    pub table: TableName,
    /// Whether it is unique.
    pub unique: bool,
    /// What follows the table's name in the text of the file: method, columns, predicate; its first byte.
    pub definition_start: usize,
}

/// What a `REINDEX … CONCURRENTLY` rebuilds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reindexed {
    /// One index.
    Index(TableName),
    /// All indexes of a table.
    Table(TableName),
    /// All of a schema.
    Schema(String),
    /// All of the database.
    Database,
}

/// What a file drops or renames.
#[derive(Debug, Clone, Default)]
pub struct Gone {
    tables: BTreeSet<(String, Option<String>)>,
    schemas: BTreeSet<String>,
    pub(super) subscriptions_without_slot: BTreeSet<String>,
}

impl Gone {
    pub(super) fn note(&mut self, mut words: Words<'_>) {
        if words.eat("DROP") {
            let schema = words.is("SCHEMA");
            words.eat("FOREIGN");
            if !schema && !words.is("TABLE") {
                return;
            }
            words.skip();
            words.eat_all(&["IF", "EXISTS"]);
            while let Some(table) = words.name() {
                if schema {
                    self.schemas.insert(table.table().to_owned())
                } else {
                    self.tables.insert(key(&table))
                };
                if !words.eat_sign(",") {
                    return;
                }
            }
        } else if words.eat_all(&["ALTER", "TABLE"]) {
            words.eat_all(&["IF", "EXISTS"]);
            words.eat("ONLY");
            let Some(table) = words.name() else { return };
            words.eat_sign("*");
            if words.eat_all(&["RENAME", "TO"]) || words.eat_all(&["SET", "SCHEMA"]) {
                self.tables.insert(key(&table));
            }
        } else if words.eat_all(&["ALTER", "SUBSCRIPTION"]) {
            let Some(name) = words.identifier() else {
                return;
            };
            let unset = words.everywhere().any(|mut option| {
                option.eat("slot_name") && {
                    option.eat_sign("=");
                    option.is("NONE")
                }
            });
            if words.is("SET") && unset {
                self.subscriptions_without_slot.insert(name);
            }
        }
    }

    /// Says whether a table was dropped before; one name with and without schema may mean the same table.
    pub fn has(&self, table: &TableName) -> bool {
        let dropped =
            |schema: Option<&str>| self.tables.contains(&(table.table().to_owned(), schema.map(str::to_owned)));
        match table.schema() {
            Some(schema) => self.schemas.contains(schema) || dropped(None) || dropped(Some(schema)),
            None => {
                let mut from = self.tables.range((table.table().to_owned(), None)..);
                from.next().is_some_and(|(name, _)| *name == table.table())
            }
        }
    }
}

fn key(table: &TableName) -> (String, Option<String>) {
    (table.table().to_owned(), table.schema().map(ToOwned::to_owned))
}

/// Gives the setting that `SET` or `set_config` changes, and whether to off.
pub(super) fn setting(mut words: Words<'_>) -> Option<(String, bool)> {
    if words.eat("SET") {
        words.eat_any(&["SESSION", "LOCAL"]);
        let name = words.identifier()?;
        let set = words.eat_sign("=") || words.eat("TO");
        return set.then(|| (name, words.is_off()));
    }
    if !words.eat("SELECT") || words.name()?.table() != "set_config" {
        return None;
    }
    let mut arguments = words.eat_parenthesis()?;
    let name = arguments.token().trim_matches('\'').to_ascii_lowercase();
    arguments.skip();
    arguments.eat_sign(",");
    Some((name, arguments.is_off()))
}

/// Gives the table that a statement creates, where it outlives the session.
pub(super) fn created_table(mut words: Words<'_>) -> Option<TableName> {
    if !words.eat("CREATE") {
        return None;
    }
    words.eat_any(&["UNLOGGED", "FOREIGN"]);
    if !words.eat("TABLE") {
        return None;
    }
    words.eat_all(&["IF", "NOT", "EXISTS"]);
    words.name().filter(|table| table.schema() != Some("pg_temp"))
}

pub(super) fn reindexed(mut words: Words<'_>) -> Option<Reindexed> {
    words.eat("REINDEX");
    words.eat_parenthesis();
    let kind = words.word()?.to_ascii_uppercase();
    words.skip();
    words.eat("CONCURRENTLY");
    match kind.as_str() {
        "INDEX" => words.name().map(Reindexed::Index),
        "TABLE" => words.name().map(Reindexed::Table),
        "SCHEMA" => words.identifier().map(Reindexed::Schema),
        _ => Some(Reindexed::Database),
    }
}

pub(super) fn concurrent_index(mut words: Words<'_>) -> Option<ConcurrentIndex> {
    words.eat("CREATE");
    let unique = words.eat("UNIQUE");
    words.eat_all(&["INDEX", "CONCURRENTLY"]);
    words.eat_all(&["IF", "NOT", "EXISTS"]);
    let index = words.identifier()?;
    words.eat("ON");
    words.eat("ONLY");
    let table = words.name()?;
    words.eat_sign("*");
    Some(ConcurrentIndex { index, table, unique, definition_start: words.start()? })
}
