//! `rehearse`: what it measures is what `up` does, and it leaves nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome, Signal};
use crate::support::pgbouncer::Pgbouncer;
use crate::support::redact::redact;

const SOON: Duration = Duration::from_secs(20);

fn job(database: &Database, folder: &Migrations, arguments: &[&str]) -> Job {
    Job::on(database).migrations(folder.path()).env("SCHEMAGATE_LOG_FORMAT", "text").arg("rehearse").args(arguments)
}

fn rehearse(database: &Database, folder: &Migrations, arguments: &[&str]) -> Outcome {
    job(database, folder, arguments).run()
}

/// The document of a rehearsal that succeeds.
fn document(database: &Database, folder: &Migrations) -> Value {
    let outcome = rehearse(database, folder, &["--format", "json"]);
    outcome.assert_code(0);
    outcome.json()
}

fn shop(database: &Database) {
    database.execute(
        "create table customers (id int primary key, name text);
         create table orders (id int primary key, customer int references customers, total int);
         create table other (id int);
         insert into customers select n, 'c' || n from generate_series(1, 100) n;
         insert into orders select n, n % 100 + 1, n from generate_series(1, 1000) n;
         analyze customers, orders",
    );
}

fn release() -> Migrations {
    Migrations::new()
        .file("V1__total.sql", "-- as numbers of any size\nalter table orders\n  alter column total type bigint;\n")
        .file(
            "V2__fill.sql",
            "update orders set total = total + 1 where id <= 10; create index orders_total_idx on orders (total);
             create table invoices (id int primary key, \"order\" int references orders);
             insert into invoices values (1, 1), (2, 2);
             do $$begin raise warning 'take care'; raise notice 'of %', 'this'; end$$; drop table if exists nothing;",
        )
}

const OBJECTS: &str = include_str!("../../src/postgres/catalogue.sql");

/// Every object with its definition, the file and the rows of every table, and all sessions' locks that are left.
fn everything(database: &Database) -> Vec<String> {
    let mut lines: Vec<String> = database.query_strings(OBJECTS).into_iter().filter_map(|row| row[0].clone()).collect();
    lines.extend(database.connect().column(
        "select relkind::text || ' ' || oid || ' ' || oid::regclass || ' ' || relfilenode from pg_class where oid >= 16384
         union all select 'schema ' || nspname from pg_namespace where nspname !~ '^pg_(toast_)?temp_'
         order by 1",
    ));
    for table in database.tables() {
        lines.extend(database.connect().column(&format!("select '{table} ' || t::text from {table} t order by 1")));
    }
    lines
}

/// Relation and mode of every lock on a relation that was there, but for the history's own.
type Locks = BTreeSet<(String, String)>;

fn held(document: &Value) -> Locks {
    let batches = document["batches"].as_array().unwrap();
    let held = batches.iter().flat_map(|batch| batch["held"].as_array().unwrap());
    let word = |held: &Value, field: &str| held[field].as_str().unwrap().to_owned();
    held.map(|held| (word(held, "relation"), word(held, "mode"))).collect()
}

fn statements(document: &Value) -> Vec<Value> {
    let batches = document["batches"].as_array().unwrap();
    let migrations = batches.iter().flat_map(|batch| batch["migrations"].as_array().unwrap());
    migrations.flat_map(|migration| migration["statements"].as_array().unwrap().clone()).collect()
}

fn rewritten(document: &Value) -> BTreeSet<String> {
    let statements = statements(document);
    let rewrites = statements.iter().flat_map(|statement| statement["rewrites"].as_array().unwrap());
    rewrites.map(|rewrite| rewrite["relation"].as_str().unwrap().to_owned()).collect()
}

fn files(database: &Database) -> BTreeSet<(String, String)> {
    let rows = database.query_strings(
        "select relnamespace::regnamespace || '.' || relname, relfilenode from pg_class
         where oid >= 16384 and relkind in ('r', 'i', 'm') and relnamespace <> 'pg_toast'::regnamespace",
    );
    rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap())).collect()
}

fn wait_for_sleep(database: &Database) {
    database.wait_until(
        "select exists (select from pg_stat_activity where application_name = 'schemagate' and state = 'active'
         and datname = current_database() and query like '%pg_sleep%')",
        SOON,
    );
}

