//! What a statement means for a transaction. In: its first words. Out: a [`StatementKind`]. Judges nothing.

use super::words::Words;

/// What a statement means for the transaction around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementKind {
    /// Opens, ends or alters the transaction; the text is the command.
    TransactionControl(&'static str),
    /// A savepoint, which stays inside the transaction.
    Savepoint,
    /// PostgreSQL refuses it inside a transaction.
    Outside(Outside),
    /// `COPY … FROM STDIN`.
    CopyFromStdin,
    /// `COPY … TO STDOUT`.
    CopyToStdout,
    /// Anything else.
    Other,
}

/// The statements that PostgreSQL refuses inside a transaction (`PreventInTransactionBlock` in its source).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the command that `name` gives")]
pub enum Outside {
    CreateIndexConcurrently,
    DropIndexConcurrently,
    ReindexConcurrently,
    ReindexMany,
    Vacuum,
    ClusterAll,
    DetachPartitionConcurrently,
    AlterSystem,
    AlterDatabaseTablespace,
    CreateDatabase,
    DropDatabase,
    CreateTablespace,
    DropTablespace,
    CreateSubscription,
    AlterSubscription,
    DropSubscription,
    DiscardAll,
}

impl Outside {
    /// Gives the command.
    pub fn name(self) -> &'static str {
        match self {
            Outside::CreateIndexConcurrently => "CREATE INDEX CONCURRENTLY",
            Outside::DropIndexConcurrently => "DROP INDEX CONCURRENTLY",
            Outside::ReindexConcurrently => "REINDEX CONCURRENTLY",
            Outside::ReindexMany => "REINDEX of a schema or database",
            Outside::Vacuum => "VACUUM",
            Outside::ClusterAll => "CLUSTER without a table",
            Outside::DetachPartitionConcurrently => "ALTER TABLE … DETACH PARTITION … CONCURRENTLY",
            Outside::AlterSystem => "ALTER SYSTEM",
            Outside::AlterDatabaseTablespace => "ALTER DATABASE … SET TABLESPACE",
            Outside::CreateDatabase => "CREATE DATABASE",
            Outside::DropDatabase => "DROP DATABASE",
            Outside::CreateTablespace => "CREATE TABLESPACE",
            Outside::DropTablespace => "DROP TABLESPACE",
            Outside::CreateSubscription => "CREATE SUBSCRIPTION",
            Outside::AlterSubscription => "ALTER SUBSCRIPTION with a refresh",
            Outside::DropSubscription => "DROP SUBSCRIPTION",
            Outside::DiscardAll => "DISCARD ALL",
        }
    }

    /// Gives the way out for a file without the directive.
    pub fn hint(self) -> &'static str {
        match self {
            Outside::CreateIndexConcurrently => {
                "make it the only statement of a file that starts with `-- schemagate: no-transaction`, \
                 and give the index a name"
            }
            Outside::DropIndexConcurrently
            | Outside::DropDatabase
            | Outside::DropTablespace
            | Outside::DropSubscription => {
                "make it the only statement of a file that starts with `-- schemagate: no-transaction`, with IF EXISTS"
            }
            Outside::DetachPartitionConcurrently => {
                "detach in a transaction, without CONCURRENTLY: the lock is brief, and is waited for in short attempts"
            }
            Outside::CreateDatabase | Outside::CreateTablespace => {
                "create it before the migrations run; there is no form that could be repeated after a crash"
            }
            Outside::CreateSubscription => {
                "create the slot on the publisher and subscribe WITH (create_slot = false), which a transaction allows"
            }
            Outside::DiscardAll => "remove it: schemagate puts the session back after every migration",
            Outside::ReindexConcurrently
            | Outside::ReindexMany
            | Outside::Vacuum
            | Outside::ClusterAll
            | Outside::AlterSystem
            | Outside::AlterDatabaseTablespace
            | Outside::AlterSubscription => {
                "make it the only statement of a file that starts with `-- schemagate: no-transaction`"
            }
        }
    }
}

