//! The product's own schema, as the embedded set installs it: the four steps of its installation qualification, held
//! against the specification, not against the files.

use crate::support::database::{Database, TRAIL};
use crate::support::job::{Job, Outcome};
use crate::support::server::Server;

/// A table as the specification has it: columns beside `id` and `repository_id`; what else must be there.
struct Table {
    name: &'static str,
    /// `name type`, `!` where it is not null, ` = default`; in the order of the specification.
    columns: &'static [&'static str],
    of_repository: bool,
    unique: &'static [&'static str],
    indexes: &'static [&'static str],
    one_of: &'static [(&'static str, &'static [&'static str])],
}

const TABLES: &[Table] = &[
    Table {
        name: "repositories",
        columns: &[
            "name text!",
            "git_url text!",
            "owner text!",
            "repo text!",
            "default_branch text = 'main'::text",
            "is_active boolean = true",
            "created_at timestamp with time zone! = now()",
            "updated_at timestamp with time zone! = now()",
            "last_scanned_at timestamp with time zone",
        ],
        of_repository: false,
        unique: &["git_url"],
        indexes: &[],
        one_of: &[],
    },
    Table {
        name: "scans",
        columns: &[
            "status text!",
            "commit_sha text!",
            "started_at timestamp with time zone!",
            "completed_at timestamp with time zone",
            "duration_ms integer",
            "artifacts_found jsonb",
            "error_message text",
        ],
        of_repository: true,
        unique: &[],
        indexes: &["repository_id, started_at DESC"],
        one_of: &[("status", &["pending", "in_progress", "completed", "failed"])],
    },
    Table {
        name: "system_contexts",
        columns: &[
            "gxp_id text!",
            "project_name text!",
            "version text!",
            "gxp_risk_rating text!",
            "validation_status text!",
            "intended_use text",
            "regulatory_context text",
            "markdown_content text",
        ],
        of_repository: true,
        unique: &["repository_id, gxp_id"],
        indexes: &[],
        one_of: &[
            ("gxp_risk_rating", &["HIGH", "MEDIUM", "LOW"]),
            ("validation_status", &["DRAFT", "VALIDATED", "DEPRECATED"]),
        ],
    },
    Table {
        name: "requirements",
        columns: &[
            "gxp_id text!",
            "title text!",
            "gxp_risk_rating text!",
            "description text",
            "acceptance_criteria jsonb",
            "validation_status text = 'DRAFT'::text",
            "markdown_content text",
        ],
        of_repository: true,
        unique: &["repository_id, gxp_id"],
        indexes: &["gxp_risk_rating"],
        one_of: &[],
    },
    Table {
        name: "user_stories",
        columns: &[
            "gxp_id text!",
            "title text!",
            "parent_id text",
            "as_a text",
            "i_want text",
            "so_that text",
            "acceptance_criteria jsonb",
            "status text = 'IMPLEMENTED'::text",
            "validation_status text = 'DRAFT'::text",
            "markdown_content text",
        ],
        of_repository: true,
        unique: &["repository_id, gxp_id"],
        indexes: &["parent_id"],
        one_of: &[],
    },
    Table {
        name: "specs",
        columns: &[
            "gxp_id text!",
            "title text!",
            "parent_id text",
            "verification_tier text!",
            "design_approach text",
            "source_files jsonb",
            "test_files jsonb",
            "validation_status text = 'DRAFT'::text",
            "markdown_content text",
        ],
        of_repository: true,
        unique: &["repository_id, gxp_id"],
        indexes: &["parent_id", "verification_tier"],
        one_of: &[("verification_tier", &["IQ", "OQ", "PQ"])],
    },
    Table {
        name: "evidence",
        columns: &[
            "gxp_id text!",
            "title text!",
            "parent_id text",
            "jws_payload jsonb",
            "jws_signature text",
            "signature_verified boolean",
            "validation_status text = 'DRAFT'::text",
        ],
        of_repository: true,
        unique: &["repository_id, gxp_id"],
        indexes: &["parent_id"],
        one_of: &[],
    },
    Table {
        name: "traceability_links",
        columns: &["source_id text!", "target_id text!", "link_type text!", "is_valid boolean = true"],
        of_repository: true,
        unique: &["repository_id, source_id, target_id"],
        indexes: &["source_id", "target_id"],
        one_of: &[("link_type", &["REQ_TO_US", "US_TO_SPEC", "SPEC_TO_EVIDENCE"])],
    },
    Table {
        name: "audit_log",
        columns: &[
            "timestamp timestamp with time zone! = now()",
            "user text!",
            "action text!",
            "resource_type text!",
            "resource_id uuid!",
            "payload_hash text!",
        ],
        of_repository: false,
        unique: &[],
        indexes: &["\"timestamp\"", "resource_type, resource_id"],
        one_of: &[],
    },
];

fn install(database: &Database) -> Outcome {
    let outcome = Job::on(database).args(["--format", "text"]).run();
    outcome.assert_code(0);
    outcome
}

