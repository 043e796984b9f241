//! What lint's rules say of PostgreSQL, and of `up`, seen to be so: for each rule the bad and the good example of
//! docs/lint.md on a server. A rule without a proof fails here.

use std::collections::BTreeMap;
use std::path::Path;

use schemagate::lint::{Options, RULES, SQUAWK_ON};
use schemagate::migrations::MigrationSet;

use crate::lint::examples;
use crate::support::connection::Connection;
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::Job;

/// What the examples find.
const SHOP: &str = "
    create table orders (id int primary key, total int, a int, b int, note text);
    insert into orders select n, n, n, n, 'x' from generate_series(1, 20) n;
    create table lines (order_id int references orders);
    insert into lines values (1);
    create table colours (name text);
    create table states (s text);
    create type state as enum ('new');
    create schema shop;
    create table shop.things (a int);
    create domain price as int;
    create table prices (p price);
    insert into prices values (1);
";

/// How a rule is seen to be true, given its bad and its good example.
enum Proof {
    /// On a server that has the shop.
    Server(fn(&mut Shop, &str, &str)),
    /// By what `up` does with the files.
    Up(fn(&Database)),
    /// The rule is about comments to lint itself: it says nothing of a server.
    Comment,
}

use Proof::{Comment, Server, Up};

const PROOFS: &[(&str, Proof)] = &[
    ("transaction-control", Server(ends_the_transaction)),
    ("needs-no-transaction", Server(|shop, bad, good| shop.refuses_in_transaction(bad, good, "25001"))),
    ("one-statement-per-no-transaction-file", Server(several_are_a_transaction)),
    ("not-repeatable", Server(fails_when_repeated)),
    ("directive", Up(|database| refused(database, &[("V1__a.sql", "-- schemagate: no-transactions\nselect 1;")]))),
    ("not-for-the-server", Server(|shop, bad, good| shop.refuses_in_transaction(bad, good, "42601"))),
    ("table-rewrite", Server(rewrites)),
    ("blocking-scan", Server(reads_under_its_lock)),
    ("blocking-index-build", Server(keeps_writers_out)),
    ("strong-lock-then-long-work", Server(works_while_readers_wait)),
    ("enum-value-used-in-release", Server(|shop, bad, good| shop.refuses_in_transaction(bad, good, "55P04"))),
    ("sets-lock-timeout", Server(|shop, bad, good| shop.leaves_changed(bad, good, "current_setting('lock_timeout')"))),
    ("leaks-search-path", Server(|shop, bad, good| shop.leaves_changed(bad, good, "current_setting('search_path')"))),
    ("leaks-role", Server(leaves_the_role)),
    ("edited-since", Up(an_edited_file_is_refused)),
    ("numbering-gap", Up(a_gap_that_is_filled_is_refused)),
    ("numbering-collision", Up(one_number_twice_is_refused)),
    ("drizzle-oddity", Up(an_oddity_is_warned_of)),
    ("allow-without-reason", Comment),
    ("allow-unknown-rule", Comment),
    ("allow-unused", Comment),
    ("adding-required-field", Server(fails_on_rows)),
    ("ban-drop-column", Server(|shop, bad, _| shop.breaks(bad, "", "select note from orders", "42703"))),
    ("ban-drop-table", Server(|shop, bad, _| shop.breaks(&cascade(bad), "", "select * from orders", "42P01"))),
    ("ban-drop-schema", Server(|shop, bad, _| shop.breaks(&cascade(bad), "", "select * from shop.things", "42P01"))),
    ("ban-truncate-cascade", Server(empties_what_is_not_named)),
    ("renaming-column", Server(|shop, bad, good| shop.breaks(bad, good, "select note from orders", "42703"))),
    ("renaming-table", Server(|shop, bad, good| shop.breaks(bad, good, "select * from orders", "42P01"))),
    ("ban-set-schema", Server(|shop, bad, good| shop.breaks(bad, good, "select * from orders", "42P01"))),
    ("ban-alter-domain-with-add-constraint", Server(reads_the_tables_of_a_domain)),
    ("identifier-too-long", Server(cuts_the_name)),
];

/// A server with the shop, and another session that goes on while migrations run.
struct Shop {
    database: Database,
    runs: Connection,
    other: Connection,
    /// How often the session had scanned the tables when the transaction began.
    scanned: BTreeMap<&'static str, i64>,
}

