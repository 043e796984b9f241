//! The tools that are measured: one list. Each says how its folder is laid out from a release, and how it is called.
//! In: migrations, a folder, a URL. Out: files, an invocation. Never installs anything: `scripts/bench` has done that.

mod layout;
mod ships;

use std::path::{Path, PathBuf};

use crate::measure::Invocation;
use crate::release::{Content, layouts};
pub use ships::mebibytes;

/// How a tool stands to the number of migrations in a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No bookkeeping: what the network and the server allow.
    Floor,
    /// The one that is measured.
    Ours,
    /// A tool that it replaces.
    Peer,
}

/// One tool.
pub struct Tool {
    pub name: &'static str,
    pub kind: Kind,
    /// Its program, below the folder of the peers unless it is absolute.
    program: fn(&Peers) -> PathBuf,
    lay_out: fn(&[crate::release::Migration], &Path),
    invoke: fn(Invocation, &Target<'_>) -> Invocation,
    /// Packages of npm that it takes along, where it is not one file.
    packages: &'static [&'static str],
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Peers {
    /// The folder that `scripts/bench` has filled.
    pub folder: PathBuf,
    /// schemagate's release binary.
    pub schemagate: PathBuf,
    /// The real psql, not a wrapper that looks for it.
    pub psql: PathBuf,
    pub node: PathBuf,
}

/// What an invocation is for.
pub struct Target<'a> {
    pub peers: &'a Peers,
    pub layout: &'a Path,
    pub url: &'a str,
    /// Whether nothing is pending: of psql, a single statement is asked then.
    pub up_to_date: bool,
}

/// All tools, in the order of the report.
pub const TOOLS: &[Tool] = &[
    Tool {
        name: "psql",
        kind: Kind::Floor,
        program: |peers| peers.psql.clone(),
        lay_out: layout::one_file,
        invoke: |call, target| psql(call, target, "all.sql"),
        packages: &[],
    },
    Tool {
        name: "psql, one message",
        kind: Kind::Floor,
        program: |peers| peers.psql.clone(),
        lay_out: layout::one_message,
        invoke: |call, target| psql(call, target, "message.sql"),
        packages: &[],
    },
    Tool {
        name: "schemagate",
        kind: Kind::Ours,
        program: |peers| peers.schemagate.clone(),
        lay_out: |migrations, folder| layout::plain(migrations, folder, |number| format!("V{number}__m.sql"), ("", "")),
        invoke: |call, target| call.var("DATABASE_URL", target.url).var("SCHEMAGATE_MIGRATIONS", target.layout),
        packages: &[],
    },
    Tool {
        name: "refinery_cli 0.10.0",
        kind: Kind::Peer,
        program: |peers| peers.folder.join("bin/refinery"),
        lay_out: |migrations, folder| layout::plain(migrations, folder, |number| format!("V{number}__m.sql"), ("", "")),
        invoke: refinery,
        packages: &[],
    },
    Tool {
        name: "refinery_cli -g",
        kind: Kind::Peer,
        program: |peers| peers.folder.join("bin/refinery"),
        lay_out: |migrations, folder| layout::plain(migrations, folder, |number| format!("V{number}__m.sql"), ("", "")),
        invoke: |call, target| refinery(call, target).args(["-g"]),
        packages: &[],
    },
    Tool {
        name: "sqlx-cli 0.9.0",
        kind: Kind::Peer,
        program: |peers| peers.folder.join("bin/sqlx"),
        lay_out: |migrations, folder| {
            layout::plain(migrations, folder, |number| format!("{number:05}_m.sql"), ("", ""))
        },
        invoke: |call, target| {
            call.args(["migrate", "run", "--no-dotenv", "--source"])
                .args([target.layout])
                .var("DATABASE_URL", target.url)
        },
        packages: &[],
    },
    Tool {
        name: "dbmate 2.36.0",
        kind: Kind::Peer,
        program: |peers| peers.folder.join("node_modules/@dbmate/linux-x64/bin/dbmate"),
        lay_out: |migrations, folder| {
            layout::plain(
                migrations,
                folder,
                |number| format!("{number:05}_m.sql"),
                ("-- migrate:up\n", "-- migrate:down\n"),
            );
        },
        invoke: |call, target| {
            let call = call.args(["--no-dump-schema", "--migrations-dir"]).args([target.layout]);
            call.args(["migrate"]).var("DATABASE_URL", target.url)
        },
        packages: &[],
    },
    Tool {
        name: "drizzle-kit 0.31.11",
        kind: Kind::Peer,
        program: |peers| peers.node.clone(),
        lay_out: layout::drizzle,
        invoke: |call, target| {
            let script = target.peers.folder.join("node_modules/drizzle-kit/bin.cjs");
            call.args([script]).args(["migrate", "--config=drizzle.config.js"]).var("DATABASE_URL", target.url)
        },
        packages: &["drizzle-kit", "drizzle-orm", "pg"],
    },
    Tool {
        name: "drizzle-orm 0.45.4",
        kind: Kind::Peer,
        program: |peers| peers.node.clone(),
        lay_out: layout::drizzle,
        invoke: |call, target| {
            let packages = target.peers.folder.join("node_modules");
            call.args(["migrate.cjs"]).var("DATABASE_URL", target.url).var("NODE_PATH", packages)
        },
        packages: &["drizzle-orm", "pg"],
    },
    Tool {
        name: "node-pg-migrate 9.0.0",
        kind: Kind::Peer,
        program: |peers| peers.node.clone(),
        lay_out: |migrations, folder| {
            layout::plain(migrations, folder, |number| format!("{number:05}_m.sql"), ("-- Up Migration\n", ""));
        },
        invoke: |call, target| {
            let script = target.peers.folder.join("node_modules/node-pg-migrate/bin/node-pg-migrate.js");
            let call = call.args([script]).args(["up", "-m"]).args([target.layout]);
            call.var("DATABASE_URL", target.url)
        },
        packages: &["node-pg-migrate", "pg"],
    },
];

