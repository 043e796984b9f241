//! schemagate and Drizzle's tools in turns over eleven migrations: what the one applied, the other has nothing to do with.

use std::fmt;

use super::catalogue::assert_same;
use super::changes::Series;
use super::{Database, Outcome, Project, Version};

/// What deploys a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Gate,
    Kit,
    Orm,
    /// The release is never deployed: the next one brings its migration along.
    Nobody,
}

/// What the histories hold: ours, and Drizzle's.
#[derive(PartialEq, Eq, Clone)]
pub(super) struct Histories {
    pub(super) ours: Vec<String>,
    pub(super) theirs: Vec<String>,
}

impl fmt::Debug for Histories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ours:\n{}\ntheirs:\n{}", self.ours.join("\n"), self.theirs.join("\n"))
    }
}

pub(super) fn histories(database: &Database) -> Histories {
    let mut session = database.connect();
    let ours = "select h::text from drizzle.__migrations__ h order by version";
    let theirs = "select d::text from drizzle.__drizzle_migrations d order by id";
    Histories { ours: session.column(ours), theirs: session.column(theirs) }
}

impl By {
    fn deploy(self, project: &Project, database: &Database) -> Option<Outcome> {
        match self {
            Self::Gate => Some(project.gate(database, &["up"])),
            Self::Kit => Some(project.migrate(database)),
            Self::Orm => Some(project.migrate_by_orm(database)),
            Self::Nobody => None,
        }
    }
}

/// The releases one after the other, each by its tool; after each, neither tool finds anything to do.
fn in_turns(series: &Series, order: &[By], theirs: &Database) {
    let database = Database::new();
    for (number, (project, by)) in series.steps.iter().zip(order).enumerate() {
        let when = format!("{:?}, {by:?} at {}", order, series.name(number));
        let Some(outcome) = by.deploy(project, &database) else { continue };
        assert_eq!(outcome.code, Some(0), "{when}\n{outcome}");
        let up = project.gate(&database, &["up"]);
        assert!(up.code == Some(0) && up.stdout.contains("\"up_to_date\""), "{when}\n{up}");
        assert!(!up.stdout.contains("ran in"), "{when}\n{up}");
        let before = histories(&database);
        assert_eq!((before.ours.len(), before.theirs.len()), (number + 1, number + 1), "{when}\n{before:?}");
        let status = project.gate(&database, &["status", "--check"]);
        assert_eq!(status.code, Some(0), "{when}\n{status}");
        // The other of Drizzle's two has to find the same as the one that has just run, too.
        let other = if matches!(by, By::Orm) || number % 2 == 0 { By::Kit } else { By::Orm };
        let nothing = other.deploy(project, &database).unwrap();
        assert_eq!(nothing.code, Some(0), "{when}\n{nothing}");
        assert_eq!(histories(&database), before, "{when}: {other:?} found something to do");
    }
    assert_same(&database, theirs, &format!("{order:?}"));
}

/// Every order that begins or ends with either, and others by chance; the seed is in the name of a failure.
fn orders() -> Vec<Vec<By>> {
    use By::{Gate, Kit, Nobody, Orm};
    let mut orders = vec![
        [Gate, Kit].repeat(6),
        [Kit, Gate].repeat(6),
        [Orm, Gate, Gate, Orm].repeat(3),
        [vec![Kit; 6], vec![Gate; 5]].concat(),
        [vec![Gate; 6], vec![Orm; 5]].concat(),
        [Nobody, Gate, Nobody, Kit, Nobody, Nobody, Gate, Kit, Nobody, Nobody, Orm].to_vec(),
    ];
    let mut seed = 20_261_122_u64;
    for _ in 0..3 {
        let mut pick = || {
            // Knuth's generator; its upper bits are good enough to pick from five.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            [Gate, Gate, Kit, Orm, Nobody][usize::try_from(seed >> 33).unwrap() % 5]
        };
        orders.push((0..11).map(|_| pick()).collect());
    }
    for order in &mut orders {
        // All of them are at the end in the end.
        order.truncate(11);
        if order[10] == Nobody {
            order[10] = Gate;
        }
    }
    orders
}

fn every_order(version: Version) {
    let Some(series) = Series::new(version) else { return };
    let theirs = Database::new();
    series.steps.last().unwrap().migrate(&theirs).assert_code(0);
    let orders = orders();
    // Most of the time is node's; two at once use the time that one of them waits.
    std::thread::scope(|scope| {
        for half in orders.chunks(orders.len().div_ceil(2)) {
            scope.spawn(|| half.iter().for_each(|order| in_turns(&series, order, &theirs)));
        }
    });
}

#[test]
fn the_tools_of_0_x_and_schemagate_take_turns_in_every_order() {
    every_order(Version::Zero);
}

#[test]
fn the_tools_of_1_0_and_schemagate_take_turns_in_every_order() {
    every_order(Version::One);
}
