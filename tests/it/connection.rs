//! How the job finds its database and waits for it: libpq's URL and variables, several hosts, refusals, retries.
//! Takes real servers, and sockets that behave like proxies. Never lets a password into what a run leaves behind.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use crate::support::cluster::free_port;
use crate::support::database::{Database, TRAIL};
use crate::support::gate::{CANARY, Gate};
use crate::support::job::{Job, Signal};
use crate::support::poll;
use crate::support::server::{Server, Stop};
use crate::support::skipped;
use crate::support::tls::write_private;

const SOON: Duration = Duration::from_secs(20);
/// What "at once" means on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Everybody over TCP needs a password.
fn guarded() -> Server {
    let server = Server::builder().hba("host all all all scram-sha-256").start();
    let password = format!("password '{CANARY}'");
    let mut session = server.connect("postgres");
    session.execute(&format!("create role app login superuser {password}; create role plain login {password}"));
    session.execute("create database \"my app/1\"");
    session.execute("create database closed");
    session.execute("revoke connect on database closed from public");
    server
}

#[test]
fn every_form_of_libpqs_url_leads_to_the_database() {
    let gate = Gate::new();
    let database = Database::new();
    let (name, port, root) = (database.name(), database.address().port, database.address().root.display().to_string());
    let folder = root.replace('/', "%2F");
    for url in [
        format!("postgres://postgres@127.0.0.1:{port}/{name}"),
        format!("postgresql://postgres@localhost:{port}/{name}"),
        format!("POSTGRESQL://postgres@localhost:{port}/{name}"),
        format!("postgresql://postgres@[::1]:{port}/{name}"),
        format!("postgresql://post%67res@127.0.0.1:{port}/{}", name.replace('_', "%5F")),
        format!("postgresql://postgres@{folder}:{port}/{name}"),
        format!("postgresql:///{name}?host={root}&port={port}&user=postgres"),
        format!("postgresql:///{name}?host={folder}&port={port}&user=postgres"),
        format!("postgresql://postgres@nowhere.invalid:{port}/{name}?hostaddr=127.0.0.1"),
        format!("host=127.0.0.1 port={port} user=postgres dbname={name}"),
        format!("host='{root}' port = {port} user=postgres dbname='{name}' connect_timeout=5"),
        format!("  postgresql://postgres@127.0.0.1:{port}/{name}\n"),
        format!("postgresql://postgres@127.0.0.1:{port}/{name}?gssencmode=prefer&client_encoding=utf8"),
        format!("postgresql://postgres@127.0.0.1:{port}/wrong?dbname={name}"),
    ] {
        gate.expect(&url, 0, &[&format!("/{name} as user postgres (PostgreSQL "), "up to date"][..1]);
    }
    assert_eq!(database.tables(), [TRAIL, "drizzle.__migrations__", "public.gate_passed"]);
}

#[test]
fn names_and_passwords_are_percent_decoded() {
    let gate = Gate::new();
    let server = guarded();
    server.connect("postgres").execute("create role \"a@b:c/d\" login superuser password 'p@ss:w/rd?#[]%'");
    let url =
        format!("postgresql://a%40b%3Ac%2Fd:p%40ss%3Aw%2Frd%3F%23%5B%5D%25@127.0.0.1:{}/my%20app%2F1", server.port());
    let outcome = gate.expect(&url, 0, &["/my app/1 as user a@b:c/d "]);
    outcome.assert_nowhere("p@ss");
    assert_eq!(server.connect("my app/1").value("select count(*) from gate_passed").as_deref(), Some("0"));
}

