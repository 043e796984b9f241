//! What the catalogue says of tables, types and foreign keys. In: a session. Out: facts, read in three questions
//! however many tables there are. Never looks at a row.

use std::collections::HashMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;

const TABLES: &str = include_str!("tables.sql");
const KEYS: &str = include_str!("keys.sql");
const TYPES: &str = include_str!("types.sql");

/// All of it.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) tables: Vec<Table>,
    pub(super) keys: Vec<Key>,
    pub(super) types: HashMap<u32, Type>,
    by_oid: HashMap<u32, usize>,
    /// The enforced keys of each table.
    by_table: Vec<Vec<usize>>,
}

/// A table, and what its rows must satisfy.
#[derive(Debug, Deserialize)]
pub(super) struct Table {
    oid: u32,
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) partitioned: bool,
    /// Row-level security that holds for the owner too.
    pub(super) forced_security: bool,
    /// What a partition takes in.
    pub(super) bound: Option<String>,
    /// What the first partitions of a partitioned table take in.
    pub(super) leaves: Vec<String>,
    pub(super) columns: Vec<Column>,
    pub(super) checks: Vec<Check>,
    pub(super) uniques: Vec<Unique>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Column {
    number: i16,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: u32,
    pub(super) typmod: i32,
    /// The type, as SQL writes it.
    pub(super) sql: String,
    pub(super) not_null: bool,
    /// `a` always, `d` by default, empty for none.
    pub(super) identity: String,
    pub(super) generated: bool,
    /// The default, or what a generated column is generated from.
    pub(super) default: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) expression: String,
}

/// A unique index, or that of an exclusion constraint.
#[derive(Debug, Deserialize)]
pub(super) struct Unique {
    pub(super) name: String,
    columns: Vec<i16>,
    pub(super) expressions: Option<String>,
    pub(super) partial: bool,
    pub(super) exclusion: bool,
    keys: usize,
}

/// A foreign key.
#[derive(Debug, Deserialize)]
pub(super) struct Key {
    pub(super) name: String,
    table: u32,
    referenced: u32,
    columns: Vec<i16>,
    referenced_columns: Vec<i16>,
    pub(super) on_delete: Reaction,
    pub(super) on_update: Reaction,
    /// MATCH FULL.
    pub(super) full: bool,
    /// INITIALLY DEFERRED.
    pub(super) deferred: bool,
    pub(super) validated: bool,
    pub(super) enforced: bool,
    /// A partition's copy of its parent's.
    pub(super) inherited: bool,
    set_columns: Vec<i16>,
    /// Whether one of its triggers is.
    pub(super) disabled: bool,
}

/// What a key does to its rows when the row that they reference goes or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Reaction {
    #[serde(rename = "a")]
    NoAction,
    #[serde(rename = "r")]
    Restrict,
    #[serde(rename = "c")]
    Cascade,
    #[serde(rename = "n")]
    SetNull,
    #[serde(rename = "d")]
    SetDefault,
}

/// A type, and what its values are made of.
#[derive(Debug, Deserialize)]
pub(super) struct Type {
    oid: u32,
    pub(super) name: String,
    pub(super) built_in: bool,
    /// `b` base, `c` composite, `d` domain, `e` enum, `r` range, `m` multirange.
    pub(super) kind: String,
    pub(super) category: String,
    /// An array's, else zero.
    pub(super) element: u32,
    /// A domain's, else zero.
    pub(super) base: u32,
    pub(super) base_typmod: i32,
    pub(super) base_sql: Option<String>,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// A range's, or the range of a multirange, else zero.
    pub(super) subtype: u32,
    pub(super) labels: Vec<String>,
    pub(super) checks: Vec<Check>,
    /// Type and modifier of each.
    pub(super) fields: Vec<(u32, i32)>,
}

impl Catalogue {
    pub(super) async fn read(session: &Session) -> Result<Self, QueryError> {
        let tables: Vec<Table> = documents(session, TABLES).await?;
        let keys: Vec<Key> = documents(session, KEYS).await?;
        let types: Vec<Type> = documents(session, TYPES).await?;
        let by_oid = tables.iter().enumerate().map(|(index, table)| (table.oid, index)).collect();
        let types = types.into_iter().map(|kind| (kind.oid, kind)).collect();
        let by_table = tables.iter().map(|_| Vec::new()).collect();
        let mut catalogue = Self { tables, keys: Vec::new(), types, by_oid, by_table };
        // A key of a table that went between the questions is nobody's.
        catalogue.keys = keys.into_iter().filter(|key| catalogue.knows(key)).collect();
        for (place, key) in catalogue.keys.iter().enumerate().filter(|(_, key)| key.enforced) {
            catalogue.by_table[catalogue.by_oid[&key.table]].push(place);
        }
        Ok(catalogue)
    }

