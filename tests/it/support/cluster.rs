//! One PostgreSQL server: its folder, port, configuration and process.
//! Takes settings and pg_hba lines. Never decides when the server ends: that is `server` and `shared`.

use std::fs::File;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use super::connection::Connection;
use super::programs::{copy, programs};
use super::{poll, programs};

/// How long a server may take to start or stop before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where a server can be reached.
#[derive(Debug, Clone)]
pub struct Address {
    /// Holds the socket, the log and the data folder.
    pub root: PathBuf,
    /// The same number on 127.0.0.1 and ::1.
    pub port: u16,
}

impl Address {
    /// The superuser's URL over TCP.
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// The URL over TCP of `user`, which may be `name:password`.
    pub fn url_as(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The superuser's URL over the Unix socket.
    pub fn socket_url(&self, database: &str) -> String {
        let host = self.root.display().to_string().replace('/', "%2F");
        format!("postgresql://postgres@{host}:{}/{database}", self.port)
    }

    /// A superuser's session over the Unix socket, which every server of ours trusts.
    #[track_caller]
    pub fn connect(&self, database: &str) -> Connection {
        Connection::open(&self.socket_url(database))
            .unwrap_or_else(|error| panic!("connecting to {database}: {error:?}\nserver's log:\n{}", self.log()))
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.root.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Fills `root` with a data folder and a configuration, on a free port.
    pub fn create(root: &Path, settings: &[(String, String)], hba: &[String]) -> Self {
        programs().own(root);
        let address = Self { root: root.to_owned(), port: free_port() };
        copy(&programs().template(), &address.data());
        address.configure(settings);
        address.set_hba(hba);
        address
    }

    /// Adds to the configuration; the last value of a setting counts.
    pub fn configure(&self, settings: &[(String, String)]) {
        let path = self.data().join("postgresql.conf");
        let mut text = std::fs::read_to_string(&path).unwrap();
        let socket = self.root.display().to_string();
        let port = self.port.to_string();
        let ours = [
            ("listen_addresses", "127.0.0.1,::1"),
            ("port", &port),
            ("unix_socket_directories", &socket),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            // What a standby may still have to fetch.
            ("wal_keep_size", "256MB"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("log_line_prefix", "%m [%p] %d %a "),
        ];
        let theirs = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in ours.into_iter().chain(theirs) {
            text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        std::fs::write(&path, text).unwrap();
    }

    /// Sets who may come in over TCP; the Unix socket stays open to the tests.
    pub fn set_hba(&self, lines: &[String]) {
        let mut text = String::from("local all all trust\nlocal replication all trust\n");
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        std::fs::write(self.data().join("pg_hba.conf"), text).unwrap();
    }

    /// Starts the server process and waits until it lets sessions in.
    pub fn start(&self) -> Result<Child, String> {
        let before = self.log().len();
        let mut process = self.launch();
        let ready = poll("the server is ready", PATIENCE, || {
            let ended = process.try_wait().unwrap();
            ended.map(|_| false).or_else(|| self.is_ready(process.id()).then_some(true))
        });
        let log = self.log().split_off(before);
        // With one of two addresses taken the server starts all the same, and a client may reach another one there.
        if ready && !log.contains("could not bind") {
            return Ok(process);
        }
        let _ = process.kill();
        let _ = process.wait();
        Err(log)
    }

    /// Starts the server process and waits for nothing.
    pub fn launch(&self) -> Child {
        let log = File::options().append(true).create(true).open(self.root.join("log")).unwrap();
        programs()
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            // The watchdog knows a server's processes by the folder they work in, from their first moment.
            .current_dir(self.data())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap()
    }

    /// As [`Self::start`], on another port if this one has been taken in between. For a server nobody knows yet.
    pub fn start_first(&mut self) -> Child {
        let mut log = String::new();
        for _ in 0..5 {
            match self.start() {
                Ok(process) => return process,
                Err(text) if text.contains("could not bind") => {
                    self.port = free_port();
                    self.configure(&[("port".to_owned(), self.port.to_string())]);
                    log = text;
                }
                Err(text) => panic!("the server does not start:\n{text}"),
            }
        }
        panic!("no free port for the server:\n{log}");
    }

    /// What `pg_ctl` looks at: the eighth line of the file that the server writes about itself.
    fn is_ready(&self, process: u32) -> bool {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines().map(str::trim);
        lines.next() == Some(&process.to_string()) && lines.nth(6) == Some("ready")
    }
}

/// A port that is free on both addresses, below those that the kernel hands out to clients.
pub fn free_port() -> u16 {
    let free = |port| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && !matches!(TcpListener::bind((Ipv6Addr::LOCALHOST, port)),
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse)
    };
    loop {
        let port = rand::random_range(20_000..32_000);
        if free(port) {
            return port;
        }
    }
}

/// A new folder for a server, which the watchdog knows by its name.
pub fn new_root() -> PathBuf {
    programs::scratch_folder("sg-").keep()
}
