//! A rehearsal for people and machines. In: what was measured. Out: lines, a JSON document, a page. Asks nobody.

mod chart;
mod html;
mod json;
mod text;
mod words;
mod worst;

pub use html::html;
pub use json::json;
pub use text::text;
