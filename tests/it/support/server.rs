//! A server of one test's own: TLS, pg_hba, settings, stop and start, a streaming standby.
//! Takes what the builder is told. Gone when dropped, and when the test's process is.

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::cluster::{Address, PATIENCE, new_root};
use super::connection::Connection;
use super::database::Database;
use super::poll;
use super::programs::{copy, programs};
use super::tls::{Authority, Identity};
use super::watchdog::Watchdog;

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Waits for the sessions to end.
    Smart,
    /// Ends the sessions (57P01) and shuts down.
    Fast,
    /// Ends at once, as in a crash (57P02); the next start recovers.
    Immediate,
}

/// A running or stopped server.
#[derive(Debug)]
pub struct Server {
    address: Address,
    process: Option<Child>,
    // Dropped last: it removes the folder.
    watchdog: Option<Watchdog>,
}

/// What a server is to be like.
#[derive(Debug, Default)]
pub struct Builder {
    settings: Vec<(String, String)>,
    hba: Vec<String>,
    files: Vec<(&'static str, String)>,
    root: Option<PathBuf>,
}

impl Server {
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    pub fn port(&self) -> u16 {
        self.address.port
    }

    /// The superuser's URL over TCP (127.0.0.1).
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// A superuser's session over the Unix socket.
    #[track_caller]
    pub fn connect(&self, database: &str) -> Connection {
        self.address.connect(database)
    }

    /// A fresh database on this server.
    #[track_caller]
    pub fn database(&self) -> Database {
        Database::on(&self.address)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.address.log()
    }

    /// Starts the stopped server on its port.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "the server is running");
        match self.address.start() {
            Ok(process) => self.process = Some(process),
            Err(log) => panic!("the server does not start:\n{log}"),
        }
    }

    /// Starts the stopped server as a standby that takes no sessions (57P03) until [`Self::promote_closed`].
    #[track_caller]
    pub fn start_closed(&mut self) {
        assert!(self.process.is_none(), "the server is running");
        self.configure(&[("hot_standby", "off")]);
        self.write_data("standby.signal");
        self.process = Some(self.address.launch());
    }

    /// Opens a server that [`Self::start_closed`] has started; does not wait for it.
    pub fn promote_closed(&self) {
        self.write_data("promote");
        kill_process(Pid::from_child(self.process.as_ref().expect("running")), Signal::USR1).unwrap();
    }

    fn write_data(&self, name: &str) {
        let path = self.address.data().join(name);
        std::fs::write(&path, "").unwrap();
        programs().own(&path);
    }

    /// Stops the server and waits until its process is gone; the data stay.
    #[track_caller]
    pub fn stop(&mut self, mode: Stop) -> ExitStatus {
        let mut process = self.process.take().expect("the server is stopped");
        let signal = match mode {
            Stop::Smart => Signal::TERM,
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        };
        kill_process(Pid::from_child(&process), signal).unwrap();
        poll("the server has stopped", PATIENCE, || process.try_wait().unwrap())
    }

    /// Starts the server again if it has given up by itself, as it does where its disk is full; whether it had.
    #[track_caller]
    pub fn revive(&mut self) -> bool {
        let ended = self.process.as_mut().expect("started").try_wait().unwrap().is_some();
        if ended {
            self.process = None;
            self.start();
        }
        ended
    }

    #[track_caller]
    pub fn restart(&mut self, mode: Stop) {
        self.stop(mode);
        self.start();
    }

    /// Adds settings; [`Self::reload`] or [`Self::restart`] makes them count.
    pub fn configure(&self, settings: &[(&str, &str)]) {
        let settings: Vec<_> = settings.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
        self.address.configure(&settings);
    }

    /// Replaces the pg_hba lines for TCP; [`Self::reload`] makes them count.
    pub fn set_hba(&self, lines: &[&str]) {
        let lines: Vec<_> = lines.iter().map(|line| line.to_string()).collect();
        self.address.set_hba(&lines);
    }

    /// Has the server read its configuration again, and waits until it has.
    #[track_caller]
    pub fn reload(&self) {
        let mut session = self.connect("postgres");
        let loaded = "select pg_conf_load_time()::text";
        let before = session.value(loaded);
        session.execute("select pg_reload_conf()");
        poll("the configuration is loaded", PATIENCE, || (session.value(loaded) != before).then_some(()));
    }

    /// A streaming standby of this server that has caught up with it and takes reading sessions.
    #[track_caller]
    pub fn standby(&self) -> Server {
        self.standby_with(&[])
    }

