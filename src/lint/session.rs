//! What a file sets for the session and leaves set. In: its statements. Out: findings at the end of the file.

use super::finding::Finding;
use super::rules;
use super::source::Source;
use crate::migrations::script::Words;

/// What one file has set so far.
#[derive(Debug, Default)]
pub(super) struct Session {
    lock_timeout: Option<usize>,
    search_path: Option<usize>,
    role: Option<usize>,
    authorization: Option<usize>,
}

impl Session {
    /// Takes note of the statement that starts at a byte.
    pub(super) fn note(&mut self, words: Words<'_>, start: usize) {
        let mut rest = words;
        if rest.eat("RESET") {
            return self.put_back(rest);
        }
        if rest.eat("SET") {
            rest.eat("SESSION");
            let local = rest.eat("LOCAL");
            return self.set(rest, local, start);
        }
        if rest.eat("SELECT") && rest.name().is_some_and(|name| name.table() == "set_config") {
            let mut arguments = rest.eat_parenthesis().map(Words::parts).unwrap_or_default().into_iter();
            let name = arguments.next().map(|name| name.token().trim_matches('\'').to_ascii_lowercase());
            let local = arguments.nth(1).is_some_and(|local| !local.is_off());
            self.setting(&name.unwrap_or_default(), local, start);
        }
    }

    fn put_back(&mut self, rest: Words<'_>) {
        let all = rest.is("ALL");
        if all || rest.is("search_path") {
            self.search_path = None;
        }
        // Neither is of what RESET ALL puts back.
        if rest.is("ROLE") {
            self.role = None;
        } else if rest.is_any(&["SESSION", "session_authorization"]) {
            self.authorized(None, true);
        }
    }

    /// Another session user is without a role; one that goes with the transaction leaves none behind.
    fn authorized(&mut self, start: Option<usize>, back: bool) {
        if back {
            self.role = None;
        }
        self.authorization = if back { None } else { self.authorization.or(start) };
    }

    fn set(&mut self, mut rest: Words<'_>, local: bool, start: usize) {
        let back = |words: Words<'_>| words.is_any(&["NONE", "DEFAULT"]);
        let start_of = (!local).then_some(start);
        if rest.eat("ROLE") {
            self.role = if back(rest) { None } else { self.role.or(start_of) };
            return;
        }
        if rest.eat_all(&["SESSION", "AUTHORIZATION"]) || rest.eat("AUTHORIZATION") {
            return self.authorized(start_of, back(rest) && !local);
        }
        let Some(name) = rest.identifier() else { return };
        rest.skip();
        if rest.is("DEFAULT") && name == "search_path" {
            self.search_path = None;
        } else {
            self.setting(&name, local, start);
        }
    }

    fn setting(&mut self, name: &str, local: bool, start: usize) {
        match name {
            "lock_timeout" => self.lock_timeout = self.lock_timeout.or(Some(start)),
            "search_path" if !local => self.search_path = self.search_path.or(Some(start)),
            "role" if !local => self.role = self.role.or(Some(start)),
            "session_authorization" if !local => self.authorized(Some(start), false),
            _ => {}
        }
    }

    /// What is still set at the end of the file.
    pub(super) fn findings(&self, source: &Source<'_>) -> Vec<Finding> {
        let at = |rule, place: Option<usize>, message: &str, hint: &str| {
            place.map(|byte| Finding::at(rule, source, byte, message.to_owned()).hint(hint))
        };
        let found = [
            at(
                &rules::LOCK_TIMEOUT,
                self.lock_timeout,
                "lock_timeout is set by the file, so SCHEMAGATE_LOCK_TIMEOUT does not hold from here to its end",
                "remove it: schemagate sets lock_timeout for every migration, and tries again what loses to it",
            ),
            at(
                &rules::SEARCH_PATH,
                self.search_path,
                "search_path is left changed: schemagate puts it back after the file, another client that runs it does not",
                "name schemas in full, or write SET LOCAL search_path, which ends with the transaction",
            ),
            at(
                &rules::ROLE,
                self.authorization.or(self.role),
                "the role is left changed: schemagate puts it back after the file, another client that runs it does not",
                "write SET LOCAL ROLE, which ends with the transaction, or RESET ROLE (RESET SESSION AUTHORIZATION) at the end of the file",
            ),
        ];
        found.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{rules_of, told};

    #[test]
    fn what_is_left_set_is_told() {
        insta::assert_snapshot!(told(&[(
            "V1__a.sql",
            "set lock_timeout = '1s';\nset search_path to app;\nselect 1;\n  set role owner;\n"
        )]));
        for sql in ["select pg_catalog.set_config('search_path', '', false)", "set session search_path = a"] {
            assert_eq!(rules_of(sql), ["leaks-search-path"], "{sql}");
        }
        for sql in [
            "set session authorization bob; reset role",
            "set role bob; reset all",
            "set session authorization bob; reset all",
            "set session authorization bob; set role none",
        ] {
            assert_eq!(rules_of(sql), ["leaks-role"], "{sql}");
        }
        assert_eq!(
            rules_of("set session authorization bob; set local lock_timeout to 0"),
            ["leaks-role", "sets-lock-timeout"]
        );
    }

    #[test]
    fn what_is_put_back_or_local_is_no_leak() {
        for sql in [
            "set local search_path = a; set local role b",
            "set search_path = a; select 1; reset search_path",
            "set role a; reset role",
            "set role a; reset session authorization",
            "set session authorization a; set session authorization default",
            "select set_config('search_path', 'a', true)",
            "create function f() returns int language sql set search_path = a as 'select 1'",
            "set statement_timeout = 0",
        ] {
            assert_eq!(rules_of(sql), Vec::<&str>::new(), "{sql}");
        }
    }
}
