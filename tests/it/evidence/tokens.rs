//! Signed texts made by hand: every way that a verifier can be talked into believing one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use openssl::sign::Signer;
use serde_json::{Value, json};

use super::sample::{Evidence, now, private_pem, public_pem};
use super::{refused, verify};

/// The payload of a record that verifies.
pub fn payload() -> Value {
    json!({
        "@context": "https://www.rosie-standard.org/evidence/v1",
        "gxp_id": "EV-SPEC-INF-002",
        "spec_id": "SPEC-INF-002",
        "verification_tier": "IQ",
        "traced_user_story": "US-005-001",
        "test_results": {
            "tool": "schemagate", "version": "0.1.0", "passed": 1, "failed": 0, "skipped": 0, "duration_ms": 12,
            "test_cases": [{ "name": "a", "status": "passed", "duration": 3, "ancestorTitles": ["SPEC-INF-002", "IQ-001"] }],
        },
        "timestamp": "2026-11-22T10:15:30.000Z",
        "system_state_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "git_commit": "unknown",
        "iat": now(),
        "exp": now() + 1000,
    })
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs whatever the two parts hold, as DER.
fn der(signed: &str, private: &str) -> Vec<u8> {
    let key = PKey::private_key_from_pem(private.as_bytes()).unwrap().ec_key().unwrap();
    EcdsaSig::sign(&sha256(signed.as_bytes()), &key).unwrap().to_der().unwrap()
}

fn raw(der: &[u8]) -> Vec<u8> {
    let signature = EcdsaSig::from_der(der).unwrap();
    [signature.r(), signature.s()].iter().flat_map(|half| half.to_vec_padded(32).unwrap()).collect()
}

/// A text with this header and payload, properly signed.
pub fn token(header: &str, payload: &str, private: &str) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = encode(raw(&der(&signed, private)));
    format!("{signed}.{signature}")
}

struct Forge {
    evidence: Evidence,
    kid: String,
}

impl Forge {
    fn new() -> Self {
        let evidence = Evidence::signed();
        let kid = evidence.key().kid().to_owned();
        Self { evidence, kid }
    }

    fn header(&self) -> String {
        format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{}"}}"#, self.kid)
    }

    #[track_caller]
    fn refused(&self, text: &str, words: &str) {
        let path = self.evidence.beside("forged.jws");
        std::fs::write(&path, text).unwrap();
        refused(&path, &self.evidence.public_key(), &[words]);
    }

    fn signed(&self, header: &str, payload: &Value) -> String {
        token(header, &payload.to_string(), &self.evidence.private)
    }
}

#[test]
fn a_text_made_by_hand_verifies_where_nothing_is_wrong_with_it() {
    let forge = Forge::new();
    let path = forge.evidence.beside("good.jws");
    let text = forge.signed(&forge.header(), &payload());
    std::fs::write(&path, text).unwrap();
    verify(&path, &forge.evidence.public_key()).assert_code(0).assert_stdout("verified record");
}

#[test]
fn another_algorithm_is_refused_whatever_its_signature() {
    let forge = Forge::new();
    let text = payload().to_string();
    for alg in ["none", "None", "", "ES384", "RS256"] {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"{}"}}"#, forge.kid);
        forge.refused(&token(&header, &text, &forge.evidence.private), &format!("the algorithm {alg}"));
        forge.refused(&format!("{}.{}.", encode(&header), encode(&text)), &format!("the algorithm {alg}"));
    }
    // The public key as the secret of an HMAC.
    let header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{}"}}"#, forge.kid);
    let signed = format!("{}.{}", encode(header), encode(&text));
    let secret = PKey::hmac(public_pem(&forge.evidence.private).as_bytes()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &secret).unwrap();
    let mac = signer.sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    forge.refused(&format!("{signed}.{}", encode(mac)), "the algorithm HS256; only ES256 is taken");
}

