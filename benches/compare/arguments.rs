//! The benchmark's arguments. In: words. Out: what is to be measured, or what is wrong with them.

use std::fmt::Write as _;

use crate::cases;

const USAGE: &str = "usage: scripts/bench [--quick] [CASE]...

Measures schemagate beside the tools that it replaces, prints a report and writes it to
target/bench/report.md. Fetches and builds the peers once and keeps them in target/peers.

  --quick     fewer cases and rounds, within minutes
  -h, --help  shows this text

Cases:
";

/// Why nothing is measured.
#[derive(Debug)]
pub enum Left {
    /// Somebody asked what there is.
    Help(String),
    /// An argument is wrong.
    Wrong(String),
}

#[derive(Debug, Default)]
pub struct Arguments {
    pub quick: bool,
    /// All, where there is none.
    pub cases: Vec<String>,
}

impl Arguments {
    pub fn read(words: impl Iterator<Item = String>) -> Result<Self, Left> {
        let mut read = Self::default();
        for word in words {
            match word.as_str() {
                "-h" | "--help" => return Err(Left::Help(usage())),
                "--quick" => read.quick = true,
                name if cases::names().iter().any(|case| case == name) => read.cases.push(word),
                _ => return Err(Left::Wrong(format!("no such case or argument: {word}\n{}", usage()))),
            }
        }
        Ok(read)
    }

    /// Whether this case is to be measured; `in_quick` says whether a quick run has it unasked.
    pub fn wants(&self, case: &str, in_quick: bool) -> bool {
        if self.cases.is_empty() { in_quick || !self.quick } else { self.cases.iter().any(|name| case == name) }
    }
}

fn usage() -> String {
    cases::names().iter().fold(USAGE.to_owned(), |mut text, name| {
        let _ = writeln!(text, "  {name}");
        text
    })
}
