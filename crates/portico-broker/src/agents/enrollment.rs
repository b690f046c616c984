//! How a machine comes to the certificate of a host's agent, whatever carries the request.
//!
//! A first join is an operator's word by its token. A machine in the place of another, or another
//! key, waits for an operator, unless the token says that it need not.

mod changes;
mod rules;

use std::net::IpAddr;

use portico_identity::tokens;
use portico_model::{
    HostId, Secret, Timestamp,
    estate::{AgentMode, Host, HostMode},
    seen::ModeSet,
};
use portico_store::{Compare, Op, StoreError, Txn};
use portico_wire::agent::{EnrollmentAnswer, EnrollmentRequest};

use super::{
    AgentRecord, TRIES_MAX,
    machine_ca::{IssuedMachine, MachineCa},
    noted::Doer,
    records::{self, StoredToken, Used},
    tokens::token_id,
};
use crate::{
    audit::Note,
    broker::{Broker, Inner},
    documents,
    hosts::PeerIdentity,
};

use rules::{Decision, NEW_TOKEN, No, busy, check_renewal, decide_join, no_other_waits, no_token};

/// A machine that waits asks again after so long, in seconds.
const POLL_AFTER_S: u32 = 5;

/// Refusals of a join that only who has a token can get.
const AFTER_TOKEN: [&str; 5] = [
    "token-of-other-host",
    "token-used",
    "token-lapsed",
    "host-not-managed",
    "another-waits",
];

/// Who asks for a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnrollingPeer {
    /// Where it is.
    pub address: Option<IpAddr>,
    /// The certificate it showed, for a renewal.
    pub certificate: Option<PeerIdentity>,
}

/// One machine that asks with a token.
struct Join<'a> {
    host: &'a HostId,
    secret: &'a Secret,
    csr_der: &'a [u8],
    key_sha256: String,
    software: String,
    address: Option<IpAddr>,
}

impl Broker {
    /// Answers a request for a certificate.
    pub async fn enroll(
        &self,
        ca: &dyn MachineCa,
        request: EnrollmentRequest,
        peer: EnrollingPeer,
    ) -> EnrollmentAnswer {
        let inner = &self.0;
        let (action, host) = match &request {
            EnrollmentRequest::Join { host, .. } => ("agent.join", Some(host.clone())),
            EnrollmentRequest::Poll { host, .. } => ("agent.poll", Some(host.clone())),
            EnrollmentRequest::Renew { .. } => {
                let own = peer.certificate.as_ref();
                ("agent.renew", own.map(|peer| peer.host.clone()))
            }
        };
        let outcome = match request {
            EnrollmentRequest::Join {
                host,
                secret,
                csr_der,
                software,
            } => match ca.key_of(&csr_der) {
                Ok(key_sha256) => {
                    let join = Join {
                        host: &host,
                        secret: &secret,
                        csr_der: &csr_der,
                        key_sha256,
                        software,
                        address: peer.address,
                    };
                    inner.join(ca, &join).await
                }
                Err(error) => Err(error.into()),
            },
            EnrollmentRequest::Poll { host, csr_der } => inner.poll(ca, &host, &csr_der).await,
            EnrollmentRequest::Renew { csr_der } => inner.renew(ca, &csr_der, &peer).await,
        };
        let answer = match outcome {
            Ok(answer) => answer,
            Err(No {
                code,
                message,
                next_step,
            }) => EnrollmentAnswer::Refused {
                code: code.into(),
                message,
                next_step: next_step.into(),
            },
        };
        inner
            .note_enrollment(action, host.as_ref(), &answer, &peer)
            .await;
        answer
    }
}

