//! The Kubernetes manifests in `deploy/`, read with Kubernetes' own types: names of fields, the restricted pod security
//! standard, when a Job tries again, and how its deadlines fit together. Never asks a cluster.

mod pods;
mod retries;

use std::path::{Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use serde_json::Value;

use crate::support::{self, documents};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const IMAGE: &str = "ghcr.io/schemagate/schemagate";

/// One document of a manifest file, with the place it came from for the messages.
struct Manifest {
    place: String,
    source: Value,
    typed: Typed,
}

enum Typed {
    Job(Box<Job>),
    Deployment(Box<Deployment>),
}

impl Manifest {
    fn read(place: String, source: Value) -> Self {
        let kind = source["kind"].as_str().unwrap();
        let typed = match (source["apiVersion"].as_str().unwrap(), kind) {
            ("batch/v1", "Job") => Typed::Job(Box::new(serde_json::from_value(source.clone()).unwrap())),
            ("apps/v1", "Deployment") => Typed::Deployment(Box::new(serde_json::from_value(source.clone()).unwrap())),
            other => panic!("{place}: these tests know nothing of {other:?}"),
        };
        Self { place, source, typed }
    }

    fn pod(&self) -> &PodSpec {
        let template = match &self.typed {
            Typed::Job(job) => &job.spec.as_ref().unwrap().template,
            Typed::Deployment(deployment) => &deployment.spec.as_ref().unwrap().template,
        };
        template.spec.as_ref().unwrap()
    }

    fn job(&self) -> Option<&Job> {
        match &self.typed {
            Typed::Job(job) => Some(job),
            Typed::Deployment(_) => None,
        }
    }

    /// The container that runs schemagate, among both kinds.
    fn gate(&self) -> &Container {
        let pod = self.pod();
        let all = pod.init_containers.iter().flatten().chain(&pod.containers);
        let mut gates = all.filter(|container| container.name == "schemagate");
        let gate = gates.next().unwrap_or_else(|| panic!("{}: no container called schemagate", self.place));
        assert!(gates.next().is_none(), "{}: two containers called schemagate", self.place);
        gate
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    files.sort();
    files
}

/// Every plain manifest; a kustomization is none, and the chart is one only once it is rendered.
fn manifests() -> Vec<Manifest> {
    let mut found = Vec::new();
    for folder in ["deploy/kubernetes", "deploy/argo-cd"] {
        for path in yaml_files(&root().join(folder)) {
            let place = path.strip_prefix(root()).unwrap().display().to_string();
            let text = std::fs::read_to_string(&path).unwrap();
            let kept = documents(&text).into_iter().filter(|document| document["kind"] != "Kustomization");
            found.extend(kept.map(|document| Manifest::read(place.clone(), document)));
        }
    }
    assert!(found.len() >= 3, "only {} manifests found", found.len());
    found
}

/// Fields of `source` that `typed` does not hold: the types pass over what they do not know, a misspelt field too.
fn lost(path: &str, source: &Value, typed: &Value, found: &mut Vec<String>) {
    match (source, typed) {
        (Value::Object(source), Value::Object(typed)) => {
            for (name, value) in source {
                let path = format!("{path}.{name}");
                match typed.get(name) {
                    Some(typed) => lost(&path, value, typed, found),
                    None => found.push(path),
                }
            }
        }
        (Value::Array(source), Value::Array(typed)) => {
            for (index, (source, typed)) in source.iter().zip(typed).enumerate() {
                lost(&format!("{path}[{index}]"), source, typed, found);
            }
        }
        _ => {}
    }
}

fn check(manifest: &Manifest) {
    let place = &manifest.place;
    let typed = match &manifest.typed {
        Typed::Job(job) => serde_json::to_value(job).unwrap(),
        Typed::Deployment(deployment) => serde_json::to_value(deployment).unwrap(),
    };
    let mut unknown = Vec::new();
    lost("", &manifest.source, &typed, &mut unknown);
    assert_eq!(unknown, Vec::<String>::new(), "{place}: fields that Kubernetes does not know");
    assert_eq!(pods::violations(manifest.pod()), Vec::<String>::new(), "{place}: not restricted");
    assert_eq!(manifest.gate().image.as_deref(), Some(format!("{IMAGE}:{VERSION}").as_str()), "{place}");
    check_gate(manifest);
    if let Some(job) = manifest.job() {
        check_job(place, job);
    }
}

fn check_gate(manifest: &Manifest) {
    let place = &manifest.place;
    let (pod, gate) = (manifest.pod(), manifest.gate());
    let url = gate.env.iter().flatten().find(|variable| variable.name == "DATABASE_URL");
    let source = url.and_then(|variable| variable.value_from.as_ref());
    assert!(source.is_some_and(|from| from.secret_key_ref.is_some()), "{place}: the URL comes from a Secret");
    assert_eq!(gate.termination_message_policy.as_deref(), Some("FallbackToLogsOnError"), "{place}");
    // A Service of that name would hand its variables over as settings; the run has no business with the API.
    assert_eq!(pod.enable_service_links, Some(false), "{place}");
    assert_eq!(pod.automount_service_account_token, Some(false), "{place}");
    // After SIGTERM the run cancels, rolls back and ends within 5 s.
    assert!(pod.termination_grace_period_seconds.is_some_and(|seconds| seconds > 5), "{place}");
}

fn check_job(place: &str, job: &Job) {
    let spec = job.spec.as_ref().unwrap();
    let pod = spec.template.spec.as_ref().unwrap();
    // podFailurePolicy needs it.
    assert_eq!(pod.restart_policy.as_deref(), Some("Never"), "{place}");
    assert_eq!(retries::violations(job), Vec::<String>::new(), "{place}: podFailurePolicy");

    let variables = pod.containers[0].env.iter().flatten();
    let deadline = variables.filter(|variable| variable.name == "SCHEMAGATE_DEADLINE").find_map(|v| v.value.as_deref());
    let deadline = humantime::parse_duration(deadline.expect(place)).unwrap().as_secs();
    let limit = u64::try_from(spec.active_deadline_seconds.expect(place)).unwrap();
    let grace = u64::try_from(pod.termination_grace_period_seconds.expect(place)).unwrap();
    assert!(
        deadline + grace < limit,
        "{place}: {deadline} s and {grace} s to end, but the Job is over after {limit} s"
    );
}

#[test]
fn every_manifest_is_restricted_complete_and_of_this_version() {
    for manifest in manifests() {
        check(&manifest);
    }
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_found() {
    let mut source = manifests().remove(0).source;
    source["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readonlyRootFilesystem"] = true.into();
    let manifest = Manifest::read("misspelt".to_owned(), source);
    let told = std::panic::catch_unwind(|| check(&manifest)).unwrap_err();
    let told = told.downcast_ref::<String>().unwrap();
    assert!(told.contains(".containers[0].securityContext.readonlyRootFilesystem"), "{told}");
}

#[test]
fn the_argo_cd_job_is_a_hook_before_the_sync() {
    let manifests = manifests();
    let hook = manifests.iter().find(|manifest| manifest.place.contains("argo-cd")).unwrap();
    let annotations = hook.job().unwrap().metadata.annotations.as_ref().unwrap();
    assert_eq!(annotations["argocd.argoproj.io/hook"], "PreSync");
    assert_eq!(annotations["argocd.argoproj.io/hook-delete-policy"], "BeforeHookCreation");
}

#[test]
fn the_chart_renders_to_a_job_that_passes_the_same_checks() {
    let chart = root().join("deploy/helm");
    let helm = |arguments: &[&str]| Command::new("helm").args(arguments).arg(&chart).output();
    let Ok(linted) = helm(&["lint", "--strict"]) else {
        support::skipped("no helm on PATH: the chart was not rendered");
        return;
    };
    assert!(linted.status.success(), "{}", String::from_utf8_lossy(&linted.stdout));

    let rendered = helm(&["template", "release-name"]).unwrap();
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let rendered = documents(std::str::from_utf8(&rendered.stdout).unwrap());
    assert_eq!(rendered.len(), 1, "one Job and nothing else");
    for document in rendered {
        let manifest = Manifest::read("deploy/helm".to_owned(), document);
        check(&manifest);
        let metadata = &manifest.job().unwrap().metadata;
        assert_eq!(metadata.name.as_deref(), Some("release-name-schemagate"));
        assert_eq!(metadata.annotations.as_ref().unwrap()["helm.sh/hook"], "pre-install,pre-upgrade");
    }
}
