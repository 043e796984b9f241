//! Settings read and refused, and the property that no password ever shows.

use super::*;
use crate::postgres::tls::{RootCertificates, SslMode, SslNegotiation, TlsVersion};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const NOWHERE: &str = "/nonexistent/home";

fn parse_in(text: &str, variables: &[(&str, &str)]) -> Result<Target, UrlError> {
    let env = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        let home = (name == "HOME").then_some(NOWHERE);
        found.map(|(_, value)| *value).or(home).map(str::to_owned)
    };
    Target::parse(text, &env)
}

fn parse(text: &str) -> Target {
    parse_in(text, &[]).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn fault(text: &str) -> String {
    parse_in(text, &[]).expect_err(text).to_string()
}

fn names(target: &Target) -> Vec<String> {
    target.hosts.iter().map(HostEntry::to_string).collect()
}

fn password(target: &Target) -> Option<&str> {
    target.hosts[0].password.as_ref().map(Secret::expose)
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_plain_url_is_read() {
    let target = parse("postgres://api:secret@db.example:6432/app?sslmode=require&application_name=deploy");
    assert_eq!(target.to_string(), "db.example:6432/app as user api");
    assert_eq!(password(&target), Some("secret"));
    assert_eq!(target.tls.mode, SslMode::Require);
    assert_eq!(target.application_name.as_deref(), Some("deploy"));
    assert_eq!(target.hosts[0].server_name(), "db.example");
    assert_eq!(parse(" PostgreSQL://u@h\n").to_string(), "h:5432/u as user u");
}

#[test]
fn defaults_are_those_of_libpq() {
    let target = parse("postgres://");
    assert_eq!(target.dbname, target.user);
    assert_eq!(target.hosts.len(), 1);
    assert_eq!(target.hosts[0].port, 5432);
    assert_eq!(target.tls.mode, SslMode::Prefer);
    assert_eq!(target.tls.min_version, TlsVersion::V1_2);
    assert_eq!(target.tls.root, RootCertificates::Default(Some(format!("{NOWHERE}/.postgresql/root.crt").into())));
    assert!(target.tls.sni && target.keepalives && !target.load_balance_hosts);
    assert_eq!(target.connect_timeout, None);
    assert_eq!((target.target_session_attrs, target.channel_binding), Default::default());
    let socket = Path::new("/var/run/postgresql").is_dir();
    assert_eq!(target.hosts[0].is_unix(), socket);
}

#[test]
fn percent_encoding_is_undone_everywhere() {
    let target = parse(
        "postgres://a%40b:p%3A%2F%3F%23%25%40@h%2Ex/d%2Fb?options=-c%20lock_timeout%3D5s&application%5Fname=%C3%A4+b",
    );
    assert_eq!(target.user, "a@b");
    assert_eq!(password(&target), Some("p:/?#%@"));
    assert_eq!(target.dbname, "d/b");
    assert_eq!(target.options.as_deref(), Some("-c lock_timeout=5s"));
    assert_eq!(target.application_name.as_deref(), Some("ä+b"));
    assert_eq!(names(&target), ["h.x:5432"]);
    for text in ["postgres://u:%zz@h/d", "postgres://u:%4@h/d", "postgres://u:%00@h/d", "postgres://u:%ff@h/d"] {
        assert_eq!(fault(text), "the password in the database URL is not valid percent-encoding");
    }
}

#[test]
fn an_equals_sign_in_a_parameters_value_needs_no_encoding() {
    let target = parse("postgres://h/d?options=-c lock_timeout=5s");
    assert_eq!(target.options.as_deref(), Some("-c lock_timeout=5s"));
}

#[test]
fn characters_that_libpq_takes_in_a_password_are_taken() {
    for plain in ["pa?ss", "pa#ss", "pa:ss", "pa,ss", "pa[ss", "pa&ss=1", "pa ss"] {
        let target = parse(&format!("postgres://u:{plain}@h/d"));
        assert_eq!(password(&target), Some(plain));
        assert_eq!(target.to_string(), "h:5432/d as user u");
    }
}

#[test]
fn hosts_come_in_every_form() {
    let several = parse("postgres://u@a:1,b,[::1]:3,c:4/d");
    assert_eq!(names(&several), ["a:1", "b:5432", "[::1]:3", "c:4"]);
    assert_eq!(several.to_string(), "a:1,b:5432,[::1]:3,c:4/d as user u");
    for text in ["postgres://u@%2Fvar%2Frun/d", "postgres://u@/d?host=/var/run", "host=/var/run user=u dbname=d"] {
        let target = parse(text);
        assert_eq!(target.to_string(), "/var/run:5432/d as user u");
        assert!(target.hosts[0].is_unix());
    }
    assert_eq!(names(&parse("postgres://x/d?host=a,b&port=7")), ["a:7", "b:7"]);
    assert_eq!(names(&parse("host=a,b port=1,2")), ["a:1", "b:2"]);
    assert_eq!(names(&parse("postgres://[fe80::1%25eth0]/d")), ["[fe80::1%eth0]:5432"]);
    let target = parse("postgres://db.example/d?hostaddr=10.0.0.1");
    assert_eq!(target.hosts[0].address, Some([10, 0, 0, 1].into()));
    assert_eq!(target.hosts[0].server_name(), "db.example");
    assert_eq!(names(&parse("hostaddr=::1,10.0.0.1")), ["[::1]:5432", "10.0.0.1:5432"]);
}

#[test]
fn hosts_and_ports_that_cannot_be_are_refused_by_position() {
    assert_eq!(fault("postgres://a,b:70000/d"), "the port of host 2 in database URL is not a number from 1 to 65535");
    assert_eq!(fault("postgres://a:0/d"), "the port in database URL is not a number from 1 to 65535");
    assert_eq!(fault("postgres://::1/d"), "the port in database URL is not a number from 1 to 65535");
    assert_eq!(fault("postgres://a,[::1/d"), "host 2 in the database URL has brackets that do not match");
    assert_eq!(fault("postgres://[::1]x/d"), "host 1 in the database URL has brackets that do not match");
    assert_eq!(fault("postgres://a b/d"), "host 1 in database URL is neither a name, an address nor an absolute path");
    assert_eq!(fault("host=a,b hostaddr=::1"), "1 values of hostaddr do not match 2 hosts");
    assert_eq!(fault("host=a,b,c port=1,2"), "2 values of port do not match 3 hosts");
    assert_eq!(fault("hostaddr=db"), "hostaddr 1 in database URL is not an IP address");
    assert!(parse_in("postgres://h", &[("PGPORT", "x")]).unwrap_err().to_string().starts_with("the port in PGPORT"));
}

#[test]
fn keyword_value_strings_are_read_as_libpq_reads_them() {
    let target = parse(r"host = h  dbname='my \'db\\' user=a\ b password='' port=5433");
    assert_eq!((target.dbname.as_str(), target.user.as_str()), (r"my 'db\", "a b"));
    assert_eq!(password(&target), None);
    assert_eq!(fault("host=h dbname='x"), "parameter 2 in the database URL has a quotation mark that nothing closes");
    assert_eq!(fault("host=h dbname"), "parameter 2 in database URL has no = after its name");
}

#[test]
fn the_environment_fills_what_the_url_leaves_open() {
    let variables = [
        ("PGHOST", "e.example"),
        ("PGHOSTADDR", ""),
        ("PGPORT", "6000"),
        ("PGUSER", "eu"),
        ("PGPASSWORD", "ep"),
        ("PGDATABASE", "ed"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "/ca.pem"),
        ("PGSSLCERT", "/c.crt"),
        ("PGSSLKEY", "/c.key"),
        ("PGSSLNEGOTIATION", "direct"),
        ("PGOPTIONS", "-c a=b"),
        ("PGAPPNAME", "app"),
        ("PGCONNECT_TIMEOUT", "7"),
        ("PGTARGETSESSIONATTRS", "primary"),
        ("PGCHANNELBINDING", "require"),
        ("PGSSLSNI", "0"),
        ("PGSSLMINPROTOCOLVERSION", "tlsv1.3"),
        ("PGLOADBALANCEHOSTS", "random"),
    ];
    let target = parse_in("postgres://", &variables).unwrap();
    assert_eq!(target.to_string(), "e.example:6000/ed as user eu");
    assert_eq!(password(&target), Some("ep"));
    assert_eq!((target.tls.mode, target.tls.negotiation), (SslMode::VerifyFull, SslNegotiation::Direct));
    assert_eq!(target.tls.root, RootCertificates::File("/ca.pem".into()));
    assert_eq!(target.tls.client_certificate, Some("/c.crt".into()));
    assert_eq!(target.tls.client_key, Some("/c.key".into()));
    assert!(!target.tls.sni && target.load_balance_hosts);
    assert_eq!(target.tls.min_version, TlsVersion::V1_3);
    assert_eq!(target.options.as_deref(), Some("-c a=b"));
    assert_eq!(target.application_name.as_deref(), Some("app"));
    assert_eq!(target.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(target.target_session_attrs, TargetSessionAttrs::Primary);
    assert_eq!(target.channel_binding, ChannelBinding::Require);
    let target = parse_in("postgres://u:p@h:1/d?sslmode=require&application_name=a", &variables).unwrap();
    assert_eq!(target.to_string(), "h:1/d as user u");
    assert_eq!((password(&target), target.tls.mode), (Some("p"), SslMode::Require));
    assert_eq!(target.application_name.as_deref(), Some("a"));
    let target = parse_in("host=h fallback_application_name=f", &[("PGREQUIRESSL", "1")]).unwrap();
    assert_eq!((target.application_name.as_deref(), target.tls.mode), (Some("f"), SslMode::Require));
}

#[test]
fn numbers_and_flags_mean_what_they_mean_to_libpq() {
    let target = parse(
        "postgres://h/d?keepalives=0&keepalives_idle=3&keepalives_interval=2&keepalives_count=4&tcp_user_timeout=7000\
         &connect_timeout=0",
    );
    assert!(!target.keepalives);
    assert_eq!(target.keepalives_idle, Some(Duration::from_secs(3)));
    assert_eq!(target.keepalives_interval, Some(Duration::from_secs(2)));
    assert_eq!(target.keepalives_count, Some(4));
    assert_eq!(target.tcp_user_timeout, Some(Duration::from_millis(7000)));
    assert_eq!(target.connect_timeout, None);
    assert_eq!(
        fault("postgres://h/d?connect_timeout=10s"),
        "connect_timeout in database URL is not a whole number: 10s"
    );
}

#[test]
fn sslmode_is_judged_with_what_depends_on_it() {
    assert_eq!(parse("postgres://h/d?sslrootcert=system").tls.mode, SslMode::VerifyFull);
    assert_eq!(
        fault("postgres://h/d?sslrootcert=system&sslmode=require"),
        "sslmode=require is too weak for sslrootcert=system"
    );
    assert!(parse_in("postgres://h/d?sslrootcert=system", &[("PGSSLMODE", "prefer")]).is_err());
    assert_eq!(fault("postgres://h/d?sslnegotiation=direct"), "sslmode=prefer is too weak for sslnegotiation=direct");
    parse("postgres://h/d?sslnegotiation=direct&sslmode=require");
    assert_eq!(parse("postgres://h/d?ssl=true").tls.mode, SslMode::Require);
    assert_eq!(parse("postgres://h/d?ssl=verify-full").tls.mode, SslMode::VerifyFull);
    let error = parse_in("postgres://h/d?sslmode=no-verify", &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "sslmode in database URL is not one of disable, allow, prefer, require, verify-ca, verify-full: no-verify"
    );
    assert!(error.hint().unwrap().contains("does not verify"));
    assert!(
        fault("postgres://h/d?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2").contains("above")
    );
    assert_eq!(parse("postgres://h/d?sslcertmode=disable").tls.client_certificate, None);
    assert!(fault("postgres://h/d?sslcertmode=require").contains("not supported"));
    assert!(fault("postgres://h/d?sslkey=pkcs11:token").contains("not supported"));
}

#[test]
fn what_is_not_carried_is_refused_by_name_wherever_it_is_given() {
    for parameter in [
        "gssencmode=require",
        "requirepeer=postgres",
        "sslcrl=/x",
        "sslcrldir=/x",
        "sslkeylogfile=/x",
        "krbsrvname=postgres",
        "replication=database",
        "require_auth=scram-sha-256",
        "client_encoding=LATIN1",
        "sslcompression=1",
    ] {
        let (name, _) = parameter.split_once('=').unwrap();
        let error = parse_in(&format!("postgres://h/d?{parameter}"), &[]).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{name} in database URL is not supported")), "{error}");
        assert!(error.hint().is_some());
        assert!(parse_in(&format!("host=h {parameter}"), &[]).is_err());
    }
    let error = parse_in("postgres://h/d", &[("PGSSLCRL", "/x")]).unwrap_err();
    assert_eq!(error.to_string(), "sslcrl in PGSSLCRL is not supported");
    parse("postgres://h/d?gssencmode=disable&client_encoding=UTF8&replication=false&sslcompression=0");
    parse_in("postgres://h/d?gssencmode=disable", &[("PGGSSENCMODE", "require")]).unwrap();
}

#[test]
fn orm_parameters_are_collected_once_and_by_name() {
    let target = parse("postgres://h/d?pgbouncer=true&schema=public&connection_limit=1&pgbouncer=false");
    assert_eq!(target.ignored, ["pgbouncer", "schema", "connection_limit"]);
}

#[test]
fn an_unknown_parameter_names_the_nearest_known_one() {
    let error = parse_in("postgres://h/d?ssl_mode=require", &[]).unwrap_err();
    assert_eq!(error.to_string(), "parameter ssl_mode in database URL is unknown");
    assert_eq!(error.hint().as_deref(), Some("did you mean sslmode?"));
    assert_eq!(fault("postgres://h/d?a%0Ab=1"), "parameter 1 in database URL is unknown");
    let error = parse_in("postgres://h/d?search_path=x", &[]).unwrap_err();
    assert_eq!(error.hint().as_deref(), Some("write options=-c%20search_path%3Dvalue"));
}

#[test]
fn what_is_no_connection_string_is_told_apart() {
    assert_eq!(fault(" "), "the database URL is empty");
    assert_eq!(fault("\"postgres://h/d\""), "the database URL is wrapped in quotation marks");
    assert_eq!(fault("mysql://u:p@h/d"), "the database URL begins with mysql:, and only PostgreSQL is supported");
    for text in ["postgresql+asyncpg://u:p@h/d", "jdbc:postgresql://h/d?user=u"] {
        let error = parse_in(text, &[]).unwrap_err();
        assert!(matches!(error, UrlError::DriverScheme { .. }));
        assert!(error.hint().unwrap().contains("postgresql://"));
    }
    assert!(matches!(parse_in("hunter2", &[]), Err(UrlError::Unrecognised)));
    assert!(matches!(parse_in("hunter2://x", &[]), Err(UrlError::Unrecognised)));
}

#[test]
fn a_second_at_sign_is_refused_with_advice() {
    for text in ["postgres://u:p@ss@h/d", "postgres://u:p@s/s@h/d", "postgres://u:p@s?s@h/d", "postgres://u:p/s@h/d"] {
        let error = parse_in(text, &[]).unwrap_err();
        assert!(error.hint().unwrap().contains("%40"), "{text}: {error}");
    }
    let error = parse_in("postgres://u:p@ss@h/d", &[]).unwrap_err();
    assert_eq!(error, UrlError::SeveralAtSigns);
    // A user of Azure's kind, where no password can be meant.
    assert_eq!(parse("postgres://h/d?user=me@srv").user, "me@srv");
}

#[test]
fn a_service_fills_before_the_environment_and_after_the_url() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("services.conf");
    let text =
        "# comment\n[other]\nhost=no\n\n[prod]\nhost=s.example\nuser=su\npassword=sp\nport=7\nuser=later\n[last]\n";
    write(&file, text, 0o600);
    let variables = [("PGSERVICEFILE", file.to_str().unwrap()), ("PGUSER", "eu"), ("PGDATABASE", "ed")];
    let target = parse_in("postgres://:8/?service=prod", &variables).unwrap();
    assert_eq!(target.to_string(), "s.example:8/ed as user su");
    assert_eq!(password(&target), Some("sp"));
    let with = |pair| [variables.as_slice(), &[pair]].concat();
    assert_eq!(parse_in("postgres://h", &with(("PGSERVICE", "prod"))).unwrap().user, "su");
    let error = parse_in("service=none", &with(("PGSYSCONFDIR", "/nonexistent"))).unwrap_err();
    assert!(error.to_string().starts_with("the service of database URL is not defined in"), "{error}");
    write(&file, "[prod]\nservice=other\n", 0o600);
    assert!(matches!(parse_in("service=prod", &variables), Err(UrlError::ServiceNested { line: 2, .. })));
    write(&file, "[prod]\nhunter2\n", 0o600);
    let error = parse_in("service=prod", &variables).unwrap_err();
    assert_eq!(error.to_string(), "parameter 2 in service file has no = after its name");
    let missing = [("PGSERVICEFILE", "/nonexistent/services")];
    assert!(matches!(parse_in("service=prod", &missing), Err(UrlError::ServiceUnreadable { .. })));
    // The usual place, in the home folder.
    write(&folder.path().join(".pg_service.conf"), "[home]\nhost=hh\n", 0o600);
    let home = [("HOME", folder.path().to_str().unwrap())];
    assert_eq!(names(&parse_in("service=home", &home).unwrap()), ["hh:5432"]);
}

#[test]
fn the_password_file_serves_each_host_and_only_when_private() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let file = folder.path().join(".pgpass");
    write(&file, "a:5432:d:u:pa\nb:*:*:u:p\\:b\nlocalhost:5432:*:*:local\n", 0o600);
    let target = parse_in("postgres://u@a,b,c/d", &[("HOME", home)]).unwrap();
    let found: Vec<_> = target.hosts.iter().map(|h| h.password.as_ref().map(Secret::expose)).collect();
    assert_eq!(found, [Some("pa"), Some("p:b"), None]);
    assert_eq!(password(&parse_in("postgres://u:own@a/d", &[("HOME", home)]).unwrap()), Some("own"));
    assert_eq!(password(&parse_in("host=/tmp user=x", &[("HOME", home)]).unwrap()), Some("local"));
    write(&file, "a:5432:d:u:pa\n", 0o640);
    let target = parse_in("postgres://u@a/d", &[("HOME", home)]).unwrap();
    assert_eq!(password(&target), None);
    assert!(target.warnings[0].to_string().contains("mode 0640"), "{:?}", target.warnings);
    let target = parse_in("postgres://u@a/d?passfile=/nonexistent/pgpass", &[]).unwrap();
    assert!(matches!(target.warnings[..], [UrlWarning::PassfileUnreadable { .. }]));
    assert!(parse("postgres://u@a/d").warnings.is_empty());
}

#[test]
fn a_description_has_no_control_characters() {
    let text = parse("postgres://u%0a:p@h/d%1b%5B0m").to_string();
    assert!(!text.contains(char::is_control), "{text}");
}

/// Everything a run could print about a text.
fn all_output(text: &str, variables: &[(&str, &str)]) -> String {
    match parse_in(text, variables) {
        Ok(target) => format!("{target} {target:?}"),
        Err(error) => format!("{error} {error:?} {:?}", error.hint()),
    }
}

/// The canary in two halves around every pair of characters that mean something, so that whatever piece a misreading
/// would take for a host, a port, a name or a value holds one of the halves.
fn canaries() -> Vec<String> {
    let marks = [
        "",
        "@",
        ":",
        "/",
        "?",
        "#",
        "&",
        "=",
        "%",
        ",",
        "[",
        "]",
        "'",
        "\"",
        "\\",
        " ",
        ";",
        "+",
        "*",
        "%4",
        "%zz",
        "://",
        "?sslmode=",
        "&sslmode=",
        "/5432",
        ":5432",
        ":5432/",
        "?host=",
        " host=",
        "@h/d?",
        "@h/d?user=",
        "&schema=",
        " port=",
        "ä",
        "\n",
        "?connect_timeout=",
        "&sslcrl=",
    ];
    let mut all = Vec::new();
    for first in marks {
        for second in marks {
            all.push(format!("{first}qzx{second}"));
            all.push(format!("qzx{first}{second}xzq"));
            all.push(format!("1{first}qzx{second}xzq"));
            all.push(format!("5432{first}{second}qzx{second}"));
        }
    }
    all
}

#[test]
fn no_piece_of_a_password_is_ever_printed() {
    let templates = [
        "postgres://u:{}@h/d",
        "postgres://u:{}@h:5432/d?sslmode=require",
        "postgres://u:{}@h:x/d",
        "postgres://u:{}@h/d?nonsense=1",
        "postgres://u:{}@h/d?sslmode=nonsense",
        "postgres://u:{}@h/d?gssencmode=require",
        "postgres://u:{}@[::1/d",
        "postgres://u:{}@h/%zz",
        "postgres://u:{}@h/d?application_name=x&connect_timeout=1s",
        "postgres://u:{}",
        "postgres://u:{}/d",
        "postgresql+asyncpg://u:{}@h/d",
        "jdbc:postgresql://u:{}@h/d",
        "mysql://u:{}@h/d",
        "postgres:u:{}@h/d",
        "u:{}@h/d",
        "'postgres://u:{}@h/d'",
        "postgres://h/d?password={}",
        "postgres://h/d?user=u&password={}&sslmode=require",
        "postgres://h/d?sslpassword={}",
        "password={}",
        "host=h password={}",
        "host=h password='{}' dbname=d",
        "host=h password='{}",
        "host=h sslpassword={} user=u",
    ];
    let mut checked = 0_u32;
    for template in templates {
        let ends_at_sign = template.contains("{}@");
        for canary in canaries() {
            let text = template.replace("{}", &canary);
            // Without an @ behind it, an @ within the canary ends the password, and a ? ends what could be one.
            if !ends_at_sign && template.starts_with("postgres://u:") && canary.contains(['@', '?']) {
                continue;
            }
            let output = all_output(&text, &[]);
            // A complete and valid string: `u:5432/…` has no password, `password=a&host=b` ends it by the rules.
            let other = ["host=", "user=", "port="].iter().any(|word| canary.contains(word));
            let by_the_rules = other || template.starts_with("postgres://u:");
            if !ends_at_sign && by_the_rules && parse_in(&text, &[]).is_ok() {
                continue;
            }
            assert!(!output.contains("qzx") && !output.contains("xzq"), "{text:?} printed {output}");
            checked += 1;
        }
    }
    assert!(checked > 100_000, "{checked}");
}

#[test]
fn no_password_of_the_environment_is_ever_printed() {
    for canary in canaries() {
        let output = all_output("postgres://u@h/d?nonsense=1", &[("PGPASSWORD", &canary)]);
        assert!(!output.contains("qzx"));
        let output = all_output("postgres://u@h/d", &[("PGPASSWORD", &canary)]);
        assert!(!output.contains("qzx"));
    }
}
