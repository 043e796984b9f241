//! The words of a failure, in the order a tired person needs them: what failed, the server's own words, the state the
//! database is in, what to do.

use crate::apply::{ApplyError, DatabaseState, MigrationFailure, Phase, Progress, Statement, WRITING_TRAIL};
use crate::error::Error;
use crate::history::HistoryError;
use crate::migrations::IntakeError;
use crate::migrations::new::NewNameError;
use crate::plan::{Divergence, PlanError};
use crate::postgres::counted;
use crate::postgres::lock::Holder;
use crate::postgres::server_error::ServerError;
use crate::review::ReviewError;

use super::connecting;
use super::fit::{cut, cut_middle};
use super::hints::{
    cause_hint, migration_hint, not_up_to_date_hints, own_hints, pooler_hint, qualification_hint, stop_hint,
    trail_hints, unsound_hints,
};
use super::server_words::{excerpt_lines, failure_lines, server_lines};
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
    /// Whether it is known what this run has committed.
    pub outcome_known: bool,
    /// The migration at fault, where it is one.
    pub migration: Option<String>,
    /// The server's SQLSTATE, where it gave one.
    pub sqlstate: Option<String>,
}

impl Failure {
    /// The words of `error`, as the end of a run that has done what `progress` says.
    pub fn of(error: &Error, progress: &Progress) -> Self {
        let (server, mut state, next) = details(error);
        // True of what failed, which was not the first look, but not of the run.
        if state == UNTOUCHED && !progress.applied.is_empty() {
            state = state_text(&DatabaseState::between(progress));
        }
        if progress.adopted > 0 {
            let adopted = counted(progress.adopted, "migration");
            state =
                format!("{state}; before that, {adopted} of Drizzle's history were adopted as applied, and stay so");
        }
        let (migration, sqlstate) = at_fault(error);
        let outcome_known = error.state() != Some(&DatabaseState::Unknown);
        Self { what: error_lines(error), server, state, next, outcome_known, migration, sqlstate }
    }

    /// The words of `error`, as the end of a rehearsal: what is done again is the rehearsal, and nothing was deployed.
    pub fn of_rehearsal(error: &Error) -> Self {
        let mut failure = Self::of(error, &Progress::default());
        for hint in &mut failure.next {
            *hint = hint.replace("deploy again", "rehearse again");
        }
        failure
    }

    /// All of it as lines.
    pub fn lines(&self) -> Vec<String> {
        [self.happened(), self.advice()].concat()
    }

    /// As much of it as fits into `limit` bytes; what to do comes last and is kept.
    pub fn within(&self, limit: usize) -> String {
        cut_middle(&self.happened().join("\n"), &self.advice().join("\n"), limit)
    }

