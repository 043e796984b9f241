//! Comments that silence findings: `-- schemagate: allow RULE because …` above the line, and squawk's own. In: the comments
//! of a file. Out: what is left of its findings, and what is wrong with the comments.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::finding::Finding;
use super::rules::{self, rule};
use super::source::Source;
use super::squawk;
use crate::migrations::script::directive;

/// The comments of one file that silence something.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    /// By the first line below that is no comment.
    ours: HashMap<usize, Vec<Ours>>,
    /// squawk's `squawk-ignore a, b`, by its line: for that or the one below.
    theirs: HashMap<usize, Vec<String>>,
    /// squawk's `squawk-ignore-file a, b`.
    whole_file: HashSet<String>,
    /// The same for all rules.
    everything: bool,
    faults: Vec<Finding>,
}

#[derive(Debug)]
struct Ours {
    name: String,
    byte: usize,
    used: bool,
}

impl Allowed {
    /// Takes note of a comment.
    pub(super) fn comment(&mut self, source: &Source<'_>, range: Range<usize>) {
        let text = source.sql.get(range.clone()).unwrap_or_default();
        if let Some((whole_file, names)) = theirs(text) {
            return self.note_theirs(whole_file, names, || source.line(range.start));
        }
        let mut words = directive(text).unwrap_or_default().splitn(3, char::is_whitespace);
        if !words.next().unwrap_or_default().eq_ignore_ascii_case("allow") {
            return;
        }
        let name = words.next().unwrap_or_default();
        let reason = words.next().unwrap_or_default().trim_start();
        let because = reason.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("because"));
        let fault = |rule, message: String| Finding::at(rule, source, range.start, message);
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
        let ours = Ours { name: name.to_owned(), byte: range.start, used: false };
        self.ours.entry(target(source, range.end)).or_default().push(ours);
    }

    fn note_theirs(&mut self, whole_file: bool, names: Vec<String>, line: impl FnOnce() -> usize) {
        if whole_file {
            self.everything |= names.is_empty();
            self.whole_file.extend(names);
        } else {
            self.theirs.entry(line()).or_default().extend(names);
        }
    }

    /// Takes out what is allowed, and adds what is wrong with the comments. Gives how many were taken out.
    pub(super) fn apply(mut self, source: &Source<'_>, findings: &mut Vec<Finding>) -> usize {
        let before = findings.len();
        findings.retain(|finding| !self.silences(finding));
        let silenced = before - findings.len();
        findings.append(&mut self.faults);
        for ours in self.ours.values().flatten().filter(|ours| !ours.used) {
            let always = rule(&ours.name).is_some_and(|rule| !rule.allowable);
            let message = if always {
                format!("{} cannot be allowed: `up` refuses the file", ours.name)
            } else {
                format!("{} is allowed here, and nothing of it is found in the statement below", ours.name)
            };
            findings.push(Finding::at(&rules::ALLOW_UNUSED, source, ours.byte, message).hint("remove the comment"));
        }
        silenced
    }

    fn silences(&mut self, finding: &Finding) -> bool {
        if !finding.allowable {
            return false;
        }
        let lines = [finding.line, finding.statement_line];
        for line in lines {
            let ours = self.ours.get_mut(&line).into_iter().flatten().find(|ours| ours.name == finding.rule);
            if let Some(ours) = ours {
                ours.used = true;
                return true;
            }
        }
        let means = |name: &str| name == finding.rule || finding.aliases.contains(&name);
        let near = lines.into_iter().flat_map(|line| [line, line.saturating_sub(1)]);
        self.everything
            || self.whole_file.iter().any(|name| means(name))
            || near.filter_map(|line| self.theirs.get(&line)).flatten().any(|name| means(name))
    }
}

/// The first line below a comment that is neither blank nor a comment of its own.
fn target(source: &Source<'_>, end: usize) -> usize {
    let rest = source.sql.get(end..).unwrap_or_default();
    let passed = rest.split('\n').skip(1).take_while(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with("--")
    });
    source.line(end) + 1 + passed.count()
}

/// Whether the whole file is meant, and the rules named.
fn theirs(comment: &str) -> Option<(bool, Vec<String>)> {
    let text = match comment.strip_prefix("--") {
        Some(text) => text,
        None => comment.strip_prefix("/*")?.strip_suffix("*/")?,
    };
    let text = text.split("--").next()?.trim().strip_prefix("squawk-ignore")?;
    let (text, whole_file) = text.strip_prefix("-file").map_or((text, false), |text| (text, true));
    let names = text.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    Some((whole_file, names.collect()))
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
