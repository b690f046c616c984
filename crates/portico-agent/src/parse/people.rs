//! Accounts (`/etc/passwd`) and people at the machine (logind's session files, `utmp`).

use std::collections::BTreeMap;

/// An account of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its home folder.
    pub home: String,
}

/// Accounts by user id, from `/etc/passwd` (passwd(5)) or the same lines of `getent passwd`. Of
/// several with one id the first counts, as in getpwuid(3).
pub fn passwd(text: &str) -> BTreeMap<u32, Account> {
    let mut accounts = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, _, _, home, _] = fields.as_slice() else {
            continue;
        };
        let Ok(uid) = uid.parse() else { continue };
        if !name.is_empty() {
            accounts.entry(uid).or_insert_with(|| Account {
                name: (*name).to_owned(),
                home: (*home).to_owned(),
            });
        }
    }
    accounts
}

/// Somebody at the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtConsole {
    /// Account.
    pub account: String,
    /// Terminal such as `tty1`, or X display.
    pub line: Option<String>,
    /// First process of the session.
    pub leader: u32,
    /// User id, where it is told.
    pub uid: Option<u32>,
}

/// A file of `/run/systemd/sessions`: somebody at a seat, or `None` for every other session.
/// Sessions over SSH and xrdp have no seat.
pub fn logind_session(text: &str) -> Option<AtConsole> {
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .filter(|value| !value.is_empty())
    };
    value("SEAT")?;
    let is_user = value("CLASS").is_none_or(|class| class == "user");
    if value("REMOTE") == Some("1") || !is_user || value("STATE") == Some("closing") {
        return None;
    }
    Some(AtConsole {
        account: value("USER")?.to_owned(),
        line: value("TTY").or(value("DISPLAY")).map(str::to_owned),
        leader: value("LEADER")?.parse().ok()?,
        uid: value("UID").and_then(|uid| uid.parse().ok()),
    })
}

/// Bytes of a record in `utmp` on 64-bit Linux (utmp(5)).
const UTMP_LEN: usize = 384;
/// `ut_type` of a log-in.
const USER_PROCESS: u16 = 7;

/// People on virtual terminals, from `utmp`.
pub fn utmp(bytes: &[u8]) -> Vec<AtConsole> {
    let (records, _) = bytes.as_chunks::<UTMP_LEN>();
    records.iter().filter_map(utmp_record).collect()
}

fn utmp_record(record: &[u8; UTMP_LEN]) -> Option<AtConsole> {
    let kind = u16::from_le_bytes(*record.first_chunk()?);
    let leader = u32::from_le_bytes(*record.get(4..)?.first_chunk()?);
    let text = |from: usize, to: usize| {
        let field = record.get(from..to)?;
        let len = field.iter().position(|b| *b == 0).unwrap_or(field.len());
        let text = String::from_utf8_lossy(field.get(..len)?).into_owned();
        (!text.is_empty()).then_some(text)
    };
    let line = text(8, 40)?;
    let is_console = line
        .strip_prefix("tty")
        .is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
    (kind == USER_PROCESS && is_console).then_some(())?;
    Some(AtConsole {
        account: text(44, 76)?,
        line: Some(line),
        leader,
        uid: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_account_of_an_id_counts_and_broken_lines_none() {
        let text = "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/:/bin/sh\n#x\na:b\n+::::::\n:x:5:5::/:\nanna:x:2002:2002:Anna:/home/anna:/bin/bash\n";
        let accounts = passwd(text);
        assert_eq!(accounts.len(), 2);
        assert_eq!(accounts[&0].name, "root");
        assert_eq!(accounts[&2002].home, "/home/anna");
    }

    #[test]
    fn only_sessions_at_a_seat_are_at_the_machine() {
        let text = "# This is private data. Do not parse.\nUID=1000\nUSER=ina\nACTIVE=1\nSTATE=active\nREMOTE=0\nTYPE=x11\nCLASS=user\nSEAT=seat0\nTTY=tty2\nLEADER=812\nSERVICE=gdm-password\n";
        assert_eq!(
            logind_session(text),
            Some(AtConsole {
                account: "ina".into(),
                line: Some("tty2".into()),
                leader: 812,
                uid: Some(1000),
            })
        );
        for (from, to) in [
            ("SEAT=seat0\n", ""),
            ("REMOTE=0", "REMOTE=1"),
            ("CLASS=user", "CLASS=greeter"),
            ("STATE=active", "STATE=closing"),
            ("LEADER=812", "LEADER=x"),
            ("USER=ina\n", ""),
        ] {
            assert_eq!(logind_session(&text.replace(from, to)), None, "{from}");
        }
    }

    fn record(kind: u16, pid: u32, line: &str, user: &str) -> [u8; UTMP_LEN] {
        let mut record = [0; UTMP_LEN];
        record[..2].copy_from_slice(&kind.to_le_bytes());
        record[4..8].copy_from_slice(&pid.to_le_bytes());
        record[8..8 + line.len()].copy_from_slice(line.as_bytes());
        record[44..44 + user.len()].copy_from_slice(user.as_bytes());
        record
    }

    #[test]
    fn utmp_knows_people_on_virtual_terminals_at_any_length() {
        let mut bytes = Vec::new();
        for (kind, line) in [(7, "tty1"), (7, "pts/0"), (6, "tty2"), (8, "tty3"), (7, "")] {
            bytes.extend(record(kind, 55, line, "ina"));
        }
        let found = utmp(&bytes);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].leader, found[0].account.as_str()), (55, "ina"));
        let full = "u".repeat(32);
        assert_eq!(utmp(&record(7, 1, "tty9", &full))[0].account, full);
        for len in 0..bytes.len() {
            assert!(utmp(&bytes[..len]).len() <= 1);
        }
    }
}
