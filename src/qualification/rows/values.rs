//! A value of a type, and another for every number. In: a type of the catalogue. Out: a text that the type reads.
//! Never looks at constraints: where there are any, this is only the first guess.

use std::collections::HashMap;

use super::catalogue::Type;

/// The types by their oid.
pub(in crate::qualification) type Types = HashMap<u32, Type>;

/// How deep a type may be nested.
const DEEPEST: u32 = 6;

/// The value with this number; other numbers give other values, as far as the type has them. Nothing for a type that is
/// not known.
pub(in crate::qualification) fn nth(types: &Types, oid: u32, typmod: i32, number: u64) -> Option<String> {
    nested(types, oid, typmod, number, DEEPEST)
}

fn nested(types: &Types, oid: u32, typmod: i32, number: u64, deeper: u32) -> Option<String> {
    let kind = types.get(&oid)?;
    let deeper = deeper.checked_sub(1)?;
    match kind.kind.as_str() {
        "d" => nested(types, kind.base, kind.base_typmod, number, deeper),
        "e" => {
            let count = u64::try_from(kind.labels.len()).ok().filter(|count| *count > 0)?;
            kind.labels.get(usize::try_from(number % count).ok()?).cloned()
        }
        "r" => {
            let bound = |number| nested(types, kind.subtype, -1, number, deeper);
            let mut bounds = [bound(2 * number)?, bound(2 * number + 1)?];
            // Only of texts may the second be the smaller one.
            if !bounds[0].starts_with(|c: char| c.is_ascii_digit() || c == '-') {
                bounds.sort();
            }
            Some(format!("[{},{})", inner(&bounds[0]), inner(&bounds[1])))
        }
        "m" => Some(format!("{{{}}}", nested(types, kind.subtype, -1, number, deeper)?)),
        "c" => {
            // Only the first field varies, and one that has no value to offer is left empty.
            let field = |(place, (field, typmod)): (usize, &(u32, i32))| {
                let number = if place == 0 { number } else { 1 };
                nested(types, *field, *typmod, number, deeper).map(|text| inner(&text)).unwrap_or_default()
            };
            let fields: Vec<String> = kind.fields.iter().enumerate().map(field).collect();
            Some(format!("({})", fields.join(",")))
        }
        _ if kind.element != 0 => {
            let element = nested(types, kind.element, typmod, number, deeper);
            Some(element.map_or_else(|| "{}".to_owned(), |text| format!("{{{}}}", inner(&text))))
        }
        _ if kind.built_in => built_in(&kind.name, typmod, number),
        _ if kind.category == "S" => Some(format!("schemagate-{number}")),
        _ => None,
    }
}

/// A part of an array, a row or a range.
fn inner(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn built_in(name: &str, typmod: i32, number: u64) -> Option<String> {
    // Numbers that no seed is likely to have, and that every type of number can hold.
    let n = 7000 + number;
    Some(match name {
        "int2" | "int4" | "int8" | "float4" | "float8" | "money" | "oid" | "xid" | "xid8" | "cid" => n.to_string(),
        "numeric" => numeric(typmod, n),
        "text" | "varchar" | "bpchar" | "name" | "char" => short_text(text_limit(name, typmod), number),
        "bool" => if number.is_multiple_of(2) { "t" } else { "f" }.to_owned(),
        "bytea" => format!("\\x{n:08x}"),
        "date" => day(number),
        "timestamp" => format!("{} {}", day(number), time(number)),
        "timestamptz" => format!("{} {}+00", day(number), time(number)),
        "time" => time(number),
        "timetz" => format!("{}+00", time(number)),
        "interval" => format!("{n} seconds"),
        "uuid" => format!("00000000-0000-4000-8000-{n:012x}"),
        "json" | "jsonb" => format!("{{\"schemagate\": {n}}}"),
        "xml" => format!("<n>{n}</n>"),
        "jsonpath" => format!("$.\"{n}\""),
        "inet" | "cidr" => format!("10.{}.{}.{}", (n >> 16) & 255, (n >> 8) & 255, n & 255),
        "macaddr" => format!("02:00:00:00:{:02x}:{:02x}", (n >> 8) & 255, n & 255),
        "macaddr8" => format!("02:00:00:00:00:00:{:02x}:{:02x}", (n >> 8) & 255, n & 255),
        "bit" => bits(typmod.max(1), number),
        "varbit" => bits(if typmod > 0 { typmod } else { 32 }, number),
        "point" => format!("({n},0)"),
        "line" => format!("{{1,-1,{n}}}"),
        "lseg" | "box" | "path" => format!("(({n},0),({},1))", n + 1),
        "polygon" => format!("(({n},0),({},1),({n},1))", n + 1),
        "circle" => format!("<({n},0),1>"),
        "tsvector" | "tsquery" => format!("w{n}"),
        "tid" => format!("({n},1)"),
        "pg_lsn" => format!("0/{n:X}"),
        "pg_snapshot" | "txid_snapshot" => format!("{n}:{n}:"),
        "int2vector" | "oidvector" => n.to_string(),
        // Each of these reads it as: none.
        name if name.starts_with("reg") => "-".to_owned(),
        _ => return None,
    })
}

/// The most characters that a text of this type holds.
pub(in crate::qualification) fn text_limit(name: &str, typmod: i32) -> usize {
    match name {
        "char" => 1,
        "name" => 63,
        "bpchar" if typmod < 5 => 1,
        _ => usize::try_from(typmod - 4).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX),
    }
}

