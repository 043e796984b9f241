//! What this binary is made of, as `build.rs` found it in `Cargo.lock`.

/// A JSON document: name, version, checksum and dependencies of every crate.
pub(super) const TREE: &str = include_str!(concat!(env!("OUT_DIR"), "/dependency-tree.json"));
