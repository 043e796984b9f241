//! The server that all ordinary tests share, over all their processes: started by the first, ended by its watchdog
//! soon after the last one is gone. Takes nothing. Never trusts what a killed run left.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::cluster::{Address, new_root};
use super::programs::{cache, programs};
use super::watchdog::{Watchdog, finish_now};

#[derive(Debug)]
struct Use {
    address: Address,
    // The shared lock on it, which ends with the process, keeps the server.
    _users: File,
}

/// The shared server's address; it is there as long as this process.
pub fn address() -> &'static Address {
    static USE: OnceLock<Use> = OnceLock::new();
    &USE.get_or_init(Use::begin).address
}

impl Use {
    fn begin() -> Self {
        let folder = cache("servers").join(programs().key());
        std::fs::create_dir_all(&folder).unwrap();
        let users = open(&folder.join("users"));
        // Waits at most while a watchdog ends the server of an earlier run.
        users.lock_shared().unwrap();
        let starting = open(&folder.join("starting"));
        starting.lock().unwrap();
        let state = folder.join("state");
        let address = running(&state).unwrap_or_else(|| {
            if let Some(root) = root_in(&state) {
                finish_now(&root);
            }
            start(&state, &folder)
        });
        guard(&state, &folder);
        Self { address, _users: users }
    }
}

/// Starts a server that is already written down and guarded, so that nothing is left if this process is killed here.
fn start(state: &Path, folder: &Path) -> Address {
    let root = new_root();
    std::fs::write(state, format!("{}\n", root.display())).unwrap();
    guard(state, folder);
    let settings = [("max_connections".to_owned(), "200".to_owned())];
    let mut address = Address::create(&root, &settings, &["host all all all trust".to_owned()]);
    // Not this process's to wait for: the watchdog ends it when all users are gone.
    drop(address.start_first());
    std::fs::write(state, format!("{}\n{}\n", root.display(), address.port)).unwrap();
    address
}

/// Sees to it that one watchdog looks after the server.
fn guard(state: &Path, folder: &Path) {
    let held = open(&folder.join("watchdog"));
    if held.try_lock().is_ok() {
        Watchdog::of_shared(state, &folder.join("users"), held);
    }
}

/// The server written down in `state`, if it answers.
fn running(state: &Path) -> Option<Address> {
    let root = root_in(state)?;
    let text = std::fs::read_to_string(state).ok()?;
    let port = text.lines().nth(1)?.parse().ok()?;
    UnixStream::connect(root.join(format!(".s.PGSQL.{port}"))).ok()?;
    Some(Address { root, port })
}

fn root_in(state: &Path) -> Option<PathBuf> {
    Some(PathBuf::from(std::fs::read_to_string(state).ok()?.lines().next()?))
}

fn open(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap()
}
