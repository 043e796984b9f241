//! What a stopwatch does not show: how often each tool waits for the server, what it takes to ship it, how soon it
//! speaks. In: the lab. Out: counts.

use std::time::Instant;

use crate::arguments::Arguments;
use crate::cases::tools;
use crate::lab::{Entry, Lab};
use crate::release::Content;
use crate::results::{Counted, Results, Shipped};
use crate::support::database::Database;
use crate::tools::{Kind, Tool};

/// What is counted; by these words the report and the targets know it.
pub const UP_TO_DATE: &str = "10 applied; SCRAM";
pub const UP_TO_DATE_TRUST: &str = "10 applied; trust";
pub const UP_TO_DATE_TLS: &str = "10 applied; TLS, SCRAM";
pub const FRESH: &str = "100 pending; SCRAM";

const APPLIED: Content = Content::Idle(10);
const PENDING: Content = Content::Small(100);

/// Counts the waits of one run each. A wait costs the time that the proxy takes to see one, so that a quick run leaves
/// out those that wait for each migration.
pub fn waits(lab: &Lab, arguments: &Arguments, results: &mut Results) {
    for tool in tools(lab) {
        let mut count = |what, content, entry, database: &Database, up_to_date| {
            let waits = count(lab, tool, content, entry, database, up_to_date);
            results.counts.push(Counted { tool: tool.name, what, waits });
        };
        let database = lab.database();
        if tool.name != "psql, one message" {
            let url = lab.url_at(lab.server.port(), &database, Entry::Trust);
            if tool.call(&lab.peers, APPLIED, &url, false).time().is_ok() {
                count(UP_TO_DATE_TRUST, APPLIED, Entry::Trust, &database, true);
                count(UP_TO_DATE, APPLIED, Entry::Scram, &database, true);
                count(UP_TO_DATE_TLS, APPLIED, Entry::TlsScram, &database, true);
            }
        }
        if !arguments.quick || tool.kind != Kind::Peer {
            count(FRESH, PENDING, Entry::Scram, &lab.database(), false);
        }
    }
}

fn count(
    lab: &Lab,
    tool: &Tool,
    content: Content,
    entry: Entry,
    database: &Database,
    up_to_date: bool,
) -> Result<usize, String> {
    let proxy = lab.counting();
    let url = lab.url_at(proxy.port(), database, entry);
    tool.call(&lab.peers, content, &url, up_to_date).time()?;
    Ok(proxy.traffic().waits)
}

/// Sizes, and the time from `exec` to the first packet of a run that has nothing to do.
pub fn shipped(lab: &Lab, arguments: &Arguments, results: &mut Results) {
    let line = lab.direct_line();
    let rounds = if arguments.quick { 11 } else { 31 };
    for tool in tools(lab).filter(|tool| tool.name != "psql, one message") {
        let database = lab.database();
        let call = tool.call(&lab.peers, APPLIED, &lab.url_at(line.port(), &database, Entry::Trust), false);
        let mut to_first_packet = Vec::new();
        for _ in 0..rounds {
            line.take();
            let started = Instant::now();
            let ended = call.time();
            if let (Ok(_), Some(first)) = (ended, line.take().first) {
                to_first_packet.push((first - started).as_secs_f64());
            }
        }
        let mebibytes = tool.ships_mebibytes(&lab.peers);
        results.shipped.push(Shipped { tool: tool.name, mebibytes, to_first_packet });
    }
}
