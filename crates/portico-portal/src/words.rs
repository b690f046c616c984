//! Refusals and other decisions as sentences for people: what happened, why, what to do.

use portico_model::{
    launch::{Condition, HostVerdict, NotChosen, Refusal},
    printable,
};

/// Hosts of a refusal that are told in words.
const TOLD_MAX: usize = 5;
/// Hosts of a refusal that are told as data.
const VERDICTS_MAX: usize = 50;

/// A refusal in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefusalWords {
    /// What happened.
    pub(crate) message: String,
    /// Why.
    pub(crate) reason: String,
    /// What to do.
    pub(crate) next_step: String,
}

/// Says why a launch was refused.
pub(crate) fn refusal(refusal: &Refusal) -> RefusalWords {
    let words = |message: &str, reason: String, next_step: &str| RefusalWords {
        message: message.into(),
        reason,
        next_step: next_step.into(),
    };
    match refusal {
        Refusal::NotFound { resource } => words(
            "There is no such resource",
            format!("nothing called \"{resource}\" is published for you"),
            "Open the start page to see what is published for you",
        ),
        Refusal::NotNow { conditions, .. } => {
            let mut reasons: Vec<&str> = conditions
                .iter()
                .map(|failed| condition(failed.condition))
                .collect();
            reasons.sort_unstable();
            reasons.dedup();
            words(
                "You may not launch this now",
                reasons.join("; "),
                "Try again when the condition holds, or ask your administrator",
            )
        }
        Refusal::IsLink { .. } => words(
            "This is a link",
            "a link is opened by the browser, not launched".into(),
            "Open its address",
        ),
        Refusal::NoHost { pool, hosts } if hosts.is_empty() => words(
            "No host can take the session",
            format!("pool {pool} has no hosts"),
            "Ask your administrator to add a host to the pool",
        ),
        Refusal::NoHost { hosts, .. } => words(
            "No host can take the session",
            reasons(hosts),
            next_step(hosts),
        ),
        Refusal::ResumeElsewhere { network, .. } => words(
            "Your session can only be resumed where you left it",
            format!("it was used from the network {network} last"),
            "Go back to that network, or ask your administrator to end the session",
        ),
        Refusal::StoreAway { .. } => words(
            "No new session can be placed at the moment",
            "Portico cannot read or write its state".into(),
            "Try again in a moment; running sessions are not affected",
        ),
        Refusal::Busy => words(
            "Many people are signing in at the moment",
            "the hosts kept changing while yours was being chosen".into(),
            "Try again in a few seconds",
        ),
    }
}

/// Says that no host of a refusal answers, without their names and addresses, and under which code
/// administrators know why. `None` when it is refused for another reason, too.
pub(crate) fn unreached(refusal: &Refusal, cause: Option<&str>) -> Option<RefusalWords> {
    let Refusal::NoHost { hosts, .. } = refusal else {
        return None;
    };
    let is_away = |verdict: &HostVerdict| {
        let reason = &verdict.reason;
        matches!(
            reason,
            NotChosen::Unreachable { .. } | NotChosen::Silent { .. }
        )
    };
    let message = match hosts.as_slice() {
        [] => return None,
        hosts if !hosts.iter().all(is_away) => return None,
        [_] => "The computer for this does not answer",
        _ => "None of the computers for this answers",
    };
    let code = cause.unwrap_or("unreached");
    Some(RefusalWords {
        message: message.into(),
        reason: format!("your administrator sees why, under the code {code}"),
        next_step: "Try again in a minute; if it stays so, tell your administrator the code".into(),
    })
}

fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::ClientNetwork => "it is not allowed from the network you are in",
        Condition::Time => "it is not allowed at this time",
        Condition::Strength => "it needs a second factor at sign-in",
    }
}

/// Why, host by host; of a large pool only the first ones.
fn reasons(hosts: &[HostVerdict]) -> String {
    let mut told: Vec<String> = hosts.iter().take(TOLD_MAX).map(host_verdict).collect();
    let more = hosts.len().saturating_sub(told.len());
    if more > 0 {
        told.push(format!("and {more} more hosts that cannot either"));
    }
    told.join("; ")
}

/// What the user can do. The best that any host has to offer counts.
fn next_step(hosts: &[HostVerdict]) -> &'static str {
    let any = |is: fn(&NotChosen) -> bool| hosts.iter().any(|verdict| is(&verdict.reason));
    if waits_for_sign_ins(hosts) {
        "Try again in a few seconds: others are just signing in"
    } else if any(|reason| matches!(reason, NotChosen::AccountInUse { .. })) {
        "Log off from your other session first, or try again when it has ended"
    } else if any(NotChosen::passes_by_itself) {
        "Try again in a minute; if it stays so, tell your administrator the reasons above"
    } else {
        "Tell your administrator the reasons above; trying again does not help"
    }
}

