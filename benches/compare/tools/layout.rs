//! Folders as each tool wants them, from the same SQL. In: migrations, an empty folder. Out: its files.

use std::fmt::Write as _;
use std::path::Path;

use crate::release::Migration;

/// A file for each migration, its name by its number, its text between what the tool wants around it.
pub fn plain(migrations: &[Migration], folder: &Path, name: fn(usize) -> String, (head, tail): (&str, &str)) {
    for (number, migration) in (1..).zip(migrations) {
        std::fs::write(folder.join(name(number)), format!("{head}{}{tail}", migration.text())).unwrap();
    }
}

/// Everything in one file, which psql sends statement by statement.
pub fn one_file(migrations: &[Migration], folder: &Path) {
    let text: String = migrations.iter().map(Migration::text).collect();
    std::fs::write(folder.join("all.sql"), text).unwrap();
}

/// Everything in one message: `\;` keeps psql from sending what it has read.
pub fn one_message(migrations: &[Migration], folder: &Path) {
    let statements: Vec<&str> =
        migrations.iter().flat_map(|migration| &migration.statements).map(String::as_str).collect();
    std::fs::write(folder.join("message.sql"), format!("{};\n", statements.join("\\;\n"))).unwrap();
}

/// drizzle-kit's journal with a file for each entry, its configuration, and drizzle-orm's migrator as a script.
pub fn drizzle(migrations: &[Migration], folder: &Path) {
    let out = folder.join("drizzle");
    std::fs::create_dir_all(out.join("meta")).unwrap();
    let mut entries = Vec::new();
    for (number, migration) in migrations.iter().enumerate() {
        let tag = format!("{number:04}_m");
        let text = migration.statements.iter().fold(String::new(), |mut text, statement| {
            let between = if text.is_empty() { "" } else { "--> statement-breakpoint\n" };
            let _ = writeln!(text, "{between}{statement};");
            text
        });
        std::fs::write(out.join(format!("{tag}.sql")), text).unwrap();
        let when = 1_700_000_000_000_u64 + number as u64 * 1_000;
        entries.push(format!(r#"{{"idx":{number},"version":"7","when":{when},"tag":"{tag}","breakpoints":true}}"#));
    }
    let journal = format!(r#"{{"version":"7","dialect":"postgresql","entries":[{}]}}"#, entries.join(","));
    std::fs::write(out.join("meta/_journal.json"), journal).unwrap();
    std::fs::write(folder.join("drizzle.config.js"), CONFIGURATION).unwrap();
    std::fs::write(folder.join("migrate.cjs"), MIGRATE).unwrap();
}

const CONFIGURATION: &str = r#"module.exports = {
  dialect: "postgresql",
  out: "./drizzle",
  dbCredentials: { url: process.env.DATABASE_URL },
};
"#;

const MIGRATE: &str = r#"const { drizzle } = require("drizzle-orm/node-postgres");
const { migrate } = require("drizzle-orm/node-postgres/migrator");

const db = drizzle(process.env.DATABASE_URL);
migrate(db, { migrationsFolder: "./drizzle" }).then(() => db.$client.end());
"#;
