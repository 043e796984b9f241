//! The session settings a run works under. In: explicit settings, the URL's `options`. Out: startup options, and the
//! statements that set what cannot travel there. Explicit settings win over the URL's, the URL's over our defaults.

use std::time::Duration;

use crate::settings::DEFAULT_LOCK_TIMEOUT;

use super::literal;

/// Name of the placeholder setting that carries the nonce by which a direct connection is told from a pooler's.
pub const NONCE_SETTING: &str = "schemagate.session";

/// How soon a server looks whether its client is still there while a statement runs.
const CLIENT_CHECK: &str = "1000";

/// How a session came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The server itself took our startup `options`.
    Direct,
    /// A pooler stands in between and refused or dropped them.
    Pooled,
}

/// The settings of every session of a run.
#[derive(Debug, Clone)]
pub struct SessionParameters {
    defaults: Vec<(&'static str, String)>,
    url_options: Option<String>,
    explicit: Vec<(&'static str, String)>,
    nonce: String,
}

impl SessionParameters {
    /// Combines what was set explicitly with the URL's `options` and our defaults. `nonce` is fresh for each run.
    pub fn new(
        lock_timeout: Option<Duration>,
        statement_timeout: Option<Duration>,
        url_options: Option<String>,
        nonce: String,
    ) -> Self {
        let milliseconds = |timeout: Duration| timeout.as_millis().to_string();
        let defaults = vec![
            ("lock_timeout", milliseconds(DEFAULT_LOCK_TIMEOUT)),
            // Set even when off: a role's own default must not cut a migration short.
            ("statement_timeout", "0".to_owned()),
            ("idle_in_transaction_session_timeout", "0".to_owned()),
            // The history is read again after the lock is taken; one snapshot for both would miss the other run's rows.
            ("default_transaction_isolation", "read committed".to_owned()),
            ("standard_conforming_strings", "on".to_owned()),
            ("tcp_keepalives_idle", "3".to_owned()),
            ("tcp_keepalives_interval", "2".to_owned()),
            ("tcp_keepalives_count", "2".to_owned()),
            ("tcp_user_timeout", "6000".to_owned()),
        ];
        let explicit = [("lock_timeout", lock_timeout), ("statement_timeout", statement_timeout)]
            .into_iter()
            .filter_map(|(name, timeout)| timeout.map(|timeout| (name, milliseconds(timeout))))
            .collect();
        Self { defaults, url_options, explicit, nonce }
    }

    /// The nonce that [`NONCE_SETTING`] must read back on a direct connection.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The startup packet's `options`. Of two values for one name the server takes the last.
    pub fn startup_options(&self) -> String {
        let mut parts: Vec<String> = self.defaults.iter().map(|(name, value)| option(name, value)).collect();
        parts.extend(self.url_options.clone());
        parts.extend(self.explicit.iter().map(|(name, value)| option(name, value)));
        parts.push(option(NONCE_SETTING, &self.nonce));
        parts.join(" ")
    }

    /// Statements that set what the startup packet could not carry: settings that not every version knows, and, behind
    /// a pooler, all of them. To be sent before the first change and again after every `RESET ALL`.
    pub fn statements(&self, route: Route, major_version: u32) -> String {
        let mut settings: Vec<(String, String)> = Vec::new();
        let own = |list: &[(&'static str, String)]| -> Vec<(String, String)> {
            list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        if route == Route::Pooled {
            // The pooler's own connection keeps its keepalives; they are not ours to change.
            settings.extend(own(&self.defaults).into_iter().filter(|(name, _)| !name.starts_with("tcp_")));
            settings.extend(self.url_options.as_deref().map(named_options).unwrap_or_default());
            settings.extend(own(&self.explicit));
        }
        let versioned =
            [("idle_session_timeout", "0", 14), ("transaction_timeout", "0", 17), (CHECK_INTERVAL, CLIENT_CHECK, 14)];
        for (name, value, since) in versioned {
            if major_version >= since && !self.url_names(name) {
                settings.push((name.to_owned(), value.to_owned()));
            }
        }
        settings.iter().map(|(name, value)| set_config(name, value)).collect()
    }

    /// Whether the URL's `options` set `name`.
    pub fn url_names(&self, name: &str) -> bool {
        self.url_options.as_deref().is_some_and(|options| named_options(options).iter().any(|(set, _)| set == name))
    }
}

const CHECK_INTERVAL: &str = "client_connection_check_interval";

/// Some platforms know the check interval and refuse it: the only setting that may fail, without a trace.
fn set_config(name: &str, value: &str) -> String {
    let call = format!("pg_catalog.set_config({}, {}, false)", literal(name), literal(value));
    if name == CHECK_INTERVAL {
        return format!("DO $$BEGIN PERFORM {call}; EXCEPTION WHEN invalid_parameter_value THEN NULL; END$$; ");
    }
    format!("SELECT {call}; ")
}

fn option(name: &str, value: &str) -> String {
    format!("-c {name}={}", value.replace('\\', "\\\\").replace(' ', "\\ "))
}

/// The `-c name=value` and `--name=value` settings of an `options` string; a space is written `\ ` in it.
fn named_options(options: &str) -> Vec<(String, String)> {
    let mut words = vec![String::new()];
    let mut chars = options.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => words.last_mut().into_iter().for_each(|word| word.extend(chars.next())),
            char if char.is_whitespace() => words.push(String::new()),
            char => words.last_mut().into_iter().for_each(|word| word.push(char)),
        }
    }
    let mut named = Vec::new();
    let mut after_switch = false;
    for word in words.iter().filter(|word| !word.is_empty()) {
        let setting = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => {
                after_switch = true;
                continue;
            }
            Some(setting) => Some(setting),
            None => after_switch.then_some(word.as_str()),
        };
        after_switch = false;
        if let Some((name, value)) = setting.and_then(|setting| setting.split_once('=')) {
            named.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(url_options: Option<&str>) -> SessionParameters {
        SessionParameters::new(Some(Duration::from_secs(1)), None, url_options.map(ToOwned::to_owned), "n1".to_owned())
    }

    #[test]
    fn explicit_settings_come_after_the_urls_and_the_urls_after_the_defaults() {
        let options = parameters(Some("-c lock_timeout=9s")).startup_options();
        let at = |text: &str| options.find(text).unwrap();
        assert!(at("lock_timeout=5000") < at("lock_timeout=9s"));
        assert!(at("lock_timeout=9s") < at("lock_timeout=1000"));
        assert!(options.contains("default_transaction_isolation=read\\ committed"), "{options}");
    }

    #[test]
    fn the_urls_options_are_read_in_every_spelling() {
        let named = named_options("-c a=1 -cb=2\t--my-c=x\\ y -B 5");
        let expected = [("a", "1"), ("b", "2"), ("my_c", "x y")];
        assert_eq!(named, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_setting_that_the_server_does_not_know_is_not_sent() {
        assert!(!parameters(None).statements(Route::Direct, 15).contains("transaction_timeout"));
        assert!(parameters(None).statements(Route::Direct, 17).contains("transaction_timeout"));
        let chosen = parameters(Some("-c client_connection_check_interval=0"));
        assert!(!chosen.statements(Route::Direct, 17).contains("client_connection_check_interval"));
    }

    #[test]
    fn behind_a_pooler_every_setting_travels_by_statement() {
        let statements = parameters(Some("-c work_mem=1GB")).statements(Route::Pooled, 15);
        assert!(statements.contains("'work_mem', '1GB'"), "{statements}");
        assert!(statements.contains("'lock_timeout', '1000'"), "{statements}");
        assert!(!statements.contains("tcp_"), "{statements}");
    }
}
