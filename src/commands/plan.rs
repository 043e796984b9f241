//! `plan`: shows what `up` would do.

use schemagate::error::Error;
use schemagate::migrations::Version;
use schemagate::plan::batches;
use schemagate::postgres::connect::Need;
use schemagate::report::{plan as report, status::Place};
use schemagate::review::review;
use schemagate::run::plan_for;
use schemagate::settings::Settings;
use schemagate::stop::Stop;

use crate::cli::Format;

pub(crate) async fn run(settings: &Settings, target: Option<i64>, format: Format, stop: &Stop) -> Result<(), Error> {
    let set = super::load(settings)?;
    let mut run = super::run(settings, &set, stop)?;
    let looked = run.look(Need::Read).await?;
    let plan = plan_for(settings, &set, &looked.reading, target.map(Version::new))?;
    let batches = batches(review(&plan.pending)?, settings.atomicity);
    let described = looked.session.server.place.clone();
    let place =
        Place { target: &described, server_version: &looked.session.server.version, table: &looked.reading.table };
    let printed = match format {
        Format::Text => super::print(&report::text(place, &plan, &batches)),
        Format::Json => super::print(&[report::json(place, &plan, &batches).to_string()]),
    };
    looked.session.close().await;
    printed
}
