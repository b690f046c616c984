//! What happens in a run, as data: drawn from a seed, written to a file, made smaller.

use serde::{Deserialize, Serialize};

use crate::chance::Dice;

/// A run of the simulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Seed of the chances that are not in the list: latencies, losses, think times.
    pub seed: u64,
    /// Brokers over one store.
    pub brokers: u64,
    /// Storm guard of the pool; 0 is off.
    pub sign_ins_max: u32,
    /// Rule of the pool: sessions per user.
    pub sessions_per_user: portico_model::estate::SessionsPerUser,
    /// Rule of the pool: placement.
    pub placement: portico_model::estate::PlacementRule,
    /// A disconnected session is ended after so long; 0 is never.
    pub disconnected_timeout_s: u32,
    /// A session is ended after so long; 0 is never.
    pub session_timeout_s: u32,
    /// The hosts, all of one pool.
    pub hosts: Vec<HostPlan>,
    /// People.
    pub users: u64,
    /// Resources of the pool, each of which everybody may launch.
    pub resources: u64,
    /// Chances and times of troubles.
    pub chances: Chances,
    /// What is done when, by time.
    pub actions: Vec<Timed>,
    /// When nothing more is done and every trouble is over.
    pub quiet_at_ms: u64,
}

/// A host of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    /// Its number, which names it.
    pub host: u64,
    /// Its limit of sessions.
    pub sessions_max: u32,
    /// Whether an agent runs on it.
    pub agent: bool,
    /// Capacity in percent.
    pub weight: u32,
}

/// Chances (of a thousand) and longest times of what goes wrong by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chances {
    /// Longest latency of one operation of the store, one way.
    pub store_ms: u64,
    /// A write happens and its caller sees an error.
    pub answer_lost: u32,
    /// Longest time from a connection's event to its report.
    pub event_ms: u64,
    /// A connection's event is reported twice.
    pub event_twice: u32,
    /// Longest time from an agent to a broker.
    pub report_ms: u64,
    /// A report is lost.
    pub report_lost: u32,
    /// A report comes twice.
    pub report_twice: u32,
    /// A connection to a host cannot be made.
    pub dial_fails: u32,
    /// Longest time of a log-on on a host.
    pub log_on_ms: u64,
    /// A ticket is used only after it lapsed, or never.
    pub ticket_unused: u32,
    /// Brokers' clocks are apart by so much.
    pub skew_ms: u64,
}

/// An action and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// Milliseconds from the start.
    pub at_ms: u64,
    /// Its number, which names its own stream of chances.
    pub number: u64,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
}

/// Something that somebody does or that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// A user launches and keeps trying; `broker` is asked first.
    Launch {
        /// Who.
        user: u64,
        /// What.
        resource: u64,
        /// At which broker.
        broker: u64,
        /// For how long they keep trying.
        patience_s: u64,
    },
    /// A user's viewers of a resource are closed.
    Close {
        /// Who.
        user: u64,
        /// What.
        resource: u64,
        /// Whether the path broke, instead of an orderly close.
        lost: bool,
    },
    /// A user logs off inside the session.
    LogOff {
        /// Who.
        user: u64,
        /// What.
        resource: u64,
    },
    /// A user ends the session in the webtop, or an operator in the console.
    End {
        /// Whose.
        user: u64,
        /// Of what.
        resource: u64,
        /// At which broker.
        broker: u64,
        /// Whether an operator does it.
        operator: bool,
    },
    /// A user asks the webtop to disconnect.
    Disconnect {
        /// Whose.
        user: u64,
        /// Of what.
        resource: u64,
        /// At which broker.
        broker: u64,
    },
    /// Somebody logs on at the host itself, or off.
    Local {
        /// Where.
        host: u64,
        /// Account: that of this user.
        user: u64,
        /// On, or off.
        on: bool,
    },
    /// An operator sets what a host takes.
    Mode {
        /// Which host.
        host: u64,
        /// Whether to drain it, or to enable it again.
        drain: bool,
    },
    /// A host is restarted: its sessions are gone.
    Reboot {
        /// Which.
        host: u64,
        /// How long it is away.
        for_ms: u64,
    },
    /// A host cannot be reached; its sessions go on.
    Unreachable {
        /// Which.
        host: u64,
        /// How long.
        for_ms: u64,
    },
    /// The agent of a host is stopped; the host goes on.
    AgentDown {
        /// Which host.
        host: u64,
        /// How long.
        for_ms: u64,
    },
    /// The link between an agent and a broker breaks, and is made again when the agent tries.
    LinkBreaks {
        /// Which host.
        host: u64,
        /// Which broker.
        broker: u64,
    },
    /// A broker is killed and started again.
    Crash {
        /// Which.
        broker: u64,
        /// Not at once but at its operation of the store so many from now.
        after_ops: u64,
        /// Whether that operation is still done.
        op_done: bool,
        /// How long it is down.
        for_ms: u64,
    },
    /// The store does not answer a broker.
    StoreAway {
        /// Which broker; none: all.
        broker: Option<u64>,
        /// How long.
        for_ms: u64,
    },
    /// A broker's clock jumps.
    ClockJumps {
        /// Which broker.
        broker: u64,
        /// By how much.
        by_ms: i64,
    },
    /// An operator sends a message to a host's people.
    Message {
        /// Which host.
        host: u64,
        /// At which broker.
        broker: u64,
    },
}

