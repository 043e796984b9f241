//! Reads what a migration's SQL says. In: the text of a file. Out: its statements, places in it, and a [`Judgement`].
//! Linear, keeps no tree and no tokens; may refuse or explain, never decides what is sent.

mod brief;
mod chunks;
mod classify;
mod directive;
mod facts;
mod judge;
mod names;
mod place;
mod repeat;
mod rule;
mod session;
mod statements;
mod survey;
mod tokens;
mod words;

pub use brief::brief;
pub use classify::{Outside, StatementKind};
pub(crate) use directive::directive;
pub use facts::{ConcurrentIndex, Gone, Reindexed};
pub use judge::{Judgement, LoneStatement, Refusal, judge, judge_drizzle};
pub use place::{Excerpt, Place, excerpt, place_of, position_of};
pub use repeat::NotRepeatable;
pub use rule::Rule;
pub(crate) use statements::{Found, walk};
pub use statements::{Statement, Statements, nth_statement};
pub use survey::{Beyond, Change, Object, ObjectKind, Survey, survey};
pub(crate) use words::Words;