#[test]
fn a_rehearsal_reads_well() {
    let database = Database::new();
    shop(&database);
    let folder = release().file("V3__c.sql", "-- schemagate: no-transaction\nvacuum orders;");
    let outcome = rehearse(&database, &folder, &[]);
    outcome.assert_code(0);
    let shown = redact(&outcome.stdout);
    insta::with_settings!({filters => vec![
        // The server's own: other tests write too.
        (r", \d+(\.\d+)? (kB|bytes|MB) of WAL", ""),
        (r"\d+(\.\d+)? (kB|bytes)", "[size]"),
        ("  +", "  "),
    ]}, {
        insta::assert_snapshot!(shown, @r#"
        database  127.0.0.1:[port]/[database] as user postgres (PostgreSQL [version])
        history  drizzle.__migrations__ (does not exist yet)
        files  0 applied, 3 pending

        batch 1: one transaction of [duration]
          V1__total.sql
          2:1  alter table orders alter column total type bigint  ([duration])
          locks public.orders ACCESS EXCLUSIVE: blocks reads and writes
          rewrites public.orders: [size] before, [size] after
          V2__fill.sql
          1:1  update orders set total = total + 1 where id <= 10  ([duration])
          locks public.customers ROW SHARE: reads and writes go on; only a lock that blocks reads waits for it
          rows public.orders: 10 updated
          1:53  create index orders_total_idx on orders (total)  ([duration])
          2:14  create table invoices (id int primary key, "order" int references orders)  ([duration])
          3:14  insert into invoices values (1, 1), (2, 2)  ([duration])
          rows of new tables: 2 inserted
          4:14  do $$begin raise warning 'take care'; raise notice 'of %', 'this'; end$$  ([duration])
          warning: take care
          notice: of this
          4:88  drop table if exists nothing  ([duration])
          notice: table "nothing" does not exist, skipping
          creates public.orders_total_idx, public.invoices, public.invoices_pkey

          STRONGEST LOCK ON  SIZE  MODE  BLOCKS  HELD  SINCE
          public.orders  [size]  ACCESS EXCLUSIVE  reads and writes  [duration]  V1__total.sql:2:1
          public.customers  [size]  ROW SHARE  nothing  [duration]  V2__fill.sql:1:1

        batch 2: not rehearsed
          V3__c.sql: runs outside a transaction, which nothing could take back

        1 migration not rehearsed: what comes after may need what it would have done
        rehearsed 2 migrations in [duration] and rolled back; only sequences keep what was drawn from them
        "#);
    });
}

#[test]
fn a_rehearsal_leaves_the_database_as_it_was() {
    let database = Database::new();
    shop(&database);
    database.execute("create schema kept; create table kept.a (x text); insert into kept.a values ('y')");
    let before = everything(&database);
    let outcome = rehearse(&database, &release(), &[]);
    outcome.assert_code(0).assert_stdout("rehearsed 2 migrations").assert_stdout("rolled back");
    assert_eq!(everything(&database), before);
    database.assert_no_session();
    database.assert_no_advisory_lock();
    let real = release();
    // Nor is anything in the way of the real run, or of what is recorded of it.
    Job::on(&database).migrations(real.path()).arg("up").run().assert_code(0).assert_stdout("applied 2 migrations");
    assert_eq!(database.value("select count(*) from drizzle.__migration_runs__").as_deref(), Some("1"));
    let with_history = everything(&database);
    let more = release().file("V3__more.sql", "alter table orders alter column total type numeric; drop table other;");
    rehearse(&database, &more, &[]).assert_code(0);
    assert_eq!(everything(&database), with_history);
}

#[test]
fn up_takes_the_locks_and_makes_the_rewrites_that_were_rehearsed() {
    let database = Database::new();
    shop(&database);
    database.execute(
        "create table measures (at date, v int) partition by range (at);
         create table measures_1 partition of measures for values from ('2026-01-01') to ('2027-01-01');
         create materialized view totals as select customer, count(*) from orders group by 1;
         create view v as select * from other; create sequence s; create table emptied (x int);
         create index other_idx on other (id); create table seen (relation text, mode text)",
    );
    let folder = release()
        .file("V3__drop.sql", "drop view v; alter table measures add column w int default 7; truncate emptied;")
        .file("V4__view.sql", "refresh materialized view totals; alter table other add check (id > 0) not valid;")
        .file("V5__index.sql", "reindex index other_idx; select nextval('s'); lock table customers in share mode;")
        .file(
            "V6__seen.sql",
            "insert into seen select c.relnamespace::regnamespace || '.' || c.relname, l.mode
             from pg_locks l join pg_class c on c.oid = l.relation
             where l.pid = pg_backend_pid() and c.oid >= 16384 and l.granted
               and c.relnamespace not in ('pg_toast'::regnamespace, 'drizzle'::regnamespace)
               and c.oid < (select c.oid from pg_class c where relname = 'invoices')",
        );
    let rehearsed = document(&database, &folder);
    let before = files(&database);
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    let words = |mode: &str| {
        mode.strip_suffix("Lock").unwrap().chars().fold(String::new(), |mut words, char| {
            if char.is_uppercase() && !words.is_empty() {
                words.push(' ');
            }
            words.push(char.to_ascii_uppercase());
            words
        })
    };
    let seen: Locks = database
        .query_strings("select relation, mode from seen where relation <> 'public.orders_total_idx'")
        .into_iter()
        .map(|row| (row[0].clone().unwrap(), words(row[1].as_ref().unwrap())))
        .collect();
    // The view is gone by then, and has no name that could be read.
    let rehearsed_locks: Locks = held(&rehearsed).into_iter().filter(|(relation, _)| relation != "public.v").collect();
    assert_eq!(rehearsed_locks, seen);
    assert!(held(&rehearsed).contains(&("public.v".to_owned(), "ACCESS EXCLUSIVE".to_owned())));
    let after = files(&database);
    let now: BTreeSet<&String> = after.iter().map(|(relation, _)| relation).collect();
    let moved: BTreeSet<String> =
        before.difference(&after).map(|(relation, _)| relation.clone()).filter(|it| now.contains(it)).collect();
    assert_eq!(rewritten(&rehearsed), moved);
    for relation in ["public.orders", "public.totals", "public.emptied", "public.other_idx"] {
        assert!(moved.contains(relation), "{relation}");
    }
}

#[test]
fn rows_sizes_and_the_servers_words_are_measured() {
    let database = Database::new();
    shop(&database);
    let folder = release().file("V3__gone.sql", "delete from orders where id > 900; with moved as (delete from other returning id) insert into other select 1 from customers;");
    let document = document(&database, &folder);
    let statements = statements(&document);
    let of = |text: &str| statements.iter().find(|it| it["statement"].as_str().unwrap().starts_with(text)).unwrap();
    assert_eq!(
        of("update")["rows"],
        serde_json::json!([{ "table": "public.orders", "inserted": 0, "updated": 10, "deleted": 0 }])
    );
    assert_eq!(of("insert")["rows"], serde_json::json!([{ "table": null, "inserted": 2, "updated": 0, "deleted": 0 }]));
    assert_eq!(of("delete")["rows"][0]["deleted"], 100);
    assert_eq!(of("with")["rows"][0]["inserted"], 100);
    let size: u64 = database.value("select pg_total_relation_size('orders')").unwrap().parse().unwrap();
    let rewrite = &of("alter")["rewrites"][0];
    assert_eq!((rewrite["relation"].as_str(), rewrite["bytes_before"].as_u64()), (Some("public.orders"), Some(size)));
    assert!(rewrite["bytes_after"].as_u64().unwrap() > 0);
    assert!(of("alter")["wal_bytes"].as_u64().unwrap() > 10_000);
    let notices = of("do")["notices"].as_array().unwrap().clone();
    assert_eq!(
        notices.iter().map(|notice| notice["message"].as_str().unwrap()).collect::<Vec<_>>(),
        ["take care", "of this"]
    );
    let creates = &document["batches"][0]["migrations"][1]["creates"];
    assert_eq!(*creates, serde_json::json!(["public.orders_total_idx", "public.invoices", "public.invoices_pkey"]));
}

#[test]
fn a_lock_is_held_from_its_statement_to_the_end_of_its_batch() {
    let database = Database::new();
    shop(&database);
    let folder = Migrations::new()
        .file("V1__a.sql", "select pg_sleep(0.3); alter table orders add x int; select pg_sleep(0.4);")
        .file("V2__b.sql", "savepoint a; lock table other in share mode; rollback to a; select pg_sleep(0.2);");
    let document = document(&database, &folder);
    let strongest = document["batches"][0]["strongest"].as_array().unwrap();
    let of = |relation: &str| strongest.iter().find(|held| held["relation"] == relation).unwrap();
    let orders = of("public.orders");
    assert_eq!(
        (orders["mode"].as_str(), orders["blocks"].as_str()),
        (Some("ACCESS EXCLUSIVE"), Some("reads and writes"))
    );
    assert_eq!(orders["since"], "V1__a.sql:1:23");
    let (from, lasts) = (orders["from_ms"].as_f64().unwrap(), orders["held_ms"].as_f64().unwrap());
    let whole = document["batches"][0]["elapsed_ms"].as_f64().unwrap();
    assert!(from >= 300.0 && lasts >= 600.0 && (from + lasts - whole).abs() < 0.01, "{orders} of {whole}");
    // A savepoint that is rolled back to gives its locks back.
    assert!(of("public.other")["held_ms"].as_f64().unwrap() < 200.0);
}

#[test]
fn a_batch_that_cannot_be_taken_back_is_listed_with_its_reason() {
    let database = Database::new();
    shop(&database);
    let folder = Migrations::new()
        .file("V1__a.sql", "alter table orders add x int;")
        .file("V2__i.sql", "-- schemagate: no-transaction\ncreate index concurrently orders_x on orders (x);")
        .file("V3__b.sql", "alter table orders add y int;")
        .file("V4__c.sql", "drop index orders_x;");
    let outcome = rehearse(&database, &folder, &[]);
    outcome.assert_code(1).assert_stderr("V4__c.sql:1: statement 1: index \"orders_x\" does not exist (42704)");
    outcome
        .assert_stdout("V2__i.sql: runs outside a transaction, which nothing could take back")
        .assert_stdout("1 migration not rehearsed: what comes after may need what it would have done")
        .assert_stdout("public.orders is locked ACCESS EXCLUSIVE by an earlier batch still")
        .assert_stdout("failed after 2 of 4 migrations");
    assert_eq!(
        database
            .value("select count(*) from pg_attribute where attname in ('x', 'y') and attrelid = 'orders'::regclass")
            .as_deref(),
        Some("0")
    );
}

#[test]
fn a_statement_that_fails_is_shown_as_up_shows_it_after_what_was_measured() {
    let database = Database::new();
    shop(&database);
    let folder = release()
        .file("V3__wrong.sql", "alter table other add y int;\nupdate orders\n  set total = quantity;")
        .file("V4__d.sql", "select 1;");
    let before = everything(&database);
    let outcome = rehearse(&database, &folder, &["--format", "json"]);
    outcome.assert_code(1);
    let words = redact(outcome.stderr.split_once(" error ").unwrap().1);
    insta::assert_snapshot!(words, @r#"
    V3__wrong.sql:3:15: column "quantity" does not exist (42703)
         3 |   set total = quantity;
           |               ^
    state: nothing of this run was kept
    hint: fix the file and rehearse again
    "#);
    // Who keeps the report has no log.
    let text = rehearse(&database, &folder, &[]);
    let told: Vec<&str> = words.lines().collect();
    text.assert_code(1).assert_stdout("V3__wrong.sql: failed, see below").assert_stdout(&told.join("\n"));
    let page = rehearse(&database, &folder, &["--format", "html"]);
    page.assert_code(1).assert_stdout("hint: fix the file and rehearse again");
    let document = outcome.json();
    assert_eq!(document["failure"]["sqlstate"], "42703");
    let outcomes: Vec<&str> = document["batches"][0]["migrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|migration| migration["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["rehearsed", "rehearsed", "failed", "not_reached"]);
    assert_eq!(rewritten(&document).len(), 2);
    assert_eq!(everything(&database), before);
}

#[test]
fn what_up_would_refuse_is_refused_in_the_same_words() {
    for (file, sql, code, words) in [
        ("V1__a.sql", "begin; create table a (); commit;", 65, "pending files hold what cannot be run"),
        ("V1__a.sql", "create table other ();", 65, "tables that pending files create exist: other"),
        (
            "V1__a.sql",
            "create table parents (id int primary key); create table children (p int references parents deferrable initially deferred); insert into children values (1);",
            1,
            "V1__a.sql: deferred constraints: insert or update on table \"children\"",
        ),
        ("V1__a.sql", "drop table drizzle.__migrations__;", 1, "V1__a.sql"),
    ] {
        let database = Database::new();
        shop(&database);
        let before = everything(&database);
        rehearse(&database, &Migrations::new().file(file, sql), &[]).assert_code(code).assert_stderr(words);
        assert_eq!(everything(&database), before);
    }
}

#[test]
fn other_sessions_are_refused_by_name_unless_they_are_allowed() {
    let database = Database::new();
    shop(&database);
    let mut other = database.connect();
    other.execute("set application_name = 'the shop'");
    let pid = other.pid();
    let outcome = rehearse(&database, &release(), &[]);
    outcome.assert_code(78).assert_stderr("other sessions are connected to this database: 1 session");
    outcome.assert_stderr(&format!("pid {pid} of user postgres, application the shop")).assert_stderr("--with-traffic");
    assert_eq!(outcome.stdout, "");
    rehearse(&database, &release(), &["--with-traffic"]).assert_code(0).assert_stdout("1 other session connected");
    drop(other);
    rehearse(&database, &release(), &[]).assert_code(0);
}

#[test]
fn a_session_that_only_passes_is_none() {
    let database = Database::new();
    shop(&database);
    let mut other = database.connect();
    other.execute("set application_name = 'passing'");
    let folder = release();
    let mut run = job(&database, &folder, &[]).env("SCHEMAGATE_LOG", "debug").spawn();
    run.wait_for_error_line("another look at them follows", SOON);
    drop(other);
    run.wait().assert_code(0);
}

#[test]
fn a_lock_that_is_not_to_be_had_names_its_holder_and_exits_75() {
    let database = Database::new();
    shop(&database);
    let mut blocker = database.connect();
    let pid = blocker.pid();
    blocker.execute("begin; lock table orders");
    let folder = release();
    let outcome = job(&database, &folder, &["--with-traffic"])
        .env("SCHEMAGATE_LOCK_TIMEOUT", "400ms")
        .env("SCHEMAGATE_LOCK_ATTEMPTS", "2")
        .run();
    outcome.assert_code(75).assert_stderr("after 2 attempts").assert_stderr(&format!("pid {pid}"));
    outcome.assert_stdout("it did not get its locks in 2 attempts").assert_stdout("failed after 0 of 2 migrations");
    outcome.assert_stderr("hint: rehearse again when the sessions in the way have ended");
    assert!(!outcome.to_string().contains("deploy again"), "{outcome}");
    let mut run = job(&database, &folder, &["--with-traffic"]).env("SCHEMAGATE_LOCK_TIMEOUT", "300ms").spawn();
    run.wait_for_error_line("rolled back, attempt 2 of 10 follows", SOON);
    blocker.execute("rollback");
    run.wait().assert_code(0);
}

#[test]
fn a_connection_that_is_lost_is_told_as_that_of_a_rehearsal() {
    let database = Database::new();
    let folder =
        Migrations::new().file("V1__a.sql", "create table a ();\nselect pg_terminate_backend(pg_backend_pid());");
    let outcome = rehearse(&database, &folder, &["--with-traffic"]);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    outcome
        .assert_stdout("rehearsing: ")
        .assert_stdout("rehearse again")
        .assert_stdout("failed after 0 of 1 migration");
    assert!(!outcome.to_string().contains("deploy again"), "{outcome}");
}

#[test]
fn of_many_notices_the_first_are_shown_and_the_rest_is_counted() {
    let database = Database::new();
    let folder = Migrations::new().file(
        "V1__a.sql",
        "do $$ begin for n in 1..20000 loop raise notice 'number %', n; end loop; raise notice '%', repeat('x', 5000); end $$;",
    );
    let text = rehearse(&database, &folder, &["--with-traffic"]);
    text.assert_code(0).assert_stdout("notice: number 20\n         and 19981 more\n");
    let page = rehearse(&database, &folder, &["--format", "html"]);
    page.assert_code(0).assert_stdout("<li>notice: number 20</li><li>and 19981 more</li>");
    assert!(page.stdout.len() < 50_000);
    let statement = statements(&document(&database, &folder)).remove(0);
    assert_eq!(statement["notices"].as_array().unwrap().len(), 1000);
    assert_eq!(statement["notices_left_out"], 19_001);
}

#[test]
fn a_signal_cancels_the_statement_and_rolls_back() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "create table a ();\nselect pg_sleep(60);");
    let run = job(&database, &folder, &["--with-traffic"]).spawn();
    wait_for_sleep(&database);
    run.signal(Signal::TERM);
    let outcome = run.wait();
    outcome.assert_code(143).assert_stderr("stopped by SIGTERM").assert_stderr("nothing of this run was kept");
    outcome.assert_stdout("create table a ()").assert_stdout("failed after 0 of 1 migration");
    database.assert_no_session();
    assert!(database.tables().is_empty());
}

