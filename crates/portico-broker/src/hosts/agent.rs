//! What one agent told since this broker started: its link, its hello, its last report.
//!
//! Freshness is measured with monotonic time, so that setting the broker's clock neither wakes nor
//! silences a host; points in time are by the broker's clock and only for people.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use portico_model::{
    HostId, Timestamp,
    seen::{
        AgentHello, HostReport, HostSession, Load, Order, OrderOutcome, STALE_AFTER_MS, SeenError,
    },
};
use portico_wire::agent::{FlowTarget, PairListen, PairSend};
use tokio::{sync::oneshot, time::Instant};

use super::{checks::WaitingCheck, history::History, pairs::WaitingPairs, ports::WaitingPorts};

/// Reports that may come in one burst, as after a network that stalled.
pub const REPORT_BURST: u32 = 20;
/// Afterwards one report is taken in so much time.
pub const REPORT_GAP: Duration = Duration::from_millis(500);
/// A number that is so much higher than the last one is none that the agent can have come to.
pub const REPORT_NUMBER_LEAP_MAX: u64 = 100_000;
/// Age from which a report is stale.
pub(crate) const STALE_AFTER: Duration = Duration::from_millis(STALE_AFTER_MS);

/// One link between an agent and this broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub(crate) u64);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The broker's end of a link. All calls must return at once.
pub trait AgentSeam: Send + Sync {
    /// Sends an order; the answer comes by [`agent_outcome`](crate::Broker::agent_outcome). False
    /// when the link takes no more.
    fn send(&self, id: u64, order: Order) -> bool;

    /// Whether the agent can prove flows.
    fn checks_flows(&self) -> bool {
        false
    }

    /// Sends flows to prove; the answer comes by
    /// [`agent_checked`](crate::Broker::agent_checked). False when the agent cannot do it or the
    /// link takes no more.
    fn check(&self, _check: u64, _targets: Vec<FlowTarget>) -> bool {
        false
    }

    /// Whether the agent can do paired probes.
    fn pairs_flows(&self) -> bool {
        false
    }

    /// Lets the agent listen; the answers come by [`agent_listens`](crate::Broker::agent_listens)
    /// and [`agent_heard`](crate::Broker::agent_heard). False when the agent cannot do it or the
    /// link takes no more.
    fn listen(&self, _listen: PairListen) -> bool {
        false
    }

    /// Lets the agent send; the answer comes by [`agent_sent`](crate::Broker::agent_sent). False
    /// as for [`AgentSeam::listen`].
    fn send_pair(&self, _send: PairSend) -> bool {
        false
    }

    /// Whether the agent can tell its host's firewall rules and listeners.
    fn tells_ports(&self) -> bool {
        false
    }

    /// Asks for them; the answer comes in parts by [`agent_ports`](crate::Broker::agent_ports).
    /// False when the agent cannot do it or the link takes no more.
    fn tell_ports(&self, _ask: u64) -> bool {
        false
    }

    /// Ends the link. The broker has forgotten it already.
    fn close(&self, why: &str);
}

/// Who is at the other end of a link, as its certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Host in the certificate.
    pub host: HostId,
    /// Serial number of the certificate, in lower-case hexadecimal.
    pub serial: String,
    /// SHA-256 of its public key (SubjectPublicKeyInfo), in lower-case hexadecimal.
    pub key_sha256: String,
    /// When the certificate lapses.
    pub expires_at: Timestamp,
}

/// Why a report was not taken. The link goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportRefused {
    /// The link is not the one that counts for this host.
    #[error("this link does not count for {host}: it was closed or replaced")]
    NotTheLink {
        /// The host.
        host: HostId,
    },
    /// A report that was overtaken.
    #[error("report {number} came after report {last}")]
    OldNumber {
        /// Its number.
        number: u64,
        /// The last one that was taken.
        last: u64,
    },
    /// A number that the agent cannot have come to yet.
    #[error("report {number} is from the future: the last one was {last}")]
    FutureNumber {
        /// Its number.
        number: u64,
        /// The last one that was taken.
        last: u64,
    },
    /// Too many in too short a time.
    #[error("reports come faster than one in {} ms", REPORT_GAP.as_millis())]
    TooOften,
    /// Something in it is outside its bounds.
    #[error(transparent)]
    Absurd(#[from] SeenError),
}

/// The link of an agent.
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) seam: Arc<dyn AgentSeam>,
    pub(super) peer: PeerIdentity,
    last_number: u64,
}

/// How many reports of a host may come now, over whichever link.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u32,
    at: Instant,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            left: REPORT_BURST,
            at: Instant::now(),
        }
    }
}

/// The last report that was taken.
pub(super) struct Reported {
    pub(super) at: Timestamp,
    pub(super) seen: Instant,
    pub(super) load: Load,
    pub(super) sessions: Arc<[HostSession]>,
}

/// All of it.
#[derive(Default)]
pub(super) struct Agent {
    pub(super) link: Option<Link>,
    /// When the link opened, or when it ended.
    pub(super) since: Option<Timestamp>,
    pub(super) hello: Option<AgentHello>,
    allowance: Allowance,
    pub(super) reported: Option<Reported>,
    pub(super) unmanaged: Arc<[HostSession]>,
    /// Whether `unmanaged` was ever found out: before, the host is not known well enough to be
    /// given a session.
    pub(super) is_judged: bool,
    pub(super) history: History,
    pub(super) refused: RefusedReports,
    pub(super) orders: BTreeMap<u64, oneshot::Sender<OrderOutcome>>,
    /// Checks that are under way; one at a time.
    pub(super) check: Option<WaitingCheck>,
    /// Paired probes that are under way.
    pub(super) pairs: WaitingPairs,
    /// A question for rules and listeners that is under way.
    pub(super) ports: Option<WaitingPorts>,
}

