//! The integration tests, one binary: each file is a subject, each test has a database of its own on a real server.
//! Never uses a mock of the database, nor a server that it did not start.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test, and what it calls, ends by panicking and speaks by printing"
)]

mod arguments;
mod connection;
mod exit_codes;
mod harness;
mod history;
mod intake;
mod manifests;
mod new;
mod output;
mod plan;
mod platforms;
mod pooler;
mod product_schema;
mod refinery;
mod secrets;
mod settings;
mod standby;
mod status;
#[allow(dead_code, reason = "the harness offers what a test may want; not every subject wants all of it")]
mod support;
mod tls;
mod version;
