//! `qualify`: every step passes where it should and fails where it should; the target is not touched, and no scratch
//! database is left.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::cluster::Address;
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome, Signal};
use crate::support::server::Server;

const SOON: Duration = Duration::from_secs(30);

fn qualify(database: &Database, folder: &Migrations) -> Job {
    Job::on(database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text").arg("qualify")
}

/// The verdict of each step, and of each of its cases, from the JSON result.
struct Verdicts(Value);

impl Verdicts {
    #[track_caller]
    fn of(outcome: &Outcome) -> Self {
        Self(serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}")))
    }

    fn run(database: &Database, folder: &Migrations, code: i32) -> Self {
        let outcome = qualify(database, folder).args(["--format", "json"]).run();
        outcome.assert_code(code);
        Self::of(&outcome)
    }

    #[track_caller]
    fn step(&self, id: &str) -> &Value {
        let steps = self.0["results"]["steps"].as_array().unwrap();
        steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("no {id} in {:#}", self.0))
    }

    #[track_caller]
    fn verdict(&self, id: &str) -> &str {
        self.step(id)["verdict"].as_str().unwrap()
    }

    #[track_caller]
    fn actual(&self, id: &str) -> &str {
        self.step(id)["actual"].as_str().unwrap()
    }

    /// The ids of the steps that failed.
    fn failed(&self) -> Vec<&str> {
        let steps = self.0["results"]["steps"].as_array().unwrap();
        steps.iter().filter(|step| step["verdict"] == "failed").map(|step| step["id"].as_str().unwrap()).collect()
    }

    /// Exactly this step failed, and says so.
    #[track_caller]
    fn assert_failed(&self, id: &str, words: &str) {
        assert_eq!(self.failed(), [id], "{:#}", self.0);
        assert!(self.actual(id).contains(words), "{}", self.actual(id));
    }
}

/// The scratch databases of this server.
fn scratch_databases(address: &Address) -> Vec<String> {
    let rows = address
        .connect("postgres")
        .query_strings("select datname from pg_database where datname like 'schemagate\\_qualify\\_%' order by 1");
    rows.into_iter().flatten().flatten().collect()
}

/// A server whose databases no other test makes.
fn own_server() -> Server {
    Server::builder().start()
}

fn two() -> Migrations {
    Migrations::new()
        .file("V1__a.sql", "create table a (id int primary key);\n")
        .file("V2__b.sql", "create table b (a_id int not null references a on delete cascade);\n")
}

#[test]
fn the_products_own_schema_is_qualified_and_the_target_is_not_touched() {
    let database = Database::new();
    let before = database.query_strings("select oid::text from pg_class union all select oid::text from pg_namespace");
    let outcome = Job::on(&database).args(["qualify", "--format", "json"]).run();
    outcome.assert_code(0);
    let verdicts = Verdicts::of(&outcome);
    for id in ["IQ-001", "IQ-002", "IQ-003", "IQ-004", "IQ-005", "IQ-006", "IQ-007", "IQ-008"] {
        assert_eq!(verdicts.verdict(id), "passed", "{}", verdicts.actual(id));
    }
    assert!(verdicts.actual("IQ-001").contains("9 tables"), "{}", verdicts.actual("IQ-001"));
    let after = database.query_strings("select oid::text from pg_class union all select oid::text from pg_namespace");
    assert_eq!(before, after);
    let scratch = verdicts.0["environment"]["databases"]["scratch"].as_str().unwrap().to_owned();
    assert!(scratch.starts_with("schemagate_qualify_"));
    assert!(!scratch_databases(database.address()).iter().any(|name| name.starts_with(&scratch)));
}

#[test]
fn a_file_that_fails_fails_the_first_step_and_the_rest_is_not_executed() {
    let folder = two().file("V3__bad.sql", "create table c (id int);\nselect nonsense;");
    let verdicts = Verdicts::run(&Database::new(), &folder, 1);
    verdicts.assert_failed("IQ-001", "V3__bad.sql");
    for id in ["IQ-002", "IQ-003", "IQ-004", "IQ-005", "IQ-006", "IQ-007", "IQ-008"] {
        assert_eq!(verdicts.verdict(id), "not executed");
        assert!(verdicts.actual(id).contains("IQ-001 did not install the schema"));
    }
}

