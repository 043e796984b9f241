//! A parent and a child row of one key, and what can be asked of them. In: a key and an open transaction. Out: rows
//! that were seen to be there, and what a statement against the parent came to. Never decides whether that is as
//! declared.

use std::collections::BTreeSet;

use crate::postgres::server_error::ServerError;
use crate::qualification::rows::catalogue::{Catalogue, Key, Table, quoted};
use crate::qualification::rows::probe::{Probe, Stumble, words};
use crate::qualification::rows::solve::Solved;
use crate::qualification::rows::{Maker, Values, filter, own_and_referenced, picked};

/// The two rows.
pub(super) struct Trial<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) key: &'a Key,
    pub(super) probe: &'a Probe<'a>,
    pub(super) maker: Maker<'a>,
    /// The whole parent.
    pub(super) parent: Values,
    /// What the child references, by the parent's columns.
    pub(super) parent_key: Values,
    /// The whole child.
    pub(super) child: Values,
}

/// What a statement against the parent came to.
pub(super) enum Outcome {
    /// It ran.
    Ran,
    /// The key refused it; in the words of the server.
    Refused(String),
    /// Something else refused it while the key was at work on the child.
    Hindered(String),
    /// Something refused it before the key could act.
    Unreached(String),
}

impl<'a> Trial<'a> {
    /// Inserts both rows and sees them.
    pub(super) async fn prepare(
        catalogue: &'a Catalogue,
        key: &'a Key,
        probe: &'a Probe<'a>,
        solved: Option<&'a Solved>,
    ) -> Result<Self, Stumble> {
        let mut maker = Maker::new(catalogue, probe, solved);
        let (_, referenced) = own_and_referenced(catalogue, key);
        let table = catalogue.parent(key);
        let pairs = catalogue.pairs(key);
        let own: Vec<usize> = pairs.iter().map(|(own, _)| *own).collect();
        // The child may have conditions on what it references, such as the kind of the parent.
        let child = catalogue.child(key);
        let suggested = maker.suggest(child, &own).await?;
        let wanted: Values = pairs.iter().filter_map(|(own, to)| Some((*to, suggested.get(own)?.clone()))).collect();
        let parent = first_parent(&mut maker, table, wanted, &referenced).await?;
        let no_key = || Stumble::Cannot(format!("the row of {} has no key", catalogue.tables[table].words()));
        let parent_key = picked(&parent, referenced).ok_or_else(no_key)?;
        maker.avoid(table, parent_key.clone());
        let reference = pairs.into_iter().map(|(own, to)| (own, parent_key.get(&to).cloned().flatten()));
        let child = maker.make(child, reference.collect(), BTreeSet::new()).await?;
        let trial = Self { catalogue, key, probe, maker, parent, parent_key, child };
        // What is deferred would otherwise be said only at a COMMIT, which never comes.
        if let Err(error) = probe.attempt("SET CONSTRAINTS ALL IMMEDIATE").await? {
            return Err(Stumble::Cannot(format!("the rows were refused at the end: {}", words(&error))));
        }
        trial.see_both().await?;
        Ok(trial)
    }

    async fn see_both(&self) -> Result<(), Stumble> {
        let pairs = self.catalogue.pairs(self.key);
        let matches = pairs.iter().all(|(own, to)| self.child.get(own) == self.parent_key.get(to));
        if !matches {
            return Err(Stumble::Cannot(format!(
                "a trigger of {} changes what the row references",
                self.child_table().words()
            )));
        }
        for (name, count) in [("parent", self.parents().await?), ("child", self.children(&BTreeSet::new()).await?)] {
            if count != 1 {
                return Err(Stumble::Cannot(format!("the {name} was inserted, but {count} rows like it were seen")));
            }
        }
        Ok(())
    }

