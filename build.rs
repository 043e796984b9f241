//! Tells the crate which files `migrations/` holds: `embed_migrations!` keeps a version, not how its file pads it. And
//! rebuilds it when a file appears or leaves, which cargo would not notice by itself.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=migrations");
    let mut files = Vec::new();
    for entry in std::fs::read_dir("migrations")? {
        files.push(entry?.file_name().to_string_lossy().into_owned());
    }
    files.sort();
    println!("cargo::rustc-env=SCHEMAGATE_EMBEDDED_FILES={}", files.join("/"));
    Ok(())
}
