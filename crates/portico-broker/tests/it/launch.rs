//! Entitlement, placement and resuming, through the store.

use std::{collections::BTreeMap, sync::Arc};

use portico_broker::LaunchError;
use portico_model::{
    UserId,
    launch::{Choice, Condition, ExplanationOutcome, NotChosen, Refusal},
    session::{EndReason, SessionState},
};

use crate::estate::{ESTATE, TestEstate, client, closed, resource};

#[tokio::test]
async fn a_launch_places_a_session_and_a_second_one_resumes_it() {
    let estate = TestEstate::new().await;
    let (first, grant) = estate.connect("ina", "desktop").await;
    assert!(!first.resumed);
    assert_eq!(first.placement.others.len(), 1);
    assert_eq!(grant.account, "ina");
    assert_eq!(grant.target.host, first.placement.host);
    assert_eq!(grant.program, None);
    estate.report(&grant, closed(EndReason::ClientClosed)).await;

    let second = estate.launch("ina", "desktop").await.unwrap();
    assert!(second.resumed);
    assert_eq!(second.session, first.session);
    assert_eq!(second.placement.host, first.placement.host);
    let choice = Choice::Resumed {
        session: first.session,
    };
    assert_eq!(second.placement.choice, choice);
}

#[tokio::test]
async fn pending_sessions_count_at_once() {
    let estate = TestEstate::new().await;
    let first = estate.launch("ina", "desktop").await.unwrap();
    let second = estate.launch("tom", "desktop").await.unwrap();
    assert_ne!(first.placement.host, second.placement.host);
}

#[tokio::test]
async fn a_host_without_agent_gives_each_account_one_desktop() {
    let estate = TestEstate::new().await;
    let desktop = estate.launch("ina", "desktop").await.unwrap();
    let editor = estate.launch("ina", "editor").await.unwrap();
    assert_ne!(desktop.placement.host, editor.placement.host);
    let Refusal::NoHost { hosts, .. } = estate.refused("ina", "paint").await else {
        panic!("placed where it cannot start");
    };
    assert!(hosts.iter().all(|verdict| verdict.reason
        == NotChosen::AccountInUse {
            account: "ina".into()
        }));
    // Shells do not share anything.
    estate.launch("ina", "terminal").await.unwrap();
}

#[tokio::test]
async fn the_program_and_the_account_come_from_the_estate() {
    let estate = TestEstate::new().await;
    let (_, editor) = estate.connect("ina", "editor").await;
    assert_eq!(editor.program.unwrap().command, "xterm -e nano");
    let (_, terminal) = estate.connect("ina", "terminal").await;
    assert_eq!(terminal.account, "root");
}

