//! TLS against a real OpenSSL acceptor on the loopback, with certificates made here.

use super::*;
use crate::postgres::secret::Secret;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{AlpnError, NameType, SslAcceptor, SslMethod, SslVerifyMode, SslVersion};
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509NameBuilder};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Pair {
    certificate: X509,
    key: PKey<Private>,
}

/// What a certificate is to say.
struct Wish<'a> {
    common_name: &'a str,
    names: &'a [&'a str],
    addresses: &'a [&'a str],
    days: (i64, i64),
}

fn days_from_now(days: i64) -> Asn1Time {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Asn1Time::from_unix(i64::try_from(now).unwrap() + days * 86_400).unwrap()
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn certify(wish: &Wish, key: PKey<Private>, issuer: Option<&Pair>) -> Pair {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, wish.common_name).unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(64, openssl::bn::MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    let issuer_name = issuer.map_or(&*name, |ca| ca.certificate.subject_name());
    builder.set_issuer_name(issuer_name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&days_from_now(wish.days.0)).unwrap();
    builder.set_not_after(&days_from_now(wish.days.1)).unwrap();
    if issuer.is_none() {
        let ca = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(ca).unwrap();
    }
    if !wish.names.is_empty() || !wish.addresses.is_empty() {
        let mut san = SubjectAlternativeName::new();
        for name in wish.names {
            san.dns(name);
        }
        for address in wish.addresses {
            san.ip(address);
        }
        let context = builder.x509v3_context(issuer.map(|ca| &*ca.certificate), None);
        let san = san.build(&context).unwrap();
        builder.append_extension(san).unwrap();
    }
    let signer = issuer.map_or(&key, |ca| &ca.key);
    builder.sign(signer, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    Pair { certificate, key }
}

fn authority(common_name: &str) -> Pair {
    let wish = Wish { common_name, names: &[], addresses: &[], days: (-1, 30) };
    certify(&wish, new_key(), None)
}

fn server_pair(ca: &Pair) -> Pair {
    let wish = Wish { common_name: "x", names: &["db.example"], addresses: &["127.0.0.1"], days: (-1, 30) };
    certify(&wish, new_key(), Some(ca))
}

/// What the acceptor demands besides a handshake.
#[derive(Default)]
struct Demand {
    client_ca: Option<X509>,
    max_version: Option<SslVersion>,
    answers_ssl_request: bool,
}

/// What the acceptor saw.
#[derive(Debug, Default)]
struct Seen {
    sni: Option<String>,
    alpn: Option<Vec<u8>>,
    client: Option<String>,
}

/// Accepts connections until `count` are served; each gets one byte once the handshake is done.
fn serve(pair: &Pair, demand: Demand, count: usize) -> (SocketAddr, JoinHandle<Vec<Seen>>) {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_private_key(&pair.key).unwrap();
    acceptor.set_certificate(&pair.certificate).unwrap();
    acceptor.set_max_proto_version(demand.max_version).unwrap();
    acceptor.set_alpn_select_callback(|_, offered| {
        openssl::ssl::select_next_proto(b"\x0apostgresql", offered).ok_or(AlpnError::NOACK)
    });
    if let Some(ca) = demand.client_ca {
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(ca).unwrap();
        acceptor.set_verify_cert_store(store.build()).unwrap();
        acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    let acceptor = acceptor.build();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let mut all = Vec::new();
        for _ in 0..count {
            let (mut socket, _) = listener.accept().unwrap();
            if demand.answers_ssl_request {
                socket.read_exact(&mut [0; 8]).unwrap();
                socket.write_all(b"S").unwrap();
            }
            let Ok(mut tls) = acceptor.accept(socket) else {
                all.push(Seen::default());
                continue;
            };
            let ssl = tls.ssl();
            let subject = |c: X509| {
                let entry = c.subject_name().entries().next();
                entry.map(|e| e.data().to_string().unwrap())
            };
            all.push(Seen {
                sni: ssl.servername(NameType::HOST_NAME).map(str::to_owned),
                alpn: ssl.selected_alpn_protocol().map(<[u8]>::to_vec),
                client: ssl.peer_certificate().and_then(subject),
            });
            tls.write_all(b"!").unwrap();
            let _ = tls.shutdown();
        }
        all
    });
    (address, serving)
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}

/// One handshake and the byte after it.
fn handshake(address: SocketAddr, tls: LazyTls) -> Result<std::io::Result<u8>, TlsError> {
    run(async {
        let socket = TcpStream::connect(address).await.unwrap();
        let mut stream = tls.connect(socket).await?;
        let answer = stream.read_u8().await;
        let _ = stream.shutdown().await;
        Ok(answer)
    })
}

fn attempt(pair: &Pair, settings: TlsSettings, host: &str) -> Result<Seen, TlsError> {
    let (address, serving) = serve(pair, Demand::default(), 1);
    let result = handshake(address, LazyTls::new(settings, host));
    let seen = serving.join().unwrap().remove(0);
    result.map(|answer| {
        assert_eq!(answer.unwrap(), b'!');
        seen
    })
}

fn write_root(folder: &Path, ca: &Pair) -> PathBuf {
    let path = folder.join("root.crt");
    std::fs::write(&path, ca.certificate.to_pem().unwrap()).unwrap();
    path
}

fn settings(mode: SslMode, root: Option<&Path>) -> TlsSettings {
    let root = match root {
        Some(path) => RootCertificates::File(path.to_owned()),
        None => RootCertificates::Default(None),
    };
    TlsSettings { mode, root, ..TlsSettings::default() }
}

fn reason(result: Result<Seen, TlsError>) -> String {
    match result.unwrap_err() {
        error @ TlsError::Verification { .. } => {
            assert!(!error.is_transient());
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn verify_full_accepts_the_right_name_and_address_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let ca = authority("ca");
    let root = write_root(folder.path(), &ca);
    let server = server_pair(&ca);
    let full = || settings(SslMode::VerifyFull, Some(&root));
    let seen = attempt(&server, full(), "db.example").unwrap();
    assert_eq!(seen.sni.as_deref(), Some("db.example"));
    assert_eq!(seen.alpn, None);
    let seen = attempt(&server, full(), "127.0.0.1").unwrap();
    assert_eq!(seen.sni, None, "an address is no server name");
    let text = reason(attempt(&server, full(), "other.example"));
    assert_eq!(text, "the certificate of the server does not verify for other.example: hostname mismatch");
    let text = reason(attempt(&server, full(), "127.0.0.2"));
    assert!(text.ends_with("127.0.0.2: IP address mismatch"), "{text}");
}

#[test]
fn verify_full_reads_the_common_name_where_the_certificate_has_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let ca = authority("ca");
    let root = write_root(folder.path(), &ca);
    let wish = Wish { common_name: "old.example", names: &[], addresses: &[], days: (-1, 30) };
    let server = certify(&wish, new_key(), Some(&ca));
    attempt(&server, settings(SslMode::VerifyFull, Some(&root)), "old.example").unwrap();
}

#[test]
fn verify_ca_and_require_with_a_root_check_the_chain_but_not_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let ca = authority("ca");
    let root = write_root(folder.path(), &ca);
    let (server, stranger) = (server_pair(&ca), server_pair(&authority("ca")));
    for mode in [SslMode::VerifyCa, SslMode::Require] {
        attempt(&server, settings(mode, Some(&root)), "other.example").unwrap();
        let result = attempt(&stranger, settings(mode, Some(&root)), "db.example");
        assert!(reason(result).contains("db.example: "));
    }
}

#[test]
fn an_unknown_authority_and_an_expired_certificate_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let ca = authority("ca");
    let root = write_root(folder.path(), &ca);
    let full = || settings(SslMode::VerifyFull, Some(&root));
    let text = reason(attempt(&server_pair(&authority("other")), full(), "db.example"));
    assert!(text.ends_with("unable to get local issuer certificate"), "{text}");
    let wish = Wish { common_name: "x", names: &["db.example"], addresses: &[], days: (-9, -2) };
    let old = certify(&wish, new_key(), Some(&ca));
    let text = reason(attempt(&old, full(), "db.example"));
    assert!(text.ends_with("certificate has expired"), "{text}");
}

