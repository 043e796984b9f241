//! The protocol as people and CI read it.

use schemagate::report::qualification::{html, json, junit, text};
use schemagate::settings::EvidenceIds;

use super::sample::{Evidence, awkward, protocol};
use crate::support::skipped;

/// The tags of a document, in which every one is closed; fails where it is not well-formed.
#[track_caller]
fn elements(document: &str) -> Vec<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut seen = Vec::new();
    let mut rest = document;
    while let Some((before, tail)) = rest.split_once('<') {
        assert!(!before.contains('>') || open.last() == Some(&"style"), "a bare > in {before:?}");
        let (tag, after) = tail.split_once('>').unwrap_or_else(|| panic!("an open tag: {tail:.80}"));
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        match tag {
            _ if tag.starts_with('!') || tag.starts_with('?') => {}
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "closed out of order"),
            _ => {
                seen.push(tag.to_owned());
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    seen
}

#[test]
fn the_html_is_well_formed_and_asks_nothing_of_anybody() {
    for (protocol, kid) in [(protocol(), Some("thumbprint")), (awkward(), None)] {
        let document = html(&protocol, kid);
        let tags = elements(&document);
        for tag in &tags {
            let name = tag.split([' ', '/']).next().unwrap_or_default();
            assert!(!["script", "link", "img", "iframe", "object", "a", "form", "base"].contains(&name), "{tag}");
            assert!(!tag.contains(" on") && !tag.contains("src=") && !tag.contains("href="), "{tag}");
        }
        assert!(!document.contains("://") && !document.contains("url(") && !document.contains("@import"));
        assert_eq!(document.matches("<thead>").count(), 3 + protocol.steps.len());
    }
}

#[test]
fn what_a_database_says_stays_text_in_the_html() {
    let document = html(&awkward(), None);
    assert!(document.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;quoted&quot;"));
    assert!(document.contains("\\u{1b}[2J \\u{202e}txet"));
    assert!(!document.contains('\u{1b}') && !document.contains('\u{202e}') && !document.contains('\0'));
}

#[test]
fn the_html_has_what_an_auditor_looks_for() {
    let protocol = protocol();
    let document = html(&protocol, Some("the-thumbprint"));
    for wanted in [
        "Installation Qualification",
        "SPEC-INF-002",
        "EV-SPEC-INF-002",
        "US-005-001",
        "0123456789abcdef",
        "4f1c9d2e8b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d",
        "7301234567890123456",
        "the-thumbprint",
        "Verdict: not executed in full",
        "4 cases in 2 steps: 3 passed, 0 failed, 1 not executed",
        "an exclusion constraint: no row can be generated",
        "Executed by",
        "Reviewed by",
        "Approved by",
        "Page \" counter(page) \" of \" counter(pages)",
    ] {
        assert!(document.contains(wanted), "{wanted}");
    }
    for migration in &protocol.subject.migrations {
        assert!(document.contains(&migration.sha256) && document.contains(&migration.checksum));
    }
    assert!(!document.contains("UNSIGNED") && !document.contains("nobody: unsigned"));
}

#[test]
fn every_printed_page_of_an_unsigned_protocol_says_so() {
    let document = html(&protocol(), None);
    // A running head, and a mark in a fixed place, which browsers repeat on every page.
    assert!(document.contains("@top-right { content: \"UNSIGNED\";"));
    assert!(document.contains("<div class=\"mark\" aria-hidden=\"true\">UNSIGNED</div>"));
    assert!(document.contains("It is no evidence."));
}

#[test]
fn ids_cannot_leave_the_style_sheet() {
    let mut protocol = protocol();
    protocol.subject.ids = EvidenceIds {
        gxp_id: "\"}</style><b>".to_owned(),
        spec_id: "a\\".to_owned(),
        verification_tier: "<T>".to_owned(),
        user_story: "&".to_owned(),
    };
    let tags = elements(&html(&protocol, None));
    assert!(!tags.contains(&"b".to_owned()));
}

#[test]
fn the_junit_counts_what_it_holds_and_is_well_formed() {
    for protocol in [protocol(), awkward()] {
        let document = junit(&protocol);
        let tags = elements(&document);
        let count = |name: &str| tags.iter().filter(|tag| tag.starts_with(name)).count();
        let counts = protocol.counts();
        assert_eq!(count("testsuite "), protocol.steps.len());
        assert_eq!(count("testcase "), counts.passed + counts.failed + counts.not_executed);
        assert_eq!((count("failure"), count("skipped")), (counts.failed, counts.not_executed));
        let forbidden = |c: char| (c < ' ' && !"\n\t\r".contains(c)) || ['\u{fffe}', '\u{ffff}'].contains(&c);
        assert!(!document.contains(forbidden));
    }
}

#[test]
fn a_parser_of_xml_reads_junit_and_html() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("x.xml", junit(&awkward())), ("x.html", html(&awkward(), None))] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let read = "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])";
        let Ok(parsed) = std::process::Command::new("python3").args(["-c", read]).arg(&path).output() else {
            return skipped("no python3");
        };
        assert!(parsed.status.success(), "{name}: {}", String::from_utf8_lossy(&parsed.stderr));
    }
}

#[test]
fn the_text_has_a_line_a_step_and_every_deviation() {
    let evidence = Evidence::signed();
    let lines = text(&protocol(), Some(&evidence.written)).join("\n");
    for wanted in [
        "Installation Qualification of SPEC-INF-002, run 0123456789abcdef",
        "IQ-001  passed        2/2    412 ms  Fresh database",
        "IQ-004  not executed  1/2    412 ms  Foreign-key cascade",
        "  IQ-004 bookings_room_excl not executed: an exclusion constraint: no row can be generated",
        "not executed in full: 4 cases in 2 steps: 3 passed, 0 failed, 1 not executed",
        evidence.key().kid(),
    ] {
        assert!(lines.contains(wanted), "{wanted}\n{lines}");
    }
    assert!(!text(&awkward(), None).join("\n").contains('\u{1b}'));
}

#[test]
fn the_json_has_everything() {
    let evidence = Evidence::signed();
    let document = json(&protocol(), Some(&evidence.written));
    assert_eq!(document["results"]["steps"][1]["cases"][1]["status"], "skipped");
    assert_eq!(document["results"]["migrations"][0]["file"], "V0001__audit.sql");
    assert_eq!(document["environment"]["server"]["system_identifier"], "7301234567890123456");
    assert_eq!(document["metadata"]["verdict"], "not executed");
    assert_eq!(document["evidence"]["kid"], evidence.key().kid());
    assert_eq!(json(&protocol(), None)["evidence"], serde_json::Value::Null);
}
