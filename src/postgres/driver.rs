//! Moves the bytes of a connection, and reads what the server said of itself when it let the session in.
//! In: the driver's connection. Out: a `Driver` task, `ServerFacts`. Never sends anything.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::{AsyncMessage, Connection};

use super::server_error::{ServerError, chain};
use super::session::{Driver, Notices, ServerFacts};
use super::transport::{Endpoint, Transport};

/// What the server said of itself during the handshake.
pub(super) fn facts<T>(
    connection: &Connection<Transport, T>,
    endpoint: &Endpoint,
    place: String,
    encrypted: bool,
) -> ServerFacts
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let parameter = |name| connection.parameter(name).unwrap_or_default();
    let version = parameter("server_version").to_owned();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    ServerFacts {
        major_version: digits.parse().unwrap_or(0),
        version,
        in_recovery: parameter("in_hot_standby") == "on",
        read_only_by_default: parameter("default_transaction_read_only") == "on",
        address: endpoint.to_string(),
        place,
        encrypted,
    }
}

/// Moves the bytes until the connection ends; logs what the server says on the way.
pub(super) fn drive<T>(mut connection: Connection<Transport, T>) -> Driver
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let last_word = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&last_word);
    let notices = Notices::default();
    let kept = Arc::clone(&notices);
    let task = tokio::spawn(async move {
        loop {
            match std::future::poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notice(notice))) => hear(&kept, ServerError::from(&notice)),
                Some(Ok(_)) => {}
                // This says only what the statement under way says too, and would hide the server's reason there.
                Some(Err(error)) if error.is_closed() => return,
                Some(Err(error)) => {
                    let word = match error.as_db_error() {
                        Some(db) => ServerError::from(db).to_string(),
                        None => chain(&error),
                    };
                    *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
                    return;
                }
                None => return,
            }
        }
    });
    Driver { task, last_word, notices }
}

fn hear(kept: &Notices, notice: ServerError) {
    match kept.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        Some(kept) => kept.push(notice),
        None => tell_notice(&notice),
    }
}

fn tell_notice(notice: &ServerError) {
    let detail = notice.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let words = format!("server {}: {}{detail}", notice.severity.to_lowercase(), notice.message);
    match notice.severity.as_str() {
        "WARNING" => tracing::warn!(sqlstate = notice.sqlstate, "{words}"),
        "NOTICE" | "INFO" => tracing::info!(sqlstate = notice.sqlstate, "{words}"),
        // What a role's client_min_messages lets through besides is about the server, and holds our own SQL.
        _ => tracing::debug!(sqlstate = notice.sqlstate, "{words}"),
    }
}
