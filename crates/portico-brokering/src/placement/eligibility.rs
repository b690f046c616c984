//! Whether a new session may come to a host at all.

use portico_model::{
    estate::{Host, HostMode, Pool, Protocol, SiteRule},
    launch::NotChosen,
    seen::ModeSet,
};

use super::{HostSnapshot, PlacementInput, Sight};

/// Why a host is not eligible, without its texts. The ones that an operator set come first, then
/// those that the user can do something about, then those that pass by themselves: the first that
/// holds is told, and it should be one that somebody can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Barrier {
    Disabled,
    Draining,
    OtherProtocol,
    Revoked,
    NeverJoined,
    WaitingForApproval,
    NotTrusted,
    OtherSite,
    AccountInUse,
    Silent,
    Unreachable,
    NotProbed,
    Full,
    SignInsInProgress,
}

/// The first reason for which a new session may not come to `snapshot`.
pub(super) fn barrier(input: &PlacementInput<'_>, snapshot: &HostSnapshot<'_>) -> Option<Barrier> {
    let host = snapshot.host;
    closed(host, snapshot.mode.as_ref())
        .or_else(|| (host.protocol != input.protocol).then_some(Barrier::OtherProtocol))
        .or_else(|| unfit(snapshot))
        .or_else(|| is_elsewhere(input, host).then_some(Barrier::OtherSite))
        .or_else(|| has_account(input, snapshot).then_some(Barrier::AccountInUse))
        .or_else(|| unseen(&snapshot.sight))
        .or_else(|| busy(input.pool, snapshot))
}

/// Why nothing new comes to a host, whoever asks from wherever; empty when it takes new sessions.
pub fn why_not(pool: &Pool, snapshot: &HostSnapshot<'_>) -> Vec<NotChosen> {
    [
        closed(snapshot.host, snapshot.mode.as_ref()),
        unfit(snapshot),
        unseen(&snapshot.sight),
        busy(pool, snapshot),
    ]
    .into_iter()
    .flatten()
    .filter_map(|barrier| describe(barrier, pool, "", snapshot))
    .collect()
}

/// The reason for which not even a session that runs on a host can be reached.
pub(super) fn home_barrier(
    host: &Host,
    set: Option<&ModeSet>,
    trusted: bool,
    protocol: Protocol,
) -> Option<NotChosen> {
    match mode(host, set) {
        (HostMode::Disabled, set) => Some(NotChosen::Disabled { set: set.cloned() }),
        _ if host.protocol != protocol => Some(NotChosen::OtherProtocol),
        _ if !trusted => Some(NotChosen::NotTrusted),
        _ => None,
    }
}

/// What a barrier is called; `None` when it is none of this host's.
pub(super) fn describe(
    barrier: Barrier,
    pool: &Pool,
    account: &str,
    snapshot: &HostSnapshot<'_>,
) -> Option<NotChosen> {
    let set = || mode(snapshot.host, snapshot.mode.as_ref()).1.cloned();
    Some(match barrier {
        Barrier::Disabled => NotChosen::Disabled { set: set() },
        Barrier::Draining => NotChosen::Draining { set: set() },
        Barrier::OtherProtocol => NotChosen::OtherProtocol,
        Barrier::Revoked => NotChosen::Revoked,
        Barrier::NeverJoined => NotChosen::NeverJoined,
        Barrier::WaitingForApproval => NotChosen::WaitingForApproval,
        Barrier::NotTrusted => NotChosen::NotTrusted,
        Barrier::OtherSite => NotChosen::OtherSite {
            site: snapshot.host.site.clone()?,
        },
        Barrier::AccountInUse => NotChosen::AccountInUse {
            account: account.to_owned(),
        },
        Barrier::Silent | Barrier::Unreachable | Barrier::NotProbed => match &snapshot.sight {
            Sight::Silent { since } => NotChosen::Silent { since: *since },
            Sight::Unreachable { detail } => NotChosen::Unreachable {
                detail: detail.clone(),
            },
            _ => NotChosen::NotProbed,
        },
        Barrier::Full => NotChosen::Full {
            sessions: snapshot.sessions,
            sessions_max: snapshot.host.sessions_max,
        },
        Barrier::SignInsInProgress => NotChosen::SignInsInProgress {
            sign_ins: snapshot.sign_ins,
            sign_ins_max: pool.sign_ins_max,
        },
    })
}

