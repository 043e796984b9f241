//! The checksum that refinery records. In: name, version, text. Out: a number equal to refinery's own. Never reads files.

use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::{fmt, iter};

use siphasher::sip::SipHasher13;

use super::{BYTE_ORDER_MARK, Version};

/// The checksum of a migration, as refinery's history table holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum(u64);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text of a history row is no checksum.
#[derive(Debug, thiserror::Error)]
#[error("not a checksum: {text:?}")]
pub struct ChecksumError {
    /// The text, as found.
    pub text: String,
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Checksum, ChecksumError> {
        let fault = || ChecksumError { text: text.to_owned() };
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(fault());
        }
        text.parse().map(Checksum).map_err(|_| fault())
    }
}

/// The width at which a version goes into the checksum: that of refinery's `SchemaVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionWidth {
    /// refinery's default.
    Int4,
    /// refinery with its feature `int8-versions`.
    Int8,
}

/// What goes into a checksum beside the text.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) name: &'a str,
    pub(super) version: Version,
}

impl Key<'_> {
    /// Computes the checksum of a text; none where the version does not fit the width.
    pub(super) fn checksum(self, width: VersionWidth, text: &str) -> Option<Checksum> {
        self.checksum_of(width, &TextForm { text, bom: false, lines: Lines::AsIs })
    }

    /// Computes the checksum at the width that every version fits.
    pub(super) fn checksum_int8(self, text: &str) -> Checksum {
        let mut hasher = SipHasher13::new();
        self.name.hash(&mut hasher);
        self.version.get().hash(&mut hasher);
        text.hash(&mut hasher);
        Checksum(hasher.finish())
    }

    /// Computes the checksum of a text in another form without making that form.
    pub(super) fn checksum_of(self, width: VersionWidth, form: &TextForm<'_>) -> Option<Checksum> {
        let mut hasher = SipHasher13::new();
        self.name.hash(&mut hasher);
        match width {
            VersionWidth::Int4 => i32::try_from(self.version.get()).ok()?.hash(&mut hasher),
            VersionWidth::Int8 => self.version.get().hash(&mut hasher),
        }
        form.feed(&mut hasher);
        Some(Checksum(hasher.finish()))
    }
}

/// A text as it would be with other line ends, or with a byte-order mark.
pub(super) struct TextForm<'a> {
    text: &'a str,
    bom: bool,
    lines: Lines,
}

#[derive(Clone, Copy)]
enum Lines {
    AsIs,
    Lf,
    CrLf,
}

/// Lists the forms that count as the same migration.
pub(super) fn text_forms(text: &str) -> impl Iterator<Item = TextForm<'_>> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    [Lines::AsIs, Lines::Lf, Lines::CrLf]
        .into_iter()
        .flat_map(move |lines| [false, true].map(|bom| TextForm { text, bom, lines }))
}

impl TextForm<'_> {
    /// Feeds the form piece by piece, as `str::hash` would the whole: a file of 200 MB is not copied for it.
    fn feed(&self, hasher: &mut SipHasher13) {
        if self.bom {
            hasher.write(BYTE_ORDER_MARK.encode_utf8(&mut [0; 4]).as_bytes());
        }
        match self.lines {
            Lines::AsIs => hasher.write(self.text.as_bytes()),
            Lines::Lf => self.feed_lines(hasher, "\n"),
            Lines::CrLf => self.feed_lines(hasher, "\r\n"),
        }
        hasher.write_u8(0xff);
    }

    fn feed_lines(&self, hasher: &mut SipHasher13, end: &str) {
        let lines = self.text.split('\n');
        let ends = iter::once("").chain(iter::repeat(end));
        let mut previous = "";
        for (line, end) in lines.zip(ends) {
            // A carriage return counts as part of the line end only where a line feed follows.
            let kept = if end.is_empty() { previous } else { previous.strip_suffix('\r').unwrap_or(previous) };
            hasher.write(kept.as_bytes());
            hasher.write(end.as_bytes());
            previous = line;
        }
        hasher.write(previous.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 7] = ["", "select 1;", "a\r\nb", "\u{feff}x", "ünïcödé 漢字", "a\0b", "line\n\n\r\n\r end\r"];

    #[test]
    fn int4_checksums_are_those_of_refinery() {
        let long = "insert into t values (1);\n".repeat(3000);
        for version in [0_i32, 1, 7, 255, 65_536, i32::MAX] {
            for name in ["a", "initial_schema", "_", "Ärger_1", "漢字", &"n".repeat(255)] {
                for text in TEXTS.iter().chain([&long.as_str()]) {
                    let theirs = ::refinery::Migration::unapplied(&format!("V{version}__{name}"), text).unwrap();
                    let ours = Key { name, version: Version::new(version.into()) };
                    let ours = ours.checksum(VersionWidth::Int4, text).unwrap();
                    assert_eq!(ours.to_string(), theirs.checksum().to_string());
                }
            }
        }
    }

    #[test]
    fn int8_checksums_hash_the_version_as_eight_bytes() {
        for version in [0_i64, 1, 20_240_501_120_000, i64::MAX] {
            let mut hasher = SipHasher13::new();
            let mut bytes = b"orders\xff".to_vec();
            bytes.extend(version.to_ne_bytes());
            bytes.extend(b"select 1;\xff");
            hasher.write(&bytes);
            let expected = Checksum(hasher.finish());
            let key = Key { name: "orders", version: Version::new(version) };
            assert_eq!(key.checksum(VersionWidth::Int8, "select 1;"), Some(expected));
            assert_eq!(key.checksum_int8("select 1;"), expected);
        }
    }

    #[test]
    fn a_version_too_wide_for_int4_has_no_int4_checksum() {
        let key = Key { name: "a", version: Version::new(2_147_483_648) };
        assert_eq!(key.checksum(VersionWidth::Int4, "x"), None);
    }

    #[test]
    fn a_form_fed_in_pieces_hashes_as_the_text_made_whole() {
        let key = Key { name: "a", version: Version::new(1) };
        for text in TEXTS {
            let bare = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
            let lf = bare.replace("\r\n", "\n");
            let crlf = lf.replace('\n', "\r\n");
            let whole = [bare, &lf, &crlf].map(|t| [t.to_owned(), format!("\u{feff}{t}")]);
            for (form, whole) in text_forms(text).zip(whole.as_flattened()) {
                assert_eq!(key.checksum_of(VersionWidth::Int8, &form), Some(key.checksum_int8(whole)), "{whole:?}");
            }
        }
    }

    #[test]
    fn a_checksum_is_read_as_it_is_written() {
        assert_eq!("18446744073709551615".parse::<Checksum>().unwrap().to_string(), "18446744073709551615");
        for text in ["", "+1", "-1", " 1", "1 ", "18446744073709551616", "0x1", "abc"] {
            assert!(text.parse::<Checksum>().is_err(), "{text:?}");
        }
    }
}
