//! A strong lock that an earlier statement of the batch holds while long work is done. In: the statements of a batch.
//! Out: one finding a file, at the first long work.

use super::danger::Where;
use super::finding::Finding;
use super::new_tables::NewTables;
use super::rules;
use crate::effects::{Blocks, Claim, Effect, calls_unknown, explained};
use crate::migrations::script::Words;

/// The strongest lock that the batch holds on a table that exists, and where it was taken.
#[derive(Debug, Default)]
pub(super) struct Queue {
    held: Option<(Effect, String)>,
    /// The file that was told of last.
    told: String,
}

impl Queue {
    /// Judges a statement and takes note of its locks. `found` says whether it was told of as a danger itself.
    pub(super) fn statement(
        &mut self,
        at: Where<'_>,
        words: Words<'_>,
        effects: &[Effect],
        found: bool,
        new_tables: &NewTables,
    ) -> Option<Finding> {
        let work = work(words, effects, new_tables);
        let finding = match (&self.held, work) {
            (Some((held, place)), Some(work)) if !found && self.told != at.source.file => {
                Some(finding(at, held, place, &work))
            }
            _ => None,
        };
        if finding.is_some() {
            at.source.file.clone_into(&mut self.told);
        }
        // Who waits for a table that is dropped would find it gone; that is told by another rule.
        let stays = |effect: &&Effect| effect.lock.blocks() > Blocks::Neither && effect.fact.name != "DROP_TABLE";
        for effect in effects.iter().filter(stays) {
            let strength = |effect: &Effect| (effect.lock.blocks(), is_certain(effect));
            if self.held.as_ref().is_none_or(|(held, _)| strength(held) < strength(effect)) {
                let place = at.source.words(at.start + effect.at);
                self.held = Some((effect.clone(), place));
            }
        }
        finding
    }
}

/// Long work: what it is, and whether it is certain to be long on a large table.
struct Work {
    what: String,
    certain: bool,
}

fn work(words: Words<'_>, effects: &[Effect], new_tables: &NewTables) -> Option<Work> {
    let claim = |effect: &&Effect| effect.rewrite.max(effect.scan);
    // These never run in a transaction, which another rule tells.
    let runs = |effect: &&Effect| !effect.fact.name.ends_with("_CONCURRENTLY") || words.is("REFRESH");
    let longest = effects.iter().filter(runs).max_by_key(claim);
    if let Some(effect) = longest.filter(|effect| claim(effect) > Claim::No) {
        let why = if effect.fact.name == "UPDATE" { "rows are looked for and changed" } else { effect.why };
        return Some(Work { what: format!("{}: {why}", effect.relation), certain: claim(&effect) == Claim::Yes });
    }
    if effects.iter().any(|effect| effect.fact.name == "COPY_FROM") {
        return Some(Work { what: "rows are read from a file".to_owned(), certain: false });
    }
    let long = query(explained(words)?).is_some_and(|query| is_long(query, new_tables));
    long.then(|| Work { what: "rows are made by a query".to_owned(), certain: false })
}

