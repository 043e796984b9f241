//! Folders of migrations as users have them: what is refused before any connection, what counts as the same file, and
//! what a pending file may hold.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use crate::support::database::{Database, TRAIL};
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::redact::redact;

/// `up` as a person at a terminal sees it.
fn up(database: &Database, folder: &Migrations) -> Outcome {
    Job::on(database).migrations(folder.path()).args(["--format", "text"]).run()
}

/// What `plan` says of a folder that is refused without a server: nothing listens on the port.
fn refused(folder: &Path) -> String {
    let outcome = Job::new()
        .env("DATABASE_URL", "postgres://app@127.0.0.1:1/app")
        .env("SCHEMAGATE_LOG_FORMAT", "text")
        .migrations(folder)
        .arg("plan")
        .run();
    outcome.assert_code(65);
    assert_eq!(outcome.stdout, "", "{outcome}");
    redact(&outcome.stderr)
}

/// What is refused is not recorded anywhere.
fn assert_empty(database: &Database) {
    assert_eq!(database.tables(), [""; 0]);
    assert_eq!(database.value("select to_regnamespace('drizzle')::text"), None);
}

fn faulty() -> Migrations {
    let folder = Migrations::new()
        .file("V1__a-b.sql", "select 1;")
        .file("V01__same.sql", "select 1;")
        .file("V1__one.sql", "select 1;")
        .file("v2__small.sql", "select 1;")
        .file("V3__x.SQL", "select 1;")
        .file("|4__x.sql", "select 1;")
        .file("V5_one.sql", "select 1;")
        .file("6__x.sql", "select 1;")
        .file("V7__empty.sql", "")
        .file("V8__blank.sql", "\u{feff} \r\n\t")
        .file("V9__latin1.sql", b"-- line 1\nselect '\xe9';")
        .file("V10__utf16.sql", b"\xff\xfes\0e\0")
        .file("V11__nul.sql", b"select 1;\n\0")
        .file("sub/V12__folder.sql/README", "")
        .file("V13__line\nfeed.sql", "select 1;")
        .file("V99999999999999999999__x.sql", "select 1;");
    symlink("/nowhere", folder.path().join("V14__dangling.sql")).unwrap();
    symlink("V15__circle.sql", folder.path().join("V15__circle.sql")).unwrap();
    folder
}

