//! The chunks of a file of drizzle-kit. In: comments and statements as they are met. Out: which chunk a statement stands
//! in, and what Drizzle does with a file that leaves its transaction by a chunk that is just `COMMIT;`. Judges the
//! statements behind it; a COMMIT anywhere else is refused as in any other file.

use std::ops::Range;

use super::classify::StatementKind;
use super::facts::setting;
use super::judge::{Alone, LoneStatement, alone};
use super::place::Place;
use super::rule::Rule;
use super::tokens::Token;
use super::words::Words;

/// What drizzle-kit writes between two chunks; Drizzle looks for it anywhere, to the server it is a comment.
pub(super) const BREAKPOINT: &str = "--> statement-breakpoint";

/// The chunks met so far.
#[derive(Default)]
pub(super) struct Chunks {
    /// Where the present chunk begins.
    start: usize,
    /// The statements of the present chunk.
    statements: Vec<Met>,
    commit: Option<Range<usize>>,
    /// What sets the session before the COMMIT, and holds behind it.
    settings: Vec<Range<usize>>,
    lone: Vec<LoneStatement>,
    /// A `BEGIN` behind the COMMIT, refused unless the file ends with it.
    begun: Option<Refused>,
}

/// How a file leaves its transaction.
pub(super) struct Left {
    pub(super) commit: Range<usize>,
    /// What sets the session before the COMMIT.
    pub(super) settings: Vec<Range<usize>>,
    /// What runs behind it.
    pub(super) lone: Vec<LoneStatement>,
}

/// A statement, and what it is good for alone.
struct Met {
    place: Place,
    end: usize,
    kind: StatementKind,
    alone: Result<LoneStatement, Rule>,
}

/// What the judge has to be told.
pub(super) type Refused = (Place, usize, Rule);

impl Chunks {
    /// Whether a COMMIT has been met: what follows runs outside a transaction.
    pub(super) fn outside(&self) -> bool {
        self.commit.is_some()
    }

    /// Takes a statement; it is judged when its chunk ends.
    pub(super) fn statement(&mut self, words: Words<'_>, place: Place, end: usize, kind: StatementKind, text: &str) {
        let range = place.byte..end;
        if !self.outside() && sets_session(words) {
            self.settings.push(range.clone());
        }
        let alone = if words.is("SET") || words.is("RESET") {
            Ok(Alone::default())
        } else {
            alone(words, kind).map_err(Rule::NotRepeatableAfterCommit)
        };
        let alone = alone.map(|alone| alone.statement(range.clone(), range, text.to_owned()));
        self.statements.push(Met { place, end, kind, alone });
    }

    /// Ends the present chunk before a breakpoint or at the end; the next one begins at `next`.
    pub(super) fn end(&mut self, before: usize, next: usize) -> Vec<Refused> {
        let chunk = self.start..before;
        self.start = next;
        let met = std::mem::take(&mut self.statements);
        if self.outside() { self.end_outside(met, chunk) } else { self.end_inside(met) }
    }

    /// A chunk in the transaction: a COMMIT alone in it ends the transaction.
    fn end_inside(&mut self, met: Vec<Met>) -> Vec<Refused> {
        if let [Met { place, end, kind: StatementKind::TransactionControl("COMMIT" | "END"), .. }] = met.as_slice() {
            self.commit = Some(place.byte..*end);
            return Vec::new();
        }
        met.iter().filter_map(Met::transaction_control).collect()
    }

    /// A chunk behind the COMMIT: one statement that can be repeated, or a BEGIN at the very end, which leaves Drizzle's
    /// own COMMIT something to commit.
    fn end_outside(&mut self, met: Vec<Met>, chunk: Range<usize>) -> Vec<Refused> {
        let count = met.len();
        if let Some(Met { place, end, .. }) = met.get(1) {
            return vec![(*place, *end, Rule::ChunkAfterCommit { count })];
        }
        let Some(met) = met.into_iter().next() else { return Vec::new() };
        let mut refused: Vec<Refused> = self.begun.take().into_iter().collect();
        match (met.transaction_control(), met.kind, met.alone) {
            (Some(begun), StatementKind::TransactionControl("BEGIN" | "START TRANSACTION"), _) => {
                self.begun = Some(begun);
            }
            (Some(control), _, _) => refused.push(control),
            (None, _, Ok(lone)) => self.lone.push(LoneStatement { sent: chunk, ..lone }),
            (None, _, Err(rule)) => refused.push((met.place, met.end, rule)),
        }
        refused
    }

    /// What the judge is to know of a file that leaves its transaction.
    pub(super) fn finish(self) -> Option<Left> {
        Some(Left { commit: self.commit?, settings: self.settings, lone: self.lone })
    }
}

/// Whether a statement sets what outlives its transaction.
fn sets_session(mut words: Words<'_>) -> bool {
    if words.eat("RESET") {
        return true;
    }
    if words.eat("SET") {
        return !words.is_any(&["LOCAL", "TRANSACTION", "CONSTRAINTS", "CHARACTERISTICS"]);
    }
    setting(words).is_some()
}

impl Met {
    fn transaction_control(&self) -> Option<Refused> {
        let StatementKind::TransactionControl(statement) = self.kind else { return None };
        let ends = matches!(statement, "COMMIT" | "END");
        let rule = if ends { Rule::CommitChunk { statement } } else { Rule::TransactionControl { statement } };
        Some((self.place, self.end, rule))
    }
}

/// What a comment that holds a breakpoint says besides.
pub(super) struct Breakpoint {
    /// Where the marker begins and the line ends.
    pub(super) marker: Range<usize>,
    /// Whether more than white space stands behind the marker on its line: Drizzle runs it, the server never sees it.
    pub(super) followed: bool,
}

pub(super) fn breakpoint(sql: &str, token: Token) -> Option<Breakpoint> {
    let text = sql.get(token.range())?;
    let found = text.find(BREAKPOINT)?;
    let rest = text.get(found + BREAKPOINT.len()..)?;
    let marker = token.start + found..token.end;
    Some(Breakpoint { marker, followed: !rest.trim().is_empty() })
}
