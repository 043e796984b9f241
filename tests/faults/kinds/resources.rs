//! The server is short of something: disk, connections, memory for locks.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Fault;
use super::group::Group;
use super::servers;
use crate::lab::Lab;
use crate::rng::Rng;
use crate::support::cluster::{PATIENCE, new_root};
use crate::support::connection::Connection;
use crate::support::poll;
use crate::support::programs::programs;
use crate::support::server::Server;
use crate::trial::{Allowed, Trial, Verdict};

/// 75 where the server said that it is short of something, 69 where it went away and did not come back in time.
const SHORT: Allowed = Allowed::codes(&[75]);
const SHORT_OR_AWAY: Allowed = Allowed::codes(&[69, 75]);

pub const TABLESPACE: Fault = Fault {
    missing: cannot_mount,
    ..servers::fault("disk-full", "the file system of the database's tablespace is full", 2, tablespace)
};

pub const DATA_FOLDER: Fault = Fault {
    missing: cannot_mount,
    ..servers::fault("disk-full-wal", "the file system of the whole server is full", 2, data_folder)
};

fn cannot_mount() -> Option<&'static str> {
    let own = std::env::var_os("SCHEMAGATE_FAULTS_OWN_MOUNTS").is_some_and(|value| value == "1");
    if own { None } else { Some("it takes root and unshare for a small file system of its own") }
}

/// A small file system in memory, which a file can fill.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn new(path: &Path, size: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "tmpfs"]).arg(path);
        assert!(mount.status().unwrap().success(), "{mount:?}");
        programs().own(path);
        Self { path: path.to_owned() }
    }

    /// Leaves so many bytes free.
    fn fill(&self, leave: u64) {
        let file = std::fs::File::create(self.filler()).unwrap();
        // It is all or nothing, and the server takes some of it meanwhile.
        loop {
            let free = rustix::fs::statvfs(&self.path).unwrap();
            let bytes = (free.f_bavail * free.f_frsize).saturating_sub(leave);
            let flags = rustix::fs::FallocateFlags::empty();
            if bytes == 0 || rustix::fs::fallocate(&file, flags, 0, bytes).is_ok() {
                return;
            }
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
        let _ = std::fs::remove_dir(&self.path);
    }
}

fn tablespace(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let mut rng = Rng::of(lab.seed, "disk of a group", runs.start);
    let root = new_root();
    let disk = SmallDisk::new(&root.join("small"), "400m");
    programs().own(&root);
    let space = disk.path.join("space");
    std::fs::create_dir(&space).unwrap();
    programs().own(&space);
    let verdicts = {
        let server = Server::builder().start();
        server.connect("postgres").execute(&format!("create tablespace small location '{}'", space.display()));
        let trials = runs.map(|number| Trial::on(lab, fault, number, server.address())).collect::<Vec<_>>();
        for trial in &trials {
            let name = trial.database.name();
            server.connect("postgres").execute(&format!("alter database {name} set tablespace small"));
        }
        let group = Group::start_at(trials, |trial| trial.database.url());
        disk.fill(rng.below(0..2 << 20) as u64);
        std::thread::sleep(rng.up_to(lab.length * 2));
        disk.free();
        group.finish().judge(SHORT)
    };
    drop(disk);
    std::fs::remove_dir_all(&root).unwrap();
    verdicts
}

fn data_folder(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let mut rng = Rng::of(lab.seed, "disk of a group", runs.start);
    let root = new_root();
    let disk = SmallDisk::new(&root, "700m");
    let settings = [("wal_keep_size", "0"), ("max_wal_size", "64MB"), ("min_wal_size", "32MB"), ("wal_recycle", "off")];
    let builder = settings.into_iter().fold(Server::builder().root(&root), |builder, (n, v)| builder.setting(n, v));
    let mut server = builder.start();
    let mut group = Group::start(lab, fault, runs, server.address());
    disk.fill(rng.below(0..1 << 20) as u64);
    if rng.flip() {
        want_new_segments(&server);
    }
    std::thread::sleep(lab.length + rng.up_to(lab.length * 3));
    disk.free();
    // A server that cannot write its log crashes, and gives up if it cannot recover either.
    let url = server.address().socket_url("postgres");
    let there = |server: &mut Server| server.revive() || Connection::open(&url).is_ok();
    poll("the server is back", PATIENCE, || there(&mut server).then_some(()));
    if server.log().contains("PANIC") {
        group.trials.iter_mut().for_each(|trial| trial.note("the server crashed"));
    }
    let verdicts = group.finish().judge(SHORT_OR_AWAY);
    drop(server);
    drop(disk);
    verdicts
}

/// Has the server begin new files of its log, until it finds no room for one and crashes.
fn want_new_segments(server: &Server) {
    let Ok(mut session) = Connection::open(&server.address().socket_url("postgres")) else { return };
    let begun = (0..10).take_while(|_| session.try_query("select pg_current_xact_id(), pg_switch_wal()").is_ok());
    assert!(begun.count() < 10, "there was room for ten files more");
}

/// Takes every connection, ends the jobs' own, and takes those too; gives them back after a while.
pub fn connections(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let mut rng = Rng::of(lab.seed, "connections of a group", runs.start);
    let server = Server::builder().setting("max_connections", "25").start();
    let mut admin = server.connect("postgres");
    let group = Group::start(lab, fault, runs, server.address());
    let url = server.address().socket_url("postgres");
    let take = |taken: &mut Vec<Connection>| taken.extend(std::iter::from_fn(|| Connection::open(&url).ok()));
    let mut taken = Vec::new();
    take(&mut taken);
    admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'schemagate'");
    let until = std::time::Instant::now() + rng.up_to(Duration::from_secs(3));
    while std::time::Instant::now() < until {
        take(&mut taken);
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(taken);
    group.finish().judge(Allowed::SUCCESS)
}

/// Takes locks until the server has no memory for another; gives them back after a while.
pub fn locks(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let mut rng = Rng::of(lab.seed, "locks of a group", runs.start);
    let server = Server::builder().setting("max_connections", "40").setting("max_locks_per_transaction", "32").start();
    let mut hog = server.connect("postgres");
    let group = Group::start(lab, fault, runs, server.address());
    let full = hog.try_query("select pg_advisory_lock(n) from generate_series(1, 1000000) n");
    assert_eq!(full.unwrap_err().code().map(|code| code.code()), Some("53200"));
    std::thread::sleep(rng.up_to(lab.length * 2));
    // A session that only closes may hold them for a moment more, in which the judge could not connect.
    hog.execute("select pg_advisory_unlock_all()");
    drop(hog);
    group.finish().judge(SHORT)
}
