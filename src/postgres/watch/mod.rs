//! Looks at a long statement from a second connection. In: a backend's process id. Out: what it waits for, logged and
//! kept for the error that may follow. Never touches the watched session.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::connect::{Dialer, Need};
use super::server_error::QueryError;
use super::session::{Rows, Session};
use crate::stop::Stop;

const LOOK: &str = include_str!("look.sql");
/// A statement is looked at after this long at the latest, and again after each such span.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(5);

/// How long a statement may run before it is looked at: half of `lock_timeout`, at most 5 s.
pub fn patience(lock_timeout: Duration) -> Duration {
    if lock_timeout.is_zero() { LONGEST_SILENCE } else { (lock_timeout / 2).min(LONGEST_SILENCE) }
}

/// A session in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// Backend process id.
    pub pid: String,
    /// Role.
    pub user: Option<String>,
    /// `application_name`.
    pub application: Option<String>,
    /// Client address.
    pub client: Option<String>,
    /// `active`, `idle in transaction` …
    pub state: Option<String>,
    /// Age of its transaction.
    pub age: Option<String>,
    /// Its query, or its last one, where the role may see it.
    pub query: Option<String>,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        let facts = [
            (" of user ", &self.user),
            (", application ", &self.application),
            (", from ", &self.client),
            (", ", &self.state),
            (", transaction age ", &self.age),
            (", query: ", &self.query),
        ];
        for (lead, fact) in facts {
            if let Some(fact) = fact.as_deref().filter(|fact| !fact.is_empty()) {
                write!(f, "{lead}{fact}")?;
            }
        }
        Ok(())
    }
}

/// What one look saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sighting {
    /// Wait event type and event, where the backend waits.
    pub waits_for: Option<String>,
    /// The lock it waits for: mode and relation.
    pub wanted_lock: Option<String>,
    /// Who holds it.
    pub blockers: Vec<Blocker>,
    /// Prepared transactions, one of which holds it: they have no session, and end only when somebody ends them.
    pub prepared: Vec<String>,
    /// Phase of an index build, with its percentage where known.
    pub progress: Option<String>,
    /// When the present wait for a lock began, as the server writes it, and how long it has lasted.
    pub waiting: Option<(String, Duration)>,
}

impl Sighting {
    fn read(rows: &Rows) -> Self {
        let mut sighting = Self::default();
        for row in rows {
            let field = |column: usize| row.get(column).cloned().flatten();
            match row.first().and_then(Option::as_deref) {
                Some("self") => {
                    sighting.waits_for = field(6).map(|kind| match field(7) {
                        Some(event) => format!("{kind}: {event}"),
                        None => kind,
                    });
                    sighting.wanted_lock = field(8);
                    let lasted = field(10).and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
                    sighting.waiting = field(9).zip(lasted);
                }
                Some("blocker") => sighting.blockers.push(Blocker {
                    pid: field(1).unwrap_or_default(),
                    user: field(2),
                    application: field(3),
                    client: field(4),
                    state: field(5),
                    age: field(6),
                    query: field(7),
                }),
                Some("prepared") => sighting.prepared.push(format!(
                    "'{}' of user {} since {}",
                    field(5).unwrap_or_default(),
                    field(2).unwrap_or_default(),
                    field(6).unwrap_or_default()
                )),
                Some(_) => {
                    let percent = field(7).map(|percent| format!(", {percent} %")).unwrap_or_default();
                    sighting.progress = field(6).map(|phase| format!("{phase}{percent}"));
                }
                None => {}
            }
        }
        sighting
    }

    /// The sighting in one line.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        if let Some(lock) = &self.wanted_lock {
            parts.push(format!("waiting for {lock}"));
        } else if let Some(event) = &self.waits_for {
            parts.push(format!("wait event {event}"));
        }
        if !self.blockers.is_empty() {
            let blockers: Vec<String> = self.blockers.iter().map(ToString::to_string).collect();
            parts.push(format!("blocked by {}", blockers.join("; ")));
        }
        if !self.prepared.is_empty() {
            parts.push(format!(
                "blocked by a prepared transaction, which only COMMIT PREPARED or ROLLBACK PREPARED ends: {}",
                self.prepared.join("; ")
            ));
        }
        if let Some(progress) = &self.progress {
            parts.push(format!("index build: {progress}"));
        }
        if parts.is_empty() { "working".to_owned() } else { parts.join(", ") }
    }
}

