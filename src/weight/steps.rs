//! What a file's statements do to names, and what they do to the tables of these. In: the text of a file. Out: steps in
//! order. Knows no database.

use crate::effects::{Effect, effects};
use crate::migrations::script::{Found, Place, Statements, Words, walk};
use crate::settings::TableName;

/// Where something stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// Which of the pending files.
    pub(super) migration: usize,
    /// The line on which its statement starts.
    pub(super) starts: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// One statement's effect, before the table is known.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) at: At,
    pub(super) effect: Effect,
    /// Whether it says ONLY: partitions and children are left alone.
    pub(super) only: bool,
    /// The column that it is about, where that matters.
    pub(super) column: Option<String>,
}

/// One step.
#[derive(Debug)]
pub(super) enum Step {
    /// A file begins: the session is as new.
    File,
    /// Another search_path; none is the one that the session began with.
    Path(Option<Vec<String>>),
    CreateSchema(String),
    DropSchema(String),
    /// A table, or a materialized view.
    Create {
        name: TableName,
        unless_exists: bool,
        temporary: bool,
    },
    CreateIndex {
        name: String,
        table: TableName,
    },
    Drop(TableName),
    Rename(TableName, String),
    SetSchema(TableName, String),
    /// A partition comes to a table: rows in its default partition may belong in the new one.
    Partition {
        parent: TableName,
        part: TableName,
        default: bool,
        at: At,
    },
    /// A partition leaves its table.
    Detach(TableName),
    Work(Box<Work>),
}

impl Step {
    /// The names of relations that it is about.
    pub(super) fn names(&self) -> Vec<&TableName> {
        match self {
            Self::File | Self::Path(_) | Self::CreateSchema(_) | Self::DropSchema(_) => Vec::new(),
            Self::Create { name, .. } | Self::CreateIndex { table: name, .. } => vec![name],
            Self::Drop(name) | Self::Rename(name, _) | Self::SetSchema(name, _) | Self::Detach(name) => vec![name],
            Self::Partition { parent, part, .. } => vec![parent, part],
            Self::Work(work) => vec![&work.effect.relation],
        }
    }
}

/// The steps of a file; the statements themselves go to `each`.
pub(super) fn read(sql: &str, migration: usize, version: u32, steps: &mut Vec<Step>, mut each: impl FnMut(&str)) {
    steps.push(Step::File);
    for statement in Statements::new(sql) {
        let part = sql.get(statement.range.clone()).unwrap_or_default();
        each(part);
        let place = |byte: usize| {
            // From its own place: a file of many megabytes has as many places as it has statements.
            let start = Place { byte: statement.range.start, line: statement.line, column: statement.column };
            let Place { line, column, .. } = start.advance(sql, statement.range.start + byte);
            At { migration, starts: statement.line, line, column }
        };
        let mut only = false;
        first(part, |words| only = says_only(words));
        for effect in effects(part, version) {
            let column = (effect.fact.name == "SET_NOT_NULL").then(|| column(part.get(effect.at..)?)).flatten();
            steps.push(Step::Work(Box::new(Work { at: place(effect.at), effect, only, column })));
        }
        first(part, |words| change(words, &place, steps));
    }
}

