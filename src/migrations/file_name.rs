//! File names, strictly: `V1__name.sql`. In: the last part of a path. Out: prefix, version, name, or what is wrong and
//! the nearest right name. Never touches the file system.

use std::fmt;

use super::Version;

/// The longest name, in characters: the width of refinery's column.
pub(super) const LONGEST_NAME: usize = 255;

/// The letter before the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// `V`: applied in order.
    Versioned,
    /// `U`: exempt from the rule on migrations out of order.
    Unversioned,
}

impl Prefix {
    fn of(letter: char) -> Option<Prefix> {
        match letter {
            'V' => Some(Prefix::Versioned),
            'U' => Some(Prefix::Unversioned),
            _ => None,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Prefix::Versioned => "V",
            Prefix::Unversioned => "U",
        })
    }
}

/// A file name that is right.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileName {
    prefix: Prefix,
    version: Version,
    digits: usize,
    name: String,
}

/// A file name that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameFault {
    /// What is wrong.
    pub reason: NameReason,
    /// The nearest right name, where there is one.
    pub nearest: Option<String>,
}

/// What is wrong with a file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameReason {
    /// The name is not Unicode.
    #[error("the file name is not valid UTF-8")]
    NotUnicode,
    /// `.SQL`, or white space after the extension.
    #[error("the file name ends in {found:?} and not in \".sql\"")]
    Extension {
        /// The extension, as found.
        found: String,
    },
    /// `v1__a.sql`.
    #[error("the prefix {found:?} must be a capital letter")]
    SmallPrefix {
        /// The letter, as found.
        found: char,
    },
    /// `1__a.sql`.
    #[error("the prefix V is missing before the version")]
    NoPrefix,
    /// `X1__a.sql`.
    #[error("the file name starts with {found:?} and not with V or U and a version")]
    OtherPrefix {
        /// The character, as found.
        found: char,
    },
    /// `V__a.sql`.
    #[error("no version follows the prefix")]
    NoVersion,
    /// `V1.2__a.sql`.
    #[error("the version {found} is not a whole number")]
    DottedVersion {
        /// The version, as found.
        found: String,
    },
    /// Over `i64`.
    #[error("the version {found} is too big (the limit is 9223372036854775807)")]
    VersionTooBig {
        /// The digits, as found.
        found: String,
    },
    /// `V1_a.sql`.
    #[error("two underscores must stand between the version and the name")]
    NoSeparator,
    /// `V1__.sql`.
    #[error("no name follows the version")]
    NoName,
    /// `V1__a-b.sql`.
    #[error("the character {found:?} is not allowed in the name (letters, digits and underscores are)")]
    Character {
        /// The first such character.
        found: char,
    },
    /// Over 255 characters.
    #[error("the name is {characters} characters long (the limit is 255)")]
    TooLong {
        /// Its length.
        characters: usize,
    },
}

impl FileName {
    /// Parses the last part of a path.
    ///
    /// # Errors
    /// [`NameFault`] with the reason and the nearest right name.
    pub fn parse(file_name: &str) -> Result<FileName, NameFault> {
        parse_strictly(file_name).map_err(|reason| NameFault { reason, nearest: nearest(file_name) })
    }

    /// Makes the name of a migration whose file another tool has named; it is ordered as a `V` file is.
    pub(super) fn numbered(version: Version, name: String) -> FileName {
        FileName { prefix: Prefix::Versioned, version, digits: 0, name }
    }

    /// Gives the prefix.
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// Gives the version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Gives the number of digits that the version is written with, leading zeros included.
    pub fn digits(&self) -> usize {
        self.digits
    }

    /// Gives the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Says whether a file is meant to be a migration: it ends in `.sql` in any case, white space after it or not.
pub(super) fn is_meant_as_sql(file_name: &str) -> bool {
    extension_at(file_name).is_some()
}

/// Says whether a character may stand in a name: nearly `\w` of refinery's regex, which also knows combining marks.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || matches!(c, '\u{300}'..='\u{36f}')
}

fn extension_at(file_name: &str) -> Option<usize> {
    let at = file_name.trim_end().len().checked_sub(".sql".len())?;
    let extension = file_name.get(at..)?.trim_end();
    extension.eq_ignore_ascii_case(".sql").then_some(at)
}

