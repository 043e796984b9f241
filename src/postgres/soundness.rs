//! What a migration can leave half done in the catalogue: invalid indexes, constraints that were not validated. In: a
//! session. Out: their names. Reads only.

use super::server_error::QueryError;
use super::session::Session;

const SQL: &str = include_str!("soundness.sql");

/// What is not sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsound {
    /// Indexes that serve no query and slow writes.
    pub invalid_indexes: Vec<String>,
    /// Constraints that hold for new rows only.
    pub unvalidated_constraints: Vec<String>,
}

impl Unsound {
    /// Looks for it. An index that is being built right now is not invalid yet.
    ///
    /// # Errors
    /// [`QueryError`] of the server or the connection.
    pub async fn look(session: &Session) -> Result<Self, QueryError> {
        let answer = session.query(SQL).await?;
        let mut unsound = Self::default();
        for row in answer.into_iter().flatten() {
            let [Some(kind), Some(name)] = row.as_slice() else { continue };
            match kind.as_str() {
                "index" => unsound.invalid_indexes.push(name.clone()),
                _ => unsound.unvalidated_constraints.push(name.clone()),
            }
        }
        Ok(unsound)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.invalid_indexes.is_empty() && self.unvalidated_constraints.is_empty()
    }
}
