//! The words of a failure, in the order a tired person needs them: what failed, the server's own words, the state the
//! database is in, what to do.

use crate::apply::{ApplyError, Cause, DatabaseState, MigrationFailure, Phase, Statement};
use crate::error::Error;
use crate::history::HistoryError;
use crate::migrations::IntakeError;
use crate::migrations::new::NewNameError;
use crate::plan::{Divergence, PlanError};
use crate::postgres::server_error::{QueryError, ServerError};
use crate::review::ReviewError;
use crate::settings::TableName;

use super::connecting;
use super::fit::{cut, cut_middle};
use super::state::state_text;

/// A failure in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// What failed; one line or, where there are many faults, one line each.
    pub what: Vec<String>,
    /// The source with a caret, and the server's own words.
    pub server: Vec<String>,
    /// The state the database is in.
    pub state: String,
    /// What to do next.
    pub next: Vec<String>,
}

impl Failure {
    /// The words of `error`.
    pub fn of(error: &Error) -> Self {
        let (server, state, next) = details(error);
        Self { what: error_lines(error), server, state, next }
    }

    /// All of it as lines.
    pub fn lines(&self) -> Vec<String> {
        [self.happened(), self.advice()].concat()
    }

    /// As much of it as fits into `limit` bytes; what to do comes last and is kept.
    pub fn within(&self, limit: usize) -> String {
        cut_middle(&self.happened().join("\n"), &self.advice().join("\n"), limit)
    }

    /// The first line and what to do, in `limit` bytes: for the end of a log that has told the rest.
    pub fn brief(&self, limit: usize) -> String {
        let first = cut(self.what.first().map_or("", String::as_str), limit / 2);
        cut_middle(&first, &self.advice().join("\n"), limit)
    }

    fn happened(&self) -> Vec<String> {
        let server = self.server.iter().map(|line| format!("  {line}"));
        self.what.iter().cloned().chain(server).collect()
    }

    fn advice(&self) -> Vec<String> {
        let state = Some(&self.state).filter(|state| !state.is_empty()).map(|state| format!("state: {state}"));
        state.into_iter().chain(self.next.iter().map(|hint| format!("hint: {hint}"))).collect()
    }
}

const UNTOUCHED: &str = "nothing was changed";
const MEND_FILES: &str = "mend the files named, each as its own hint says, and deploy again";

type Details = (Vec<String>, String, Vec<String>);

fn untouched(hints: &[&str]) -> Details {
    (Vec::new(), UNTOUCHED.to_owned(), hints.iter().map(|hint| (*hint).to_owned()).collect())
}

/// What failed. A list of faults has a line each.
fn error_lines(error: &Error) -> Vec<String> {
    match error {
        Error::Apply(error) => vec![apply_headline(error)],
        Error::Review(ReviewError::Forbidden(findings)) => {
            let mut lines = vec![error.to_string()];
            for finding in findings {
                lines.push(format!("  {finding}"));
                let excerpt = excerpt_lines(finding.line, &finding.excerpt, Some(finding.caret));
                lines.extend(excerpt.iter().map(|line| format!("  {line}")));
                lines.push(format!("    hint: {}", finding.hint));
            }
            lines
        }
        Error::Intake(error) | Error::NewName(NewNameError::Folder(error)) => intake_lines(error),
        other => other.to_string().lines().map(ToOwned::to_owned).collect(),
    }
}

/// Each problem with its own way out under it: "name it V2__b.sql" says nothing far from the file it means.
fn intake_lines(error: &IntakeError) -> Vec<String> {
    let mut lines = vec![error.headline()];
    for problem in &error.problems {
        lines.push(format!("  {problem}"));
        lines.extend(error.hint_for(problem).map(|hint| format!("    hint: {hint}")));
    }
    lines
}

