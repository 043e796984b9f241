//! Runs what is pending for real in one transaction and takes it back. In: batches, a session that holds the lock. Out:
//! what each statement took, changed and said. Never commits.

mod halt;
mod measure;
mod relations;
mod timeline;
mod traffic;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use crate::apply::{self, ApplyError, Context, DatabaseState, MigrationFailure};
use crate::effects::LockMode;
use crate::plan::Batch;

pub use relations::{Relation, RelationKind};
pub use timeline::Held;
pub use traffic::{LOOK_AGAIN, OtherSession, traffic};

/// What was rehearsed, as far as it came.
#[derive(Debug, Clone, Default)]
pub struct Rehearsal {
    /// The batches of the release, in order; those that were not reached have no statements.
    pub batches: Vec<RehearsedBatch>,
    /// How many attempts were made.
    pub attempts: u32,
}

/// One batch.
#[derive(Debug, Clone)]
pub struct RehearsedBatch {
    /// Whether `up` runs it in one transaction.
    pub transactional: bool,
    /// Its migrations.
    pub migrations: Vec<RehearsedMigration>,
    /// How long it holds its transaction open: all statements and the writing of the history.
    pub elapsed: Duration,
    /// The locks on relations that existed before, in the order in which they were taken.
    pub held: Vec<Held>,
    /// Locks that an earlier batch of this rehearsal holds still: whether this one takes them again cannot be seen.
    pub carried: Vec<(Arc<Relation>, LockMode)>,
}

/// One migration.
#[derive(Debug, Clone)]
pub struct RehearsedMigration {
    /// Its version.
    pub version: i64,
    /// Its file.
    pub file: String,
    /// How far it came.
    pub outcome: Outcome,
    /// What was measured.
    pub statements: Vec<Measured>,
    /// The relations that it makes, by name.
    pub creates: Vec<String>,
}

/// How far a migration came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All of it ran.
    Ran,
    /// It failed.
    Failed,
    /// It was not tried.
    NotRehearsed(Reason),
    /// What came before it failed.
    NotReached,
}

/// Why a migration was not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It runs outside a transaction, which cannot be taken back.
    OutsideTransaction,
    /// It leaves its transaction with a COMMIT of its own.
    Commits,
}

impl Reason {
    /// The reason in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::OutsideTransaction => "runs outside a transaction, which nothing could take back",
            Self::Commits => "leaves its transaction with a COMMIT, which nothing could take back",
        }
    }
}

/// One statement, or a file that could not be split.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// Its text in one line, cut.
    pub text: String,
    /// When it began, from the beginning of its batch.
    pub start: Duration,
    /// How long it took, with one round trip.
    pub elapsed: Duration,
    /// Whether it failed.
    pub failed: bool,
    /// Locks newly taken on relations that existed before.
    pub locks: Vec<(Arc<Relation>, LockMode)>,
    /// Relations whose file was written anew.
    pub rewrites: Vec<Rewrite>,
    /// Rows changed, by table.
    pub rows: Vec<Rows>,
    /// What the whole server wrote into its log of changes meanwhile, in bytes.
    pub wal_bytes: u64,
    /// What the server said first.
    pub notices: Vec<Notice>,
    /// How many more warnings and notices there were.
    pub notices_left_out: usize,
}

/// A relation whose file was written anew.
#[derive(Debug, Clone)]
pub struct Rewrite {
    /// The relation.
    pub relation: Arc<Relation>,
    /// Its size before, with all that belongs to it; none where it is not known.
    pub bytes_before: Option<u64>,
    /// Its size after.
    pub bytes_after: Option<u64>,
}

/// Rows changed in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The table; none stands for all tables that the rehearsal made.
    pub table: Option<String>,
    /// Inserted.
    pub inserted: u64,
    /// Updated.
    pub updated: u64,
    /// Deleted.
    pub deleted: u64,
}

/// A warning or notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// WARNING, NOTICE, INFO.
    pub severity: String,
    /// Its SQLSTATE.
    pub sqlstate: String,
    /// Its words.
    pub message: String,
}

/// Runs the batches and rolls back, tried again while it loses to other sessions' locks. What was measured is in
/// `rehearsal`, also after a failure.
///
/// # Errors
/// [`ApplyError`], as applying the batches would fail.
pub async fn rehearse(
    context: &mut Context<'_>,
    batches: &[Batch<'_>],
    rehearsal: &mut Rehearsal,
) -> Result<(), ApplyError> {
    let (table, mirror_is_new, rows) = (context.table.clone(), context.mirror_is_new, context.rows);
    let mut pause = apply::FIRST_PAUSE;
    let mut attempt = 1;
    loop {
        context.watcher.take_blocked();
        *rehearsal = Rehearsal { attempts: attempt, ..Rehearsal::default() };
        let ran = transaction::run(context, batches, rehearsal).await;
        // Nothing of what it made is there any more.
        (context.table, context.mirror_is_new, context.rows) = (table.clone(), mirror_is_new, rows);
        let mut failure: Box<MigrationFailure> = match ran {
            Err(ApplyError::Migration(failure)) if failure.error.lost_to_other_sessions() => failure,
            other => return other,
        };
        failure.blocked = context.watcher.take_blocked();
        if attempt >= context.attempts {
            failure.attempts = attempt;
            return Err(ApplyError::TableLocks(failure));
        }
        apply::pause_before_another(context, &failure, pause, attempt, DatabaseState::Unchanged).await?;
        pause = (pause * 2).min(apply::LONGEST_PAUSE);
        attempt += 1;
    }
}
