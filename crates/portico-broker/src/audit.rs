//! What the broker writes into the journal. A journal that cannot be written stops nobody's work;
//! it is an error in the log.

use std::net::IpAddr;

use portico_model::{people::Principal, session::Session};
use portico_store::{AuditEntry, SessionEvent, SessionEventKind};

use crate::broker::Inner;

/// A line of the audit log, without its time.
pub(crate) struct Note<'a> {
    pub(crate) actor: &'a str,
    pub(crate) action: &'a str,
    pub(crate) object: &'a str,
    pub(crate) outcome: &'a str,
    pub(crate) client_address: Option<IpAddr>,
    pub(crate) detail: serde_json::Value,
}

impl<'a> Note<'a> {
    pub(crate) fn by(principal: &'a Principal, action: &'a str, object: &'a str) -> Self {
        Self {
            actor: principal.user.as_str(),
            action,
            object,
            outcome: "ok",
            client_address: principal.client_address,
            detail: serde_json::Value::Null,
        }
    }
}

impl Inner {
    pub(crate) async fn note(&self, note: Note<'_>) {
        let entry = AuditEntry {
            at: self.clock.now(),
            actor: note.actor.to_owned(),
            action: note.action.to_owned(),
            object: note.object.to_owned(),
            outcome: note.outcome.to_owned(),
            client_address: note.client_address,
            detail: note.detail,
        };
        if let Err(error) = self.journal.append_audit(entry).await {
            tracing::error!(%error, action = note.action, "Audit log was not written");
        }
    }

    pub(crate) async fn session_history(&self, session: &Session, kind: SessionEventKind) {
        let event = SessionEvent {
            at: self.clock.now(),
            session: session.id.clone(),
            user: session.user.clone(),
            resource: session.resource.clone(),
            host: session.host.clone(),
            kind,
        };
        if let Err(error) = self.journal.session_event(event).await {
            tracing::error!(%error, session_id = %session.id, "Session history was not written");
        }
    }
}
