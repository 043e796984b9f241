//! Every error has the exit code of the contract.

use super::*;
use crate::apply::{Cause, MigrationFailure, Phase};
use crate::lint::GitError;
use crate::migrations::{MigrationSet, Version};
use crate::postgres::attempt::Attempt;
use crate::settings::{Settings, TableName};
use crate::signing::KeyFault;

/// The place of a variant in the list below. A new variant does not compile until it has one, and the test fails until
/// it has an example.
fn place(error: &Error) -> usize {
    match error {
        Error::Settings(_) => 0,
        Error::NoDatabaseUrl => 1,
        Error::UnreadableVariable { .. } => 2,
        Error::Url { .. } => 3,
        Error::Intake(_) => 4,
        Error::Read(_) => 5,
        Error::Connect(_) => 6,
        Error::OldServer { .. } => 7,
        Error::History(_) => 8,
        Error::Plan(_) => 9,
        Error::Review(_) => 10,
        Error::ReadOnlySession => 11,
        Error::TransactionPooler { .. } => 12,
        Error::TablesExist { .. } => 13,
        Error::LockHeld { .. } => 14,
        Error::Apply(_) => 15,
        Error::SessionLost { .. } => 16,
        Error::Query { .. } => 17,
        Error::Stopped { .. } => 18,
        Error::NotUpToDate { .. } => 19,
        Error::NewName(_) => 20,
        Error::Write { .. } => 21,
        Error::Output { .. } => 22,
        Error::NotBack { .. } => 23,
        Error::Several(_) => 24,
        Error::Adopt(_) => 25,
        Error::Unsound(_) => 26,
        Error::Qualification(_) => 27,
        Error::Key(_) => 28,
        Error::Sign { .. } => 29,
        Error::NotVerified { .. } => 30,
        Error::NoEvidence { .. } => 31,
        Error::Lint(_) => 32,
        Error::Traffic { .. } => 33,
    }
}
const VARIANTS: usize = 34;

fn server(sqlstate: &str) -> ServerError {
    ServerError {
        severity: "ERROR".to_owned(),
        sqlstate: sqlstate.to_owned(),
        message: "words".to_owned(),
        ..ServerError::default()
    }
}

fn answered(sqlstate: &str) -> QueryError {
    QueryError::Server(Box::new(server(sqlstate)))
}

fn own(sqlstate: &str) -> Error {
    Error::Query { doing: "asking", source: answered(sqlstate) }
}

fn refused(error: AttemptError) -> Error {
    ConnectError::Refused(Box::new(Attempt { address: "h:1".to_owned(), error })).into()
}

fn refused_with(sqlstate: &str) -> Error {
    refused(AttemptError::Server(Box::new(server(sqlstate))))
}

fn failure(sqlstate: &str) -> Box<MigrationFailure> {
    Box::new(MigrationFailure {
        file: "V1__x.sql".to_owned(),
        phase: Phase::Statement,
        statement: None,
        error: server(sqlstate),
        state: DatabaseState::Unchanged,
        blocked: None,
        attempts: 1,
    })
}

fn migration(sqlstate: &str) -> Error {
    ApplyError::Migration(failure(sqlstate)).into()
}

fn file() -> String {
    "V1__x.sql".to_owned()
}

fn io() -> std::io::Error {
    std::io::ErrorKind::PermissionDenied.into()
}

fn stopped(reason: StopReason) -> Error {
    Error::Stopped { reason, state: DatabaseState::Unchanged }
}

fn not_back() -> Error {
    let source = ConnectError::Unreachable { attempts: Vec::new(), waited: Duration::ZERO, tries: 1 };
    Error::NotBack { reason: String::new(), source: Box::new(source), state: DatabaseState::Unknown }
}

