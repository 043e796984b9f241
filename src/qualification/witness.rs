//! Hears every warning and error that is logged while it lives, and passes all on to the log. In: tracing events of this
//! thread. Out: their words. Changes nothing of what is logged.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::dispatcher::{self, DefaultGuard, Dispatch};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Listens until it is dropped. The runtime has one thread, so that the tasks of connections are heard too.
pub(super) struct Witness {
    heard: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Witness {
    pub(super) fn listen() -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = dispatcher::get_default(Dispatch::clone);
        let ear = Ear { log, heard: Arc::clone(&heard) };
        Self { heard, _guard: dispatcher::set_default(&Dispatch::new(ear)) }
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Ear {
    log: Dispatch,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN || self.log.enabled(metadata)
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
        if *event.metadata().level() <= Level::WARN {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(message.0);
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

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
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
        assert_eq!(witness.heard(), ["something is odd", "something is wrong"]);
        drop(witness);
    }
}
