use super::*;
use crate::{
    HostId, SessionId, SiteId, Timestamp,
    estate::HostMode,
    launch::{HostVerdict, Placement},
};

/// One of each.
fn every() -> Vec<NotChosen> {
    let set = ModeSet {
        mode: HostMode::Drain,
        by: "olga".into(),
        at: Timestamp::from_unix_ms(1),
        reason: "new disks".into(),
        until_restart_of: Some("boot-1".into()),
    };
    let (sessions, sessions_max) = (3, 9);
    vec![
        NotChosen::Disabled { set: None },
        NotChosen::Disabled {
            set: Some(ModeSet {
                until_restart_of: None,
                ..set.clone()
            }),
        },
        NotChosen::Draining { set: None },
        NotChosen::Draining { set: Some(set) },
        NotChosen::NeverJoined,
        NotChosen::WaitingForApproval,
        NotChosen::Revoked,
        NotChosen::Silent {
            since: Timestamp::from_unix_ms(7),
        },
        NotChosen::Unreachable {
            detail: "refused".into(),
        },
        NotChosen::NotProbed,
        NotChosen::NotTrusted,
        NotChosen::OtherProtocol,
        NotChosen::Full {
            sessions,
            sessions_max,
        },
        NotChosen::SignInsInProgress {
            sign_ins: 2,
            sign_ins_max: 2,
        },
        NotChosen::OtherSite {
            site: SiteId::new("rome").unwrap(),
        },
        NotChosen::Penalised {
            until: Timestamp::from_unix_ms(9),
            failures: 2,
        },
        NotChosen::NotLastHost,
        NotChosen::HigherLoad {
            index: 4_210,
            chosen: 905,
        },
        NotChosen::SameLoad { index: 905 },
        NotChosen::NotItsTurn,
        NotChosen::EmptierThanChosen {
            sessions,
            sessions_max,
        },
        NotChosen::AsFull {
            sessions,
            sessions_max,
        },
        NotChosen::MoreSessions {
            sessions,
            sessions_max,
        },
        NotChosen::AsFewSessions {
            sessions,
            sessions_max,
        },
        NotChosen::SessionElsewhere,
        NotChosen::AccountInUse {
            account: "ina".into(),
        },
    ]
}

#[test]
fn a_reason_is_the_same_in_json_and_says_what_would_change_it_unless_it_was_eligible() {
    for reason in every() {
        let verdict = HostVerdict {
            host: HostId::new("h").unwrap(),
            reason: reason.clone(),
        };
        let json = serde_json::to_value(&verdict).unwrap();
        assert_eq!(json["reason"], reason.code());
        assert_eq!(
            serde_json::from_value::<HostVerdict>(json).unwrap(),
            verdict
        );
        assert_eq!(
            reason.next_step().is_none(),
            reason.was_eligible(),
            "{reason:?}"
        );
        assert!(!(reason.was_eligible() && reason.passes_by_itself()));
        assert!(!reason.why().is_empty());
    }
}

#[test]
fn verdicts_of_older_releases_are_read() {
    for (old, reason) in [
        (
            r#"{"host":"h","reason":"draining"}"#,
            NotChosen::Draining { set: None },
        ),
        (
            r#"{"host":"h","reason":"disabled"}"#,
            NotChosen::Disabled { set: None },
        ),
    ] {
        let verdict: HostVerdict = serde_json::from_str(old).unwrap();
        assert_eq!(verdict.reason, reason);
        assert_eq!(serde_json::to_string(&verdict).unwrap(), old);
    }
}

#[test]
fn who_set_a_mode_and_why_is_said_with_how_to_undo_it() {
    let draining = every().swap_remove(3);
    assert_eq!(
        draining.why(),
        "it drains: reconnections only; set by olga: new disks"
    );
    assert!(draining.next_step().unwrap().contains("a restart"));
    let by_estate = NotChosen::Draining { set: None };
    assert_eq!(by_estate.why(), "it drains: reconnections only");
    assert!(by_estate.next_step().unwrap().contains("in the estate"));
}

#[test]
fn choices_are_the_same_in_json_and_say_why() {
    let (sessions, sessions_max) = (3, 9);
    for choice in [
        Choice::Resumed {
            session: SessionId::from_random(7),
        },
        Choice::RunsThere,
        Choice::LastHost {
            sessions,
            sessions_max,
        },
        Choice::ResourceBased {
            index: 1_234,
            sessions,
            sessions_max,
        },
        Choice::RoundRobin,
        Choice::Pack {
            sessions,
            sessions_max,
        },
        Choice::FewestSessions {
            sessions,
            sessions_max,
        },
    ] {
        let placement = Placement {
            host: HostId::new("h").unwrap(),
            choice: choice.clone(),
            others: vec![],
        };
        let json = serde_json::to_value(&placement).unwrap();
        assert_eq!(json["choice"]["choice"], choice.code());
        assert!(!choice.why().is_empty());
        assert_eq!(
            serde_json::from_value::<Placement>(json).unwrap(),
            placement
        );
    }
    assert_eq!(percent(1_234), "12.3 %");
    assert_eq!(percent(10_000), "100.0 %");
}
