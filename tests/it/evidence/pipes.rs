//! Pipes, sockets, devices and links where a file is looked for: refused by name, and nothing waits on them.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::sample::Evidence;
use super::{refused, verify};

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn what_is_no_regular_file_at_the_top_is_refused_by_name_and_not_waited_on() {
    let evidence = Evidence::signed();
    for name in ["EV-SPEC-INF-002.jws", "IQ-SPEC-INF-002.html", "IQ-SPEC-INF-002.xml"] {
        let (path, aside) = (evidence.dir().join(name), evidence.beside("aside"));
        std::fs::rename(&path, &aside).unwrap();
        let check = || {
            let words = format!("{}: not a regular file; it was not read", path.display());
            refused(&evidence.dir(), &evidence.public_key(), &[&words]);
            std::fs::remove_file(&path).unwrap();
        };
        pipe(&path);
        check();
        // Bound, and listened to.
        let socket = UnixListener::bind(&path).unwrap();
        check();
        drop(socket);
        symlink("/dev/zero", &path).unwrap();
        check();
        // What the link leads to is exactly what should be there.
        symlink(&aside, &path).unwrap();
        check();
        std::fs::rename(&aside, &path).unwrap();
    }
    verify(&evidence.dir(), &evidence.public_key()).assert_code(0);
}

#[test]
fn a_link_to_the_packages_is_not_followed() {
    let evidence = Evidence::signed();
    let (packages, aside) = (evidence.dir().join("packages"), evidence.beside("aside"));
    std::fs::rename(&packages, &aside).unwrap();
    symlink(&aside, &packages).unwrap();
    refused(&evidence.dir(), &evidence.public_key(), &["packages: not a folder; it was not read"]);
}

#[test]
fn a_pipe_in_place_of_the_evidence_or_of_the_key_is_refused_and_not_waited_on() {
    let evidence = Evidence::signed();
    let (path, socket) = (evidence.beside("pipe"), evidence.beside("socket"));
    pipe(&path);
    let _bound = UnixListener::bind(&socket).unwrap();
    for path in [path.as_path(), socket.as_path(), Path::new("/dev/zero")] {
        verify(path, &evidence.public_key()).assert_code(65).assert_stderr("neither a file nor a folder");
        let outcome = verify(&evidence.dir(), path);
        outcome.assert_code(78).assert_stderr(&format!("{}: ", path.display())).assert_stderr("not a regular file");
    }
}

#[test]
fn a_link_that_the_user_names_is_followed() {
    let evidence = Evidence::signed();
    // A mounted secret is one.
    let (key, record) = (evidence.beside("key"), evidence.beside("record.jws"));
    symlink(evidence.public_key(), &key).unwrap();
    symlink(&evidence.written.record, &record).unwrap();
    verify(&record, &key).assert_code(0);
    let folder = evidence.beside("latest");
    symlink(evidence.dir(), &folder).unwrap();
    verify(&folder, &key).assert_code(0);
}
