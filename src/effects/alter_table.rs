//! Reads an `ALTER TABLE`, action by action. In: the words behind `TABLE`. Out: effects.

use super::alter_column;
use super::facts as f;
use super::statement::{Reader, default_partition};
use super::{Fact, RelationKind::Table, safe};
use crate::migrations::script::Words;
use crate::settings::TableName;

pub(super) fn read(mut words: Words<'_>, reader: &mut Reader<'_>) {
    words.eat_all(&["IF", "EXISTS"]);
    words.eat("ONLY");
    let Some(table) = words.name() else { return };
    words.eat_sign("*");
    for part in words.parts() {
        action(part, &table, reader);
    }
}

fn action(at: Words<'_>, table: &TableName, reader: &mut Reader<'_>) {
    let mut words = at;
    let first = words.word().unwrap_or_default().to_ascii_uppercase();
    words.skip();
    let fact = match first.as_str() {
        "ADD" => return add(at, words, table, reader),
        "ALTER" if words.eat("CONSTRAINT") => &f::OTHER_ALTER,
        "ALTER" => return alter_column::read(at, words, table, reader),
        "DROP" if words.is("CONSTRAINT") => &f::DROP_CONSTRAINT,
        "DROP" => &f::DROP_COLUMN,
        "VALIDATE" => &f::VALIDATE,
        "RENAME" | "OWNER" => &f::RENAME,
        "ENABLE" | "DISABLE" => {
            words.eat_any(&["REPLICA", "ALWAYS"]);
            if words.is("TRIGGER") { &f::TRIGGER_STATE } else { &f::OTHER_ALTER }
        }
        "CLUSTER" | "RESET" => &f::STORAGE_PARAMETER,
        "SET" if words.is("SCHEMA") => &f::RENAME,
        "SET" if words.is("LOGGED") => &f::SET_LOGGED,
        "SET" if words.is("UNLOGGED") => &f::SET_UNLOGGED,
        "SET" if words.is("TABLESPACE") => &f::SET_TABLESPACE,
        "SET" if words.is("ACCESS") => &f::ACCESS_METHOD,
        "SET" if words.token() == "(" || words.is("WITHOUT") => &f::STORAGE_PARAMETER,
        "ATTACH" | "DETACH" => return partition(at, words, &first, table, reader),
        "FORCE" | "NO" | "REPLICA" | "OF" | "NOT" => &f::OTHER_ALTER,
        "INHERIT" => &f::ADD_INHERITANCE,
        _ => return,
    };
    reader.put(fact, table.clone(), Table, at);
}

fn partition(at: Words<'_>, mut words: Words<'_>, first: &str, table: &TableName, reader: &mut Reader<'_>) {
    words.eat("PARTITION");
    let name_at = words;
    let Some(part) = words.name() else { return };
    if first == "ATTACH" {
        reader.put(&f::ATTACH_PARTITION, table.clone(), Table, at);
        reader.put(&f::ATTACHED, part, Table, name_at);
        default_partition(table, words, at, reader);
    } else if words.is_any(&["CONCURRENTLY", "FINALIZE"]) {
        reader.put(&f::DETACH_CONCURRENTLY, table.clone(), Table, at);
    } else {
        reader.put(&f::DETACH_PARTITION, table.clone(), Table, at);
    }
}

fn add(at: Words<'_>, mut words: Words<'_>, table: &TableName, reader: &mut Reader<'_>) {
    let constraint = if words.eat("CONSTRAINT") { words.identifier() } else { None };
    let is_constraint = constraint.is_some() || words.is_any(&["CHECK", "FOREIGN", "UNIQUE", "PRIMARY", "EXCLUDE"]);
    if is_constraint || words.is("NOT") {
        return add_constraint(at, words, constraint.as_deref(), table, reader);
    }
    words.eat("COLUMN");
    words.eat_all(&["IF", "NOT", "EXISTS"]);
    alter_column::add(at, words, table, reader);
}