#[test]
fn a_warning_fails_the_first_step() {
    let folder = two().file("V3__c.sql", "do $$ begin raise warning 'look at this'; end $$;");
    Verdicts::run(&Database::new(), &folder, 1).assert_failed("IQ-001", "look at this");
}

#[test]
fn an_object_that_a_file_makes_and_that_is_not_there_fails_the_first_step() {
    let folder = two().file("V3__c.sql", "create view v as select 1;\ndo $$ begin execute 'drop view v'; end $$;");
    Verdicts::run(&Database::new(), &folder, 1).assert_failed("IQ-001", "1 of 3 missing: view v");
}

#[test]
fn a_history_out_of_order_fails_the_second_step() {
    let folder = two().file(
        "V3__c.sql",
        "update drizzle.__migrations__ set applied_on = '2100-01-01T00:00:00.000000Z' where version = 1;",
    );
    // The history is not there yet in the release that installs all: a release before makes it.
    let folder = folder.file("V2__b.sql", "create table b ();");
    Verdicts::run(&Database::new(), &folder, 1).assert_failed("IQ-002", "V2__b was applied before V1__a");
}

#[test]
fn a_file_that_claims_idempotency_and_is_not_fails_the_third_step() {
    let folder = two()
        .file("V3__c.sql", "create table if not exists c (x int);\ninsert into c values (1) on conflict do nothing;");
    Verdicts::run(&Database::new(), &folder, 1).assert_failed("IQ-003", "rows public.c 2");
}

#[test]
fn a_file_whose_objects_a_later_file_changes_is_repeated_as_it_was_applied() {
    let folder = Migrations::new()
        .file("V1__old.sql", "create table if not exists old (id int); create or replace view v as select 1 as a;")
        .file("V2__f.sql", "create or replace function f() returns int language sql as 'select 1';")
        .file("V3__gone.sql", "drop table if exists old; create or replace view v as select 1 as a, 2 as b;")
        .file("V4__f.sql", "create or replace function f() returns int language sql as 'select 2';");
    let verdicts = Verdicts::run(&Database::new(), &folder, 0);
    assert_eq!(verdicts.verdict("IQ-003"), "passed", "{}", verdicts.actual("IQ-003"));
    let cases = verdicts.step("IQ-003")["cases"].to_string();
    let right_after = cases.matches("right after it was applied; later files have changed what it makes").count();
    assert_eq!(right_after, 2, "{cases}");
    // Where there is no second database, that is told and counts for nothing.
    let scratch = Database::new();
    let given = Job::new().env("SCHEMAGATE_SCRATCH_URL", scratch.url()).migrations(folder.path());
    let given = given.args(["qualify", "--format", "json"]).run();
    let verdicts = Verdicts::of(given.assert_code(0));
    assert_eq!(verdicts.verdict("IQ-003"), "not executed");
    let words = "which later files may have changed: the database changed: ";
    assert!(verdicts.actual("IQ-003").contains(words), "{}", verdicts.actual("IQ-003"));
}

#[test]
fn a_definition_that_is_passed_over_on_an_empty_database_is_a_deviation() {
    let folder = two().file("V3__a.sql", "create table if not exists a (id int primary key, name text not null);");
    let verdicts = Verdicts::run(&Database::new(), &folder, 0);
    assert_eq!(verdicts.verdict("IQ-001"), "not executed");
    assert!(verdicts.actual("IQ-001").contains("relation \"a\" already exists"), "{}", verdicts.actual("IQ-001"));
}

#[test]
fn with_a_transaction_for_each_migration_what_came_before_the_failing_one_stays() {
    let folder = two();
    let database = Database::new();
    let job = qualify(&database, &folder).env("SCHEMAGATE_ATOMICITY", "migration");
    let outcome = job.args(["--format", "json"]).run();
    let verdicts = Verdicts::of(outcome.assert_code(0));
    let step = verdicts.step("IQ-005");
    assert_eq!(step["verdict"], "passed");
    assert!(step["expected"].as_str().unwrap().contains("SCHEMAGATE_ATOMICITY=migration"), "{step:#}");
    let words = "the 2 migrations before it stay, and nothing of it is left";
    assert!(verdicts.actual("IQ-005").contains(words), "{step:#}");
}

