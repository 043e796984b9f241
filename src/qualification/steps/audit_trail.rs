//! IQ-008: what is recorded cannot be changed.

use super::{Definition, case};
use crate::error::Error;
use crate::protocol::{Case, Verdict};
use crate::qualification::bench::Bench;

pub(super) const DEFINITION: Definition = Definition {
    id: "IQ-008",
    title: "Append-only audit trail",
    requirement: "Rows of the audit trail cannot be changed or removed.",
    expected: "UPDATE, DELETE and TRUNCATE are refused with SQLSTATE 42501, and the rows are what they were.",
};

pub(super) async fn run(_bench: &Bench<'_>) -> Result<Vec<Case>, Error> {
    Ok(vec![case("audit tables", Verdict::NotExecuted, "the schema has no audit table")])
}
