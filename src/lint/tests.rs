//! How the rules' own tests ask, and what concerns all of them.

use super::*;

/// Judges files given as texts.
fn report(files: &[(&str, &str)]) -> Report {
    let set = MigrationSet::from_texts(files.iter().copied()).unwrap();
    lint(&set, &Options::default()).unwrap()
}

/// A finding without the line that it is about.
fn shown(finding: &Finding) -> Vec<String> {
    let Finding { file, line, column, severity, rule, message, .. } = finding;
    let mut lines = vec![format!("{file}:{line}:{column}: {} {rule}: {message}", severity.name())];
    lines.extend(finding.lock.iter().map(|lock| format!("  lock: {lock}")));
    lines.extend(finding.hint.iter().map(|hint| format!("  hint: {hint}")));
    if let Some(sql) = &finding.instead {
        lines.push("  instead:".to_owned());
        lines.extend(sql.lines().map(|line| format!("    {line}")));
    }
    lines
}

/// The findings with all that users read.
pub(super) fn told(files: &[(&str, &str)]) -> String {
    let report = report(files);
    report.findings.iter().flat_map(shown).collect::<Vec<_>>().join("\n")
}

/// The findings in one statement's file behind an older one, which is of an earlier release.
pub(super) fn told_since(older: &str, sql: &str) -> String {
    let set = MigrationSet::from_texts([("V1__a.sql", older), ("V2__b.sql", sql)]).unwrap();
    let options = Options::default();
    let mut release = statements::Release::new(&options);
    let mut migrations = set.iter();
    release.older(migrations.next().unwrap()).unwrap();
    release.begin();
    let judged = release.file(migrations.next().unwrap()).unwrap();
    judged.findings.iter().flat_map(shown).collect::<Vec<_>>().join("\n")
}

/// The rules that find something in one file.
pub(super) fn rules_of(sql: &str) -> Vec<&'static str> {
    let mut rules: Vec<&str> = report(&[("V1__a.sql", sql)]).findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules
}

/// The rules that find something in one file, where another one is older than the release.
pub(super) fn rules_since(older: &str, sql: &str) -> Vec<&'static str> {
    let set = MigrationSet::from_texts([("V1__older.sql", older), ("V2__new.sql", sql)]).unwrap();
    let options = Options { since: Some("v1".to_owned()), ..Options::default() };
    let mut release = statements::Release::new(&options);
    let mut files = set.iter();
    release.older(files.next().unwrap()).unwrap();
    release.begin();
    let mut rules: Vec<&str> =
        release.file(files.next().unwrap()).unwrap().findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules
}

#[test]
fn every_rule_is_listed_once() {
    let mut names: Vec<&str> =
        RULES.iter().map(|rule| rule.name).chain(SQUAWK_ON.iter().map(|rule| rule.name)).collect();
    names.extend(SQUAWK_OFF.iter().flat_map(|(_, names)| *names));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for rule in RULES.iter().flat_map(|rule| rule.squawk) {
        assert!(SQUAWK_OFF.iter().any(|(_, names)| names.contains(rule)), "{rule}");
    }
}

