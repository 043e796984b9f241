//! When a Job tries again, held against the one list of exit codes: a code that is new or changes its row breaks these
//! tests until the manifests follow.

use k8s_openapi::api::batch::v1::{Job, PodFailurePolicyRule};
use schemagate::exit_code::{Row, TABLE};

/// Where the Job's rules and the table of exit codes say different things.
pub fn violations(job: &Job) -> Vec<String> {
    let rules = job.spec.as_ref().unwrap().pod_failure_policy.as_ref().map_or(&[][..], |policy| &policy.rules);
    let mut found = ill_formed(job, rules);
    for row in TABLE {
        let code = i32::from(row.code.number());
        if code == 0 {
            continue;
        }
        let action = rules.iter().find(|rule| matches(rule, code)).map(|rule| rule.action.as_str());
        let right = if can_help(row) { matches!(action, Some("Count" | "Ignore")) } else { action == Some("FailJob") };
        if !right {
            found.push(format!("{code} ({}; retry: {}) meets {action:?}", row.when, row.retry));
        }
    }
    let known: Vec<i32> = TABLE.iter().map(|row| i32::from(row.code.number())).collect();
    let named = rules.iter().filter_map(|rule| rule.on_exit_codes.as_ref()).flat_map(|codes| &codes.values);
    found
        .extend(named.filter(|code| !known.contains(code)).map(|code| format!("{code} is no exit code of schemagate")));
    if !interruption_is_ignored(rules) {
        found.push("DisruptionTarget is not ignored before any exit code is looked at".to_owned());
    }
    found
}

/// What the API server refuses: an unordered list, an operator it does not know, a container that is not there.
fn ill_formed(job: &Job, rules: &[PodFailurePolicyRule]) -> Vec<String> {
    let pod = job.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
    let mut found = Vec::new();
    for codes in rules.iter().filter_map(|rule| rule.on_exit_codes.as_ref()) {
        if !codes.values.is_sorted_by(|a, b| a < b) || codes.values.is_empty() || codes.values.contains(&0) {
            found.push(format!("values have to be ordered, single and not 0: {:?}", codes.values));
        }
        if codes.operator != "In" {
            found.push(format!("operator {}", codes.operator));
        }
        let name = codes.container_name.as_deref();
        if !pod.containers.iter().any(|container| Some(container.name.as_str()) == name) {
            found.push(format!("container {name:?}"));
        }
    }
    found
}

fn matches(rule: &PodFailurePolicyRule, code: i32) -> bool {
    rule.on_exit_codes.as_ref().is_some_and(|codes| codes.values.contains(&code))
}

/// What the row says, in its own words; any other word is for whoever writes it to think of here too.
fn can_help(row: &Row) -> bool {
    match row.retry {
        "yes" => true,
        "–" => false,
        no if no == "no" || no.starts_with("no:") => false,
        other => panic!("exit code {}: what is {other:?} to a Job?", row.code.number()),
    }
}

/// A drained node is no attempt: the pod ends with 143 then, or with no code of ours at all.
fn interruption_is_ignored(rules: &[PodFailurePolicyRule]) -> bool {
    rules.first().is_some_and(|rule| {
        let mut conditions = rule.on_pod_conditions.iter().flatten();
        rule.action == "Ignore"
            && conditions.any(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True")
    })
}

#[test]
fn a_code_that_no_rule_names_is_found() {
    let manifests = super::manifests();
    let job = manifests.iter().find_map(super::Manifest::job).unwrap();
    assert_eq!(violations(job), Vec::<String>::new());
    for row in TABLE.iter().filter(|row| row.code.number() != 0) {
        let mut job = job.clone();
        let policy = job.spec.as_mut().unwrap().pod_failure_policy.as_mut().unwrap();
        for codes in policy.rules.iter_mut().filter_map(|rule| rule.on_exit_codes.as_mut()) {
            codes.values.retain(|code| *code != i32::from(row.code.number()));
        }
        let found = violations(&job);
        assert_eq!(found.len(), 1, "without {}: {found:?}", row.code.number());
    }
}

#[test]
fn a_code_under_the_wrong_action_is_found() {
    let manifests = super::manifests();
    let mut job = manifests.iter().find_map(super::Manifest::job).unwrap().clone();
    for rule in &mut job.spec.as_mut().unwrap().pod_failure_policy.as_mut().unwrap().rules {
        if rule.action == "FailJob" {
            rule.action = "Count".to_owned();
        }
    }
    let never = TABLE.iter().filter(|row| row.code.number() != 0 && !can_help(row)).count();
    assert_eq!(violations(&job).len(), never);
}