fn add_constraint(at: Words<'_>, words: Words<'_>, named: Option<&str>, table: &TableName, reader: &mut Reader<'_>) {
    let not_valid = words.have(&["NOT", "VALID"]);
    let definition = words.all();
    let put = |reader: &mut Reader<'_>, fact, safe| reader.put_safe(fact, table.clone(), Table, at, safe);
    if words.is("FOREIGN") {
        let own = || name_of(table, named, words, "fkey");
        let safe = (!not_valid).then(|| safe::not_valid(table, &own(), definition));
        put(reader, if not_valid { &f::ADD_FOREIGN_KEY_NOT_VALID } else { &f::ADD_FOREIGN_KEY }, safe);
        let referenced = if not_valid { &f::REFERENCED } else { &f::REFERENCED_CHECKED };
        return references(words, referenced, table, reader);
    }
    if words.is_any(&["CHECK", "NOT"]) {
        let own = || name_of(table, named, words, if words.is("NOT") { "not_null" } else { "check" });
        let safe = (!not_valid).then(|| safe::not_valid(table, &own(), definition));
        return put(reader, if not_valid { &f::ADD_NOT_VALID } else { &f::ADD_CHECK }, safe);
    }
    let primary = words.is("PRIMARY");
    if words.have(&["USING", "INDEX"]) && !words.have(&["USING", "INDEX", "TABLESPACE"]) {
        return put(reader, if primary { &f::ADD_PRIMARY_KEY_USING_INDEX } else { &f::ADD_UNIQUE_USING_INDEX }, None);
    }
    put(reader, &f::ADD_UNIQUE, unique(words, named, table));
}

/// The name that a constraint has, or would get from PostgreSQL.
fn name_of(table: &TableName, named: Option<&str>, words: Words<'_>, what: &str) -> String {
    let own = || {
        let mut list = words.everywhere().find_map(|mut words| words.eat_parenthesis());
        if what == "not_null" {
            let mut column = words;
            column.eat_all(&["NOT", "NULL"]);
            list = Some(column);
        }
        let columns = match (what, list) {
            // The first column that the condition names.
            ("check", Some(list)) => list.everywhere().find_map(column).into_iter().collect(),
            (_, Some(list)) => safe::columns(list),
            (_, None) => Vec::new(),
        };
        safe::own_name(table, &columns, what)
    };
    named.map_or_else(own, str::to_owned)
}

fn column(mut words: Words<'_>) -> Option<String> {
    words.identifier().filter(|_| words.token() != "(")
}

/// `UNIQUE` or `PRIMARY KEY` on an index that is built before; none for `EXCLUDE`, and for what no index takes over.
fn unique(words: Words<'_>, named: Option<&str>, table: &TableName) -> Option<String> {
    let mut rest = words;
    let (kind, what) = if rest.eat("UNIQUE") {
        ("UNIQUE", "key")
    } else if rest.eat_all(&["PRIMARY", "KEY"]) {
        ("PRIMARY KEY", "pkey")
    } else {
        return None;
    };
    let nulls = if rest.eat_all(&["NULLS", "NOT", "DISTINCT"]) { " NULLS NOT DISTINCT" } else { "" };
    rest.eat_all(&["NULLS", "DISTINCT"]);
    let list = rest.eat_parenthesis()?;
    let include =
        if rest.eat("INCLUDE") { format!(" INCLUDE ({})", rest.eat_parenthesis()?.all()) } else { String::new() };
    if rest.is_any(&["WITH", "USING"]) || list.have(&["WITHOUT", "OVERLAPS"]) {
        return None;
    }
    let own = || {
        if what == "pkey" {
            safe::own_name(table, &[], what)
        } else {
            safe::own_name(table, &safe::columns(list), what)
        }
    };
    let constraint = named.map_or_else(own, str::to_owned);
    Some(safe::using_index(table, &constraint, kind, &format!("({}){include}{nulls}", list.all()), rest.all()))
}

/// The table that a foreign key refers to.
pub(super) fn references(words: Words<'_>, fact: &'static Fact, own: &TableName, reader: &mut Reader<'_>) {
    for mut at in words.outside_parentheses() {
        if at.eat("REFERENCES") {
            let start = at;
            if let Some(referenced) = at.name().filter(|referenced| referenced != own) {
                reader.put(fact, referenced, Table, start);
            }
        }
    }
}