#[test]
fn weaker_modes_accept_any_certificate() {
    let stranger = authority("localhost");
    for mode in [SslMode::Allow, SslMode::Prefer, SslMode::Require] {
        attempt(&stranger, settings(mode, None), "db.example").unwrap();
    }
}

#[test]
fn a_verifying_mode_without_its_root_file_names_it() {
    let mut wanted = settings(SslMode::VerifyFull, None);
    wanted.root = RootCertificates::Default(Some("/nowhere/.postgresql/root.crt".into()));
    let error = wanted.check_files().unwrap_err();
    assert_eq!(
        error.to_string(),
        "sslmode=verify-full needs a root certificate, and /nowhere/.postgresql/root.crt does not exist"
    );
    assert!(error.hint().unwrap().contains("sslrootcert=system"));
    wanted.mode = SslMode::Require;
    wanted.check_files().unwrap();
    wanted.root = RootCertificates::File("/nowhere/ca.pem".into());
    assert!(matches!(wanted.check_files(), Err(TlsError::RootMissing { .. })));
    wanted.mode = SslMode::Prefer;
    wanted.check_files().unwrap();
}

#[test]
fn a_root_file_without_certificates_and_a_revocation_list_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.crt");
    std::fs::write(&path, "not a certificate").unwrap();
    let mut wanted = settings(SslMode::VerifyCa, Some(&path));
    assert!(matches!(wanted.check_files(), Err(TlsError::Invalid { file: TlsFile::RootCertificate, .. })));
    std::fs::write(&path, authority("ca").certificate.to_pem().unwrap()).unwrap();
    wanted.root = RootCertificates::Default(Some(path));
    wanted.check_files().unwrap();
    std::fs::write(folder.path().join("root.crl"), "").unwrap();
    assert!(matches!(wanted.check_files(), Err(TlsError::RevocationList { .. })));
}

