//! Whether rows of the audit trail are a whole chain. In: rows in order. Out: nothing, or the first place that is broken,
//! and how. Asks nobody.

use super::Row;

/// The first place at which a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A number is not there.
    #[error("row {sequence} is missing")]
    Missing {
        /// The row that is missing.
        sequence: i64,
    },
    /// A row has a number that was passed already.
    #[error("row {sequence} stands where row {expected} belongs")]
    OutOfPlace {
        /// The row.
        sequence: i64,
        /// The one that belongs there.
        expected: i64,
    },
    /// A row's hash is not that of its fields.
    #[error("row {sequence} was altered: its hash is not that of its fields")]
    Altered {
        /// The row.
        sequence: i64,
    },
    /// A row does not name the hash of the row before.
    #[error("row {sequence} does not follow the row before it: one of the two was replaced")]
    Unlinked {
        /// The row.
        sequence: i64,
    },
    /// A row has a field that no run writes.
    #[error("row {sequence} cannot be read as one of a run: {reason}")]
    Unreadable {
        /// The row, by its place.
        sequence: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// A document is not one that was exported, or not the whole of it.
    #[error("this is no whole document of an audit trail: {reason}")]
    Document {
        /// What is wrong with it.
        reason: String,
    },
}

impl ChainFault {
    /// The row at fault, where it is one.
    pub fn sequence(&self) -> Option<i64> {
        match self {
            Self::Missing { sequence }
            | Self::OutOfPlace { sequence, .. }
            | Self::Altered { sequence }
            | Self::Unlinked { sequence }
            | Self::Unreadable { sequence, .. } => Some(*sequence),
            Self::Document { .. } => None,
        }
    }
}

/// Checks that `rows` are numbered from 1 without a gap, and that each has its own hash and names that of the one before.
///
/// # Errors
/// The first [`ChainFault`].
pub fn verify(rows: &[Row]) -> Result<(), ChainFault> {
    let mut previous: Option<&Row> = None;
    for (expected, row) in (1..).zip(rows) {
        let sequence = row.sequence;
        if sequence > expected {
            return Err(ChainFault::Missing { sequence: expected });
        }
        if sequence < expected {
            return Err(ChainFault::OutOfPlace { sequence, expected });
        }
        if row.computed_hash() != row.hash {
            return Err(ChainFault::Altered { sequence });
        }
        if row.previous_hash.as_ref() != previous.map(|row| &row.hash) {
            return Err(ChainFault::Unlinked { sequence });
        }
        previous = Some(row);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::chain;
    use super::*;

    #[test]
    fn a_chain_as_it_was_written_is_whole() {
        assert_eq!(verify(&[]), Ok(()));
        assert_eq!(verify(&chain(5)), Ok(()));
    }

    #[test]
    fn a_row_that_was_removed_altered_replaced_added_or_moved_is_named() {
        let broken = |change: fn(&mut Vec<Row>)| {
            let mut rows = chain(5);
            change(&mut rows);
            verify(&rows).unwrap_err()
        };
        assert_eq!(broken(|rows| drop(rows.remove(0))), ChainFault::Missing { sequence: 1 });
        assert_eq!(broken(|rows| drop(rows.remove(2))), ChainFault::Missing { sequence: 3 });
        assert_eq!(broken(|rows| rows[2].exit_code = 1), ChainFault::Altered { sequence: 3 });
        let replaced = broken(|rows| {
            rows[2].exit_code = 1;
            rows[2].hash = rows[2].computed_hash();
        });
        assert_eq!(replaced, ChainFault::Unlinked { sequence: 4 });
        assert_eq!(broken(|rows| rows.swap(1, 2)), ChainFault::Missing { sequence: 2 });
        assert_eq!(broken(|rows| rows.insert(2, rows[1].clone())), ChainFault::OutOfPlace { sequence: 2, expected: 3 });
    }
}
