//! What `up` would send, as a script for psql. In: what was looked at, batches. Out: SQL. Sends nothing; where psql can hold what
//! `up` holds on to (the lock, the transaction's id), the script does.

use super::account::Account;
use super::{Looked, Run};
use crate::adopt::{self, Adoption};
use crate::apply::{Applied, RESTORE, put_back_sql};
use crate::error::Error;
use crate::history::runs::{RunCommand, RunMigration, RunOutcome, TrailWriter, sha256};
use crate::history::{HistoryTable, Mirror, Reading};
use crate::migrations::script::Statements;
use crate::migrations::{Migration, ReadError};
use crate::plan::Batch;
use crate::postgres::literal;
use crate::postgres::lock::LockKey;
use crate::postgres::startup::Route;
use crate::review::Reviewed;

/// Stands where the transaction's id goes, which psql fills in.
const ID: &str = "schemagate_transaction";
const OPEN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;\n\
                    SELECT pg_catalog.pg_current_xact_id() AS schemagate_transaction \\gset\n";

/// A script as it grows.
struct Script<'a> {
    text: String,
    key: LockKey,
    table: HistoryTable,
    mirror: Option<Mirror>,
    mirror_is_new: bool,
    rows: usize,
    trail: Option<TrailWriter>,
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
        let mut account = Account::new(self.settings);
        account.began(found);
        let settings = self.dialer.parameters().statements(Route::Pooled, session.server.major_version);
        let mut script = Script {
            text: head(&session.server.place, &session.server.version, &found.table),
            key: LockKey::for_table(&found.table.name),
            table: found.table.clone(),
            mirror: self.mirror(found),
            mirror_is_new: found.drizzle.is_none(),
            rows: reading.applied.len(),
            trail: account.writer(&found.trail)?,
            settings: format!("SET client_encoding = 'UTF8'; {settings}"),
            done: Vec::new(),
            batches,
        };
        script.text.push_str(&format!("{}\n\n", script.settings.trim_end()));
        script.text.push_str(&script.lock(found.applied.len()));
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
         -- Use a direct connection and no pooler: the lock below keeps other runs out as long as this session lasts. What\n\
         -- the script does not do: try again after lock_timeout, say who is in the way, clear an invalid index away.\n\
         \\set ON_ERROR_STOP on\n\\set AUTOCOMMIT on\n\\set ON_ERROR_ROLLBACK off\n\\pset pager off\n\\pset tuples_only on\n\n",
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

    /// Takes the lock of `up`, or fails: whoever waited for it inside the server could deadlock with the holder. Then the
    /// history must be what it was, or this is not the script for it.
    fn lock(&self, rows: usize) -> String {
        let name = self.table.name.quoted();
        let other = match self.table.exists {
            true => format!("(SELECT pg_catalog.count(*) FROM {name}) <> {rows}"),
            false => format!("pg_catalog.to_regclass({}) IS NOT NULL", literal(&name)),
        };
        format!(
            "-- The lock that every run of schemagate takes; it goes with the session.\nDO $lock$ BEGIN\n  IF NOT {} THEN\n    \
             RAISE 'another run of schemagate holds the lock';\n  END IF;\n  IF {other} THEN\n    \
             RAISE 'the history is not what it was when this script was written: write it anew';\n  END IF;\n\
             END $lock$;\n\n",
            self.key.try_only_sql()
        )
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
                self.say(&format!("{};", part(range)));
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

    /// The text of a file: what its last line holds may be a comment, and its last statement need not end.
    fn statements(&mut self, sql: &str) {
        self.say(sql.trim_end());
        self.say(";");
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
        self.say(&format!("-- The row of the audit trail.\n{sql};"));
    }
}

fn applied(reviewed: &Reviewed<'_>, text: &str) -> RunMigration {
    Applied::of(reviewed.migration, std::time::Duration::ZERO, Some(sha256(text))).recorded()
}

/// Lets psql fill the transaction's id in.
fn by_psql(sql: &str) -> String {
    sql.replace(&format!("'{ID}'"), &format!(":'{ID}'"))
}
