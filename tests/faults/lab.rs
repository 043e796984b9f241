//! What all runs share: the release, how each prefix of it looks, how long a run takes, a server.

use std::time::Duration;

use crate::release;
use crate::state::Reference;
use crate::support::database::Database;
use crate::support::folder::Migrations;
use crate::support::job::Job;
use crate::support::server::Server;
use crate::wire::{Pace, Traffic, Wire};

/// How many runs go beside each other where their faults do not touch the server.
pub const AT_ONCE: usize = 4;

#[derive(Debug)]
pub struct Lab {
    pub seed: u64,
    /// Whether what takes long is to be shortened.
    pub quick: bool,
    pub folder: Migrations,
    pub reference: Reference,
    /// How long a run takes without a fault, beside others.
    pub length: Duration,
    /// What goes over the wire meanwhile, with either atomicity.
    traffic: [Traffic; 2],
    pub server: Server,
}

impl Lab {
    pub fn new(seed: u64, quick: bool) -> Self {
        let folder = release::folder();
        let server = Server::builder().setting("max_connections", "200").start();
        let reference = Reference::install(&server.database(), folder.path());
        let length = measure(&server, &folder);
        let traffic = ["release", "migration"].map(|atomicity| count(&server, &folder, atomicity));
        Self { seed, quick, folder, reference, length, traffic, server }
    }

    pub fn traffic(&self, atomicity: &str) -> Traffic {
        self.traffic[usize::from(atomicity == "migration")]
    }
}

fn measure(server: &Server, folder: &Migrations) -> Duration {
    let mut lengths = Vec::new();
    for round in 0..3 {
        let databases: Vec<Database> = (0..AT_ONCE).map(|_| server.database()).collect();
        let runs: Vec<_> =
            databases.iter().map(|database| Job::on(database).migrations(folder.path()).spawn()).collect();
        let round_lengths = runs.into_iter().map(|run| run.wait().assert_code(0).elapsed);
        // The first finds everything cold.
        lengths.extend(round_lengths.collect::<Vec<_>>().into_iter().filter(|_| round > 0));
    }
    lengths.sort();
    lengths[lengths.len() / 2]
}

fn count(server: &Server, folder: &Migrations, atomicity: &str) -> Traffic {
    let database = server.database();
    let wire = Wire::before(server.port(), &[], Pace::Usual);
    let job = Job::new().env("DATABASE_URL", wire.url(database.name())).env("SCHEMAGATE_ATOMICITY", atomicity);
    job.migrations(folder.path()).run().assert_code(0);
    wire.traffic()
}
