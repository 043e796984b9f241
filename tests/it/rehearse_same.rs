//! What is rehearsed is what `up` does, statement by statement, and nothing of it stays: of the catalogue not one row.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::Job;

const SETUP: &str = "
    create table orders (id int primary key, total int not null, note text);
    insert into orders select n, n, 'x' from generate_series(1, 500) n;
    create index orders_total on orders (total);
    create table lines (id serial primary key, \"order\" int references orders, at date);
    create table other (id int); insert into other select generate_series(1, 50);
    create table wide (v text); insert into wide select string_agg(md5(n::text), '') from generate_series(1, 3000) n;
    create table parted (id int, at date) partition by range (at);
    create table parted_1 partition of parted for values from ('2026-01-01') to ('2027-01-01');
    create materialized view totals as select count(*) from orders; create view v as select id from orders;
    create type mood as enum ('a'); create sequence s; create unlogged table fast (x int);
    create function noted() returns trigger language plpgsql as $$begin insert into other values (0); return new; end$$;
    create trigger noted after update on orders for each row execute function noted();
    create table names as select oid, relnamespace::regnamespace || '.' || relname as name, relfilenode as file from pg_class
      where oid >= 16384 and relnamespace = 'public'::regnamespace;
    create table seen (relation text, mode text)";

/// What takes locks, writes tables anew, or both, or neither.
const STATEMENTS: [&str; 40] = [
    "alter table orders add column a int default 3",
    "alter table orders add column a uuid default gen_random_uuid()",
    "alter table orders add column a bigserial",
    "alter table orders alter column total type bigint",
    "alter table orders alter column note type varchar",
    "alter table orders alter column note type varchar(9)",
    "alter table orders alter column note set not null",
    "alter table orders add check (total > 0)",
    "alter table orders add constraint c check (total > 0) not valid; alter table orders validate constraint c",
    "alter table orders add unique (note, id)",
    "alter table lines add foreign key (id) references orders (id) not valid",
    "alter table lines drop column at",
    "alter table orders rename column note to remark",
    "alter table other rename to others; alter table others add column a int",
    "alter table other set unlogged; alter table fast set logged",
    "alter table orders set (fillfactor = 50); alter table orders alter column total set statistics 500",
    "alter table orders disable trigger noted; alter table orders enable row level security",
    "alter table orders replica identity full; alter table orders cluster on orders_total",
    "alter table parted add column b int default 1; create index on parted (id)",
    "alter table parted detach partition parted_1",
    "create table parted_2 partition of parted for values from ('2027-01-01') to ('2028-01-01')",
    "create table attached (id int, at date); alter table parted attach partition attached default",
    "create index on orders (note); create unique index on lines (\"order\", id)",
    "drop index orders_total",
    "drop table lines; drop view v; drop materialized view totals",
    "truncate orders cascade",
    "create trigger t after insert on other execute function noted()",
    "create or replace view v as select id, total from orders",
    "create table more (id int references orders); create view w as select * from lines",
    "cluster orders using orders_total",
    "reindex table orders",
    "reindex index orders_total",
    "refresh materialized view totals",
    "alter type mood add value 'b'; create statistics st on id, total from orders; analyze orders",
    "update orders set total = total + 1 where id < 10",
    "delete from lines; insert into lines (\"order\") select id from orders limit 3",
    "select * from orders for update; select count(*) from v",
    "lock table other in exclusive mode; savepoint a; lock table wide; rollback to a",
    "alter table wide alter column v set storage external; comment on table wide is 'x'; grant select on wide to public",
    "do $$begin execute 'alter table other add column z int'; end$$",
];

fn words(mode: &str) -> String {
    let mode = mode.strip_suffix("Lock").unwrap();
    let words =
        mode.chars().map(|c| if c.is_uppercase() { format!(" {c}") } else { c.to_ascii_uppercase().to_string() });
    words.collect::<String>().trim().to_owned()
}

fn pairs(database: &Database, query: &str) -> BTreeSet<(String, String)> {
    let rows = database.query_strings(query).into_iter();
    rows.map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap())).collect()
}

fn texts<'d>(document: &'d Value, list: &str, field: &str) -> Vec<(&'d str, &'d Value)> {
    let batches = document["batches"].as_array().unwrap().iter();
    let from = batches.flat_map(|batch| batch[list].as_array().unwrap());
    from.map(|it| (it[field].as_str().unwrap(), it)).collect()
}