    /// The first lines and what to do, in `limit` bytes: for the end of a log that has told the rest.
    pub fn brief(&self, limit: usize) -> String {
        let first = cut(&self.what.iter().take(BRIEF_LINES).cloned().collect::<Vec<_>>().join("\n"), limit / 2);
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

/// Of a long list: what it is of, and the first of it.
const BRIEF_LINES: usize = 5;
const UNTOUCHED: &str = "nothing was changed";
const NOT_VERIFIED: &str = "do not rely on it; take it again from where it was written, or from its archive";
const NO_EVIDENCE: &str = "name a record (EV-….jws), the folder of a package, the folder that `qualify --evidence` wrote, or an exported trail";
const TRAFFIC: &str = "a rehearsal takes the locks that it reports, and they would wait: rehearse on a copy of the database, end \
                       these sessions, or say --with-traffic";
const MEND_FILES: &str = "mend the files named, each as its own hint says, and deploy again";

const TABLES_EXIST: [&str; 3] = [
    "if refinery applied these migrations, name its history in SCHEMAGATE_HISTORY_TABLE; if another tool did, \
     record them with `schemagate adopt --baseline VERSION`",
    "if Drizzle applied them and its own history has another name than drizzle.__drizzle_migrations, name it in \
     SCHEMAGATE_DRIZZLE_TABLE",
    "if the tables are to be left as they are and every file is safe to run on them, set SCHEMAGATE_WHEN_EXISTING=allow",
];

type Details = (Vec<String>, String, Vec<String>);

fn no_file(hint: Option<&str>) -> Details {
    (Vec::new(), "no file was written".to_owned(), hint.into_iter().map(ToOwned::to_owned).collect())
}

fn untouched(hints: &[&str]) -> Details {
    (Vec::new(), UNTOUCHED.to_owned(), hints.iter().map(|hint| (*hint).to_owned()).collect())
}

/// What a machine groups failures by.
fn at_fault(error: &Error) -> (Option<String>, Option<String>) {
    if let Error::Connect(error) = error {
        return (None, connecting::server_of(error).next().map(|error| error.sqlstate.clone()));
    }
    let (migration, sqlstate) = error.at_fault();
    (migration.map(ToOwned::to_owned), sqlstate.map(ToOwned::to_owned))
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
        Error::Several(errors) => {
            (Vec::new(), UNTOUCHED.to_owned(), errors.iter().flat_map(|error| details(error).2).collect())
        }
        Error::Intake(error) => untouched(&[error.hint().as_deref().unwrap_or(MEND_FILES)]),
        Error::Read(error) => untouched(&[error.hint()]),
        Error::Connect(error) => {
            let server = connecting::server_of(error).flat_map(|error| server_lines(Some(error))).collect();
            (server, UNTOUCHED.to_owned(), connecting::hints(error))
        }
        Error::OldServer { .. } => untouched(&["supported are PostgreSQL 14 to 18"]),
        Error::History(error) => history_details(error),
        Error::Plan(error) => plan_details(error),
        Error::Adopt(error) => untouched(&error.hints()),
        Error::Review(_) => untouched(&[MEND_FILES]),
        Error::ReadOnlySession => untouched(&[
            "default_transaction_read_only is on for this role or database (some hosts set it when the disk is full): \
             lift it, or add options=-c%20default_transaction_read_only=off to the URL",
        ]),
        Error::TransactionPooler { unpooled_url_set } => untouched(&[pooler_hint(*unpooled_url_set)]),
        Error::TablesExist { .. } => untouched(&TABLES_EXIST),
        Error::LockHeld { holder, state, .. } => lock_held_details(holder.as_deref(), state),
        Error::Traffic { sessions } => {
            (sessions.iter().map(ToString::to_string).collect(), UNTOUCHED.to_owned(), vec![TRAFFIC.to_owned()])
        }
        Error::Apply(error) => apply_details(error),
        Error::SessionLost { .. } => session_lost_details(),
        Error::NotBack { source, state, .. } => {
            let server = connecting::server_of(source).flat_map(|error| server_lines(Some(error))).collect();
            (server, state_text(state), connecting::hints(source))
        }
        Error::Query { source, .. } => (server_lines(source.server()), UNTOUCHED.to_owned(), own_hints(source, None)),
        Error::Stopped { reason, state } => (Vec::new(), state_text(state), vec![stop_hint(*reason).to_owned()]),
        Error::Unsound(unsound) => (Vec::new(), String::new(), unsound_hints(unsound)),
        Error::Qualification(error) => (Vec::new(), String::new(), vec![qualification_hint(error).to_owned()]),
        Error::NotUpToDate { pending, divergent, missing, ahead } => {
            (Vec::new(), String::new(), not_up_to_date_hints(*pending, divergent + missing, *ahead))
        }
        Error::Lint(error) => (Vec::new(), String::new(), vec![error.hint().to_owned()]),
        Error::NewName(error) => no_file(error.hint().as_deref()),
        Error::Write { .. } => no_file(Some("check the folder's permissions and the room on its disk")),
        Error::Key(error) => untouched(&[error.fault.hint()]),
        Error::Sign { .. } => no_file(Some("try again; if it stays, this is a defect of schemagate: please report it")),
        Error::NotVerified { .. } => (Vec::new(), String::new(), vec![NOT_VERIFIED.to_owned()]),
        Error::NoEvidence { .. } => (Vec::new(), String::new(), vec![NO_EVIDENCE.to_owned()]),
        Error::Output { .. } => (
            Vec::new(),
            String::new(),
            vec!["make room, or send the output somewhere else; then run it again".to_owned()],
        ),
    }
}

fn session_lost_details() -> Details {
    (
        Vec::new(),
        "what the history records is applied (`schemagate status` shows it); beside it there may be what a file did \
         outside a transaction"
            .to_owned(),
        vec![
            "look into the server's log: a statement that crashes its backend looks like this; then deploy again"
                .to_owned(),
        ],
    )
}

fn lock_held_details(holder: Option<&Holder>, state: &DatabaseState) -> Details {
    let who = holder.iter().map(|holder| format!("the lock is held by {holder}")).collect();
    let state = if *state == DatabaseState::Unchanged { UNTOUCHED.to_owned() } else { state_text(state) };
    let pid = holder.map_or("pid", |holder| holder.pid.as_str());
    let hint = format!(
        "wait for that run to end and deploy again, or raise SCHEMAGATE_LOCK_WAIT; if the holder is stuck, end it with \
         SELECT pg_terminate_backend({pid})"
    );
    (who, state, vec![hint])
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
        HistoryError::TrailShape { table, .. } => untouched(&[&format!(
            "rename {}, which schemagate did not make: the audit trail is a table of its own under that name",
            table.quoted()
        )]),
        HistoryError::TrailNotWritable { table } => untouched(&[&format!(
            "GRANT SELECT, INSERT ON {} TO this role: what is changed is to be on record",
            table.quoted()
        )]),
        HistoryError::TrailNotReadable { table } => {
            untouched(&[&format!("GRANT SELECT ON {} TO this role", table.quoted())])
        }
        HistoryError::NotDrizzle { .. } => {
            untouched(&["SCHEMAGATE_DRIZZLE_TABLE must name the table that Drizzle writes (id, hash, created_at)"])
        }
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
        Phase::Trail => "writing the audit trail: ",
        Phase::Commit => "at COMMIT: ",
    };
    format!("{place}: {when}{}", failure.error)
}

fn apply_details(error: &ApplyError) -> Details {
    match error {
        ApplyError::Migration(failure) => {
            (failure_lines(failure), state_text(&failure.state), vec![migration_hint(failure)])
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
        ApplyError::Own { doing, source, state } => {
            let hints = if *doing == WRITING_TRAIL { trail_hints(source) } else { own_hints(source, None) };
            (server_lines(source.server()), state_text(state), hints)
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
        ApplyError::Stopped { reason, state, .. } => {
            (Vec::new(), state_text(state), vec![stop_hint(*reason).to_owned()])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do_or_names_it_with_each_fault() {
        for (error, _) in crate::error::tests::all() {
            let told_with_each = matches!(&error, Error::Review(_) | Error::Plan(PlanError::Divergent(_)));
            assert!(told_with_each || !Failure::of(&error, &Progress::default()).next.is_empty(), "{error:?}");
        }
    }
}
