//! What a column's checks might be content with. In: a type and the constants in its checks. Out: SQL expressions of
//! that type, the likeliest first. Never judges them: the server does that.

use crate::postgres::literal;

use super::catalogue::Type;
use super::expression::Constants;
use super::pattern;
use super::values::{Types, nth, short_text, text_limit};

/// More are no use: the server would have to look at all of their combinations.
const MOST: usize = 80;
/// The longest text or array that is made on account of a number in a check.
const LONGEST: usize = 10_000;

/// A type below its domains, and its words.
#[derive(Debug, Clone)]
pub(in crate::qualification) struct Of<'a> {
    pub(in crate::qualification) types: &'a Types,
    pub(in crate::qualification) oid: u32,
    pub(in crate::qualification) typmod: i32,
    pub(in crate::qualification) sql: String,
}

/// Expressions to try. Other numbers give others, where a unique constraint asks for that.
pub(in crate::qualification) fn candidates(of: &Of<'_>, constants: &Constants, number: u64) -> Vec<String> {
    let Some(kind) = of.types.get(&of.oid) else { return Vec::new() };
    let first = nth(of.types, of.oid, of.typmod, number);
    let mut texts: Vec<String> = first.into_iter().collect();
    let mut expressions = Vec::new();
    let second = nth(of.types, of.oid, of.typmod, number + 1);
    match (kind.kind.as_str(), kind.name.as_str()) {
        ("e", _) => texts.extend(kind.labels.iter().cloned()),
        ("b", "int2" | "int4" | "int8" | "float4" | "float8" | "numeric" | "money") => {
            texts.extend(numbers(kind, of.typmod, constants, number));
        }
        ("b", "bool") => texts = vec!["t".to_owned(), "f".to_owned()],
        ("b", "date" | "timestamp" | "timestamptz") => {
            texts.extend(second);
            expressions = moments(&of.sql, constants);
        }
        ("b", "time" | "timetz") => {
            texts.extend(["00:00:00", "12:00:00", "23:59:59"].map(str::to_owned));
            texts.extend(constants.texts.iter().filter(|text| text.contains(':')).cloned());
        }
        ("b", "interval") => {
            texts.extend(["1 day", "1 hour", "1 minute", "1 month", "1 year", "0"].map(str::to_owned));
            texts.extend(constants.texts.iter().filter(|text| text.contains(|c: char| c.is_ascii_digit())).cloned());
        }
        ("b", "json" | "jsonb") => texts.extend(documents(constants)),
        ("b", _) if kind.element != 0 => texts.extend(arrays(of, kind.element, constants, number)),
        ("b", name) if kind.category == "S" => {
            texts.extend(strings(text_limit(name, of.typmod), constants, number));
        }
        ("r", _) => {
            texts.extend(second);
            texts.extend(["[0,1)", "[1,10)", "[1,100)", "empty"].map(str::to_owned));
            texts.extend(constants.texts.iter().cloned());
        }
        _ => {
            texts.extend(second);
            texts.extend(constants.texts.iter().cloned());
            // What types that are not known may read.
            texts.extend(["", "0", "1", "a", "{}", "-"].map(str::to_owned));
        }
    }
    let mut all = Vec::new();
    let casts = texts.into_iter().map(|text| format!("{}::{}", literal(&text), of.sql));
    for expression in casts.chain(expressions) {
        if all.len() < MOST && !all.contains(&expression) {
            all.push(expression);
        }
    }
    all
}

/// What is near the constants, and what is near nothing.
fn numbers(kind: &Type, typmod: i32, constants: &Constants, number: u64) -> Vec<String> {
    let whole = kind.name.starts_with("int");
    let limit: f64 = match (kind.name.as_str(), u32::try_from(typmod - 4)) {
        ("int2", _) => 32_767.0,
        ("int4", _) => 2_147_483_647.0,
        ("numeric", Ok(modifier)) => {
            let digits = i64::from(modifier >> 16) - i64::from(modifier & 0x7ff);
            10_f64.powi(i32::try_from(digits).unwrap_or(1)) - 1e-9
        }
        _ => 9e15,
    };
    let mut values = Vec::new();
    for constant in constants.numbers.iter().filter_map(|text| text.parse::<f64>().ok()) {
        values.extend([constant, constant + 1.0, constant - 1.0, constant * 2.0, constant / 2.0, constant * 3.0]);
        if !whole {
            values.extend([constant + 0.01, constant - 0.01]);
        }
    }
    values.extend([0.0, 1.0, 2.0, 3.0, 10.0, 100.0, -1.0, 50.0, 1000.0, 0.5]);
    let varied = u32::try_from(number % 97).unwrap_or_default();
    values.extend([f64::from(varied), f64::from(varied % 10)]);
    let fits = |value: &f64| value.abs() <= limit && (!whole || value.fract() == 0.0);
    values.into_iter().filter(fits).map(|value| format!("{value}")).collect()
}

/// The constants, a day and a second beside them, now, and days beside now.
fn moments(sql: &str, constants: &Constants) -> Vec<String> {
    let looks_like_one =
        |text: &&String| text.len() >= 8 && text.contains('-') && text.starts_with(|c: char| c.is_ascii_digit());
    let mut all = Vec::new();
    for text in constants.texts.iter().filter(looks_like_one) {
        let exact = format!("{}::{sql}", literal(text));
        let beside = ["+ '1 day'", "- '1 day'", "+ '1 second'"];
        let beside = beside.map(|step| format!("(({}::timestamp {step}::interval)::{sql})", literal(text)));
        all.push(exact);
        all.extend(beside);
    }
    for step in ["", " + '1 day'::interval", " - '1 day'::interval", " + '1 year'::interval", " - '1 year'::interval"] {
        all.push(format!("((pg_catalog.now(){step})::{sql})"));
    }
    all
}

