//! A transaction that is never kept, and what was asked in it. In: a session. Out: rows, or the server's refusal with
//! the transaction still alive. Never commits.

use crate::postgres::server_error::{QueryError, ServerError};
use crate::postgres::session::{Rows, Session};

/// What stands in the way of a case.
#[derive(Debug, Clone)]
pub(in crate::qualification) enum Stumble {
    /// The connection, which ends it all.
    Lost(QueryError),
    /// Something of this case; one sentence.
    Cannot(String),
}

/// An open transaction. It is to be ended with [`Probe::end`]; one that is dropped ends with its session.
#[derive(Debug)]
pub(in crate::qualification) struct Probe<'a> {
    session: &'a Session,
}

impl<'a> Probe<'a> {
    /// Begins.
    pub(in crate::qualification) async fn begin(session: &'a Session) -> Result<Self, QueryError> {
        // What triggers have to say of rows that nobody keeps is no news.
        session.query("BEGIN; SET LOCAL client_min_messages = error").await?;
        Ok(Self { session })
    }

    /// Undoes all.
    pub(in crate::qualification) async fn end(self) -> Result<(), QueryError> {
        self.session.query("ROLLBACK").await.map(drop)
    }

    /// Runs one statement. A refusal undoes this statement alone.
    pub(in crate::qualification) async fn attempt(&self, sql: &str) -> Result<Result<Rows, Box<ServerError>>, Stumble> {
        let message = format!("SAVEPOINT schemagate;\n{sql};\nRELEASE schemagate");
        match self.session.query(&message).await {
            // The rows stand between those of the two that make it safe, which have none.
            Ok(answers) => Ok(Ok(answers.into_iter().flatten().collect())),
            Err(QueryError::Server(error)) => {
                self.session.query("ROLLBACK TO schemagate; RELEASE schemagate").await.map_err(Stumble::Lost)?;
                Ok(Err(error))
            }
            Err(lost) => Err(Stumble::Lost(lost)),
        }
    }

    /// As [`Self::attempt`], where a refusal ends the case.
    pub(in crate::qualification) async fn ask(&self, sql: &str) -> Result<Rows, Stumble> {
        self.attempt(sql).await?.map_err(|error| Stumble::Cannot(words(&error)))
    }
}

/// The server's words in one line, with the detail where it tells more.
pub(in crate::qualification) fn words(error: &ServerError) -> String {
    // Which row failed says nothing: it was made up.
    let detail = error.detail.as_deref().filter(|_| !matches!(error.sqlstate.as_str(), "23502" | "23514"));
    let detail = detail.map(|detail| format!(", {}", detail.trim_end_matches('.'))).unwrap_or_default();
    format!("{error}{detail}").split_whitespace().collect::<Vec<_>>().join(" ")
}
