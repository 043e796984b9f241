//! The rules of squawk that are told besides ours. In: one statement. Out: findings. Runs squawk's linter over statements
//! one by one, so that none of it depends on what a file's transaction would be; the comments that silence are read by
//! `allow.rs`.

use squawk_lexer::TokenKind;
use squawk_linter::{Linter, Version, Violation};
use squawk_syntax::SourceFile;

use super::danger::{Where, lock_words};
use super::finding::Finding;
use super::instead;
use super::rules::{Rule, Severity};
use crate::effects::Effect;

const fn on(name: &'static str, severity: Severity, summary: &'static str) -> Rule {
    Rule { name, severity, summary, allowable: true, squawk: &[] }
}

use Severity::{Error, Warning};

/// What is told: what breaks the release that still runs, or fails on rows that exist.
pub static ON: &[Rule] = &[
    on("adding-required-field", Error, "a column `NOT NULL` without a default, which fails on a table that has rows"),
    on("ban-drop-column", Warning, "the release that still runs may read the column"),
    on("ban-drop-table", Warning, "the release that still runs may read the table"),
    on("ban-drop-schema", Warning, "the release that still runs may use what is in it"),
    on("ban-truncate-cascade", Warning, "empties every table that refers to this one"),
    on("renaming-column", Warning, "the release that still runs knows the old name"),
    on("renaming-table", Warning, "the release that still runs knows the old name"),
    on("ban-set-schema", Warning, "the release that still runs knows the old place"),
    on("ban-alter-domain-with-add-constraint", Warning, "reads every table that has a column of the domain"),
    on("identifier-too-long", Warning, "PostgreSQL cuts a name after 63 bytes"),
];

/// What is not told, and why: every other rule of squawk.
pub static OFF: &[(&str, &[&str])] = &[
    (
        "told by rules of ours, with the lock that is held",
        &[
            "adding-field-with-default",
            "adding-foreign-key-constraint",
            "adding-not-nullable-field",
            "adding-serial-primary-key-field",
            "ban-concurrent-index-creation-in-transaction",
            "ban-uncommitted-transaction",
            "changing-column-type",
            "constraint-missing-not-valid",
            "disallowed-unique-constraint",
            "prefer-repack",
            "require-concurrent-index-creation",
            "require-concurrent-reindex",
            "transaction-nesting",
            "unused-ignore",
        ],
    ),
    (
        "schemagate sets lock_timeout and statement_timeout itself, and tries again",
        &["require-lock-timeout", "require-statement-timeout", "require-timeout-settings"],
    ),
    (
        "the lock is brief, and is waited for in short attempts",
        &["require-concurrent-index-deletion", "require-concurrent-partition-detach"],
    ),
    (
        "in a transaction a crash leaves nothing half done, and a migration that fails is to be seen",
        &["prefer-robust-stmts"],
    ),
    ("refused by PostgreSQL in a transaction, and so by `up`", &["ban-drop-database"]),
    ("refused by PostgreSQL when the migration is first tried", &["ban-duplicate-column-assignments"]),
    (
        "a matter of taste or of the model, not of the deployment",
        &[
            "ban-char-field",
            "ban-create-domain-with-constraint",
            "prefer-bigint-over-int",
            "prefer-bigint-over-smallint",
            "prefer-identity",
            "prefer-text-field",
            "prefer-timestamp-tz",
            "require-enum-value-ordering",
            "require-table-schema",
        ],
    ),
    (
        "usual in migrations, and mostly followed by its replacement",
        &[
            "ban-drop-constraint",
            "ban-drop-default",
            "ban-drop-domain",
            "ban-drop-extension",
            "ban-drop-function",
            "ban-drop-generated-expression",
            "ban-drop-index",
            "ban-drop-not-null",
            "ban-drop-policy",
            "ban-drop-sequence",
            "ban-drop-trigger",
            "ban-drop-type",
            "ban-drop-view",
            "ban-alter-identity",
            "ban-set-default",
            "renaming-object",
        ],
    ),
    (
        "off in squawk too, unless asked for",
        &[
            "ban-add-column",
            "ban-add-composite-attribute",
            "ban-add-enum-value",
            "ban-alter-database-options",
            "ban-alter-extension",
            "ban-alter-function-options",
            "ban-alter-generated-expression",
            "ban-alter-policy-condition",
            "ban-alter-policy-roles",
            "ban-alter-role-options",
            "ban-alter-row-level-security",
            "ban-alter-sequence-values",
            "ban-alter-system-options",
            "ban-alter-view-options",
            "ban-create-policy",
            "ban-detach-inheritance",
            "ban-disable-trigger",
            "ban-new-write-restriction",
            "ban-replace-view-function",
            "ban-replica-identity",
            "ban-revoke",
        ],
    ),
];