/// The query whose rows a statement stores.
fn query(words: Words<'_>) -> Option<Words<'_>> {
    let mut words = words;
    if words.is("WITH") {
        words = words.outside_parentheses().find(|words| words.is_any(&["INSERT", "SELECT"]))?;
    }
    let stores = words.is("INSERT") || words.is("SELECT") && words.have(&["INTO"]);
    if stores {
        let select = |words: &Words<'_>| words.is("SELECT");
        return words.outside_parentheses().find(select).or_else(|| words.everywhere().find(select));
    }
    let mut kind = words;
    kind.eat("CREATE");
    kind.eat_any(&["GLOBAL", "LOCAL"]);
    kind.eat_any(&["TEMP", "TEMPORARY", "UNLOGGED"]);
    let makes = words.is("CREATE") && (kind.is("TABLE") || kind.is("MATERIALIZED"));
    if !makes || words.have(&["WITH", "NO", "DATA"]) {
        return None;
    }
    let query = words.outside_parentheses().find_map(|mut words| words.eat("AS").then_some(words))?;
    query.everywhere().find(|words| words.is("SELECT"))
}

/// Whether it may give many rows: it reads a table that exists, or calls what may give any number.
fn is_long(query: Words<'_>, new_tables: &NewTables) -> bool {
    let reads = query.level().any(|mut words| {
        if !words.eat_any(&["FROM", "JOIN"]) {
            return false;
        }
        words.eat_any(&["ONLY", "LATERAL"]);
        match words.name() {
            Some(table) => words.token() == "(" || !new_tables.has(&table),
            None => words.eat_sign("(") && !words.is("VALUES"),
        }
    });
    reads || calls_unknown(query.until(&["FROM", "WHERE"]))
}

/// Whether there is something to be locked: a view may be replaced that does not exist.
fn is_certain(held: &Effect) -> bool {
    held.fact.name != "REPLACE_VIEW"
}

fn finding(at: Where<'_>, held: &Effect, place: &str, work: &Work) -> Finding {
    let message = format!("{}, while {} is locked since {place}", work.what, held.relation_words());
    let mut finding = Finding::at(&rules::STRONG_LOCK, at.source, at.start, message);
    finding.lock = Some(format!("{}, until the batch is committed", held.lock_words()));
    let finding = finding.hint(
        "do the long work in an earlier release, or in a file of its own that starts with `-- schemagate: \
         no-transaction` (VALIDATE CONSTRAINT, or CALL of a procedure that commits), which ends the batch before it",
    );
    if work.certain && is_certain(held) { finding } else { finding.warning() }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{rules_of, rules_since, told};

    #[test]
    fn long_work_behind_a_strong_lock_is_told_once_a_file() {
        insta::assert_snapshot!(told(&[
            ("V1__a.sql", "alter table t add column x int;\nupdate t set x = a;\nupdate t set x = b;"),
            ("V2__b.sql", "update u set a = 1 where b = 2;"),
        ]));
    }

    #[test]
    fn a_batch_of_its_own_or_short_work_is_fine() {
        let files = [
            ("V1__a.sql", "alter table t add constraint k check (a > 0) not valid;"),
            ("V2__b.sql", "-- schemagate: no-transaction\nalter table t validate constraint k;"),
            ("V3__c.sql", "update u set a = 1;"),
        ];
        assert_eq!(told(&files), "");
        for sql in [
            "update t set a = 1; alter table t add x int",
            "alter table t add x int; insert into u values (1), (2)",
            "create table t (a int); alter table t add x int; update t set a = 1",
            "alter table t add x int; create table n (a int); insert into n select 1",
            "alter table t add x int; create table n (a int); create table m as select a from n; insert into m select a from n",
            "alter table t add x int; insert into u (a, b) select 1, now() where not exists (select from u where a = 1)",
            "alter table t add x int; create table m as select * from u with no data; copy t to '/x'",
            "alter table t add x int; explain update t set a = 1; explain (analyze off) update t set a = 1",
            "create view v as select 1; drop view v; update t set a = 1",
            "alter trigger g on t depends on extension e; update t set a = 1",
            "alter materialized view m set (fillfactor = 70); update t set a = 1",
            "alter table t add x int; select * from u for update",
        ] {
            assert_eq!(rules_of(sql), Vec::<&str>::new(), "{sql}");
        }
        assert_eq!(
            rules_of("alter table t add constraint k check (a > 0) not valid; alter table t validate constraint k"),
            ["strong-lock-then-long-work"]
        );
    }

    #[test]
    fn every_lock_of_a_view_and_every_kind_of_work_counts() {
        for lock in [
            "alter trigger g on t rename to h",
            "drop view v",
            "drop materialized view m",
            "create or replace view v as select 1",
            "alter view v rename to w",
            "alter view v alter column a drop default",
            "alter materialized view m rename to n",
            "alter materialized view m owner to o",
        ] {
            assert_eq!(rules_of(&format!("{lock}; update u set a = 1")), ["strong-lock-then-long-work"], "{lock}");
        }
        for work in [
            "create table x as select * from u",
            "create temp table x as (select a from u)",
            "select * into x from u",
            "create materialized view x as select * from u",
            "insert into u select generate_series(1, 1000000)",
            "insert into u (a) (select a from other)",
            "insert into u select * from rows_of_it(1)",
            "with x as (update u set a = 1 returning a) select * from x",
            "with x as (select 1) insert into u select * from other",
            "copy u from '/data.csv'",
            "explain analyze update u set a = 1",
            "explain (analyze) update u set a = 1",
            "explain analyze create table x as select * from u",
        ] {
            let sql = format!("alter table t add column x int; {work}");
            assert_eq!(rules_of(&sql), ["strong-lock-then-long-work"], "{work}");
        }
        let replaced = "create or replace view v as select 1; update u set a = 1";
        assert_eq!(rules_since("select 1", replaced), Vec::<&str>::new());
        assert_eq!(rules_since("create view v as select 1", replaced), ["strong-lock-then-long-work"]);
    }
}
