//! The one word that ends a run early: SIGTERM, SIGINT or the deadline. In: signals and a limit. Out: a `Stop` that
//! any wait can watch. Never ends anything itself.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

/// Why a run is to end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// SIGINT: exit code 130.
    Interrupt,
    /// SIGTERM: exit code 143.
    Terminate,
    /// `SCHEMAGATE_DEADLINE` passed: exit code 75.
    Deadline,
}

impl StopReason {
    /// The reason as a message names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Deadline => "SCHEMAGATE_DEADLINE",
        }
    }
}

/// What every wait of a run watches.
#[derive(Debug, Clone)]
pub struct Stop {
    receiver: watch::Receiver<Option<StopReason>>,
}

impl Stop {
    /// The reason, once there is one.
    pub fn reason(&self) -> Option<StopReason> {
        *self.receiver.borrow()
    }

    /// Ends when the run is to end; never, where it is not.
    pub async fn wait(&mut self) -> StopReason {
        loop {
            if let Some(reason) = *self.receiver.borrow_and_update() {
                return reason;
            }
            if self.receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Pauses for `duration`, or ends early with the reason to stop.
    ///
    /// # Errors
    /// The reason to stop, where it came first.
    pub async fn pause(&mut self, duration: Duration) -> Result<(), StopReason> {
        tokio::select! {
            biased;
            reason = self.wait() => Err(reason),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }
}

/// How long a run that is told to stop has before it is left at once.
const LIMIT: Duration = Duration::from_millis(4800);

/// Why a run is left at once, without its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// A second signal came.
    SecondSignal(StopReason),
    /// The run did not end in time: nothing on the way answers.
    OutOfTime(StopReason),
}

/// The signals, listened for from the start: as PID 1 an unhandled SIGTERM would be ignored.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    sender: watch::Sender<Option<StopReason>>,
}

impl Signals {
    /// Listens from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// The system's, where a handler cannot be set.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            sender: watch::channel(None).0,
        })
    }

    /// What the run watches.
    pub fn stop(&self) -> Stop {
        Stop { receiver: self.sender.subscribe() }
    }

    /// Passes the first reason on; ends with the second signal, which asks for the end at once, or when the run has not
    /// ended in time by itself.
    pub async fn run(mut self, deadline: Option<Duration>) -> Leave {
        let limit = async {
            match deadline {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(limit);
        let mut deadline_passed = false;
        let mut signals_seen = 0;
        let mut first: Option<(StopReason, Instant)> = None;
        loop {
            let last = first.map_or_else(Instant::now, |(_, at)| at + LIMIT);
            let reason = tokio::select! {
                _ = self.interrupt.recv() => StopReason::Interrupt,
                _ = self.terminate.recv() => StopReason::Terminate,
                () = &mut limit, if !deadline_passed => StopReason::Deadline,
                () = tokio::time::sleep_until(last), if first.is_some() => {
                    return Leave::OutOfTime(first.map_or(StopReason::Terminate, |(reason, _)| reason));
                }
            };
            deadline_passed |= reason == StopReason::Deadline;
            signals_seen += u32::from(reason != StopReason::Deadline);
            if signals_seen > 1 {
                return Leave::SecondSignal(reason);
            }
            if first.is_none() {
                first = Some((reason, Instant::now()));
                self.sender.send_replace(Some(reason));
            }
        }
    }
}
