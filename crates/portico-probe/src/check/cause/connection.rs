//! Causes that keep a connection from being made, or from being one with the service.

use std::net::IpAddr;

use portico_catalogue::{Transport, plan::Address};

use super::{
    super::{Clue, Verdict},
    Case, Cause, CauseKind, Certainty, Observation, Seen, shown_vantage,
};

/// The name leads somewhere else than the estate says: to another host, or to nobody it knows.
pub(super) fn address_of_another(case: &Case<'_>, own: &Observation) -> Option<Cause> {
    if own.host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let host = case.hosts.iter().find(|host| host.id == case.to)?;
    let is_its = |ip: &IpAddr| host.addresses.iter().any(|address| has(address, *ip));
    let stray = own.addresses.iter().find(|ip| !is_its(ip))?;
    let mut others = case.hosts.iter().filter(|other| other.id != case.to);
    let owner = others.find(|other| other.addresses.iter().any(|address| has(address, *stray)));
    let knows_addresses = host
        .addresses
        .iter()
        .any(|address| !matches!(address, Address::Name(_)));
    let is_own_machine = stray.is_loopback() && own.vantage != case.to;
    let whose = match owner {
        Some(owner) => format!("the address of {}", owner.id),
        None if is_own_machine => format!("an address of {} itself", shown_vantage(&own.vantage)),
        None if knows_addresses => "none that the estate has for it".to_owned(),
        // The estate knows the host by its name alone: any address is good.
        None => return None,
    };
    Some(Cause {
        kind: CauseKind::AddressOfAnother,
        certainty: match own.verdict {
            // A proven service is one, and may be the right one at an address that is new.
            Verdict::Proven => Certainty::Possible,
            _ => Certainty::Sure,
        },
        why: format!("{} resolves to {stray}, which is {whose}", own.host),
        next_step: format!(
            "correct the record of {} in the DNS (`getent hosts {}` on {} shows it, and \
             /etc/hosts comes first there), or the addresses of {} in the estate",
            own.host,
            own.host,
            shown_vantage(&own.vantage),
            case.to
        ),
    })
}

fn has(address: &Address, ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    match address {
        Address::Ip(own) => own.to_canonical() == ip,
        Address::Network(network) => network.contains(&ip),
        Address::Name(_) => false,
    }
}

/// What the verdict of the flow itself says, together with what was seen beside it.
pub(super) fn of_verdict(case: &Case<'_>, seen: &Seen<'_>, own: &Observation) -> Vec<Cause> {
    match own.verdict {
        Verdict::Proven => vec![],
        Verdict::NotResolvable => vec![name_unknown(seen, own)],
        Verdict::Refused => refused(case, seen, own),
        Verdict::NoAnswer => no_answer(case, seen, own),
        Verdict::Blocked => blocked(case, seen, own),
        Verdict::WrongService => vec![Cause {
            kind: CauseKind::WrongService,
            certainty: Certainty::Sure,
            why: own.evidence.clone(),
            next_step: checked_step(own),
        }],
        Verdict::ReachableNotProven => vec![not_shown(own)],
        Verdict::Skipped => vec![Cause {
            kind: CauseKind::Unchecked,
            certainty: Certainty::Sure,
            why: format!("nothing was sent: {}", own.evidence),
            next_step: checked_step(own),
        }],
    }
}

fn checked_step(own: &Observation) -> String {
    own.next_step
        .clone()
        .unwrap_or_else(|| format!("see the service on {} and its log", own.to))
}

fn name_unknown(seen: &Seen<'_>, own: &Observation) -> Cause {
    let vantage = shown_vantage(&own.vantage);
    let resolves = |other: &&&Observation| {
        other.host == own.host
            && !matches!(other.verdict, Verdict::NotResolvable | Verdict::Skipped)
    };
    match seen.elsewhere.iter().find(resolves) {
        Some(other) => Cause {
            kind: CauseKind::NameUnknown,
            certainty: Certainty::Sure,
            why: format!(
                "{} has no address on {vantage}, and has one on {}",
                own.host,
                shown_vantage(&other.vantage)
            ),
            next_step: format!(
                "compare the resolvers of the two (/etc/resolv.conf, `getent hosts {}`)",
                own.host
            ),
        },
        None => Cause {
            kind: CauseKind::NameUnknown,
            certainty: Certainty::Sure,
            why: own.evidence.clone(),
            next_step: format!(
                "add {} to the DNS that {vantage} asks, or give the host's IP address in the estate",
                own.host
            ),
        },
    }
}

fn refused(case: &Case<'_>, seen: &Seen<'_>, own: &Observation) -> Vec<Cause> {
    let wire = wire(own);
    if let Some(other) = seen.works_elsewhere() {
        return vec![Cause {
            kind: CauseKind::FirewallRejects,
            certainty: Certainty::Likely,
            why: format!(
                "{wire} of {} is refused from {}, and is proven from {}: the service runs",
                case.to,
                shown_vantage(&own.vantage),
                shown_vantage(&other.vantage)
            ),
            next_step: format!(
                "look for a rule that rejects {} on {} and on the way (`nft list ruleset`), and \
                 whether the service takes clients of its own machine only",
                shown_vantage(&own.vantage),
                case.to
            ),
        }];
    }
    vec![
        Cause {
            kind: CauseKind::NothingListens,
            certainty: Certainty::Likely,
            why: format!("{} answers that nothing listens on {wire}", case.to),
            next_step: format!(
                "start the service on {} (`ss -ltnup` shows what listens), or correct its port in \
                 the estate",
                case.to
            ),
        },
        Cause {
            kind: CauseKind::FirewallRejects,
            certainty: Certainty::Possible,
            why: "a firewall that rejects can answer the same".into(),
            next_step: format!(
                "when `ss -ltnup` on {} shows the service, look for a rule that rejects it",
                case.to
            ),
        },
    ]
}

