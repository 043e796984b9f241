//! The advisory lock that makes runs take turns. In: the history table's name. Out: statements that try it, prove it
//! and name who holds it. Never waits inside the server: a waiter there holds a snapshot, and a `CREATE INDEX
//! CONCURRENTLY` of the holder would wait for it for ever.

use std::fmt;
use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::settings::TableName;

use super::session::Rows;

/// First half of every key: "SGAT".
const CLASS: i32 = 0x5347_4154;
/// WAL position and server time, whatever the role's DateStyle and time zone.
pub const POINT_SQL: &str = "pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.to_char(pg_catalog.clock_timestamp() \
    AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')";
/// How many statements [`LockKey::try_sql`] holds.
pub const TRY_STATEMENTS: usize = 2;

/// The key of the lock, in the two-integer form. One for each history table of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockKey {
    object: i32,
}

/// The session that holds the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Backend process id.
    pub pid: String,
    /// Role.
    pub user: Option<String>,
    /// `application_name`.
    pub application: Option<String>,
    /// Client address; none over a Unix socket, or where the role may not see it.
    pub client: Option<String>,
    /// When its session began, by the server's clock.
    pub since: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        if let Some(application) = self.application.as_deref().filter(|name| !name.is_empty()) {
            write!(f, " ({application})")?;
        }
        for (lead, fact) in [(" of user ", &self.user), (" from ", &self.client), (" since ", &self.since)] {
            if let Some(fact) = fact {
                write!(f, "{lead}{fact}")?;
            }
        }
        Ok(())
    }
}

impl LockKey {
    /// The key for a history table, by its full name.
    pub fn for_table(table: &TableName) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(table.quoted().as_bytes());
        let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
        Self { object: i32::from_le_bytes([a, b, c, d]) }
    }

    fn arguments(self) -> String {
        format!("{CLASS}, {}", self.object)
    }

    /// The rows of `pg_locks` that are this lock, granted.
    fn predicate(self) -> String {
        format!(
            "l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = {} AND l.objid = {} \
             AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())",
            CLASS.cast_unsigned(),
            self.object.cast_unsigned()
        )
    }

    /// Tries the session lock, and lists who else holds it.
    pub fn try_sql(self) -> String {
        format!(
            "SELECT pg_catalog.pg_try_advisory_lock({}), pg_catalog.current_setting('lock_timeout'); \
             SELECT l.pid, a.usename, a.application_name, pg_catalog.host(a.client_addr), \
             pg_catalog.to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') \
             FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
             WHERE {} AND l.pid <> pg_catalog.pg_backend_pid()",
            self.arguments(),
            self.predicate()
        )
    }

    /// Tries the session lock: an expression.
    pub fn try_only_sql(self) -> String {
        format!("pg_catalog.pg_try_advisory_lock({})", self.arguments())
    }

    /// Reads the answer to [`LockKey::try_sql`]: whether the lock is ours now, and who else holds it.
    pub fn read_try(tried: &Rows, holders: &Rows) -> (bool, Option<Holder>) {
        let ours = tried.first().and_then(|row| row.first()).and_then(Option::as_deref) == Some("t");
        let holder = holders.first().map(|row| {
            let field = |column: usize| row.get(column).cloned().flatten();
            Holder {
                pid: field(0).unwrap_or_default(),
                user: field(1),
                application: field(2),
                client: field(3),
                since: field(4),
            }
        });
        (ours, holder)
    }

    /// Opens a transaction behind the fence: one row that says whether this very backend holds the session lock, then
    /// one with the transaction id, WAL position and server time, where the lock could also be taken for the
    /// transaction. The order matters: `pg_locks` does not tell a session's lock from a transaction's.
    pub fn begin_sql(self) -> String {
        format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE {} AND l.pid = pg_catalog.pg_backend_pid()); \
             SELECT CASE WHEN pg_catalog.pg_try_advisory_xact_lock({}) THEN pg_catalog.pg_current_xact_id() END, \
             {POINT_SQL}, \
             EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled OPERATOR(pg_catalog.<>) 'D'), \
             EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE condeferrable)",
            self.predicate(),
            self.arguments()
        )
    }

    /// Takes the lock for the rest of the transaction, and waits for it: only where every holder is about to commit.
    pub fn take_in_transaction_sql(self) -> String {
        format!("SELECT pg_catalog.pg_advisory_xact_lock({})", self.arguments())
    }

    /// One row: whether this very backend holds the session lock, WAL position and server time.
    pub fn held_sql(self) -> String {
        format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE {} AND l.pid = pg_catalog.pg_backend_pid()), \
             {POINT_SQL}",
            self.predicate()
        )
    }

    /// Gives the session lock back.
    pub fn unlock_sql(self) -> String {
        format!("SELECT pg_catalog.pg_advisory_unlock({})", self.arguments())
    }

    /// Gives the session lock back and takes it again, while the transaction's own lock keeps others out. The first
    /// column is false where a file had freed it (`pg_advisory_unlock_all`): then this has mended it.
    pub fn renew_sql(self) -> String {
        format!("SELECT pg_catalog.pg_advisory_unlock({0}), pg_catalog.pg_try_advisory_lock({0})", self.arguments())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_history_table_has_a_key_of_its_own() {
        let key = |text| LockKey::for_table(&TableName::parse(text).unwrap());
        assert_eq!(key("drizzle.__migrations__"), key("drizzle.__migrations__"));
        assert_ne!(key("drizzle.__migrations__"), key("public.__migrations__"));
    }

    #[test]
    fn a_holder_is_told_with_whatever_is_known_of_it() {
        let full = Holder {
            pid: "12".into(),
            user: Some("api".into()),
            application: Some("schemagate".into()),
            client: Some("10.0.0.7".into()),
            since: Some("2026-11-22 03:00:00 UTC".into()),
        };
        assert_eq!(full.to_string(), "pid 12 (schemagate) of user api from 10.0.0.7 since 2026-11-22 03:00:00 UTC");
        let bare = Holder { pid: "12".into(), user: None, application: Some(String::new()), client: None, since: None };
        assert_eq!(bare.to_string(), "pid 12");
    }
}
