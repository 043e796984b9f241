//! Writes evidence. In: a protocol, its reports, a key. Out: a package, and beside it the latest record and reports. Never
//! leaves a half-written file, and never touches a package that is there.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use super::error::EvidenceError;
use super::manifest::{self, DEPENDENCY_TREE, HEALTH_CHECK, MANIFEST, MIGRATIONS, SIGNED_MANIFEST, TEST_RESULTS};
use super::times::stamp;
use super::{PACKAGES, dependencies, documents, pretty, record, record_file};
use crate::protocol::Protocol;
use crate::signing::{SigningKey, jws};

/// The protocol as people and as CI read it.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// A whole HTML document.
    pub html: String,
    /// JUnit's XML.
    pub junit: String,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The record.
    pub record: PathBuf,
    /// The folder of the package.
    pub package: PathBuf,
    /// The protocol for people.
    pub html: PathBuf,
    /// The protocol for CI.
    pub junit: PathBuf,
    /// Thumbprint of the key that signed; none where nobody did.
    pub kid: Option<String>,
}

/// Sees to it that `dir` is there and can be written into, before a qualification spends time.
///
/// # Errors
/// [`EvidenceError::Write`].
pub fn check_writable(dir: &Path) -> Result<(), EvidenceError> {
    let packages = dir.join(PACKAGES);
    make_folder(&packages)?;
    for folder in [dir, &packages] {
        let probe = folder.join(format!(".schemagate-{:016x}", rand::random::<u64>()));
        File::create_new(&probe).and_then(|_| fs::remove_file(&probe)).map_err(at(folder))?;
    }
    Ok(())
}

/// Writes the package, then the reports and the record, each by a rename. `now` is the time of the signature.
///
/// # Errors
/// [`EvidenceError`]; what was begun is taken away again.
pub fn write(
    dir: &Path,
    protocol: &Protocol,
    key: Option<&SigningKey>,
    now: SystemTime,
    rendered: &Rendered,
) -> Result<Written, EvidenceError> {
    let ids = &protocol.subject.ids;
    let name = format!("{}-{}", ids.verification_tier, ids.spec_id);
    let (html, junit) = (format!("{name}.html"), format!("{name}.xml"));
    let record = record_file(&ids.gxp_id, key.is_some());
    let beside = vec![
        (html.clone(), rendered.html.clone().into_bytes()),
        (junit.clone(), rendered.junit.clone().into_bytes()),
        (record.clone(), record_bytes(protocol, key, now)?),
    ];
    let packages = dir.join(PACKAGES);
    make_folder(&packages)?;
    let place = Place::reserve(&packages, &format!("{name}-{}", stamp(now)))?;
    let files = package_files(protocol, &place.package_id, key, now, &beside)?;
    // Everything is on the disk before the first name appears.
    write_all(&place.partial, &files)?;
    let staged = Staged::write(dir, &beside)?;
    let package = place.publish()?;
    if let Err(error) = staged.publish() {
        // A package that nothing beside it tells of would look like a run that ended well.
        let _ = fs::remove_dir_all(&package);
        return Err(error);
    }
    // The other form of an earlier run would contradict this one; its package still has it.
    let other = dir.join(record_file(&ids.gxp_id, key.is_none()));
    match fs::remove_file(&other) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(&other)(error)),
        _ => {}
    }
    sync(dir)?;
    Ok(Written {
        record: dir.join(record),
        package,
        html: dir.join(html),
        junit: dir.join(junit),
        kid: key.map(|key| key.kid().to_owned()),
    })
}

/// Writes a single file by a rename: whole, or not at all.
///
/// # Errors
/// [`EvidenceError::Write`].
pub fn replace(path: &Path, text: &str) -> Result<(), EvidenceError> {
    let name = path.file_name().ok_or_else(|| at(path)(ErrorKind::IsADirectory.into()))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Staged::write(dir, &[(name.to_string_lossy().into_owned(), text.as_bytes().to_vec())])?.publish()?;
    sync(dir)
}

fn record_bytes(protocol: &Protocol, key: Option<&SigningKey>, now: SystemTime) -> Result<Vec<u8>, EvidenceError> {
    let payload = record::payload(protocol, key.is_some(), now);
    match key {
        Some(key) => signed(&payload, key),
        None => Ok(pretty(&payload)),
    }
}

fn signed(payload: &Value, key: &SigningKey) -> Result<Vec<u8>, EvidenceError> {
    jws::sign(payload, key).map(String::into_bytes).map_err(|source| EvidenceError::Sign { source })
}

