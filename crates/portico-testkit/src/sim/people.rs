//! People: they launch and keep trying, close their viewers, log off; operators end and drain.

use std::{net::IpAddr, sync::Arc, time::Duration};

use portico_broker::{Launch, LaunchError};
use portico_model::{
    GroupId, ResourceId, SessionId, SignInId, Timestamp, UserId,
    estate::{HostMode, Protocol},
    launch::{Client, Refusal},
    people::{Principal, Role, Strength},
    session::EndReason,
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    connection::{Over, carry},
    invariants::{self, Invariant},
    process::Process,
    run,
    scenario::{Action, Timed},
    world::{Phase, World, up_to, user_id},
};
use crate::chance::Dice;

/// Clocks of brokers are never further apart from the true time.
const SKEW_MS_MAX: i64 = 12_000;

/// A launch that somebody keeps trying.
#[derive(Debug, Clone, Copy)]
struct Want {
    user: u64,
    resource: u64,
    broker: u64,
    patience: Duration,
}

impl World {
    /// Lets an action of people happen; `false` when it is none.
    pub(crate) fn act(self: &Arc<Self>, timed: &Timed) {
        self.note(format_args!("#{} {:?}", timed.number, timed.action));
        let mut dice = Dice::of(self.scenario.seed, "action", timed.number);
        match timed.action {
            Action::Launch {
                user,
                resource,
                broker,
                patience_s,
            } => {
                let want = Want {
                    user,
                    resource,
                    broker,
                    patience: Duration::from_secs(patience_s),
                };
                let world = Arc::clone(self);
                self.spawn(async move { keep_trying(world, want, dice).await });
            }
            Action::Close {
                user,
                resource,
                lost,
            } => {
                let reason = if lost {
                    EndReason::ClientLost
                } else {
                    EndReason::ClientClosed
                };
                let state = self.lock();
                let viewers = state.connections.values();
                for viewer in viewers.filter(|it| it.user == user && it.resource == resource) {
                    let _gone = viewer.close.send(reason);
                }
            }
            Action::LogOff { user, resource } => self.log_off(user, resource),
            Action::End {
                user,
                resource,
                broker,
                operator,
            } => self.end(user, resource, broker, operator),
            Action::Disconnect {
                user,
                resource,
                broker,
            } => self.disconnect(user, resource, broker),
            Action::Local { host, user, on } => self.local(host, user, on),
            Action::Mode { host, drain } => self.mode(host, drain),
            Action::Message { host, broker } => self.message(host, broker),
            Action::Reboot { host, for_ms } => {
                let in_order = dice.happens(500);
                self.reboot(host, Duration::from_millis(for_ms), in_order);
            }
            Action::Unreachable { host, for_ms } => {
                self.unreachable(host, Duration::from_millis(for_ms));
            }
            Action::AgentDown { host, for_ms } => {
                self.agent_down(host, Duration::from_millis(for_ms));
            }
            Action::LinkBreaks { host, broker } => self.break_link(host, broker),
            Action::Crash {
                broker,
                after_ops,
                op_done,
                for_ms,
            } => self.crash(broker, after_ops, op_done, for_ms),
            Action::StoreAway { broker, for_ms } => {
                self.store_away(broker, Duration::from_millis(for_ms));
            }
            Action::ClockJumps { broker, by_ms } => {
                let mut state = self.lock();
                let broker = usize::try_from(broker).unwrap_or(usize::MAX);
                if let Some(broker) = state.brokers.get_mut(broker) {
                    let skew = broker.skew_ms + by_ms;
                    broker.skew_ms = skew.clamp(-SKEW_MS_MAX, SKEW_MS_MAX);
                }
            }
        }
    }

