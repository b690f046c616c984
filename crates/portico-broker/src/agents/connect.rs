//! Links of agents as the broker sees them, whatever carries them.

use std::sync::Arc;

use portico_identity::tokens;
use portico_model::{
    HostId,
    estate::AgentMode,
    seen::{AgentHello, HostReport, REPORT_EVERY_MS},
};
use portico_store::{Compare, Op, StoreError, Txn};
use portico_wire::agent::{BROKERS_MAX, DecodeError, ReportError};
use tokio::time::Instant;

use super::{
    AgentRecord, HostActError,
    records::{self, Standing},
};
use crate::{
    audit::Note,
    broker::{Broker, Inner},
    documents,
    hosts::{AgentSeam, LinkId, PeerIdentity, ReportRefused},
    port_checks::RecheckFrom,
};

/// An agent that is refused for a reason that only people can change may ask again after so long.
const REFUSED_RETRY_MS: u64 = 60_000;
/// Up to so much is added by lot.
const REFUSED_JITTER_MS: u64 = 30_000;
/// An agent whose record could not be read may ask again after so long.
const AWAY_RETRY_MS: u64 = 2_000;

/// The broker takes a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentWelcome {
    /// Name of the link, for what comes over it.
    pub link: LinkId,
    /// Time between two reports, in milliseconds.
    pub report_every_ms: u64,
    /// Link addresses of every broker, `host:port`.
    pub brokers: Vec<String>,
}

/// The broker does not take a link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AgentRefused {
    /// Which case, in kebab-case.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What somebody can do about it.
    pub next_step: String,
    /// Time before the next try, in milliseconds.
    pub retry_after_ms: u64,
}

impl Broker {
    /// A link is open and its certificate was checked by TLS; `hello` is the first message. When
    /// it is taken, it replaces the link there was.
    pub async fn agent_connected(
        &self,
        peer: &PeerIdentity,
        hello: AgentHello,
        link: Arc<dyn AgentSeam>,
    ) -> Result<AgentWelcome, AgentRefused> {
        let outcome = self.0.connect(peer, hello, link).await;
        match &outcome {
            Ok(welcome) => {
                tracing::info!(host_id = %peer.host, link = %welcome.link, "Agent is connected");
                self.0.recheck_ports(&peer.host, RecheckFrom::There);
            }
            Err(refused) => {
                tracing::info!(host_id = %peer.host, code = refused.code, error = %refused, "Agent is refused");
            }
        }
        outcome
    }

    /// A report came over a link.
    pub async fn agent_report(
        &self,
        host: &HostId,
        link: LinkId,
        report: HostReport,
    ) -> Result<(), ReportRefused> {
        let number = Some(report.number);
        let taken = self.read_report(host, link, number, || Ok::<_, ReportError>(report));
        match taken.await {
            Ok(taken) => taken,
            // It was read before.
            Err(_decode) => Ok(()),
        }
    }

    /// A report came over a link, and nobody has read it yet. `read` does, when it may come now:
    /// one that comes too often must not cost the time to read it. `number` is what its head says.
    ///
    /// # Errors
    /// [`DecodeError`] of `read`: the link ends. A report that is refused is counted, and the link
    /// goes on.
    pub(super) async fn read_report(
        &self,
        host: &HostId,
        link: LinkId,
        number: Option<u64>,
        read: impl FnOnce() -> Result<HostReport, ReportError>,
    ) -> Result<Result<(), ReportRefused>, DecodeError> {
        let refused = |error: &ReportRefused| {
            tracing::debug!(host_id = %host, %error, "Report is refused");
        };
        let inner = &self.0;
        let admitted = inner.hosts.admit_report(host, link, number);
        if let Err(error) = admitted.inspect_err(refused) {
            return Ok(Err(error));
        }
        let report = match read() {
            Ok(report) => report.check().map(|()| report),
            Err(ReportError::TooMany(wrong)) => Err(wrong),
            Err(ReportError::Decode(error)) => return Err(error),
        };
        let checked = report.as_ref().map_err(Clone::clone);
        let now = inner.clock.now();
        let taken = inner.hosts.take_report(host, link, checked, now);
        let boot = match taken.inspect_err(refused) {
            Ok(boot) => boot,
            Err(error) => return Ok(Err(error)),
        };
        let sessions = report.map(|report| report.sessions).unwrap_or_default();
        match inner.witness(host, &boot, &sessions).await {
            Ok(unmanaged) => inner.hosts.set_unmanaged(host, unmanaged),
            // The next report brings it again.
            Err(error) => {
                tracing::warn!(host_id = %host, %error, "Sessions of a report were not taken");
            }
        }
        Ok(Ok(()))
    }

