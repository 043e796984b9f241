//! Sees to it that a server ends with those who use it, also when they are killed and no destructor runs.
//! Takes the server's folder. Never outlives the server.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

const SCRIPT: &str = include_str!("watchdog.sh");

/// Guards a server of one test: a process that ends the server when its standard input does.
#[derive(Debug)]
pub struct Watchdog {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Watchdog {
    /// Guards the server in `root` until dropped, or until this process is gone.
    pub fn of(root: &Path) -> Self {
        let mut process = script(&["pipe".as_ref(), root]).stdin(Stdio::piped()).spawn().unwrap();
        let pipe = process.stdin.take();
        Self { process, pipe }
    }

    /// Guards a server that several processes share, as long as one of them holds the shared lock on `users`.
    #[expect(clippy::zombie_processes, reason = "it outlives this process")]
    pub fn of_shared(state: &Path, users: &Path, held: File) {
        script(&["lock".as_ref(), state, users]).stdin(held).spawn().unwrap();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // Waits until the server is gone; there is nobody left to tell if that fails.
        let _ = self.process.wait();
    }
}

/// Ends what a killed run left in `root`.
pub fn finish_now(root: &Path) {
    script(&["now".as_ref(), root]).stdin(Stdio::null()).status().unwrap();
}

/// The script in a process group of its own, so that what ends the tests' group does not end it.
fn script(arguments: &[&Path]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", SCRIPT, "watchdog"])
        .args(arguments)
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command
}
