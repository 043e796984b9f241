//! The one list of the rules that are ours. In: nothing. Out: names, severities, and what each is about. Help, README and
//! docs/lint.md are made from it or tested against it.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// To be looked at.
    Warning,
    /// To be mended before the release.
    Error,
}

impl Severity {
    /// The word users read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// The severity of its findings; one that is not certain is a warning.
    pub severity: Severity,
    /// What it finds.
    pub summary: &'static str,
    /// Whether `allow` silences it: not what `up` refuses, whatever a comment says.
    pub allowable: bool,
    /// The rules of squawk that find the same, whose ignore comments count for it.
    pub squawk: &'static [&'static str],
}

macro_rules! rules {
    ($($id:ident = $name:literal, $severity:ident, $allowable:literal, $summary:literal, $squawk:expr;)+) => {
        $(pub(super) static $id: Rule = Rule {
            name: $name,
            severity: Severity::$severity,
            summary: $summary,
            allowable: $allowable,
            squawk: &$squawk,
        };)+

        /// Every rule that is ours.
        pub static RULES: &[&Rule] = &[$(&$id),+];
    };
}

rules! {
    TRANSACTION_CONTROL = "transaction-control", Error, false,
        "`BEGIN`, `COMMIT`, `SET TRANSACTION` … in a file that runs in schemagate's transaction",
        ["transaction-nesting", "ban-uncommitted-transaction"];
    NEEDS_NO_TRANSACTION = "needs-no-transaction", Error, false,
        "a statement that PostgreSQL refuses in a transaction, in a file without the directive",
        ["ban-concurrent-index-creation-in-transaction"];
    ONE_STATEMENT = "one-statement-per-no-transaction-file", Error, false,
        "several statements, or none, in a file with the directive `no-transaction`", [];
    NOT_REPEATABLE = "not-repeatable", Error, false,
        "a statement outside a transaction that cannot be run again after a crash", [];
    DIRECTIVE = "directive", Error, false, "a directive that does not exist, or stands where it does not count", [];
    NOT_FOR_THE_SERVER = "not-for-the-server", Error, false,
        "`COPY … FROM STDIN`, commands of psql, the down part of another tool, text behind a breakpoint", [];
    TABLE_REWRITE = "table-rewrite", Error, true,
        "a table that exists is written anew under a lock that blocks reads and writes",
        ["adding-field-with-default", "changing-column-type", "adding-serial-primary-key-field", "prefer-repack"];
    BLOCKING_SCAN = "blocking-scan", Error, true,
        "every row of a table that exists is read under a lock that blocks writes, or reads and writes",
        ["constraint-missing-not-valid", "adding-foreign-key-constraint", "adding-not-nullable-field",
         "disallowed-unique-constraint", "adding-serial-primary-key-field"];
    BLOCKING_INDEX = "blocking-index-build", Error, true,
        "an index of a table that exists is built without `CONCURRENTLY`",
        ["require-concurrent-index-creation", "require-concurrent-reindex"];
    STRONG_LOCK = "strong-lock-then-long-work", Error, true,
        "long work while a lock of an earlier statement of the batch keeps others out of a table", [];
    ENUM_VALUE = "enum-value-used-in-release", Error, true,
        "a value is added to an enum and used in the same transaction, which PostgreSQL refuses (55P04)", [];
    LOCK_TIMEOUT = "sets-lock-timeout", Warning, true,
        "a file sets `lock_timeout` itself, so `SCHEMAGATE_LOCK_TIMEOUT` does not hold", [];
    SEARCH_PATH = "leaks-search-path", Warning, true,
        "`SET search_path` without `LOCAL`, and not put back at the end of the file", [];
    ROLE = "leaks-role", Warning, true, "`SET ROLE` or `SET SESSION AUTHORIZATION`, not put back at the end of the file", [];
    EDITED = "edited-since", Error, true, "a file of `--since REV` was edited, renamed or removed: `up` refuses it where it was applied", [];
    GAP = "numbering-gap", Warning, true, "a number is left out", [];
    COLLISION = "numbering-collision", Error, true,
        "a new file has a number that `--against REV` gives to another one, or one below its newest", [];
    DRIZZLE = "drizzle-oddity", Warning, true, "a folder of drizzle-kit holds what Drizzle itself passes over or takes otherwise", [];
    ALLOW_REASON = "allow-without-reason", Error, false, "an `allow` comment that does not say why", [];
    ALLOW_UNKNOWN = "allow-unknown-rule", Error, false, "an `allow` comment for a rule that does not exist", [];
    ALLOW_UNUSED = "allow-unused", Warning, false, "an `allow` comment that silences nothing", [];
}

/// Finds a rule by its name.
pub fn rule(name: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.name == name)
}
