//! The gate between a built release and its start: applies pending PostgreSQL migrations under a lock, or keeps the
//! release out. The rooms, in the order in which they may use each other.

pub mod sha256;

pub(crate) mod regular;

pub mod stop;

pub mod settings;

pub mod signing;

pub mod migrations;

pub mod effects;

pub mod postgres;

pub mod history;

pub mod review;

pub mod plan;

pub mod lint;

pub mod weight;

pub mod apply;

pub mod rehearsal;

pub mod exit_code;

pub mod existing;

pub mod adopt;

pub mod protocol;

pub mod error;

pub mod run;

pub mod qualification;

pub mod evidence;

pub mod report;
