//! The ways out, by what went wrong. In: a failure's facts. Out: what to do next, in words.

use crate::apply::{Cause, MigrationFailure, Phase};
use crate::postgres::server_error::QueryError;
use crate::postgres::soundness::Unsound;
use crate::protocol::QualificationError;
use crate::settings::TableName;
use crate::stop::StopReason;

pub(super) fn not_up_to_date_hints(pending: usize, unfit: usize, ahead: usize) -> Vec<String> {
    let hints = [
        (unfit, "`schemagate plan` says what does not fit and the way out"),
        (pending, "`schemagate up` applies what is pending"),
        (ahead, "a newer release has migrated this database: deploy that one, or check with its files"),
    ];
    hints.into_iter().filter(|(count, _)| *count > 0).map(|(_, hint)| hint.to_owned()).collect()
}

pub(super) fn pooler_hint(unpooled_url_set: bool) -> &'static str {
    if unpooled_url_set {
        "give a direct URL in SCHEMAGATE_DATABASE_URL; DATABASE_UNPOOLED_URL is set here and may be the one: \
         SCHEMAGATE_DATABASE_URL=${DATABASE_UNPOOLED_URL}"
    } else {
        "give a direct URL in SCHEMAGATE_DATABASE_URL (Neon: the host without `-pooler`; Supabase: port 5432, not \
         6543; Railway's PgBouncer template: DATABASE_UNPOOLED_URL)"
    }
}

pub(super) fn stop_hint(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Interrupt | StopReason::Terminate => "deploy again",
        StopReason::Deadline => "raise SCHEMAGATE_DEADLINE, or make less of it in one release; then deploy again",
    }
}

pub(super) fn unsound_hints(unsound: &Unsound) -> Vec<String> {
    let hints = [
        (
            unsound.invalid_indexes.is_empty(),
            "build an invalid index anew with REINDEX INDEX CONCURRENTLY, or drop it; one of a partitioned table becomes \
             valid once every partition's index is attached to it",
        ),
        (
            unsound.unvalidated_constraints.is_empty(),
            "put ALTER TABLE … VALIDATE CONSTRAINT … into the next migration; it lets reads and writes go on",
        ),
    ];
    hints.into_iter().filter(|(none, _)| !none).map(|(_, hint)| hint.to_owned()).collect()
}

pub(super) fn qualification_hint(error: &QualificationError) -> &'static str {
    match error {
        QualificationError::NotEmpty { .. } => "give --scratch-url a database of its own, without any object in it",
        QualificationError::Unsuitable { .. } => "give --scratch-url an empty database that nothing else uses",
        QualificationError::NoTarget { .. } => {
            "name the target in DATABASE_URL, or qualify in a database of its own: --scratch-url"
        }
        QualificationError::Beyond { .. } => {
            "roles, tablespaces and databases are shared by the whole server: qualify on a server that may be changed, with \
             --scratch-url; or make them outside the migrations"
        }
        QualificationError::MayNotMake { .. } => {
            "let it: ALTER ROLE … CREATEDB; or have an empty database made and name it in --scratch-url"
        }
        QualificationError::Unreadable { .. } => "make it readable, as UTF-8, and run again",
        QualificationError::Failed { .. } => "the steps say what was seen; mend it and qualify again",
    }
}

pub(super) fn cause_hint(cause: Cause) -> &'static str {
    match cause {
        Cause::EndedItsTransaction => {
            "take COMMIT, ROLLBACK and the like out of the file; compare the database with the file by hand first"
        }
        Cause::ChangedHistory => {
            "a migration must not change the history table, and no trigger, rule or row policy may change what is written \
             there"
        }
        Cause::NotRecorded => "a migration must not change the history table; compare the database by hand",
        Cause::IndexInvalid => "look into why the build ended, then deploy again: the index is dropped and built anew",
        Cause::IndexBeingBuilt => "wait for that build to end, then deploy again",
        Cause::IndexNotCompared => {
            "compare the two by hand: if it is another one, rename or drop it; if it is this one, grant TEMPORARY on the \
             database if that was missing, or drop it and let it be built anew; then deploy again"
        }
        Cause::PartOfOtherText => {
            "restore the file up to its COMMIT as it was deployed; what stands behind it may be changed"
        }
        Cause::IndexOfOtherDefinition => {
            "compare the two; drop the index that is there, or give the new one another name in a new file"
        }
    }
}

