//! Looking at sessions, disconnecting and ending them.

use portico_brokering::{Action, Event, authorize, witness::kind_of};
use portico_model::{
    HostId, SessionId,
    estate::{Estate, Protocol},
    people::Principal,
    seen::{Order, OrderOutcome, SessionOnHost},
    session::{EndReason, Session, SessionState},
};
use portico_store::StoreError;

use crate::{
    agents::MESSAGE_LEN_MAX,
    audit::Note,
    broker::{Broker, Inner},
    directory::Moved,
    hosts::OrderError,
    log_off::can_log_off,
};

/// Why a session was not disconnected or ended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SessionActError {
    /// No such session, or none that this person may know of: not told apart.
    #[error("there is no such session")]
    NotFound,
    /// The store refused or did not answer.
    #[error("the session could not be read or written")]
    Store(#[from] StoreError),
    /// The agent of its host cannot be told.
    #[error("the agent of the session's host could not be told")]
    Order(#[from] OrderError),
    /// The text is too long.
    #[error("the text has {len} bytes; at most {MESSAGE_LEN_MAX} are shown")]
    TextTooLong {
        /// Its bytes.
        len: usize,
    },
    /// It cannot be shown there: without an agent nobody would show it, and a session that waits
    /// for its first connection shows nothing.
    #[error("nobody can be shown a text in this session")]
    NothingShown,
}

/// A session that was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Where it ran.
    pub host: HostId,
    /// Whether its programs may go on on the host: Portico has ended what it knows of, but nobody
    /// there can be told to log the user off.
    pub host_keeps_it: bool,
}

impl Broker {
    /// All sessions that are not over.
    pub async fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        let all = self.0.all_sessions().await?;
        let all = all.iter().map(|entry| Session::clone(&entry.session));
        Ok(all.filter(|session| session.state.is_running()).collect())
    }

    /// One session, also for a while after it ended.
    pub async fn session(&self, id: &SessionId) -> Result<Option<Session>, StoreError> {
        self.0.session(id).await
    }

    /// Closes the connection of a session; the session goes on. Their own anybody may, others'
    /// with a role.
    pub async fn disconnect(
        &self,
        actor: &Principal,
        id: &SessionId,
    ) -> Result<(), SessionActError> {
        let session = self.0.session_for(actor, id).await?;
        let reason = if session.user == actor.user {
            EndReason::UserDisconnected
        } else {
            EndReason::OperatorEnded
        };
        let moved = self
            .0
            .move_session(id, &Event::Disconnect { reason })
            .await?;
        if let Moved::To { before, .. } = moved {
            self.0.cut_on_host(&before).await;
        }
        self.0
            .note(about(&session, actor, "session.disconnect"))
            .await;
        Ok(())
    }

    /// Ends a session. Their own anybody may, others' with a role. Ending one that is over is no
    /// error.
    pub async fn end(&self, actor: &Principal, id: &SessionId) -> Result<Ended, SessionActError> {
        let session = self.0.session_for(actor, id).await?;
        let reason = if session.user == actor.user {
            EndReason::UserEnded
        } else {
            EndReason::OperatorEnded
        };
        // The program first: a viewer that is told "ended" must not see it run on.
        let program_ended = match session.protocol {
            Protocol::Ssh => self.0.gateways.end_terminal(id, reason).await,
            Protocol::Rdp => false,
        };
        let moved = self.0.move_session(id, &Event::End { reason }).await?;
        let was_used = match moved {
            Moved::To { before, .. } => !matches!(before.state, SessionState::Pending { .. }),
            Moved::Stayed { .. } | Moved::Unknown => false,
        };
        // Its agent is told now; if it cannot be told, later.
        self.0.send_log_off(&session.host, id).await?;
        self.0.note(about(&session, actor, "session.end")).await;
        let (_, estate) = self.0.estate().await?;
        let host_is_told = can_log_off(&estate, &session);
        let is_desktop = session.protocol == Protocol::Rdp;
        Ok(Ended {
            host: session.host,
            host_keeps_it: was_used && is_desktop && !program_ended && !host_is_told,
        })
    }

    /// Shows a text in a session. For those with a role.
    pub async fn message_session(
        &self,
        actor: &Principal,
        id: &SessionId,
        text: &str,
    ) -> Result<OrderOutcome, SessionActError> {
        let inner = &self.0;
        let session = inner.session(id).await?.ok_or(SessionActError::NotFound)?;
        if authorize(actor, Action::MessageSessions).is_err() || !session.state.is_running() {
            return Err(SessionActError::NotFound);
        }
        if text.len() > MESSAGE_LEN_MAX {
            return Err(SessionActError::TextTooLong { len: text.len() });
        }
        let (_, estate) = inner.estate().await?;
        let on_host = named_on_host(&estate, &session).ok_or(SessionActError::NothingShown)?;
        let order = Order::Message {
            session: Some(on_host),
            from: actor.display_name.clone(),
            text: text.to_owned(),
        };
        let outcome = inner.order(&session.host, order).await;
        let told = match &outcome {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        let note = about(&session, actor, "session.message");
        inner
            .note(Note {
                outcome: &told,
                ..note
            })
            .await;
        Ok(outcome?)
    }

    /// To be called when the engine's process has stopped by itself: its terminals are gone.
    pub async fn engine_stopped(&self) -> Result<(), StoreError> {
        for entry in self.0.all_sessions().await? {
            let session = &entry.session;
            let is_shell = session.protocol == Protocol::Ssh
                && matches!(
                    session.state,
                    SessionState::Active { .. } | SessionState::Disconnected { .. }
                );
            if is_shell {
                self.0
                    .move_session(&session.id, &Event::ProcessStopped)
                    .await?;
            }
        }
        Ok(())
    }
}

/// The directory forgets sessions; the audit log says whose it was.
fn about<'a>(session: &'a Session, actor: &'a Principal, action: &'a str) -> Note<'a> {
    Note {
        detail: serde_json::json!({
            "user": session.user, "resource": session.resource, "host": session.host,
        }),
        ..Note::by(actor, action, session.id.as_str())
    }
}

/// What a session is called on its host, where its agent can be told: it takes a name that the
/// agent gave, or a host that gives each account one session.
fn named_on_host(estate: &Estate, session: &Session) -> Option<SessionOnHost> {
    let is_there = !matches!(session.state, SessionState::Pending { .. });
    (is_there && can_log_off(estate, session)).then(|| SessionOnHost {
        key: session.on_host.as_ref().map(|seen| seen.key.clone()),
        account: session.account.clone(),
        kind: kind_of(session.protocol),
    })
}

impl Inner {
    /// Has the host cut a connection that no gateway here has, such as one of another broker's.
    async fn cut_on_host(&self, before: &Session) {
        let SessionState::Active { connection, .. } = &before.state else {
            return;
        };
        if before.protocol != Protocol::Rdp || self.has_connection(connection) {
            return;
        }
        let Ok((_, estate)) = self.estate().await else {
            return;
        };
        let Some(session) = named_on_host(&estate, before) else {
            return;
        };
        if let Err(error) = self
            .order(&before.host, Order::Disconnect { session })
            .await
        {
            tracing::info!(session_id = %before.id, %error, "The host was not told to disconnect");
        }
    }

    /// A session that `actor` may act on.
    async fn session_for(
        &self,
        actor: &Principal,
        id: &SessionId,
    ) -> Result<Session, SessionActError> {
        let session = self.session(id).await?.ok_or(SessionActError::NotFound)?;
        if session.user != actor.user && authorize(actor, Action::EndSessions).is_err() {
            return Err(SessionActError::NotFound);
        }
        Ok(session)
    }
}
