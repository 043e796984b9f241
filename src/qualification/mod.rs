//! Installation Qualification: proves on a scratch database that the release installs as it is said to. Owns the steps and
//! their verdicts; the record that is made of them has a room of its own. Never touches the target database.

pub mod cascade;
mod protocol;

pub use protocol::{Case, Counts, Environment, Installed, Protocol, Step, Subject, Verdict};
