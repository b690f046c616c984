//! The sessions that exist on the host, whoever started them: desktops of xrdp, shells over SSH,
//! people at the machine.
//!
//! - **xrdp**: a session is an X server that `xrdp-sesman` started (`xrdp-sesexec` from 0.10 on).
//!   It is active while somebody is connected to its sockets `xrdp_display_N` (xorgxrdp) or
//!   `xrdp_chansrv_socket_N` (channels), and for `Xvnc` also to its TCP port on loopback: only the
//!   `xrdp` process of a connection does that.
//! - **SSH**: a session is a terminal in the title of a process of the SSH server whose parent
//!   belongs to root. A program of a user can have that name and title, but not that parent.
//! - **console**: what logind knows at a seat; without logind, what `utmp` knows on `ttyN`.
//!
//! A key holds the start time of the process, so that a display or terminal that is used again is
//! another session: an order that comes late finds nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt,
};

use portico_model::{
    seen::{
        AGE_MAX_S, HostSession, HostSessionKind, HostSessionState, REPORT_SESSIONS_MAX,
        TEXT_LEN_MAX,
    },
    text::printable,
};

use crate::{
    accounts::Accounts,
    files::Files,
    parse::{net, people, process},
    processes::{Part, Process, ProcessId, ProcessTable, stat_of},
};

/// A session and how to act on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSession {
    /// What is reported.
    pub session: HostSession,
    /// What an order needs.
    pub hold: Hold,
}

/// Where a session can be taken hold of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The process whose end is the session's.
    pub leader: ProcessId,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Home folder.
    pub home: String,
    /// What is special to its kind.
    pub kind: HoldKind,
}

/// What is special to a kind of session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldKind {
    /// xrdp.
    Desktop {
        /// Its X display.
        display: u16,
        /// The process of `xrdp-sesman` that looks after it.
        keeper: Option<ProcessId>,
    },
    /// A terminal: `pts/3`, `tty1`.
    Terminal {
        /// It.
        terminal: String,
        /// Whether the leader has other terminals, too.
        shared: bool,
    },
    /// A seat without terminal.
    Seat,
}

/// Reads sessions and remembers since when each is in its state.
#[derive(Debug, Default)]
pub struct SessionReader {
    /// Uptime at which a session came to its state; `None` when that was before it was seen.
    since: BTreeMap<String, (HostSessionState, Option<u64>)>,
}

/// When a reading happens.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Age of the machine in hundredths of a second.
    pub uptime: u64,
    /// Ticks in a second of [`ProcessId::start`].
    pub ticks_a_second: u64,
    /// The time of day in seconds since 1970, for terminals' times of access.
    pub unix_s: i64,
}

impl Moment {
    fn age_s(&self, start: u64) -> u64 {
        let started = start.saturating_mul(100) / self.ticks_a_second.max(1);
        (self.uptime.saturating_sub(started) / 100).min(AGE_MAX_S)
    }
}

impl SessionReader {
    /// The sessions of the host by the processes that `table` knows.
    pub fn read(
        &mut self,
        files: &mut Files,
        table: &ProcessTable,
        accounts: &mut Accounts,
        moment: Moment,
    ) -> Vec<SeenSession> {
        let mut found = desktops(files, table, accounts, moment);
        found.extend(terminals(files, table, accounts, moment));
        found.extend(at_console(files, accounts, moment));
        let mut keys = BTreeSet::new();
        found.retain(|seen| keys.insert(seen.session.key.clone()));
        if found.len() > REPORT_SESSIONS_MAX {
            tracing::warn!(
                sessions = found.len(),
                "More sessions than a report may name; the rest is left out"
            );
            found.truncate(REPORT_SESSIONS_MAX);
        }
        self.note_states(&mut found, moment);
        found
    }

    fn note_states(&mut self, found: &mut [SeenSession], moment: Moment) {
        let mut since = BTreeMap::new();
        for SeenSession { session, .. } in found {
            let at = match self.since.get(&session.key) {
                Some((state, at)) if *state == session.state => *at,
                Some(_) => Some(moment.uptime),
                // One that just began was never in another state.
                None => (session.age_s < 5).then_some(moment.uptime),
            };
            session.state_age_s = at.map(|at| moment.uptime.saturating_sub(at) / 100);
            since.insert(session.key.clone(), (session.state, at));
        }
        self.since = since;
    }
}

