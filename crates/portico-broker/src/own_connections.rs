//! This broker's open connections against the directory. A session can be taken over, disconnected
//! or ended through another broker, which cannot close a connection in this one's gateways; and a
//! broker that was taken for stopped by mistake says that its connections are open after all.

use portico_brokering::{
    Event,
    life_cycle::{Close, HostWord},
};
use portico_model::{
    ConnectionId, SessionId,
    session::{EndReason, Session, SessionState},
};
use portico_store::StoreError;

use crate::broker::{Broker, Inner};

/// What becomes of an open connection.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is the session's present one.
    Stays,
    /// The directory does not believe that it is open.
    Insists,
    /// Somebody else decided otherwise.
    Closes(Close),
}

impl Broker {
    /// Closes the connections that are not their session's present one any more, and tells the
    /// directory of those that it lost.
    pub(crate) async fn compare_connections(&self) -> Result<(), StoreError> {
        let inner = &self.0;
        inner.freshen().await?;
        let told = inner.connections().all_told();
        for (connection, id) in told {
            let stays = {
                let index = inner.index();
                let session = index.session(&id).map(|entry| &*entry.session);
                fate(session, &connection) == Fate::Stays
            };
            if !stays {
                inner.settle_connection(&connection, &id).await?;
            }
        }
        Ok(())
    }
}

impl Inner {
    /// The index may be behind, so the store has the last word.
    async fn settle_connection(
        &self,
        connection: &ConnectionId,
        id: &SessionId,
    ) -> Result<(), StoreError> {
        match fate(self.session(id).await?.as_ref(), connection) {
            Fate::Stays => {}
            Fate::Closes(close) => self.close(Some(close)),
            Fate::Insists => {
                let Some(known) = self.connections().get(connection).cloned() else {
                    return Ok(());
                };
                let opened = Event::Opened {
                    connection: connection.clone(),
                    client_address: known.client_address,
                    reconnect_grant_hash: known.reconnect_grant_hash,
                    holder: self.id.clone(),
                };
                tracing::info!(session_id = %id, "The directory is told again of an open connection");
                self.move_session(id, &opened).await?;
                if !self.has_connection(connection) {
                    // It closed meanwhile, and its report may have come before.
                    let closed = Event::Closed {
                        connection: connection.clone(),
                        reason: EndReason::ClientLost,
                        host_word: HostWord::None,
                    };
                    self.move_session(id, &closed).await?;
                }
            }
        }
        Ok(())
    }
}

/// What `session`, as the directory has it, says about its open connection.
fn fate(session: Option<&Session>, connection: &ConnectionId) -> Fate {
    let closes = |reason, by| {
        Fate::Closes(Close {
            connection: connection.clone(),
            reason,
            by,
        })
    };
    match session.map(|session| &session.state) {
        Some(SessionState::Active {
            connection: present,
            client_address,
        }) if present != connection => closes(EndReason::TakenOver, *client_address),
        Some(SessionState::Active { .. } | SessionState::Pending { .. }) => Fate::Stays,
        Some(SessionState::Disconnected {
            reason: EndReason::ProcessStopped,
        }) => Fate::Insists,
        Some(SessionState::Disconnected { reason } | SessionState::Ended { reason }) => {
            closes(*reason, None)
        }
        None => closes(EndReason::ProcessStopped, None),
    }
}

#[cfg(test)]
mod tests {
    use portico_model::{HostId, PoolId, ResourceId, Timestamp, UserId, estate::Protocol};

    use super::*;

    fn session(state: SessionState) -> Session {
        Session {
            id: SessionId::from_random(1),
            user: UserId::new("ina").unwrap(),
            resource: ResourceId::new("desktop").unwrap(),
            pool: PoolId::new("pool").unwrap(),
            host: HostId::new("sh1").unwrap(),
            account: "ina".into(),
            protocol: Protocol::Rdp,
            created_at: Timestamp::default(),
            state,
            state_since: Timestamp::default(),
            reconnect_grant_hash: String::new(),
            last_client: None,
            on_host: None,
            holder: None,
        }
    }

    #[test]
    fn an_open_connection_follows_what_other_brokers_decided() {
        let mine = ConnectionId::from_random(1);
        let by = Some([10, 0, 0, 9].into());
        let active = |connection| SessionState::Active {
            connection,
            client_address: by,
        };
        let closes = |reason, by| {
            let connection = mine.clone();
            Fate::Closes(Close {
                connection,
                reason,
                by,
            })
        };
        let taken_over = active(ConnectionId::from_random(2));
        let disconnected = |reason| SessionState::Disconnected { reason };
        let ended = SessionState::Ended {
            reason: EndReason::UserEnded,
        };
        for (state, expected) in [
            (active(mine.clone()), Fate::Stays),
            (taken_over, closes(EndReason::TakenOver, by)),
            (disconnected(EndReason::ProcessStopped), Fate::Insists),
            (
                disconnected(EndReason::UserDisconnected),
                closes(EndReason::UserDisconnected, None),
            ),
            (ended, closes(EndReason::UserEnded, None)),
        ] {
            assert_eq!(fate(Some(&session(state)), &mine), expected);
        }
        assert_eq!(fate(None, &mine), closes(EndReason::ProcessStopped, None));
    }
}