/// How large a scenario is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A few hosts and people, for the rare order of events.
    Small,
    /// Up to 30 hosts and 100 people.
    Middle,
    /// Thousands of hosts.
    Large,
}

impl Size {
    /// The size that belongs to a seed: of a thousand, two are large.
    pub fn of_seed(seed: u64) -> Self {
        match Dice::of(seed, "size", 0).below(1000) {
            0..2 => Self::Large,
            2..250 => Self::Middle,
            _ => Self::Small,
        }
    }
}

impl Scenario {
    /// The scenario of a seed.
    pub fn of_seed(seed: u64) -> Self {
        Self::of_size(seed, Size::of_seed(seed))
    }

    /// The scenario of a seed in a given size.
    pub fn of_size(seed: u64, size: Size) -> Self {
        let mut dice = Dice::of(seed, "scenario", 0);
        let (hosts, users, actions, last_s) = match size {
            Size::Small => (
                dice.between(2, 6),
                dice.between(2, 10),
                dice.between(5, 50),
                dice.between(30, 200),
            ),
            Size::Middle => (
                dice.between(5, 30),
                dice.between(10, 100),
                dice.between(50, 200),
                dice.between(60, 200),
            ),
            Size::Large => (dice.between(1_000, 3_000), 300, 400, 60),
        };
        let agents = *dice.one_of(&[1000, 1000, 1000, 800, 500, 0]).unwrap_or(&0);
        let crowded = dice.happens(400);
        let plan = |host, dice: &mut Dice| HostPlan {
            host,
            sessions_max: u32::try_from(if crowded {
                dice.between(1, 3)
            } else {
                dice.between(3, 20)
            })
            .unwrap_or(1),
            agent: dice.happens(agents),
            weight: *dice.one_of(&[100, 100, 50, 200]).unwrap_or(&100),
        };
        let hosts = (0..hosts).map(|host| plan(host, &mut dice)).collect();
        let chances = chances(&mut dice);
        let mut scenario = Self {
            seed,
            brokers: *dice.one_of(&[1, 2, 2, 3]).unwrap_or(&1),
            sign_ins_max: *dice.one_of(&[2, 2, 2, 1, 0, 5]).unwrap_or(&2),
            sessions_per_user: rule(&mut dice),
            placement: placement(&mut dice),
            disconnected_timeout_s: *dice.one_of(&[0, 0, 0, 30]).unwrap_or(&0),
            session_timeout_s: *dice.one_of(&[0, 0, 0, 0, 60]).unwrap_or(&0),
            hosts,
            users,
            resources: dice.between(1, 3),
            chances,
            actions: Vec::new(),
            quiet_at_ms: last_s * 1000 + 1,
        };
        let troubles = dice.between(0, 400);
        for number in 0..actions {
            let action = Timed {
                at_ms: dice.below(last_s * 1000),
                number,
                action: scenario.action(&mut dice, troubles),
            };
            scenario.actions.push(action);
            scenario
                .actions
                .extend(scenario.twin(&mut dice, action, actions));
        }
        scenario
            .actions
            .sort_by_key(|timed| (timed.at_ms, timed.number));
        scenario
    }

    /// A launch is now and then done twice at once, as by a double click or in two browsers.
    fn twin(&self, dice: &mut Dice, of: Timed, actions: u64) -> Option<Timed> {
        let Action::Launch {
            user,
            resource,
            patience_s,
            ..
        } = of.action
        else {
            return None;
        };
        dice.happens(250).then(|| Timed {
            at_ms: of.at_ms + dice.below(30),
            number: of.number + actions,
            action: Action::Launch {
                user,
                resource,
                broker: dice.below(self.brokers),
                patience_s,
            },
        })
    }

