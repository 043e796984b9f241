//! Reads libpq's other form, `host=localhost dbname='my db'`. In: the text. Out: the settings given in it. Never
//! repeats a name that could be the rest of an unquoted password.

use super::error::{Origin, UrlError};
use super::parameters::{Collected, Given};
use std::iter::Peekable;
use std::str::Chars;

/// Reads every `keyword = value` of the text.
pub(super) fn read(text: &str, into: &mut Collected) -> Result<(), UrlError> {
    let mut rest = text.chars().peekable();
    let mut password_seen = false;
    for position in 1.. {
        skip_blanks(&mut rest);
        if rest.peek().is_none() {
            break;
        }
        let name = take_name(&mut rest, position)?;
        let value = take_value(&mut rest, position)?;
        // A text that begins with an unknown name may be a bare password with a = in it.
        password_seen = password_seen || matches!(name.as_str(), "password" | "sslpassword");
        let showable = !password_seen && !into.is_empty();
        let given = Given { value, origin: Origin::Text, showable };
        into.set(&name, position, given)?;
    }
    Ok(())
}

fn skip_blanks(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
}

fn take_name(rest: &mut Peekable<Chars<'_>>, position: usize) -> Result<String, UrlError> {
    let mut name = String::new();
    while let Some(c) = rest.next_if(|c| !c.is_ascii_whitespace() && *c != '=') {
        name.push(c);
    }
    skip_blanks(rest);
    match rest.next_if_eq(&'=') {
        Some(_) => Ok(name),
        None => Err(UrlError::MissingEquals { position, origin: Origin::Text }),
    }
}

/// A value ends at a blank, or at its closing quotation mark; a backslash takes the next character as it is.
fn take_value(rest: &mut Peekable<Chars<'_>>, position: usize) -> Result<String, UrlError> {
    skip_blanks(rest);
    let quoted = rest.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        match rest.peek().copied() {
            Some('\'') if quoted => {
                rest.next();
                return Ok(value);
            }
            Some(c) if !quoted && c.is_ascii_whitespace() => return Ok(value),
            Some('\\') => {
                rest.next();
                value.extend(rest.next());
            }
            Some(c) => {
                rest.next();
                value.push(c);
            }
            None if quoted => return Err(UrlError::UnterminatedQuote { position }),
            None => return Ok(value),
        }
    }
}
