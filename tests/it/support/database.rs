//! A fresh database for one test, and what a test asks of it through a second connection.
//! Takes a server's address. Dropped with its sessions and roles at the end of the test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::cluster::Address;
use super::connection::{APPLICATION, Connection, Rows};
use super::{poll, shared, test_name};

/// The table of the audit trail, in the schema of the default history.
pub const TRAIL: &str = "drizzle.__migration_runs__";
/// How long the server may take to notice that a session has gone.
const GONE: Duration = Duration::from_secs(10);

/// A database with nothing in it.
#[derive(Debug)]
pub struct Database {
    address: Address,
    name: String,
    roles: AtomicU32,
}

impl Database {
    /// On the server that all ordinary tests share.
    #[track_caller]
    pub fn new() -> Self {
        Self::on(shared::address())
    }

    /// On a server of the test's own.
    #[track_caller]
    pub fn on(address: &Address) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let test = test_name();
        let test: String = test.rsplit("::").next().unwrap_or_default().chars().take(40).collect();
        // Told from every other by process and number; the test's name is for whoever reads the server's log.
        let name = format!("sg_{test}_{}_{number}", std::process::id());
        let mut session = address.connect("postgres");
        session.execute(&format!("create database {name} template template0"));
        Self { address: address.clone(), name, roles: AtomicU32::new(0) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Goes on with the database of this name on another server: the one that a failover has made the primary.
    pub fn follow(&mut self, address: &Address) {
        self.address = address.clone();
    }

    /// The superuser's URL over TCP.
    pub fn url(&self) -> String {
        self.address.url(&self.name)
    }

    /// The URL of `user`, which may be `name:password`.
    pub fn url_as(&self, user: &str) -> String {
        self.address.url_as(user, &self.name)
    }

    /// The superuser's URL over the Unix socket.
    pub fn socket_url(&self) -> String {
        self.address.socket_url(&self.name)
    }

    /// A session of the test's own.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        self.address.connect(&self.name)
    }

    /// Runs SQL in a session that ends with it.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        self.connect().execute(sql);
    }

    /// The rows of `sql` as text, from a session that ends with it.
    #[track_caller]
    pub fn query_strings(&self, sql: &str) -> Rows {
        self.connect().query_strings(sql)
    }

    /// The first column of the first row.
    #[track_caller]
    pub fn value(&self, sql: &str) -> Option<String> {
        self.connect().value(sql)
    }

    /// Waits until `sql` gives `true`.
    #[track_caller]
    pub fn wait_until(&self, sql: &str, limit: Duration) {
        self.connect().wait_until(sql, limit);
    }

    /// Makes a role with these attributes (`login password 'x'`); its name. It goes with the database.
    #[track_caller]
    pub fn role(&self, attributes: &str) -> String {
        let role = self.role_name(self.roles.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("create role {role} {attributes}"));
        role
    }

    fn role_name(&self, number: u32) -> String {
        // 63 bytes at most, and the end is what tells databases apart.
        let tail = self.name.len().saturating_sub(50);
        format!("role{number}_{}", &self.name[tail..])
    }

    /// Ends the sessions in this database whose `application_name` is LIKE `application`; how many there were.
    #[track_caller]
    pub fn terminate_backends(&self, application: &str) -> usize {
        let ended = self.query_strings(&format!(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid() and application_name like '{application}'"
        ));
        ended.len()
    }

    /// The tables, `schema.table`, that are not the system's.
    #[track_caller]
    pub fn tables(&self) -> Vec<String> {
        self.connect().column(
            "select schemaname || '.' || tablename from pg_tables
             where schemaname not in ('pg_catalog', 'information_schema') order by 1",
        )
    }

    /// The sessions in this database that are not the harness's: pid, application, state, query.
    #[track_caller]
    pub fn sessions(&self) -> Rows {
        self.query_strings(&format!(
            "select pid, application_name, state, query from pg_stat_activity
             where datname = current_database() and application_name <> '{APPLICATION}'
                 and backend_type = 'client backend'"
        ))
    }

    /// The advisory locks in this database: pid, classid, objid, mode, granted.
    #[track_caller]
    pub fn advisory_locks(&self) -> Rows {
        self.query_strings(
            "select pid, classid, objid, mode, granted from pg_locks
             where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())",
        )
    }

    /// No session but the harness's is left, or none soon: a server process ends a moment after its client.
    #[track_caller]
    pub fn assert_no_session(&self) {
        self.assert_none("sessions", || self.sessions());
    }

    /// No advisory lock is left, or none soon.
    #[track_caller]
    pub fn assert_no_advisory_lock(&self) {
        self.assert_none("advisory locks", || self.advisory_locks());
    }

    #[track_caller]
    fn assert_none(&self, what: &str, rows: impl Fn() -> Rows) {
        let start = std::time::Instant::now();
        poll(what, GONE * 2, || {
            let left = rows();
            assert!(left.is_empty() || start.elapsed() < GONE, "{what} left in {} after {GONE:?}: {left:?}", self.name);
            left.is_empty().then_some(())
        });
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that the test stopped takes its databases along.
        let Ok(mut session) = Connection::open(&self.address.socket_url("postgres")) else {
            return;
        };
        let mut failed = session.try_query(&format!("drop database {} with (force)", self.name)).err();
        for number in 0..self.roles.load(Ordering::Relaxed) {
            let dropped = session.try_query(&format!("drop role {}", self.role_name(number)));
            failed = failed.or(dropped.err());
        }
        if let Some(error) = failed.filter(|_| !std::thread::panicking()) {
            panic!("cleaning up {}: {error:?}", self.name);
        }
    }
}