fn no_answer(case: &Case<'_>, seen: &Seen<'_>, own: &Observation) -> Vec<Cause> {
    let wire = wire(own);
    let vantage = shown_vantage(&own.vantage);
    let through = format!(
        "let {wire} from {vantage} through on {} and on the way (flow {})",
        case.to, own.flow
    );
    let alive = seen.host_answers(own);
    if own.transport == Transport::Udp
        && let Some(other) = alive
    {
        return vec![Cause {
            kind: CauseKind::ReversePathMissing,
            certainty: Certainty::Likely,
            why: format!(
                "questions to {wire} of {} have no answer and no refusal, though {} of the same \
                 host answers: they or their answers are dropped",
                case.to,
                self::wire(other)
            ),
            next_step: format!(
                "{through}, and its answers back; look on {} with `tcpdump udp port {}` which of \
                 the two is missing",
                case.to, own.port
            ),
        }];
    }
    if let Some(other) = alive {
        return vec![Cause {
            kind: CauseKind::FirewallDrops,
            certainty: Certainty::Likely,
            why: format!(
                "{wire} of {} says nothing at all, and {} of the same host answers",
                case.to,
                self::wire(other)
            ),
            next_step: through,
        }];
    }
    if let Some(other) = seen.works_elsewhere() {
        return vec![Cause {
            kind: CauseKind::FirewallDrops,
            certainty: Certainty::Likely,
            why: format!(
                "{wire} of {} is proven from {}, and has no answer from {vantage}",
                case.to,
                shown_vantage(&other.vantage)
            ),
            next_step: format!("{through}; check the routes of both, too"),
        }];
    }
    vec![host_down(case, seen, own)]
}

/// Nothing of the host answers, as far as anybody looked.
fn host_down(case: &Case<'_>, seen: &Seen<'_>, own: &Observation) -> Cause {
    let asked: Vec<&&Observation> = seen
        .beside
        .iter()
        .filter(|other| matches!(other.verdict, Verdict::NoAnswer | Verdict::Blocked))
        .collect();
    let vantage = shown_vantage(&own.vantage);
    let (certainty, why) = match asked.len() {
        0 => (
            Certainty::Possible,
            format!(
                "nothing came back, and no other planned port of {} tells whether the host is there",
                case.to
            ),
        ),
        count => (
            Certainty::Likely,
            format!(
                "neither {} nor any of {count} other planned ports of {} answers {vantage}",
                wire(own),
                case.to
            ),
        ),
    };
    Cause {
        kind: CauseKind::HostDown,
        certainty,
        why,
        next_step: format!(
            "see that {} runs, that {} is its address, and that there is a way from {vantage} (`ip \
             route get`, `traceroute`); a firewall that drops everything looks the same",
            case.to, own.host
        ),
    }
}

fn blocked(case: &Case<'_>, seen: &Seen<'_>, own: &Observation) -> Vec<Cause> {
    let wire = wire(own);
    let vantage = shown_vantage(&own.vantage);
    if own.clue == Some(Clue::Reset) {
        return vec![Cause {
            kind: CauseKind::ConnectionReset,
            certainty: Certainty::Likely,
            why: own.evidence.clone(),
            next_step: format!(
                "see the log of the service on {} for {vantage}; when it has nothing, something \
                 on the way resets the connection, such as a firewall that looks into it",
                case.to
            ),
        }];
    }
    let rejects = |certainty, why| Cause {
        kind: CauseKind::FirewallRejects,
        certainty,
        why,
        next_step: format!(
            "let {wire} from {vantage} through on {} and on the way (flow {})",
            case.to, own.flow
        ),
    };
    if own.clue == Some(Clue::Prohibited) {
        let why = format!("a firewall says that it forbids {wire}: {}", own.evidence);
        return vec![rejects(Certainty::Sure, why)];
    }
    // "Host unreachable" and "prohibited" look the same to a socket over IPv4.
    match seen.host_answers(own).or_else(|| seen.works_elsewhere()) {
        Some(other) => {
            let why = format!(
                "somebody answers that {wire} of {} cannot be reached, though {} answers {}",
                case.to,
                self::wire(other),
                shown_vantage(&other.vantage)
            );
            vec![rejects(Certainty::Likely, why)]
        }
        None => vec![host_down(case, seen, own)],
    }
}

fn not_shown(own: &Observation) -> Cause {
    let (kind, certainty) = match own.clue {
        Some(Clue::Silent | Clue::Unfinished) => (CauseKind::TooSlow, Certainty::Likely),
        Some(Clue::TlsRefused) => (CauseKind::TlsRefused, Certainty::Sure),
        _ => (CauseKind::NotShown, Certainty::Possible),
    };
    Cause {
        kind,
        certainty,
        why: own.evidence.clone(),
        next_step: checked_step(own),
    }
}

/// A port as people write it.
fn wire(seen: &Observation) -> String {
    match seen.transport {
        Transport::Tcp => format!("{}/tcp", seen.port),
        Transport::Udp => format!("{}/udp", seen.port),
        Transport::Icmp => "icmp".into(),
        Transport::Ip => "its IP protocol".into(),
    }
}
