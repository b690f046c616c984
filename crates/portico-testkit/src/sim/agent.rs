//! The agents of the hosts: a link to every broker, reports that come late, twice, in another
//! order or not at all, and orders that are done on the host.

use std::{sync::Arc, time::Duration};

use portico_broker::{AgentSeam, LinkId, PeerIdentity};
use portico_model::{
    HostId, Timestamp,
    seen::{
        AgentHello, HostReport, Load, Order, OrderOutcome, REPORT_EVERY_MS, SessionOnHost, WHOLE,
    },
    session::EndReason,
};
use portico_store::{Op, Txn};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::{Instant, sleep, timeout_at},
};

use super::{
    process::Process,
    sabotage::Sabotage,
    truth::{TrueHost, host_id},
    world::{World, up_to},
};
use crate::chance::Dice;

/// A link that says nothing for so long is ended by both sides.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Longest time between two tries to link.
const AGAIN_MS: u64 = 3_000;

/// What comes over a link to the agent.
enum ToAgent {
    Order(u64, Order),
    /// The broker ends the link, or the network does.
    Over,
}

/// The broker's end of a link.
struct SimLink(UnboundedSender<ToAgent>);

impl AgentSeam for SimLink {
    fn send(&self, id: u64, order: Order) -> bool {
        self.0.send(ToAgent::Order(id, order)).is_ok()
    }

    fn close(&self, _why: &str) {
        let _gone = self.0.send(ToAgent::Over);
    }
}

/// One agent's link to one broker.
struct Link {
    world: Arc<World>,
    host: u64,
    id: HostId,
    process: Arc<Process>,
    link: LinkId,
    dice: Dice,
    number: u64,
    /// Whether the host answers on it: since when not.
    silent_since: Option<Instant>,
}

impl World {
    /// Writes that every host with an agent has joined.
    pub(crate) fn enroll_agents(&self) {
        for plan in self.scenario.hosts.iter().filter(|plan| plan.agent) {
            let peer = peer(plan.host);
            let value = serde_json::json!({ "v": 1, "body": { "certificate": {
                "serial": peer.serial,
                "key_sha256": peer.key_sha256,
                "expires_at": peer.expires_at,
            }, "joined_at": 0 } });
            let key = format!("/portico/v1/default/agent/{}", peer.host);
            let value = serde_json::to_vec(&value).expect("a record");
            let txn = Txn::of([Op::put(key, value)]);
            self.memory.txn_now(&txn).expect("a store");
        }
    }

    /// Starts the agent of a host, if it has one and nothing keeps it from running.
    pub(crate) fn agent_starts(self: &Arc<Self>, host: u64) {
        let mut state = self.lock();
        let may_run = state
            .hosts
            .get(&host)
            .is_some_and(|host| host.plan.agent && host.is_up && host.agent_down == 0);
        if !may_run || state.agents.contains_key(&host) {
            return;
        }
        state.agent_starts += 1;
        let start = state.agent_starts;
        let brokers = 0..self.scenario.brokers;
        let links = brokers.map(|broker| {
            let world = Arc::clone(self);
            let dice = Dice::of(
                self.scenario.seed,
                "agent",
                host * 8 + broker + start * 100_000,
            );
            self.spawn(async move { keep_linked(world, host, broker, dice).await })
        });
        let links = links.collect();
        state.agents.insert(host, links);
    }

    /// Stops the agent of a host. In order: the brokers see its links end; otherwise they hear
    /// nothing until they miss it.
    pub(crate) fn agent_stops(self: &Arc<Self>, host: u64, in_order: bool) {
        let mut state = self.lock();
        for task in state.agents.remove(&host).unwrap_or_default() {
            task.abort();
        }
        let of_host = |(it, _): &(u64, u64)| *it == host;
        let keys: Vec<_> = state.links.keys().copied().filter(of_host).collect();
        for key in keys {
            let Some(open) = state.links.remove(&key) else {
                continue;
            };
            let late = if in_order {
                Duration::ZERO
            } else {
                SILENCE_MAX
            };
            self.spawn(async move {
                sleep(late).await;
                open.tell_gone("the agent stopped").await;
            });
        }
    }

    /// The link between an agent and a broker breaks; either side sees it at once.
    pub(crate) fn break_link(self: &Arc<Self>, host: u64, broker: u64) {
        if let Some(open) = self.lock().links.get(&(host, broker)) {
            let _gone = open.to_agent.send(ToAgent::Over);
        }
    }
}