#[test]
fn a_rehearsal_and_a_real_run_take_turns() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "create table a (); select pg_sleep(1);");
    let run = job(&database, &folder, &["--with-traffic"]).spawn();
    wait_for_sleep(&database);
    let mut up = Job::on(&database).migrations(folder.path()).spawn();
    up.wait_for_line("waiting for the lock", SOON);
    run.wait().assert_code(0);
    up.wait().assert_code(0).assert_stdout("applied 1 migration");
}

#[test]
fn a_transaction_pooler_is_refused_as_by_up() {
    let database = Database::new();
    shop(&database);
    let Some(pooler) = Pgbouncer::start(database.address(), &["pool_mode = transaction"]) else { return };
    let folder = release();
    let job = Job::new().env("DATABASE_URL", pooler.url(database.name())).migrations(folder.path());
    job.arg("rehearse").run().assert_code(78).assert_stderr("a transaction pooler stands between");
}

#[test]
fn a_file_that_cannot_be_split_for_certain_runs_as_a_whole() {
    let database = Database::new();
    let folder = Migrations::new()
        .file(
            "V1__a.sql",
            "create table a (x text);\nset standard_conforming_strings = off;\ninsert into a values ('it''s');",
        )
        .file("V2__b.sql", "set client_encoding = 'LATIN1'; insert into a values ('süß');")
        .file("V3__c.sql", "select x / 0 from a;\nselect 1;");
    let outcome = rehearse(&database, &folder, &[]);
    outcome.assert_code(1).assert_stdout("the whole file, which is not to be split").assert_stderr("V3__c.sql:1:10");
    assert!(database.tables().is_empty());
}

