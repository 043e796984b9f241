//! IQ-004 on awkward schemas, on the product's own and on broken ones: every verdict is the one that the schema
//! earns, and the database is afterwards as it was. Takes the library and an ordinary role's session. Never the
//! command.

use std::path::Path;
use std::time::{Duration, Instant};

use schemagate::postgres::connect::{Dialer, Need};
use schemagate::postgres::server_error::QueryError;
use schemagate::postgres::startup::SessionParameters;
use schemagate::postgres::url::Target;
use schemagate::protocol::{Case, Verdict};
use schemagate::qualification::cascade;
use schemagate::stop::Signals;

use crate::support::connection::Rows;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::{measured, skipped, slow_wanted};

const CATALOGUE: &str = include_str!("drizzle/tools/catalogue.sql");

/// A database whose owner, an ordinary role, has installed this folder of migrations; and that role.
fn installed(folder: Option<&str>) -> (Database, String) {
    let database = Database::new();
    let role = database.role("login");
    database
        .execute(&format!("alter database {} owner to {role}; alter schema public owner to {role}", database.name()));
    let mut job = Job::new().env("DATABASE_URL", database.url_as(&role));
    if let Some(folder) = folder {
        job = job.migrations(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder));
    }
    job.run().assert_code(0);
    (database, role)
}

/// Tries every key as this role, and sees to it that nothing is different afterwards.
fn cases(database: &Database, role: &str) -> Vec<Case> {
    let before = state(database);
    let cases = tried(&database.url_as(role)).unwrap();
    assert_eq!(state(database), before);
    database.assert_no_session();
    cases
}

fn tried(url: &str) -> Result<Vec<Case>, QueryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let target = Target::parse(url, &|_: &str| None).unwrap();
        let parameters = SessionParameters::new(None, None, target.options.clone(), "0123456789abcdef".to_owned());
        let mut stop = Signals::listen(|_| {}).unwrap().stop();
        let dialer = Dialer::new(target, parameters);
        let session = dialer.connect(Need::Write, Duration::from_secs(30), &mut stop).await.unwrap();
        let cases = cascade::run(&session).await;
        session.close().await;
        cases
    })
}

/// The catalogue, and what every table holds.
fn state(database: &Database) -> (Rows, Rows) {
    let contents = "
        select c.oid::regclass::text, query_to_xml(format('select * from only %s t order by t::text', c.oid::regclass),
                                                   true, true, '')::text
        from pg_class c join pg_namespace n on n.oid = relnamespace
        where relkind = 'r' and nspname <> 'information_schema' and nspname not like 'pg\\_%' order by 1";
    (database.query_strings(CATALOGUE), database.query_strings(contents))
}

/// A line a case. PostgreSQL 18 has a code of its own for RESTRICT.
fn lines(cases: &[Case]) -> String {
    let lines = cases.iter().map(|case| format!("{}: {}: {}", case.name, case.verdict.words(), case.actual));
    lines.collect::<Vec<_>>().join("\n").replace("23001", "23503")
}

fn version(database: &Database) -> u32 {
    database.value("select current_setting('server_version_num')::int / 10000").unwrap().parse().unwrap()
}

#[test]
fn every_key_of_an_awkward_schema_gets_the_verdict_that_it_earns() {
    let (database, role) = installed(Some("awkward"));
    insta::assert_snapshot!(lines(&cases(&database, &role)));
}

#[test]
fn a_key_that_does_not_act_as_declared_fails() {
    let (database, role) = installed(Some("awkward-broken"));
    insta::assert_snapshot!(lines(&cases(&database, &role)));
}

#[test]
fn all_keys_of_the_products_own_schema_pass_with_and_without_rows() {
    let (database, role) = installed(None);
    for rows in [0, 3] {
        for n in 0..rows {
            database.execute(&format!(
                "with r as (insert into repositories (name, git_url, owner, repo) values ('r', 'u{n}', 'o', 'r') returning id)
                 insert into requirements (repository_id, gxp_id, title, gxp_risk_rating)
                 select id, 'REQ-001', 't', 'LOW' from r"
            ));
        }
        let cases = cases(&database, &role);
        let expected: Vec<String> =
            ["evidence", "requirements", "scans", "specs", "system_contexts", "traceability_links", "user_stories"]
                .map(|table| {
                    format!(
                        "public.{table}.{table}_repository_id_fkey (ON DELETE CASCADE): passed: \
                 parent and child inserted; the parent deleted; the child was gone"
                    )
                })
                .into();
        assert_eq!(lines(&cases), expected.join("\n"));
    }
}

#[test]
fn keys_whose_triggers_are_disabled_are_seen_not_to_act() {
    let database = Database::new();
    database.execute(
        "create table p (id int primary key); create table c (p int references p on delete cascade, q int references p);
         alter table p disable trigger all",
    );
    let seen = lines(&cases(&database, "postgres"));
    assert_eq!(
        seen,
        "public.c.c_p_fkey (ON DELETE CASCADE): failed: parent and child inserted; the parent deleted; the child was \
         still there; triggers of the key are disabled\n\
         public.c.c_q_fkey (ON DELETE NO ACTION): failed: parent and child inserted; the parent's deletion was not \
         refused; the child was still there; triggers of the key are disabled"
    );
}