impl Inner {
    async fn join(&self, ca: &dyn MachineCa, join: &Join<'_>) -> Result<EnrollmentAnswer, No> {
        let secret_sha256 = tokens::sha256_hex(join.secret.expose().as_bytes());
        for _ in 0..TRIES_MAX {
            let now = self.clock.now();
            let (token, token_revision) = self.usable_token(join, &secret_sha256, now).await?;
            // Not before the token: a stranger learns no names of hosts.
            let host = self.enrolling_host(join.host).await?;
            let (mut record, revision) = self.agent_record(join.host).await?;
            let decision = decide_join(&record, &token, &join.key_sha256, now)?;
            let is_first = !record.has_joined();
            let mut ops = vec![use_token(&token, join, now)?];
            let issued = match &decision {
                Decision::Issue(_) => {
                    let issued = ca.issue(join.csr_der, join.host, now)?;
                    record.issue(&issued, now);
                    Some(issued)
                }
                Decision::Wait => {
                    record.wait(&join.key_sha256, join.address, &join.software, now);
                    None
                }
            };
            let key = records::agent_key(join.host);
            ops.push(Op::put(&key, documents::write(&key, &record)?));
            let starts_in_drain =
                issued.is_some() && is_first && !token.enable && host.mode == HostMode::Enabled;
            let mode = starts_in_drain.then(|| first_mode(&token, now));
            if let Some(mode) = &mode {
                let key = records::mode_key(join.host);
                ops.push(Op::put(&key, documents::write(&key, mode)?));
            }
            let compare = [
                Compare::unchanged(token_key(&secret_sha256)?, token_revision),
                Compare::unchanged(&key, revision),
            ];
            let outcome = self.store.txn(Txn::when(compare, ops)).await?;
            if !outcome.succeeded {
                continue;
            }
            if let Some(mode) = mode {
                let mode = Some(std::sync::Arc::new(mode));
                self.agents
                    .modes
                    .learn(join.host.as_str(), outcome.revision, mode);
            }
            self.learn_agent(join.host, outcome.revision, record);
            return Ok(match issued {
                Some(issued) => {
                    if let Decision::Issue(because) = &decision {
                        tracing::info!(host_id = %join.host, ?because, "Agent has joined");
                    }
                    self.issued(issued, &host)
                }
                None => waiting(join.host),
            });
        }
        Err(busy(join.host))
    }

    /// Asks what became of a request that waited.
    async fn poll(
        &self,
        ca: &dyn MachineCa,
        id: &HostId,
        csr_der: &[u8],
    ) -> Result<EnrollmentAnswer, No> {
        let key_sha256 = ca.key_of(csr_der)?;
        // Whoever does not wait learns no names of hosts: the answer is the same for all.
        let not_waiting = || No {
            code: "not-waiting",
            message: format!("nobody with this key waits to be the agent of host {id}"),
            next_step: "an operator has rejected it, or a day has passed: join again with another token",
        };
        for _ in 0..TRIES_MAX {
            let now = self.clock.now();
            let (mut record, revision) = self.agent_record(id).await?;
            let own = record
                .waiting(now)
                .filter(|own| own.key_sha256 == key_sha256);
            let Some(own) = own else {
                return Err(not_waiting());
            };
            let host = self.enrolling_host(id).await?;
            if own.approved.is_none() {
                return Ok(waiting(id));
            }
            let issued = ca.issue(csr_der, id, now)?;
            record.issue(&issued, now);
            if self.write_record(id, revision, record).await? {
                return Ok(self.issued(issued, &host));
            }
        }
        Err(busy(id))
    }

    async fn renew(
        &self,
        ca: &dyn MachineCa,
        csr_der: &[u8],
        peer: &EnrollingPeer,
    ) -> Result<EnrollmentAnswer, No> {
        let Some(own) = &peer.certificate else {
            return Err(No {
                code: "no-certificate",
                message: "a renewal comes over a connection that shows the current certificate"
                    .into(),
                next_step: "update the agent, or join it again with a token",
            });
        };
        let key_sha256 = ca.key_of(csr_der)?;
        let id = &own.host;
        let host = self.enrolling_host(id).await?;
        for _ in 0..TRIES_MAX {
            let now = self.clock.now();
            let (mut record, revision) = self.agent_record(id).await?;
            check_renewal(&record, own, now)?;
            let issued = if key_sha256 == own.key_sha256 {
                let issued = ca.issue(csr_der, id, now)?;
                record.renew(&issued, own, now);
                Some(issued)
            } else {
                no_other_waits(&record, id, &key_sha256, now)?;
                record.wait(&key_sha256, peer.address, "", now);
                None
            };
            if self.write_record(id, revision, record).await? {
                return Ok(match issued {
                    Some(issued) => self.issued(issued, &host),
                    None => waiting(id),
                });
            }
        }
        Err(busy(id))
    }

    pub(super) async fn agent_record(
        &self,
        host: &HostId,
    ) -> Result<(AgentRecord, u64), StoreError> {
        let stored = self.store.get(&records::agent_key(host)).await?;
        documents::read_or_default(stored.as_ref())
    }

    /// False when somebody else wrote it meanwhile.
    async fn write_record(
        &self,
        host: &HostId,
        revision: u64,
        record: AgentRecord,
    ) -> Result<bool, StoreError> {
        let key = records::agent_key(host);
        let put = Op::put(&key, documents::write(&key, &record)?);
        let txn = Txn::when([Compare::unchanged(&key, revision)], [put]);
        let outcome = self.store.txn(txn).await?;
        if outcome.succeeded {
            self.learn_agent(host, outcome.revision, record);
        }
        Ok(outcome.succeeded)
    }

