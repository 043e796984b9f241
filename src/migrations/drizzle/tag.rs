//! Names that drizzle-kit gives. In: a tag or a folder's name. Out: its parts. Never touches the file system.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many digits a timestamp has: year, month, day, hour, minute, second.
const TIMESTAMP_DIGITS: usize = 14;
/// The numbers of the `prefix` style `index` have four digits, more only beyond 9999; times have ten and more.
const LONGEST_INDEX_DIGITS: usize = 8;

/// A tag in its parts: `0003_add_orders`.
pub(super) struct Tag<'a> {
    /// The name without the number; the whole tag where there is no number, or nothing else.
    pub(super) name: &'a str,
    /// The number, where it is one of the style `index` and not a time.
    pub(super) index: Option<i64>,
}

pub(super) fn parse(tag: &str) -> Tag<'_> {
    let whole = Tag { name: tag, index: None };
    let Some((number, name)) = tag.split_once('_') else { return whole };
    if name.is_empty() || number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return whole;
    }
    let index = number.parse().ok().filter(|_| number.len() <= LONGEST_INDEX_DIGITS);
    Tag { name, index }
}

/// A folder's name in its parts: `20240501120000_add_orders`.
pub(super) struct FolderName<'a> {
    pub(super) number: i64,
    pub(super) name: &'a str,
    pub(super) created_at_ms: i64,
}

pub(super) fn parse_folder(folder: &str) -> Option<FolderName<'_>> {
    let (digits, name) = folder.split_once('_')?;
    if digits.len() != TIMESTAMP_DIGITS || name.is_empty() {
        return None;
    }
    let number = digits.parse().ok()?;
    let part = |range| digits.get(range).unwrap_or_default();
    let written =
        format!("{}-{}-{}T{}:{}:{}Z", part(0..4), part(4..6), part(6..8), part(8..10), part(10..12), part(12..14));
    let time = humantime::parse_rfc3339(&written).ok()?;
    let created_at_ms = i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    Some(FolderName { number, name, created_at_ms })
}

/// The name of the folder that `drizzle-kit up` makes of an entry.
pub(super) fn folder_name(when_ms: i64, name: &str) -> String {
    format!("{}_{name}", timestamp(when_ms))
}

fn timestamp(when_ms: i64) -> String {
    // Beyond the year 9999 humantime does not go.
    let end = Duration::from_secs(253_402_300_799);
    let since = Duration::from_millis(u64::try_from(when_ms).unwrap_or(0)).min(end);
    let time: SystemTime = UNIX_EPOCH + since;
    humantime::format_rfc3339_seconds(time).to_string().chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_style_gives_its_name() {
        for (tag, name, index) in [
            ("0003_add_orders", "add_orders", Some(3)),
            ("12345_x", "x", Some(12_345)),
            ("20240501120000_add_orders", "add_orders", None),
            ("1714564805_add_orders", "add_orders", None),
            ("add_orders", "add_orders", None),
            ("with-dash", "with-dash", None),
            ("0003_", "0003_", None),
            ("0003", "0003", None),
            ("_x", "_x", None),
        ] {
            let parsed = parse(tag);
            assert_eq!((parsed.name, parsed.index), (name, index), "{tag}");
        }
    }

    #[test]
    fn a_folder_name_begins_with_a_time() {
        let folder = parse_folder("20261122142458_with-dash").unwrap();
        assert_eq!((folder.number, folder.name), (20_261_122_142_458, "with-dash"));
        assert_eq!(folder.created_at_ms, 1_795_357_498_000);
        for wrong in ["20261122142458", "20261122142458_", "2026112214245_x", "20261322142458_x", "0000_x", "x"] {
            assert!(parse_folder(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn an_entry_gets_the_folder_name_that_drizzle_kit_up_gives_it() {
        assert_eq!(folder_name(1_795_357_498_610, "with-dash"), "20261122142458_with-dash");
        assert_eq!(folder_name(-1, "x"), "19700101000000_x");
        assert_eq!(folder_name(i64::MAX, "x"), "99991231235959_x");
    }
}
