//! The steps of the protocol, one file each: what is required, how it is tried, what was seen. In: a bench. Out: cases.

mod atomicity;
mod audit_trail;
mod divergence;
mod exclusion;
mod fresh;
mod idempotency;
mod ordering;
mod own;

use std::time::{Duration, Instant, SystemTime};

use crate::error::Error;

use super::bench::Bench;
use super::scratch;
use crate::protocol::{Case, Step, Verdict};

pub(super) use own::{OwnStep, own_steps};

/// How many empty databases the steps can use besides.
pub(super) const SPARE: usize = 2;

/// What a step is about, before it is run.
pub(super) struct Definition {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) requirement: &'static str,
    pub(super) expected: &'static str,
}

/// Runs the built-in steps and then the project's own.
/// `spare` are empty databases beside the one that is qualified in.
pub(super) async fn run_all(
    bench: &Bench<'_>,
    spare: Option<&[Bench<'_>; SPARE]>,
    own: &[OwnStep],
) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let fresh = step(&fresh::DEFINITION, fresh::run(bench)).await?;
    let installed = fresh.cases.first().is_some_and(|case| case.verdict == Verdict::Passed);
    steps.push(fresh);
    if !installed {
        steps.extend(LATER.iter().map(not_installed));
        steps.extend(own.iter().map(|own| own.not_executed(NOT_INSTALLED)));
        return Ok(steps);
    }
    steps.push(step(&ordering::DEFINITION, ordering::run(bench)).await?);
    steps.push(step(&idempotency::DEFINITION, idempotency::run(bench, spare.map(|[first, _]| first))).await?);
    steps.push(step(&CASCADE, cascade(bench)).await?);
    let definition = atomicity::definition(bench.settings.atomicity);
    steps.push(step(&definition, atomicity::run(bench, spare.map(|[_, second]| second))).await?);
    steps.push(step(&exclusion::DEFINITION, exclusion::run(bench)).await?);
    steps.push(step(&divergence::DEFINITION, divergence::run(bench)).await?);
    steps.push(step(&audit_trail::DEFINITION, audit_trail::run(bench)).await?);
    for own in own {
        steps.push(own.run(bench).await?);
    }
    Ok(steps)
}

const CASCADE: Definition = Definition {
    id: "IQ-004",
    title: "Foreign-key cascade",
    requirement: "Every foreign key acts as it is declared: ON DELETE CASCADE takes the child rows along.",
    expected: "For every foreign key a parent and a child row are made and the parent is deleted: the child is gone where \
               the key says CASCADE, and is as the key says where it says anything else.",
};

async fn cascade(bench: &Bench<'_>) -> Result<Vec<Case>, Error> {
    let session = bench.session().await?;
    let cases = super::cascade::run(&session).await;
    session.close().await;
    cases.map_err(|source| Error::Query { doing: "trying foreign keys", source })
}

/// The steps that need what the first one installs.
const LATER: [&Definition; 7] = [
    &ordering::DEFINITION,
    &idempotency::DEFINITION,
    &CASCADE,
    &atomicity::DEFINITION,
    &exclusion::DEFINITION,
    &divergence::DEFINITION,
    &audit_trail::DEFINITION,
];
const NOT_INSTALLED: &str = "IQ-001 did not install the schema";

fn not_installed(definition: &&Definition) -> Step {
    finish(
        definition,
        SystemTime::now(),
        Duration::ZERO,
        vec![case("precondition", Verdict::NotExecuted, NOT_INSTALLED)],
    )
}

async fn step(definition: &Definition, cases: impl Future<Output = Result<Vec<Case>, Error>>) -> Result<Step, Error> {
    let (started, clock) = (SystemTime::now(), Instant::now());
    tracing::info!("{} {}", definition.id, definition.title);
    let cases = cases.await?;
    let step = finish(definition, started, clock.elapsed(), cases);
    tracing::info!(step = step.id, verdict = step.verdict().status(), "{} {}", step.id, step.verdict().words());
    Ok(step)
}

fn finish(definition: &Definition, started: SystemTime, duration: Duration, cases: Vec<Case>) -> Step {
    Step {
        id: definition.id.to_owned(),
        title: definition.title.to_owned(),
        requirement: definition.requirement.to_owned(),
        expected: definition.expected.to_owned(),
        actual: summary(&cases),
        started,
        duration,
        cases,
    }
}

/// What was seen: of a few cases each, of many how many, and each that did not pass.
pub(super) fn summary(cases: &[Case]) -> String {
    const FEW: usize = 5;
    if cases.len() <= FEW {
        let told: Vec<String> = cases.iter().map(|case| format!("{}: {}", case.name, case.actual)).collect();
        return told.join(". ") + ".";
    }
    let count = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
    let mut told = format!("{} of {} cases passed", count(Verdict::Passed), cases.len());
    for (verdict, words) in [(Verdict::Failed, "failed"), (Verdict::NotExecuted, "not executed")] {
        let names: Vec<&str> =
            cases.iter().filter(|case| case.verdict == verdict).map(|case| case.name.as_str()).collect();
        if !names.is_empty() {
            told.push_str(&format!("; {} {words}: {}", names.len(), names.join(", ")));
        }
    }
    told + "."
}

/// A case whose time is its step's.
pub(super) fn case(name: &str, verdict: Verdict, actual: impl Into<String>) -> Case {
    Case { name: name.to_owned(), verdict, actual: actual.into(), duration: Duration::ZERO }
}

/// Passed with the first words, or failed with the second.
pub(super) fn check(name: &str, clock: Instant, seen: Result<String, String>) -> Case {
    let (verdict, actual) = match seen {
        Ok(actual) => (Verdict::Passed, actual),
        Err(actual) => (Verdict::Failed, actual),
    };
    Case { name: name.to_owned(), verdict, actual, duration: clock.elapsed() }
}

/// A list, cut where it would fill a page.
pub(super) fn listed(entries: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = entries.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    match entries.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Changes by kind and name: their definitions fill a page.
fn named(changes: &[String]) -> Vec<String> {
    let mut named: Vec<String> = changes.iter().map(|change| scratch::named(change)).collect();
    named.dedup();
    named
}

/// That nothing changed, or what did.
pub(super) fn unchanged(changes: &[String], otherwise: &str) -> Result<String, String> {
    if changes.is_empty() {
        Ok(otherwise.to_owned())
    } else {
        Err(format!("the database changed: {}", listed(&named(changes))))
    }
}
