//! The query that README.md gives to auditors, to be run as they would. Takes the README. Never another query.

/// Says of each row of the audit trail whether it is intact.
pub fn query() -> String {
    let readme = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, section) = readme.split_once("\n## The audit trail\n").unwrap();
    let (_, from) = section.split_once("```sql\n").unwrap();
    from.split_once(";\n```").unwrap().0.to_owned()
}