#[test]
fn a_setting_to_try_for_the_lock_once_is_no_failure_of_the_release() {
    let (database, folder) = (Database::new(), two());
    qualify(&database, &folder).env("SCHEMAGATE_LOCK_WAIT", "0").run().assert_code(0);
}

#[test]
fn what_a_body_does_to_the_server_is_a_deviation() {
    let server = own_server();
    let database = Database::on(server.address());
    let body = format!("do $$ begin execute 'alter database {} set work_mem = ''5MB'' '; end $$", database.name());
    let verdicts = Verdicts::run(&database, &two().file("V3__c.sql", body), 0);
    let deviations = verdicts.0["results"]["deviations"].to_string();
    assert!(deviations.contains(&format!("settings of database {}", database.name())), "{deviations}");
}

#[test]
fn an_own_step_is_named_with_its_checksum_and_may_end_its_session() {
    let folder = two();
    let text = "-- Ends its session\nselect pg_terminate_backend(pg_backend_pid());";
    folder.write("qualification/a.sql", text);
    let verdicts = Verdicts::run(&Database::new(), &folder, 1);
    verdicts.assert_failed("IQ-P01", "it ended its session");
    let sha256 = schemagate::sha256::sha256_hex(text.as_bytes());
    assert!(verdicts.step("IQ-P01")["cases"].to_string().contains(&sha256), "{:#}", verdicts.step("IQ-P01"));
}

#[test]
fn what_cannot_be_a_scratch_database_is_refused() {
    let (target, scratch) = (Database::new(), Database::new());
    let refused = |url: &str, words: &str| {
        let outcome = qualify(&target, &two()).args(["--scratch-url", url]).run();
        outcome.assert_code(65).assert_stderr("cannot be the scratch database").assert_stderr(words);
    };
    refused(&target.url(), "it is the target");
    // By another way to the same server.
    refused(&target.socket_url(), "it is the target");
    refused(&target.address().url("postgres"), "from which others are made");
    let guest = scratch.connect();
    refused(&scratch.url(), "other sessions are connected to it");
    drop(guest);
    assert!(target.tables().is_empty());
    let missing = qualify(&target, &two()).env("DATABASE_URL", target.address().url("no_such_database")).run();
    missing.assert_code(78).assert_stderr("the target database no_such_database does not exist");
}

#[test]
fn of_two_qualifications_in_one_database_the_second_is_refused() {
    let (target, scratch) = (Database::new(), Database::new());
    let folder = two();
    folder.write("qualification/long.sql", "-- Takes its time\nselect pg_sleep(600);");
    let running = qualify(&target, &folder).args(["--scratch-url", &scratch.url()]).spawn();
    let asleep = format!(
        "select exists (select from pg_stat_activity where query like '%pg_sleep(600)%' and datname = '{}')",
        scratch.name()
    );
    target.wait_until(&asleep, SOON);
    let second = qualify(&target, &two()).args(["--scratch-url", &scratch.url()]).run();
    second.assert_code(65).assert_stderr("another qualification is using it");
    // What somebody else makes in it meanwhile is not dropped with the rest.
    scratch.execute("create schema billing; create table billing.invoices as select 1 as x");
    running.signal(Signal::TERM);
    running.wait().assert_code(143).assert_stderr("nothing was dropped").assert_stderr("billing.invoices");
    assert!(scratch.tables().contains(&"billing.invoices".to_owned()), "{:?}", scratch.tables());
}

#[test]
fn the_schema_public_of_a_given_database_stays() {
    let (target, scratch) = (Database::new(), Database::new());
    scratch.execute("drop schema public cascade; create schema public");
    for _ in 0..2 {
        let outcome = qualify(&target, &two()).args(["--scratch-url", &scratch.url()]).run();
        outcome.assert_code(0).assert_nowhere("cleaned up");
    }
    let public = scratch.value("select count(*) from pg_namespace where nspname = 'public'");
    assert_eq!(public.as_deref(), Some("1"));
    scratch.execute("drop schema public cascade");
    let outcome = qualify(&target, &two()).args(["--scratch-url", &scratch.url()]).run();
    outcome.assert_code(65).assert_stderr("it has no schema to create tables in");
}

