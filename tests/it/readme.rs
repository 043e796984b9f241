//! README.md against the code: its tables are the code's own lists, its examples name this version.

use std::path::{Path, PathBuf};

use schemagate::exit_code;
use schemagate::settings::VARIABLES;

use crate::support::job::Job;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The text below a heading, down to the next one of its level.
fn section(heading: &str) -> String {
    let text = file("README.md");
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading:?}"));
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The cells of a section's first table, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let section = section(heading);
    let lines = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    lines.skip(2).map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Fails with the rows as they should be, ready to be pasted.
#[track_caller]
fn assert_table(heading: &str, expected: &[Vec<String>]) {
    let rows: Vec<String> = expected.iter().map(|cells| format!("| {} |", cells.join(" | "))).collect();
    assert!(table(heading) == expected, "the table of {heading:?} should read:\n{}", rows.join("\n"));
}

#[test]
fn the_settings_table_is_the_list_of_variables() {
    let code = |text: &str| format!("`{text}`");
    let words = ["required", "none", "the embedded set", "the platform's"];
    let default = |text: &str| if words.contains(&text) { text.to_owned() } else { code(text) };
    let expected: Vec<_> =
        VARIABLES.iter().map(|it| vec![code(it.name), default(it.default), it.meaning.to_owned()]).collect();
    assert_table("Settings", &expected);
}

#[test]
fn the_exit_code_table_is_the_list_of_codes() {
    let row = |row: &exit_code::Row| vec![row.code.number().to_string(), row.when.to_owned(), row.retry.to_owned()];
    let expected: Vec<_> = exit_code::TABLE.iter().map(row).collect();
    assert_table("Exit codes", &expected);
}

#[test]
fn the_command_table_names_every_command() {
    let help = Job::new().arg("--help").run().assert_code(0).stdout.clone();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands = commands.map(|line| line.split_whitespace().next().unwrap());
    let commands: Vec<&str> = commands.filter(|command| *command != "help").collect();
    let cell = |cells: &Vec<String>| cells[0].trim_matches('`').split(' ').next().unwrap().to_owned();
    let mut told: Vec<String> = table("Commands").iter().map(cell).collect();
    // A command of several has a row for each.
    told.dedup();
    assert_eq!(told, commands);
}

#[test]
fn every_example_names_this_version_of_the_image() {
    for path in examples() {
        let text = std::fs::read_to_string(&path).unwrap();
        for found in text.split("schemagate/schemagate:").skip(1) {
            let tag: String = found.chars().take_while(|c| c.is_ascii_alphanumeric() || ".-_".contains(*c)).collect();
            assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{}", path.display());
        }
    }
}

/// What users copy from: README.md, the Dockerfile, and everything in deploy/.
fn examples() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("README.md"), root.join("Dockerfile")];
    let mut folders = vec![root.join("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    assert!(found.len() > 5, "{found:?}");
    found
}

#[test]
fn every_file_that_the_readme_links_to_exists() {
    let text = file("README.md");
    for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        let path = link.split('#').next().unwrap_or_default();
        if !path.is_empty() && !path.contains("://") {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{link}");
        }
    }
}
