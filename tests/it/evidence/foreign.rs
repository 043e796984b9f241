//! Implementations of JWS that are not ours: npm's jose, Python's jwcrypto and PyJWT. They read what is signed here, what
//! they sign is read here, and what was tampered with is refused by all.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use schemagate::signing::{VerifyingKey, jws};
use serde_json::Value;

use super::sample::Evidence;
use super::tokens::payload;
use super::{refused, verify};
use crate::support::npm::{fixture, packages};
use crate::support::pip::python;
use crate::support::slow;

/// Runs a program with `input` on its stdin.
fn fed(command: &mut Command, input: &str) -> Output {
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended without reading all of it.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    process.wait_with_output().unwrap()
}

/// One of the foreign programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Jose,
    Jwcrypto,
}

impl Tool {
    fn run(self, arguments: &[&str], key: &Path, kid: &str, input: &str) -> Output {
        let mut command = match self {
            Self::Jose => {
                let text = std::fs::read_to_string(fixture("jose").join("tool.mjs")).unwrap();
                let mut command = Command::new("node");
                // Where it runs is where it looks for packages.
                command.current_dir(packages("jose").parent().unwrap());
                command.args(["--input-type=module", "--eval", &text, "--"]);
                command
            }
            Self::Jwcrypto => {
                let mut command = Command::new(python("jwcrypto"));
                command.arg(fixture("jwcrypto").join("tool.py"));
                command
            }
        };
        fed(command.args(arguments).arg(key).arg(kid), input)
    }

    /// What it says of a text that it finds good.
    #[track_caller]
    fn verified(self, command: &str, key: &Path, text: &str) -> Value {
        let output = self.run(&[command], key, "", text);
        assert!(output.status.success(), "{self:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn foreign_programs_verify_what_is_signed_here() {
    if !slow() {
        return;
    }
    let evidence = Evidence::signed();
    let key = VerifyingKey::load(&evidence.public_key()).unwrap();
    for path in [evidence.written.record.clone(), evidence.written.package.join("manifest.jws")] {
        let text = std::fs::read_to_string(path).unwrap();
        let ours = Value::Object(jws::verify(&text, &key).unwrap());
        for (tool, command) in [(Tool::Jose, "verify"), (Tool::Jwcrypto, "verify"), (Tool::Jwcrypto, "jwt")] {
            let theirs = tool.verified(command, &evidence.public_key(), &text);
            assert_eq!(theirs["payload"], ours, "{tool:?}");
            let header = serde_json::json!({ "alg": "ES256", "typ": "JWT", "kid": key.kid() });
            assert_eq!(theirs["header"], header, "{tool:?}");
            if command == "verify" {
                assert_eq!(theirs["thumbprint"], key.kid(), "{tool:?}");
            }
        }
    }
}

#[test]
fn what_foreign_programs_sign_is_verified_here() {
    if !slow() {
        return;
    }
    let evidence = Evidence::signed();
    let (private, signed) = (evidence.beside("private.pem"), evidence.beside("theirs.jws"));
    std::fs::write(&private, &evidence.private).unwrap();
    for tool in [Tool::Jose, Tool::Jwcrypto] {
        let output = tool.run(&["sign"], &private, evidence.key().kid(), &payload().to_string());
        assert!(output.status.success(), "{tool:?}: {}", String::from_utf8_lossy(&output.stderr));
        // They print a line.
        std::fs::write(&signed, output.stdout.trim_ascii_end()).unwrap();
        verify(&signed, &evidence.public_key()).assert_code(0).assert_stdout("verified record");
        let text = String::from_utf8(output.stdout).unwrap();
        std::fs::write(&signed, text.replacen('.', ".e", 1)).unwrap();
        refused(&signed, &evidence.public_key(), &["the signature does not fit"]);
    }
}

#[test]
fn foreign_programs_refuse_what_was_tampered_with() {
    if !slow() {
        return;
    }
    let evidence = Evidence::signed();
    let text = std::fs::read_to_string(&evidence.written.record).unwrap();
    let parts: Vec<&str> = text.split('.').collect();
    let flipped = |index: usize| {
        let mut parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        let middle = parts[index].len() / 2;
        let other = if &parts[index][middle..=middle] == "A" { "B" } else { "A" };
        parts[index].replace_range(middle..=middle, other);
        parts.join(".")
    };
    for (index, changed) in [flipped(0), flipped(1), flipped(2)].iter().enumerate() {
        for (tool, command) in [(Tool::Jose, "verify"), (Tool::Jwcrypto, "verify"), (Tool::Jwcrypto, "jwt")] {
            let output = tool.run(&[command], &evidence.public_key(), "", changed);
            assert!(!output.status.success(), "{tool:?} takes part {index} changed");
        }
    }
}

#[test]
fn the_programs_in_the_manual_verify_a_record() {
    if !slow() {
        return;
    }
    let evidence = Evidence::signed();
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(evidence.public_key(), folder.path().join("public.pem")).unwrap();
    let record = folder.path().join("EV-SPEC-INF-002.jws");
    std::fs::copy(&evidence.written.record, &record).unwrap();
    std::os::unix::fs::symlink(packages("jose"), folder.path().join("node_modules")).unwrap();
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/qualification.md")).unwrap();
    let program = |language: &str| {
        let text = manual.split(&format!("```{language}\n")).nth(1).unwrap().split("```").next().unwrap();
        let mut command = match language {
            "js" => Command::new("node"),
            _ => Command::new(python("jwcrypto")),
        };
        let options: &[&str] = if language == "js" { &["--input-type=module", "--eval"] } else { &["-c"] };
        command.args(options).arg(text).current_dir(folder.path()).output().unwrap()
    };
    for language in ["js", "python"] {
        let output = program(language);
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("US-005-001"), "{language}: {told}");
    }
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replacen(".ey", ".eZ", 1)).unwrap();
    for language in ["js", "python"] {
        assert!(!program(language).status.success(), "{language} takes a changed record");
    }
}