/// A text of at most this many characters.
pub(in crate::qualification) fn short_text(limit: usize, number: u64) -> String {
    let long = format!("schemagate-{number}");
    if long.len() <= limit {
        return long;
    }
    let digits: Vec<char> = "abcdefghijklmnopqrstuvwxyz0123456789".chars().collect();
    let mut rest = usize::try_from(number).unwrap_or_default();
    let mut text = String::new();
    while text.len() < limit.min(6) {
        text.push(digits[rest % digits.len()]);
        rest /= digits.len();
    }
    text
}

/// A number of units of the last place, as many as the precision has digits for.
fn numeric(typmod: i32, n: u64) -> String {
    if typmod < 4 {
        return n.to_string();
    }
    let modifier = u32::try_from(typmod - 4).unwrap_or_default();
    let (precision, scale) = (modifier >> 16, modifier & 0x7ff);
    // A scale beyond that is a negative one, in two's complement.
    if scale > precision {
        return "0".to_owned();
    }
    let units = n % 10_u64.pow(precision.min(18));
    let width = usize::try_from(scale).unwrap_or_default();
    let text = format!("{units:0>width$}", width = width + 1);
    let (whole, places) = text.split_at(text.len() - width);
    if places.is_empty() { whole.to_owned() } else { format!("{whole}.{places}") }
}

fn day(number: u64) -> String {
    format!("{:04}-{:02}-{:02}", 2001 + number / 336, 1 + number / 28 % 12, 1 + number % 28)
}

fn time(number: u64) -> String {
    format!("{:02}:{:02}:{:02}", number / 3600 % 24, number / 60 % 60, number % 60)
}

fn bits(length: i32, number: u64) -> String {
    (0..length).rev().map(|place| if place < 64 && number >> place & 1 == 1 { '1' } else { '0' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_fits_its_precision() {
        let typmod = |precision: i32, scale: i32| ((precision << 16) | scale) + 4;
        assert_eq!(numeric(-1, 7001), "7001");
        assert_eq!(numeric(typmod(3, 2), 7123), "1.23");
        assert_eq!(numeric(typmod(10, 0), 7001), "7001");
        assert_eq!(numeric(typmod(4, 4), 7001), "0.7001");
    }

    #[test]
    fn a_short_text_is_another_one_for_every_number() {
        assert_eq!(short_text(usize::MAX, 3), "schemagate-3");
        let texts: std::collections::BTreeSet<String> = (0..1000).map(|number| short_text(3, number)).collect();
        assert_eq!(texts.len(), 1000);
        assert!(texts.iter().all(|text| text.len() == 3));
        assert_eq!((text_limit("bpchar", 5), text_limit("varchar", 12), text_limit("text", -1)), (1, 8, usize::MAX));
    }
}
