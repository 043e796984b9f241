//! Reads what changes rows. In: the words of a statement. Out: effects on the tables whose rows change.

use super::RelationKind::Table;
use super::facts as f;
use super::statement::Reader;
use crate::migrations::script::Words;

/// What an `EXPLAIN` runs: with `ANALYZE` the statement itself.
pub(crate) fn explained<'a>(mut words: Words<'a>) -> Option<Words<'a>> {
    if !words.eat("EXPLAIN") {
        return Some(words);
    }
    let options = words.eat_parenthesis();
    let mut runs = options.and_then(|options| options.option_off("ANALYZE")) == Some(false);
    while words.is_any(&["ANALYZE", "ANALYSE", "VERBOSE"]) {
        runs |= !words.is("VERBOSE");
        words.skip();
    }
    runs.then_some(words)
}

/// The statements that change rows, inside the parentheses and behind them.
pub(super) fn with(words: Words<'_>, reader: &mut Reader<'_>) {
    let mut before = "";
    for words in words.everywhere() {
        // `DO UPDATE`, `FOR UPDATE` and `THEN DELETE` are none.
        let starts = matches!(std::mem::replace(&mut before, words.token()), "(" | ")");
        if starts && words.is_any(&["UPDATE", "DELETE", "INSERT", "MERGE"]) {
            change(words, reader);
        }
    }
}

pub(super) fn copy(mut words: Words<'_>, reader: &mut Reader<'_>) {
    let at = words;
    let table = words.name();
    words.eat_parenthesis();
    if let Some(table) = table.filter(|_| words.is("FROM")) {
        reader.put(&f::COPY_FROM, table, Table, at);
    }
}

/// Says whether a keyword stands in the same parentheses.
fn has(words: Words<'_>, keywords: &[&str]) -> bool {
    words.level().any(|mut words| words.eat_all(keywords))
}

pub(super) fn change(words: Words<'_>, reader: &mut Reader<'_>) {
    let mut rest = words;
    let insert = rest.eat("INSERT");
    let merge = !insert && rest.eat("MERGE");
    if !insert && !merge {
        rest.skip();
    }
    rest.eat_any(&["INTO", "FROM"]);
    rest.eat("ONLY");
    let at = rest;
    let Some(table) = rest.name() else { return };
    let fact = if insert {
        &f::INSERT
    } else if merge
        || words.is_cut()
        || has(words, &["WHERE"])
        || has(words, &["USING"])
        || has(words, &["FROM"]) && !words.is("DELETE")
    {
        &f::UPDATE
    } else {
        &f::UPDATE_ALL
    };
    reader.put(fact, table, Table, at);
}
