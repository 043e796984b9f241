//! What the server or the connection said, as facts. In: a driver's error. Out: a `QueryError` that tells a refusal
//! from a lost connection. Never decides what to do about it.

use std::error::Error as _;
use std::fmt;

use tokio_postgres::error::{DbError, ErrorPosition};

/// An error or notice of the server, with every field a reader can use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerError {
    /// ERROR, FATAL, WARNING, NOTICE …
    pub severity: String,
    /// SQLSTATE, five characters.
    pub sqlstate: String,
    /// The primary message.
    pub message: String,
    /// Its detail.
    pub detail: Option<String>,
    /// Its hint.
    pub hint: Option<String>,
    /// Place in the message sent, in characters from 1.
    pub position: Option<u32>,
    /// A query the server ran itself, and the place in it.
    pub internal: Option<(u32, String)>,
    /// The call stack of the error.
    pub context: Option<String>,
    /// The table concerned, with its schema.
    pub table: Option<String>,
    /// The constraint concerned.
    pub constraint: Option<String>,
}

impl ServerError {
    /// Whether another session's locks were the cause: `lock_timeout`, a deadlock, a serialization failure.
    pub fn lost_to_other_sessions(&self) -> bool {
        matches!(self.sqlstate.as_str(), "55P03" | "40P01" | "40001")
    }

    /// Whether the server lacked memory, disk, locks or connections.
    pub fn short_of_resources(&self) -> bool {
        self.sqlstate.starts_with("53") || self.sqlstate == "58030"
    }

    /// Whether a pooler, and not the server, refused our startup `options`: PgBouncer with 08P01, Amazon's proxy with
    /// words of its own.
    pub(super) fn is_a_pooler_refusing_options(&self) -> bool {
        let message = self.message.as_str();
        (self.sqlstate == "08P01" && message.contains("startup parameter")) || message.contains("command-line options")
    }

    /// Whether a login that was refused with this may succeed later.
    pub(super) fn time_may_cure_a_refused_login(&self) -> bool {
        // 57P03 starting up, 57P01 and 57P02 shutting down, 53300 no connection left, 08xxx a proxy's own words.
        match self.sqlstate.as_str() {
            "57P03" | "57P01" | "57P02" => true,
            // A backend on a full disk: "could not write init file"; what else is internal is no worse for a try.
            "XX000" => true,
            // PgBouncer gives every error this code, its own and its server's.
            "08P01" => POOLER_WAITS.iter().any(|words| self.message.contains(words)),
            code => self.short_of_resources() || code.starts_with("08"),
        }
    }

    /// What a refused login is about. A pooler's errors all have one code, so that only their words tell.
    pub fn login_refusal(&self) -> LoginRefusal {
        let says = |words: &str| self.message.contains(words);
        match self.sqlstate.as_str() {
            "28P01" => LoginRefusal::Password,
            "3D000" => LoginRefusal::Database,
            "42501" => LoginRefusal::Privilege,
            code if code.starts_with("28") => LoginRefusal::Client,
            "08P01" if says("password authentication failed") => LoginRefusal::Password,
            "08P01" if says("authentication failed") || says("no such user") || says("pg_hba") => LoginRefusal::Client,
            "08P01" if says("no such database") || says("does not exist") => LoginRefusal::Database,
            "42704" | "22023" | "42601" | "08P01" => LoginRefusal::Options,
            _ => LoginRefusal::Other,
        }
    }

    /// Whether the session ended with it, whoever ended it.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }

    /// Whether the session ended with it: shutdown, crash, `pg_terminate_backend`, a full disk under the log. What it
    /// was at, and be it a COMMIT, may have taken place.
    fn ended_the_session(&self) -> bool {
        // PgBouncer gives 08P01 to the end of a session too; from a server that is a defect in what was sent.
        if self.sqlstate == "08P01" {
            return POOLER_ENDS.iter().any(|words| self.message.contains(words));
        }
        let lost = matches!(self.sqlstate.as_str(), "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04");
        lost || self.sqlstate.starts_with("08") || self.is_fatal()
    }
}

/// What PgBouncer says of a server that is away, starting or full, and of being full or stopping itself.
const POOLER_WAITS: [&str; 10] = [
    "cannot connect to server",
    "server login",
    "no more connections allowed",
    "client_login_timeout",
    "query_wait_timeout",
    "shutting down",
    "starting up",
    "not yet accepting connections",
    "too many",
    "remaining connection slots",
];

/// What PgBouncer says when it ends a session that it had let in.
const POOLER_ENDS: [&str; 5] =
    ["query_wait_timeout", "server conn crashed", "server login", "cannot connect to server", "shutting down"];

/// What the server did not like about a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// User or password.
    Password,
    /// The way this client comes in: `pg_hba.conf`, a certificate, a role without LOGIN.
    Client,
    /// There is no such database.
    Database,
    /// CONNECT on the database, or one of the `options`.
    Privilege,
    /// The startup `options`.
    Options,
    /// Something else.
    Other,
}

