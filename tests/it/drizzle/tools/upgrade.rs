//! A project that goes from Drizzle 0.x to 1.0 by `drizzle-kit up`, on databases that both tools had migrated before.

use super::catalogue::assert_same;
use super::changes::Series;
use super::orders::histories;
use super::{Database, Version};

#[test]
fn a_project_goes_from_0_x_to_1_0_and_both_tools_follow() {
    let Some(series) = Series::new(Version::Zero) else { return };
    let half = &series.steps[5];
    let whole = series.steps.last().unwrap();
    // Up to date by schemagate; half way by drizzle-kit and adopted; up to date by drizzle-kit and unknown here.
    let (ours, both, theirs) = (Database::new(), Database::new(), Database::new());
    whole.gate(&ours, &["up"]).assert_code(0);
    half.migrate(&both).assert_code(0);
    half.gate(&both, &["up"]).assert_code(0);
    whole.migrate(&theirs).assert_code(0);

    let project = whole.snapshot();
    project.take_packages(Version::One);
    project.kit(&["up"]).run().assert_code(0);
    assert!(!project.migrations().join("meta").exists(), "there is a journal still");
    assert_eq!(project.entries().len(), 11);

    for (database, name) in [(&ours, "ours"), (&both, "both"), (&theirs, "theirs")] {
        project.gate(database, &["up"]).assert_code(0);
        let up = project.gate(database, &["up"]);
        assert!(up.code == Some(0) && up.stdout.contains("\"up_to_date\""), "{name}\n{up}");
        project.gate(database, &["status", "--check"]).assert_code(0);
        assert_eq!(histories(database).ours.len(), 11, "{name}");
        // Drizzle gives its table the columns of version 1 and finds nothing else to do.
        project.migrate(database).assert_code(0);
        assert_eq!(histories(database).theirs.len(), 11, "{name}");
        project.gate(database, &["up"]).assert_code(0).assert_stdout("\"up_to_date\"");
        assert_same(database, &theirs, name);
    }

    // The next change, by either.
    project.edit(
        "    repo: text(\"repo\").notNull(),\n",
        "    repo: text(\"repo\").notNull(),\n    next: text(\"next\"),\n",
    );
    project.generate("next");
    project.gate(&ours, &["up"]).assert_code(0).assert_stdout("\"applied\":1");
    project.migrate(&both).assert_code(0);
    project.migrate(&theirs).assert_code(0);
    for database in [&ours, &both, &theirs] {
        project.migrate_by_orm(database).assert_code(0);
        project.gate(database, &["up"]).assert_code(0).assert_stdout("\"up_to_date\"");
        let histories = histories(database);
        assert_eq!((histories.ours.len(), histories.theirs.len()), (12, 12), "{histories:?}");
        assert_same(database, &theirs, "the next change");
    }
    // The release of before, with the journal, may still be started.
    whole.gate(&ours, &["up"]).assert_code(0).assert_stdout("ahead of this release by 1 migration");
}
