//! Which relation a name means when its statement's turn comes. In: the names of the database, steps. Out: a relation that
//! exists, one that the release makes itself, or neither. Asks nobody.

use std::collections::{HashMap, HashSet};

use super::steps::Step;
use crate::settings::TableName;

/// Where PostgreSQL looks before the search_path.
const TEMPORARY: &str = "pg_temp";
const SYSTEM: &str = "pg_catalog";

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Meaning {
    /// The table of this id, or that of an index.
    Exists(u32),
    /// What the release makes itself.
    New,
}

/// The names, as they are at one step of the release.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: HashMap<(String, String), Meaning>,
    schemas: HashSet<String>,
    /// The search_path that the session begins with.
    own_path: Vec<String>,
    /// The default partitions, by their partitioned tables.
    defaults: HashMap<u32, u32>,
    /// Another search_path, which the present file has set.
    path: Option<Vec<String>>,
}

impl Names {
    /// The names as they are before the release.
    pub(super) fn new(
        own_path: Vec<String>,
        schemas: HashSet<String>,
        known: HashMap<(String, String), Meaning>,
        defaults: HashMap<u32, u32>,
    ) -> Self {
        Self { known, schemas, own_path, defaults, path: None }
    }

    /// What the name means; none where it is not known.
    pub(super) fn meaning(&self, name: &TableName) -> Option<Meaning> {
        self.key(name).and_then(|key| self.known.get(&key)).copied()
    }

    /// The default partition of a table that exists.
    pub(super) fn default_of(&self, parent: &TableName) -> Option<u32> {
        match self.meaning(parent)? {
            Meaning::Exists(parent) => self.defaults.get(&parent).copied(),
            Meaning::New => None,
        }
    }

    fn path(&self) -> &[String] {
        self.path.as_deref().unwrap_or(&self.own_path)
    }

    fn key(&self, name: &TableName) -> Option<(String, String)> {
        let key = |schema: &str| (schema.to_owned(), name.table().to_owned());
        if let Some(schema) = name.schema() {
            return Some(key(schema));
        }
        let path = self.path().iter().map(String::as_str);
        [TEMPORARY, SYSTEM].into_iter().chain(path).map(key).find(|key| self.known.contains_key(key))
    }

    /// Where a name is made.
    fn made_in(&self, name: &TableName, temporary: bool) -> (String, String) {
        let first = || self.path().iter().find(|schema| self.schemas.contains(*schema)).or(self.path().first());
        let schema = match (temporary, name.schema()) {
            (true, _) => TEMPORARY.to_owned(),
            (false, Some(schema)) => schema.to_owned(),
            (false, None) => first().cloned().unwrap_or_default(),
        };
        (schema, name.table().to_owned())
    }

    /// Goes on by a step.
    pub(super) fn follow(&mut self, step: &Step) {
        match step {
            Step::File => {
                self.path = None;
                self.known.retain(|(schema, _), _| schema != TEMPORARY);
            }
            Step::Path(path) => self.path.clone_from(path),
            Step::CreateSchema(schema) => {
                self.schemas.insert(schema.clone());
            }
            Step::DropSchema(gone) => {
                self.schemas.remove(gone);
                self.known.retain(|(schema, _), _| schema != gone);
            }
            Step::Create { name, unless_exists, temporary } => {
                let key = self.made_in(name, *temporary);
                if !unless_exists || !self.known.contains_key(&key) {
                    self.known.insert(key, Meaning::New);
                }
            }
            Step::CreateIndex { name, table } => {
                if let Some(((schema, _), meaning)) = self.key(table).zip(self.meaning(table)) {
                    self.known.entry((schema, name.clone())).or_insert(meaning);
                }
            }
            Step::Drop(name) => {
                self.no_default(name);
                self.take(name);
            }
            Step::Rename(name, to) => self.put(name, |(schema, _)| (schema, to.clone())),
            Step::SetSchema(name, to) => self.put(name, |(_, table)| (to.clone(), table)),
            Step::Partition { parent, part, default, .. } => self.partition(parent, part, *default),
            Step::Detach(part) => self.no_default(part),
            Step::Work(_) => {}
        }
    }

    fn take(&mut self, name: &TableName) -> Option<((String, String), Meaning)> {
        self.key(name).and_then(|key| self.known.remove_entry(&key))
    }

    fn put(&mut self, name: &TableName, to: impl FnOnce((String, String)) -> (String, String)) {
        if let Some((key, meaning)) = self.take(name) {
            self.known.insert(to(key), meaning);
        }
    }

    fn partition(&mut self, parent: &TableName, part: &TableName, default: bool) {
        if let (Some(Meaning::Exists(parent)), Some(Meaning::Exists(part)), true) =
            (self.meaning(parent), self.meaning(part), default)
        {
            self.defaults.insert(parent, part);
        }
    }

    fn no_default(&mut self, part: &TableName) {
        if let Some(Meaning::Exists(part)) = self.meaning(part) {
            self.defaults.retain(|_, default| *default != part);
        }
    }
}
