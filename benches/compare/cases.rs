//! The cases: one list. In: which are wanted. Out: their results. Runs the tools in turn, round by round, so that what
//! disturbs the machine disturbs all of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::lab::{Entry, Lab, Route};
use crate::measure::Invocation;
use crate::release::Content;
use crate::results::{Results, Row, Table};
use crate::support::database::Database;
use crate::tools::{Kind, TOOLS, Tool};
use crate::{counting, crowd};

/// What is done, whatever the way to the server: a name, what is migrated, whether it is applied already.
const BASES: [(&str, Content, bool); 9] = [
    ("up-to-date-10", Content::Idle(10), true),
    ("up-to-date-1000", Content::Idle(1_000), true),
    ("up-to-date-10000", Content::Idle(10_000), true),
    ("fresh-1", Content::Small(1), false),
    ("fresh-100", Content::Small(100), false),
    ("fresh-1000", Content::Small(1_000), false),
    ("fresh-10000", Content::Small(10_000), false),
    ("fresh-product", Content::Product, false),
    ("fresh-100mb", Content::Data(100), false),
];

/// The ways to the server, by the end of the case's name.
const ROUTES: [(&str, Route); 4] = [
    ("", Route { entry: Entry::Trust, round_trip_ms: 0 }),
    ("-tls", Route { entry: Entry::TlsScram, round_trip_ms: 0 }),
    ("-40ms", Route { entry: Entry::Trust, round_trip_ms: 40 }),
    ("-tls-40ms", Route { entry: Entry::TlsScram, round_trip_ms: 40 }),
];

/// What a quick run has of them.
const QUICK: [&str; 9] = [
    "up-to-date-10",
    "up-to-date-10-tls",
    "up-to-date-10-40ms",
    "up-to-date-1000",
    "fresh-1",
    "fresh-100",
    "fresh-100-40ms",
    "fresh-1000",
    "fresh-product",
];

/// A case of another kind, which fills in results of its own.
type Other = fn(&Lab, &Arguments, &mut Results);

const OTHERS: [(&str, Other); 3] =
    [("waits", counting::waits), ("shipped", counting::shipped), ("copies", crowd::copies)];

#[derive(Debug, Clone)]
struct Case {
    name: String,
    content: Content,
    up_to_date: bool,
    route: Route,
}

/// How long it may take.
struct Effort {
    rounds: usize,
    /// A tool that has taken so long sits the other rounds out.
    each: Duration,
}

/// Databases on which a tool has applied a content.
type Applied = HashMap<(&'static str, String), Database>;

pub fn names() -> Vec<String> {
    all().into_iter().map(|case| case.name).chain(OTHERS.iter().map(|(name, _)| (*name).to_owned())).collect()
}

fn all() -> Vec<Case> {
    let case = |(base, content, up_to_date): &(&str, Content, bool), (end, route): &(&str, Route)| Case {
        name: format!("{base}{end}"),
        content: *content,
        up_to_date: *up_to_date,
        route: *route,
    };
    BASES.iter().flat_map(|base| ROUTES.iter().map(move |route| case(base, route))).collect()
}

pub fn run(arguments: &Arguments) -> Results {
    let lab = Lab::open();
    let missing = TOOLS.iter().filter(|tool| !tool.is_there(&lab.peers)).map(|tool| tool.name).collect();
    let mut results = Results { missing, ..Results::default() };
    for name in &results.missing {
        eprintln!("not installed, left out: {name}");
    }
    let mut applied = Applied::new();
    for case in all() {
        if arguments.wants(&case.name, QUICK.contains(&case.name.as_str())) {
            let started = Instant::now();
            let table = case.run(&lab, arguments.quick, &mut applied);
            eprintln!("{}: {:.0} s", case.name, started.elapsed().as_secs_f64());
            results.tables.push(table);
        }
    }
    for (name, other) in OTHERS {
        if arguments.wants(name, true) {
            let started = Instant::now();
            other(&lab, arguments, &mut results);
            eprintln!("{name}: {:.0} s", started.elapsed().as_secs_f64());
        }
    }
    results
}

/// The tools that are there.
pub fn tools(lab: &Lab) -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter().filter(|tool| tool.is_there(&lab.peers))
}

