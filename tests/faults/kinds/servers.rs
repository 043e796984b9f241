//! The server goes away and comes back.

use std::ops::Range;
use std::time::Duration;

use super::Fault;
use super::group::Group;
use crate::lab::Lab;
use crate::support::server::{Server, Stop};
use crate::trial::{Allowed, Verdict};

const OUTAGE: Duration = Duration::from_secs(10);
const SHORT_OUTAGE: Duration = Duration::from_secs(1);

/// A fault that hits a server of its own, with several runs on it.
pub const fn fault(
    name: &'static str,
    about: &'static str,
    at_once: usize,
    inject: fn(&Lab, &'static str, Range<usize>) -> Vec<Verdict>,
) -> Fault {
    Fault { together: 5, at_once, ..super::fault(name, about, inject) }
}

pub fn restart_immediate(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    away(lab, fault, runs, Stop::Immediate, Duration::ZERO)
}

pub fn restart_fast(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    away(lab, fault, runs, Stop::Fast, Duration::ZERO)
}

pub fn outage(lab: &Lab, fault: &'static str, runs: Range<usize>) -> Vec<Verdict> {
    let how = if runs.start.is_multiple_of(2) { Stop::Immediate } else { Stop::Fast };
    away(lab, fault, runs, how, if lab.quick { SHORT_OUTAGE } else { OUTAGE })
}

fn away(lab: &Lab, fault: &'static str, runs: Range<usize>, how: Stop, long: Duration) -> Vec<Verdict> {
    let mut server = Server::builder().start();
    let group = Group::start(lab, fault, runs, server.address());
    server.stop(how);
    std::thread::sleep(long);
    server.start();
    group.finish().judge(Allowed::SUCCESS)
}