/// Finds one of the rules that are told.
pub(super) fn rule(name: &str) -> Option<&'static Rule> {
    ON.iter().find(|rule| rule.name == name)
}

/// The longest statement that is given to squawk, in bytes: its tree takes many times that.
const LONGEST_BYTES: usize = 512 * 1024;
/// The deepest nesting of parentheses and brackets that is, for its time grows with the square of the depth.
const DEEPEST: usize = 50;
/// The most tokens without a comma: its parser calls itself for every level of nesting, which without parentheses too
/// (`not not not …`) takes a token.
const LONGEST_PART: usize = 1500;

/// Judges a statement that has these effects. What is not read is counted.
pub(super) fn findings(
    at: Where<'_>,
    statement: &str,
    version: u32,
    effects: &[Effect],
    unread: &mut usize,
) -> Vec<Finding> {
    if !is_about(statement) {
        return Vec::new();
    }
    let violations = if is_shallow(statement) { read(statement, version) } else { None };
    let Some(violations) = violations else {
        *unread += 1;
        return Vec::new();
    };
    violations.into_iter().filter_map(|violation| finding(at, &violation, statement, effects)).collect()
}

/// None where squawk has a defect that ends in a panic: it may not end the run.
fn read(statement: &str, version: u32) -> Option<Vec<Violation>> {
    super::guard::guarded(|| violations(statement, version))
}

fn violations(statement: &str, version: u32) -> Vec<Violation> {
    let mut linter = Linter::from(ON.iter().filter_map(|rule| rule.name.parse().ok()).collect::<Vec<_>>());
    linter.settings.pg_version = version.to_string().parse().unwrap_or_else(|_| Version::default());
    linter.lint(&SourceFile::parse(statement), statement)
}

/// Whether its rules are about such statements.
fn is_about(statement: &str) -> bool {
    const ABOUT: [&str; 4] = ["ALTER", "CREATE", "DROP", "TRUNCATE"];
    let first = statement.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    ABOUT.iter().any(|word| first.eq_ignore_ascii_case(word))
}

/// Whether nothing in it could be too deep for its parser.
fn is_shallow(statement: &str) -> bool {
    let (mut depth, mut part) = (0_usize, 0_usize);
    statement.len() <= LONGEST_BYTES
        && squawk_lexer::tokenize(statement).all(|token| {
            match token.kind {
                TokenKind::OpenParen | TokenKind::OpenBracket => depth += 1,
                TokenKind::CloseParen | TokenKind::CloseBracket => depth = depth.saturating_sub(1),
                TokenKind::Comma => part = 0,
                _ => {}
            }
            if !matches!(token.kind, TokenKind::Whitespace) {
                part += 1;
            }
            depth <= DEEPEST && part <= LONGEST_PART
        })
}

fn finding(at: Where<'_>, violation: &Violation, statement: &str, effects: &[Effect]) -> Option<Finding> {
    let rule = rule(&violation.code.to_string())?;
    let inside = usize::try_from(u32::from(violation.text_range.start())).ok()?;
    // A name that is too long is so where it is given.
    if rule.name == "identifier-too-long" && statement.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("DROP")) {
        return None;
    }
    let message = violation.message.trim_end_matches('.').to_owned();
    let finding = Finding::at(rule, at.source, at.start + inside, message).in_statement(at.source, at.start);
    let strongest = effects.iter().max_by_key(|effect| effect.lock);
    let lock = strongest.filter(|_| LOCKS.contains(&rule.name)).map(|effect| lock_words(at, effect));
    let instead = instead::of(rule.name, statement, inside);
    let hint = hint(rule.name).or_else(|| violation.help.clone()).filter(|_| instead.is_none());
    Some(Finding { hint, lock, instead, ..finding })
}

/// The rules whose statements take a lock that others notice.
const LOCKS: &[&str] = &[
    "adding-required-field",
    "ban-drop-column",
    "ban-drop-table",
    "ban-truncate-cascade",
    "renaming-column",
    "renaming-table",
    "ban-set-schema",
];

fn hint(rule: &str) -> Option<String> {
    let hint = match rule {
        "ban-drop-column" | "ban-drop-table" | "ban-drop-schema" => {
            "drop it in the release after the one that no longer uses it, and allow it there"
        }
        "renaming-column" => "add the new one, write both, and drop the old one in a later release",
        "renaming-table" | "ban-set-schema" => "keep the old name as a view, for the release that still runs",
        "adding-required-field" => "give it a default, or add it without NOT NULL and fill it first",
        _ => return None,
    };
    Some(hint.to_owned())
}
