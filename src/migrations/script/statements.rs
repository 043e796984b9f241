//! Statements, split as the server splits a message. In: a text. Out: ranges, in order, one at a time. Keeps the first
//! tokens of one statement and nothing else.

use std::ops::Range;

use squawk_lexer::TokenKind;

use super::chunks::BREAKPOINT;
use super::classify::{StatementKind, classify};
use super::place::Place;
use super::tokens::{Token, Tokens};
use super::words::{Lexeme, Words};

/// How many tokens of a statement are kept whatever they are, and how many after these that stand outside parentheses.
/// Together they hold the `TO STDOUT` of a `COPY (query)` and bound the memory for a list of a million values.
const KEPT: usize = 128;
const KEPT_OUTSIDE: usize = 256;
/// How many are kept of a statement that defines something: an `ALTER TABLE` has as many actions as a table has columns.
const KEPT_OF_DEFINITION: usize = 32 * 1024;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its bytes, without the comments and spaces around it and without the semicolon.
    pub range: Range<usize>,
    /// The line on which it starts, counted from 1.
    pub line: usize,
    /// The column at which it starts, in characters, counted from 1.
    pub column: usize,
    /// What it means for a transaction.
    pub kind: StatementKind,
}

/// The statements of a text that the server would answer: empty ones are left out, as they get no CommandComplete.
pub struct Statements<'a>(Splitter<'a>);

impl<'a> Statements<'a> {
    /// Starts at the beginning of a text.
    pub fn new(sql: &'a str) -> Statements<'a> {
        Statements(Splitter::new(sql))
    }
}

impl Iterator for Statements<'_> {
    type Item = Statement;

    fn next(&mut self) -> Option<Statement> {
        loop {
            if let Piece::Statement { place, end } = self.0.next_piece()? {
                let kind = classify(self.0.words());
                return Some(Statement { range: place.byte..end, line: place.line, column: place.column, kind });
            }
        }
    }
}

/// Gives the statement of this number, counted from 1: the failing one is the number of CommandCompletes and one.
pub fn nth_statement(sql: &str, number: usize) -> Option<Statement> {
    Statements::new(sql).nth(number.checked_sub(1)?)
}

/// What [`walk`] comes across.
pub(crate) enum Found<'a> {
    /// A comment.
    Comment(Range<usize>),
    /// A statement: its first words, and its bytes.
    Statement(Words<'a>, Range<usize>),
}

/// Gives every comment and statement of a text to `each`; `drizzle` where breakpoints end statements. A comment inside a
/// statement comes before it.
pub(crate) fn walk(sql: &str, drizzle: bool, mut each: impl FnMut(Found<'_>)) {
    let mut splitter = if drizzle { Splitter::of_chunks(sql) } else { Splitter::new(sql) };
    while let Some(piece) = splitter.next_piece() {
        match piece {
            Piece::Comment { token, .. } => each(Found::Comment(token.range())),
            Piece::Statement { place, end } => each(Found::Statement(splitter.words(), place.byte..end)),
            Piece::Backslash { .. } => {}
        }
    }
}

/// What the splitter comes across.
pub(super) enum Piece {
    /// A comment; `leading` before the first token of the text that is none.
    Comment { token: Token, leading: bool },
    /// A backslash, which no SQL has outside quotes.
    Backslash { token: Token },
    /// The end of a statement; its first words are at hand until the next piece.
    Statement { place: Place, end: usize },
}

/// Splits a text.
pub(super) struct Splitter<'a> {
    sql: &'a str,
    tokens: Tokens<'a>,
    place: Place,
    leading: bool,
    unterminated: bool,
    head: Vec<Lexeme>,
    /// Whether the statement defines something; known once the head is long.
    defines: bool,
    cut: bool,
    /// Where the present statement starts, and the end of its last token.
    begun: Option<(Place, usize)>,
    previous: Option<Lexeme>,
    depth: usize,
    /// How many `BEGIN ATOMIC` and `CASE` are open.
    body: usize,
    /// Whether a breakpoint of drizzle-kit ends a statement.
    chunks: bool,
    /// The breakpoints that ended one.
    open_breakpoints: Vec<usize>,
    /// A comment met while a statement was open, to be given next.
    held_back: Option<Token>,
}

impl<'a> Splitter<'a> {
    pub(super) fn new(sql: &'a str) -> Splitter<'a> {
        Splitter {
            sql,
            tokens: Tokens::new(sql),
            place: Place::START,
            leading: true,
            unterminated: false,
            head: Vec::new(),
            defines: false,
            cut: false,
            begun: None,
            previous: None,
            depth: 0,
            body: 0,
            chunks: false,
            open_breakpoints: Vec::new(),
            held_back: None,
        }
    }

    /// As [`Self::new`], of a file of drizzle-kit: a breakpoint ends a statement, semicolon or not.
    pub(super) fn of_chunks(sql: &'a str) -> Splitter<'a> {
        Splitter { chunks: true, ..Splitter::new(sql) }
    }

    /// Gives the breakpoints that ended a statement without a semicolon.
    pub(super) fn open_breakpoints(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.open_breakpoints)
    }

    /// Gives the first words of the statement last reported.
    pub(super) fn words(&self) -> Words<'_> {
        Words::new(self.sql, &self.head, self.cut)
    }