    /// One action; `troubles` of a thousand are troubles.
    fn action(&self, dice: &mut Dice, troubles: u64) -> Action {
        let (user, resource) = (dice.below(self.users), dice.below(self.resources));
        let broker = dice.below(self.brokers);
        let host = dice.one_of(&self.hosts).map_or(0, |plan| plan.host);
        if dice.below(1000) < troubles {
            return self.trouble(dice, host, broker);
        }
        match dice.below(100) {
            0..50 => Action::Launch {
                user,
                resource,
                broker,
                patience_s: dice.between(1, 90),
            },
            50..65 => Action::Close {
                user,
                resource,
                lost: dice.happens(300),
            },
            65..75 => Action::LogOff { user, resource },
            75..83 => Action::End {
                user,
                resource,
                broker,
                operator: dice.happens(400),
            },
            83..88 => Action::Disconnect {
                user,
                resource,
                broker,
            },
            88..93 => Action::Mode {
                host,
                drain: dice.happens(500),
            },
            93..97 => Action::Local {
                host,
                user,
                on: dice.happens(700),
            },
            _ => Action::Message { host, broker },
        }
    }

    fn trouble(&self, dice: &mut Dice, host: u64, broker: u64) -> Action {
        match dice.below(100) {
            0..20 => Action::Reboot {
                host,
                for_ms: dice.between(1, 40_000),
            },
            20..32 => Action::Unreachable {
                host,
                for_ms: dice.between(1, 40_000),
            },
            32..42 => Action::AgentDown {
                host,
                for_ms: dice.between(1, 40_000),
            },
            42..60 => Action::LinkBreaks { host, broker },
            60..80 => Action::Crash {
                broker,
                after_ops: *dice.one_of(&[0, 1, 3, 10, 30]).unwrap_or(&0),
                op_done: dice.happens(500),
                for_ms: dice.between(1, 20_000),
            },
            80..92 => Action::StoreAway {
                broker: dice.happens(500).then_some(broker),
                for_ms: dice.between(1, 20_000),
            },
            _ => Action::ClockJumps {
                broker,
                by_ms: i64::try_from(dice.between(0, 20_000)).unwrap_or(0) - 10_000,
            },
        }
    }
}

fn chances(dice: &mut Dice) -> Chances {
    let calm = dice.happens(300);
    let rarely = |dice: &mut Dice, most: u32| {
        let most = u64::from(if calm { 0 } else { most });
        u32::try_from(dice.between(0, most)).unwrap_or(0)
    };
    Chances {
        store_ms: *dice.one_of(&[0, 1, 5, 50, 300]).unwrap_or(&1),
        answer_lost: rarely(dice, 30),
        event_ms: *dice.one_of(&[0, 10, 100, 1_500]).unwrap_or(&0),
        event_twice: rarely(dice, 100),
        report_ms: *dice.one_of(&[5, 50, 500, 2_500]).unwrap_or(&5),
        report_lost: rarely(dice, 200),
        report_twice: rarely(dice, 100),
        dial_fails: rarely(dice, 100),
        log_on_ms: *dice.one_of(&[200, 2_000, 6_000]).unwrap_or(&200),
        ticket_unused: rarely(dice, 100),
        skew_ms: *dice.one_of(&[0, 0, 1_000, 5_000]).unwrap_or(&0),
    }
}

fn rule(dice: &mut Dice) -> portico_model::estate::SessionsPerUser {
    use portico_model::estate::SessionsPerUser::{Many, Pool, Resource};
    *dice
        .one_of(&[Resource, Resource, Resource, Resource, Pool, Many])
        .unwrap_or(&Resource)
}

fn placement(dice: &mut Dice) -> portico_model::estate::PlacementRule {
    use portico_model::estate::PlacementRule::{FewestSessions, Pack, ResourceBased, RoundRobin};
    *dice
        .one_of(&[ResourceBased, FewestSessions, RoundRobin, Pack])
        .unwrap_or(&ResourceBased)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_scenario_that_survives_its_json() {
        for seed in 0..200 {
            let scenario = Scenario::of_seed(seed);
            assert_eq!(scenario, Scenario::of_seed(seed));
            let json = serde_json::to_string(&scenario).unwrap();
            assert_eq!(serde_json::from_str::<Scenario>(&json).unwrap(), scenario);
        }
        let large = (0..10_000).filter(|seed| Size::of_seed(*seed) == Size::Large);
        assert!((5..50).contains(&large.count()));
    }
}