fn installed() -> Database {
    let database = Database::new();
    install(&database);
    database
}

/// A name as the specification forms it: `scans_repository_id_started_at_idx`.
fn name_of(table: &str, columns: &str, kind: &str) -> String {
    let columns = columns.replace(" DESC", "").replace('"', "").replace(", ", "_");
    format!("{table}_{columns}_{kind}")
}

impl Table {
    fn columns(&self) -> Vec<String> {
        let mut columns = vec!["id uuid! = gen_random_uuid()".to_owned()];
        if self.of_repository {
            columns.push("repository_id uuid!".to_owned());
        }
        columns.extend(self.columns.iter().map(|column| column.to_string()));
        columns
    }

    fn constraints(&self) -> Vec<String> {
        let name = self.name;
        let mut constraints = vec![format!("{name}_id_pkey PRIMARY KEY (id)")];
        if self.of_repository {
            constraints.push(format!(
                "{name}_repository_id_fkey FOREIGN KEY (repository_id) REFERENCES repositories(id) ON DELETE CASCADE"
            ));
        }
        for columns in self.unique {
            constraints.push(format!("{} UNIQUE ({columns})", name_of(name, columns, "key")));
        }
        for (column, values) in self.one_of {
            let values: Vec<String> = values.iter().map(|value| format!("'{value}'::text")).collect();
            constraints.push(format!(
                "{} CHECK (({column} = ANY (ARRAY[{}])))",
                name_of(name, column, "check"),
                values.join(", ")
            ));
        }
        if name == "scans" {
            constraints.push("scans_duration_ms_check CHECK ((duration_ms >= 0))".to_owned());
        }
        constraints.sort();
        constraints
    }

    /// The indexes that no constraint has made.
    fn indexes(&self) -> Vec<String> {
        let mut indexes: Vec<String> = self
            .indexes
            .iter()
            .map(|columns| format!("{} USING btree ({columns})", name_of(self.name, columns, "idx")))
            .collect();
        indexes.sort();
        indexes
    }
}

#[test]
fn a_fresh_database_gets_the_nine_tables_and_the_server_logs_no_error_and_no_warning() {
    let server = Server::builder().start();
    let database = server.database();
    let before = server.log().len();
    install(&database);
    let log = server.log().split_off(before);
    for word in ["ERROR", "WARNING", "FATAL", "PANIC"] {
        assert!(!log.contains(word), "{log}");
    }
    let mut expected: Vec<String> = TABLES.iter().map(|table| format!("public.{}", table.name)).collect();
    expected.extend(["drizzle.__migrations__".to_owned(), TRAIL.to_owned()]);
    expected.sort();
    assert_eq!(database.tables(), expected);
}

#[test]
fn every_column_key_index_check_and_comment_is_the_specifications() {
    let database = installed();
    let mut session = database.connect();
    for table in TABLES {
        let name = table.name;
        let columns = session.column(&format!(
            "select attname || ' ' || format_type(atttypid, atttypmod) || case when attnotnull then '!' else '' end
                 || coalesce(' = ' || pg_get_expr(adbin, adrelid), '')
             from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
             where attrelid = '{name}'::regclass and attnum > 0 and not attisdropped order by attnum"
        ));
        assert_eq!(columns, table.columns(), "{name}");
        let constraints = session.column(&format!(
            "select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint
             where conrelid = '{name}'::regclass and contype in ('p', 'u', 'f', 'c', 'x') order by conname collate \"C\""
        ));
        assert_eq!(constraints, table.constraints(), "{name}");
        let indexes = session.column(&format!(
            "select relname || substring(pg_get_indexdef(indexrelid) from ' USING .*')
             from pg_index join pg_class on pg_class.oid = indexrelid
             where indrelid = '{name}'::regclass and indisvalid
                 and not exists (select from pg_constraint where conindid = indexrelid and conrelid = indrelid)
             order by relname collate \"C\""
        ));
        assert_eq!(indexes, table.indexes(), "{name}");
        let comment = session.value(&format!("select obj_description('{name}'::regclass)")).unwrap_or_default();
        assert!(!comment.trim().is_empty() && !comment.contains('\n'), "{name}: {comment:?}");
    }
    let without_index = session.column(
        "select conname from pg_constraint c where contype = 'f' and connamespace = 'public'::regnamespace
             and not exists (select from pg_index where indrelid = conrelid and indkey[0] = conkey[1])",
    );
    assert_eq!(without_index, [""; 0]);
    assert_eq!(session.column("select extname from pg_extension"), ["plpgsql"]);
}

#[test]
fn migrations_are_applied_in_numeric_order_and_tracked() {
    let database = installed();
    let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".sql"))
        .collect();
    files.sort();
    let tracked = database.connect().column(
        "select 'V' || lpad(version::text, 4, '0') || '__' || name || '.sql' from drizzle.__migrations__
         order by applied_on",
    );
    assert_eq!(tracked, files);
    let in_order = "select array_agg(version order by applied_on) = array_agg(version order by version)
                    from drizzle.__migrations__";
    assert_eq!(database.value(in_order).as_deref(), Some("t"));
}

