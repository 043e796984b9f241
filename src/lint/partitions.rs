//! Which tables the folder's files show to be partitioned, older files too. In: statements, in order, and effects. Out:
//! effects without SQL that PostgreSQL would refuse on such a table.

use crate::effects::Effect;
use crate::migrations::script::Words;
use crate::settings::TableName;

const INDEX: &str = "the table is partitioned, and PostgreSQL builds no index of it CONCURRENTLY: CREATE INDEX … ON ONLY it, then \
     CREATE INDEX CONCURRENTLY on each partition, each alone in a file with `-- schemagate: no-transaction`, and ALTER INDEX \
     … ATTACH PARTITION for each";
const UNIQUE: &str = "the table is partitioned, and takes no index that is there: ALTER TABLE ONLY it ADD CONSTRAINT …, then on each \
     partition CREATE UNIQUE INDEX CONCURRENTLY, alone in a file with `-- schemagate: no-transaction`, and ADD CONSTRAINT … \
     USING INDEX, and ALTER INDEX … ATTACH PARTITION for each";
const FOREIGN_KEY: &str = "the table is partitioned, and before PostgreSQL 18 takes no foreign key NOT VALID: add it, by one \
     name everywhere, to each partition NOT VALID, VALIDATE it there, and then add it to the table, which takes those over and \
     looks up no row";
const COLUMN: &str = "the table is partitioned: add the column with its type alone, fill it a batch of rows at a time, and add \
     each of the rest in a later release; lint says how";

/// The partitioned tables.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    known: Vec<TableName>,
}

impl Partitions {
    /// Takes note of a statement.
    pub(super) fn note(&mut self, mut words: Words<'_>) {
        if words.eat_all(&["ALTER", "TABLE"]) {
            words.eat_all(&["IF", "EXISTS"]);
            let Some(from) = words.name().filter(|from| self.has(from)) else { return };
            let renamed = words.eat_all(&["RENAME", "TO"]).then(|| words.identifier()).flatten();
            self.known.extend(renamed.map(|to| TableName::new(from.schema(), &to)));
            return;
        }
        if words.eat_all(&["DROP", "TABLE"]) {
            words.eat_all(&["IF", "EXISTS"]);
            for mut part in words.parts() {
                let gone = part.name();
                self.known.retain(|known| Some(known) != gone.as_ref());
            }
            return;
        }
        if words.eat_all(&["CREATE", "TABLE"]) && words.have(&["PARTITION", "BY"]) {
            words.eat_all(&["IF", "NOT", "EXISTS"]);
            self.known.extend(words.name());
        }
    }

    /// Says whether a table is partitioned; a name without a schema may be one in any.
    fn has(&self, table: &TableName) -> bool {
        let anywhere = |known: &TableName| known.schema().is_none() || table.schema().is_none();
        self.known.iter().any(|known| known == table || known.table() == table.table() && anywhere(known))
    }

    /// Takes back what is not so, or cannot be done, on a partitioned table.
    pub(super) fn correct(&self, words: Words<'_>, version: u32, effects: &mut Vec<Effect>) {
        let of_only = is_only(words);
        effects.retain(|effect| {
            let brief = effect.fact.name == "CREATE_INDEX_ON_ONLY" || effect.fact.name == "ADD_UNIQUE" && of_only;
            !(brief && self.has(&effect.relation))
        });
        for effect in effects.iter_mut().filter(|effect| self.has(&effect.relation)) {
            let has = |what: &str| effect.safe.as_ref().is_some_and(|safe| safe.contains(what));
            let refused = has(" INDEX CONCURRENTLY ") || has(" FOREIGN KEY ") && version < 18;
            match effect.fact.name {
                "CREATE_INDEX" => effect.only_words(INDEX),
                "ADD_UNIQUE" => effect.only_words(UNIQUE),
                "ADD_FOREIGN_KEY" if version < 18 => effect.only_words(FOREIGN_KEY),
                _ if refused && effect.fact.name.starts_with("ADD_COLUMN") => effect.only_words(COLUMN),
                _ => {}
            }
        }
    }
}

fn is_only(mut words: Words<'_>) -> bool {
    words.eat_all(&["ALTER", "TABLE"]);
    words.eat_all(&["IF", "EXISTS"]);
    words.is("ONLY")
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{rules_of, told_since};

    #[test]
    fn what_a_partitioned_table_refuses_is_not_printed() {
        let older = "create table part (id int, v text) partition by range (id)";
        insta::assert_snapshot!(told_since(
            older,
            "create index on part (v);\nalter table part add foreign key (id) references u;\n\
             alter table part add unique (id);\nalter table part add x uuid default gen_random_uuid() unique;"
        ));
        for brief in ["create index on only part (v)", "alter table only public.part add constraint k unique (id)"] {
            assert_eq!(told_since(older, brief), "", "{brief}");
        }
    }

    #[test]
    fn where_no_file_shows_it_the_table_may_be_partitioned_or_not() {
        assert_eq!(rules_of("create index on only part (v)"), ["blocking-index-build"]);
        assert!(told_since("create table part (id int)", "create index on part (id)").contains("CONCURRENTLY"));
        assert!(
            told_since(
                "create table part (id int) partition by list (id); drop table part",
                "create index on part (id)"
            )
            .contains("CONCURRENTLY part_id_idx")
        );
    }
}