impl Shop {
    fn new() -> Shop {
        let database = Database::new();
        database.execute(SHOP);
        let (runs, mut other) = (database.connect(), database.connect());
        other.execute("set lock_timeout = '50ms'");
        Shop { database, runs, other, scanned: BTreeMap::new() }
    }

    /// The SQLSTATE that a file ends with in a transaction; `None` where it ends well. Leaves the transaction open.
    fn run(&mut self, sql: &str) -> Option<String> {
        self.runs.execute("rollback; begin");
        for table in ["orders", "prices"] {
            let scanned = self.scanned_so_far(table);
            self.scanned.insert(table, scanned);
        }
        let error = self.runs.try_query(sql).err()?;
        Some(error.code().expect("the server's own words").code().to_owned())
    }

    /// As `up` would run a good file: outside a transaction where it says so.
    fn runs_well(&mut self, good: &str) {
        if good.starts_with("-- schemagate: no-transaction") {
            self.runs.execute("rollback");
            self.runs.execute(good);
        } else {
            assert_eq!(self.run(good), None, "{good}");
            self.runs.execute("commit");
        }
    }

    fn refuses_in_transaction(&mut self, bad: &str, good: &str, code: &str) {
        assert_eq!(self.run(bad).as_deref(), Some(code), "{bad}");
        self.runs_well(good);
    }

    /// What the running release asks fails after the bad file, and not after the good one.
    fn breaks(&mut self, bad: &str, good: &str, query: &str, code: &str) {
        assert_eq!(self.run(bad), None, "{bad}");
        assert_eq!(self.lock("orders").or(self.lock("things")).as_deref(), Some("AccessExclusiveLock"), "{bad}");
        let error = self.runs.try_query(query).expect_err(query);
        assert_eq!(error.code().map(|code| code.code()), Some(code), "{bad}");
        self.runs_well(good);
        self.other.execute(query);
    }

    fn leaves_changed(&mut self, bad: &str, good: &str, of: &str) {
        let query = format!("select {of}");
        let before = self.runs.value(&query);
        self.runs.execute("drop table lines; alter table orders drop column note");
        assert_eq!(self.run(good), None, "{good}");
        self.runs
            .execute("commit; drop table if exists shop.lines, lines; alter table orders drop column if exists note");
        assert_eq!(self.runs.value(&query), before, "{good}");
        assert_eq!(self.run(bad), None, "{bad}");
        self.runs.execute("commit");
        assert_ne!(self.runs.value(&query), before, "{bad}");
    }

    /// The strongest lock that the run holds on a table, which may be gone for itself.
    fn lock(&mut self, table: &str) -> Option<String> {
        let pid = self.runs.pid();
        let sql = format!(
            "select mode from pg_locks join pg_class on oid = relation where pid = {pid} and relname = '{table}'
             order by mode = 'AccessExclusiveLock' desc, mode = 'ShareLock' desc, mode = 'ShareRowExclusiveLock' desc"
        );
        self.other.value(&sql)
    }

    fn number(&mut self, of: &str) -> i64 {
        self.runs.value(&format!("select {of}")).unwrap().parse().unwrap()
    }

    fn file_of_orders(&mut self) -> i64 {
        self.number("pg_relation_filenode('orders')::bigint")
    }

    /// How often the transaction has.
    fn scans(&mut self, table: &str) -> i64 {
        self.scanned_so_far(table) - self.scanned[table]
    }

    fn scanned_so_far(&mut self, table: &str) -> i64 {
        self.number(&format!("pg_stat_get_xact_numscans('{table}'::regclass)"))
    }

    fn may_read(&mut self) -> bool {
        self.other.try_query("select * from orders").is_ok()
    }

    fn may_write(&mut self) -> bool {
        self.other.try_query("update orders set total = total where id = 1").is_ok()
    }
}

fn cascade(bad: &str) -> String {
    bad.trim_end().trim_end_matches(';').to_owned() + " cascade"
}

fn ends_the_transaction(shop: &mut Shop, bad: &str, good: &str) {
    shop.runs.execute("begin");
    let id = shop.number("txid_current()");
    shop.runs.execute(bad);
    assert_ne!(shop.number("txid_current()"), id, "{bad}");
    shop.runs.execute("begin");
    let id = shop.number("txid_current()");
    shop.runs.execute(good);
    assert_eq!(shop.number("txid_current()"), id, "{good}");
}

/// The server makes one transaction of a message with several statements.
fn several_are_a_transaction(shop: &mut Shop, bad: &str, good: &str) {
    let error = shop.runs.try_query(bad).expect_err(bad);
    assert_eq!(error.code().map(|code| code.code()), Some("25001"));
    shop.runs_well(good);
}