#[test]
fn nothing_pending_and_a_target_are_said() {
    let database = Database::new();
    let folder = Migrations::new().file("V1__a.sql", "create table a ();").file("V2__b.sql", "create table b ();");
    rehearse(&database, &folder, &["--target", "1"])
        .assert_code(0)
        .assert_stdout("rehearsed 1 migration")
        .assert_stdout("1 held back by --target");
    Job::on(&database).migrations(folder.path()).run().assert_code(0);
    rehearse(&database, &folder, &[]).assert_code(0).assert_stdout("up to date: nothing to rehearse");
    rehearse(&database, &folder, &["--target", "9"]).assert_code(2);
}

#[test]
fn html_is_for_rehearse_alone() {
    let outcome = Job::new().args(["plan", "--format", "html"]).run();
    outcome.assert_code(2).assert_stderr("--format html is for `rehearse` alone");
}

#[test]
fn the_page_is_self_contained_and_drawn_to_scale() {
    let database = Database::new();
    shop(&database);
    let folder = Migrations::new()
        .file("V1__a.sql", "select pg_sleep(0.4); alter table orders add x int;")
        .file("V2__b.sql", "select pg_sleep(0.4), '<script>'; select 1/0;");
    let outcome = rehearse(&database, &folder, &["--format", "html"]);
    outcome.assert_code(1);
    let page = &outcome.stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{page}");
    for address in ["http://", "https://", "src=", "<script", "url("] {
        assert!(!page.contains(address), "{address}");
    }
    assert!(page.contains("&lt;script&gt;") && page.contains("division by zero (22012)"), "{page}");
    // The bar of the table begins in the middle, where 250 to 950 is the whole batch, and ends with the batch.
    let bar = page.lines().find(|line| line.starts_with("<rect") && line.contains("bar all")).unwrap();
    let number = |name: &str| -> f64 {
        let from = bar.split_once(&format!(" {name}=\"")).unwrap().1;
        from.split_once('"').unwrap().0.parse().unwrap()
    };
    assert!((540.0..660.0).contains(&number("x")), "{bar}");
    assert!((number("x") + number("width") - 950.0).abs() < 0.2, "{bar}");
    assert!(page.contains("no reads, no writes: "), "{page}");
}