#[test]
fn a_session_that_passes_keys_by_is_told_of() {
    let database = Database::new();
    database.execute(&format!(
        "create table p (id int primary key); create table c (p int references p on delete cascade);
         alter database {} set session_replication_role = replica",
        database.name()
    ));
    let seen = lines(&cases(&database, "postgres"));
    assert_eq!(
        seen,
        "public.c.c_p_fkey (ON DELETE CASCADE): failed: parent and child inserted; the parent deleted; the child was \
         still there; session_replication_role is replica, which passes keys by"
    );
}

#[test]
fn a_schema_without_a_foreign_key_says_so() {
    let database = Database::new();
    let seen = lines(&cases(&database, "postgres"));
    assert_eq!(seen, "foreign keys: not executed: the schema has no foreign key");
}

#[test]
fn columns_named_in_set_null_are_the_only_ones_set() {
    let database = Database::new();
    if version(&database) < 15 {
        return skipped("SET NULL (column) is there since PostgreSQL 15");
    }
    database.execute(
        "create table p (t int, id int, primary key (t, id));
         create table c (t int not null, p int default 7, foreign key (t, p) references p on delete set null (p));
         create table d (t int not null, p int default 7, foreign key (t, p) references p on delete set default (p))",
    );
    assert_eq!(
        lines(&cases(&database, "postgres")),
        "public.c.c_t_p_fkey (ON DELETE SET NULL): passed: parent and child inserted; the parent deleted; the child's \
         columns were null\n\
         public.d.d_t_p_fkey (ON DELETE SET DEFAULT): passed: parent and child inserted; the parent deleted; the \
         child's columns were their defaults"
    );
}

#[test]
fn what_postgresql_18_adds_is_known() {
    let database = Database::new();
    if version(&database) < 18 {
        return skipped("virtual generated columns and NOT ENFORCED are there since PostgreSQL 18");
    }
    database.execute(
        "create table p (id int primary key, twice int generated always as (id * 2) virtual check (twice > 100));
         create table c (p int references p on delete cascade not enforced, q int references p on delete cascade,
                         check (q > 5) not enforced);
         create table d (p int not null references p on delete restrict on update restrict)",
    );
    assert_eq!(
        lines(&cases(&database, "postgres")),
        "public.c.c_p_fkey (ON DELETE CASCADE): not executed: the key is declared NOT ENFORCED, so that the server does \
         not act on it\n\
         public.c.c_q_fkey (ON DELETE CASCADE): passed: parent and child inserted; the parent deleted; the child was gone\n\
         public.d.d_p_fkey (ON DELETE RESTRICT): passed: parent and child inserted; the parent's deletion was refused \
         (23503 by this key); both were still there\n\
         public.d.d_p_fkey (ON UPDATE RESTRICT): passed: parent and child inserted; the parent's change was refused \
         (23503 by this key); both were still there"
    );
}

#[test]
fn a_session_that_ends_is_no_verdict() {
    let database = Database::new();
    database.execute(
        "create table p (id int primary key); create table c (p int references p on delete cascade);
         create function f() returns trigger language plpgsql as
             'begin perform pg_terminate_backend(pg_backend_pid()); return new; end';
         create trigger t before insert on c for each row execute function f()",
    );
    let error = tried(&database.url()).unwrap_err();
    assert!(matches!(error, QueryError::Lost { .. }), "{error:?}");
}

#[test]
fn a_large_schema_takes_seconds() {
    let database = Database::new();
    let tables = if slow_wanted() { 300 } else { 60 };
    // Every table belongs to one of those before it, was made by a user, and may follow its neighbour.
    database.execute(&format!(
        "create table t1 (id uuid primary key default gen_random_uuid(), name text not null unique);
         do $$ begin for n in 2..{tables} loop execute format(
             'create table t%1$s (
                 id uuid primary key default gen_random_uuid(), name varchar(30) not null check (length(name) > 3),
                 state text not null check (state in (''new'', ''old'')), weight numeric(6, 2) not null check (weight > 0),
                 starts timestamptz not null, ends timestamptz not null, check (ends > starts),
                 belongs uuid not null references t%2$s on delete cascade, made_by uuid not null references t1,
                 related uuid not null references t%3$s on delete cascade,
                 follows uuid references t%4$s on delete set null, unique (belongs, name))',
             n, greatest(n / 2, 1), greatest(n / 3, 1), n - 1);
         end loop; end $$"
    ));
    let started = Instant::now();
    let cases = tried(&database.url()).unwrap();
    let elapsed = started.elapsed();
    assert_eq!(cases.len(), 4 * (tables - 1));
    assert!(cases.iter().all(|case| case.verdict == Verdict::Passed), "{}", lines(&cases));
    measured(&format!("{} foreign keys of {tables} tables tried in {:.1} s", cases.len(), elapsed.as_secs_f64()));
    // On a machine that does much else besides; more would mean that the rows that a row needs multiply.
    assert!(elapsed < Duration::from_secs(1) * u32::try_from(tables).unwrap(), "{elapsed:?}");
}