#[test]
fn a_result_that_cannot_be_kept_is_told_all_the_same() {
    let folder = two().file("V3__bad.sql", "select nonsense");
    let place = tempfile::tempdir().unwrap();
    let evidence = place.path().to_str().unwrap();
    // A folder where the record would be: nothing can be renamed over it.
    std::fs::create_dir_all(place.path().join("EV-SPEC-INF-002.json/x")).unwrap();
    let outcome = qualify(&Database::new(), &folder).args(["--evidence", evidence]).run();
    outcome.assert_code(1).assert_stdout("IQ-001  failed").assert_stderr("there is no record of this run");
    let outcome = qualify(&Database::new(), &two()).args(["--evidence", evidence]).run();
    outcome.assert_code(65).assert_stdout("IQ-001  passed");
}

#[test]
fn a_cascade_that_a_trigger_swallows_fails_the_fourth_step() {
    let folder = two().file(
        "V3__c.sql",
        "create function keep() returns trigger language plpgsql as 'begin return null; end';
         create trigger keep before delete on b for each row execute function keep();",
    );
    let verdicts = Verdicts::run(&Database::new(), &folder, 1);
    verdicts.assert_failed("IQ-004", "b_a_id_fkey");
}

/// An event trigger that acts on the table of the appended migrations.
fn on_probe(act: &str) -> Migrations {
    two().file(
        "V3__c.sql",
        format!(
            "create function on_probe() returns event_trigger language plpgsql as $f$ begin
               if current_query() like '%schemagate_probe%' then {act} end if; end $f$;
             create event trigger on_probe on ddl_command_start when tag in ('CREATE TABLE') execute function on_probe();"
        ),
    )
}

#[test]
fn what_a_failed_migration_leaves_behind_fails_the_fifth_step() {
    let database = Database::new();
    let url = database.address().url("' || current_database() || '");
    // A session of its own commits what the failing migration cannot take back.
    let folder = on_probe(&format!(
        "if current_query() like '%SGQ05%' then
           execute 'copy (select 1) to program ''psql -qX \"{url}\" -c \"create table if not exists left_behind()\"'''; end if;"
    ));
    Verdicts::run(&database, &folder, 1).assert_failed("IQ-005", "+ table public.left_behind");
}

#[test]
fn a_run_that_fails_beside_another_fails_the_sixth_step() {
    let folder = on_probe("raise exception 'not now';");
    Verdicts::run(&Database::new(), &folder, 1).assert_failed("IQ-006", "not now");
}

#[test]
fn an_edited_file_that_is_let_through_fails_the_seventh_step() {
    // What runs in the sixth step gives the first file's row the checksum that the edited file is going to have.
    let edited = schemagate::migrations::MigrationSet::from_texts([(
        "V1__a.sql",
        "create table a (id int primary key);\n\n-- edited after it was applied\n",
    )])
    .unwrap();
    let checksum = edited.newest().unwrap().checksum(schemagate::migrations::VersionWidth::Int4).unwrap();
    let folder = on_probe(&format!(
        "if current_query() like '%pg_advisory_xact_lock%' then
           update drizzle.__migrations__ set checksum = '{checksum}' where version = 1; end if;"
    ));
    let verdicts = Verdicts::run(&Database::new(), &folder, 1);
    // The run that comes second in the sixth step finds the changed row too.
    assert_eq!(verdicts.failed(), ["IQ-006", "IQ-007"]);
    assert!(verdicts.actual("IQ-007").contains("not named: V1__a.sql"), "{}", verdicts.actual("IQ-007"));
}

#[test]
fn an_audit_table_that_can_be_changed_fails_the_eighth_step() {
    let folder = two().file("V3__c.sql", "create table audit_log (id serial primary key, what text not null);");
    Verdicts::run(&Database::new(), &folder, 1).assert_failed("IQ-008", "audit_log");
}

