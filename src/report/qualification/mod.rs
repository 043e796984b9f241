//! A qualification as people, CI and machines read it. In: a protocol. Out: HTML, JUnit, text, JSON.

mod html;
mod json;
mod junit;
mod text;

pub use html::html;
pub use json::json;
pub use junit::junit;
pub use text::text;
