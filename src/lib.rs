//! The gate between a built release and its start: applies pending PostgreSQL migrations under a lock, or keeps the
//! release out.

pub mod migrations;
pub mod postgres;
