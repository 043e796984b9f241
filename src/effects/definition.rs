//! Reads the definition of a column, item by item. In: the words behind its name. Out: its type, and what is said of it.

use crate::migrations::script::Words;

/// What ends a column's type, and its default.
pub(super) const CONSTRAINTS: &[&str] =
    &["DEFAULT", "NOT", "NULL", "CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "REFERENCES", "GENERATED", "COLLATE"];

/// The definition of a column.
pub(super) struct Definition<'a> {
    pub(super) data_type: &'a str,
    pub(super) items: Vec<Item<'a>>,
}

/// One thing that is said of it.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) kind: Kind,
    pub(super) name: Option<String>,
    /// All of it, with `CONSTRAINT` and its name.
    pub(super) all: Words<'a>,
    /// All of it but those.
    pub(super) body: Words<'a>,
    /// What stands in its parentheses, or behind `DEFAULT`.
    pub(super) inside: Option<Words<'a>>,
    /// `DEFERRABLE INITIALLY DEFERRED`
    pub(super) attributes: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Default,
    NotNull,
    Null,
    Check,
    Unique,
    Primary,
    References,
    Generated,
    Collate,
}

impl<'a> Definition<'a> {
    /// None where something in it is not understood.
    pub(super) fn read(words: Words<'a>) -> Option<Definition<'a>> {
        let data_type = words.until(CONSTRAINTS);
        let mut rest = words;
        while rest.start() < data_type.end() && rest.start().is_some() {
            rest.skip();
        }
        let mut items = Vec::new();
        while rest.start().is_some() {
            items.push(item(&mut rest)?);
        }
        (!words.is_cut()).then(|| Definition { data_type: data_type.all(), items })
    }

    pub(super) fn of(&self, kind: Kind) -> Option<&Item<'a>> {
        self.items.iter().find(|item| item.kind == kind)
    }

    /// The type with the items of these kinds, as they stand there.
    pub(super) fn with(&self, kinds: &[Kind]) -> String {
        let kept = self.items.iter().filter(|item| kinds.contains(&item.kind)).map(|item| item.all.all());
        std::iter::once(self.data_type).chain(kept).collect::<Vec<_>>().join(" ")
    }
}

fn item<'a>(rest: &mut Words<'a>) -> Option<Item<'a>> {
    let start = *rest;
    let name = if rest.eat("CONSTRAINT") { Some(rest.identifier()?) } else { None };
    let body = *rest;
    let (kind, inside) = kind(rest)?;
    let behind = *rest;
    while rest.eat_any(&["DEFERRABLE", "ENFORCED"])
        || rest.eat_all(&["NOT", "DEFERRABLE"])
        || rest.eat_all(&["INITIALLY", "DEFERRED"])
        || rest.eat_all(&["INITIALLY", "IMMEDIATE"])
    {}
    let attributes = behind.up_to(*rest).all();
    Some(Item { kind, name, all: start.up_to(*rest), body: body.up_to(*rest), inside, attributes })
}

fn kind<'a>(rest: &mut Words<'a>) -> Option<(Kind, Option<Words<'a>>)> {
    if rest.eat_all(&["NOT", "NULL"]) {
        rest.eat_all(&["NO", "INHERIT"]);
        return Some((Kind::NotNull, None));
    }
    if rest.eat("NULL") {
        return Some((Kind::Null, None));
    }
    if rest.eat("CHECK") {
        let inside = rest.eat_parenthesis()?;
        rest.eat_all(&["NO", "INHERIT"]);
        return Some((Kind::Check, Some(inside)));
    }
    if rest.eat("UNIQUE") {
        let _ = rest.eat_all(&["NULLS", "NOT", "DISTINCT"]) || rest.eat_all(&["NULLS", "DISTINCT"]);
        return Some((Kind::Unique, None));
    }
    if rest.eat_all(&["PRIMARY", "KEY"]) {
        return Some((Kind::Primary, None));
    }
    if rest.eat("REFERENCES") {
        references(rest)?;
        return Some((Kind::References, None));
    }
    if rest.eat("DEFAULT") {
        let value = rest.until(CONSTRAINTS);
        while rest.start().is_some() && rest.start() < value.end() {
            rest.skip();
        }
        let nested = value.have(&["CASE"]);
        return Some((Kind::Default, Some(value))).filter(|_| !nested && value.start().is_some());
    }
    if rest.eat("COLLATE") {
        rest.name()?;
        return Some((Kind::Collate, None));
    }
    generated(rest).map(|inside| (Kind::Generated, inside))
}

fn references(rest: &mut Words<'_>) -> Option<()> {
    rest.name()?;
    rest.eat_parenthesis();
    if rest.eat("MATCH") {
        rest.skip();
    }
    while rest.eat("ON") {
        rest.skip();
        if rest.eat("SET") {
            rest.skip();
            rest.eat_parenthesis();
        } else if !rest.eat_all(&["NO", "ACTION"]) {
            rest.skip();
        }
    }
    Some(())
}

fn generated<'a>(rest: &mut Words<'a>) -> Option<Option<Words<'a>>> {
    if !rest.eat("GENERATED") || !rest.eat("ALWAYS") && !rest.eat_all(&["BY", "DEFAULT"]) || !rest.eat("AS") {
        return None;
    }
    if rest.eat("IDENTITY") {
        rest.eat_parenthesis();
        return Some(None);
    }
    let inside = rest.eat_parenthesis()?;
    rest.eat_any(&["STORED", "VIRTUAL"]);
    Some(Some(inside))
}
