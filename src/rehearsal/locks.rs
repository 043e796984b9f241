//! The modes of table locks, weakest first, and what each of them keeps waiting. In: the name that `pg_locks` gives. Out: a
//! [`LockMode`]. The table of conflicts is that of the manual, section 13.3.1.

use std::fmt;

/// The mode of a lock on a relation; in the order of what it keeps waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is the mode that `name` gives")]
pub enum LockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

/// What a lock keeps waiting, of what an application does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocks {
    /// Neither reads nor writes.
    Nothing,
    /// Writes, and reads that lock rows.
    Writes,
    /// All.
    ReadsAndWrites,
}

impl Blocks {
    /// The words users read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Writes => "writes",
            Self::ReadsAndWrites => "reads and writes",
        }
    }
}

const MODES: [(LockMode, &str, &str); 8] = [
    (LockMode::AccessShare, "AccessShareLock", "ACCESS SHARE"),
    (LockMode::RowShare, "RowShareLock", "ROW SHARE"),
    (LockMode::RowExclusive, "RowExclusiveLock", "ROW EXCLUSIVE"),
    (LockMode::ShareUpdateExclusive, "ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE"),
    (LockMode::Share, "ShareLock", "SHARE"),
    (LockMode::ShareRowExclusive, "ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE"),
    (LockMode::Exclusive, "ExclusiveLock", "EXCLUSIVE"),
    (LockMode::AccessExclusive, "AccessExclusiveLock", "ACCESS EXCLUSIVE"),
];

impl LockMode {
    /// The mode that `pg_locks` names so.
    pub fn read(name: &str) -> Option<Self> {
        MODES.iter().find(|(_, known, _)| *known == name).map(|(mode, ..)| *mode)
    }

    /// The mode as SQL writes it.
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(mode, ..)| *mode == self).map_or("", |(.., name)| name)
    }

    /// What it keeps waiting.
    pub fn blocks(self) -> Blocks {
        match self {
            Self::AccessShare | Self::RowShare | Self::RowExclusive | Self::ShareUpdateExclusive => Blocks::Nothing,
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => Blocks::Writes,
            Self::AccessExclusive => Blocks::ReadsAndWrites,
        }
    }

    /// What waits, in plain words.
    pub fn words(self) -> &'static str {
        match self {
            Self::AccessShare | Self::RowShare => "reads and writes go on; only a lock that blocks reads waits for it",
            Self::RowExclusive => "reads and writes go on; an index build and other changes of the table wait",
            Self::ShareUpdateExclusive => "reads and writes go on; VACUUM and other changes of the table wait",
            Self::Share | Self::ShareRowExclusive => "blocks writes; reads go on",
            Self::Exclusive => "blocks writes and SELECT … FOR UPDATE; plain reads go on",
            Self::AccessExclusive => "blocks reads and writes",
        }
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_by_its_name_and_they_grow_stronger() {
        let read: Vec<LockMode> = MODES.iter().filter_map(|(_, name, _)| LockMode::read(name)).collect();
        assert_eq!(read.len(), MODES.len());
        assert!(read.is_sorted() && read.is_sorted_by_key(|mode| mode.blocks()));
        assert_eq!(LockMode::read("SIReadLock"), None);
    }
}