#[test]
fn the_url_comes_from_four_variables_in_their_order() {
    let gate = Gate::new();
    let database = Database::new();
    let (good, bad) = (database.url(), format!("postgresql://postgres:{CANARY}@127.0.0.1:1/nowhere"));
    let file = |name: &str, text: &str| {
        let path = gate.folder().join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path
    };
    let (good_file, bad_file, empty) = (file("good", &good), file("bad", &bad), file("empty", ""));
    let run = |variables: &[(&str, &str)], code: i32, words: &str| {
        let job = variables.iter().fold(gate.bare(), |job, (name, value)| job.env(name, *value));
        gate.finish(job.spawn()).assert_code(code).assert_stdout(words);
    };
    let (good_path, bad_path) = (good_file.to_str().unwrap(), bad_file.to_str().unwrap());
    run(&[("DATABASE_URL", &good)], 0, database.name());
    run(&[("DATABASE_URL_FILE", good_path)], 0, database.name());
    run(&[("DATABASE_URL", &bad), ("SCHEMAGATE_DATABASE_URL", &good)], 0, database.name());
    run(&[("DATABASE_URL", &bad), ("SCHEMAGATE_DATABASE_URL_FILE", good_path)], 0, database.name());
    run(&[("DATABASE_URL_FILE", bad_path), ("SCHEMAGATE_DATABASE_URL", &good)], 0, database.name());
    run(&[("DATABASE_URL", &good), ("SCHEMAGATE_DATABASE_URL", "")], 0, database.name());
    run(&[("DATABASE_URL", &bad), ("DATABASE_URL_FILE", good_path)], 78, "DATABASE_URL and DATABASE_URL_FILE are both");
    run(
        &[("SCHEMAGATE_DATABASE_URL", &bad), ("SCHEMAGATE_DATABASE_URL_FILE", good_path)],
        78,
        "SCHEMAGATE_DATABASE_URL and SCHEMAGATE_DATABASE_URL_FILE are both set",
    );
    run(&[("DATABASE_URL_FILE", "/nowhere/url")], 78, "DATABASE_URL_FILE");
    run(&[("DATABASE_URL_FILE", empty.to_str().unwrap())], 78, "DATABASE_URL_FILE");
    run(&[], 78, "DATABASE_URL is not set");
    run(&[("PGHOST", "127.0.0.1")], 78, "DATABASE_URL is not set");
}

#[test]
fn what_the_url_leaves_out_comes_from_the_pg_variables() {
    let gate = Gate::new();
    let server = guarded();
    let port = server.port().to_string();
    let all = [
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", &port),
        ("PGUSER", "app"),
        ("PGPASSWORD", CANARY),
        ("PGDATABASE", "my app/1"),
        ("PGAPPNAME", "from-env"),
        ("PGSSLMODE", "disable"),
    ];
    let job = |url: &str| all.iter().fold(gate.job(url), |job, (name, value)| job.env(name, *value));
    let outcome = gate.finish(job("postgresql://").spawn());
    outcome.assert_code(0).assert_stdout("/my app/1 as user app ");
    // What the URL says wins.
    gate.finish(job("postgresql:///postgres").spawn()).assert_code(0).assert_stdout("/postgres as user app ");
    let refused = gate.finish(job("postgresql://").env("PGREQUIREPEER", "postgres").spawn());
    refused.assert_code(78).assert_stdout("requirepeer in PGREQUIREPEER is not supported");
}

#[test]
fn the_password_comes_from_the_passfile_unless_others_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let gate = Gate::new();
    let server = guarded();
    let line = format!("# comment\nother:*:*:app:no\n127.0.0.1:{}:*:app:{CANARY}\n", server.port());
    let named = gate.folder().join("pass");
    write_private(&named, &line);
    let url = server.address().url_as("app", "postgres");
    gate.finish(gate.job(format!("{url}?passfile={}", named.display())).spawn()).assert_code(0);
    gate.finish(gate.job(&url).env("PGPASSFILE", &named).spawn()).assert_code(0);
    let at_home = gate.job(&url);
    write_private(&at_home.home().join(".pgpass"), &line);
    gate.finish(at_home.spawn()).assert_code(0);
    let none = gate.finish(gate.job(&url).spawn());
    none.assert_code(77).assert_stdout("the server wants a password and none is given");
    std::fs::set_permissions(&named, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = gate.finish(gate.job(&url).env("PGPASSFILE", &named).spawn());
    open.assert_code(77).assert_stdout("has mode 0644").assert_stdout("is not used");
}

