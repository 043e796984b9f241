//! The campaign's table. In: verdicts. Out: Markdown, and for each violation what is needed to see it again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::trial::{Hit, Verdict};

/// The head of the table.
pub const HEAD: &str = "\
| fault | runs | hit during the run | outcomes (exit code × count) | longest measured | violations |
|---|--:|--:|---|---|--:|";

/// The row of a fault.
pub fn row(name: &str, verdicts: &[Verdict]) -> String {
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    let mut longest: BTreeMap<&str, Duration> = BTreeMap::new();
    for verdict in verdicts {
        for end in &verdict.ends {
            *ends.entry(end).or_default() += 1;
        }
        for (what, took) in &verdict.measured {
            let known = longest.entry(what).or_default();
            *known = (*known).max(*took);
        }
    }
    let ends: Vec<String> = ends.iter().map(|(end, count)| format!("{end} × {count}")).collect();
    let longest: Vec<String> =
        longest.iter().map(|(what, took)| format!("{what} {:.1} s", took.as_secs_f64())).collect();
    let hits = verdicts.iter().filter(|verdict| verdict.hit == Hit::During).count();
    let violated = violated(verdicts);
    let (runs, ends, longest) = (verdicts.len(), ends.join(", "), longest.join(", "));
    format!("| {name} | {runs} | {hits} | {ends} | {longest} | {violated} |")
}

/// How many runs violated an invariant.
pub fn violated(verdicts: &[Verdict]) -> usize {
    verdicts.iter().filter(|verdict| !verdict.violations.is_empty()).count()
}

/// What is to be known of a run that violated something.
pub fn complaint(seed: u64, name: &str, verdict: &Verdict) -> String {
    let Verdict { number, point, violations, log, .. } = verdict;
    let mut text = format!("VIOLATION: {name}, run {number}: {point}\n");
    for violation in violations {
        let _ = writeln!(text, "  {violation}");
    }
    let _ = writeln!(text, "the job's log:\n{log}");
    let _ = write!(text, "again: ./scripts/faults --seed {seed} --fault {name} --run {number}");
    text
}
