//! The choice among candidates.

use std::cmp::Ordering;

use portico_model::{
    estate::PlacementRule,
    launch::{Choice, NotChosen},
};

use super::{
    HostSnapshot, PlacementInput,
    candidates::Candidates,
    load::{Fraction, Scale, crowd, fullness, weight},
};

/// The chosen host, and what it was chosen for.
#[derive(Debug)]
pub(super) struct Winner<'i, 'a> {
    pub(super) host: &'i HostSnapshot<'a>,
    merit: Merit,
}

#[derive(Debug)]
enum Merit {
    LastHost,
    LowestLoad {
        scale: Scale,
        burden: Fraction,
        index: u32,
    },
    FewestSessions,
    Turn,
    Fullest,
}

/// Chooses; `None` when there is no candidate.
pub(super) fn choose<'i, 'a>(
    input: &PlacementInput<'a>,
    candidates: &Candidates<'i, 'a>,
) -> Option<Winner<'i, 'a>> {
    let hosts = &candidates.hosts;
    let last = input.last_host.filter(|_| input.pool.affinity);
    let last = last.and_then(|last| hosts.iter().find(|host| host.id == last));
    if let Some(host) = last {
        let merit = Merit::LastHost;
        return Some(Winner { host, merit });
    }
    let (host, merit) = match input.pool.placement {
        PlacementRule::ResourceBased => {
            let scale = Scale::new(&input.pool.load_weights, hosts.iter().copied());
            let host = least(hosts, input.lot, |host| scale.burden(host))?;
            let (burden, index) = (scale.burden(host), scale.index(host));
            let merit = Merit::LowestLoad {
                scale,
                burden,
                index,
            };
            (host, merit)
        }
        PlacementRule::FewestSessions => (least(hosts, input.lot, crowd)?, Merit::FewestSessions),
        PlacementRule::RoundRobin => (whose_turn(hosts, input.turn)?, Merit::Turn),
        PlacementRule::Pack => (
            hosts.iter().copied().max_by(|a, b| compare_packed(a, b))?,
            Merit::Fullest,
        ),
    };
    Some(Winner { host, merit })
}

/// The host with the least of something; `lot` decides between equals.
fn least<'i, 'a>(
    hosts: &[&'i HostSnapshot<'a>],
    lot: u64,
    measure: impl Fn(&HostSnapshot<'a>) -> Fraction,
) -> Option<&'i HostSnapshot<'a>> {
    let (first, others) = hosts.split_first()?;
    let mut lowest = measure(first);
    let mut equals = vec![*first];
    for host in others {
        let measured = measure(host);
        match measured.cmp(lowest) {
            Ordering::Less => {
                lowest = measured;
                equals.clear();
                equals.push(host);
            }
            Ordering::Equal => equals.push(host),
            Ordering::Greater => {}
        }
    }
    nth_by_id(&mut equals, lot)
}

/// The host at place `lot`, modulo their number, in the order of ids.
fn nth_by_id<'i, 'a>(hosts: &mut [&'i HostSnapshot<'a>], lot: u64) -> Option<&'i HostSnapshot<'a>> {
    let place = lot.checked_rem(hosts.len() as u64)?;
    let place = usize::try_from(place).ok()?;
    let (_, host, _) = hosts.select_nth_unstable_by_key(place, |host| host.id);
    Some(host)
}

/// The host whose turn it is: each gets as many turns of a round as its weight says, and hosts of
/// the same weight come one after the other by id.
fn whose_turn<'i, 'a>(hosts: &[&'i HostSnapshot<'a>], turn: u64) -> Option<&'i HostSnapshot<'a>> {
    let shared = hosts
        .iter()
        .fold(0, |shared, host| gcd(shared, weight(host).into()));
    let turns = |host: &HostSnapshot<'_>| u64::from(weight(host)).checked_div(shared).unwrap_or(1);
    let round: u64 = hosts.iter().map(|host| turns(host)).sum();
    let mut hosts = hosts.to_vec();
    if round == hosts.len() as u64 {
        return nth_by_id(&mut hosts, turn);
    }
    hosts.sort_unstable_by_key(|host| host.id);
    // Steps of about the golden section of the round visit each turn of it once, and keep the
    // turns of one host apart from each other.
    let turn = turn.checked_rem(round)?;
    let mut place = turn.checked_mul(step(round))?.checked_rem(round)?;
    for host in hosts {
        let own = turns(host);
        if place < own {
            return Some(host);
        }
        place -= own;
    }
    None
}

/// A number near the golden section of `round` that has no divisor in common with it.
fn step(round: u64) -> u64 {
    let mut step = (round.saturating_mul(618) / 1_000).max(1);
    // Ends at `round - 1` at the latest, as neighbours have no divisor in common.
    while step < round && gcd(step, round) != 1 {
        step += 1;
    }
    step
}

const fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The better host to fill is the greater one: the fuller, the heavier, the first by id.
fn compare_packed(a: &HostSnapshot<'_>, b: &HostSnapshot<'_>) -> Ordering {
    fullness(a)
        .cmp(fullness(b))
        .then_with(|| weight(a).cmp(&weight(b)))
        .then_with(|| b.id.cmp(a.id))
}

impl Winner<'_, '_> {
    /// How the choice came about.
    pub(super) fn choice(&self) -> Choice {
        let (sessions, sessions_max) = sessions(self.host);
        match &self.merit {
            Merit::LastHost => Choice::LastHost {
                sessions,
                sessions_max,
            },
            Merit::LowestLoad { index, .. } => Choice::ResourceBased {
                index: *index,
                sessions,
                sessions_max,
            },
            Merit::FewestSessions => Choice::FewestSessions {
                sessions,
                sessions_max,
            },
            Merit::Turn => Choice::RoundRobin,
            Merit::Fullest => Choice::Pack {
                sessions,
                sessions_max,
            },
        }
    }

    /// Why it was preferred to `other`, another candidate.
    pub(super) fn over(&self, other: &HostSnapshot<'_>) -> NotChosen {
        let (sessions, sessions_max) = sessions(other);
        match &self.merit {
            Merit::LastHost => NotChosen::NotLastHost,
            Merit::LowestLoad {
                scale,
                burden,
                index: chosen,
            } => {
                let index = scale.index(other);
                match scale.burden(other).cmp(*burden) {
                    Ordering::Equal => NotChosen::SameLoad { index },
                    _ => NotChosen::HigherLoad {
                        index,
                        chosen: *chosen,
                    },
                }
            }
            Merit::FewestSessions => match crowd(other).cmp(crowd(self.host)) {
                Ordering::Equal => NotChosen::AsFewSessions {
                    sessions,
                    sessions_max,
                },
                _ => NotChosen::MoreSessions {
                    sessions,
                    sessions_max,
                },
            },
            Merit::Turn => NotChosen::NotItsTurn,
            Merit::Fullest => match fullness(other).cmp(fullness(self.host)) {
                Ordering::Equal => NotChosen::AsFull {
                    sessions,
                    sessions_max,
                },
                _ => NotChosen::EmptierThanChosen {
                    sessions,
                    sessions_max,
                },
            },
        }
    }
}

fn sessions(host: &HostSnapshot<'_>) -> (u32, u32) {
    (host.sessions, host.host.sessions_max)
}
