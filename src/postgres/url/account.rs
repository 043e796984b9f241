//! Who runs this process, for libpq's defaults of user and home folder. In: the environment, and the operating
//! system's list of users. Reads `/proc/self` and `/etc/passwd`, nothing else.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The account of this process, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) name: Option<String>,
    pub(super) home: Option<PathBuf>,
}

impl Account {
    /// Asks the operating system, as libpq does, and the environment where it knows nothing (an image without
    /// `/etc/passwd`). `HOME` wins over the list, as in libpq.
    pub(super) fn current(env: &dyn Fn(&str) -> Option<String>) -> Account {
        let user_id = std::fs::metadata("/proc/self").ok().map(|facts| facts.uid());
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Account::from_facts(env, user_id, &passwd)
    }

    fn from_facts(env: &dyn Fn(&str) -> Option<String>, user_id: Option<u32>, passwd: &str) -> Account {
        let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let mut own = fields.filter(|f| f.len() >= 6 && f.get(2).and_then(|id| id.parse().ok()) == user_id);
        let own = if user_id.is_some() { own.next() } else { None };
        let field = |index: usize| own.as_ref().and_then(|f| f.get(index)).map(|text| (*text).to_owned());
        let variable = |name: &str| env(name).filter(|value| !value.is_empty());
        Account {
            name: field(0).or_else(|| variable("USER")).or_else(|| variable("LOGNAME")),
            home: variable("HOME").or_else(|| field(5)).map(PathBuf::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\napi:x:1000:1000::/home/api:/bin/sh\n";

    #[test]
    fn the_list_of_users_comes_before_user_and_after_home() {
        let env = |name: &str| match name {
            "USER" => Some("other".to_owned()),
            "HOME" => Some("/elsewhere".to_owned()),
            _ => None,
        };
        let account = Account::from_facts(&env, Some(1000), PASSWD);
        assert_eq!(account.name.as_deref(), Some("api"));
        assert_eq!(account.home, Some("/elsewhere".into()));
        let account = Account::from_facts(&env, Some(7), PASSWD);
        assert_eq!(account.name.as_deref(), Some("other"));
        let account = Account::from_facts(&|_| None, None, PASSWD);
        assert_eq!((account.name, account.home), (None, None));
        let account = Account::from_facts(&|_| None, Some(0), PASSWD);
        assert_eq!(account.home, Some("/root".into()));
    }
}
