//! What a file makes, as far as its statements say it: objects made, dropped and renamed, whether it claims to be safe to
//! run again, and what of it reaches beyond its database. In: a text. Out: a [`Survey`]. What a `DO` block or a function
//! does is not seen. Refuses nothing.

use super::statements::{Piece, Splitter};
use super::words::Words;
use crate::settings::TableName;

/// A kind of object that a migration can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A table, partitioned, foreign or plain.
    Table,
    /// An index.
    Index,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A sequence.
    Sequence,
    /// A type or a domain.
    Type,
    /// A function, procedure or aggregate, by its name alone.
    Routine,
    /// A trigger of a table.
    Trigger,
    /// A row policy of a table.
    Policy,
    /// A constraint of a table.
    Constraint,
    /// A schema.
    Schema,
    /// An extension.
    Extension,
}

impl ObjectKind {
    /// The word people use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Index => "index",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Sequence => "sequence",
            Self::Type => "type",
            Self::Routine => "function",
            Self::Trigger => "trigger",
            Self::Policy => "policy",
            Self::Constraint => "constraint",
            Self::Schema => "schema",
            Self::Extension => "extension",
        }
    }

    /// Whether it lies in the namespace that tables, indexes, views and sequences share.
    pub fn is_relation(self) -> bool {
        matches!(self, Self::Table | Self::Index | Self::View | Self::MaterializedView | Self::Sequence)
    }
}

/// An object as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: TableName,
    /// The table that it belongs to; of a partition, its parent.
    pub table: Option<TableName>,
}

/// What one statement does to the objects of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Makes it.
    Created(Object),
    /// Drops it; with CASCADE, what depends on it too.
    Dropped {
        /// It.
        object: Object,
        /// Whether the statement says CASCADE.
        cascade: bool,
    },
    /// Gives it another name.
    Renamed {
        /// It, by its old name.
        object: Object,
        /// Its new name.
        to: String,
    },
    /// Puts it into another schema.
    Moved {
        /// It.
        object: Object,
        /// The schema.
        schema: String,
    },
}

/// A statement that changes more than its own database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beyond {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its first words.
    pub statement: String,
}

/// What a file makes and claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the order of the statements.
    pub changes: Vec<Change>,
    /// Whether every statement is written so that it can be run again, and one at least says so by `IF NOT EXISTS`,
    /// `IF EXISTS` or `OR REPLACE`.
    pub claims_idempotency: bool,
    /// What would change the whole server.
    pub beyond: Vec<Beyond>,
}

/// Surveys a text; `drizzle` where breakpoints end its statements.
pub fn survey(sql: &str, drizzle: bool) -> Survey {
    let mut splitter = if drizzle { Splitter::of_chunks(sql) } else { Splitter::new(sql) };
    let mut survey = Survey::default();
    let (mut claims, mut contradicts) = (false, false);
    while let Some(piece) = splitter.next_piece() {
        let Piece::Statement { place, .. } = piece else { continue };
        let words = splitter.words();
        match claim(words, &survey.changes) {
            Claim::Idempotent => claims = true,
            Claim::Neutral => {}
            Claim::Once => contradicts = true,
        }
        if reaches_beyond(words) {
            survey.beyond.push(Beyond { line: place.line, statement: first_words(words) });
        }
        changes(words, &mut survey.changes);
    }
    survey.claims_idempotency = claims && !contradicts;
    survey
}

fn first_words(mut words: Words<'_>) -> String {
    const SHOWN: usize = 4;
    let mut shown = Vec::new();
    while shown.len() < SHOWN && !words.token().is_empty() {
        shown.push(words.token().to_owned());
        words.skip();
    }
    shown.join(" ")
}

fn changes(mut words: Words<'_>, out: &mut Vec<Change>) {
    if words.eat("CREATE") {
        out.extend(created(words).map(Change::Created));
    } else if words.eat("DROP") {
        dropped(words, out);
    } else if words.eat("ALTER") {
        altered(words, out);
    }
}