#[test]
fn the_projects_own_steps_are_run_and_taken_back() {
    let database = Database::new();
    let folder = two();
    folder.write(
        "qualification/01_parents.sql",
        "-- Deleting a parent deletes its children\n-- REQ-7\ninsert into a values (1); insert into b values (1);
         delete from a; do $$ begin assert (select count(*) from b) = 0; end $$;",
    );
    folder.write(
        "qualification/02_wrong.sql",
        "-- title: What does not hold\n-- requirement: REQ-8\n\nselect 1;\nselect 1 / 0;",
    );
    folder.write("qualification/03_commit.sql", "-- Leaves its transaction\ninsert into a values (1); commit;");
    folder.write("qualification/notes.txt", "no step");
    let verdicts = Verdicts::run(&database, &folder, 1);
    assert_eq!(verdicts.failed(), ["IQ-P02", "IQ-P03"]);
    let own = verdicts.step("IQ-P01");
    assert_eq!(
        (own["title"].as_str(), own["requirement"].as_str()),
        (Some("Deleting a parent deletes its children"), Some("REQ-7"))
    );
    assert!(verdicts.actual("IQ-P02").contains("division by zero"), "{}", verdicts.actual("IQ-P02"));
    assert_eq!(verdicts.step("IQ-P02")["requirement"], "REQ-8");
    assert!(verdicts.actual("IQ-P03").contains("COMMIT"), "{}", verdicts.actual("IQ-P03"));
}

#[test]
fn a_syntax_error_in_an_own_step_is_told_with_its_line() {
    let folder = two();
    folder.write("qualification/a.sql", "-- A typing error\n\nselect 1;\nselekt 2;\n");
    let verdicts = Verdicts::run(&Database::new(), &folder, 1);
    verdicts.assert_failed("IQ-P01", "at line 4");
}

#[test]
fn sigterm_drops_the_scratch_databases() {
    let server = own_server();
    let database = Database::on(server.address());
    let folder = two();
    folder.write("qualification/long.sql", "-- Takes its time\nselect pg_sleep(600);");
    let running = qualify(&database, &folder).spawn();
    database.wait_until(
        "select exists (select from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid())",
        SOON,
    );
    assert_eq!(scratch_databases(server.address()).len(), 3);
    let told = Instant::now();
    running.signal(Signal::TERM);
    running.wait().assert_code(143);
    assert!(told.elapsed() < Duration::from_secs(5));
    assert_eq!(scratch_databases(server.address()), Vec::<String>::new());
}

#[test]
fn what_a_killed_run_left_is_named_by_the_next_and_a_run_beside_it_is_not() {
    let server = own_server();
    let database = Database::on(server.address());
    let folder = two();
    folder.write("qualification/long.sql", "-- Takes its time\nselect pg_sleep(600);");
    let running = qualify(&database, &folder).spawn();
    let asleep =
        "select exists (select from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid())";
    database.wait_until(asleep, SOON);
    let beside = qualify(&database, &two()).run();
    beside.assert_code(0).assert_nowhere("left its scratch database");
    let left = scratch_databases(server.address());
    assert_eq!(left.len(), 3);
    running.signal(Signal::KILL);
    running.wait();
    database.execute("select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()");
    let none = "select not exists (select from pg_stat_activity where datname like 'schemagate\\_qualify%')
        and not exists (select from pg_locks where locktype = 'advisory')";
    database.wait_until(none, SOON);
    let next = qualify(&database, &two()).run();
    next.assert_code(0);
    for name in &left {
        assert!(next.stderr.contains(&format!("DROP DATABASE {name};")), "{next}");
        assert!(next.stdout.contains(&format!("an earlier run left the scratch database {name}")), "{next}");
    }
    assert_eq!(scratch_databases(server.address()), left);
}

#[test]
fn a_role_that_may_not_make_databases_is_told_the_ways_out() {
    let database = Database::new();
    let role = database.role("login");
    let outcome = Job::new()
        .env("DATABASE_URL", database.url_as(&role))
        .env("SCHEMAGATE_LOG_FORMAT", "text")
        .arg("qualify")
        .run();
    outcome.assert_code(77);
    for words in ["may not make a scratch database", "CREATEDB", "--scratch-url"] {
        assert!(outcome.stderr.contains(words), "{outcome}");
    }
}

