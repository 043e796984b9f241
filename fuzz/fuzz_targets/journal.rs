//! A folder of drizzle-kit whose journal holds anything: never a panic, never a file outside the folder.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use schemagate::migrations::MigrationSet;
use schemagate::migrations::drizzle::oddity_lines;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("schemagate-fuzz-{}", std::process::id()));
    fs::create_dir_all(folder.join("meta")).expect("a folder can be made");
    for tag in ["0000_a", "0001_b", "c"] {
        fs::write(folder.join(format!("{tag}.sql")), "SELECT 1;").expect("a file can be written");
    }
    folder
});

fuzz_target!(|journal: &[u8]| {
    fs::write(FOLDER.join("meta/_journal.json"), journal).expect("the journal can be written");
    match MigrationSet::load(Some(&FOLDER)) {
        Ok(set) => {
            let _ = oddity_lines(set.oddities());
            assert!(set.iter().all(|migration| !migration.file().contains('/')));
        }
        Err(error) => assert!(!error.problems.is_empty() && !error.to_string().is_empty()),
    }
});
