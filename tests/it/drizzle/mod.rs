//! Folders of drizzle-kit, as its users have them.

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

mod by_hand;
mod idiom;
mod in_step;
mod large;
mod on_record;
mod renumbered;
mod source;
mod take_over;
mod tools;

/// A folder of drizzle-kit 0.x with these entries, tag and text; `when` grows by a second.
struct Journal {
    folder: Migrations,
    entries: Vec<String>,
}

impl Journal {
    fn of(files: &[(&str, &str)]) -> Self {
        let mut journal = Self { folder: Migrations::new(), entries: Vec::new() };
        for (tag, text) in files {
            journal.add(tag, text);
        }
        journal
    }

    /// Adds the next entry, as `drizzle-kit generate` does.
    fn add(&mut self, tag: &str, text: &str) {
        let idx = self.entries.len();
        let when = 1_700_000_000_000_u64 + 1_000 * u64::try_from(idx).unwrap();
        self.folder.write(&format!("{tag}.sql"), text);
        self.entries.push(format!(
            r#"    {{"idx": {idx}, "version": "7", "when": {when}, "tag": "{tag}", "breakpoints": true}}"#
        ));
        let entries = self.entries.join(",\n");
        self.folder.write(
            "meta/_journal.json",
            format!("{{\n  \"version\": \"7\",\n  \"dialect\": \"postgresql\",\n  \"entries\": [\n{entries}\n  ]\n}}"),
        );
    }

    /// What Drizzle records of an entry: hash and `when`.
    fn drizzle_row(&self, at: usize) -> (String, u64) {
        let entry: serde_json::Value = serde_json::from_str(self.entries[at].trim()).unwrap();
        let text = std::fs::read(self.folder.path().join(format!("{}.sql", entry["tag"].as_str().unwrap()))).unwrap();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&text);
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        (hash, entry["when"].as_u64().unwrap())
    }

    /// Applies and records the entries as Drizzle 0.x does.
    fn by_drizzle(&self, database: &Database, entries: &[usize]) {
        database.execute(DRIZZLE_TABLE);
        for at in entries {
            let (hash, when) = self.drizzle_row(*at);
            let entry: serde_json::Value = serde_json::from_str(self.entries[*at].trim()).unwrap();
            let file = self.folder.path().join(format!("{}.sql", entry["tag"].as_str().unwrap()));
            database.execute(&std::fs::read_to_string(file).unwrap());
            database.execute(&format!(
                "insert into drizzle.__drizzle_migrations (hash, created_at) values ('{hash}', {when})"
            ));
        }
    }

    fn job(&self, database: &Database) -> Job {
        Job::on(database).migrations(self.folder.path())
    }

    fn up(&self, database: &Database) -> Outcome {
        self.job(database).run()
    }
}

const DRIZZLE_TABLE: &str = "create schema if not exists drizzle; create table if not exists \
    drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)";

/// What Drizzle's table holds, in order: hash and `when`.
fn drizzle_rows(database: &Database) -> Vec<(String, u64)> {
    let rows = database.query_strings("select hash, created_at from drizzle.__drizzle_migrations order by id");
    rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].as_ref().unwrap().parse().unwrap())).collect()
}

/// Version, name and whether there is a checksum, in order.
fn history(database: &Database) -> Vec<String> {
    let rows = database.query_strings("select version, name from drizzle.__migrations__ order by version");
    rows.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect()
}