    pub(super) fn parent_table(&self) -> &'a Table {
        &self.catalogue.tables[self.catalogue.parent(self.key)]
    }

    pub(super) fn child_table(&self) -> &'a Table {
        &self.catalogue.tables[self.catalogue.child(self.key)]
    }

    /// How many parents are there.
    pub(super) async fn parents(&self) -> Result<usize, Stumble> {
        self.count(self.parent_table(), &filter(self.parent_table(), &self.parent_key)).await
    }

    /// How many children are there, known by what the columns in `changed` do not say.
    pub(super) async fn children(&self, changed: &BTreeSet<usize>) -> Result<usize, Stumble> {
        self.count(self.child_table(), &self.child_filter(changed)).await
    }

    /// What these columns of the child hold now.
    pub(super) async fn child_values(&self, columns: &BTreeSet<usize>) -> Result<Option<Values>, Stumble> {
        let table = self.child_table();
        let names: Vec<String> =
            columns.iter().map(|column| format!("{}::text", quoted(&table.columns[*column].name))).collect();
        let sql = format!("SELECT {} FROM {} WHERE {}", names.join(", "), table.only(), self.child_filter(columns));
        let mut rows = self.probe.ask(&sql).await?;
        let row = if rows.len() == 1 { rows.pop() } else { None };
        Ok(row.map(|row| columns.iter().copied().zip(row).collect()))
    }

    /// What tells the child from other rows: a key of its own, or everything that it holds.
    fn child_filter(&self, changed: &BTreeSet<usize>) -> String {
        let table = self.child_table();
        let plain =
            table.uniques.iter().filter(|unique| !unique.partial && !unique.exclusion && unique.expressions.is_none());
        let keys = plain.map(|unique| table.columns_of(unique).into_iter().collect::<BTreeSet<usize>>());
        let key = keys.filter(|columns| columns.is_disjoint(changed)).find_map(|columns| picked(&self.child, columns));
        let all = || {
            // What is generated may be made of what has changed.
            let stays =
                |column: &usize| !changed.contains(column) && (changed.is_empty() || !table.columns[*column].generated);
            let values = self.child.iter().filter(|(column, _)| stays(column));
            values.map(|(column, value)| (*column, value.clone())).collect()
        };
        filter(table, &key.unwrap_or_else(all))
    }

    async fn count(&self, table: &Table, condition: &str) -> Result<usize, Stumble> {
        let sql = format!("SELECT pg_catalog.count(*) FROM {} WHERE {condition}", table.only());
        let rows = self.probe.ask(&sql).await?;
        let count = rows.first().and_then(|row| row.first()).cloned().flatten();
        Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
    }

    /// Runs a statement against the parent, and has the server say what it would have left to the COMMIT.
    pub(super) async fn act(&self, sql: &str) -> Result<Outcome, Stumble> {
        let schema = quoted(&self.child_table().schema);
        let name = quoted(&self.key.name);
        if self.key.deferred {
            self.probe.ask(&format!("SET CONSTRAINTS {schema}.{name} DEFERRED")).await?;
        }
        // Together, so that a refusal at the end undoes both.
        let answer = self.probe.attempt(&format!("{sql};\nSET CONSTRAINTS ALL IMMEDIATE")).await?;
        Ok(answer.err().map_or(Outcome::Ran, |error| self.outcome(&error)))
    }

    fn outcome(&self, error: &ServerError) -> Outcome {
        // 23001 since PostgreSQL 18, where the key says RESTRICT.
        let of_keys = matches!(error.sqlstate.as_str(), "23503" | "23001");
        if of_keys && error.constraint.as_deref() == Some(self.key.name.as_str()) {
            return Outcome::Refused(format!("{} by this key", error.sqlstate));
        }
        // A rule on the child makes of the key's statement another one, which the server calls a defect.
        let named = [&self.key.name, &self.child_table().name].iter().all(|name| error.message.contains(&quoted(name)));
        if error.sqlstate == "XX000" && named {
            return Outcome::Hindered(words(error));
        }
        // The key's own statement is what the server says it was at.
        let child = self.child_table().sql();
        let context = error.context.as_deref().unwrap_or_default();
        let at_work = ["DELETE FROM", "UPDATE"].iter().any(|verb| {
            context.contains(&format!("SQL statement \"{verb} ONLY {child}"))
                || context.contains(&format!("SQL statement \"{verb} {child}"))
        });
        if at_work && !of_keys { Outcome::Hindered(words(error)) } else { Outcome::Unreached(words(error)) }
    }

    /// What the key's columns become where it says SET DEFAULT, and the row that they then reference.
    pub(super) async fn defaults(&mut self, columns: &[usize]) -> Result<Values, Stumble> {
        let table = self.catalogue.child(self.key);
        let mut defaults = Values::new();
        for column in columns {
            let facts = &self.child_table().columns[*column];
            let value = match self.catalogue.default(facts) {
                Some(expression) => self.evaluate(&format!("({expression})::{}", facts.sql)).await?,
                None => None,
            };
            defaults.insert(*column, value);
        }
        // Those that are not set stay.
        let later = |own: &usize| defaults.get(own).or_else(|| self.child.get(own)).cloned().flatten();
        let pairs = self.catalogue.pairs(self.key);
        let wanted: Option<Values> = pairs.iter().map(|(own, to)| Some((*to, Some(later(own)?)))).collect();
        if let Some(wanted) = wanted {
            let parent = self.catalogue.parent(self.key);
            let referenced: BTreeSet<usize> = wanted.keys().copied().collect();
            if self.maker.existing(parent, &referenced, &wanted, false).await?.is_none() {
                let made = self.maker.make(parent, wanted, referenced).await;
                made.map_err(|stumble| match stumble {
                    Stumble::Cannot(reason) => Stumble::Cannot(format!(
                        "no row that the default of {} references: {reason}",
                        self.catalogue.tables[table].words()
                    )),
                    lost => lost,
                })?;
            }
        }
        Ok(defaults)
    }

    async fn evaluate(&self, expression: &str) -> Result<Option<String>, Stumble> {
        let rows = self.probe.ask(&format!("SELECT ({expression})::text")).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }
}

/// A new parent with these values, or one with them that is there, or any new one, or any at all: a full table of
/// constants takes no new row, and one of its rows has to serve.
async fn first_parent(
    maker: &mut Maker<'_>,
    table: usize,
    wanted: Values,
    referenced: &BTreeSet<usize>,
) -> Result<Values, Stumble> {
    let mut reason = None;
    for values in if wanted.is_empty() { vec![wanted] } else { vec![wanted, Values::new()] } {
        match maker.make(table, values.clone(), referenced.clone()).await {
            Err(Stumble::Cannot(why)) => reason = reason.or(Some(why)),
            other => return other,
        }
        if let Some(row) = maker.whole(table, &values).await? {
            return Ok(row);
        }
    }
    Err(Stumble::Cannot(reason.unwrap_or_default()))
}