#[tokio::test]
async fn what_is_not_granted_is_not_found_and_what_is_not_granted_now_says_why() {
    let estate = TestEstate::new().await;
    for (user, what) in [("ina", "secret"), ("ina", "nowhere"), ("eve", "desktop")] {
        let resource = resource(what);
        assert_eq!(
            estate.refused(user, what).await,
            Refusal::NotFound { resource }
        );
    }
    let Refusal::NotNow { conditions, .. } = estate.refused("ina", "office-only").await else {
        panic!("placed");
    };
    assert_eq!(conditions.len(), 1);
    assert_eq!(conditions[0].condition, Condition::ClientNetwork);
    assert_eq!(
        estate.refused("ina", "manual").await,
        Refusal::IsLink {
            resource: resource("manual")
        }
    );
    let inside = client(Some("10.1.2.3".parse().unwrap()));
    let ina = estate.principal("ina").await;
    let what = resource("office-only");
    estate
        .broker
        .launch(&ina, &what, inside, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_host_that_does_not_answer_takes_no_new_session() {
    let estate = TestEstate::new().await;
    estate.hosts.down("192.0.2.1");
    for user in ["ina", "tom", "hanna"] {
        let launch = estate.launch(user, "desktop").await.unwrap();
        assert_eq!(launch.placement.host.as_str(), "d2");
        assert!(matches!(
            &launch.placement.others[0].reason,
            NotChosen::Unreachable { detail } if detail == "connection refused"
        ));
    }
    let states = estate.broker.host_states();
    assert!(!states["d1"].reachable && states["d2"].reachable);
    assert!(
        !states.contains_key("t1"),
        "only the pool that was launched from"
    );
    estate.broker.probe_hosts().await.unwrap();
    assert!(estate.broker.host_states()["t1"].reachable);
}

#[tokio::test]
async fn a_host_whose_address_changed_was_not_probed() {
    let estate = TestEstate::new().await;
    estate.hosts.down("192.0.2.99");
    estate.broker.probe_hosts().await.unwrap();
    estate
        .apply(&ESTATE.replace("192.0.2.1\"", "192.0.2.99\""))
        .await;
    let launch = estate.launch("ina", "desktop").await.unwrap();
    assert_eq!(launch.placement.host.as_str(), "d2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_launches_of_one_resource_by_one_user_at_once_give_one_session() {
    let estate = Arc::new(TestEstate::new().await);
    let other = Arc::new(estate.second_broker());
    let launches: Vec<_> = (0..50)
        .map(|n| {
            let estate = Arc::clone(if n % 2 == 0 { &estate } else { &other });
            tokio::spawn(async move { estate.launch("ina", "desktop").await.unwrap() })
        })
        .collect();
    let (mut ids, mut new) = (std::collections::BTreeSet::new(), 0);
    for launch in launches {
        let launch = launch.await.unwrap();
        new += usize::from(!launch.resumed);
        ids.insert(launch.session);
    }
    assert_eq!((ids.len(), new), (1, 1));
    assert_eq!(estate.broker.sessions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn two_launches_that_read_before_either_writes_give_one_session() {
    // Many hosts, so that the two choose different ones and only the placement key can tell.
    let estate = TestEstate::with(&crowd(4, 32, 9)).await;
    let other = estate.second_broker();
    for user in ["u0", "u1", "u2", "u3"] {
        estate.trouble.let_writers_meet(2);
        let (one, two) = tokio::join!(
            estate.launch(user, "desktop"),
            other.launch(user, "desktop")
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.session, two.session);
        assert!(one.resumed != two.resumed);
        // Each has a ticket of its own broker, and both are good.
        estate.redeem(&one).await.unwrap();
        other.redeem(&two).await.unwrap();
    }
    assert_eq!(estate.broker.sessions().await.unwrap().len(), 4);
}

#[tokio::test]
async fn two_launches_for_the_last_place_do_not_both_get_it() {
    let estate = TestEstate::with(&crowd(2, 1, 1)).await;
    // Those of one broker take turns; those of two meet at the store.
    let other = estate.second_broker();
    estate.trouble.let_writers_meet(2);
    let (one, two) = tokio::join!(
        estate.launch("u0", "desktop"),
        other.launch("u1", "desktop")
    );
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    let refused = one.err().or(two.err()).unwrap();
    assert!(matches!(
        refused,
        LaunchError::Refused(Refusal::NoHost { .. })
    ));
}

/// `count` users, `hosts` hosts with `sessions_max` sessions each.
pub(crate) fn crowd(count: usize, hosts: usize, sessions_max: usize) -> String {
    let mut text = String::from(
        "version = 1\n[[pools]]\nid = \"p\"\ntitle = \"T\"\nsign_ins_max = 0\n[[resources]]\nid = \"desktop\"\n\
         title = \"T\"\nkind = \"desktop\"\npool = \"p\"\n",
    );
    let mut names = Vec::new();
    for n in 0..count {
        names.push(format!("\"u{n}\""));
        text += &format!("[[users]]\nid = \"u{n}\"\ndisplay_name = \"N\"\n");
    }
    for n in 0..hosts {
        text += &format!(
            "[[hosts]]\nid = \"h{n}\"\npool = \"p\"\naddress = \"192.0.2.{n}\"\n\
             protocol = \"rdp\"\nsessions_max = {sessions_max}\npins = [\"sha256:{}\"]\n",
            "0".repeat(64)
        );
    }
    let names = names.join(", ");
    text + &format!("[[entitlements]]\nid = \"e\"\nusers = [{names}]\nresources = [\"desktop\"]\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_fills_the_hosts_evenly_and_never_above_their_limit() {
    let estate = Arc::new(TestEstate::with(&crowd(64, 4, 15)).await);
    let launches: Vec<_> = (0..64)
        .map(|n| {
            let estate = Arc::clone(&estate);
            tokio::spawn(async move { estate.launch(&format!("u{n}"), "desktop").await })
        })
        .collect();
    let (mut on, mut refused) = (BTreeMap::new(), 0);
    for launch in launches {
        match launch.await.unwrap() {
            Ok(launch) => *on.entry(launch.placement.host.to_string()).or_insert(0) += 1,
            Err(LaunchError::Refused(Refusal::NoHost { hosts, .. })) => {
                let full = NotChosen::Full {
                    sessions: 15,
                    sessions_max: 15,
                };
                assert!(hosts.iter().all(|verdict| verdict.reason == full));
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(on.values().all(|sessions| *sessions == 15), "{on:?}");
    assert_eq!((on.len(), refused), (4, 4));
}

#[tokio::test]
async fn a_session_that_ends_frees_its_place() {
    let estate = TestEstate::with(&crowd(2, 1, 1)).await;
    let (_, grant) = estate.connect("u0", "desktop").await;
    assert!(matches!(
        estate.refused("u1", "desktop").await,
        Refusal::NoHost { .. }
    ));
    estate.report(&grant, closed(EndReason::HostClosed)).await;
    assert!(matches!(
        estate.session(&grant.session).await.state,
        SessionState::Ended {
            reason: EndReason::HostClosed
        }
    ));
    estate.launch("u1", "desktop").await.unwrap();
}

#[tokio::test]
async fn a_session_whose_host_left_the_estate_gives_way_to_a_new_one() {
    let estate = TestEstate::new().await;
    let (first, _) = estate.connect("ina", "desktop").await;
    let gone = format!("id = \"{}\"", first.placement.host);
    estate.apply(&ESTATE.replace(&gone, "id = \"d9\"")).await;
    let second = estate.launch("ina", "desktop").await.unwrap();
    assert!(!second.resumed);
    assert_ne!(second.session, first.session);
    assert!(!estate.session(&first.session).await.state.is_running());
    assert_eq!(estate.broker.sessions().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_workspace_shows_what_is_granted_and_what_would_be_refused() {
    let estate = TestEstate::new().await;
    estate.hosts.down("192.0.2.3");
    estate.broker.probe_hosts().await.unwrap();
    estate.connect("ina", "desktop").await;
    let ina = estate.principal("ina").await;
    assert!(
        estate
            .broker
            .set_favourite(&ina, &resource("editor"), true)
            .await
            .unwrap()
    );
    assert!(
        !estate
            .broker
            .set_favourite(&ina, &resource("secret"), true)
            .await
            .unwrap()
    );
    let workspace = estate.broker.workspace(&ina).await.unwrap();
    let seen: Vec<(&str, bool, &str)> = workspace
        .resources
        .iter()
        .map(|offer| {
            let refusal = match &offer.refusal {
                None => "",
                Some(Refusal::NotNow { .. }) => "not now",
                Some(Refusal::NoHost { .. }) => "no host",
                Some(other) => panic!("{other:?}"),
            };
            (offer.id.as_str(), offer.favourite, refusal)
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("desktop", false, ""),
            ("editor", true, ""),
            ("manual", false, ""),
            ("office-only", false, "not now"),
            ("paint", false, ""),
            ("terminal", false, "no host"),
        ]
    );
    assert_eq!(workspace.sessions.len(), 1);
    assert!(
        estate
            .broker
            .set_favourite(&ina, &resource("editor"), false)
            .await
            .unwrap()
    );
    let eve = estate.principal("eve").await;
    assert!(
        estate
            .broker
            .workspace(&eve)
            .await
            .unwrap()
            .resources
            .is_empty()
    );
}

#[tokio::test]
async fn explaining_launches_nothing() {
    let estate = TestEstate::new().await;
    let explain = async |user: &str, what: &str| {
        let user = UserId::new(user).unwrap();
        let what = resource(what);
        estate.broker.explain(&user, &what, None, None).await
    };
    let explained = explain("ina", "desktop").await.unwrap();
    assert_eq!(explained.allowed_by.len(), 1);
    let ExplanationOutcome::Placed(placement) = explained.outcome else {
        panic!("refused");
    };
    assert_eq!(placement.others.len(), 1);
    let explained = explain("ina", "office-only").await.unwrap();
    assert!(matches!(
        explained.outcome,
        ExplanationOutcome::Refused(Refusal::NotNow { .. })
    ));
    explain("nobody", "desktop").await.unwrap_err();
    assert!(estate.broker.sessions().await.unwrap().is_empty());
}

#[tokio::test]
async fn launches_and_refusals_are_in_the_audit_log() {
    let estate = TestEstate::new().await;
    estate.launch("ina", "desktop").await.unwrap();
    estate.launch("ina", "desktop").await.unwrap();
    estate.launch("eve", "desktop").await.unwrap_err();
    assert_eq!(
        estate.audited().await,
        [
            "estate.apply",
            "launch.placed",
            "launch.resumed",
            "launch.refused"
        ]
    );
}
