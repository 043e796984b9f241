//! What was measured, and what is drawn from it. In: seconds by round. Out: medians, spreads, paired ratios.

use std::fmt;

/// What one tool did in one case.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub tool: &'static str,
    /// Seconds, by round; none where the tool sat the round out.
    pub rounds: Vec<Option<f64>>,
    pub peak_kib: Option<u64>,
    /// Why there is no number.
    pub failed: Option<String>,
}

/// One case.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub case: String,
    pub about: String,
    pub rows: Vec<Row>,
}

/// Waits of one tool, by what it did; and the size and the start of each.
#[derive(Debug, Clone, Default)]
pub struct Results {
    pub tables: Vec<Table>,
    pub counts: Vec<Counted>,
    pub shipped: Vec<Shipped>,
    /// Of copies that start at once with something pending: how long after the COMMIT the last one had exited, seconds.
    pub after_commit: Vec<f64>,
    /// Peers that are not there.
    pub missing: Vec<&'static str>,
}

/// How often a tool waited for the server in one run.
#[derive(Debug, Clone)]
pub struct Counted {
    pub tool: &'static str,
    pub what: &'static str,
    pub waits: Result<usize, String>,
}

/// What is shipped, and how soon it speaks.
#[derive(Debug, Clone)]
pub struct Shipped {
    pub tool: &'static str,
    pub mebibytes: f64,
    /// Seconds from `exec` to the first packet.
    pub to_first_packet: Vec<f64>,
}

impl Row {
    pub fn seconds(&self) -> Vec<f64> {
        self.rounds.iter().flatten().copied().collect()
    }

    pub fn median(&self) -> Option<f64> {
        median(self.seconds())
    }

    /// The median of what this one took in the units of the other, round by round.
    pub fn ratio_to(&self, other: &Row) -> Option<f64> {
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.filter_map(|(ours, theirs)| Some((*ours)? / (*theirs)?)).collect())
    }
}

impl Table {
    pub fn row(&self, tool: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.tool == tool)
    }
}

impl Results {
    pub fn row(&self, case: &str, tool: &str) -> Option<&Row> {
        self.tables.iter().find(|table| table.case == case)?.row(tool)
    }

    pub fn ratio(&self, case: &str, tool: &str, to: &str) -> Option<f64> {
        self.row(case, tool)?.ratio_to(self.row(case, to)?)
    }

    pub fn waits(&self, tool: &str, what: &str) -> Option<usize> {
        self.counts.iter().find(|count| count.tool == tool && count.what == what)?.waits.clone().ok()
    }
}

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => values.get(middle).copied(),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// Seconds as a report shows them: milliseconds below one.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub f64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds if seconds < 0.1 => write!(f, "{:.1} ms", seconds * 1e3),
            seconds if seconds < 1.0 => write!(f, "{:.0} ms", seconds * 1e3),
            seconds => write!(f, "{seconds:.2} s"),
        }
    }
}
