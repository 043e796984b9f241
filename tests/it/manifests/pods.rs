//! The restricted pod security standard, field by field, and what these manifests promise beyond it (a read-only root
//! file system, a user by number). <https://kubernetes.io/docs/concepts/security/pod-security-standards/>

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, HostPathVolumeSource, PodSecurityContext, PodSpec, SeccompProfile,
    SecurityContext, Sysctl, Volume,
};

/// The volume types that the standard allows, as they stand in a manifest.
const VOLUMES: &[&str] =
    &["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// What in this pod the standard forbids, or what it asks for and is not there.
pub fn violations(pod: &PodSpec) -> Vec<String> {
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("pod: {what}"));
        }
    };
    demand(pod.host_network != Some(true), "hostNetwork");
    demand(pod.host_pid != Some(true), "hostPID");
    demand(pod.host_ipc != Some(true), "hostIPC");
    demand(pod.host_users != Some(true), "hostUsers");
    let empty = PodSecurityContext::default();
    let context = pod.security_context.as_ref().unwrap_or(&empty);
    demand(context.run_as_non_root == Some(true), "runAsNonRoot");
    // A name of the image would do for the standard, but the kubelet can check only a number.
    demand(context.run_as_user.is_some_and(|user| user > 0), "runAsUser");
    demand(context.run_as_group.is_some_and(|group| group > 0), "runAsGroup");
    demand(default_seccomp(context.seccomp_profile.as_ref()), "seccompProfile");
    demand(context.sysctls.iter().flatten().next().is_none(), "sysctls");
    demand(context.se_linux_options.is_none(), "seLinuxOptions");
    demand(context.app_armor_profile.is_none(), "appArmorProfile");
    demand(context.windows_options.is_none(), "windowsOptions");
    for volume in pod.volumes.iter().flatten() {
        demand(is_allowed(volume), &format!("volume {}", volume.name));
    }
    demand(pod.ephemeral_containers.is_none(), "ephemeralContainers");
    for container in pod.init_containers.iter().flatten().chain(&pod.containers) {
        found.extend(container_violations(container));
    }
    found
}

fn container_violations(container: &Container) -> Vec<String> {
    let mut found = Vec::new();
    let mut demand = |holds: bool, what: &str| {
        if !holds {
            found.push(format!("{}: {what}", container.name));
        }
    };
    let empty = SecurityContext::default();
    let context = container.security_context.as_ref().unwrap_or(&empty);
    demand(context.allow_privilege_escalation == Some(false), "allowPrivilegeEscalation");
    demand(context.read_only_root_filesystem == Some(true), "readOnlyRootFilesystem");
    demand(context.privileged != Some(true), "privileged");
    let dropped = context.capabilities.iter().flat_map(|capabilities| capabilities.drop.iter().flatten());
    demand(dropped.eq(["ALL"]), "capabilities.drop");
    let added = context.capabilities.iter().flat_map(|capabilities| capabilities.add.iter().flatten());
    demand(added.count() == 0, "capabilities.add");
    // What the pod says holds unless the container says otherwise.
    demand(context.run_as_non_root != Some(false), "runAsNonRoot");
    demand(context.run_as_user != Some(0), "runAsUser");
    demand(context.seccomp_profile.is_none() || default_seccomp(context.seccomp_profile.as_ref()), "seccompProfile");
    demand(context.proc_mount.as_deref().is_none_or(|mount| mount == "Default"), "procMount");
    demand(context.se_linux_options.is_none(), "seLinuxOptions");
    demand(context.app_armor_profile.is_none(), "appArmorProfile");
    demand(context.windows_options.is_none(), "windowsOptions");
    demand(container.ports.iter().flatten().all(|port| port.host_port.is_none_or(|port| port == 0)), "hostPort");
    // Not of the standard: without it, one run can starve its node; and `latest` says nothing of a version.
    let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    demand(limits.is_some_and(|limits| limits.contains_key("memory")), "memory limit");
    let image = container.image.as_deref().unwrap_or_default();
    demand(image.contains(':') && !image.ends_with(":latest"), "image");
    found
}

