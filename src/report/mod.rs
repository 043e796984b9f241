//! Results and failures as people and machines read them. In: data. Out: text or JSON. Never asks the database.

pub mod adopt;
mod connecting;
pub mod evidence;
pub mod failure;
pub mod fit;
mod hints;
pub mod lint;
mod markup;
pub mod plan;
pub mod qualification;
pub mod rehearsal;
mod server_words;
mod size;
mod state;
pub mod status;
pub mod summary;
pub mod table;
pub mod termination;
pub mod trail;
mod weight;
