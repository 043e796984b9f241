//! The campaign's arguments. In: words. Out: what is to be run, or what is wrong with them.

use std::fmt::Write as _;

use crate::kinds::FAULTS;

const USAGE: &str = "usage: scripts/faults [--quick] [--seed N] [--runs N] [--fault NAME]... [--run NUMBER]

Injects each fault at random points of a run of twenty migrations, checks after every run
that the database is whole, and prints a table.

  --quick       two runs of each fault, and an outage of one second instead of ten
  --seed N      repeats the random choices of an earlier campaign
  --runs N      runs of each fault (50)
  --fault NAME  only this fault; may be given several times
  --run NUMBER  only this run of each fault, and those that share its server
  -h, --help    shows this text

Faults:
";

/// Why nothing is run.
#[derive(Debug)]
pub enum Left {
    /// Somebody asked what there is.
    Help(String),
    /// An argument is wrong.
    Wrong(String),
}

impl From<String> for Left {
    fn from(words: String) -> Self {
        Self::Wrong(words)
    }
}

#[derive(Debug)]
pub struct Arguments {
    pub seed: u64,
    pub runs: usize,
    /// All, where there is none.
    pub faults: Vec<String>,
    pub run: Option<usize>,
    pub quick: bool,
}

impl Arguments {
    pub fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Left> {
        let mut read =
            Self { seed: rand::random_range(1..1_000_000), runs: 50, faults: Vec::new(), run: None, quick: false };
        while let Some(word) = words.next() {
            if matches!(word.as_str(), "-h" | "--help") {
                return Err(Left::Help(usage()));
            }
            if word == "--quick" {
                (read.quick, read.runs) = (true, 2);
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{word}: a value is missing"))?;
            let number = || value.parse::<u64>().map_err(|error| format!("{word} {value}: {error}"));
            match word.as_str() {
                "--seed" => read.seed = number()?,
                "--runs" => read.runs = usize::try_from(number()?.max(1)).unwrap(),
                "--run" => read.run = Some(usize::try_from(number()?).unwrap()),
                "--fault" if FAULTS.iter().any(|fault| fault.name == value) => read.faults.push(value),
                "--fault" => return Err(format!("no such fault: {value}\n{}", usage()).into()),
                _ => return Err(format!("unknown argument: {word}\n{}", usage()).into()),
            }
        }
        Ok(read)
    }
}

fn usage() -> String {
    FAULTS.iter().fold(USAGE.to_owned(), |mut text, fault| {
        let _ = writeln!(text, "  {:22}{}", fault.name, fault.about);
        text
    })
}
