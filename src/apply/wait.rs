//! Awaits one answer. In: a reply on its way. Out: its rows, or how it ended. Meanwhile it passes the word to stop on
//! to the server and has long statements explained.

use std::time::Duration;

use tokio::time::Instant;

use crate::postgres::server_error::QueryError;
use crate::postgres::session::{Reply, Rows, Step, texts};
use crate::postgres::watch::LONGEST_SILENCE;
use crate::stop::{Stop, StopReason};

use super::Context;

/// A stopped run exits within 5 s; what the server has not undone by then it undoes without us.
const STOP_PATIENCE: Duration = Duration::from_millis(4000);
/// A request to cancel that meets no running statement is lost, so it is repeated.
const CANCEL_AGAIN: Duration = Duration::from_millis(250);

/// How an answer ended, where it did not end well.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The message failed.
    Failed {
        /// How many of its statements had completed.
        completed: usize,
        /// Their rows, where they are wanted.
        statements: Vec<Rows>,
        /// The failure.
        error: QueryError,
    },
    /// The run is to stop and the server did not end the statement in time.
    Abandoned,
}

/// What is awaited, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Awaited<'a> {
    /// Its name in the log.
    pub(crate) name: &'a str,
    /// Whether its rows are wanted.
    pub(crate) keep_rows: bool,
}

/// The waiting of one batch: it remembers that the run is to stop.
#[derive(Debug)]
pub(crate) struct Wait {
    stop: Stop,
    stopping: Option<(StopReason, Instant)>,
    /// Whether the word to stop only bounds the wait.
    deaf: bool,
    /// What was awaited when the word came.
    during: Option<String>,
}

impl Wait {
    pub(crate) fn new(stop: &Stop) -> Self {
        Self { stop: stop.clone(), stopping: None, deaf: false, during: None }
    }

    /// For what is to be finished, whatever comes: it ends with its answer, or with the patience of a stop.
    pub(crate) fn deaf(stop: &Stop) -> Self {
        Self { deaf: true, ..Self::new(stop) }
    }

    /// Why the batch is to stop, once it is.
    pub(crate) fn stopping(&self) -> Option<StopReason> {
        self.stopping.map(|(reason, _)| reason)
    }

    /// What ran when the word to stop came.
    pub(crate) fn during(&self) -> Option<String> {
        self.during.clone()
    }

    /// Why the run is to stop, also where this wait has not been told yet.
    pub(crate) fn told(&self) -> Option<StopReason> {
        self.stop.reason()
    }

    /// How long the server still has to undo what it did: one span for all answers of a batch that is to stop.
    pub(crate) fn patience(&self) -> Duration {
        self.stopping.map_or(STOP_PATIENCE, |(_, since)| STOP_PATIENCE.saturating_sub(since.elapsed()))
    }

    /// Takes the word to stop, if it has come, and asks the server to cancel what runs.
    pub(crate) fn heed(&mut self, context: &Context<'_>) -> Option<StopReason> {
        if self.stopping.is_none()
            && let Some(reason) = self.stop.reason()
        {
            self.begin_stop(reason, context, None);
        }
        self.stopping()
    }

    fn begin_stop(&mut self, reason: StopReason, context: &Context<'_>, during: Option<&str>) {
        self.stopping = Some((reason, Instant::now()));
        self.during = during.map(ToOwned::to_owned);
        if !self.deaf {
            let running = during.map(|what| format!(" ({what})")).unwrap_or_default();
            tracing::warn!("{}: cancelling the running statement{running}", reason.name());
            cancel(context);
        }
    }

    /// Awaits the whole answer.
    pub(crate) async fn answer(
        &mut self,
        context: &Context<'_>,
        reply: &mut Reply,
        awaited: Awaited<'_>,
    ) -> Result<Vec<Rows>, Ended> {
        let (mut statements, mut rows, mut completed) = (Vec::new(), Vec::new(), 0);
        let mut look = Instant::now() + context.patience;
        loop {
            let due = if self.stopping.is_some() { Instant::now() + CANCEL_AGAIN } else { look };
            tokio::select! {
                biased;
                reason = self.stop.wait(), if self.stopping.is_none() => {
                    self.begin_stop(reason, context, Some(awaited.name));
                }
                step = reply.next() => match step {
                    Step::Row(row) if awaited.keep_rows => rows.push(texts(&row)),
                    Step::Row(_) => {}
                    Step::Complete => {
                        completed += 1;
                        if awaited.keep_rows {
                            statements.push(std::mem::take(&mut rows));
                        }
                    }
                    Step::Failed(error) => return Err(Ended::Failed { completed, statements, error }),
                    Step::End => return Ok(statements),
                },
                () = tokio::time::sleep_until(due) => match self.stopping {
                    Some((_, since)) if since.elapsed() >= STOP_PATIENCE => return Err(Ended::Abandoned),
                    Some(_) if self.deaf => {}
                    Some(_) => cancel(context),
                    None => {
                        context.watcher.look(awaited.name);
                        look = Instant::now() + LONGEST_SILENCE;
                    }
                },
            }
        }
    }
}

impl Wait {
    /// Awaits anything else that the session does, as an answer is awaited; nothing where the run is to stop and the
    /// server did not end it in time.
    pub(crate) async fn done<T>(
        &mut self,
        context: &Context<'_>,
        name: &str,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        let mut look = Instant::now() + context.patience;
        loop {
            let due = if self.stopping.is_some() { Instant::now() + CANCEL_AGAIN } else { look };
            tokio::select! {
                biased;
                reason = self.stop.wait(), if self.stopping.is_none() => self.begin_stop(reason, context, Some(name)),
                done = &mut work => return Some(done),
                () = tokio::time::sleep_until(due) => match self.stopping {
                    Some((_, since)) if since.elapsed() >= STOP_PATIENCE => return None,
                    Some(_) => cancel(context),
                    None => {
                        context.watcher.look(name);
                        look = Instant::now() + LONGEST_SILENCE;
                    }
                },
            }
        }
    }
}

/// Sends a message of our own and awaits its answer as a file's is awaited.
pub(crate) async fn ask(context: &Context<'_>, wait: &mut Wait, name: &str, sql: &str) -> Result<Vec<Rows>, Ended> {
    let sent = context.session.send(sql).await;
    let mut reply = sent.map_err(|error| Ended::Failed { completed: 0, statements: Vec::new(), error })?;
    wait.answer(context, &mut reply, Awaited { name, keep_rows: true }).await
}

/// Asks the server once to cancel what the session runs; does not wait for it.
fn cancel(context: &Context<'_>) {
    tokio::task::spawn_local(context.session.canceller().cancel());
}