    fn log_off(&self, user: u64, resource: u64) {
        let mut state = self.lock();
        let mut viewers = state.connections.values();
        let found = viewers.find_map(|it| match it.phase {
            Phase::On(display) if it.user == user && it.resource == resource => {
                Some((it.host, display))
            }
            _ => None,
        });
        let Some((host, display)) = found else {
            return;
        };
        state.note(
            self.start,
            format_args!("u{user} logs off :{display} at h{host}"),
        );
        let host = state.hosts.get_mut(&host);
        let cut = host.map(|host| host.end(|at, _| at == display));
        drop(state);
        self.cut(&cut.unwrap_or_default(), EndReason::HostClosed);
    }

    /// A session of a user that runs, as the directory has it.
    fn session_of(&self, user: u64, resource: u64) -> Option<SessionId> {
        let state = self.lock();
        let running = state
            .directory
            .running_of(&user_id(user), &resource_id(resource));
        running.first().cloned()
    }

    fn end(self: &Arc<Self>, user: u64, resource: u64, broker: u64, operator: bool) {
        let (Some(id), Some(process)) = (self.session_of(user, resource), self.process(broker))
        else {
            return;
        };
        let actor = if operator {
            self.lock().facts.ended_by_operator.insert(id.clone());
            operator_principal()
        } else {
            self.lock().facts.ended_by_user.insert(id.clone());
            principal(user)
        };
        self.spawn(async move {
            process
                .call(|broker| async move { broker.end(&actor, &id).await.is_ok() })
                .await;
        });
    }

    fn disconnect(self: &Arc<Self>, user: u64, resource: u64, broker: u64) {
        let (Some(id), Some(process)) = (self.session_of(user, resource), self.process(broker))
        else {
            return;
        };
        self.spawn(async move {
            process
                .call(
                    |broker| async move { broker.disconnect(&principal(user), &id).await.is_ok() },
                )
                .await;
        });
    }

    fn local(&self, host: u64, user: u64, on: bool) {
        let mut state = self.lock();
        let Some(host) = state.hosts.get_mut(&host).filter(|host| host.is_up) else {
            return;
        };
        let account = user_id(user).to_string();
        if on {
            host.log_on(&account, None, Instant::now());
        } else {
            host.end(|_, it| it.account == account && it.of.is_empty());
        }
    }

    fn mode(&self, host: u64, drain: bool) {
        let mut state = self.lock();
        let now = Instant::now();
        state.mode_changed.insert(host, now);
        if drain {
            state.drained.insert(host, now);
        } else {
            state.drained.remove(&host);
        }
        let mode = if drain {
            HostMode::Drain
        } else {
            HostMode::Enabled
        };
        drop(state);
        run::set_mode(self, host, mode);
    }

    fn message(self: &Arc<Self>, _host: u64, _broker: u64) {}

    /// The machine restarts: its sessions are gone.
    pub(crate) fn reboot(self: &Arc<Self>, host: u64, away: Duration, in_order: bool) {
        {
            let mut state = self.lock();
            let Some(host) = state.hosts.get_mut(&host).filter(|host| host.is_up) else {
                return;
            };
            host.is_up = false;
            host.boot += 1;
            host.end(|_, _| true);
        }
        let reason = if in_order {
            EndReason::HostClosed
        } else {
            EndReason::HostLost
        };
        self.cut_host(host, reason);
        self.agent_stops(host, in_order);
        let world = Arc::clone(self);
        self.spawn(async move {
            sleep(away).await;
            {
                let mut state = world.lock();
                state.note(world.start, format_args!("h{host} is up"));
                if let Some(host) = state.hosts.get_mut(&host) {
                    host.is_up = true;
                    host.reachable_since = Instant::now();
                }
            }
            world.agent_starts(host);
        });
    }

    fn unreachable(self: &Arc<Self>, host: u64, away: Duration) {
        if let Some(host) = self.lock().hosts.get_mut(&host) {
            host.unreachable += 1;
        }
        self.cut_host(host, EndReason::HostLost);
        let world = Arc::clone(self);
        self.spawn(async move {
            sleep(away).await;
            let mut state = world.lock();
            if let Some(host) = state.hosts.get_mut(&host) {
                host.unreachable -= 1;
                host.reachable_since = Instant::now();
            }
        });
    }