impl Case {
    fn run(&self, lab: &Lab, quick: bool, applied: &mut Applied) -> Table {
        let tools: Vec<&Tool> = tools(lab).filter(|tool| self.has(tool)).collect();
        let mut rows: Vec<Row> = tools.iter().map(|tool| Row { tool: tool.name, ..Row::default() }).collect();
        if self.up_to_date {
            for (tool, row) in tools.iter().zip(&mut rows) {
                row.failed = self.apply(lab, tool, applied).err();
            }
        }
        let effort = self.effort(quick);
        let mut first = 0;
        if self.pays_by_the_wait() {
            // They only wait, and would do so for an hour one after the other.
            self.side_by_side(lab, &tools, &mut rows);
            first = 1;
        }
        for round in first..effort.rounds {
            for turn in 0..tools.len() {
                // Nobody is always the one that comes after the slowest.
                let at = (turn + round) % tools.len();
                let (tool, row) = (tools[at], &mut rows[at]);
                let spent: f64 = row.seconds().iter().sum();
                let sits_out = row.failed.is_some() || (round > 0 && spent > effort.each.as_secs_f64());
                let took = if sits_out { None } else { Some(self.once(lab, tool, applied)) };
                row.put(took);
            }
        }
        if self.route.round_trip_ms == 0 {
            for (tool, row) in tools.iter().zip(&mut rows).filter(|(_, row)| row.failed.is_none()) {
                if !quick || tool.kind != Kind::Peer || row.median().is_some_and(|seconds| seconds < 1.0) {
                    row.peak_kib = self.with_call(lab, tool, applied, Invocation::peak_kib);
                }
            }
        }
        Table { case: self.name.clone(), about: self.about(), rows }
    }

    /// The floor of a release in one message is none of a run that has nothing to send; of 10,000 migrations at 40 ms
    /// only those are measured that do not wait for each.
    fn has(&self, tool: &Tool) -> bool {
        let endless = self.route.round_trip_ms > 0 && !self.up_to_date && self.content == Content::Small(10_000);
        match tool.name {
            "psql, one message" => !self.up_to_date,
            "psql" => !endless,
            _ => tool.kind != Kind::Peer || !endless,
        }
    }

    fn pays_by_the_wait(&self) -> bool {
        self.route.round_trip_ms > 0 && !self.up_to_date && self.content.count() >= 100
    }

    fn effort(&self, quick: bool) -> Effort {
        let rounds = match (self.up_to_date, quick) {
            (true, true) => 21,
            (true, false) => 51,
            (false, true) => 3,
            (false, false) => 9,
        };
        Effort { rounds, each: Duration::from_secs(if quick { 4 } else { 10 }) }
    }

    fn about(&self) -> String {
        let what = match (self.content, self.up_to_date) {
            (content, true) => format!("{} applied, nothing pending", content.count()),
            (Content::Product, _) => "a fresh install of the product's nine tables".to_owned(),
            (Content::Data(megabytes), _) => format!("one file of {megabytes} MB of INSERTs"),
            (content, _) => format!("{} small migrations on an empty database", content.count()),
        };
        format!("{what}; {}", self.route.name())
    }

    /// Has the tool apply the content by the shortest way, unless it has done so for another case.
    fn apply(&self, lab: &Lab, tool: &'static Tool, applied: &mut Applied) -> Result<(), String> {
        let key = (tool.name, self.content.key());
        if applied.contains_key(&key) {
            return Ok(());
        }
        let database = lab.database();
        let way = Route { entry: Entry::Trust, round_trip_ms: 0 };
        tool.call(&lab.peers, self.content, &lab.url(&database, way), false).time()?;
        applied.insert(key, database);
        Ok(())
    }

    fn once(&self, lab: &Lab, tool: &'static Tool, applied: &Applied) -> Result<Duration, String> {
        self.with_call(lab, tool, applied, Invocation::time)
    }

    /// On the database where all is applied, or on one that goes when the call is done.
    fn with_call<T>(&self, lab: &Lab, tool: &Tool, applied: &Applied, run: impl Fn(&Invocation) -> T) -> T {
        let kept = applied.get(&(tool.name, self.content.key())).filter(|_| self.up_to_date);
        let fresh = kept.is_none().then(|| lab.database());
        let database = kept.or(fresh.as_ref()).unwrap();
        run(&tool.call(&lab.peers, self.content, &lab.url(database, self.route), self.up_to_date))
    }

    /// One round of all but those that do not wait for each migration, at the same time.
    fn side_by_side(&self, lab: &Lab, tools: &[&'static Tool], rows: &mut [Row]) {
        let databases: Vec<Database> = tools.iter().map(|_| lab.database()).collect();
        let calls: Vec<Invocation> = tools
            .iter()
            .zip(&databases)
            .map(|(tool, database)| tool.call(&lab.peers, self.content, &lab.url(database, self.route), false))
            .collect();
        let times: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = calls.iter().map(|call| scope.spawn(|| call.time())).collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (row, time) in rows.iter_mut().zip(times) {
            row.put(Some(time));
        }
    }
}

impl Row {
    fn put(&mut self, took: Option<Result<Duration, String>>) {
        match took {
            Some(Err(words)) => {
                self.failed = Some(words);
                self.rounds.push(None);
            }
            Some(Ok(took)) => self.rounds.push(Some(took.as_secs_f64())),
            None => self.rounds.push(None),
        }
    }
}