fn created(mut words: Words<'_>) -> Option<Object> {
    words.eat_all(&["OR", "REPLACE"]);
    words.eat_any(&["GLOBAL", "LOCAL"]);
    if words.is_any(&["TEMP", "TEMPORARY"]) {
        return None;
    }
    words.eat_any(&["UNLOGGED", "FOREIGN", "RECURSIVE", "UNIQUE", "CONSTRAINT"]);
    let kind = kind(&mut words)?;
    words.eat("CONCURRENTLY");
    words.eat_all(&["IF", "NOT", "EXISTS"]);
    if (kind == ObjectKind::Index && words.is("ON")) || (kind == ObjectKind::Schema && words.is("AUTHORIZATION")) {
        // PostgreSQL chooses its name, or the role gives it.
        return None;
    }
    let name = words.name().filter(|name| name.schema() != Some("pg_temp"))?;
    let table = match kind {
        ObjectKind::Table => after(words, &["PARTITION", "OF"]),
        ObjectKind::Index | ObjectKind::Trigger | ObjectKind::Policy => after(words, &["ON"]),
        _ => None,
    };
    Some(Object { kind, name, table })
}

/// Takes the word for a kind of object.
fn kind(words: &mut Words<'_>) -> Option<ObjectKind> {
    const KINDS: &[(&[&str], ObjectKind)] = &[
        (&["TABLE"], ObjectKind::Table),
        (&["INDEX"], ObjectKind::Index),
        (&["MATERIALIZED", "VIEW"], ObjectKind::MaterializedView),
        (&["VIEW"], ObjectKind::View),
        (&["SEQUENCE"], ObjectKind::Sequence),
        (&["TYPE"], ObjectKind::Type),
        (&["DOMAIN"], ObjectKind::Type),
        (&["FUNCTION"], ObjectKind::Routine),
        (&["PROCEDURE"], ObjectKind::Routine),
        (&["AGGREGATE"], ObjectKind::Routine),
        (&["ROUTINE"], ObjectKind::Routine),
        (&["TRIGGER"], ObjectKind::Trigger),
        (&["POLICY"], ObjectKind::Policy),
        (&["SCHEMA"], ObjectKind::Schema),
        (&["EXTENSION"], ObjectKind::Extension),
    ];
    KINDS.iter().find(|(keywords, _)| words.eat_all(keywords)).map(|(_, kind)| *kind)
}

/// The name that follows these keywords, wherever they stand outside parentheses.
fn after(words: Words<'_>, keywords: &[&str]) -> Option<TableName> {
    let mut rest = words.outside_parentheses().find_map(|mut words| words.eat_all(keywords).then_some(words))?;
    rest.eat("ONLY");
    rest.name()
}

fn dropped(mut words: Words<'_>, out: &mut Vec<Change>) {
    words.eat("FOREIGN");
    let Some(kind) = kind(&mut words) else { return };
    words.eat("CONCURRENTLY");
    words.eat_all(&["IF", "EXISTS"]);
    let cascade = words.have(&["CASCADE"]);
    while let Some(name) = words.name() {
        words.eat_parenthesis();
        let table = if words.eat("ON") { words.name() } else { None };
        out.push(Change::Dropped { object: Object { kind, name, table }, cascade });
        if !words.eat_sign(",") {
            return;
        }
    }
}

fn altered(mut words: Words<'_>, out: &mut Vec<Change>) {
    words.eat("FOREIGN");
    let Some(kind) = kind(&mut words) else { return };
    words.eat_all(&["IF", "EXISTS"]);
    words.eat("ONLY");
    let Some(name) = words.name() else { return };
    words.eat_parenthesis();
    words.eat_sign("*");
    let table = if words.eat("ON") { words.name() } else { None };
    let object = Object { kind, name: name.clone(), table };
    if words.eat_all(&["RENAME", "CONSTRAINT"]) {
        let Some(from) = words.identifier() else { return };
        words.eat("TO");
        let constraint = Object { kind: ObjectKind::Constraint, name: TableName::new(None, &from), table: Some(name) };
        out.extend(words.identifier().map(|to| Change::Renamed { object: constraint, to }));
    } else if words.eat_all(&["RENAME", "TO"]) {
        out.extend(words.identifier().map(|to| Change::Renamed { object, to }));
    } else if words.eat_all(&["SET", "SCHEMA"]) {
        out.extend(words.identifier().map(|schema| Change::Moved { object, schema }));
    } else if kind == ObjectKind::Table {
        constraints(words, &name, out);
    }
}