fn details(error: &Error) -> Details {
    match error {
        Error::Settings(_) => untouched(&["mend the variables named; `schemagate --help` lists all settings"]),
        Error::NoDatabaseUrl => untouched(&[
            "set DATABASE_URL (or SCHEMAGATE_DATABASE_URL), like postgres://user:password@host:5432/database",
        ]),
        Error::UnreadableVariable { .. } => untouched(&["write the value in UTF-8, or percent-encoded in the URL"]),
        Error::Url { source, .. } => (Vec::new(), UNTOUCHED.to_owned(), source.hint().into_iter().collect()),
        Error::Intake(error) => untouched(&[error.hint().unwrap_or(MEND_FILES)]),
        Error::Read(error) => untouched(&[error.hint()]),
        Error::Connect(error) => {
            let server = connecting::server_of(error).flat_map(|error| server_lines(Some(error))).collect();
            (server, UNTOUCHED.to_owned(), connecting::hints(error))
        }
        Error::OldServer { .. } => untouched(&["supported are PostgreSQL 14 to 18"]),
        Error::History(error) => history_details(error),
        Error::Plan(error) => plan_details(error),
        Error::Review(_) => untouched(&[MEND_FILES]),
        Error::ReadOnlySession => untouched(&[
            "default_transaction_read_only is on for this role or database (some hosts set it when the disk is full): \
             lift it, or add options=-c%20default_transaction_read_only=off to the URL",
        ]),
        Error::TransactionPooler { unpooled_url_set } => untouched(&[pooler_hint(*unpooled_url_set)]),
        Error::TablesExist { .. } => untouched(&[
            "if refinery applied these migrations, name its history in SCHEMAGATE_HISTORY_TABLE; if another tool did, keep \
             its files out of this folder and start with the next change",
            "if the tables are to be left as they are and every file is safe to run on them, set \
             SCHEMAGATE_WHEN_EXISTING=allow",
        ]),
        Error::LockHeld { holder, state, .. } => {
            let who = holder.iter().map(|holder| format!("the lock is held by {holder}")).collect();
            (
                who,
                if *state == DatabaseState::Unchanged { UNTOUCHED.to_owned() } else { state_text(state) },
                vec![
                "wait for that run to end and deploy again, or raise SCHEMAGATE_LOCK_WAIT; if the holder is stuck, \
                 end it with SELECT pg_terminate_backend(pid)"
                    .to_owned(),
            ],
            )
        }
        Error::Apply(error) => apply_details(error),
        Error::SessionLost { .. } => (
            Vec::new(),
            "what the history records is applied, and nothing else; `schemagate status` shows it".to_owned(),
            vec![
                "look into the server's log: a statement that crashes its backend looks like this; then deploy again"
                    .to_owned(),
            ],
        ),
        Error::NotBack { source, state, .. } => {
            let server = connecting::server_of(source).flat_map(|error| server_lines(Some(error))).collect();
            (server, state_text(state), connecting::hints(source))
        }
        Error::Query { source, .. } => (server_lines(source.server()), UNTOUCHED.to_owned(), own_hints(source, None)),
        Error::Stopped { state, .. } => (Vec::new(), state_text(state), vec!["deploy again".to_owned()]),
        Error::NotUpToDate { pending, divergent, missing, ahead } => {
            (Vec::new(), String::new(), not_up_to_date_hints(*pending, divergent + missing, *ahead))
        }
        Error::NewName(error) => {
            (Vec::new(), "no file was written".to_owned(), error.hint().into_iter().map(ToOwned::to_owned).collect())
        }
        Error::Write { .. } => (
            Vec::new(),
            "no file was written".to_owned(),
            vec!["check the folder's permissions and the room on its disk".to_owned()],
        ),
        Error::Output { .. } => (
            Vec::new(),
            String::new(),
            vec!["make room, or send the output somewhere else; then run it again".to_owned()],
        ),
    }
}

fn not_up_to_date_hints(pending: usize, unfit: usize, ahead: usize) -> Vec<String> {
    let hints = [
        (unfit, "`schemagate plan` says what does not fit and the way out"),
        (pending, "`schemagate up` applies what is pending"),
        (ahead, "a newer release has migrated this database: deploy that one, or check with its files"),
    ];
    hints.into_iter().filter(|(count, _)| *count > 0).map(|(_, hint)| hint.to_owned()).collect()
}

fn pooler_hint(unpooled_url_set: bool) -> &'static str {
    if unpooled_url_set {
        "give a direct URL in SCHEMAGATE_DATABASE_URL; DATABASE_UNPOOLED_URL is set here and may be the one: \
         SCHEMAGATE_DATABASE_URL=${DATABASE_UNPOOLED_URL}"
    } else {
        "give a direct URL in SCHEMAGATE_DATABASE_URL (Neon: the host without `-pooler`; Supabase: port 5432, not \
         6543; Railway's PgBouncer template: DATABASE_UNPOOLED_URL)"
    }
}

