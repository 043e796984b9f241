//! Judges one file. In: its text. Out: a [`Judgement`]: every refusal at once, and the facts that plan and apply need.

use std::ops::Range;

use super::classify::{Outside, StatementKind, classify};
use super::directive::{NO_TRANSACTION, directive, means_no_transaction};
use super::facts::{ConcurrentIndex, Gone, concurrent_index, created_table, setting};
use super::names::TableName;
use super::place::Place;
use super::repeat::{NotRepeatable, check_repeatable};
use super::rule::Rule;
use super::statements::{Piece, Splitter};
use super::tokens::Token;
use super::words::Words;

/// What a file says.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// Whether the directive `no-transaction` is in the first comment lines.
    pub no_transaction: bool,
    /// Everything for which the file is refused, from top to bottom.
    pub refusals: Vec<Refusal>,
    /// How many statements the file holds, as the server counts them.
    pub statements: usize,
    /// The line of the first statement that sets `lock_timeout`.
    pub sets_lock_timeout: Option<usize>,
    /// Whether the server may split the text elsewhere: `standard_conforming_strings` is set off, or a quote, comment
    /// or parenthesis is left open.
    pub uncertain: bool,
    /// The tables that the file creates to stay, but those that it drops or renames before.
    pub creates: Vec<TableName>,
    /// The statement of a no-transaction file that may run.
    pub no_transaction_statement: Option<NoTransactionStatement>,
}

/// One reason to refuse a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The bytes meant.
    pub range: Range<usize>,
    /// Why.
    pub rule: Rule,
}

/// The one statement of a no-transaction file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoTransactionStatement {
    /// Its bytes.
    pub range: Range<usize>,
    /// Its text.
    pub text: String,
    /// Whether it builds or drops an index concurrently, waiting for every older writer by design.
    pub concurrently: bool,
    /// The index that a `CREATE INDEX CONCURRENTLY` builds.
    pub creates_index: Option<ConcurrentIndex>,
}

/// Judges the text of a file. A leading byte-order mark is passed over, but counts as a column of the first line.
pub fn judge(sql: &str) -> Judgement {
    let mut judge = Judge::new(sql);
    while let Some(piece) = judge.splitter.next_piece() {
        match piece {
            Piece::Comment { token, leading } => judge.comment(token, leading),
            Piece::Backslash { token } => judge.psql_command(token),
            Piece::Statement { place, end } => judge.statement(place, end),
        }
    }
    judge.finish()
}

struct Judge<'a> {
    sql: &'a str,
    splitter: Splitter<'a>,
    out: Judgement,
    /// Where the directive stands.
    directive: Option<(Place, Range<usize>)>,
    /// Where the second statement starts.
    second: Option<(Place, usize)>,
    gone: Gone,
    /// Whether a search for the end of data after COPY once found none.
    no_data: bool,
}