fn desktops(
    files: &mut Files,
    table: &ProcessTable,
    accounts: &mut Accounts,
    moment: Moment,
) -> Vec<SeenSession> {
    let mut servers: Vec<(&Process, u16)> = table
        .followed()
        .filter(|process| process.part == Part::XServer && is_of_xrdp(files, process))
        .filter_map(|process| Some((process, process::display_of(&process.arguments)?)))
        .collect();
    if servers.is_empty() {
        return Vec::new();
    }
    // Programs of the user that call themselves Xorg have the same keeper as the X server: only
    // one of them counts, so nobody has more sessions than there are keepers.
    servers.sort_by_key(|(process, _)| (process.parent.as_ref().map(|p| p.id), process.id));
    let mut keepers = BTreeSet::new();
    servers.retain(|(process, _)| {
        process
            .parent
            .as_ref()
            .is_none_or(|keeper| keepers.insert(keeper.id))
    });
    let connected = connected_displays(files, &servers);
    let mut found = Vec::new();
    for (process, display) in servers {
        let Some(account) = accounts.of(process.ids.uid) else {
            continue;
        };
        let state = if connected.contains(&display) {
            HostSessionState::Active
        } else {
            HostSessionState::Disconnected
        };
        found.push(SeenSession {
            session: HostSession {
                key: format!("xrdp:{display}+{}", process.id.start),
                account: short(&account.name),
                kind: HostSessionKind::Rdp,
                display: Some(format!(":{display}")),
                state,
                age_s: moment.age_s(process.id.start),
                state_age_s: None,
                idle_s: None,
            },
            hold: Hold {
                leader: process.id,
                uid: process.ids.uid,
                gid: process.ids.gid,
                home: account.home,
                kind: HoldKind::Desktop {
                    display,
                    keeper: process.parent.as_ref().map(|keeper| keeper.id),
                },
            },
        });
    }
    found
}

/// An X server that xrdp's session manager started. When that one is gone, what it left in the
/// environment still says so.
fn is_of_xrdp(files: &mut Files, process: &Process) -> bool {
    if process.ids.uid == 0 {
        return false;
    }
    match &process.parent {
        Some(parent) if parent.id.pid != 1 => {
            parent.uid == 0 && matches!(parent.name.as_str(), "xrdp-sesman" | "xrdp-sesexec")
        }
        _ => files
            .bytes(&format!("proc/{}/environ", process.id.pid))
            .is_ok_and(|environ| process::variable(environ, "XRDP_SESSION").is_some()),
    }
}

/// Displays that an `xrdp` process is connected to.
fn connected_displays(files: &mut Files, servers: &[(&Process, u16)]) -> BTreeSet<u16> {
    let mut connected = BTreeSet::new();
    if let Ok(text) = files.text("proc/net/unix") {
        connected.extend(net::connected_unix(&text).filter_map(display_of_socket));
    }
    if servers.iter().any(|(process, _)| process.name != "Xorg") {
        for path in ["proc/net/tcp", "proc/net/tcp6"] {
            if let Ok(text) = files.text(path) {
                connected
                    .extend(net::loopback_ports(&text).filter_map(|port| port.checked_sub(5_900)));
            }
        }
    }
    connected
}