/// A link as the world knows it.
#[derive(Clone)]
pub(crate) struct OpenLink {
    to_agent: UnboundedSender<ToAgent>,
    process: Arc<Process>,
    host: HostId,
    link: LinkId,
}

impl OpenLink {
    async fn tell_gone(&self, why: &'static str) {
        let (host, link) = (self.host.clone(), self.link);
        self.process
            .call(|broker| async move { broker.agent_gone(&host, link, why) })
            .await;
    }
}

fn peer(host: u64) -> PeerIdentity {
    PeerIdentity {
        host: host_id(host),
        serial: format!("{host:x}"),
        key_sha256: format!("{host:064x}"),
        expires_at: Timestamp::from_unix_ms(i64::MAX / 2),
    }
}

fn hello(host: &TrueHost) -> AgentHello {
    AgentHello {
        host: host.id.clone(),
        software: "portico-agent simulated".into(),
        boot: host.boot_name(),
        system: "simulated".into(),
        cpus: 2,
        identities: Vec::new(),
    }
}

/// Keeps one link of one agent open.
async fn keep_linked(world: Arc<World>, host: u64, broker: u64, mut dice: Dice) {
    loop {
        let most = if world.is_quiet() { 1_000 } else { AGAIN_MS };
        sleep(Duration::from_millis(20) + up_to(&mut dice, most)).await;
        let hello = {
            let state = world.lock();
            let host = state.hosts.get(&host).filter(|host| host.is_reachable());
            host.map(hello)
        };
        let (Some(hello), Some(process)) = (hello, world.process(broker)) else {
            continue;
        };
        let (to_agent, mut from_broker) = mpsc::unbounded_channel();
        let seam = Arc::new(SimLink(to_agent.clone()));
        let peer = peer(host);
        let welcome = process
            .call(|broker| async move { broker.agent_connected(&peer, hello, seam).await })
            .await;
        let welcome = match welcome {
            Some(Ok(welcome)) => welcome,
            Some(Err(refused)) => {
                sleep(Duration::from_millis(refused.retry_after_ms)).await;
                continue;
            }
            None => continue,
        };
        let open = OpenLink {
            to_agent,
            process: Arc::clone(&process),
            host: host_id(host),
            link: welcome.link,
        };
        world.lock().links.insert((host, broker), open.clone());
        let mut link = Link {
            world: Arc::clone(&world),
            host,
            id: host_id(host),
            process,
            link: welcome.link,
            dice: Dice::of(dice.draw(), "link", 0),
            number: 0,
            silent_since: None,
        };
        link.run(&mut from_broker).await;
        world.lock().links.remove(&(host, broker));
        open.tell_gone("the link broke").await;
    }
}

