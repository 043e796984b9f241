//! How a run ends well, and what it says of the database on the way. In: a plan, a session. Out: facts and log lines.

use crate::adopt::Adoption;
use crate::history::Reading;
use crate::migrations::Version;
use crate::plan::Plan;
use crate::postgres::counted;
use crate::postgres::session::Session;

/// How `up` ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpToDate {
    /// Migrations in the history that this release has.
    pub total: usize,
    /// The newest version in the history.
    pub newest: Option<Version>,
    /// Pending migrations beyond the target.
    pub held_back: usize,
    /// Rows newer than every file.
    pub ahead: usize,
}

pub(super) fn up_to_date(plan: &Plan<'_>) -> UpToDate {
    UpToDate { total: plan.applied, newest: plan.newest_applied, held_back: plan.held_back, ahead: plan.ahead.len() }
}

/// How the database stands once the plan is carried out.
pub(super) fn after(plan: &Plan<'_>) -> UpToDate {
    let newest = plan.pending.last().map(|migration| migration.version()).max(plan.newest_applied);
    UpToDate { total: plan.applied + plan.pending.len(), newest, ..up_to_date(plan) }
}

pub(super) fn warn_of(plan: &Plan<'_>) {
    if let [first, rest @ ..] = plan.other_line_ends.as_slice() {
        // One warning, however many: a checkout that turned all line ends must not bury the log of every pod's start.
        let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
        tracing::warn!(
            files = plan.other_line_ends.len(),
            "{first}{more}: differs from what was applied by line ends or a byte-order mark only; taken as the same"
        );
    }
    if let (Some(first), Some(last)) = (plan.ahead.first(), plan.ahead.last()) {
        tracing::warn!(
            ahead = plan.ahead.len(),
            "the database is ahead of this release by {} ({first}{}): let through as SCHEMAGATE_WHEN_AHEAD=allow says",
            counted(plan.ahead.len(), "migration"),
            if plan.ahead.len() > 1 { format!(" to {last}") } else { String::new() }
        );
    }
}

/// Rows of Drizzle's own table that no file of this release has and that are newer than all of them.
pub(super) fn warn_of_newer(adoption: &Adoption<'_>) {
    if !adoption.newer.is_empty() {
        tracing::warn!(
            ahead = adoption.newer.len(),
            "the database is ahead of this release by {} of Drizzle's history ({}): let through as \
             SCHEMAGATE_WHEN_AHEAD=allow says",
            counted(adoption.newer.len(), "row"),
            adoption.newer.join(", ")
        );
    }
}

pub(super) fn tell_pending(plan: &Plan<'_>, reading: &Reading) {
    tracing::info!(
        pending = plan.pending.len(),
        applied = plan.applied,
        "{} of {} pending in {}",
        plan.pending.len(),
        counted(plan.pending.len() + plan.applied + plan.held_back, "migration"),
        reading.table.name
    );
}

pub(super) fn tell_connected(session: &Session) {
    let tls = if session.server.encrypted { "TLS" } else { "no TLS" };
    tracing::info!(
        server = session.server.address,
        server_version = session.server.version,
        version = env!("CARGO_PKG_VERSION"),
        "connected to {} (PostgreSQL {}, {tls}) by schemagate {}",
        session.server.place,
        session.server.version,
        env!("CARGO_PKG_VERSION")
    );
}