/// The stricter of the estate's mode and the one that was set, with the latter when it is the
/// stricter one: only then does taking it back help.
pub(super) fn mode<'m>(host: &Host, set: Option<&'m ModeSet>) -> (HostMode, Option<&'m ModeSet>) {
    match set {
        Some(set) if strictness(set.mode) > strictness(host.mode) => (set.mode, Some(set)),
        _ => (host.mode, None),
    }
}

const fn strictness(mode: HostMode) -> u8 {
    match mode {
        HostMode::Enabled => 0,
        HostMode::Drain => 1,
        HostMode::Disabled => 2,
    }
}

/// Whether the account has a session on a host that gives each account one only.
pub(super) fn has_account(input: &PlacementInput<'_>, snapshot: &HostSnapshot<'_>) -> bool {
    snapshot.host.gives_each_account_one_session()
        && (snapshot.accounts.contains(&input.account) || is_held(input, snapshot))
}

/// Whether the account has a desktop there that the directory does not know, as far as the agent
/// is believed.
pub(super) fn is_held(input: &PlacementInput<'_>, snapshot: &HostSnapshot<'_>) -> bool {
    snapshot.holds_account
        && snapshot.sight != Sight::Revoked
        && input.protocol == Protocol::Rdp
        && snapshot.host.protocol == Protocol::Rdp
}

/// Whether a host stands at another site than the client. One without site serves every site; a
/// client that is at no site is at another than every host with one.
pub(super) fn is_at_other_site(input: &PlacementInput<'_>, host: &Host) -> bool {
    host.site
        .as_ref()
        .is_some_and(|site| input.client_site != Some(site))
}

fn closed(host: &Host, set: Option<&ModeSet>) -> Option<Barrier> {
    match mode(host, set).0 {
        HostMode::Disabled => Some(Barrier::Disabled),
        HostMode::Drain => Some(Barrier::Draining),
        HostMode::Enabled => None,
    }
}

fn unfit(snapshot: &HostSnapshot<'_>) -> Option<Barrier> {
    match snapshot.sight {
        Sight::Revoked => Some(Barrier::Revoked),
        Sight::NeverJoined => Some(Barrier::NeverJoined),
        Sight::WaitingForApproval => Some(Barrier::WaitingForApproval),
        _ if !snapshot.trusted => Some(Barrier::NotTrusted),
        _ => None,
    }
}

fn is_elsewhere(input: &PlacementInput<'_>, host: &Host) -> bool {
    input.pool.site_rule == SiteRule::Require && is_at_other_site(input, host)
}

const fn unseen(sight: &Sight) -> Option<Barrier> {
    match sight {
        Sight::Silent { .. } => Some(Barrier::Silent),
        Sight::Unreachable { .. } => Some(Barrier::Unreachable),
        Sight::NotProbed => Some(Barrier::NotProbed),
        Sight::Reachable
        | Sight::Fresh
        | Sight::Revoked
        | Sight::NeverJoined
        | Sight::WaitingForApproval => None,
    }
}

fn busy(pool: &Pool, snapshot: &HostSnapshot<'_>) -> Option<Barrier> {
    if snapshot.sessions >= snapshot.host.sessions_max {
        Some(Barrier::Full)
    } else if pool.sign_ins_max > 0 && snapshot.sign_ins >= pool.sign_ins_max {
        Some(Barrier::SignInsInProgress)
    } else {
        None
    }
}
