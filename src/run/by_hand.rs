//! What `up` would send, as a script for psql. In: what was looked at, batches. Out: SQL. Sends nothing; where psql can hold what
//! `up` holds on to (the lock, the transaction's id), the script does.

use super::account::Account;
use super::{Looked, Run};
use crate::adopt::{self, Adoption};
use crate::apply::{Applied, RESTORE, put_back_sql};
use crate::error::Error;
use crate::history::runs::{Found, RunCommand, RunMigration, RunOutcome, TrailWriter, sha256};
use crate::history::{HistoryTable, Mirror, Reading, block_tag};
use crate::migrations::script::Statements;
use crate::migrations::{Migration, ReadError};
use crate::plan::Batch;
use crate::postgres::literal;
use crate::postgres::lock::LockKey;
use crate::postgres::startup::Route;
use crate::review::Reviewed;

/// Stands where the transaction's id goes, which psql fills in. No file has such a name.
const ID: &str = "{schemagate_transaction}";
/// Stands where the time goes at which the script began.
const STARTED: &str = "{schemagate_started}";
const OPEN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n\
                    SELECT pg_catalog.pg_current_xact_id() AS schemagate_transaction \\gset\n";
/// What a psqlrc or the command line may have set and would change what psql sends or when it stops.
const PSQL: &str = "\\set ON_ERROR_STOP on\n\\set AUTOCOMMIT on\n\\set ON_ERROR_ROLLBACK off\n\\set SINGLELINE off\n\
                    \\set SINGLESTEP off\n\\set FETCH_COUNT 0\n\\pset pager off\n\\pset tuples_only on\n";
/// In an implicit transaction the two clocks are one.
const NO_TRANSACTION: &str = "-- The transactions are the script's own: one that is open already would make one of all of them.\n\
    DO $alone$ BEGIN\n  IF pg_catalog.transaction_timestamp() <> pg_catalog.statement_timestamp() THEN\n    \
    RAISE 'a transaction is open already'\n      \
    USING HINT = 'run the script with psql -X, without --single-transaction, and outside BEGIN; nothing was changed';\n  \
    END IF;\nEND $alone$;\n";

/// A script as it grows.
struct Script<'a> {
    text: String,
    key: LockKey,
    table: HistoryTable,
    mirror: Option<Mirror>,
    mirror_is_new: bool,
    rows: usize,
    trail: Option<TrailWriter>,
    /// Whether the table of the trail is missing and this role may not make it: as `up`, the script goes on without.
    trail_if_allowed: bool,
    /// Puts our own settings back.
    settings: String,
    done: Vec<RunMigration>,
    batches: &'a [Batch<'a>],
}

