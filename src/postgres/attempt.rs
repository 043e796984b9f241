//! How a try to connect can fail, as facts, and what time can cure of it.

use std::error::Error as _;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use crate::stop::StopReason;

use super::server_error::{QueryError, ServerError, chain};
use super::tls::{TlsError, tls_alert_in, tls_error_in};

/// One failed try at one address.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The address, or the host where none was found.
    pub address: String,
    /// How it failed.
    pub error: AttemptError,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

/// How a try failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AttemptError {
    /// The name has no address yet.
    #[error("cannot resolve the name: {reason}")]
    Resolve {
        /// The resolver's reason.
        reason: String,
    },
    /// The resolver answered without an address.
    #[error("the name has no address")]
    NoAddress,
    /// The socket could not be opened, or broke.
    #[error("{reason}")]
    Socket {
        /// The system's kind of error.
        kind: ErrorKind,
        /// The system's words.
        reason: String,
    },
    /// Nothing answered in time.
    #[error("no answer within {}", super::duration_text(*after))]
    TimedOut {
        /// The limit of one try.
        after: Duration,
    },
    /// The connection was closed before the session stood: a proxy before a sleeping database, a restart.
    #[error("closed during the handshake: {reason}")]
    Closed {
        /// How.
        reason: &'static str,
    },
    /// The server answered with an error.
    #[error("{0}")]
    Server(Box<ServerError>),
    /// TLS failed.
    #[error("{reason}")]
    Tls {
        /// What failed.
        reason: String,
        /// The way out, where one is known.
        hint: Option<String>,
        /// Whether time can cure it.
        transient: bool,
    },
    /// The server speaks no TLS and `sslmode` wants it.
    #[error("the server does not support TLS")]
    TlsNotOffered,
    /// The server wants a password and none is given.
    #[error("the server wants a password and none is given")]
    PasswordMissing,
    /// `channel_binding=require`, and the server let the session in without.
    #[error("the server did not use channel binding, as channel_binding=require demands")]
    ChannelBinding,
    /// The server wants a way of authentication that is not supported.
    #[error("{reason}")]
    Authentication {
        /// The driver's words.
        reason: String,
    },
    /// What answers does not speak PostgreSQL's protocol.
    #[error("what answers there does not speak PostgreSQL's protocol: {reason}")]
    Protocol {
        /// The driver's words.
        reason: String,
    },
    /// It let the session in and then said nothing.
    #[error("it let the session in, and then gave no answer within {}", super::duration_text(*after))]
    Unanswered {
        /// How long it was waited for.
        after: Duration,
    },
    /// The server is a standby and writing is wanted.
    #[error("the server is in recovery (a standby)")]
    InRecovery,
    /// The server is not of the kind that `target_session_attrs` wants.
    #[error("the server is there, but not what target_session_attrs={wanted} asks for")]
    SessionAttributes {
        /// The kind wanted.
        wanted: &'static str,
    },
}

impl AttemptError {
    /// Reads the driver's error of a handshake.
    pub(super) fn from_handshake(error: tokio_postgres::Error) -> Self {
        if let Some(db) = error.as_db_error() {
            return Self::Server(Box::new(ServerError::from(db)));
        }
        if let Some(tls) = tls_error_in(&error) {
            return Self::tls(tls);
        }
        if let Some(alert) = tls_alert_in(&error) {
            return Self::Tls { reason: format!("the server ended TLS: {alert}"), hint: None, transient: false };
        }
        if let Some(io) = error.source().and_then(|source| source.downcast_ref::<std::io::Error>()) {
            return Self::from_io(io);
        }
        let reason = chain(&error);
        match reason.as_str() {
            _ if error.is_closed() => Self::Closed { reason: "the other side hung up" },
            text if text.contains("does not support TLS") => Self::TlsNotOffered,
            text if text.contains("password missing") => Self::PasswordMissing,
            text if text.contains("channel binding") => Self::ChannelBinding,
            text if text.contains("authentication error") => {
                Self::Authentication { reason: text.replace("authentication error: ", "") }
            }
            _ => Self::Protocol { reason },
        }
    }

