//! A database that dbmate migrated, with npm's own binary of it: its files renamed, taken over by a baseline.

use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::{Job, Outcome};
use crate::support::npm::packages;
use crate::support::slow;

const FILES: [(&str, &str); 4] = [
    ("20240501093000_customers", "CREATE TABLE customers (id int PRIMARY KEY);"),
    ("20240502101500_orders", "CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers (id));"),
    ("20240503120000_orders_total", "ALTER TABLE orders ADD COLUMN total numeric;"),
    ("20240601080000_invoices", "CREATE TABLE invoices (id int PRIMARY KEY, of_order int REFERENCES orders (id));"),
];

fn dbmate(database: &Database, folder: &Migrations) -> Outcome {
    Job::program(packages("dbmate").join("@dbmate/linux-x64/bin/dbmate"))
        .args(["--url", &format!("{}?sslmode=disable", database.url()), "--no-dump-schema", "--migrations-dir"])
        .arg(folder.path())
        .arg("migrate")
        .run()
}

/// As the README says: the name refinery's, the down part gone.
fn renamed(upto: usize) -> Migrations {
    FILES[..upto].iter().fold(Migrations::new(), |folder, (name, up)| {
        folder.file(&format!("V{}.sql", name.replacen('_', "__", 1)), format!("{up}\n"))
    })
}

#[test]
fn a_database_of_dbmates_is_taken_over_by_a_baseline() {
    if !slow() {
        return;
    }
    let database = Database::new();
    let theirs = FILES[..3].iter().fold(Migrations::new(), |folder, (name, up)| {
        folder.file(&format!("{name}.sql"), format!("-- migrate:up\n{up}\n\n-- migrate:down\nSELECT 1;\n"))
    });
    dbmate(&database, &theirs).assert_code(0);
    assert_eq!(database.value("select count(*) from schema_migrations").as_deref(), Some("3"));
    let ours = renamed(4);
    let job = |arguments: &[&str]| Job::on(&database).migrations(ours.path()).args(arguments).run();
    job(&["up"]).assert_code(65).assert_stdout("schemagate adopt --baseline VERSION");
    job(&["adopt", "--baseline", "20240601080000"]).assert_code(65).assert_stderr("missing are invoices");
    job(&["adopt", "--baseline", "20240503120000"]).assert_code(0);
    job(&["up"]).assert_code(0).assert_stdout("applied 1 migration (V20240601080000__invoices.sql)");
    job(&["status", "--check"]).assert_code(0);
    assert_eq!(database.query_strings("select version from drizzle.__migrations__ order by version").len(), 4);
    // dbmate's own table is left alone.
    assert_eq!(database.value("select count(*) from schema_migrations").as_deref(), Some("3"));
}
