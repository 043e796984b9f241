//! When each table is locked, drawn to scale. In: the locks of a batch. Out: SVG, one row a table, in pieces that fit a page.

use std::time::Duration;

use super::html::class;
use super::words::blocked;
use super::worst::strongest;
use crate::effects::{Blocks, LockMode};
use crate::rehearsal::{Held, RehearsedBatch, RehearsedMigration};
use crate::report::markup::escape;
use crate::report::size::{bytes_text, precise};

/// In units of the drawing.
const LABELS: f64 = 250.0;
const WIDTH: f64 = 700.0;
const MARGIN: f64 = 30.0;
const HEAD: f64 = 42.0;
const ROW: f64 = 26.0;
const BAR: f64 = 17.0;
/// Less than the width of a letter as the page sets it.
const LETTER: f64 = 6.2;
/// Rows that fit a printed page with what stands around them.
const ROWS_A_PIECE: usize = 28;
const LABEL_CHARS: usize = 34;
/// Closer together they would be a surface.
const LINES_APART: f64 = 4.0;

/// A span in which one mode is the strongest.
struct Segment {
    from: Duration,
    until: Duration,
    mode: LockMode,
}

/// The drawing of a batch; nothing where it locks no table that existed.
pub(super) fn chart(batch: &RehearsedBatch) -> String {
    let tables = strongest(&batch.held);
    if tables.is_empty() || batch.elapsed.is_zero() {
        return "<p class=\"note\">No table that existed is locked.</p>\n".to_owned();
    }
    let mut text = String::from(
        "<p class=\"legend\"><span class=\"key all\"></span>blocks reads and writes <span class=\"key writes\"></span>blocks \
         writes <span class=\"key free\"></span>blocks neither; each to the end of the batch</p>\n",
    );
    for piece in tables.chunks(ROWS_A_PIECE) {
        text.push_str(&drawing(batch, piece));
    }
    text
}

fn drawing(batch: &RehearsedBatch, tables: &[&Held]) -> String {
    let rows = count(tables.len());
    let (width, height) = (LABELS + WIDTH + MARGIN, HEAD + rows * ROW + 10.0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Locks over time\" font-size=\"12\">\n"
    );
    let bottom = HEAD + rows * ROW;
    axis(&mut svg, batch.elapsed, bottom);
    migrations(&mut svg, batch, bottom);
    for (at, held) in tables.iter().enumerate() {
        row(&mut svg, batch, held, HEAD + count(at) * ROW);
    }
    svg.push_str("</svg>\n");
    svg
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn x(at: Duration, whole: Duration) -> f64 {
    LABELS + WIDTH * (at.as_secs_f64() / whole.as_secs_f64()).min(1.0)
}

/// Ticks at round times, at most seven.
fn axis(svg: &mut String, whole: Duration, bottom: f64) {
    let step = step(whole.as_secs_f64());
    let mut at = 0.0;
    while at <= whole.as_secs_f64() {
        let place = x(Duration::from_secs_f64(at), whole);
        let label = precise(Duration::from_secs_f64(at));
        let label = if at == 0.0 { "0" } else { label.as_str() };
        svg.push_str(&format!("<line x1=\"{place:.1}\" y1=\"{top}\" x2=\"{place:.1}\" y2=\"{bottom}\" class=\"tick\"/><text x=\"{place:.1}\" \
             y=\"12\" text-anchor=\"middle\" class=\"axis\">{}</text>\n",
            escape(label),
            top = HEAD - 24.0
        ));
        at += step;
    }
}

fn step(whole: f64) -> f64 {
    let mut unit = 10_f64.powf((whole / 6.0).log10().floor());
    if !unit.is_finite() || unit <= 0.0 {
        unit = 1.0;
    }
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * unit).find(|step| whole / step <= 6.0).unwrap_or(unit * 10.0)
}

/// Where each migration begins: its file where there is room for it, else its version, else nothing.
fn migrations(svg: &mut String, batch: &RehearsedBatch, bottom: f64) {
    let started: Vec<(f64, &RehearsedMigration)> = batch
        .migrations
        .iter()
        .filter_map(|migration| Some((x(migration.statements.first()?.start, batch.elapsed), migration)))
        .collect();
    let mut free_from = LABELS - 10.0;
    let mut line_from = 0.0;
    for (at, (place, migration)) in started.iter().enumerate() {
        if *place < line_from {
            continue;
        }
        line_from = place + LINES_APART;
        svg.push_str(&format!(
            "<line x1=\"{place:.1}\" y1=\"{}\" x2=\"{place:.1}\" y2=\"{bottom}\" class=\"migration\"/>\n",
            HEAD - 14.0
        ));
        let next = started.get(at + 1).map_or(LABELS + WIDTH + MARGIN, |(next, _)| *next);
        let width = |text: &str| count(text.chars().count()) * LETTER + 5.0;
        let names = [short(&migration.file, LABEL_CHARS), format!("V{}", migration.version)];
        let fits = |name: &&String| *place >= free_from && place + width(name) <= next;
        let Some(name) = names.iter().find(fits) else { continue };
        svg.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{}\" class=\"migration-name\">{}</text>\n",
            place + 3.0,
            HEAD - 5.0,
            escape(name)
        ));
        free_from = place + width(name);
    }
}

