//! libpq's password file. In: its path, and what a connection is to. Out: the password of the first line that fits.
//! Reads the file, in `read_file` only; never uses one that others may read. See the PostgreSQL manual, "The Password
//! File".

use super::error::UrlWarning;
use crate::postgres::secret::Secret;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The lines of a password file that can be used.
#[derive(Default)]
pub(super) struct Passfile {
    text: String,
}

impl Passfile {
    /// Reads the file, or says why it is not used. A missing one is worth a warning only where it was `named`.
    pub(super) fn read_file(path: &Path, named: bool) -> (Passfile, Option<UrlWarning>) {
        let unused = |warning| (Passfile::default(), warning);
        let path_buf = path.to_owned();
        let unreadable = |error: io::Error| {
            let missing = error.kind() == io::ErrorKind::NotFound;
            let warning = UrlWarning::PassfileUnreadable { path: path.to_owned(), kind: error.kind() };
            (named || !missing).then_some(warning)
        };
        let facts = match std::fs::metadata(path) {
            Ok(facts) => facts,
            Err(error) => return unused(unreadable(error)),
        };
        if !facts.is_file() {
            return unused(Some(UrlWarning::PassfileNotAFile { path: path_buf }));
        }
        let mode = facts.mode();
        if mode & 0o077 != 0 {
            return unused(Some(UrlWarning::PassfilePermissions { path: path_buf, mode }));
        }
        match std::fs::read_to_string(path) {
            Ok(text) => (Passfile { text }, None),
            Err(error) => unused(unreadable(error)),
        }
    }

    /// The password of the first line whose four fields fit `[host, port, dbname, user]`.
    pub(super) fn find(&self, wanted: [&str; 4]) -> Option<Secret> {
        let lines = self.text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| password_of(line, wanted)).next()
    }
}

/// Fields end at a colon, `*` fits anything, a backslash takes the next character as it is. The password is the rest.
fn password_of(line: &str, wanted: [&str; 4]) -> Option<Secret> {
    let mut rest = line;
    for text in wanted {
        let end = field_end(rest)?;
        let (field, behind) = rest.split_at(end);
        if field != "*" && unescape(field) != text {
            return None;
        }
        rest = behind.strip_prefix(':')?;
    }
    let password = unescape(rest);
    (!password.is_empty()).then(|| Secret::new(password))
}

fn field_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(index, c)| {
        let ends = c == ':' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(index)
    })
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        plain.extend(if c == '\\' { rest.next() } else { Some(c) });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let text =
            "# h:1:d:u:comment\nshort:line\nh:5432:d:other:no\n*:*:d\\:b:u\\\\x:a\\:b:c\\\\d\nh:5432:*:u:second\n";
        let file = Passfile { text: text.to_owned() };
        let find = |wanted| file.find(wanted).map(|secret| secret.expose().to_owned());
        assert_eq!(find(["h", "5432", "d", "u"]).as_deref(), Some("second"));
        assert_eq!(find(["z", "1", "d:b", "u\\x"]).as_deref(), Some("a:b:c\\d"));
        assert_eq!(find(["h", "5433", "d", "u"]), None);
    }
}
