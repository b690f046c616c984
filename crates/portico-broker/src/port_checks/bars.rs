//! What keeps new sessions from hosts: flows of this process to their protocol that do not work.
//!
//! A host without agent is probed every few seconds, and that counts. Of a host with agent the
//! agent tells that it lives; whether the gateway reaches it, only these checks tell.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use portico_model::{HostId, Timestamp, estate::Host};
use portico_net::flows::{ENGINE_HOST_SSH, GATEWAY_HOST_RDP, GATEWAY_HOST_SSH_PROBE};

use super::records::{CheckedRow, PairRecord, is_failure, verdict_of};

/// Flows without which nobody gets into a session.
pub(super) const NEEDED: [portico_net::FlowId; 3] =
    [GATEWAY_HOST_RDP, GATEWAY_HOST_SSH_PROBE, ENGINE_HOST_SSH];

/// The hosts that cannot be reached, as far as the last checks tell.
#[derive(Debug, Default)]
pub(crate) struct Bars(Mutex<BTreeMap<HostId, Vec<Bar>>>);

/// A flow that does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bar {
    from: HostId,
    address: String,
    port: u16,
    detail: String,
    /// What nobody has checked anew by then is too old to keep anybody away.
    until: Timestamp,
}

impl Bars {
    /// Takes the record of the flows `from` this process `to` a host. What it says counts for
    /// `life_ms`.
    pub(crate) fn take(&self, from: &HostId, to: &HostId, record: &PairRecord, life_ms: i64) {
        let found: Vec<Bar> = record
            .rows
            .iter()
            .filter(|row| NEEDED.iter().any(|flow| flow.as_str() == row.key.flow))
            .filter(|row| verdict_of(&row.verdict).is_some_and(is_failure))
            .map(|row| Bar::of(from, row, life_ms))
            .collect();
        let mut bars = self.lock();
        let known = bars.entry(to.clone()).or_default();
        known.retain(|bar| bar.from != *from);
        known.extend(found);
        if known.is_empty() {
            bars.remove(to);
        }
    }

    /// Why a new session does not come to `host`; `None` when nothing is known against it.
    pub(crate) fn why(&self, id: &HostId, host: &Host, now: Timestamp) -> Option<String> {
        let bars = self.lock();
        let mut bars = bars.get(id)?.iter();
        let bar = bars
            .find(|bar| bar.address == host.address && bar.port == host.port && now < bar.until);
        bar.map(|bar| bar.detail.clone())
    }

    /// Forgets everything: this process may be another host of the estate now.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<HostId, Vec<Bar>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bar {
    fn of(from: &HostId, row: &CheckedRow, life_ms: i64) -> Self {
        let key = &row.key;
        Self {
            from: from.clone(),
            address: key.address.clone(),
            port: key.port,
            detail: format!("{} (seen from {from}, flow {})", row.evidence, key.flow),
            until: row.checked_at.plus_ms(life_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use portico_probe::check::Verdict;

    use super::*;
    use crate::port_checks::records::{Found, RowKey};

    fn record(flow: &str, verdict: Verdict, at: Timestamp) -> PairRecord {
        let key = RowKey {
            flow: flow.into(),
            address: "192.0.2.1".into(),
            port: 3389,
        };
        let found = Found {
            verdict,
            evidence: "nothing listens".into(),
            next_step: None,
            clue: None,
            took_ms: 1,
        };
        let mut record = PairRecord::default();
        record.take(&[(key, found)], |_| true, at);
        record
    }

    #[test]
    fn a_host_is_kept_away_from_while_its_protocol_fails_and_the_check_is_young() {
        const RDP: &str = "portico.gateway-host-rdp";
        let (bars, at) = (Bars::default(), Timestamp::from_unix_ms(1_000));
        let (gate, sh1) = (HostId::new("gate").unwrap(), HostId::new("sh1").unwrap());
        let text = "version = 1\n[[pools]]\nid = \"p\"\ntitle = \"P\"\n[[hosts]]\nid = \"sh1\"\n\
            pool = \"p\"\naddress = \"192.0.2.1\"\nprotocol = \"rdp\"\nagent = \"required\"\n";
        let mut host = portico_estate::parse("e", text).unwrap().estate.hosts[&sh1].clone();
        let look = |flow, verdict, host: &Host, now| {
            bars.take(&gate, &sh1, &record(flow, verdict, at), 500);
            bars.why(&sh1, host, now)
        };
        let why = look(RDP, Verdict::Refused, &host, at).unwrap();
        assert!(
            why.contains("nothing listens") && why.contains("from gate"),
            "{why}"
        );
        assert_eq!(look(RDP, Verdict::Refused, &host, at.plus_ms(500)), None);
        assert_eq!(look(RDP, Verdict::Proven, &host, at), None);
        assert_eq!(look(RDP, Verdict::ReachableNotProven, &host, at), None);
        let other = "portico.broker-agent-link";
        assert_eq!(look(other, Verdict::Refused, &host, at), None);
        host.port = 3390;
        assert_eq!(look(RDP, Verdict::Refused, &host, at), None);
    }
}
