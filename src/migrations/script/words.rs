//! The first words of a statement, walked one by one. In: lexemes. Out: matches and names.

use squawk_lexer::{LiteralKind, TokenKind};

use super::names::{folded, unescaped, unquoted};
use crate::settings::TableName;

/// A token that is neither white space nor comment, with the number of parentheses around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexeme {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) depth: usize,
}

/// A walk over the lexemes of a statement.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    sql: &'a str,
    lexemes: &'a [Lexeme],
    /// Whether the statement goes on beyond the lexemes that were kept.
    cut: bool,
}

impl<'a> Words<'a> {
    pub(super) fn new(sql: &'a str, lexemes: &'a [Lexeme], cut: bool) -> Words<'a> {
        Words { sql, lexemes, cut }
    }

    /// Gives the present word, where it is one without quotes.
    pub(super) fn word(self) -> Option<&'a str> {
        let first = self.lexemes.first()?;
        (first.kind == TokenKind::Ident).then(|| self.text(first))
    }

    /// Gives the text of the present token, whatever it is.
    pub(super) fn token(self) -> &'a str {
        self.lexemes.first().map_or("", |lexeme| self.text(lexeme))
    }

    fn text(self, lexeme: &Lexeme) -> &'a str {
        self.sql.get(lexeme.start..lexeme.end).unwrap_or_default()
    }

    /// Gives the byte at which the present token starts.
    pub(super) fn start(self) -> Option<usize> {
        self.lexemes.first().map(|lexeme| lexeme.start)
    }

    pub(super) fn is(self, keyword: &str) -> bool {
        self.word().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn is_any(self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    pub(super) fn is_literal(self) -> bool {
        matches!(self.lexemes.first(), Some(Lexeme { kind: TokenKind::Literal { .. }, .. }))
    }

    /// Says whether the statement ends here.
    pub(super) fn is_end(self) -> bool {
        self.lexemes.is_empty() && !self.cut
    }

    /// Says whether lexemes are missing at the end.
    pub(super) fn is_cut(self) -> bool {
        self.cut
    }

    pub(super) fn skip(&mut self) {
        self.lexemes = self.lexemes.get(1..).unwrap_or_default();
    }

    /// Takes the keyword if it is next.
    pub(super) fn eat(&mut self, keyword: &str) -> bool {
        let found = self.is(keyword);
        if found {
            self.skip();
        }
        found
    }

    /// Takes one of the keywords if it is next.
    pub(super) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.eat(keyword))
    }

    /// Takes the keywords if they are next, all of them in this order.
    pub(super) fn eat_all(&mut self, keywords: &[&str]) -> bool {
        let mut ahead = *self;
        let found = keywords.iter().all(|keyword| ahead.eat(keyword));
        if found {
            *self = ahead;
        }
        found
    }

    /// Takes a sign if it is next.
    pub(super) fn eat_sign(&mut self, sign: &str) -> bool {
        let found = self.token() == sign;
        if found {
            self.skip();
        }
        found
    }

    /// Takes a parenthesis with what it holds, and gives that.
    pub(super) fn eat_parenthesis(&mut self) -> Option<Words<'a>> {
        let opening = *self.lexemes.first().filter(|lexeme| lexeme.kind == TokenKind::OpenParen)?;
        let inside = self.lexemes.get(1..).unwrap_or_default();
        let length = inside.iter().position(|lexeme| lexeme.depth <= opening.depth).unwrap_or(inside.len());
        let (inside, rest) = inside.split_at(length);
        self.lexemes = rest.get(1..).unwrap_or_default();
        Some(Words { lexemes: inside, cut: false, ..*self })
    }

    /// Walks the words outside parentheses, each with what follows it.
    pub(super) fn outside_parentheses(self) -> impl Iterator<Item = Words<'a>> {
        self.everywhere().filter(|words| words.lexemes.first().is_some_and(|lexeme| lexeme.depth == 0))
    }

    /// Walks all words, each with what follows it.
    pub(super) fn everywhere(self) -> impl Iterator<Item = Words<'a>> {
        (0..self.lexemes.len()).map(move |at| Words { lexemes: self.lexemes.get(at..).unwrap_or_default(), ..self })
    }

    /// Says whether these keywords stand in a row outside parentheses.
    pub(super) fn have(self, keywords: &[&str]) -> bool {
        self.outside_parentheses().any(|mut words| words.eat_all(keywords))
    }

    /// Takes an identifier.
    pub(super) fn identifier(&mut self) -> Option<String> {
        let first = self.lexemes.first()?;
        let text = self.text(first);
        let name = match first.kind {
            TokenKind::Ident => folded(text),
            TokenKind::QuotedIdent { uescape: false, .. } => unquoted(text),
            TokenKind::QuotedIdent { uescape: true, .. } => {
                self.skip();
                return Some(unescaped(text, self.escape_character()));
            }
            _ => return None,
        };
        self.skip();
        Some(name)
    }

    fn escape_character(&mut self) -> char {
        if !self.eat("UESCAPE") {
            return '\\';
        }
        let character = self.token().chars().nth(1).unwrap_or('\\');
        self.skip();
        character
    }

    /// Takes a name with or without schema; a database before the schema is passed over.
    pub(super) fn name(&mut self) -> Option<TableName> {
        let mut name = TableName::new(None, &self.identifier()?);
        while self.eat_sign(".") {
            let next = self.identifier()?;
            name = TableName::new(Some(name.table()), &next);
        }
        Some(name)
    }

    /// Takes the value of a setting or option and says whether it means off.
    pub(super) fn is_off(self) -> bool {
        let quoted = matches!(
            self.lexemes.first(),
            Some(Lexeme { kind: TokenKind::Literal { kind: LiteralKind::Str { .. } }, .. })
        );
        let value = if quoted { self.token().trim_matches('\'') } else { self.token() };
        ["off", "false", "no", "0", "f", "n"].iter().any(|off| value.eq_ignore_ascii_case(off))
    }

    /// Looks for an option inside parentheses, `(name = value)` or `(name value)`, and says whether it is off; none
    /// where it is not given.
    pub(super) fn option_off(self, option: &str) -> Option<bool> {
        self.everywhere().filter(|words| words.lexemes.first().is_some_and(|lexeme| lexeme.depth > 0)).find_map(
            |mut words| {
                words.eat(option).then(|| {
                    words.eat_sign("=");
                    words.is_off()
                })
            },
        )
    }
}