#[test]
fn a_service_gives_what_the_url_leaves_out() {
    let gate = Gate::new();
    let server = guarded();
    let port = server.port();
    let path = gate.folder().join("services");
    let text = format!("[prod]\nhost=127.0.0.1\nport={port}\nuser=app\npassword={CANARY}\ndbname=my app/1\n[b]\nx=1\n");
    std::fs::write(&path, &text).unwrap();
    let run = |url: &str, code: i32, words: &str| {
        gate.finish(gate.job(url).env("PGSERVICEFILE", &path).spawn()).assert_code(code).assert_stdout(words);
    };
    run("service=prod", 0, "/my app/1 as user app ");
    run("postgresql:///postgres?service=prod", 0, "/postgres as user app ");
    run("service=test", 78, "the service of database URL is not defined in");
    run("service=b", 78, "service file");
    let at_home = gate.job("postgresql://").env("PGSERVICE", "prod");
    std::fs::write(at_home.home().join(".pg_service.conf"), &text).unwrap();
    gate.finish(at_home.spawn()).assert_code(0);
}

#[test]
fn parameters_that_only_an_orm_knows_are_told_once() {
    let gate = Gate::new();
    let database = Database::new();
    let url = format!("{}?pgbouncer=true&schema=public&connection_limit=1&pool_timeout=0&schema=x", database.url());
    let outcome = gate.expect(&url, 0, &["ignored parameters that only an ORM knows: pgbouncer, schema, connection_l"]);
    assert_eq!(outcome.stdout.matches(" warn ").count(), 1, "{outcome}");
}

#[test]
fn a_url_that_cannot_be_used_is_refused_before_any_connection() {
    let gate = Gate::new();
    // Nothing listens on port 1: a run that tried would end with 69.
    let host = format!("u:{CANARY}@127.0.0.1:1");
    for (url, words) in [
        (format!("postgresql://u:{CANARY}@{CANARY}@127.0.0.1:1/d"), "more than one @"),
        (format!("postgresql://u:{CANARY}@{CANARY}@127.0.0.1:1/d"), "percent-encode special characters in user"),
        (format!("postgresql://u:a/{CANARY}@127.0.0.1:1/d"), "has / before its @"),
        (format!("postgresql://u:{CANARY}?x=1@127.0.0.1:1/d"), "has ? before its @"),
        (format!("postgresql://u:{CANARY}%zz@127.0.0.1:1/d"), "the password in the database URL is not valid percent-"),
        (format!("postgresql://u:{CANARY}:x@[::1:1/d"), "brackets"),
        (format!("postgresql://u:{CANARY}@127.0.0.1:99999/d"), "the port in database URL is not a number"),
        (format!("mysql://u:{CANARY}@127.0.0.1/d"), "only PostgreSQL is supported"),
        (format!("jdbc:postgresql://127.0.0.1/d?password={CANARY}"), "the form of another tool"),
        (format!("\"postgresql://{host}/d\""), "wrapped in quotation marks"),
        (CANARY.to_owned(), "neither a postgres:// URL nor a keyword=value string"),
        (format!("host=127.0.0.1 password={CANARY} {CANARY}"), "no = after its name"),
        (format!("host=127.0.0.1 password='{CANARY}"), "a quotation mark that nothing closes"),
        (format!("host=127.0.0.1 password=x {CANARY}=1"), "is unknown"),
        (format!("postgresql://{host}/d?gssencmode=require"), "gssencmode in database URL is not supported: require"),
        (format!("postgresql://{host}/d?requirepeer=postgres"), "requirepeer in database URL is not supported"),
        (format!("postgresql://{host}/d?sslcrl=x"), "sslcrl in database URL is not supported"),
        (format!("postgresql://{host}/d?require_auth=md5"), "require_auth in database URL is not supported"),
        (format!("postgresql://{host}/d?replication=database"), "replication in database URL is not supported"),
        (format!("postgresql://{host}/d?sslmode=no-verify"), "sslmode in database URL is not one of"),
        (format!("postgresql://{host}/d?sslmod=require"), "did you mean sslmode?"),
        (format!("postgresql://{host}/d?search_path=x"), "write options=-c%20search_path%3Dvalue"),
        (format!("postgresql://{host}/d?target_session_attrs=master"), "target_session_attrs in database URL is not"),
        (format!("postgresql://{host}/d?connect_timeout=soon"), "connect_timeout in database URL is not a whole"),
        (format!("postgresql://{host}/d?sslrootcert=system&sslmode=require"), "sslmode=require is too weak"),
        (format!("postgresql://{host}/d?sslnegotiation=direct"), "sslmode=prefer is too weak"),
        (format!("postgresql://u:{CANARY}@/d?host=a,b,c&port=1,2"), "2 values of port do not match 3 hosts"),
    ] {
        gate.expect(&url, 78, &[words, "DATABASE_URL: ", "state: nothing was changed"]);
    }
}

