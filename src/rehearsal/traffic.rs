//! Who else is connected to the database. In: a session. Out: the other client sessions. Ends none of them.

use std::fmt;
use std::time::Duration;

use crate::postgres::server_error::QueryError;
use crate::postgres::session::Session;

/// A session that is gone by then was passing.
pub const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A role without `pg_read_all_stats` does not see the kind of another role's session; background processes have no user.
const OTHERS: &str = "SELECT a.pid, a.usename, a.application_name, pg_catalog.host(a.client_addr), a.state \
    FROM pg_catalog.pg_stat_activity a \
    WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() \
    AND (a.backend_type = 'client backend' OR (a.backend_type IS NULL AND a.usename IS NOT NULL)) ORDER BY a.pid";

/// Another session on the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherSession {
    /// Backend process id.
    pub pid: String,
    /// Role.
    pub user: Option<String>,
    /// `application_name`.
    pub application: Option<String>,
    /// Client address; none over a Unix socket, or where the role may not see it.
    pub client: Option<String>,
    /// `active`, `idle` …, where the role may see it.
    pub state: Option<String>,
}

impl fmt::Display for OtherSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        let facts = [
            (" of user ", &self.user),
            (", application ", &self.application),
            (", from ", &self.client),
            (", ", &self.state),
        ];
        for (lead, fact) in facts {
            if let Some(fact) = fact.as_deref().filter(|fact| !fact.is_empty()) {
                write!(f, "{lead}{fact}")?;
            }
        }
        Ok(())
    }
}

/// The other sessions at this moment.
///
/// # Errors
/// [`QueryError`] of the server or the connection.
pub async fn traffic(session: &Session) -> Result<Vec<OtherSession>, QueryError> {
    let answer = session.query(OTHERS).await?;
    let other = |row: &Vec<Option<String>>| {
        let field = |column: usize| row.get(column).cloned().flatten();
        OtherSession {
            pid: field(0).unwrap_or_default(),
            user: field(1),
            application: field(2),
            client: field(3),
            state: field(4),
        }
    };
    Ok(answer.first().into_iter().flatten().map(other).collect())
}
