//! Waits for the advisory lock. In: a session and a key. Out: the lock with the history read under it, or the history of a
//! database whose work another run has done. Polls, never waits inside the server.

use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;

use super::Run;
use crate::apply::DatabaseState;
use crate::error::Error;
use crate::existing;
use crate::history::Reading;
use crate::postgres::lock::{Holder, LockKey, TRY_STATEMENTS};
use crate::postgres::server_error::QueryError;
use crate::postgres::session::{Rows, Session};
use crate::postgres::{duration_text, milliseconds};
use crate::settings::TableName;

const FIRST_POLL: Duration = Duration::from_millis(100);
const LONGEST_POLL: Duration = Duration::from_millis(500);
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What is known once the lock is ours, or not needed any more.
pub(super) struct Locked {
    /// Whether the lock is ours.
    pub(super) ours: bool,
    pub(super) reading: Reading,
    pub(super) existing: Vec<String>,
    pub(super) lock_timeout: Duration,
}

impl Run<'_> {
    /// Polls the lock, and with it the history: a waiter whose work another run has done, as `done` says of a reading,
    /// leaves without it.
    pub(super) async fn lock(
        &mut self,
        session: &Session,
        key: LockKey,
        existing: &[TableName],
        done: impl Fn(&Self, &Reading) -> Result<bool, Error>,
    ) -> Result<Locked, Error> {
        let sql = format!(
            // Each statement is to see what was committed before it, the history what was before the lock was free.
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {}{}; {}; {}",
            self.settings_sql(session),
            key.try_sql(),
            existing::list_sql(existing),
            self.read_sql()
        );
        let started = Instant::now();
        let mut poll = FIRST_POLL;
        let mut told: Option<(Instant, Option<Holder>)> = None;
        loop {
            let answer = self.ask(session, &sql).await?;
            let answer = answer.map_err(|source| Error::Query { doing: "taking the advisory lock", source })?;
            let tail = answer.len().saturating_sub(self.read_statements() + 1 + TRY_STATEMENTS);
            let [tried, holders, found, ..] = &answer[tail..] else {
                let source = QueryError::Protocol { reason: "an incomplete answer".to_owned() };
                return Err(Error::Query { doing: "taking the advisory lock", source });
            };
            let (ours, holder) = LockKey::read_try(tried, holders);
            let locked = Locked {
                ours,
                reading: self.reading(&answer)?,
                existing: existing::read(found),
                lock_timeout: lock_timeout(tried),
            };
            if ours {
                let waited = started.elapsed();
                tracing::info!(waited_ms = milliseconds(waited), "lock taken after {}", duration_text(waited));
                return Ok(locked);
            }
            if done(self, &locked.reading)? {
                return Ok(locked);
            }
            let left = self.settings.lock_wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                let (holder, waited) = (holder.map(Box::new), started.elapsed());
                return Err(Error::LockHeld { holder, waited, state: DatabaseState::Unchanged });
            }
            tell_holder(&mut told, holder, left);
            let pause = poll.mul_f64(rand::rng().random_range(0.75..1.25)).min(left);
            self.stop
                .pause(pause)
                .await
                .map_err(|reason| Error::Stopped { reason, state: DatabaseState::Unchanged })?;
            poll = (poll * 2).min(LONGEST_POLL);
        }
    }
}

/// `lock_timeout` as the server shows it: `5s`, `1min`, `500ms`, `0`.
fn lock_timeout(tried: &Rows) -> Duration {
    let shown = tried.first().and_then(|row| row.get(1)).cloned().flatten().unwrap_or_default();
    crate::settings::parse_duration(&shown.replace("min", "m")).unwrap_or_default()
}

fn tell_holder(told: &mut Option<(Instant, Option<Holder>)>, holder: Option<Holder>, left: Duration) {
    let due = told.as_ref().is_none_or(|(at, last)| *last != holder || at.elapsed() >= TELL_AGAIN);
    if due {
        let who = holder.as_ref().map_or_else(|| "a session that is gone by now".to_owned(), Holder::to_string);
        tracing::info!(left_ms = milliseconds(left), "waiting for the lock, held by {who}");
        *told = Some((Instant::now(), holder));
    }
}
