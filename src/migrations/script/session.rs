//! What a statement may leave behind for the next file. In: words. Out: whether it can leave anything in the session, make
//! a constraint that can be deferred, or do what it does not say. Where it is in doubt it says so: then all is put back.

use super::words::Words;

/// Says whether a statement leaves the session as it was: settings, role, temporary tables, prepared statements, cursors,
/// sequences. Definitions do; whatever runs a query, a function or a body may not. Event triggers are the caller's to know.
pub(super) fn keeps_session(words: Words<'_>) -> bool {
    let mut rest = words;
    rest.skip();
    match words.word().unwrap_or_default().to_ascii_uppercase().as_str() {
        "COMMENT" | "GRANT" | "REVOKE" | "DROP" => true,
        "CREATE" => creates(rest),
        "ALTER" => rest.is_any(&["TABLE", "INDEX", "TYPE", "DOMAIN", "SEQUENCE", "VIEW", "FUNCTION"]) && !fills(rest),
        _ => false,
    }
}

/// More words than these stand outside the parentheses of no table's definition.
const LONGEST: usize = 100;

fn creates(mut words: Words<'_>) -> bool {
    words.eat_all(&["OR", "REPLACE"]);
    words.eat_any(&["UNLOGGED", "UNIQUE"]);
    if words.is("TABLE") {
        let temporary = words.everywhere().any(|words| words.is("pg_temp"));
        // What stands outside parentheses is kept even of a long definition.
        let endless = words.is_cut() && words.outside_parentheses().count() > LONGEST;
        return !temporary && !endless && !words.have(&["AS"]);
    }
    words.is_any(&["INDEX", "TYPE", "DOMAIN", "SEQUENCE", "VIEW", "SCHEMA", "FUNCTION", "TRIGGER", "POLICY"])
        && !words.everywhere().any(|words| words.is("pg_temp"))
}

/// Whether the rows that are there are given values: a default may call a function, and a serial column counts on.
fn fills(words: Words<'_>) -> bool {
    const FILLS: &[&str] = &[
        "DEFAULT",
        "SERIAL",
        "BIGSERIAL",
        "SMALLSERIAL",
        "SERIAL4",
        "SERIAL8",
        "SERIAL2",
        "USING",
        "GENERATED",
        "CHECK",
    ];
    words.is_cut() || words.everywhere().any(|words| words.is_any(FILLS))
}

/// Says whether a statement may make a constraint that can be deferred.
pub(super) fn may_defer(words: Words<'_>) -> bool {
    words.is_cut() || words.everywhere().any(|words| words.is_any(&["DEFERRABLE", "DEFERRED"]))
}

/// Says whether a statement may define things that it does not name: it runs code, or makes code run.
pub(super) fn runs_unseen(mut words: Words<'_>) -> bool {
    words.is_any(&["DO", "CALL", "SELECT", "WITH", "EXECUTE"])
        || (words.eat("CREATE") && words.is_any(&["EVENT", "EXTENSION"]))
}

#[cfg(test)]
mod tests {
    use super::super::judge;

    #[test]
    fn definitions_keep_the_session_and_what_runs_something_may_not() {
        for keeps in [
            "create table a (id int primary key, b text default now()); create index i on a (lower(b));",
            "create unique index if not exists i on a (b); comment on table a is 'set x'; drop table b cascade",
            "alter table a add column c text; alter table a add constraint k foreign key (b) references c",
            "create or replace view v as select set_config('a.b', 'c', false); create type t as enum ('a')",
            "create function f() returns int language sql as 'select 1'; create trigger g before insert on a execute function f()",
            "grant select on a to b; create schema s; create sequence q",
        ] {
            assert!(judge(keeps).keeps_session, "{keeps}");
        }
        for changes in [
            "set search_path = x",
            "create temp table t (x int)",
            "create temporary table t (x int)",
            "create local temp table t (x int)",
            "create table pg_temp.t (x int)",
            "create table t as select set_config('a.b', 'c', false)",
            "create materialized view m as select nextval('q')",
            "insert into a values (1)",
            "select 1",
            "do $$begin end$$",
            "alter table a add column c int default f()",
            "alter table a add column c serial",
            "alter table a alter column c type int using f(c)",
            "alter database a set x = 1",
            "create event trigger e on ddl_command_start execute function f()",
            "create extension citext",
            "create table a (); set role b",
            "prepare p as select 1",
            "listen a",
        ] {
            assert!(!judge(changes).keeps_session, "{changes}");
        }
    }

    #[test]
    fn what_may_defer_a_constraint_is_seen() {
        for defers in [
            "create table a (b int references c deferrable initially deferred)",
            "alter table a alter constraint k deferrable",
            "set constraints all deferred",
        ] {
            assert!(judge(defers).may_defer, "{defers}");
        }
        for unseen in [
            "do $$begin execute 'x'; end$$",
            "select f()",
            "create event trigger e on ddl_command_end execute function f()",
        ] {
            assert!(judge(unseen).runs_unseen, "{unseen}");
        }
        assert!(!judge("create table a (); insert into a default values; drop table a").runs_unseen);
        assert!(!judge("create table a (b int); insert into a values (1); update a set b = 2").may_defer);
    }

    #[test]
    fn a_statement_whose_end_is_not_kept_is_in_doubt() {
        let columns: String = (0..20_000).map(|number| format!("c{number} int, ")).collect();
        let long = format!("alter table a {}", columns.replace("c", "add column c"));
        assert!(!judge(&long).keeps_session);
        // Inside parentheses nothing of a table's definition runs.
        assert!(judge(&format!("create table a ({columns}z int)")).keeps_session);
        assert!(judge(&format!("create table a ({columns}z int)")).may_defer);
    }
}
