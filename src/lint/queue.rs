//! A strong lock that an earlier statement of the batch holds while long work is done. In: the statements of a batch.
//! Out: one finding a file, at the first long work.

use super::danger::Where;
use super::finding::Finding;
use super::rules;
use crate::effects::{Blocks, Claim, Effect};
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
    ) -> Option<Finding> {
        let work = work(words, effects);
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
            if self.held.as_ref().is_none_or(|(held, _)| held.lock.blocks() < effect.lock.blocks()) {
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

fn work(words: Words<'_>, effects: &[Effect]) -> Option<Work> {
    let claim = |effect: &&Effect| effect.rewrite.max(effect.scan);
    // These never run in a transaction, which another rule tells.
    let runs = |effect: &&Effect| !effect.fact.name.ends_with("_CONCURRENTLY") || words.is("REFRESH");
    let longest = effects.iter().filter(runs).max_by_key(claim);
    if let Some(effect) = longest.filter(|effect| claim(effect) > Claim::No) {
        let why = if effect.fact.name == "UPDATE" { "rows are looked for and changed" } else { effect.why };
        return Some(Work { what: format!("{}: {why}", effect.relation), certain: claim(&effect) == Claim::Yes });
    }
    let inserts = !effects.is_empty() && words.is("INSERT") && words.have(&["SELECT"]) && words.have(&["FROM"]);
    inserts.then(|| Work { what: "rows are made by a query".to_owned(), certain: false })
}

fn finding(at: Where<'_>, held: &Effect, place: &str, work: &Work) -> Finding {
    let Effect { lock, .. } = held;
    let relation = held.relation_words();
    let message = format!("{}, while {relation} is locked since {place}", work.what);
    let mut finding = Finding::at(&rules::STRONG_LOCK, at.source, at.start, message);
    let blocks = lock.blocks().words().replacen("blocks", "which blocks", 1);
    finding.lock = Some(format!("{} on {relation}, {blocks}, until the batch is committed", lock.name()));
    let finding = finding.hint(
        "do the long work in an earlier release, or in a file of its own that starts with `-- schemagate: \
         no-transaction` (VALIDATE CONSTRAINT, or CALL of a procedure that commits), which ends the batch before it",
    );
    if work.certain { finding } else { finding.warning() }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{rules_of, told};

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
        ] {
            assert_eq!(rules_of(sql), Vec::<&str>::new(), "{sql}");
        }
        assert_eq!(
            rules_of("alter table t add constraint k check (a > 0) not valid; alter table t validate constraint k"),
            ["strong-lock-then-long-work"]
        );
    }
}