    async fn enrolling_host(&self, id: &HostId) -> Result<Host, No> {
        let (_, estate) = self.estate().await?;
        let host = estate.hosts.get(id);
        host.filter(|host| host.agent == AgentMode::Required)
            .cloned()
            .ok_or_else(|| No {
                code: "host-not-managed",
                message: format!("the estate has no host {id} with an agent"),
                next_step: "add the host to the estate with agent = \"required\"",
            })
    }

    /// The token of a secret, if this machine may use it.
    async fn usable_token(
        &self,
        join: &Join<'_>,
        secret_sha256: &str,
        now: Timestamp,
    ) -> Result<(StoredToken, u64), No> {
        let stored = self.store.get(&token_key(secret_sha256)?).await?;
        let stored = stored.ok_or_else(no_token)?;
        let token: StoredToken = documents::read(&stored)?;
        if !tokens::same(token.secret_sha256.as_bytes(), secret_sha256.as_bytes()) {
            return Err(no_token());
        }
        if token.host != *join.host {
            return Err(No {
                code: "token-of-other-host",
                message: format!("this join token is not for host {}", join.host),
                next_step: NEW_TOKEN,
            });
        }
        if let Some(used) = &token.used
            && used.key_sha256 != join.key_sha256
        {
            return Err(No {
                code: "token-used",
                message: "another machine has used this join token".into(),
                next_step: "if that was none of yours, shut it out with `portico hosts revoke`; then create another token",
            });
        }
        if token.expires_at <= now {
            return Err(No {
                code: "token-lapsed",
                message: "the time of this join token is over".into(),
                next_step: NEW_TOKEN,
            });
        }
        Ok((token, stored.mod_revision))
    }

    fn issued(&self, issued: IssuedMachine, host: &Host) -> EnrollmentAnswer {
        EnrollmentAnswer::Issued {
            chain_der: issued.chain_der,
            brokers: self.broker_addresses(),
            link: host.agent_link,
        }
    }

    async fn note_enrollment(
        &self,
        action: &'static str,
        host: Option<&HostId>,
        answer: &EnrollmentAnswer,
        peer: &EnrollingPeer,
    ) {
        let outcome = match answer {
            EnrollmentAnswer::Issued { .. } => "ok",
            EnrollmentAnswer::Waiting { .. } => "waiting",
            EnrollmentAnswer::Refused { code, .. } => code,
        };
        let name = host.map_or("", HostId::as_str);
        tracing::info!(host_id = name, action, outcome, address = ?peer.address, "Enrollment");
        // A machine that waits asks every few seconds.
        if action == "agent.poll" && outcome != "ok" {
            return;
        }
        let is_refused = matches!(answer, EnrollmentAnswer::Refused { .. });
        let doer = match host {
            Some(host) if peer.certificate.is_some() || !is_refused => Doer::Host(host),
            _ if AFTER_TOKEN.contains(&outcome) => Doer::HasToken,
            _ => Doer::Stranger,
        };
        if !self.agents.may_note(doer) {
            return;
        }
        self.note(Note {
            actor: "agent",
            action,
            object: name,
            outcome,
            client_address: peer.address,
            detail: serde_json::Value::Null,
        })
        .await;
    }
}

fn use_token(token: &StoredToken, join: &Join<'_>, now: Timestamp) -> Result<Op, No> {
    let used = StoredToken {
        used: Some(token.used.clone().unwrap_or_else(|| Used {
            key_sha256: join.key_sha256.clone(),
            at: now,
            address: join.address,
        })),
        ..token.clone()
    };
    let key = token_key(&token.secret_sha256)?;
    let value = documents::write(&key, &used)?;
    Ok(Op::put(key, value))
}

/// A new host takes no sessions until somebody has looked at it.
fn first_mode(token: &StoredToken, now: Timestamp) -> ModeSet {
    ModeSet {
        mode: HostMode::Drain,
        by: token.created_by.clone(),
        at: now,
        reason: "a new host: enable it when it is ready".into(),
        until_restart_of: None,
    }
}

fn token_key(secret_sha256: &str) -> Result<String, No> {
    let id = token_id(secret_sha256).ok_or_else(no_token)?;
    Ok(records::token_key(&id))
}

fn waiting(host: &HostId) -> EnrollmentAnswer {
    EnrollmentAnswer::Waiting {
        retry_after_s: POLL_AFTER_S,
        message: format!(
            "an operator must approve this machine: `portico hosts approve {host}`, or in the console under Agents"
        ),
    }
}