impl<'a> Judge<'a> {
    fn new(sql: &'a str) -> Judge<'a> {
        Judge {
            sql,
            splitter: Splitter::new(sql),
            out: Judgement::default(),
            directive: None,
            second: None,
            gone: Gone::default(),
            no_data: false,
        }
    }

    fn refuse(&mut self, place: Place, end: usize, rule: Rule) {
        let Place { line, column, byte } = place;
        self.out.refusals.push(Refusal {
            line,
            column,
            range: byte..end,
            rule,
        });
    }

    fn comment(&mut self, token: Token, leading: bool) {
        let text = self.sql.get(token.range()).unwrap_or_default();
        let Some(word) = directive(text) else { return };
        let line_comment = text.starts_with("--");
        let rule = match (leading && line_comment, word == NO_TRANSACTION) {
            (true, true) => {
                self.out.no_transaction = true;
                let place = self.splitter.place(token.start);
                self.directive.get_or_insert((place, token.range()));
                return;
            }
            (true, false) => Rule::UnknownDirective {
                word: word.to_owned(),
            },
            (false, _) if means_no_transaction(word) => Rule::MisplacedDirective,
            (false, _) => return,
        };
        let place = self.splitter.place(token.start);
        self.refuse(place, token.end, rule);
    }

    /// A backslash before a letter is a command of psql; it ends with its line, and so does what stood before it.
    fn psql_command(&mut self, token: Token) {
        let rest = self.sql.get(token.end..).unwrap_or_default();
        let name = rest
            .find(|c: char| c.is_whitespace() || c == ';' || c == '\\')
            .unwrap_or(rest.len());
        let name = rest.get(..name).unwrap_or_default();
        let line = token.end + rest.find('\n').unwrap_or(rest.len());
        if name.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '.' | '!' | '?')) {
            let place = self.splitter.place(token.start);
            let command = format!("\\{}", name.chars().take(40).collect::<String>());
            self.refuse(place, token.end + name.len(), Rule::PsqlCommand { command });
            self.splitter.resume(line);
        }
    }

    fn statement(&mut self, place: Place, end: usize) {
        self.out.statements += 1;
        if self.out.statements == 2 {
            self.second = Some((place, end));
        }
        let kind = classify(self.splitter.words());
        match kind {
            StatementKind::TransactionControl(statement) => {
                self.refuse(place, end, Rule::TransactionControl { statement });
            }
            StatementKind::CopyToStdout => self.refuse(place, end, Rule::CopyToStdout),
            StatementKind::CopyFromStdin => {
                self.refuse(place, end, Rule::CopyFromStdin);
                self.pass_over_data();
            }
            StatementKind::Outside(outside) if !self.out.no_transaction => {
                self.outside(place, end, outside)
            }
            StatementKind::Outside(_) | StatementKind::Savepoint | StatementKind::Other => {
                self.note(place, end, kind)
            }
        }
    }

    fn outside(&mut self, place: Place, end: usize, outside: Outside) {
        let mut words = self.splitter.words();
        words.skip();
        words.skip();
        words.eat_all(&["IF", "EXISTS"]);
        let slotless = outside == Outside::DropSubscription
            && words
                .identifier()
                .is_some_and(|name| self.gone.subscriptions_without_slot.contains(&name));
        if !slotless {
            self.refuse(place, end, Rule::OutsideTransaction(outside));
        }
    }

    /// Takes the facts of a statement that is let through so far.
    fn note(&mut self, place: Place, end: usize, kind: StatementKind) {
        let words = self.splitter.words();
        if let Some((name, off)) = setting(words) {
            if name == "lock_timeout" {
                self.out.sets_lock_timeout.get_or_insert(place.line);
            }
            self.out.uncertain |= name == "standard_conforming_strings" && off;
        }
        self.gone.note(words);
        if let Some(table) = created_table(words).filter(|table| !self.gone.has(table)) {
            self.out.creates.push(table);
        }
        if self.out.no_transaction && self.out.statements == 1 {
            match alone(words, kind) {
                Ok((concurrently, creates_index)) => {
                    let range = place.byte..end;
                    let text = self.sql.get(range.clone()).unwrap_or_default().to_owned();
                    let statement = NoTransactionStatement {
                        range,
                        text,
                        concurrently,
                        creates_index,
                    };
                    self.out.no_transaction_statement = Some(statement);
                }
                Err(reason) => self.refuse(place, end, Rule::NotRepeatable(reason)),
            }
        }
    }

    /// Goes on after the data of a dump, so that it is not taken for SQL.
    fn pass_over_data(&mut self) {
        if self.no_data {
            return;
        }
        let at = self.splitter.at();
        let rest = self.sql.get(at..).unwrap_or_default();
        let end = rest
            .match_indices("\n\\.")
            .map(|(found, mark)| found + mark.len())
            .find(|end| matches!(rest.as_bytes().get(*end), None | Some(b'\n' | b'\r')));
        match end {
            Some(end) => self.splitter.resume(at + end),
            None => self.no_data = true,
        }
    }

    fn finish(mut self) -> Judgement {
        self.out.uncertain |= self.splitter.is_unterminated();
        if let Some((place, range)) = self.directive.take() {
            let count = self.out.statements;
            match self.second.take() {
                // Whether the first could be repeated alone is of no use to the reader yet.
                Some((second, end)) => {
                    self.out
                        .refusals
                        .retain(|refusal| !matches!(refusal.rule, Rule::NotRepeatable(_)));
                    self.refuse(second, end, Rule::SeveralStatements { count });
                }
                None if count == 0 && self.out.refusals.is_empty() => {
                    self.refuse(place, range.end, Rule::NoStatement)
                }
                None => {}
            }
        }
        if !self.out.refusals.is_empty() {
            self.out.no_transaction_statement = None;
        }
        self.out.refusals.sort_by_key(|refusal| refusal.range.start);
        self.out
    }
}

/// Judges the statement of a no-transaction file.
fn alone(
    words: Words<'_>,
    kind: StatementKind,
) -> Result<(bool, Option<ConcurrentIndex>), NotRepeatable> {
    check_repeatable(words, kind)?;
    let concurrently = matches!(
        kind,
        StatementKind::Outside(
            Outside::CreateIndexConcurrently
                | Outside::DropIndexConcurrently
                | Outside::ReindexConcurrently
        )
    );
    let created = kind == StatementKind::Outside(Outside::CreateIndexConcurrently);
    Ok((
        concurrently,
        created.then(|| concurrent_index(words)).flatten(),
    ))
}
