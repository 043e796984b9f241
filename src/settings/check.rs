//! Types one value after another. In: the variables as text. Out: typed values; what is wrong is kept, so that all of it is
//! told at once.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::values::{self, Choice, choice};
use super::{
    DEFAULT_LOCK_ATTEMPTS, DEFAULT_LOG, DatabaseUrl, EvidenceIds, Raw, TableName, ValueError, identity, variables,
};

/// Types one value after another and keeps what is wrong, so that all of it is told at once.
pub(super) struct Check<'a> {
    pub(super) problems: &'a mut Vec<ValueError>,
}

impl Check<'_> {
    pub(super) fn keep<T>(&mut self, result: Result<T, ValueError>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The variables that hold something. One of ours whose bytes are no UTF-8 must not count as unset.
    pub(super) fn texts(
        &mut self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> HashMap<String, String> {
        let mut set = HashMap::new();
        for (name, value) in environment {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) if value.trim().is_empty() => {}
                Ok(value) => drop(set.insert(name, value.trim().to_owned())),
                Err(_) if variables::is_known(&name) => self.problems.push(ValueError::NotUtf8 { variable: name }),
                Err(_) => {}
            }
        }
        set
    }

    pub(super) fn raw(&mut self, set: &HashMap<String, String>) -> Raw {
        // Known names only: envy folds the case, and `SCHEMAGATE_Lock_Wait` is no setting.
        let known = set.iter().filter(|(name, _)| variables::is_known(name));
        let raw = envy::prefixed(variables::PREFIX).from_iter(known.map(|(name, value)| (name.clone(), value.clone())));
        self.keep(raw.map_err(|source| ValueError::Environment { source })).unwrap_or_default()
    }

    pub(super) fn folder(&mut self, value: Option<String>) -> Option<PathBuf> {
        let variable = "SCHEMAGATE_MIGRATIONS";
        let read = |text: String| match text.contains("://") {
            true => Err(ValueError::UrlForFolder { variable }),
            false => Ok(PathBuf::from(text)),
        };
        value.and_then(|text| self.keep(read(text)))
    }

    pub(super) fn duration(
        &mut self,
        variable: &'static str,
        value: Option<String>,
        read: fn(&'static str, &str) -> Result<Duration, ValueError>,
    ) -> Option<Duration> {
        value.and_then(|text| self.keep(read(variable, &text)))
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        variable: &'static str,
        value: Option<String>,
        choices: &'static [Choice<T>],
        default: T,
    ) -> T {
        value.and_then(|text| self.keep(choice(variable, &text, choices))).unwrap_or(default)
    }

    pub(super) fn attempts(&mut self, value: Option<String>) -> u32 {
        let read = |text: String| match text.parse::<u32>() {
            Ok(attempts) if attempts > 0 => Ok(attempts),
            _ => Err(ValueError::Number { variable: "SCHEMAGATE_LOCK_ATTEMPTS", value: text }),
        };
        value.and_then(|text| self.keep(read(text))).unwrap_or(DEFAULT_LOCK_ATTEMPTS)
    }

    pub(super) fn table_name(&mut self, variable: &'static str, value: Option<String>, default: &str) -> TableName {
        let text = value.unwrap_or_else(|| default.to_owned());
        let read =
            TableName::parse(&text).map_err(|reason| ValueError::Table { variable, value: text.clone(), reason });
        self.keep(read).unwrap_or_else(|| TableName::new(None, "unreadable"))
    }

    pub(super) fn evidence_ids(
        &mut self,
        spec_id: Option<String>,
        gxp_id: Option<String>,
        tier: Option<String>,
        user_story: Option<String>,
    ) -> EvidenceIds {
        let mut read = |variable, value: Option<String>, default: String| {
            value.and_then(|text| self.keep(identity::file_name_part(variable, text))).unwrap_or(default)
        };
        let spec_id = read("SCHEMAGATE_SPEC_ID", spec_id, "SPEC-INF-002".to_owned());
        EvidenceIds {
            gxp_id: read("SCHEMAGATE_GXP_ID", gxp_id, format!("EV-{spec_id}")),
            verification_tier: read("SCHEMAGATE_VERIFICATION_TIER", tier, "IQ".to_owned()),
            user_story: read("SCHEMAGATE_USER_STORY", user_story, "US-005-001".to_owned()),
            spec_id,
        }
    }

    pub(super) fn filter(&mut self, value: Option<String>) -> String {
        let read =
            |text: String| if values::is_filter(&text) { Ok(text) } else { Err(ValueError::Filter { value: text }) };
        value.and_then(|text| self.keep(read(text))).unwrap_or_else(|| DEFAULT_LOG.to_owned())
    }

    /// `SCHEMAGATE_DATABASE_URL` wins over `DATABASE_URL`; each may come from the file that its `_FILE` twin names.
    pub(super) fn database_url(&mut self, set: &HashMap<String, String>) -> Option<DatabaseUrl> {
        for (variable, file_variable) in variables::URLS {
            let url = match (set.get(*variable), set.get(*file_variable)) {
                (Some(_), Some(_)) => Err(ValueError::Both { variable, file_variable }),
                (Some(text), None) => Ok(DatabaseUrl::new(text.clone(), variable)),
                (None, Some(path)) => {
                    values::secret_file(file_variable, path).map(|text| DatabaseUrl::new(text, file_variable))
                }
                (None, None) => continue,
            };
            return self.keep(url);
        }
        None
    }
}
