//! Modes that operators set on hosts beside the one of the estate.

use std::sync::Arc;

use portico_brokering::{Action, authorize};
use portico_model::{HostId, estate::HostMode, people::Principal, seen::ModeSet};
use portico_store::{Op, Txn};

use super::{
    HostActError,
    approvals::{REASON_LEN_MAX, at_most},
    records, stricter,
};
use crate::{audit::Note, broker::Broker, documents};

impl Broker {
    /// Sets what `host` takes, or with `None` leaves it to the estate again. The stricter of the
    /// two counts, so a host that the estate keeps out cannot be enabled here.
    ///
    /// With `until_restart` it ends at the host's next start.
    pub async fn set_host_mode(
        &self,
        actor: &Principal,
        host: &HostId,
        mode: Option<HostMode>,
        reason: &str,
        until_restart: bool,
    ) -> Result<(), HostActError> {
        authorize(actor, Action::OperateHosts)?;
        at_most("the reason's length in bytes", reason.len(), REASON_LEN_MAX)?;
        let inner = &self.0;
        let wanted = inner.host(host).await?.mode;
        let set = match mode {
            None => None,
            Some(mode) => {
                let until_restart_of = match until_restart {
                    false => None,
                    true => Some(
                        inner
                            .hosts
                            .boot(host)
                            .ok_or_else(|| HostActError::BootUnknown { host: host.clone() })?,
                    ),
                };
                let set = ModeSet {
                    mode,
                    by: actor.user.as_str().to_owned(),
                    at: inner.clock.now(),
                    reason: reason.to_owned(),
                    until_restart_of,
                };
                if stricter(wanted, Some(&set)) != mode {
                    return Err(HostActError::EstateIsStricter {
                        host: host.clone(),
                        mode: wanted,
                    });
                }
                // It says nothing beside the estate's.
                (mode != HostMode::Enabled).then_some(set)
            }
        };
        let key = records::mode_key(host);
        let op = match &set {
            Some(set) => Op::put(&key, documents::write(&key, set)?),
            None => Op::delete(&key),
        };
        let outcome = inner.store.txn(Txn::of([op])).await?;
        let detail = serde_json::json!({
            "mode": mode, "reason": reason, "until_restart": until_restart,
        });
        let modes = &inner.agents.modes;
        modes.learn(host.as_str(), outcome.revision, set.map(Arc::new));
        inner
            .note(Note {
                detail,
                ..Note::by(actor, "host.mode", host.as_str())
            })
            .await;
        Ok(())
    }
}