/// Writes certificate and key for a client; the key in the given form.
fn write_client(folder: &Path, pair: &Pair, key: &[u8]) -> TlsSettings {
    let (certificate, key_path) = (folder.join("client.crt"), folder.join("client.key"));
    std::fs::write(&certificate, pair.certificate.to_pem().unwrap()).unwrap();
    std::fs::write(&key_path, key).unwrap();
    std::fs::set_permissions(&key_path, std::fs::Permissions::from_mode(0o600)).unwrap();
    TlsSettings {
        client_certificate: Some(certificate),
        client_key: Some(key_path),
        ..settings(SslMode::Require, None)
    }
}

fn client_pair(ca: &Pair, key: PKey<Private>) -> Pair {
    let wish = Wish { common_name: "deployer", names: &[], addresses: &[], days: (-1, 30) };
    certify(&wish, key, Some(ca))
}

#[test]
fn a_client_certificate_is_sent_with_a_key_in_any_usual_form() {
    let folder = tempfile::tempdir().unwrap();
    let ca = authority("ca");
    let server = server_pair(&ca);
    let ec = new_key();
    let rsa = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let (cipher, phrase) = (Cipher::aes_256_cbc(), b"open sesame");
    let forms: [(&PKey<Private>, Vec<u8>); 7] = [
        (&ec, ec.private_key_to_pem_pkcs8().unwrap()),
        (&ec, ec.ec_key().unwrap().private_key_to_pem().unwrap()),
        (&ec, ec.private_key_to_der().unwrap()),
        (&ec, ec.private_key_to_pem_pkcs8_passphrase(cipher, phrase).unwrap()),
        (&rsa, rsa.private_key_to_pem_pkcs8().unwrap()),
        (&rsa, rsa.rsa().unwrap().private_key_to_pem().unwrap()),
        (&rsa, rsa.rsa().unwrap().private_key_to_pem_passphrase(cipher, phrase).unwrap()),
    ];
    for (key, form) in forms {
        let pair = client_pair(&ca, key.clone());
        let mut wanted = write_client(folder.path(), &pair, &form);
        wanted.client_key_password = Some(Secret::new("open sesame"));
        let client_ca = Some(ca.certificate.clone());
        let (address, serving) = serve(&server, Demand { client_ca, ..Demand::default() }, 1);
        handshake(address, LazyTls::new(wanted, "db.example")).unwrap().unwrap();
        assert_eq!(serving.join().unwrap()[0].client.as_deref(), Some("deployer"));
    }
}

