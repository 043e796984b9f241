//! `lint`: what it prints, its exit codes, what git says, and what it claims of the server. Never needs a database, but
//! for the claims.

use std::path::Path;
use std::process::Command;

use schemagate::lint::{Options, RULES, Rule, SQUAWK_OFF, SQUAWK_ON};
use schemagate::migrations::MigrationSet;

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::redact::redact;

/// Judges a folder.
fn lint(folder: &Path, arguments: &[&str]) -> Outcome {
    Job::new().migrations(folder).env("SCHEMAGATE_LOG_FORMAT", "text").arg("lint").args(arguments).run()
}

/// Runs git in a folder, as nobody's configuration would have it.
fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args([
        "-c",
        "user.name=test",
        "-c",
        "user.email=test@localhost",
        "-c",
        "init.defaultBranch=main",
    ]);
    command.args(["-c", "commit.gpgsign=false"]).args(arguments);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let output = command.output().expect("git is installed");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// A folder in a repository, in which what is given is tagged v1.
fn released(files: &[(&str, &str)]) -> Migrations {
    let folder = Migrations::new();
    for (name, text) in files {
        folder.write(&format!("db/{name}"), text);
    }
    git(folder.path(), &["init", "--quiet"]);
    git(folder.path(), &["add", "--all"]);
    git(folder.path(), &["commit", "--quiet", "--message=one"]);
    git(folder.path(), &["tag", "v1"]);
    folder
}

const TABLE: (&str, &str) = ("V1__orders.sql", "create table orders (id int primary key, total int);\n");

