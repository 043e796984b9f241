//! A rehearsal for people and machines. In: what was measured. Out: lines, a JSON document, a page. Asks nobody.

mod json;
mod text;
mod worst;

pub use json::json;
pub use text::text;
