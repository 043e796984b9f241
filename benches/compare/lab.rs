//! Where it is measured: one server, the ways to it, databases. In: a way. Out: URLs. Owns the server.

use std::time::Duration;

use crate::line::Line;
use crate::support::database::Database;
use crate::support::proxy::Proxy;
use crate::support::server::Server;
use crate::support::tls::Authority;
use crate::tools::Peers;

/// How a session begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// No TLS, and no password is asked for.
    Trust,
    /// No TLS, SCRAM-SHA-256.
    Scram,
    /// TLS whose certificate is verified, and SCRAM-SHA-256.
    TlsScram,
}

/// A way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub entry: Entry,
    pub round_trip_ms: u64,
}

pub struct Lab {
    pub peers: Peers,
    pub server: Server,
    slow: Line,
    folder: tempfile::TempDir,
}

impl Lab {
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("benchmark");
        authority.save(folder.path());
        let server = Server::builder()
            .tls(&authority.server(&["127.0.0.1"]))
            .hba("hostnossl all scram all scram-sha-256")
            .hba("hostnossl all all all trust")
            .hba("hostssl all all all scram-sha-256")
            // 10,000 migrations in one transaction hold more locks than a server has room for by default.
            .setting("max_locks_per_transaction", "1024")
            .setting("track_commit_timestamp", "on")
            .start();
        server.connect("postgres").execute("create role scram superuser login password 'benchmark'");
        let slow = Line::before(server.port(), SLOW);
        Self { peers: Peers::installed(), server, slow, folder }
    }

    pub fn database(&self) -> Database {
        self.server.database()
    }

    /// The URL of a database by this way.
    pub fn url(&self, database: &Database, route: Route) -> String {
        let port = if route.round_trip_ms == 0 { self.server.port() } else { self.slow.port() };
        self.url_at(port, database, route.entry)
    }

    /// The URL through something that listens at `port`.
    pub fn url_at(&self, port: u16, database: &Database, entry: Entry) -> String {
        let at = format!("127.0.0.1:{port}/{}", database.name());
        match entry {
            Entry::Trust => format!("postgresql://postgres@{at}?sslmode=disable"),
            Entry::Scram => format!("postgresql://scram:benchmark@{at}?sslmode=disable"),
            Entry::TlsScram => {
                let root = self.folder.path().join("root.crt");
                format!("postgresql://scram:benchmark@{at}?sslmode=verify-full&sslrootcert={}", root.display())
            }
        }
    }

    /// Something that counts how often a client waits.
    pub fn counting(&self) -> Proxy {
        Proxy::before(self.server.port())
    }

    /// A line that delays nothing, for the moment of the first packet.
    pub fn direct_line(&self) -> Line {
        Line::before(self.server.port(), Duration::ZERO)
    }
}

/// The one delay besides none.
const SLOW: Duration = Duration::from_millis(40);

impl Route {
    /// As a report names it.
    pub fn name(self) -> String {
        let entry = match self.entry {
            Entry::Trust => "no TLS, trust",
            Entry::Scram => "no TLS, SCRAM",
            Entry::TlsScram => "TLS, SCRAM",
        };
        format!("{entry}, {} ms", self.round_trip_ms)
    }
}

impl Peers {
    /// What `scripts/bench` has found and installed.
    fn installed() -> Self {
        let path = |name: &str| {
            let value = std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run scripts/bench"));
            std::path::PathBuf::from(value)
        };
        Self {
            folder: path("SCHEMAGATE_BENCH_PEERS"),
            schemagate: path("SCHEMAGATE_BENCH_PROGRAM"),
            psql: path("SCHEMAGATE_BENCH_PSQL"),
            node: path("SCHEMAGATE_BENCH_NODE"),
        }
    }
}