#[test]
fn a_header_that_says_more_or_less_than_ours_is_refused() {
    let forge = Forge::new();
    let kid = &forge.kid;
    for (header, words) in [
        (format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}","crit":["exp"]}}"#), "the member crit"),
        (format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}","b64":false}}"#), "the member b64"),
        (format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}","jwk":{{}}}}"#), "the member jwk"),
        (format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}","jku":"https://example.org"}}"#), "the member jku"),
        (format!(r#"{{"alg":"ES256","alg":"ES256","typ":"JWT","kid":"{kid}"}}"#), "stands twice"),
        (format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), "does not say the type JWT"),
        (r#"{"alg":"ES256","typ":"JWT"}"#.to_owned(), "signed by another key"),
        (r#"{"alg":"ES256","typ":"JWT","kid":"x"}"#.to_owned(), "the header names x"),
        ("[]".to_owned(), "the header is no JSON object"),
        ("{".to_owned(), "the header is no JSON object"),
    ] {
        forge.refused(&forge.signed(&header, &payload()), words);
    }
}

#[test]
fn a_signature_of_another_shape_or_key_is_refused() {
    let forge = Forge::new();
    let signed = format!("{}.{}", encode(forge.header()), encode(payload().to_string()));
    let der = der(&signed, &forge.evidence.private);
    let raw = raw(&der);
    let with = |signature: &[u8]| format!("{signed}.{}", encode(signature));
    forge.refused(&with(&der), "it looks like DER; a JWS has r and s as they are");
    forge.refused(&with(&raw[..63]), "the signature has 63 bytes instead of 64");
    forge.refused(&with(&[]), "the signature has 0 bytes instead of 64");
    forge.refused(&with(&[raw.clone(), vec![0]].concat()), "the signature has 65 bytes instead of 64");
    forge.refused(&with(&[0; 64]), "the signature does not fit");
    forge.refused(&with(&[0xff; 64]), "the signature does not fit");
    // A half that is the order of the group or more is out of range, though it is the same number.
    forge.refused(&with(&[&[0xff; 32], &raw[32..]].concat()), "the signature does not fit");
    let other = private_pem();
    forge.refused(&token(&forge.header(), &payload().to_string(), &other), "the signature does not fit");
    let text = with(&raw);
    forge.refused(&format!("{text}="), "the signature is no base64url without padding");
    forge.refused(&format!("{text}."), "4 parts instead of three");
    forge.refused(&signed, "2 parts instead of three");
    forge.refused(&text.replacen("eyJ", "eyJ\n", 1), "the header is no base64url");
    forge.refused(&format!("{text} "), "the signature is no base64url");
    forge.refused("", "1 parts instead of three");
}

#[test]
fn any_changed_character_is_refused() {
    let forge = Forge::new();
    let text = forge.signed(&forge.header(), &payload());
    let path = forge.evidence.beside("forged.jws");
    let key = schemagate::signing::VerifyingKey::load(&forge.evidence.public_key()).unwrap();
    assert!(schemagate::signing::jws::verify(&text, &key).is_ok());
    for index in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(schemagate::signing::jws::verify(&changed, &key).is_err(), "at {index}");
    }
    // The last character carries four bits that mean nothing; only zeros are taken.
    let (start, last) = text.split_at(text.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.find(last).unwrap();
    std::fs::write(&path, format!("{start}{}", &alphabet[place + 1..place + 2])).unwrap();
    refused(&path, &forge.evidence.public_key(), &["the signature is no base64url"]);
}

#[test]
fn a_record_out_of_its_time_is_refused() {
    let forge = Forge::new();
    for (iat, exp, words) in [
        (json!(1000), json!(2000), "expired at 1970-01-01T00:33:20"),
        (json!(now() + 10_000), json!(now() + 20_000), "which is still to come"),
        (json!(now()), json!(null), "iat and exp do not say"),
        (json!("now"), json!(now() + 1000), "iat and exp do not say"),
        (json!(now()), json!(now() as f64 + 0.5), "iat and exp do not say"),
        (json!(-1), json!(now() + 1000), "iat and exp do not say"),
        (json!(now()), json!(u64::MAX), "iat and exp do not say"),
        (json!(now() + 100), json!(now() + 50), "iat and exp do not say"),
    ] {
        let mut payload = payload();
        payload["iat"] = iat;
        payload["exp"] = exp;
        forge.refused(&forge.signed(&forge.header(), &payload), words);
    }
}

#[test]
fn a_record_that_contradicts_itself_is_refused_though_its_signature_fits() {
    let forge = Forge::new();
    for (pointer, value, words) in [
        ("/@context", json!("https://example.org"), "@context is not https://www.rosie-standard.org/evidence/v1"),
        ("/gxp_id", json!(""), "gxp_id is not a text"),
        ("/spec_id", json!(7), "spec_id is not a text"),
        ("/timestamp", json!("yesterday"), "timestamp is not a time"),
        ("/system_state_hash", json!("abc"), "system_state_hash is not a SHA-256"),
        ("/test_results/passed", json!(2), "test_results.passed is not 1, as its test cases say"),
        ("/test_results/failed", json!(1), "test_results.failed is not 0, as its test cases say"),
        ("/test_results/duration_ms", json!("long"), "test_results.duration_ms is not a count"),
        ("/test_results/test_cases/0/status", json!("fine"), "test_results.test_cases[0] is not a case"),
        ("/test_results/test_cases/0/ancestorTitles", json!([]), "test_results.test_cases[0] is not a case"),
        ("/test_results/test_cases", json!([]), "is not a list of at least one case"),
        ("/test_results", json!(null), "test_results.tool is not a text"),
    ] {
        let mut payload = payload();
        *payload.pointer_mut(pointer).unwrap() = value;
        forge.refused(&forge.signed(&forge.header(), &payload), words);
    }
    let twice = payload().to_string().replacen('{', r#"{"gxp_id":"EV-SPEC-INF-002","#, 1);
    forge.refused(&token(&forge.header(), &twice, &forge.evidence.private), "stands twice");
    forge.refused(&token(&forge.header(), "[1]", &forge.evidence.private), "the payload is no JSON object");
}
