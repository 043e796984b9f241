//! Judges the files of a release in order. In: migrations. Out: the findings of each. Keeps from file to file what the
//! release creates, and from statement to statement what the batch holds.

use std::collections::HashSet;

use super::allow::Allowed;
use super::danger::{self, Where};
use super::enums::Enums;
use super::finding::Finding;
use super::made::Made;
use super::new_tables::NewTables;
use super::partitions::Partitions;
use super::queue::Queue;
use super::session::Session;
use super::source::Source;
use super::{Options, refused, squawk};
use crate::effects::{Effect, Known, RelationKind, effects_knowing};
use crate::migrations::script::{Found, Judgement, Words, walk};
use crate::migrations::{Migration, ReadError};
use crate::settings::{Atomicity, TableName};

/// What is known of the release so far.
pub(super) struct Release<'o> {
    options: &'o Options,
    new_tables: NewTables,
    /// Domains and default partitions, of older files too.
    known: Known,
    partitions: Partitions,
    /// What the present file made.
    made: Made,
    /// Tables with a constraint that the release has validated: SET NOT NULL finds that there is no NULL.
    validated: HashSet<TableName>,
    batch: Batch,
    /// How many statements squawk could not read.
    pub(super) unread: usize,
}

/// What the present transaction did.
struct Batch {
    queue: Queue,
    enums: Enums,
}

impl Batch {
    fn new(version: u32) -> Batch {
        Batch { queue: Queue::default(), enums: Enums::new(version) }
    }
}

/// One file's findings.
pub(super) struct Judged {
    pub(super) findings: Vec<Finding>,
    /// How many comments silenced.
    pub(super) allowed: usize,
}

impl<'o> Release<'o> {
    pub(super) fn new(options: &'o Options) -> Release<'o> {
        Release {
            options,
            new_tables: NewTables::default(),
            known: Known::default(),
            partitions: Partitions::default(),
            made: Made::default(),
            validated: HashSet::new(),
            batch: Batch::new(options.version),
            unread: 0,
        }
    }

    /// Takes note of a file that is not of the release: what it has made is there.
    pub(super) fn older(&mut self, migration: &Migration) -> Result<(), ReadError> {
        let text = migration.read()?;
        self.new_tables.begin_file();
        walk(Migration::statements_text(&text), migration.drizzle().is_some(), |found| {
            if let Found::Statement(words, _) = found {
                self.new_tables.note(words);
                self.known.note(words);
                self.partitions.note(words);
            }
        });
        Ok(())
    }

    /// Older files end.
    pub(super) fn begin(&mut self) {
        self.new_tables.begin_release();
    }

    /// Judges the next file.
    pub(super) fn file(&mut self, migration: &Migration) -> Result<Judged, ReadError> {
        let text = migration.read()?;
        let sql = Migration::statements_text(&text);
        let judgement = migration.judge(sql);
        let source = &Source::new(migration.file(), sql);
        if judgement.leaves_transaction() || self.options.atomicity == Atomicity::Migration {
            self.batch = Batch::new(self.options.version);
        }
        let mut findings = refused::findings(source, &judgement);
        let mut allowed = Allowed::default();
        let mut session = Session::default();
        self.new_tables.begin_file();
        self.made = Made::default();
        walk(sql, migration.drizzle().is_some(), |found| match found {
            Found::Comment(range) => allowed.comment(source, range),
            Found::Statement(words, range) => {
                let transactional = self.transactional(&judgement, range.start);
                let at = Where { source, start: range.start, transactional };
                session.note(words, range.start);
                self.statement(at, words, sql.get(range).unwrap_or_default(), &mut findings);
            }
        });
        findings.extend(session.findings(source));
        if judgement.leaves_transaction() {
            self.batch = Batch::new(self.options.version);
        }
        let silenced = allowed.apply(source, &mut findings);
        Ok(Judged { findings, allowed: silenced })
    }

    /// Whether a statement runs in the transaction of its batch; behind a COMMIT each runs alone.
    fn transactional(&mut self, judgement: &Judgement, start: usize) -> bool {
        let behind = judgement.commit.as_ref().is_some_and(|commit| start >= commit.start);
        if behind {
            self.batch = Batch::new(self.options.version);
        }
        !judgement.no_transaction && !behind
    }

    fn matters(&self, effect: &Effect) -> bool {
        let not_null = effect.fact.name == "SET_NOT_NULL" && self.validated.contains(&effect.relation);
        let new = match effect.kind {
            RelationKind::Index => self.new_tables.has_index(&effect.relation),
            // Where older files are not known, neither is whether there is one to be replaced.
            RelationKind::View if effect.fact.name == "REPLACE_VIEW" && self.options.since.is_some() => {
                !self.new_tables.has_older(&effect.relation)
            }
            RelationKind::Table | RelationKind::MaterializedView | RelationKind::View => {
                self.new_tables.has(&effect.relation)
            }
        };
        !not_null && !new
    }

    fn statement(&mut self, at: Where<'_>, words: Words<'_>, text: &str, findings: &mut Vec<Finding>) {
        let all = effects_knowing(text, self.options.version, &self.known);
        let named = !all.is_empty();
        let mut existing: Vec<Effect> = all.into_iter().filter(|effect| self.matters(effect)).collect();
        let validated = existing.iter().filter(|effect| effect.fact.name == "VALIDATE");
        self.validated.extend(validated.map(|effect| effect.relation.clone()));
        self.partitions.correct(words, self.options.version, &mut existing);
        let mut dangers = danger::findings(at, &existing);
        if let Some(effect) = existing.first() {
            self.made.say(at.source, words, &effect.relation, &mut dangers);
        }
        if at.transactional {
            let found = !dangers.is_empty();
            findings.extend(self.batch.queue.statement(at, words, &existing, found, &self.new_tables));
            findings.extend(self.batch.enums.statement(words, at.source, at.start));
        }
        findings.extend(dangers);
        // What is about new tables alone is no danger; of what names no table nothing is known.
        if !named || !existing.is_empty() {
            findings.extend(squawk::findings(at, text, self.options.version, &existing, &mut self.unread));
        }
        self.new_tables.note(words);
        self.known.note(words);
        self.partitions.note(words);
        self.made.note(words, at.start);
    }
}
