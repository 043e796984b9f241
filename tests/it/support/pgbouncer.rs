//! A PgBouncer of one test's own, before one server.
//! Takes a server's address and settings. Gone when dropped, and when the test's process is.

use std::fs::File;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Child;

use super::cluster::{Address, PATIENCE, free_port, new_root};
use super::gate::CANARY;
use super::programs::programs;
use super::watchdog::Watchdog;
use super::{poll, skipped};

/// A running pooler.
#[derive(Debug)]
pub struct Pgbouncer {
    port: u16,
    root: PathBuf,
    process: Child,
    watchdog: Option<Watchdog>,
}

impl Pgbouncer {
    /// Before the server at `address`, with these lines of its `[pgbouncer]` section. `None`, and the test is skipped,
    /// where it is not installed.
    pub fn start(address: &Address, settings: &[&str]) -> Option<Self> {
        Self::start_as(address, "trust", settings)
    }

    /// As [`Self::start`], with this `auth_type`.
    pub fn start_as(address: &Address, auth_type: &str, settings: &[&str]) -> Option<Self> {
        let Some(program) = program() else {
            skipped("no pgbouncer; scripts/test installs it");
            return None;
        };
        for _ in 0..5 {
            let root = new_root();
            let watchdog = Watchdog::of(&root);
            // The watchdog knows a process by the folder it works in.
            let data = root.join("data");
            std::fs::create_dir(&data).unwrap();
            let port = free_port();
            let mut lines = vec![
                format!("[databases]\n* = host=127.0.0.1 port={}", address.port),
                format!("[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir ="),
                format!("auth_type = {auth_type}\nauth_file = {}", data.join("users").display()),
                "server_login_retry = 1".to_owned(),
            ];
            lines.extend(settings.iter().map(|line| line.to_string()));
            std::fs::write(data.join("pgbouncer.ini"), lines.join("\n")).unwrap();
            std::fs::write(data.join("users"), format!("\"postgres\" \"{CANARY}\"\n")).unwrap();
            let log = File::create(root.join("log")).unwrap();
            let mut process = programs()
                .command(program.to_str().unwrap())
                .arg(data.join("pgbouncer.ini"))
                .current_dir(&data)
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .process_group(0)
                .spawn()
                .unwrap();
            let listens = poll("pgbouncer listens", PATIENCE, || {
                let ended = process.try_wait().unwrap().map(|_| false);
                ended.or_else(|| TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(true))
            });
            let pooler = Self { port, root, process, watchdog: Some(watchdog) };
            if listens {
                return Some(pooler);
            }
            // Another process took the port in between, or the configuration is wrong.
            assert!(pooler.log().contains("in use"), "pgbouncer does not start:\n{}", pooler.log());
        }
        panic!("no free port for pgbouncer");
    }

    /// The superuser's URL through the pooler.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres:{CANARY}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root.join("log")).unwrap_or_default()
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        drop(self.watchdog.take());
        let _ = self.process.wait();
    }
}

/// Debian keeps it where only root's `PATH` leads.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
}
