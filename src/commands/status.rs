//! `status`: shows every migration, and checks or awaits that all are applied.

use std::time::Duration;

use tokio::time::Instant;

use schemagate::apply::DatabaseState;
use schemagate::error::Error;
use schemagate::history::HistoryError;
use schemagate::history::runs::{self, Trail};
use schemagate::plan::compare;
use schemagate::postgres::connect::Need;
use schemagate::postgres::soundness::Unsound;
use schemagate::report::status::{self as report, Counts, Place};
use schemagate::report::trail as report_trail;
use schemagate::run::Looked;
use schemagate::settings::Settings;
use schemagate::stop::Stop;

use crate::cli::Format;

/// How often a wait looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is asked of the status besides showing it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    pub(crate) check: bool,
    pub(crate) wait: Option<Duration>,
}

pub(crate) async fn run(settings: &Settings, check: Check, format: Format, stop: &Stop) -> Result<(), Error> {
    let set = super::load(settings)?;
    let mut run = super::run(settings, &set, stop)?;
    let started = Instant::now();
    let limit = check.wait.unwrap_or_default();
    let mut told = None;
    loop {
        let looked = run.look(Need::Read).await?;
        if looked.reading.refinery_has_rows {
            return Err(HistoryError::Elsewhere { table: settings.history_table.clone() }.into());
        }
        let entries = compare(&set, &looked.reading.applied)?;
        let counts = Counts::of(&entries);
        let left = limit.saturating_sub(started.elapsed());
        if check.check && !counts.up_to_date() && !left.is_zero() {
            looked.session.close().await;
            if told != Some(counts) {
                tracing::info!("waiting until up to date: {}", counts.words());
                told = Some(counts);
            }
            let mut stop = stop.clone();
            stop.pause(LOOK_AGAIN.min(left))
                .await
                .map_err(|reason| Error::Stopped { reason, state: DatabaseState::Unchanged })?;
            continue;
        }
        let described = looked.session.server.place.clone();
        let trail = read_trail(&looked).await;
        let place = Place {
            target: &described,
            server_version: &looked.session.server.version,
            table: &looked.reading.table,
            half_done: &looked.reading.half_done,
        };
        let adoptable = run.adoption(&looked.reading).map_or(0, |adoption| adoption.adopted.len());
        if adoptable > 0 {
            tracing::info!("of the pending, Drizzle has applied {adoptable}: the next `schemagate up` adopts them");
        }
        let unsound = Unsound::look(&looked.session).await;
        let unsound = unsound.map_err(|source| Error::Query { doing: "looking for invalid indexes", source })?;
        let printed = match format {
            Format::Text => super::print(&report::text(place, &entries, &unsound, &trail)),
            Format::Json => super::print(&[report::json(place, &entries, &unsound, &trail).to_string()]),
        };
        looked.session.close().await;
        printed?;
        let Counts { pending, divergent, missing, ahead, .. } = counts;
        return match check.check && !counts.up_to_date() {
            true => Err(Error::NotUpToDate { pending, divergent, missing, ahead }),
            false if check.check && !unsound.is_empty() => Err(Error::Unsound(unsound)),
            false => Ok(()),
        };
    }
}

/// The audit trail; one that is broken, or that this role may not read, is told and changes no exit code.
async fn read_trail(looked: &Looked) -> Result<Trail, HistoryError> {
    let trail = runs::read(&looked.session, &looked.reading.trail, looked.reading.table.exists).await;
    for fault in trail.iter().flat_map(report_trail::faults) {
        tracing::warn!("{fault}");
    }
    trail
}