#[test]
fn the_way_out_is_clean_itself() {
    for sql in [
        "alter table t add constraint k check (a > 0)",
        "alter table shop.t add foreign key (a_id) references a",
        "alter table t alter column a set not null",
        "alter table t add constraint k unique (a, b)",
        "create index i on t (a)",
        "reindex table t",
        "alter table t add column x uuid default gen_random_uuid()",
    ] {
        let found = report(&[("V1__a.sql", sql)]).findings;
        let instead = found[0].instead.clone().unwrap();
        let mut texts = vec![String::new()];
        for line in instead.lines() {
            match line.strip_prefix("-- and") {
                // A backfill, which is no migration.
                Some(what) if what.contains("outside the deployment") => break,
                Some(_) => texts.push(String::new()),
                None => texts.last_mut().unwrap().push_str(&format!("{line}\n")),
            }
        }
        let names: Vec<String> = (1..=texts.len()).map(|number| format!("V{number}__x.sql")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        assert_eq!(told(&files), "", "{sql}");
    }
}

#[test]
fn what_breaks_the_running_release_is_a_warning() {
    insta::assert_snapshot!(told(&[(
        "V1__a.sql",
        "alter table t drop column a;\nalter table t\n  rename column b to c;\nalter table u add column x int not null;\n"
    )]));
    for sql in [
        "create table t (a int); alter table t drop column a; drop table t",
        "alter table t add column x varchar(10), add column y timestamp, add column z char(3)",
        "drop index i; drop function f(); drop view v",
    ] {
        assert_eq!(rules_of(sql), Vec::<&str>::new(), "{sql}");
    }
}

#[test]
fn what_is_new_in_an_earlier_file_of_the_release_is_no_danger() {
    let files = [("V1__a.sql", "create table shop.t (a int);"), ("V2__b.sql", "create index i on shop.t (a);")];
    assert_eq!(told(&files), "");
    assert_eq!(report(&files).judged, 2);
}

#[test]
fn numbers_left_out_are_told_where_files_are_numbered_one_by_one() {
    insta::assert_snapshot!(told(&[("V1__a.sql", "select 1"), ("V2__b.sql", "select 1"), ("V5__c.sql", "select 1")]));
    for names in [
        ["V10__a.sql", "V20__b.sql", "V30__c.sql"],
        ["V20240101000000__a.sql", "V20240102000000__b.sql", "V20240102000001__c.sql"],
    ] {
        assert_eq!(told(&names.map(|name| (name, "select 1"))), "");
    }
}

#[test]
fn no_text_makes_lint_panic() {
    let parts = [
        "alter table ",
        "t ",
        "add ",
        "column ",
        "x ",
        "int ",
        "default ",
        "f(",
        ")",
        ",",
        "[",
        "]",
        "constraint ",
        "check ",
        "foreign key ",
        "references ",
        "create ",
        "table ",
        "index ",
        "on ",
        ";",
        "'",
        "\"",
        "$$",
        ".",
        "set ",
        "not null ",
        "drop ",
        "truncate ",
        "é",
        "(",
        "-- schemagate: allow ",
        "because ",
        "\n",
        "/*",
        "*/",
        "-- squawk-ignore ",
        "type ",
        "case ",
        "when ",
        "cascade ",
        "rename ",
        "to ",
        "schema ",
        "trim(",
        "extract(",
        "select ",
        "from ",
        "json_table(",
        "xmlelement(",
        "::",
        "1",
        "partition by ",
        "generated ",
        "as ",
        "values ",
        "in ",
        "between ",
        "and ",
        "U&\"",
        "E'",
        "domain ",
        "view ",
        "::interval ",
        "array",
        "row(",
        "overlay(",
        "\u{feff}",
    ];
    let mut seed = 9_usize;
    for _ in 0..20_000 {
        let mut sql = ["alter table t ", "create table t (", "drop ", "truncate ", ""][(seed >> 40) % 5].to_owned();
        for _ in 0..14 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sql.push_str(parts[(seed >> 33) % parts.len()]);
        }
        sql.push('x');
        for finding in report(&[("V1__a.sql", &sql)]).findings {
            assert!(!finding.message.is_empty() && finding.line > 0, "{sql:?}");
        }
    }
}

#[test]
fn deep_nesting_is_no_end_of_the_stack() {
    for deep in [
        "(",
        "[",
        "not ",
        "- ",
        "case when ",
        "array[",
        "row(",
        "a.",
        "select (",
        "::",
        "~",
        "not (",
        "* ",
        "1+",
        "a(",
        "case a when ",
        "with a as (",
        "exists (",
        "a in (",
        "cast(",
        "a and ",
        "a is ",
        "a between ",
        "[1][",
        "x collate ",
    ] {
        for times in [40, 700, 1_490, 30_000] {
            for head in
                ["alter table t add column x int default ", "create table t (a int check ", "create view v as select "]
            {
                report(&[("V1__a.sql", &format!("{head}{}", deep.repeat(times)))]);
            }
        }
    }
}

#[test]
fn a_long_list_is_read_to_its_end() {
    let sql = format!("alter table t {}drop column z", "add column x int default 7, ".repeat(2_000));
    assert_eq!(rules_of(&sql), ["ban-drop-column"]);
    let sql = format!("alter table t {}add z serial", "add column x text, ".repeat(2_000));
    assert_eq!(rules_of(&sql), ["table-rewrite"]);
    let sql = format!("create function f() returns int language sql as $$ {} $$", "select 1 + 1; ".repeat(20_000));
    assert_eq!(report(&[("V1__a.sql", &sql)]).unread, 0);
    let sql = format!("drop table {}x", "(".repeat(60));
    assert_eq!(report(&[("V1__a.sql", &sql)]).unread, 1);
}

#[test]
fn every_rule_of_squawk_is_told_or_left_out_for_a_reason() {
    let told = SQUAWK_ON.iter().map(|rule| rule.name);
    let known: Vec<&str> = told.chain(SQUAWK_OFF.iter().flat_map(|(_, names)| *names).copied()).collect();
    for rule in enum_iterator::all::<squawk_linter::Rule>() {
        assert!(known.contains(&rule.to_string().as_str()), "{rule}");
    }
}
