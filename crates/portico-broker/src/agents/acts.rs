//! Orders that operators give to hosts.

use portico_brokering::{Action, authorize};
use portico_model::{
    HostId,
    people::Principal,
    seen::{Order, OrderOutcome},
};

use super::{HostActError, approvals::at_most};
use crate::{audit::Note, broker::Broker};

/// Longest text to people, in bytes.
pub const MESSAGE_LEN_MAX: usize = 1_000;
/// Longest time before a restart, in seconds.
pub const RESTART_AFTER_MAX_S: u32 = 24 * 3_600;

impl Broker {
    /// Shows a text to everybody on a host.
    pub async fn message_host(
        &self,
        actor: &Principal,
        host: &HostId,
        text: &str,
    ) -> Result<OrderOutcome, HostActError> {
        at_most("the text's length in bytes", text.len(), MESSAGE_LEN_MAX)?;
        let order = Order::Message {
            session: None,
            from: actor.display_name.clone(),
            text: text.to_owned(),
        };
        let detail = serde_json::json!({ "text": text });
        self.host_order(actor, host, order, "host.message", detail)
            .await
    }

    /// Restarts a host after `after_s` seconds; people there are told `text`.
    pub async fn restart_host(
        &self,
        actor: &Principal,
        host: &HostId,
        after_s: u32,
        text: &str,
    ) -> Result<OrderOutcome, HostActError> {
        at_most("the text's length in bytes", text.len(), MESSAGE_LEN_MAX)?;
        let to_usize = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        at_most(
            "the time before the restart in seconds",
            to_usize(after_s),
            to_usize(RESTART_AFTER_MAX_S),
        )?;
        let order = Order::Restart {
            after_s,
            text: text.to_owned(),
        };
        let detail = serde_json::json!({ "after_s": after_s, "text": text });
        self.host_order(actor, host, order, "host.restart", detail)
            .await
    }

    /// Proves from `host` that `target` answers in its protocol. Where to probe comes from the
    /// estate only.
    pub async fn probe_from(
        &self,
        actor: &Principal,
        host: &HostId,
        target: &HostId,
    ) -> Result<OrderOutcome, HostActError> {
        authorize(actor, Action::OperateHosts)?;
        let to = self.0.host(target).await?;
        let order = Order::Probe {
            protocol: to.protocol,
            address: to.address,
            port: to.port,
        };
        let detail = serde_json::json!({ "target": target });
        self.host_order(actor, host, order, "host.probe", detail)
            .await
    }

    async fn host_order(
        &self,
        actor: &Principal,
        host: &HostId,
        order: Order,
        action: &'static str,
        detail: serde_json::Value,
    ) -> Result<OrderOutcome, HostActError> {
        authorize(actor, Action::OperateHosts)?;
        self.0.managed_host(host).await?;
        let outcome = self.0.order(host, order).await;
        let text = match &outcome {
            Ok(OrderOutcome::Done { .. } | OrderOutcome::Identities { .. }) => "ok".to_owned(),
            Ok(OrderOutcome::NotFound) => "not found".to_owned(),
            Ok(OrderOutcome::Failed { .. }) => "failed".to_owned(),
            Ok(OrderOutcome::NotSupported { .. }) => "not supported".to_owned(),
            Err(error) => error.to_string(),
        };
        self.0
            .note(Note {
                outcome: &text,
                detail,
                ..Note::by(actor, action, host.as_str())
            })
            .await;
        Ok(outcome?)
    }
}
