//! What is odd about a folder of drizzle-kit, and let pass as Drizzle lets it pass. In: facts. Out: a line for each kind,
//! however many there are of it.

use std::fmt;

/// One thing that users should know of and that keeps nothing from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// A file that nothing lists: Drizzle never runs it.
    NotListed {
        /// The file.
        file: String,
    },
    /// Numbers are left out of the journal.
    Gap {
        /// The first that is left out.
        first: i64,
        /// The last.
        last: i64,
    },
    /// The number in a tag is not the entry's.
    OtherNumber {
        /// The tag.
        tag: String,
        /// The entry's number.
        idx: i64,
    },
    /// An entry is older than the one before it: Drizzle 0.x skips such a one for ever on a database that has the other.
    Older {
        /// The tag.
        tag: String,
    },
    /// A file without a statement.
    Empty {
        /// The file.
        file: String,
    },
}

/// How many of a kind are named.
const NAMED: usize = 5;

/// Puts oddities into lines, one a kind.
pub fn oddity_lines(oddities: &[Oddity]) -> Vec<String> {
    let mut kinds: Vec<(&'static str, Vec<String>)> = Vec::new();
    for oddity in oddities {
        let kind = oddity.kind();
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, items)) => items.push(oddity.to_string()),
            None => kinds.push((kind, vec![oddity.to_string()])),
        }
    }
    kinds.into_iter().map(|(kind, items)| format!("{}: {kind}", named(&items))).collect()
}

fn named(items: &[String]) -> String {
    let shown = items.get(..NAMED).unwrap_or(items).join(", ");
    let more = items.len().saturating_sub(NAMED);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

impl Oddity {
    fn kind(&self) -> &'static str {
        match self {
            Self::NotListed { .. } => "not run, because Drizzle does not know it either",
            Self::Gap { .. } => "left out of meta/_journal.json; its other entries are taken as they are",
            Self::OtherNumber { .. } => "the number in the tag is not the entry's idx; the idx counts",
            Self::Older { .. } => "`when` is not later than that of the entry before it; the journal's order counts",
            Self::Empty { .. } => "an empty file; recorded without running anything",
        }
    }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A name may hold a line feed or an escape sequence.
            Self::NotListed { file } | Self::Empty { file } => write!(f, "{}", file.escape_debug()),
            Self::Gap { first, last } if first == last => write!(f, "idx {first}"),
            Self::Gap { first, last } => write!(f, "idx {first} to {last}"),
            Self::OtherNumber { tag, idx } => write!(f, "{} (idx {idx})", tag.escape_debug()),
            Self::Older { tag } => write!(f, "{}", tag.escape_debug()),
        }
    }
}
