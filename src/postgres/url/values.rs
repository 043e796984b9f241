//! Typed readings of single settings. In: what was given. Out: an enum, a number, a duration; `None` where nothing was
//! given. Computes only.

use super::error::UrlError;
use super::parameters::{Collected, Given};
use std::time::Duration;

/// One of several words.
pub(super) fn choice<T: Copy>(
    from: &Collected,
    name: &'static str,
    words: &[(&'static str, T)],
) -> Result<Option<T>, UrlError> {
    let Some(given) = from.get(name) else {
        return Ok(None);
    };
    let found = words.iter().find(|(word, _)| *word == given.value);
    match found {
        Some((_, value)) => Ok(Some(*value)),
        None => {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            Err(invalid(name, given, format!("one of {}", words.join(", "))))
        }
    }
}

/// A whole number; blanks around it are allowed, as in libpq.
pub(super) fn integer(from: &Collected, name: &'static str) -> Result<Option<i64>, UrlError> {
    let Some(given) = from.get(name) else {
        return Ok(None);
    };
    let number = given.value.trim().parse::<i32>();
    match number {
        Ok(number) => Ok(Some(number.into())),
        Err(_) => Err(invalid(name, given, "a whole number".to_owned())),
    }
}

/// A number above zero; libpq reads zero and below as "the default".
pub(super) fn positive(from: &Collected, name: &'static str) -> Result<Option<u64>, UrlError> {
    let number = integer(from, name)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0))
}

/// A number of seconds above zero.
pub(super) fn seconds(from: &Collected, name: &'static str) -> Result<Option<Duration>, UrlError> {
    Ok(positive(from, name)?.map(Duration::from_secs))
}

fn invalid(name: &'static str, given: &Given, expected: String) -> UrlError {
    UrlError::InvalidValue { name, value: given.shown(), expected, origin: given.origin }
}
