//! Directives in comments: `-- schemagate: no-transaction`. In: a comment. Out: the word after the colon.

/// The one directive there is.
pub(super) const NO_TRANSACTION: &str = "no-transaction";

/// Gives what stands after `schemagate:` in a comment that holds nothing else.
pub(crate) fn directive(comment: &str) -> Option<&str> {
    const NAME: &str = "schemagate";
    let text = match comment.strip_prefix("--") {
        Some(text) => text,
        None => comment.strip_prefix("/*")?.strip_suffix("*/")?,
    };
    let text = text.trim();
    let name = text.get(..NAME.len())?;
    let word = text.get(NAME.len()..)?.trim_start().strip_prefix(':')?.trim();
    name.eq_ignore_ascii_case(NAME).then_some(word)
}

/// How other tools open the part of a file that undoes it: dbmate, goose, sql-migrate.
const DOWN_MARKS: [&str; 3] = ["migrate:down", "+goose Down", "+migrate Down"];

/// Gives the mark of another tool that opens the part of a file that undoes it.
pub(super) fn down_mark(comment: &str) -> Option<&str> {
    let text = comment.strip_prefix("--")?.trim();
    let is = |mark: &&str| text.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    DOWN_MARKS.iter().any(is).then_some(text)
}

/// Says whether a directive is a word to `lint`, which nothing else heeds: `allow RULE because …`.
pub(super) fn is_for_lint(word: &str) -> bool {
    word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("allow"))
        && word.get(5..).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
}

/// Says whether a directive, wrong or not, is meant to leave the transaction.
pub(super) fn means_no_transaction(word: &str) -> bool {
    word.get(..NO_TRANSACTION.len()).is_some_and(|start| start.eq_ignore_ascii_case(NO_TRANSACTION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_of_another_tool_opens_what_undoes_the_file() {
        for comment in ["-- migrate:down", "--migrate:down transaction:false", "-- +goose Down", "-- +MIGRATE DOWN"] {
            assert!(down_mark(comment).is_some(), "{comment:?}");
        }
        for comment in ["-- migrate:up", "-- slow migrate:down", "/* migrate:down */", "-- goose down", "--"] {
            assert_eq!(down_mark(comment), None, "{comment:?}");
        }
    }

    #[test]
    fn a_directive_is_a_comment_of_its_own() {
        for comment in [
            "-- schemagate: no-transaction",
            "--schemagate:no-transaction",
            "--\tschemagate:   no-transaction \r",
            "-- Schemagate: no-transaction",
            "/* schemagate: no-transaction */",
        ] {
            assert_eq!(directive(comment), Some(NO_TRANSACTION), "{comment:?}");
        }
        assert_eq!(directive("-- schemagate: fast please"), Some("fast please"));
        for comment in ["-- schemagate runs this", "-- by schemagate: x", "--", "-- schemagaté:", "/* schemagate: x"] {
            assert_eq!(directive(comment), None, "{comment:?}");
        }
    }
}
