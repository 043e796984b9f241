use super::*;

fn told(sql: &str) -> Vec<String> {
    let line = |effect: Effect| {
        let Effect { relation, lock, rewrite, scan, .. } = effect;
        format!("{relation}: {} rewrite {rewrite:?} scan {scan:?}", lock.name())
    };
    effects(sql, 15).into_iter().map(line).collect()
}

/// The effects of an example behind what makes ready for it.
fn known(example: &Example, version: u32) -> Vec<Effect> {
    let mut known = Known::default();
    known.note_all(include_str!("../../tests/fixtures/effects.sql"));
    known.note_all(example.before);
    effects_knowing(example.sql, version, &known)
}

#[test]
fn each_example_is_told_as_its_fact_says() {
    for fact in FACTS {
        for example in fact.examples.iter().filter(|example| VERSIONS.contains(&example.since)) {
            let found = known(example, example.until.min(18));
            assert!(
                found.iter().any(|effect| std::ptr::eq(effect.fact, *fact)),
                "{}: {}: {found:#?}",
                fact.name,
                example.sql
            );
        }
    }
}

#[test]
fn the_better_way_never_blocks_for_long() {
    for fact in FACTS {
        for example in fact.better {
            let found = known(example, 18);
            assert!(!found.is_empty() && !found.iter().any(Effect::blocks_long), "{}: {found:#?}", example.sql);
        }
    }
}

#[test]
fn names_are_those_of_the_catalogue() {
    assert_eq!(
        told("ALTER TABLE IF EXISTS ONLY Shop.\"Orders\" ALTER COLUMN Total SET NOT NULL"),
        ["shop.Orders: ACCESS EXCLUSIVE rewrite No scan Perhaps"]
    );
    assert_eq!(told("comment on column a.b.c is 'x'"), ["a.b: SHARE UPDATE EXCLUSIVE rewrite No scan No"]);
}

#[test]
fn a_default_is_volatile_by_its_functions_alone() {
    let rewrites = |value: &str| effects(&format!("alter table t add x int default {value}"), 15)[0].rewrite;
    for value in [
        "0",
        "now()",
        "'a'::varchar(10)",
        "'{}'::shop.kind(3)",
        "ARRAY[1,2]::int[]",
        "(1 + 2)",
        "null check (f(x))",
        "'gen_random_uuid()'",
        "current_timestamp(3) not null",
        "(date_trunc('day', now()))",
    ] {
        assert_eq!(rewrites(value), Claim::No, "{value}");
    }
    for value in
        ["random()", "(1 + random())", "nextval('s'::regclass)", "public.gen_random_uuid()", "GEN_RANDOM_UUID ( )"]
    {
        assert_eq!(rewrites(value), Claim::Yes, "{value}");
    }
    assert_eq!(rewrites("my_own(1)"), Claim::Perhaps);
}

#[test]
fn the_way_out_is_sql_that_keeps_the_names() {
    let safe = |sql: &str| effects(sql, 15).into_iter().find_map(|effect| effect.safe).unwrap();
    insta::assert_snapshot!(safe("CREATE UNIQUE INDEX \"I\" ON shop.t (a) WHERE b"), @r#"
    -- schemagate: no-transaction
    CREATE UNIQUE INDEX CONCURRENTLY "I" ON shop.t (a) WHERE b;
    "#);
    insta::assert_snapshot!(safe("alter table \"T\" add constraint k check (a > 0)"), @r#"
    ALTER TABLE "T" ADD CONSTRAINT k check (a > 0) NOT VALID;
    -- and in the file after it:
    -- schemagate: no-transaction
    ALTER TABLE "T" VALIDATE CONSTRAINT k;
    "#);
}

#[test]
fn no_text_makes_the_reader_panic() {
    let parts = [
        "alter ",
        "table ",
        "t ",
        "add ",
        "column ",
        "x ",
        "int ",
        "default ",
        "f(",
        ")",
        ",",
        "[",
        "]",
        "constraint ",
        "check ",
        "foreign ",
        "references ",
        "create ",
        "index ",
        "on ",
        ";",
        "'",
        "\"",
        "$$",
        ".",
        "set ",
        "not ",
        "null ",
        "drop ",
        "vacuum ",
        "é",
        "(",
        "partition ",
        "attach ",
        "reindex ",
        "concurrently ",
        "lock ",
        "in ",
        "update ",
        "where ",
        "comment ",
        "unique ",
        "using ",
    ];
    let mut seed = 7_usize;
    for _ in 0..60_000 {
        let mut sql = String::new();
        for _ in 0..14 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            sql.push_str(parts[(seed >> 33) % parts.len()]);
        }
        for effect in effects(&sql, 15) {
            assert!(effect.at <= sql.len() && !effect.why.is_empty());
        }
    }
}
