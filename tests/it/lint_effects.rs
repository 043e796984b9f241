//! The table of facts that `lint` and `plan` judge by, each example of it held against the server: the lock seen in
//! pg_locks, the rewrite in pg_class.relfilenode, the reading of every row in the statistics of the transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use schemagate::effects::{
    Blocks, Claim, Effect, Example, FACTS, Fact, Known, LockMode, RelationKind, effects, effects_knowing,
};

use crate::support::connection::Connection;
use crate::support::database::Database;

/// What every example finds.
const FIXTURE: &str = include_str!("../fixtures/effects.sql");
/// What these read is for the planner to say.
const PLANNED: [&str; 5] = ["UPDATE", "VACUUM", "CLUSTER", "REINDEX_CONCURRENTLY", "REFERENCED_CHECKED"];
const LIMIT: Duration = Duration::from_secs(20);

/// What is seen of a relation.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    lock: Option<LockMode>,
    rewritten: bool,
    read: bool,
}

fn fixture(session: &mut Connection, example: &Example) {
    session.execute(FIXTURE);
    if !example.before.is_empty() {
        session.execute(example.before);
    }
}

fn version(session: &mut Connection) -> u32 {
    let number: u32 = session.value("show server_version_num").unwrap().parse().unwrap();
    number / 10_000
}

/// Relations by name, with file and number of scans.
fn relations(session: &mut Connection) -> BTreeMap<String, (String, String, i64)> {
    let rows = session.query_strings(
        "select relname, oid, pg_relation_filenode(oid), pg_stat_get_xact_numscans(oid) from pg_class
         where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'm', 'i', 'v')",
    );
    let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
    rows.iter().map(|row| (text(&row[0]), (text(&row[1]), text(&row[2]), text(&row[3]).parse().unwrap_or(0)))).collect()
}

/// Runs a statement in a transaction and says what it did to every relation that was there.
fn observe(session: &mut Connection, sql: &str) -> Result<BTreeMap<String, Seen>, String> {
    session.execute("begin");
    let before = relations(session);
    if let Err(error) = session.try_query(sql) {
        session.execute("rollback");
        return Err(format!("{error:?}"));
    }
    let locks = session.query_strings(
        "select relation::text, mode from pg_locks where pid = pg_backend_pid() and locktype = 'relation'",
    );
    let after: BTreeMap<_, _> =
        relations(session).into_values().map(|(oid, file, scans)| (oid, (file, scans))).collect();
    session.execute("rollback");
    let seen = |(oid, file, scans): (String, String, i64)| {
        let modes = locks.iter().filter(|row| row[0].as_deref() == Some(oid.as_str()));
        let lock = modes.filter_map(|row| LockMode::of_catalogue(row[1].as_deref()?)).max();
        let now = after.get(&oid);
        Seen { lock, rewritten: now.is_some_and(|now| now.0 != file), read: now.is_some_and(|now| now.1 > scans) }
    };
    Ok(before.into_iter().map(|(name, was)| (name, seen(was))).collect())
}

/// What is claimed of an example, behind what makes ready for it.
fn claims(example: &Example, version: u32) -> Vec<Effect> {
    let mut known = Known::default();
    known.note_all(FIXTURE);
    known.note_all(example.before);
    effects_knowing(example.sql, version, &known)
}

fn contradicts(claim: Claim, seen: bool) -> bool {
    match claim {
        Claim::No => seen,
        Claim::Perhaps => false,
        Claim::Yes => !seen,
    }
}

/// Compares what is claimed of each relation with what was seen of it.
fn compare(claimed: &[Effect], seen: &BTreeMap<String, Seen>, complain: &mut impl FnMut(String)) {
    for effect in claimed {
        let name = effect.relation.table();
        let Some(seen) = seen.get(name) else {
            complain(format!("{name} is no relation"));
            continue;
        };
        let same = || claimed.iter().filter(|other| other.relation == effect.relation);
        let lock = same().map(|effect| effect.lock).max();
        let rewrite = same().map(|effect| effect.rewrite).max().unwrap();
        let scan = same().map(|effect| effect.scan).max().unwrap();
        // An emptied table gets a new file too, and that is no work.
        let rewritten = seen.rewritten && effect.fact.name != "TRUNCATE";
        if lock != seen.lock {
            complain(format!("{name}: lock {lock:?}, seen {:?}", seen.lock));
        }
        if contradicts(rewrite, rewritten) {
            complain(format!("{name}: rewrite {rewrite:?}, seen {rewritten}"));
        }
        if contradicts(scan, seen.read) {
            complain(format!("{name}: scan {scan:?}, seen {}", seen.read));
        }
    }
}