/// Classifies a statement by its first words.
pub(super) fn classify(words: Words<'_>) -> StatementKind {
    use StatementKind::{CopyFromStdin, CopyToStdout, Other, Outside as Refused};
    let mut rest = words;
    rest.skip();
    let Some(first) = words.word() else {
        return Other;
    };
    match first.to_ascii_uppercase().as_str() {
        "INSERT" | "SELECT" | "UPDATE" | "DELETE" | "COMMENT" | "GRANT" => Other,
        "VACUUM" => Refused(Outside::Vacuum),
        "DISCARD" if rest.is("ALL") => Refused(Outside::DiscardAll),
        "REINDEX" => reindex(rest).map_or(Other, Refused),
        "CLUSTER" => cluster(rest).map_or(Other, Refused),
        "CREATE" => create(rest).map_or(Other, Refused),
        "DROP" => drop(rest).map_or(Other, Refused),
        "ALTER" => alter(rest).map_or(Other, Refused),
        "COPY" => match copies(rest) {
            Some(true) => CopyFromStdin,
            Some(false) => CopyToStdout,
            None => Other,
        },
        _ => transaction(words),
    }
}

fn transaction(mut words: Words<'_>) -> StatementKind {
    use StatementKind::{Other, Savepoint, TransactionControl};
    if words.is_any(&["SAVEPOINT", "RELEASE"]) {
        return Savepoint;
    }
    for (keyword, command) in [("BEGIN", "BEGIN"), ("END", "END"), ("ABORT", "ABORT")] {
        if words.eat(keyword) {
            return TransactionControl(command);
        }
    }
    if words.eat_all(&["START", "TRANSACTION"]) {
        return TransactionControl("START TRANSACTION");
    }
    if words.eat("COMMIT") {
        return TransactionControl(if words.is("PREPARED") { "COMMIT PREPARED" } else { "COMMIT" });
    }
    if words.eat("ROLLBACK") {
        let prepared = words.eat("PREPARED");
        words.eat_any(&["WORK", "TRANSACTION"]);
        return match (prepared, words.is("TO")) {
            (true, _) => TransactionControl("ROLLBACK PREPARED"),
            (false, true) => Savepoint,
            (false, false) => TransactionControl("ROLLBACK"),
        };
    }
    // `PREPARE transaction AS …` would be a statement of that name.
    if words.eat_all(&["PREPARE", "TRANSACTION"]) && words.is_literal() {
        return TransactionControl("PREPARE TRANSACTION");
    }
    if words.eat("SET") { set(words).map_or(Other, TransactionControl) } else { Other }
}

