//! A folder of refinery files. In: a path. Out: the migrations below it, or every problem. Reads each file once, two at
//! a time at most; follows links once; never enters hidden entries or `qualification/`.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use super::drizzle;
use super::file::read_listed;
use super::file_name::is_meant_as_sql;
use super::problem::{check_not_blank, duplicates};
use super::{
    Facts, Fault, FileName, IntakeError, Migration, MigrationSet, NameFault, NameReason, Origin, Problem, Source,
};

/// A folder that holds no migrations of ours: the product's qualification package.
pub(crate) const PASSED_OVER: &str = "qualification";
/// From so many files on, several threads read: from a cold disk each file is waited for, with the processor idle.
const MANY_FILES: usize = 64;
const READERS: usize = 4;

/// Loads a folder.
///
/// # Errors
/// [`IntakeError`] with every problem of every file.
pub(super) fn load(folder: &Path) -> Result<MigrationSet, IntakeError> {
    let Listing { files, mut problems, drizzle_below } = Listing::of(folder);
    problems.extend(duplicates(files.iter().map(|file| (file.label.as_str(), file.name.version()))));
    let mut migrations = Vec::with_capacity(files.len());
    for (facts, file) in read_all(&files).into_iter().zip(files) {
        match facts {
            Ok(facts) => migrations.push(Migration::of_facts(file.name, file.label, facts, Source::File(file.path))),
            Err(fault) => problems.push(Problem { file: file.label, fault }),
        }
    }
    let set = MigrationSet::settle(Origin::Folder(folder.to_owned()), migrations, problems);
    set.map_err(|error| IntakeError { drizzle_below, ..error })
}

/// What the files hold, in their order.
fn read_all(files: &[Listed]) -> Vec<Result<Facts, Fault>> {
    let one_large = Mutex::new(());
    let each = &|files: &[Listed]| files.iter().map(|file| file.read(&one_large)).collect::<Vec<_>>();
    if files.len() < MANY_FILES {
        return each(files);
    }
    thread::scope(|scope| {
        let parts: Vec<&[Listed]> = files.chunks(files.len().div_ceil(READERS)).collect();
        let spawn = |part| (part, thread::Builder::new().spawn_scoped(scope, move || each(part)));
        let readers: Vec<_> = parts.into_iter().map(spawn).collect();
        let joined = readers.into_iter().map(|(part, reader)| match reader.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(read)) => read,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // The system has no room for another thread.
            Err(_) => each(part),
        });
        joined.flatten().collect()
    })
}

/// What a folder holds, by names alone.
pub(super) struct Listing {
    /// Files whose names are right, by path.
    pub(super) files: Vec<Listed>,
    /// Files and folders with which something is wrong.
    pub(super) problems: Vec<Problem>,
    /// A folder below that is one of drizzle-kit.
    pub(super) drizzle_below: Option<String>,
}

/// One file of a listing.
pub(super) struct Listed {
    /// The path below the folder.
    pub(super) label: String,
    /// Where to read it.
    pub(super) path: PathBuf,
    /// Its name, parsed.
    pub(super) name: FileName,
    /// The path without links, by which a file reached twice is known.
    real: PathBuf,
}

impl Listed {
    /// Reads it; while it holds a large text, no other thread does.
    fn read(&self, one_large: &Mutex<()>) -> Result<Facts, Fault> {
        let (text, _alone) = read_listed(&self.path, one_large)?;
        check_not_blank(&text)?;
        Ok(Facts::of(&self.name, &text))
    }
}

/// A folder still to be read.
struct Folder {
    label: String,
    path: PathBuf,
    real: PathBuf,
}

/// Where the walk stands.
#[derive(Default)]
struct Walk {
    files: Vec<Listed>,
    linked_files: Vec<Listed>,
    folders: Vec<Folder>,
    linked_folders: Vec<Folder>,
    seen: HashSet<PathBuf>,
    problems: Vec<Problem>,
    drizzle_below: Option<String>,
}

impl Listing {
    /// Lists a folder and those below it.
    pub(super) fn of(folder: &Path) -> Listing {
        let mut walk = Walk::default();
        match root(folder) {
            Ok(root) => walk.run(root),
            Err(fault) => walk.report(String::new(), fault),
        }
        let Walk { mut files, linked_files, problems, drizzle_below, .. } = walk;
        // What is there itself wins over a link to it, so that its label does not depend on the links.
        files.sort_by(|a, b| a.label.cmp(&b.label));
        if !linked_files.is_empty() {
            let mut seen = HashSet::new();
            files.extend(linked_files);
            files.retain(|file| seen.insert((file.real.clone(), file.name.clone())));
            files.sort_by(|a, b| a.label.cmp(&b.label));
        }
        Listing { files, problems, drizzle_below }
    }
}

