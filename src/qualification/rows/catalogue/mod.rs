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
pub(in crate::qualification) struct Catalogue {
    pub(in crate::qualification) tables: Vec<Table>,
    pub(in crate::qualification) keys: Vec<Key>,
    pub(in crate::qualification) types: HashMap<u32, Type>,
    by_oid: HashMap<u32, usize>,
    /// The enforced keys of each table.
    by_table: Vec<Vec<usize>>,
}

/// A table, and what its rows must satisfy.
#[derive(Debug, Deserialize)]
pub(in crate::qualification) struct Table {
    oid: u32,
    pub(in crate::qualification) schema: String,
    pub(in crate::qualification) name: String,
    pub(in crate::qualification) partitioned: bool,
    /// Row-level security that holds for the owner too.
    pub(in crate::qualification) forced_security: bool,
    /// What a partition takes in.
    pub(in crate::qualification) bound: Option<String>,
    /// What the first partitions of a partitioned table take in.
    pub(in crate::qualification) leaves: Vec<String>,
    pub(in crate::qualification) columns: Vec<Column>,
    pub(in crate::qualification) checks: Vec<Check>,
    pub(in crate::qualification) uniques: Vec<Unique>,
}

#[derive(Debug, Deserialize)]
pub(in crate::qualification) struct Column {
    number: i16,
    pub(in crate::qualification) name: String,
    #[serde(rename = "type")]
    pub(in crate::qualification) kind: u32,
    pub(in crate::qualification) typmod: i32,
    /// The type, as SQL writes it.
    pub(in crate::qualification) sql: String,
    pub(in crate::qualification) not_null: bool,
    /// `a` always, `d` by default, empty for none.
    pub(in crate::qualification) identity: String,
    pub(in crate::qualification) generated: bool,
    /// The default, or what a generated column is generated from.
    pub(in crate::qualification) default: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::qualification) struct Check {
    pub(in crate::qualification) name: String,
    pub(in crate::qualification) expression: String,
}

/// A unique index, or that of an exclusion constraint.
#[derive(Debug, Deserialize)]
pub(in crate::qualification) struct Unique {
    pub(in crate::qualification) name: String,
    columns: Vec<i16>,
    pub(in crate::qualification) expressions: Option<String>,
    pub(in crate::qualification) partial: bool,
    pub(in crate::qualification) exclusion: bool,
    keys: usize,
}

/// A foreign key.
#[derive(Debug, Deserialize)]
pub(in crate::qualification) struct Key {
    pub(in crate::qualification) name: String,
    table: u32,
    referenced: u32,
    columns: Vec<i16>,
    referenced_columns: Vec<i16>,
    pub(in crate::qualification) on_delete: Reaction,
    pub(in crate::qualification) on_update: Reaction,
    /// MATCH FULL.
    pub(in crate::qualification) full: bool,
    /// INITIALLY DEFERRED.
    pub(in crate::qualification) deferred: bool,
    pub(in crate::qualification) validated: bool,
    pub(in crate::qualification) enforced: bool,
    /// A partition's copy of its parent's.
    pub(in crate::qualification) inherited: bool,
    set_columns: Vec<i16>,
    /// Whether one of its triggers is.
    pub(in crate::qualification) disabled: bool,
}

/// What a key does to its rows when the row that they reference goes or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(in crate::qualification) enum Reaction {
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
pub(in crate::qualification) struct Type {
    oid: u32,
    pub(in crate::qualification) name: String,
    pub(in crate::qualification) built_in: bool,
    /// `b` base, `c` composite, `d` domain, `e` enum, `r` range, `m` multirange.
    pub(in crate::qualification) kind: String,
    pub(in crate::qualification) category: String,
    /// An array's, else zero.
    pub(in crate::qualification) element: u32,
    /// A domain's, else zero.
    pub(in crate::qualification) base: u32,
    pub(in crate::qualification) base_typmod: i32,
    pub(in crate::qualification) base_sql: Option<String>,
    pub(in crate::qualification) not_null: bool,
    pub(in crate::qualification) default: Option<String>,
    /// A range's, or the range of a multirange, else zero.
    pub(in crate::qualification) subtype: u32,
    pub(in crate::qualification) labels: Vec<String>,
    pub(in crate::qualification) checks: Vec<Check>,
    /// Type and modifier of each.
    pub(in crate::qualification) fields: Vec<(u32, i32)>,
}

impl Catalogue {
    pub(in crate::qualification) async fn read(session: &Session) -> Result<Self, QueryError> {
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
    pub(in crate::qualification) fn child(&self, key: &Key) -> usize {
        self.by_oid.get(&key.table).copied().unwrap_or_default()
    }

    /// The table that a key references.
    pub(in crate::qualification) fn parent(&self, key: &Key) -> usize {
        self.by_oid.get(&key.referenced).copied().unwrap_or_default()
    }

    /// The key's columns, by their place in the table, each with that which it references.
    pub(in crate::qualification) fn pairs(&self, key: &Key) -> Vec<(usize, usize)> {
        let (child, parent) = (&self.tables[self.child(key)], &self.tables[self.parent(key)]);
        key.columns
            .iter()
            .zip(&key.referenced_columns)
            .filter_map(|(own, other)| Some((child.place(*own)?, parent.place(*other)?)))
            .collect()
    }

    /// The columns that a deletion sets: those that the key names, or all of its own.
    pub(in crate::qualification) fn set_columns(&self, key: &Key) -> Vec<usize> {
        let numbers = if key.set_columns.is_empty() { &key.columns } else { &key.set_columns };
        numbers.iter().filter_map(|number| self.tables[self.child(key)].place(*number)).collect()
    }

    /// The enforced keys of a table.
    pub(in crate::qualification) fn keys_of(&self, table: usize) -> impl Iterator<Item = &Key> {
        self.by_table[table].iter().map(|place| &self.keys[*place])
    }

    /// The domains that a column's type is made of, from the outermost, and the type below them with its modifier and
    /// its words.
    pub(in crate::qualification) fn base(&self, column: &Column) -> (Vec<&Type>, u32, i32, String) {
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
    pub(in crate::qualification) fn not_null(&self, column: &Column) -> bool {
        column.not_null || self.base(column).0.iter().any(|domain| domain.not_null)
    }

    /// The column's default, or its domain's.
    pub(in crate::qualification) fn default<'a>(&'a self, column: &'a Column) -> Option<&'a str> {
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
    pub(in crate::qualification) fn columns_of(&self, unique: &Unique) -> Vec<usize> {
        unique.columns.iter().take(unique.keys).filter_map(|number| self.place(*number)).collect()
    }

    /// The name as people read it.
    pub(in crate::qualification) fn words(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// The name as SQL reads it.
    pub(in crate::qualification) fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// The table without those that inherit from it. The rows of a partitioned one are all in its partitions.
    pub(in crate::qualification) fn only(&self) -> String {
        if self.partitioned { self.sql() } else { format!("ONLY {}", self.sql()) }
    }
}

impl Reaction {
    /// As the key declares it.
    pub(in crate::qualification) fn words(self) -> &'static str {
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
pub(in crate::qualification) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn documents<T: DeserializeOwned>(session: &Session, sql: &str) -> Result<Vec<T>, QueryError> {
    let answer = session.query(sql).await?;
    let texts = answer.into_iter().flatten().filter_map(|row| row.into_iter().next().flatten());
    let parsed: Result<Vec<T>, serde_json::Error> = texts.map(|text| serde_json::from_str(&text)).collect();
    parsed.map_err(|error| QueryError::Protocol { reason: format!("the catalogue reads unlike itself: {error}") })
}
