//! A statement in one short line. In: its text. Out: the same without comments and line ends, cut.

use squawk_lexer::TokenKind;

use super::tokens::Tokens;

/// Of a longer statement nothing more is read: it would be cut off.
const READ_BYTES: usize = 4096;

/// Gives `sql` in one line of at most `limit` characters.
pub fn brief(sql: &str, limit: usize) -> String {
    let end = (0..=READ_BYTES.min(sql.len())).rev().find(|at| sql.is_char_boundary(*at)).unwrap_or(0);
    let read = sql.get(..end).unwrap_or_default();
    let mut line = String::new();
    let mut space = false;
    for token in Tokens::new(read) {
        match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. } => space = true,
            _ => {
                if std::mem::take(&mut space) && !line.is_empty() {
                    line.push(' ');
                }
                line.extend(read.get(token.range()).unwrap_or_default().chars().map(flat));
            }
        }
    }
    let cut = line.chars().count() > limit || end < sql.len();
    if !cut {
        return line;
    }
    let kept: String = line.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// What would break or steer a line.
fn flat(char: char) -> char {
    if char.is_control() { ' ' } else { char }
}

#[cfg(test)]
mod tests {
    use super::brief;

    #[test]
    fn a_statement_is_one_line_without_its_comments() {
        let sql = "alter table  orders -- why\n\tadd column /* not null yet */ total numeric(12, 2)";
        assert_eq!(brief(sql, 80), "alter table orders add column total numeric(12, 2)");
        assert_eq!(brief(sql, 20), "alter table orders…");
        assert_eq!(brief("select 'a\nb'", 80), "select 'a b'");
        assert_eq!(brief("", 80), "");
    }

    #[test]
    fn a_long_statement_is_read_no_further_than_it_is_shown() {
        let sql = format!("insert into t values {}", "(1, 'é'), ".repeat(1_000_000));
        let line = brief(&sql, 30);
        assert_eq!(line.chars().count(), 30);
        assert!(line.starts_with("insert into t values (1, 'é')") && line.ends_with('…'), "{line}");
    }
}
