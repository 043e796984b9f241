//! Protocols as a qualification could give them, and keys. Data only; nothing here was run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use schemagate::evidence::{self, Rendered, Written};
use schemagate::protocol::{Case, Environment, Installed, Protocol, Step, Subject, Verdict};
use schemagate::report::qualification::{html, junit};
use schemagate::settings::{EvidenceIds, Release};
use schemagate::signing::SigningKey;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// When the tests began, in whole seconds: what is signed must be valid when the program looks at it.
pub fn now() -> u64 {
    static NOW: OnceLock<u64> = OnceLock::new();
    *NOW.get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

pub fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// A private key on P-256, as PKCS#8 PEM.
pub fn private_pem() -> String {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
}

/// The public half of a PKCS#8 PEM.
pub fn public_pem(private: &str) -> String {
    let key = PKey::private_key_from_pem(private.as_bytes()).unwrap();
    String::from_utf8(key.public_key_to_pem().unwrap()).unwrap()
}

pub fn case(name: &str, verdict: Verdict, actual: &str) -> Case {
    Case { name: name.to_owned(), verdict, actual: actual.to_owned(), duration: Duration::from_millis(7) }
}

pub fn step(id: &str, title: &str, cases: Vec<Case>) -> Step {
    Step {
        id: id.to_owned(),
        title: title.to_owned(),
        requirement: "all migrations apply to an empty database, and what they create is there".to_owned(),
        expected: "every file applied, every object found, no error and no warning".to_owned(),
        actual: format!("{} tried", cases.len()),
        started: at(now() - 20),
        duration: Duration::from_millis(412),
        cases,
    }
}

pub fn installed(version: i64, file: &str, contents: &str) -> Installed {
    let sha256 = Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect();
    let checksum = (version.unsigned_abs() * 7_919_317_223).to_string();
    Installed { version, file: file.to_owned(), sha256, checksum, size_bytes: contents.len() as u64 }
}

/// A qualification that went well, but for one case that was not executed.
pub fn protocol() -> Protocol {
    let passed = |name: &str| case(name, Verdict::Passed, "as expected");
    let declined = case("bookings_room_excl", Verdict::NotExecuted, "an exclusion constraint: no row can be generated");
    Protocol {
        run_id: "0123456789abcdef".to_owned(),
        subject: Subject {
            ids: EvidenceIds {
                gxp_id: "EV-SPEC-INF-002".to_owned(),
                spec_id: "SPEC-INF-002".to_owned(),
                verification_tier: "IQ".to_owned(),
                user_story: "US-005-001".to_owned(),
            },
            release: Release {
                git_commit: Some("4f1c9d2e8b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d".to_owned()),
                deployment_id: Some("deploy-42".to_owned()),
                platform: BTreeMap::from([("RAILWAY_SERVICE_NAME".to_owned(), "api".to_owned())]),
            },
            origin: "the folder migrations".to_owned(),
            migrations: vec![
                installed(1, "V0001__audit.sql", "create table audit ();\n"),
                installed(0, "V0000__initial.sql", "create table a ();\n"),
            ],
            history_table: "drizzle.__migrations__".to_owned(),
            atomicity: "release",
        },
        environment: environment(),
        started: at(now() - 21),
        finished: at(now() - 1),
        steps: vec![
            step("IQ-001", "Fresh database", vec![passed("V0000__initial.sql"), passed("V0001__audit.sql")]),
            step("IQ-004", "Foreign-key cascade", vec![passed("orders_customer_fkey"), declined]),
        ],
    }
}

fn environment() -> Environment {
    Environment {
        server_version: "17.2".to_owned(),
        system_identifier: Some("7301234567890123456".to_owned()),
        host: "db.example:5432".to_owned(),
        target_database: "shop".to_owned(),
        scratch_database: "schemagate_iq_0123456789abcdef".to_owned(),
        role: "deployer".to_owned(),
        encoding: "UTF8".to_owned(),
        collation: "C".to_owned(),
        encrypted: true,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        tool_sha256: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned()),
        leftovers: Vec::new(),
        cleaned_up: true,
        server_changes: Vec::new(),
    }
}

/// A long protocol with everything that could break a page or a parser.
pub fn awkward() -> Protocol {
    let mut protocol = protocol();
    let long = "duplicate key value violates unique constraint; Key (tenant, number)=(1, 2) already exists. ".repeat(5);
    let odd = "<script>alert('x')</script> & \"quoted\" ]]> \u{0}\u{1b}[2J \u{202e}txet\nsecond line";
    let cases = (0..60).map(|number| {
        let name =
            format!("schema_with_a_long_name.table_{number}_{}_fkey", "very_long_column_name_".repeat(1 + number % 4));
        match number % 7 {
            3 => case(&name, Verdict::Failed, &long),
            5 => case(&name, Verdict::NotExecuted, odd),
            _ => case(&name, Verdict::Passed, "parent deleted, child gone"),
        }
    });
    protocol.steps[1].cases = cases.collect();
    protocol.steps[1].actual = long.clone();
    protocol.steps[0].title = odd.to_owned();
    for number in 3..10 {
        let passed = vec![case("once", Verdict::Passed, "as expected"); 2];
        protocol.steps.push(step(&format!("IQ-1{number:02}"), "One of the project's own steps", passed));
    }
    for number in 2..40 {
        let file = format!("V{number:04}__a_migration_with_a_rather_long_name_{number}.sql");
        protocol.subject.migrations.push(installed(number, &file, &file));
    }
    protocol.environment.leftovers = vec!["schemagate_iq_00000000deadbeef".to_owned()];
    protocol.environment.cleaned_up = false;
    protocol
}

/// A folder of evidence, and the public key that verifies it.
#[derive(Debug)]
pub struct Evidence {
    folder: TempDir,
    pub private: String,
    pub written: Written,
}

impl Evidence {
    pub fn signed() -> Self {
        Self::of(&protocol(), true, now())
    }

    pub fn of(protocol: &Protocol, sign: bool, now: u64) -> Self {
        let folder = tempfile::Builder::new().prefix("evidence-").tempdir().unwrap();
        let private = private_pem();
        let key = SigningKey::from_pem(&private).unwrap();
        let written = write(&folder.path().join("out"), protocol, sign.then_some(&key), now);
        std::fs::write(folder.path().join("public.pem"), public_pem(&private)).unwrap();
        Self { folder, private, written }
    }

    pub fn key(&self) -> SigningKey {
        SigningKey::from_pem(&self.private).unwrap()
    }

    /// The folder that a qualification was told to write into.
    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    pub fn public_key(&self) -> PathBuf {
        self.folder.path().join("public.pem")
    }

    /// A path beside the folder.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub fn write(dir: &Path, protocol: &Protocol, key: Option<&SigningKey>, now: u64) -> Written {
    evidence::write(dir, protocol, key, at(now), &rendered(protocol, key)).unwrap()
}

pub fn rendered(protocol: &Protocol, key: Option<&SigningKey>) -> Rendered {
    Rendered { html: html(protocol, key.map(SigningKey::kid)), junit: junit(protocol) }
}
