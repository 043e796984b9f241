//! What evidence says of a release: ids, commit, deployment, and where the signing key is. In: variables. Out: values.
//! Never reads the key itself, and never a variable that could hold a secret.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::values::{ValueError, secret_file};

/// What evidence is filed under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceIds {
    /// Id of the evidence itself.
    pub gxp_id: String,
    /// The specification that it verifies.
    pub spec_id: String,
    /// `IQ`, `OQ` or `PQ`.
    pub verification_tier: String,
    /// The user story that the specification traces to.
    pub user_story: String,
}

/// What is being deployed, as the platform says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// The commit of the release.
    pub git_commit: Option<String>,
    /// The deployment, pod or pipeline run.
    pub deployment_id: Option<String>,
    /// Every variable that is set of those that name commit, deployment and platform.
    pub platform: BTreeMap<String, String>,
}

/// Where a commit may come from; the first that is set wins.
const COMMITS: &[&str] = &[
    "SCHEMAGATE_GIT_COMMIT",
    "RAILWAY_GIT_COMMIT_SHA",
    "GIT_COMMIT",
    "GIT_COMMIT_SHA",
    "COMMIT_SHA",
    "SOURCE_COMMIT",
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
];
/// Where a deployment may come from; the first that is set wins. `POD_NAME` is the downward API's by custom.
const DEPLOYMENTS: &[&str] = &[
    "SCHEMAGATE_DEPLOYMENT_ID",
    "RAILWAY_DEPLOYMENT_ID",
    "DEPLOYMENT_ID",
    "POD_UID",
    "POD_NAME",
    "GITHUB_RUN_ID",
    "CI_JOB_ID",
];
/// What else of a platform tells where a run took place. None of them is a secret.
const PLATFORM: &[&str] = &[
    "RAILWAY_PROJECT_ID",
    "RAILWAY_PROJECT_NAME",
    "RAILWAY_ENVIRONMENT_ID",
    "RAILWAY_ENVIRONMENT_NAME",
    "RAILWAY_SERVICE_ID",
    "RAILWAY_SERVICE_NAME",
    "RAILWAY_REPLICA_ID",
    "RAILWAY_GIT_BRANCH",
    "POD_NAMESPACE",
    "NODE_NAME",
    "GITHUB_REPOSITORY",
    "GITHUB_REF",
    "GITHUB_WORKFLOW",
    "CI_PROJECT_PATH",
    "CI_PIPELINE_ID",
];
/// A longer value is no id.
const LONGEST_CHARS: usize = 256;

impl Release {
    pub(super) fn of(set: &HashMap<String, String>) -> Self {
        let value = |name: &&str| {
            let text: String = set.get(*name)?.chars().filter(|c| !c.is_control()).take(LONGEST_CHARS).collect();
            Some(text)
        };
        let platform = COMMITS
            .iter()
            .chain(DEPLOYMENTS)
            .chain(PLATFORM)
            .filter_map(|name| Some(((*name).to_owned(), value(name)?)))
            .collect();
        Self { git_commit: COMMITS.iter().find_map(value), deployment_id: DEPLOYMENTS.iter().find_map(value), platform }
    }
}

/// Where the key that signs evidence is. `Debug` hides it.
#[derive(Clone)]
pub enum SigningKeySource {
    /// The variable holds it.
    Text(String),
    /// A file does.
    File(String),
}

impl SigningKeySource {
    /// The variable that names it.
    pub fn variable(&self) -> &'static str {
        match self {
            Self::Text(_) => KEY,
            Self::File(_) => KEY_FILE,
        }
    }

    /// The PEM, whose line ends may have been written out as `\n` where a variable takes one line only.
    ///
    /// # Errors
    /// [`ValueError::File`] or [`ValueError::EmptyFile`].
    pub fn read(&self) -> Result<String, ValueError> {
        let text = match self {
            Self::Text(text) => text.clone(),
            Self::File(path) => secret_file(KEY_FILE, path)?,
        };
        Ok(text.replace("\\n", "\n"))
    }
}

impl fmt::Debug for SigningKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(self.variable()).finish()
    }
}

const KEY: &str = "SCHEMAGATE_SIGNING_KEY";
const KEY_FILE: &str = "SCHEMAGATE_SIGNING_KEY_FILE";

pub(super) fn signing_key(set: &HashMap<String, String>) -> Result<Option<SigningKeySource>, ValueError> {
    match (set.get(KEY), set.get(KEY_FILE)) {
        (Some(_), Some(_)) => Err(ValueError::Both { variable: KEY, file_variable: KEY_FILE }),
        (Some(text), None) => Ok(Some(SigningKeySource::Text(text.clone()))),
        (None, path) => Ok(path.cloned().map(SigningKeySource::File)),
    }
}

/// An id that becomes a part of a file's name.
pub(super) fn file_name_part(variable: &'static str, value: String) -> Result<String, ValueError> {
    const LONGEST_BYTES: usize = 64;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let fits = value.len() <= LONGEST_BYTES && value.starts_with(|c: char| c.is_ascii_alphanumeric());
    if fits && value.chars().all(allowed) { Ok(value) } else { Err(ValueError::Identifier { variable, value }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn our_own_variable_wins_over_the_platforms() {
        let railway = [("RAILWAY_GIT_COMMIT_SHA", "abc"), ("RAILWAY_DEPLOYMENT_ID", "d1"), ("PATH", "/bin")];
        let release = Release::of(&set(&railway));
        assert_eq!((release.git_commit.as_deref(), release.deployment_id.as_deref()), (Some("abc"), Some("d1")));
        assert_eq!(release.platform.len(), 2);
        let both = [railway.as_slice(), &[("SCHEMAGATE_GIT_COMMIT", "def")]].concat();
        assert_eq!(Release::of(&set(&both)).git_commit.as_deref(), Some("def"));
    }

    #[test]
    fn a_key_on_one_line_has_its_line_ends_back() {
        let source = signing_key(&set(&[(KEY, "-----BEGIN\\nx\\n-----END")])).unwrap().unwrap();
        assert_eq!(source.read().unwrap(), "-----BEGIN\nx\n-----END");
        assert!(!format!("{source:?}").contains("BEGIN"));
        assert!(signing_key(&set(&[(KEY, "x"), (KEY_FILE, "/x")])).is_err());
    }

    #[test]
    fn an_id_cannot_leave_its_folder() {
        for bad in ["../x", "a/b", ".hidden", "a b", "ä", &"x".repeat(65)] {
            assert!(file_name_part("SCHEMAGATE_SPEC_ID", bad.to_owned()).is_err(), "{bad}");
        }
        assert_eq!(file_name_part("SCHEMAGATE_SPEC_ID", "SPEC-INF-002".to_owned()).unwrap(), "SPEC-INF-002");
    }
}