/// Whether it is only others who are just signing in that keep a host from taking the session:
/// a matter of seconds.
pub(crate) fn waits_for_sign_ins(hosts: &[HostVerdict]) -> bool {
    let mut reasons = hosts.iter().map(|verdict| &verdict.reason);
    reasons.any(|reason| matches!(reason, NotChosen::SignInsInProgress { .. }))
}

/// Says why one host was not chosen, as users may know it.
fn host_verdict(verdict: &HostVerdict) -> String {
    let host = &verdict.host;
    match &verdict.reason {
        NotChosen::Disabled { .. } => format!("{host} is disabled"),
        NotChosen::Draining { .. } => format!("{host} is draining and takes no new sessions"),
        NotChosen::NeverJoined | NotChosen::WaitingForApproval => {
            format!("{host} is not set up yet")
        }
        NotChosen::Revoked => format!("{host} was shut out"),
        NotChosen::Silent { .. } => format!("{host} has not been heard of for a while"),
        NotChosen::Unreachable { .. } => format!("{host} does not answer"),
        NotChosen::NotProbed => format!("{host} was not checked yet"),
        NotChosen::NotTrusted => format!("{host} is not trusted yet: nobody vouched for it"),
        NotChosen::OtherProtocol => format!("{host} speaks another protocol"),
        NotChosen::Full {
            sessions,
            sessions_max,
        } => {
            format!("{host} is full ({sessions} of {sessions_max} sessions)")
        }
        NotChosen::SignInsInProgress { sign_ins, .. } => {
            format!("{host} is busy with {sign_ins} other people signing in")
        }
        NotChosen::OtherSite { .. } => format!("{host} is for people at another site"),
        NotChosen::Penalised { .. } => format!("on {host} launches failed lately"),
        NotChosen::AccountInUse { account } => format!(
            "{host} already runs another session of {} and gives each account only one",
            printable(account)
        ),
        NotChosen::SessionElsewhere => format!("{host} is not where your session runs"),
        NotChosen::NotLastHost
        | NotChosen::HigherLoad { .. }
        | NotChosen::SameLoad { .. }
        | NotChosen::NotItsTurn
        | NotChosen::EmptierThanChosen { .. }
        | NotChosen::AsFull { .. }
        | NotChosen::MoreSessions { .. }
        | NotChosen::AsFewSessions { .. } => format!("another host was better than {host}"),
    }
}

/// A refusal as users may see it: without what only operators may know, and of a large pool only
/// the first hosts.
pub(crate) fn for_users(refusal: &Refusal) -> Refusal {
    match refusal {
        Refusal::NoHost { pool, hosts } => Refusal::NoHost {
            pool: pool.clone(),
            hosts: hosts
                .iter()
                .take(VERDICTS_MAX)
                .map(|verdict| HostVerdict {
                    host: verdict.host.clone(),
                    reason: reason_for_users(&verdict.reason),
                })
                .collect(),
        },
        Refusal::StoreAway { .. } => Refusal::StoreAway {
            detail: String::new(),
        },
        other => other.clone(),
    }
}

