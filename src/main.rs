//! Composes settings, runtime and command; the one exit edge.

fn main() {}