/// What is not claimed must not be there either.
fn unclaimed(claimed: &[Effect], seen: &BTreeMap<String, Seen>, complain: &mut impl FnMut(String)) {
    // These lock the table of the index, the partition that leaves, what goes with the dropped table, and indexes.
    let wider = [
        "DROP_INDEX",
        "REINDEX_INDEX",
        "REINDEX_TABLE",
        "DETACH_PARTITION",
        "DROP_TABLE",
        "CLUSTER",
        "SET_LOGGED",
        "SET_UNLOGGED",
    ];
    if claimed.iter().any(|effect| wider.contains(&effect.fact.name)) {
        return;
    }
    for (name, seen) in seen.iter().filter(|(name, _)| !name.contains("_pkey") && !name.contains("idx") && *name != "i")
    {
        let blocks = seen.lock.is_some_and(|lock| lock.blocks() > Blocks::Neither);
        if blocks && !claimed.iter().any(|effect| effect.relation.table() == name) {
            complain(format!("{name}: nothing is claimed, seen {seen:?}"));
        }
    }
}

fn outside(sql: &str) -> bool {
    sql.contains("concurrently") && !sql.starts_with("refresh") || sql.starts_with("vacuum")
}

fn examples() -> impl Iterator<Item = (&'static Fact, &'static Example)> {
    FACTS.iter().flat_map(|fact| fact.examples.iter().chain(fact.better).map(move |example| (*fact, example)))
}

#[test]
fn every_fact_is_what_the_server_does() {
    let database = Database::new();
    let mut session = database.connect();
    let version = version(&mut session);
    // An example moves a table there.
    session.execute("set allow_in_place_tablespaces = on");
    session.execute("create tablespace schemagate_elsewhere location ''");
    let mut wrong = Vec::new();
    for (fact, example) in examples().filter(|(_, example)| !outside(example.sql)) {
        if !(example.since..=example.until).contains(&version) {
            continue;
        }
        fixture(&mut session, example);
        let claimed = claims(example, version);
        let mut complain = |what: String| wrong.push(format!("{}: {}: {what}", fact.name, example.sql));
        let seen = match observe(&mut session, example.sql) {
            Ok(seen) => seen,
            Err(error) => {
                complain(error);
                continue;
            }
        };
        compare(&claimed, &seen, &mut complain);
        unclaimed(&claimed, &seen, &mut complain);
    }
    session.execute("drop tablespace schemagate_elsewhere");
    assert!(wrong.is_empty(), "PostgreSQL {version} says otherwise:\n{}", wrong.join("\n"));
}

#[test]
fn what_runs_outside_a_transaction_asks_for_the_lock_that_is_claimed() {
    let database = Database::new();
    let mut session = database.connect();
    let mut watcher = database.connect();
    for (fact, example) in examples().filter(|(_, example)| outside(example.sql)) {
        fixture(&mut session, example);
        let version = version(&mut session);
        let claimed = claims(example, version);
        let expected = claimed.iter().map(|effect| effect.lock).max().unwrap();
        // It lets ACCESS SHARE through, with which some statements begin.
        session.execute("begin; lock table t, p in share update exclusive mode");
        let mut runs = database.connect();
        let pid = runs.pid();
        let files = relations(&mut watcher);
        let sql = example.sql;
        let waiter = std::thread::spawn(move || {
            runs.execute(sql);
        });
        let waiting = format!("select mode from pg_locks where pid = {pid} and not granted and locktype = 'relation'");
        watcher.wait_until(&format!("select exists ({waiting})"), LIMIT);
        let mode = watcher.value(&waiting).unwrap();
        assert_eq!(LockMode::of_catalogue(&mode), Some(expected), "{}: {sql}", fact.name);
        session.execute("commit");
        waiter.join().unwrap();
        let after = relations(&mut watcher);
        for effect in claimed.iter().filter(|effect| effect.kind == RelationKind::Table) {
            let name = effect.relation.table();
            let rewritten = after.get(name).map(|now| &now.1) != files.get(name).map(|was| &was.1);
            assert!(!contradicts(effect.rewrite, rewritten), "{sql}: rewrite {:?}, seen {rewritten}", effect.rewrite);
        }
    }
}

#[test]
fn what_may_happen_or_not_does_both() {
    let database = Database::new();
    let mut session = database.connect();
    let version = version(&mut session);
    let in_doubt = |fact: &&&Fact| {
        let (rewrite, scan) = (fact.rewrite == Claim::Perhaps, fact.scan == Claim::Perhaps);
        (rewrite || scan) && fact.examples.len() > 1 && !PLANNED.contains(&fact.name)
    };
    for fact in FACTS.iter().filter(in_doubt) {
        let mut both = [false, false];
        for example in fact.examples.iter().filter(|example| example.since <= version) {
            fixture(&mut session, example);
            let seen = observe(&mut session, example.sql).unwrap();
            let claimed = claims(example, version);
            let of_fact = claimed.iter().find(|effect| std::ptr::eq(effect.fact, *fact)).unwrap();
            let seen = seen[of_fact.relation.table()];
            both[usize::from(seen.rewritten || seen.read)] = true;
        }
        assert_eq!(both, [true, true], "{}: does it, and does it not", fact.name);
    }
}

