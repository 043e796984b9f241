//! The database URL, and what of it may be told: never a panic, and never the password.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schemagate::postgres::url::Target;

/// No text that the fuzzer finds by itself.
const CANARY: &str = "canaryInTheMine";

fuzz_target!(|text: &str| {
    let _ = Target::parse(text, &|_| None);
    if let Some((user, after)) = text.split_once(':').filter(|(user, _)| !user.contains(['/', '?', '#', '@'])) {
        let told = match Target::parse(&format!("postgres://{user}:{CANARY}@{after}"), &|_| None) {
            Ok(target) => format!("{target:?}{:?}", target.warnings),
            Err(error) => format!("{error}{:?}{error:?}", error.hint()),
        };
        assert!(!told.contains(CANARY), "{told}");
    }
});