fn reason_for_users(reason: &NotChosen) -> NotChosen {
    match reason {
        NotChosen::Unreachable { .. } => NotChosen::Unreachable {
            detail: String::new(),
        },
        NotChosen::Disabled { .. } => NotChosen::Disabled { set: None },
        NotChosen::Draining { .. } => NotChosen::Draining { set: None },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use portico_model::{
        HostId, PoolId, SessionId, SiteId, Timestamp, estate::HostMode, seen::ModeSet,
        text::is_unsafe_to_show,
    };

    use super::*;

    /// In every text that somebody else wrote.
    const HOSTILE: &str = "\u{1b}[2J</script>\u{202e}";

    fn set() -> Option<ModeSet> {
        Some(ModeSet {
            mode: HostMode::Drain,
            by: format!("olga{HOSTILE}"),
            at: Timestamp::from_unix_ms(0),
            reason: format!("secret{HOSTILE}"),
            until_restart_of: Some(HOSTILE.into()),
        })
    }

    fn no_host(reasons: impl IntoIterator<Item = NotChosen>) -> Refusal {
        Refusal::NoHost {
            pool: PoolId::new("p").unwrap(),
            hosts: reasons
                .into_iter()
                .enumerate()
                .map(|(n, reason)| HostVerdict {
                    host: HostId::new(format!("h{n}")).unwrap(),
                    reason,
                })
                .collect(),
        }
    }

    fn storm() -> NotChosen {
        NotChosen::SignInsInProgress {
            sign_ins: 2,
            sign_ins_max: 2,
        }
    }

    #[test]
    fn users_see_nothing_hostile_and_nothing_that_is_for_operators() {
        let (sessions, sessions_max) = (3, 3);
        let refused = no_host([
            NotChosen::Disabled { set: set() },
            NotChosen::Draining { set: set() },
            NotChosen::NeverJoined,
            NotChosen::WaitingForApproval,
            NotChosen::Revoked,
            NotChosen::Silent {
                since: Timestamp::from_unix_ms(0),
            },
            NotChosen::Unreachable {
                detail: format!("secret{HOSTILE}"),
            },
            NotChosen::NotProbed,
            NotChosen::NotTrusted,
            NotChosen::OtherProtocol,
            NotChosen::Full {
                sessions,
                sessions_max,
            },
            storm(),
            NotChosen::OtherSite {
                site: SiteId::new("rome").unwrap(),
            },
            NotChosen::AccountInUse {
                account: format!("EX\\ina{HOSTILE}"),
            },
            NotChosen::SessionElsewhere,
        ]);
        let words = refusal(&refused);
        let shown = format!("{}{}{}", words.message, words.reason, words.next_step);
        assert!(!shown.contains(is_unsafe_to_show), "{shown}");
        let json = serde_json::to_string(&for_users(&refused)).unwrap();
        for secret in ["secret", "olga"] {
            assert!(
                !shown.contains(secret) && !json.contains(secret),
                "{secret}"
            );
        }
        assert_eq!(words.reason.matches("; ").count() + 1, TOLD_MAX + 1);
        let Refusal::NoHost { hosts, .. } = &refused else {
            panic!("{refused:?}");
        };
        for verdict in hosts {
            let told = host_verdict(verdict);
            assert!(!told.contains(is_unsafe_to_show), "{told}");
            assert!(!told.contains("secret") && !told.contains("olga"), "{told}");
        }
    }

    #[test]
    fn the_next_step_is_the_best_that_any_host_offers() {
        let full = NotChosen::Full {
            sessions: 1,
            sessions_max: 1,
        };
        let mine = NotChosen::AccountInUse {
            account: "ina".into(),
        };
        let off = NotChosen::Disabled { set: None };
        for (reasons, step) in [
            (
                vec![off.clone(), full.clone(), mine.clone(), storm()],
                "few seconds",
            ),
            (vec![off.clone(), full.clone(), mine], "Log off"),
            (vec![off.clone(), full], "in a minute"),
            (vec![off], "does not help"),
        ] {
            let words = refusal(&no_host(reasons));
            assert!(words.next_step.contains(step), "{}", words.next_step);
        }
        let elsewhere = Refusal::ResumeElsewhere {
            session: SessionId::from_random(7),
            host: HostId::new("h").unwrap(),
            network: "192.0.2.0/24".parse().unwrap(),
        };
        assert!(refusal(&elsewhere).reason.contains("192.0.2.0/24"));
    }

    #[test]
    fn that_nobody_answers_is_told_by_a_code_and_without_names() {
        let away = NotChosen::Unreachable {
            detail: "secret".into(),
        };
        let silent = NotChosen::Silent {
            since: Timestamp::from_unix_ms(0),
        };
        let refused = no_host([away.clone(), silent]);
        let words = unreached(&refused, Some("firewall-drops")).unwrap();
        let shown = format!("{}{}{}", words.message, words.reason, words.next_step);
        assert!(shown.contains("the code firewall-drops"), "{shown}");
        for secret in ["secret", "h0", "h1"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(words.message.starts_with("None of"));
        let one = unreached(&no_host([away.clone()]), None).unwrap();
        assert!(one.message.starts_with("The computer"));
        assert!(one.reason.contains("the code unreached"), "{}", one.reason);
        // Where others are full, waiting may help, and the user is told of it as before.
        assert_eq!(unreached(&no_host([away, storm()]), None), None);
        assert_eq!(unreached(&no_host([]), None), None);
    }

    #[test]
    fn of_a_large_pool_only_the_first_hosts_are_told() {
        let refused = no_host(vec![NotChosen::NotProbed; 10_000]);
        let words = refusal(&refused);
        assert!(
            words
                .reason
                .ends_with("and 9995 more hosts that cannot either")
        );
        match for_users(&refused) {
            Refusal::NoHost { hosts, .. } => assert_eq!(hosts.len(), VERDICTS_MAX),
            other => panic!("{other:?}"),
        }
    }
}
