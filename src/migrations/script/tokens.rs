//! Tokens, one at a time, as PostgreSQL's lexer (`scan.l`) ends them. In: a text. Out: kinds and ranges. Takes squawk's
//! lexer and mends the two places where it differs.

use std::ops::Range;

use squawk_lexer::{LiteralKind, TokenKind, tokenize};

/// One token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    pub(super) fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// Says whether a quote or comment is left open.
    pub(super) fn is_unterminated(self) -> bool {
        use LiteralKind::{BitStr, ByteStr, DollarQuotedString, EscStr, NationalStr, Str, UnicodeEscStr};
        match self.kind {
            TokenKind::BlockComment { terminated } | TokenKind::QuotedIdent { terminated, .. } => !terminated,
            TokenKind::Literal { kind } => match kind {
                Str { terminated }
                | NationalStr { terminated }
                | ByteStr { terminated }
                | BitStr { terminated }
                | DollarQuotedString { terminated }
                | UnicodeEscStr { terminated }
                | EscStr { terminated } => !terminated,
                LiteralKind::Int { .. } | LiteralKind::Numeric { .. } => false,
            },
            _ => false,
        }
    }
}

/// The tokens of a text, each made when asked for.
pub(super) struct Tokens<'a> {
    sql: &'a str,
    at: usize,
    continuation: Continuation,
}

/// Whether a plain quote would go on with the escape string before it, as SQL has it across a line end.
#[derive(Clone, Copy, PartialEq)]
enum Continuation {
    None,
    AfterString,
    AfterLineEnd,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(sql: &'a str) -> Tokens<'a> {
        Tokens { sql, at: 0, continuation: Continuation::None }
    }

    /// Gives the byte at which the next token starts.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on at a later byte.
    pub(super) fn skip_to(&mut self, byte: usize) {
        self.at = self.sql.ceil_char_boundary(byte.max(self.at).min(self.sql.len()));
        self.continuation = Continuation::None;
    }

    fn lex(&self, rest: &str) -> Option<(TokenKind, usize)> {
        // The lexer takes a byte-order mark for white space where a text starts; here it does so only once.
        if self.at > 0 && rest.starts_with(squawk_lexer::BOM) {
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '\u{80}'..)));
            return Some((TokenKind::Ident, end.unwrap_or(rest.len())));
        }
        let token = tokenize(rest).next()?;
        Some((token.kind, usize::try_from(token.len).ok()?))
    }

    /// Follows `E'…'`, a line end and `'…'`: one string, in whose second part a backslash escapes too.
    fn continue_string(&mut self, kind: TokenKind, text: &str) -> Option<(bool, usize)> {
        use Continuation::{AfterLineEnd, AfterString, None as Nothing};
        let was = self.continuation;
        self.continuation = match kind {
            TokenKind::Literal { kind: LiteralKind::EscStr { .. } } => AfterString,
            TokenKind::Literal { kind: LiteralKind::Str { .. } } if was == AfterLineEnd => AfterString,
            TokenKind::Whitespace if was != Nothing && text.contains(['\n', '\r']) => AfterLineEnd,
            TokenKind::Whitespace | TokenKind::LineComment => was,
            _ => Nothing,
        };
        let continued = was == AfterLineEnd && self.continuation == AfterString && text.starts_with('\'');
        continued.then(|| escape_string_end(self.sql.as_bytes(), self.at + 1))
    }
}

/// Finds the end of an escape string whose opening quote is before `at`, and whether it is closed.
fn escape_string_end(sql: &[u8], mut at: usize) -> (bool, usize) {
    while let Some(byte) = sql.get(at) {
        at += match (byte, sql.get(at + 1)) {
            (b'\\', _) | (b'\'', Some(b'\'')) => 2,
            (b'\'', _) => return (true, at + 1),
            _ => 1,
        };
    }
    (false, sql.len())
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let sql = self.sql;
        let rest = sql.get(self.at..)?;
        let (mut kind, length) = self.lex(rest)?;
        let start = self.at;
        let mut end = start + length;
        if self.continuation != Continuation::None || matches!(kind, TokenKind::Literal { .. }) {
            let text = sql.get(start..end)?;
            if let Some((terminated, byte)) = self.continue_string(kind, text) {
                kind = TokenKind::Literal { kind: LiteralKind::Str { terminated } };
                // A backslash may stand before a character of several bytes.
                end = sql.ceil_char_boundary(byte.min(sql.len()));
            }
        }
        self.at = end;
        Some(Token { kind, start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        Tokens::new(sql)
            .filter(|token| !matches!(token.kind, TokenKind::Whitespace | TokenKind::LineComment))
            .map(|token| &sql[token.range()])
            .collect()
    }

    #[test]
    fn an_escape_string_goes_on_after_a_line_end() {
        assert_eq!(texts("E'a' -- c\n 'b\\';' ;"), ["E'a'", "'b\\';'", ";"]);
        assert_eq!(texts("E'a'\n'b'\n-- c\n'\\'' ;"), ["E'a'", "'b'", "'\\''", ";"]);
        assert_eq!(texts("E'a' 'b\\' ;"), ["E'a'", "'b\\'", ";"]);
        assert_eq!(texts("'a'\n'b\\' ;"), ["'a'", "'b\\'", ";"]);
        assert_eq!(texts("E'a'\n/* c */'b\\' ;"), ["E'a'", "/* c */", "'b\\'", ";"]);
        assert_eq!(texts("E'a'\n'b\\é"), ["E'a'", "'b\\é"]);
    }

    #[test]
    fn a_byte_order_mark_in_the_middle_is_a_letter() {
        assert_eq!(texts("\u{feff}a;\u{feff}b$$c;d"), ["a", ";", "\u{feff}b$$c", ";", "d"]);
    }

    #[test]
    fn tokens_cover_the_text_whatever_it_is() {
        let parts =
            ["E'", "'", "\n", "\\", "\u{feff}", "é", "$$", "$a$", "--", "/*", "*/", "\"", "U&", "1e", "\0", " "];
        let mut seed = 3_usize;
        for _ in 0..50_000 {
            let mut sql = String::new();
            for _ in 0..9 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                sql.push_str(parts[(seed >> 33) % parts.len()]);
            }
            let mut at = 0;
            for token in Tokens::new(&sql) {
                assert!(token.start == at && token.end > at, "{sql:?}");
                at = token.end;
            }
            assert_eq!(at, sql.len(), "{sql:?}");
        }
    }
}
