//! Opens sessions. In: a `Target` and the session's parameters. Out: a `Session`, after retrying what time can cure.
//! Never sends a statement, except to ask whether the server takes writes.

use std::convert::Infallible;
use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;
use tokio_postgres::config::{SslMode, SslNegotiation};

use crate::stop::Stop;

use super::attempt::{Attempt, AttemptError, ConnectError};
use super::cancel::Canceller;
use super::driver::{drive, facts};
use super::duration_text;
use super::session::Session;
use super::startup::{Route, SessionParameters};
use super::tls::{LazyTls, SslMode as TlsMode, SslNegotiation as Negotiation};
use super::transport::{Endpoint, endpoints, open};
use super::url::{ChannelBinding, HostEntry, HostName, Target, TargetSessionAttrs};

/// Limit of one try at one address, where the URL has no `connect_timeout`.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A first try that takes longer than this is worth a word.
const SILENCE: Duration = Duration::from_secs(2);
/// The least that a try gets, also when the time for all of them is nearly up.
const SHORTEST_TRY: Duration = Duration::from_secs(1);
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

    /// A dialer for another database of the same server.
    #[must_use]
    pub fn to_database(&self, name: &str) -> Self {
        let target = Target { dbname: name.to_owned(), ..self.target.clone() };
        Self::new(target, self.parameters.clone())
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
        let patience = Patience::new(self.target.connect_timeout, started, limit);
        let mut pause = FIRST_PAUSE;
        let mut told: Option<(Instant, String)> = None;
        let mut tries = 0;
        loop {
            tries += 1;
            let tried = tokio::select! {
                biased;
                reason = stop.wait() => return Err(ConnectError::Stopped(reason)),
                tried = self.try_hosts(need, patience) => tried,
                never = self.break_the_silence(told.is_none()) => match never {},
            };
            let failed = match tried {
                Ok(session) => return Ok(session),
                Err(failed) => failed,
            };
            if let Some(fatal) = failed.iter().find(|attempt| !attempt.error.is_transient()) {
                return Err(ConnectError::Refused(Box::new(fatal.clone())));
            }
            let left = limit.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(ConnectError::Unreachable { attempts: failed, waited: started.elapsed(), tries });
            }
            tell(&mut told, &failed, left);
            let jitter = rand::rng().random_range(0.75..1.25);
            // The last try is made when the limit is reached, not a pause before it.
            stop.pause(pause.mul_f64(jitter).min(left)).await.map_err(ConnectError::Stopped)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Says once that the first try takes its time; never ends.
    async fn break_the_silence(&self, first: bool) -> Infallible {
        if first {
            tokio::time::sleep(SILENCE).await;
            tracing::info!("connecting to {}: no answer yet", self.target);
        }
        std::future::pending().await
    }

    /// One pass over all hosts, in order; a second one where a standby was preferred and none answered.
    async fn try_hosts(&self, need: Need, patience: Patience) -> Result<Session, Vec<Attempt>> {
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
            for (index, host) in hosts.iter().enumerate() {
                match self.try_host(host, hosts.len() - index, attributes, need, patience).await {
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
        hosts_left: usize,
        attributes: TargetSessionAttrs,
        need: Need,
        patience: Patience,
    ) -> Result<Session, Vec<Attempt>> {
        let limit = patience.of_one(hosts_left);
        let found = match tokio::time::timeout(limit, endpoints(host)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(vec![Attempt { address: host.to_string(), error }]),
            Err(_) => {
                let error = AttemptError::Resolve { reason: format!("no answer within {}", duration_text(limit)) };
                return Err(vec![Attempt { address: host.to_string(), error }]);
            }
        };
        let mut failed = Vec::new();
        for (index, endpoint) in found.iter().enumerate() {
            let limit = patience.of_one(hosts_left - 1 + found.len() - index);
            let tried = tokio::time::timeout(limit, self.try_endpoint(host, endpoint, attributes, need)).await;
            let error = match tried {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) => error,
                Err(_) => AttemptError::TimedOut { after: limit },
            };
            let answered = error.server_answered();
            failed.push(Attempt { address: address(host, endpoint), error });
            if answered {
                break;
            }
        }
        Err(failed)
    }

    /// One address, with each kind of encryption that `sslmode` allows there. Of two errors the one over TLS tells
    /// more: the other only says that the server wants TLS.
    async fn try_endpoint(
        &self,
        host: &HostEntry,
        endpoint: &Endpoint,
        attributes: TargetSessionAttrs,
        need: Need,
    ) -> Result<Session, AttemptError> {
        let mut over_plain = None;
        let mut over_tls = None;
        for encryption in self.encryptions(endpoint) {
            let failed = match self.open_session(host, endpoint, *encryption).await {
                Ok(session) => return accept(session, attributes, need).await,
                Err(failed) => failed,
            };
            let tried_tls = failed.encrypted || matches!(failed.error, AttemptError::Tls { .. });
            let go_on = failed.error.another_encryption_may_help(tried_tls, *encryption == Encryption::Plain);
            if tried_tls { &mut over_tls } else { &mut over_plain }.get_or_insert(failed.error);
            if !go_on {
                break;
            }
        }
        Err(over_tls.or(over_plain).unwrap_or(AttemptError::NoAddress))
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
    ) -> Result<Session, Failed> {
        match self.start(host, endpoint, encryption, Route::Direct).await {
            Err(Failed { error: AttemptError::Server(error), .. }) if error.is_a_pooler_refusing_options() => {
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
    ) -> Result<Session, Failed> {
        let failed = |error, encrypted| Failed { error, encrypted };
        let stream = open(endpoint, &self.target).await.map_err(|error| failed(error, false))?;
        let config = self.config(host, encryption, route);
        let tls = self.tls.for_host(&host.server_name());
        let opened = config.connect_raw(stream, tls.clone()).await;
        let (client, connection) =
            opened.map_err(|error| failed(AttemptError::from_handshake(error), tls.is_encrypted()))?;
        let place = self.target.described_at(host);
        let server = facts(&connection, endpoint, place, tls.is_encrypted());
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

/// How long tries may take: each on its own, and all of them together.
#[derive(Debug, Clone, Copy)]
struct Patience {
    each: Duration,
    /// None where there is but one try, which gets its full time.
    end: Option<Instant>,
}

impl Patience {
    fn new(connect_timeout: Option<Duration>, started: Instant, limit: Duration) -> Self {
        let end = if limit.is_zero() { None } else { started.checked_add(limit) };
        Self { each: connect_timeout.unwrap_or(TRY_TIMEOUT), end }
    }

    /// The limit of one try with `left` of them to come: a silent host leaves time for those behind it.
    fn of_one(self, left: usize) -> Duration {
        let Some(end) = self.end else { return self.each };
        let share = end.saturating_duration_since(Instant::now()) / u32::try_from(left.max(1)).unwrap_or(u32::MAX);
        share.max(SHORTEST_TRY).min(self.each)
    }
}

/// How one try failed, and whether it was over TLS.
struct Failed {
    error: AttemptError,
    encrypted: bool,
}

/// `db.internal (10.0.0.3:5432)`: the name that people know, and the address that was tried.
fn address(host: &HostEntry, endpoint: &Endpoint) -> String {
    let (name, address) = (host.to_string(), endpoint.to_string());
    match (&host.name, endpoint) {
        (HostName::Tcp(name), Endpoint::Tcp(socket)) if *name != socket.ip().to_string() => {
            format!("{name} ({address})")
        }
        (HostName::Unix(_), Endpoint::Tcp(_)) => format!("{name} ({address})"),
        _ => address,
    }
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
async fn accept(mut session: Session, attributes: TargetSessionAttrs, need: Need) -> Result<Session, AttemptError> {
    use TargetSessionAttrs::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    if need == Need::Write || !matches!(attributes, Any | PreferStandby) {
        // What the server says in the handshake comes from a pooler where one stands in between, or not at all.
        session.ask_for_recovery().await.map_err(AttemptError::from_query)?;
    }
    let standby = session.server.in_recovery;
    let read_only = standby || session.server.read_only_by_default;
    let fits = match attributes {
        Any | PreferStandby => true,
        ReadWrite => !read_only,
        ReadOnly => read_only,
        Primary => !standby,
        Standby => standby,
    };
    let error = match fits {
        false => AttemptError::SessionAttributes { wanted: attributes.as_str() },
        true if need == Need::Write && standby => AttemptError::InRecovery,
        true => return Ok(session),
    };
    session.close().await;
    Err(error)
}
