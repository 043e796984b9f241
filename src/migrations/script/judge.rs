//! Judges one file. In: its text. Out: a [`Judgement`]: every refusal at once, and the facts that plan and apply need.

use std::borrow::Cow;
use std::ops::Range;

use super::chunks::{Breakpoint, Chunks, Left, Refused, breakpoint};
use super::classify::{Outside, StatementKind, classify};
use super::directive::{NO_TRANSACTION, directive, down_mark, is_for_lint, means_no_transaction};
use super::facts::{ConcurrentIndex, Gone, Reindexed, concurrent_index, created_table, reindexed, setting};
use super::place::Place;
use super::repeat::{NotRepeatable, check_repeatable};
use super::rule::Rule;
use super::session::{keeps_session, may_defer, runs_unseen};
use super::statements::{Piece, Splitter};
use super::tokens::Token;
use super::words::Words;
use crate::settings::TableName;

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
    /// What the file drops or renames.
    pub gone: Gone,
    /// The COMMIT with which a drizzle-kit file leaves its transaction: what stands before it is its transactional part.
    pub commit: Option<Range<usize>>,
    /// What sets the session before that COMMIT, to be said again behind it: between the two our own statements run.
    pub settings: Vec<Range<usize>>,
    /// What runs outside a transaction, one by one: the statement of a no-transaction file, or those behind the COMMIT.
    pub lone: Vec<LoneStatement>,
    /// Whether no statement of the file can leave anything behind in the session, unless an event trigger does.
    pub keeps_session: bool,
    /// Whether a statement may make a constraint that can be deferred.
    pub may_defer: bool,
    /// Whether a statement may define what it does not name.
    pub runs_unseen: bool,
    /// Where a breakpoint ends a statement that has no semicolon: Drizzle sends the chunks by themselves.
    pub open_breakpoints: Vec<usize>,
}

impl Judgement {
    /// Whether something of the file runs outside a transaction.
    pub fn leaves_transaction(&self) -> bool {
        self.no_transaction || self.commit.is_some()
    }

    /// Gives the text to send for one in which breakpoints end statements: of the same length, so that places stay.
    pub fn sent<'t>(&self, sql: &'t str) -> Cow<'t, str> {
        if self.open_breakpoints.is_empty() {
            return Cow::Borrowed(sql);
        }
        let mut sent = sql.to_owned();
        for at in &self.open_breakpoints {
            // `-->` becomes `;--`: the statement ends and the rest of the line is a comment still.
            sent.replace_range(*at..at + 3, ";--");
        }
        Cow::Owned(sent)
    }
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

/// A statement that runs alone, outside a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoneStatement {
    /// The bytes to send: the whole file, or its chunk.
    pub sent: Range<usize>,
    /// Its own bytes.
    pub range: Range<usize>,
    /// Its text.
    pub text: String,
    /// Whether it builds or drops an index concurrently, waiting for every older writer by design.
    pub concurrently: bool,
    /// The index that a `CREATE INDEX CONCURRENTLY` builds.
    pub creates_index: Option<ConcurrentIndex>,
    /// What a `REINDEX … CONCURRENTLY` rebuilds.
    pub reindexes: Option<Reindexed>,
}

/// Judges the text of a file. A leading byte-order mark is passed over, but counts as a column of the first line.
pub fn judge(sql: &str) -> Judgement {
    Judge::new(sql).run()
}

/// As [`judge`], of a file of drizzle-kit: its breakpoints count, and so does a chunk that is just `COMMIT;`.
pub fn judge_drizzle(sql: &str) -> Judgement {
    Judge { chunks: Some(Chunks::default()), splitter: Splitter::of_chunks(sql), ..Judge::new(sql) }.run()
}

struct Judge<'a> {
    sql: &'a str,
    splitter: Splitter<'a>,
    out: Judgement,
    /// Where the directive stands.
    directive: Option<(Place, Range<usize>)>,
    /// Where the second statement starts.
    second: Option<(Place, usize)>,
    /// The chunks, where breakpoints count.
    chunks: Option<Chunks>,
    /// Whether a search for the end of data after COPY once found none.
    no_data: bool,
}