/// Objects that have every constant for a key, and the plain values.
fn documents(constants: &Constants) -> Vec<String> {
    let object = |value: serde_json::Value| {
        let members = constants.texts.iter().map(|text| (text.clone(), value.clone()));
        serde_json::Value::Object(members.collect()).to_string()
    };
    let mut all: Vec<String> =
        ["{}", "[]", "[1]", "[\"a\"]", "[{}]", "\"a\"", "1", "true", "null"].map(str::to_owned).into();
    all.extend(
        [serde_json::json!("a"), 1.into(), true.into(), serde_json::json!({}), serde_json::json!(["a"])].map(object),
    );
    for text in &constants.texts {
        // A constant may be a key, a value, or a document of its own.
        all.extend(constants.texts.iter().map(|key| serde_json::json!({ key: text }).to_string()));
        if serde_json::from_str::<serde_json::Value>(text).is_ok() {
            all.push(text.clone());
        }
    }
    all
}

/// Arrays of the constants, and arrays as long as the numbers say.
fn arrays(of: &Of<'_>, element: u32, constants: &Constants, number: u64) -> Vec<String> {
    let array = |elements: &[String]| {
        let quoted = elements.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
        format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
    };
    let mut all = vec!["{}".to_owned()];
    let labels = of.types.get(&element).map(|kind| kind.labels.clone()).unwrap_or_default();
    let known: Vec<String> = constants.texts.iter().chain(&constants.numbers).chain(&labels).cloned().collect();
    all.extend(known.iter().map(|text| array(std::slice::from_ref(text))));
    all.push(array(&constants.texts));
    let lengths = constants.numbers.iter().filter_map(|text| text.parse::<usize>().ok());
    for length in lengths.chain([2]).flat_map(|length| [length, length + 1]).filter(|length| *length <= 64) {
        let elements =
            (0..length).map_while(|place| nth(of.types, element, of.typmod, number + u64::try_from(place).ok()?));
        all.push(array(&elements.collect::<Vec<_>>()));
    }
    all
}

/// The constants as they are, as patterns and as beginnings; texts as long as the numbers say; what texts often hold.
fn strings(limit: usize, constants: &Constants, number: u64) -> Vec<String> {
    let base = short_text(limit, number);
    let mut lengths: Vec<usize> = constants.numbers.iter().filter_map(|text| text.parse().ok()).collect();
    lengths.retain(|length| *length <= LONGEST);
    let mut all: Vec<String> = constants.texts.iter().chain(&constants.numbers).cloned().collect();
    for text in &constants.texts {
        if text.contains(['^', '$', '[', '\\', '+', '*', '(', '|', '.', '?']) {
            let repeats = [1, 2, 5, 12].into_iter().chain(lengths.iter().copied());
            let repeats = repeats.map(|repeat| pattern::sample(text, repeat, number));
            let others = (1..6).map(|other| pattern::sample(text, 4, number + 1000 * other));
            all.extend(repeats.chain(others).flatten());
        }
        if text.contains(['%', '_']) {
            let fillers = [String::new(), number.to_string(), format!("{number:08}"), base.clone()];
            all.extend(fillers.map(|filler| pattern::like(text, &filler)));
        }
        all.push(format!("{text}{number}"));
    }
    for length in lengths.into_iter().flat_map(|length| [length, length + 1, length.saturating_sub(1)]) {
        all.extend(["a", "A", "7"].map(|fill| filled(&base, fill, length)));
    }
    all.extend([base.to_uppercase(), number.to_string(), (number + 1).to_string()]);
    all.extend(["a", "A", "1", "ab", "AB", "abc", "ABC", ""].map(str::to_owned));
    all.extend([format!("a{number}@example.com"), format!("https://example.com/{number}"), format!("/{number}")]);
    all.extend([format!("{:064x}", number), "2001-01-01".to_owned(), format!("+1555{number:07}")]);
    all.retain(|text| text.chars().count() <= limit);
    all
}

/// A text of exactly this length: letters first, so that it is another one for another number.
fn filled(base: &str, fill: &str, length: usize) -> String {
    let wanted = if fill == "7" { base.chars().filter(char::is_ascii_digit).collect() } else { base.replace('-', "") };
    let wanted = if fill == "A" { wanted.to_uppercase() } else { wanted };
    let tail: String = wanted.chars().rev().take(length).collect::<Vec<_>>().into_iter().rev().collect();
    let missing = length.saturating_sub(tail.chars().count());
    format!("{}{tail}", fill.repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constants(texts: &[&str], numbers: &[&str]) -> Constants {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Constants { texts: owned(texts), numbers: owned(numbers) }
    }

    #[test]
    fn texts_of_the_lengths_in_a_check_are_tried() {
        let all = strings(usize::MAX, &constants(&[], &["3", "20"]), 7);
        for length in [2, 3, 4, 19, 20, 21] {
            assert!(all.iter().any(|text| text.len() == length), "{length} {all:?}");
        }
        assert!(strings(3, &constants(&["too long"], &["9"]), 7).iter().all(|text| text.chars().count() <= 3));
    }

    #[test]
    fn documents_have_the_constants_for_keys_and_values() {
        let all = documents(&constants(&["kind", "a"], &[]));
        assert!(all.contains(&r#"{"kind":"a"}"#.to_owned()), "{all:?}");
        assert!(all.contains(&r#"{"a":1,"kind":1}"#.to_owned()), "{all:?}");
    }
}