/// Reports that were not taken since this broker started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusedReports {
    /// How many.
    pub count: u64,
    /// Why the last one was not.
    pub last: Option<ReportRefused>,
}

impl RefusedReports {
    fn add(&mut self, refused: &ReportRefused) {
        self.count = self.count.saturating_add(1);
        self.last = Some(refused.clone());
    }
}

impl Link {
    pub(super) fn new(id: LinkId, seam: Arc<dyn AgentSeam>, peer: PeerIdentity) -> Self {
        Self {
            id,
            seam,
            peer,
            last_number: 0,
        }
    }

    /// Whether a report with this number may come now.
    fn admit(&self, number: u64) -> Result<(), ReportRefused> {
        let last = self.last_number;
        if number <= last {
            return Err(ReportRefused::OldNumber { number, last });
        }
        if number - last > REPORT_NUMBER_LEAP_MAX {
            return Err(ReportRefused::FutureNumber { number, last });
        }
        Ok(())
    }
}

impl Allowance {
    fn spend(&mut self, now: Instant) -> Result<(), ReportRefused> {
        let passed = now.saturating_duration_since(self.at);
        let more = passed.as_millis() / REPORT_GAP.as_millis();
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(more).min(REPORT_BURST);
            self.at = now;
        }
        self.left = self.left.checked_sub(1).ok_or(ReportRefused::TooOften)?;
        Ok(())
    }
}

impl Agent {
    /// Whether a report of link `id` may come now: what can be said before it is read. `number` is
    /// the one it says to have, if that is known yet.
    pub(super) fn admit(
        &mut self,
        host: &HostId,
        id: LinkId,
        number: Option<u64>,
    ) -> Result<(), ReportRefused> {
        let outcome = self.may_come(host, id, number);
        outcome.inspect_err(|refused| self.refused.add(refused))
    }

    /// Takes a report of link `id` that was admitted, and `checked`; gives the boot that it belongs
    /// to.
    pub(super) fn take(
        &mut self,
        host: &HostId,
        id: LinkId,
        checked: Result<&HostReport, SeenError>,
        at: Timestamp,
    ) -> Result<String, ReportRefused> {
        let outcome = self.is_good(host, id, checked);
        let (report, boot) = outcome.inspect_err(|refused| self.refused.add(refused))?;
        if let Some(link) = &mut self.link {
            link.last_number = report.number;
        }
        self.history.add(at, &report.load, report.sessions.len());
        let sessions = match &self.reported {
            Some(last) if *last.sessions == *report.sessions => Arc::clone(&last.sessions),
            _ => report.sessions.clone().into(),
        };
        self.reported = Some(Reported {
            at,
            seen: Instant::now(),
            load: report.load,
            sessions,
        });
        Ok(boot)
    }

    fn may_come(
        &mut self,
        host: &HostId,
        id: LinkId,
        number: Option<u64>,
    ) -> Result<(), ReportRefused> {
        // Before the allowance: what comes over a link that does not count takes none of it.
        self.the_link(host, id)?;
        self.allowance.spend(Instant::now())?;
        match number {
            Some(number) => self.the_link(host, id)?.admit(number),
            None => Ok(()),
        }
    }

    fn is_good<'a>(
        &self,
        host: &HostId,
        id: LinkId,
        checked: Result<&'a HostReport, SeenError>,
    ) -> Result<(&'a HostReport, String), ReportRefused> {
        // It may have been replaced while the report was read.
        let link = self.the_link(host, id)?;
        let report = checked?;
        link.admit(report.number)?;
        let hello = self.hello.as_ref();
        let hello = hello.ok_or_else(|| ReportRefused::NotTheLink { host: host.clone() })?;
        Ok((report, hello.boot.clone()))
    }

    fn the_link(&self, host: &HostId, id: LinkId) -> Result<&Link, ReportRefused> {
        let link = self.link.as_ref().filter(|link| link.id == id);
        link.ok_or_else(|| ReportRefused::NotTheLink { host: host.clone() })
    }

    /// The last report, while it is fresh.
    pub(super) fn fresh(&self) -> Option<&Reported> {
        let reported = self.reported.as_ref()?;
        let age = Instant::now().saturating_duration_since(reported.seen);
        (age < STALE_AFTER).then_some(reported)
    }

    /// Ends the link `id`, or whichever there is; orders on their way get no answer any more.
    pub(super) fn unlink(&mut self, id: Option<LinkId>, at: Timestamp) -> Option<Link> {
        let is_meant = self
            .link
            .as_ref()
            .is_some_and(|link| id.is_none_or(|id| link.id == id));
        if !is_meant {
            return None;
        }
        self.since = Some(at);
        self.orders.clear();
        self.check = None;
        self.pairs = WaitingPairs::default();
        self.ports = None;
        self.link.take()
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent")
            .field("link", &self.link.as_ref().map(|link| link.id))
            .field("hello", &self.hello)
            .finish_non_exhaustive()
    }
}
