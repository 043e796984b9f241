//! What a lock keeps waiting, in words. In: a mode. Out: text; the table of conflicts is that of the manual, section 13.3.1.

use crate::effects::{Blocks, LockMode};

/// What is blocked, of what an application does.
pub(super) fn blocked(blocks: Blocks) -> &'static str {
    match blocks {
        Blocks::Neither => "nothing",
        Blocks::Writes => "writes",
        Blocks::ReadsAndWrites => "reads and writes",
    }
}

/// What waits and what goes on.
pub(super) fn plain(mode: LockMode) -> &'static str {
    match mode {
        LockMode::AccessShare | LockMode::RowShare => {
            "reads and writes go on; only a lock that blocks reads waits for it"
        }
        LockMode::RowExclusive => "reads and writes go on; an index build and other changes of the table wait",
        LockMode::ShareUpdateExclusive => "reads and writes go on; VACUUM and other changes of the table wait",
        LockMode::Share | LockMode::ShareRowExclusive => "blocks writes; reads go on",
        LockMode::Exclusive => "blocks writes and SELECT … FOR UPDATE; plain reads go on",
        LockMode::AccessExclusive => "blocks reads and writes",
    }
}
