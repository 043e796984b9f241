//! What to do about a database that could not be reached or would not let the job in. In: a `ConnectError`.
//! Out: hints, and the server's errors that they are about. Never repeats what the error itself says.

use std::io::ErrorKind;

use crate::postgres::attempt::{Attempt, AttemptError, ConnectError};
use crate::postgres::server_error::{LoginRefusal, ServerError};

/// The errors of servers that answered.
pub(super) fn server_of(error: &ConnectError) -> impl Iterator<Item = &ServerError> {
    let attempts: &[Attempt] = match error {
        ConnectError::Unreachable { attempts, .. } => attempts,
        ConnectError::Refused(attempt) => std::slice::from_ref(attempt),
        ConnectError::Stopped(_) => &[],
    };
    attempts.iter().filter_map(|attempt| match &attempt.error {
        AttemptError::Server(error) => Some(error.as_ref()),
        _ => None,
    })
}

/// What to do next.
pub(super) fn hints(error: &ConnectError) -> Vec<String> {
    match error {
        ConnectError::Unreachable { attempts, .. } => {
            let mut hints: Vec<String> = attempts.iter().map(|attempt| waiting_hint(&attempt.error)).collect();
            hints.sort_unstable();
            hints.dedup();
            hints.push("SCHEMAGATE_CONNECT_DEADLINE sets how long to wait for the database".to_owned());
            hints
        }
        ConnectError::Refused(attempt) => match &attempt.error {
            AttemptError::Tls { hint, .. } => {
                vec![hint.clone().unwrap_or_else(|| "check sslmode, and the certificates of both sides".to_owned())]
            }
            other => vec![refusal_hint(other).to_owned()],
        },
        ConnectError::Stopped(_) => vec!["deploy again".to_owned()],
    }
}

/// Of what time could have cured.
fn waiting_hint(error: &AttemptError) -> String {
    let hint = match error {
        AttemptError::Tls { hint: Some(hint), .. } => hint,
        AttemptError::InRecovery => {
            "migrations are pending and only a primary can take them: wait for the failover, or name the primary"
        }
        AttemptError::SessionAttributes { .. } => {
            "leave target_session_attrs out of the URL, or name a host that fits it; migrations need a primary"
        }
        AttemptError::Resolve { .. } | AttemptError::NoAddress => {
            "check the host name in the URL; a private name resolves only inside its own network"
        }
        AttemptError::TimedOut { .. } => {
            "silence is often a firewall, a security group or a wrong address: check host and port in the URL"
        }
        AttemptError::Server(error) if error.sqlstate == "53300" => {
            "no connection is left: end idle ones, or raise max_connections or the CONNECTION LIMIT of role or database"
        }
        AttemptError::Server(_) => "look into the server's log for why it takes no sessions",
        AttemptError::Socket { kind: ErrorKind::NotFound, .. } => {
            "check that the server runs and that the URL names the folder of its socket"
        }
        AttemptError::Unanswered { .. } => {
            "a pooler without a free session looks like this, and a server whose disk hangs: look into its log"
        }
        AttemptError::Closed { .. } => {
            "look into the log of the server, or of the proxy before it, for why it hangs up"
        }
        _ => "check that the server runs, and host and port in the URL",
    };
    hint.to_owned()
}

/// Of what time does not cure.
fn refusal_hint(error: &AttemptError) -> &'static str {
    match error {
        AttemptError::Server(error) => match error.login_refusal() {
            LoginRefusal::Password => "check user and password in the URL",
            LoginRefusal::Client => "check the user in the URL, and the server's pg_hba.conf for this client",
            LoginRefusal::Database => "create the database, or mend its name in the URL",
            LoginRefusal::Privilege => {
                "grant CONNECT on the database to this role, or take out of the URL's `options` what it may not set"
            }
            LoginRefusal::Options => "check `options` in the URL: the server does not take one of them",
            LoginRefusal::Other => "the server refuses this connection; its words are above",
        },
        AttemptError::PasswordMissing => "put the password into the URL, PGPASSWORD or a passfile",
        AttemptError::TlsNotOffered => "turn TLS on in the server, or use sslmode=disable on a network you trust",
        AttemptError::ChannelBinding => {
            "channel binding needs TLS (sslmode=require) and SCRAM-SHA-256 in the server's pg_hba.conf"
        }
        AttemptError::Authentication { .. } => {
            "supported are SCRAM-SHA-256 (with channel binding over TLS), MD5, cleartext and client certificates"
        }
        AttemptError::Socket { .. } => "check the permissions of the socket",
        _ => "check host and port in the URL",
    }
}