#[test]
fn a_mode_blocks_reads_and_writes_as_claimed() {
    let database = Database::new();
    let (mut holder, mut other) = (database.connect(), database.connect());
    holder.execute("create table t (a int); insert into t values (1)");
    other.execute("set lock_timeout = '20ms'");
    for mode in LockMode::ALL {
        holder.execute(&format!("begin; lock table t in {} mode", mode.name()));
        let reads = other.try_query("select * from t").is_ok();
        let writes = other.try_query("update t set a = a + 1").is_ok();
        holder.execute("rollback");
        let expected = match mode.blocks() {
            Blocks::Neither => (true, true),
            Blocks::Writes => (true, false),
            Blocks::ReadsAndWrites => (false, false),
        };
        assert_eq!((reads, writes), expected, "{}", mode.name());
    }
}

/// The files that a way out is printed as; what is done outside the deployment, or later, ends it.
fn files_of(safe: &str) -> Vec<String> {
    let mut files = vec![String::new()];
    for line in safe.lines() {
        if line.contains("outside the deployment") || line.contains("in a later release") {
            break;
        }
        if line.starts_with("-- and in the file after it") {
            files.push(String::new());
        } else if let Some(file) = files.last_mut() {
            file.push_str(line);
            file.push('\n');
        }
    }
    files
}

/// The constraints and indexes there are, by name.
fn made(session: &mut Connection) -> Vec<String> {
    session.column(
        "select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
         union all select indexdef from pg_indexes where schemaname = 'public' order by 1",
    )
}

#[test]
fn the_way_out_runs_as_it_is_printed_and_makes_the_same() {
    let same = ["ADD_CHECK", "ADD_FOREIGN_KEY", "ADD_UNIQUE", "CREATE_INDEX", "ADD_COLUMN_UNIQUE", "ADD_COLUMN_CHECK"];
    let database = Database::new();
    let mut session = database.connect();
    let version = version(&mut session);
    let mut seen = Vec::new();
    for (fact, example) in examples().filter(|(_, example)| (example.since..=example.until).contains(&version)) {
        let found = claims(example, version);
        let [Effect { safe: Some(safe), .. }] =
            &found.iter().filter(|effect| effect.safe.is_some()).collect::<Vec<_>>()[..]
        else {
            continue;
        };
        fixture(&mut session, example);
        for file in files_of(safe) {
            let alone = file.starts_with("-- schemagate: no-transaction");
            if !alone {
                session.execute("begin");
            }
            session.execute(&file);
            if !alone {
                session.execute("commit");
            }
            let long = effects(&file, version).into_iter().find(Effect::blocks_long);
            // Whether a column is NOT NULL already is not in the statement.
            let known =
                |effect: &Effect| effect.fact.name.ends_with("USING_INDEX") || effect.fact.name == "SET_NOT_NULL";
            assert!(long.is_none_or(|effect| known(&effect)), "{}: {file}", example.sql);
        }
        if same.contains(&fact.name) {
            let by_safe = made(&mut session);
            fixture(&mut session, example);
            session.execute(example.sql);
            assert_eq!(by_safe, made(&mut session), "{}", example.sql);
        }
        seen.push(fact.name);
    }
    for name in
        same.iter().chain(&["COLUMN_TYPE", "SET_NOT_NULL", "ADD_COLUMN_SERIAL", "ADD_COLUMN_VOLATILE", "REINDEX_TABLE"])
    {
        assert!(seen.contains(name), "{name}: {seen:?}");
    }
}

#[test]
fn a_reindex_of_one_index_keeps_writers_and_new_plans_waiting() {
    let database = Database::new();
    let (mut session, mut other) = (database.connect(), database.connect());
    session.execute(FIXTURE);
    other.execute(
        "set lock_timeout = '20ms'; set plan_cache_mode = force_generic_plan; prepare known as select count(*) from t",
    );
    other.execute("execute known");
    session.execute("begin; reindex index t_a_idx");
    let locks = "select relation::regclass || ' ' || mode from pg_locks where pid = pg_backend_pid()
                 and relation in ('t'::regclass, 't_a_idx'::regclass) and mode <> 'AccessShareLock' order by 1";
    assert_eq!(session.column(locks), ["t ShareLock", "t_a_idx AccessExclusiveLock"]);
    other.try_query("update t set a = 1").expect_err("writers wait");
    other.try_query("select b from t").expect_err("readers wait, whichever index they would use");
    other.execute("execute known");
}
