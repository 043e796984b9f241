//! Databases that Drizzle's tools made, taken over: whole, without a history, and with one that was damaged.

use super::catalogue::assert_same;
use super::orders::histories;
use super::{Database, Project, Version};

/// A project of four migrations.
fn four(version: Version) -> Option<Project> {
    let project = Project::new(version)?;
    project.generate("0_init");
    for column in ["a_one", "b_two", "c_three"] {
        project.edit("    repo: text", &format!("    {column}: text(\"{column}\"),\n    repo: text"));
        project.generate(column);
    }
    Some(project)
}

/// The versions, or the tags, of the four.
fn tags(project: &Project) -> Vec<String> {
    let name = |path: &std::path::PathBuf| {
        let name = path.strip_prefix(project.migrations()).unwrap().to_str().unwrap().to_owned();
        name.trim_end_matches(".sql").trim_end_matches("/migration").to_owned()
    };
    project.entries().iter().map(name).collect()
}

fn versions(project: &Project, version: Version) -> Vec<String> {
    match version {
        Version::Zero => (0..4).map(|idx| idx.to_string()).collect(),
        Version::One => tags(project).iter().map(|tag| tag[..14].to_owned()).collect(),
    }
}

#[track_caller]
fn both_find_nothing(project: &Project, database: &Database, rows: usize) {
    project.gate(database, &["up"]).assert_code(0).assert_stdout("\"up_to_date\"");
    project.gate(database, &["status", "--check"]).assert_code(0);
    let before = histories(database);
    assert_eq!((before.ours.len(), before.theirs.len()), (rows, rows), "{before:?}");
    project.migrate(database).assert_code(0);
    project.migrate_by_orm(database).assert_code(0);
    assert_eq!(histories(database), before);
}

#[test]
fn what_drizzle_kit_0_x_migrated_is_taken_over() {
    migrated(Version::Zero);
}

#[test]
fn what_drizzle_kit_1_0_migrated_is_taken_over() {
    migrated(Version::One);
}

fn migrated(version: Version) {
    let Some(project) = four(version) else { return };
    let database = Database::new();
    project.migrate(&database).assert_code(0);
    project.gate(&database, &["plan"]).assert_code(0).assert_stdout("4 migrations of Drizzle's history adopted");
    project
        .gate(&database, &["up"])
        .assert_code(0)
        .assert_stdout("4 migrations of drizzle.__drizzle_migrations adopted as applied")
        .assert_nowhere("ran in");
    both_find_nothing(&project, &database, 4);
}

#[test]
fn what_drizzle_kit_0_x_pushed_is_taken_over_by_a_baseline() {
    pushed(Version::Zero);
}

#[test]
fn what_drizzle_kit_1_0_pushed_is_taken_over_by_a_baseline() {
    pushed(Version::One);
}

fn pushed(version: Version) {
    let Some(project) = four(version) else { return };
    let (database, migrated) = (Database::new(), Database::new());
    project.push(&database).assert_code(0);
    project.gate(&database, &["up"]).assert_code(65).assert_stdout("schemagate adopt --baseline VERSION");
    let last = versions(&project, version).pop().unwrap();
    project.gate(&database, &["adopt", "--baseline", &last]).assert_code(0);
    both_find_nothing(&project, &database, 4);
    project.edit("    repo: text", "    next: text(\"next\"),\n    repo: text");
    project.generate("d_next");
    project.gate(&database, &["up"]).assert_code(0).assert_stdout("\"applied\":1");
    both_find_nothing(&project, &database, 5);
    // push makes the columns in another order; what they are is the same.
    project.migrate(&migrated).assert_code(0);
    let columns = |database: &Database| {
        database.query_strings(
            "select table_name, column_name, data_type, is_nullable, column_default from information_schema.columns
             where table_schema = 'public' order by 1, 2",
        )
    };
    assert_eq!(columns(&database), columns(&migrated));
}

#[test]
fn a_history_of_0_x_that_was_damaged_stops_and_is_decided() {
    damaged(Version::Zero);
}

#[test]
fn a_history_of_1_0_that_was_damaged_stops_and_is_decided() {
    damaged(Version::One);
}

/// A damage of Drizzle's table, what is said of it, and the decision that settles it; `{tag}` is the second migration.
struct Damage {
    sql: &'static str,
    said: &'static str,
    decision: [&'static str; 2],
}

const DAMAGES: [Damage; 4] = [
    Damage {
        sql: "delete from drizzle.__drizzle_migrations where id = 2",
        said: "no row, although the later",
        decision: ["--mark", "{tag}"],
    },
    Damage {
        sql: "update drizzle.__drizzle_migrations set hash = repeat('0', 64) where id = 2",
        said: "row-2 is of its time, but of another text",
        decision: ["--mark", "{tag}"],
    },
    Damage {
        sql: "insert into drizzle.__drizzle_migrations (hash, created_at) values (repeat('0', 64), 1600000000000)",
        said: "row-5: no entry of the folder matches it",
        decision: ["--skip", "row-5"],
    },
    Damage {
        sql: "update drizzle.__drizzle_migrations set created_at = 1600000000000 where id = 2",
        said: "row-2 is of its text, but of another time",
        decision: ["--mark", "{tag}"],
    },
];

fn damaged(version: Version) {
    let Some(project) = four(version) else { return };
    let sound = Database::new();
    project.migrate(&sound).assert_code(0);
    let tag = tags(&project).remove(1);
    for Damage { sql, said, decision } in &DAMAGES {
        // Version 1 goes by the name, whatever the time is.
        if version == Version::One && said.contains("another time") {
            continue;
        }
        let database = Database::new();
        project.migrate(&database).assert_code(0);
        database.execute(sql);
        let stopped = project.gate(&database, &["up"]);
        stopped.assert_code(65).assert_stdout(said);
        // What version 1 would run after all is not called lost for ever.
        let for_ever = version == Version::Zero && said.starts_with("no row");
        assert_eq!(stopped.stdout.contains("for ever"), for_ever, "{stopped}");
        assert_eq!(database.value("select to_regclass('drizzle.__migrations__')::text"), None, "{sql}");
        let [option, name] = decision;
        project.gate(&database, &["adopt", option, &name.replace("{tag}", &tag)]).assert_code(0);
        project.gate(&database, &["up"]).assert_code(0).assert_stdout("\"up_to_date\"");
        project.gate(&database, &["status", "--check"]).assert_code(0);
        let before = histories(&database);
        assert_eq!(before.ours.len(), 4, "{sql}");
        // Drizzle's own tools find nothing to do either.
        project.migrate(&database).assert_code(0);
        project.migrate_by_orm(&database).assert_code(0);
        assert_eq!(histories(&database), before, "{sql}");
        assert_same(&database, &sound, sql);
    }
}
