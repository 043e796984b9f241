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
pub(super) const STOP_PATIENCE: Duration = Duration::from_millis(4500);
/// A request to cancel that meets no running statement is lost, so it is repeated.
pub(super) const CANCEL_AGAIN: Duration = Duration::from_millis(250);

/// How an answer ended, where it did not end well.
#[derive(Debug)]
pub(super) enum Ended {
    /// The message failed.
    Failed {
        /// How many of its statements had completed.
        completed: usize,
        /// The failure.
        error: QueryError,
    },
    /// The run is to stop and the server did not end the statement in time.
    Abandoned,
}

/// What is awaited, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Awaited<'a> {
    /// Its name in the log.
    pub(super) name: &'a str,
    /// Whether its rows are wanted.
    pub(super) keep_rows: bool,
}

/// The waiting of one batch: it remembers that the run is to stop.
#[derive(Debug)]
pub(super) struct Wait {
    stop: Stop,
    stopping: Option<(StopReason, Instant)>,
}

impl Wait {
    pub(super) fn new(stop: &Stop) -> Self {
        Self { stop: stop.clone(), stopping: None }
    }

    /// Why the batch is to stop, once it is.
    pub(super) fn stopping(&self) -> Option<StopReason> {
        self.stopping.map(|(reason, _)| reason)
    }

    /// Takes the word to stop, if it has come, and asks the server to cancel what runs.
    pub(super) fn heed(&mut self, context: &Context<'_>) -> Option<StopReason> {
        if self.stopping.is_none()
            && let Some(reason) = self.stop.reason()
        {
            self.begin_stop(reason, context);
        }
        self.stopping()
    }

    fn begin_stop(&mut self, reason: StopReason, context: &Context<'_>) {
        tracing::warn!("{}: cancelling the running statement", reason.name());
        self.stopping = Some((reason, Instant::now()));
        cancel(context);
    }

    /// Awaits the whole answer.
    pub(super) async fn answer(
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
                reason = self.stop.wait(), if self.stopping.is_none() => self.begin_stop(reason, context),
                step = reply.next() => match step {
                    Step::Row(row) if awaited.keep_rows => rows.push(texts(&row)),
                    Step::Row(_) => {}
                    Step::Complete => {
                        completed += 1;
                        if awaited.keep_rows {
                            statements.push(std::mem::take(&mut rows));
                        }
                    }
                    Step::Failed(error) => return Err(Ended::Failed { completed, error }),
                    Step::End => return Ok(statements),
                },
                () = tokio::time::sleep_until(due) => match self.stopping {
                    Some((_, since)) if since.elapsed() >= STOP_PATIENCE => return Err(Ended::Abandoned),
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

/// Asks the server once to cancel what the session runs; does not wait for it.
pub(super) fn cancel(context: &Context<'_>) {
    tokio::task::spawn_local(context.session.canceller().cancel());
}
