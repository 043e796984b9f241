//! Tells a transaction pooler from a session pooler. In: a session that came without our startup options. Out: whether
//! it keeps its backend. The fence of every transaction, not this probe, keeps the database safe.

use std::time::Duration;

use super::connect::{Dialer, Need};
use super::server_error::QueryError;
use super::session::Session;
use crate::stop::Stop;

/// How long the second connection may take; a session pool of one never lets it in.
const SECOND_CONNECTION: Duration = Duration::from_secs(2);

/// What the probe saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The session keeps its backend: session pooling.
    Session,
    /// It does not, or may not open a transaction: transaction or statement pooling.
    Transaction,
}

/// Watches which backends serve two sessions while one of them opens and ends a transaction.
///
/// # Errors
/// [`QueryError`] where the first session fails.
pub async fn probe(dialer: &Dialer, first: &Session, stop: &mut Stop) -> Result<Pooling, QueryError> {
    let opened = tokio::time::timeout(SECOND_CONNECTION, dialer.connect(Need::Read, Duration::ZERO, stop)).await;
    let Ok(Ok(second)) = opened else {
        tracing::debug!("no second connection while the first is idle: a session pool of one");
        return Ok(Pooling::Session);
    };
    match tokio::time::timeout(SECOND_CONNECTION, watch(first, &second)).await {
        Ok(seen) => {
            second.close().await;
            seen
        }
        // The second session waits for a backend that the first one keeps; a good-bye would wait as well.
        Err(_) => Ok(Pooling::Session),
    }
}

async fn watch(first: &Session, second: &Session) -> Result<Pooling, QueryError> {
    let first_pid = pid(first).await?;
    // Refused after a wait of the pooler's own, or cut off: no backend was to be had beside the first one's.
    let Ok(second_pid) = pid(second).await else { return Ok(Pooling::Session) };
    let before = (first_pid, second_pid);
    if before.0 == before.1 {
        return Ok(Pooling::Transaction);
    }
    if let Err(QueryError::Server(error)) = second.query("BEGIN").await {
        tracing::debug!(%error, "BEGIN refused: a statement pooler");
        return Ok(Pooling::Transaction);
    }
    let during = (pid(first).await?, pid(second).await?);
    second.query("ROLLBACK").await?;
    let after = (pid(first).await?, pid(second).await?);
    let steady = before == during && during == after;
    Ok(if steady { Pooling::Session } else { Pooling::Transaction })
}

async fn pid(session: &Session) -> Result<String, QueryError> {
    let answer = session.query("SELECT pg_catalog.pg_backend_pid()").await?;
    let value = answer.first().and_then(|rows| rows.first()).and_then(|row| row.first()).cloned().flatten();
    value.ok_or_else(|| QueryError::Protocol { reason: "no process id in the answer".to_owned() })
}
