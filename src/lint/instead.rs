//! The way out of what squawk's rules find, as SQL. In: a rule and a statement. Out: SQL, where there is some that can be
//! pasted; elsewhere the hint has to do.

use crate::effects::quoted;
use crate::migrations::script::{Found, Words, walk};
use crate::settings::TableName;

/// `byte` is where in the statement the rule found something.
pub(super) fn of(rule: &str, statement: &str, byte: usize) -> Option<String> {
    let mut found = None;
    walk(statement, false, |piece| {
        if let Found::Statement(words, _) = piece {
            found = found.take().or_else(|| read(rule, words, byte));
        }
    });
    found
}

fn read(rule: &str, mut words: Words<'_>, byte: usize) -> Option<String> {
    if !words.eat_all(&["ALTER", "TABLE"]) {
        return None;
    }
    // Each of these would have to be carried to every line.
    if words.is("IF") || words.is("ONLY") {
        return None;
    }
    let table = words.name()?;
    words.eat_sign("*");
    match rule {
        "renaming-table" if words.eat_all(&["RENAME", "TO"]) => {
            let new = TableName::new(table.schema(), &words.identifier()?);
            let (old, short, new) = (quoted(&table), quoted(&TableName::new(None, new.table())), quoted(&new));
            Some(format!(
                "-- schemagate: allow renaming-table because the view keeps the old name for the release that still runs\n\
                 ALTER TABLE {old} RENAME TO {short};\nCREATE VIEW {old} AS SELECT * FROM {new};"
            ))
        }
        "ban-set-schema" if words.eat_all(&["SET", "SCHEMA"]) => {
            let schema = words.identifier()?;
            let (old, new) = (quoted(&table), quoted(&TableName::new(Some(&schema), table.table())));
            let schema = quoted(&TableName::new(None, &schema));
            Some(format!(
                "-- schemagate: allow ban-set-schema because the view keeps the old name for the release that still runs\n\
                 ALTER TABLE {old} SET SCHEMA {schema};\nCREATE VIEW {old} AS SELECT * FROM {new};"
            ))
        }
        "adding-required-field" => {
            let before = |part: &Words<'_>| part.start().is_some_and(|start| start <= byte);
            let parts = words.parts();
            // The other actions would be lost.
            let alone = parts.len() == 1;
            nullable(parts.into_iter().rfind(before).filter(|_| alone)?, &table)
        }
        _ => None,
    }
}

/// `ADD COLUMN a int NOT NULL` without its NOT NULL, which an old row cannot have.
fn nullable(mut words: Words<'_>, table: &TableName) -> Option<String> {
    if !words.eat("ADD") {
        return None;
    }
    words.eat("COLUMN");
    if words.is_any(&["IF"]) {
        return None;
    }
    let start = words;
    let column = words.identifier()?;
    // A primary key is NOT NULL too, and the name of a NOT NULL would be left over.
    let more = ["DEFAULT", "GENERATED", "PRIMARY", "CONSTRAINT"].iter().any(|word| start.have(&[word]));
    if !start.have(&["NOT", "NULL"]) || more {
        return None;
    }
    let (table, column) = (quoted(table), quoted(&TableName::new(None, &column)));
    Some(format!(
        "ALTER TABLE {table} ADD COLUMN {};\n-- fill it, and in a later release:\n\
         ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;",
        start.without(&["NOT", "NULL"])
    ))
}