    /// A link ended.
    pub fn agent_gone(&self, host: &HostId, link: LinkId, why: &str) {
        let now = self.0.clock.now();
        if self.0.hosts.unlink(host, Some(link), now).is_some() {
            tracing::info!(host_id = %host, %link, why, "Agent is gone");
        }
    }
}

impl Inner {
    async fn connect(
        &self,
        peer: &PeerIdentity,
        hello: AgentHello,
        link: Arc<dyn AgentSeam>,
    ) -> Result<AgentWelcome, AgentRefused> {
        let lot = tokens::u64_of(&*self.chance).unwrap_or(0);
        let refuse = |code: &str, message: String, next_step: &str| AgentRefused {
            code: code.into(),
            message,
            next_step: next_step.into(),
            retry_after_ms: REFUSED_RETRY_MS + lot.checked_rem(REFUSED_JITTER_MS).unwrap_or(0),
        };
        let host = &peer.host;
        if hello.host != *host {
            return Err(refuse(
                "other-host",
                format!(
                    "the agent says that it is {}, and its certificate is for {host}",
                    hello.host
                ),
                "join the agent again with a token of its own host",
            ));
        }
        if let Err(error) = hello.check() {
            return Err(refuse(
                "bad-hello",
                error.to_string(),
                "update the agent, or report this as a fault of it",
            ));
        }
        self.let_in(peer, &hello, lot, refuse).await?;
        if let Err(error) = self.take_hello(host, &hello).await {
            // Without it the host is only less well known: it reports, and that counts.
            tracing::warn!(host_id = %host, %error, "What an agent said of itself was not kept");
        }
        let brokers = self.broker_addresses();
        let (id, former) = self.hosts.link(peer, hello, link, self.clock.now());
        if let Some(former) = former {
            former.close("another link of this host took its place");
        }
        // Somebody may have taken the right away while the hello was kept.
        self.enforce(host);
        Ok(AgentWelcome {
            link: id,
            report_every_ms: REPORT_EVERY_MS,
            brokers,
        })
    }

    /// Whether the agent may link now, by the estate, by its record and by its pace.
    async fn let_in(
        &self,
        peer: &PeerIdentity,
        hello: &AgentHello,
        lot: u64,
        refuse: impl Fn(&str, String, &str) -> AgentRefused + Copy,
    ) -> Result<(), AgentRefused> {
        let host = &peer.host;
        let away = |error: StoreError| AgentRefused {
            retry_after_ms: AWAY_RETRY_MS + lot.checked_rem(AWAY_RETRY_MS).unwrap_or(0),
            ..refuse(
                "store-away",
                format!("the broker cannot read its records: {error}"),
                "look at the broker's store; the agent comes again by itself",
            )
        };
        self.agents_loaded().await.map_err(away)?;
        let (_, estate) = self.estate().await.map_err(away)?;
        let is_managed = estate
            .hosts
            .get(host)
            .is_some_and(|host| host.agent == AgentMode::Required);
        if !is_managed {
            return Err(refuse(
                "host-not-managed",
                format!("the estate has no host {host} with an agent"),
                "add the host to the estate with agent = \"required\", or remove the agent",
            ));
        }
        // Who has no right takes no place at the gate. What this broker remembers is asked first,
        // so that agents that come back all at once do not cost the store anything here.
        let now = self.clock.now();
        let known = self.agents.records.get(host.as_str());
        let is_known = known.is_some_and(|record| {
            let standing = record.standing(peer, now);
            matches!(standing, Standing::Current | Standing::Former)
        });
        if !is_known {
            let record = self.record(host).await.map_err(away)?;
            self.has_right(peer, &record, refuse)?;
        }
        let admitted = self.agents.gate().admit(host, Instant::now(), lot);
        if let Err(wait) = admitted {
            return Err(AgentRefused {
                retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                ..refuse(
                    "busy",
                    "many agents connect at once, or this one too often".into(),
                    "nothing: the agent comes again by itself",
                )
            });
        }
        let record = self.record(host).await.map_err(away)?;
        self.has_right(peer, &record, refuse)?;
        if let Some(wait_ms) = record.identities_wait_ms(&hello.identities, self.clock.now()) {
            return Err(AgentRefused {
                retry_after_ms: wait_ms.saturating_add(lot.checked_rem(AWAY_RETRY_MS).unwrap_or(0)),
                ..refuse(
                    "identities-too-often",
                    "the host shows other identities for the second time in a short time".into(),
                    "nothing: the agent comes again by itself",
                )
            });
        }
        Ok(())
    }

