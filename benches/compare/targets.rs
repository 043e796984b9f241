//! What schemagate is to reach: one list. In: results. Out: each target with what was measured, and whether that is it.

use crate::counting::{FRESH, UP_TO_DATE};
use crate::crowd;
use crate::results::{Results, Seconds, median};
use crate::tools::{Kind, OURS, PSQL, TOOLS};

/// A target, and what its measure is and whether it is met; nothing where it was not measured.
pub struct Target {
    pub words: &'static str,
    pub measure: fn(&Results) -> Option<(String, bool)>,
}

const MEBIBYTE_KIB: f64 = 1024.0;

pub const TARGETS: &[Target] = &[
    Target {
        words: "round trips, nothing pending: the handshake (3 with SCRAM) and 1",
        measure: |results| results.waits(OURS, UP_TO_DATE).map(|waits| (waits.to_string(), waits <= 4)),
    },
    Target {
        words: "round trips, 100 pending: the handshake (3 with SCRAM) and at most 4",
        measure: |results| results.waits(OURS, FRESH).map(|waits| (waits.to_string(), waits <= 7)),
    },
    Target {
        words: "nothing pending: at most 1.2 × `psql -c 'select 1'`",
        measure: |results| ratio(results, "up-to-date-10", 1.2),
    },
    Target {
        words: "nothing pending, TLS and SCRAM: at most 1.2 × `psql -c 'select 1'`",
        measure: |results| ratio(results, "up-to-date-10-tls", 1.2),
    },
    Target { words: "nothing pending: no peer is quicker", measure: |results| quickest(results, "up-to-date-10") },
    Target {
        words: "nothing pending, 1,000 applied: no peer is quicker",
        measure: |results| quickest(results, "up-to-date-1000"),
    },
    Target {
        words: "nothing pending, 10,000 applied: no peer is quicker",
        measure: |results| quickest(results, "up-to-date-10000"),
    },
    Target { words: "1,000 small: at most 1.1 × `psql -1 -f`", measure: |results| ratio(results, "fresh-1000", 1.1) },
    Target {
        words: "1,000 small at 40 ms: at most 1.2 × `psql -1 -f`",
        measure: |results| ratio(results, "fresh-1000-40ms", 1.2),
    },
    Target {
        words: "1,000 small at 40 ms: at least 20 × faster than every peer",
        measure: |results| {
            let least = peers().filter_map(|peer| results.ratio("fresh-1000-40ms", peer, OURS)).reduce(f64::min)?;
            Some((format!("{least:.1} ×"), least >= 20.0))
        },
    },
    Target {
        words: "10,000 small against 1,000: at most 11 × the time",
        measure: |results| {
            let seconds = |case| results.row(case, OURS)?.median();
            let growth = seconds("fresh-10000")? / seconds("fresh-1000")?;
            Some((format!("{growth:.1} ×"), growth <= 11.0))
        },
    },
    Target {
        words: "peak memory at 10,000 small: at most 40 MiB",
        measure: |results| memory(results, "fresh-10000", 40.0),
    },
    Target {
        words: "peak memory with a file of 100 MB: at most 40 MiB and twice the file",
        measure: |results| memory(results, "fresh-100mb", 40.0 + 2.0 * 100e6 / f64::from(1 << 20)),
    },
    Target {
        words: "50 copies at once, nothing pending: at most 2 × `psql`",
        measure: |results| ratio(results, crowd::UP_TO_DATE, 2.0),
    },
    Target {
        words: "50 copies at once, pending: the last exits within 1.5 s of the COMMIT",
        measure: |results| {
            let worst = results.after_commit.iter().copied().reduce(f64::max)?;
            let middle = median(results.after_commit.clone())?;
            Some((format!("{} (worst {})", Seconds(middle), Seconds(worst)), worst <= 1.5))
        },
    },
    Target {
        words: "size on disk: at most 12 MiB",
        measure: |results| {
            let ours = results.shipped.iter().find(|shipped| shipped.tool == OURS)?.mebibytes;
            Some((format!("{ours:.1} MiB"), ours <= 12.0))
        },
    },
];

fn peers() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().filter(|tool| tool.kind == Kind::Peer).map(|tool| tool.name)
}

fn ratio(results: &Results, case: &str, limit: f64) -> Option<(String, bool)> {
    let ratio = results.ratio(case, OURS, PSQL)?;
    Some((format!("{ratio:.2} ×"), ratio <= limit))
}

/// The quickest peer in the units of schemagate; within the noise of a hundredth they are equal.
fn quickest(results: &Results, case: &str) -> Option<(String, bool)> {
    let ratios = peers().filter_map(|peer| Some((peer, results.ratio(case, peer, OURS)?)));
    let (peer, least) = ratios.min_by(|a, b| a.1.total_cmp(&b.1))?;
    Some((format!("{peer} takes {least:.2} ×"), least >= 0.99))
}

fn memory(results: &Results, case: &str, limit_mebibytes: f64) -> Option<(String, bool)> {
    let kib = u32::try_from(results.row(case, OURS)?.peak_kib?).unwrap_or(u32::MAX);
    let mebibytes = f64::from(kib) / MEBIBYTE_KIB;
    Some((format!("{mebibytes:.0} MiB"), mebibytes <= limit_mebibytes))
}