fn connecting() -> Vec<(Error, u8)> {
    let text = || "words".to_owned();
    let unreachable = ConnectError::Unreachable { attempts: Vec::new(), waited: Duration::ZERO, tries: 1 };
    vec![
        (unreachable.into(), 69),
        (ConnectError::Stopped(StopReason::Terminate).into(), 143),
        (not_back(), 69),
        (refused_with("28P01"), 77),
        (refused_with("28000"), 77),
        (refused_with("42501"), 77),
        (refused_with("3D000"), 78),
        (refused_with("08P01"), 78),
        (refused(AttemptError::PasswordMissing), 77),
        (refused(AttemptError::Socket { kind: std::io::ErrorKind::PermissionDenied, reason: text() }), 77),
        (refused(AttemptError::Tls { reason: text(), hint: None, transient: false }), 78),
        (refused(AttemptError::TlsNotOffered), 78),
        (refused(AttemptError::Authentication { reason: text() }), 78),
    ]
}

fn looking() -> Vec<(Error, u8)> {
    let table = TableName::new(None, "t");
    let history = |error: HistoryError| Error::from(error);
    vec![
        (history(HistoryError::Query { table: table.clone(), source: answered("42501") }), 77),
        (history(HistoryError::Shape { table: table.clone(), reason: "words", columns: String::new() }), 78),
        (history(HistoryError::NoSchema { table: table.clone() }), 78),
        (history(HistoryError::NotDrizzle { table: table.clone() }), 78),
        (history(HistoryError::TrailShape { table: table.clone(), columns: String::new() }), 78),
        (history(HistoryError::TrailNotWritable { table: table.clone() }), 77),
        (history(HistoryError::TrailNotReadable { table: table.clone() }), 77),
        (AdoptError::Ambiguous { table: table.clone(), ambiguities: Vec::new() }.into(), 65),
        (AdoptError::Unknown { name: "0003_x".to_owned() }.into(), 2),
        (AdoptError::Twice { name: "0003_x".to_owned() }.into(), 2),
        (AdoptError::NoTable { table: table.clone() }.into(), 65),
        (AdoptError::NotDrizzle.into(), 65),
        (AdoptError::HistoryHasRows { table: table.clone(), rows: 1 }.into(), 65),
        (AdoptError::DrizzleHasRows { table: table.clone(), rows: 1 }.into(), 65),
        (AdoptError::TablesMissing { version: 1, tables: Vec::new() }.into(), 65),
        (history(HistoryError::Twice { table: table.clone(), version: Version::new(1) }), 65),
        (history(HistoryError::Elsewhere { table: table.clone() }), 65),
        (history(HistoryError::Incomplete { table }), 70),
        (PlanError::Divergent(Vec::new()).into(), 65),
        (PlanError::UnknownTarget { target: Version::new(2), newest: Version::new(1) }.into(), 2),
        (ReviewError::Forbidden(Vec::new()).into(), 65),
        (Error::ReadOnlySession, 77),
        (Error::TransactionPooler { unpooled_url_set: false }, 78),
        (Error::TablesExist { tables: Vec::new() }, 65),
        (Error::Traffic { sessions: Vec::new() }, 78),
        (Error::LockHeld { holder: None, waited: Duration::ZERO, state: DatabaseState::Unchanged }, 75),
        (own("42501"), 77),
        (own("25006"), 77),
        (own("57014"), 75),
        (own("53100"), 75),
        (own("58030"), 75),
        (own("40001"), 75),
        (own("42601"), 70),
        (Error::Query { doing: "asking", source: QueryError::Lost { reason: String::new() } }, 69),
        (Error::Query { doing: "asking", source: QueryError::Protocol { reason: String::new() } }, 70),
        (Error::NotUpToDate { pending: 1, divergent: 0, missing: 0, ahead: 0 }, 3),
        (Error::Unsound(Unsound { invalid_indexes: vec!["public.i".to_owned()], ..Unsound::default() }), 3),
        (QualificationError::NotEmpty { database: "x".to_owned(), held: Vec::new() }.into(), 65),
        (QualificationError::MayNotMake { role: "x".to_owned(), reason: "words".to_owned() }.into(), 77),
        (QualificationError::Unsuitable { database: "x".to_owned(), reason: "words".to_owned() }.into(), 65),
        (QualificationError::NoTarget { database: "x".to_owned() }.into(), 78),
        (QualificationError::Beyond { statements: Vec::new() }.into(), 65),
        (QualificationError::Unreadable { path: "x".into(), source: io() }.into(), 65),
        (QualificationError::Failed { failed: vec!["IQ-001".to_owned()] }.into(), 1),
    ]
}