fn root(folder: &Path) -> Result<Folder, Fault> {
    let missing = |reason: io::Error| match reason.kind() {
        io::ErrorKind::NotFound => Fault::FolderMissing,
        io::ErrorKind::NotADirectory => Fault::NotAFolder,
        _ => Fault::Unreadable { reason },
    };
    let real = fs::canonicalize(folder).map_err(missing)?;
    if !real.is_dir() {
        return Err(Fault::NotAFolder);
    }
    Ok(Folder { label: String::new(), path: folder.to_owned(), real })
}

impl Walk {
    fn run(&mut self, root: Folder) {
        self.folders.push(root);
        while let Some(folder) = self.next_folder() {
            match fs::read_dir(&folder.path).and_then(Iterator::collect::<io::Result<Vec<DirEntry>>>) {
                Ok(entries) => entries.iter().for_each(|entry| self.visit(&folder, entry)),
                Err(reason) => self.report(folder.label, Fault::Unreadable { reason }),
            }
        }
    }

    /// Takes folders that are there before links to folders, and these by path; none twice, which is also the guard
    /// against links in a circle.
    fn next_folder(&mut self) -> Option<Folder> {
        loop {
            if self.folders.is_empty() {
                self.linked_folders.sort_by(|a, b| b.label.cmp(&a.label));
                self.folders.extend(self.linked_folders.pop());
            }
            let folder = self.folders.pop()?;
            if self.seen.insert(folder.real.clone()) {
                return Some(folder);
            }
        }
    }