impl Link {
    /// Reports and does orders until the link is over.
    async fn run(&mut self, from_broker: &mut UnboundedReceiver<ToAgent>) {
        let mut next = Instant::now();
        loop {
            match timeout_at(next, from_broker.recv()).await {
                Ok(Some(ToAgent::Order(id, order))) => self.obey(id, order),
                Ok(Some(ToAgent::Over) | None) => return,
                Err(_) => {
                    next += Duration::from_millis(REPORT_EVERY_MS);
                    if self.process.is_dead() || !self.report() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends a report. False when the link was silent for too long.
    fn report(&mut self) -> bool {
        let now = Instant::now();
        let chances = self.world.scenario.chances;
        let (report, accounts) = {
            let state = self.world.lock();
            let Some(host) = state.hosts.get(&self.host) else {
                return false;
            };
            if !host.is_reachable() {
                let since = *self.silent_since.get_or_insert(now);
                return since.elapsed() < SILENCE_MAX;
            }
            self.silent_since = None;
            self.number += 1;
            let mut sessions = host.seen(now);
            if self.world.sabotage == Some(Sabotage::SessionHidden) && self.number.is_multiple_of(9)
            {
                sessions.pop();
            }
            let accounts = sessions.iter().map(|it| it.account.clone()).collect();
            let load = load(&mut self.dice, sessions.len());
            let report = HostReport {
                number: self.number,
                load,
                sessions,
            };
            (report, accounts)
        };
        let is_quiet = self.world.is_quiet();
        if self.dice.happens(chances.report_lost) && !is_quiet {
            return true;
        }
        let twice = self.dice.happens(chances.report_twice) && !is_quiet;
        for _ in 0..1 + u32::from(twice) {
            let late = up_to(&mut self.dice, if is_quiet { 5 } else { chances.report_ms });
            self.deliver(report.clone(), Vec::clone(&accounts), late);
        }
        true
    }

    fn deliver(&self, report: HostReport, accounts: Vec<String>, late: Duration) {
        let (world, id, link) = (Arc::clone(&self.world), self.id.clone(), self.link);
        let (broker, index) = (self.process.broker.clone(), self.process.index);
        let (host, built) = (self.host, Instant::now());
        self.process.spawn(async move {
            sleep(late).await;
            if broker.agent_report(&id, link, report).await.is_ok() {
                let mut state = world.lock();
                state.facts.reports_taken += 1;
                state.facts.reports.insert((index, host), (built, accounts));
            }
        });
    }

    /// Does an order on the host, and answers it.
    fn obey(&mut self, id: u64, order: Order) {
        let late = up_to(&mut self.dice, self.world.scenario.chances.report_ms);
        let chances = self.world.scenario.chances;
        let is_lost = self.dice.happens(chances.report_lost) && !self.world.is_quiet();
        let (world, host) = (Arc::clone(&self.world), self.host);
        let (process, name, link) = (Arc::clone(&self.process), self.id.clone(), self.link);
        self.world.spawn(async move {
            sleep(late).await;
            let Some(outcome) = world.obey(host, &order) else {
                return;
            };
            sleep(late).await;
            if !is_lost {
                process
                    .call(|broker| async move { broker.agent_outcome(&name, link, id, outcome) })
                    .await;
            }
        });
    }
}

impl World {
    /// Does an order on a host; `None`: the host is away.
    fn obey(self: &Arc<Self>, number: u64, order: &Order) -> Option<OrderOutcome> {
        let done = || OrderOutcome::Done {
            detail: "simulated".into(),
        };
        let mut state = self.lock();
        let start = self.start;
        let host = state
            .hosts
            .get_mut(&number)
            .filter(|host| host.is_reachable())?;
        let outcome = match order {
            Order::LogOff { .. } if self.sabotage == Some(Sabotage::LogOffPretended) => {
                drop(state);
                done()
            }
            Order::LogOff { session } => {
                let found = host
                    .sessions
                    .iter()
                    .any(|(at, it)| is_meant(session, *at, &it.account));
                let cut = host.end(|at, it| is_meant(session, at, &it.account));
                drop(state);
                self.cut(&cut, EndReason::HostClosed);
                if found {
                    done()
                } else {
                    OrderOutcome::NotFound
                }
            }
            Order::Disconnect { session } => {
                let sessions = host.sessions.iter();
                let meant = sessions.filter(|(at, it)| is_meant(session, **at, &it.account));
                let cut: Vec<_> = meant.filter_map(|(_, it)| it.connection.clone()).collect();
                drop(state);
                self.cut(&cut, EndReason::HostClosed);
                if cut.is_empty() {
                    OrderOutcome::NotFound
                } else {
                    done()
                }
            }
            Order::Restart { after_s, .. } => {
                drop(state);
                let (world, after) = (Arc::clone(self), Duration::from_secs((*after_s).into()));
                self.spawn(async move {
                    sleep(after).await;
                    world.reboot(number, Duration::from_secs(5), true);
                });
                done()
            }
            Order::Message { .. } | Order::Probe { .. } => done(),
            Order::TellIdentities => OrderOutcome::Identities {
                identities: Vec::new(),
            },
        };
        self.lock()
            .note(start, format_args!("h{number} does {order:?}: {outcome:?}"));
        Some(outcome)
    }
}

fn is_meant(session: &SessionOnHost, display: u64, account: &str) -> bool {
    let is_key = |key: &String| *key == format!("xrdp:{display}");
    session.account == account && session.key.as_ref().is_none_or(is_key)
}

fn load(dice: &mut Dice, sessions: usize) -> Load {
    let busy = u32::try_from(sessions)
        .unwrap_or(u32::MAX)
        .saturating_mul(500);
    let share = |dice: &mut Dice| {
        let noise = u32::try_from(dice.below(1_000)).unwrap_or(0);
        busy.saturating_add(noise).min(WHOLE)
    };
    Load {
        cpu: share(dice),
        memory: share(dice),
        memory_total_bytes: 8 << 30,
        run_queue: share(dice),
        ..Load::default()
    }
}
