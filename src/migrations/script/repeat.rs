//! Whether the one statement of a no-transaction file can be run again after a crash. In: its words. Out: why not, with
//! the form that can.

use super::classify::{Outside, StatementKind};
use super::directive::NO_TRANSACTION;
use super::words::Words;

/// Why a statement cannot be repeated outside a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRepeatable {
    /// A concurrent index whose name PostgreSQL chooses: a repeat would build a second one.
    UnnamedIndex,
    /// A DROP that fails where its work is done.
    WithoutIfExists {
        /// The command.
        statement: String,
    },
    /// A CREATE or ADD that fails where its work is done.
    WithoutIfNotExists {
        /// The command.
        statement: String,
    },
    /// There is no form of it that could be repeated.
    NoForm(Outside),
    /// It needs no directive, and without one a crash undoes it.
    Transactional {
        /// The command.
        statement: String,
    },
}

impl NotRepeatable {
    /// Says what is wrong.
    pub fn message(&self) -> String {
        let statement = match self {
            NotRepeatable::UnnamedIndex => "CREATE INDEX CONCURRENTLY without a name",
            NotRepeatable::NoForm(outside) => outside.name(),
            NotRepeatable::WithoutIfExists { statement } => {
                return format!("{statement} without IF EXISTS {UNSAFE}");
            }
            NotRepeatable::WithoutIfNotExists { statement } => {
                return format!("{statement} without IF NOT EXISTS {UNSAFE}");
            }
            NotRepeatable::Transactional { statement } => statement,
        };
        format!("{statement} {UNSAFE}")
    }

    /// Gives the repeatable form.
    pub fn hint(&self) -> String {
        match self {
            NotRepeatable::UnnamedIndex => "give the index a name: CREATE INDEX CONCURRENTLY name ON …".to_owned(),
            NotRepeatable::WithoutIfExists { .. } => "add IF EXISTS".to_owned(),
            NotRepeatable::WithoutIfNotExists { .. } => "add IF NOT EXISTS".to_owned(),
            NotRepeatable::NoForm(outside) => outside.hint().to_owned(),
            NotRepeatable::Transactional { .. } => {
                format!("remove the directive {NO_TRANSACTION}: in a transaction, a crash undoes the statement")
            }
        }
    }
}

const UNSAFE: &str = "cannot safely be repeated after a crash outside a transaction";

/// Judges the statement; `kind` is its classification.
///
/// # Errors
/// [`NotRepeatable`] with the form that can be repeated.
pub(super) fn check_repeatable(words: Words<'_>, kind: StatementKind) -> Result<(), NotRepeatable> {
    let mut rest = words;
    rest.skip();
    let first = words.word().unwrap_or_default().to_ascii_uppercase();
    match (first.as_str(), kind) {
        ("VACUUM" | "ANALYZE" | "ANALYSE" | "REINDEX" | "CALL" | "CLUSTER" | "CHECKPOINT", _) => Ok(()),
        ("REFRESH", _) if rest.is("MATERIALIZED") => Ok(()),
        ("CREATE", _) => check_create(rest, kind, words),
        ("DROP", _) => check_drop(rest, kind, words),
        ("ALTER", _) => check_alter(rest, kind, words),
        (_, StatementKind::Outside(outside)) => Err(NotRepeatable::NoForm(outside)),
        _ => Err(transactional(words)),
    }
}

fn check_create(mut rest: Words<'_>, kind: StatementKind, words: Words<'_>) -> Result<(), NotRepeatable> {
    rest.eat("UNIQUE");
    let index = rest.eat("INDEX");
    let concurrently = rest.eat("CONCURRENTLY");
    if index && concurrently {
        return if rest.is("ON") { Err(NotRepeatable::UnnamedIndex) } else { Ok(()) };
    }
    match kind {
        StatementKind::Outside(outside) => Err(NotRepeatable::NoForm(outside)),
        _ if rest.is("OR") || rest.have(&["IF", "NOT", "EXISTS"]) => Ok(()),
        _ => Err(transactional(words)),
    }
}

fn check_drop(rest: Words<'_>, kind: StatementKind, words: Words<'_>) -> Result<(), NotRepeatable> {
    match kind {
        _ if rest.have(&["IF", "EXISTS"]) => Ok(()),
        StatementKind::Outside(outside) => Err(NotRepeatable::WithoutIfExists { statement: outside.name().to_owned() }),
        _ => Err(transactional(words)),
    }
}

fn check_alter(mut rest: Words<'_>, kind: StatementKind, words: Words<'_>) -> Result<(), NotRepeatable> {
    match kind {
        StatementKind::Outside(Outside::AlterSystem | Outside::AlterDatabaseTablespace) => {
            return Ok(());
        }
        StatementKind::Outside(Outside::AlterSubscription) if rest.have(&["REFRESH"]) || rest.have(&["SET"]) => {
            return Ok(());
        }
        // Halfway through, the statement itself refuses to go on: FINALIZE must.
        StatementKind::Outside(outside) => return Err(NotRepeatable::NoForm(outside)),
        _ => {}
    }
    if rest.eat("TYPE") && rest.name().is_some() && rest.eat_all(&["ADD", "VALUE"]) {
        let statement = "ALTER TYPE … ADD VALUE".to_owned();
        let safe = rest.is("IF");
        return if safe { Ok(()) } else { Err(NotRepeatable::WithoutIfNotExists { statement }) };
    }
    let safe = rest.eat("TABLE") && rest.eat_table() && !rest.is_cut() && actions_repeat(rest);
    if safe { Ok(()) } else { Err(transactional(words)) }
}