    fn visit(&mut self, folder: &Folder, entry: &DirEntry) {
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if shown.starts_with('.') {
            return;
        }
        let label = if folder.label.is_empty() { shown.to_string() } else { format!("{}/{shown}", folder.label) };
        let meant = is_meant_as_sql(&shown);
        let (path, linked) = (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_symlink()));
        // What the listing itself says of an entry costs nothing; of ten thousand, asking again costs 30 ms.
        let kind =
            entry.file_type().ok().filter(|_| !linked).map_or_else(|| fs::metadata(&path).map(|of| of.file_type()), Ok);
        let kind = match kind {
            Ok(kind) => kind,
            Err(_) if !meant => return,
            Err(error) if linked && error.kind() == io::ErrorKind::NotFound => {
                return self.report(label, Fault::DanglingLink);
            }
            Err(reason) => return self.report(label, Fault::Unreadable { reason }),
        };
        if kind.is_dir() && self.drizzle_below.is_none() && drizzle::recognise(&path).is_some() {
            self.drizzle_below = Some(label.clone());
        }
        let real = if linked { fs::canonicalize(&path).unwrap_or(path.clone()) } else { folder.real.join(&name) };
        match (kind.is_dir(), meant) {
            (true, true) => self.report(label, Fault::IsFolder),
            (true, false) if shown == PASSED_OVER => {}
            (true, false) if linked => self.linked_folders.push(Folder { label, path, real }),
            (true, false) => self.folders.push(Folder { label, path, real }),
            (false, true) if !kind.is_file() => self.report(label, Fault::NotAFile),
            (false, true) => self.list(label, path, real, linked, name.to_str()),
            (false, false) => {}
        }
    }

    fn list(&mut self, label: String, path: PathBuf, real: PathBuf, linked: bool, name: Option<&str>) {
        let not_unicode = NameFault { reason: NameReason::NotUnicode, nearest: None };
        match name.ok_or(not_unicode).and_then(FileName::parse) {
            Ok(name) => {
                let files = if linked { &mut self.linked_files } else { &mut self.files };
                files.push(Listed { label, path, name, real });
            }
            Err(fault) => self.report(label, Fault::Name(fault)),
        }
    }

    fn report(&mut self, file: String, fault: Fault) {
        self.problems.push(Problem { file, fault });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::problem::LARGEST_FILE_BYTES;
    use std::fs::File;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    /// A folder with these files; a text that starts with `->` makes a link.
    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("->") {
                Some(target) => symlink(target, path).unwrap(),
                None => fs::write(path, text).unwrap(),
            }
        }
        folder
    }

    fn labels(folder: &TempDir) -> Vec<String> {
        let set = MigrationSet::load(Some(folder.path())).map_err(|error| error.to_string()).unwrap();
        set.iter().map(|migration| migration.file().to_owned()).collect()
    }

    fn problems(folder: &TempDir) -> Vec<String> {
        let error = MigrationSet::load(Some(folder.path())).unwrap_err();
        error.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn subfolders_are_read_and_other_files_ignored() {
        let folder = folder(&[
            ("V2__b.sql", "x"),
            ("2024/q1/V1__a.sql", "x"),
            ("README.md", "x"),
            ("V3__c.rs", "x"),
            ("V4__d.sql.bak", "x"),
            (".gitkeep", ""),
            (".V5__e.sql", "x"),
            (".git/V6__f.sql", "x"),
            ("qualification/V7__g.sql", "x"),
            ("deep/qualification/bad.sql", "x"),
        ]);
        assert_eq!(labels(&folder), ["2024/q1/V1__a.sql", "V2__b.sql"]);
    }

    #[test]
    fn a_config_map_mount_is_read_once() {
        let folder = folder(&[
            ("..2024_05_01/V1__a.sql", "x"),
            ("..2024_05_01/V2__b.sql", "x"),
            ("..data", "->..2024_05_01"),
            ("V1__a.sql", "->..data/V1__a.sql"),
            ("V2__b.sql", "->..data/V2__b.sql"),
        ]);
        assert_eq!(labels(&folder), ["V1__a.sql", "V2__b.sql"]);
    }

    #[test]
    fn a_file_reached_twice_is_loaded_once_under_its_own_path() {
        let folder = folder(&[
            ("z/V1__a.sql", "x"),
            ("a", "->z"),
            ("V1__a.sql", "->z/V1__a.sql"),
            ("z/loop", "->.."),
            ("self", "->."),
        ]);
        assert_eq!(labels(&folder), ["z/V1__a.sql"]);
    }

    #[test]
    fn a_linked_folder_is_followed() {
        let elsewhere = folder(&[("V1__a.sql", "x"), ("below/V2__b.sql", "x")]);
        let folder = folder(&[("V3__c.sql", "x")]);
        symlink(elsewhere.path(), folder.path().join("more")).unwrap();
        assert_eq!(labels(&folder), ["more/V1__a.sql", "more/below/V2__b.sql", "V3__c.sql"]);
    }

    #[test]
    fn all_problems_of_a_folder_are_listed_at_once() {
        let folder = folder(&[
            ("V1__a.sql", "x"),
            ("sub/U01__b.sql", "x"),
            ("V2__c.SQL", "x"),
            ("V3__d.sql", " \n"),
            ("V4__e.sql/inner.txt", "x"),
            ("V5__f.sql", "->nowhere"),
            ("nowhere.md", "->nowhere"),
            ("V6__g.sql", "a\nb\0"),
            ("V7-h.sql", "x"),
        ]);
        fs::write(folder.path().join("V8__i.sql"), b"a\n\xff").unwrap();
        fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"V9__\xff.sql")), "x").unwrap();
        insta::assert_snapshot!(problems(&folder).join("\n"), @r#"
        V2__c.SQL: the file name ends in ".SQL" and not in ".sql"
        V3__d.sql: the file is empty
        V4__e.sql: a folder, not a file
        V5__f.sql: a link to a file that does not exist
        V6__g.sql: a NUL byte on line 2
        V7-h.sql: two underscores must stand between the version and the name
        V8__i.sql: not valid UTF-8 at byte 2 (line 2)
        V9__�.sql: the file name is not valid UTF-8
        sub/U01__b.sql: version 1 is already that of V1__a.sql
        "#);
    }

    #[test]
    fn a_folder_that_is_none_is_named() {
        let folder = folder(&[("README.md", "x")]);
        assert_eq!(problems(&folder), ["no migrations in it"]);
        for (path, expected) in [("nowhere", "the folder does not exist"), ("README.md", "not a folder")] {
            let error = load(&folder.path().join(path)).unwrap_err();
            assert_eq!(error.problems[0].to_string(), expected);
        }
        let error = load(&folder.path().join("README.md/x")).unwrap_err();
        assert_eq!(error.problems[0].to_string(), "not a folder");
    }

    #[test]
    fn a_drizzle_folder_below_the_given_one_is_named() {
        for layout in [
            &[("db/0000_init.sql", "x"), ("db/meta/_journal.json", "{}")][..],
            &[("db/20240501120000_init/migration.sql", "x"), ("db/20240501120000_init/snapshot.json", "{}")],
        ] {
            let error = load(folder(layout).path()).unwrap_err();
            assert_eq!(error.hint().unwrap(), "db below it is a folder of drizzle-kit: give that one");
        }
        assert!(load(folder(&[("v1__a.sql", "x")]).path()).unwrap_err().hint().is_none());
    }

    #[test]
    fn a_file_too_large_for_one_message_is_not_read() {
        let folder = folder(&[]);
        let file = File::create(folder.path().join("V1__a.sql")).unwrap();
        file.set_len(LARGEST_FILE_BYTES + 1).unwrap();
        let expected = "V1__a.sql: the file holds 1073741818 bytes (the limit is 1073741817)";
        assert_eq!(problems(&folder), [expected]);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = folder(&[]);
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("V1__a.sql")).status();
        if made.is_ok_and(|status| status.success()) {
            assert_eq!(problems(&folder), ["V1__a.sql: not a regular file"]);
        }
    }

    #[test]
    fn ten_thousand_files_load_in_order() {
        let folder = folder(&[]);
        for version in 0..10_000 {
            fs::write(folder.path().join(format!("V{version}__m.sql")), "select 1;").unwrap();
        }
        let set = load(folder.path()).unwrap();
        assert_eq!(set.len(), 10_000);
        assert!(set.iter().map(|m| m.version().get()).eq(0..10_000));
    }
}
