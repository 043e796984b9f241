//! The report as Markdown. In: results. Out: the same text on stdout and in `target/bench/report.md`.

use std::fmt::Write as _;
use std::path::Path;

use crate::arguments::Arguments;
use crate::counting;
use crate::results::{Results, Row, Seconds, Table, median};
use crate::targets::TARGETS;
use crate::tools::{OURS, PSQL};

pub fn publish(arguments: &Arguments, results: &Results) {
    let text = text(arguments, results);
    println!("{text}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("bench");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("report.md");
    std::fs::write(&path, text).unwrap();
    eprintln!("written to {}", path.display());
}

fn text(arguments: &Arguments, results: &Results) -> String {
    let mut text = String::new();
    let kind = if arguments.quick { "a quick run" } else { "a full run" };
    let _ = writeln!(text, "# Measured in {kind}\n\n{}\n", machine());
    if !results.missing.is_empty() {
        let _ = writeln!(text, "Not installed, left out: {}.\n", results.missing.join(", "));
    }
    targets(&mut text, results);
    for table in &results.tables {
        case(&mut text, table);
    }
    counts(&mut text, results);
    shipped(&mut text, results);
    text
}

/// What the figures depend on, without a name.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0);
    let programs = crate::support::programs::programs();
    let server = programs.command("postgres").arg("--version").output().unwrap();
    let server = String::from_utf8_lossy(&server.stdout).trim().to_owned();
    format!(
        "{cores} cores, {} GiB of memory, {server} on loopback with `fsync = off`. Whole processes, from `exec` to \
         the end. Ratios are medians of the ratios of each round, in which all tools run in turn.",
        kib / (1 << 20)
    )
}

fn targets(text: &mut String, results: &Results) {
    text.push_str("| target | measured | met |\n|---|--:|---|\n");
    for target in TARGETS {
        let (measured, met) = match (target.measure)(results) {
            Some((measured, met)) => (measured, if met { "yes" } else { "**no**" }),
            None => ("not in this run".to_owned(), "–"),
        };
        let _ = writeln!(text, "| {} | {measured} | {met} |", target.words);
    }
    text.push('\n');
}

fn case(text: &mut String, table: &Table) {
    let _ = writeln!(text, "## {}\n\n{}.\n", table.case, table.about);
    text.push_str("| tool | median | from – to | rounds | × psql | × schemagate | peak MiB |\n");
    text.push_str("|---|--:|--:|--:|--:|--:|--:|\n");
    for row in &table.rows {
        let _ = writeln!(text, "| {} |", cells(table, row).join(" | "));
    }
    text.push('\n');
}

fn cells(table: &Table, row: &Row) -> Vec<String> {
    let seconds = row.seconds();
    let Some(middle) = row.median() else {
        let why = row.failed.as_deref().unwrap_or("not measured").replace('|', "/");
        return vec![row.tool.to_owned(), why, "–".into(), "0".into(), "–".into(), "–".into(), "–".into()];
    };
    let least = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = seconds.iter().copied().fold(0.0, f64::max);
    let ratio = |to: &str| {
        let ratio = table.row(to).and_then(|other| row.ratio_to(other));
        ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
    };
    let peak = row.peak_kib.map_or_else(|| "–".to_owned(), |kib| (kib / 1024).to_string());
    let spread = format!("{} – {}", Seconds(least), Seconds(most));
    vec![
        row.tool.to_owned(),
        Seconds(middle).to_string(),
        spread,
        seconds.len().to_string(),
        ratio(PSQL),
        ratio(OURS),
        peak,
    ]
}

fn counts(text: &mut String, results: &Results) {
    if results.counts.is_empty() {
        return;
    }
    let columns = [counting::UP_TO_DATE_TRUST, counting::UP_TO_DATE, counting::UP_TO_DATE_TLS, counting::FRESH];
    let _ = writeln!(text, "## waits\n\nHow often a run waits for the server after the TCP handshake.\n");
    let _ = writeln!(text, "| tool | {} |\n|---|{}", columns.join(" | "), "--:|".repeat(columns.len()));
    let mut tools: Vec<&str> = results.counts.iter().map(|count| count.tool).collect();
    tools.dedup();
    for tool in tools {
        let cells: Vec<String> = columns
            .iter()
            .map(|what| results.waits(tool, what).map_or_else(|| "–".to_owned(), |waits| waits.to_string()))
            .collect();
        let _ = writeln!(text, "| {tool} | {} |", cells.join(" | "));
    }
    text.push('\n');
}

fn shipped(text: &mut String, results: &Results) {
    if results.shipped.is_empty() {
        return;
    }
    text.push_str(
        "## shipped\n\nThe program with the shared libraries or packages that it loads, without the C library; the ",
    );
    text.push_str("time from `exec` to the first packet of a run that has nothing to do.\n\n");
    text.push_str("| tool | MiB | to the first packet |\n|---|--:|--:|\n");
    for shipped in &results.shipped {
        let start = median(shipped.to_first_packet.clone());
        let start = start.map_or_else(|| "–".to_owned(), |seconds| Seconds(seconds).to_string());
        let _ = writeln!(text, "| {} | {:.1} | {start} |", shipped.tool, shipped.mebibytes);
    }
    text.push('\n');
}