fn default_seccomp(profile: Option<&SeccompProfile>) -> bool {
    profile.is_some_and(|profile| profile.type_ == "RuntimeDefault")
}

fn is_allowed(volume: &Volume) -> bool {
    let value = serde_json::to_value(volume).unwrap();
    value.as_object().unwrap().keys().all(|key| key == "name" || VOLUMES.contains(&key.as_str()))
}

/// The check itself is checked: each of these breaks one demand, and it is that one which is named.
#[test]
fn each_breach_of_the_standard_is_seen() {
    type Breach = (&'static str, fn(&mut PodSpec));
    const BREACHES: &[Breach] = &[
        ("pod: hostNetwork", |pod| pod.host_network = Some(true)),
        ("pod: hostPID", |pod| pod.host_pid = Some(true)),
        ("pod: hostIPC", |pod| pod.host_ipc = Some(true)),
        ("pod: runAsNonRoot", |pod| of(pod).run_as_non_root = None),
        ("pod: runAsUser", |pod| of(pod).run_as_user = Some(0)),
        ("pod: runAsGroup", |pod| of(pod).run_as_group = None),
        ("pod: seccompProfile", |pod| of(pod).seccomp_profile = None),
        ("pod: sysctls", |pod| of(pod).sysctls = Some(vec![Sysctl::default()])),
        ("pod: volume host", |pod| {
            let host_path = Some(HostPathVolumeSource::default());
            pod.volumes = Some(vec![Volume { name: "host".to_owned(), host_path, ..Volume::default() }]);
        }),
        ("main: allowPrivilegeEscalation", |pod| main(pod).allow_privilege_escalation = None),
        ("main: readOnlyRootFilesystem", |pod| main(pod).read_only_root_filesystem = None),
        ("main: privileged", |pod| main(pod).privileged = Some(true)),
        ("main: capabilities.drop", |pod| main(pod).capabilities = None),
        ("main: capabilities.add", |pod| {
            main(pod).capabilities.as_mut().unwrap().add = Some(vec!["NET_RAW".to_owned()]);
        }),
        ("main: runAsUser", |pod| main(pod).run_as_user = Some(0)),
        ("main: runAsNonRoot", |pod| main(pod).run_as_non_root = Some(false)),
        ("main: procMount", |pod| main(pod).proc_mount = Some("Unmasked".to_owned())),
        ("main: hostPort", |pod| {
            pod.containers[0].ports = Some(vec![ContainerPort { host_port: Some(80), ..ContainerPort::default() }]);
        }),
        ("main: memory limit", |pod| pod.containers[0].resources = None),
        ("main: image", |pod| pod.containers[0].image = Some("app:latest".to_owned())),
        ("start: readOnlyRootFilesystem", |pod| {
            let mut start = Container { name: "start".to_owned(), ..pod.containers[0].clone() };
            start.security_context.as_mut().unwrap().read_only_root_filesystem = Some(false);
            pod.init_containers = Some(vec![start]);
        }),
    ];
    assert_eq!(violations(&good()), Vec::<String>::new());
    for (name, breach) in BREACHES {
        let mut pod = good();
        breach(&mut pod);
        assert_eq!(violations(&pod), [(*name).to_owned()]);
    }
}

fn of(pod: &mut PodSpec) -> &mut PodSecurityContext {
    pod.security_context.as_mut().unwrap()
}

fn main(pod: &mut PodSpec) -> &mut SecurityContext {
    pod.containers[0].security_context.as_mut().unwrap()
}

fn good() -> PodSpec {
    let seccomp = SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() };
    let capabilities = Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None };
    let limits = serde_json::from_value(serde_json::json!({ "limits": { "memory": "1Mi" } })).unwrap();
    let main = Container {
        name: "main".to_owned(),
        image: Some("app:1".to_owned()),
        resources: Some(limits),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(capabilities),
            ..SecurityContext::default()
        }),
        ..Container::default()
    };
    PodSpec {
        containers: vec![main],
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(1),
            run_as_group: Some(1),
            seccomp_profile: Some(seccomp),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    }
}
