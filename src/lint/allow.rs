//! Comments that silence findings: `-- schemagate: allow RULE because …` above the line, and squawk's own. In: the comments
//! of a file. Out: what is left of its findings, and what is wrong with the comments.

use std::ops::Range;

use super::finding::Finding;
use super::rules::{self, rule};
use super::squawk;
use crate::migrations::script::{directive, place_of};

/// The comments of one file that silence something.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    ours: Vec<Ours>,
    theirs: Vec<Theirs>,
    faults: Vec<Finding>,
}

#[derive(Debug)]
struct Ours {
    name: String,
    byte: usize,
    /// The first line below that is no comment.
    line: usize,
    used: bool,
}

/// squawk's: `squawk-ignore a, b` for the line below or its own, `squawk-ignore-file` for the file.
#[derive(Debug)]
struct Theirs {
    /// None where all are meant.
    names: Vec<String>,
    all: bool,
    /// The line of the comment; none for the file.
    line: Option<usize>,
}

impl Allowed {
    /// Takes note of a comment.
    pub(super) fn comment(&mut self, file: &str, sql: &str, range: Range<usize>) {
        let text = sql.get(range.clone()).unwrap_or_default();
        if let Some(theirs) = theirs(text, || place_of(sql, range.start).line) {
            return self.theirs.push(theirs);
        }
        let mut words = directive(text).unwrap_or_default().splitn(3, char::is_whitespace);
        if !words.next().unwrap_or_default().eq_ignore_ascii_case("allow") {
            return;
        }
        let name = words.next().unwrap_or_default();
        let reason = words.next().unwrap_or_default().trim_start();
        let because = reason.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("because"));
        let fault = |rule, message: String| Finding::at(rule, file, sql, range.start, message);
        if !is_known(name) {
            let near = nearest(name).map(|near| format!("did you mean {near}? "));
            let message = format!("there is no rule {name:?}");
            let hint = format!("{}docs/lint.md lists the rules", near.unwrap_or_default());
            return self.faults.push(fault(&rules::ALLOW_UNKNOWN, message).hint(hint));
        }
        if !because || reason.get(7..).unwrap_or_default().trim().is_empty() {
            let message = format!("{name} is allowed without a reason, so it is not");
            let hint = format!("say why: `-- schemagate: allow {name} because …`");
            return self.faults.push(fault(&rules::ALLOW_REASON, message).hint(hint));
        }
        let line = target(sql, range.end);
        self.ours.push(Ours { name: name.to_owned(), byte: range.start, line, used: false });
    }

    /// Takes out what is allowed, and adds what is wrong with the comments. Gives how many were taken out.
    pub(super) fn apply(mut self, file: &str, sql: &str, findings: &mut Vec<Finding>) -> usize {
        let before = findings.len();
        findings.retain(|finding| !self.silences(finding));
        let silenced = before - findings.len();
        findings.append(&mut self.faults);
        for ours in self.ours.iter().filter(|ours| !ours.used) {
            let always = rule(&ours.name).is_some_and(|rule| !rule.allowable);
            let message = if always {
                format!("{} cannot be allowed: `up` refuses the file", ours.name)
            } else {
                format!("{} is allowed here, and nothing of it is found in the statement below", ours.name)
            };
            findings.push(Finding::at(&rules::ALLOW_UNUSED, file, sql, ours.byte, message).hint("remove the comment"));
        }
        silenced
    }

    fn silences(&mut self, finding: &Finding) -> bool {
        if !finding.allowable {
            return false;
        }
        let here = |line: usize| line == finding.line || line == finding.statement_line;
        let ours = self.ours.iter_mut().find(|ours| ours.name == finding.rule && here(ours.line));
        if let Some(ours) = ours {
            ours.used = true;
            return true;
        }
        let names = |theirs: &Theirs| {
            theirs.all
                || theirs.names.iter().any(|name| name == finding.rule || finding.aliases.contains(&name.as_str()))
        };
        let reaches = |theirs: &Theirs| theirs.line.is_none_or(|line| here(line) || here(line + 1));
        self.theirs.iter().any(|theirs| names(theirs) && reaches(theirs))
    }
}

/// The first line below a comment that is neither blank nor a comment of its own.
fn target(sql: &str, end: usize) -> usize {
    let rest = sql.get(end..).unwrap_or_default();
    let passed = rest.split('\n').skip(1).take_while(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with("--")
    });
    place_of(sql, end).line + 1 + passed.count()
}

fn theirs(comment: &str, line: impl FnOnce() -> usize) -> Option<Theirs> {
    let text = match comment.strip_prefix("--") {
        Some(text) => text,
        None => comment.strip_prefix("/*")?.strip_suffix("*/")?,
    };
    let text = text.split("--").next()?.trim().strip_prefix("squawk-ignore")?;
    let (text, whole_file) = text.strip_prefix("-file").map_or((text, false), |text| (text, true));
    let names: Vec<String> =
        text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    Some(Theirs { all: whole_file && names.is_empty(), names, line: (!whole_file).then(line) })
}

fn is_known(name: &str) -> bool {
    rule(name).is_some() || squawk::rule(name).is_some()
}

fn nearest(name: &str) -> Option<&'static str> {
    let names = rules::RULES.iter().map(|rule| rule.name).chain(squawk::ON.iter().map(|rule| rule.name));
    let near = names.map(|known| (strsim::osa_distance(name, known), known)).min()?;
    (near.0 <= 4).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{rules_of, told};

    #[test]
    fn a_comment_with_a_reason_silences_the_statement_below() {
        for sql in [
            "-- schemagate: allow blocking-index-build because t has ten rows\ncreate index i on t (a);",
            "-- schemagate: allow blocking-index-build because t has ten rows\n\n-- more words\ncreate index\n i on t (a);",
            "alter table t\n  -- schemagate: allow table-rewrite because t is small\n  add column x serial;",
            "-- schemagate: allow table-rewrite because t is small\nalter table t\n  add column x serial;",
            "select 1; -- schemagate: allow ban-drop-table because it was never used\ndrop table t;",
            "-- squawk-ignore require-concurrent-index-creation\ncreate index i on t (a);",
            "/* squawk-ignore a, ban-drop-table -- why */ drop table t;",
            "-- squawk-ignore-file ban-drop-table\nselect 1;\n\n\ndrop table t;",
            "-- squawk-ignore-file\ncreate index i on t (a);\nalter table t add column x serial;",
        ] {
            assert_eq!(rules_of(sql), Vec::<&str>::new(), "{sql}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_comment_is_told() {
        insta::assert_snapshot!(told(&[(
            "V1__a.sql",
            "-- schemagate: allow blocking-index-build\ncreate index i on t (a);\n\
             -- schemagate: allow blocking-index because I say so\nselect 1;\n\
             -- schemagate: allow table-rewrite because it is small\nselect 2;\n\
             -- schemagate: allow transaction-control because I like it\ncommit;\n"
        )]));
        assert_eq!(rules_of("-- squawk-ignore ban-drop-column\ncreate index i on t (a);"), ["blocking-index-build"]);
    }
}
