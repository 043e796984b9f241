//! Numbers of files. In: a set, and another branch. Out: findings where numbers are left out, or meet.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::git::Revision;
use super::rules::{COLLISION, GAP};
use crate::migrations::{FileName, Migration, MigrationSet, Origin, Prefix};

/// From here on a number is a time.
const TIMES: i64 = 1_000_000;

/// Numbers left out before a new file, and not given by one of these revisions. Only where files are numbered one by one.
pub(super) fn gaps(set: &MigrationSet, is_new: impl Fn(&str) -> bool, elsewhere: &[&Revision]) -> Vec<Finding> {
    if matches!(set.origin(), Origin::Drizzle { .. }) {
        // Told as oddities of the journal.
        return Vec::new();
    }
    let files: Vec<&Migration> = set.iter().collect();
    let steps: Vec<(i64, &Migration)> = files
        .windows(2)
        .filter_map(|pair| match pair {
            [before, after] => Some((after.version().get() - before.version().get(), *after)),
            _ => None,
        })
        .collect();
    let one_by_one = steps.iter().filter(|(step, _)| *step == 1).count() * 2 >= steps.len();
    if !one_by_one {
        return Vec::new();
    }
    let given: BTreeSet<i64> =
        elsewhere.iter().flat_map(|revision| revision.files()).filter_map(|file| number(file, false)).collect();
    let gap = |(step, after): (i64, &Migration)| {
        let version = after.version().get();
        // What is left out before a number of theirs is not for this file to fill.
        let theirs = given.range(..version).next_back().map_or(step, |last| version - last);
        let step = step.min(theirs);
        let told = step > 1 && version < TIMES && after.prefix() == Prefix::Versioned && is_new(after.file());
        told.then(|| {
            let (first, last) = (version - step + 1, version - 1);
            let numbers = if first == last { format!("{first} is") } else { format!("{first} to {last} are") };
            let message = format!("{numbers} left out before this file");
            Finding::of_file(&GAP, after.file(), message)
                .hint(format!("number it {first}: a file that fills the gap later is refused as out of order"))
        })
    };
    steps.into_iter().filter_map(gap).collect()
}

/// Files whose number the other branch has given to another one, or has gone past.
pub(super) fn collisions(set: &MigrationSet, against: &Revision) -> Vec<Finding> {
    let drizzle = matches!(set.origin(), Origin::Drizzle { .. });
    let theirs: BTreeMap<i64, &str> = against.files().filter_map(|file| Some((number(file, drizzle)?, file))).collect();
    let newest = theirs.last_key_value().map(|(number, file)| (*number, *file));
    let key = super::edited::key(set);
    let ours = set.iter().filter(|migration| !key(migration.file()).is_some_and(|key| against.has(key)));
    let finding = |migration: &Migration| {
        let version = number(migration.file(), drizzle)?;
        let message = match (theirs.get(&version), newest) {
            (Some(other), _) => format!("{} has {other} with the same number", against.name),
            (None, Some((newest, file))) if newest > version && migration.prefix() == Prefix::Versioned => {
                format!("{} has {file}, which is newer: where that is applied, this is out of order", against.name)
            }
            _ => return None,
        };
        let hint = "give it a number above the newest of both branches";
        Some(Finding::of_file(&COLLISION, migration.file(), message).hint(hint))
    };
    ours.filter_map(finding).collect()
}

fn number(file: &str, drizzle: bool) -> Option<i64> {
    if drizzle {
        let digits = file.split_once('_')?.0;
        return file.ends_with(".sql").then(|| digits.parse().ok()).flatten();
    }
    let name = file.rsplit('/').next().unwrap_or(file);
    FileName::parse(name).ok().map(|name| name.version().get())
}
