//! A rehearsal as one self-contained page that prints on A4. In: what was measured. Out: HTML without scripts and without
//! addresses.

use super::chart::chart;
use super::text::{Told, end_lines, named, notice_lines, rows_text, told_rewrites};
use super::words::{blocked, plain};
use super::worst::strongest;
use crate::effects::Blocks;
use crate::postgres::counted;
use crate::rehearsal::{Measured, Outcome, RehearsedBatch, RehearsedMigration};
use crate::report::failure::Failure;
use crate::report::markup::{css_string, escape};
use crate::report::size::{bytes_text, precise, size_text};
use crate::run::Rehearsed;

const STYLE: &str = include_str!("page.css");

/// A self-contained document.
pub fn html(rehearsed: &Rehearsed) -> String {
    let title = format!("Rehearsal of {}", counted(rehearsed.pending, "migration"));
    let batches: String =
        rehearsed.rehearsal.batches.iter().enumerate().map(|(at, batch)| section(at + 1, batch)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;\"/>\n<meta name=\"viewport\" \
         content=\"width=device-width\"/>\n<title>{}</title>\n<style>\n{STYLE}{}</style>\n</head>\n<body>\n<h1>{}</h1>\n\
         {}{}{batches}</body>\n</html>\n",
        escape(&title),
        running_foot(rehearsed),
        escape(&title),
        facts(rehearsed),
        failure(rehearsed)
    )
}

fn running_foot(rehearsed: &Rehearsed) -> String {
    format!("@page {{ @bottom-left {{ content: {}; }} }}\n", css_string(&rehearsed.place))
}

fn facts(rehearsed: &Rehearsed) -> String {
    let batches = &rehearsed.rehearsal.batches;
    let worst = batches
        .iter()
        .flat_map(|batch| strongest(&batch.held))
        .filter(|held| held.mode.blocks() > Blocks::Neither)
        .max_by_key(|held| (held.mode.blocks(), held.lasts()));
    let worst = worst.map_or_else(
        || "no table that existed is closed to reads or writes".to_owned(),
        |held| format!("{} of {} for {}", blocked(held.mode.blocks()), held.relation, precise(held.lasts())),
    );
    let files = format!("{} applied, {} pending", rehearsed.applied, rehearsed.pending + rehearsed.held_back);
    let mut rows = vec![
        ("Result", end_lines(rehearsed).join("\n")),
        ("Database", format!("{} (PostgreSQL {})", rehearsed.place, rehearsed.server_version)),
        ("Migrations", files),
    ];
    if rehearsed.pending > 0 {
        rows.insert(1, ("Blocked the longest", worst));
    }
    rows.extend(rehearsed.adopts.clone().map(|adopts| ("Adopted by `up`", adopts)));
    if !rehearsed.traffic.is_empty() {
        let sessions: Vec<String> = rehearsed.traffic.iter().map(ToString::to_string).collect();
        rows.push(("Other sessions", sessions.join("\n")));
    }
    let rows: String = rows
        .iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(name), escape(value)))
        .collect();
    format!("<table class=\"facts\">\n<tbody>\n{rows}</tbody>\n</table>\n")
}

fn failure(rehearsed: &Rehearsed) -> String {
    rehearsed.failed.as_ref().map_or_else(String::new, |error| {
        let lines = Failure::of_rehearsal(error).lines();
        // In a pre the line feeds have to stay what they are.
        let lines: Vec<String> = lines.iter().flat_map(|line| line.lines()).map(escape).collect();
        format!("<pre class=\"failure\">{}</pre>\n", lines.join("\n"))
    })
}

fn section(number: usize, batch: &RehearsedBatch) -> String {
    let mut told = Told::default();
    let migrations: String = batch.migrations.iter().map(|migration| part(migration, &mut told)).collect();
    if !batch.transactional {
        return format!("<section>\n<h2>Batch {number}: not rehearsed</h2>\n{migrations}</section>\n");
    }
    let carried: String = batch
        .carried
        .iter()
        .map(|(relation, mode)| {
            format!(
                "<p class=\"note\">{} is locked {} by an earlier batch still; whether this one locks it again is not seen. \
                 <code>up</code> lets go of it in between.</p>\n",
                escape(&relation.name),
                mode.name()
            )
        })
        .collect();
    format!(
        "<section>\n<h2>Batch {number}: one transaction of {}</h2>\n{carried}{}{migrations}</section>\n",
        escape(&precise(batch.elapsed)),
        chart(batch)
    )
}

fn part(migration: &RehearsedMigration, told: &mut Told) -> String {
    let outcome = match &migration.outcome {
        Outcome::Ran => String::new(),
        Outcome::Failed => " <span class=\"failed\">failed</span>".to_owned(),
        Outcome::NotReached => " <span class=\"skipped\">not reached</span>".to_owned(),
        Outcome::NotRehearsed(reason) => format!(" <span class=\"note\">{}</span>", escape(reason.words())),
    };
    let rows: String = migration.statements.iter().map(|measured| row(measured, told)).collect();
    let table = match rows.is_empty() {
        true => String::new(),
        false => format!(
            "<table class=\"statements\">\n<colgroup><col style=\"width: 8%\"/><col style=\"width: 37%\"/><col \
             style=\"width: 10%\"/><col style=\"width: 45%\"/></colgroup>\n<thead><tr><th scope=\"col\">Line</th><th \
             scope=\"col\">Statement</th><th scope=\"col\">Time</th><th scope=\"col\">What it takes and \
             changes</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
        ),
    };
    let creates = match migration.creates.is_empty() {
        true => String::new(),
        false => format!("<p class=\"note\">Creates {}.</p>\n", escape(&migration.creates.join(", "))),
    };
    format!("<h3>{}{outcome}</h3>\n{table}{creates}", escape(&migration.file))
}

fn row(measured: &Measured, told: &mut Told) -> String {
    let mut effects = Vec::new();
    for (relation, mode) in measured.locks.iter().filter(|(relation, mode)| told.is_news(relation, *mode)) {
        let class = class(mode.blocks());
        effects.push(format!(
            "<li><span class=\"{class}\">{}</span> <b>{}</b>: {}</li>",
            mode.name(),
            escape(&named(relation)),
            escape(plain(*mode))
        ));
    }
    for rewrite in told_rewrites(measured) {
        effects.push(format!(
            "<li><b>{}</b> is written anew: {} before, {} after</li>",
            escape(&named(&rewrite.relation)),
            size_text(rewrite.bytes_before),
            size_text(rewrite.bytes_after)
        ));
    }
    effects.extend(measured.rows.iter().map(|rows| format!("<li>rows {}</li>", escape(&rows_text(rows)))));
    if measured.wal_bytes > 0 {
        effects.push(format!("<li>{} of WAL</li>", bytes_text(measured.wal_bytes)));
    }
    effects.extend(notice_lines(measured).iter().map(|line| format!("<li>{}</li>", escape(line))));
    if measured.failed {
        effects.insert(0, "<li class=\"failed\">failed</li>".to_owned());
    }
    format!(
        "<tr><td>{}:{}</td><td class=\"mono\">{}</td><td class=\"number\">{}</td><td><ul>{}</ul></td></tr>\n",
        measured.line,
        measured.column,
        escape(&measured.text),
        escape(&precise(measured.elapsed)),
        effects.concat()
    )
}

/// The class of what a lock blocks.
pub(super) fn class(blocks: Blocks) -> &'static str {
    match blocks {
        Blocks::Neither => "free",
        Blocks::Writes => "writes",
        Blocks::ReadsAndWrites => "all",
    }
}
