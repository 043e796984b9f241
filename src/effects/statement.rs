//! Reads one statement. In: its words. Out: effects, one for each relation and action. Knows the facts by name alone.

use super::facts as f;
use super::way::{self, Way};
use super::{Claim, Effect, Fact, Known, LockMode, RelationKind, alter_table, names, rows, safe};
use crate::migrations::script::Words;
use crate::settings::TableName;

use RelationKind::{Index, MaterializedView, Table, View};

/// Where the effects of one statement go.
pub(super) struct Reader<'r> {
    /// Its text.
    pub(super) text: &'r str,
    /// The byte at which it starts, as its words count.
    base: usize,
    /// The server's major version.
    pub(super) version: u32,
    /// What ran before.
    pub(super) known: &'r Known,
    pub(super) found: &'r mut Vec<Effect>,
}

impl Reader<'_> {
    pub(super) fn put(&mut self, fact: &'static Fact, relation: TableName, kind: RelationKind, at: Words<'_>) {
        self.put_safe(fact, relation, kind, at, None);
    }

    pub(super) fn put_safe(
        &mut self,
        fact: &'static Fact,
        relation: TableName,
        kind: RelationKind,
        at: Words<'_>,
        safe: Option<String>,
    ) {
        self.put_way(fact, relation, kind, at, Way { sql: safe, words: None });
    }

    pub(super) fn put_way(
        &mut self,
        fact: &'static Fact,
        relation: TableName,
        kind: RelationKind,
        at: Words<'_>,
        way: Way,
    ) {
        let at = at.start().unwrap_or(self.base).saturating_sub(self.base);
        self.found.push(Effect::of(fact, relation, kind, at).with(way));
    }
}

pub(super) fn read(words: Words<'_>, text: &str, version: u32, known: &Known, found: &mut Vec<Effect>) {
    let mut reader = Reader { text, base: words.start().unwrap_or_default(), version, known, found };
    statement(words, &mut reader);
}

fn statement(words: Words<'_>, reader: &mut Reader<'_>) {
    let mut rest = words;
    rest.skip();
    match words.word().unwrap_or_default().to_ascii_uppercase().as_str() {
        "ALTER" => alter(rest, reader),
        "CREATE" => create(words, rest, reader),
        "DROP" => drop(rest, reader),
        "REINDEX" => reindex(rest, reader),
        "TRUNCATE" => truncate(rest, reader),
        "CLUSTER" => cluster(rest, reader),
        "VACUUM" | "ANALYZE" | "ANALYSE" => vacuum(words, reader),
        "REFRESH" => refresh(rest, reader),
        "COMMENT" => comment(rest, reader),
        "UPDATE" | "DELETE" | "INSERT" | "MERGE" => rows::change(words, reader),
        "WITH" => rows::with(rest, reader),
        "EXPLAIN" => rows::explained(words).into_iter().for_each(|words| statement(words, reader)),
        "COPY" => rows::copy(rest, reader),
        "LOCK" => lock(rest, reader),
        _ => {}
    }
}

fn alter(mut words: Words<'_>, reader: &mut Reader<'_>) {
    if words.eat("TABLE") {
        return alter_table::read(words, reader);
    }
    if words.eat("POLICY") {
        return on_table(words, &f::DROP_TRIGGER, reader);
    }
    if words.eat("TRIGGER") && words.have(&["RENAME", "TO"]) {
        return on_table(words, &f::RENAME, reader);
    }
    if words.eat("VIEW") {
        return alter_view(words, View, reader);
    }
    if words.eat_all(&["MATERIALIZED", "VIEW"]) {
        return alter_view(words, MaterializedView, reader);
    }
    if words.eat("INDEX") {
        words.eat_all(&["IF", "EXISTS"]);
        let at = words;
        let Some(index) = words.name() else { return };
        if words.is("RENAME") || words.is("RESET") || words.eat("SET") && words.token() == "(" {
            reader.put(&f::ALTER_INDEX, index, Index, at);
        }
    }
}

fn alter_view(mut words: Words<'_>, kind: RelationKind, reader: &mut Reader<'_>) {
    words.eat_all(&["IF", "EXISTS"]);
    let at = words;
    let Some(view) = words.name() else { return };
    let mut parameter = words;
    let parameter = parameter.eat_any(&["SET", "RESET"]) && parameter.token() == "(";
    let owned = words.is_any(&["RENAME", "OWNER"]) || words.have(&["SET", "SCHEMA"]);
    if kind == View || owned {
        reader.put(&f::ALTER_VIEW, view, kind, at);
    } else if parameter || words.is("CLUSTER") {
        reader.put(&f::STORAGE_PARAMETER, view, kind, at);
    }
}

