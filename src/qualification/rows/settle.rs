//! Finds values for the columns that have conditions. In: a row under way. Out: groups of columns, each with
//! combinations that the server has found good. Never inserts.

use std::collections::BTreeSet;

use super::candidates::{Of, candidates};
use super::conditions::{conditions, generated, grouped};
use super::expression::Constants;
use super::probe::Stumble;
use super::solve::{Problem, Question, Settled, Slot, Solution, Term};
use super::{Maker, Values};
use crate::postgres::literal;

/// Columns that conditions tie together.
#[derive(Debug)]
pub(in crate::qualification) struct Group {
    pub(in crate::qualification) columns: Vec<usize>,
    solutions: Vec<Solution>,
    at: usize,
}

impl Group {
    /// The combination that is up.
    pub(in crate::qualification) fn chosen(&self) -> impl Iterator<Item = (usize, Option<String>)> + '_ {
        let solution = self.solutions.get(self.at).into_iter().flatten();
        self.columns.iter().copied().zip(solution.cloned())
    }

    /// Goes on to the next combination in which one of these columns differs, if there is one.
    pub(in crate::qualification) fn advance(&mut self, columns: &BTreeSet<usize>) -> bool {
        let places: Vec<usize> =
            (0..self.columns.len()).filter(|place| columns.contains(&self.columns[*place])).collect();
        let now = self.solutions[self.at].clone();
        let next = (self.at + 1..self.solutions.len())
            .find(|index| places.iter().any(|place| self.solutions[*index][*place] != now[*place]));
        self.at = next.unwrap_or(self.at);
        next.is_some()
    }
}

impl<'a> Maker<'a> {
    /// The groups of this row, with what is settled of it kept.
    pub(in crate::qualification) async fn settle(&mut self, depth: usize) -> Result<Vec<Group>, Stumble> {
        let all = conditions(self.catalogue, self.table(depth), &self.frames[depth].values);
        let mut groups = Vec::new();
        for (columns, conditions) in grouped(all) {
            groups.push(self.settle_group(depth, &columns, &conditions).await?);
        }
        Ok(groups)
    }

    async fn settle_group(
        &mut self,
        depth: usize,
        columns: &BTreeSet<usize>,
        conditions: &[Term],
    ) -> Result<Group, Stumble> {
        let question = self.question(depth, columns);
        let known = self.solved.and_then(|solved| solved.get(question.as_ref()?));
        let solutions = match known {
            Some(solutions) => solutions,
            None => {
                let solutions = self.problem(depth, columns, conditions).solve(self.probe).await?;
                if let (Some(solved), Some(question)) = (self.solved, question) {
                    solved.put(question, solutions.clone());
                }
                solutions
            }
        };
        if solutions.is_empty() {
            let table = self.table(depth);
            let names = |names: Vec<&str>| names.join(", ");
            let columns = names(columns.iter().map(|column| table.columns[*column].name.as_str()).collect());
            let conditions = names(conditions.iter().map(|condition| condition.name.as_str()).collect());
            let table = table.words();
            return Err(Stumble::Cannot(format!(
                "no value found for {columns} of {table} that satisfies {conditions}"
            )));
        }
        Ok(Group { columns: columns.iter().copied().collect(), solutions, at: 0 })
    }

    /// By what a solution may be found again; nothing where a sequence has a part in it, whose values serve once.
    fn question(&self, depth: usize, columns: &BTreeSet<usize>) -> Option<Question> {
        let frame = &self.frames[depth];
        let table = self.table(depth);
        let settled = |column: &usize| match frame.values.get(column) {
            Some(value) => Some((*column, Settled::Value(value.clone()))),
            None if self.own_value(table, *column).is_some_and(|own| own.contains("nextval(")) => None,
            None if frame.need.contains(column) => Some((*column, Settled::NotNull)),
            None => Some((*column, Settled::Open)),
        };
        // A generated column's value is a condition, which belongs to this row alone.
        let generated = |column: &usize| table.columns[*column].generated;
        if frame.values.keys().any(generated) {
            return None;
        }
        Some(Question { table: frame.table, columns: columns.iter().map(settled).collect::<Option<_>>()? })
    }

