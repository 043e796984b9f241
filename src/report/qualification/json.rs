//! The protocol as one JSON document.

use serde_json::{Value, json};

use crate::evidence::Written;
use crate::evidence::documents::{environment, test_results};
use crate::qualification::Protocol;

/// Everything that is known of the run.
pub fn json(protocol: &Protocol, written: Option<&Written>) -> Value {
    let _ = written;
    json!({ "results": test_results(protocol), "environment": environment(protocol) })
}
