//! The log: one event a line, for people or for machines. In: tracing events. Out: stdout for `up`, stderr for the
//! others. Never holds SQL below `debug`, and never a secret.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;
use std::time::SystemTime;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use schemagate::report::fit::{cut, harmless};
use schemagate::settings::LogFormat;

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// For `up`: Railway shows stderr as errors.
    Stdout,
    /// For commands whose result is on stdout.
    Stderr,
}

impl Stream {
    fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => std::io::stdout().is_terminal(),
            Self::Stderr => std::io::stderr().is_terminal(),
        }
    }
}

/// Sets the log up for the rest of the process.
pub(crate) fn start(stream: Stream, format: LogFormat, filter: &str) {
    let json = match format {
        LogFormat::Auto => !stream.is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = Lines { json, color: !json && stream.is_terminal() && wants_color() };
    // A filter that names modules only would silence the rest, errors and all. One that is none was told of already.
    let filter = format!("info,{filter}").parse().unwrap_or_else(|_| Targets::new().with_default(Level::INFO));
    match stream {
        Stream::Stdout => write(std::io::stdout, filter, lines),
        Stream::Stderr => write(std::io::stderr, filter, lines),
    }
}

fn write(to: impl for<'writer> MakeWriter<'writer> + Send + Sync + 'static, filter: Targets, lines: Lines) {
    // A log that cannot be written must not end a migration: complaining on a closed stderr would.
    let layer = tracing_subscriber::fmt::layer().log_internal_errors(false).event_format(lines).with_writer(to);
    // A second start, in a process that has a log already, changes nothing.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}

/// See <https://no-color.org>; a dumb terminal shows the codes as they are.
fn wants_color() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !no_color && !dumb
}

/// Container engines cut lines at 16 KiB, and a cut JSON line is none.
const TEXT_BYTES: usize = 12 * 1024;

/// The shape of a line.
#[derive(Debug, Clone, Copy)]
struct Lines {
    json: bool,
    color: bool,
}

/// An event's message and fields.
#[derive(Debug, Default)]
struct Collected {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Collected {
    fn put(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Collected {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = cut(value, TEXT_BYTES);
        match field.name() {
            "message" => self.message = value,
            _ => self.put(field, Value::from(value)),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.record_str(field, &text);
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut collected = Collected::default();
        event.record(&mut collected);
        let level = *event.metadata().level();
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        if self.json {
            return writeln!(writer, "{}", json_line(level, &time.to_string(), &collected));
        }
        let mut text = harmless(&collected.message);
        if level > Level::INFO {
            for (name, value) in &collected.fields {
                write!(text, " {name}={value}")?;
            }
        }
        let name = level_name(level);
        match self.color {
            true => writeln!(writer, "\x1b[2m{time}\x1b[0m \x1b[{}m{name:>5}\x1b[0m {text}", color(level)),
            false => writeln!(writer, "{time} {name:>5} {text}"),
        }
    }
}

/// Time, level and message come first, as people read it raw too.
fn json_line(level: Level, time: &str, collected: &Collected) -> String {
    let first = [
        ("timestamp", Value::from(time)),
        ("level", Value::from(level_name(level))),
        ("message", Value::from(collected.message.as_str())),
    ];
    let fields: Vec<String> =
        first.iter().chain(&collected.fields).map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

/// The words that Railway knows.
fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        _ => "debug",
    }
}

fn color(level: Level) -> &'static str {
    match level {
        Level::ERROR => "31",
        Level::WARN => "33",
        Level::INFO => "32",
        _ => "2",
    }
}
