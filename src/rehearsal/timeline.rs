//! When each lock is held. In: the locks that a session shows after each statement. Out: spans, from the statement that
//! took a lock to the end of its batch. The clock counts what `up` would take, without the measuring.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Relation;
use crate::effects::{Blocks, LockMode};

/// One lock of one batch.
#[derive(Debug, Clone)]
pub struct Held {
    /// The relation.
    pub relation: Arc<Relation>,
    /// The mode.
    pub mode: LockMode,
    /// When the statement began that took it, from the beginning of the batch.
    pub from: Duration,
    /// When it is let go: the end of the batch, unless the file itself rolled back to a savepoint.
    pub until: Duration,
    /// Where that statement stands.
    pub taken_at: String,
}

impl Held {
    /// How long it is held.
    pub fn lasts(&self) -> Duration {
        self.until.saturating_sub(self.from)
    }
}

/// A lock as a session shows it.
pub(super) type Shown = BTreeMap<(u32, LockMode), Arc<Relation>>;

/// The locks of a rehearsal, from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// What the session holds, and where it stands in `held`; nowhere where an earlier batch took it.
    open: BTreeMap<(u32, LockMode), (Arc<Relation>, Option<usize>)>,
    held: Vec<Held>,
    clock: Duration,
}

impl Timeline {
    /// How much of the batch is over.
    pub(super) fn clock(&self) -> Duration {
        self.clock
    }

    /// Goes on by what `up` would need too.
    pub(super) fn advance(&mut self, by: Duration) {
        self.clock += by;
    }

    /// Takes over what the session shows after a statement that began at `from`; gives what is new.
    pub(super) fn note(&mut self, shown: Shown, from: Duration, taken_at: &str) -> Vec<(Arc<Relation>, LockMode)> {
        let gone: Vec<(u32, LockMode)> = self.open.keys().filter(|key| !shown.contains_key(key)).copied().collect();
        for key in gone {
            if let Some((_, Some(place))) = self.open.remove(&key)
                && let Some(held) = self.held.get_mut(place)
            {
                held.until = self.clock;
            }
        }
        let mut new = Vec::new();
        for (key, relation) in shown {
            if self.open.contains_key(&key) {
                continue;
            }
            let (_, mode) = key;
            new.push((Arc::clone(&relation), mode));
            let held = Held {
                relation: Arc::clone(&relation),
                mode,
                from,
                until: Duration::MAX,
                taken_at: taken_at.to_owned(),
            };
            self.open.insert(key, (relation, Some(self.held.len())));
            self.held.push(held);
        }
        // The strongest first, and indexes after their tables.
        new.sort_by(|a, b| {
            let key = |lock: &(Arc<Relation>, LockMode)| (std::cmp::Reverse(lock.1), lock.0.is_index());
            key(a).cmp(&key(b)).then_with(|| a.0.name.cmp(&b.0.name))
        });
        new
    }

    /// Ends a batch: `up` lets go of all its locks here. Gives them, and how long the batch took.
    pub(super) fn end_batch(&mut self) -> (Vec<Held>, Duration) {
        let clock = std::mem::take(&mut self.clock);
        let mut held = std::mem::take(&mut self.held);
        for span in &mut held {
            span.until = span.until.min(clock);
        }
        for (_, place) in self.open.values_mut() {
            *place = None;
        }
        (held, clock)
    }

    /// What the session holds still of earlier batches and would keep somebody waiting, the strongest mode of each relation.
    pub(super) fn carried(&self) -> Vec<(Arc<Relation>, LockMode)> {
        let mut seen = BTreeSet::new();
        let strongest = self.open.iter().rev().filter(|((oid, _), _)| seen.insert(*oid));
        let mut carried: Vec<_> = strongest
            .filter(|((_, mode), (relation, _))| mode.blocks() > Blocks::Neither && !relation.is_index())
            .map(|((_, mode), (relation, _))| (Arc::clone(relation), *mode))
            .collect();
        carried.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        carried
    }
}

#[cfg(test)]
mod tests {
    use super::super::RelationKind;
    use super::*;

    fn relation(oid: u32) -> Arc<Relation> {
        let name = format!("public.t{oid}");
        Arc::new(Relation { oid, name, kind: RelationKind::Table, size_bytes: None, rows: None })
    }

    fn shown(locks: &[(u32, LockMode)]) -> Shown {
        locks.iter().map(|(oid, mode)| ((*oid, *mode), relation(*oid))).collect()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_lock_is_held_from_its_statement_to_the_end_of_its_batch() {
        let mut timeline = Timeline::default();
        timeline.advance(SECOND);
        assert!(timeline.note(shown(&[]), Duration::ZERO, "a").is_empty());
        timeline.advance(SECOND);
        let new = timeline.note(shown(&[(1, LockMode::Share), (1, LockMode::AccessExclusive)]), SECOND, "b");
        assert_eq!(new.iter().map(|(_, mode)| *mode).collect::<Vec<_>>(), [LockMode::AccessExclusive, LockMode::Share]);
        timeline.advance(SECOND);
        assert!(
            timeline.note(shown(&[(1, LockMode::Share), (1, LockMode::AccessExclusive)]), SECOND * 2, "c").is_empty()
        );
        let (held, elapsed) = timeline.end_batch();
        assert_eq!(elapsed, SECOND * 3);
        assert!(held.iter().all(|held| held.from == SECOND && held.lasts() == SECOND * 2 && held.taken_at == "b"));
        let carried: Vec<LockMode> = timeline.carried().iter().map(|(_, mode)| *mode).collect();
        assert_eq!(carried, [LockMode::AccessExclusive]);
    }

    #[test]
    fn a_lock_that_a_savepoint_gave_back_ends_there() {
        let mut timeline = Timeline::default();
        timeline.advance(SECOND);
        timeline.note(shown(&[(1, LockMode::Share)]), Duration::ZERO, "a");
        timeline.advance(SECOND);
        timeline.note(shown(&[]), SECOND, "b");
        timeline.advance(SECOND);
        let (held, _) = timeline.end_batch();
        assert_eq!((held[0].from, held[0].until), (Duration::ZERO, SECOND * 2));
        assert!(timeline.carried().is_empty());
    }
}
