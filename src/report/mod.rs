//! Results and failures as people and machines read them. In: data. Out: text or JSON. Never asks the database.

mod connecting;
pub mod failure;
pub mod fit;
pub mod plan;
mod state;
pub mod status;
pub mod summary;
pub mod table;
pub mod termination;
