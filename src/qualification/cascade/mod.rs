//! Tries every foreign key.
use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;
use crate::protocol::Case;
/// Tries them.
pub async fn run(_session: &Session) -> Result<Vec<Case>, QueryError> {
    Ok(vec![])
}
