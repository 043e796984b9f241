//! Certificates made for one test: an authority, servers' and clients' certificates, good ones and bad ones.
//! Takes names. Never uses a file of the machine.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

const DAY: i64 = 86_400;
/// 2024-01-01, when all certificates begin to hold.
const BEGIN: i64 = 1_704_067_200;
/// 2050-01-01.
const END: i64 = 2_524_608_000;

/// Signs certificates.
#[derive(Debug)]
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate and its key, PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// A self-signed authority of this name.
    pub fn new(name: &str) -> Self {
        let key = new_key();
        let mut builder = begin(name, &key, END);
        let name = subject(name);
        builder.set_issuer_name(&name).unwrap();
        let basic = BasicConstraints::new().critical().ca().build().unwrap();
        builder.append_extension(basic).unwrap();
        let usage = KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap();
        builder.append_extension(usage).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    /// The root certificate, PEM, for `sslrootcert` or `ssl_ca_file`.
    pub fn certificate(&self) -> String {
        pem(self.certificate.to_pem())
    }

    /// Writes the root certificate into `folder`; its path.
    pub fn save(&self, folder: &Path) -> PathBuf {
        let path = folder.join("root.crt");
        std::fs::write(&path, self.certificate()).unwrap();
        path
    }

    /// A server's certificate for these host names and addresses.
    pub fn server(&self, hosts: &[&str]) -> Identity {
        self.issue("server", hosts, END)
    }

    /// As [`Self::server`], but it ceased to hold in 2024.
    pub fn expired_server(&self, hosts: &[&str]) -> Identity {
        self.issue("server", hosts, BEGIN + DAY)
    }

    /// A client's certificate for this PostgreSQL user.
    pub fn client(&self, user: &str) -> Identity {
        self.issue(user, &[], END)
    }

    fn issue(&self, name: &str, hosts: &[&str], until: i64) -> Identity {
        let key = new_key();
        let mut builder = begin(name, &key, until);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        if !hosts.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for host in hosts {
                match host.parse::<std::net::IpAddr>() {
                    Ok(_) => names.ip(host),
                    Err(_) => names.dns(host),
                };
            }
            let context = builder.x509v3_context(Some(&self.certificate), None);
            let names = names.build(&context).unwrap();
            builder.append_extension(names).unwrap();
        }
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Identity { certificate: pem(builder.build().to_pem()), key: pem(key.private_key_to_pem_pkcs8()) }
    }
}

impl Identity {
    /// Writes `NAME.crt` and `NAME.key` (mode 0600) into `folder`; their paths, for `sslcert` and `sslkey`.
    pub fn save(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        std::fs::write(&certificate, &self.certificate).unwrap();
        write_private(&key, &self.key);
        (certificate, key)
    }
}

/// Writes a file that only its owner may read, which PostgreSQL demands of keys.
pub fn write_private(path: &Path, text: &str) {
    use std::io::Write as _;
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn begin(name: &str, key: &PKey<Private>, until: i64) -> X509Builder {
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(127, MsbOption::MAYBE_ZERO, false).unwrap();
    builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject(name)).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(BEGIN).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(until).unwrap()).unwrap();
    builder
}

fn subject(name: &str) -> X509Name {
    let mut builder = X509NameBuilder::new().unwrap();
    builder.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    builder.build()
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn pem(bytes: Result<Vec<u8>, openssl::error::ErrorStack>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}