    /// The record of an agent as the store has it now.
    async fn record(&self, host: &HostId) -> Result<AgentRecord, StoreError> {
        let stored = self.store.get(&records::agent_key(host)).await?;
        let (record, revision): (AgentRecord, u64) = documents::read_or_default(stored.as_ref())?;
        if revision > 0 {
            let known = Some(Arc::new(record.clone()));
            self.agents.records.learn(host.as_str(), revision, known);
        }
        Ok(record)
    }

    fn has_right(
        &self,
        peer: &PeerIdentity,
        record: &AgentRecord,
        refuse: impl Fn(&str, String, &str) -> AgentRefused,
    ) -> Result<(), AgentRefused> {
        let (host, now) = (&peer.host, self.clock.now());
        let again = "create a join token with `portico tokens create` and join the agent again";
        match record.standing(peer, now) {
            Standing::Current => Ok(()),
            Standing::Former => {
                let open = self.hosts.peer(host);
                let newer = open.is_some_and(|open| {
                    record.standing(&open, now) == Standing::Current && open != *peer
                });
                if newer {
                    return Err(refuse(
                        "not-current",
                        format!("host {host} is linked with a newer certificate"),
                        "stop the second agent that runs as this host",
                    ));
                }
                Ok(())
            }
            Standing::Revoked => Err(refuse(
                "revoked",
                format!("the agent of host {host} was shut out by an operator"),
                "create a join token with `portico tokens create --rejoin` if it shall come back",
            )),
            Standing::Expired => Err(refuse(
                "expired",
                "the agent's certificate has lapsed".into(),
                again,
            )),
            Standing::Foreign => Err(refuse(
                "not-enrolled",
                format!("this certificate is none that the agent of host {host} has"),
                again,
            )),
        }
    }

    /// Keeps the identities that an agent told, and ends a mode that was set until this restart.
    async fn take_hello(&self, host: &HostId, hello: &AgentHello) -> Result<(), HostActError> {
        self.take_identities(host, &hello.identities).await?;
        let Some(set) = self.agents.modes.get(host.as_str()) else {
            return Ok(());
        };
        let is_over = set
            .until_restart_of
            .as_ref()
            .is_some_and(|boot| *boot != hello.boot);
        if !is_over {
            return Ok(());
        }
        let key = records::mode_key(host);
        let Some(stored) = self.store.get(&key).await? else {
            return Ok(());
        };
        // Only the very mode that was looked at.
        if documents::read::<portico_model::seen::ModeSet>(&stored)? != *set {
            return Ok(());
        }
        let compare = [Compare::unchanged(&key, stored.mod_revision)];
        let outcome = self
            .store
            .txn(Txn::when(compare, [Op::delete(&key)]))
            .await?;
        if outcome.succeeded {
            let modes = &self.agents.modes;
            modes.learn(host.as_str(), outcome.revision, None);
            self.note(Note {
                actor: "broker",
                action: "host.mode",
                object: host.as_str(),
                outcome: "ok",
                client_address: None,
                detail: serde_json::json!({
                    "mode": "estate", "reason": "the host has restarted",
                }),
            })
            .await;
        }
        Ok(())
    }

    /// Link addresses of every broker, this one's first.
    pub(super) fn broker_addresses(&self) -> Vec<String> {
        let own = self.agents.served();
        let mut addresses = own.map(|own| own.advertise.link).unwrap_or_default();
        for (_, other) in self.agents.brokers.all() {
            for address in &other.link {
                if !addresses.contains(address) {
                    addresses.push(address.clone());
                }
            }
        }
        addresses.truncate(BROKERS_MAX);
        addresses
    }
}
