//! Directives in comments: `-- schemagate: no-transaction`. In: a comment. Out: the word after the colon.

/// The one directive there is.
pub(super) const NO_TRANSACTION: &str = "no-transaction";

/// Gives what stands after `schemagate:` in a comment that holds nothing else.
pub(super) fn directive(comment: &str) -> Option<&str> {
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

/// Says whether a directive, wrong or not, is meant to leave the transaction.
pub(super) fn means_no_transaction(word: &str) -> bool {
    word.get(..NO_TRANSACTION.len()).is_some_and(|start| start.eq_ignore_ascii_case(NO_TRANSACTION))
}

#[cfg(test)]
mod tests {
    use super::*;

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
