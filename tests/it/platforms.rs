//! What stands beside the Kubernetes manifests: railway.toml, the compose file, the workflows. Checked against what
//! their readers document, offline. Never deploys anything.

use std::path::Path;

use regex::Regex;
use serde_json::Value;

use crate::support::database::Database;
use crate::support::documents;
use crate::support::job::Job;

/// Every key of a Railway configuration file with the kind of its value.
/// <https://docs.railway.com/config-as-code/reference>
const RAILWAY_KEYS: &[(&str, &str, &str)] = &[
    ("build", "builder", "string"),
    ("build", "buildCommand", "string"),
    ("build", "dockerfilePath", "string"),
    ("build", "nixpacksConfigPath", "string"),
    ("build", "nixpacksPlan", "table"),
    ("build", "nixpacksVersion", "string"),
    ("build", "railpackVersion", "string"),
    ("build", "watchPatterns", "array"),
    ("deploy", "cronSchedule", "string"),
    // The page shows strings for these two; the parser wants numbers (railwayapp/docs#1243).
    ("deploy", "drainingSeconds", "integer"),
    ("deploy", "overlapSeconds", "integer"),
    ("deploy", "healthcheckPath", "string"),
    ("deploy", "healthcheckTimeout", "integer"),
    ("deploy", "multiRegionConfig", "table"),
    ("deploy", "preDeployCommand", "array"),
    ("deploy", "restartPolicyMaxRetries", "integer"),
    ("deploy", "restartPolicyType", "string"),
    ("deploy", "startCommand", "string"),
];

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn railway_toml_holds_documented_keys_only() {
    let file: toml::Table = read("railway.toml").parse().unwrap();
    for (section, keys) in &file {
        for (key, value) in keys.as_table().unwrap() {
            let kind = value.type_str();
            let known = RAILWAY_KEYS.iter().find(|(of, name, _)| of == section && name == key);
            let (_, _, wanted) = known.unwrap_or_else(|| panic!("[{section}] {key} is not documented"));
            assert_eq!(kind, *wanted, "[{section}] {key}");
        }
    }
    assert_eq!(file["build"]["builder"].as_str(), Some("DOCKERFILE"));
    // A run that is over has done its work: nothing is to be started again, whatever its code.
    assert_eq!(file["deploy"]["restartPolicyType"].as_str(), Some("NEVER"));
    assert!(file["deploy"]["drainingSeconds"].as_integer().is_some_and(|seconds| seconds > 5));
    let watched = file["build"]["watchPatterns"].as_array().unwrap();
    for pattern in watched.iter().map(|pattern| pattern.as_str().unwrap()) {
        let path = pattern.trim_end_matches("/**");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists(), "{pattern} watches nothing");
    }
}

#[test]
fn the_compose_application_waits_for_the_run_and_the_run_for_the_database() {
    let compose = documents(&read("deploy/compose/compose.yaml")).remove(0);
    let services = &compose["services"];
    let gate = &services["schemagate"];
    assert_eq!(services["api"]["depends_on"]["schemagate"]["condition"], "service_completed_successfully");
    assert_eq!(gate["depends_on"]["postgres"]["condition"], "service_healthy");
    assert!(!services["postgres"]["healthcheck"]["test"].is_null());
    // With any other restart policy the run would never be over, and the application never start.
    assert_eq!(gate["restart"], "no");
    assert_eq!(gate["read_only"], true);
    assert_eq!(gate["cap_drop"], serde_json::json!(["ALL"]));
    assert_eq!(gate["security_opt"], serde_json::json!(["no-new-privileges:true"]));
}

#[test]
fn the_example_application_finds_its_schema_after_the_run() {
    let database = Database::new();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/railway/drizzle");
    Job::on(&database).migrations(&migrations).run().assert_code(0);
    // What server.js says to the database.
    assert_eq!(database.value("INSERT INTO visits DEFAULT VALUES RETURNING id").as_deref(), Some("1"));
    let index = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'visits_visited_at_idx'::regclass";
    assert_eq!(database.value(index).as_deref(), Some("t"));
    Job::on(&database).migrations(&migrations).args(["status", "--check"]).run().assert_code(0);
}

fn workflows() -> Vec<(&'static str, Value)> {
    let names = [".github/workflows/ci.yml", ".github/workflows/release.yml", "deploy/github/lint.yml"];
    names.map(|name| (name, documents(&read(name)).remove(0))).into()
}

/// Every step of every job of a workflow.
fn steps(workflow: &Value) -> impl Iterator<Item = &Value> {
    workflow["jobs"].as_object().unwrap().values().flat_map(|job| job["steps"].as_array().unwrap())
}

#[test]
fn workflows_use_actions_by_commit_and_put_no_expression_into_a_script() {
    let commit = Regex::new(r"^[\w.-]+/[\w.-]+@[0-9a-f]{40}$").unwrap();
    for (name, workflow) in workflows() {
        for step in steps(&workflow) {
            if let Some(action) = step["uses"].as_str() {
                assert!(commit.is_match(action), "{name}: {action} can be moved under our feet");
            }
            // Values go in by `env`: an expression is pasted into the script before the shell reads it.
            let script = step["run"].as_str().unwrap_or_default();
            assert!(!script.contains("${{"), "{name}: an expression in {script:?}");
        }
    }
}

#[test]
fn workflows_grant_nothing_by_default_and_end_by_themselves() {
    for (name, workflow) in workflows() {
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}");
        assert!(!workflow["concurrency"].is_null(), "{name}");
        for (job, what) in workflow["jobs"].as_object().unwrap() {
            assert!(what["permissions"].is_object(), "{name}: {job}: each job names what it needs");
            assert!(what["timeout-minutes"].is_u64(), "{name}: {job}");
        }
    }
}
