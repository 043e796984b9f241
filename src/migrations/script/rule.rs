//! The rules on what a pending file may hold. In: nothing. Out: each rule's message and way out. The one list of them.

use super::classify::Outside;
use super::directive::NO_TRANSACTION;
use super::repeat::NotRepeatable;

/// Why a file is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The file opens, ends or alters a transaction itself.
    TransactionControl {
        /// The command.
        statement: &'static str,
    },
    /// A statement that PostgreSQL refuses in a transaction, without the directive.
    OutsideTransaction(Outside),
    /// `COPY … FROM STDIN`, which would wait for data that never comes.
    CopyFromStdin,
    /// `COPY … TO STDOUT`, whose data nobody reads.
    CopyToStdout,
    /// A command of psql, which the server does not know.
    PsqlCommand {
        /// The command with its backslash.
        command: String,
    },
    /// A directive that does not exist.
    UnknownDirective {
        /// What stands after `schemagate:`.
        word: String,
    },
    /// The directive below the first statement, or in a block comment.
    MisplacedDirective,
    /// The directive in a file without a statement.
    NoStatement,
    /// The directive in a file with several statements.
    SeveralStatements {
        /// How many there are.
        count: usize,
    },
    /// The directive before a statement that cannot safely be repeated.
    NotRepeatable(NotRepeatable),
    /// A statement behind the COMMIT of a drizzle-kit file that cannot safely be repeated.
    NotRepeatableAfterCommit(NotRepeatable),
    /// A COMMIT in a drizzle-kit file that is not a chunk of its own.
    CommitChunk {
        /// The command.
        statement: &'static str,
    },
    /// Several statements in one chunk behind the COMMIT of a drizzle-kit file.
    ChunkAfterCommit {
        /// How many there are.
        count: usize,
    },
    /// The part of another tool's file that undoes what stands before it.
    DownPart {
        /// The comment that opens it.
        mark: String,
    },
    /// An earlier run did what stood before the COMMIT, and that part is another one now.
    HalfDone,
    /// Text behind a breakpoint on its line, which Drizzle runs and the server takes for a comment.
    AfterBreakpoint,
}

impl Rule {
    /// Says what is wrong.
    pub fn message(&self) -> String {
        match self {
            Rule::TransactionControl { statement } => format!("{statement} inside a migration"),
            Rule::OutsideTransaction(outside) => {
                format!("{} cannot run inside a transaction, and migrations run in one", outside.name())
            }
            Rule::CopyFromStdin => "COPY … FROM STDIN waits for data that a migration cannot send".to_owned(),
            Rule::CopyToStdout => "COPY … TO STDOUT sends data that nobody reads".to_owned(),
            Rule::PsqlCommand { command } => {
                format!("{command} is a command of psql, which the server does not know")
            }
            Rule::UnknownDirective { word } => format!("unknown directive {word:?}"),
            Rule::MisplacedDirective => {
                format!("the directive {NO_TRANSACTION} is not in the first comment lines, where alone it counts")
            }
            Rule::NoStatement => {
                format!("the directive {NO_TRANSACTION} in a file without a statement")
            }
            Rule::SeveralStatements { count } => {
                format!("{count} statements in a file with the directive {NO_TRANSACTION}, which allows one")
            }
            Rule::NotRepeatable(reason) | Rule::NotRepeatableAfterCommit(reason) => reason.message(),
            Rule::CommitChunk { statement } => format!("{statement} that is not a chunk of its own"),
            Rule::ChunkAfterCommit { count } => {
                format!("{count} statements in one chunk behind the COMMIT, where each runs alone")
            }
            Rule::HalfDone => {
                "an earlier run did what stood before its COMMIT, and that part has changed since".to_owned()
            }
            Rule::DownPart { mark } => {
                format!("{mark:?} opens the part that undoes the migration, and it would run with the rest")
            }
            Rule::AfterBreakpoint => {
                "text behind the breakpoint on its line: the server takes it for a comment".to_owned()
            }
        }
    }

    /// Gives the way out.
    pub fn hint(&self) -> String {
        let hint = match self {
            Rule::TransactionControl { statement: "SET SESSION CHARACTERISTICS" | "SET TRANSACTION" } => {
                "remove it: schemagate opens the transaction, READ COMMITTED and READ WRITE"
            }
            Rule::TransactionControl { .. } => {
                "remove it: schemagate opens the transaction and commits it together with the history row"
            }
            Rule::OutsideTransaction(outside) => outside.hint(),
            Rule::CopyFromStdin => "write the rows as INSERT statements, as pg_dump --inserts does",
            Rule::CopyToStdout => "remove it",
            Rule::PsqlCommand { .. } => "remove the line; the file is sent to the server as it is",
            Rule::UnknownDirective { .. } => {
                return format!(
                    "the known one is `-- schemagate: {NO_TRANSACTION}`, with nothing after it on the line"
                );
            }
            Rule::MisplacedDirective => {
                return format!("make `-- schemagate: {NO_TRANSACTION}` the first line of the file, or remove it");
            }
            Rule::NoStatement => "remove the directive, or write the statement",
            Rule::SeveralStatements { .. } => {
                "give each statement that needs no transaction a file of its own, \
                 and leave the others in a file without the directive"
            }
            Rule::NotRepeatable(reason) => return reason.hint(),
            Rule::NotRepeatableAfterCommit(NotRepeatable::Transactional { .. }) => {
                "put it before the COMMIT, where a crash undoes it"
            }
            Rule::NotRepeatableAfterCommit(reason) => return reason.hint(),
            Rule::CommitChunk { .. } => {
                "remove it; or, to leave the transaction, put a breakpoint before it and one behind it"
            }
            Rule::ChunkAfterCommit { .. } => "put a breakpoint between them",
            Rule::HalfDone => {
                "restore the file up to its COMMIT; what stands behind it may be changed. To give it up, undo by hand what \
                 is done and record it with `schemagate adopt --skip TAG`"
            }
            Rule::DownPart { .. } => "take that part out of the file: there are no down migrations here",
            Rule::AfterBreakpoint => "put it on a line of its own",
        };
        hint.to_owned()
    }
}
