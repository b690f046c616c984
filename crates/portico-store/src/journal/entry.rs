//! What is written to the journal and what is asked of it.

use std::net::IpAddr;

use portico_model::{
    ConnectionId, HostId, ResourceId, SessionId, Timestamp, UserId,
    session::{ConnectionEventKind, SessionState},
};
use serde::{Deserialize, Serialize};

use super::chain::AuditHash;
use crate::limits::{AUDIT_DETAIL_LEN_MAX, AUDIT_TEXT_LEN_MAX, PAGE_LEN_MAX};

/// Something somebody did or was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When, by the wall clock. The order of records is the order they were appended in, whatever
    /// the clock said.
    pub at: Timestamp,
    /// Who: a user, or a part of portico.
    pub actor: String,
    /// What, such as `sign-in.ok`, `estate.apply` or `launch.placed`.
    pub action: String,
    /// To what.
    pub object: String,
    /// How it ended, such as `ok` or `refused`.
    pub outcome: String,
    /// Where the client was.
    pub client_address: Option<IpAddr>,
    /// More, without secrets.
    pub detail: serde_json::Value,
}

impl AuditEntry {
    /// The entry within the limits: an entry is never lost for being long, as its texts may come
    /// from an attacker. Texts are cut, a detail that is too long is replaced by a note.
    pub(super) fn within_limits(mut self) -> Self {
        for text in [
            &mut self.actor,
            &mut self.action,
            &mut self.object,
            &mut self.outcome,
        ] {
            cut(text);
        }
        let len = self.detail.to_string().len();
        if len > AUDIT_DETAIL_LEN_MAX {
            self.detail = serde_json::json!({ "left_out": "too long", "len": len });
        }
        self
    }
}

fn cut(text: &mut String) {
    const MARK: char = '…';
    if text.len() > AUDIT_TEXT_LEN_MAX {
        text.truncate(text.floor_char_boundary(AUDIT_TEXT_LEN_MAX - MARK.len_utf8()));
        text.push(MARK);
    }
}

/// An entry with its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditRecord {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// The entry.
    #[serde(flatten)]
    pub entry: AuditEntry,
    /// SHA-256 over the hash of the record before and this one.
    pub hash: AuditHash,
}

/// Which audit records to list, newest first. Conditions that are given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AuditQuery {
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only actions that begin so.
    pub action: Option<String>,
    /// Only about this object.
    pub object: Option<String>,
    /// Only at or after this time.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
    /// Only records with a lower number: what [`AuditPage::next`] of the page before said.
    pub before: Option<u64>,
    /// Most records; 0, or more than the limit of a page, means that limit.
    pub limit: usize,
}

/// A page of audit records.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditPage {
    /// The records, newest first.
    pub records: Vec<AuditRecord>,
    /// What to give as `before` for the next page; `None`: this is the last.
    pub next: Option<u64>,
}

/// Something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// When.
    pub at: Timestamp,
    /// Which session.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// What was launched.
    pub resource: ResourceId,
    /// Where it runs.
    pub host: HostId,
    /// What happened.
    #[serde(flatten)]
    pub kind: SessionEventKind,
}

/// What happened to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SessionEventKind {
    /// It was launched.
    Created {
        /// Where the client was.
        client_address: Option<IpAddr>,
    },
    /// It came to another state; the reason, where there is one, is part of it.
    StateChanged {
        /// The state.
        to: SessionState,
    },
    /// Something happened to one of its connections; bytes are counted when it closes.
    Connection {
        /// Which one.
        connection: ConnectionId,
        /// What.
        #[serde(flatten)]
        event: ConnectionEventKind,
    },
}

/// A session event with its place in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionRecord {
    /// Its number, rising.
    pub seq: u64,
    /// The event.
    #[serde(flatten)]
    pub event: SessionEvent,
}

/// Which session events to list, newest first. Conditions that are given must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// Only of this user.
    pub user: Option<UserId>,
    /// Only of this session.
    pub session: Option<SessionId>,
    /// Only at or after this time.
    pub from: Option<Timestamp>,
    /// Only before this time.
    pub until: Option<Timestamp>,
    /// Only events with a lower number: what [`SessionPage::next`] of the page before said.
    pub before: Option<u64>,
    /// Most events; 0, or more than the limit of a page, means that limit.
    pub limit: usize,
}

/// A page of session events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionPage {
    /// The events, newest first.
    pub records: Vec<SessionRecord>,
    /// What to give as `before` for the next page; `None`: this is the last.
    pub next: Option<u64>,
}

/// Length of a page for what was asked.
pub(super) fn page_len(asked: usize) -> usize {
    match asked {
        0 => PAGE_LEN_MAX,
        some => some.min(PAGE_LEN_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_too_long_is_cut_and_says_so() {
        let entry = AuditEntry {
            at: Timestamp::default(),
            actor: "é".repeat(AUDIT_TEXT_LEN_MAX),
            action: "a".repeat(AUDIT_TEXT_LEN_MAX),
            object: String::new(),
            outcome: String::new(),
            client_address: None,
            detail: "d".repeat(AUDIT_DETAIL_LEN_MAX).into(),
        }
        .within_limits();
        assert!(entry.actor.len() <= AUDIT_TEXT_LEN_MAX && entry.actor.ends_with("é…"));
        assert_eq!(entry.action.len(), AUDIT_TEXT_LEN_MAX);
        assert!(!entry.action.ends_with('…'));
        assert_eq!(entry.detail["len"], AUDIT_DETAIL_LEN_MAX + 2);
    }

    #[test]
    fn a_session_event_survives_its_json() {
        let event = SessionEvent {
            at: Timestamp::from_unix_ms(7),
            session: SessionId::from_random(1),
            user: UserId::new("anna").unwrap(),
            resource: ResourceId::new("desktop").unwrap(),
            host: HostId::new("sh1").unwrap(),
            kind: SessionEventKind::Connection {
                connection: ConnectionId::from_random(2),
                event: ConnectionEventKind::Closed {
                    reason: portico_model::session::EndReason::ClientLost,
                    bytes_down: 1,
                    bytes_up: 2,
                    exit_status: None,
                },
            },
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<SessionEvent>(&json).unwrap(), event);
    }
}
