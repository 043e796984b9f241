//! The one word that ends a run early: SIGTERM, SIGINT or the deadline. In: signals and a limit. Out: a `Stop` that
//! any wait can watch. Never ends anything itself.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
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
    receiver: watch::Receiver<Option<Told>>,
}

/// The word, and when it came.
type Told = (StopReason, Instant);

impl Stop {
    /// One that never comes: for what must be put in order also when the run is to end.
    pub fn never() -> Self {
        Self { receiver: watch::channel(None).1 }
    }

    /// The reason, once there is one.
    pub fn reason(&self) -> Option<StopReason> {
        self.receiver.borrow().map(|(reason, _)| reason)
    }

    /// Ends when the run is to end; never, where it is not.
    pub async fn wait(&mut self) -> StopReason {
        loop {
            if let Some((reason, _)) = *self.receiver.borrow_and_update() {
                return reason;
            }
            if self.receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// How long the run still has before it is left, once it is to end.
    pub fn left(&self) -> Option<Duration> {
        self.receiver.borrow().map(|(_, at)| LIMIT.saturating_sub(at.elapsed()))
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
const LIMIT: Duration = Duration::from_millis(4600);

/// Why a run is left at once, without its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// A second signal came.
    SecondSignal(StopReason),
    /// The run did not end in time: nothing on the way answers.
    OutOfTime(StopReason),
}

/// A signal that comes again so soon is the same one: `timeout` and shells send it to the process and to its group.
const ONE_SIGNAL: Duration = Duration::from_millis(10);

/// How long the run has for its last words before the process is ended under it.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// The signals, listened for from the start and on a thread of their own: as PID 1 an unhandled SIGTERM would be
/// ignored, and a run that is stuck in a write to a full pipe could not hear it.
#[derive(Debug)]
pub struct Signals {
    stop: watch::Receiver<Option<Told>>,
    leave: oneshot::Receiver<Leave>,
    deadline: oneshot::Sender<Duration>,
}

impl Signals {
    /// Listens from now on. `end` ends the process; it is called only where a run that is to be left is stuck.
    ///
    /// # Errors
    /// The system's, where no thread or handler can be had.
    pub fn listen(end: fn(Leave)) -> std::io::Result<Self> {
        let (stop_sender, stop) = watch::channel(None);
        let (leave_sender, leave) = oneshot::channel();
        let (deadline, deadline_receiver) = oneshot::channel();
        let (ready_sender, ready) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready_sender.send(Err(error))),
            };
            runtime.block_on(async {
                let listener = match Listener::new(stop_sender) {
                    Ok(listener) => listener,
                    Err(error) => return drop(ready_sender.send(Err(error))),
                };
                // Whoever waits for these is gone only with the process.
                let _ = ready_sender.send(Ok(()));
                let left = listener.run(deadline_receiver).await;
                let _ = leave_sender.send(left);
                tokio::time::sleep(LAST_WORDS).await;
                end(left);
            });
        })?;
        ready.recv().map_err(std::io::Error::other)??;
        Ok(Self { stop, leave, deadline })
    }

    /// What the run watches.
    pub fn stop(&self) -> Stop {
        Stop { receiver: self.stop.clone() }
    }

    /// Ends when the run is to be left at once: a second signal came, or it did not end in time by itself.
    /// `deadline` counts from now.
    pub async fn run(self, deadline: Option<Duration>) -> Leave {
        if let Some(limit) = deadline {
            // The listener ends only with a word to leave, which is awaited next.
            let _ = self.deadline.send(limit);
        }
        match self.leave.await {
            Ok(leave) => leave,
            Err(_) => std::future::pending().await,
        }
    }
}

/// The listening side, on its thread.
struct Listener {
    interrupt: Signal,
    terminate: Signal,
    sender: watch::Sender<Option<Told>>,
}

impl Listener {
    fn new(sender: watch::Sender<Option<Told>>) -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, sender })
    }

    /// Passes the first reason on; ends with the second signal, which asks for the end at once, or when the run has not
    /// ended in time by itself.
    async fn run(mut self, deadline: oneshot::Receiver<Duration>) -> Leave {
        let limit = async {
            match deadline.await {
                Ok(limit) => tokio::time::sleep(limit).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::pin!(limit);
        let mut deadline_passed = false;
        let mut signals_seen = 0;
        let mut first: Option<Told> = None;
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
            if first.is_some_and(|(told, at)| told == reason && at.elapsed() < ONE_SIGNAL) {
                continue;
            }
            deadline_passed |= reason == StopReason::Deadline;
            signals_seen += u32::from(reason != StopReason::Deadline);
            if signals_seen > 1 {
                return Leave::SecondSignal(reason);
            }
            if first.is_none() {
                first = Some((reason, Instant::now()));
                self.sender.send_replace(first);
            }
        }
    }
}
