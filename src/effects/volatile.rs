//! Which defaults give every row a value of its own. In: the words of a default. Out: a [`Claim`].

use super::Claim;
use crate::migrations::script::Words;

/// Volatile functions of PostgreSQL, and of the extensions that defaults are made with.
const VOLATILE: &[&str] = &[
    "clock_timestamp",
    "gen_random_bytes",
    "gen_random_uuid",
    "nextval",
    "random",
    "random_normal",
    "timeofday",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
];

/// Functions of PostgreSQL that are stable or immutable, as they occur in defaults, and keywords that a parenthesis may
/// follow.
#[rustfmt::skip]
const STABLE: &[&str] = &[
    "abs", "age", "and", "array", "array_fill", "as", "between", "bpchar", "btrim", "case", "cast", "ceil", "ceiling", "char_length",
    "coalesce", "concat", "concat_ws", "current_database", "current_schema", "current_setting", "current_time",
    "current_timestamp", "date_part", "date_trunc", "daterange", "decode", "default", "else", "encode", "exp", "extract",
    "floor", "format", "greatest", "in", "int4range", "int8range", "interval", "is", "json_build_array",
    "json_build_object", "jsonb_build_array", "jsonb_build_object", "least", "left", "length", "like", "ln", "localtime",
    "localtimestamp", "lower", "lpad", "ltrim", "make_date", "make_interval", "make_timestamp", "make_timestamptz", "md5",
    "mod", "not", "now", "nullif", "numrange", "or", "position", "power", "repeat", "replace", "right", "round", "row",
    "rpad", "rtrim", "sha256", "sqrt", "statement_timestamp", "string_to_array", "substr", "substring", "then", "timezone",
    "to_char", "to_date", "to_json", "to_jsonb", "to_timestamp", "transaction_timestamp", "trim", "trunc", "tsrange",
    "tstzrange", "txid_current", "upper", "uuid_nil", "when",
];

/// Says whether the value has to be computed for each row: whether the words call a volatile function. Of a function
/// that is not PostgreSQL's own nothing is known, and one is volatile unless its maker says otherwise.
pub(super) fn volatile(value: Words<'_>) -> Claim {
    let mut before = "";
    let mut claim = Claim::No;
    for words in value.everywhere() {
        // Behind a colon or a dot stands a type, or a name that was looked at already.
        if before != ":" && before != "." {
            claim = claim.max(called(words).map_or(Claim::No, |name| of_function(&name)));
        }
        before = words.token();
    }
    claim
}

/// Whether a function is called of which nothing is known: it may do anything, or give any number of rows.
pub(crate) fn calls_unknown(words: Words<'_>) -> bool {
    const KEYWORDS: &[&str] =
        &["all", "any", "decimal", "exists", "filter", "numeric", "over", "some", "using", "values", "varchar"];
    let mut before = "";
    words.everywhere().any(|words| {
        let behind = std::mem::replace(&mut before, words.token());
        let name = called(words).filter(|_| behind != ":" && behind != ".");
        name.is_some_and(|name| of_function(&name) == Claim::Perhaps && !KEYWORDS.contains(&name.as_str()))
    })
}

fn called(mut words: Words<'_>) -> Option<String> {
    let name = words.name()?;
    (words.token() == "(").then(|| name.table().to_owned())
}

fn of_function(name: &str) -> Claim {
    if VOLATILE.contains(&name) {
        Claim::Yes
    } else if STABLE.contains(&name) {
        Claim::No
    } else {
        Claim::Perhaps
    }
}
