//! Opens sessions. In: a `Target` and the session's parameters. Out: a `Session`, after retrying what time can cure.
//! Never sends a statement of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::{AsyncMessage, Connection};

use crate::stop::Stop;

use super::attempt::{Attempt, AttemptError, ConnectError};
use super::cancel::Canceller;
use super::server_error::ServerError;
use super::session::{Driver, ServerFacts, Session};
use super::startup::{Route, SessionParameters};
use super::tls::{LazyTls, SslMode as TlsMode, SslNegotiation as Negotiation};
use super::transport::{Endpoint, Transport, endpoints, open};
use super::url::{ChannelBinding, HostEntry, Target, TargetSessionAttrs};

/// Limit of one try at one address, where the URL has no `connect_timeout`.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A wait that goes on is told again after this long.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What a session is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Reading; a standby will do.
    Read,
    /// Writing; a server in recovery is waited for, or passed over for the next host.
    Write,
}

/// Opens sessions to one target.
#[derive(Debug)]
pub struct Dialer {
    target: Target,
    tls: LazyTls,
    parameters: SessionParameters,
}

/// The encryption one try asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Plain,
    TlsIfOffered,
    Tls,
}

impl Dialer {
    /// A dialer for `target`. Opens nothing yet.
    pub fn new(target: Target, parameters: SessionParameters) -> Self {
        let tls = LazyTls::new(target.tls.clone(), "");
        Self { target, tls, parameters }
    }

    /// The settings its sessions work under.
    pub fn parameters(&self) -> &SessionParameters {
        &self.parameters
    }

    /// Where it connects to, without secrets.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Opens a session, trying again until `limit` has passed; zero is one try.
    ///
    /// # Errors
    /// [`ConnectError::Unreachable`] after the limit, [`ConnectError::Stopped`] when `stop` came first, and at once
    /// what time does not cure: a wrong password, an unknown database, a certificate that does not verify.
    pub async fn connect(&self, need: Need, limit: Duration, stop: &mut Stop) -> Result<Session, ConnectError> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut told: Option<(Instant, String)> = None;
        for tries in 1.. {
            let left = limit.saturating_sub(started.elapsed());
            let tried = tokio::select! {
                biased;
                reason = stop.wait() => return Err(ConnectError::Stopped(reason)),
                tried = self.try_hosts(need, left.max(FIRST_PAUSE).min(TRY_TIMEOUT).max(self.floor(limit))) => tried,
            };
            let failed = match tried {
                Ok(session) => return Ok(session),
                Err(failed) => failed,
            };
            if let Some(fatal) = failed.iter().find(|attempt| !attempt.error.is_transient()) {
                return Err(ConnectError::Refused(Box::new(fatal.clone())));
            }
            if started.elapsed() + pause > limit {
                return Err(ConnectError::Unreachable { attempts: failed, waited: started.elapsed(), tries });
            }
            tell(&mut told, &failed, limit.saturating_sub(started.elapsed()));
            let jitter = rand::rng().random_range(0.75..1.25);
            stop.pause(pause.mul_f64(jitter)).await.map_err(ConnectError::Stopped)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        unreachable_after(started.elapsed())
    }

    /// With a limit of zero the one try still gets its full time.
    fn floor(&self, limit: Duration) -> Duration {
        match self.target.connect_timeout {
            Some(timeout) => timeout,
            None if limit.is_zero() => TRY_TIMEOUT,
            None => Duration::from_secs(1),
        }
    }

    /// One pass over all hosts, in order; a second one where a standby was preferred and none answered.
    async fn try_hosts(&self, need: Need, timeout: Duration) -> Result<Session, Vec<Attempt>> {
        let mut hosts: Vec<&HostEntry> = self.target.hosts.iter().collect();
        if self.target.load_balance_hosts {
            use rand::seq::SliceRandom as _;
            hosts.shuffle(&mut rand::rng());
        }
        let wanted = self.target.target_session_attrs;
        let passes = match wanted {
            TargetSessionAttrs::PreferStandby if need == Need::Read => {
                vec![TargetSessionAttrs::Standby, TargetSessionAttrs::Any]
            }
            TargetSessionAttrs::PreferStandby => vec![TargetSessionAttrs::Any],
            other => vec![other],
        };
        let mut failed = Vec::new();
        for attributes in passes {
            failed.clear();
            for host in &hosts {
                match self.try_host(host, attributes, need, timeout).await {
                    Ok(session) => return Ok(session),
                    Err(attempts) => failed.extend(attempts),
                }
                // As libpq has it: a server that answered with a refusal ends the search.
                if failed.iter().any(|attempt: &Attempt| !attempt.error.is_transient()) {
                    return Err(failed);
                }
            }
        }
        Err(failed)
    }

