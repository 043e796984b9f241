use super::*;

/// RFC 7515, A.3: a key, a text that it signed with ES256, and its signature.
const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const SIGNED: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

fn key_of_the_rfc() -> VerifyingKey {
    let jwk = serde_json::json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y });
    VerifyingKey::from_text(&jwk.to_string()).unwrap()
}

#[test]
fn the_signature_of_the_rfc_verifies() {
    let signature: [u8; 64] = URL_SAFE_NO_PAD.decode(SIGNATURE).unwrap().try_into().unwrap();
    let key = key_of_the_rfc();
    assert!(key.verifies(SIGNED.as_bytes(), &signature));
    let mut changed = signature;
    changed[63] ^= 1;
    assert!(!key.verifies(SIGNED.as_bytes(), &changed));
    assert!(!key.verifies(&SIGNED.as_bytes()[1..], &signature));
}

#[test]
fn the_text_of_the_rfc_is_refused_because_it_names_no_key() {
    let fault = verify(&format!("{SIGNED}.{SIGNATURE}"), &key_of_the_rfc()).unwrap_err();
    assert_eq!(fault, JwsFault::Type);
}

#[test]
fn a_text_signed_here_verifies_here_and_has_exactly_our_header() {
    let pem = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1)
        .and_then(|group| openssl::ec::EcKey::generate(&group))
        .and_then(openssl::pkey::PKey::from_ec_key)
        .and_then(|key| key.private_key_to_pem_pkcs8())
        .unwrap();
    let key = SigningKey::from_pem(std::str::from_utf8(&pem).unwrap()).unwrap();
    let payload = serde_json::json!({ "iat": 1, "text": "ü" });
    // Halves with leading zeros keep their width: a few hundred signatures have some.
    for _ in 0..600 {
        let text = sign(&payload, &key).unwrap();
        assert_eq!(Value::Object(verify(&text, key.public()).unwrap()), payload);
        let header = URL_SAFE_NO_PAD.decode(text.split('.').next().unwrap()).unwrap();
        let expected = format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{}"}}"#, key.kid());
        assert_eq!(String::from_utf8(header).unwrap(), expected);
    }
}