#[test]
fn what_is_set_explicitly_wins_over_the_url_and_the_url_over_our_defaults() {
    let gate = Gate::new();
    let database = Database::new();
    // A migration that notes the settings it runs under.
    let show = crate::support::folder::Migrations::new().file(
        "V1__show.sql",
        "create table shown as select name, setting from pg_settings
         where name in ('lock_timeout', 'statement_timeout', 'work_mem', 'application_name');",
    );
    let url = format!(
        "{}?application_name=my%20release&options=-c%20work_mem%3D5MB%20-c%20lock_timeout%3D7s%20\
         -c%20statement_timeout%3D8s",
        database.url()
    );
    let job = gate.job(&url).migrations(show.path()).env("SCHEMAGATE_STATEMENT_TIMEOUT", "9s");
    gate.finish(job.spawn()).assert_code(0);
    let shown = database.connect().column("select name || '=' || setting from shown order by name");
    assert_eq!(shown, ["application_name=my release", "lock_timeout=7000", "statement_timeout=9000", "work_mem=5120"]);
}

#[test]
fn what_time_does_not_cure_is_told_at_once() {
    let gate = Gate::new();
    let server = guarded();
    server.set_hba(&["host all nobody all scram-sha-256", "host postgres,closed,nosuch all all scram-sha-256"]);
    server.reload();
    let url = |user: &str, database: &str| server.address().url_as(user, database);
    let (app, plain) = (format!("app:{CANARY}"), format!("plain:{CANARY}"));
    let good = url(&app, "postgres");
    let cases = [
        (url("app:wrong", "postgres"), 77, "password authentication failed for user \"app\" (28P01)"),
        (url(&format!("nosuch:{CANARY}"), "postgres"), 77, "(28P01)"),
        (url("app", "postgres"), 77, "the server wants a password and none is given"),
        (url(&app, "template1"), 77, "no pg_hba.conf entry for host"),
        (url(&plain, "closed"), 77, "grant CONNECT on the database to this role"),
        (url(&app, "nosuch"), 78, "database \"nosuch\" does not exist (3D000)"),
        (format!("{good}?options=-c%20nosuch%3D1"), 78, "check `options` in the URL"),
        (format!("{good}?options=-c%20lock_timeout%3Dbanana"), 78, "check `options` in the URL"),
        (format!("{good}?options=--nosuch"), 78, "check `options` in the URL"),
        (format!("{}?options=-c%20session_preload_libraries%3Dx", url(&plain, "postgres")), 77, "(42501)"),
        (format!("{good}?sslmode=require"), 78, "the server does not support TLS"),
    ];
    for (url, code, words) in cases {
        let run = gate.job(&url).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
        let outcome = gate.finish(run);
        outcome.assert_code(code).assert_stdout(words).assert_stdout("cannot connect to 127.0.0.1:");
        assert!(outcome.elapsed < AT_ONCE, "{url}\n{outcome}");
        assert!(!outcome.stdout.contains("waiting"), "{url}\n{outcome}");
    }
}

#[test]
fn a_wrong_password_is_sent_once() {
    let gate = Gate::new();
    let server = guarded();
    for mode in ["prefer", "allow", "disable"] {
        let before = server.log().matches("password authentication failed").count();
        gate.expect(format!("{}?sslmode={mode}", server.address().url_as("app:wrong", "postgres")), 77, &["28P01"]);
        assert_eq!(server.log().matches("password authentication failed").count(), before + 1, "sslmode={mode}");
    }
}

