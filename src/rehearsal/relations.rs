//! The relations of a database before it is rehearsed upon: names, sizes, files. In: a session outside a transaction. Out: a
//! [`Relations`]. Reads only.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;

const LIST: &str = include_str!("relations.sql");
const SIZES: &str = "SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid) FROM pg_catalog.pg_class c \
    WHERE c.relkind IN ('r', 'm', 'i') AND c.oid >= 16384 AND c.relpersistence <> 't'";

/// A relation that existed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its object id.
    pub oid: u32,
    /// Schema and name.
    pub name: String,
    /// What it is.
    pub kind: RelationKind,
    /// Its size with indexes and what is stored out of line, in bytes; none where it is not known.
    pub size_bytes: Option<u64>,
    /// How many rows it is estimated to have; none where it was never counted.
    pub rows: Option<u64>,
}

impl Relation {
    /// Whether it is an index: what locks one locks its table too.
    pub fn is_index(&self) -> bool {
        self.kind == RelationKind::Index
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What a relation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is what `name` gives")]
pub enum RelationKind {
    Table,
    PartitionedTable,
    MaterializedView,
    View,
    Index,
    Sequence,
    ForeignTable,
    Other,
}

impl RelationKind {
    fn read(kind: &str) -> Self {
        match kind {
            "r" => Self::Table,
            "p" => Self::PartitionedTable,
            "m" => Self::MaterializedView,
            "v" => Self::View,
            "i" | "I" => Self::Index,
            "S" => Self::Sequence,
            "f" => Self::ForeignTable,
            _ => Self::Other,
        }
    }

    /// The word users read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::PartitionedTable => "partitioned table",
            Self::MaterializedView => "materialized view",
            Self::View => "view",
            Self::Index => "index",
            Self::Sequence => "sequence",
            Self::ForeignTable => "foreign table",
            Self::Other => "relation",
        }
    }
}

/// All relations, by object id.
#[derive(Debug, Default)]
pub(super) struct Relations {
    known: HashMap<u32, (Arc<Relation>, u32)>,
    /// What is above it did not exist.
    pub(super) newest: u32,
}

impl Relations {
    /// Reads them. Sizes that are not to be had (a lock, a privilege) stay unknown.
    pub(super) async fn read(session: &Session) -> Result<Self, QueryError> {
        let answer = session.query(LIST).await?;
        let sizes = match session.query(SIZES).await {
            Ok(answer) => answer,
            Err(lost @ QueryError::Lost { .. }) => return Err(lost),
            Err(reason) => {
                tracing::debug!("sizes are not known: {reason}");
                Vec::new()
            }
        };
        let sizes: HashMap<u32, u64> =
            sizes.first().into_iter().flatten().filter_map(|row| Some((number(row, 0)?, number(row, 1)?))).collect();
        let mut relations = Self::default();
        for row in answer.first().into_iter().flatten() {
            let text = |column: usize| row.get(column).cloned().flatten().unwrap_or_default();
            let Some(oid) = number(row, 0) else { continue };
            relations.newest = relations.newest.max(oid);
            let relation = Relation {
                oid,
                name: text(1),
                kind: RelationKind::read(&text(2)),
                size_bytes: sizes.get(&oid).copied(),
                rows: number(row, 4),
            };
            relations.known.insert(oid, (Arc::new(relation), number(row, 3).unwrap_or(0)));
        }
        Ok(relations)
    }

    /// The relation of this id, and the file it was in.
    pub(super) fn get(&self, oid: u32) -> Option<(&Arc<Relation>, u32)> {
        self.known.get(&oid).map(|(relation, file)| (relation, *file))
    }

    /// Notes the file that it is in now.
    pub(super) fn moved(&mut self, oid: u32, file: u32) {
        if let Some((_, known)) = self.known.get_mut(&oid) {
            *known = file;
        }
    }
}

/// A number of a row.
pub(super) fn number<T: std::str::FromStr>(row: &[Option<String>], column: usize) -> Option<T> {
    row.get(column)?.as_deref()?.parse().ok()
}
