//! The way out of a statement that stands in the way: SQL that is certain to end in the same, or words. In: nothing. Out:
//! data.

/// The way out.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) sql: Option<String>,
    pub(super) words: Option<&'static str>,
}

impl Way {
    pub(super) fn words(words: &'static str) -> Way {
        Way { sql: None, words: Some(words) }
    }

    /// The SQL, or words where there is none.
    pub(super) fn or(sql: Option<String>, words: &'static str) -> Way {
        let words = sql.is_none().then_some(words);
        Way { sql, words }
    }
}

pub(super) const SPLIT: &str =
    "split it: one ALTER TABLE for each action, in its own file where it is long; lint then prints the way for each";
pub(super) const IF_EXISTS: &str = "without IF EXISTS, lint prints the way as SQL";
pub(super) const IF_NOT_EXISTS: &str = "without IF NOT EXISTS, lint prints the way as SQL";
pub(super) const NAME_CONSTRAINT: &str = "give the constraint a name of its own, add it NOT VALID, and in the file after it, with \
     `-- schemagate: no-transaction`, VALIDATE CONSTRAINT; with a name, lint prints this as SQL";
pub(super) const NAME_INDEX: &str = "give the index a name of its own, and build it with CREATE INDEX CONCURRENTLY, alone in a \
     file with `-- schemagate: no-transaction`; with a name, lint prints this as SQL";
pub(super) const UNIQUE: &str = "build a unique index like it with CREATE UNIQUE INDEX CONCURRENTLY, alone in a file with \
     `-- schemagate: no-transaction`, and in the file after it ADD CONSTRAINT … USING INDEX";
pub(super) const COLUMN_FIRST: &str = "add the column with its type alone, fill it a batch of rows at a time, and add each of \
     the rest in a later release: CHECK and FOREIGN KEY as NOT VALID and then VALIDATE CONSTRAINT, UNIQUE by an index \
     that was built CONCURRENTLY, NOT NULL behind a validated CHECK";
pub(super) const IDENTITY: &str = "add the column with its type alone, number the rows a batch at a time, make it NOT NULL behind \
     a validated CHECK, and only then ALTER COLUMN … ADD GENERATED … AS IDENTITY (START WITH …) behind the largest; new \
     rows are numbered by a sequence as DEFAULT until then, or by a trigger";
pub(super) const STORED: &str = "add a plain column that a trigger or the application writes, and fill it a batch of rows at a \
     time; from PostgreSQL 18 on a VIRTUAL column is computed when it is read, but cannot be indexed";
pub(super) const ATTACH: &str = "first give the new partition the same bounds as a constraint, ADD CONSTRAINT … CHECK (… IS NOT \
     NULL AND …) NOT VALID, and in the file after it, with `-- schemagate: no-transaction`, VALIDATE CONSTRAINT: ATTACH \
     then reads no row, and the constraint can be dropped; a DEFAULT partition is read too, unless a CHECK of its own \
     keeps such rows out";
pub(super) const REFRESH: &str =
    "CONCURRENTLY needs a unique index on the view, of columns alone and without WHERE, and a view that was filled";
pub(super) const INDEX_ON_ONLY: &str = "where the table is partitioned, this is brief and the right way: the partitions' indexes are \
     built CONCURRENTLY, each alone in a file with `-- schemagate: no-transaction`, and attached by ALTER INDEX … ATTACH \
     PARTITION; where it is not, leave ONLY out and build CONCURRENTLY";