fn applying() -> Vec<(Error, u8)> {
    let state = || DatabaseState::Unchanged;
    vec![
        (migration("42601"), 1),
        (migration("42501"), 1),
        (migration("57014"), 1),
        (migration("53200"), 75),
        (migration("58030"), 75),
        (migration("25006"), 77),
        (ApplyError::TableLocks(failure("55P03")).into(), 75),
        (ApplyError::Unrecordable { file: file(), cause: Cause::NotRecorded, state: state() }.into(), 1),
        (ApplyError::Unrecordable { file: file(), cause: Cause::PartOfOtherText, state: state() }.into(), 65),
        (ApplyError::Changed { source: ReadError::Changed { file: file() }, state: state() }.into(), 65),
        (ApplyError::Own { doing: "recording", source: answered("42501"), state: state() }.into(), 77),
        (ApplyError::LockLost { state: state() }.into(), 78),
        (ApplyError::Stopped { reason: StopReason::Interrupt, during: None, state: state() }.into(), 130),
        (Error::SessionLost { during: None, reason: String::new(), resumptions: 3 }, 69),
        (stopped(StopReason::Interrupt), 130),
        (stopped(StopReason::Terminate), 143),
        (stopped(StopReason::Deadline), 75),
    ]
}

fn before_connecting() -> Vec<(Error, u8)> {
    let settings = Settings::read([("SCHEMAGATE_LOCK_WAIT".into(), "soon".into())]).unwrap_err();
    vec![
        (settings.into(), 78),
        (Error::NoDatabaseUrl, 78),
        (Error::Several(vec![Error::NoDatabaseUrl]), 78),
        (Error::UnreadableVariable { variable: "PGPASSWORD".to_owned() }, 78),
        (Error::Url { variable: "DATABASE_URL", source: UrlError::Empty }, 78),
        (Error::OldServer { version: "9.6".to_owned() }, 78),
        (MigrationSet::from_texts([]).unwrap_err().into(), 65),
        (ReadError::Changed { file: file() }.into(), 65),
        (NewNameError::Character { found: '&' }.into(), 2),
        (NewNameError::Exists { path: "x".into() }.into(), 65),
        (Error::Write { path: "x".into(), source: io() }, 65),
        (Error::Output { source: io() }, 75),
        (KeyError { origin: "SCHEMAGATE_SIGNING_KEY".to_owned(), fault: KeyFault::Sec1 }.into(), 78),
        (Error::Sign { source: openssl::error::ErrorStack::get() }, 75),
        (Error::NotVerified { faults: 2 }, 1),
        (Error::NoEvidence { path: "x".into(), reason: "words".to_owned() }, 65),
        (LintError::Found { errors: 1, warnings: 0 }.into(), 1),
        (LintError::Embedded.into(), 2),
        (LintError::from(GitError::UnknownRevision { revision: "v9".to_owned() }).into(), 2),
        (LintError::from(GitError::Shallow { revision: "v9".to_owned() }).into(), 65),
        (LintError::from(GitError::NotTrusted { checkout: "x".to_owned() }).into(), 65),
        (LintError::from(GitError::NoProgram { source: std::io::ErrorKind::NotFound.into() }).into(), 65),
        (LintError::from(GitError::NoRepository { folder: "x".into(), words: "words".to_owned() }).into(), 65),
    ]
}

pub(crate) fn all() -> impl Iterator<Item = (Error, u8)> {
    [before_connecting(), connecting(), looking(), applying()].into_iter().flatten()
}

#[test]
fn every_error_has_the_exit_code_of_the_contract() {
    let mut seen = [false; VARIANTS];
    for (error, code) in all() {
        assert_eq!(error.exit_code().number(), code, "{error:?}");
        seen[place(&error)] = true;
    }
    assert_eq!(seen, [true; VARIANTS]);
}

#[test]
fn every_exit_code_stands_in_the_table_once_and_in_order() {
    let numbers: Vec<u8> = crate::exit_code::TABLE.iter().map(|row| row.code.number()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    for (error, code) in all() {
        assert!(numbers.contains(&code), "{error:?}");
    }
}
