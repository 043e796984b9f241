//! What lint finds in the pending files besides rewrites and scans, which are weighed by themselves. In: the pending files, the
//! table that a statement works on. Out: findings with the level that they have on this database.

use super::{Level, Table};
use crate::lint::{Finding, LintError, Options, Severity, lint};
use crate::migrations::{MigrationSet, ReadError};
use crate::settings::Atomicity;

/// The rules whose findings are judgements of a table.
const WEIGHED: [&str; 3] = ["table-rewrite", "blocking-scan", "blocking-index-build"];
/// The rule that is as bad as its statement is long.
const AS_LONG: &str = "strong-lock-then-long-work";

/// A finding of lint, as bad as it is here.
#[derive(Debug, Clone)]
pub struct Weighted {
    /// How bad it is.
    pub level: Level,
    /// The table that makes it so, where it is a matter of size.
    pub table: Option<Table>,
    /// What lint says.
    pub finding: Finding,
}

/// The findings, the worst first. `worked_on` gives the largest table that the statement of a file and line touches.
pub(super) fn find(
    pending: &MigrationSet,
    version: u32,
    atomicity: Atomicity,
    worked_on: impl Fn(&str, usize) -> Option<Table>,
) -> Result<Vec<Weighted>, ReadError> {
    let options = Options { version, atomicity, ..Options::default() };
    let report = match lint(pending, &options) {
        Ok(report) => report,
        Err(LintError::Read(error)) => return Err(error),
        // Of git and of what was printed, which are not asked for here.
        Err(LintError::Git(_) | LintError::Embedded | LintError::Found { .. }) => return Ok(Vec::new()),
    };
    // What is about a file as a whole is about the folder, and settled before there is a plan.
    let told = |finding: &Finding| finding.excerpt.is_some() && !WEIGHED.contains(&finding.rule);
    let mut found: Vec<Weighted> =
        report.findings.into_iter().filter(told).map(|finding| weighted(finding, &worked_on)).collect();
    found.sort_by_key(|it| std::cmp::Reverse(it.level));
    Ok(found)
}

fn weighted(finding: Finding, worked_on: impl Fn(&str, usize) -> Option<Table>) -> Weighted {
    let level = match finding.severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
    };
    let table = (finding.rule == AS_LONG).then(|| worked_on(&finding.file, finding.line)).flatten();
    let level = table.as_ref().map_or(level, |table| level.min(Level::of(table.bytes, level)));
    Weighted { level, table, finding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::RULES;

    #[test]
    fn the_rules_that_are_named_here_are_rules() {
        for name in WEIGHED.iter().chain([&AS_LONG]) {
            assert!(RULES.iter().any(|rule| rule.name == *name), "{name}");
        }
    }
}