#[test]
fn findings_come_with_place_lock_and_way_out() {
    let folder = released(&[TABLE]);
    folder.write("db/V2__index.sql", "-- totals are searched for\ncreate index orders_total_idx on orders (total);\n");
    let outcome = lint(&folder.path().join("db"), &["--since", "v1"]);
    outcome.assert_code(1);
    insta::assert_snapshot!(outcome.stdout, @r"
    V2__index.sql:2:1: error blocking-index-build: orders: reads every row to build the index
       2 | create index orders_total_idx on orders (total);
         | ^
      lock: SHARE on orders, which blocks writes, until the batch is committed
      instead:
        -- schemagate: no-transaction
        create index CONCURRENTLY orders_total_idx on orders (total);

    1 error in 1 of 2 files new since v1
    ");
    insta::assert_snapshot!(redact(&outcome.stderr), @r"
    [time] error 1 error found
    hint: mend each as it says, or allow it above its line: `-- schemagate: allow RULE because …`
    ");
}

#[test]
fn all_files_are_one_release_where_no_revision_is_given() {
    let folder = Migrations::new().file(TABLE.0, TABLE.1).file("V2__i.sql", "create index i on orders (total);");
    let outcome = lint(folder.path(), &["--deny", "warnings"]);
    assert_eq!(outcome.assert_code(0).stdout, "nothing found in 2 files, judged as one release\n");
}

#[test]
fn warnings_are_let_through_unless_they_are_denied() {
    let folder = Migrations::new().file("V1__a.sql", "set search_path = app;\n");
    lint(folder.path(), &[]).assert_code(0).assert_stdout("1 warning in 1 file");
    lint(folder.path(), &["--deny", "warnings"]).assert_code(1).assert_stderr("1 warning found");
}

#[test]
fn what_is_safe_depends_on_the_version() {
    let folder = Migrations::new().file("V1__a.sql", "alter table t alter column a set not null;\n");
    lint(folder.path(), &["--postgres", "17"]).assert_stdout("CHECK (a IS NOT NULL) NOT VALID");
    lint(folder.path(), &["--postgres", "18"]).assert_stdout("NOT NULL a NOT VALID");
    lint(folder.path(), &["--postgres", "13"]).assert_code(2);
}

#[test]
fn machines_get_one_document_or_annotations() {
    let folder = Migrations::new().file("db/V1__a.sql", "alter table t add column x serial;\n");
    let outcome = lint(&folder.path().join("db"), &["--format", "json"]);
    let document = outcome.assert_code(1).json();
    assert_eq!((document["errors"].as_u64(), document["files"].as_u64()), (Some(1), Some(1)));
    assert_eq!(document["findings"][0]["rule"], "table-rewrite");
    let job = Job::new().current_dir(folder.path());
    let outcome = job.args(["lint", "--migrations", "./db", "--format", "github"]).run();
    outcome
        .assert_code(1)
        .assert_stdout("::error file=db/V1__a.sql,line=1,col=15,title=table-rewrite::t: every row gets");
    // A step may run in a folder of the checkout.
    let job = Job::new().current_dir(folder.path().join("db")).env("GITHUB_WORKSPACE", folder.path());
    job.args(["lint", "--migrations", ".", "--format", "github"])
        .run()
        .assert_stdout("::error file=db/V1__a.sql,line=1");
    Job::new().args(["status", "--format", "github"]).run().assert_code(2).assert_stderr("for `lint` alone");
}

#[test]
fn files_that_cannot_be_read_are_refused_as_everywhere() {
    let folder = Migrations::new().file("V1_a.sql", "select 1").file("V2__b.sql", "");
    lint(folder.path(), &[]).assert_code(65).assert_stderr("2 problems");
}

#[test]
fn what_git_says_was_released_may_not_change() {
    let released_files =
        [TABLE, ("V2__b.sql", "select 1;\n"), ("sub/V3__c.sql", "select 1;\n"), ("V4__d.sql", "select 1;\n")];
    let folder = released(&released_files);
    folder.write("db/V2__b.sql", "select 2;\n");
    folder.remove("db/sub/V3__c.sql");
    folder.write("db/V4__d.sql", "\u{feff}select 1;\r\n");
    folder.write("db/V5__e.sql", "create table lines (a int); create index i on lines (a);");
    let outcome = lint(&folder.path().join("db"), &["--since", "v1"]);
    outcome.assert_code(1);
    insta::assert_snapshot!(outcome.stdout, @"
    V2__b.sql: error edited-since: the file was edited after v1: `up` refuses it where it was applied
      hint: restore the file, and put the change into a new one

    sub/V3__c.sql: error edited-since: the file of v1 was removed: `up` refuses it where it was applied
      hint: restore the file, and put the change into a new one

    2 errors in 1 of 4 files new since v1
    ");
}

#[test]
fn numbers_that_another_branch_has_given_are_told() {
    let folder = released(&[TABLE]);
    git(folder.path(), &["checkout", "--quiet", "-b", "other"]);
    folder.write("db/V2__theirs.sql", "select 1;\n");
    folder.write("db/V4__theirs.sql", "select 1;\n");
    git(folder.path(), &["add", "--all"]);
    git(folder.path(), &["commit", "--quiet", "--message=two"]);
    git(folder.path(), &["checkout", "--quiet", "main"]);
    folder.write("db/V2__ours.sql", "select 1;\n");
    folder.write("db/V3__ours.sql", "select 1;\n");
    folder.write("db/U3_5__x.txt", "");
    let outcome = lint(&folder.path().join("db"), &["--against", "other"]);
    outcome.assert_code(1);
    insta::assert_snapshot!(outcome.stdout, @r"
    V2__ours.sql: error numbering-collision: other has V2__theirs.sql with the same number
      hint: give it a number above the newest of both branches

    V3__ours.sql: error numbering-collision: other has V4__theirs.sql, which is newer: where that is applied, this is out of order
      hint: give it a number above the newest of both branches

    2 errors in 3 files, judged as one release
    ");
    lint(&folder.path().join("db"), &["--against", "v1"]).assert_code(0);
}

#[test]
fn a_number_that_the_other_branch_has_given_is_no_gap() {
    let folder = released(&[TABLE, ("V2__b.sql", "select 1;\n"), ("V3__c.sql", "select 1;\n")]);
    git(folder.path(), &["checkout", "--quiet", "-b", "mine"]);
    git(folder.path(), &["checkout", "--quiet", "main"]);
    folder.write("db/V4__theirs.sql", "select 1;\n");
    git(folder.path(), &["add", "--all"]);
    git(folder.path(), &["commit", "--quiet", "--message=two"]);
    git(folder.path(), &["checkout", "--quiet", "mine"]);
    folder.write("db/V5__mine.sql", "select 1;\n");
    let db = folder.path().join("db");
    for arguments in [["--since", "main"], ["--against", "main"]] {
        lint(&db, &arguments).assert_code(0).assert_stdout("nothing found");
    }
    lint(&db, &["--since", "v1"]).assert_stdout("V5__mine.sql: warning numbering-gap: 4 is left out");
    std::fs::rename(db.join("V5__mine.sql"), db.join("V7__mine.sql")).unwrap();
    let outcome = lint(&db, &["--since", "main", "--against", "main"]);
    outcome.assert_code(0).assert_stdout("5 to 6 are left out before this file").assert_stdout("hint: number it 5:");
    std::fs::rename(db.join("V7__mine.sql"), db.join("V5__mine.sql")).unwrap();
    lint(&db, &["--since", "main", "--against", "main"]).assert_code(0).assert_stdout("nothing found");
}

#[test]
fn what_git_cannot_say_is_told_with_the_way_out() {
    let folder = released(&[TABLE]);
    let db = folder.path().join("db");
    lint(&db, &["--since", "v9"])
        .assert_code(2)
        .assert_stderr("git knows no revision \"v9\"")
        .assert_stderr("git rev-parse");
    lint(&db, &["--since", "--all"]).assert_code(2);
    let alone = Migrations::new().file(TABLE.0, TABLE.1);
    let job = Job::new().migrations(alone.path()).env("GIT_CEILING_DIRECTORIES", "/");
    job.args(["lint", "--since", "v1"]).run().assert_code(65).assert_stderr("is in no repository that git reads");
    let job = Job::new().migrations(&db).env("PATH", "/nowhere");
    job.args(["lint", "--since", "v1"])
        .run()
        .assert_code(65)
        .assert_stderr("cannot run git")
        .assert_stderr("install git");
    let elsewhere = Migrations::new();
    let job = Job::new().current_dir(elsewhere.path());
    job.args(["lint", "--since", "v1"]).run().assert_code(2).assert_stderr("name the folder");
}

#[test]
fn a_released_file_may_move_to_another_folder_but_not_get_another_name() {
    let folder = released(&[TABLE, ("V2__b.sql", "select 1;\n")]);
    let db = folder.path().join("db");
    std::fs::create_dir(db.join("sub")).unwrap();
    std::fs::rename(db.join("V2__b.sql"), db.join("sub/V2__b.sql")).unwrap();
    lint(&db, &["--since", "v1", "--against", "v1"]).assert_code(0).assert_stdout("nothing found in 0 of 2 files");
    std::fs::rename(db.join("sub/V2__b.sql"), db.join("V2__bb.sql")).unwrap();
    let renamed = "V2__bb.sql: error edited-since: the file was V2__b.sql in v1, and was renamed";
    lint(&db, &["--since", "v1"]).assert_code(1).assert_stdout(renamed);
}

#[test]
fn a_folder_that_was_moved_as_a_whole_is_found_where_it_was() {
    let folder = released(&[TABLE, ("sub/V2__b.sql", "select 1;\n")]);
    folder.write("other/V1__orders.sql", "select 'of another service';\n");
    git(folder.path(), &["add", "--all"]);
    git(folder.path(), &["commit", "--quiet", "--message=two"]);
    // What is still where it was is another folder's.
    folder.write("fresh/V1__orders.sql", "create table orders (id int);\n");
    lint(&folder.path().join("fresh"), &["--since", "main"]).assert_code(0).assert_stdout("1 of 1 file new since main");
    std::fs::create_dir(folder.path().join("app")).unwrap();
    git(folder.path(), &["mv", "db", "app/m"]);
    let moved = folder.path().join("app/m");
    for revision in ["v1", "main"] {
        lint(&moved, &["--since", revision, "--against", revision]).assert_stdout("nothing found in 0 of 2 files new");
    }
    folder.write("app/m/V3__index.sql", "create index i on orders (total);\n");
    lint(&moved, &["--since", "v1"]).assert_code(1).assert_stdout("V3__index.sql:1:1: error blocking-index-build");
    folder.write("app/m/V1__orders.sql", "create table orders (id int);\n");
    lint(&moved, &["--since", "v1"]).assert_code(1).assert_stdout("V1__orders.sql: error edited-since");
}

#[test]
fn what_a_branch_has_got_since_is_not_missing_here() {
    let folder = released(&[TABLE]);
    let db = folder.path().join("db");
    git(folder.path(), &["checkout", "--quiet", "-b", "mine"]);
    git(folder.path(), &["checkout", "--quiet", "main"]);
    folder.write("db/V2__theirs.sql", "select 1;\n");
    git(folder.path(), &["add", "--all"]);
    git(folder.path(), &["commit", "--quiet", "--message=two"]);
    git(folder.path(), &["tag", "v2"]);
    git(folder.path(), &["checkout", "--quiet", "mine"]);
    folder.write("db/V3__mine.sql", "select 1;\n");
    lint(&db, &["--since", "main"]).assert_code(0).assert_stdout("1 of 2 files new since main");
    // What was released is missing, whichever branch it was released from.
    lint(&db, &["--since", "v2"]).assert_code(1).assert_stdout("V2__theirs.sql: error edited-since");
    git(folder.path(), &["checkout", "--quiet", "--detach", "mine"]);
    lint(&db, &["--since", "main"]).assert_code(0);
    let other = folder.path().join("other");
    git(folder.path(), &["worktree", "add", "--quiet", other.to_str().unwrap(), "v2"]);
    lint(&other.join("db"), &["--since", "v1", "--against", "main"]).assert_code(0).assert_stdout("1 of 2 files new");
}

#[test]
fn a_hook_of_git_may_run_it() {
    let folder = released(&[TABLE]);
    let inside = |at: &Path| Job::new().current_dir(at).env("GIT_DIR", ".git").env("GIT_INDEX_FILE", ".git/index");
    let arguments = ["lint", "--since", "v1", "--migrations"];
    inside(folder.path()).args(arguments).arg("db").run().assert_code(0).assert_stdout("0 of 1 file new since v1");
}

#[test]
fn a_checkout_that_git_cannot_judge_by_is_told_with_the_way_out() {
    let folder = released(&[TABLE]);
    let db = folder.path().join("db");
    folder.write("db/V2__b.sql", "select 1;\n");
    git(folder.path(), &["add", "--all"]);
    git(folder.path(), &["commit", "--quiet", "--message=two"]);
    let copies = Migrations::new();
    let url = format!("file://{}", folder.path().display());
    git(copies.path(), &["clone", "--quiet", "--depth=1", &url, "shallow"]);
    let shallow = copies.path().join("shallow/db");
    lint(&shallow, &["--since", "v1"])
        .assert_code(65)
        .assert_stderr("this checkout is shallow, and does not hold \"v1\"")
        .assert_stderr("fetch-depth: 0");
    lint(&shallow, &["--since", "HEAD", "--against", "main"]).assert_code(0);
    let stranger = Job::new().migrations(&db).env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1");
    stranger
        .args(["lint", "--since", "v1"])
        .run()
        .assert_code(65)
        .assert_stderr("belongs to another user")
        .assert_stderr("safe.directory");
}

#[test]
fn oddities_of_a_drizzle_folder_are_warnings() {
    let entry = |idx: u32, tag: &str, when: u32| {
        format!(r#"{{"idx":{idx},"version":"7","when":{when},"tag":"{tag}","breakpoints":true}}"#)
    };
    let journal = format!(
        r#"{{"version":"7","dialect":"postgresql","entries":[{},{}]}}"#,
        entry(0, "0000_a", 2000),
        entry(2, "0002_b", 1000)
    );
    let folder = Migrations::new()
        .file("meta/_journal.json", journal)
        .file("0000_a.sql", "create table t (a int);--> statement-breakpoint\ncreate index i on t (a);")
        .file("0002_b.sql", "drop table other")
        .file("0009_c.sql", "select 1");
    let outcome = lint(folder.path(), &[]);
    outcome.assert_code(0);
    insta::assert_snapshot!(outcome.stdout);
}

#[test]
fn an_enum_value_used_in_its_transaction_is_refused_by_the_server_too() {
    let database = Database::new();
    let mut session = database.connect();
    session.execute("create type mood as enum ('sad'); create table t (m mood)");
    let error = session
        .try_query("begin; alter type mood add value 'glad'; insert into t values ('glad')")
        .expect_err("the value is not committed");
    assert_eq!(error.code().map(|code| code.code()), Some("55P04"));
    // Since 17 the values of a type that the transaction itself made are at hand.
    let version: u32 = session.value("rollback; show server_version_num").unwrap().parse().unwrap();
    let own = session.try_query("begin; create type own as enum ('a'); alter type own add value 'b'; select 'b'::own");
    assert_eq!(own.is_ok(), version >= 170_000);
    let folder = Migrations::new()
        .file("V1__a.sql", "create type own as enum ('a');\nalter type own add value 'b';\nselect 'b'::own;\n");
    lint(folder.path(), &["--postgres", "16"])
        .assert_code(1)
        .assert_stdout("V1__a.sql:3:8: error enum-value-used-in-release");
    lint(folder.path(), &["--postgres", "17"]).assert_code(0);
}

#[test]
fn the_help_lists_every_rule() {
    let help = Job::new().args(["lint", "--help"]).run().assert_code(0).stdout.clone();
    for rule in RULES.iter().copied().chain(SQUAWK_ON) {
        assert!(
            help.contains(&format!("  {} ({})\n      {}", rule.name, rule.severity.name(), rule.summary)),
            "{}",
            rule.name
        );
    }
}

/// The project's own migrations are clean.
#[test]
fn the_embedded_migrations_are_clean() {
    Job::new().args(["lint", "--deny", "warnings"]).run().assert_code(0);
}

const MANUAL: &str = include_str!("../../docs/lint.md");

/// The rows of a table of the manual, which follows this line.
fn table(before: &str) -> Vec<&'static str> {
    let (_, rest) = MANUAL.split_once(before).unwrap_or_else(|| panic!("no {before:?}"));
    rest.lines().skip_while(|line| !line.starts_with('|')).skip(2).take_while(|line| line.starts_with('|')).collect()
}

/// Fails with the table as it should be, ready to be pasted.
#[track_caller]
fn assert_table(before: &str, expected: &[String]) {
    assert!(table(before) == *expected, "the table behind {before:?} should read:\n{}", expected.join("\n"));
}

#[test]
fn the_manual_lists_every_rule() {
    let row = |rule: &Rule| format!("| `{}` | {} | {} |", rule.name, rule.severity.name(), rule.summary);
    assert_table("## Rules", &RULES.iter().map(|rule| row(rule)).collect::<Vec<_>>());
    assert_table("told besides:", &SQUAWK_ON.iter().map(row).collect::<Vec<_>>());
    let names = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let off = SQUAWK_OFF.iter().map(|(why, rules)| format!("| {why} | {} |", names(rules)));
    assert_table("are off:", &off.collect::<Vec<_>>());
}

/// The bad and the good example of a rule in the manual.
#[track_caller]
pub fn examples(rule: &str) -> [&'static str; 2] {
    let (_, examples) = MANUAL.split_once("\n## Examples\n").unwrap();
    let section = examples.split("\n### ").find(|section| section.lines().next() == Some(rule));
    let section = section.unwrap_or_else(|| panic!("no example of {rule}"));
    let blocks = section.split("```sql\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    let blocks: Vec<&str> = blocks.map(|(block, _)| block).collect();
    blocks.try_into().unwrap_or_else(|blocks| panic!("{rule}: {blocks:?}"))
}

#[test]
fn every_rule_has_a_bad_and_a_good_example_in_the_manual() {
    // What these find is in no file's SQL.
    let elsewhere = ["edited-since", "numbering-gap", "numbering-collision", "drizzle-oddity"];
    for rule in RULES.iter().copied().chain(SQUAWK_ON).filter(|rule| !elsewhere.contains(&rule.name)) {
        let [bad, good] = examples(rule.name);
        let found = |sql: &str| {
            let set = MigrationSet::from_texts([("V1__example.sql", sql)]).unwrap();
            let report = schemagate::lint::lint(&set, &Options::default()).unwrap();
            report.findings.iter().map(|finding| finding.rule).collect::<Vec<_>>()
        };
        assert!(found(bad).contains(&rule.name), "{}: {:?}", rule.name, found(bad));
        assert_eq!(found(good), Vec::<&str>::new(), "{}", rule.name);
    }
}

#[test]
fn the_workflow_and_the_hook_run_as_they_are_written() {
    let read = |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let parsed = |name: &str| -> serde_json::Value { yaml_serde::from_str(&read(name)).unwrap() };
    let workflow = parsed("deploy/github/lint.yml");
    let script = workflow["jobs"]["lint"]["steps"].as_array().unwrap().last().unwrap()["run"].as_str().unwrap();
    let hooks = parsed(".pre-commit-hooks.yaml");
    // A commit that only removes a file passes none that `files` could match.
    assert_eq!((&hooks[0]["always_run"], &hooks[0]["files"]), (&true.into(), &serde_json::Value::Null));
    let hook = hooks[0]["entry"].as_str().unwrap().to_owned();
    let folder = Migrations::new().file(&format!("migrations/{}", TABLE.0), TABLE.1);
    git(folder.path(), &["init", "--quiet"]);
    git(folder.path(), &["add", "--all"]);
    git(folder.path(), &["commit", "--quiet", "--message=one"]);
    folder.write("migrations/V2__b.sql", "create index i on orders (total);\n");
    let binary = Path::new(env!("CARGO_BIN_EXE_schemagate"));
    let run = |script: &str| {
        let mut command = Command::new("bash");
        command.arg("-euc").arg(script).current_dir(folder.path()).env("RUNNER_TEMP", binary.parent().unwrap());
        command.env("BASE", "main").env("SCHEMAGATE_MIGRATIONS", "migrations").output().unwrap()
    };
    let output = run(script);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("::error file=migrations/V2__b.sql,line=1,col=1,title=blocking-index-build::"), "{told}");
    let output = run(&format!("PATH=$RUNNER_TEMP:$PATH; {hook}"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    folder.write("migrations/V2__b.sql", "select 1;\n");
    git(folder.path(), &["rm", "--quiet", &format!("migrations/{}", TABLE.0)]);
    let output = run(&format!("PATH=$RUNNER_TEMP:$PATH; {hook} --since HEAD"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn without_a_folder_the_one_called_migrations_is_judged_else_what_is_in_the_program_and_that_is_said() {
    let folder = Migrations::new();
    let judge = || Job::new().current_dir(folder.path()).arg("lint").run();
    let embedded = judge();
    let told = "judged were the migrations in the program; `--migrations DIR` names others\n";
    assert!(embedded.assert_code(0).stdout.ends_with(told), "{}", embedded.stdout);
    folder.write("migrations/V1__v.sql", "vacuum a;");
    let named = judge();
    assert!(named.assert_code(1).stdout.starts_with("V1__v.sql:1:1: error needs-no-transaction"), "{}", named.stdout);
}

#[test]
fn files_that_cannot_be_judged_are_shown_in_the_shape_that_was_asked_for() {
    let folder =
        Migrations::new().file("V1__a.sql", "select 1;").file("V1__b.sql", "select 1;").file("2.sql", "select 1;");
    let annotated = lint(folder.path(), &["--format", "github"]);
    annotated.assert_code(65);
    let lines: Vec<&str> = annotated.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().all(|line| line.starts_with("::error file=") && line.contains(",title=unreadable::")),
        "{lines:?}"
    );
    let document = lint(folder.path(), &["--format", "json"]);
    document.assert_code(65);
    let document: serde_json::Value = serde_json::from_str(&document.stdout).unwrap();
    let files: Vec<&str> =
        document["unreadable"].as_array().unwrap().iter().map(|at| at["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["2.sql", "V1__b.sql"]);
}
