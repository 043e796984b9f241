//! `rehearse`: runs what is pending in a transaction, rolls back, and shows what it took.

use schemagate::error::Error;
use schemagate::migrations::Version;
use schemagate::report::rehearsal as report;
use schemagate::run::RehearsalWanted;
use schemagate::settings::Settings;
use schemagate::stop::Stop;

use crate::cli::AskedFormat;

pub(crate) async fn run(
    settings: &Settings,
    target: Option<i64>,
    with_traffic: bool,
    format: AskedFormat,
    stop: &Stop,
) -> Result<(), Error> {
    let set = super::load(settings)?;
    let mut run = super::run(settings, &set, stop)?;
    let rehearsed = run.rehearse(RehearsalWanted { target: target.map(Version::new), with_traffic }).await?;
    // What was measured before it failed is worth as much.
    let printed = match format {
        AskedFormat::Text | AskedFormat::Github => super::print(&report::text(&rehearsed)),
        AskedFormat::Json => super::print(&[report::json(&rehearsed).to_string()]),
        AskedFormat::Html => super::print(&[report::html(&rehearsed).trim_end().to_owned()]),
    };
    match rehearsed.failed {
        Some(error) => Err(error),
        None => printed,
    }
}
