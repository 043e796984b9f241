//! The name of the next file, for `schemagate new`. In: the names a folder holds, the words of the user, the time. Out:
//! a file name. Never writes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::file_name::{LONGEST_NAME, is_word};
use super::refinery::Listing;
use super::{Fault, FileName, IntakeError, Origin, Problem};

/// The digits of a version in a new folder: `V0001`. It starts at 1 and not at 0, as refinery's own examples do, and so
/// that a version of 0 keeps meaning "nothing applied" to a reader.
const NEW_DIGITS: usize = 4;

/// The digits of a version that is a time: `20240501120000`.
const TIME_DIGITS: usize = 14;

/// The longest file name in bytes that common file systems hold.
const LONGEST_FILE_NAME_BYTES: usize = 255;

/// No name can be given to the next migration.
#[derive(Debug, thiserror::Error)]
pub enum NewNameError {
    /// Nothing is left of the name.
    #[error("the name {given:?} holds no letter or digit")]
    Empty {
        /// The name, as given.
        given: String,
    },
    /// A character that a name cannot hold.
    #[error("the character {found:?} is not allowed in the name of a migration")]
    Character {
        /// The first such character.
        found: char,
    },
    /// Longer than the history or a file system holds.
    #[error("the name is {characters} characters long, and the file name {bytes} bytes (the limit is 255 of either)")]
    TooLong {
        /// Its length.
        characters: usize,
        /// The length of the file name it would make.
        bytes: usize,
    },
    /// The newest version is the greatest there is.
    #[error("no version is left after {newest}")]
    NoVersionLeft {
        /// The newest version.
        newest: i64,
    },
    /// A file of that name is there.
    #[error("{path} exists")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The folder is numbered by drizzle-kit.
    #[error("{folder} is a folder of drizzle-kit, which numbers its files itself")]
    Drizzle {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds names from which no next one follows.
    #[error(transparent)]
    Folder(#[from] IntakeError),
}

impl NewNameError {
    /// Says whether the words given are at fault, and not the folder.
    pub fn is_usage(&self) -> bool {
        match self {
            NewNameError::Empty { .. } | NewNameError::Character { .. } | NewNameError::TooLong { .. } => true,
            NewNameError::NoVersionLeft { .. }
            | NewNameError::Exists { .. }
            | NewNameError::Drizzle { .. }
            | NewNameError::Folder(_) => false,
        }
    }

    /// Gives the way out.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            NewNameError::Empty { .. } | NewNameError::Character { .. } => {
                "letters, digits and underscores are allowed; spaces and dashes become underscores"
            }
            NewNameError::TooLong { .. } => "shorten the name",
            NewNameError::NoVersionLeft { .. } => "renumber the newest file",
            NewNameError::Exists { .. } => "give another name",
            NewNameError::Drizzle { .. } => "write it with `drizzle-kit generate --custom --name NAME`",
            NewNameError::Folder(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}

/// Gives the path of the next migration in a folder, which may be empty or missing. Looks at names only: a file that is
/// still empty does not stand in the way.
///
/// # Errors
/// [`NewNameError`]; [`NewNameError::Folder`] where a file's name is wrong or a version is taken twice.
pub fn next_file(folder: &Path, name: &str, now: SystemTime) -> Result<PathBuf, NewNameError> {
    if super::drizzle::recognise(folder).is_some() {
        return Err(NewNameError::Drizzle { folder: folder.to_owned() });
    }
    let Listing { files, mut problems, drizzle_below } = Listing::of(folder);
    problems.extend(super::problem::duplicates(files.iter().map(|file| (file.label.as_str(), file.name.version()))));
    problems.retain(|Problem { fault, .. }| !matches!(fault, Fault::FolderMissing));
    if !problems.is_empty() {
        problems.sort_by(|a, b| a.file.cmp(&b.file));
        return Err(IntakeError { origin: Origin::Folder(folder.to_owned()), problems, drizzle_below }.into());
    }
    let path = folder.join(next_file_name(files.iter().map(|file| &file.name), name, now)?);
    match path.symlink_metadata() {
        Ok(_) => Err(NewNameError::Exists { path }),
        Err(_) => Ok(path),
    }
}

/// Gives the name of the next migration after those that exist: the newest version and one, with as many digits as the
/// newest has; the time in UTC where the newest is a time of 14 digits.
///
/// # Errors
/// [`NewNameError`], but [`NewNameError::Exists`] and [`NewNameError::Folder`].
pub fn next_file_name<'a>(
    existing: impl IntoIterator<Item = &'a FileName>,
    name: &str,
    now: SystemTime,
) -> Result<String, NewNameError> {
    let name = clean(name)?;
    let newest = existing.into_iter().max_by_key(|file| file.version());
    let (version, digits) = match newest {
        None => (1, NEW_DIGITS),
        Some(newest) => {
            let number = newest.version().get();
            let next = number.checked_add(1).ok_or(NewNameError::NoVersionLeft { newest: number })?;
            let time = if is_time(newest) { time_version(now) } else { 0 };
            (next.max(time), newest.digits())
        }
    };
    let file = format!("V{version:0digits$}__{name}.sql");
    let characters = name.chars().count();
    if characters > LONGEST_NAME || file.len() > LONGEST_FILE_NAME_BYTES {
        return Err(NewNameError::TooLong { characters, bytes: file.len() });
    }
    Ok(file)
}

fn clean(given: &str) -> Result<String, NewNameError> {
    let separator = |c: char| c.is_whitespace() || c == '-' || c == '_';
    let name: String = given.trim_matches(separator).chars().map(|c| if separator(c) { '_' } else { c }).collect();
    if let Some(found) = name.chars().find(|c| !is_word(*c)) {
        return Err(NewNameError::Character { found });
    }
    if name.is_empty() { Err(NewNameError::Empty { given: given.to_owned() }) } else { Ok(name) }
}

/// Says whether a version is written as a time: year, month, day, hour, minute, second.
fn is_time(file: &FileName) -> bool {
    let number = file.version().get();
    let (month, day) = (number / 100_000_000 % 100, number / 1_000_000 % 100);
    file.digits() == TIME_DIGITS
        && number >= 19_700_000_000_000
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && number / 10_000 % 100 < 24
}

fn time_version(now: SystemTime) -> i64 {
    // Beyond the year 9999 humantime does not go; a clock that is so wrong must not end the command.
    let end = Duration::from_secs(253_402_300_799);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().min(end);
    let written = humantime::format_rfc3339_seconds(UNIX_EPOCH + now).to_string();
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn next(existing: &[&str], name: &str) -> Result<String, String> {
        let existing: Vec<FileName> = existing.iter().map(|file| FileName::parse(file).unwrap()).collect();
        let now = UNIX_EPOCH + Duration::from_secs(1_714_564_805); // 2024-05-01T12:00:05Z
        next_file_name(&existing, name, now).map_err(|error| error.to_string())
    }

    #[test]
    fn the_next_version_has_the_digits_of_the_newest() {
        for (existing, expected) in [
            (&[][..], "V0001__x.sql"),
            (&["V0000__a.sql"], "V0001__x.sql"),
            (&["V0009__a.sql", "V0003__b.sql"], "V0010__x.sql"),
            (&["V1__a.sql", "U9__b.sql"], "V10__x.sql"),
            (&["V9999__a.sql"], "V10000__x.sql"),
            (&["V1__a.sql", "V0002__b.sql"], "V0003__x.sql"),
        ] {
            assert_eq!(next(existing, "x").unwrap(), expected);
        }
    }

    #[test]
    fn a_folder_of_times_gets_the_time_in_utc() {
        assert_eq!(next(&["V20230101000000__a.sql"], "x").unwrap(), "V20240501120005__x.sql");
        // A clock behind the newest file must not number below it.
        assert_eq!(next(&["V20250101000000__a.sql"], "x").unwrap(), "V20250101000001__x.sql");
        assert_eq!(next(&["V00000000000007__a.sql"], "x").unwrap(), "V00000000000008__x.sql");
        assert_eq!(next(&["V20231301000000__a.sql"], "x").unwrap(), "V20231301000001__x.sql");
    }

    #[test]
    fn spaces_and_dashes_become_underscores() {
        assert_eq!(next(&[], " Add-orders  table ").unwrap(), "V0001__Add_orders__table.sql");
        assert_eq!(next(&[], "größe").unwrap(), "V0001__größe.sql");
    }

    #[test]
    fn a_name_that_cannot_be_is_refused() {
        for name in ["", "  ", "--", "_"] {
            assert_eq!(next(&[], name).unwrap_err(), format!("the name {name:?} holds no letter or digit"));
        }
        for (name, found) in [("a.sql", '.'), ("../x", '.'), ("a/b", '/'), ("a;b", ';')] {
            let expected = format!("the character {found:?} is not allowed in the name of a migration");
            assert_eq!(next(&[], name).unwrap_err(), expected);
        }
        assert!(next(&[], &"a".repeat(245)).unwrap_err().contains("256 bytes"));
        assert!(next(&[], &"a".repeat(244)).is_ok());
        assert!(next(&[], &"a".repeat(256)).unwrap_err().starts_with("the name is 256 characters long"));
        assert_eq!(
            next(&["V9223372036854775807__a.sql"], "x").unwrap_err(),
            "no version is left after 9223372036854775807"
        );
    }

    #[test]
    fn any_clock_gives_a_time() {
        for now in [UNIX_EPOCH, UNIX_EPOCH - Duration::from_secs(9), UNIX_EPOCH + Duration::from_secs(1 << 62)] {
            assert!(time_version(now) >= 19_700_101_000_000);
        }
    }

    #[test]
    fn a_missing_or_empty_folder_starts_at_one_and_a_wrong_name_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("migrations");
        assert_eq!(next_file(&below, "a", UNIX_EPOCH).unwrap(), below.join("V0001__a.sql"));
        fs::create_dir(&below).unwrap();
        assert_eq!(next_file(&below, "a", UNIX_EPOCH).unwrap(), below.join("V0001__a.sql"));
        fs::write(below.join("V0001__a.sql"), "").unwrap();
        assert_eq!(next_file(&below, "a", UNIX_EPOCH).unwrap(), below.join("V0002__a.sql"));
        fs::write(below.join("V7_b.sql"), "x").unwrap();
        assert!(matches!(next_file(&below, "a", UNIX_EPOCH), Err(NewNameError::Folder(_))));
    }
}
