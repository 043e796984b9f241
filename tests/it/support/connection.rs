//! A session of the test's own, beside the job's: asks the catalogue, holds locks, makes a mess.
//! Takes a URL. Never retries; a failed statement fails the test and says the server's words.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

use super::poll;

/// By this `application_name` the harness knows its own sessions.
pub const APPLICATION: &str = "schemagate tests";

/// Rows as text; `None` is NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// A session, to be used without `async`. It may be moved into a thread, to wait for a lock there.
#[derive(Debug)]
pub struct Connection {
    runtime: Runtime,
    client: Option<Client>,
    driver: Option<JoinHandle<()>>,
}

impl Connection {
    /// Connects without TLS.
    pub fn open(url: &str) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut config: tokio_postgres::Config = url.parse()?;
        config.application_name(APPLICATION);
        let (client, connection) = runtime.block_on(config.connect(NoTls))?;
        let driver = runtime.spawn(async move {
            // An end of the session shows in the next statement.
            let _ = connection.await;
        });
        Ok(Self { runtime, client: Some(client), driver: Some(driver) })
    }

    /// Runs SQL, any number of statements, and leaves their rows unread.
    #[track_caller]
    pub fn execute(&mut self, sql: &str) {
        self.query_strings(sql);
    }

    /// The rows of all statements in `sql`, as text.
    #[track_caller]
    pub fn query_strings(&mut self, sql: &str) -> Rows {
        self.try_query(sql).unwrap_or_else(|error| panic!("{sql}\n{error:?}"))
    }

    /// As [`Self::query_strings`], with the server's error.
    pub fn try_query(&mut self, sql: &str) -> Result<Rows, Error> {
        let client = self.client.as_ref().expect("open until dropped");
        let messages = self.runtime.block_on(client.simple_query(sql))?;
        let text = |row: tokio_postgres::SimpleQueryRow| {
            (0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()
        };
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(text(row)),
                _ => None,
            })
            .collect())
    }

    /// The first column of the first row; `None` where it is NULL or there is no row.
    #[track_caller]
    pub fn value(&mut self, sql: &str) -> Option<String> {
        self.query_strings(sql).into_iter().next().and_then(|row| row.into_iter().next()?)
    }

    /// The first column of all rows; NULL is an empty text.
    #[track_caller]
    pub fn column(&mut self, sql: &str) -> Vec<String> {
        let first = |row: Vec<Option<String>>| row.into_iter().next().flatten().unwrap_or_default();
        self.query_strings(sql).into_iter().map(first).collect()
    }

    /// Waits until `sql` gives `true`.
    #[track_caller]
    pub fn wait_until(&mut self, sql: &str, limit: Duration) {
        poll(sql, limit, || (self.value(sql).as_deref() == Some("t")).then_some(()));
    }

    /// The server process of this session.
    #[track_caller]
    pub fn pid(&mut self) -> String {
        self.value("select pg_backend_pid()").expect("a session has a process")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Says goodbye, so that the session is gone and the server's log holds no complaint.
        drop(self.client.take());
        if let Some(driver) = self.driver.take() {
            let _ = self.runtime.block_on(driver);
        }
    }
}
