//! The campaign: which runs of which faults, how many at once. In: arguments. Out: whether all invariants held; the
//! table on stdout. Never lets a run that ends in a panic pass for one that went well.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

use crate::arguments::Arguments;
use crate::kinds::{FAULTS, Fault};
use crate::lab::Lab;
use crate::table;
use crate::trial::{Hit, Verdict};

/// Runs it; whether nothing was violated.
pub fn run(arguments: &Arguments) -> bool {
    let started = Instant::now();
    let wanted = |fault: &&Fault| arguments.faults.is_empty() || arguments.faults.iter().any(|name| name == fault.name);
    println!("seed {}, {} runs a fault", arguments.seed, arguments.runs);
    let lab = Lab::new(arguments.seed, arguments.quick);
    println!("a run without a fault takes {} ms beside others\n", lab.length.as_millis());
    let (mut rows, mut skipped, mut failed) = (Vec::new(), Vec::new(), 0);
    for fault in FAULTS.iter().filter(wanted) {
        if let Some(reason) = (fault.missing)() {
            skipped.push(format!("skipped: the fault {}: {reason}", fault.name));
            continue;
        }
        let begun = Instant::now();
        let verdicts = inject(&lab, fault, arguments);
        for verdict in verdicts.iter().filter(|verdict| !verdict.violations.is_empty()) {
            println!("{}\n", table::complaint(arguments.seed, fault.name, verdict));
        }
        failed += usize::from(table::violated(&verdicts) > 0);
        let row = table::row(fault.name, &verdicts);
        eprintln!("{row} {:.0} s", begun.elapsed().as_secs_f64());
        rows.push(row);
    }
    println!("{}\n{}\n", table::HEAD, rows.join("\n"));
    skipped.iter().for_each(|line| tell_skipped(line));
    println!("seed {}, {:.0} s in all", arguments.seed, started.elapsed().as_secs_f64());
    println!("{} passed, {failed} failed, {} skipped", rows.len() - failed, skipped.len());
    failed == 0
}

/// For whoever reads the end of `scripts/test` too.
fn tell_skipped(line: &str) {
    use std::io::Write as _;
    println!("{line}");
    if let Some(path) = std::env::var_os("SCHEMAGATE_TEST_SKIPPED") {
        let mut file = std::fs::File::options().append(true).create(true).open(path).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// All runs of one fault, in groups that share a server.
fn inject(lab: &Lab, fault: &Fault, arguments: &Arguments) -> Vec<Verdict> {
    let groups: Vec<Range<usize>> = (0..arguments.runs)
        .step_by(fault.together)
        .map(|first| first..(first + fault.together).min(arguments.runs))
        .filter(|group| arguments.run.is_none_or(|wanted| group.contains(&wanted)))
        .collect();
    let left = Mutex::new(groups.into_iter());
    let verdicts = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = left.lock().unwrap().next();
            let Some(group) = next else { return };
            let judged = one_group(lab, fault, group);
            verdicts.lock().unwrap().extend(judged);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..fault.at_once {
            scope.spawn(work);
        }
    });
    let mut verdicts = verdicts.into_inner().unwrap();
    verdicts.sort_by_key(|verdict| verdict.number);
    verdicts
}

/// A run that the campaign itself could not finish counts as violated.
fn one_group(lab: &Lab, fault: &Fault, group: Range<usize>) -> Vec<Verdict> {
    catch_unwind(AssertUnwindSafe(|| (fault.inject)(lab, fault.name, group.clone()))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default();
        let broken = |number| Verdict {
            number,
            point: "unknown".to_owned(),
            hit: Hit::Not,
            ends: Vec::new(),
            violations: vec![format!("the run could not be finished: {words}")],
            log: String::new(),
            measured: Vec::new(),
        };
        group.map(broken).collect()
    })
}