    fn agent_down(self: &Arc<Self>, host: u64, away: Duration) {
        if let Some(host) = self.lock().hosts.get_mut(&host) {
            host.agent_down += 1;
        }
        self.agent_stops(host, true);
        let world = Arc::clone(self);
        self.spawn(async move {
            sleep(away).await;
            if let Some(host) = world.lock().hosts.get_mut(&host) {
                host.agent_down -= 1;
            }
            world.agent_starts(host);
        });
    }

    fn crash(self: &Arc<Self>, broker: u64, after_ops: u64, op_done: bool, for_ms: u64) {
        let Some(process) = self.process(broker) else {
            return;
        };
        self.lock().brokers[process.index].down = Duration::from_millis(for_ms);
        if after_ops == 0 {
            self.kill(process.index, process.life);
        } else {
            process.store.die_at(after_ops, op_done);
        }
    }

    fn store_away(self: &Arc<Self>, broker: Option<u64>, away: Duration) {
        let is_hit = move |index: usize| broker.is_none_or(|broker| broker == index as u64);
        for (index, broker) in self.lock().brokers.iter_mut().enumerate() {
            if is_hit(index) {
                broker.store_away += 1;
                broker.well_since = None;
            }
        }
        let world = Arc::clone(self);
        self.spawn(async move {
            sleep(away).await;
            for (index, broker) in world.lock().brokers.iter_mut().enumerate() {
                if is_hit(index) {
                    broker.store_away -= 1;
                    broker.well_since = Some(Instant::now());
                }
            }
        });
    }
}

/// Launches until it works out, the patience is over or the run gets quiet.
async fn keep_trying(world: Arc<World>, want: Want, mut dice: Dice) {
    let until = Instant::now() + want.patience;
    let mut turned_away_since: Option<Instant> = None;
    let mut attempt = 0;
    while Instant::now() < until && !world.is_quiet() {
        let broker = (want.broker + attempt) % world.scenario.brokers;
        let Some(process) = world.process(broker) else {
            attempt += 1;
            sleep(Duration::from_millis(200) + up_to(&mut dice, 800)).await;
            continue;
        };
        let had_room = invariants::has_room(&world, want.user, want.resource, process.index);
        let launched = launch(&process, &want, &mut dice).await;
        world.lock().facts.launches += 1;
        let Some(launched) = launched else {
            attempt += 1;
            turned_away_since = None;
            continue;
        };
        match launched {
            Ok(launch) => {
                turned_away_since = None;
                acknowledged(&world, &want, &launch);
                match use_ticket(&world, &process, &want, launch, &mut dice).await {
                    Some(Over::Closed(reason)) if is_wanted(reason) => return,
                    Some(_) => {}
                    // The broker died, or the ticket was not used.
                    None if dice.happens(500) => return,
                    None => attempt += 1,
                }
            }
            Err(error) => {
                world.note(format_args!(
                    "u{} is refused r{} by b{broker}: {}",
                    want.user,
                    want.resource,
                    brief(&error)
                ));
                world.lock().facts.refusals += 1;
                let has_room =
                    invariants::has_room(&world, want.user, want.resource, process.index);
                turned_away_since = if had_room && has_room {
                    turned_away_since.or(Some(Instant::now()))
                } else {
                    None
                };
                invariants::turned_away(
                    &world,
                    (want.user, want.resource),
                    turned_away_since,
                    &error,
                );
            }
        }
        sleep(Duration::from_millis(300) + up_to(&mut dice, 2_000)).await;
    }
}

/// Whether a person leaves it at that when their viewer is closed for `reason`.
fn is_wanted(reason: EndReason) -> bool {
    !matches!(
        reason,
        EndReason::HostLost | EndReason::ClientLost | EndReason::ProcessStopped
    )
}

