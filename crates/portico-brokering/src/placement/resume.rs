//! Coming back to a session that runs, which wins over placement.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use portico_model::{
    HostId, Timestamp,
    estate::{Host, ResumeFrom, SessionsPerUser},
    launch::{Choice, HostVerdict, NotChosen, Refusal},
    session::{Session, SessionState},
};

use super::{
    Decision, HostSnapshot, Others, PlacementInput, Resumable,
    eligibility::{home_barrier, is_held},
    verdict,
};

/// Bits of an IPv4 address that clients of one network share, for [`ResumeFrom::SameNetwork`].
const NETWORK_BITS_V4: u8 = 24;
/// Bits of an IPv6 address that clients of one network share.
const NETWORK_BITS_V6: u8 = 64;

/// Whether a launch at `now` comes back to `session`.
pub fn is_resumable(session: &Session, now: Timestamp) -> bool {
    match session.state {
        // A reservation that was made in the future is one from before the clock was set back.
        // One for which the host has a desktop is not over when its ticket lapses.
        SessionState::Pending { until } => now < until || session.on_host.is_some(),
        SessionState::Active { .. } | SessionState::Disconnected { .. } => true,
        SessionState::Ended { .. } => false,
    }
}

/// The session to come back to and its host, when there are both.
pub(super) fn home<'i, 'a>(
    input: &'i PlacementInput<'a>,
    now: Timestamp,
) -> Option<(&'i Resumable<'a>, &'a Host)> {
    let resumable = input.session.as_ref()?;
    let host = resumable.host?;
    is_resumable(resumable.session, now).then_some((resumable, host))
}

/// Comes back to a session, or says why that is not possible.
pub(super) fn resume<'i, 'a>(
    input: &'i PlacementInput<'a>,
    (home, host): (&Resumable<'a>, &Host),
) -> Result<Decision<'i, 'a>, Refusal> {
    let session = home.session;
    if let Some(reason) = home_barrier(host, home.mode, home.trusted, session.protocol) {
        return Err(refusal(input, vec![verdict(&session.host, reason)]));
    }
    if let Some(network) = left_network(input, session) {
        return Err(Refusal::ResumeElsewhere {
            session: session.id.clone(),
            host: session.host.clone(),
            network,
        });
    }
    let choice = Choice::Resumed {
        session: session.id.clone(),
    };
    Ok(decision(input, &session.host, choice))
}

/// Goes to the desktop that the account has on some host and that the directory does not know, or
/// says why that is not possible; `None` when there is none.
pub(super) fn runs_there<'i, 'a>(
    input: &'i PlacementInput<'a>,
) -> Option<Result<Decision<'i, 'a>, Refusal>> {
    if input.pool.sessions_per_user == SessionsPerUser::Many {
        return None;
    }
    let barrier = |holder: &HostSnapshot<'_>| {
        let set = holder.mode.as_ref();
        home_barrier(holder.host, set, holder.trusted, input.protocol)
    };
    let holders = || input.hosts.iter().filter(|host| holds(input, host));
    // A host that lets them in, the one they used last, the first by name.
    let best = holders().min_by_key(|holder| {
        let is_last = input.last_host == Some(holder.id);
        (barrier(holder).is_some(), !is_last, holder.id)
    })?;
    if barrier(best).is_none() {
        return Some(Ok(decision(input, best.id, Choice::RunsThere)));
    }
    let refused = holders().filter_map(|holder| Some(verdict(holder.id, barrier(holder)?)));
    Some(Err(refusal(input, refused.collect())))
}

/// Whether a launch would land in a desktop that the directory does not know. When the directory
/// has a session of the account there as well, that one is the desktop, of another resource, and
/// the host is not eligible for this one.
fn holds(input: &PlacementInput<'_>, host: &HostSnapshot<'_>) -> bool {
    is_held(input, host)
        && host.host.gives_each_account_one_session()
        && !host.accounts.contains(&input.account)
}

fn decision<'i, 'a>(
    input: &'i PlacementInput<'a>,
    host: &'a HostId,
    choice: Choice,
) -> Decision<'i, 'a> {
    Decision {
        input,
        host,
        choice,
        others: Others::NotLookedAt,
    }
}

/// Refused by these hosts; a session would be elsewhere than on each other one.
fn refusal(input: &PlacementInput<'_>, mut hosts: Vec<HostVerdict>) -> Refusal {
    let refused = hosts.len();
    for other in &input.hosts {
        let is_named = hosts.iter().take(refused).any(|v| v.host == *other.id);
        if !is_named {
            hosts.push(verdict(other.id, NotChosen::SessionElsewhere));
        }
    }
    Refusal::NoHost {
        pool: input.pool_id.clone(),
        hosts,
    }
}

/// The network that a session may be resumed from, when the client is not in it. A client whose
/// address is not known is in none.
fn left_network(input: &PlacementInput<'_>, session: &Session) -> Option<IpNet> {
    match input.pool.resume_from {
        ResumeFrom::Anywhere => None,
        ResumeFrom::SameNetwork => {
            let network = network(session.last_client?);
            let is_in = input
                .client_address
                .is_some_and(|client| network.contains(&client.to_canonical()));
            (!is_in).then_some(network)
        }
    }
}

fn network(client: IpAddr) -> IpNet {
    let client = client.to_canonical();
    match client {
        IpAddr::V4(client) => Ipv4Net::new(client, NETWORK_BITS_V4).map(IpNet::from),
        IpAddr::V6(client) => Ipv6Net::new(client, NETWORK_BITS_V6).map(IpNet::from),
    }
    .map_or_else(|_| IpNet::from(client), |network| network.trunc())
}