fn fails_when_repeated(shop: &mut Shop, bad: &str, good: &str) {
    shop.runs.execute("create index orders_total_idx on orders (total)");
    shop.runs.execute(bad);
    let error = shop.runs.try_query(bad).expect_err("a second time");
    assert_eq!(error.code().map(|code| code.code()), Some("42704"));
    shop.runs_well(good);
    shop.runs_well(good);
}

fn rewrites(shop: &mut Shop, bad: &str, good: &str) {
    let file = shop.file_of_orders();
    assert_eq!(shop.run(bad), None);
    assert_ne!(shop.file_of_orders(), file, "{bad}");
    assert!(!shop.may_read() && !shop.may_write(), "{bad}");
    assert_eq!(shop.run(good), None);
    assert_eq!(shop.file_of_orders(), file, "{good}");
}

fn reads_under_its_lock(shop: &mut Shop, bad: &str, good: &str) {
    assert_eq!(shop.run(bad), None);
    assert!(shop.scans("orders") > 0 && !shop.may_write(), "{bad}");
    assert_eq!(shop.run(good), None);
    assert_eq!(shop.scans("orders"), 0, "{good}");
}

fn keeps_writers_out(shop: &mut Shop, bad: &str, good: &str) {
    assert_eq!(shop.run(bad), None);
    assert_eq!(shop.lock("orders").as_deref(), Some("ShareLock"));
    assert!(shop.may_read() && !shop.may_write(), "{bad}");
    shop.runs.execute("rollback");
    // A writer that goes on holds the concurrent build up, and is not held up by it.
    let mut writer = shop.database.connect();
    writer.execute("begin; update orders set a = 1 where id = 2");
    let mut builds = shop.database.connect();
    let (pid, sql) = (builds.pid(), good.to_owned());
    let build = std::thread::spawn(move || builds.execute(&sql));
    let held =
        format!("select exists (select from pg_locks where pid = {pid} and locktype = 'virtualxid' and not granted)");
    shop.other.wait_until(&held, std::time::Duration::from_secs(20));
    assert!(shop.may_write(), "{good}");
    writer.execute("commit");
    build.join().unwrap();
}

fn works_while_readers_wait(shop: &mut Shop, bad: &str, good: &str) {
    assert_eq!(shop.run(bad), None);
    assert!(shop.scans("orders") > 0 && !shop.may_read(), "{bad}");
    assert_eq!(shop.run(good), None);
    assert_eq!(shop.scans("orders"), 0, "{good}");
}

fn leaves_the_role(shop: &mut Shop, bad: &str, good: &str) {
    // Roles are of the whole server, which other tests use: this one has a name of its own.
    let role = shop.database.role("");
    shop.database.execute(&format!("grant all on schema public to {role}"));
    let as_role = |sql: &str| sql.replace("shop_owner", &role);
    shop.leaves_changed(&as_role(bad), &as_role(good), "current_user");
    for sql in [
        "set session authorization shop_owner; reset role",
        "set role shop_owner; reset all",
        "set session authorization shop_owner; reset all",
        "set session authorization shop_owner; set role none",
        "set session authorization shop_owner; reset session authorization",
        "set role shop_owner; reset session authorization",
        "set role shop_owner; set role none",
        "set session authorization shop_owner; set session authorization default",
    ] {
        shop.runs.execute("rollback; reset session authorization");
        let before = shop.runs.value("select current_user");
        shop.runs.execute(&as_role(sql));
        let left = shop.runs.value("select current_user") != before;
        let set = MigrationSet::from_texts([("V1__a.sql", sql)]).unwrap();
        let found = schemagate::lint::lint(&set, &Options::default()).unwrap().findings;
        assert_eq!(found.iter().any(|finding| finding.rule == "leaks-role"), left, "{sql}");
    }
}

fn fails_on_rows(shop: &mut Shop, bad: &str, good: &str) {
    shop.database.execute("alter table orders drop column note");
    shop.refuses_in_transaction(bad, good, "23502");
}

fn empties_what_is_not_named(shop: &mut Shop, bad: &str, good: &str) {
    assert!(!bad.contains("lines"));
    assert_eq!(shop.run(bad), None);
    assert_eq!(shop.number("(select count(*) from lines)"), 0);
    shop.runs_well(good);
}