impl<'a> Run<'a> {
    /// The script of a release.
    ///
    /// # Errors
    /// [`Error`] where a file cannot be read again, or the audit trail is none.
    pub fn script(
        &self,
        looked: &Looked,
        reading: &Reading,
        adoption: &Adoption<'_>,
        batches: &[Batch<'_>],
    ) -> Result<String, Error> {
        if batches.is_empty() && adoption.is_empty() {
            return Ok("-- up to date: nothing to do\n".to_owned());
        }
        let Looked { session, reading: found } = looked;
        let account = Account::by_hand(self.settings, STARTED);
        let settings = self.dialer.parameters().statements(Route::Pooled, session.server.major_version);
        let mut script = Script {
            text: head(&session.server.place, &session.server.version, &found.table),
            key: LockKey::for_table(&found.table.name),
            table: found.table.clone(),
            mirror: self.mirror(found),
            mirror_is_new: found.drizzle.is_none(),
            rows: reading.applied.len(),
            // Who runs it may do more than who plans it, and does not need less.
            trail: found.trail.clone().for_another_role().writer(account.facts())?,
            trail_if_allowed: matches!(found.trail.found, Found::Missing { may_create: false }),
            settings: format!("SET client_encoding = 'UTF8'; {settings}"),
            done: Vec::new(),
            batches,
        };
        script.text.push_str(&format!("{NO_TRANSACTION}{}\n", put_back_sql(&script.settings).trim_end()));
        script.say("SELECT pg_catalog.clock_timestamp() AS schemagate_started \\gset\n");
        script.lock(found);
        if !adoption.is_empty() {
            script.adopt(adoption, found);
        }
        script.release()?;
        Ok(script.text)
    }
}

fn head(place: &str, server_version: &str, table: &HistoryTable) -> String {
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    format!(
        "-- What `schemagate up` would do to {}\n-- (PostgreSQL {}, history {}), by schemagate {}.\n\
         -- For psql, and for this very state of the database:\n\
         --   psql -X -q -v ON_ERROR_STOP=1 -f THIS_FILE URL\n\
         -- Use a direct connection and no pooler: the lock below keeps other runs out as long as this session lasts. Each\n\
         -- file stands between two marks and is sent as it is, in one message, as `up` sends it: psql fills in no variable\n\
         -- and runs no command of its own in it, and lines of an error count from its first. What the script does not do:\n\
         -- try again after lock_timeout, say who is in the way, clear an invalid index away, record a failure in the audit\n\
         -- trail. What was committed before a failure stays: plan again, and run the new script.\n{PSQL}\n",
        one_line(place),
        one_line(server_version),
        one_line(&table.name.to_string()),
        env!("CARGO_PKG_VERSION")
    )
}

impl Script<'_> {
    fn say(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Takes the lock of `up`, or fails: whoever waited for it inside the server could deadlock with the holder. Then, in a
    /// statement that sees what the last holder did, everything that the plan was made from must be what it was.
    fn lock(&mut self, found: &Reading) {
        let lock = format!(
            "-- The lock that every run of schemagate takes; it goes with the session.\nDO $lock$ BEGIN\n  IF NOT {} THEN\n    \
             RAISE 'another run of schemagate holds the lock'\n      \
             USING HINT = 'wait for it, and write the script anew; nothing was changed';\n  END IF;\nEND $lock$;\n",
            self.key.try_only_sql()
        );
        self.say(&lock);
        let changed: String = differences(found, self.mirror.is_some())
            .iter()
            .map(|(what, guard, differs)| {
                format!(
                    "  IF {guard} THEN IF {differs} THEN\n    RAISE '{what} is not what it was when this script was \
                     written'\n      USING HINT = 'write it anew with schemagate plan --sql; nothing was changed';\n  \
                     END IF; END IF;\n"
                )
            })
            .collect();
        let tag = block_tag(&changed);
        self.say(&format!("-- This very state of the database.\nDO {tag} BEGIN\n{changed}END {tag};\n"));
    }

    fn adopt(&mut self, adoption: &Adoption<'_>, found: &Reading) {
        let source = adopt::source_of(found.drizzle.as_ref());
        let trail = self.trail.as_ref().map(|writer| {
            writer.record_sql(RunCommand::Adopt, &RunOutcome::Done, &adopt::decisions(adoption, &source), &[])
        });
        let sql = adopt::record_sql(adoption, found, self.mirror.as_ref(), ID, trail.as_deref());
        self.say(&format!("-- {}.\n{OPEN}{};\n", adoption.describe(&source), by_psql(&sql)));
        (self.table.exists, self.mirror_is_new) = (true, false);
    }

    fn release(&mut self) -> Result<(), Error> {
        for (number, batch) in self.batches.iter().enumerate() {
            let last = number + 1 == self.batches.len();
            let count = self.batches.len();
            self.say(&format!("-- Batch {} of {count}.", number + 1));
            if batch.transactional {
                self.transaction(batch, last)?;
            } else if let Some(reviewed) = batch.migrations.first() {
                self.alone(reviewed, last)?;
            }
            self.rows += batch.migrations.len();
        }
        Ok(())
    }

    fn transaction(&mut self, batch: &Batch<'_>, last: bool) -> Result<(), Error> {
        self.open();
        let mut measured = Vec::new();
        for reviewed in &batch.migrations {
            let text = self.file(reviewed)?;
            let sql = reviewed.judgement.sent(Migration::statements_text(&text)).into_owned();
            self.statements(&sql);
            self.put_back();
            self.record(reviewed);
            measured.push(applied(reviewed, &text));
        }
        self.trail(last, &measured);
        let prove =
            self.table.prove_sql(batch.migrations.iter().map(|it| it.migration), self.rows + batch.migrations.len());
        self.say(&format!("{prove};\nCOMMIT;\n"));
        self.done.extend(measured);
        Ok(())
    }

    /// A migration that runs outside a transaction, or leaves its own.
    fn alone(&mut self, reviewed: &Reviewed<'_>, last: bool) -> Result<(), Error> {
        let text = self.file(reviewed)?;
        let sql = reviewed.judgement.sent(Migration::statements_text(&text)).into_owned();
        let part = |range: &std::ops::Range<usize>| sql.get(range.clone()).unwrap_or_default();
        if let Some(commit) = &reviewed.judgement.commit {
            let before = sql.get(..commit.start).unwrap_or_default();
            if !reviewed.half_done && Statements::new(before).next().is_some() {
                self.say("-- What stands before its COMMIT.");
                self.open();
                self.statements(before);
                self.put_back();
                let progress = self.table.create_progress_sql();
                let recorded = self.table.record_part_sql(reviewed.migration, before);
                self.say(&format!("{progress};\n{recorded};\nCOMMIT;\n"));
            }
            for range in &reviewed.judgement.settings {
                self.statements(part(range));
            }
        }
        for lone in &reviewed.judgement.lone {
            if lone.concurrently {
                self.say("-- It waits for every older writer.\nSET lock_timeout = 0;");
            }
            self.statements(part(&lone.range));
            if lone.concurrently {
                self.say(&format!("RESET lock_timeout; {}", self.settings));
            }
        }
        self.say(put_back_sql(&self.settings).trim_end());
        self.open();
        self.record(reviewed);
        if reviewed.judgement.commit.is_some() {
            let forget = self.table.forget_part_sql(reviewed.migration.version());
            self.say(&format!("{forget};"));
        }
        self.done.push(applied(reviewed, &text));
        self.trail(last, &[]);
        self.say("COMMIT;\n");
        Ok(())
    }

    fn file(&mut self, reviewed: &Reviewed<'_>) -> Result<String, ReadError> {
        self.say(&format!("-- {}", reviewed.migration.file().replace(['\n', '\r'], " ")));
        reviewed.migration.read()
    }

    /// The text of a file, to be sent as it is and whole: psql would cut it elsewhere than the server does where it changes how
    /// strings are quoted, and fill in variables at `[a:b]`.
    fn statements(&mut self, sql: &str) {
        let tag = block_tag(sql);
        self.say(&format!("SELECT {tag}{sql}{tag} \\gexec"));
    }

    /// Opens a transaction, and makes what `up` makes before it records anything, once.
    fn open(&mut self) {
        let table = (!self.table.exists).then(|| self.table.create_sql());
        let mirror = self.mirror.as_ref().filter(|_| self.mirror_is_new).map(Mirror::create_sql);
        (self.table.exists, self.mirror_is_new) = (true, false);
        let created: String = table.into_iter().chain(mirror).map(|sql| format!("{sql};\n")).collect();
        self.text.push_str(&format!("{OPEN}{created}"));
    }

    fn put_back(&mut self) {
        self.say("-- Deferred constraints are checked, and the session is put back.\nRESET SESSION AUTHORIZATION; RESET ROLE;");
        self.say(RESTORE.trim_end());
        self.say(put_back_sql(&self.settings).trim_end());
    }

    fn record(&mut self, reviewed: &Reviewed<'_>) {
        let record = self.table.record_sql(reviewed.migration, ID);
        self.say(&format!(
            "-- Its row; fails unless the transaction is still the one that was opened.\n{};",
            by_psql(&record)
        ));
        if let Some((mirror, row)) = self.mirror.as_ref().zip(reviewed.migration.drizzle()) {
            let row = mirror.record_sql(row);
            self.say(&format!("{row};"));
        }
    }

    fn trail(&mut self, last: bool, measured: &[RunMigration]) {
        let Some(writer) = self.trail.as_ref().filter(|_| last) else { return };
        let sql = writer.record_sql(RunCommand::Up, &RunOutcome::Done, &self.done, measured);
        let sql = by_psql(&sql);
        if !self.trail_if_allowed {
            return self.say(&format!("-- The row of the audit trail.\n{sql};"));
        }
        let (table, schema) = (writer.table().quoted(), writer.table().schema().unwrap_or_default());
        self.say(&format!(
            "-- The row of the audit trail, where its table is there or this role may make it.\n\
             SELECT pg_catalog.to_regclass({}) IS NOT NULL OR pg_catalog.has_schema_privilege({}, 'CREATE') \
             AS schemagate_trail \\gset\n\\if :schemagate_trail\n{sql};\n\\else\n\
             \\warn 'this run is not in the audit trail: its table does not exist, and this role may not create it'\n\\endif",
            literal(&table),
            literal(schema)
        ));
    }
}

fn applied(reviewed: &Reviewed<'_>, text: &str) -> RunMigration {
    Applied::of(reviewed.migration, std::time::Duration::ZERO, Some(sha256(text))).recorded()
}

/// Lets psql fill in what only it knows.
fn by_psql(sql: &str) -> String {
    [ID, STARTED].iter().fold(sql.to_owned(), |sql, mark| {
        sql.replace(&format!("'{mark}'"), &format!(":'{}'", mark.trim_matches(['{', '}'])))
    })
}

/// What the plan was made from, where it can be asked for, and the condition that it is another now.
fn differences(found: &Reading, drizzle: bool) -> Vec<(&'static str, String, String)> {
    let always = || "true".to_owned();
    let exists = |name: &str| format!("pg_catalog.to_regclass({}) IS NOT NULL", literal(name));
    let count_is_not = |name: &str, rows: usize| format!("(SELECT pg_catalog.count(*) FROM {name}) <> {rows}");
    let name = found.table.name.quoted();
    let mut differences = vec![match found.table.exists {
        true => ("the history", always(), format!("{} <> '{}'", history_hash_sql(&name), history_hash(found))),
        false => ("the history", exists(&name), always()),
    }];
    if let Some(history) = &found.drizzle {
        let differs = count_is_not(&history.table.quoted(), history.rows.len());
        differences.push(("the history of Drizzle", always(), differs));
    }
    if drizzle {
        let name = found.table.progress().quoted();
        differences.push(("what is half done", exists(&name), count_is_not(&name, found.half_done.len())));
    }
    differences
}

/// The rows by what no later release of the same files calls otherwise.
fn history_hash(found: &Reading) -> String {
    let mut rows: Vec<(&str, &str)> =
        found.applied.iter().map(|row| (row.name.as_str(), row.applied_on.as_deref().unwrap_or_default())).collect();
    rows.sort_unstable();
    sha256(&rows.iter().map(|(name, at)| format!("{name} {at}\n")).collect::<String>())
}

fn history_hash_sql(name: &str) -> String {
    let field = |name: &str| format!("COALESCE(h.{name}::pg_catalog.text, '')");
    let (name_text, at) = (field("name"), field("applied_on"));
    format!(
        "(SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(COALESCE(pg_catalog.string_agg(\
         pg_catalog.concat({name_text}, ' ', {at}, E'\\n'), '' ORDER BY {name_text} COLLATE pg_catalog.\"C\", \
         {at} COLLATE pg_catalog.\"C\"), ''), 'UTF8')), 'hex') FROM {name} h)"
    )
}