    fn knows(&self, key: &Key) -> bool {
        self.by_oid.contains_key(&key.table) && self.by_oid.contains_key(&key.referenced)
    }

    /// The table that a key is of, by its place in [`Self::tables`].
    pub(super) fn child(&self, key: &Key) -> usize {
        self.by_oid.get(&key.table).copied().unwrap_or_default()
    }

    /// The table that a key references.
    pub(super) fn parent(&self, key: &Key) -> usize {
        self.by_oid.get(&key.referenced).copied().unwrap_or_default()
    }

    /// The key's columns, by their place in the table, each with that which it references.
    pub(super) fn pairs(&self, key: &Key) -> Vec<(usize, usize)> {
        let (child, parent) = (&self.tables[self.child(key)], &self.tables[self.parent(key)]);
        key.columns
            .iter()
            .zip(&key.referenced_columns)
            .filter_map(|(own, other)| Some((child.place(*own)?, parent.place(*other)?)))
            .collect()
    }

    /// The columns that a deletion sets: those that the key names, or all of its own.
    pub(super) fn set_columns(&self, key: &Key) -> Vec<usize> {
        let numbers = if key.set_columns.is_empty() { &key.columns } else { &key.set_columns };
        numbers.iter().filter_map(|number| self.tables[self.child(key)].place(*number)).collect()
    }

    /// The enforced keys of a table.
    pub(super) fn keys_of(&self, table: usize) -> impl Iterator<Item = &Key> {
        self.by_table[table].iter().map(|place| &self.keys[*place])
    }

    /// The domains that a column's type is made of, from the outermost, and the type below them with its modifier and
    /// its words.
    pub(super) fn base(&self, column: &Column) -> (Vec<&Type>, u32, i32, String) {
        let (mut oid, mut typmod, mut sql) = (column.kind, column.typmod, column.sql.clone());
        let mut domains = Vec::new();
        while let Some(domain) = self.types.get(&oid).filter(|kind| kind.kind == "d") {
            domains.push(domain);
            (oid, typmod) = (domain.base, domain.base_typmod);
            sql = domain.base_sql.clone().unwrap_or(sql);
        }
        (domains, oid, typmod, sql)
    }

    /// Whether NULL is no value for this column.
    pub(super) fn not_null(&self, column: &Column) -> bool {
        column.not_null || self.base(column).0.iter().any(|domain| domain.not_null)
    }

    /// The column's default, or its domain's.
    pub(super) fn default<'a>(&'a self, column: &'a Column) -> Option<&'a str> {
        if column.generated {
            return None;
        }
        let of_domain = || self.base(column).0.into_iter().find_map(|domain| domain.default.as_deref());
        column.default.as_deref().or_else(of_domain)
    }
}

impl Table {
    fn place(&self, number: i16) -> Option<usize> {
        self.columns.iter().position(|column| column.number == number)
    }

    /// The columns of this index that are columns, by their place; only what makes it unique.
    pub(super) fn columns_of(&self, unique: &Unique) -> Vec<usize> {
        unique.columns.iter().take(unique.keys).filter_map(|number| self.place(*number)).collect()
    }

    /// The name as people read it.
    pub(super) fn words(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The name as SQL reads it.
    pub(super) fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// The table without those that inherit from it. The rows of a partitioned one are all in its partitions.
    pub(super) fn only(&self) -> String {
        if self.partitioned { self.sql() } else { format!("ONLY {}", self.sql()) }
    }
}

impl Reaction {
    /// As the key declares it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::NoAction => "NO ACTION",
            Self::Restrict => "RESTRICT",
            Self::Cascade => "CASCADE",
            Self::SetNull => "SET NULL",
            Self::SetDefault => "SET DEFAULT",
        }
    }
}

/// An identifier, quoted whether it needs it or not.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn documents<T: DeserializeOwned>(session: &Session, sql: &str) -> Result<Vec<T>, QueryError> {
    let answer = session.query(sql).await?;
    let texts = answer.into_iter().flatten().filter_map(|row| row.into_iter().next().flatten());
    let parsed: Result<Vec<T>, serde_json::Error> = texts.map(|text| serde_json::from_str(&text)).collect();
    parsed.map_err(|error| QueryError::Protocol { reason: format!("the catalogue reads unlike itself: {error}") })
}