#[test]
fn a_given_database_is_used_and_left_empty() {
    let (target, scratch) = (Database::new(), Database::new());
    let role = target.role("login");
    scratch.execute(&format!(
        "grant create on database {} to {role}; grant all on schema public to {role}",
        scratch.name()
    ));
    let folder = two().file(
        "V3__c.sql",
        "create schema s; create type s.mood as enum ('a'); create function f() returns int language sql as 'select 1';
         create domain d as int; create sequence q; create materialized view m as select 1 as x; create type public.pair as (x int)",
    );
    let job = qualify(&target, &folder).args(["--scratch-url", &scratch.url_as(&role), "--format", "json"]);
    let outcome = job.run();
    outcome.assert_code(0);
    let verdicts = Verdicts::of(&outcome);
    assert_eq!(verdicts.0["environment"]["databases"]["scratch"], scratch.name());
    assert!(!verdicts.0["results"]["deviations"].to_string().contains("cleaned up"), "{:#}", verdicts.0);
    let left = scratch.query_strings(
        "select relname from pg_class where oid >= 16384 union all select proname from pg_proc where oid >= 16384
         union all select nspname from pg_namespace where oid >= 16384 union all select typname from pg_type where oid >= 16384",
    );
    assert_eq!(left, Vec::<Vec<Option<String>>>::new());
    // No target is needed then.
    let alone = Job::new().env("SCHEMAGATE_SCRATCH_URL", scratch.url()).migrations(folder.path()).arg("qualify").run();
    alone.assert_code(0);
}

#[test]
fn a_given_database_that_holds_something_is_refused_and_kept() {
    let (target, scratch) = (Database::new(), Database::new());
    scratch.execute("create table precious as select 1 as x");
    let outcome = qualify(&target, &two()).args(["--scratch-url", &scratch.url()]).run();
    outcome.assert_code(65);
    assert!(
        outcome.stderr.contains("is not empty: it holds") && outcome.stderr.contains("public.precious"),
        "{outcome}"
    );
    assert_eq!(scratch.tables(), ["public.precious"]);
}

#[test]
fn a_given_database_that_does_not_exist_is_made_and_dropped() {
    let target = Database::new();
    let name = format!("{}_scratch", target.name());
    let outcome = qualify(&target, &two()).args(["--scratch-url", &target.address().url(&name)]).run();
    outcome.assert_code(0);
    let made = target.value(&format!("select count(*) from pg_database where datname like '{name}%'"));
    assert_eq!(made.as_deref(), Some("0"));
}

#[test]
fn files_that_change_the_server_are_refused_where_it_is_the_targets() {
    let (target, scratch) = (Database::new(), Database::new());
    let role = format!("made_by_{}", &target.name()[target.name().len().saturating_sub(30)..]);
    let folder = two().file("V3__c.sql", format!("select 1;\ncreate role {role};\ndrop role {role};"));
    let outcome = qualify(&target, &folder).run();
    outcome.assert_code(65);
    assert!(outcome.stderr.contains(&format!("V3__c.sql:2: create role {role}")), "{outcome}");
    let given = qualify(&target, &folder).args(["--scratch-url", &scratch.url()]).run();
    // The role is gone again, so that the file can be run twice.
    given.assert_code(0);
}

#[test]
fn a_drizzle_folder_is_qualified() {
    let folder = Migrations::new()
        .file(
            "0000_init.sql",
            "CREATE TABLE \"a\" (\"id\" serial PRIMARY KEY);--> statement-breakpoint\nCREATE INDEX i ON a (id);\n",
        )
        .file("0001_more.sql", "ALTER TABLE \"a\" ADD COLUMN \"b\" text;")
        .file(
            "meta/_journal.json",
            r#"{"version":"7","dialect":"postgresql","entries":[
                {"idx":0,"version":"7","when":1700000000000,"tag":"0000_init","breakpoints":true},
                {"idx":1,"version":"7","when":1700000001000,"tag":"0001_more","breakpoints":true}]}"#,
        );
    let verdicts = Verdicts::run(&Database::new(), &folder, 0);
    assert_eq!(verdicts.verdict("IQ-002"), "passed", "{}", verdicts.actual("IQ-002"));
    assert!(verdicts.actual("IQ-005").contains("nothing of 3 migrations is left"), "{}", verdicts.actual("IQ-005"));
}

#[test]
fn without_a_server_it_fails_as_every_command_does() {
    let outcome = Job::new()
        .env("DATABASE_URL", "postgres://u@127.0.0.1:1/db")
        .env("SCHEMAGATE_CONNECT_DEADLINE", "0")
        .arg("qualify")
        .run();
    outcome.assert_code(69);
}