fn set(mut words: Words<'_>) -> Option<&'static str> {
    words.eat_any(&["SESSION", "LOCAL"]);
    if words.eat_all(&["SESSION", "CHARACTERISTICS"]) || words.eat_all(&["CHARACTERISTICS", "AS"]) {
        return Some("SET SESSION CHARACTERISTICS");
    }
    if words.eat("TRANSACTION") {
        let mode = words.is_any(&["ISOLATION", "READ", "NOT", "DEFERRABLE", "SNAPSHOT"]);
        return mode.then_some("SET TRANSACTION");
    }
    let name = words.identifier()?;
    let same = ["transaction_isolation", "transaction_read_only", "transaction_deferrable"].contains(&name.as_str());
    same.then_some("SET TRANSACTION")
}

fn reindex(mut words: Words<'_>) -> Option<Outside> {
    let option = words.eat_parenthesis().and_then(|options| options.option_off("CONCURRENTLY"));
    let many = words.is_any(&["SCHEMA", "DATABASE", "SYSTEM"]);
    words.skip();
    let concurrently = option == Some(false) || words.is("CONCURRENTLY");
    match (concurrently, many) {
        (true, _) => Some(Outside::ReindexConcurrently),
        (false, true) => Some(Outside::ReindexMany),
        (false, false) => None,
    }
}

fn cluster(mut words: Words<'_>) -> Option<Outside> {
    words.eat_parenthesis();
    words.eat("VERBOSE");
    words.is_end().then_some(Outside::ClusterAll)
}

fn create(mut words: Words<'_>) -> Option<Outside> {
    words.eat("UNIQUE");
    if words.eat_all(&["INDEX", "CONCURRENTLY"]) {
        return Some(Outside::CreateIndexConcurrently);
    }
    if words.is("DATABASE") {
        return Some(Outside::CreateDatabase);
    }
    if words.is("TABLESPACE") {
        return Some(Outside::CreateTablespace);
    }
    let off = |option| words.option_off(option) == Some(true);
    let slotless = off("create_slot") || off("connect");
    (words.is("SUBSCRIPTION") && !slotless).then_some(Outside::CreateSubscription)
}

fn drop(mut words: Words<'_>) -> Option<Outside> {
    if words.eat_all(&["INDEX", "CONCURRENTLY"]) {
        return Some(Outside::DropIndexConcurrently);
    }
    let kinds = [
        ("DATABASE", Outside::DropDatabase),
        ("TABLESPACE", Outside::DropTablespace),
        ("SUBSCRIPTION", Outside::DropSubscription),
    ];
    kinds.into_iter().find_map(|(keyword, outside)| words.is(keyword).then_some(outside))
}

fn alter(mut words: Words<'_>) -> Option<Outside> {
    if words.is("SYSTEM") {
        return Some(Outside::AlterSystem);
    }
    if words.eat("DATABASE") {
        words.identifier()?;
        return words.eat_all(&["SET", "TABLESPACE"]).then_some(Outside::AlterDatabaseTablespace);
    }
    if words.eat("SUBSCRIPTION") {
        words.identifier()?;
        let publication = words.eat_any(&["SET", "ADD", "DROP"]) && words.is("PUBLICATION");
        let refresh = words.is("REFRESH") || (publication && words.option_off("refresh") != Some(true));
        return refresh.then_some(Outside::AlterSubscription);
    }
    if words.eat("TABLE") && words.eat_table() && words.eat_all(&["DETACH", "PARTITION"]) {
        words.name()?;
        return words.is("CONCURRENTLY").then_some(Outside::DetachPartitionConcurrently);
    }
    None
}

/// Says whether data comes in (true) or goes out (false) over the connection. `STDIN` and `STDOUT` mean the same to
/// PostgreSQL; the direction is that of FROM and TO.
fn copies(words: Words<'_>) -> Option<bool> {
    words.outside_parentheses().find_map(|mut words| {
        let inward = words.is("FROM");
        let direction = words.eat_any(&["FROM", "TO"]);
        (direction && words.is_any(&["STDIN", "STDOUT"])).then_some(inward)
    })
}

impl Words<'_> {
    /// Takes the table after ALTER TABLE.
    pub(crate) fn eat_table(&mut self) -> bool {
        self.eat_all(&["IF", "EXISTS"]);
        self.eat("ONLY");
        let found = self.name().is_some();
        self.eat_sign("*");
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::script::Statements;

    fn kinds(sql: &str) -> Vec<StatementKind> {
        Statements::new(sql).map(|statement| statement.kind).collect()
    }

    #[test]
    fn transaction_control_is_recognised_in_every_spelling() {
        for (sql, command) in [
            ("begin", "BEGIN"),
            ("BEGIN ISOLATION LEVEL SERIALIZABLE", "BEGIN"),
            ("start /* c */ transaction", "START TRANSACTION"),
            ("commit and chain", "COMMIT"),
            ("end", "END"),
            ("abort", "ABORT"),
            ("rollback work", "ROLLBACK"),
            ("commit prepared 'x'", "COMMIT PREPARED"),
            ("rollback prepared 'x'", "ROLLBACK PREPARED"),
            ("prepare transaction 'x'", "PREPARE TRANSACTION"),
            ("set transaction read only", "SET TRANSACTION"),
            ("set local transaction isolation level serializable", "SET TRANSACTION"),
            ("set transaction_isolation = 'serializable'", "SET TRANSACTION"),
            ("set local \"transaction_read_only\" to on", "SET TRANSACTION"),
            ("set session characteristics as transaction read only", "SET SESSION CHARACTERISTICS"),
        ] {
            assert_eq!(kinds(sql), [StatementKind::TransactionControl(command)], "{sql}");
        }
    }

    #[test]
    fn savepoints_stay_inside_the_transaction() {
        let sql = "savepoint a; release savepoint a; release a; rollback to a; rollback work to savepoint a";
        assert_eq!(kinds(sql), [StatementKind::Savepoint; 5]);
    }

    #[test]
    fn what_postgresql_refuses_in_a_transaction_is_known() {
        for (sql, outside) in [
            ("create unique index concurrently on t (a)", Outside::CreateIndexConcurrently),
            ("drop index concurrently if exists i", Outside::DropIndexConcurrently),
            ("reindex table concurrently t", Outside::ReindexConcurrently),
            ("reindex (verbose, concurrently) index i", Outside::ReindexConcurrently),
            ("reindex (concurrently false) schema s", Outside::ReindexMany),
            ("reindex system d", Outside::ReindexMany),
            ("vacuum (full) t", Outside::Vacuum),
            ("cluster", Outside::ClusterAll),
            ("cluster (verbose)", Outside::ClusterAll),
            ("create database d", Outside::CreateDatabase),
            ("drop database if exists d", Outside::DropDatabase),
            ("create tablespace s location '/x'", Outside::CreateTablespace),
            ("drop tablespace s", Outside::DropTablespace),
            ("alter system reset all", Outside::AlterSystem),
            ("alter database d set tablespace s", Outside::AlterDatabaseTablespace),
            ("alter table if exists only a.t detach partition a.p concurrently", Outside::DetachPartitionConcurrently),
            ("create subscription s connection '' publication p", Outside::CreateSubscription),
            ("alter subscription s refresh publication", Outside::AlterSubscription),
            ("alter subscription s set publication p with (copy_data = false)", Outside::AlterSubscription),
            ("drop subscription s", Outside::DropSubscription),
            ("discard all", Outside::DiscardAll),
        ] {
            assert_eq!(kinds(sql), [StatementKind::Outside(outside)], "{sql}");
        }
    }

    #[test]
    fn what_a_transaction_allows_is_let_through() {
        for sql in [
            "create index i on t (a)",
            "create index if not exists concurrently_x on t (a)",
            "refresh materialized view concurrently v",
            "alter type e add value 'x'",
            "alter table t detach partition p",
            "alter table t detach partition p finalize",
            "alter database d set work_mem = '1MB'",
            "reindex table t",
            "reindex (concurrently off) table t",
            "cluster verbose t using i",
            "analyze",
            "discard temp",
            "prepare x as select 1",
            "prepare transaction as select 1",
            "set transaction_timeout = 0",
            "set session authorization x",
            "set constraints all deferred",
            "create subscription s connection '' publication p with (connect = false)",
            "create subscription s connection '' publication p with (slot_name = s, create_slot = off)",
            "alter subscription s set publication p with (refresh = false)",
            "alter subscription s disable",
            "copy t from '/tmp/x'",
            "copy (select 1) to program 'cat'",
            "do $$ begin commit; end $$",
            "(select 1)",
            "\"commit\"",
        ] {
            assert_eq!(kinds(sql), [StatementKind::Other], "{sql}");
        }
    }

    #[test]
    fn a_copy_over_the_connection_is_known_by_its_direction() {
        use StatementKind::{CopyFromStdin, CopyToStdout};
        assert_eq!(kinds("copy public.t (a, b) from stdin with (format csv)"), [CopyFromStdin]);
        assert_eq!(kinds("copy t from stdout"), [CopyFromStdin]);
        let long = format!("copy (select {} from x) to stdout", "1,".repeat(5000));
        assert_eq!(kinds(&long), [CopyToStdout]);
    }
}
