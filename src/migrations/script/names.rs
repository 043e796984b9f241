//! Names in SQL. In: tokens. Out: names as PostgreSQL stores them: folded, unquoted, cut to 63 bytes.

/// The longest identifier in bytes (`NAMEDATALEN - 1`).
const LONGEST_BYTES: usize = 63;

/// Folds an identifier without quotes. PostgreSQL folds ASCII alone in a database of UTF-8.
pub(super) fn folded(text: &str) -> String {
    cut(text.to_ascii_lowercase())
}

/// Takes off the quotes of `"…"`.
pub(super) fn unquoted(text: &str) -> String {
    cut(inside(text, 1).replace("\"\"", "\""))
}

/// Takes off `U&"…"` and its escapes.
pub(super) fn unescaped(text: &str, escape: char) -> String {
    let inside = inside(text, 3).replace("\"\"", "\"");
    let mut name = String::new();
    let mut rest = inside.chars();
    while let Some(c) = rest.next() {
        if c != escape {
            name.push(c);
            continue;
        }
        match rest.as_str().chars().next() {
            Some(next) if next == escape => name.extend(rest.next()),
            Some('+') => {
                rest.next();
                name.extend(code_point(&mut rest, 6));
            }
            _ => name.extend(code_point(&mut rest, 4)),
        }
    }
    cut(name)
}

/// Takes hexadecimal digits; a half of a surrogate pair is dropped, which no table name has.
fn code_point(rest: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let number: String = rest.by_ref().take(digits).collect();
    char::from_u32(u32::from_str_radix(&number, 16).ok()?)
}

fn inside(text: &str, opening: usize) -> &str {
    let text = text.get(opening..).unwrap_or_default();
    text.strip_suffix('"').unwrap_or(text)
}

fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(LONGEST_BYTES));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_the_server_stores_them() {
        assert_eq!(folded("UserS_Ä"), "users_Ä");
        assert_eq!(unquoted("\"a\"\"B\""), "a\"B");
        assert_eq!(unescaped("U&\"d\\0061t\\+000061\\\\\"", '\\'), "data\\");
        assert_eq!(unescaped("u&\"d!0061ta\"", '!'), "data");
        assert_eq!(folded(&"é".repeat(40)), "é".repeat(31));
    }
}
