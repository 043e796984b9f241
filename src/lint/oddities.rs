//! What is odd about a folder of drizzle-kit. In: a set. Out: a finding for each oddity; what cannot be read at all is
//! refused before.

use super::finding::Finding;
use super::rules::DRIZZLE;
use crate::migrations::drizzle::oddity_lines;
use crate::migrations::{Layout, MigrationSet, Oddity, Origin};

const JOURNAL: &str = "meta/_journal.json";

pub(super) fn findings(set: &MigrationSet) -> Vec<Finding> {
    let journal = matches!(set.origin(), Origin::Drizzle { layout: Layout::Journal, .. });
    let file = |oddity: &Oddity| match oddity {
        Oddity::NotListed { file } | Oddity::Empty { file } => file.clone(),
        Oddity::Older { tag } | Oddity::OtherNumber { tag, .. } if !journal => tag.clone(),
        Oddity::Gap { .. } | Oddity::Older { .. } | Oddity::OtherNumber { .. } => JOURNAL.to_owned(),
    };
    let finding = |oddity: &Oddity| {
        let words = oddity_lines(std::slice::from_ref(oddity)).join("; ");
        Finding::of_file(&DRIZZLE, &file(oddity), words)
    };
    set.oddities().iter().map(finding).collect()
}
