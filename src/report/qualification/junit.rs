//! The protocol as JUnit's XML, for CI. In: a protocol. Out: one suite a step, one test case a case.

use std::time::Duration;

use crate::evidence::case_names;
use crate::evidence::times::rfc3339;
use crate::protocol::{Case, Protocol, Step, Verdict};
use crate::report::markup::escape;

/// One suite a step, one test case a case.
pub fn junit(protocol: &Protocol) -> String {
    let mut names = case_names(protocol).into_iter();
    let suites: String = protocol.steps.iter().map(|step| suite(step, &mut names, protocol)).collect();
    let counts = protocol.counts();
    let ids = &protocol.subject.ids;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" \
         skipped=\"{}\" time=\"{}\">\n{suites}</testsuites>\n",
        escape(&format!("{}-{}", ids.verification_tier, ids.spec_id)),
        counts.passed + counts.failed + counts.not_executed,
        counts.failed,
        counts.not_executed,
        seconds(protocol.finished.duration_since(protocol.started).unwrap_or_default()),
    )
}

fn suite(step: &Step, names: &mut impl Iterator<Item = String>, protocol: &Protocol) -> String {
    let count = |verdict| step.cases.iter().filter(|case| case.verdict == verdict).count();
    let class = format!("{}.{}", protocol.subject.ids.spec_id, step.id);
    let cases: String = step.cases.iter().zip(names).map(|(case, name)| test_case(case, &name, &class)).collect();
    format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{}\" \
         timestamp=\"{}\">\n{cases}  </testsuite>\n",
        escape(&format!("{} {}", step.id, step.title)),
        step.cases.len(),
        count(Verdict::Failed),
        count(Verdict::NotExecuted),
        seconds(step.duration),
        escape(&rfc3339(step.started)),
    )
}

fn test_case(case: &Case, name: &str, class: &str) -> String {
    let head = format!(
        "    <testcase name=\"{}\" classname=\"{}\" time=\"{}\"",
        escape(name),
        escape(class),
        seconds(case.duration)
    );
    let actual = escape(&case.actual);
    match case.verdict {
        Verdict::Passed => format!("{head}/>\n"),
        Verdict::Failed => {
            format!("{head}>\n      <failure message=\"{actual}\">{actual}</failure>\n    </testcase>\n")
        }
        Verdict::NotExecuted => format!("{head}>\n      <skipped message=\"{actual}\"/>\n    </testcase>\n"),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}