fn create(all: Words<'_>, mut words: Words<'_>, reader: &mut Reader<'_>) {
    let replace = words.eat_all(&["OR", "REPLACE"]);
    let mut view = words;
    view.eat_any(&["TEMP", "TEMPORARY"]);
    view.eat("RECURSIVE");
    if replace && view.eat("VIEW") {
        let at = view;
        return view.name().into_iter().for_each(|name| reader.put(&f::REPLACE_VIEW, name, View, at));
    }
    let unique = words.eat("UNIQUE");
    if words.eat("INDEX") {
        return create_index(all, words, reader);
    }
    words.eat("CONSTRAINT");
    if !unique && words.eat("TRIGGER") {
        return on_table(words, &f::CREATE_TRIGGER, reader);
    }
    if words.eat("POLICY") {
        return on_table(words, &f::DROP_TRIGGER, reader);
    }
    if words.eat("RULE") {
        let to = words.outside_parentheses().find_map(|mut words| words.eat("TO").then_some(words));
        let Some(mut to) = to else { return };
        let at = to;
        let Some(table) = to.name() else { return };
        return reader.put(&f::DROP_TRIGGER, table, Table, at);
    }
    words.eat_any(&["UNLOGGED", "FOREIGN"]);
    if words.eat("TABLE") {
        create_table(words, reader);
    }
}

fn create_index(all: Words<'_>, mut words: Words<'_>, reader: &mut Reader<'_>) {
    let at = words;
    let concurrently = words.eat("CONCURRENTLY");
    words.eat_all(&["IF", "NOT", "EXISTS"]);
    let named = !words.is("ON");
    if named && words.identifier().is_none() || !words.eat("ON") {
        return;
    }
    let only = words.eat("ONLY");
    let Some(table) = words.name() else { return };
    if concurrently {
        return reader.put(&f::CREATE_INDEX_CONCURRENTLY, table, Table, all);
    }
    if only {
        return reader.put_way(&f::CREATE_INDEX_ON_ONLY, table, Table, all, Way::words(way::INDEX_ON_ONLY));
    }
    let safe = if named {
        safe::concurrently(reader.text, at, all, None)
    } else {
        own_index_name(&table, words).and_then(|own| safe::concurrently(reader.text, at, all, Some(&own)))
    };
    reader.put_way(&f::CREATE_INDEX, table, Table, all, Way::or(safe, way::NAME_INDEX));
}

/// The name that PostgreSQL gives an index without one; the words start behind the table.
fn own_index_name(table: &TableName, mut words: Words<'_>) -> Option<String> {
    if words.eat("USING") {
        words.skip();
    }
    let list = words.eat_parenthesis()?;
    let include = if words.eat("INCLUDE") { Some(words.eat_parenthesis()?) } else { None };
    names::given(table, &names::of_index(list, include)?, "idx")
}

/// The tables that a new one refers to, or is a part of.
fn create_table(mut words: Words<'_>, reader: &mut Reader<'_>) {
    words.eat_all(&["IF", "NOT", "EXISTS"]);
    let Some(own) = words.name() else { return };
    if words.eat_all(&["PARTITION", "OF"]) {
        let at = words;
        if let Some(parent) = words.name() {
            default_partition(&parent, words, at, reader);
            reader.put(&f::PARTITION_OF, parent, Table, at);
        }
    }
    for mut at in words.everywhere() {
        if at.eat("REFERENCES") {
            let start = at;
            if let Some(table) = at.name().filter(|table| *table != own) {
                reader.put(&f::REFERENCED, table, Table, start);
            }
        }
    }
}

/// The partition that may hold rows of a new one; the words start behind the names.
pub(super) fn default_partition(parent: &TableName, words: Words<'_>, at: Words<'_>, reader: &mut Reader<'_>) {
    let default = reader.known.default_of(parent).filter(|_| words.have(&["FOR", "VALUES"]));
    if let Some(default) = default.cloned() {
        reader.put(&f::DEFAULT_PARTITION, default, Table, at);
    }
}

fn on_table(words: Words<'_>, fact: &'static Fact, reader: &mut Reader<'_>) {
    let on = words.outside_parentheses().find_map(|mut words| words.eat("ON").then_some(words));
    let Some(mut on) = on else { return };
    let at = on;
    if let Some(table) = on.name() {
        reader.put(fact, table, Table, at);
    }
}

fn drop(mut words: Words<'_>, reader: &mut Reader<'_>) {
    if words.is_any(&["TRIGGER", "POLICY", "RULE"]) {
        return on_table(words, &f::DROP_TRIGGER, reader);
    }
    let (fact, kind) = if words.eat("INDEX") {
        let concurrently = words.eat("CONCURRENTLY");
        (if concurrently { &f::DROP_INDEX_CONCURRENTLY } else { &f::DROP_INDEX }, Index)
    } else if words.eat_all(&["MATERIALIZED", "VIEW"]) {
        (&f::DROP_VIEW, MaterializedView)
    } else if words.eat("VIEW") {
        (&f::DROP_VIEW, View)
    } else if words.eat("TABLE") {
        (&f::DROP_TABLE, Table)
    } else {
        return;
    };
    words.eat_all(&["IF", "EXISTS"]);
    names(words, |relation, at| reader.put(fact, relation, kind, at));
}

