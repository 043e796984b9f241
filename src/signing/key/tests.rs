use openssl::ec::EcGroup;
use openssl::rsa::Rsa;
use openssl::symm::Cipher;

use super::*;

fn ec(curve: Nid) -> PKey<Private> {
    PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()).unwrap()
}

fn text(pem: Result<Vec<u8>, ErrorStack>) -> String {
    String::from_utf8(pem.unwrap()).unwrap()
}

#[test]
fn a_pkcs8_key_on_p256_is_taken_and_its_public_half_has_the_same_thumbprint() {
    let key = ec(Nid::X9_62_PRIME256V1);
    let signing = SigningKey::from_pem(&text(key.private_key_to_pem_pkcs8())).unwrap();
    let verifying = VerifyingKey::from_text(&text(key.public_key_to_pem())).unwrap();
    assert_eq!(signing.kid(), verifying.kid());
    assert_eq!(signing.kid().len(), 43);
    let again = VerifyingKey::from_text(&verifying.jwk().to_string()).unwrap();
    assert_eq!(again.kid(), verifying.kid());
    assert_eq!(format!("{signing:?}"), format!("SigningKey {{ kid: {:?}, .. }}", signing.kid()));
}

#[test]
fn any_other_private_key_is_refused_with_the_way_out_and_not_shown() {
    let p256 = ec(Nid::X9_62_PRIME256V1);
    let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let sec1 = text(p256.ec_key().unwrap().private_key_to_pem());
    let good = text(p256.private_key_to_pem_pkcs8());
    let encrypted = text(p256.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"pass"));
    let old = text(p256.ec_key().unwrap().private_key_to_pem_passphrase(Cipher::aes_256_cbc(), b"pass"));
    let halved = good.lines().take(2).chain(good.lines().last()).collect::<Vec<_>>().join("\n");
    for (pem, words) in [
        (text(rsa.private_key_to_pem_pkcs8()), "the key is one of RSA, where one on the curve P-256 is wanted"),
        (text(rsa.rsa().unwrap().private_key_to_pem()), "a PEM of another kind"),
        (text(ec(Nid::SECP384R1).private_key_to_pem_pkcs8()), "the key is one on secp384r1"),
        (text(ec(Nid::SECP256K1).private_key_to_pem_pkcs8()), "the key is one on secp256k1"),
        (text(PKey::generate_ed25519().unwrap().private_key_to_pem_pkcs8()), "the key is one of Ed25519"),
        (text(PKey::generate_x25519().unwrap().private_key_to_pem_pkcs8()), "the key is of another kind"),
        (sec1.clone(), "a private key as SEC 1 has it"),
        (old, "a private key as SEC 1 has it"),
        (encrypted, "is encrypted, and nobody is here to ask"),
        (text(p256.public_key_to_pem()), "a public key, where the private key is wanted"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned(), "a certificate"),
        (good.replace("-----END", "!-----END"), "the key is damaged"),
        (halved, "the key is damaged"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned(), "the key is damaged"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA".to_owned(), "no PEM in it"),
        ("c4n4ry".to_owned(), "no PEM in it"),
    ] {
        let fault = SigningKey::from_pem(&pem).unwrap_err();
        let told = KeyError { origin: "SCHEMAGATE_SIGNING_KEY".to_owned(), fault };
        assert!(told.to_string().starts_with("SCHEMAGATE_SIGNING_KEY: "), "{told}");
        assert!(told.to_string().contains(words), "{told}\n{words}");
        assert!(told.fault.hint().contains("openssl"), "{told}");
        for line in pem.lines().filter(|line| !line.starts_with('-') && line.len() > 4) {
            assert!(!format!("{told}{told:?}").contains(line), "{told:?}");
        }
    }
}

#[test]
fn any_other_public_key_is_refused() {
    let p256 = ec(Nid::X9_62_PRIME256V1);
    let jwk = SigningKey::from_pem(&text(p256.private_key_to_pem_pkcs8())).unwrap().public().jwk();
    let with = |name: &str, value: &str| {
        let mut jwk = jwk.clone();
        jwk[name] = value.into();
        jwk.to_string()
    };
    for (key, words) in [
        (text(p256.private_key_to_pem_pkcs8()), "a private key, where the public key is wanted"),
        (text(p256.ec_key().unwrap().private_key_to_pem()), "a private key, where the public key is wanted"),
        (text(ec(Nid::SECP384R1).public_key_to_pem()), "the key is one on secp384r1"),
        (text(PKey::generate_ed25519().unwrap().public_key_to_pem()), "the key is one of Ed25519"),
        (with("d", "c4n4ry"), "a private key, where the public key is wanted"),
        (with("crv", "P-384"), "a JWK of the kind EC P-384"),
        (with("kty", "oct"), "a JWK of the kind oct P-256"),
        // A point that is not on the curve, a short one, none.
        (with("x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"), "the key is damaged"),
        (with("x", "AA"), "the key is damaged"),
        ("{}".to_owned(), "a JWK of the kind , where"),
        ("{".to_owned(), "the key is damaged"),
        (String::new(), "no PEM and no JWK in it"),
    ] {
        let fault = VerifyingKey::from_text(&key).unwrap_err();
        assert!(fault.to_string().contains(words), "{fault}\n{words}");
        assert!(!fault.to_string().contains("c4n4ry") && fault.hint().contains("openssl"), "{fault}");
    }
}
