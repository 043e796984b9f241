//! What a statement does to tables that exist: the lock it takes, whether it rewrites or reads the whole table. In: a
//! statement and a major version. Out: [`Effect`]s. Judges nothing, asks no server; every fact is held against servers of
//! all supported versions by `tests/it/lint_effects.rs`.

mod alter_column;
mod alter_table;
mod asked;
mod definition;
mod facts;
mod known;
mod lock;
mod names;
mod rows;
mod safe;
mod statement;
mod volatile;
mod way;

use crate::migrations::script::{Found, walk};
use crate::settings::TableName;

pub use facts::{Example, FACTS, Fact};
pub use known::Known;
pub use lock::{Blocks, LockMode};
pub(crate) use rows::explained;
pub(crate) use safe::name as quoted;
pub(crate) use volatile::calls_unknown;

/// The oldest major version that is supported, and the newest that the facts were held against.
pub const VERSIONS: std::ops::RangeInclusive<u32> = 14..=18;

/// Whether something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// It does not.
    No,
    /// It depends on what the statement does not say, such as the type that a column has.
    Perhaps,
    /// It does.
    Yes,
}

/// What kind of relation a name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// A table, partitioned or not.
    Table,
    /// An index; its table is not named.
    Index,
    /// A materialized view.
    MaterializedView,
    /// A view, which holds no rows itself.
    View,
}

/// One effect of a statement on one relation.
#[derive(Debug, Clone)]
pub struct Effect {
    /// The relation as the statement names it.
    pub relation: TableName,
    /// What it is.
    pub kind: RelationKind,
    /// The lock, held until the transaction ends; outside a transaction, until the statement ends.
    pub lock: LockMode,
    /// Whether the whole relation is written anew while the lock is held.
    pub rewrite: Claim,
    /// Whether every row is read while the lock is held.
    pub scan: Claim,
    /// What PostgreSQL does, in a few words.
    pub why: &'static str,
    /// The fact of the table that says so.
    pub fact: &'static Fact,
    /// The same done without standing in the way, as SQL, where it is certain to end in the same.
    pub safe: Option<String>,
    /// What to do, in words, where that is not certain, or what has to be known of the SQL.
    pub advice: Option<&'static str>,
    /// The byte of the statement that asks for it.
    pub at: usize,
}

impl Effect {
    fn of(fact: &'static Fact, relation: TableName, kind: RelationKind, at: usize) -> Effect {
        let Fact { lock, rewrite, scan, why, .. } = *fact;
        Effect { relation, kind, lock, rewrite, scan, why, fact, safe: None, advice: None, at }
    }

    fn with(self, way: way::Way) -> Effect {
        Effect { safe: way.sql, advice: way.words, ..self }
    }

    /// Takes the SQL back, and says in words what to do.
    pub(crate) fn only_words(&mut self, advice: &'static str) {
        self.safe = None;
        self.advice = Some(advice);
    }

    /// The relation for people; of an index, whose table is locked too, nothing more is known.
    pub fn relation_words(&self) -> String {
        let of = if self.kind == RelationKind::Index { "the table of " } else { "" };
        format!("{of}{}", self.relation)
    }

    /// The lock for people: on what, and who waits for it.
    pub fn lock_words(&self) -> String {
        if self.fact.name == "REINDEX_INDEX" {
            let Effect { relation, .. } = self;
            return format!(
                "SHARE on the table of {relation}, which blocks writes, and ACCESS EXCLUSIVE on {relation} itself, for which \
                 reads of the table wait that are planned anew"
            );
        }
        let blocks = self.lock.blocks().words().replacen("blocks", "which blocks", 1);
        format!("{} on {}, {blocks}", self.lock.name(), self.relation_words())
    }

    /// Says whether it may take the longer the larger the relation is, while others wait.
    pub fn blocks_long(&self) -> bool {
        // Nobody writes to a materialized view but those who refresh it.
        let noticed = if self.kind == RelationKind::MaterializedView { Blocks::Writes } else { Blocks::Neither };
        self.lock.blocks() > noticed && self.rewrite.max(self.scan) > Claim::No
    }
}

/// Gives the effects of a statement, or of the first of several, on a server of this major version. Empty where nothing
/// is known of it, as of a `DO` block or a function that is called.
pub fn effects(sql_statement: &str, version: u32) -> Vec<Effect> {
    effects_knowing(sql_statement, version, &Known::default())
}

/// The same behind statements that ran before.
pub fn effects_knowing(sql_statement: &str, version: u32, known: &Known) -> Vec<Effect> {
    let mut found = Vec::new();
    let mut first = true;
    walk(sql_statement, false, |piece| {
        let Found::Statement(words, range) = piece else { return };
        if std::mem::take(&mut first) {
            let text = sql_statement.get(range).unwrap_or_default();
            statement::read(words, text, version, known, &mut found);
        }
    });
    found
}

#[cfg(test)]
mod tests;