    /// Reads the error of the first question to a server that has let the session in.
    pub(super) fn from_query(error: QueryError) -> Self {
        match error {
            QueryError::Server(error) => Self::Server(error),
            QueryError::Lost { .. } => Self::Closed { reason: "the other side hung up" },
            QueryError::Protocol { reason } => Self::Protocol { reason },
        }
    }

    fn from_io(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Closed { reason: "the other side hung up" },
            // The codec's words for an end in the middle of a message.
            ErrorKind::Other if error.to_string() == "bytes remaining on stream" => {
                Self::Closed { reason: "the other side hung up in the middle of a message; is it PostgreSQL?" }
            }
            ErrorKind::InvalidData | ErrorKind::InvalidInput => Self::Protocol { reason: error.to_string() },
            _ => Self::socket(error),
        }
    }

    /// Reads the system's error of a socket.
    pub(super) fn socket(error: &std::io::Error) -> Self {
        let text = error.to_string();
        // "(os error 111)" tells a person nothing that the words before it do not.
        let reason = text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words).to_owned();
        Self::Socket { kind: error.kind(), reason }
    }

    fn tls(error: &TlsError) -> Self {
        Self::Tls {
            reason: match error {
                // Of these the source says why.
                TlsError::Unreadable { .. } | TlsError::Invalid { .. } | TlsError::Setup { .. } => chain(error),
                _ => error.to_string(),
            },
            hint: error.hint().map(ToOwned::to_owned),
            transient: error.is_transient(),
        }
    }

    /// Whether another try, later, may go better.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::NoAddress
            | Self::TimedOut { .. }
            | Self::Closed { .. }
            | Self::Unanswered { .. }
            | Self::InRecovery
            | Self::SessionAttributes { .. } => true,
            Self::Socket { kind, .. } => *kind != ErrorKind::PermissionDenied,
            Self::Server(error) => error.time_may_cure_a_refused_login(),
            Self::Tls { transient, .. } => *transient,
            Self::TlsNotOffered
            | Self::PasswordMissing
            | Self::ChannelBinding
            | Self::Authentication { .. }
            | Self::Protocol { .. } => false,
        }
    }

    /// Whether a server spoke: its other addresses would say the same.
    pub(super) fn server_answered(&self) -> bool {
        !matches!(
            self,
            Self::Resolve { .. } | Self::NoAddress | Self::Socket { .. } | Self::TimedOut { .. } | Self::Closed { .. }
        )
    }

    /// As libpq: `allow` and `prefer` go on to the other kind after a failed TLS handshake or a refused login. Unlike
    /// libpq, not after a wrong password: it would be as wrong, counted twice, and sent without encryption.
    pub(super) fn another_encryption_may_help(&self, tried_tls: bool, was_plain: bool) -> bool {
        match self {
            Self::Tls { .. } => true,
            Self::Server(error) => error.sqlstate == "28000" && (tried_tls || was_plain),
            _ => false,
        }
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The last tries of a wait that ran out.
    #[error("{}", unreachable(.attempts, *.waited, *.tries))]
    Unreachable {
        /// The last pass over all hosts.
        attempts: Vec<Attempt>,
        /// How long it was tried.
        waited: Duration,
        /// How often.
        tries: u32,
    },
    /// What time does not cure.
    #[error("cannot connect to {0}")]
    Refused(Box<Attempt>),
    /// The run was to end before there was a session.
    #[error("stopped by {} while connecting", .0.name())]
    Stopped(StopReason),
}

impl ConnectError {
    /// A session whose first question was not answered.
    pub fn unanswered(address: &str, after: Duration) -> Self {
        let attempt = Attempt { address: address.to_owned(), error: AttemptError::Unanswered { after } };
        Self::Unreachable { attempts: vec![attempt], waited: after, tries: 1 }
    }
}

fn unreachable(attempts: &[Attempt], waited: Duration, tries: u32) -> String {
    let reasons: Vec<String> = attempts.iter().map(ToString::to_string).collect();
    let times = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
    format!("no usable database within {:.1} s ({times}): {}", waited.as_secs_f64(), reasons.join("; "))
}
