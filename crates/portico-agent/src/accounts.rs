//! Names of user ids: from `/etc/passwd`, and for those of directories from `getent`, which asks
//! whatever the host is joined to.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt,
};

use crate::{
    files::Files,
    parse::people::{self, Account},
};

/// Answers of `getent` that are kept.
pub const LEARNT_MAX: usize = 10_000;
/// Time before an id without an answer is asked for again, in hundredths of a second.
const ASK_AGAIN: u64 = 6_000;

/// Accounts of the host.
#[derive(Debug, Default)]
pub struct Accounts {
    local: BTreeMap<u32, Account>,
    version: Option<(u64, i64, i64, u64)>,
    learnt: BTreeMap<u32, Learnt>,
    unknown: BTreeSet<u32>,
}

#[derive(Debug)]
struct Learnt {
    account: Option<Account>,
    at: u64,
}

impl Accounts {
    /// Reads `/etc/passwd` again if it is another one. `uptime` in hundredths of a second.
    pub fn update(&mut self, files: &mut Files, uptime: u64) {
        self.learnt.retain(|_, learnt| {
            learnt.account.is_some() || uptime.saturating_sub(learnt.at) < ASK_AGAIN
        });
        let Ok(about) = std::fs::metadata(files.path("etc/passwd")) else {
            return;
        };
        let version = Some((about.ino(), about.mtime(), about.mtime_nsec(), about.len()));
        if version == self.version {
            return;
        }
        if let Ok(text) = files.text("etc/passwd") {
            self.local = people::passwd(&text);
            self.version = version;
        }
    }

    /// The account of a user id. `None` when it is not known yet: [`Accounts::unknown`] then names
    /// it. An id that nobody knows is called `uid:N`.
    pub fn of(&mut self, uid: u32) -> Option<Account> {
        if let Some(account) = self.local.get(&uid) {
            return Some(account.clone());
        }
        match self.learnt.get(&uid) {
            Some(Learnt { account, .. }) => Some(account.clone().unwrap_or_else(|| Account {
                name: format!("uid:{uid}"),
                home: "/".into(),
            })),
            None => {
                self.unknown.insert(uid);
                None
            }
        }
    }

    /// Ids that were asked for and are not known; each is named once.
    pub fn unknown(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.unknown)
    }

    /// What `getent passwd UID` printed for an id; `None` when it knows none.
    pub fn learn(&mut self, uid: u32, line: Option<&str>, uptime: u64) {
        if self.learnt.len() >= LEARNT_MAX {
            self.learnt.pop_first();
        }
        let account = line.and_then(|line| people::passwd(line).remove(&uid));
        self.learnt.insert(
            uid,
            Learnt {
                account,
                at: uptime,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn local_accounts_are_read_again_when_the_file_changes_and_others_are_learnt() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        let passwd = folder.path().join("etc/passwd");
        fs::write(&passwd, "anna:x:2002:2002::/home/anna:/bin/sh\n").unwrap();
        let mut files = Files::new(folder.path());
        let mut accounts = Accounts::default();
        accounts.update(&mut files, 0);
        assert_eq!(accounts.of(2002).unwrap().name, "anna");
        assert_eq!(accounts.of(7), None);
        assert_eq!(accounts.unknown(), BTreeSet::from([7]));
        assert_eq!(accounts.unknown(), BTreeSet::new());
        accounts.learn(7, Some("EX\\ben:*:7:7::/home/ben:/bin/sh\n"), 0);
        assert_eq!(accounts.of(7).unwrap().name, "EX\\ben");
        // An answer about somebody else is none.
        accounts.learn(8, Some("root:*:0:0::/root:/bin/sh\n"), 0);
        assert_eq!(accounts.of(8).unwrap().name, "uid:8");
        accounts.update(&mut files, ASK_AGAIN);
        assert_eq!(accounts.of(8), None);
        fs::write(&passwd, "anna2:x:2002:2002::/home/anna:/bin/sh\n").unwrap();
        accounts.update(&mut files, ASK_AGAIN);
        assert_eq!(accounts.of(2002).unwrap().name, "anna2");
    }

    #[test]
    fn no_more_answers_are_kept_than_the_limit() {
        let mut accounts = Accounts::default();
        for uid in 0..=u32::try_from(LEARNT_MAX).unwrap() {
            accounts.learn(uid, None, 0);
        }
        assert_eq!(accounts.learnt.len(), LEARNT_MAX);
    }
}
