//! The names that PostgreSQL gives to constraints and indexes without one. In: the words of a definition. Out: a name, or
//! none where it is not certain: what is built beside and put in place has to be named as the original would be.

use crate::migrations::script::Words;
use crate::settings::TableName;

/// How long a name may be, in bytes.
const LONGEST: usize = 63;

/// `orders_total_check`; none where PostgreSQL would have to shorten it.
pub(super) fn given(table: &TableName, columns: &[String], what: &str) -> Option<String> {
    let mut parts = vec![table.table()];
    parts.extend(columns.iter().map(String::as_str));
    parts.push(what);
    Some(parts.join("_")).filter(|name| name.len() <= LONGEST)
}

/// The columns of a list; none where there is something else in it.
pub(super) fn columns(list: Words<'_>) -> Option<Vec<String>> {
    let column = |mut part: Words<'_>| part.identifier().filter(|_| part.start().is_none());
    list.parts().into_iter().map(column).collect()
}

/// What an index is named after: its columns and functions, and the columns that it includes.
pub(super) fn of_index(list: Words<'_>, include: Option<Words<'_>>) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for part in list.parts().into_iter().chain(include.into_iter().flat_map(Words::parts)) {
        let own = element(part)?;
        let numbered = std::iter::once(own.clone()).chain((1..).map(|number: usize| format!("{own}{number}")));
        names.extend(numbered.into_iter().find(|name| !names.contains(name)));
    }
    Some(names)
}

fn element(mut part: Words<'_>) -> Option<String> {
    /// What looks like a function and is named after something else.
    const OTHERS: [&str; 9] =
        ["cast", "trim", "treat", "collation", "xmlelement", "xmlforest", "xmlpi", "xmlroot", "xmlserialize"];
    if let Some(inside) = part.eat_parenthesis() {
        return is_operation(inside).then(|| "expr".to_owned());
    }
    let name = part.name()?;
    let is_function = part.eat_parenthesis().is_some();
    let certain = if is_function { !OTHERS.contains(&name.table()) } else { name.schema().is_none() };
    certain.then(|| name.table().to_owned())
}

/// Columns and values with operators between them, which have no name.
fn is_operation(words: Words<'_>) -> bool {
    let mut operators = false;
    words.everywhere().all(|words| {
        let token = words.token();
        let operator = token.chars().all(|c| "+-*/%<>=|&#~!?@^".contains(c));
        operators |= operator;
        let keyword = words.is_any(&["CASE", "COLLATE", "AT", "ARRAY", "ROW", "EXISTS"]);
        operator || words.is_literal() || is_identifier(words) && !keyword
    }) && operators
}

fn is_identifier(mut words: Words<'_>) -> bool {
    words.identifier().is_some()
}

/// What a CHECK is named after: its column where it names one alone. None where that is not certain.
pub(super) fn of_check(expression: Words<'_>, table: &TableName) -> Option<Vec<String>> {
    /// Words between values.
    const BETWEEN: [&str; 16] = [
        "AND", "OR", "NOT", "IS", "NULL", "IN", "BETWEEN", "LIKE", "ILIKE", "TRUE", "FALSE", "UNKNOWN", "DISTINCT",
        "FROM", "ANY", "ALL",
    ];
    let mut found: Vec<String> = Vec::new();
    let mut rest = expression;
    while rest.start().is_some() {
        if rest.token() == ":" || rest.token() == "::" {
            while rest.eat_sign(":") || rest.eat_sign("::") {}
            rest.name()?;
            rest.eat_parenthesis();
            continue;
        }
        if rest.is_any(&BETWEEN) || !is_identifier(rest) {
            // Array brackets hold values like any others; a field of a row does not follow a column's name.
            if rest.token() == "." {
                return None;
            }
            rest.skip();
            continue;
        }
        if rest.is_any(&["CASE", "CAST", "EXTRACT", "INTERVAL", "COLLATE", "AT", "ARRAY", "OVERLAPS", "SIMILAR"]) {
            return None;
        }
        let name = rest.name()?;
        if rest.token() == "(" {
            continue;
        }
        // `date '2020-01-01'`, and words that are not known.
        let odd = rest.is_literal() || is_identifier(rest) && !rest.is_any(&BETWEEN);
        if odd || name.schema().is_some_and(|schema| schema != table.table()) || name.table() == table.table() {
            return None;
        }
        if !found.iter().any(|known| known == name.table()) {
            found.push(name.table().to_owned());
        }
    }
    Some(if found.len() == 1 { found } else { Vec::new() })
}