/// Says whether every action of an ALTER TABLE finds its work done when repeated.
fn actions_repeat(words: Words<'_>) -> bool {
    let starts = words.outside_parentheses().filter_map(|mut words| words.eat_sign(",").then_some(words));
    std::iter::once(words).chain(starts).all(action_repeats)
}

fn action_repeats(mut action: Words<'_>) -> bool {
    if action.eat("VALIDATE") {
        return action.is("CONSTRAINT");
    }
    if action.eat("ADD") {
        action.eat("COLUMN");
        return action.eat_all(&["IF", "NOT", "EXISTS"]);
    }
    if action.eat("DROP") {
        action.eat_any(&["COLUMN", "CONSTRAINT"]);
        return action.eat_all(&["IF", "EXISTS"]);
    }
    action.eat_all(&["DETACH", "PARTITION"]) && action.name().is_some() && action.is("FINALIZE")
}

/// Names the statement by its command: one word, or two where the first says little.
fn transactional(mut words: Words<'_>) -> NotRepeatable {
    let first = words.word().map(str::to_ascii_uppercase);
    let mut statement = first.unwrap_or_else(|| "this statement".to_owned());
    words.skip();
    if matches!(statement.as_str(), "CREATE" | "DROP" | "ALTER") {
        words.eat_any(&["UNIQUE", "UNLOGGED", "FOREIGN", "MATERIALIZED", "TEMP", "TEMPORARY"]);
        if let Some(what) = words.word() {
            statement = format!("{statement} {}", what.to_ascii_uppercase());
        }
    }
    NotRepeatable::Transactional { statement }
}

#[cfg(test)]
mod tests {
    use crate::migrations::script::{Rule, judge};

    fn refusal(statement: &str) -> Option<String> {
        let judgement = judge(&format!("-- schemagate: no-transaction\n{statement};"));
        assert!(judgement.refusals.len() <= 1);
        let refusal = judgement.refusals.first()?;
        assert!(matches!(refusal.rule, Rule::NotRepeatable(_)), "{refusal:?}");
        Some(format!("{} | {}", refusal.rule.message(), refusal.rule.hint()))
    }

    #[test]
    fn repeatable_statements_are_let_through() {
        for statement in [
            "create index concurrently i on t (a)",
            "create unique index concurrently if not exists i on t (a)",
            "create index if not exists i on t (a)",
            "create or replace view v as select 1",
            "drop index concurrently if exists i",
            "drop table if exists t",
            "drop database if exists d",
            "drop subscription if exists s",
            "vacuum (analyze) t",
            "analyze t",
            "reindex table concurrently t",
            "call backfill()",
            "refresh materialized view concurrently v",
            "cluster t",
            "checkpoint",
            "alter system set work_mem = '1MB'",
            "alter type e add value if not exists 'x'",
            "alter table t validate constraint c",
            "alter table only s.t validate constraint c, drop constraint if exists d, add column if not exists x numeric(5, 2)",
            "alter table t detach partition p finalize",
            "alter subscription s refresh publication",
        ] {
            assert_eq!(refusal(statement), None, "{statement}");
        }
    }

    #[test]
    fn other_statements_are_refused_with_the_repeatable_form() {
        let lines: Vec<String> = [
            "create index concurrently on t (a)",
            "drop index concurrently i",
            "drop subscription s",
            "alter type e add value 'x'",
            "create database d",
            "alter table t detach partition p concurrently",
            "discard all",
            "insert into t values (1)",
            "create unique index i on t (a)",
            "alter table if exists t add column x int",
            "alter table t validate constraint c, add column x int",
            "with x as (select 1) select 1",
            "(select 1)",
        ]
        .into_iter()
        .map(|statement| refusal(statement).unwrap())
        .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        CREATE INDEX CONCURRENTLY without a name cannot safely be repeated after a crash outside a transaction | give the index a name: CREATE INDEX CONCURRENTLY name ON …
        DROP INDEX CONCURRENTLY without IF EXISTS cannot safely be repeated after a crash outside a transaction | add IF EXISTS
        DROP SUBSCRIPTION without IF EXISTS cannot safely be repeated after a crash outside a transaction | add IF EXISTS
        ALTER TYPE … ADD VALUE without IF NOT EXISTS cannot safely be repeated after a crash outside a transaction | add IF NOT EXISTS
        CREATE DATABASE cannot safely be repeated after a crash outside a transaction | create it before the migrations run; there is no form that could be repeated after a crash
        ALTER TABLE … DETACH PARTITION … CONCURRENTLY cannot safely be repeated after a crash outside a transaction | detach in a transaction, without CONCURRENTLY: the lock is brief, and is waited for in short attempts
        DISCARD ALL cannot safely be repeated after a crash outside a transaction | remove it: schemagate puts the session back after every migration
        INSERT cannot safely be repeated after a crash outside a transaction | remove the directive no-transaction: in a transaction, a crash undoes the statement
        CREATE INDEX cannot safely be repeated after a crash outside a transaction | remove the directive no-transaction: in a transaction, a crash undoes the statement
        ALTER TABLE cannot safely be repeated after a crash outside a transaction | remove the directive no-transaction: in a transaction, a crash undoes the statement
        ALTER TABLE cannot safely be repeated after a crash outside a transaction | remove the directive no-transaction: in a transaction, a crash undoes the statement
        WITH cannot safely be repeated after a crash outside a transaction | remove the directive no-transaction: in a transaction, a crash undoes the statement
        this statement cannot safely be repeated after a crash outside a transaction | remove the directive no-transaction: in a transaction, a crash undoes the statement
        "#);
    }
}
