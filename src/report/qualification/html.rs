//! The protocol for people: one self-contained HTML document that prints on A4. In: a protocol, and the key that signs
//! its evidence. Out: HTML without scripts and without addresses.

use super::text::{counts_words, tier_words, verdict_words};
use crate::evidence::times::rfc3339;
use crate::evidence::{case_names, system_state_hash};
use crate::postgres::{counted, duration_text};
use crate::protocol::{Protocol, Step, Verdict};
use crate::report::markup::{css_string, escape};

const STYLE: &str = include_str!("protocol.css");
/// What stands where nothing is known.
const UNKNOWN: &str = "not known";

/// A self-contained document; `kid` is the thumbprint of the key that signs the evidence, none where nobody does.
pub fn html(protocol: &Protocol, kid: Option<&str>) -> String {
    let ids = &protocol.subject.ids;
    let title = format!("{}-{} {}", ids.verification_tier, ids.spec_id, protocol.run_id);
    let body = [
        cover(protocol, kid),
        steps(protocol),
        deviations(protocol),
        cases(protocol),
        migrations(protocol),
        approval(protocol, kid),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;\"/>\n<title>{}</title>\n<style>\n{STYLE}{}\
         </style>\n</head>\n<body>\n{}{}</body>\n</html>\n",
        escape(&title),
        running_lines(protocol, kid),
        if kid.is_none() { "<div class=\"mark\" aria-hidden=\"true\">UNSIGNED</div>\n" } else { "" },
        body.concat()
    )
}

/// Head and foot of every printed page.
fn running_lines(protocol: &Protocol, kid: Option<&str>) -> String {
    let ids = &protocol.subject.ids;
    let left = format!("{} {} {}", tier_words(&ids.verification_tier), ids.spec_id, ids.gxp_id);
    let right = if kid.is_some() { "signed evidence" } else { "UNSIGNED" };
    let foot = format!("run {}, {}", protocol.run_id, rfc3339(protocol.finished));
    format!(
        "@page {{\n  @top-left {{ content: {}; }}\n  @top-right {{ content: {}; {} }}\n  @bottom-left {{ content: {}; }}\n}}\n",
        css_string(&left),
        css_string(right),
        if kid.is_some() { "" } else { "color: #a31515; font-weight: 700;" },
        css_string(&foot),
    )
}

fn cover(protocol: &Protocol, kid: Option<&str>) -> String {
    let ids = &protocol.subject.ids;
    let verdict = protocol.verdict();
    format!(
        "<section class=\"cover\">\n<h1>{}</h1>\n<p class=\"lead\">Protocol and record of {}</p>\n{}<p class=\"banner verdict \
         {}\">Verdict: {}<small>{}</small></p>\n{}</section>\n",
        escape(&tier_words(&ids.verification_tier)),
        escape(&ids.spec_id),
        if kid.is_none() { UNSIGNED } else { "" },
        class(verdict),
        escape(verdict_words(verdict)),
        escape(&counts_words(protocol)),
        identity(protocol, kid)
    )
}

const UNSIGNED: &str = "<p class=\"unsigned\">UNSIGNED<small>No key was given, so nothing shows whether this record was \
                        changed after it was written. It is no evidence.</small></p>\n";

fn identity(protocol: &Protocol, kid: Option<&str>) -> String {
    let (subject, environment) = (&protocol.subject, &protocol.environment);
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    let duration = protocol.finished.duration_since(protocol.started).unwrap_or_default();
    let tls = if environment.encrypted { "encrypted" } else { "not encrypted" };
    let rows = [
        ("Evidence", subject.ids.gxp_id.clone()),
        ("Specification", format!("{}, tier {}", subject.ids.spec_id, subject.ids.verification_tier)),
        ("User story", subject.ids.user_story.clone()),
        ("Run", protocol.run_id.clone()),
        ("Started, finished", format!("{}\n{}", rfc3339(protocol.started), rfc3339(protocol.finished))),
        ("Duration", duration_text(duration)),
        ("Git commit", known(&subject.release.git_commit)),
        ("Deployment", known(&subject.release.deployment_id)),
        ("Migrations", format!("{} from {}", subject.migrations.len(), subject.origin)),
        ("System state (SHA-256)", system_state_hash(&subject.migrations)),
        ("History table", subject.history_table.clone()),
        ("Atomicity", format!("one transaction for each {}", subject.atomicity)),
        ("Server", format!("PostgreSQL {} at {}, connection {tls}", environment.server_version, environment.host)),
        ("System identifier", known(&environment.system_identifier)),
        ("Target database", target_words(&environment.target_database)),
        (
            "Scratch database",
            format!("{}, {}, collation {}", environment.scratch_database, environment.encoding, environment.collation),
        ),
        ("Database role", environment.role.clone()),
        ("Tool", format!("schemagate {}", environment.tool_version)),
        ("Tool (SHA-256)", known(&environment.tool_sha256)),
        ("Signed by key", kid.unwrap_or("nobody: unsigned").to_owned()),
    ];
    let platform = subject.release.platform.iter().map(|(name, value)| (name.as_str(), value.clone()));
    let row = |(name, value): (&str, String)| {
        // In these letters an I is no l.
        let class = if MONO.contains(&name) { " class=\"mono\"" } else { "" };
        format!("<tr><th scope=\"row\">{}</th><td{class}>{}</td></tr>\n", escape(name), escape(&value))
    };
    let rows: String = rows.into_iter().chain(platform).map(row).collect();
    format!("<table class=\"identity dense\">\n<tbody>\n{rows}</tbody>\n</table>\n")
}

/// Where a scratch database was given, there may be no target.
fn target_words(target: &str) -> String {
    if target.is_empty() { "none named".to_owned() } else { format!("{target} (not touched)") }
}