#[test]
fn every_fault_of_a_folder_is_told_at_once_and_before_any_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("postgres://app@{}/app", listener.local_addr().unwrap());
    let folder = faulty();
    for command in [&["up", "--format", "text"][..], &["plan"], &["status", "--check", "--wait", "5m"]] {
        let outcome = Job::new().env("DATABASE_URL", &url).migrations(folder.path()).args(command).run();
        outcome.assert_code(65);
        assert!(outcome.elapsed < Duration::from_secs(20), "{outcome}");
        outcome.assert_nowhere("connected");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    insta::assert_snapshot!(refused(folder.path()), @r#"
    [time] error 17 problems in the migrations folder [tmp]
      6__x.sql: the prefix V is missing before the version
        hint: name it V6__x.sql
      V10__utf16.sql: not valid UTF-8 at byte 0 (line 1)
        hint: it looks like UTF-16; save it as UTF-8
      V11__nul.sql: a NUL byte on line 2
        hint: remove it; PostgreSQL's text cannot hold one
      V13__line\nfeed.sql: the character '\n' is not allowed in the name (letters, digits and underscores are)
        hint: name it V13__line_feed.sql
      V14__dangling.sql: a link to a file that does not exist
        hint: mend the link, or remove it
      V15__circle.sql: cannot be read: Too many levels of symbolic links (os error 40)
        hint: mend or remove it
      V1__a-b.sql: the character '-' is not allowed in the name (letters, digits and underscores are)
        hint: name it V1__a_b.sql
      V1__one.sql: version 1 is already that of V01__same.sql
        hint: give one of the two the next free version
      V3__x.SQL: the file name ends in ".SQL" and not in ".sql"
        hint: name it V3__x.sql
      V5_one.sql: two underscores must stand between the version and the name
        hint: name it V5__one.sql
      V7__empty.sql: the file is empty
        hint: write its statements, or a comment that says why there are none
      V8__blank.sql: the file is empty
        hint: write its statements, or a comment that says why there are none
      V99999999999999999999__x.sql: the version 99999999999999999999 is too big (the limit is 9223372036854775807)
        hint: give it a smaller number
      V9__latin1.sql: not valid UTF-8 at byte 18 (line 2)
        hint: save it as UTF-8
      sub/V12__folder.sql: a folder, not a file
        hint: rename the folder so that it does not end in .sql
      v2__small.sql: the prefix 'v' must be a capital letter
        hint: name it V2__small.sql
      |4__x.sql: the file name starts with '|' and not with V or U and a version
        hint: name it V4__x.sql
    state: nothing was changed
    hint: mend the files named, each as its own hint says, and deploy again
    "#);
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let folder = Migrations::new().file("V1__a.sql", "select 1;").file("V2__secret.sql", "select 2;");
    let mode = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(folder.path().join("V2__secret.sql"), mode).unwrap();
    let program = env!("CARGO_BIN_EXE_schemagate");
    // Root reads everything, unless it is without the capability to do so.
    let job = if rustix::process::geteuid().is_root() {
        let without = "-dac_override,-dac_read_search";
        Job::program("setpriv").args(["--bounding-set", without, "--inh-caps", without, program])
    } else {
        Job::program(program)
    };
    let outcome = job
        .env("DATABASE_URL", "postgres://app@127.0.0.1:1/app")
        .env("SCHEMAGATE_LOG_FORMAT", "text")
        .migrations(folder.path())
        .arg("plan")
        .run();
    outcome.assert_code(65);
    insta::assert_snapshot!(redact(&outcome.stderr), @"
    [time] error 1 problem in the migrations folder [tmp]
      V2__secret.sql: cannot be read: Permission denied (os error 13)
        hint: let the user that schemagate runs as read it
    state: nothing was changed
    hint: mend the files named, each as its own hint says, and deploy again
    ");
}

#[test]
fn a_folder_that_is_missing_empty_or_a_file_is_refused() {
    let folder = Migrations::new().file("file", "x").file("empty/README.md", "x");
    let path = folder.path();
    let said: Vec<String> = ["missing", "empty", "file"].iter().map(|name| refused(&path.join(name))).collect();
    insta::assert_snapshot!(said.join("\n"), @"
    [time] error 1 problem in the migrations folder [tmp]/missing
      the folder does not exist
        hint: check SCHEMAGATE_MIGRATIONS or --migrations, and that the image holds the folder
    state: nothing was changed
    hint: mend the files named, each as its own hint says, and deploy again

    [time] error 1 problem in the migrations folder [tmp]/empty
      no migrations in it
        hint: a migration is a file named V1__name.sql, or what `drizzle-kit generate` writes
    state: nothing was changed
    hint: mend the files named, each as its own hint says, and deploy again

    [time] error 1 problem in the migrations folder [tmp]/file
      not a folder
        hint: give the folder that holds the migrations, not a file
    state: nothing was changed
    hint: mend the files named, each as its own hint says, and deploy again
    ");
}

#[test]
fn a_folder_whose_name_is_no_unicode_is_refused_and_the_embedded_set_is_not_taken_instead() {
    use std::os::unix::ffi::OsStringExt as _;
    let database = Database::new();
    let folder = std::ffi::OsString::from_vec(b"/srv/\xff".to_vec());
    let outcome = Job::on(&database).env("SCHEMAGATE_MIGRATIONS", folder).run();
    outcome.assert_code(78).assert_stdout("SCHEMAGATE_MIGRATIONS: the value is not valid UTF-8");
    assert_empty(&database);
}

#[test]
fn the_folder_above_one_of_drizzle_kit_gets_a_hint_and_no_advice_to_rename() {
    let folder = Migrations::new()
        .file("drizzle/meta/_journal.json", "{}")
        .file("drizzle/0000_first.sql", "select 1;")
        .file("drizzle/0001_second.sql", "select 1;");
    insta::assert_snapshot!(refused(folder.path()), @r#"
    [time] error 2 problems in the migrations folder [tmp]
      drizzle/0000_first.sql: the prefix V is missing before the version
      drizzle/0001_second.sql: the prefix V is missing before the version
    state: nothing was changed
    hint: drizzle below it is a folder of drizzle-kit: give that one
    "#);
}

#[test]
fn a_config_map_mount_loads_each_file_once() {
    let database = Database::new();
    let folder = Migrations::new()
        .file("..2026_11_22/V1__a.sql", "create table a ();")
        .file("..2026_11_22/V2__b.sql", "create table b ();");
    symlink("..2026_11_22", folder.path().join("..data")).unwrap();
    for file in ["V1__a.sql", "V2__b.sql"] {
        symlink(format!("..data/{file}"), folder.path().join(file)).unwrap();
    }
    up(&database, &folder).assert_code(0).assert_stdout("applied 2 migrations (V1__a.sql to V2__b.sql)");
}

#[test]
fn subfolders_are_read_and_hidden_ones_and_qualification_are_not() {
    let database = Database::new();
    let folder = Migrations::new()
        .file("V1__a.sql", "create table a ();")
        .file("2026/q4/V2__b.sql", "create table b ();")
        .file(".git/V3__c.sql", "create table c ();")
        .file(".V4__d.sql", "create table d ();")
        .file("qualification/V5__e.sql", "create table e ();")
        .file("qualification/not a migration.sql", "x")
        .file("README.md", "x");
    up(&database, &folder).assert_code(0).assert_stdout("(V1__a.sql to 2026/q4/V2__b.sql)");
    assert_eq!(database.tables(), [TRAIL, "drizzle.__migrations__", "public.a", "public.b"]);
}

#[test]
fn line_ends_and_byte_order_marks_do_not_change_a_migration() {
    type Form = fn(&str) -> String;
    let lf: Form = |name| format!("create table {name} (\n  id int\n);\n");
    let crlf: Form = |name| format!("create table {name} (\r\n  id int\r\n);\r\n");
    let bom: Form = |name| format!("\u{feff}create table {name} (\r\n  id int\r\n);\r\n");
    let forms = [("LF", lf), ("CRLF", crlf), ("CRLF and a byte-order mark", bom)];
    let folder = |form: &Form| Migrations::new().file("V1__a.sql", form("a")).file("V2__b.sql", form("b"));
    for (first, applied) in &forms {
        let database = Database::new();
        // A byte-order mark that is sent is a syntax error at character 1.
        up(&database, &folder(applied)).assert_code(0).assert_stdout("applied 2 migrations");
        let rows = database.query_strings("select * from drizzle.__migrations__ order by 1");
        for (second, deployed) in &forms {
            let outcome = up(&database, &folder(deployed));
            outcome.assert_code(0).assert_stdout("up to date: 2 applied");
            let warnings: Vec<&str> = outcome.stdout.lines().filter(|line| line.contains(" warn ")).collect();
            assert_eq!(warnings.len(), usize::from(first != second), "{first}, then {second}: {outcome}");
            for warning in warnings {
                assert!(warning.contains("V1__a.sql (and 1 more): differs from what was applied by line ends"));
            }
        }
        assert_eq!(database.query_strings("select * from drizzle.__migrations__ order by 1"), rows);
    }
}

#[test]
fn everything_that_pending_files_must_not_hold_is_told_at_once_and_nothing_is_written() {
    let database = Database::new();
    let folder = Migrations::new()
        .file("V01__fine.sql", "create table fine ();")
        .file("V02__transaction.sql", "begin;\ncreate table b (id int);\n  commit;\nset transaction read only;")
        .file("V03__dump.sql", "\\restrict abc\ncopy b from stdin;\n1\n\\.\ncopy b to stdout;")
        .file("V04__index.sql", "-- an index\ncreate index concurrently i on a (id);")
        .file("V05__vacuum.sql", "create table c (); vacuum c;")
        .file("V06__unnamed.sql", "-- schemagate: no-transaction\ncreate index concurrently on a (id);")
        .file("V07__two.sql", "-- schemagate: no-transaction\nvacuum a;\nvacuum b;")
        .file("V08__unknown.sql", "-- schemagate: no-transactions\nselect 1;")
        .file("V09__late.sql", "select 1;\n-- schemagate: no-transaction\n")
        .file("V10__nothing.sql", "-- schemagate: no-transaction\n")
        .file("V11__insert.sql", "-- schemagate: no-transaction\ninsert into a values (1);")
        .file("V12__dbmate.sql", "-- migrate:up\ncreate table d ();\n-- migrate:down\ndrop table d;");
    for command in ["plan", "up"] {
        Job::on(&database).migrations(folder.path()).arg(command).run().assert_code(65);
        assert_empty(&database);
    }
    let outcome = Job::on(&database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text").arg("plan").run();
    insta::assert_snapshot!(redact(&outcome.stderr), @r#"
    [time] error pending files hold what cannot be run, in 15 places
      V02__transaction.sql:1:1: BEGIN inside a migration
         1 | begin;
           | ^
        hint: remove it: schemagate opens the transaction and commits it together with the history row
      V02__transaction.sql:3:3: COMMIT inside a migration
         3 |   commit;
           |   ^
        hint: remove it: schemagate opens the transaction and commits it together with the history row
      V02__transaction.sql:4:1: SET TRANSACTION inside a migration
         4 | set transaction read only;
           | ^
        hint: remove it: schemagate opens the transaction, READ COMMITTED and READ WRITE
      V03__dump.sql:1:1: \restrict is a command of psql, which the server does not know
         1 | \restrict abc
           | ^
        hint: remove the line; the file is sent to the server as it is
      V03__dump.sql:2:1: COPY … FROM STDIN waits for data that a migration cannot send
         2 | copy b from stdin;
           | ^
        hint: write the rows as INSERT statements, as pg_dump --inserts does
      V03__dump.sql:5:1: COPY … TO STDOUT sends data that nobody reads
         5 | copy b to stdout;
           | ^
        hint: remove it
      V04__index.sql:2:1: CREATE INDEX CONCURRENTLY cannot run inside a transaction, and migrations run in one
         2 | create index concurrently i on a (id);
           | ^
        hint: make it the only statement of a file that starts with `-- schemagate: no-transaction`, and give the index a name
      V05__vacuum.sql:1:20: VACUUM cannot run inside a transaction, and migrations run in one
         1 | create table c (); vacuum c;
           |                    ^
        hint: make it the only statement of a file that starts with `-- schemagate: no-transaction`
      V06__unnamed.sql:2:1: CREATE INDEX CONCURRENTLY without a name cannot safely be repeated after a crash outside a transaction
         2 | create index concurrently on a (id);
           | ^
        hint: give the index a name: CREATE INDEX CONCURRENTLY name ON …
      V07__two.sql:3:1: 2 statements in a file with the directive no-transaction, which allows one
         3 | vacuum b;
           | ^
        hint: give each statement that needs no transaction a file of its own, and leave the others in a file without the directive
      V08__unknown.sql:1:1: unknown directive "no-transactions"
         1 | -- schemagate: no-transactions
           | ^
        hint: the known one is `-- schemagate: no-transaction`, with nothing after it on the line
      V09__late.sql:2:1: the directive no-transaction is not in the first comment lines, where alone it counts
         2 | -- schemagate: no-transaction
           | ^
        hint: make `-- schemagate: no-transaction` the first line of the file, or remove it
      V10__nothing.sql:1:1: the directive no-transaction in a file without a statement
         1 | -- schemagate: no-transaction
           | ^
        hint: remove the directive, or write the statement
      V11__insert.sql:2:1: INSERT cannot safely be repeated after a crash outside a transaction
         2 | insert into a values (1);
           | ^
        hint: remove the directive no-transaction: in a transaction, a crash undoes the statement
      V12__dbmate.sql:3:1: "migrate:down" opens the part that undoes the migration, and it would run with the rest
         3 | -- migrate:down
           | ^
        hint: take that part out of the file: there are no down migrations here
    state: nothing was changed
    hint: mend the files named, each as its own hint says, and deploy again
    "#);
}

#[test]
fn one_place_is_not_called_places() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "commit;");
    up(&database, &folder).assert_code(65).assert_stdout("what cannot be run, in 1 place\n").assert_nowhere("more)");
}

#[test]
fn an_old_file_that_is_applied_already_may_hold_anything() {
    let database = Database::new();
    let old = "begin;\ncopy a from stdin;\n1\n\\.\ncommit;\nvacuum;\n";
    database.execute(
        "create schema drizzle; create table drizzle.__migrations__
        (version int4 primary key, name varchar(255), applied_on varchar(255), checksum varchar(255))",
    );
    let checksum = refinery::Migration::unapplied("V1__old", old).unwrap().checksum();
    database.execute(&format!(
        "insert into drizzle.__migrations__ values (1, 'old', '2024-01-01T00:00:00.000000Z', '{checksum}')"
    ));
    let folder = Migrations::new().file("V1__old.sql", old).file("V2__new.sql", "create table new ();");
    up(&database, &folder).assert_code(0).assert_stdout("applied 1 migration (V2__new.sql)");
}
