//! The faults: one list, and a file for each kind.

mod copies;
mod group;
mod network;
mod resources;
mod servers;
mod sessions;
mod signals;
mod standby;
mod vanished;

use std::ops::Range;

use crate::lab::{AT_ONCE, Lab};
use crate::trial::Verdict;

/// A fault, and how it is injected.
pub struct Fault {
    pub name: &'static str,
    pub about: &'static str,
    /// How many runs share a server that the fault hits.
    pub together: usize,
    /// How many such groups go beside each other.
    pub at_once: usize,
    /// What this machine lacks for it.
    pub missing: fn() -> Option<&'static str>,
    /// The runs of these numbers.
    pub inject: fn(&Lab, &'static str, Range<usize>) -> Vec<Verdict>,
}

const fn fault(
    name: &'static str,
    about: &'static str,
    inject: fn(&Lab, &'static str, Range<usize>) -> Vec<Verdict>,
) -> Fault {
    Fault { name, about, together: 1, at_once: AT_ONCE, missing: || None, inject }
}

/// Every fault, in the order of the table.
pub const FAULTS: &[Fault] = &[
    fault("sigkill", "SIGKILL of the job", signals::kill),
    fault("sigterm", "SIGTERM of the job", signals::terminate),
    fault("sigint", "SIGINT of the job", signals::interrupt),
    fault("sigterm-twice", "SIGTERM, and again a moment later", signals::terminate_twice),
    fault("terminate-backend", "pg_terminate_backend on its sessions, up to three times", sessions::terminate),
    fault("cancel-backend", "pg_cancel_backend on its sessions", sessions::cancel),
    servers::fault("restart-immediate", "the server crashes and starts again", 1, servers::restart_immediate),
    servers::fault("restart-fast", "the server is restarted in order", 1, servers::restart_fast),
    servers::fault("outage", "the server is away for ten seconds", 2, servers::outage),
    fault("cut-upwards", "the connection is cut in a message of the job, up to three times", network::upwards),
    fault("cut-downwards", "the same in a message of the server", network::downwards),
    fault("cut-before-commit", "cut when COMMIT is on its way, which does not arrive whole", network::before_commit),
    fault("cut-after-commit", "cut when COMMIT has arrived, before its answer has", network::after_commit),
    vanished::FAULT,
    fault("one-byte", "from a random message on each byte travels in a packet of its own", network::bytewise),
    Fault { at_once: 25, ..fault("latency", "from a random message on 200 ms each way", network::late) },
    servers::fault(
        "failover",
        "the primary dies and its standby is promoted, two hosts in the URL",
        2,
        standby::failover,
    ),
    servers::fault("standby", "the target is a read-only standby", 1, standby::only),
    resources::TABLESPACE,
    resources::DATA_FOLDER,
    servers::fault(
        "max-connections",
        "no connection is left, and the job's own is terminated",
        2,
        resources::connections,
    ),
    servers::fault("lock-table", "the shared memory for locks is used up", 2, resources::locks),
    Fault { at_once: 2, ..fault("ten-copies", "ten copies at once, up to five of them killed", copies::ten) },
];