fn row(svg: &mut String, batch: &RehearsedBatch, table: &Held, top: f64) {
    let size = table.relation.size_bytes.map_or_else(String::new, |bytes| format!("  {}", bytes_text(bytes)));
    svg.push_str(&format!(
        "<g><title>{name}{size}: {mode}, {lasts}, since {since}</title>\n<text x=\"{label:.1}\" y=\"{base:.1}\" \
         text-anchor=\"end\" class=\"table\">{shown}</text>\n<line x1=\"{LABELS}\" y1=\"{line:.1}\" x2=\"{end:.1}\" \
         y2=\"{line:.1}\" class=\"row\"/>\n",
        name = escape(&table.relation.name),
        size = escape(&size),
        mode = table.mode.name(),
        lasts = escape(&precise(table.lasts())),
        since = escape(&table.taken_at),
        label = LABELS - 8.0,
        base = top + 16.5,
        shown = escape(&short(&table.relation.name, LABEL_CHARS)),
        line = top + ROW,
        end = LABELS + WIDTH,
    ));
    let segments = segments(&batch.held, table.relation.oid);
    for segment in &segments {
        let (from, until) = (x(segment.from, batch.elapsed), x(segment.until, batch.elapsed));
        // What is too short to be seen is drawn all the same.
        let width = (until - from).max(1.5);
        svg.push_str(&format!(
            "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{BAR}\" class=\"bar {}\"/>\n",
            top + (ROW - BAR) / 2.0,
            class(segment.mode.blocks())
        ));
    }
    if let Some(worst) =
        segments.iter().max_by_key(|segment| (segment.mode, segment.until.saturating_sub(segment.from)))
    {
        words(svg, batch, table, worst, top);
    }
    svg.push_str("</g>\n");
}

/// What is blocked and for how long: in the bar where it fits, else beside it.
fn words(svg: &mut String, batch: &RehearsedBatch, table: &Held, worst: &Segment, top: f64) {
    let what = match worst.mode.blocks() {
        Blocks::Neither => worst.mode.name().to_lowercase(),
        blocks => format!("no {}", blocked(blocks).replace(" and ", ", no ")),
    };
    let label = format!("{what}: {}", precise(table.lasts()));
    let room = count(label.chars().count()) * LETTER + 8.0;
    let (from, until) = (x(worst.from, batch.elapsed), x(worst.until, batch.elapsed));
    let (place, anchor, class) = if until - from >= room {
        (from + 5.0, "start", format!("in-{}", class(worst.mode.blocks())))
    } else if from - LABELS >= room {
        (from - 5.0, "end", "beside".to_owned())
    } else {
        (until + 5.0, "start", "beside".to_owned())
    };
    svg.push_str(&format!(
        "<text x=\"{place:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>\n",
        top + 17.0,
        escape(&label)
    ));
}

/// The strongest mode on a table over time.
fn segments(held: &[Held], oid: u32) -> Vec<Segment> {
    let spans: Vec<&Held> = held.iter().filter(|span| span.relation.oid == oid).collect();
    let mut times: Vec<Duration> = spans.iter().flat_map(|span| [span.from, span.until]).collect();
    times.sort_unstable();
    times.dedup();
    let mut segments: Vec<Segment> = Vec::new();
    for pair in times.windows(2) {
        let (from, until) = (pair[0], pair[1]);
        let strongest =
            spans.iter().filter(|span| span.from <= from && span.until >= until).map(|span| span.mode).max();
        let Some(mode) = strongest else { continue };
        match segments.last_mut().filter(|last| last.until == from && last.mode == mode) {
            Some(last) => last.until = until,
            None => segments.push(Segment { from, until, mode }),
        }
    }
    segments
}

/// A long name without its middle: what tells it apart may be at either end.
fn short(name: &str, limit: usize) -> String {
    let chars: Vec<char> = name.chars().collect();
    if chars.len() <= limit {
        return name.to_owned();
    }
    let (head, tail) = (limit / 2, limit - limit / 2 - 1);
    chars[..head].iter().chain(['…'].iter()).chain(&chars[chars.len() - tail..]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rehearsal::{Relation, RelationKind};

    fn held(mode: LockMode, from: u64, until: u64) -> Held {
        let name = "public.t".to_owned();
        let relation = Arc::new(Relation { oid: 1, name, kind: RelationKind::Table, size_bytes: None, rows: None });
        let (from, until) = (Duration::from_secs(from), Duration::from_secs(until));
        Held { relation, mode, from, until, taken_at: "V1__a.sql:1:1".to_owned() }
    }

    #[test]
    fn a_stronger_lock_takes_the_place_of_a_weaker_one() {
        let held = [held(LockMode::RowExclusive, 0, 10), held(LockMode::Share, 2, 10), held(LockMode::RowShare, 3, 10)];
        let seen: Vec<(u64, u64, LockMode)> = segments(&held, 1)
            .iter()
            .map(|segment| (segment.from.as_secs(), segment.until.as_secs(), segment.mode))
            .collect();
        assert_eq!(seen, [(0, 2, LockMode::RowExclusive), (2, 10, LockMode::Share)]);
        assert!(segments(&held, 2).is_empty());
    }

    #[test]
    fn ticks_are_round_and_few() {
        for whole in [0.000_004, 0.01, 0.7, 1.0, 3.3, 59.0, 86_400.0] {
            let step = step(whole);
            assert!(whole / step <= 6.0 && whole / step >= 2.0, "{whole}: {step}");
        }
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(short("public.orders", 34), "public.orders");
        assert_eq!(short(&format!("a{}z", "b".repeat(50)), 9), "abbb…bbbz");
    }
}