/// The names of a list.
fn names(mut words: Words<'_>, mut each: impl FnMut(TableName, Words<'_>)) {
    loop {
        words.eat("ONLY");
        let at = words;
        let Some(name) = words.name() else { return };
        each(name, at);
        words.eat_sign("*");
        if !words.eat_sign(",") {
            return;
        }
    }
}

fn reindex(mut words: Words<'_>, reader: &mut Reader<'_>) {
    let option = words.eat_parenthesis().and_then(|options| options.option_off("CONCURRENTLY"));
    let index = words.is("INDEX");
    if !index && !words.is("TABLE") {
        return;
    }
    words.skip();
    let concurrently = words.eat("CONCURRENTLY") || option == Some(false);
    let at = words;
    let Some(relation) = words.name() else { return };
    let kind = if index { Index } else { Table };
    let what = if index { "INDEX" } else { "TABLE" };
    let safe = safe::alone(&format!("REINDEX {what} CONCURRENTLY {}", safe::name(&relation)));
    match (concurrently, index) {
        (true, _) => reader.put(&f::REINDEX_CONCURRENTLY, relation, kind, at),
        (false, true) => reader.put_safe(&f::REINDEX_INDEX, relation, kind, at, Some(safe)),
        (false, false) => reader.put_safe(&f::REINDEX_TABLE, relation, kind, at, Some(safe)),
    }
}

fn truncate(mut words: Words<'_>, reader: &mut Reader<'_>) {
    words.eat("TABLE");
    names(words, |table, at| reader.put(&f::TRUNCATE, table, Table, at));
}

fn cluster(mut words: Words<'_>, reader: &mut Reader<'_>) {
    words.eat_parenthesis();
    words.eat("VERBOSE");
    let at = words;
    if let Some(table) = words.name() {
        reader.put(&f::CLUSTER, table, Table, at);
    }
}

fn vacuum(mut words: Words<'_>, reader: &mut Reader<'_>) {
    words.skip();
    let options = words.eat_parenthesis();
    let mut full = options.and_then(|options| options.option_off("FULL")) == Some(false);
    while words.is_any(&["FULL", "FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"]) {
        full |= words.is("FULL");
        words.skip();
    }
    let fact = if full { &f::CLUSTER } else { &f::VACUUM };
    for mut part in words.parts() {
        part.eat("ONLY");
        let at = part;
        if let Some(table) = part.name() {
            reader.put(fact, table, Table, at);
        }
    }
}

fn refresh(mut words: Words<'_>, reader: &mut Reader<'_>) {
    if !words.eat_all(&["MATERIALIZED", "VIEW"]) {
        return;
    }
    let concurrently = words.eat("CONCURRENTLY");
    let at = words;
    let Some(view) = words.name() else { return };
    if concurrently {
        return reader.put(&f::REFRESH_CONCURRENTLY, view, MaterializedView, at);
    }
    if words.have(&["NO", "DATA"]) {
        return reader.put(&f::REFRESH, view, MaterializedView, at);
    }
    let safe = format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {};", safe::name(&view));
    let way = Way { sql: Some(safe), words: Some(way::REFRESH) };
    reader.put_way(&f::REFRESH, view, MaterializedView, at, way);
}

fn comment(mut words: Words<'_>, reader: &mut Reader<'_>) {
    words.eat("ON");
    let column = words.is("COLUMN");
    if !column && !words.is("TABLE") {
        return;
    }
    words.skip();
    let at = words;
    let Some(name) = (if column { qualifier(&mut words) } else { words.name() }) else { return };
    reader.put(&f::COMMENT_ON, name, Table, at);
}

/// The table of a column that is written `table.column` or `schema.table.column`.
fn qualifier(words: &mut Words<'_>) -> Option<TableName> {
    let mut parts = vec![words.identifier()?];
    while words.eat_sign(".") {
        parts.push(words.identifier()?);
    }
    parts.pop();
    let table = parts.pop()?;
    Some(TableName::new(parts.pop().as_deref(), &table))
}

fn lock(mut words: Words<'_>, reader: &mut Reader<'_>) {
    words.eat("TABLE");
    let list = words;
    let mode = words.outside_parentheses().find_map(|mut words| words.eat("IN").then_some(words));
    let mode = mode.map_or(LockMode::AccessExclusive, |words| {
        let text = words.until(&["MODE"]).all().split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        LockMode::of_name(&text).unwrap_or(LockMode::AccessExclusive)
    });
    let fact = match mode {
        LockMode::AccessExclusive => &f::LOCK_TABLE,
        LockMode::Exclusive => &f::LOCK_TABLE_EXCLUSIVE,
        LockMode::ShareRowExclusive => &f::LOCK_TABLE_SHARE_ROW,
        LockMode::Share => &f::LOCK_TABLE_SHARE,
        // Weaker ones block neither reads nor writes.
        _ => return,
    };
    names(list, |table, at| reader.put(fact, table, Table, at));
}

/// Says whether a claim is more than [`Claim::No`].
pub(super) fn may(claim: Claim) -> bool {
    claim > Claim::No
}