#[test]
fn a_client_key_that_cannot_serve_is_refused_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let pair = client_pair(&authority("ca"), new_key());
    let good = pair.key.private_key_to_pem_pkcs8().unwrap();
    let mut wanted = write_client(folder.path(), &pair, &good);
    wanted.check_files().unwrap();
    let key = wanted.client_key.clone().unwrap();

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = wanted.check_files().unwrap_err();
    assert!(error.to_string().contains("has mode 0644"), "{error}");

    let locked = pair.key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"canary").unwrap();
    let mut encrypted = write_client(folder.path(), &pair, &locked);
    let error = encrypted.check_files().unwrap_err();
    assert!(error.to_string().ends_with("sslpassword is not given"), "{error}");
    encrypted.client_key_password = Some(Secret::new("can ary"));
    let error = encrypted.check_files().unwrap_err();
    assert!(error.to_string().ends_with("sslpassword is wrong"), "{error}");
    assert!(!format!("{encrypted:?}{error:?}").contains("can ary"));
    encrypted.client_key_password = Some(Secret::new("x".repeat(5000)));
    assert!(matches!(encrypted.check_files(), Err(TlsError::KeyPassword { given: true, .. })));

    let other = new_key().private_key_to_pem_pkcs8().unwrap();
    let mismatched = write_client(folder.path(), &pair, &other);
    assert!(matches!(mismatched.check_files(), Err(TlsError::KeyMismatch { .. })));
    let garbage = write_client(folder.path(), &pair, b"garbage");
    assert!(matches!(garbage.check_files(), Err(TlsError::Invalid { file: TlsFile::ClientKey, .. })));
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(garbage.check_files(), Err(TlsError::KeyMissing { .. })));
    wanted.client_certificate = Some(folder.path().join("none.crt"));
    wanted.check_files().unwrap();
    assert_eq!(wanted.missing_client_certificate(), None, "the default may be missing");
    wanted.client_certificate_given = true;
    assert_eq!(wanted.missing_client_certificate(), wanted.client_certificate.as_deref());
}

#[test]
fn a_refused_client_certificate_is_found_with_either_protocol_version() {
    let folder = tempfile::tempdir().unwrap();
    let ca = authority("ca");
    let server = server_pair(&ca);
    let pair = client_pair(&authority("stranger"), new_key());
    let wanted = write_client(folder.path(), &pair, &pair.key.private_key_to_pem_pkcs8().unwrap());
    let demand = |max_version| Demand { client_ca: Some(ca.certificate.clone()), max_version, ..Demand::default() };
    let (address, serving) = serve(&server, demand(Some(SslVersion::TLS1_2)), 1);
    let error = handshake(address, LazyTls::new(wanted.clone(), "db.example")).unwrap_err();
    assert!(matches!(error, TlsError::Refused { reason: "tlsv1 alert unknown ca", .. }), "{error:?}");
    serving.join().unwrap();
    // With TLS 1.3 the client is done before the server has looked.
    let (address, serving) = serve(&server, demand(None), 1);
    let error = handshake(address, LazyTls::new(wanted, "db.example")).unwrap().unwrap_err();
    assert_eq!(tls_alert_in(&error), Some("tlsv1 alert unknown ca"));
    serving.join().unwrap();
}