    async fn try_host(
        &self,
        host: &HostEntry,
        attributes: TargetSessionAttrs,
        need: Need,
        timeout: Duration,
    ) -> Result<Session, Vec<Attempt>> {
        let name = host.to_string();
        let attempt = |error| Attempt { address: name.clone(), error };
        let resolved = tokio::time::timeout(timeout, endpoints(host)).await;
        let found = match resolved {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(vec![attempt(error)]),
            Err(_) => return Err(vec![attempt(AttemptError::TimedOut { after: timeout })]),
        };
        let mut failed = Vec::new();
        for endpoint in found {
            let tried = tokio::time::timeout(timeout, self.try_endpoint(host, &endpoint, attributes, need)).await;
            let error = match tried {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) => error,
                Err(_) => AttemptError::TimedOut { after: timeout },
            };
            let answered = error.server_answered();
            failed.push(Attempt { address: endpoint.to_string(), error });
            if answered {
                break;
            }
        }
        Err(failed)
    }

    /// One address, with each kind of encryption that `sslmode` allows there.
    async fn try_endpoint(
        &self,
        host: &HostEntry,
        endpoint: &Endpoint,
        attributes: TargetSessionAttrs,
        need: Need,
    ) -> Result<Session, AttemptError> {
        let mut first_error = None;
        for encryption in self.encryptions(endpoint) {
            let error = match self.open_session(host, endpoint, *encryption).await {
                Ok(session) => return accept(session, attributes, need).await,
                Err(error) => error,
            };
            if !error.another_encryption_may_help() {
                return Err(first_error.unwrap_or(error));
            }
            first_error.get_or_insert(error);
        }
        Err(first_error.unwrap_or(AttemptError::NoAddress))
    }

    fn encryptions(&self, endpoint: &Endpoint) -> &'static [Encryption] {
        match (endpoint, self.target.tls.mode) {
            (Endpoint::Unix(_), _) | (_, TlsMode::Disable) => &[Encryption::Plain],
            (_, TlsMode::Allow) => &[Encryption::Plain, Encryption::Tls],
            (_, TlsMode::Prefer) => &[Encryption::TlsIfOffered, Encryption::Plain],
            (_, TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull) => &[Encryption::Tls],
        }
    }

    /// Startup with our options, and without them where a pooler refuses them.
    async fn open_session(
        &self,
        host: &HostEntry,
        endpoint: &Endpoint,
        encryption: Encryption,
    ) -> Result<Session, AttemptError> {
        match self.start(host, endpoint, encryption, Route::Direct).await {
            Err(AttemptError::Server(error)) if refuses_options(&error) => {
                tracing::debug!(server = %endpoint, "startup options refused: a pooler stands in between");
                self.start(host, endpoint, encryption, Route::Pooled).await
            }
            other => other,
        }
    }

    async fn start(
        &self,
        host: &HostEntry,
        endpoint: &Endpoint,
        encryption: Encryption,
        route: Route,
    ) -> Result<Session, AttemptError> {
        let stream = open(endpoint, &self.target).await?;
        let config = self.config(host, encryption, route);
        let tls = self.tls.for_host(&host.server_name());
        let (client, connection) =
            config.connect_raw(stream, tls.clone()).await.map_err(AttemptError::from_handshake)?;
        let server = facts(&connection, endpoint, tls.is_encrypted());
        let canceller = Canceller::new(client.cancel_token(), endpoint.clone(), tls, self.target.clone());
        Ok(Session::new(client, drive(connection), canceller, route, server))
    }

    fn config(&self, host: &HostEntry, encryption: Encryption, route: Route) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config.user(&self.target.user).dbname(&self.target.dbname);
        config.application_name(self.target.application_name.as_deref().unwrap_or("schemagate"));
        if let Some(password) = &host.password {
            config.password(password.expose());
        }
        if route == Route::Direct {
            config.options(self.parameters.startup_options());
        }
        config.ssl_mode(match encryption {
            Encryption::Plain => SslMode::Disable,
            Encryption::TlsIfOffered => SslMode::Prefer,
            Encryption::Tls => SslMode::Require,
        });
        config.ssl_negotiation(match self.target.tls.negotiation {
            Negotiation::Postgres => SslNegotiation::Postgres,
            Negotiation::Direct => SslNegotiation::Direct,
        });
        config.channel_binding(match self.target.channel_binding {
            ChannelBinding::Disable => tokio_postgres::config::ChannelBinding::Disable,
            ChannelBinding::Prefer => tokio_postgres::config::ChannelBinding::Prefer,
            ChannelBinding::Require => tokio_postgres::config::ChannelBinding::Require,
        });
        config
    }
}

