//! Lock modes of tables. In: nothing. Out: their names and what each keeps others from doing, as the manual's table of
//! conflicting lock modes has it (<https://www.postgresql.org/docs/current/explicit-locking.html>).

/// A lock on a relation, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// `SELECT`.
    AccessShare,
    /// `SELECT … FOR UPDATE`.
    RowShare,
    /// `INSERT`, `UPDATE`, `DELETE`.
    RowExclusive,
    /// `VACUUM`, `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT`.
    ShareUpdateExclusive,
    /// `CREATE INDEX`.
    Share,
    /// `ADD FOREIGN KEY`, `CREATE TRIGGER`.
    ShareRowExclusive,
    /// `REFRESH MATERIALIZED VIEW CONCURRENTLY`.
    Exclusive,
    /// Most of `ALTER TABLE`.
    AccessExclusive,
}

/// Who has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocks {
    /// Neither those who read nor those who write.
    Neither,
    /// Those who write.
    Writes,
    /// All.
    ReadsAndWrites,
}

impl Blocks {
    /// The words users read.
    pub fn words(self) -> &'static str {
        match self {
            Self::Neither => "blocks neither reads nor writes",
            Self::Writes => "blocks writes",
            Self::ReadsAndWrites => "blocks reads and writes",
        }
    }
}

impl LockMode {
    /// Every mode, from the weakest to the strongest.
    pub const ALL: [LockMode; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// The name in SQL: `ACCESS EXCLUSIVE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// The name in `pg_locks`: `AccessExclusiveLock`.
    pub fn catalogue_name(self) -> &'static str {
        match self {
            Self::AccessShare => "AccessShareLock",
            Self::RowShare => "RowShareLock",
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive => "ExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// Reads a mode as `pg_locks` has it.
    pub fn of_catalogue(name: &str) -> Option<LockMode> {
        Self::ALL.into_iter().find(|mode| mode.catalogue_name() == name)
    }

    /// Reads a mode as SQL has it.
    pub fn of_name(name: &str) -> Option<LockMode> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// Who has to wait while it is held: reads are `SELECT`, writes `INSERT`, `UPDATE`, `DELETE`.
    pub fn blocks(self) -> Blocks {
        match self {
            Self::AccessExclusive => Blocks::ReadsAndWrites,
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => Blocks::Writes,
            Self::AccessShare | Self::RowShare | Self::RowExclusive | Self::ShareUpdateExclusive => Blocks::Neither,
        }
    }
}
