//! `qualify`: runs the Installation Qualification, and writes what it found.

use std::time::{Duration, SystemTime};

use schemagate::error::Error;
use schemagate::evidence::{self, Rendered, Written};
use schemagate::protocol::{Protocol, QualificationError, Verdict};
use schemagate::qualification::Qualification;
use schemagate::report::qualification as report;
use schemagate::settings::{DatabaseUrl, Settings};
use schemagate::signing::SigningKey;
use schemagate::stop::Stop;

use crate::cli::{Format, QualifyArguments};

/// The least that two runs of the protocol wait for one another.
const SHORTEST_LOCK_WAIT: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    settings: &Settings,
    arguments: &QualifyArguments,
    format: Format,
    stop: &Stop,
) -> Result<(), Error> {
    // What would keep the record from being written is told before time is spent.
    let key = evidence::load_key(settings)?;
    if let Some(dir) = &arguments.evidence {
        evidence::check_writable(dir)?;
    }
    let set = super::load(settings)?;
    let given = arguments.scratch_url.clone().map(|text| DatabaseUrl::new(text, "--scratch-url"));
    let scratch = given.as_ref().or(settings.scratch_url.as_ref());
    let scratch = scratch.map(|url| super::dialer_to(settings, url)).transpose()?;
    let target = match super::dialer(settings) {
        // The target is not needed then.
        Err(Error::NoDatabaseUrl) if scratch.is_some() => None,
        target => Some(target?),
    };
    // One try for the lock is a wish for real runs; two of the protocol's runs have to wait for one another.
    let settings = &Settings { lock_wait: settings.lock_wait.max(SHORTEST_LOCK_WAIT), ..settings.clone() };
    let qualification = Qualification { settings, set: &set, target, scratch, stop: stop.clone() };
    let protocol = qualification.run().await?;
    let written = arguments.evidence.as_ref().map(|dir| write(dir, &protocol, key.as_ref())).transpose();
    // What was found is told also where it cannot be kept.
    let kept = written.as_ref().ok().and_then(Option::as_ref);
    match format {
        Format::Text => super::print(&report::text(&protocol, kept))?,
        Format::Json => super::print(&[report::json(&protocol, kept).to_string()])?,
    }
    match (verdict(&protocol), written) {
        (Err(failed), Err(unwritten)) => {
            tracing::error!("{unwritten}: there is no record of this run");
            Err(failed)
        }
        (verdict, written) => written.and(verdict),
    }
}

fn write(dir: &std::path::Path, protocol: &Protocol, key: Option<&SigningKey>) -> Result<Written, Error> {
    let kid = key.map(SigningKey::kid);
    let rendered = Rendered { html: report::html(protocol, kid), junit: report::junit(protocol) };
    Ok(evidence::write(dir, protocol, key, SystemTime::now(), &rendered)?)
}

fn verdict(protocol: &Protocol) -> Result<(), Error> {
    let failed = protocol.steps.iter().filter(|step| step.verdict() == Verdict::Failed);
    let failed: Vec<String> = failed.map(|step| step.id.clone()).collect();
    if failed.is_empty() { Ok(()) } else { Err(QualificationError::Failed { failed }.into()) }
}
