//! A file's text with its lines. In: a text. Out: the place of any byte, without counting from the beginning each time: a
//! file of 50 MB may have as many findings as it has statements.

use std::cell::OnceCell;

use crate::migrations::script::Place;

/// How far a place is counted on from a known one, in bytes.
const STRIDE: usize = 4096;

/// A file.
#[derive(Debug)]
pub(super) struct Source<'a> {
    /// Its name.
    pub(super) file: &'a str,
    /// Its text.
    pub(super) sql: &'a str,
    /// Known places, in order: few files have findings, so they are looked for at the first.
    known: OnceCell<Vec<Place>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a str, sql: &'a str) -> Source<'a> {
        Source { file, sql, known: OnceCell::new() }
    }

    /// The place of a byte.
    pub(super) fn place(&self, byte: usize) -> Place {
        let byte = self.sql.floor_char_boundary(byte.min(self.sql.len()));
        let known = self.known.get_or_init(|| self.places());
        let next = known.partition_point(|place| place.byte <= byte);
        let from = next.checked_sub(1).and_then(|at| known.get(at)).copied().unwrap_or(Place::START);
        from.advance(self.sql, byte)
    }

    /// Its line.
    pub(super) fn line(&self, byte: usize) -> usize {
        self.place(byte).line
    }

    /// `V1__a.sql:9`, for the text of another finding.
    pub(super) fn words(&self, byte: usize) -> String {
        format!("{}:{}", self.file, self.line(byte))
    }

    fn places(&self) -> Vec<Place> {
        let mut known = vec![Place::START];
        let mut place = Place::START;
        while place.byte < self.sql.len() {
            place = place.advance(self.sql, self.sql.ceil_char_boundary((place.byte + STRIDE).min(self.sql.len())));
            known.push(place);
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::migrations::script::place_of;

    #[test]
    fn places_are_those_that_are_counted_from_the_beginning() {
        let sql = format!("select 'é';\n{}\r\n\n{}", "é".repeat(9000), "x\n".repeat(5000));
        let source = Source::new("V1__a.sql", &sql);
        for byte in (0..sql.len() + 3).step_by(7) {
            assert_eq!(source.place(byte), place_of(&sql, byte), "{byte}");
        }
    }
}