fn unreachable_after(waited: Duration) -> Result<Session, ConnectError> {
    Err(ConnectError::Unreachable { attempts: Vec::new(), waited, tries: 0 })
}

/// A pooler answers 08P01 to startup parameters it does not know.
fn refuses_options(error: &ServerError) -> bool {
    error.sqlstate == "08P01" && error.message.contains("startup parameter")
}

/// Tells why the wait goes on: when the reason changes, and now and then.
fn tell(told: &mut Option<(Instant, String)>, failed: &[Attempt], left: Duration) {
    let reasons: Vec<String> = failed.iter().map(ToString::to_string).collect();
    let reason = reasons.join("; ");
    let due = told.as_ref().is_none_or(|(at, last)| *last != reason || at.elapsed() >= TELL_AGAIN);
    if due {
        tracing::warn!(left_ms = super::milliseconds(left), "waiting for the database: {reason}");
        *told = Some((Instant::now(), reason));
    }
}

/// Holds a fresh session against what the URL and the command want of the server.
async fn accept(session: Session, attributes: TargetSessionAttrs, need: Need) -> Result<Session, AttemptError> {
    let read_only = session.server.read_only_by_default;
    let standby = session.server.in_recovery;
    let (fits, wanted) = match attributes {
        TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby => (true, "any"),
        TargetSessionAttrs::ReadWrite => (!standby && !read_only, "read-write"),
        TargetSessionAttrs::ReadOnly => (standby || read_only, "read-only"),
        TargetSessionAttrs::Primary => (!standby, "primary"),
        TargetSessionAttrs::Standby => (standby, "standby"),
    };
    if !fits {
        session.close().await;
        return Err(AttemptError::SessionAttributes { wanted });
    }
    if need == Need::Write && standby {
        session.close().await;
        return Err(AttemptError::InRecovery);
    }
    Ok(session)
}

fn facts<T>(connection: &Connection<Transport, T>, endpoint: &Endpoint, encrypted: bool) -> ServerFacts
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
        encrypted,
    }
}

/// Moves the bytes until the connection ends; logs what the server says on the way.
fn drive<T>(mut connection: Connection<Transport, T>) -> Driver
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let last_word = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&last_word);
    let task = tokio::spawn(async move {
        loop {
            match std::future::poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notice(notice))) => tell_notice(&ServerError::from(&notice)),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    let word = match error.as_db_error() {
                        Some(db) => ServerError::from(db).to_string(),
                        None => super::server_error::chain(&error),
                    };
                    *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(word);
                    return;
                }
                None => return,
            }
        }
    });
    Driver { task, last_word }
}

fn tell_notice(notice: &ServerError) {
    let detail = notice.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    if notice.severity == "WARNING" {
        tracing::warn!(sqlstate = notice.sqlstate, "server warning: {}{detail}", notice.message);
    } else {
        tracing::info!(
            sqlstate = notice.sqlstate,
            "server {}: {}{detail}",
            notice.severity.to_lowercase(),
            notice.message
        );
    }
}
