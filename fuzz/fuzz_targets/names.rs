//! Names of files and tables: never a panic, and the nearest right name is right.

#![no_main]

use libfuzzer_sys::fuzz_target;
use schemagate::migrations::FileName;
use schemagate::settings::{TableName, parse_duration};

fuzz_target!(|text: &str| {
    if let Err(fault) = FileName::parse(text)
        && let Some(nearest) = fault.nearest
    {
        assert!(FileName::parse(&nearest).is_ok(), "{text:?}: {nearest:?}");
    }
    if let Ok(name) = TableName::parse(text) {
        assert_eq!(TableName::parse(&name.quoted()).as_ref(), Ok(&name), "{text:?}");
    }
    let _ = parse_duration(text);
});
