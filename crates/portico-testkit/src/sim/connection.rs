//! A connection through a gateway: from its grant to its end, and what the broker is told of it.

use std::{sync::Arc, time::Duration};

use portico_model::{
    grant::ChannelGrant,
    session::{ConnectionEvent, ConnectionEventKind, EndReason},
};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::Instant,
};

use super::{
    invariants,
    process::Process,
    sabotage::Sabotage,
    world::{Connection, Phase, World, number_of, up_to},
};
use crate::chance::Dice;

/// Longest time until a host answers a dial.
const DIAL_MS: u64 = 100;

/// What became of a connection, for the person at the viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// It could not be made.
    Failed,
    /// It was open, or the viewer left before.
    Closed(EndReason),
}

/// Carries a connection until it is over.
pub(crate) async fn carry(
    world: Arc<World>,
    process: Arc<Process>,
    grant: ChannelGrant,
    (user, resource): (u64, u64),
    mut dice: Dice,
) -> Over {
    let (close, mut closed) = mpsc::unbounded_channel();
    let host = number_of(grant.target.host.as_str()).unwrap_or(u64::MAX);
    world.lock().connections.insert(
        grant.connection.clone(),
        Connection {
            broker: process.index,
            life: process.life,
            session: grant.session.clone(),
            user,
            resource,
            host,
            phase: Phase::Dialing,
            opened_at: None,
            close,
        },
    );
    let events = reporter(&world, &process, &grant, &mut dice);
    let over = connect(&world, &grant, host, &mut closed, &events, &mut dice).await;
    let now = Instant::now();
    {
        let mut state = world.lock();
        state.connections.remove(&grant.connection);
        if let Some(host) = state.hosts.get_mut(&host) {
            host.disconnected(&grant.connection, now);
        }
        if over == Over::Closed(EndReason::HostLost) {
            state.facts.lost.insert(grant.session.clone());
        }
        let text = format_args!("s{} at h{host} of u{user}: {over:?}", short(&grant));
        state.note(world.start, text);
    }
    let kind = match over {
        Over::Failed => ConnectionEventKind::Failed {
            detail: "no answer".into(),
        },
        Over::Closed(reason) => ConnectionEventKind::Closed {
            reason,
            bytes_down: 1,
            bytes_up: 1,
            exit_status: None,
        },
    };
    let _told = events.send(kind);
    over
}

async fn connect(
    world: &Arc<World>,
    grant: &ChannelGrant,
    host: u64,
    closed: &mut UnboundedReceiver<EndReason>,
    events: &UnboundedSender<ConnectionEventKind>,
    dice: &mut Dice,
) -> Over {
    if let Some(reason) = close_within(closed, up_to(dice, DIAL_MS)).await {
        return Over::Closed(reason);
    }
    let fails = dice.happens(world.scenario.chances.dial_fails) && !world.is_quiet();
    {
        let mut state = world.lock();
        let reachable = state.hosts.get(&host).is_some_and(|it| it.is_reachable());
        if fails || !reachable {
            state.facts.failed.insert(grant.session.clone());
            state.facts.failed_at.insert(host, Instant::now());
            return Over::Failed;
        }
        if let Some(connection) = state.connections.get_mut(&grant.connection) {
            connection.phase = Phase::LoggingOn;
            connection.opened_at = Some(Instant::now());
        }
    }
    let _told = events.send(ConnectionEventKind::Opened);
    let log_on = Duration::from_millis(50) + up_to(dice, world.scenario.chances.log_on_ms);
    if let Some(reason) = close_within(closed, log_on).await {
        return note_host_closed(world, grant, reason);
    }
    let cut = {
        let now = Instant::now();
        let mut state = world.lock();
        let Some(at) = state.hosts.get_mut(&host).filter(|it| it.is_up) else {
            return Over::Closed(EndReason::HostLost);
        };
        let landed = at.log_on(
            &grant.account,
            Some((&grant.connection, &grant.session)),
            now,
        );
        let display = landed.display;
        state.facts.landed.insert(grant.session.clone());
        if let Some(connection) = state.connections.get_mut(&grant.connection) {
            connection.phase = Phase::On(display);
        }
        let verb = if landed.is_new { "begins" } else { "joins" };
        state.note(
            world.start,
            format_args!(
                "s{} {verb} :{display} of {} at h{host}",
                short(grant),
                grant.account
            ),
        );
        if landed.is_new {
            invariants::began(&mut state, world, host, display, &grant.session);
        }
        landed.cut
    };
    world.cut(&Vec::from_iter(cut), EndReason::HostClosed);
    let reason = closed.recv().await.unwrap_or(EndReason::HostLost);
    note_host_closed(world, grant, reason)
}

fn note_host_closed(world: &World, grant: &ChannelGrant, reason: EndReason) -> Over {
    if reason == EndReason::HostClosed {
        let mut state = world.lock();
        state.facts.closed_by_host.insert(grant.session.clone());
    }
    Over::Closed(reason)
}

async fn close_within(
    closed: &mut UnboundedReceiver<EndReason>,
    time: Duration,
) -> Option<EndReason> {
    tokio::time::timeout(time, closed.recv())
        .await
        .ok()
        .flatten()
}

/// Tells the broker what happens to a connection: in order, late, and now and then twice.
fn reporter(
    world: &Arc<World>,
    process: &Arc<Process>,
    grant: &ChannelGrant,
    dice: &mut Dice,
) -> UnboundedSender<ConnectionEventKind> {
    let (events, mut to_tell) = mpsc::unbounded_channel::<ConnectionEventKind>();
    let (session, connection) = (grant.session.clone(), grant.connection.clone());
    let (broker, world) = (process.broker.clone(), Arc::clone(world));
    let mut dice = Dice::of(dice.draw(), "events", 0);
    process.spawn(async move {
        while let Some(kind) = to_tell.recv().await {
            let is_end = matches!(kind, ConnectionEventKind::Closed { .. });
            if is_end && world.sabotage == Some(Sabotage::EndsUntold) {
                continue;
            }
            let chances = world.scenario.chances;
            let times = 1 + u32::from(dice.happens(chances.event_twice) && !world.is_quiet());
            let late = up_to(&mut dice, chances.event_ms);
            tokio::time::sleep(late).await;
            for _ in 0..times {
                let event = ConnectionEvent {
                    session: session.clone(),
                    connection: connection.clone(),
                    kind: kind.clone(),
                };
                broker.report(event).await;
            }
        }
    });
    events
}

/// The first letters of a session's id.
pub(crate) fn short(grant: &ChannelGrant) -> &str {
    grant.session.as_str().get(..6).unwrap_or_default()
}
