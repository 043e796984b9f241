//! Where names without a schema lead. In: the statements of a file that set `search_path`. Out: schemas, in order. What the
//! role or the database sets is in no file: without a statement it is `public`.

use crate::migrations::script::Words;
use crate::settings::TableName;

/// The schema of temporary tables, as SQL names it for every session.
pub(super) const TEMPORARY: &str = "pg_temp";
const USUAL: &str = "public";

/// The path that a file has set so far.
#[derive(Debug, Default)]
pub(super) struct SearchPath {
    own: Option<Vec<String>>,
}

impl SearchPath {
    /// Takes note of a statement.
    pub(super) fn note(&mut self, mut words: Words<'_>) {
        if words.eat("RESET") {
            if words.is_any(&["ALL", "search_path"]) {
                self.own = None;
            }
        } else if words.eat("SET") {
            words.eat_any(&["SESSION", "LOCAL"]);
            if words.eat("search_path") {
                self.set(words);
            }
        } else if words.eat("SELECT") && words.name().is_some_and(|name| name.table() == "set_config") {
            self.configured(words);
        }
    }

    fn set(&mut self, mut words: Words<'_>) {
        words.skip();
        let quoted = |text: &str| text.trim_matches('\'').to_owned();
        let schema = |mut part: Words<'_>| {
            if part.is_literal() { Some(quoted(part.token())) } else { part.identifier() }
        };
        self.own = (!words.is("DEFAULT")).then(|| words.parts().into_iter().filter_map(schema).collect());
    }

    /// `set_config('search_path', 'a, b', …)`
    fn configured(&mut self, mut words: Words<'_>) {
        let arguments = words.eat_parenthesis().map(Words::parts).unwrap_or_default();
        let [name, value, ..] = arguments.as_slice() else { return };
        if name.token().trim_matches('\'').eq_ignore_ascii_case("search_path") {
            let list = value.token().trim_matches('\'').split(',');
            self.own = Some(list.map(|schema| schema.trim().trim_matches('"').to_owned()).collect());
        }
    }

    fn schemas(&self) -> impl Iterator<Item = &str> {
        let own =
            self.own.iter().flatten().map(String::as_str).filter(|schema| !schema.is_empty() && *schema != "$user");
        own.chain(self.own.is_none().then_some(USUAL))
    }

    /// The full name of what is created under a name.
    pub(super) fn created(&self, name: &TableName) -> TableName {
        let schema = name.schema().or_else(|| self.schemas().next()).unwrap_or(USUAL);
        TableName::new(Some(schema), name.table())
    }

    /// The full names of what may be meant by a name, in order.
    pub(super) fn meant(&self, name: &TableName) -> Vec<TableName> {
        let full = |schema: &str| TableName::new(Some(schema), name.table());
        match name.schema() {
            Some(schema) => vec![full(schema)],
            None => std::iter::once(TEMPORARY).chain(self.schemas()).map(full).collect(),
        }
    }
}
