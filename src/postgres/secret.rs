//! A password that does not print. In: the clear text. Out: the clear text, only through `expose`. Never appears in
//! `Debug`, has no `Display`.

use std::fmt;

/// A password or passphrase; `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a clear text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// Gives the clear text, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_text() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(***)");
    }
}
