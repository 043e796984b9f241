//! A folder of migrations as a user would have it. Takes names and texts. Gone when dropped.

use std::path::Path;

use tempfile::TempDir;

/// A temporary folder of files.
#[derive(Debug)]
pub struct Migrations {
    folder: TempDir,
}

impl Migrations {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("migrations-").tempdir().unwrap();
        Self { folder }
    }

    /// Adds a file or replaces it; `name` may hold folders.
    #[must_use]
    pub fn file(self, name: &str, contents: impl AsRef<[u8]>) -> Self {
        self.write(name, contents);
        self
    }

    /// As [`Self::file`], later on.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, contents).unwrap();
    }

    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}
