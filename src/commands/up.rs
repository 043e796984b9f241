//! `up`: applies what is pending.

use std::time::Duration;

use schemagate::apply::{Progress, RecoveryPoint};
use schemagate::error::Error;
use schemagate::migrations::Version;
use schemagate::postgres::milliseconds;
use schemagate::report::summary;
use schemagate::run::UpToDate;
use schemagate::settings::Settings;
use schemagate::stop::Stop;

/// Runs it; what was committed is in `progress`, also after a failure.
pub(crate) async fn run(
    settings: &Settings,
    target: Option<i64>,
    stop: &Stop,
    progress: &mut Progress,
) -> Result<UpToDate, Error> {
    let set = super::load(settings)?;
    super::run(settings, &set, stop)?.up(target.map(Version::new), progress).await
}

/// The last line of a run that ended well.
pub(crate) fn tell(outcome: &UpToDate, progress: &Progress, elapsed: Duration) {
    tell_recovery_point(progress);
    let first = progress.applied.first().map(|applied| applied.version.get());
    let last = progress.applied.last().map(|applied| applied.version.get());
    tracing::info!(
        outcome = if progress.applied.is_empty() { "up_to_date" } else { "applied" },
        exit_code = 0,
        applied = progress.applied.len(),
        from_version = first,
        to_version = last,
        total = outcome.total,
        elapsed_ms = milliseconds(elapsed),
        "{}",
        summary::success(outcome, progress, elapsed)
    );
}

/// The point to recover to after the last commit, also of a run that failed later.
pub(crate) fn tell_recovery_point(progress: &Progress) {
    if let Some(RecoveryPoint { wal, time }) = &progress.after {
        tracing::info!(wal, server_time = time, "recovery point after the last change: WAL {wal} at {time}");
    }
}
