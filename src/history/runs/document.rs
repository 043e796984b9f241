//! The audit trail as a document that can be verified without the database. In: a trail. Out: JSON; and the verdict on
//! such JSON. Never signs.

use serde_json::{Value, json};

use super::{ChainFault, Row, Trail, chain};

/// What such a document calls itself.
pub const FORMAT: &str = "schemagate-audit-trail/1";

impl Trail {
    /// The whole trail, every field exactly as it is hashed. `exported_at` is RFC 3339.
    pub fn document(&self, exported_at: &str) -> Value {
        json!({
            "format": FORMAT,
            "tool": { "name": "schemagate", "version": env!("CARGO_PKG_VERSION") },
            "exported_at": exported_at,
            "database": self.database,
            "system_identifier": self.system_identifier,
            "schema": self.table.schema(),
            "table": self.table.to_string(),
            "history_table": self.history.to_string(),
            "exists": self.exists,
            "append_only": self.append_only,
            "not_accounted_for": self.unaccounted,
            "chain": {
                "rows": self.rows.len(),
                "last_hash": self.rows.last().map(|row| row.hash.as_str()),
                "intact": self.chain.is_ok(),
                "broken_at": self.chain.as_ref().err().and_then(ChainFault::sequence),
                "reason": self.chain.as_ref().err().map(ToString::to_string),
            },
            "rows": self.rows,
        })
    }
}

/// Verifies the chain of a document that [`Trail::document`] made, whatever it says of itself.
///
/// # Errors
/// The first [`ChainFault`]; [`ChainFault::Document`] where it is no such document, or rows were cut off its end.
pub fn verify_document(document: &Value) -> Result<(), ChainFault> {
    let fault = |reason: &str| ChainFault::Document { reason: reason.to_owned() };
    if document["format"] != FORMAT {
        return Err(fault("its format is another"));
    }
    let rows = document["rows"].as_array().ok_or_else(|| fault("it has no rows"))?;
    let rows = rows.iter().zip(1..).map(|(row, number)| read(row, number)).collect::<Result<Vec<_>, _>>()?;
    chain::verify(&rows)?;
    let said = &document["chain"];
    if said["rows"].as_u64() != u64::try_from(rows.len()).ok() {
        return Err(fault("it does not hold as many rows as it says"));
    }
    if said["last_hash"].as_str() != rows.last().map(|row| row.hash.as_str()) {
        return Err(fault("its last row is not the one that it names"));
    }
    Ok(())
}

fn read(row: &Value, number: i64) -> Result<Row, ChainFault> {
    serde_json::from_value(row.clone())
        .map_err(|error| ChainFault::Unreadable { sequence: number, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::chain as rows;
    use super::*;
    use crate::settings::TableName;

    fn document() -> Value {
        let rows = rows(3);
        let trail = Trail {
            table: TableName::new(Some("drizzle"), "__migration_runs__"),
            history: TableName::new(Some("drizzle"), "__migrations__"),
            exists: true,
            append_only: true,
            chain: chain::verify(&rows),
            rows,
            unaccounted: Vec::new(),
            database: "shop".to_owned(),
            system_identifier: None,
        };
        trail.document("2026-11-22T10:00:00Z")
    }

    #[test]
    fn a_document_is_verified_after_a_way_through_text() {
        let text = document().to_string();
        assert_eq!(verify_document(&serde_json::from_str(&text).unwrap()), Ok(()));
    }

    #[test]
    fn a_document_that_was_tampered_with_is_refused() {
        let broken = |change: fn(&mut Value)| {
            let mut document = document();
            change(&mut document);
            verify_document(&document).unwrap_err()
        };
        assert_eq!(broken(|it| it["rows"][1]["outcome"] = "failed".into()).sequence(), Some(2));
        assert_eq!(broken(|it| it["rows"][1]["note"] = "x".into()).sequence(), Some(2));
        assert_eq!(broken(|it| drop(it["rows"].as_array_mut().unwrap().remove(1))).sequence(), Some(2));
        let document = |fault: ChainFault| matches!(fault, ChainFault::Document { .. });
        assert!(document(broken(|it| drop(it["rows"].as_array_mut().unwrap().pop()))));
        assert!(document(broken(|it| it["format"] = "other".into())));
        assert!(document(broken(|it| it["rows"] = Value::Null)));
    }
}
