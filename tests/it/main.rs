//! The integration tests, one binary: each file is a subject, each test has a database of its own on a real server.
//! Never uses a mock of the database, nor a server that it did not start.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test, and what it calls, ends by panicking and speaks by printing"
)]

mod apply;
mod arguments;
mod audit_trail;
mod cascade;
mod connection;
mod dbmate;
mod drizzle;
mod evidence;
mod exit_codes;
mod failure;
mod harness;
mod history;
mod intake;
mod large;
mod lint;
mod lint_effects;
mod lint_proof;
mod lint_rewrites;
mod lock;
mod lost;
mod manifests;
mod new;
mod no_transaction;
mod output;
mod plan;
mod plan_sql;
mod plan_weight;
mod platforms;
mod pooler;
mod product_schema;
mod qualify;
mod readme;
mod refinery;
mod rehearse;
mod rehearse_same;
mod round_trips;
mod secrets;
mod session_state;
mod settings;
mod site;
mod standby;
mod status;
mod stop;
#[allow(dead_code, reason = "the harness offers what a test may want; not every subject wants all of it")]
mod support;
mod tls;
mod version;
