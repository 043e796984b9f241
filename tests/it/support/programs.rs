//! PostgreSQL's server programs, and the user they run as.
//! Takes `SCHEMAGATE_TEST_PG_BIN`, else `PATH`, else Debian's folders. Never installs anything.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Counts up when the template's contents change, so that a cached one is not used any more.
const TEMPLATE_REVISION: u32 = 2;

/// One installation of PostgreSQL's server.
#[derive(Debug)]
pub struct Programs {
    bin: PathBuf,
    /// User and group id for the server where the tests run as root, which the server refuses.
    user: Option<(u32, u32)>,
}

/// The installation that this run of the tests uses.
pub fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| Programs { bin: find_bin(), user: unprivileged_user() })
}

impl Programs {
    /// The program `name`, run as the server's user, with nothing of the developer's environment.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir("/")
            .stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Where the program `name` would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Hands `path` to the server's user.
    pub fn own(&self, path: &Path) {
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
        }
    }

    /// A name for this installation that can stand in a path.
    pub fn key(&self) -> String {
        let user = self.user.map_or(0, |(user, _)| user);
        slug(&format!("{}-{user}", self.bin.display()))
    }

    /// A data folder as `initdb` makes it, made once per server version and kept under the target folder.
    pub fn template(&self) -> PathBuf {
        let version = Command::new(self.bin.join("postgres")).arg("--version").output().unwrap();
        let version = slug(String::from_utf8_lossy(&version.stdout).trim());
        let folder = cache("templates");
        let user = self.user.map_or(0, |(user, _)| user);
        let template = folder.join(format!("{version}-{user}-{TEMPLATE_REVISION}"));
        let lock = File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        if !template.exists() {
            self.initdb(&template);
        }
        template
    }

    fn initdb(&self, template: &Path) {
        // Not made in its final place: the server's user may not be let into the target folder.
        let scratch = scratch_folder("sg-init-");
        self.own(scratch.path());
        let data = scratch.path().join("data");
        let made = self
            .command("initdb")
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"])
            .args(["--no-sync", "--no-instructions", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let partial = template.with_extension("partial");
        let _ = std::fs::remove_dir_all(&partial);
        copy(&data, &partial);
        std::fs::rename(&partial, template).unwrap();
    }
}

/// Copies a folder with its owners and modes.
pub fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").args(["-a", "--sparse=always"]).args([from, to]).status().unwrap();
    assert!(status.success(), "cp -a {from:?} {to:?}: {status}");
}

/// A folder under the target folder that outlives the run.
pub fn cache(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A new temporary folder that other users may look into, for a server: in memory where there is room, which halves
/// the time of the tests, and short enough for a socket's path (107 bytes at most).
pub fn scratch_folder(prefix: &str) -> tempfile::TempDir {
    const ROOM_BYTES: u64 = 2 << 30;
    let memory = Path::new("/dev/shm");
    let usual = std::env::temp_dir();
    let roomy = |free: rustix::fs::StatVfs| free.f_bavail * free.f_frsize >= ROOM_BYTES;
    let parent = if rustix::fs::statvfs(memory).is_ok_and(roomy) {
        memory
    } else if usual.as_os_str().len() > 60 {
        Path::new("/tmp")
    } else {
        &usual
    };
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(parent)
        .unwrap()
}

fn find_bin() -> PathBuf {
    if let Some(bin) = std::env::var_os("SCHEMAGATE_TEST_PG_BIN").filter(|bin| !bin.is_empty()) {
        let bin = PathBuf::from(bin);
        assert!(holds_server(&bin), "SCHEMAGATE_TEST_PG_BIN: no server in {bin:?}");
        return bin;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|bin| holds_server(bin))
        .or_else(newest_of_debian)
        .expect("no PostgreSQL server programs: install them (scripts/test does) or set SCHEMAGATE_TEST_PG_BIN")
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions
        .filter_map(|entry| {
            let version: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((version, PathBuf::from(format!("/usr/lib/postgresql/{version}/bin"))))
        })
        .filter(|(_, bin)| holds_server(bin))
        .max()
        .map(|(_, bin)| bin)
}

fn holds_server(bin: &Path) -> bool {
    bin.join("postgres").is_file() && bin.join("initdb").is_file()
}

/// `postgres`, else `nobody`, where the tests run as root.
fn unprivileged_user() -> Option<(u32, u32)> {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [user, _, uid, gid, ..] = fields[..] else {
                return None;
            };
            (user == name).then(|| Some((uid.parse().ok()?, gid.parse().ok()?)))?
        })
    };
    Some(ids("postgres").or_else(|| ids("nobody")).expect("no user to run the server as"))
}

fn slug(text: &str) -> String {
    let kept: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|part| !part.is_empty()).collect();
    kept.join("-")
}
