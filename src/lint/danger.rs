//! What stands in other sessions' way for long. In: the effects of a statement on tables that exist. Out: findings that
//! say which lock is held, for how long, and who waits.

use super::finding::Finding;
use super::rules::{self, Rule};
use super::source::Source;
use crate::effects::{Claim, Effect};

/// Where a statement stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Where<'a> {
    /// The file.
    pub(super) source: &'a Source<'a>,
    /// The byte at which the statement starts.
    pub(super) start: usize,
    /// Whether it runs in the transaction of its batch.
    pub(super) transactional: bool,
}

/// Judges the effects of one statement; those on new tables are left out already. Each rule is told once an action.
pub(super) fn findings(at: Where<'_>, effects: &[Effect]) -> Vec<Finding> {
    let mut told: Vec<(&'static str, &str, usize)> = Vec::new();
    let mut found = Vec::new();
    for effect in effects.iter().filter(|effect| effect.blocks_long()) {
        let rule = rule_of(effect);
        // The other table of a foreign key is told of with the one that gets it.
        let second = effect.fact.name.starts_with("REFERENCED");
        let this = (rule.name, effect.relation.table(), effect.at);
        if second || told.contains(&this) {
            continue;
        }
        told.push(this);
        found.push(finding(at, rule, effect));
    }
    found
}

fn rule_of(effect: &Effect) -> &'static Rule {
    if matches!(effect.fact.name, "CREATE_INDEX" | "CREATE_INDEX_ON_ONLY" | "REINDEX_TABLE" | "REINDEX_INDEX") {
        &rules::BLOCKING_INDEX
    } else if effect.rewrite > Claim::No {
        &rules::TABLE_REWRITE
    } else {
        &rules::BLOCKING_SCAN
    }
}

fn finding(at: Where<'_>, rule: &'static Rule, effect: &Effect) -> Finding {
    let message = format!("{}: {}", effect.relation, effect.why);
    let mut finding = Finding::at(rule, at.source, at.start + effect.at, message).in_statement(at.source, at.start);
    finding.lock = Some(lock_words(at, effect));
    finding.instead.clone_from(&effect.safe);
    finding.hint = effect.advice.map(str::to_owned);
    let certain = effect.rewrite.max(effect.scan) == Claim::Yes;
    if certain { finding } else { finding.warning() }
}

/// The lock, how long it is held, and who waits.
pub(super) fn lock_words(at: Where<'_>, effect: &Effect) -> String {
    let until = if at.transactional { "until the batch is committed" } else { "until the statement ends" };
    format!("{}, {until}", effect.lock_words())
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::{rules_of, rules_since, told};

    #[test]
    fn a_rewrite_is_told_with_its_lock_and_the_way_out() {
        insta::assert_snapshot!(told(&[(
            "V1__a.sql",
            "ALTER TABLE shop.orders\n    ADD COLUMN key uuid NOT NULL DEFAULT gen_random_uuid();\n"
        )]));
        for sql in ["alter table t add x serial", "alter table t set logged", "cluster t using i"] {
            assert_eq!(rules_of(sql), ["table-rewrite"], "{sql}");
        }
    }

    #[test]
    fn every_action_is_told_and_a_rewrite_of_one_would_lose_the_others() {
        insta::assert_snapshot!(told(&[(
            "V1__a.sql",
            "ALTER TABLE orders\n    ADD CHECK (a > 0),\n    ADD note text,\n    ALTER b SET NOT NULL,\n    ADD c serial;\n"
        )]));
    }

    #[test]
    fn a_scan_and_an_index_build_are_told() {
        insta::assert_snapshot!(told(&[(
            "V1__a.sql",
            "alter table a add constraint k foreign key (b_id) references b (id);\ncreate index i on c (x);\n\
             alter table d alter column x set not null;\nalter table e add constraint k unique (x);\n"
        )]));
        assert_eq!(rules_of("reindex table t"), ["blocking-index-build"]);
        insta::assert_snapshot!(told(&[("V1__a.sql", "reindex index shop.i;")]));
    }

    #[test]
    fn domains_and_default_partitions_are_known_from_the_files() {
        let domain = "create domain shop.price as int check (value > 0);";
        assert_eq!(rules_since(domain, "alter table t add column x shop.price"), ["table-rewrite"]);
        assert_eq!(rules_of(&format!("{domain} alter table t add column x price default 1")), ["table-rewrite"]);
        for sql in
            ["alter table t add column x shop.price[]", "create table t (a int); alter table t add column x shop.price"]
        {
            assert_eq!(rules_since(domain, sql), Vec::<&str>::new(), "{sql}");
        }
        assert_eq!(rules_since("create domain price as int", "alter table t add x price"), Vec::<&str>::new());
        let default = "create table p (id int) partition by list (id); create table rest partition of p default;";
        for sql in [
            "create table one partition of p for values in (1)",
            "alter table p attach partition rest2 for values in (2)",
        ] {
            assert!(rules_since(default, sql).contains(&"blocking-scan"), "{sql}");
        }
        let one = "create table one partition of p for values in (1)";
        assert_eq!(rules_since(&format!("{default} drop table rest"), one), Vec::<&str>::new());
        assert_eq!(rules_of(&format!("{default} {one}")), Vec::<&str>::new());
    }

    #[test]
    fn what_is_brief_or_on_a_new_table_is_no_danger() {
        for sql in [
            "alter table t add column x int not null default 0",
            "alter table t add constraint k check (a > 0) not valid",
            "create table t (a int); create index i on t (a); alter table t add constraint k check (a > 0)",
            "create temp table x as select 1; create index on x (a)",
            "create table s.t (a int); set local search_path = s; create unique index i on t (a)",
            "create table n (a int); alter table n rename to t; create index i on t (a)",
            "update t set a = 1",
            "drop index i",
            "create unlogged table a (x int references b)",
        ] {
            assert_eq!(rules_of(sql), Vec::<&str>::new(), "{sql}");
        }
        assert_eq!(rules_of("create table s.t (a int); create index i on other.t (a)"), ["blocking-index-build"]);
    }
}
