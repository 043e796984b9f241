//! The state of the database in words. In: a `DatabaseState`. Out: one line.

use crate::apply::DatabaseState;

/// The state in words.
pub fn state_text(state: &DatabaseState) -> String {
    let kept = |migrations: usize| match migrations {
        0 => "nothing else of this run was kept".to_owned(),
        1 => "1 migration of this run is kept".to_owned(),
        many => format!("{many} migrations of this run are kept"),
    };
    match state {
        DatabaseState::Unchanged => "nothing of this run was kept".to_owned(),
        DatabaseState::EarlierKept { migrations, last } => {
            format!("{}, up to {last}; what failed was rolled back", kept(*migrations))
        }
        DatabaseState::PartlyKept { file } => {
            format!("what {file} did before it ended its transaction is kept and not recorded")
        }
        DatabaseState::NotUndone { file, invalid_index: Some(index), migrations } => format!(
            "{file} left the invalid index {index}, which slows writes and serves no query; the next run drops and \
             builds it anew; {}",
            kept(*migrations)
        ),
        DatabaseState::NotUndone { file, invalid_index: None, migrations } => {
            format!("what {file} did outside a transaction is not undone, and not recorded; {}", kept(*migrations))
        }
        DatabaseState::PartKept { file, invalid_index, migrations } => format!(
            "what {file} does before its COMMIT is done and stays, and the next run goes on after it{}; {}",
            invalid_index.as_ref().map_or_else(String::new, |index| format!(
                "; it left the invalid index {index}, which that run drops and builds anew"
            )),
            kept(*migrations)
        ),
        DatabaseState::RollingBack { migrations } => {
            format!("the server rolls back the open transaction by itself; {}", kept(*migrations))
        }
        DatabaseState::Unknown => "what the history records counts; `schemagate status` shows it".to_owned(),
    }
}
