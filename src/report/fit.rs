//! Makes words fit where they go: a termination message, a log line. In: text and a limit in bytes. Out: shorter text.
//! All limits hold for the text as JSON escapes it, so that a line never grows past them.

/// How many bytes JSON makes of `text`.
pub fn escaped_bytes(text: &str) -> usize {
    text.chars().map(escaped_char_bytes).sum()
}

/// As serde_json writes it.
fn escaped_char_bytes(char: char) -> usize {
    match char {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..'\u{20}' => 6,
        other => other.len_utf8(),
    }
}

/// Cuts `text` to at most `limit` bytes, at a character.
pub fn cut(text: &str, limit: usize) -> String {
    if escaped_bytes(text) <= limit {
        return text.to_owned();
    }
    let mut left = limit.saturating_sub('…'.len_utf8());
    let kept = text.chars().take_while(|char| {
        let bytes = escaped_char_bytes(*char);
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    });
    let mut cut: String = kept.collect();
    cut.push('…');
    cut
}

/// Cuts the middle out: the end says what to do, so it keeps its room.
pub fn cut_middle(head: &str, tail: &str, limit: usize) -> String {
    const CUT: &str = "\n(cut here; the log says all of it)\n";
    let whole = if head.is_empty() || tail.is_empty() { format!("{head}{tail}") } else { format!("{head}\n{tail}") };
    if escaped_bytes(&whole) <= limit {
        return whole;
    }
    let tail = cut(tail, limit / 2);
    let room = limit.saturating_sub(escaped_bytes(CUT) + escaped_bytes(&tail));
    format!("{}{CUT}{tail}", cut(head, room))
}

/// Puts lines together as long as they fit into `limit` bytes; a line that is longer is cut.
pub fn chunks(lines: &[String], limit: usize) -> Vec<String> {
    let mut chunks: Vec<(String, usize)> = Vec::new();
    for line in lines {
        let line = cut(line, limit);
        let bytes = escaped_bytes(&line);
        match chunks.last_mut() {
            Some((chunk, filled)) if *filled + bytes + 2 <= limit => {
                chunk.push('\n');
                chunk.push_str(&line);
                *filled += bytes + 2;
            }
            _ => chunks.push((line, bytes)),
        }
    }
    chunks.into_iter().map(|(chunk, _)| chunk).collect()
}

/// Text as a terminal may have it: a server's message or a file's name must not steer it. Line feeds stay.
pub fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '\t' => harmless.push(char),
            control if control.is_control() => harmless.extend(control.escape_debug()),
            other => harmless.push(other),
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_never_splits_a_character_and_never_exceeds_the_limit() {
        let text = "añ\n\u{1}b".repeat(4000);
        for limit in 4090..4110 {
            let cut = cut(&text, limit);
            assert!(serde_json::to_string(&cut).unwrap().len() - 2 <= limit);
            assert!(cut.ends_with('…'));
        }
        assert_eq!(cut("short", 10), "short");
    }

    #[test]
    fn bytes_are_counted_as_json_writes_them() {
        let text: String = (0..0x300).filter_map(char::from_u32).collect();
        assert_eq!(escaped_bytes(&text), serde_json::to_string(&text).unwrap().len() - 2);
    }

    #[test]
    fn the_end_of_a_long_message_is_kept() {
        let cut = cut_middle(&"x".repeat(9000), "hint: do this", 4096);
        assert!(cut.len() <= 4096 && cut.ends_with("\nhint: do this"), "{cut}");
        assert_eq!(cut_middle("a", "", 10), "a");
        assert!(cut_middle(&"x".repeat(9000), &"y".repeat(9000), 4096).len() <= 4096);
    }

    #[test]
    fn lines_are_put_together_up_to_the_limit_and_none_is_lost() {
        let lines: Vec<String> = (0..1000).map(|number| format!("line {number}")).collect();
        let chunks = chunks(&lines, 100);
        assert!(chunks.iter().all(|chunk| escaped_bytes(chunk) <= 100));
        assert_eq!(chunks.join("\n"), lines.join("\n"));
    }

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        assert_eq!(harmless("a\u{1b}[2J\r\n\tb\u{9b}"), "a\\u{1b}[2J\\r\n\tb\\u{9b}");
    }
}
