//! Reads an `ALTER TABLE`, action by action. In: the words behind `TABLE`. Out: effects.

use super::alter_column;
use super::facts as f;
use super::statement::{Reader, default_partition};
use super::way::{self, Way};
use super::{Fact, RelationKind::Table, names, safe};
use crate::migrations::script::Words;
use crate::settings::TableName;

pub(super) fn read(mut words: Words<'_>, reader: &mut Reader<'_>) {
    let if_exists = words.eat_all(&["IF", "EXISTS"]);
    let only = words.eat("ONLY");
    let Some(table) = words.name() else { return };
    words.eat_sign("*");
    let parts = words.parts();
    let several = parts.len() > 1;
    let before = reader.found.len();
    for part in parts {
        action(part, &table, reader);
    }
    // A rewrite stands for the whole statement, and would lose the other actions, or what the table's name is told with.
    for effect in reader.found.iter_mut().skip(before).filter(|effect| effect.safe.is_some()) {
        if several {
            effect.only_words(way::SPLIT);
        } else if if_exists {
            effect.only_words(way::IF_EXISTS);
        } else if only {
            let named = format!("ALTER TABLE {} ", safe::name(&table));
            let of_only = format!("ALTER TABLE ONLY {} ", safe::name(&table));
            effect.safe = effect.safe.take().map(|safe| lines_with(&safe, &named, &of_only));
        }
    }
}

/// The text with the heads of its lines replaced.
fn lines_with(text: &str, head: &str, by: &str) -> String {
    let line = |line: &str| line.strip_prefix(head).map_or_else(|| line.to_owned(), |rest| format!("{by}{rest}"));
    text.lines().map(line).collect::<Vec<_>>().join("\n")
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
        reader.put_way(&f::ATTACHED, part, Table, name_at, Way::words(way::ATTACH));
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
    let if_not_exists = words.eat_all(&["IF", "NOT", "EXISTS"]);
    let before = reader.found.len();
    alter_column::add(at, words, table, reader);
    // Where the column is there, nothing else is to be done either.
    for effect in reader.found.iter_mut().skip(before).filter(|effect| if_not_exists && effect.safe.is_some()) {
        effect.only_words(way::IF_NOT_EXISTS);
    }
}

fn add_constraint(at: Words<'_>, words: Words<'_>, named: Option<&str>, table: &TableName, reader: &mut Reader<'_>) {
    let not_valid = words.have(&["NOT", "VALID"]);
    let put = |reader: &mut Reader<'_>, fact, way| reader.put_way(fact, table.clone(), Table, at, way);
    let later = || {
        let name = named.map(str::to_owned).or_else(|| own_name(table, words));
        let sql = || name.map(|name| safe::not_valid(table, &name, words.all()));
        // What is never checked cannot be validated either.
        if not_valid || words.have(&["NOT", "ENFORCED"]) {
            Way::default()
        } else {
            Way::or(sql(), way::NAME_CONSTRAINT)
        }
    };
    if words.is("FOREIGN") {
        put(reader, if not_valid { &f::ADD_FOREIGN_KEY_NOT_VALID } else { &f::ADD_FOREIGN_KEY }, later());
        let referenced = if not_valid { &f::REFERENCED } else { &f::REFERENCED_CHECKED };
        return references(words, referenced, table, reader);
    }
    if words.is_any(&["CHECK", "NOT"]) {
        return put(reader, if not_valid { &f::ADD_NOT_VALID } else { &f::ADD_CHECK }, later());
    }
    let primary = words.is("PRIMARY");
    if words.have(&["USING", "INDEX"]) && !words.have(&["USING", "INDEX", "TABLESPACE"]) {
        let fact = if primary { &f::ADD_PRIMARY_KEY_USING_INDEX } else { &f::ADD_UNIQUE_USING_INDEX };
        return put(reader, fact, Way::default());
    }
    let exclude = words.is("EXCLUDE");
    let way = if exclude { Way::default() } else { Way::or(unique(words, named, table), way::UNIQUE) };
    put(reader, &f::ADD_UNIQUE, way);
}

/// The name that a CHECK, a foreign key or a NOT NULL gets from PostgreSQL.
fn own_name(table: &TableName, mut words: Words<'_>) -> Option<String> {
    if words.eat("CHECK") {
        return names::given(table, &names::of_check(words.eat_parenthesis()?, table)?, "check");
    }
    if words.eat_all(&["FOREIGN", "KEY"]) {
        return names::given(table, &names::columns(words.eat_parenthesis()?)?, "fkey");
    }
    let column = if words.eat_all(&["NOT", "NULL"]) { words.identifier()? } else { return None };
    names::given(table, &[column], "not_null")
}

/// `UNIQUE` or `PRIMARY KEY` on an index that is built before; none for what no index takes over.
fn unique(words: Words<'_>, named: Option<&str>, table: &TableName) -> Option<String> {
    let mut rest = words;
    let kind = if rest.eat("UNIQUE") {
        "UNIQUE"
    } else if rest.eat_all(&["PRIMARY", "KEY"]) {
        "PRIMARY KEY"
    } else {
        return None;
    };
    let nulls = if rest.eat_all(&["NULLS", "NOT", "DISTINCT"]) { " NULLS NOT DISTINCT" } else { "" };
    rest.eat_all(&["NULLS", "DISTINCT"]);
    let list = rest.eat_parenthesis()?;
    let include = if rest.eat("INCLUDE") { Some(rest.eat_parenthesis()?) } else { None };
    if rest.is_any(&["WITH", "USING"]) || list.everywhere().any(is_overlaps) {
        return None;
    }
    let own = || {
        if kind == "UNIQUE" {
            names::given(table, &names::of_index(list, include)?, "key")
        } else {
            names::given(table, &[], "pkey")
        }
    };
    let constraint = named.map(str::to_owned).or_else(own)?;
    let include = include.map(|include| format!(" INCLUDE ({})", include.all())).unwrap_or_default();
    Some(safe::using_index(table, &constraint, kind, &format!("({}){include}{nulls}", list.all()), rest.all()))
}

fn is_overlaps(mut words: Words<'_>) -> bool {
    words.eat_all(&["WITHOUT", "OVERLAPS"])
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
