//! One look at the host: what the agent does every second.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use portico_model::{
    Timestamp,
    seen::{AGE_MAX_S, AgentHello, HostReport, HostSession, Load, TEXT_LEN_MAX},
};

use crate::{
    accounts::Accounts,
    files::Files,
    idle::{IdleTimes, Told, display::Question},
    load::{LoadError, LoadOf, LoadReader},
    parse,
    processes::ProcessTable,
    sessions::{HoldKind, Moment, SeenSession, SessionReader},
};

/// Looks at the host and remembers what it saw.
#[derive(Debug)]
pub struct Sampler {
    files: Files,
    load_reader: LoadReader,
    table: ProcessTable,
    accounts: Accounts,
    reader: SessionReader,
    sessions: Vec<SeenSession>,
    idle: IdleTimes,
    load: Load,
    ticks_a_second: u64,
    uptime: u64,
}

/// Whether a look saw other sessions, or other states of them, than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// It did.
    Changed,
    /// It did not.
    Same,
}

impl Sampler {
    /// Looks below `root`, which is `/` but in tests.
    pub fn new(root: impl Into<std::path::PathBuf>, of: LoadOf) -> Self {
        let mut files = Files::new(root);
        Self {
            load_reader: LoadReader::new(of, &mut files),
            files,
            table: ProcessTable::default(),
            accounts: Accounts::default(),
            reader: SessionReader::default(),
            sessions: Vec::new(),
            idle: IdleTimes::default(),
            load: Load::default(),
            ticks_a_second: rustix::param::clock_ticks_per_second(),
            uptime: 0,
        }
    }

    /// Looks at the sessions.
    pub fn look(&mut self, now: Timestamp) -> Sessions {
        self.note_uptime();
        let text = self.files.text("proc/loadavg").ok();
        let running = text
            .and_then(|text| parse::load::loadavg(&text))
            .unwrap_or_default();
        self.load_reader
            .note_running(running.running.saturating_sub(1));
        let uptime_ticks = self.uptime.saturating_mul(self.ticks_a_second) / 100;
        self.table.update(&mut self.files, running, uptime_ticks);
        self.accounts.update(&mut self.files, self.uptime);
        let moment = Moment {
            uptime: self.uptime,
            ticks_a_second: self.ticks_a_second,
            unix_s: now.unix_ms() / 1_000,
        };
        let found = self
            .reader
            .read(&mut self.files, &self.table, &mut self.accounts, moment);
        let changed = !is_alike(&self.sessions, &found);
        self.sessions = found;
        if changed {
            Sessions::Changed
        } else {
            Sessions::Same
        }
    }

    /// Measures the load since the last call. `at` is on a clock that does not jump.
    ///
    /// # Errors
    /// [`LoadError`]; [`Sampler::report`] then tells the last one again.
    pub fn measure(&mut self, at: Duration) -> Result<(), LoadError> {
        self.load = self.load_reader.read(&mut self.files, at)?;
        Ok(())
    }

    /// What was seen last.
    pub fn report(&self, number: u64) -> HostReport {
        HostReport {
            number,
            load: self.load,
            sessions: self.sessions.iter().map(|seen| self.told(seen)).collect(),
        }
    }

    /// A session as it is reported: of a desktop its X server knows how long nobody has used it.
    fn told(&self, seen: &SeenSession) -> HostSession {
        let mut session = seen.session.clone();
        if let HoldKind::Desktop { .. } = seen.hold.kind {
            let idle = self.idle.of(&session.key, self.age());
            session.idle_s = idle.map(|idle| idle.as_secs().min(AGE_MAX_S));
        }
        session
    }

    /// The X servers that are to be asked now how long nobody has used their desktops; tell the
    /// answers to [`Sampler::learn_idle`].
    pub fn idle_questions(&mut self) -> Vec<Question> {
        self.note_uptime();
        let now = self.age();
        let desktops: BTreeMap<&str, Question> = self
            .sessions
            .iter()
            .filter_map(|seen| {
                let HoldKind::Desktop { display, .. } = seen.hold.kind else {
                    return None;
                };
                let question = Question {
                    key: seen.session.key.clone(),
                    display,
                    uid: seen.hold.uid,
                    home: seen.hold.home.clone(),
                    pid: seen.hold.leader.pid,
                    root: self.files.root().to_owned(),
                };
                Some((seen.session.key.as_str(), question))
            })
            .collect();
        let due = self.idle.due(desktops.keys().copied(), now);
        due.iter()
            .filter_map(|key| desktops.get(key.as_str()).cloned())
            .collect()
    }

    /// What the X server of the session `key` told just now.
    pub fn learn_idle(&mut self, key: &str, told: Told) {
        self.note_uptime();
        self.idle.learn(key, told, self.age());
    }

    fn note_uptime(&mut self) {
        let text = self.files.text("proc/uptime").ok();
        self.uptime = text
            .and_then(|text| parse::load::uptime(&text))
            .unwrap_or(self.uptime);
    }

    /// Age of the machine.
    fn age(&self) -> Duration {
        Duration::from_millis(self.uptime.saturating_mul(10))
    }

    /// The sessions that were seen last, with what an order needs.
    pub fn sessions(&self) -> &[SeenSession] {
        &self.sessions
    }

    /// User ids that only a directory can name; see [`Sampler::learn`].
    pub fn unknown_ids(&mut self) -> BTreeSet<u32> {
        self.accounts.unknown()
    }

    /// What `getent passwd UID` printed for an id.
    pub fn learn(&mut self, uid: u32, line: Option<&str>) {
        self.accounts.learn(uid, line, self.uptime);
    }

    /// What the agent says of its host, but for the identities of its servers.
    pub fn hello(&mut self, host: portico_model::HostId) -> AgentHello {
        let boot = self.files.text("proc/sys/kernel/random/boot_id");
        let boot = boot.map(|text| text.trim().to_owned()).unwrap_or_default();
        let boot = if self.is_container() {
            // The machine's boot outlives a container's: its first process tells the two apart.
            let start = crate::processes::stat_of(&mut self.files, 1).map_or(0, |stat| stat.start);
            format!("{boot}+{start}")
        } else {
            boot
        };
        AgentHello {
            host,
            software: crate::SOFTWARE.into(),
            boot: if boot.is_empty() {
                "unknown".into()
            } else {
                boot
            },
            system: self.system(),
            // Without a count it is one: something runs this.
            cpus: self.load_reader.cpus(&mut self.files).unwrap_or(1),
            identities: Vec::new(),
        }
    }

    /// Whether the first process is younger than the machine by more than a boot takes.
    fn is_container(&mut self) -> bool {
        crate::processes::stat_of(&mut self.files, 1)
            .is_some_and(|first| first.start > 60 * self.ticks_a_second)
    }

    fn system(&mut self) -> String {
        let text = self.files.text("etc/os-release").unwrap_or_default();
        let name = text.lines().find_map(|line| {
            let value = line.strip_prefix("PRETTY_NAME=")?.trim_matches('"');
            (!value.is_empty() && value.len() <= TEXT_LEN_MAX).then(|| value.to_owned())
        });
        name.unwrap_or_else(|| "Linux".into())
    }
}

/// Ages grow all the time and are no change.
fn is_alike(before: &[SeenSession], now: &[SeenSession]) -> bool {
    let same = |a: &HostSession, b: &HostSession| {
        a.key == b.key && a.state == b.state && a.account == b.account
    };
    before.len() == now.len()
        && before
            .iter()
            .zip(now)
            .all(|(before, now)| same(&before.session, &now.session))
}
