//! One live connection. In: an open socket's client and driver. Out: answers to simple-protocol messages, in order.
//! Never reconnects and never decides what to send.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::task::JoinHandle;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream};

use super::cancel::Canceller;
use super::server_error::{QueryError, ServerError};
use super::startup::Route;

const RECOVERY_SQL: &str =
    "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only')";

/// The rows of one statement, every value as text.
pub type Rows = Vec<Vec<Option<String>>>;

/// What a finished message returned.
#[derive(Debug, Default)]
pub struct Answer {
    /// The rows of each statement that completed, in order.
    pub statements: Vec<Rows>,
    /// How the message failed, if it did.
    pub error: Option<QueryError>,
}

impl Answer {
    /// The statements' rows, or the error.
    ///
    /// # Errors
    /// The error that ended the message.
    pub fn into_result(self) -> Result<Vec<Rows>, QueryError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.statements),
        }
    }
}

/// What the server said of itself during the handshake, and where it is.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// Major version, such as 15; zero where it cannot be read.
    pub major_version: u32,
    /// The version as the server writes it.
    pub version: String,
    /// Whether it is in recovery: a standby.
    pub in_recovery: bool,
    /// Whether transactions are read-only by default.
    pub read_only_by_default: bool,
    /// The address with its port, or the socket.
    pub address: String,
    /// Host, database and user as the URL names them, without secrets.
    pub place: String,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
}

/// One live connection.
#[derive(Debug)]
pub struct Session {
    client: tokio_postgres::Client,
    driver: Driver,
    canceller: Canceller,
    /// How it came to be.
    pub route: Route,
    /// What the server said of itself.
    pub server: ServerFacts,
}

/// The task that moves the bytes, and the last word of the server before it ended.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) task: JoinHandle<()>,
    pub(super) last_word: Arc<Mutex<Option<String>>>,
    pub(super) notices: Notices,
}

/// What the server said besides, kept for whoever asks; none where it goes to the log.
pub(super) type Notices = Arc<Mutex<Option<Vec<ServerError>>>>;

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    pub(super) fn new(
        client: tokio_postgres::Client,
        driver: Driver,
        canceller: Canceller,
        route: Route,
        server: ServerFacts,
    ) -> Self {
        Self { client, driver, canceller, route, server }
    }

    /// Sends one message and returns at once; answers come in the order of the messages.
    ///
    /// # Errors
    /// [`QueryError::Lost`] where the connection is gone already.
    pub async fn send(&self, sql: &str) -> Result<Reply, QueryError> {
        let ears = Ears { route: self.route, last_word: Arc::clone(&self.driver.last_word) };
        let stream = self.client.simple_query_raw(sql).await.map_err(|error| ears.explain(error.into()))?;
        Ok(Reply { stream: Box::pin(stream), ears })
    }

    /// Sends one message and awaits all of its answer.
    ///
    /// # Errors
    /// [`QueryError`], whatever ended the message.
    pub async fn query(&self, sql: &str) -> Result<Vec<Rows>, QueryError> {
        self.send(sql).await?.collect().await.into_result()
    }

    /// Runs one statement by the extended protocol, whose messages cannot hold more than one: the server refuses a
    /// second. Gives the number of rows of its command tag.
    ///
    /// # Errors
    /// [`QueryError`], whatever ended the statement.
    pub async fn execute_one(&self, sql: &str) -> Result<u64, QueryError> {
        let ears = Ears { route: self.route, last_word: Arc::clone(&self.driver.last_word) };
        self.client.execute_typed(sql, &[]).await.map_err(|error| ears.explain(error.into()))
    }

    /// Keeps the server's warnings and notices from now on instead of logging them.
    pub fn keep_notices(&self) {
        *self.driver.notices.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// Takes what was kept since the last time.
    pub fn take_notices(&self) -> Vec<ServerError> {
        let mut notices = self.driver.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Asks the server itself whether it is in recovery and whether transactions are read-only by default.
    pub(super) async fn ask_for_recovery(&mut self) -> Result<(), QueryError> {
        let answer = self.query(RECOVERY_SQL).await?;
        let Some([Some(recovery), Some(read_only)]) = answer.first().and_then(|rows| rows.first()).map(Vec::as_slice)
        else {
            return Err(QueryError::Protocol { reason: "an incomplete answer".to_owned() });
        };
        self.server.in_recovery = recovery == "t";
        self.server.read_only_by_default = read_only == "on";
        Ok(())
    }

    /// A handle that asks the server to cancel the running statement.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Says good-bye, so that the server logs no lost connection; a server that does not answer is left after 2 s.
    pub async fn close(self) {
        let Self { client, mut driver, .. } = self;
        drop(client);
        // The outcome of a good-bye changes nothing any more.
        let _ = tokio::time::timeout(Duration::from_secs(2), &mut driver.task).await;
    }
}

/// The answer of one message, as it arrives.
pub struct Reply {
    stream: std::pin::Pin<Box<SimpleQueryStream>>,
    ears: Ears,
}

/// One step of an answer.
#[derive(Debug)]
pub enum Step {
    /// A row of the running statement.
    Row(SimpleQueryRow),
    /// A statement completed.
    Complete,
    /// The message failed.
    Failed(QueryError),
    /// The whole message is answered.
    End,
}

impl Reply {
    /// The next step of the answer. Safe to drop while it waits.
    pub async fn next(&mut self) -> Step {
        loop {
            return match self.stream.next().await {
                Some(Ok(SimpleQueryMessage::Row(row))) => Step::Row(row),
                Some(Ok(SimpleQueryMessage::CommandComplete(_))) => Step::Complete,
                Some(Ok(_)) => continue,
                Some(Err(error)) => Step::Failed(self.ears.explain(error.into())),
                None => Step::End,
            };
        }
    }

    /// Awaits the whole answer. After an error nothing more of it is read.
    pub async fn collect(mut self) -> Answer {
        let mut answer = Answer::default();
        let mut rows = Vec::new();
        loop {
            match self.next().await {
                Step::Row(row) => rows.push(texts(&row)),
                Step::Complete => answer.statements.push(std::mem::take(&mut rows)),
                Step::Failed(error) => {
                    answer.error = Some(error);
                    return answer;
                }
                Step::End => return answer,
            }
        }
    }
}

/// The values of a row, as text.
pub fn texts(row: &SimpleQueryRow) -> Vec<Option<String>> {
    (0..row.len()).map(|column| row.get(column).map(ToOwned::to_owned)).collect()
}

/// What is known besides of how a message failed.
struct Ears {
    route: Route,
    last_word: Arc<Mutex<Option<String>>>,
}

impl Ears {
    /// A closed connection by itself says nothing; the driver may have heard why. And a pooler that ends a session says so
    /// with the code that from a server means a defect in what was sent.
    fn explain(&self, error: QueryError) -> QueryError {
        let heard = self.last_word.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (error, heard) {
            (QueryError::Lost { .. }, Some(reason)) => QueryError::Lost { reason },
            (QueryError::Server(error), _) if self.route == Route::Pooled && error.is_fatal() => {
                QueryError::Lost { reason: error.to_string() }
            }
            (error, _) => error,
        }
    }
}