impl From<&DbError> for ServerError {
    fn from(error: &DbError) -> Self {
        let text = |value: Option<&str>| value.map(ToOwned::to_owned);
        let (position, internal) = match error.position() {
            Some(ErrorPosition::Original(position)) => (Some(*position), None),
            Some(ErrorPosition::Internal { position, query }) => (None, Some((*position, query.clone()))),
            None => (None, None),
        };
        Self {
            // The other one is in the language of the server's messages.
            severity: error.parsed_severity().map_or_else(|| error.severity().to_owned(), |known| known.to_string()),
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: text(error.detail()),
            hint: text(error.hint()),
            position,
            internal,
            context: text(error.where_()),
            table: error.table().map(|table| match error.schema() {
                Some(schema) => format!("{schema}.{table}"),
                None => table.to_owned(),
            }),
            constraint: text(error.constraint()),
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.sqlstate)
    }
}

/// How a query ended, where it did not end well.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The server refused it.
    #[error("{0}")]
    Server(Box<ServerError>),
    /// The connection is gone; whether the server ran the query is not known.
    #[error("connection lost: {reason}")]
    Lost {
        /// What the system or the server said last.
        reason: String,
    },
    /// The server sent what the protocol does not allow here.
    #[error("the server broke the protocol: {reason}")]
    Protocol {
        /// What the driver said of it.
        reason: String,
    },
}

impl QueryError {
    /// The server's own error, where there is one.
    pub fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Server(error) => Some(error),
            Self::Lost { .. } | Self::Protocol { .. } => None,
        }
    }

    /// The SQLSTATE, where the server gave one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.server().map(|error| error.sqlstate.as_str())
    }
}

impl From<tokio_postgres::Error> for QueryError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            let server = ServerError::from(db);
            return if server.ended_the_session() {
                Self::Lost { reason: server.to_string() }
            } else {
                Self::Server(Box::new(server))
            };
        }
        let reason = chain(&error);
        let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        let garbled = io
            .is_some_and(|io| matches!(io.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::InvalidInput));
        if error.is_closed() || (io.is_some() && !garbled) { Self::Lost { reason } } else { Self::Protocol { reason } }
    }
}

/// An error and its sources in one line: the driver's own `Display` leaves the cause out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(sqlstate: &str, message: &str) -> ServerError {
        ServerError {
            severity: "FATAL".to_owned(),
            sqlstate: sqlstate.to_owned(),
            message: message.to_owned(),
            ..ServerError::default()
        }
    }

    #[test]
    fn poolers_refuse_startup_options_in_words_of_their_own() {
        for (sqlstate, message, refuses) in [
            ("08P01", "unsupported startup parameter: options", true),
            ("08P01", "unsupported startup parameter in options: schemagate.session", true),
            ("0A000", "Feature not supported: RDS Proxy currently doesn't support command-line options.", true),
            ("42704", "unrecognized configuration parameter \"nosuch\"", false),
            ("08P01", "no such database: x", false),
        ] {
            assert_eq!(error(sqlstate, message).is_a_pooler_refusing_options(), refuses, "{message}");
        }
    }

    #[test]
    fn a_backend_that_cannot_start_on_a_full_disk_is_tried_again() {
        assert!(error("XX000", "could not write init file").time_may_cure_a_refused_login());
        assert!(error("53100", "could not write to file").time_may_cure_a_refused_login());
        assert!(!error("3D000", "database \"x\" does not exist").time_may_cure_a_refused_login());
    }

    #[test]
    fn an_error_that_ends_the_session_leaves_the_outcome_to_the_history() {
        for (severity, sqlstate, ends) in [
            // A COMMIT whose record may have reached the disk, under a full one.
            ("PANIC", "53100", true),
            ("FATAL", "53200", true),
            ("FATAL", "57P01", true),
            ("ERROR", "53100", false),
            ("ERROR", "57014", false),
            ("FATAL", "08P01", false),
        ] {
            let error = ServerError { severity: severity.to_owned(), ..error(sqlstate, "no space left") };
            assert_eq!(error.ended_the_session(), ends, "{severity} {sqlstate}");
        }
    }

    #[test]
    fn a_poolers_words_are_told_apart_though_their_code_is_one() {
        for (message, waits, about) in [
            ("pgbouncer cannot connect to server", true, LoginRefusal::Options),
            ("server login has been failing, try again later (server_login_retry)", true, LoginRefusal::Options),
            ("no more connections allowed (max_client_conn)", true, LoginRefusal::Options),
            ("the database system is starting up", true, LoginRefusal::Options),
            ("password authentication failed", false, LoginRefusal::Password),
            ("\"trust\" authentication failed", false, LoginRefusal::Client),
            ("no such database: x", false, LoginRefusal::Database),
            ("database \"x\" does not exist", false, LoginRefusal::Database),
        ] {
            let error = error("08P01", message);
            assert_eq!(error.time_may_cure_a_refused_login(), waits, "{message}");
            assert!(waits || error.login_refusal() == about, "{message}");
        }
    }
}
