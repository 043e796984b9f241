//! The release of every run: twenty mixed migrations. None is safe to run twice, and each but the index outside a
//! transaction leaves a row in `ledger`, so that a second run of one shows in the data too.

use crate::support::folder::Migrations;

/// How many migrations there are, numbered from 1.
pub const COUNT: usize = 20;
/// The one outside a transaction.
pub const OUTSIDE: usize = 13;
/// The index that it builds.
pub const OUTSIDE_INDEX: &str = "events_digest_idx";

const FILES: [(&str, &str); COUNT] = [
    ("V1__ledger.sql", "create table ledger (migration int not null, noted timestamptz not null default '2026-11-22');"),
    (
        "V2__types.sql",
        "create type status as enum ('new', 'paid', 'sent'); create domain amount as numeric(12, 2) check (value >= 0);",
    ),
    (
        "V3__customers.sql",
        "create table customers (id int generated always as identity primary key, name text not null unique);
         insert into customers (name) select 'customer ' || n from generate_series(1, 500) n;",
    ),
    (
        "V4__orders.sql",
        "create table orders (id int primary key, customer int not null references customers (id), total amount,
             status status not null default 'new');
         insert into orders select n, 1 + n % 500, n, 'new' from generate_series(1, 5000) n;",
    ),
    (
        "V5__trigger.sql",
        "create function touch() returns trigger language plpgsql as $$begin new.total := new.total + 0; return new; end$$;
         create trigger touched before update on orders for each row execute function touch();
         select pg_sleep(0.03);",
    ),
    ("V6__orders_index.sql", "create index orders_customer_idx on orders (customer, status) where status <> 'sent';"),
    ("V7__view.sql", "create view open_orders as select id, total from orders where status = 'new';"),
    (
        "V8__parts.sql",
        "create table parts (id int, day date not null) partition by range (day);
         create table parts_2026 partition of parts for values from ('2026-01-01') to ('2027-01-01');
         create index parts_day_idx on parts (day);",
    ),
    (
        "V9__events.sql",
        "create table events (id int primary key, payload text not null, digest text);
         insert into events select n, 'event ' || n from generate_series(1, 25000) n;
         -- The large change: every row is written anew.
         update events set digest = md5(payload);",
    ),
    (
        "V10__columns.sql",
        "alter table customers add email text, add points bigint not null default 0;
         alter table customers alter name type varchar(200); comment on column customers.email is 'may be unknown';",
    ),
    (
        "V11__deferred.sql",
        "create table links (id int primary key, next int references links (id) deferrable initially deferred);
         insert into links select n, 1 + n % 100 from generate_series(1, 100) n;",
    ),
    (
        "V12__dynamic.sql",
        "do $$begin for n in 1..5 loop execute format('create table dynamic_%s (id int primary key)', n); end loop; end$$;
         select pg_sleep(0.03);",
    ),
    (
        "V13__events_digest.sql",
        "-- schemagate: no-transaction
create index concurrently events_digest_idx on events (digest, lower(payload), md5(md5(payload) || digest));",
    ),
    (
        "V14__sequence.sql",
        "create sequence tickets start 1000; alter table orders add ticket bigint default 7;
         alter table orders alter ticket set default nextval('tickets');",
    ),
    (
        "V15__rename.sql",
        "alter table dynamic_1 rename to renamed; drop view open_orders;
         create view open_orders as select id, total, status from orders where status in ('new', 'paid');",
    ),
    (
        "V16__policy.sql",
        "alter table customers enable row level security;
         create policy visible on customers for select using (points >= 0); select pg_sleep(0.03);",
    ),
    (
        "V17__sums.sql",
        "set search_path = public; create materialized view sums as select customer, sum(total) from orders group by 1;
         create statistics orders_both (dependencies) on customer, status from orders;",
    ),
    (
        "V18__paid.sql",
        "create temp table chosen as select id from orders where id % 2 = 0;
         update orders set status = 'paid' where id in (select id from chosen);",
    ),
    (
        "V19__procedure.sql",
        "create procedure settle(which bigint) language sql as $$update orders set status = 'sent' where id = which$$;
         create or replace function touch() returns trigger language plpgsql as $$begin return new; end$$;",
    ),
    (
        "V20__contract.sql",
        "drop table dynamic_2, dynamic_3; alter table orders add constraint positive check (total > 0) not valid;
         alter table orders validate constraint positive; select pg_sleep(0.03);",
    ),
];

/// The folder of the release.
pub fn folder() -> Migrations {
    let folder = Migrations::new();
    for (index, (name, text)) in FILES.iter().enumerate() {
        let number = index + 1;
        let note = if number == OUTSIDE { String::new() } else { format!("\ninsert into ledger values ({number});\n") };
        folder.write(name, format!("{text}{note}"));
    }
    folder
}