pub(super) fn migration_hint(failure: &MigrationFailure) -> String {
    let hint = match failure.error.sqlstate.as_str() {
        _ if failure.phase == Phase::Record && !failure.error.short_of_resources() => {
            "a migration must not change the history table; if another tool migrates this database too, let only one of \
             them do it"
        }
        "55P04" => {
            "a new enum value cannot be used in the transaction that adds it: set SCHEMAGATE_ATOMICITY=migration and \
             use it in a later file, or put it into a release of its own"
        }
        "53200" => {
            "the transaction needs more locks than the server has room for: set SCHEMAGATE_ATOMICITY=migration, or \
             raise max_locks_per_transaction"
        }
        "57014" => "the statement was cancelled: by statement_timeout (SCHEMAGATE_STATEMENT_TIMEOUT) or by a person",
        "42501" => "grant the privilege to this role, or run the migration as another one; then deploy again",
        "3F000" => {
            "the search_path names no schema that exists: set one (options=-c%20search_path=public in the URL), or write \
             the schema before each name"
        }
        "25006" => "the server took no writes: check that it is a primary, then deploy again",
        code if code.starts_with("53") || code == "58030" => {
            "the server is short of resources: mend that, then deploy again"
        }
        "23505" if failure.error.constraint.as_ref().is_some_and(|name| name.starts_with("pg_")) => {
            "another session made the same object at this moment: another tool migrates this database too; deploy again"
        }
        code if code.starts_with("23") => "the data and the file do not fit together: mend either, then deploy again",
        _ => "fix the file and deploy again",
    };
    hint.to_owned()
}

pub(super) fn own_hints(error: &QueryError, history: Option<&TableName>) -> Vec<String> {
    let hint = match error.sqlstate() {
        Some("42501") => return vec![grant_hint(error, history)],
        Some(code) if code.starts_with("22") || code.starts_with("23") => {
            "the history table takes no row of schemagate's: give it the columns version (integer or bigint, primary \
             key), name, applied_on and checksum (varchar(255)), and no other that must be filled"
        }
        Some("25006") => "the session is read-only: lift default_transaction_read_only",
        Some("57014") => "the statement was cancelled: by statement_timeout or by a person; deploy again",
        Some("55P03") => {
            "another session holds a lock on the history table: end it (pg_locks and pg_stat_activity show it), then \
             deploy again"
        }
        Some(code) if code.starts_with("53") => "the server is short of resources: mend that, then deploy again",
        Some("42601" | "42883") => "this may be a defect of schemagate: please report it with the lines above",
        Some(_) => "the database refuses what schemagate needs: mend what the server names, then deploy again",
        None => "deploy again",
    };
    vec![hint.to_owned()]
}

/// What keeps a run out of the audit trail, and so keeps the release out.
pub(super) fn trail_hints(error: &QueryError) -> Vec<String> {
    let hint = match error.sqlstate() {
        Some("42501") => {
            "GRANT SELECT, INSERT on __migration_runs__ to this role, and let no row policy stand in its way"
        }
        Some(code) if code.starts_with("53") => "the server is short of resources: mend that, then deploy again",
        Some(code) if code.starts_with("22") || code.starts_with("23") || code.starts_with("42") => {
            "a migration, a trigger or a rule must not change __migration_runs__: mend what the server names, or rename the \
             table, and the next run begins a new one"
        }
        _ => "deploy again",
    };
    vec![hint.to_owned()]
}

/// What to grant. The server's message names the object, but only in English.
fn grant_hint(error: &QueryError, history: Option<&TableName>) -> String {
    let message = error.server().map_or("", |error| error.message.as_str());
    let object = |kind: &str| message.strip_prefix("permission denied for ")?.strip_prefix(kind);
    if let Some(database) = object("database ") {
        return format!(
            "the schema of the history table is missing: CREATE SCHEMA … AUTHORIZATION this role, or GRANT CREATE ON \
             DATABASE {database} TO this role"
        );
    }
    if let Some(schema) = object("schema ") {
        return format!(
            "GRANT USAGE ON SCHEMA {schema} TO this role, and CREATE too where its history table is still to be made"
        );
    }
    if let Some(table) = object("table ") {
        let table = history.map_or_else(|| format!("the history table ({table})"), TableName::quoted);
        return format!("GRANT SELECT, INSERT ON {table} TO this role (to only look, SELECT is enough)");
    }
    "grant this role what the server names; besides, schemagate needs CREATE on the schema of its history table (or on the \
     database, where that schema is missing), and SELECT and INSERT on the table"
        .to_owned()
}
