//! The one list of connection parameters: libpq's, with their variables and whether they are carried, and those only
//! an ORM knows. In: names and values as given. Out: `Given` settings, or the reason to refuse one. Computes only.

use super::error::{Origin, UrlError};
use std::collections::BTreeMap;

/// What becomes of a parameter of libpq.
enum Fate {
    /// Typed and used.
    Carried,
    /// Refused, unless its value is one of those that change nothing.
    Refused { harmless: &'static [&'static str], hint: &'static str },
}

use Fate::Carried;

struct Parameter {
    name: &'static str,
    variable: Option<&'static str>,
    fate: Fate,
}

const fn carried(name: &'static str, variable: Option<&'static str>) -> Parameter {
    Parameter { name, variable, fate: Carried }
}

const fn refused(
    name: &'static str,
    variable: Option<&'static str>,
    harmless: &'static [&'static str],
    hint: &'static str,
) -> Parameter {
    Parameter { name, variable, fate: Fate::Refused { harmless, hint } }
}

const NO_GSS: &str = "use password, certificate or trust authentication; leave it out, or write gssencmode=disable";
const NO_LISTS: &str = "leave it out; verify with sslrootcert and sslmode=verify-full";
const LEAVE_OUT: &str = "leave it out";

/// libpq's parameters: PostgreSQL manual, "Database Connection Control Functions" and "Environment Variables".
const PARAMETERS: &[Parameter] = &[
    carried("host", Some("PGHOST")),
    carried("hostaddr", Some("PGHOSTADDR")),
    carried("port", Some("PGPORT")),
    carried("dbname", Some("PGDATABASE")),
    carried("user", Some("PGUSER")),
    carried("password", Some("PGPASSWORD")),
    carried("passfile", Some("PGPASSFILE")),
    carried("service", Some("PGSERVICE")),
    carried("servicefile", Some("PGSERVICEFILE")),
    carried("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    carried("application_name", Some("PGAPPNAME")),
    carried("fallback_application_name", None),
    carried("options", Some("PGOPTIONS")),
    carried("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    carried("load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    carried("keepalives", None),
    carried("keepalives_idle", None),
    carried("keepalives_interval", None),
    carried("keepalives_count", None),
    carried("tcp_user_timeout", None),
    carried("channel_binding", Some("PGCHANNELBINDING")),
    carried("sslmode", Some("PGSSLMODE")),
    carried("sslnegotiation", Some("PGSSLNEGOTIATION")),
    carried("sslrootcert", Some("PGSSLROOTCERT")),
    carried("sslcert", Some("PGSSLCERT")),
    carried("sslkey", Some("PGSSLKEY")),
    carried("sslpassword", None),
    carried("sslcertmode", Some("PGSSLCERTMODE")),
    carried("sslsni", Some("PGSSLSNI")),
    carried("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    carried("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    refused(
        "client_encoding",
        Some("PGCLIENTENCODING"),
        &["utf8", "utf-8", "unicode", "auto"],
        "migration files are UTF-8; leave it out",
    ),
    refused("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"], NO_GSS),
    refused("gssdelegation", Some("PGGSSDELEGATION"), &["0"], NO_GSS),
    refused("gsslib", Some("PGGSSLIB"), &[], NO_GSS),
    refused("krbsrvname", Some("PGKRBSRVNAME"), &[], NO_GSS),
    refused(
        "requirepeer",
        Some("PGREQUIREPEER"),
        &[],
        "leave it out; the folder of the socket decides who may serve it",
    ),
    refused("require_auth", Some("PGREQUIREAUTH"), &[], "leave it out; channel_binding=require demands SCRAM over TLS"),
    refused("sslcrl", Some("PGSSLCRL"), &[], NO_LISTS),
    refused("sslcrldir", Some("PGSSLCRLDIR"), &[], NO_LISTS),
    refused("sslcompression", Some("PGSSLCOMPRESSION"), &["0"], LEAVE_OUT),
    refused("sslkeylogfile", None, &[], LEAVE_OUT),
    refused("replication", None, &["0", "off", "no", "false"], "migrations need an ordinary session; leave it out"),
    refused("min_protocol_version", Some("PGMINPROTOCOLVERSION"), &["3.0"], LEAVE_OUT),
    refused("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), &["3.0", "3.2", "latest"], LEAVE_OUT),
    refused("scram_client_key", None, &[], "give the password"),
    refused("scram_server_key", None, &[], "give the password"),
    refused("oauth_issuer", None, &[], LEAVE_OUT),
    refused("oauth_client_id", None, &[], LEAVE_OUT),
    refused("oauth_client_secret", None, &[], LEAVE_OUT),
    refused("oauth_scope", None, &[], LEAVE_OUT),
];

/// What only an ORM, a pool or another driver knows; it says nothing about where and how to connect.
#[rustfmt::skip]
const IGNORED: &[&str] = &[
    // Prisma
    "pgbouncer", "schema", "connection_limit", "pool_timeout", "socket_timeout", "statement_cache_size", "sslaccept",
    "sslidentity", "single_use_connections", "max_connection_lifetime", "max_idle_connection_lifetime",
    // node-postgres, postgres.js, drizzle
    "uselibpqcompat", "max", "min", "idleTimeoutMillis", "connectionTimeoutMillis", "statement_timeout",
    "query_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "keepAlive",
    "keepAliveInitialDelayMillis", "allowExitOnIdle", "binary", "max_lifetime", "prepare", "fetch_types",
    "max_pipeline", "maxUses",
    // Vercel, Supabase
    "supa", "workaround",
    // Rails
    "pool", "adapter", "encoding", "prepared_statements", "advisory_locks", "reaping_frequency", "idle_timeout",
    "checkout_timeout", "min_messages", "reconnect", "migrations_paths", "database_tasks", "timeout",
    "statement_limit", "max_connections", "min_connections", "max_age", "insert_returning",
    // SQLAlchemy, asyncpg, Django
    "prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback", "command_timeout",
    "max_cached_statement_lifetime", "max_cacheable_statement_size", "pool_size", "max_overflow", "pool_recycle",
    "pool_pre_ping", "conn_max_age", "conn_health_checks", "disable_server_side_cursors",
    // JDBC
    "ApplicationName", "prepareThreshold", "preparedStatementCacheQueries", "preparedStatementCacheSizeMiB",
    "reWriteBatchedInserts", "stringtype", "tcpKeepAlive", "socketTimeout", "loginTimeout", "connectTimeout",
    "defaultRowFetchSize", "binaryTransfer", "logUnclosedConnections", "autosave", "cancelSignalTimeout",
    "currentSchema", "preferQueryMode", "adaptiveFetch", "cleanupSavepoints",
    // pgx, golang-migrate
    "pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime", "pool_max_conn_lifetime_jitter",
    "pool_max_conn_idle_time", "pool_health_check_period", "default_query_exec_mode", "statement_cache_capacity",
    "statement_cache_mode", "description_cache_capacity", "x-migrations-table", "x-migrations-table-quoted",
    "x-statement-timeout", "x-multi-statement", "x-multi-statement-max-size", "migrations_table",
    // sqlx
    "statement-cache-capacity",
];

/// Settings of the server that some drivers take from a URL. To ignore one could put the tables elsewhere.
const SERVER_SETTINGS: &[&str] =
    &["search_path", "role", "timezone", "TimeZone", "datestyle", "DateStyle", "default_transaction_isolation"];

/// A setting as it was given.
pub(super) struct Given {
    pub(super) value: String,
    pub(super) origin: Origin,
    /// Whether value and name are certainly no part of a misread password.
    pub(super) showable: bool,
}

impl Given {
    /// The value for an error message: only a short, plain word, and only where it is no password.
    pub(super) fn shown(&self) -> Option<String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let short = !self.value.is_empty() && self.value.len() <= 32;
        (self.showable && short && self.value.chars().all(plain)).then(|| self.value.clone())
    }
}

/// All settings given so far, each under libpq's name.
#[derive(Default)]
pub(super) struct Collected {
    values: BTreeMap<&'static str, Given>,
    pub(super) ignored: Vec<String>,
}

impl Collected {
    /// The setting, where given.
    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        self.values.get(name)
    }

    /// The setting's text; an empty one counts as not given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|given| given.value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether any parameter has been recognised.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.ignored.is_empty()
    }

    /// Takes one parameter; a later one of the same name wins, as in libpq.
    pub(super) fn set(&mut self, name: &str, position: usize, given: Given) -> Result<(), UrlError> {
        let (name, given) = translate(name, given);
        let origin = given.origin;
        if let Some(known) = PARAMETERS.iter().find(|known| known.name == name) {
            known.accept(&given)?;
            // A harmless value is kept too, so that a variable does not replace it.
            self.values.insert(known.name, given);
            return Ok(());
        }
        if let Some(known) = IGNORED.iter().find(|known| **known == name) {
            if !self.ignored.iter().any(|seen| seen == known) {
                self.ignored.push((*known).to_owned());
            }
            return Ok(());
        }
        if let Some(name) = SERVER_SETTINGS.iter().find(|known| **known == name) {
            return Err(UrlError::ServerSetting { name, origin });
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let shown = given.showable && !name.is_empty() && name.len() <= 64 && name.chars().all(plain);
        Err(UrlError::UnknownParameter {
            nearest: if shown { nearest(name) } else { None },
            name: shown.then(|| name.to_owned()),
            position,
            origin,
        })
    }

    /// Takes one parameter unless it is given already.
    pub(super) fn set_missing(&mut self, name: &str, position: usize, given: Given) -> Result<(), UrlError> {
        let (name, given) = translate(name, given);
        if self.values.contains_key(name) {
            return Ok(());
        }
        self.set(name, position, given)
    }

    /// Fills what is still missing from the `PG…` variables; an empty one counts as unset.
    pub(super) fn fill_from(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Result<(), UrlError> {
        for parameter in PARAMETERS {
            let Some(variable) = parameter.variable else {
                continue;
            };
            if let Some(value) = env(variable).filter(|value| !value.is_empty()) {
                let origin = Origin::Environment(variable);
                self.set_missing(parameter.name, 0, Given { value, origin, showable: true })?;
            }
        }
        // Older than PGSSLMODE, and still read by libpq.
        if env("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
            let origin = Origin::Environment("PGREQUIRESSL");
            self.set_missing("sslmode", 0, Given { value: "require".to_owned(), origin, showable: true })?;
        }
        Ok(())
    }
}

impl Parameter {
    fn accept(&self, given: &Given) -> Result<(), UrlError> {
        let Fate::Refused { harmless, hint } = self.fate else {
            return Ok(());
        };
        if given.value.is_empty() || harmless.iter().any(|word| given.value.eq_ignore_ascii_case(word)) {
            return Ok(());
        }
        // Of a parameter that is never accepted, the name says it all; the value may be a secret.
        let value = if harmless.is_empty() { None } else { given.shown() };
        Err(UrlError::Unsupported { name: self.name, value, origin: given.origin, hint })
    }
}

/// libpq's own aliases: `ssl=true` of JDBC, and `requiressl` from before `sslmode`.
fn translate(name: &str, given: Given) -> (&str, Given) {
    let sslmode = match (name, given.value.as_str()) {
        ("ssl", "true" | "1") => "require",
        // Other words (`ssl=verify-full` of asyncpg) are judged as an sslmode, never passed over.
        ("ssl", _) => return ("sslmode", given),
        ("requiressl", value) if value.starts_with('1') => "require",
        ("requiressl", _) => "prefer",
        _ => return (name, given),
    };
    ("sslmode", Given { value: sslmode.to_owned(), ..given })
}

/// The known parameter that is spelled most like `name`, if one is near enough to be meant.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let known = PARAMETERS.iter().filter(|known| matches!(known.fate, Carried));
    let distances = known.map(|known| (strsim::osa_distance(&name, known.name), known.name));
    let limit = if name.len() < 5 { 1 } else { 3 };
    let best = distances.min_by_key(|(distance, _)| *distance);
    best.filter(|(distance, _)| *distance <= limit).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_in_two_lists() {
        let mut names: Vec<&str> = PARAMETERS.iter().map(|p| p.name).collect();
        names.extend(IGNORED);
        names.extend(SERVER_SETTINGS);
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn the_nearest_name_is_one_that_could_be_meant() {
        assert_eq!(nearest("sslMode"), Some("sslmode"));
        assert_eq!(nearest("ssl-root-cert"), Some("sslrootcert"));
        assert_eq!(nearest("aplication_name"), Some("application_name"));
        assert_eq!(nearest("favourite_colour"), None);
    }
}
