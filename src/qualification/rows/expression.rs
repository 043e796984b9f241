//! Reads what the server prints of an expression, far enough to guess at values for it. In: the text of a check, a
//! bound or an index. Out: the names and the constants in it. Never evaluates anything: the server does that.

use std::collections::BTreeSet;

use squawk_lexer::{LiteralKind, TokenKind, tokenize};

use super::catalogue::quoted;

/// The constants of some expressions, in the order in which they stand there.
#[derive(Debug, Default, Clone)]
pub(in crate::qualification) struct Constants {
    /// Without their quotes.
    pub(in crate::qualification) texts: Vec<String>,
    /// As they are written.
    pub(in crate::qualification) numbers: Vec<String>,
}

impl Constants {
    /// Takes along those of one more expression.
    pub(in crate::qualification) fn add(&mut self, expression: &str) {
        for (kind, text) in tokens(expression) {
            match kind {
                TokenKind::Literal { kind: LiteralKind::Int { .. } | LiteralKind::Numeric { .. } } => {
                    push(&mut self.numbers, text.to_owned());
                }
                TokenKind::Literal { .. } => self.text(string(text)),
                _ => {}
            }
        }
    }

    /// Takes along one value. The server prints a negative number as a text with a cast.
    pub(in crate::qualification) fn text(&mut self, text: String) {
        if text.parse::<f64>().is_ok() {
            push(&mut self.numbers, text.clone());
        }
        push(&mut self.texts, text);
    }
}

/// The words of an expression that may be names of columns. Too many do no harm.
pub(in crate::qualification) fn words(expression: &str) -> BTreeSet<String> {
    tokens(expression)
        .filter_map(|(kind, text)| match kind {
            TokenKind::Ident => Some(text.to_lowercase()),
            TokenKind::QuotedIdent { .. } => {
                Some(text.get(1..text.len().saturating_sub(1)).unwrap_or_default().replace("\"\"", "\""))
            }
            _ => None,
        })
        .collect()
}

/// A domain's check as one on a column: VALUE stands for what is checked.
pub(in crate::qualification) fn with_value(expression: &str, column: &str) -> String {
    tokens(expression)
        .map(|(kind, text)| match kind {
            TokenKind::Ident if text == "VALUE" => quoted(column),
            _ => text.to_owned(),
        })
        .collect()
}

fn tokens(expression: &str) -> impl Iterator<Item = (TokenKind, &str)> {
    let mut at = 0;
    tokenize(expression).map(move |token| {
        let start = at;
        at += usize::try_from(token.len).unwrap_or_default();
        (token.kind, expression.get(start..at).unwrap_or_default())
    })
}

/// What a string constant says. The server prints backslashes as they are, unless an `E` stands before it.
fn string(text: &str) -> String {
    let escapes = text.starts_with(['E', 'e']);
    let inner = text.trim_start_matches(|c| c != '\'');
    let inner = inner.get(1..inner.len().saturating_sub(1)).unwrap_or_default().replace("''", "'");
    if escapes { inner.replace("\\\\", "\\") } else { inner }
}

fn push(list: &mut Vec<String>, text: String) {
    if !list.contains(&text) {
        list.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_constants_are_found_in_what_the_server_prints() {
        let printed = r#"(("Full Name" ~ '^it''s \d+$'::text) AND (length(code) >= 3) AND (x > '-1.5'::numeric))"#;
        let mut constants = Constants::default();
        constants.add(printed);
        assert_eq!(constants.texts, [r"^it's \d+$", "-1.5"]);
        assert_eq!(constants.numbers, ["3", "-1.5"]);
        let words = words(printed);
        assert!(words.contains("Full Name") && words.contains("code") && words.contains("x"), "{words:?}");
        assert!(!words.contains("it"), "{words:?}");
    }

    #[test]
    fn a_domains_check_is_put_on_its_column() {
        assert_eq!(
            with_value("((VALUE > 0) AND (f(VALUE) <> 'VALUE'::text))", "a\"b"),
            r#"(("a""b" > 0) AND (f("a""b") <> 'VALUE'::text))"#
        );
    }
}