fn history_details(error: &HistoryError) -> Details {
    match error {
        HistoryError::Query { table, source } => {
            // Its context and inner query are our own block, which says nothing to anybody else.
            let bare = source.server().map(|error| ServerError { context: None, internal: None, ..error.clone() });
            (server_lines(bare.as_ref()), UNTOUCHED.to_owned(), own_hints(source, Some(table)))
        }
        HistoryError::Shape { .. } => untouched(&[
            "SCHEMAGATE_HISTORY_TABLE must name a history table (version, name, applied_on, checksum), or a table \
             that does not exist yet",
        ]),
        HistoryError::Row { .. } | HistoryError::Twice { .. } => {
            untouched(&["mend or remove that row by hand: what is applied is not known while one row cannot be read"])
        }
        HistoryError::NoSchema { .. } => {
            untouched(&["name a schema in SCHEMAGATE_HISTORY_TABLE, or create one of the search_path"])
        }
        HistoryError::Elsewhere { .. } => untouched(&[
            "set SCHEMAGATE_HISTORY_TABLE=refinery_schema_history to go on with that history",
            "if it is another application's, keep its schema out of the search_path: options=-c%20search_path=…",
        ]),
        HistoryError::Incomplete { .. } => untouched(&["this is a defect of schemagate: please report it"]),
    }
}

fn plan_details(error: &PlanError) -> Details {
    let PlanError::Divergent(divergences) = error else {
        return untouched(&["`schemagate status` lists every version"]);
    };
    let has = |wanted: fn(&Divergence) -> bool| divergences.iter().any(wanted);
    let mut hints = Vec::new();
    if has(|it| matches!(it, Divergence::Edited { .. })) {
        hints.push("restore the file as it was applied, and put the change into a new migration");
    }
    if has(|it| matches!(it, Divergence::Missing { .. })) {
        hints.push("bring the missing file back into the release: it was applied to this database");
    }
    if has(|it| matches!(it, Divergence::OutOfOrder { .. })) {
        hints.push("give the file a new number above the newest, or set SCHEMAGATE_OUT_OF_ORDER=allow");
    }
    if has(|it| matches!(it, Divergence::Ahead { .. })) {
        hints.push("deploy a release that has these migrations, or set SCHEMAGATE_WHEN_AHEAD=allow");
    }
    if has(|it| matches!(it, Divergence::TooWide { .. })) {
        hints.push("widen the column first: ALTER TABLE … ALTER COLUMN version TYPE bigint");
    }
    untouched(&hints)
}

fn apply_headline(error: &ApplyError) -> String {
    match error {
        ApplyError::Migration(failure) => migration_headline(failure),
        ApplyError::TableLocks(failure) => {
            let attempts = if failure.attempts == 1 { "1 attempt" } else { &format!("{} attempts", failure.attempts) };
            format!("{} after {attempts}", migration_headline(failure))
        }
        other => other.to_string(),
    }
}

fn migration_headline(failure: &MigrationFailure) -> String {
    let place = match &failure.statement {
        Some(Statement { line, column: Some(column), .. }) => format!("{}:{line}:{column}", failure.file),
        Some(Statement { line, column: None, number, .. }) => {
            format!("{}:{line}: statement {number}", failure.file)
        }
        None => failure.file.clone(),
    };
    let when = match failure.phase {
        Phase::Statement => "",
        Phase::DeferredConstraints => "deferred constraints: ",
        Phase::Record => "writing its row into the history: ",
        Phase::Commit => "at COMMIT: ",
    };
    format!("{place}: {when}{}", failure.error)
}

fn apply_details(error: &ApplyError) -> Details {
    match error {
        ApplyError::Migration(failure) => {
            (failure_lines(failure), state_text(&failure.state), vec![migration_hint(&failure.error)])
        }
        ApplyError::TableLocks(failure) => (
            failure_lines(failure),
            state_text(&failure.state),
            vec![
                "deploy again when the sessions in the way have ended; SCHEMAGATE_LOCK_TIMEOUT and \
             SCHEMAGATE_LOCK_ATTEMPTS set how long is tried"
                    .to_owned(),
            ],
        ),
        ApplyError::Unrecordable { cause, state, .. } => {
            (Vec::new(), state_text(state), vec![cause_hint(*cause).to_owned()])
        }
        ApplyError::Changed { source, state } => (Vec::new(), state_text(state), vec![source.hint().to_owned()]),
        ApplyError::Own { source, state, .. } => {
            (server_lines(source.server()), state_text(state), own_hints(source, None))
        }
        ApplyError::LockLost { state } => (
            Vec::new(),
            state_text(state),
            vec![
            "either a pooler swapped the session (give a direct URL in SCHEMAGATE_DATABASE_URL), or a migration freed \
             the lock (pg_advisory_unlock_all, DISCARD ALL)"
                .to_owned(),
        ],
        ),
        ApplyError::Stopped { state, .. } => (Vec::new(), state_text(state), vec!["deploy again".to_owned()]),
    }
}

