//! `qualify`: runs the Installation Qualification, and writes what it found.

use schemagate::error::Error;
use schemagate::protocol::{Protocol, QualificationError, Verdict};
use schemagate::qualification::Qualification;
use schemagate::settings::{DatabaseUrl, Settings};
use schemagate::stop::Stop;

use crate::cli::{Format, QualifyArguments};

pub(crate) async fn run(
    settings: &Settings,
    arguments: &QualifyArguments,
    format: Format,
    stop: &Stop,
) -> Result<(), Error> {
    let set = super::load(settings)?;
    let given = arguments.scratch_url.clone().map(|text| DatabaseUrl::new(text, "--scratch-url"));
    let scratch = given.as_ref().or(settings.scratch_url.as_ref());
    let scratch = scratch.map(|url| super::dialer_to(settings, url)).transpose()?;
    let target = match super::dialer(settings) {
        // The target is not needed then.
        Err(Error::NoDatabaseUrl) if scratch.is_some() => None,
        target => Some(target?),
    };
    let qualification = Qualification { settings, set: &set, target, scratch, stop: stop.clone() };
    let protocol = qualification.run().await?;
    let _ = format;
    for step in &protocol.steps {
        super::print(&[format!("{} {} {}: {}", step.id, step.title, step.verdict().words(), step.actual)])?;
    }
    verdict(&protocol)
}

fn verdict(protocol: &Protocol) -> Result<(), Error> {
    let failed = protocol.steps.iter().filter(|step| step.verdict() == Verdict::Failed);
    let failed: Vec<String> = failed.map(|step| step.id.clone()).collect();
    if failed.is_empty() { Ok(()) } else { Err(QualificationError::Failed { failed }.into()) }
}
