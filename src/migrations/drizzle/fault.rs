//! What keeps a folder of drizzle-kit from being used. In: facts. Out: the line users read, and the way out.

use crate::migrations::Fault;

/// What is wrong with the journal, or with a migration's folder.
#[derive(Debug, thiserror::Error)]
pub enum DrizzleFault {
    /// The journal is no JSON, or not of the form that drizzle-kit writes.
    #[error("not a journal of drizzle-kit: {source}")]
    BrokenJournal {
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// Snapshots of drizzle-kit, and no journal.
    #[error("the journal is missing, beside the snapshots of drizzle-kit")]
    NoJournal,
    /// The journal is for another kind of database.
    #[error("the journal is for {dialect:?}, not for \"postgresql\"")]
    Dialect {
        /// As the journal says it.
        dialect: String,
    },
    /// An entry of the journal without its file.
    #[error("the journal lists it, but the file does not exist")]
    NoFile,
    /// Two entries of the journal have one number.
    #[error("idx {idx} is already that of the entry {other:?}")]
    DuplicateIdx {
        /// The number.
        idx: i64,
        /// The tag of the entry before it.
        other: String,
    },
    /// Two entries of the journal have one tag.
    #[error("two entries of the journal have the tag {tag:?}")]
    DuplicateTag {
        /// The tag.
        tag: String,
    },
    /// An entry stands behind one of a higher number.
    #[error("idx {idx} stands behind idx {before} in the journal")]
    IdxOrder {
        /// The number.
        idx: i64,
        /// The higher number before it.
        before: i64,
    },
    /// A number below 0.
    #[error("idx {idx} is negative")]
    NegativeIdx {
        /// The number.
        idx: i64,
    },
    /// A tag that names no file of the folder.
    #[error("the tag {tag:?} is not the name of a file in the folder")]
    Tag {
        /// The tag.
        tag: String,
    },
    /// A migration's folder that does not begin with a time.
    #[error("the folder's name does not begin with a timestamp of 14 digits and an underscore")]
    Timestamp,
    /// A migration in a folder of its own, beside a journal.
    #[error("a mix of layouts: a migration in a folder of its own, beside meta/_journal.json")]
    FolderBesideJournal,
    /// A file named as refinery's are.
    #[error("a mix of layouts: a file named as refinery's are, in a folder of drizzle-kit")]
    RefineryFile,
    /// The name is longer than the history holds.
    #[error("the name is {characters} characters long (the limit is 255)")]
    TooLong {
        /// Its length.
        characters: usize,
    },
}

impl DrizzleFault {
    /// Gives the way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BrokenJournal { .. } => "restore it from version control, or resolve the merge conflict in it",
            Self::NoJournal => "copy the whole folder into the image, meta/_journal.json too",
            Self::Dialect { .. } => "give the folder of the PostgreSQL migrations",
            Self::NoFile => "restore the file, or take the entry out of meta/_journal.json if it was never applied",
            Self::DuplicateIdx { .. } | Self::IdxOrder { .. } => {
                "two branches added a migration: drop the newer one with `drizzle-kit drop` and generate it again"
            }
            Self::DuplicateTag { .. } => "take one of the two entries out of meta/_journal.json",
            Self::NegativeIdx { .. } => "number the entries of meta/_journal.json from 0",
            Self::Tag { .. } => "restore meta/_journal.json from version control",
            Self::Timestamp => "name it as `drizzle-kit generate` does, as in 20240501120000_add_orders",
            Self::FolderBesideJournal => {
                "run `drizzle-kit up`, which moves all migrations into folders of their own, or remove the folder"
            }
            Self::RefineryFile => "keep the files of the two tools in folders of their own",
            Self::TooLong { .. } => "shorten the name",
        }
    }
}

impl From<DrizzleFault> for Fault {
    fn from(fault: DrizzleFault) -> Self {
        Fault::Drizzle(fault)
    }
}