fn cause_hint(cause: Cause) -> &'static str {
    match cause {
        Cause::EndedItsTransaction => {
            "take COMMIT, ROLLBACK and the like out of the file; compare the database with the file by hand first"
        }
        Cause::NotRecorded => "a migration must not change the history table; compare the database by hand",
        Cause::IndexInvalid => "look into why the build ended, then deploy again: the index is dropped and built anew",
        Cause::IndexBeingBuilt => "wait for that build to end, then deploy again",
        Cause::IndexOfOtherDefinition => {
            "compare the two; drop the index that is there, or give the new one another name in a new file"
        }
    }
}

fn migration_hint(error: &ServerError) -> String {
    let hint = match error.sqlstate.as_str() {
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
        "25006" => "the server took no writes: check that it is a primary, then deploy again",
        code if code.starts_with("53") || code == "58030" => {
            "the server is short of resources: mend that, then deploy again"
        }
        _ => "fix the file and deploy again",
    };
    hint.to_owned()
}

fn own_hints(error: &QueryError, history: Option<&TableName>) -> Vec<String> {
    let hint = match error.sqlstate() {
        Some("42501") => return vec![grant_hint(error, history)],
        Some("23505") => "another tool recorded the same version meanwhile: run again",
        Some(code) if code.starts_with("22") || code.starts_with("23") => {
            "the history table takes no row of schemagate's: give it the columns version (integer or bigint, primary \
             key), name, applied_on and checksum (varchar(255)), and no other that must be filled"
        }
        Some("25006") => "the session is read-only: lift default_transaction_read_only",
        Some("57014") => "the statement was cancelled: by statement_timeout or by a person; deploy again",
        Some(code) if code.starts_with("53") => "the server is short of resources: mend that, then deploy again",
        Some(_) => "this may be a defect of schemagate: please report it with the lines above",
        None => "deploy again",
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
        return format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO this role (to only look, USAGE is enough)");
    }
    if let Some(table) = object("table ") {
        let table = history.map_or_else(|| format!("the history table ({table})"), TableName::quoted);
        return format!("GRANT SELECT, INSERT ON {table} TO this role (to only look, SELECT is enough)");
    }
    "grant it: schemagate needs CREATE on the schema of its history table (or on the database, where that schema is \
     missing), and SELECT and INSERT on the table"
        .to_owned()
}

fn failure_lines(failure: &MigrationFailure) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(statement) = &failure.statement {
        lines.extend(excerpt_lines(statement.line, &statement.excerpt, statement.caret));
    }
    lines.extend(server_lines(Some(&failure.error)));
    if failure.phase == Phase::DeferredConstraints {
        // The context is our own statement, which says nothing of the file's.
        lines.retain(|line| !line.starts_with("context: ") && !line.starts_with("  PL/pgSQL"));
    }
    if let Some(blocked) = &failure.blocked {
        lines.push(blocked.describe());
    }
    lines
}

fn excerpt_lines(line: usize, excerpt: &str, caret: Option<usize>) -> Vec<String> {
    let mut lines = vec![format!("{line:>4} | {excerpt}")];
    if let Some(caret) = caret {
        lines.push(format!("     | {}^", " ".repeat(caret)));
    }
    lines
}

fn server_lines(error: Option<&ServerError>) -> Vec<String> {
    let Some(error) = error else { return Vec::new() };
    let internal = error.internal.as_ref().map(|(_, query)| query.clone());
    let named = [
        ("detail", &error.detail),
        ("server hint", &error.hint),
        ("table", &error.table),
        ("constraint", &error.constraint),
        ("in query", &internal),
        ("context", &error.context),
    ];
    let mut lines = Vec::new();
    for (name, text) in named {
        for (number, line) in text.iter().flat_map(|text| text.lines()).enumerate() {
            let lead = if number == 0 { format!("{name}: ") } else { "  ".to_owned() };
            lines.push(format!("{lead}{line}"));
        }
    }
    lines
}
