//! What `up` would refuse. In: a judgement. Out: findings, of the rule that each refusal belongs to.

use super::finding::Finding;
use super::rules::{self, Rule};
use super::source::Source;
use crate::migrations::script::{self, Judgement};

pub(super) fn findings(source: &Source<'_>, judgement: &Judgement) -> Vec<Finding> {
    let finding = |refusal: &script::Refusal| {
        let message = format!("{}; `up` refuses the file", refusal.rule.message());
        Finding::at(rule_of(&refusal.rule), source, refusal.range.start, message).hint(refusal.rule.hint())
    };
    judgement.refusals.iter().map(finding).collect()
}

fn rule_of(refused: &script::Rule) -> &'static Rule {
    use script::Rule::{
        AfterBreakpoint, ChunkAfterCommit, CommitChunk, CopyFromStdin, CopyToStdout, DownPart, HalfDone,
        MisplacedDirective, NoStatement, NotRepeatable, NotRepeatableAfterCommit, OutsideTransaction, PsqlCommand,
        SeveralStatements, TransactionControl, UnknownDirective,
    };
    match refused {
        TransactionControl { .. } | CommitChunk { .. } => &rules::TRANSACTION_CONTROL,
        OutsideTransaction(_) => &rules::NEEDS_NO_TRANSACTION,
        NoStatement | SeveralStatements { .. } | ChunkAfterCommit { .. } => &rules::ONE_STATEMENT,
        NotRepeatable(_) | NotRepeatableAfterCommit(_) => &rules::NOT_REPEATABLE,
        UnknownDirective { .. } | MisplacedDirective => &rules::DIRECTIVE,
        CopyFromStdin | CopyToStdout | PsqlCommand { .. } | DownPart { .. } | AfterBreakpoint | HalfDone => {
            &rules::NOT_FOR_THE_SERVER
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::tests::told;

    #[test]
    fn what_up_would_refuse_is_found_without_a_database() {
        insta::assert_snapshot!(told(&[
            ("V1__a.sql", "create table t (a int);\ncommit;\nvacuum t;\ncopy t from stdin;\n"),
            ("V2__b.sql", "-- schemagate: no-transaction\ncreate index concurrently on t (a);\n"),
            ("V3__c.sql", "-- schemagate: no-transaction\nvacuum t;\nvacuum t;\n"),
            ("V4__d.sql", "-- schemagate: notransaction\nselect 1;"),
        ]));
        assert_eq!(
            told(&[
                ("V1__a.sql", "do $$ begin commit; end $$;"),
                ("V2__b.sql", "-- schemagate: no-transaction\nvacuum;")
            ]),
            ""
        );
    }
}
