//! What a database holds: its history, its objects one by one, its rows. In: a session. Out: lines that can be compared.
//! Knows how each prefix of the release looks in a clean install.

use std::collections::BTreeSet;

use crate::release::{COUNT, OUTSIDE, OUTSIDE_INDEX};
use crate::support::connection::Connection;
use crate::support::database::Database;
use crate::support::job::Job;

const CATALOGUE: &str = include_str!("catalogue.sql");
const HISTORY: &str = "drizzle.__migrations__";

/// One database at one moment.
#[derive(Debug, Clone)]
pub struct State {
    /// Versions in the history, as they are.
    pub versions: Vec<usize>,
    objects: BTreeSet<String>,
}

/// The state after each prefix of the release: of none, of the first, …
#[derive(Debug)]
pub struct Reference(Vec<State>);

impl State {
    pub fn read(session: &mut Connection) -> Self {
        let mut objects: BTreeSet<String> = session.column(CATALOGUE).into_iter().collect();
        let tables = session.column(
            // What a crash leaves of a temporary table is not the release's.
            "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1",
        );
        let recorded = tables.iter().any(|table| table == HISTORY);
        let counts: Vec<String> = tables.iter().map(|table| count_sql(table)).collect();
        if !counts.is_empty() {
            objects.extend(session.column(&counts.join(" union all ")));
        }
        // When the trail is made, and how many runs there were, is the fault's doing; it has a judge of its own.
        objects.retain(|line| !line.contains("__migration_runs_") && !line.starts_with("schema|drizzle|"));
        let versions =
            if recorded { session.column(&format!("select version from {HISTORY} order by 1")) } else { vec![] };
        Self { versions: versions.iter().map(|version| version.parse().unwrap()).collect(), objects }
    }
}

/// The rows of a table in a line that two tables of the same rows share.
fn count_sql(table: &str) -> String {
    // Two runs apply at different times.
    let row = if table == HISTORY { "(version, name, checksum)::text" } else { "t::text" };
    format!("select format('rows|{table}|%s %s', count(*), sum(hashtextextended({row}, 0))) from {table} t")
}

impl Reference {
    /// Installs the release in an empty database, migration by migration.
    pub fn install(database: &Database, folder: &std::path::Path) -> Self {
        let mut states = vec![State::read(&mut database.connect())];
        for number in 1..=COUNT {
            let target = number.to_string();
            Job::on(database).migrations(folder).args(["up", "--target", &target]).run().assert_code(0);
            states.push(State::read(&mut database.connect()));
        }
        Self(states)
    }

    /// How many migrations the history says, and what of `state` is not so.
    pub fn compare(&self, state: &State) -> (usize, Vec<String>) {
        let applied = state.versions.len();
        if state.versions != (1..=applied).collect::<Vec<_>>() || applied > COUNT {
            return (applied, vec![format!("the history holds {:?}", state.versions)]);
        }
        let pending_index = |line: &&String| applied == OUTSIDE - 1 && line.contains(OUTSIDE_INDEX);
        let expected = &self.0[applied].objects;
        let surplus = state.objects.difference(expected).filter(|line| !pending_index(line));
        let lacking = expected.difference(&state.objects);
        let surplus = surplus.map(|line| format!("with {applied} in the history there is too much: {line}"));
        let lacking = lacking.map(|line| format!("with {applied} in the history this is missing: {line}"));
        (applied, surplus.chain(lacking).collect())
    }
}