    /// Says whether a quote, comment, parenthesis or body was left open.
    pub(super) fn is_unterminated(&self) -> bool {
        self.unterminated
    }

    /// Counts lines and columns on to a byte; never back.
    pub(super) fn place(&mut self, byte: usize) -> Place {
        self.place = self.place.advance(self.sql, byte);
        self.place
    }

    /// Goes on at a later byte, as if a statement started there.
    pub(super) fn resume(&mut self, byte: usize) {
        self.tokens.skip_to(byte);
        self.begun = None;
        self.clear();
    }

    /// Gives the byte after the last token.
    pub(super) fn at(&self) -> usize {
        self.tokens.at()
    }

    pub(super) fn next_piece(&mut self) -> Option<Piece> {
        if let Some(token) = self.held_back.take() {
            return Some(Piece::Comment { token, leading: self.leading });
        }
        while let Some(token) = self.tokens.next() {
            self.unterminated |= token.is_unterminated();
            match token.kind {
                TokenKind::Whitespace => {}
                TokenKind::LineComment if self.ends_open_statement(token) => {
                    self.open_breakpoints.push(token.start);
                    self.held_back = Some(token);
                    return self.finish();
                }
                TokenKind::LineComment | TokenKind::BlockComment { .. } => {
                    return Some(Piece::Comment { token, leading: self.leading });
                }
                TokenKind::Semi if self.depth == 0 && self.body == 0 => {
                    self.leading = false;
                    if let Some(piece) = self.finish() {
                        return Some(piece);
                    }
                }
                kind => {
                    self.take(token);
                    if kind == TokenKind::Unknown && self.sql.as_bytes().get(token.start) == Some(&b'\\') {
                        return Some(Piece::Backslash { token });
                    }
                }
            }
        }
        self.unterminated |= self.depth > 0 || self.body > 0;
        self.finish()
    }

    fn ends_open_statement(&self, token: Token) -> bool {
        self.chunks
            && self.begun.is_some()
            && self.depth == 0
            && self.body == 0
            && self.sql.get(token.range()).is_some_and(|comment| comment.starts_with(BREAKPOINT))
    }

    fn finish(&mut self) -> Option<Piece> {
        self.depth = 0;
        self.body = 0;
        self.begun.take().map(|(place, end)| Piece::Statement { place, end })
    }

    fn clear(&mut self) {
        self.head.clear();
        self.defines = false;
        self.cut = false;
        self.previous = None;
        self.depth = 0;
        self.body = 0;
    }

    fn take(&mut self, token: Token) {
        self.leading = false;
        match &mut self.begun {
            Some((_, end)) => *end = token.end,
            None => {
                self.clear();
                self.begun = Some((self.place(token.start), token.end));
            }
        }
        if token.kind == TokenKind::CloseParen {
            self.depth = self.depth.saturating_sub(1);
        }
        let lexeme = Lexeme { kind: token.kind, start: token.start, end: token.end, depth: self.depth };
        if token.kind == TokenKind::OpenParen {
            self.depth += 1;
        }
        if token.kind == TokenKind::Ident {
            self.follow_body(lexeme);
        }
        self.keep(lexeme);
        self.previous = Some(lexeme);
    }

    fn keep(&mut self, lexeme: Lexeme) {
        let kept = self.head.len();
        if kept == KEPT && !self.defines {
            self.defines = self.words().is_any(&["ALTER", "CREATE", "DROP", "TRUNCATE"]);
        }
        let room = if self.defines { KEPT_OF_DEFINITION } else { KEPT };
        if kept < room || (lexeme.depth == 0 && kept < KEPT + KEPT_OUTSIDE) {
            self.head.push(lexeme);
        } else {
            self.cut = true;
        }
    }

    /// Follows the body of a routine in standard SQL, whose semicolons split nothing.
    fn follow_body(&mut self, lexeme: Lexeme) {
        if self.body == 0 {
            let opens = self.depth == 0 && self.is(lexeme, "ATOMIC") && self.previous_is("BEGIN");
            self.body = usize::from(opens && self.words().creates_routine());
        } else if self.previous_is("AS") || self.previous.is_some_and(|p| p.kind == TokenKind::Dot) {
            // After these `case` and `end` are names.
        } else if self.is(lexeme, "CASE") {
            self.body += 1;
        } else if self.is(lexeme, "END") {
            self.body -= 1;
        }
    }