#[test]
fn a_host_that_is_down_is_passed_over() {
    let gate = Gate::new();
    let database = Database::new();
    let (port, name) = (database.address().port, database.name());
    let dead = free_port();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = silent.local_addr().unwrap().port();
    for hosts in [
        format!("127.0.0.1:{dead},127.0.0.1:{port}"),
        format!("nowhere.invalid:{port},127.0.0.1:{port}"),
        format!("127.0.0.1:{silent},127.0.0.1:{port}"),
    ] {
        let outcome = gate.expect(format!("postgresql://postgres@{hosts}/{name}?connect_timeout=2"), 0, &[]);
        // The log names the one host that it came to, not the list.
        outcome.assert_stdout(&format!("connected to 127.0.0.1:{port}/{name} as user postgres"));
    }
}

#[test]
fn a_silent_host_leaves_time_for_those_behind_it() {
    let gate = Gate::new();
    let database = Database::new();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let hosts = format!("{},127.0.0.1:{}", silent.local_addr().unwrap(), database.address().port);
    let job = gate.job(format!("postgresql://postgres@{hosts}/{}", database.name()));
    gate.finish(job.env("SCHEMAGATE_CONNECT_DEADLINE", "3s").spawn()).assert_code(0);
}

#[test]
fn a_database_that_is_not_there_is_waited_for_up_to_the_deadline() {
    let gate = Gate::new();
    let port = free_port();
    let started = gate.expect(
        format!("postgresql://postgres:{CANARY}@localhost:{port}/x"),
        69,
        &[
            "waiting for the database: localhost (",
            "no usable database within 1.0 s",
            "Connection refused",
            "nothing was",
        ],
    );
    assert!(started.elapsed >= Duration::from_secs(1) && started.elapsed < AT_ONCE, "{started}");
    started.assert_nowhere("os error");
    let dns =
        gate.expect(format!("postgresql://postgres:{CANARY}@nowhere.invalid/x"), 69, &["nowhere.invalid:5432: cannot"]);
    assert!(dns.elapsed >= Duration::from_secs(1), "{dns}");
    gate.expect("postgresql://postgres@/x?host=/nowhere", 69, &["/nowhere/.s.PGSQL.5432: No such file or directory"]);
}

#[test]
fn a_deadline_of_zero_is_one_try() {
    let gate = Gate::new();
    let once = |url: String| {
        let outcome = gate.finish(gate.job(url).env("SCHEMAGATE_CONNECT_DEADLINE", "0").spawn());
        outcome.assert_code(69).assert_stdout("(1 try)");
        assert!(!outcome.stdout.contains("waiting"), "{outcome}");
        outcome
    };
    once(format!("postgresql://postgres@127.0.0.1:{}/x", free_port()));
    // The one try gets its full time.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let outcome = once(format!("postgresql://postgres@{}/x?connect_timeout=2", silent.local_addr().unwrap()));
    assert!(outcome.elapsed >= Duration::from_secs(2), "{outcome}");
}

#[test]
fn a_server_that_never_answers_is_given_up_at_connect_timeout_and_deadline() {
    let gate = Gate::new();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("postgresql://postgres:{CANARY}@{}/x", silent.local_addr().unwrap());
    let run = |url: &str, deadline: &str| {
        let outcome = gate.finish(gate.job(url).env("SCHEMAGATE_CONNECT_DEADLINE", deadline).spawn());
        outcome.assert_code(69).assert_stdout("no answer within");
        outcome
    };
    let by_timeout = run(&format!("{url}?connect_timeout=1"), "2s");
    by_timeout.assert_stdout("no answer within 1.0 s").assert_stdout("waiting for the database");
    assert!(by_timeout.elapsed < AT_ONCE, "{by_timeout}");
    // connect_timeout does not outlast the deadline.
    let by_deadline = run(&format!("{url}?connect_timeout=60"), "1s");
    assert!(by_deadline.elapsed < AT_ONCE, "{by_deadline}");
}

#[test]
fn a_server_that_starts_meanwhile_lets_the_release_through() {
    let gate = Gate::new();
    let mut server = Server::builder().stopped();
    let mut run = gate.job(server.url("postgres")).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    run.wait_for_line("Connection refused", SOON);
    server.start();
    gate.finish(run).assert_code(0).assert_stdout("applied 1 migration");
}

