//! Places in a text. In: a byte, or a position as PostgreSQL counts it. Out: line, column and an excerpt with its caret.

/// The longest excerpt, in characters.
const EXCERPT_CHARS: usize = 120;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, counted from 1; a line feed ends one.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// The byte, counted from 0.
    pub byte: usize,
}

impl Place {
    /// The beginning of a text.
    pub(crate) const START: Place = Place { line: 1, column: 1, byte: 0 };

    /// Goes on to a later byte of the text; the work is linear over all steps together.
    pub(crate) fn advance(self, sql: &str, byte: usize) -> Place {
        let between = sql.get(self.byte..byte).unwrap_or_default();
        let line = self.line + between.bytes().filter(|b| *b == b'\n').count();
        let column = match between.rfind('\n') {
            Some(end) => 1 + between.get(end + 1..).unwrap_or_default().chars().count(),
            None => self.column + between.chars().count(),
        };
        Place { line, column, byte: self.byte + between.len() }
    }
}

/// Finds the place that PostgreSQL means by the position of an error: characters of the message sent, counted from 1.
/// A position past the end is the end.
pub fn position_of(sql: &str, position: usize) -> Place {
    let byte = sql.char_indices().nth(position.saturating_sub(1)).map_or(sql.len(), |(byte, _)| byte);
    Place::START.advance(sql, byte)
}

/// Gives the place of a byte.
pub fn place_of(sql: &str, byte: usize) -> Place {
    Place::START.advance(sql, sql.floor_char_boundary(byte.min(sql.len())))
}

/// A line of the source, ready to print with a caret below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, shortened around the place; tabs and control characters are spaces, every character one column.
    pub text: String,
    /// How many columns stand before the caret.
    pub caret: usize,
}

/// Cuts the line around a byte.
pub fn excerpt(sql: &str, byte: usize) -> Excerpt {
    let byte = sql.floor_char_boundary(byte.min(sql.len()));
    let (before, after) = sql.split_at(byte);
    let mut head: Vec<char> = before.chars().rev().take_while(|c| *c != '\n').take(EXCERPT_CHARS + 1).collect();
    head.reverse();
    let tail: Vec<char> = after.chars().take_while(|c| *c != '\n').take(EXCERPT_CHARS + 1).collect();
    let tail = tail.strip_suffix(&['\r']).unwrap_or(&tail);
    // Half the width on either side; what one side leaves free, the other may use.
    let half = EXCERPT_CHARS / 2;
    let room_before = EXCERPT_CHARS - tail.len().min(half);
    let (cut_before, head) = last(&head, room_before);
    let (cut_after, tail) = first(tail, EXCERPT_CHARS - head.len());
    let marks = (if cut_before { "…" } else { "" }, if cut_after { "…" } else { "" });
    let shown = head.iter().chain(tail).map(|c| if c.is_control() { ' ' } else { *c });
    let text = format!("{}{}{}", marks.0, shown.collect::<String>().trim_end(), marks.1);
    Excerpt { text, caret: head.len() + usize::from(cut_before) }
}

fn last(chars: &[char], room: usize) -> (bool, &[char]) {
    let cut = chars.len().saturating_sub(room);
    (cut > 0, chars.get(cut..).unwrap_or_default())
}

fn first(chars: &[char], room: usize) -> (bool, &[char]) {
    (chars.len() > room, chars.get(..room).unwrap_or(chars))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sql: &str, byte: usize) -> String {
        let Excerpt { text, caret } = excerpt(sql, byte);
        format!("{text}\n{}^", " ".repeat(caret))
    }

    #[test]
    fn positions_count_characters_and_lines_end_at_line_feeds() {
        let sql = "aé\r\n漢字x\n\ny";
        for (position, line, column, at) in
            [(0, 1, 1, "a"), (1, 1, 1, "a"), (2, 1, 2, "é"), (5, 2, 1, "漢"), (7, 2, 3, "x"), (10, 4, 1, "y")]
        {
            let place = position_of(sql, position);
            assert_eq!((place.line, place.column), (line, column));
            assert!(sql[place.byte..].starts_with(at));
        }
        assert_eq!(position_of(sql, 999), Place { line: 4, column: 2, byte: sql.len() });
        assert_eq!(position_of("", 1), Place::START);
    }

    #[test]
    fn the_caret_stands_below_the_place_behind_tabs_and_wide_characters() {
        assert_eq!(shown("a;\n\tselect 漢, x;\r\nb", 16), " select 漢, x;\n           ^");
        assert_eq!(shown("select", 6), "select\n      ^");
        assert_eq!(shown("", 0), "\n^");
        assert_eq!(shown("a\u{1b}[2Jb", 1), "a [2Jb\n ^");
    }

    #[test]
    fn a_long_line_is_cut_on_both_sides() {
        let sql = format!("{}X{}", "a".repeat(100_000), "b".repeat(100_000));
        let Excerpt { text, caret } = excerpt(&sql, 100_000);
        assert_eq!(text.chars().count(), EXCERPT_CHARS + 2);
        assert_eq!(text.chars().nth(caret), Some('X'));
        assert!(text.starts_with("…a") && text.ends_with("b…"));
    }

    #[test]
    fn the_end_of_a_long_line_uses_the_whole_width() {
        let sql = format!("{}X", "a".repeat(200));
        let Excerpt { text, caret } = excerpt(&sql, 200);
        assert_eq!((text.chars().count(), text.chars().nth(caret)), (EXCERPT_CHARS + 1, Some('X')));
    }

    #[test]
    fn no_byte_makes_an_excerpt_panic() {
        let sql = "é\u{feff}漢\n\0";
        (0..20).for_each(|byte| assert!(excerpt(sql, byte).caret <= EXCERPT_CHARS));
    }
}