fn first(sql: &str, mut each: impl FnMut(Words<'_>)) {
    let mut seen = false;
    walk(sql, false, |piece| {
        if let Found::Statement(words, _) = piece
            && !std::mem::replace(&mut seen, true)
        {
            each(words);
        }
    });
}

fn says_only(mut words: Words<'_>) -> bool {
    if words.eat_all(&["ALTER", "TABLE"]) {
        words.eat_all(&["IF", "EXISTS"]);
        return words.is("ONLY");
    }
    words.eat("CREATE") && words.have(&["INDEX"]) && words.have(&["ON", "ONLY"])
}

/// The column of `ALTER [COLUMN] c …`.
fn column(action: &str) -> Option<String> {
    let mut found = None;
    first(action, |mut words| {
        words.eat("ALTER");
        words.eat("COLUMN");
        found = words.identifier();
    });
    found
}

fn change(words: Words<'_>, place: &impl Fn(usize) -> At, steps: &mut Vec<Step>) {
    let start = words.start().unwrap_or_default();
    let at = |words: Words<'_>| place(words.start().unwrap_or(start).saturating_sub(start));
    let mut rest = words;
    rest.skip();
    match words.word().unwrap_or_default().to_ascii_uppercase().as_str() {
        "SET" => steps.extend(set(rest)),
        "RESET" if rest.is_any(&["ALL", "search_path"]) => steps.push(Step::Path(None)),
        "SELECT" => steps.extend(select(rest)),
        "CREATE" => create(rest, &at, steps),
        "DROP" => drop(rest, steps),
        "ALTER" => alter(rest, &at, steps),
        _ => {}
    }
}

fn set(mut words: Words<'_>) -> Option<Step> {
    words.eat_any(&["SESSION", "LOCAL"]);
    if words.eat("SCHEMA") {
        return Some(Step::Path(Some(vec![literal(words)?])));
    }
    if !words.eat("search_path") || !(words.eat("TO") || words.eat_sign("=")) {
        return None;
    }
    if words.is("DEFAULT") {
        return Some(Step::Path(None));
    }
    let one = |mut part: Words<'_>| literal(part).or_else(|| part.identifier());
    Some(Step::Path(Some(words.parts().into_iter().filter_map(one).collect())))
}

/// A plain string.
fn literal(words: Words<'_>) -> Option<String> {
    let text = words.token().strip_prefix('\'')?.strip_suffix('\'')?;
    Some(text.replace("''", "'"))
}

/// `SELECT set_config('search_path', …)`, and `SELECT … INTO t FROM …`.
fn select(words: Words<'_>) -> Option<Step> {
    let mut call = words;
    if call.name().is_some_and(|name| name.table() == "set_config") {
        let mut arguments = call.eat_parenthesis()?.parts().into_iter();
        let named = arguments.next().and_then(literal).is_some_and(|name| name.eq_ignore_ascii_case("search_path"));
        let path = arguments.next().and_then(literal).filter(|_| named)?;
        let one = |word: &str| word.trim().trim_matches('"').to_owned();
        return Some(Step::Path(Some(path.split(',').map(one).filter(|word| !word.is_empty()).collect())));
    }
    let mut into = words.outside_parentheses().find_map(|mut words| words.eat("INTO").then_some(words))?;
    let temporary = into.eat_any(&["TEMP", "TEMPORARY"]);
    into.eat("UNLOGGED");
    into.eat("TABLE");
    into.name().map(|name| Step::Create { name, unless_exists: false, temporary })
}

fn create(mut words: Words<'_>, at: &impl Fn(Words<'_>) -> At, steps: &mut Vec<Step>) {
    if words.eat("SCHEMA") {
        words.eat_all(&["IF", "NOT", "EXISTS"]);
        words.eat("AUTHORIZATION");
        steps.extend(words.identifier().map(Step::CreateSchema));
        return;
    }
    let mut index = words;
    index.eat("UNIQUE");
    if index.eat("INDEX") {
        index.eat("CONCURRENTLY");
        index.eat_all(&["IF", "NOT", "EXISTS"]);
        let Some(name) = index.identifier().filter(|_| index.eat("ON")) else { return };
        index.eat("ONLY");
        steps.extend(index.name().map(|table| Step::CreateIndex { name, table }));
        return;
    }
    words.eat_any(&["GLOBAL", "LOCAL"]);
    let temporary = words.eat_any(&["TEMP", "TEMPORARY"]);
    words.eat_any(&["UNLOGGED", "FOREIGN"]);
    if !words.eat("TABLE") && !words.eat_all(&["MATERIALIZED", "VIEW"]) {
        return;
    }
    let unless_exists = words.eat_all(&["IF", "NOT", "EXISTS"]);
    let name_at = words;
    let Some(name) = words.name() else { return };
    if words.eat_all(&["PARTITION", "OF"])
        && let Some(parent) = words.name()
    {
        let default = words.have(&["DEFAULT"]) && !words.have(&["FOR", "VALUES"]);
        steps.push(Step::Partition { parent, part: name.clone(), default, at: at(name_at) });
    }
    steps.push(Step::Create { name, unless_exists, temporary });
}

fn drop(mut words: Words<'_>, steps: &mut Vec<Step>) {
    let schema = words.eat("SCHEMA");
    if !schema && !words.eat_any(&["TABLE", "INDEX"]) && !words.eat_all(&["MATERIALIZED", "VIEW"]) {
        return;
    }
    words.eat("CONCURRENTLY");
    words.eat_all(&["IF", "EXISTS"]);
    for mut part in words.parts() {
        steps.extend(part.name().map(|name| match schema {
            true => Step::DropSchema(name.table().to_owned()),
            false => Step::Drop(name),
        }));
    }
}

fn alter(mut words: Words<'_>, at: &impl Fn(Words<'_>) -> At, steps: &mut Vec<Step>) {
    words.eat("FOREIGN");
    if !words.eat_any(&["TABLE", "INDEX"]) && !words.eat_all(&["MATERIALIZED", "VIEW"]) {
        return;
    }
    words.eat_all(&["IF", "EXISTS"]);
    words.eat("ONLY");
    let Some(name) = words.name() else { return };
    words.eat_sign("*");
    let action = words;
    if words.eat_all(&["RENAME", "TO"]) {
        steps.extend(words.identifier().map(|to| Step::Rename(name, to)));
    } else if words.eat_all(&["SET", "SCHEMA"]) {
        steps.extend(words.identifier().map(|to| Step::SetSchema(name, to)));
    } else if words.eat_all(&["ATTACH", "PARTITION"]) {
        let default = |words: Words<'_>| words.is("DEFAULT");
        steps.extend(words.name().map(|part| Step::Partition {
            parent: name,
            part,
            default: default(words),
            at: at(action),
        }));
    } else if words.eat_all(&["DETACH", "PARTITION"]) {
        steps.extend(words.name().map(Step::Detach));
    }
}
