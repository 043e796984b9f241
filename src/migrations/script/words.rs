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
pub(crate) struct Words<'a> {
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
    pub(crate) fn word(self) -> Option<&'a str> {
        let first = self.lexemes.first()?;
        (first.kind == TokenKind::Ident).then(|| self.text(first))
    }

    /// Gives the text of the present token, whatever it is.
    pub(crate) fn token(self) -> &'a str {
        self.lexemes.first().map_or("", |lexeme| self.text(lexeme))
    }

    fn text(self, lexeme: &Lexeme) -> &'a str {
        self.sql.get(lexeme.start..lexeme.end).unwrap_or_default()
    }

    /// Gives the byte at which the present token starts.
    pub(crate) fn start(self) -> Option<usize> {
        self.lexemes.first().map(|lexeme| lexeme.start)
    }

    pub(crate) fn is(self, keyword: &str) -> bool {
        self.word().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    pub(crate) fn is_any(self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    pub(crate) fn is_literal(self) -> bool {
        matches!(self.lexemes.first(), Some(Lexeme { kind: TokenKind::Literal { .. }, .. }))
    }

    /// Says whether the statement ends here.
    pub(crate) fn is_end(self) -> bool {
        self.lexemes.is_empty() && !self.cut
    }

    /// Says whether lexemes are missing at the end.
    pub(crate) fn is_cut(self) -> bool {
        self.cut
    }

    pub(crate) fn skip(&mut self) {
        self.lexemes = self.lexemes.get(1..).unwrap_or_default();
    }

    /// Takes the keyword if it is next.
    pub(crate) fn eat(&mut self, keyword: &str) -> bool {
        let found = self.is(keyword);
        if found {
            self.skip();
        }
        found
    }

    /// Takes one of the keywords if it is next.
    pub(crate) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.eat(keyword))
    }

    /// Takes the keywords if they are next, all of them in this order.
    pub(crate) fn eat_all(&mut self, keywords: &[&str]) -> bool {
        let mut ahead = *self;
        let found = keywords.iter().all(|keyword| ahead.eat(keyword));
        if found {
            *self = ahead;
        }
        found
    }

    /// Takes a sign if it is next.
    pub(crate) fn eat_sign(&mut self, sign: &str) -> bool {
        let found = self.token() == sign;
        if found {
            self.skip();
        }
        found
    }

    /// Takes a parenthesis with what it holds, and gives that.
    pub(crate) fn eat_parenthesis(&mut self) -> Option<Words<'a>> {
        let opening = *self.lexemes.first().filter(|lexeme| lexeme.kind == TokenKind::OpenParen)?;
        let inside = self.lexemes.get(1..).unwrap_or_default();
        let length = inside.iter().position(|lexeme| lexeme.depth <= opening.depth).unwrap_or(inside.len());
        let (inside, rest) = inside.split_at(length);
        self.lexemes = rest.get(1..).unwrap_or_default();
        Some(Words { lexemes: inside, cut: false, ..*self })
    }

    /// Walks the words outside parentheses, each with what follows it.
    pub(crate) fn outside_parentheses(self) -> impl Iterator<Item = Words<'a>> {
        self.everywhere().filter(|words| words.lexemes.first().is_some_and(|lexeme| lexeme.depth == 0))
    }

    /// Walks all words, each with what follows it.
    pub(crate) fn everywhere(self) -> impl Iterator<Item = Words<'a>> {
        (0..self.lexemes.len()).map(move |at| Words { lexemes: self.lexemes.get(at..).unwrap_or_default(), ..self })
    }

    /// Walks the words with as many parentheses around them as the first, each with what follows it.
    pub(crate) fn level(self) -> impl Iterator<Item = Words<'a>> {
        let base = self.lexemes.first().map_or(0, |lexeme| lexeme.depth);
        // What encloses the first ends with it.
        let inside = self.lexemes.iter().take_while(move |lexeme| lexeme.depth >= base).count();
        let lexemes = self.lexemes.get(..inside).unwrap_or_default();
        let words = Words { lexemes, ..self };
        words.everywhere().filter(move |words| words.lexemes.first().is_some_and(|lexeme| lexeme.depth == base))
    }

    /// Splits at the commas that stand outside further parentheses and brackets.
    pub(crate) fn parts(self) -> Vec<Words<'a>> {
        let base = self.lexemes.first().map_or(0, |lexeme| lexeme.depth);
        let mut brackets = 0_usize;
        let at_comma = |lexeme: &Lexeme| {
            match lexeme.kind {
                TokenKind::OpenBracket => brackets += 1,
                TokenKind::CloseBracket => brackets = brackets.saturating_sub(1),
                _ => {}
            }
            lexeme.kind == TokenKind::Comma && lexeme.depth <= base && brackets == 0
        };
        self.lexemes.split(at_comma).map(|lexemes| Words { lexemes, ..self }).collect()
    }

    /// Gives what stands before the first of these keywords outside further parentheses, but the first word itself.
    pub(crate) fn until(self, keywords: &[&str]) -> Words<'a> {
        let base = self.lexemes.first().map_or(0, |lexeme| lexeme.depth);
        let ends = |(at, lexeme): (usize, &Lexeme)| {
            let word = Words { lexemes: self.lexemes.get(at..).unwrap_or_default(), ..self };
            (at > 0 && lexeme.depth <= base && word.is_any(keywords)).then_some(at)
        };
        let end = self.lexemes.iter().enumerate().find_map(ends).unwrap_or(self.lexemes.len());
        Words { lexemes: self.lexemes.get(..end).unwrap_or_default(), cut: false, ..self }
    }

    /// Gives the byte behind the last token.
    pub(crate) fn end(self) -> Option<usize> {
        self.lexemes.last().map(|lexeme| lexeme.end)
    }

    /// Gives the text of all tokens with what stands between them.
    pub(crate) fn all(self) -> &'a str {
        let range = self.start().zip(self.end());
        range.and_then(|(start, end)| self.sql.get(start..end)).unwrap_or_default()
    }

    /// Gives what stands before later words of the same statement.
    pub(crate) fn up_to(self, later: Words<'_>) -> Words<'a> {
        let length = self.lexemes.len().saturating_sub(later.lexemes.len());
        Words { lexemes: self.lexemes.get(..length).unwrap_or_default(), cut: false, ..self }
    }

    /// Gives the text up to where the later words start.
    pub(crate) fn before(self, later: Words<'_>) -> &'a str {
        let end = later.start().unwrap_or(self.sql.len());
        let text = self.start().and_then(|start| self.sql.get(start..end));
        text.unwrap_or_default().trim_end()
    }

    /// Gives the text of all tokens without the first place outside parentheses where these keywords stand in a row.
    pub(crate) fn without(self, keywords: &[&str]) -> String {
        let found = self.outside_parentheses().find_map(|at| {
            let mut behind = at;
            behind.eat_all(keywords).then_some((at, behind))
        });
        let Some((at, behind)) = found else { return self.all().to_owned() };
        let start = self.start().zip(at.start()).and_then(|(from, to)| self.sql.get(from..to)).unwrap_or_default();
        format!("{} {}", start.trim_end(), behind.all()).trim_end().to_owned()
    }

    /// Says whether these keywords stand in a row outside parentheses.
    pub(crate) fn have(self, keywords: &[&str]) -> bool {
        self.outside_parentheses().any(|mut words| words.eat_all(keywords))
    }

    /// Takes an identifier.
    pub(crate) fn identifier(&mut self) -> Option<String> {
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
    pub(crate) fn name(&mut self) -> Option<TableName> {
        let mut name = TableName::new(None, &self.identifier()?);
        while self.eat_sign(".") {
            let next = self.identifier()?;
            name = TableName::new(Some(name.table()), &next);
        }
        Some(name)
    }

    /// Takes the value of a setting or option and says whether it means off.
    pub(crate) fn is_off(self) -> bool {
        let quoted = matches!(
            self.lexemes.first(),
            Some(Lexeme { kind: TokenKind::Literal { kind: LiteralKind::Str { .. } }, .. })
        );
        let value = if quoted { self.token().trim_matches('\'') } else { self.token() };
        ["off", "false", "no", "0", "f", "n"].iter().any(|off| value.eq_ignore_ascii_case(off))
    }

    /// Looks for an option inside parentheses, `(name = value)` or `(name value)`, and says whether it is off; none
    /// where it is not given.
    pub(crate) fn option_off(self, option: &str) -> Option<bool> {
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
