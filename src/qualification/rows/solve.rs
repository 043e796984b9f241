//! Values that satisfy checks together. In: columns with candidates, and conditions. Out: combinations that the
//! server has evaluated and found good, the likeliest first. Never inserts anything.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use super::candidates::Of;
use super::catalogue::quoted;
use super::probe::{Probe, Stumble};
use crate::postgres::literal;

/// How many combinations are looked at first, and how many if none of these is good.
const FIRST: usize = 4_000;
const THEN: usize = 60_000;
/// How many are looked at one by one, where evaluating some of them fails.
const ALONE: usize = 300;
/// How many good ones are kept, for what is not known before the row is inserted.
const KEPT: usize = 60;

/// A column and what it might hold.
#[derive(Debug, Clone)]
pub(in crate::qualification) struct Slot<'a> {
    /// Its place in the table.
    pub(in crate::qualification) column: usize,
    pub(in crate::qualification) name: String,
    pub(in crate::qualification) of: Of<'a>,
    /// SQL expressions.
    pub(in crate::qualification) choices: Vec<String>,
}

/// What is to be solved.
#[derive(Debug)]
pub(in crate::qualification) struct Problem<'a> {
    /// The table's name, which expressions may use.
    pub(in crate::qualification) table: String,
    pub(in crate::qualification) slots: Vec<Slot<'a>>,
    /// Generated columns.
    pub(in crate::qualification) generated: Vec<Term>,
    pub(in crate::qualification) conditions: Vec<Term>,
}

/// An expression, and the columns that decide it.
#[derive(Debug, Clone)]
pub(in crate::qualification) struct Term {
    /// As a reason names it; of a generated column its name.
    pub(in crate::qualification) name: String,
    pub(in crate::qualification) expression: String,
    pub(in crate::qualification) columns: BTreeSet<usize>,
}

/// What has been solved before, so that a table's checks are not evaluated anew for every row of it.
#[derive(Debug, Default)]
pub(in crate::qualification) struct Solved(Mutex<HashMap<Question, Vec<Solution>>>);

/// What makes two problems one: the table, its columns, and what is settled of each.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::qualification) struct Question {
    pub(in crate::qualification) table: usize,
    pub(in crate::qualification) columns: Vec<(usize, Settled)>,
}

/// What is settled of a column before its problem is solved.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::qualification) enum Settled {
    /// This value.
    Value(Option<String>),
    /// That it is not NULL.
    NotNull,
    /// Nothing.
    Open,
}

impl Solved {
    pub(in crate::qualification) fn get(&self, question: &Question) -> Option<Vec<Solution>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(question).cloned()
    }

    pub(in crate::qualification) fn put(&self, question: Question, solutions: Vec<Solution>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(question, solutions);
    }
}

/// The values of the slots, in their order.
pub(in crate::qualification) type Solution = Vec<Option<String>>;