/// The named constraints that an `ALTER TABLE` adds and drops.
fn constraints(words: Words<'_>, table: &TableName, out: &mut Vec<Change>) {
    for mut words in words.outside_parentheses() {
        let adds = words.eat_all(&["ADD", "CONSTRAINT"]);
        if !adds && !words.eat_all(&["DROP", "CONSTRAINT"]) {
            continue;
        }
        words.eat_all(&["IF", "EXISTS"]);
        let Some(name) = words.identifier() else { continue };
        let (kind, name, table) = (ObjectKind::Constraint, TableName::new(None, &name), Some(table.clone()));
        let object = Object { kind, name, table };
        let cascade = words.is("CASCADE");
        out.push(if adds { Change::Created(object) } else { Change::Dropped { object, cascade } });
    }
}

enum Claim {
    /// It says that it can be run again.
    Idempotent,
    /// It can be, whatever it says.
    Neutral,
    /// It cannot, or does not say so.
    Once,
}

fn claim(words: Words<'_>, before: &[Change]) -> Claim {
    let mut rest = words;
    rest.skip();
    match words.word().unwrap_or_default().to_ascii_uppercase().as_str() {
        "CREATE" if rest.eat_all(&["OR", "REPLACE"]) || words.have(&["IF", "NOT", "EXISTS"]) => Claim::Idempotent,
        "CREATE" => match created(rest) {
            // What the file dropped before it made it anew.
            Some(object) if before.iter().any(|change| drops(change, &object)) => Claim::Neutral,
            _ => Claim::Once,
        },
        "DROP" if words.have(&["IF", "EXISTS"]) => Claim::Idempotent,
        "DROP" => Claim::Once,
        "ALTER" => claim_of_alter(rest),
        "INSERT" if words.have(&["ON", "CONFLICT"]) => Claim::Neutral,
        "COMMENT" | "GRANT" | "REVOKE" | "SET" | "RESET" | "SELECT" | "ANALYZE" => Claim::Neutral,
        _ => Claim::Once,
    }
}

fn drops(change: &Change, wanted: &Object) -> bool {
    matches!(change, Change::Dropped { object, .. } if object.kind == wanted.kind && object.name == wanted.name)
}

fn claim_of_alter(words: Words<'_>) -> Claim {
    let mut claim = Claim::Neutral;
    for mut words in words.outside_parentheses() {
        if words.eat("ADD") {
            words.eat_any(&["COLUMN", "VALUE"]);
            if !words.is("IF") {
                return Claim::Once;
            }
            claim = Claim::Idempotent;
        } else if words.eat("DROP") {
            words.eat_any(&["COLUMN", "CONSTRAINT"]);
            if words.is("IF") {
                claim = Claim::Idempotent;
            } else if !words.is_any(&["NOT", "DEFAULT", "IDENTITY", "EXPRESSION"]) {
                return Claim::Once;
            }
        } else if words.is_any(&["RENAME", "ATTACH", "DETACH"]) {
            return Claim::Once;
        }
    }
    claim
}

