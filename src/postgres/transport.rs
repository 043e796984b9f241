//! Opens sockets. In: a host of the URL. Out: its addresses, and a byte stream with keepalives set.
//! Never speaks the protocol.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::attempt::AttemptError;
use super::url::{HostEntry, HostName, Target};

/// A vanished server is noticed within these: 3 s of silence, then two probes 2 s apart.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(3);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEPALIVE_COUNT: u32 = 2;
/// Keepalives are not sent while data waits to be acknowledged; this bounds that case.
const USER_TIMEOUT: Duration = Duration::from_secs(7);

/// One address to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Any byte stream the protocol can run over.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for S {}

/// An open socket of either kind.
pub(super) type Transport = Box<dyn ByteStream>;

/// The addresses of a host, in the resolver's order.
pub(super) async fn endpoints(host: &HostEntry) -> Result<Vec<Endpoint>, AttemptError> {
    let name = match (&host.name, host.address) {
        (_, Some(address)) => return Ok(vec![Endpoint::Tcp(SocketAddr::new(address, host.port))]),
        (HostName::Unix(folder), None) => {
            return Ok(vec![Endpoint::Unix(folder.join(format!(".s.PGSQL.{}", host.port)))]);
        }
        (HostName::Tcp(name), None) => name.as_str(),
    };
    let found: Vec<Endpoint> = lookup_host((name.to_owned(), host.port))
        .await
        .map_err(|error| AttemptError::Resolve { reason: resolver_words(&error) })?
        .map(Endpoint::Tcp)
        .collect();
    if found.is_empty() { Err(AttemptError::NoAddress) } else { Ok(found) }
}

/// The resolver's own words, without those that the standard library puts before them.
fn resolver_words(error: &std::io::Error) -> String {
    error.to_string().replace("failed to lookup address information: ", "")
}

/// Connects to one address.
pub(super) async fn open(endpoint: &Endpoint, target: &Target) -> Result<Transport, AttemptError> {
    let failed = |error: std::io::Error| AttemptError::socket(&error);
    match endpoint {
        Endpoint::Unix(path) => Ok(Box::new(UnixStream::connect(path).await.map_err(failed)?)),
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(*address).await.map_err(failed)?;
            tune(&stream, target).map_err(failed)?;
            Ok(Box::new(stream))
        }
    }
}

fn tune(stream: &TcpStream, target: &Target) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    if target.keepalives {
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(target.keepalives_idle.unwrap_or(KEEPALIVE_IDLE))
                .with_interval(target.keepalives_interval.unwrap_or(KEEPALIVE_INTERVAL))
                .with_retries(target.keepalives_count.unwrap_or(KEEPALIVE_COUNT)),
        )?;
    }
    socket.set_tcp_user_timeout(Some(target.tcp_user_timeout.unwrap_or(USER_TIMEOUT)))
}
