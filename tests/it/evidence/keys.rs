//! Keys as the manual says to make them, with the openssl program.

use std::path::Path;
use std::process::{Command, Stdio};

use schemagate::evidence::load_key;
use schemagate::settings::Settings;
use schemagate::signing::{SigningKey, VerifyingKey};

use super::sample::{self, now, protocol};
use super::verify;

/// The commands of the manual that begin with `openssl`.
fn documented() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/qualification.md")).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .filter(|it| it.starts_with("openssl "))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn shell(command: &str, folder: &Path) {
    let run = Command::new("sh").args(["-c", command]).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
}

fn settings(variable: &str, value: impl Into<std::ffi::OsString>) -> Settings {
    Settings::read([(variable.into(), value.into())]).unwrap()
}

#[test]
fn a_key_pair_made_as_the_manual_says_signs_and_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let commands = documented();
    assert!(commands.len() >= 2, "{commands:?}");
    for command in &commands {
        shell(command, folder.path());
    }
    let (private, public) = (folder.path().join("key.pem"), folder.path().join("public.pem"));
    let text = std::fs::read_to_string(&private).unwrap();
    let ways = [
        settings("SCHEMAGATE_SIGNING_KEY_FILE", &private),
        settings("SCHEMAGATE_SIGNING_KEY", &text),
        settings("SCHEMAGATE_SIGNING_KEY", text.trim().replace('\n', "\\n")),
        settings("SCHEMAGATE_SIGNING_KEY", text.trim().replace('\n', " ")),
        settings("SCHEMAGATE_SIGNING_KEY", format!("\"{}\"", text.replace('\n', "\\n"))),
    ];
    for (index, settings) in ways.iter().enumerate() {
        let key = load_key(settings).unwrap().unwrap();
        assert_eq!(key.kid(), VerifyingKey::load(&public).unwrap().kid());
        let dir = folder.path().join(format!("evidence-{index}"));
        sample::write(&dir, &protocol(), Some(&key), now());
        verify(&dir, &public).assert_code(0);
    }
    assert!(load_key(&Settings::read([]).unwrap()).unwrap().is_none());
}

#[test]
fn the_ways_out_that_messages_name_lead_to_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Keys in their older form, as `openssl ecparam` makes them, with and without the parameters before them.
    for command in [
        "openssl ecparam -name prime256v1 -genkey -noout -out key.pem",
        "openssl ecparam -name prime256v1 -genkey -out key.pem",
    ] {
        shell(command, folder.path());
        let fault = SigningKey::from_pem(&std::fs::read_to_string(path("key.pem")).unwrap()).unwrap_err();
        let hint = fault.hint().strip_prefix("convert it: ").unwrap();
        shell(hint, folder.path());
        SigningKey::from_pem(&std::fs::read_to_string(path("pkcs8.pem")).unwrap()).unwrap();
        let fault = VerifyingKey::from_text(&std::fs::read_to_string(path("key.pem")).unwrap()).unwrap_err();
        let hint = fault.hint().split("; ").next().unwrap().strip_prefix("give the public half: ").unwrap();
        shell(hint, folder.path());
        VerifyingKey::load(&path("public.pem")).unwrap();
    }
    let hint = SigningKey::from_pem("").unwrap_err().hint();
    for part in hint.split(": ").skip(1).map(|part| part.split("; ").next().unwrap()) {
        shell(part, folder.path());
    }
    VerifyingKey::load(&path("public.pem")).unwrap();
    shell("openssl req -x509 -key key.pem -subj /CN=x -days 2 -out certificate.pem", folder.path());
    let fault = VerifyingKey::load(&path("certificate.pem")).unwrap_err().fault;
    let hint = fault.hint().strip_prefix("take the key out of it: ").unwrap();
    shell(&format!("{hint} >taken.pem"), folder.path());
    assert_eq!(
        VerifyingKey::load(&path("taken.pem")).unwrap().kid(),
        VerifyingKey::load(&path("public.pem")).unwrap().kid()
    );
}
