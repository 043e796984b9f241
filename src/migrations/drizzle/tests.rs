//! Tests of both layouts, on folders as drizzle-kit writes them.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// A folder with a journal of these entries, `idx:when:tag`, and a file for each.
fn journal(entries: &[&str]) -> TempDir {
    let folder = folder(&[]);
    let entries: Vec<String> = entries
        .iter()
        .map(|entry| {
            let parts: Vec<&str> = entry.splitn(3, ':').collect();
            fs::write(folder.path().join(format!("{}.sql", parts[2])), "select 1;").unwrap();
            format!(
                r#"{{"idx": {}, "version": "7", "when": {}, "tag": "{}", "breakpoints": true}}"#,
                parts[0], parts[1], parts[2]
            )
        })
        .collect();
    write_journal(
        &folder,
        &format!(r#"{{"version": "7", "dialect": "postgresql", "entries": [{}]}}"#, entries.join(",")),
    );
    folder
}

fn write_journal(folder: &TempDir, text: &str) {
    fs::create_dir_all(folder.path().join("meta")).unwrap();
    fs::write(folder.path().join("meta/_journal.json"), text).unwrap();
}

fn loaded(folder: &TempDir) -> MigrationSet {
    MigrationSet::load(Some(folder.path())).unwrap()
}

fn facts(set: &MigrationSet) -> Vec<String> {
    set.iter().map(|m| format!("{} {} {}", m.version(), m.name(), m.file())).collect()
}

fn refused(folder: &TempDir) -> String {
    let error = MigrationSet::load(Some(folder.path())).unwrap_err();
    let lines: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[test]
fn a_journal_gives_versions_names_and_what_drizzle_records() {
    let folder = journal(&["0:1795357498100:0000_first", "1:1795357498610:0001_with-dash"]);
    let set = loaded(&folder);
    assert_eq!(facts(&set), ["0 first 0000_first.sql", "1 with-dash 0001_with-dash.sql"]);
    let row = set.newest().unwrap().drizzle().unwrap();
    assert_eq!(row.hash, "354b7196c9ba5fb4b21cf615bb6ec4cd5c07503c34229feef033fc081a8c03f4");
    assert_eq!((row.created_at_ms, row.name.as_str()), (1_795_357_498_610, "20261122142458_with-dash"));
    assert!(set.oddities().is_empty());
    assert!(matches!(set.origin(), Origin::Drizzle { layout: Layout::Journal, .. }));
}

#[test]
fn every_prefix_style_is_read() {
    let folder = journal(&["0:1:20240501120000_a", "1:2:1714564805_b", "2:3:c", "3:4:0003_d"]);
    let set = loaded(&folder);
    assert_eq!(facts(&set), ["0 a 20240501120000_a.sql", "1 b 1714564805_b.sql", "2 c c.sql", "3 d 0003_d.sql"]);
    assert!(set.oddities().is_empty());
}

#[test]
fn folders_are_sorted_by_name_and_numbered_by_their_time() {
    let folder = folder(&[
        ("20261122142500_c/migration.sql", "select 3;"),
        ("20261122142458_B/migration.sql", "select 2;"),
        ("20261122142458_a/migration.sql", "select 1;"),
        ("20261122142458_a/snapshot.json", "{}"),
        ("20261122142459_empty/snapshot.json", "{}"),
        (".git/migration.sql", "x"),
    ]);
    let set = loaded(&folder);
    assert_eq!(
        facts(&set),
        [
            "20261122142458 a 20261122142458_a/migration.sql",
            "20261122142459 B 20261122142458_B/migration.sql",
            "20261122142500 c 20261122142500_c/migration.sql",
        ]
    );
    let row = set.newest().unwrap().drizzle().unwrap();
    assert_eq!((row.created_at_ms, row.name.as_str()), (1_795_357_500_000, "20261122142500_c"));
}

#[test]
fn what_drizzle_lets_pass_is_odd_and_no_fault() {
    let folder = journal(&["1:50:0001_a", "2:40:0007_b", "9:60:0009_c"]);
    fs::write(folder.path().join("0005_forgotten.sql"), "select 1;").unwrap();
    fs::write(folder.path().join("0009_c.sql"), " \n").unwrap();
    let set = loaded(&folder);
    assert_eq!(set.len(), 3);
    insta::assert_snapshot!(oddity_lines(set.oddities()).join("\n"), @r"
    idx 0, idx 3 to 8: left out of meta/_journal.json; its other entries are taken as they are
    0007_b (idx 2): the number in the tag is not the entry's idx; the idx counts
    0007_b: `when` is not later than that of the entry before it; the journal's order counts
    0005_forgotten.sql: not run, because Drizzle does not know it either
    0009_c.sql: an empty file; recorded without running anything
    ");
}

#[test]
fn many_oddities_of_a_kind_are_one_line() {
    let entries: Vec<String> = (0..8).map(|idx| format!("{idx}:{}:{:04}_x{idx}", idx + 1, idx + 1)).collect();
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let lines = oddity_lines(loaded(&journal(&entries)).oddities());
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("0005_x4 (idx 4) and 3 more: "), "{lines:?}");
}

#[test]
fn all_faults_of_a_journal_come_at_once() {
    let folder =
        journal(&["0:1:0000_a", "1:2:0001_b", "1:3:0001_c", "3:4:0003_d", "2:5:0002_e", "4:6:0001_b", "-1:7:0005_f"]);
    fs::remove_file(folder.path().join("0000_a.sql")).unwrap();
    fs::write(folder.path().join("0003_d.sql"), b"\xff").unwrap();
    fs::write(folder.path().join("V1__refinery.sql"), "select 1;").unwrap();
    fs::create_dir(folder.path().join("20240501120000_new")).unwrap();
    fs::write(folder.path().join("20240501120000_new/migration.sql"), "select 1;").unwrap();
    insta::assert_snapshot!(refused(&folder), @r#"
    0000_a.sql: the journal lists it, but the file does not exist
    0001_b.sql: two entries of the journal have the tag "0001_b"
    0001_c.sql: idx 1 is already that of the entry "0001_b"
    0002_e.sql: idx 2 stands behind idx 3 in the journal
    0003_d.sql: not valid UTF-8 at byte 0 (line 1)
    0005_f.sql: idx -1 is negative
    0005_f.sql: idx -1 stands behind idx 4 in the journal
    20240501120000_new/migration.sql: a mix of layouts: a migration in a folder of its own, beside meta/_journal.json
    V1__refinery.sql: a mix of layouts: a file named as refinery's are, in a folder of drizzle-kit
    "#);
}

#[test]
fn a_journal_that_cannot_be_read_is_named_with_the_place() {
    let folder = journal(&["0:1:0000_a"]);
    for (text, expected) in [
        ("{", "not a journal of drizzle-kit: EOF while parsing an object at line 1 column 1"),
        ("", "not a journal of drizzle-kit: EOF while parsing a value at line 1 column 0"),
        ("{}", "not a journal of drizzle-kit: missing field `entries` at line 1 column 2"),
        ("<<<<<<< HEAD", "not a journal of drizzle-kit: expected value at line 1 column 1"),
        (r#"{"dialect": "sqlite", "entries": []}"#, "the journal is for \"sqlite\", not for \"postgresql\""),
        (
            r#"{"entries": [{"idx": 0, "when": 1, "tag": "../x"}]}"#,
            "the tag \"../x\" is not the name of a file in the folder",
        ),
    ] {
        write_journal(&folder, text);
        let refused = refused(&folder);
        let line = refused.lines().find(|line| line.starts_with("meta/_journal.json: ")).unwrap();
        assert_eq!(line, format!("meta/_journal.json: {expected}"));
    }
    write_journal(&folder, "\u{feff}{\"entries\": []}");
    assert_eq!(refused(&folder), "no migrations in it");
}

#[test]
fn a_folder_without_a_time_and_a_file_of_refinery_are_refused() {
    let folder = folder(&[
        ("20240501120000_a/migration.sql", "select 1;"),
        ("0001_b/migration.sql", "select 1;"),
        ("20241301120000_c/migration.sql", "select 1;"),
        ("V1__d.sql", "select 1;"),
        ("notes.sql", "select 1;"),
    ]);
    insta::assert_snapshot!(refused(&folder), @r"
    0001_b/migration.sql: the folder's name does not begin with a timestamp of 14 digits and an underscore
    20241301120000_c/migration.sql: the folder's name does not begin with a timestamp of 14 digits and an underscore
    V1__d.sql: a mix of layouts: a file named as refinery's are, in a folder of drizzle-kit
    ");
}

#[test]
fn a_mounted_config_map_is_read_once() {
    let folder = folder(&[("..2024/migration.sql", "select 1;")]);
    symlink("..2024", folder.path().join("..data")).unwrap();
    symlink("..data", folder.path().join("20240501120000_a")).unwrap();
    assert_eq!(facts(&loaded(&folder)), ["20240501120000 a 20240501120000_a/migration.sql"]);
}