    /// As [`Self::standby`], with settings of its own.
    #[track_caller]
    pub fn standby_with(&self, settings: &[(&str, &str)]) -> Server {
        let root = new_root();
        let watchdog = Watchdog::of(&root);
        programs().own(&root);
        let mut address = Address { root, port: self.port() };
        self.base_backup(&address.data());
        let primary = format!("host={} port={} user=postgres", self.address.root.display(), self.port());
        let mut all = vec![("primary_conninfo".to_owned(), primary)];
        all.extend(settings.iter().map(|(n, v)| (n.to_string(), v.to_string())));
        // The primary has the port of the copied configuration: another one is taken before the first start.
        address.port = super::cluster::free_port();
        address.configure(&all);
        let signal = address.data().join("standby.signal");
        std::fs::write(&signal, "").unwrap();
        programs().own(&signal);
        let process = Some(address.start_first());
        let standby = Server { address, process, watchdog: Some(watchdog) };
        standby.wait_until_caught_up(self);
        standby
    }

    /// The server's own backup functions and a copy: not every installation has `pg_basebackup`.
    fn base_backup(&self, to: &Path) {
        let mut session = self.connect("postgres");
        let version: u32 = session.value("show server_version_num").unwrap().parse().unwrap();
        let (start, stop) = if version >= 150_000 {
            ("pg_backup_start('standby', true)", "pg_backup_stop(false)")
        } else {
            ("pg_start_backup('standby', true, false)", "pg_stop_backup(false, false)")
        };
        session.execute(&format!("select {start}"));
        copy(&self.address.data(), to);
        let label = session.value(&format!("select labelfile from {stop}")).unwrap();
        let path = to.join("backup_label");
        std::fs::write(&path, label).unwrap();
        programs().own(&path);
        let _ = std::fs::remove_file(to.join("postmaster.pid"));
    }

    /// Waits until this standby has replayed all that `primary` has written up to now.
    #[track_caller]
    pub fn wait_until_caught_up(&self, primary: &Server) {
        let written = primary.connect("postgres").value("select pg_current_wal_flush_lsn()").unwrap();
        let replayed = format!("select pg_last_wal_replay_lsn() >= '{written}'");
        self.connect("postgres").wait_until(&replayed, PATIENCE);
    }

    /// Makes this standby a server of its own and waits until it takes writes.
    #[track_caller]
    pub fn promote(&self) {
        let seconds = PATIENCE.as_secs();
        let promoted = self.connect("postgres").value(&format!("select pg_promote(true, {seconds})"));
        assert_eq!(promoted.as_deref(), Some("t"), "not promoted:\n{}", self.log());
    }

    /// Waits until a session of `application` (a LIKE pattern) is there, in any database.
    #[track_caller]
    pub fn wait_for_session(&self, application: &str, limit: Duration) {
        let sql = format!("select exists (select from pg_stat_activity where application_name like '{application}')");
        self.connect("postgres").wait_until(&sql, limit);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watchdog.take());
        if let Some(mut process) = self.process.take() {
            let _ = process.wait();
        }
    }
}

impl Builder {
    /// Adds a line to postgresql.conf.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a line to pg_hba.conf; with none, everybody on this machine is trusted.
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// Speaks TLS with this certificate.
    pub fn tls(mut self, identity: &Identity) -> Self {
        self.files.push(("server.crt", identity.certificate.clone()));
        self.files.push(("server.key", identity.key.clone()));
        self.setting("ssl", "on").setting("ssl_cert_file", "server.crt").setting("ssl_key_file", "server.key")
    }

    /// Takes client certificates of this authority (for `cert` in pg_hba).
    pub fn client_authority(mut self, authority: &Authority) -> Self {
        self.files.push(("clients.crt", authority.certificate()));
        self.setting("ssl_ca_file", "clients.crt")
    }

    /// Lives in this folder, which the watchdog must know by its name (`sg-…`), and not in one of its own.
    pub fn root(mut self, root: &Path) -> Self {
        self.root = Some(root.to_owned());
        self
    }

    /// The server, started.
    #[track_caller]
    pub fn start(self) -> Server {
        let mut server = self.stopped();
        server.process = Some(server.address.start_first());
        server
    }

    /// The server with a port but not started: a database that is not there yet.
    pub fn stopped(mut self) -> Server {
        if self.hba.is_empty() {
            self.hba.push("host all all all trust".to_owned());
        }
        let root = self.root.unwrap_or_else(new_root);
        let watchdog = Some(Watchdog::of(&root));
        let address = Address::create(&root, &self.settings, &self.hba);
        for (name, text) in &self.files {
            let path = address.data().join(name);
            super::tls::write_private(&path, text);
            programs().own(&path);
        }
        Server { address, process: None, watchdog }
    }
}