#[test]
fn one_connector_serves_every_connection_and_is_built_by_the_first() {
    let ca = authority("ca");
    let (address, serving) = serve(&server_pair(&ca), Demand::default(), 2);
    let tls = LazyTls::new(settings(SslMode::Require, None), "a.example");
    assert!(!tls.is_built());
    handshake(address, tls.clone()).unwrap().unwrap();
    assert!(tls.is_built());
    handshake(address, tls.for_host("b.example")).unwrap().unwrap();
    let seen = serving.join().unwrap();
    let names: Vec<_> = seen.iter().filter_map(|s| s.sni.as_deref()).collect();
    assert_eq!(names, ["a.example", "b.example"]);
}

#[test]
fn direct_negotiation_asks_for_postgresql_and_sslsni_0_sends_no_name() {
    let mut wanted = settings(SslMode::Require, None);
    wanted.negotiation = SslNegotiation::Direct;
    wanted.sni = false;
    let seen = attempt(&authority("ca"), wanted, "db.example").unwrap();
    assert_eq!(seen.alpn.as_deref(), Some(b"postgresql".as_slice()));
    assert_eq!(seen.sni, None);
}

#[test]
fn protocol_versions_are_kept() {
    let pair = authority("ca");
    let mut wanted = settings(SslMode::Require, None);
    wanted.min_version = TlsVersion::V1_3;
    let demand = Demand { max_version: Some(SslVersion::TLS1_2), ..Demand::default() };
    let (address, serving) = serve(&pair, demand, 1);
    let error = handshake(address, LazyTls::new(wanted, "db.example")).unwrap_err();
    serving.join().unwrap();
    assert!(matches!(&error, TlsError::Refused { reason, .. } if reason.contains("protocol version")), "{error:?}");
}

#[test]
fn a_connection_closed_during_the_handshake_is_transient() {
    for reset in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let closing = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            // Closing with unread data sends a reset, after reading it a plain end.
            if !reset {
                let _ = socket.read(&mut [0; 4096]);
            }
        });
        let tls = LazyTls::new(settings(SslMode::Require, None), "db.example");
        let error = handshake(address, tls).unwrap_err();
        closing.join().unwrap();
        assert!(error.is_transient(), "{error:?}");
    }
}

#[test]
fn the_tls_error_is_found_within_the_drivers() {
    let folder = tempfile::tempdir().unwrap();
    let ca = authority("ca");
    let root = write_root(folder.path(), &ca);
    let demand = Demand { answers_ssl_request: true, ..Demand::default() };
    let (address, serving) = serve(&server_pair(&ca), demand, 1);
    let tls = LazyTls::new(settings(SslMode::VerifyFull, Some(&root)), "other.example");
    let mut config = tokio_postgres::Config::new();
    config.user("u").ssl_mode(tokio_postgres::config::SslMode::Require);
    let error = run(async {
        let socket = TcpStream::connect(address).await.unwrap();
        config.connect_raw(socket, tls).await.err().unwrap()
    });
    serving.join().unwrap();
    let found = tls_error_in(&error).unwrap();
    assert!(matches!(found, TlsError::Verification { host, .. } if host == "other.example"));
    assert!(found.hint().unwrap().contains("verify-ca"));
}

/// The environment of a test process cannot be changed safely, so the test runs itself once more with it.
#[test]
fn sslrootcert_system_trusts_what_ssl_cert_file_names() {
    if std::env::var_os("SCHEMAGATE_TEST_SYSTEM_ROOTS").is_none() {
        let folder = tempfile::tempdir().unwrap();
        let ca = authority("ca");
        let root = write_root(folder.path(), &ca);
        let (address, serving) = serve(&server_pair(&ca), Demand::default(), 1);
        let name = "postgres::tls::tests::sslrootcert_system_trusts_what_ssl_cert_file_names";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("SSL_CERT_FILE", root)
            .env("SCHEMAGATE_TEST_SYSTEM_ROOTS", address.to_string())
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        serving.join().unwrap();
        return;
    }
    let address = std::env::var("SCHEMAGATE_TEST_SYSTEM_ROOTS").unwrap();
    let mut wanted = settings(SslMode::VerifyFull, None);
    wanted.root = RootCertificates::System;
    let tls = LazyTls::new(wanted, "db.example");
    handshake(address.parse().unwrap(), tls).unwrap().unwrap();
}
