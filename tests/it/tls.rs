//! TLS with libpq's meaning: every `sslmode` against good and bad certificates, client certificates, channel binding.
//! Takes servers with certificates made for the test. Never uses a certificate of the machine.

use std::path::Path;
use std::time::Duration;

use crate::support::database::Database;
use crate::support::gate::{CANARY, Gate};
use crate::support::job::Job;
use crate::support::server::Server;
use crate::support::skipped;
use crate::support::tls::{Authority, write_private};

const MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];
/// What "at once" means on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// How a run is to end.
#[derive(Clone, Copy)]
enum End {
    /// Through the gate without TLS.
    Plain,
    /// Through the gate over TLS.
    Tls,
    /// 78 at once, with these words.
    Refused(&'static str),
}

fn url(server: &Server, parameters: &str) -> String {
    format!("postgresql://postgres:{CANARY}@localhost:{}/postgres?{parameters}", server.port())
}

#[track_caller]
fn ends(gate: &Gate, job: Job, end: End, about: &str) {
    // Long enough for a wrong retry to show.
    let outcome = gate.finish(job.env("SCHEMAGATE_CONNECT_DEADLINE", "30s").spawn());
    let (code, words) = match end {
        End::Plain => (0, ", no TLS) by"),
        End::Tls => (0, ", TLS) by"),
        End::Refused(words) => (78, words),
    };
    assert!(outcome.code == Some(code) && outcome.stdout.contains(words), "{about}: {code}, {words}\n{outcome}");
    assert!(outcome.elapsed < AT_ONCE, "{about}\n{outcome}");
}

/// One server's ends for each `sslmode`, with the root certificate given and without.
fn table(server: &Server, root: &Path, given: [End; 6], not_given: [End; 6]) {
    let gate = Gate::new();
    for (index, mode) in MODES.into_iter().enumerate() {
        let with = url(server, &format!("sslmode={mode}&sslrootcert={}", root.display()));
        ends(&gate, gate.job(&with), given[index], &format!("sslmode={mode} with a root certificate"));
        let without = url(server, &format!("sslmode={mode}"));
        ends(&gate, gate.job(&without), not_given[index], &format!("sslmode={mode} without a root certificate"));
    }
}

const NO_ROOT: End = End::Refused(".postgresql/root.crt does not exist");

#[test]
fn every_sslmode_with_a_good_certificate() {
    use End::{Plain, Tls};
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let root = authority.save(&gate.folder());
    let server = Server::builder().tls(&authority.server(&["localhost"])).start();
    table(&server, &root, [Plain, Plain, Tls, Tls, Tls, Tls], [Plain, Plain, Tls, Tls, NO_ROOT, NO_ROOT]);
}

#[test]
fn every_sslmode_with_a_certificate_of_an_unknown_authority() {
    use End::{Plain, Refused, Tls};
    let gate = Gate::new();
    let root = Authority::new("test authority").save(&gate.folder());
    let server = Server::builder().tls(&Authority::new("another").server(&["localhost"])).start();
    let bad = Refused("the certificate of the server does not verify for localhost: unable to get local issuer");
    table(&server, &root, [Plain, Plain, Tls, bad, bad, bad], [Plain, Plain, Tls, Tls, NO_ROOT, NO_ROOT]);
    let advised = gate.expect(
        url(&server, &format!("sslmode=verify-ca&sslrootcert={}", root.display())),
        78,
        &["give the certificate of the server's authority as sslrootcert=FILE", "state: nothing was changed"],
    );
    assert!(advised.elapsed < AT_ONCE, "{advised}");
}

#[test]
fn every_sslmode_with_a_certificate_for_another_host() {
    use End::{Plain, Refused, Tls};
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let root = authority.save(&gate.folder());
    let server = Server::builder().tls(&authority.server(&["db.example"])).start();
    let bad = Refused("does not verify for localhost: hostname mismatch");
    table(&server, &root, [Plain, Plain, Tls, Tls, Tls, bad], [Plain, Plain, Tls, Tls, NO_ROOT, NO_ROOT]);
    // The name counts, wherever hostaddr leads.
    let there = format!(
        "host=db.example hostaddr=127.0.0.1 port={} user=postgres dbname=postgres sslmode=verify-full sslrootcert={}",
        server.port(),
        root.display()
    );
    ends(&gate, gate.job(&there), End::Tls, "hostaddr with a name");
    ends(&gate, gate.job(there.replace("db.example", "db2.example")), Refused("db2.example"), "hostaddr, other name");
}

#[test]
fn every_sslmode_with_an_expired_certificate() {
    use End::{Plain, Refused, Tls};
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let root = authority.save(&gate.folder());
    let server = Server::builder().tls(&authority.expired_server(&["localhost"])).start();
    let bad = Refused("does not verify for localhost: certificate has expired");
    table(&server, &root, [Plain, Plain, Tls, bad, bad, bad], [Plain, Plain, Tls, Tls, NO_ROOT, NO_ROOT]);
}

#[test]
fn every_sslmode_with_a_server_without_tls() {
    use End::{Plain, Refused};
    let gate = Gate::new();
    let root = Authority::new("test authority").save(&gate.folder());
    let server = Server::builder().start();
    let bad = Refused("the server does not support TLS");
    table(&server, &root, [Plain, Plain, Plain, bad, bad, bad], [Plain, Plain, Plain, bad, bad, bad]);
    // A socket has no TLS, and sslmode says nothing there.
    let socket = format!("{}?sslmode=verify-full", server.address().socket_url("postgres"));
    ends(&gate, gate.job(socket), Plain, "a socket");
}

#[test]
fn a_root_certificate_in_the_home_folder_makes_require_verify() {
    let (known, unknown) = (Authority::new("test authority"), Authority::new("another"));
    let gate = Gate::new();
    let server = Server::builder().tls(&known.server(&["db.example"])).start();
    let run = |authority: &Authority, mode: &str, end: End| {
        let job = gate.job(url(&server, &format!("sslmode={mode}")));
        let folder = job.home().join(".postgresql");
        std::fs::create_dir(&folder).unwrap();
        authority.save(&folder);
        ends(&gate, job, end, mode);
    };
    let unverified = End::Refused("does not verify for localhost: unable to get local issuer certificate");
    run(&known, "require", End::Tls);
    run(&unknown, "require", unverified);
    run(&unknown, "prefer", End::Tls);
    run(&known, "verify-ca", End::Tls);
    run(&known, "verify-full", End::Refused("hostname mismatch"));
}

#[test]
fn root_certificate_files_that_cannot_be_used_are_named() {
    let gate = Gate::new();
    let server = Server::builder().tls(&Authority::new("a").server(&["localhost"])).start();
    let garbage = gate.folder().join("garbage.crt");
    std::fs::write(&garbage, "no certificate\n").unwrap();
    for (file, words) in [
        ("/nowhere/root.crt", "needs a root certificate, and /nowhere/root.crt does not exist"),
        (garbage.to_str().unwrap(), "garbage.crt holds no valid PEM certificate"),
        (gate.folder().to_str().unwrap(), "cannot be read: Is a directory"),
    ] {
        for mode in ["require", "verify-ca", "verify-full"] {
            let job = gate.job(url(&server, &format!("sslmode={mode}&sslrootcert={file}")));
            ends(&gate, job, End::Refused(words), mode);
        }
    }
}

#[test]
fn the_systems_root_certificates_verify_the_name_too() {
    let (known, unknown) = (Authority::new("test authority"), Authority::new("another"));
    let gate = Gate::new();
    let root = known.save(&gate.folder());
    let other = gate.folder().join("other.crt");
    std::fs::write(&other, unknown.certificate()).unwrap();
    let server = Server::builder().tls(&known.server(&["localhost"])).start();
    let job = |host: &str, bundle: &Path| {
        gate.job(url(&server, "sslrootcert=system").replace("localhost", host)).env("SSL_CERT_FILE", bundle)
    };
    ends(&gate, job("localhost", &root), End::Tls, "the system knows the authority");
    ends(&gate, job("127.0.0.1", &root), End::Refused("mismatch"), "the name is another");
    ends(&gate, job("localhost", &other), End::Refused("unable to get local issuer"), "the system does not know it");
}

#[test]
fn client_certificates_let_in_whom_the_server_knows() {
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let root = authority.save(&gate.folder());
    let server = Server::builder()
        .tls(&authority.server(&["localhost"]))
        .client_authority(&authority)
        .hba("hostssl all all all cert")
        .start();
    server.connect("postgres").execute("create role app login superuser");
    let url = format!(
        "postgresql://app:{CANARY}@localhost:{}/postgres?sslmode=verify-full&sslrootcert={}",
        server.port(),
        root.display()
    );
    let (certificate, key) = authority.client("app").save(&gate.folder(), "app");
    let with =
        |certificate: &Path, key: &Path| format!("{url}&sslcert={}&sslkey={}", certificate.display(), key.display());
    gate.expect(with(&certificate, &key), 0, &[", TLS) by", "applied 1 migration"]);
    let at_home = gate.job(&url);
    let folder = at_home.home().join(".postgresql");
    std::fs::create_dir(&folder).unwrap();
    authority.client("app").save(&folder, "postgresql");
    ends(&gate, at_home, End::Tls, "a certificate in the home folder");
    // None, one of another user, one of another authority.
    gate.expect(&url, 77, &["(28000)"]);
    let (other, other_key) = authority.client("bob").save(&gate.folder(), "bob");
    gate.expect(with(&other, &other_key), 77, &["(28000)"]);
    let (foreign, foreign_key) = Authority::new("another").client("app").save(&gate.folder(), "foreign");
    let job = gate.job(with(&foreign, &foreign_key)).env("SCHEMAGATE_CONNECT_DEADLINE", "30s");
    gate.finish(job.spawn()).assert_code(78).assert_stdout("alert unknown ca");
    // Files that do not fit.
    let nowhere = Path::new("/nowhere/app.crt");
    let missing = gate.expect(with(nowhere, &key), 77, &["the client certificate /nowhere/app.crt does not exist"]);
    missing.assert_stdout("(28000)");
    gate.expect(
        with(&certificate, Path::new("/nowhere/app.key")),
        78,
        &["has no key: /nowhere/app.key does not exist"],
    );
    gate.expect(with(&certificate, &other_key), 78, &["does not belong to certificate"]);
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    gate.expect(with(&certificate, &key), 78, &["has mode 0644, which lets others read it", "chmod 0600"]);
}

#[test]
fn a_key_with_a_passphrase_is_opened_with_sslpassword() {
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let server = Server::builder()
        .tls(&authority.server(&["localhost"]))
        .client_authority(&authority)
        .hba("hostssl all all all cert")
        .start();
    let identity = authority.client("postgres");
    let (certificate, _) = identity.save(&gate.folder(), "app");
    let key = openssl::pkey::PKey::private_key_from_pem(identity.key.as_bytes()).unwrap();
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let pem = key.private_key_to_pem_pkcs8_passphrase(cipher, CANARY.as_bytes()).unwrap();
    let path = gate.folder().join("locked.key");
    write_private(&path, &String::from_utf8(pem).unwrap());
    let url = format!(
        "postgresql://postgres@localhost:{}/postgres?sslmode=require&sslcert={}&sslkey={}",
        server.port(),
        certificate.display(),
        path.display()
    );
    gate.expect(format!("{url}&sslpassword={CANARY}"), 0, &[", TLS) by"]);
    gate.expect(format!("{url}&sslpassword=x{CANARY}"), 78, &["is encrypted, and sslpassword is wrong"]);
    gate.expect(&url, 78, &["is encrypted, and sslpassword is not given"]);
}

#[test]
fn channel_binding_binds_the_password_to_the_encryption() {
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let server = Server::builder()
        .tls(&authority.server(&["localhost"]))
        .hba("host all trusted all trust")
        .hba("host all all all scram-sha-256")
        .start();
    server.connect("postgres").execute(&format!("alter role postgres password '{CANARY}'; create role trusted login"));
    for (parameters, end) in [
        ("sslmode=require&channel_binding=require", End::Tls),
        ("sslmode=prefer&channel_binding=require", End::Tls),
        ("sslmode=require&channel_binding=prefer", End::Tls),
        ("sslmode=require&channel_binding=disable", End::Tls),
        ("sslmode=disable&channel_binding=prefer", End::Plain),
        ("sslmode=disable&channel_binding=require", End::Refused("channel binding needs TLS (sslmode=require)")),
    ] {
        ends(&gate, gate.job(url(&server, parameters)), end, parameters);
    }
    // A server that asks for no password cannot have bound anything.
    let trusted = url(&server, "sslmode=require&channel_binding=require").replace("postgres:", "trusted:");
    ends(&gate, gate.job(trusted), End::Refused("channel_binding=require"), "trust");
}

#[test]
fn allow_and_prefer_fall_back_to_what_pg_hba_lets_in() {
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let server = Server::builder().tls(&authority.server(&["localhost"])).hba("hostssl all all all trust").start();
    let run = |mode: &str, end: End| ends(&gate, gate.job(url(&server, &format!("sslmode={mode}"))), end, mode);
    let plain_refused = "no pg_hba.conf entry";
    run("allow", End::Tls);
    run("prefer", End::Tls);
    gate.expect(url(&server, "sslmode=disable"), 77, &[plain_refused]);
    server.set_hba(&["hostnossl all all all trust"]);
    server.reload();
    run("allow", End::Plain);
    run("prefer", End::Plain);
    gate.expect(url(&server, "sslmode=require"), 77, &[plain_refused]);
    // Nobody is let in: the refusal over TLS is told, not that TLS was wanting.
    server.set_hba(&["hostssl all nobody all trust"]);
    server.reload();
    for mode in ["allow", "prefer"] {
        let refused = gate.expect(url(&server, &format!("sslmode={mode}")), 77, &[plain_refused]);
        refused.assert_nowhere("no encryption");
    }
    // A wrong password over TLS is told as such, though the server refuses what comes without it.
    server.set_hba(&["hostssl all all all scram-sha-256"]);
    server.connect("postgres").execute(&format!("alter role postgres password 'not {CANARY}'"));
    server.reload();
    for mode in ["allow", "prefer"] {
        gate.expect(url(&server, &format!("sslmode={mode}")), 77, &["(28P01)"]);
    }
}

#[test]
fn tls_may_begin_with_the_first_byte() {
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let root = authority.save(&gate.folder());
    let server = Server::builder().tls(&authority.server(&["localhost"])).start();
    let direct = url(&server, &format!("sslmode=verify-full&sslnegotiation=direct&sslrootcert={}", root.display()));
    let version: u32 = server.connect("postgres").value("show server_version_num").unwrap().parse().unwrap();
    if version >= 170_000 {
        gate.expect(&direct, 0, &[", TLS) by", "applied 1 migration"]);
        return;
    }
    // What an older server does with it is all that can be seen here.
    gate.expect(&direct, 69, &["the server closed the connection during the TLS handshake", "PostgreSQL 17"]);
    skipped("sslnegotiation=direct needs PostgreSQL 17 (SCHEMAGATE_TEST_PG_BIN)");
}

#[test]
fn the_lowest_and_the_highest_protocol_are_those_of_the_url() {
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let server =
        Server::builder().tls(&authority.server(&["localhost"])).setting("ssl_max_protocol_version", "TLSv1.2").start();
    ends(&gate, gate.job(url(&server, "sslmode=require")), End::Tls, "1.2");
    let newer = url(&server, "sslmode=require&ssl_min_protocol_version=TLSv1.3");
    ends(&gate, gate.job(newer), End::Refused("protocol version"), "1.3 asked for, 1.2 offered");
}

#[test]
fn tls_through_a_second_session_works_too() {
    // The watcher's session and requests to cancel need the same certificates as the first one.
    let authority = Authority::new("test authority");
    let gate = Gate::new();
    let root = authority.save(&gate.folder());
    let server = Server::builder().tls(&authority.server(&["localhost"])).hba("hostssl all all all trust").start();
    let database = Database::on(server.address());
    let slow = crate::support::folder::Migrations::new().file("V1__slow.sql", "select pg_sleep(600);");
    let url = url(&server, &format!("sslmode=verify-full&sslrootcert={}", root.display()));
    let job = gate.job(url.replace("/postgres?", &format!("/{}?", database.name()))).migrations(slow.path());
    let run = job.spawn();
    database.wait_until(
        "select exists (select from pg_stat_activity where query like '%pg_sleep%' and wait_event = 'PgSleep')",
        Duration::from_secs(20),
    );
    run.signal(crate::support::job::Signal::TERM);
    let outcome = gate.finish(run);
    outcome.assert_code(143);
    assert!(outcome.elapsed < AT_ONCE * 2, "{outcome}");
    database.assert_no_session();
}