const MONO: [&str; 6] =
    ["Run", "Git commit", "System state (SHA-256)", "System identifier", "Tool (SHA-256)", "Signed by key"];

fn steps(protocol: &Protocol) -> String {
    let row = |step: &Step| {
        let passed = step.cases.iter().filter(|case| case.verdict == Verdict::Passed).count();
        format!(
            "<tr><th scope=\"row\">{}<br/>{}</th><td>{}</td><td>{}</td><td>{}</td>\
             <td class=\"verdict {}\">{}<small>{passed} of {}</small></td><td>{}<br/>{}</td></tr>\n",
            escape(&step.id),
            escape(&step.title),
            escape(&step.requirement),
            escape(&step.expected),
            escape(&step.actual),
            class(step.verdict()),
            step.verdict().words(),
            counted(step.cases.len(), "case"),
            // A line break is the only one that reads well in a narrow column.
            rfc3339(step.started).replace('T', "<br/>"),
            escape(&duration_text(step.duration)),
        )
    };
    let rows: String = protocol.steps.iter().map(row).collect();
    table(
        "Steps",
        "dense",
        &[
            ("Step", 14),
            ("Requirement", 20),
            ("Expected", 20),
            ("Actual", 22),
            ("Verdict", 10),
            ("Start, duration", 14),
        ],
        &rows,
    )
}

fn deviations(protocol: &Protocol) -> String {
    let deviations = protocol.deviations();
    let items: String = deviations.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
    let list = if deviations.is_empty() { "<p>None.</p>\n".to_owned() } else { format!("<ol>\n{items}</ol>\n") };
    format!("<section>\n<h2>Deviations</h2>\n{list}</section>\n")
}

fn cases(protocol: &Protocol) -> String {
    let mut names = case_names(protocol).into_iter();
    let mut text = String::from("<section>\n<h2>Cases of each step</h2>\n");
    for step in &protocol.steps {
        let rows: String = step
            .cases
            .iter()
            .zip(&mut names)
            .map(|(case, name)| {
                format!(
                    "<tr><td>{}</td><td>{}</td>{}<td class=\"number\">{}</td></tr>\n",
                    // The heading has the id of the step already.
                    escape(name.strip_prefix(&step.id).unwrap_or(&name).trim_start()),
                    escape(&case.actual),
                    verdict_cell(case.verdict),
                    escape(&duration_text(case.duration)),
                )
            })
            .collect();
        text.push_str(&format!(
            "<h3>{} {} ({})</h3>\n{}",
            escape(&step.id),
            escape(&step.title),
            counted(step.cases.len(), "case"),
            bare_table("dense", &[("Case", 33), ("Actual", 45), ("Verdict", 12), ("Duration", 10)], &rows)
        ));
    }
    text.push_str("</section>\n");
    text
}

fn migrations(protocol: &Protocol) -> String {
    let rows: String = protocol
        .subject
        .migrations
        .iter()
        .map(|it| {
            format!(
                "<tr><td class=\"number\">{}</td><td>{}</td><td class=\"mono\">{}</td><td class=\"mono\">{}</td><td \
                 class=\"number\">{}</td></tr>\n",
                it.version,
                escape(&it.file),
                escape(&it.sha256),
                escape(&it.checksum),
                it.size_bytes
            )
        })
        .collect();
    let columns = [("Version", 12), ("File", 28), ("SHA-256", 31), ("Checksum in the history", 21), ("Bytes", 8)];
    table("Migrations", "dense", &columns, &rows)
}

fn approval(protocol: &Protocol, kid: Option<&str>) -> String {
    const ROLES: [(&str, &str); 3] = [
        ("Executed by", "I had this protocol executed as written, on the environment named above."),
        ("Reviewed by", "I have reviewed steps, cases and deviations, and they are complete."),
        ("Approved by", "I approve the result, and every deviation in it has been dealt with."),
    ];
    let rows: String = ROLES
        .iter()
        .map(|(role, meaning)| {
            format!("<tr><th scope=\"row\">{role}<small>{meaning}</small></th><td></td><td></td><td></td></tr>\n")
        })
        .collect();
    let machine = match kid {
        Some(kid) => format!(
            "The evidence of run {} is signed by a machine with the key <code>{}</code>. That shows whether it was changed; \
             it is no signature of a person, and does not stand for the three below.",
            escape(&protocol.run_id),
            escape(kid)
        ),
        None => format!("The evidence of run {} is unsigned.", escape(&protocol.run_id)),
    };
    let columns = [("Role and meaning", 32), ("Name in print", 24), ("Signature", 26), ("Date", 18)];
    format!(
        "<section class=\"approval\">\n<h2>Signatures</h2>\n<p class=\"note\">{machine}</p>\n{}</section>\n",
        bare_table("", &columns, &rows)
    )
}

fn table(heading: &str, class: &str, columns: &[(&str, u32)], rows: &str) -> String {
    format!("<section>\n<h2>{heading}</h2>\n{}</section>\n", bare_table(class, columns, rows))
}

/// Columns with their widths in percent.
fn bare_table(class: &str, columns: &[(&str, u32)], rows: &str) -> String {
    let widths: String = columns.iter().map(|(_, width)| format!("<col style=\"width: {width}%\"/>")).collect();
    let heads: String = columns.iter().map(|(name, _)| format!("<th scope=\"col\">{name}</th>")).collect();
    format!(
        "<table class=\"{class}\">\n<colgroup>{widths}</colgroup>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n\
         </table>\n"
    )
}

fn verdict_cell(verdict: Verdict) -> String {
    format!("<td class=\"verdict {}\">{}</td>", class(verdict), verdict.words())
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::NotExecuted => "not-executed",
        Verdict::Failed => "failed",
    }
}