    fn problem(&mut self, depth: usize, columns: &BTreeSet<usize>, conditions: &[Term]) -> Problem<'a> {
        let table = self.table(depth);
        let mut constants = Constants::default();
        for condition in conditions {
            constants.add(&condition.expression);
        }
        // A row's settled values are what a generated column or a comparison may ask for.
        for text in columns.iter().filter_map(|column| self.frames[depth].values.get(column)).flatten() {
            constants.text(text.clone());
        }
        Problem {
            table: table.name.clone(),
            slots: columns.iter().map(|column| self.slot(depth, *column, &constants)).collect(),
            generated: generated(table, columns),
            conditions: conditions.to_vec(),
        }
    }

    fn slot(&mut self, depth: usize, place: usize, constants: &Constants) -> Slot<'a> {
        let table = self.table(depth);
        let column = &table.columns[place];
        let (_, oid, typmod, sql) = self.catalogue.base(column);
        let of = Of { types: &self.catalogue.types, oid, typmod, sql };
        let mut choices = Vec::new();
        if let Some(value) = self.frames[depth].values.get(&place) {
            choices.push(value.as_deref().map_or_else(|| "NULL".to_owned(), literal));
        } else {
            let own = self.own_value(table, place);
            let of_key = self.key_columns(self.frames[depth].table).contains(&place);
            let null = !self.catalogue.not_null(column) && !self.frames[depth].need.contains(&place);
            // A row without a default holds NULL, and a key that is NULL needs no other row.
            if null && (of_key || own.is_none()) {
                choices.push("NULL".to_owned());
            }
            choices.extend(own.filter(|_| !of_key));
            choices.extend(candidates(&of, constants, self.next()));
            if null && !choices.iter().any(|choice| choice == "NULL") {
                choices.push("NULL".to_owned());
            }
        }
        for choice in &mut choices {
            *choice = format!("({choice})::{}", of.sql);
        }
        Slot { column: place, name: column.name.clone(), of, choices }
    }

    /// What these columns of a row to come would best hold, as far as conditions have a say in it.
    pub(in crate::qualification) async fn suggest(
        &mut self,
        table: usize,
        columns: &[usize],
    ) -> Result<Values, Stumble> {
        let need = columns.iter().copied().collect();
        self.frames.push(super::Frame { table, values: Values::new(), suggested: Values::new(), need });
        let depth = self.frames.len() - 1;
        let groups = self.settle(depth).await;
        self.frames.truncate(depth);
        Ok(groups?.iter().flat_map(Group::chosen).filter(|(column, _)| columns.contains(column)).collect())
    }

    /// Other values for these columns of a row that is there, one more each time; the rest of it stays as it is.
    pub(in crate::qualification) async fn others(
        &mut self,
        table: usize,
        row: &Values,
        columns: &BTreeSet<usize>,
    ) -> Result<Vec<Values>, Stumble> {
        let stays =
            |column: &usize| !columns.contains(column) && !self.catalogue.tables[table].columns[*column].generated;
        let values = row.iter().filter(|(column, _)| stays(column)).map(|(column, value)| (*column, value.clone()));
        let values: Values = values.collect();
        self.frames.push(super::Frame { table, values, suggested: Values::new(), need: columns.clone() });
        let depth = self.frames.len() - 1;
        let groups = self.settle(depth).await;
        self.frames.truncate(depth);
        let mut groups = groups?;
        let mut all = Vec::new();
        for _ in 0..24 {
            let mut other: Values = groups.iter().flat_map(Group::chosen).collect();
            other.retain(|column, _| columns.contains(column));
            for column in columns {
                if !other.contains_key(column) {
                    other.insert(*column, self.fresh(table, *column));
                }
            }
            if other.iter().any(|(column, value)| row.get(column) != Some(value)) && other.values().all(Option::is_some)
            {
                all.push(other);
            }
            for group in &mut groups {
                group.advance(columns);
            }
        }
        all.dedup();
        Ok(all)
    }
}