/// Whether a statement changes the whole server, or a database by its name: roles, tablespaces, the server's settings.
fn reaches_beyond(mut words: Words<'_>) -> bool {
    const SHARED: &[&str] = &["ROLE", "USER", "GROUP", "DATABASE", "TABLESPACE", "SYSTEM", "SUBSCRIPTION"];
    match words.word().unwrap_or_default().to_ascii_uppercase().as_str() {
        "CREATE" | "ALTER" | "DROP" => {
            let drops = words.is("DROP");
            words.skip();
            let mut second = words;
            second.skip();
            (drops && words.is("OWNED")) || (words.is_any(SHARED) && !second.is("MAPPING"))
        }
        "REASSIGN" => true,
        "COMMENT" | "SECURITY" => {
            ["DATABASE", "ROLE", "TABLESPACE", "SUBSCRIPTION"].iter().any(|kind| words.have(&["ON", kind]))
        }
        "GRANT" | "REVOKE" => {
            let on = words.outside_parentheses().find_map(|mut words| words.eat("ON").then_some(words));
            on.is_none_or(|on| on.is_any(&["DATABASE", "TABLESPACE", "PARAMETER"]))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(sql: &str) -> Vec<String> {
        let shown = |change: &Change| match change {
            Change::Created(object) => format!("+{} {}", object.kind.name(), object.name),
            Change::Dropped { object, cascade } => {
                format!("-{} {}{}", object.kind.name(), object.name, if *cascade { " cascade" } else { "" })
            }
            Change::Renamed { object, to } => format!("{} {} -> {to}", object.kind.name(), object.name),
            Change::Moved { object, schema } => format!("{} {} => {schema}", object.kind.name(), object.name),
        };
        survey(sql, false).changes.iter().map(shown).collect()
    }

    #[test]
    fn what_is_made_is_known_by_kind_and_name() {
        let sql = "create table if not exists s.\"A b\" (x int); create temp table t (); create unlogged table u ();
            create unique index concurrently i on a (x); create index on a (x); create or replace view v as select 1;
            create materialized view m as select 1; create type mood as enum ('a'); create domain d as int;
            create or replace function f(a int) returns int language sql as 'select 1; drop table x';
            create constraint trigger g after update of a, b on s.t deferrable for each row execute function f();
            create schema if not exists q; create extension if not exists citext; create policy p on a using (true);
            alter table a add constraint c check (x > 0), drop constraint if exists k";
        assert_eq!(
            made(sql),
            [
                "+table s.A b",
                "+table u",
                "+index i",
                "+view v",
                "+materialized view m",
                "+type mood",
                "+type d",
                "+function f",
                "+trigger g",
                "+schema q",
                "+extension citext",
                "+policy p",
                "+constraint c",
                "-constraint k",
            ]
        );
        let trigger = survey("create trigger g before insert or update of a on s.t execute function f()", false);
        assert!(
            matches!(&trigger.changes[..], [Change::Created(object)] if object.table.as_ref().unwrap().table() == "t")
        );
    }

    #[test]
    fn what_is_dropped_and_renamed_is_known() {
        let sql = "drop table if exists a, s.b cascade; drop function f(int, text); drop trigger g on t;
            alter table only a rename to b; alter index i rename to j; alter table a set schema s;
            alter table a rename constraint k to l; alter table a rename column x to y";
        assert_eq!(
            made(sql),
            [
                "-table a cascade",
                "-table s.b cascade",
                "-function f",
                "-trigger g",
                "table a -> b",
                "index i -> j",
                "table a => s",
                "constraint k -> l",
            ]
        );
    }

    #[test]
    fn a_file_claims_idempotency_where_all_of_it_does() {
        for claims in [
            "create table if not exists a (); create index if not exists i on a (x); comment on table a is 'x'",
            "create or replace function f() returns int language sql as 'select 1'; grant select on a to b",
            "drop trigger if exists g on a; create trigger g before insert on a execute function f()",
            "alter table a add column if not exists x int, alter column y drop not null",
            "insert into a values (1) on conflict do nothing; create table if not exists b ()",
        ] {
            assert!(survey(claims, false).claims_idempotency, "{claims}");
        }
        for once in [
            "create table a ()",
            "create table if not exists a (); create table b ()",
            "alter table a add column x int",
            "alter table a drop column x",
            "create table if not exists a (); insert into a values (1)",
            "comment on table a is 'x'",
            "create table if not exists a (); do $$begin end$$",
            "create trigger g before insert on a execute function f()",
        ] {
            assert!(!survey(once, false).claims_idempotency, "{once}");
        }
    }

    #[test]
    fn what_reaches_beyond_the_database_is_named() {
        for beyond in [
            "create role app",
            "alter database app set search_path = x",
            "alter system set work_mem = '1GB'",
            "grant admin to app",
            "grant connect on database app to reader",
            "comment on database app is 'x'",
            "drop owned by app",
            "create user app",
        ] {
            assert_eq!(survey(beyond, false).beyond.len(), 1, "{beyond}");
        }
        for within in [
            "create user mapping for app server s",
            "grant select on table a to reader",
            "grant usage on schema s to reader",
            "comment on table a is 'x'",
            "revoke all on function f(int) from public",
            "alter table a owner to app",
        ] {
            assert!(survey(within, false).beyond.is_empty(), "{within}");
        }
        assert_eq!(survey("select 1;\n\ncreate role a", false).beyond[0].line, 3);
    }
}