/// What is compared with what is told by name.
pub const OURS: &str = "schemagate";
pub const PSQL: &str = "psql";

impl Tool {
    /// Whether it could be installed.
    pub fn is_there(&self, peers: &Peers) -> bool {
        let packages = peers.folder.join("node_modules");
        (self.program)(peers).is_file() && self.packages.iter().all(|package| packages.join(package).is_dir())
    }

    /// How it is called for this release against this database; makes its folder where there is none yet.
    pub fn call(&self, peers: &Peers, content: Content, url: &str, up_to_date: bool) -> Invocation {
        let layout = self.layout(content);
        let call = Invocation::new((self.program)(peers), &layout);
        (self.invoke)(call, &Target { peers, layout: &layout, url, up_to_date })
    }

    /// Whether it is a script of Node.js.
    pub fn needs_node(&self) -> bool {
        !self.packages.is_empty()
    }

    fn layout(&self, content: Content) -> PathBuf {
        let name: String = self.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let folder = layouts().join(format!("{}-{name}", content.key()));
        let done = folder.with_extension("done");
        if !done.exists() {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
            (self.lay_out)(&content.migrations(), &folder);
            std::fs::write(done, "").unwrap();
        }
        folder
    }

    /// What has to be shipped to run it.
    pub fn ships_mebibytes(&self, peers: &Peers) -> f64 {
        mebibytes(&(self.program)(peers), &peers.folder.join("node_modules"), self.packages)
    }
}

fn psql(call: Invocation, target: &Target<'_>, file: &str) -> Invocation {
    let call = call.args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]);
    let call = if target.up_to_date { call.args(["-c", "select 1"]) } else { call.args(["-1", "-f", file]) };
    call.args([target.url])
}

fn refinery(call: Invocation, target: &Target<'_>) -> Invocation {
    call.args(["migrate", "-e", "DATABASE_URL", "-p"]).args([target.layout]).var("DATABASE_URL", target.url)
}