fn rewritten(document: &Value) -> BTreeSet<String> {
    let migrations = texts(document, "migrations", "file").into_iter();
    let statements = migrations.flat_map(|(_, migration)| migration["statements"].as_array().unwrap());
    let rewrites = statements.flat_map(|statement| statement["rewrites"].as_array().unwrap());
    rewrites.map(|rewrite| rewrite["relation"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_kind_of_statement_takes_the_locks_and_makes_the_rewrites_of_up() {
    for sql in STATEMENTS {
        let database = Database::new();
        database.execute(SETUP);
        let folder = Migrations::new().file("V1__a.sql", sql).file(
            "V2__seen.sql",
            "insert into seen select n.name, l.mode from pg_locks l join names n on n.oid = l.relation
             where l.pid = pg_backend_pid() and l.granted",
        );
        let run = |arguments: &[&str]| Job::on(&database).migrations(folder.path()).args(arguments).run();
        let rehearsed = run(&["rehearse", "--format", "json"]);
        rehearsed.assert_code(0);
        let document = rehearsed.json();
        run(&["up"]).assert_code(0);
        let ours = ["public.seen", "public.names"];
        let locks: BTreeSet<(String, String)> = texts(&document, "held", "relation")
            .into_iter()
            .filter(|(relation, _)| relation.starts_with("public.") && !ours.contains(relation))
            .map(|(relation, held)| (relation.to_owned(), held["mode"].as_str().unwrap().to_owned()))
            .collect();
        let mut seen = pairs(&database, "select relation, mode from seen");
        // A lock that a savepoint gave back was held all the same.
        if sql.contains("rollback to") {
            seen.insert(("public.wide".to_owned(), "AccessExclusiveLock".to_owned()));
        }
        let seen: BTreeSet<_> = seen.into_iter().map(|(relation, mode)| (relation, words(&mode))).collect();
        if sql.contains("rollback to") {
            assert!(locks.is_subset(&seen), "{sql}: {locks:?} {seen:?}");
        } else {
            assert_eq!(locks, seen, "{sql}");
        }
        let moved =
            "select n.name, c.relfilenode from names n join pg_class c using (oid) where c.relfilenode <> n.file";
        let moved: BTreeSet<String> = pairs(&database, moved).into_iter().map(|(name, _)| name).collect();
        assert_eq!(rewritten(&document), moved, "{sql}");
    }
}

/// A line for each system catalogue, with a hash of all its rows; what statistics and vacuum change of their own accord is
/// left out.
fn catalogue(database: &Database) -> Vec<String> {
    let mut session = database.connect();
    let tables = session.column(
        "select relname::text from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r'
         and relname !~ '^pg_statistic' order by 1",
    );
    let hash = |table: &String| {
        format!(
            "select '{table} ' || count(*) || ' ' || coalesce(md5(string_agg(r, ',' order by r collate \"C\")), '-') from (select (to_jsonb(t) - \
             '{{datfrozenxid,datminmxid,relfrozenxid,relminmxid,relpages,reltuples,relallvisible,relallfrozen}}'\
             ::text[])::text as r from pg_catalog.{table} t) s"
        )
    };
    // Roles and databases are the whole server's, on which other tests are.
    let of_the_server = "select relname::text from pg_class where relisshared and relkind = 'r'";
    let shared: BTreeSet<String> = session.column(of_the_server).into_iter().collect();
    let queries: Vec<String> = tables.iter().filter(|table| !shared.contains(*table)).map(hash).collect();
    session.column(&format!("{} order by 1", queries.join(" union all ")))
}

/// What PostgreSQL keeps apart from tables: comments, privileges, large objects, listeners, settings, session locks.
const HABITS: [&str; 8] = [
    "create schema x; alter table orders set schema x; alter default privileges grant select on tables to public;
     grant update on x.orders to public; comment on table x.orders is 'y'; create domain d as int check (value > 0);
     create collation c from \"C\"; create aggregate ag (int) (sfunc = int4pl, stype = int); create publication p for table x.orders;
     create text search configuration t (copy = simple); create foreign data wrapper w; create server sv foreign data wrapper w",
    "select lo_create(77777); select lo_from_bytea(77778, '\\x00'); listen a; notify a, 'b'",
    "select pg_advisory_lock(42); prepare q as select 1; declare c cursor with hold for select 1; create temp table t ()",
    "set role pg_monitor; set search_path = pg_catalog; set lock_timeout = '1ms'; set client_encoding = latin1; set datestyle = german",
    "create function e() returns event_trigger language plpgsql as $$begin insert into public.other values (9); end$$;
     create event trigger happened on ddl_command_end execute function e(); create table made (); drop table made;",
    "do $$begin begin insert into other values (1); raise 'x'; exception when others then drop table lines; end; end$$",
    "create procedure leaves() language plpgsql as $$begin drop table other; commit; end$$; call leaves()",
    "drop function noted() cascade; drop type mood; truncate orders, lines restart identity cascade; select setval('s', 99)",
];

#[test]
fn no_row_of_any_catalogue_is_another_one_afterwards() {
    let database = Database::new();
    database.execute(SETUP);
    let before = catalogue(&database);
    assert!(before.len() > 40, "{before:?}");
    let all = STATEMENTS.iter().filter(|sql| sql.contains("savepoint") || sql.contains("drop") || sql.contains("type"));
    for sql in HABITS.iter().chain(all) {
        let folder = Migrations::new().file("V1__a.sql", sql);
        let outcome = Job::on(&database).migrations(folder.path()).arg("rehearse").run();
        // The server itself refuses the procedure that commits.
        outcome.assert_code(if sql.contains("commit;") { 1 } else { 0 });
        let after = catalogue(&database);
        let changed: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
        assert!(changed.is_empty() && before.len() == after.len(), "{sql}: {changed:?}");
        database.assert_no_session();
        database.assert_no_advisory_lock();
    }
    // The proof can fail.
    database.execute("alter table other add column x int");
    assert_ne!(catalogue(&database), before);
}
