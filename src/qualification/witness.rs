//! Hears every warning and error that is logged while it lives, and passes all on to the log. In: tracing events of this
//! thread. Out: their words. Changes nothing of what is logged.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was heard.
#[derive(Debug, Default, Clone)]
struct Heard {
    warnings: Vec<String>,
    skipped: Vec<String>,
}

/// The server's codes for an object that is there already: table, column, other object, function.
const THERE_ALREADY: [&str; 4] = ["42P07", "42701", "42710", "42723"];
/// Every database has this one.
const OF_EVERY_DATABASE: &str = "extension \"plpgsql\"";

/// Listens until it is dropped. The runtime has one thread, so that the tasks of connections are heard too.
pub(super) struct Witness {
    heard: Arc<Mutex<Heard>>,
    _guard: DefaultGuard,
}

impl Witness {
    pub(super) fn listen() -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let log = dispatcher::get_default(Dispatch::clone);
        let ear = Ear { log, heard: Arc::clone(&heard) };
        Self { heard, _guard: dispatcher::set_default(&Dispatch::new(ear)) }
    }

    /// The warnings and errors so far.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).warnings.clone()
    }

    /// What the server passed over so far because it was there already.
    pub(super) fn skipped(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).skipped.clone()
    }
}

struct Ear {
    log: Dispatch,
    heard: Arc<Mutex<Heard>>,
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO || self.log.enabled(metadata)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.log.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.log.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.log.record_follows_from(span, follows);
    }

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        if level <= Level::INFO {
            let mut words = Words::default();
            event.record(&mut words);
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            if level <= Level::WARN {
                heard.warnings.push(words.message);
            } else if THERE_ALREADY.contains(&words.sqlstate.as_str()) && !words.message.contains(OF_EVERY_DATABASE) {
                heard.skipped.push(words.message.trim_start_matches("server notice: ").to_owned());
            }
        }
        if self.log.enabled(event.metadata()) {
            self.log.event(event);
        }
    }

    fn enter(&self, span: &Id) {
        self.log.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.log.exit(span);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.log.clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.log.try_close(id)
    }
}

#[derive(Default)]
struct Words {
    message: String,
    sqlstate: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "sqlstate" {
            self.sqlstate = value.to_owned();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_are_heard_and_the_rest_is_not() {
        let witness = Witness::listen();
        tracing::info!("all is well");
        tracing::warn!(files = 2, "something is {}", "odd");
        tracing::error!("something is wrong");
        tracing::info!(sqlstate = "42P07", "server notice: relation \"a\" already exists, skipping");
        tracing::info!(sqlstate = "42710", "server notice: extension \"plpgsql\" already exists, skipping");
        assert_eq!(witness.heard(), ["something is odd", "something is wrong"]);
        assert_eq!(witness.skipped(), ["relation \"a\" already exists, skipping"]);
        drop(witness);
    }
}
