//! A new column in steps that are brief each. In: the definition of the column. Out: SQL that ends in the same column,
//! constraints and indexes, or none where that is not certain.

use super::definition::{Definition, Item, Kind};
use super::{names, safe};
use crate::migrations::script::Words;
use crate::settings::TableName;

/// What is asked of a new column.
pub(super) struct Asked<'a> {
    table: &'a TableName,
    column: &'a str,
    version: u32,
    definition: Definition<'a>,
}

impl<'a> Asked<'a> {
    /// None where something of it is not understood; the words start with the type.
    pub(super) fn read(table: &'a TableName, column: &'a str, words: Words<'a>, version: u32) -> Option<Asked<'a>> {
        // What is never checked cannot be validated.
        let definition = Definition::read(words).filter(|_| !words.have(&["NOT", "ENFORCED"]))?;
        Some(Asked { table, column, version, definition })
    }

    /// The column with its default first. A primary key is none where rows have no value yet.
    pub(super) fn column_first(&self) -> Option<String> {
        if self.definition.of(Kind::Primary).is_some() {
            return None;
        }
        let plain = self.definition.with(&[Kind::Collate, Kind::Default, Kind::NotNull, Kind::Null]);
        let then = self.constraints()?;
        Some(safe::column_first(self.table, self.column, &plain, &then.join(&between())))
    }

    /// The default for new rows first.
    pub(super) fn default_later(&self) -> Option<String> {
        let default = self.definition.of(Kind::Default)?.inside?.all();
        let plain = self.definition.with(&[Kind::Collate]);
        let then = self.after_filling(false)?;
        Some(safe::default_later(self.table, self.column, &plain, default, &then))
    }

    /// The sequence for new rows first.
    pub(super) fn numbered(&self) -> Option<String> {
        let then = self.after_filling(true)?;
        safe::numbered(self.table, self.column, self.definition.data_type, &then)
    }

    /// What can be asked when every row has a value.
    fn after_filling(&self, serial: bool) -> Option<String> {
        let named = self.definition.of(Kind::NotNull);
        let mut parts = Vec::new();
        if serial || named.is_some() || self.definition.of(Kind::Primary).is_some() {
            let name = named.and_then(|item| item.name.as_deref());
            parts.push(safe::not_null(self.table, self.column, name, self.version)?);
        }
        parts.extend(self.constraints()?);
        Some(parts.join(&between()))
    }

    /// The constraints, each in the words that ask it of an old column; those that build an index come last.
    fn constraints(&self) -> Option<Vec<String>> {
        let mut used = Vec::new();
        let (mut checked, mut indexed) = (Vec::new(), Vec::new());
        for item in &self.definition.items {
            match item.kind {
                Kind::Check | Kind::References => checked.push(self.checked(item, &mut used)?),
                Kind::Unique | Kind::Primary => indexed.push(self.indexed(item, &mut used)?),
                Kind::Generated => return None,
                Kind::Default | Kind::NotNull | Kind::Null | Kind::Collate => {}
            }
        }
        checked.extend(indexed);
        Some(checked)
    }

    fn checked(&self, item: &Item<'_>, used: &mut Vec<String>) -> Option<String> {
        let column = || vec![self.column.to_owned()];
        let (columns, what) = match item.kind {
            Kind::Check => (names::of_check(item.inside?, self.table), "check"),
            _ => (Some(column()), "fkey"),
        };
        let name = self.name(item, columns, what, used)?;
        let text = item.body.all();
        let definition = match item.kind {
            Kind::Check => text.to_owned(),
            _ => format!("FOREIGN KEY ({}) {text}", safe::identifier(self.column)),
        };
        Some(safe::not_valid(self.table, &name, &definition))
    }

    fn indexed(&self, item: &Item<'_>, used: &mut Vec<String>) -> Option<String> {
        let (kind, what, columns) = match item.kind {
            Kind::Unique => ("UNIQUE", "key", vec![self.column.to_owned()]),
            _ => ("PRIMARY KEY", "pkey", Vec::new()),
        };
        let name = self.name(item, Some(columns), what, used)?;
        let nulls = if item.body.have(&["NULLS", "NOT", "DISTINCT"]) { " NULLS NOT DISTINCT" } else { "" };
        let list = format!("({}){nulls}", safe::identifier(self.column));
        Some(safe::using_index(self.table, &name, kind, &list, item.attributes))
    }

    /// Two of a kind have numbers behind their names.
    fn name(
        &self,
        item: &Item<'_>,
        columns: Option<Vec<String>>,
        what: &str,
        used: &mut Vec<String>,
    ) -> Option<String> {
        let own = || {
            let first = names::given(self.table, &columns?, what)?;
            let numbered = (1..).map(|number: usize| format!("{first}{number}"));
            std::iter::once(first.clone()).chain(numbered).find(|name| !used.contains(name))
        };
        let name = item.name.clone().or_else(own).filter(|name| name.len() <= 63)?;
        used.push(name.clone());
        Some(name)
    }
}

fn between() -> String {
    format!("\n{}\n", safe::THEN)
}
