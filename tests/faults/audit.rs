//! What the audit trail must hold after any fault: a whole chain, a row for each run at most, and a version in one row only.
//! In: a session. Out: what is not so.

use crate::support::auditor;
use crate::support::connection::Connection;
use crate::support::database::TRAIL;

/// `complete`: every run ended well, so that the trail accounts for the whole history.
pub fn violations(session: &mut Connection, complete: bool) -> Vec<String> {
    if session.value(&format!("select to_regclass('{TRAIL}')")).is_none() {
        return if complete { vec!["there is no audit trail".to_owned()] } else { Vec::new() };
    }
    let mut wrong = Vec::new();
    let mut none = |what: &str, sql: &str| {
        let found = session.column(sql);
        if !found.is_empty() {
            wrong.push(format!("{what}: {}", found.join(", ")));
        }
    };
    none(
        "broken rows of the audit trail",
        &format!("select sequence from ({}) q where intact is not true", auditor::query()),
    );
    none("runs with several rows", &format!("select run_id from {TRAIL} group by run_id having count(*) > 1"));
    let versions = format!("select (m ->> 'version')::int as version from {TRAIL}, json_array_elements(migrations) m");
    none(
        "versions that several rows account for",
        &format!("select version from ({versions}) v group by version having count(*) > 1"),
    );
    if complete {
        let unaccounted =
            format!("select version from drizzle.__migrations__ except select version from ({versions}) v");
        none("versions that no row accounts for", &unaccounted);
    }
    wrong
}
