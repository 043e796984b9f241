//! Rebuilds the crate when a file appears in or leaves `migrations/`: `embed_migrations!` reads the folder at compile
//! time, and cargo would only notice a change of the files it already knows.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