async fn launch(
    process: &Arc<Process>,
    want: &Want,
    dice: &mut Dice,
) -> Option<Result<Launch, LaunchError>> {
    let octet = u8::try_from(dice.below(250)).unwrap_or(0);
    let client = Client {
        address: Some(IpAddr::from([10, octet, 0, 1])),
    };
    let (user, resource) = (principal(want.user), resource_id(want.resource));
    process
        .call(|broker| async move { broker.launch(&user, &resource, client, None).await })
        .await
}

fn acknowledged(world: &World, want: &Want, launch: &Launch) {
    let mut state = world.lock();
    let (user, resource) = (want.user, want.resource);
    let id = launch.session.as_str().get(..6).unwrap_or_default();
    state.note(
        world.start,
        format_args!(
            "u{user} has r{resource} as s{id} on {} ({:?})",
            launch.placement.host, launch.placement.choice
        ),
    );
    state.facts.acknowledged.insert(launch.session.clone());
    if !state.directory.sessions.contains_key(&launch.session) {
        let what = format!("session s{id} was acknowledged and is not in the directory");
        state.violated(world.start, Invariant::Known, what);
        world.stop.notify_one();
    }
}

/// Uses the ticket of a launch, or not; then the connection, until it is over.
async fn use_ticket(
    world: &Arc<World>,
    process: &Arc<Process>,
    want: &Want,
    launch: Launch,
    dice: &mut Dice,
) -> Option<Over> {
    let mut think = up_to(dice, 1_500);
    if dice.happens(world.scenario.chances.ticket_unused) {
        if dice.happens(500) {
            return None;
        }
        think = Duration::from_secs(dice.between(20, 80));
    }
    sleep(think).await;
    let gateway = process.gateway.clone();
    let ticket = launch.ticket;
    let grant = process
        .call(|broker| async move {
            broker
                .redeem(ticket.expose(), Protocol::Rdp, &gateway)
                .await
        })
        .await?
        .ok()?;
    let (over, told) = oneshot::channel();
    let carried = carry(
        Arc::clone(world),
        Arc::clone(process),
        grant,
        (want.user, want.resource),
        Dice::of(dice.draw(), "connection", 0),
    );
    process.spawn(async move {
        let _gone = over.send(carried.await);
    })?;
    told.await.ok()
}

/// An error without the list of hosts.
pub(crate) fn brief(error: &LaunchError) -> String {
    match error {
        LaunchError::Refused(Refusal::NoHost { hosts, .. }) => {
            let mut reasons: Vec<String> = hosts
                .iter()
                .take(8)
                .map(|verdict| format!("{}: {:?}", verdict.host, verdict.reason))
                .collect();
            reasons.sort();
            format!("no host ({})", reasons.join("; "))
        }
        LaunchError::Refused(refusal) => format!("{refusal:?}"),
        other => other.to_string(),
    }
}

pub(crate) fn resource_id(resource: u64) -> ResourceId {
    ResourceId::new(format!("r{resource}")).expect("a slug")
}

pub(crate) fn everybody() -> GroupId {
    GroupId::new("everybody").expect("a slug")
}

fn principal(user: u64) -> Principal {
    Principal {
        user: user_id(user),
        display_name: String::new(),
        groups: vec![everybody()],
        role: Role::User,
        strength: Strength::Password,
        sign_in: SignInId::new(format!("sign-in-of-u{user}")).ok(),
        signed_in_at: Timestamp::default(),
        client_address: None,
    }
}

pub(crate) fn operator_principal() -> Principal {
    Principal {
        user: UserId::new("operator").expect("a slug"),
        role: Role::Operator,
        groups: Vec::new(),
        sign_in: SignInId::new("sign-in-of-the-operator").ok(),
        ..principal(0)
    }
}
