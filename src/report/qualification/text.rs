//! The protocol on a terminal.

use crate::evidence::Written;
use crate::postgres::{counted, duration_text};
use crate::protocol::{Protocol, Step, Verdict};
use crate::report::fit::harmless;
use crate::report::table::align;

/// A line a step, what deviates, and what was written where.
pub fn text(protocol: &Protocol, written: Option<&Written>) -> Vec<String> {
    let ids = &protocol.subject.ids;
    let environment = &protocol.environment;
    let mut lines = vec![
        format!("{} of {}, run {}", tier_words(&ids.verification_tier), ids.spec_id, protocol.run_id),
        format!(
            "on {} (PostgreSQL {}), {} from {}",
            environment.scratch_database,
            environment.server_version,
            counted(protocol.subject.migrations.len(), "migration"),
            protocol.subject.origin
        ),
        String::new(),
    ];
    let row = |step: &Step| {
        let passed = step.cases.iter().filter(|case| case.verdict == Verdict::Passed).count();
        vec![
            step.id.clone(),
            step.verdict().words().to_owned(),
            format!("{passed}/{}", step.cases.len()),
            duration_text(step.duration),
            step.title.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = protocol.steps.iter().map(row).collect();
    lines.extend(align(&["STEP", "VERDICT", "CASES", "TIME", "TITLE"], &rows));
    let deviations = protocol.deviations();
    if !deviations.is_empty() {
        lines.extend([String::new(), "deviations".to_owned()]);
        lines.extend(deviations.iter().map(|line| format!("  {}", line.replace('\n', " "))));
    }
    lines.push(String::new());
    lines.extend(written.map(written_lines).into_iter().flatten());
    lines.push(format!("{}: {}", verdict_words(protocol.verdict()), counts_words(protocol)));
    lines.iter().map(|line| harmless(line)).collect()
}

fn written_lines(written: &Written) -> Vec<String> {
    let signed = match &written.kid {
        Some(kid) => format!("signed by the key {kid}"),
        None => "unsigned: set SCHEMAGATE_SIGNING_KEY".to_owned(),
    };
    vec![
        format!("record    {} ({signed})", written.record.display()),
        format!("package   {}", written.package.display()),
        format!("protocol  {}", written.html.display()),
        format!("junit     {}", written.junit.display()),
        String::new(),
    ]
}

/// What the tier is called.
pub(super) fn tier_words(tier: &str) -> String {
    match tier {
        "IQ" => "Installation Qualification".to_owned(),
        "OQ" => "Operational Qualification".to_owned(),
        "PQ" => "Performance Qualification".to_owned(),
        other => format!("Qualification ({other})"),
    }
}

/// The verdict on the whole: what was not executed is never passed over.
pub(super) fn verdict_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::NotExecuted => "not executed in full",
        Verdict::Failed => "failed",
    }
}

pub(super) fn counts_words(protocol: &Protocol) -> String {
    let counts = protocol.counts();
    let all = counts.passed + counts.failed + counts.not_executed;
    format!(
        "{} in {}: {} passed, {} failed, {} not executed",
        counted(all, "case"),
        counted(protocol.steps.len(), "step"),
        counts.passed,
        counts.failed,
        counts.not_executed
    )
}