    fn is(&self, lexeme: Lexeme, keyword: &str) -> bool {
        self.sql.get(lexeme.start..lexeme.end).is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    fn previous_is(&self, keyword: &str) -> bool {
        self.previous.is_some_and(|p| p.kind == TokenKind::Ident && self.is(p, keyword))
    }
}

impl Words<'_> {
    fn creates_routine(mut self) -> bool {
        self.eat("CREATE") && {
            self.eat_all(&["OR", "REPLACE"]);
            self.eat_any(&["FUNCTION", "PROCEDURE"])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(sql: &str) -> Vec<&str> {
        Statements::new(sql).map(|statement| &sql[statement.range]).collect()
    }

    #[test]
    fn semicolons_split_and_empty_statements_are_left_out() {
        assert_eq!(split(";; select 1 ;; -- c\n; select 2 /* ; */ ; /* x */"), ["select 1", "select 2"]);
        assert_eq!(split("\u{feff}-- only a comment"), Vec::<&str>::new());
        assert_eq!(split("select 1"), ["select 1"]);
    }

    #[test]
    fn quotes_hide_semicolons() {
        for statement in [
            "select ';', \";\", $$;$$, $a$;$$;$a$, E'\\';', U&';', N';', B';', 'it''s;'",
            "select 1 /* ; /* ; */ ; */ + 2",
            "select 'a'\n';'",
            "select a$b, $1, x$$y",
            "do $x$ begin; commit; end $x$",
            "create rule r as on insert to t do (insert into a values (1); delete from b)",
        ] {
            assert_eq!(split(&format!("{statement};select 1;")), [statement, "select 1"], "{statement}");
        }
    }

    #[test]
    fn a_body_in_standard_sql_is_one_statement() {
        for statement in [
            "create function f() returns int begin atomic select 1; select case when a then 1 else 2 end; end",
            "create or replace procedure p(x int) language sql begin atomic insert into t values (1); end",
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT t.end, 1 AS case, x AS end FROM t; END",
            "create function f() returns int begin atomic select case case 1 when 1 then 2 end when 2 then 3 end; end",
            "create function f() returns int begin atomic select (case when a then 1 end); end",
        ] {
            assert_eq!(split(&format!("{statement};select 1;")), [statement, "select 1"], "{statement}");
        }
    }

    #[test]
    fn a_body_is_followed_only_where_a_routine_is_created() {
        assert_eq!(split("begin atomic; select 1"), ["begin atomic", "select 1"]);
        assert_eq!(split("create function f(begin atomic) return 1; select 1").len(), 2);
        assert_eq!(split("create function f() returns int as 'begin' language sql; select 1").len(), 2);
    }

    #[test]
    fn a_failing_statement_is_found_by_its_number() {
        let sql = "-- head\nselect 1;;\n\n/* c */ select\n 2;";
        let second = nth_statement(sql, 2).unwrap();
        assert_eq!((second.line, second.column, &sql[second.range]), (4, 9, "select\n 2"));
        assert!(nth_statement(sql, 0).is_none() && nth_statement(sql, 3).is_none());
    }

    #[test]
    fn a_long_statement_keeps_few_tokens() {
        let sql = format!("insert into t values (1){}", ",(1)".repeat(100_000));
        let mut splitter = Splitter::new(&sql);
        assert!(matches!(splitter.next_piece(), Some(Piece::Statement { end, .. }) if end == sql.len()));
        assert!(splitter.head.len() <= KEPT + KEPT_OUTSIDE && splitter.words().is_cut());
    }

    #[test]
    fn a_long_definition_keeps_all_but_the_absurd() {
        let sql = format!("alter table t add a int{}", ", add b text default ('x')".repeat(500));
        let mut splitter = Splitter::new(&sql);
        splitter.next_piece();
        assert_eq!((splitter.words().parts().len(), splitter.words().is_cut()), (501, false));
        let sql = format!("create table t (a int{})", ", b int".repeat(100_000));
        let mut splitter = Splitter::new(&sql);
        splitter.next_piece();
        assert!(splitter.head.len() <= KEPT_OF_DEFINITION + KEPT_OUTSIDE && splitter.words().is_cut());
    }

    #[test]
    fn nothing_but_comments_spaces_and_semicolons_is_between_statements() {
        let parts =
            ["a", ";", " ", "'", "$$", "$x$", "(", ")", "/*", "*/", "--", "\n", "\"", "\\", "begin atomic", "end", "é"];
        let mut seed = 11_usize;
        for round in 0..30_000 {
            let mut sql = if round % 2 == 0 { String::new() } else { "create function f() ".to_owned() };
            for _ in 0..12 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                sql.push_str(parts[(seed >> 33) % parts.len()]);
            }
            let mut at = 0;
            for Statement { range, .. } in Statements::new(&sql) {
                assert!(range.start >= at && range.end > range.start);
                assert_eq!(split(&sql[at..range.start]), Vec::<&str>::new(), "{sql:?}");
                at = range.end;
            }
        }
    }
}