#[test]
fn a_proxy_that_hangs_up_is_tried_again_until_the_database_is_awake() {
    let gate = Gate::new();
    let mut server = Server::builder().stopped();
    let proxy = TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    let mut run = gate.job(server.url("postgres")).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    // Once before a word is read, once behind the first word, once in the middle of an answer.
    drop(proxy.accept().unwrap());
    run.wait_for_line("waiting for the database", SOON);
    for answer in [&b""[..], b"N\0"] {
        let (mut stream, _) = proxy.accept().unwrap();
        stream.read_exact(&mut [0; 8]).unwrap();
        stream.write_all(answer).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    run.wait_for_line("hung up", SOON);
    drop(proxy);
    server.start();
    gate.finish(run).assert_code(0).assert_stdout("applied 1 migration");
}

#[test]
fn what_is_no_postgres_is_called_so() {
    let gate = Gate::new();
    // An S is the word for TLS in PostgreSQL's protocol.
    for (greeting, code, words) in [
        (&b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"[..], 78, "the TLS handshake failed: wrong version number"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 69, "hung up in the middle of a message; is it PostgreSQL?"),
        (b"\0\0\0\0\0\0\0\0\0", 78, "what answers there does not speak PostgreSQL's protocol"),
    ] {
        let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("postgresql://postgres:{CANARY}@{}/x", other.local_addr().unwrap());
        let run = gate.job(&url).env("SCHEMAGATE_CONNECT_DEADLINE", "0").spawn();
        let (mut stream, _) = other.accept().unwrap();
        drop(other);
        stream.write_all(greeting).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        gate.finish(run).assert_code(code).assert_stdout(words);
    }
}

#[test]
fn a_server_that_is_starting_is_waited_for() {
    let gate = Gate::new();
    let mut server = Server::builder().stopped();
    server.start_closed();
    let mut run = gate.job(server.url("postgres")).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    run.wait_for_line("(57P03)", SOON);
    server.promote_closed();
    gate.finish(run).assert_code(0).assert_stdout("applied 1 migration");
    // And to the end of the deadline, with the reason.
    server.stop(Stop::Fast);
    server.start_closed();
    let mut run = gate.job(server.url("postgres")).env("SCHEMAGATE_CONNECT_DEADLINE", "2s").spawn();
    run.wait_for_line("(57P03)", SOON);
    gate.finish(run).assert_code(69).assert_stdout("(57P03)").assert_stdout("look into the server's log");
}

#[test]
fn a_server_without_a_free_connection_is_waited_for() {
    let gate = Gate::new();
    let server = Server::builder()
        .setting("max_connections", "4")
        .setting("superuser_reserved_connections", "1")
        .setting("max_wal_senders", "0")
        .start();
    server.connect("postgres").execute(
        "create role app login; grant create on database postgres to app;
        grant all on schema public to app",
    );
    let url = server.address().url_as("app", "postgres");
    // A session that has said good-bye holds its slot until its process is gone.
    let open = |_| poll("a slot is free", SOON, || crate::support::connection::Connection::open(&url).ok());
    let mut taken: Vec<_> = (0..3).map(open).collect();
    let mut run = gate.job(&url).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    run.wait_for_line("(53300)", SOON);
    taken.clear();
    gate.finish(run).assert_code(0).assert_stdout("applied 1 migration");
    taken.extend((0..3).map(open));
    gate.expect(&url, 69, &["(53300)", "no connection is left"]);
}

#[test]
fn sigterm_ends_the_wait_at_once() {
    let gate = Gate::new();
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("postgresql://postgres:{CANARY}@{}/x", silent.local_addr().unwrap());
    for (signal, code, word) in [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT")] {
        let run = gate.job(&url).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
        // In the middle of a try: the server is connected to and silent.
        let _session = silent.accept().unwrap();
        run.signal(signal);
        let outcome = gate.finish(run);
        outcome.assert_code(code).assert_stdout(&format!("stopped by {word} while connecting"));
        assert!(outcome.elapsed < AT_ONCE, "{outcome}");
    }
    // Nobody is left without a word for long.
    let mut run = gate.job(&url).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    run.wait_for_line("no answer yet", SOON);
    run.signal(Signal::TERM);
    gate.finish(run).assert_code(143);
    // In the pause between two tries.
    let dead = format!("postgresql://postgres:{CANARY}@127.0.0.1:{}/x", free_port());
    let mut run = gate.job(&dead).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").spawn();
    run.wait_for_line("waiting", SOON);
    run.signal(Signal::TERM);
    gate.finish(run).assert_code(143);
    // The deadline of the whole run is of the same kind.
    let job = gate.job(&url).env("SCHEMAGATE_CONNECT_DEADLINE", "60s").env("SCHEMAGATE_DEADLINE", "1s");
    gate.finish(job.spawn()).assert_code(75).assert_stdout("SCHEMAGATE_DEADLINE");
}

#[test]
fn a_resolver_that_hangs_holds_up_neither_sigterm_nor_the_deadline() {
    // A name server that never answers, in a mount namespace of the run's own.
    let Ok(resolver) = UdpSocket::bind(("127.77.53.1", 53)) else {
        return skipped("needs root, to be a name server on port 53");
    };
    resolver.set_read_timeout(Some(SOON)).unwrap();
    let gate = Gate::new();
    let conf = gate.folder().join("resolv.conf");
    std::fs::write(&conf, "nameserver 127.77.53.1\noptions timeout:30 attempts:5\n").unwrap();
    let job = |deadline: &str| {
        Job::program("unshare")
            .args(["-m", "sh", "-c", "mount --bind \"$1\" /etc/resolv.conf || exit 99; exec \"$2\"", "sh"])
            .args([conf.as_path(), Path::new(env!("CARGO_BIN_EXE_schemagate"))])
            .env("DATABASE_URL", format!("postgresql://postgres:{CANARY}@db.internal.test/x"))
            .env("SCHEMAGATE_MIGRATIONS", gate.migrations())
            .env("SCHEMAGATE_LOG_FORMAT", "text")
            .env("SCHEMAGATE_CONNECT_DEADLINE", deadline)
    };
    let outcome = job("1s").run();
    if outcome.code == Some(99) || outcome.stderr.contains("unshare") {
        return skipped("needs a mount namespace of its own");
    }
    outcome.assert_code(69).assert_stdout("cannot resolve the name: no answer within 1.0 s").assert_nowhere(CANARY);
    assert!(outcome.elapsed < AT_ONCE, "{outcome}");
    let asked = |resolver: &UdpSocket| resolver.recv_from(&mut [0; 512]).unwrap();
    resolver.set_nonblocking(true).unwrap();
    while resolver.recv_from(&mut [0; 512]).is_ok() {}
    resolver.set_nonblocking(false).unwrap();
    let run = job("60s").spawn();
    asked(&resolver);
    run.signal(Signal::TERM);
    let outcome = run.wait();
    outcome.assert_code(143).assert_nowhere(CANARY);
    assert!(outcome.elapsed < AT_ONCE, "{outcome}");
}

#[test]
fn a_read_only_session_on_a_primary_is_refused_with_advice() {
    let gate = Gate::new();
    let database = Database::new();
    let role = database.role("login superuser");
    database.execute(&format!("alter role {role} set default_transaction_read_only = on"));
    let url = database.url_as(&role);
    gate.expect(
        &url,
        77,
        &["the session is read-only", "(25006)", "default_transaction_read_only is on", "nothing was"],
    );
    gate.expect(format!("{url}?options=-c%20default_transaction_read_only%3Doff"), 0, &[]);
}

#[test]
fn a_run_says_where_it_is_and_how() {
    let gate = Gate::new();
    let database = Database::new();
    let version = database.value("select current_setting('server_version')").unwrap();
    let port = database.address().port;
    let url = format!("postgresql://postgres:{CANARY}@localhost:{port}/{}", database.name());
    let line = format!(
        "connected to localhost:{port}/{} as user postgres (PostgreSQL {version}, no TLS) by schemagate",
        database.name()
    );
    gate.expect(&url, 0, &[&line, "1 of 1 migration pending"]);
    gate.expect(&url, 0, &[&line, "up to date: 1 applied"]);
}