fn reads_the_tables_of_a_domain(shop: &mut Shop, bad: &str, good: &str) {
    assert_eq!(shop.run(bad), None);
    assert!(shop.scans("prices") > 0);
    assert_eq!(shop.lock("prices").as_deref(), Some("ShareLock"));
    assert_eq!(shop.run(good), None);
    assert_eq!(shop.scans("prices"), 0);
}

fn cuts_the_name(shop: &mut Shop, bad: &str, good: &str) {
    let longest = "select max(length(relname)) from pg_class where relkind = 'r'";
    assert_eq!(shop.run(bad), None);
    let name = shop
        .runs
        .value(&longest.replace("max(length(relname))", "relname").replace("where", "where length(relname) = 63 and"));
    assert!(name.is_some_and(|name| bad.contains(&name) && !bad.contains(&format!("{name} "))));
    assert_eq!(shop.run(good), None);
    assert!(shop.runs.value(longest).unwrap().parse::<u32>().unwrap() < 63);
}

fn folder(files: &[(&str, &str)]) -> Migrations {
    files.iter().fold(Migrations::new(), |folder, (name, sql)| folder.file(name, sql))
}

fn up(database: &Database, folder: &Path, code: i32) -> String {
    Job::on(database).migrations(folder).env("SCHEMAGATE_LOG_FORMAT", "text").run().assert_code(code).stdout.clone()
}

fn refused(database: &Database, files: &[(&str, &str)]) {
    up(database, folder(files).path(), 65);
}

fn an_edited_file_is_refused(database: &Database) {
    up(database, folder(&[("V1__a.sql", "select 1;")]).path(), 0);
    refused(database, &[("V1__a.sql", "select 2;")]);
    refused(database, &[("V1__b.sql", "select 1;")]);
}

fn a_gap_that_is_filled_is_refused(database: &Database) {
    up(database, folder(&[("V1__a.sql", "select 1;"), ("V3__c.sql", "select 1;")]).path(), 0);
    refused(database, &[("V1__a.sql", "select 1;"), ("V2__b.sql", "select 1;"), ("V3__c.sql", "select 1;")]);
}

fn one_number_twice_is_refused(database: &Database) {
    refused(database, &[("V1__a.sql", "select 1;"), ("V1__b.sql", "select 1;")]);
}

fn an_oddity_is_warned_of(database: &Database) {
    let entry = r#"{"idx":0,"version":"7","when":1,"tag":"0000_a","breakpoints":true}"#;
    let journal = format!(r#"{{"version":"7","dialect":"postgresql","entries":[{entry}]}}"#);
    let files =
        [("meta/_journal.json", journal.as_str()), ("0000_a.sql", "select 1;"), ("0001_b.sql", "create table b ();")];
    let told = up(database, folder(&files).path(), 0);
    assert!(told.contains("0001_b.sql"), "{told}");
    assert_eq!(database.value("select to_regclass('b')"), None);
}

#[test]
fn every_rule_has_one_proof() {
    let rules = RULES.iter().copied().chain(SQUAWK_ON).map(|rule| rule.name);
    assert_eq!(PROOFS.iter().map(|(rule, _)| *rule).collect::<Vec<_>>(), rules.collect::<Vec<_>>());
}

#[test]
fn every_rule_is_what_the_server_does() {
    for (rule, proof) in PROOFS {
        match proof {
            Server(proof) => {
                let [bad, good] = examples(rule);
                proof(&mut Shop::new(), bad, good);
            }
            Up(proof) => proof(&Database::new()),
            Comment => assert!(rule.starts_with("allow-"), "{rule}"),
        }
    }
}

#[test]
fn the_way_out_of_what_breaks_the_running_release_does_not() {
    for rule in ["renaming-table", "ban-set-schema", "adding-required-field"] {
        let [bad, _] = examples(rule);
        let lint = |sql: &str| {
            let set = MigrationSet::from_texts([("V1__a.sql", sql)]).unwrap();
            schemagate::lint::lint(&set, &Options::default()).unwrap().findings
        };
        let instead = lint(bad).into_iter().find(|finding| finding.rule == rule).unwrap().instead.unwrap();
        let now = instead.split("-- fill it").next().unwrap();
        assert_eq!(lint(now), Vec::new(), "{now}");
        let mut shop = Shop::new();
        if rule == "adding-required-field" {
            shop.database.execute("alter table orders drop column note");
        }
        assert_eq!(shop.run(now), None, "{now}");
        shop.runs.execute("commit");
        shop.other.execute("select * from orders; insert into orders (id) values (100); update orders set a = 1");
    }
}