/// The display that a socket of xrdp belongs to. They lie in `/run/xrdp/sockdir`, from 0.10 on in a
/// folder for each user below it, and before 0.9.4 in `/tmp/.xrdp`.
fn display_of_socket(path: &str) -> Option<u16> {
    let rest = ["/run/xrdp/", "/var/run/xrdp/", "/tmp/.xrdp/"]
        .iter()
        .find_map(|folder| path.strip_prefix(folder))?;
    let name = rest.rsplit('/').next()?;
    ["xrdp_display_", "xrdp_chansrv_socket_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))?
        .parse()
        .ok()
}

fn terminals(
    files: &mut Files,
    table: &ProcessTable,
    accounts: &mut Accounts,
    moment: Moment,
) -> Vec<SeenSession> {
    let mut found = Vec::new();
    for process in table.followed().filter(|process| process.part == Part::Ssh) {
        let parent_is_server = process.parent.as_ref().is_some_and(|parent| {
            parent.uid == 0 && matches!(parent.name.as_str(), "sshd" | "sshd-session")
        });
        let title = process.arguments.first().map(String::as_str);
        let Some((account, terminals)) = title.and_then(process::ssh_title) else {
            continue;
        };
        if !parent_is_server {
            continue;
        }
        let shared = terminals.len() > 1;
        for terminal in terminals {
            let about = std::fs::metadata(files.path(&format!("dev/{terminal}")));
            // A title that was too long is cut, also inside of a number.
            if about
                .as_ref()
                .is_ok_and(|about| about.uid() != process.ids.uid)
            {
                continue;
            }
            let idle_s = about.ok().map(|about| idle_s(moment.unix_s, about.atime()));
            let start = process.id.start;
            found.push(SeenSession {
                session: HostSession {
                    key: format!("ssh:{terminal}+{start}"),
                    account: short(account),
                    kind: HostSessionKind::Ssh,
                    display: Some(terminal.to_owned()),
                    state: HostSessionState::Active,
                    age_s: moment.age_s(start),
                    state_age_s: None,
                    idle_s,
                },
                hold: Hold {
                    leader: process.id,
                    uid: process.ids.uid,
                    gid: process.ids.gid,
                    home: accounts
                        .of(process.ids.uid)
                        .map_or_else(|| "/".into(), |account| account.home),
                    kind: HoldKind::Terminal {
                        terminal: terminal.to_owned(),
                        shared,
                    },
                },
            });
        }
    }
    found
}

/// A terminal's time of access is that of the last thing somebody typed, as `w` shows it.
fn idle_s(now: i64, accessed: i64) -> u64 {
    u64::try_from(now.saturating_sub(accessed))
        .unwrap_or(0)
        .min(AGE_MAX_S)
}

fn at_console(files: &mut Files, accounts: &mut Accounts, moment: Moment) -> Vec<SeenSession> {
    let mut people = Vec::new();
    let sessions = files.names("run/systemd/sessions");
    if sessions.is_empty() {
        if let Ok(bytes) = files.bytes("run/utmp") {
            people = people::utmp(bytes);
        }
    } else {
        // Beside each session's file lies a pipe with the ending `.ref`.
        for name in sessions.iter().filter(|name| !name.contains('.')) {
            if let Ok(text) = files.text(&format!("run/systemd/sessions/{name}")) {
                people.extend(people::logind_session(&text));
            }
        }
    }
    let mut found = Vec::new();
    for person in people {
        // Such files may be left behind by people who are gone.
        let Some(leader) = stat_of(files, person.leader) else {
            continue;
        };
        let ids = crate::processes::ids_of(files, person.leader);
        let uid = person.uid.or(ids.map(|ids| ids.uid)).unwrap_or(u32::MAX);
        let terminal = person.line.filter(|line| line.starts_with("tty"));
        let account = accounts.of(uid);
        let place = terminal.clone().unwrap_or_else(|| "seat".into());
        let idle_s = terminal.as_ref().and_then(|terminal| {
            let about = std::fs::metadata(files.path(&format!("dev/{terminal}"))).ok()?;
            Some(idle_s(moment.unix_s, about.atime()))
        });
        found.push(SeenSession {
            session: HostSession {
                key: short(&format!("console:{place}+{}", leader.start)),
                account: short(&person.account),
                kind: HostSessionKind::Console,
                display: terminal.as_deref().map(short),
                state: HostSessionState::Active,
                age_s: moment.age_s(leader.start),
                state_age_s: None,
                idle_s,
            },
            hold: Hold {
                leader: ProcessId {
                    pid: person.leader,
                    start: leader.start,
                },
                uid,
                gid: ids.map_or(u32::MAX, |ids| ids.gid),
                home: account.map_or_else(|| "/".into(), |account| account.home),
                kind: match terminal {
                    Some(terminal) => HoldKind::Terminal {
                        terminal,
                        shared: false,
                    },
                    None => HoldKind::Seat,
                },
            },
        });
    }
    found
}

/// A text as it may stand in a report: nothing that a terminal acts on, not empty, not too long.
fn short(text: &str) -> String {
    let text = printable(text);
    if text.is_empty() {
        return "?".into();
    }
    let end = (0..=TEXT_LEN_MAX.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text.get(..end).unwrap_or("?").to_owned()
}