/// All that a second run could change, but statistics.
const CATALOGUE: &str = "
    select 'relation', oid::regclass::text, oid::text, relfilenode::text, coalesce(pg_get_indexdef(oid), '')
    from pg_class where relnamespace in ('public'::regnamespace, 'drizzle'::regnamespace)
    union all select 'column', attrelid::regclass::text, attname, attnum::text, format_type(atttypid, atttypmod)
    from pg_attribute where attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
    union all select 'constraint', conname, oid::text, '', pg_get_constraintdef(oid)
    from pg_constraint where connamespace = 'public'::regnamespace
    union all select 'trigger', tgname, oid::text, tgenabled::text, pg_get_triggerdef(oid) from pg_trigger
    union all select 'function', proname, oid::text, '', pg_get_functiondef(oid)
    from pg_proc where pronamespace = 'public'::regnamespace
    union all select 'comment', objoid::text, classoid::regclass::text, objsubid::text, description
    from pg_description where classoid = 'pg_class'::regclass and objoid >= 16384
    order by 1, 2, 3, 4, 5";

#[test]
fn the_job_and_every_file_by_itself_can_be_run_twice_and_change_nothing() {
    let database = installed();
    let all = || {
        let rows = "select version::text, name, applied_on, checksum from drizzle.__migrations__ order by 1";
        (database.query_strings(CATALOGUE), database.query_strings(rows))
    };
    let before = all();
    install(&database).assert_stdout("nothing to do");
    assert_eq!(all(), before);
    let mut files: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    for file in files {
        let sql = std::fs::read_to_string(&file).unwrap();
        for _ in 0..2 {
            database.execute(&sql);
        }
        assert_eq!(all(), before, "{file:?}");
    }
}

/// One repository, and one artifact of every kind that belongs to it.
const ONE_OF_EACH: &str = "
    with repository as (
        insert into repositories (name, git_url, owner, repo) values ('r', 'git@example.org:o/r', 'o', 'r') returning id
    ), a as (insert into scans (repository_id, status, commit_sha, started_at)
             select id, 'completed', 'abc', now() from repository)
    , b as (insert into system_contexts (repository_id, gxp_id, project_name, version, gxp_risk_rating, validation_status)
            select id, 'SYS-001', 'p', '1', 'HIGH', 'DRAFT' from repository)
    , c as (insert into requirements (repository_id, gxp_id, title, gxp_risk_rating)
            select id, 'REQ-001', 't', 'LOW' from repository)
    , d as (insert into user_stories (repository_id, gxp_id, title, parent_id)
            select id, 'US-001', 't', 'REQ-001' from repository)
    , e as (insert into specs (repository_id, gxp_id, title, parent_id, verification_tier)
            select id, 'SPEC-001', 't', 'US-001', 'IQ' from repository)
    , f as (insert into evidence (repository_id, gxp_id, title, parent_id)
            select id, 'EV-001', 't', 'SPEC-001' from repository)
    , g as (insert into traceability_links (repository_id, source_id, target_id, link_type)
            select id, 'REQ-001', 'US-001', 'REQ_TO_US' from repository)
    insert into audit_log (\"user\", action, resource_type, resource_id, payload_hash)
    select 'u', 'create', 'repository', id, 'hash' from repository";

fn counts(database: &Database) -> Vec<(&'static str, Option<String>)> {
    let count = |table: &Table| database.value(&format!("select count(*) from {}", table.name));
    TABLES.iter().map(|table| (table.name, count(table))).collect()
}

#[test]
fn deleting_a_repository_deletes_every_artifact_and_not_the_audit_log() {
    let database = installed();
    database.execute(ONE_OF_EACH);
    assert!(counts(&database).iter().all(|(_, count)| count.as_deref() == Some("1")), "{:?}", counts(&database));
    database.execute("delete from repositories");
    for (table, count) in counts(&database) {
        let expected = if table == "audit_log" { "1" } else { "0" };
        assert_eq!(count.as_deref(), Some(expected), "{table}");
    }
}

#[test]
fn the_audit_log_is_append_only_also_for_its_owner_and_on_a_replica() {
    let database = installed();
    database.execute(ONE_OF_EACH);
    let mut session = database.connect();
    for role in ["origin", "replica"] {
        session.execute(&format!("set session_replication_role = {role}"));
        for sql in [
            "update audit_log set action = 'x'",
            "delete from audit_log",
            "truncate audit_log",
            "truncate repositories, audit_log cascade",
            "update audit_log set action = 'x' where false",
            "insert into audit_log select * from audit_log on conflict (id) do update set action = 'x'",
        ] {
            let error = session.try_query(sql).unwrap_err();
            let error = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
            assert_eq!(error.code().code(), "42501", "{sql}");
            assert!(error.message().contains("the audit trail is append-only"), "{sql}: {error}");
        }
    }
    assert_eq!(session.value("select action from audit_log").as_deref(), Some("create"));
}
