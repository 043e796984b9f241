//! `plan`: shows what `up` would do.

use schemagate::adopt::with_adopted;
use schemagate::error::Error;
use schemagate::existing;
use schemagate::history::Reading;
use schemagate::migrations::Version;
use schemagate::plan::batches;
use schemagate::postgres::connect::Need;
use schemagate::postgres::session::Session;
use schemagate::report::{plan as report, status::Place};
use schemagate::review::{Reviewed, review};
use schemagate::run::plan_for;
use schemagate::settings::Settings;
use schemagate::stop::Stop;
use schemagate::weight::weigh;

use crate::cli::Format;

pub(crate) async fn run(
    settings: &Settings,
    target: Option<i64>,
    sql: bool,
    format: Format,
    stop: &Stop,
) -> Result<(), Error> {
    let set = super::load(settings)?;
    let mut run = super::run(settings, &set, stop)?;
    let looked = run.look(Need::Read).await?;
    let adoption = run.adoption(&looked.reading)?;
    let reading = with_adopted(&looked.reading, &adoption);
    let plan = plan_for(settings, &set, &reading, target.map(Version::new))?;
    let reviewed = review(&plan.pending, &reading.half_done)?;
    refuse_existing(settings, &looked.session, &reading, &reviewed).await?;
    let batches = batches(reviewed, settings.atomicity);
    if sql {
        let script = run.script(&looked, &reading, &adoption, &batches)?;
        looked.session.close().await;
        return match format {
            Format::Text => super::print(&[script.trim_end().to_owned()]),
            Format::Json => super::print(&[serde_json::json!({ "sql": script }).to_string()]),
        };
    }
    let pending: Vec<&Reviewed<'_>> = batches.iter().flat_map(|batch| &batch.migrations).collect();
    let weighed = weigh(&looked.session, &set, &pending, settings.atomicity).await?;
    let described = looked.session.server.place.clone();
    let place = Place {
        target: &described,
        server_version: &looked.session.server.version,
        table: &looked.reading.table,
        half_done: &looked.reading.half_done,
    };
    let printed = match format {
        Format::Text => super::print(&report::text(place, &plan, &adoption, &batches, &weighed)),
        Format::Json => super::print(&[report::json(place, &plan, &adoption, &batches, &weighed).to_string()]),
    };
    looked.session.close().await;
    printed
}

/// What `up` would refuse under its lock is refused here too.
async fn refuse_existing(
    settings: &Settings,
    session: &Session,
    reading: &Reading,
    reviewed: &[Reviewed<'_>],
) -> Result<(), Error> {
    let wanted = existing::wanted(settings, reading, reviewed);
    if wanted.is_empty() {
        return Ok(());
    }
    let answer = session.query(&existing::list_sql(&wanted)).await;
    let answer = answer.map_err(|source| Error::Query { doing: "looking for existing tables", source })?;
    let tables = answer.first().map(existing::read).unwrap_or_default();
    if tables.is_empty() { Ok(()) } else { Err(Error::TablesExist { tables }) }
}
