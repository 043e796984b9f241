//! Folders of drizzle-kit, as its users have them.

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};

mod idiom;
mod source;

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

    fn job(&self, database: &Database) -> Job {
        Job::on(database).migrations(self.folder.path())
    }

    fn up(&self, database: &Database) -> Outcome {
        self.job(database).run()
    }
}

/// Version, name and whether there is a checksum, in order.
fn history(database: &Database) -> Vec<String> {
    let rows = database.query_strings("select version, name from drizzle.__migrations__ order by version");
    rows.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect()
}
