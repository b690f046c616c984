//! The hosts among which a rule chooses, and why each other one is not among them.

use portico_model::{
    Timestamp,
    estate::SiteRule,
    launch::{HostVerdict, NotChosen},
};

use super::{
    HostSnapshot, PlacementInput,
    eligibility::{self, Barrier},
    verdict,
};

/// The hosts of a pool, sorted out.
#[derive(Debug)]
pub(super) struct Candidates<'i, 'a> {
    /// Those that a rule chooses from.
    pub(super) hosts: Vec<&'i HostSnapshot<'a>>,
    /// Of every host of the pool, in the order of the input.
    standings: Vec<Standing>,
    /// The best that any host has.
    best: Class,
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    Barred(Barrier),
    Eligible(Class),
}

/// Eligible hosts of the lowest class are the candidates. A penalty weighs more than the site: a
/// host far away that works is better than a near one where launches fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Near,
    Far,
    PenalisedNear,
    PenalisedFar,
}

impl<'i, 'a> Candidates<'i, 'a> {
    pub(super) fn of(input: &'i PlacementInput<'a>, now: Timestamp) -> Self {
        let mut standings = Vec::with_capacity(input.hosts.len());
        let mut best = Class::PenalisedFar;
        for host in &input.hosts {
            standings.push(match eligibility::barrier(input, host) {
                Some(barrier) => Standing::Barred(barrier),
                None => {
                    let class = class(input, host, now);
                    best = best.min(class);
                    Standing::Eligible(class)
                }
            });
        }
        let both = input.hosts.iter().zip(&standings);
        let is_best = |standing: &Standing| matches!(standing, Standing::Eligible(c) if *c == best);
        let hosts = both
            .filter(|(_, standing)| is_best(standing))
            .map(|(host, _)| host)
            .collect();
        Self {
            hosts,
            standings,
            best,
        }
    }

    /// Why the host at this place of the input is no candidate; `None` when it is one.
    pub(super) fn set_aside(&self, input: &PlacementInput<'_>, at: usize) -> Option<NotChosen> {
        let host = input.hosts.get(at)?;
        match self.standings.get(at)? {
            Standing::Barred(barrier) => {
                eligibility::describe(*barrier, input.pool, input.account, host)
            }
            Standing::Eligible(class) if *class == self.best => None,
            Standing::Eligible(class) => match (class, self.best) {
                (Class::PenalisedNear | Class::PenalisedFar, Class::Near | Class::Far) => {
                    let penalty = host.penalty?;
                    Some(NotChosen::Penalised {
                        until: penalty.until,
                        failures: penalty.failures,
                    })
                }
                _ => Some(NotChosen::OtherSite {
                    site: host.host.site.clone()?,
                }),
            },
        }
    }

    /// Every host that is no candidate, with the reason.
    pub(super) fn verdicts<'s>(
        &'s self,
        input: &'s PlacementInput<'a>,
    ) -> impl Iterator<Item = HostVerdict> + 's {
        let hosts = input.hosts.iter().enumerate();
        hosts.filter_map(move |(at, host)| Some(verdict(host.id, self.set_aside(input, at)?)))
    }
}

fn class(input: &PlacementInput<'_>, host: &HostSnapshot<'_>, now: Timestamp) -> Class {
    let is_penalised = host.penalty.is_some_and(|penalty| penalty.counts(now));
    // Of a client that is at no site every site is as far.
    let is_far = input.pool.site_rule == SiteRule::Prefer
        && input.client_site.is_some()
        && eligibility::is_at_other_site(input, host.host);
    match (is_penalised, is_far) {
        (false, false) => Class::Near,
        (false, true) => Class::Far,
        (true, false) => Class::PenalisedNear,
        (true, true) => Class::PenalisedFar,
    }
}