impl Problem<'_> {
    /// Good combinations; none where none was found.
    pub(in crate::qualification) async fn solve(&mut self, probe: &Probe<'_>) -> Result<Vec<Solution>, Stumble> {
        if self.slots.len() > 1 {
            self.narrow(probe).await?;
        }
        if self.product() == 0 {
            return Ok(Vec::new());
        }
        self.search(probe).await
    }

    /// Keeps of each column what satisfies the conditions that it decides alone, so that fewer combinations are left.
    async fn narrow(&mut self, probe: &Probe<'_>) -> Result<(), Stumble> {
        for place in 0..self.slots.len() {
            let alone = BTreeSet::from([self.slots[place].column]);
            let decided =
                |terms: &[Term]| terms.iter().filter(|term| term.columns == alone).cloned().collect::<Vec<_>>();
            let conditions = decided(&self.conditions);
            if conditions.is_empty() || self.slots[place].choices.len() < 2 {
                continue;
            }
            let slots = vec![self.slots[place].clone()];
            let mut part =
                Problem { table: self.table.clone(), slots, generated: decided(&self.generated), conditions };
            let good = part.search(probe).await?;
            let sql = &self.slots[place].of.sql;
            self.slots[place].choices = good.into_iter().flatten().map(|value| typed(value, sql)).collect();
        }
        Ok(())
    }

    async fn search(&mut self, probe: &Probe<'_>) -> Result<Vec<Solution>, Stumble> {
        for most in [FIRST, THEN] {
            let lists = self.trimmed(most);
            let solutions = match probe.attempt(&self.question(&lists)).await? {
                Ok(rows) => rows,
                // One candidate that the type or the condition cannot stand spoils the question for all.
                Err(_) => {
                    self.sift(probe).await?;
                    let lists = self.trimmed(most);
                    match probe.attempt(&self.question(&lists)).await? {
                        Ok(rows) => rows,
                        Err(_) => return self.one_by_one(probe).await,
                    }
                }
            };
            if !solutions.is_empty() || self.product() <= most {
                return Ok(solutions);
            }
        }
        Ok(Vec::new())
    }

    /// Keeps the candidates that can be evaluated.
    async fn sift(&mut self, probe: &Probe<'_>) -> Result<(), Stumble> {
        for slot in &mut self.slots {
            let mut good = Vec::new();
            for choice in std::mem::take(&mut slot.choices) {
                if let Ok(rows) = probe.attempt(&format!("SELECT ({choice})::text")).await? {
                    let value = rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
                    good.push(typed(value, &slot.of.sql));
                }
            }
            slot.choices = good;
        }
        Ok(())
    }

    async fn one_by_one(&self, probe: &Probe<'_>) -> Result<Vec<Solution>, Stumble> {
        let lists = self.trimmed(ALONE);
        let mut good = Vec::new();
        for index in 0..lists.iter().map(Vec::len).product() {
            let mut rest: usize = index;
            let mut one = Vec::new();
            for list in &lists {
                one.push(vec![list[rest % list.len()]]);
                rest /= list.len();
            }
            if let Ok(rows) = probe.attempt(&self.question(&one)).await? {
                good.extend(rows);
            }
            if good.len() >= KEPT {
                break;
            }
        }
        Ok(good)
    }

    fn product(&self) -> usize {
        self.slots.iter().fold(1, |product: usize, slot| product.saturating_mul(slot.choices.len()))
    }

    /// The choices, the longest lists cut until they have at most so many combinations.
    fn trimmed(&self, most: usize) -> Vec<Vec<&str>> {
        let mut lengths: Vec<usize> = self.slots.iter().map(|slot| slot.choices.len()).collect();
        let product =
            |lengths: &[usize]| lengths.iter().fold(1, |product: usize, length| product.saturating_mul(*length));
        while product(&lengths) > most {
            let Some(longest) = lengths.iter_mut().max() else { break };
            *longest = (*longest * 4 / 5).max(1);
        }
        self.slots
            .iter()
            .zip(lengths)
            .map(|(slot, length)| slot.choices.iter().take(length).map(String::as_str).collect())
            .collect()
    }

    fn question(&self, lists: &[Vec<&str>]) -> String {
        const ORDER: &str = "\"schemagate order\"";
        let table = quoted(&self.table);
        let names: Vec<String> = self.slots.iter().map(|slot| quoted(&slot.name)).collect();
        let sources = lists.iter().enumerate().map(|(place, list)| {
            let rows = list.iter().enumerate().map(|(order, choice)| format!("({order}, {choice})"));
            let rows = rows.collect::<Vec<_>>().join(", ");
            format!("(VALUES {rows}) v{place} ({ORDER}, {})", names[place])
        });
        let sources = sources.collect::<Vec<_>>().join(" CROSS JOIN ");
        let columns =
            names.iter().enumerate().map(|(place, name)| format!("v{place}.{name}")).collect::<Vec<_>>().join(", ");
        let order = (0..names.len()).map(|place| format!("v{place}.{ORDER}")).collect::<Vec<_>>().join(" + ");
        let generated: String =
            self.generated.iter().map(|term| format!(", ({}) AS {}", term.expression, quoted(&term.name))).collect();
        let wanted = names.iter().map(|name| format!("{name}::text")).collect::<Vec<_>>().join(", ");
        let conditions = self.conditions.iter().map(|term| format!("({}) IS NOT FALSE", term.expression));
        let conditions = conditions.collect::<Vec<_>>().join("\n  AND ");
        format!(
            "SELECT {wanted}\nFROM (SELECT *{generated} FROM (SELECT {columns}, {order} AS {ORDER} FROM {sources}) {table}) \
             {table}\nWHERE {conditions}\nORDER BY {ORDER} LIMIT {KEPT}"
        )
    }
}

/// A value as an expression.
fn typed(value: Option<String>, sql: &str) -> String {
    format!("{}::{sql}", value.map_or_else(|| "NULL".to_owned(), |text| literal(&text)))
}
