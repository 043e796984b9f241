//! Text as a place in HTML, XML or CSS may have it. In: anything that a database, a file or a variable says. Out: text
//! that stays text there.

use crate::report::fit::harmless;

/// As the content of an element or a quoted attribute, in HTML and in XML 1.0. What neither may hold, and what turns the
/// direction of the text around it, is written out.
pub(in crate::report) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in harmless(text).chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // As they are, an attribute would make spaces of them.
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                escaped.extend(char.escape_unicode());
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// As a string of CSS, quotes included.
pub(in crate::report) fn css_string(text: &str) -> String {
    let mut string = String::from("\"");
    for char in text.chars() {
        match char {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '.' | '_' | '-' | ':' | ',' => string.push(char),
            other => string.push_str(&format!("\\{:x} ", u32::from(other))),
        }
    }
    string.push('"');
    string
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_text_becomes_markup() {
        assert_eq!(escape("<a href=\"x\" b='y'>&\n"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;&#10;");
        assert_eq!(escape("a\0b\u{1b}\u{fffe}\u{202e}c"), "a\\0b\\u{1b}\\u{fffe}\\u{202e}c");
        assert_eq!(css_string("IQ-1</style>\"\\"), "\"IQ-1\\3c \\2f style\\3e \\22 \\5c \"");
    }
}
