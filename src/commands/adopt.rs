//! `adopt`: records as applied, without running, what another tool has applied.

use schemagate::adopt::Decisions;
use schemagate::error::Error;
use schemagate::migrations::Version;
use schemagate::report::adopt as report;
use schemagate::run::Wanted;
use schemagate::settings::Settings;
use schemagate::stop::Stop;

use crate::cli::{AdoptArguments, Format};

pub(crate) async fn run(
    settings: &Settings,
    arguments: &AdoptArguments,
    format: Format,
    stop: &Stop,
) -> Result<(), Error> {
    let AdoptArguments { dry_run, mark, skip, baseline } = arguments;
    let set = super::load(settings)?;
    let wanted = Wanted {
        decisions: Decisions { mark: mark.clone(), skip: skip.clone() },
        baseline: baseline.map(Version::new),
        dry_run: *dry_run,
    };
    let adopted = super::run(settings, &set, stop)?.adopt(&wanted).await?;
    match format {
        Format::Text => super::print(&report::text(&adopted, *dry_run)),
        Format::Json => super::print(&[report::json(&adopted, *dry_run).to_string()]),
    }
}
