//! Names of tables as settings write them. In: `schema.table` or `table`. Out: the parts, and their quoted form.

use std::fmt;

/// A table, with its schema where one is given. Parts are taken as written, case included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    schema: Option<String>,
    table: String,
}

/// Why a text names no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TableNameError {
    /// More than two parts.
    #[error("write it as `schema.table` or `table`")]
    Parts,
    /// A part is empty.
    #[error("a part of it is empty")]
    Empty,
    /// A part is longer than PostgreSQL keeps.
    #[error("a part of it is longer than 63 bytes, and PostgreSQL would cut it")]
    Long,
    /// A quote is not closed or stands inside a part.
    #[error("its quotes do not match")]
    Quotes,
}

impl TableName {
    /// A name from its parts.
    pub fn new(schema: Option<&str>, table: &str) -> Self {
        Self { schema: schema.map(ToOwned::to_owned), table: table.to_owned() }
    }

    /// Reads `schema.table` or `table`; a part that holds a dot is written in double quotes.
    ///
    /// # Errors
    /// [`TableNameError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, TableNameError> {
        let mut parts = split(text)?;
        if parts.iter().any(String::is_empty) {
            return Err(TableNameError::Empty);
        }
        if parts.iter().any(|part| part.len() > 63) {
            return Err(TableNameError::Long);
        }
        let table = parts.pop().ok_or(TableNameError::Empty)?;
        let schema = parts.pop();
        if parts.is_empty() { Ok(Self { schema, table }) } else { Err(TableNameError::Parts) }
    }

    /// The schema, where one is given.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The table's own name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The name as SQL: every part quoted.
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote_identifier(schema), quote_identifier(&self.table)),
            None => quote_identifier(&self.table),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text: &str| if text.contains(['.', '"']) { quote_identifier(text) } else { text.to_owned() };
        if let Some(schema) = &self.schema {
            write!(f, "{}.", part(schema))?;
        }
        f.write_str(&part(&self.table))
    }
}

/// An identifier in double quotes, as SQL wants it.
pub fn quote_identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn split(text: &str) -> Result<Vec<String>, TableNameError> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let part = parts.last_mut().ok_or(TableNameError::Empty)?;
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                part.push('"');
            }
            '"' if quoted => {
                quoted = false;
                if !matches!(chars.peek(), None | Some('.')) {
                    return Err(TableNameError::Quotes);
                }
            }
            '"' if part.is_empty() => quoted = true,
            '"' => return Err(TableNameError::Quotes),
            '.' if !quoted => parts.push(String::new()),
            other => part.push(other),
        }
    }
    if quoted { Err(TableNameError::Quotes) } else { Ok(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_as_written() {
        let name = TableName::parse("Drizzle.__migrations__").unwrap();
        assert_eq!(name.quoted(), "\"Drizzle\".\"__migrations__\"");
        assert_eq!(TableName::parse("refinery_schema_history").unwrap().schema(), None);
    }

    #[test]
    fn a_quoted_part_may_hold_a_dot_and_a_quote() {
        let name = TableName::parse("\"my.schema\".\"a\"\"b\"").unwrap();
        assert_eq!((name.schema(), name.table()), (Some("my.schema"), "a\"b"));
        assert_eq!(TableName::parse(&name.to_string()), Ok(name));
    }

    #[test]
    fn what_names_no_table_is_refused() {
        assert_eq!(TableName::parse("a.b.c"), Err(TableNameError::Parts));
        assert_eq!(TableName::parse("a."), Err(TableNameError::Empty));
        assert_eq!(TableName::parse("\"a"), Err(TableNameError::Quotes));
        assert_eq!(TableName::parse("a\"b"), Err(TableNameError::Quotes));
        assert_eq!(TableName::parse(&"x".repeat(64)), Err(TableNameError::Long));
    }
}
