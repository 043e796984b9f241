//! What is migrated: the same SQL for every tool. In: a size. Out: migrations as lists of statements.

use std::fmt::Write as _;

use crate::support::programs::cache;

/// Of the file of data, the rows of one statement.
const ROWS_A_STATEMENT: usize = 1_000;

/// What a release holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// So many migrations that make a table and an index each.
    Small(usize),
    /// So many that do nothing: of what is applied already, only the number counts.
    Idle(usize),
    /// The product's own, nine tables with their constraints, triggers and indexes.
    Product,
    /// One file of so many megabytes that fills a table.
    Data(usize),
}

/// One migration; its statements end without a semicolon.
#[derive(Debug)]
pub struct Migration {
    pub statements: Vec<String>,
}

impl Migration {
    pub fn text(&self) -> String {
        self.statements.iter().fold(String::new(), |text, statement| text + statement + ";\n")
    }
}

impl Content {
    pub fn migrations(self) -> Vec<Migration> {
        match self {
            Self::Small(count) => (1..=count).map(small).collect(),
            Self::Idle(count) => {
                (1..=count).map(|number| Migration { statements: vec![format!("select {number}")] }).collect()
            }
            Self::Product => product(),
            Self::Data(megabytes) => vec![data(megabytes)],
        }
    }

    /// A name that can stand in a path.
    pub fn key(self) -> String {
        match self {
            Self::Small(count) => format!("small-{count}"),
            Self::Idle(count) => format!("idle-{count}"),
            Self::Product => "product".to_owned(),
            Self::Data(megabytes) => format!("data-{megabytes}"),
        }
    }

    pub fn count(self) -> usize {
        match self {
            Self::Small(count) | Self::Idle(count) => count,
            Self::Product => 2,
            Self::Data(_) => 1,
        }
    }
}

fn small(number: usize) -> Migration {
    let table = format!("create table t{number} (id integer, note text)");
    Migration { statements: vec![table, format!("create index t{number}_note on t{number} (note)")] }
}

/// Each file is one statement list already; nothing here has to be sent statement by statement but by psql itself.
fn product() -> Vec<Migration> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "sql"));
    files.sort();
    let text = |file| std::fs::read_to_string(file).unwrap().trim_end().trim_end_matches(';').to_owned();
    files.into_iter().map(|file| Migration { statements: vec![text(file)] }).collect()
}

fn data(megabytes: usize) -> Migration {
    let mut statements = vec!["create table readings (id integer, note text)".to_owned()];
    let (mut bytes, mut id) = (0, 0);
    while bytes < megabytes * 1_000_000 {
        let mut insert = String::from("insert into readings values ");
        for row in 0..ROWS_A_STATEMENT {
            id += 1;
            let comma = if row == 0 { "" } else { ",\n" };
            let _ = write!(insert, "{comma}({id}, 'reading {id} of the device in the second room, taken at noon')");
        }
        bytes += insert.len();
        statements.push(insert);
    }
    Migration { statements }
}

/// Where layouts are kept between the rounds.
pub fn layouts() -> std::path::PathBuf {
    cache("bench-layouts")
}
