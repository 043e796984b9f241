//! What lint found. In: a report. Out: lines for people, a JSON document, or annotations of GitHub.

use serde_json::{Value, json};

use super::fit::harmless;
use super::server_words::excerpt_lines;
use crate::lint::{Finding, Report, Severity, found_words};
use crate::migrations::{IntakeError, Origin, Problem};
use crate::postgres::counted;

/// The report as lines.
pub fn text(report: &Report, since: Option<&str>) -> Vec<String> {
    let mut out = Vec::new();
    for finding in &report.findings {
        out.extend(lines(finding));
        out.push(String::new());
    }
    out.push(summary(report, since));
    out
}

/// One finding as lines.
pub fn lines(finding: &Finding) -> Vec<String> {
    let Finding { rule, severity, message, .. } = finding;
    let mut out = vec![harmless(&format!("{}: {} {rule}: {message}", place(finding), severity.name()))];
    if let Some(excerpt) = &finding.excerpt {
        out.extend(excerpt_lines(finding.line, &excerpt.text, Some(excerpt.caret)));
    }
    out.extend(finding.lock.iter().map(|lock| format!("  lock: {lock}")));
    out.extend(finding.hint.iter().map(|hint| format!("  hint: {}", harmless(hint))));
    if let Some(instead) = &finding.instead {
        out.push("  instead:".to_owned());
        out.extend(instead.lines().map(|line| harmless(&format!("    {line}"))));
    }
    out
}

fn place(finding: &Finding) -> String {
    let file = finding.file.escape_debug();
    // A file as a whole has no place in it.
    if finding.excerpt.is_some() { format!("{file}:{}:{}", finding.line, finding.column) } else { file.to_string() }
}

fn summary(report: &Report, since: Option<&str>) -> String {
    let files = match since {
        Some(since) => format!("{} of {} new since {since}", report.judged, counted(report.files, "file")),
        None => format!("{}, judged as one release", counted(report.files, "file")),
    };
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    let found = if errors + warnings == 0 { "nothing found".to_owned() } else { found_words(errors, warnings) };
    let allowed = if report.allowed == 0 { String::new() } else { format!(", {} allowed", report.allowed) };
    let unread = match report.unread {
        0 => String::new(),
        1 => "; 1 statement is too long or deep for squawk's rules".to_owned(),
        unread => format!("; {unread} statements are too long or deep for squawk's rules"),
    };
    format!("{found} in {files}{allowed}{unread}")
}

/// The report as a document.
pub fn json(report: &Report, since: Option<&str>, origin: &Origin) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "file": finding.file,
            "line": finding.line,
            "column": finding.column,
            "rule": finding.rule,
            "severity": finding.severity.name(),
            "message": finding.message,
            "lock": finding.lock,
            "hint": finding.hint,
            "instead": finding.instead,
            "excerpt": finding.excerpt.as_ref().map(|excerpt| &excerpt.text),
        })
    };
    json!({
        "origin": origin.to_string(),
        "files": report.files,
        "judged": report.judged,
        "since": since,
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "allowed": report.allowed,
        "unread": report.unread,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

/// The report as workflow commands, which GitHub shows beside the lines of a pull request; `folder` is where the files
/// are from the root of the checkout.
pub fn github(report: &Report, folder: &str, since: Option<&str>) -> Vec<String> {
    let line = |finding: &Finding| {
        let parts = [Some(&finding.message), finding.lock.as_ref(), finding.hint.as_ref(), finding.instead.as_ref()];
        let text: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        let file = if folder.is_empty() { finding.file.clone() } else { format!("{folder}/{}", finding.file) };
        format!(
            "::{} file={},line={},col={},title={}::{}",
            finding.severity.name(),
            property(&file),
            finding.line,
            finding.column,
            property(finding.rule),
            data(&text.join("\n"))
        )
    };
    report.findings.iter().map(line).chain([summary(report, since)]).collect()
}

/// What keeps the files from being judged, as a document.
pub fn unreadable_json(error: &IntakeError) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "file": Some(&problem.file).filter(|file| !file.is_empty()),
            "message": problem.fault.to_string(),
            "hint": error.hint_for(problem),
        })
    };
    json!({ "origin": error.origin.to_string(), "unreadable": error.problems.iter().map(problem).collect::<Vec<_>>() })
}

/// As [`github`], of what keeps the files from being judged.
pub fn unreadable_github(error: &IntakeError, folder: &str) -> Vec<String> {
    let line = |problem: &Problem| {
        let parts = [Some(problem.fault.to_string()), error.hint_for(problem)];
        let text: Vec<String> = parts.into_iter().flatten().collect();
        let file = [folder, &problem.file].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        format!("::error file={},title=unreadable::{}", property(&file), data(&text.join("\n")))
    };
    error.problems.iter().map(line).collect()
}

/// As GitHub's runner wants what stands behind the two colons.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::{Options, lint};
    use crate::migrations::MigrationSet;

    #[test]
    fn annotations_are_one_line_each_whatever_they_hold() {
        let set =
            MigrationSet::from_texts([("V1__a.sql", "alter table t add constraint k check (a % 2 = 0);")]).unwrap();
        let report = lint(&set, &Options::default()).unwrap();
        insta::assert_snapshot!(github(&report, "db/a,b:c", None).join("\n"));
        assert!(github(&report, "", None)[0].starts_with("::error file=V1__a.sql,line=1,col=15,title=blocking-scan::"));
    }
}
