//! The locks of a batch by table: the strongest first, and how long it is held. In: spans. Out: one entry a relation.

use std::collections::BTreeMap;

use crate::rehearsal::Held;

/// The strongest lock on each relation that existed, the worst first: by what it blocks, then by how long.
pub(super) fn strongest(held: &[Held]) -> Vec<&Held> {
    let mut by_relation: BTreeMap<u32, &Held> = BTreeMap::new();
    for span in held.iter().filter(|span| !span.relation.is_index()) {
        let entry = by_relation.entry(span.relation.oid).or_insert(span);
        if (span.mode, span.lasts()) > (entry.mode, entry.lasts()) {
            *entry = span;
        }
    }
    let mut strongest: Vec<&Held> = by_relation.into_values().collect();
    strongest.sort_by(|a, b| {
        let weight = |held: &Held| (held.mode.blocks(), held.lasts(), held.mode);
        weight(b).cmp(&weight(a)).then_with(|| a.relation.name.cmp(&b.relation.name))
    });
    strongest
}