fn parse_strictly(file_name: &str) -> Result<FileName, NameReason> {
    let stem = file_name.strip_suffix(".sql").ok_or_else(|| {
        let found = extension_at(file_name).and_then(|at| file_name.get(at..)).unwrap_or(file_name);
        NameReason::Extension { found: found.to_owned() }
    })?;
    let (prefix, rest) = split_prefix(stem)?;
    let (digits, rest) = split_digits(rest);
    let name = check_separator(digits, rest)?;
    check_name(name)?;
    let version = digits.parse().map_err(|_| NameReason::VersionTooBig { found: digits.to_owned() })?;
    Ok(FileName { prefix, version: Version::new(version), digits: digits.len(), name: name.to_owned() })
}

fn split_prefix(stem: &str) -> Result<(Prefix, &str), NameReason> {
    let mut rest = stem.chars();
    match rest.next() {
        Some(c) if c.is_ascii_digit() => Err(NameReason::NoPrefix),
        Some(c @ ('v' | 'u')) if rest.as_str().starts_with(|d: char| d.is_ascii_digit()) => {
            Err(NameReason::SmallPrefix { found: c })
        }
        Some(c) => Prefix::of(c).map(|prefix| (prefix, rest.as_str())).ok_or(NameReason::OtherPrefix { found: c }),
        None => Err(NameReason::NoPrefix),
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// Finds the name after version and separator, or what stands in its place.
fn check_separator<'a>(digits: &str, rest: &'a str) -> Result<&'a str, NameReason> {
    if digits.is_empty() {
        return Err(NameReason::NoVersion);
    }
    if let Some(name) = rest.strip_prefix("__") {
        return Ok(name);
    }
    let fraction = rest.strip_prefix(['.', ',']).map_or("", |rest| split_digits(rest).0);
    if !fraction.is_empty() {
        let found = format!("{digits}{}", rest.split('_').next().unwrap_or(fraction));
        return Err(NameReason::DottedVersion { found });
    }
    Err(if rest.is_empty() { NameReason::NoName } else { NameReason::NoSeparator })
}

fn check_name(name: &str) -> Result<(), NameReason> {
    if name.is_empty() {
        return Err(NameReason::NoName);
    }
    if let Some(found) = name.chars().find(|c| !is_word(*c)) {
        return Err(NameReason::Character { found });
    }
    let characters = name.chars().count();
    if characters > LONGEST_NAME { Err(NameReason::TooLong { characters }) } else { Ok(()) }
}