impl<'a> Judge<'a> {
    fn new(sql: &'a str) -> Judge<'a> {
        Judge {
            sql,
            splitter: Splitter::new(sql),
            out: Judgement { keeps_session: true, ..Judgement::default() },
            directive: None,
            second: None,
            chunks: None,
            no_data: false,
        }
    }

    fn run(mut self) -> Judgement {
        while let Some(piece) = self.splitter.next_piece() {
            match piece {
                Piece::Comment { token, leading } => self.comment(token, leading),
                Piece::Backslash { token } => self.psql_command(token),
                Piece::Statement { place, end } => self.statement(place, end),
            }
        }
        self.finish()
    }

    fn refuse(&mut self, place: Place, end: usize, rule: Rule) {
        let Place { line, column, byte } = place;
        self.out.refusals.push(Refusal { line, column, range: byte..end, rule });
    }

    fn comment(&mut self, token: Token, leading: bool) {
        self.breakpoint(token);
        let text = self.sql.get(token.range()).unwrap_or_default();
        if let Some(mark) = down_mark(text) {
            let place = self.splitter.place(token.start);
            return self.refuse(place, token.end, Rule::DownPart { mark: mark.to_owned() });
        }
        let Some(word) = directive(text).filter(|word| !is_for_lint(word)) else { return };
        let line_comment = text.starts_with("--");
        let rule = match (leading && line_comment, word == NO_TRANSACTION) {
            (true, true) => {
                self.out.no_transaction = true;
                let place = self.splitter.place(token.start);
                self.directive.get_or_insert((place, token.range()));
                return;
            }
            (true, false) => Rule::UnknownDirective { word: word.to_owned() },
            (false, _) if means_no_transaction(word) => Rule::MisplacedDirective,
            (false, _) => return,
        };
        let place = self.splitter.place(token.start);
        self.refuse(place, token.end, rule);
    }

    fn breakpoint(&mut self, token: Token) {
        let Some(chunks) = &mut self.chunks else { return };
        let Some(Breakpoint { marker, followed }) = breakpoint(self.sql, token) else { return };
        let refused = chunks.end(marker.start, token.end);
        self.refuse_all(refused);
        if followed {
            let place = self.splitter.place(marker.start);
            self.refuse(place, marker.end, Rule::AfterBreakpoint);
        }
    }

    fn refuse_all(&mut self, refused: Vec<Refused>) {
        for (place, end, rule) in refused {
            self.refuse(place, end, rule);
        }
    }

    /// A backslash before a letter is a command of psql; it ends with its line, and so does what stood before it.
    fn psql_command(&mut self, token: Token) {
        let rest = self.sql.get(token.end..).unwrap_or_default();
        let name = rest.find(|c: char| c.is_whitespace() || c == ';' || c == '\\').unwrap_or(rest.len());
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
        self.out.keeps_session &= keeps_session(self.splitter.words());
        self.out.may_defer |= may_defer(self.splitter.words());
        self.out.runs_unseen |= runs_unseen(self.splitter.words());
        let outside = self.chunks.as_ref().is_some_and(Chunks::outside);
        if let Some(chunks) = self.chunks.as_mut().filter(|_| !self.out.no_transaction) {
            let text = self.sql.get(place.byte..end).unwrap_or_default();
            chunks.statement(self.splitter.words(), place, end, kind, text);
        }
        match kind {
            // Judged when its chunk ends.
            StatementKind::TransactionControl(_) if self.chunks.is_some() && !self.out.no_transaction => {}
            StatementKind::Outside(_) if outside => {}
            StatementKind::TransactionControl(statement) => {
                self.refuse(place, end, Rule::TransactionControl { statement });
            }
            StatementKind::CopyToStdout => self.refuse(place, end, Rule::CopyToStdout),
            StatementKind::CopyFromStdin => {
                self.refuse(place, end, Rule::CopyFromStdin);
                self.pass_over_data();
            }
            StatementKind::Outside(outside) if !self.out.no_transaction => self.outside(place, end, outside),
            StatementKind::Outside(_) | StatementKind::Savepoint | StatementKind::Other => self.note(place, end, kind),
        }
    }

    fn outside(&mut self, place: Place, end: usize, outside: Outside) {
        let mut words = self.splitter.words();
        words.skip();
        words.skip();
        words.eat_all(&["IF", "EXISTS"]);
        let slotless = outside == Outside::DropSubscription
            && words.identifier().is_some_and(|name| self.out.gone.subscriptions_without_slot.contains(&name));
        if !slotless {
            self.refuse(place, end, Rule::OutsideTransaction(outside));
        }
    }

    /// Takes the facts of a statement that is let through so far.
    fn note(&mut self, place: Place, end: usize, kind: StatementKind) {
        let words = self.splitter.words();
        if let Some((name, off)) = setting(words) {
            // Behind a COMMIT it is what the idiom asks for, and what waits long there sets it anew.
            if name == "lock_timeout" && !self.chunks.as_ref().is_some_and(Chunks::outside) {
                self.out.sets_lock_timeout.get_or_insert(place.line);
            }
            self.out.uncertain |= name == "standard_conforming_strings" && off;
        }
        self.out.gone.note(words);
        if let Some(table) = created_table(words).filter(|table| !self.out.gone.has(table)) {
            self.out.creates.push(table);
        }
        if self.out.no_transaction && self.out.statements == 1 {
            match alone(words, kind) {
                Ok(kind) => {
                    let range = place.byte..end;
                    let text = self.sql.get(range.clone()).unwrap_or_default().to_owned();
                    self.out.lone.push(kind.statement(0..self.sql.len(), range, text));
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
        self.out.open_breakpoints = self.splitter.open_breakpoints();
        if let Some(mut chunks) = self.chunks.take() {
            self.refuse_all(chunks.end(self.sql.len(), self.sql.len()));
            if let Some(Left { commit, settings, lone }) = chunks.finish() {
                (self.out.commit, self.out.settings, self.out.lone) = (Some(commit), settings, lone);
            }
        }
        if let Some((place, range)) = self.directive.take() {
            let count = self.out.statements;
            match self.second.take() {
                // Whether the first could be repeated alone is of no use to the reader yet.
                Some((second, end)) => {
                    self.out.refusals.retain(|refusal| !matches!(refusal.rule, Rule::NotRepeatable(_)));
                    self.refuse(second, end, Rule::SeveralStatements { count });
                }
                None if count == 0 && self.out.refusals.is_empty() => self.refuse(place, range.end, Rule::NoStatement),
                None => {}
            }
        }
        if !self.out.refusals.is_empty() {
            self.out.lone.clear();
        }
        self.out.refusals.sort_by_key(|refusal| refusal.range.start);
        self.out
    }
}

/// What is known of a statement that may run alone.
#[derive(Default)]
pub(super) struct Alone {
    concurrently: bool,
    creates_index: Option<ConcurrentIndex>,
    reindexes: Option<Reindexed>,
}

impl Alone {
    pub(super) fn statement(self, sent: Range<usize>, range: Range<usize>, text: String) -> LoneStatement {
        let Self { concurrently, creates_index, reindexes } = self;
        LoneStatement { sent, range, text, concurrently, creates_index, reindexes }
    }
}

/// Judges a statement that is to run alone.
pub(super) fn alone(words: Words<'_>, kind: StatementKind) -> Result<Alone, NotRepeatable> {
    check_repeatable(words, kind)?;
    let is = |outside| kind == StatementKind::Outside(outside);
    let (creates, rebuilds) = (is(Outside::CreateIndexConcurrently), is(Outside::ReindexConcurrently));
    Ok(Alone {
        concurrently: creates || rebuilds || is(Outside::DropIndexConcurrently),
        creates_index: creates.then(|| concurrent_index(words)).flatten(),
        reindexes: rebuilds.then(|| reindexed(words)).flatten(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(sql: &str) -> String {
        let lines = judge(sql).refusals.into_iter().map(|refusal| {
            let Refusal { line, column, range, rule } = refusal;
            format!("{line}:{column} {:?}: {}", &sql[range], rule.message())
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn creates(sql: &str) -> Vec<String> {
        judge(sql).creates.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_ordinary_file_is_let_through() {
        let sql = "\u{feff}-- a\ncreate table t (id int);\nsavepoint a; release a;\ndo $$ begin commit; end $$;";
        let judgement = judge(sql);
        assert!(judgement.refusals.is_empty() && !judgement.no_transaction && !judgement.uncertain);
        assert_eq!(judgement.statements, 4);
        assert!(judge("-- nothing to do").refusals.is_empty());
    }

    #[test]
    fn all_refusals_come_at_once_from_top_to_bottom() {
        let sql = "begin;\ncreate table t (a int); /* é */ vacuum t;\n\\restrict abc\ncopy t to stdout;\n\
                   -- schemagate: no-transaction\ncommit;";
        insta::assert_snapshot!(refusals(sql), @r#"
        1:1 "begin": BEGIN inside a migration
        2:33 "vacuum t": VACUUM cannot run inside a transaction, and migrations run in one
        3:1 "\\restrict": \restrict is a command of psql, which the server does not know
        4:1 "copy t to stdout": COPY … TO STDOUT sends data that nobody reads
        5:1 "-- schemagate: no-transaction": the directive no-transaction is not in the first comment lines, where alone it counts
        6:1 "commit": COMMIT inside a migration
        "#);
    }

    #[test]
    fn a_dump_with_data_gives_one_refusal_a_table() {
        let sql = "\\restrict x'y\nSET lock_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n\
                   COPY public.t (a) FROM stdin;\nit's; begin;\n\\N\n\\.\n\nCOPY public.u FROM stdin;\n\\.\n\
                   \\unrestrict x\n";
        insta::assert_snapshot!(refusals(sql), @r#"
        1:1 "\\restrict": \restrict is a command of psql, which the server does not know
        4:1 "COPY public.t (a) FROM stdin": COPY … FROM STDIN waits for data that a migration cannot send
        9:1 "COPY public.u FROM stdin": COPY … FROM STDIN waits for data that a migration cannot send
        11:1 "\\unrestrict": \unrestrict is a command of psql, which the server does not know
        "#);
        assert_eq!(judge(sql).sets_lock_timeout, Some(2));
        assert!(!judge(sql).uncertain);
    }

    #[test]
    fn a_copy_without_data_hides_nothing_after_it() {
        insta::assert_snapshot!(refusals("copy t from stdin;\ncommit;\ncopy t from stdin;"), @r#"
        1:1 "copy t from stdin": COPY … FROM STDIN waits for data that a migration cannot send
        2:1 "commit": COMMIT inside a migration
        3:1 "copy t from stdin": COPY … FROM STDIN waits for data that a migration cannot send
        "#);
    }

    #[test]
    fn a_backslash_in_a_string_or_body_is_no_command() {
        let sql = "select '\n\\restrict', $$\n\\connect x\n$$, E'\\\\.';\n-- \\i x\n/*\n\\i y\n*/";
        assert_eq!(refusals(sql), "");
        insta::assert_snapshot!(refusals("select 1 \\gexec\n  \\! rm\ncommit;"), @r#"
        1:10 "\\gexec": \gexec is a command of psql, which the server does not know
        2:3 "\\!": \! is a command of psql, which the server does not know
        3:1 "commit": COMMIT inside a migration
        "#);
    }

    #[test]
    fn directives_count_in_the_first_comment_lines_alone() {
        let both = |sql: &str| (judge(sql).no_transaction, refusals(sql));
        let index = "create index concurrently i on t (a);";
        let sql = format!("-- why\n\n/* x */ -- schemagate: no-transaction\n{index}");
        assert_eq!(both(&sql), (true, String::new()));
        let sql = format!("\u{feff}--schemagate:no-transaction\r\n{index}\r\n");
        assert_eq!(both(&sql), (true, String::new()));
        for (sql, expected) in [
            ("-- schemagate: notransaction\nselect 1", "unknown directive \"notransaction\""),
            ("-- schemagate: no-transaction please\nselect 1", "unknown directive \"no-transaction please\""),
            ("-- schemagate:\nselect 1", "unknown directive \"\""),
            ("select 1; -- schemagate: no-transaction", "is not in the first comment lines"),
            ("/* schemagate: no-transaction */ select 1", "is not in the first comment lines"),
            ("-- schemagate: no-transaction\n", "in a file without a statement"),
        ] {
            assert!(refusals(sql).contains(expected), "{sql:?}: {}", refusals(sql));
        }
        assert_eq!(refusals("-- schemagate: allow table-rewrite because it is small\nselect 1"), "");
        assert!(refusals("-- schemagate: allowed x\nselect 1").contains("unknown directive"));
        assert_eq!(refusals("select 1; -- schemagate: something else\n"), "");
    }

    #[test]
    fn a_no_transaction_file_holds_one_statement() {
        let sql = "-- schemagate: no-transaction\ninsert into t values (1);\nvacuum t;\nvacuum u;";
        insta::assert_snapshot!(refusals(sql), @r#"
        3:1 "vacuum t": 3 statements in a file with the directive no-transaction, which allows one
        "#);
        assert!(judge(sql).lone.is_empty());
        insta::assert_snapshot!(refusals("-- schemagate: no-transaction\ncommit;"), @r#"
        2:1 "commit": COMMIT inside a migration
        "#);
    }

    #[test]
    fn the_applier_learns_what_a_concurrent_index_builds() {
        let index = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"My\"\nON ONLY Shop.\"Orders\" USING btree (a)";
        let judgement = judge(&format!("-- schemagate: no-transaction\n{index};\n"));
        let statement = judgement.lone.into_iter().next().unwrap();
        assert_eq!((statement.text.as_str(), statement.concurrently), (index, true));
        let created = statement.creates_index.unwrap();
        assert_eq!((created.index.as_str(), created.table.to_string().as_str()), ("My", "shop.Orders"));
        for (sql, concurrently) in [
            ("drop index concurrently if exists i", true),
            ("reindex table concurrently t", true),
            ("vacuum t", false),
            ("refresh materialized view concurrently v", false),
        ] {
            let judgement = judge(&format!("-- schemagate: no-transaction\n{sql}"));
            let statement = judgement.lone.into_iter().next().unwrap();
            assert_eq!((statement.concurrently, statement.creates_index), (concurrently, None), "{sql}");
        }
    }

    #[test]
    fn created_tables_are_named_as_the_catalogue_names_them() {
        let sql = "CREATE TABLE Users (a int); create unlogged table if not exists s.\"T\"\"x\" (a int);
            create foreign table f () server x; create table c as select 1; create table p partition of q default;
            create temp table a (); create local temporary table b (); create table pg_temp.d ();
            do $$ create table e (); $$; create view v as select 1; create table \"Tbl\".U&\"d\\0061t\" ();
            create function g() returns void begin atomic create table h (); end;";
        assert_eq!(creates(sql), ["users", "s.\"T\"\"x\"", "f", "c", "p", "Tbl.dat"]);
    }

    #[test]
    fn a_table_that_the_file_makes_room_for_is_not_named() {
        for sql in [
            "drop table if exists a, t cascade; create table t ()",
            "drop table public.t; create table t ()",
            "drop table t; create table public.t ()",
            "alter table if exists only t rename to t_old; create table t ()",
            "alter table t set schema old; create table t ()",
            "drop schema if exists s cascade; create schema s; create table s.t ()",
            "drop foreign table t; create foreign table t () server x",
        ] {
            assert_eq!(creates(sql), Vec::<String>::new(), "{sql}");
        }
        assert_eq!(creates("drop table s.t; create table u.t ()"), ["u.t"]);
        assert_eq!(creates("create table t (); drop table t; alter table x rename column a to b"), ["t"]);
    }

    #[test]
    fn a_subscription_without_slot_may_be_dropped_in_a_transaction() {
        let sql = "alter subscription s disable; alter subscription s set (slot_name = none); drop subscription s";
        assert_eq!(refusals(sql), "");
        assert_ne!(refusals("alter subscription r set (slot_name = none); drop subscription s"), "");
    }

    #[test]
    fn settings_that_matter_are_seen() {
        assert_eq!(judge("select 1;\nset local lock_timeout to '1s'").sets_lock_timeout, Some(2));
        assert_eq!(judge("select set_config('lock_timeout', '1s', true)").sets_lock_timeout, Some(1));
        assert_eq!(judge("set statement_timeout = 0; select 'lock_timeout'").sets_lock_timeout, None);
        for sql in ["set standard_conforming_strings = off", "select 'a", "select (1", "/* a", "select $$a"] {
            assert!(judge(sql).uncertain, "{sql}");
        }
        assert!(!judge("set standard_conforming_strings = on; select ')'").uncertain);
    }

    #[test]
    fn no_text_makes_the_judge_panic() {
        let parts = [
            "-- schemagate: no-transaction\n",
            "create ",
            "index ",
            "concurrently ",
            "table ",
            "copy t from stdin;",
            "\\",
            "\\. ",
            "\n",
            ";",
            "'",
            "\"",
            "U&\"\\00",
            "\\+",
            "$$",
            "(",
            ")",
            ".",
            ",",
            "drop ",
            "alter ",
            "t",
            "if exists ",
            "é",
            "\u{feff}",
            "E'",
            "set ",
            "begin ",
            "atomic ",
            "end ",
            "on ",
            "slot_name ",
            "uescape '",
            "reindex ",
            "/*",
        ];
        let mut seed = 5_usize;
        for _ in 0..40_000 {
            let mut sql = String::new();
            for _ in 0..14 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                sql.push_str(parts[(seed >> 33) % parts.len()]);
            }
            for Refusal { range, rule, .. } in judge(&sql).refusals {
                assert!(sql.get(range).is_some_and(|text| !text.is_empty()), "{sql:?}");
                assert!(!rule.message().is_empty() && !rule.hint().is_empty());
            }
        }
    }
}