/// Everything in the package's folder. Record and reports are in it too: those beside it are replaced by the next run.
fn package_files(
    protocol: &Protocol,
    package_id: &str,
    key: Option<&SigningKey>,
    now: SystemTime,
    beside: &[manifest::File],
) -> Result<Vec<manifest::File>, EvidenceError> {
    let kid = key.map(SigningKey::kid);
    let file = |name: &str, bytes: Vec<u8>| (name.to_owned(), bytes);
    let mut files = vec![
        file("metadata.json", pretty(&documents::metadata(protocol, Some(package_id), kid, now))),
        file("environment.json", pretty(&documents::environment(protocol))),
        file(TEST_RESULTS, pretty(&documents::test_results(protocol))),
        file(DEPENDENCY_TREE, dependencies::TREE.as_bytes().to_vec()),
        file(HEALTH_CHECK, pretty(&documents::health_check(protocol))),
        file(MIGRATIONS, documents::migrations_text(protocol).into_bytes()),
    ];
    files.extend_from_slice(beside);
    let manifest = manifest::manifest(package_id, &protocol.subject.ids, &files, now);
    files.push(file(MANIFEST, pretty(&manifest)));
    if let Some(key) = key {
        files.push(file(SIGNED_MANIFEST, signed(&manifest::with_times(manifest, now), key)?));
    }
    Ok(files)
}

/// A package's name, held by a hidden folder that is gone when dropped unless it was published.
struct Place {
    packages: PathBuf,
    package_id: String,
    partial: PathBuf,
    published: bool,
}

impl Place {
    /// Takes `wanted`, or `wanted-2` and so on where another run has it.
    fn reserve(packages: &Path, wanted: &str) -> Result<Self, EvidenceError> {
        let mut number = 1;
        loop {
            let package_id = if number == 1 { wanted.to_owned() } else { format!("{wanted}-{number}") };
            number += 1;
            let partial = packages.join(format!(".{package_id}.partial"));
            match fs::create_dir(&partial) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(at(&partial)(error)),
            }
            let place = Self { packages: packages.to_owned(), package_id, partial, published: false };
            // Only who holds the hidden folder can make the name, so looking is enough.
            match fs::symlink_metadata(place.target()) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(place),
                Err(error) => return Err(at(&place.target())(error)),
                Ok(_) => {}
            }
        }
    }

    fn target(&self) -> PathBuf {
        self.packages.join(&self.package_id)
    }

    fn publish(mut self) -> Result<PathBuf, EvidenceError> {
        let target = self.target();
        fs::rename(&self.partial, &target).map_err(at(&target))?;
        self.published = true;
        sync(&self.packages)?;
        Ok(target)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.published {
            // Nothing more can be done about a folder that cannot be removed; the failure that led here is told.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// Files that wait under another name for their rename; gone when dropped.
struct Staged(Vec<(PathBuf, PathBuf)>);

impl Staged {
    fn write(dir: &Path, files: &[manifest::File]) -> Result<Self, EvidenceError> {
        let mut staged = Self(Vec::new());
        for (name, bytes) in files {
            let partial = dir.join(format!(".{name}.{:016x}.partial", rand::random::<u64>()));
            staged.0.push((partial.clone(), dir.join(name)));
            // Known now, and not when a part of the files has its name already.
            if dir.join(name).is_dir() {
                return Err(at(&dir.join(name))(ErrorKind::IsADirectory.into()));
            }
            write_file(&partial, bytes).map_err(at(&dir.join(name)))?;
        }
        Ok(staged)
    }

    /// In their order: the record comes last.
    fn publish(mut self) -> Result<(), EvidenceError> {
        while !self.0.is_empty() {
            let (partial, target) = &self.0[0];
            fs::rename(partial, target).map_err(at(target))?;
            self.0.remove(0);
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for (partial, _) in &self.0 {
            let _ = fs::remove_file(partial);
        }
    }
}

fn write_all(folder: &Path, files: &[manifest::File]) -> Result<(), EvidenceError> {
    for (name, bytes) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        write_file(&path, bytes).map_err(at(&path))?;
    }
    sync(&folder.join("artifacts"))?;
    sync(folder)
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A rename is on the disk when its folder is.
fn sync(folder: &Path) -> Result<(), EvidenceError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn make_folder(folder: &Path) -> Result<(), EvidenceError> {
    fs::create_dir_all(folder).map_err(at(folder))
}

fn at(path: &Path) -> impl Fn(io::Error) -> EvidenceError {
    let path = path.to_owned();
    move |source| EvidenceError::Write { path: path.clone(), source }
}