/// A task with a connection of its own, opened at the first look and kept.
#[derive(Debug)]
pub struct Watcher {
    requests: mpsc::UnboundedSender<String>,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watcher {
    /// Starts the task; it does nothing until it is asked to look.
    pub fn start(dialer: Arc<Dialer>, pid: i32, stop: Stop) -> Self {
        let (requests, inbox) = mpsc::unbounded_channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::task::spawn_local(serve(dialer, pid, stop, inbox, Arc::clone(&seen)));
        Self { requests, seen, task }
    }

    /// Asks for a look at what runs now, named `what` in the log. Returns at once.
    pub fn look(&self, what: &str) {
        // A task that has ended has said why.
        let _ = self.requests.send(what.to_owned());
    }

    /// The last sighting of a statement that was blocked, once.
    pub fn take_blocked(&self) -> Option<Sighting> {
        seen(&self.seen).blocked.take()
    }

    /// How long each statement that was looked at waited for locks, by its name; waits that were over before the first
    /// look are in none.
    pub fn lock_waits(&self) -> Vec<(String, Duration)> {
        seen(&self.seen).waits.iter().map(|(what, waits)| (what.clone(), waits.total())).collect()
    }

    /// Ends the task and closes its connection.
    pub async fn close(mut self) {
        let (closed, _) = mpsc::unbounded_channel();
        self.requests = closed;
        let _ = tokio::time::timeout(Duration::from_millis(300), &mut self.task).await;
    }
}

/// What the looks saw.
#[derive(Debug, Default)]
struct Seen {
    /// The last that was blocked.
    blocked: Option<Sighting>,
    /// By the name of what ran.
    waits: Vec<(String, Waits)>,
}

/// The waits for locks of one file: when each began, and how long it was seen to last.
#[derive(Debug, Default)]
struct Waits(Vec<(String, Duration)>);

impl Waits {
    fn total(&self) -> Duration {
        self.0.iter().map(|(_, lasted)| *lasted).sum()
    }
}

impl Seen {
    fn note(&mut self, what: &str, sighting: &Sighting) {
        let Some((began, lasted)) = &sighting.waiting else { return };
        let at = self.waits.iter().position(|(known, _)| known == what).unwrap_or_else(|| {
            self.waits.push((what.to_owned(), Waits::default()));
            self.waits.len() - 1
        });
        let Waits(waits) = &mut self.waits[at].1;
        match waits.last_mut().filter(|(known, _)| known == began) {
            Some((_, known)) => *known = *lasted,
            None => waits.push((began.clone(), *lasted)),
        }
    }
}

fn seen(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While a lock is waited for, it is looked again this often, so that the wait is known to its end.
const SAMPLE: Duration = Duration::from_millis(250);

async fn serve(
    dialer: Arc<Dialer>,
    pid: i32,
    mut stop: Stop,
    mut inbox: mpsc::UnboundedReceiver<String>,
    shared: Arc<Mutex<Seen>>,
) {
    let mut session: Option<Session> = None;
    let mut waiting: Option<String> = None;
    loop {
        let what = tokio::select! {
            asked = inbox.recv() => match asked {
                Some(what) => what,
                None => break,
            },
            () = tokio::time::sleep(SAMPLE), if waiting.is_some() => {
                waiting = sample(session.as_ref(), pid, waiting.take(), &shared).await;
                continue;
            }
        };
        if session.is_none() {
            match dialer.connect(Need::Read, Duration::ZERO, &mut stop).await {
                Ok(opened) => session = Some(opened),
                Err(error) => tracing::warn!("{what} takes long; no second connection to see why: {error}"),
            }
        }
        let Some(open) = &session else { continue };
        match look(open, pid).await {
            Ok(sighting) => {
                let pids: Vec<&str> = sighting.blockers.iter().map(|blocker| blocker.pid.as_str()).collect();
                tracing::info!(
                    running = what,
                    waits_for = sighting.wanted_lock.as_deref(),
                    blocked_by = (!pids.is_empty()).then(|| pids.join(",")),
                    "{what} is still running: {}",
                    sighting.describe()
                );
                seen(&shared).note(&what, &sighting);
                waiting = sighting.waiting.is_some().then(|| what.clone());
                if !(sighting.blockers.is_empty() && sighting.prepared.is_empty()) {
                    seen(&shared).blocked = Some(sighting);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the look at {what} failed");
                session = None;
            }
        }
    }
    if let Some(session) = session {
        session.close().await;
    }
}

/// Looks without a word in the log; gives `what` back while it still waits.
async fn sample(session: Option<&Session>, pid: i32, what: Option<String>, shared: &Mutex<Seen>) -> Option<String> {
    let what = what?;
    let sighting = look(session?, pid).await.ok()?;
    seen(shared).note(&what, &sighting);
    sighting.waiting.is_some().then_some(what)
}

async fn look(session: &Session, pid: i32) -> Result<Sighting, QueryError> {
    let answer = session.query(&LOOK.replace("{pid}", &pid.to_string())).await?;
    Ok(answer.first().map(Sighting::read).unwrap_or_default())
}
