//! What a folder of migrations makes of a database, object by object: the same by schemagate and by Drizzle's own tools.

use super::changes::Series;
use super::{Database, Project, Version};

/// Every object outside the schema `drizzle`, a line each.
pub(super) fn catalogue(database: &Database) -> Vec<String> {
    database.connect().column(include_str!("catalogue.sql"))
}

/// Fails with the lines that only one of them has.
#[track_caller]
pub(super) fn assert_same(ours: &Database, theirs: &Database, when: &str) {
    let (ours, theirs) = (catalogue(ours), catalogue(theirs));
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|line| !those.contains(line)).cloned().collect()
    };
    assert!(
        ours == theirs,
        "{when}: only by schemagate: {:#?}\nonly by Drizzle: {:#?}",
        only(&ours, &theirs),
        only(&theirs, &ours)
    );
}

#[test]
fn the_nine_tables_of_0_x_are_those_that_drizzle_kit_migrate_makes() {
    nine_tables(Version::Zero);
}

#[test]
fn the_nine_tables_of_1_0_are_those_that_drizzle_kit_migrate_makes() {
    nine_tables(Version::One);
}

fn nine_tables(version: Version) {
    let Some(project) = Project::new(version) else { return };
    project.generate("init");
    let (ours, theirs) = (Database::new(), Database::new());
    project.gate(&ours, &["up"]).assert_code(0).assert_stdout("ran in");
    project.migrate(&theirs).assert_code(0);
    let tables = |database: &Database| {
        let tables = database.tables();
        tables.into_iter().filter(|table| table.starts_with("public.")).count()
    };
    assert_eq!(tables(&ours), 9);
    let lines = catalogue(&ours);
    for expected in [
        "constraint scans_repository_id_fkey on scans: FOREIGN KEY (repository_id) REFERENCES repositories(id) ON DELETE CASCADE valid t",
        "index CREATE INDEX scans_repository_id_started_at_idx ON public.scans USING btree (repository_id, started_at DESC) valid t",
        "column public.repositories.default_branch text default 'main'::text collation \"default\"",
    ] {
        assert!(lines.iter().any(|line| line == expected), "no line {expected:?} in {lines:#?}");
    }
    assert_same(&ours, &theirs, "the nine tables");
}

#[test]
fn every_change_of_0_x_makes_what_drizzle_kit_migrate_makes() {
    changes(Version::Zero);
}

#[test]
fn every_change_of_1_0_makes_what_drizzle_kit_migrate_makes() {
    changes(Version::One);
}

fn changes(version: Version) {
    let Some(series) = Series::new(version) else { return };
    let (ours, theirs) = (Database::new(), Database::new());
    let mut before = Vec::new();
    for (number, project) in series.steps.iter().enumerate() {
        project.gate(&ours, &["up"]).assert_code(0).assert_stdout("\"applied\":1");
        project.migrate(&theirs).assert_code(0);
        assert_same(&ours, &theirs, series.name(number));
        let now = catalogue(&ours);
        assert!(series.is_empty(number) || now != before, "{} changes nothing", series.name(number));
        before = now;
    }
    // All at once, as a new database gets them.
    let (ours, theirs) = (Database::new(), Database::new());
    let last = series.steps.last().unwrap();
    last.gate(&ours, &["up"]).assert_code(0);
    last.migrate_by_orm(&theirs).assert_code(0);
    assert_same(&ours, &theirs, "all at once");
}