/// Repairs a name as its author most likely meant it; none where a version or a name would have to be invented.
fn nearest(file_name: &str) -> Option<String> {
    let stem = file_name.get(..extension_at(file_name)?)?.trim();
    let (prefix, rest) = match stem.chars().next()? {
        'V' | 'v' | '|' => ("V", stem.get(1..)?),
        'U' | 'u' => ("U", stem.get(1..)?),
        _ => ("V", stem),
    };
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (version, rest) = rest.split_at(end);
    let version = version.replace('.', "");
    let name: String = rest.trim_start_matches("__").chars().map(|c| if is_word(c) { c } else { '_' }).collect();
    let name = if rest.starts_with("__") { &name } else { name.trim_start_matches('_') };
    let repaired = format!("{prefix}{version}__{name}.sql");
    parse_strictly(&repaired).ok().map(|_| repaired)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(file_name: &str) -> (String, String) {
        let fault = FileName::parse(file_name).unwrap_err();
        (fault.reason.to_string(), fault.nearest.unwrap_or_default())
    }

    #[test]
    fn right_names_parse() {
        for (file, prefix, version, digits, name) in [
            ("V1__a.sql", Prefix::Versioned, 1, 1, "a"),
            ("U0000__x_1.sql", Prefix::Unversioned, 0, 4, "x_1"),
            ("V007___a.sql", Prefix::Versioned, 7, 3, "_a"),
            ("V20240501120000__Ärger.sql", Prefix::Versioned, 20_240_501_120_000, 14, "Ärger"),
            ("V9223372036854775807__a__b.sql", Prefix::Versioned, i64::MAX, 19, "a__b"),
        ] {
            let parsed = FileName::parse(file).unwrap();
            assert_eq!(
                (parsed.prefix, parsed.version.get(), parsed.digits, parsed.name()),
                (prefix, version, digits, name)
            );
        }
    }

    #[test]
    fn wrong_names_say_what_is_wrong_and_the_nearest_right_name() {
        for (file, reason, nearest) in [
            ("v1__a.sql", "the prefix 'v' must be a capital letter", "V1__a.sql"),
            ("u1__a.sql", "the prefix 'u' must be a capital letter", "U1__a.sql"),
            ("V1_a.sql", "two underscores must stand between the version and the name", "V1__a.sql"),
            ("V1a.sql", "two underscores must stand between the version and the name", "V1__a.sql"),
            ("V1-a.sql", "two underscores must stand between the version and the name", "V1__a.sql"),
            ("V1 __a.sql", "two underscores must stand between the version and the name", "V1__a.sql"),
            (
                "V1__a-b.sql",
                "the character '-' is not allowed in the name (letters, digits and underscores are)",
                "V1__a_b.sql",
            ),
            (
                "V1__a.b.sql",
                "the character '.' is not allowed in the name (letters, digits and underscores are)",
                "V1__a_b.sql",
            ),
            ("V1__a.SQL", "the file name ends in \".SQL\" and not in \".sql\"", "V1__a.sql"),
            ("V1__a.sql\n", "the file name ends in \".sql\\n\" and not in \".sql\"", "V1__a.sql"),
            ("V1__a.Sql ", "the file name ends in \".Sql \" and not in \".sql\"", "V1__a.sql"),
            ("V1.2__x.sql", "the version 1.2 is not a whole number", "V12__x.sql"),
            ("V1.2.3__x.sql", "the version 1.2.3 is not a whole number", "V123__x.sql"),
            ("|1__x.sql", "the file name starts with '|' and not with V or U and a version", "V1__x.sql"),
            ("1__x.sql", "the prefix V is missing before the version", "V1__x.sql"),
            ("0001_init.sql", "the prefix V is missing before the version", "V0001__init.sql"),
            ("V__a.sql", "no version follows the prefix", ""),
            ("V\u{661}__a.sql", "no version follows the prefix", ""),
            ("R__views.sql", "the file name starts with 'R' and not with V or U and a version", ""),
            ("schema.sql", "the file name starts with 's' and not with V or U and a version", ""),
            ("users.sql", "the file name starts with 'u' and not with V or U and a version", ""),
            ("V1__.sql", "no name follows the version", ""),
            ("V1.sql", "no name follows the version", ""),
            (".sql", "the prefix V is missing before the version", ""),
            (
                "V9223372036854775808__a.sql",
                "the version 9223372036854775808 is too big (the limit is 9223372036854775807)",
                "",
            ),
        ] {
            assert_eq!(fault(file), (reason.to_owned(), nearest.to_owned()), "{file}");
        }
    }

    #[test]
    fn a_name_may_have_255_characters_and_no_more() {
        assert!(FileName::parse(&format!("V1__{}.sql", "ä".repeat(255))).is_ok());
        let (reason, _) = fault(&format!("V1__{}.sql", "ä".repeat(256)));
        assert_eq!(reason, "the name is 256 characters long (the limit is 255)");
    }

    #[test]
    fn every_letter_of_refinery_is_a_letter_here() {
        // Up to the first scripts whose newest letters the compiler's tables know and refinery's do not.
        let all = (0..0x800_u32).filter_map(char::from_u32);
        let missing: Vec<char> = all
            .filter(|c| c.is_alphabetic() || c.is_ascii_punctuation() || c.is_ascii_digit() || c.is_whitespace())
            .filter(|c| ::refinery::Migration::unapplied(&format!("V1__{c}"), "").is_ok() != is_word(*c))
            .collect();
        assert_eq!(missing, Vec::<char>::new());
    }

    #[test]
    fn no_name_makes_the_parser_panic() {
        let parts = ["V", "1", "_", "__", ".", "sql", ".sql", "ä", "|", " ", "\u{feff}", "u", "99999999999999999999"];
        let mut seed = 7_usize;
        for _ in 0..20_000 {
            let mut name = String::new();
            for _ in 0..6 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                name.push_str(parts[(seed >> 33) % parts.len()]);
            }
            if let Err(NameFault { nearest: Some(nearest), .. }) = FileName::parse(&name) {
                assert!(FileName::parse(&nearest).is_ok());
            }
        }
    }
}
