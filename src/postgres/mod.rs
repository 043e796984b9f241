//! The server side: URL, TLS, connection, advisory lock, watcher. Knows settings, never migrations.

pub mod attempt;
pub mod cancel;
pub mod catalogue;
pub mod connect;
mod driver;
pub mod lock;
pub mod pooler;
pub mod secret;
pub mod server_error;
pub mod session;
pub mod soundness;
pub mod startup;
pub mod tls;
pub mod transport;
pub mod url;
pub mod watch;

use std::time::Duration;

/// A string as a SQL literal. Backslashes take the escape form, so that `standard_conforming_strings` does not matter.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A duration in whole milliseconds, for log fields.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A number and what it counts: `1 place`, `2 places`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A duration as people read it.
pub fn duration_text(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string(),
    }
}
