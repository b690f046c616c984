//! What waits for an operator: machines in the place of others, changed keys and identities.

use portico_broker::{AgentWaiting, Fingerprint, HostActError, Identity, NewJoinToken, WaitingFor};
use portico_brokering::Sight;
use portico_model::seen::AgentHello;
use portico_net::tls::MachineKey;

use super::{Agents, code, hello, host_id, hours, new_token, peer_of, pin};
use crate::estate::owner;

/// What an operator who looks now is shown of a host: one thing that waits.
async fn look(agents: &Agents, host: &str) -> AgentWaiting {
    let waiting = agents.estate.broker.agents_waiting().await.unwrap();
    let mut of_host = waiting.into_iter().filter(|one| one.host == host_id(host));
    let one = of_host.next().unwrap();
    assert_eq!(of_host.next(), None);
    one
}

async fn approve(agents: &Agents, host: &str) -> Result<(), HostActError> {
    let seen = look(agents, host).await.fingerprint;
    let broker = &agents.estate.broker;
    broker.approve_agent(&owner(), &host_id(host), &seen).await
}

fn key_of(machine: &MachineKey) -> Fingerprint {
    Fingerprint::new(&machine.key_sha256()).unwrap()
}

#[tokio::test]
async fn another_machine_waits_until_an_operator_approves_it() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let (old, _) = agents.joined("m1").await;
    let (_, old_link) = agents.link(&old).await.unwrap();
    let token = agents.token("m1").await;
    let machine = MachineKey::generate().unwrap();
    assert_eq!(code(&agents.join(&token, &machine).await), "waiting");
    assert_eq!(code(&agents.poll("m1", &machine).await), "waiting");

    let waiting = broker.agents_waiting().await.unwrap();
    assert_eq!(waiting.len(), 1);
    let WaitingFor::Join {
        key_sha256,
        address,
        software,
    } = &waiting[0].what
    else {
        panic!("{waiting:?}");
    };
    assert_eq!(*key_sha256, machine.key_sha256());
    assert_eq!(address.unwrap().to_string(), "192.0.2.77");
    assert_eq!(software, "portico-agent test");

    approve(&agents, "m1").await.unwrap();
    assert_eq!(old_link.closed(), None, "until the other one is there");
    let new = peer_of(&agents.poll("m1", &machine).await);
    assert!(old_link.closed().is_some());
    agents.link(&new).await.unwrap();
    assert_eq!(agents.link(&old).await.err().unwrap().code, "not-enrolled");
    assert!(broker.agents_waiting().await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_takes_the_place_of_the_machine_that_the_operator_looks_at() {
    let agents = Agents::new().await;
    agents.joined("m1").await;
    let (first, second) = (
        MachineKey::generate().unwrap(),
        MachineKey::generate().unwrap(),
    );
    let token = agents.token("m1").await;
    assert_eq!(code(&agents.join(&token, &first).await), "waiting");
    let other = agents.token("m1").await;
    assert_eq!(code(&agents.join(&other, &second).await), "another-waits");
    approve(&agents, "m1").await.unwrap();
    assert_eq!(code(&agents.poll("m1", &second).await), "not-waiting");
    assert_eq!(code(&agents.poll("m1", &first).await), "issued");
}

/// Between the look and the answer another operator rejects the machine, and another one comes.
#[tokio::test]
async fn an_approval_is_for_the_machine_that_was_shown_and_for_no_other() {
    let agents = Agents::new().await;
    let (broker, m1) = (&agents.estate.broker, host_id("m1"));
    let (old, _) = agents.joined("m1").await;
    let (first, second) = (
        MachineKey::generate().unwrap(),
        MachineKey::generate().unwrap(),
    );
    agents.join(&agents.token("m1").await, &first).await;
    let shown = look(&agents, "m1").await.fingerprint;
    assert_eq!(shown, key_of(&first), "what its agent shows on the host");
    broker.reject_agent(&owner(), &m1, None).await.unwrap();
    agents.join(&agents.token("m1").await, &second).await;

    let another = HostActError::AnotherWaits {
        host: m1.clone(),
        seen: shown.clone(),
        waiting: key_of(&second),
    };
    let text = another.to_string();
    assert!(
        text.contains(shown.as_str()) && text.contains(&second.key_sha256()),
        "{text}"
    );
    let approved = broker.approve_agent(&owner(), &m1, &shown).await;
    assert_eq!(approved, Err(another.clone()));
    let rejected = broker.reject_agent(&owner(), &m1, Some(&shown)).await;
    assert_eq!(rejected, Err(another));
    // Nothing has changed: it still waits, and the agent there was still is the agent.
    assert_eq!(look(&agents, "m1").await.fingerprint, key_of(&second));
    assert_eq!(code(&agents.poll("m1", &first).await), "not-waiting");
    assert_eq!(code(&agents.poll("m1", &second).await), "waiting");
    agents.link(&old).await.unwrap();
    let audited = agents.estate.audited().await;
    assert!(!audited.iter().any(|a| a == "agent.approve"));
    approve(&agents, "m1").await.unwrap();
    assert_eq!(code(&agents.poll("m1", &second).await), "issued");
}

/// Two answers about the same look at once, while the host's identities change again.
#[tokio::test]
async fn trust_is_for_the_identities_that_were_shown_and_for_no_others() {
    let agents = Agents::new().await;
    let (broker, m1) = (&agents.estate.broker, host_id("m1"));
    let (peer, _) = agents.joined("m1").await;
    agents.link(&peer).await.unwrap();
    agents.link_with(&peer, showing(2)).await.unwrap();
    let shown = look(&agents, "m1").await.fingerprint;
    agents.clock().advance_ms(60_000);
    agents.link_with(&peer, showing(3)).await.unwrap();
    let now = look(&agents, "m1").await.fingerprint;
    assert_ne!(shown, now);
    let trusted = broker.trust_host(&owner(), &m1, &shown).await;
    let another = HostActError::AnotherWaits {
        host: m1.clone(),
        seen: shown.clone(),
        waiting: now.clone(),
    };
    assert_eq!(trusted, Err(another));
    let seen = agents.overview("m1").await;
    assert_eq!(
        (seen.identity, seen.pins),
        (Identity::Changed, vec![pin(1)])
    );
    assert_eq!(look(&agents, "m1").await.fingerprint, now);
    let audited = agents.estate.audited().await;
    assert!(!audited.iter().any(|a| a == "host.trust"));

    // It changes back to what was shown first: that answer is good again.
    agents.clock().advance_ms(60_000);
    agents.link_with(&peer, showing(2)).await.unwrap();
    let actor = owner();
    let (one, other) = tokio::join!(
        broker.trust_host(&actor, &m1, &shown),
        broker.trust_host(&actor, &m1, &now)
    );
    assert_eq!(one, Ok(()));
    assert!(other.is_err(), "{other:?}");
    assert_eq!(agents.overview("m1").await.pins, [pin(2)]);
}

/// A machine that is to be replaced, and has its join token still, must not prevent it.
#[tokio::test]
async fn the_agent_that_joins_again_does_not_send_away_who_waits_to_replace_it() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    let (old, new) = (
        MachineKey::generate().unwrap(),
        MachineKey::generate().unwrap(),
    );
    assert_eq!(code(&agents.join(&token, &old).await), "issued");
    agents.join(&agents.token("m1").await, &new).await;
    assert_eq!(code(&agents.join(&token, &old).await), "issued");
    assert_eq!(look(&agents, "m1").await.fingerprint, key_of(&new));
    approve(&agents, "m1").await.unwrap();
    assert_eq!(code(&agents.join(&token, &old).await), "issued");
    assert_eq!(code(&agents.poll("m1", &new).await), "issued");
    assert_eq!(agents.estate.broker.agents_waiting().await.unwrap(), []);
}

#[tokio::test]
async fn a_rejected_machine_and_one_that_waited_a_day_get_nothing() {
    let agents = Agents::new().await;
    agents.joined("m1").await;
    let broker = &agents.estate.broker;
    let machine = MachineKey::generate().unwrap();
    let token = agents.token("m1").await;
    agents.join(&token, &machine).await;
    broker
        .reject_agent(&owner(), &host_id("m1"), None)
        .await
        .unwrap();
    assert_eq!(code(&agents.poll("m1", &machine).await), "not-waiting");

    let token = agents.token("m1").await;
    agents.join(&token, &machine).await;
    agents.clock().advance_ms(hours(24));
    assert_eq!(code(&agents.poll("m1", &machine).await), "not-waiting");
    let late = broker
        .approve_agent(&owner(), &host_id("m1"), &key_of(&machine))
        .await;
    assert!(matches!(late, Err(HostActError::NothingWaits { .. })));
}

#[tokio::test]
async fn a_token_can_approve_a_rejoin_in_advance() {
    let agents = Agents::new().await;
    let (old, _) = agents.joined("m1").await;
    let (_, old_link) = agents.link(&old).await.unwrap();
    let token = agents
        .token_of(NewJoinToken {
            rejoin: true,
            ..new_token("m1")
        })
        .await;
    let machine = MachineKey::generate().unwrap();
    let new = peer_of(&agents.join(&token, &machine).await);
    assert!(old_link.closed().is_some());
    let other = AgentHello {
        identities: vec![pin(9)],
        ..hello("m1")
    };
    agents.link_with(&new, other).await.unwrap();
    // The operator's word was for the machine, so its identities are the first again.
    assert_eq!(agents.overview("m1").await.identity, Identity::Accepted);
    assert_eq!(agents.overview("m1").await.pins, [pin(9)]);
}

#[tokio::test]
async fn a_revoked_agent_is_cut_off_and_comes_back_only_by_an_operators_word() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let m1 = host_id("m1");
    let never = broker.revoke_agent(&owner(), &m1, "").await;
    assert!(matches!(never, Err(HostActError::NeverJoined { .. })));
    let (peer, machine) = agents.joined("m1").await;
    let (_, link) = agents.link(&peer).await.unwrap();
    broker.revoke_agent(&owner(), &m1, "stolen").await.unwrap();
    assert_eq!(
        link.closed().as_deref(),
        Some("the certificate was revoked")
    );
    assert_eq!(agents.overview("m1").await.sight, Sight::Revoked);
    assert_eq!(agents.link(&peer).await.err().unwrap().code, "revoked");
    assert_eq!(code(&agents.renew(&peer, &machine).await), "revoked");
    // The same key with another token is not the same machine any more.
    let token = agents.token("m1").await;
    assert_eq!(code(&agents.join(&token, &machine).await), "waiting");
    approve(&agents, "m1").await.unwrap();
    let back = peer_of(&agents.poll("m1", &machine).await);
    agents.link(&back).await.unwrap();
}

fn showing(byte: u8) -> AgentHello {
    AgentHello {
        identities: vec![pin(byte)],
        ..hello("m1")
    }
}

fn rejoin(host: &str) -> NewJoinToken {
    NewJoinToken {
        rejoin: true,
        ..new_token(host)
    }
}

#[tokio::test]
async fn a_rejoin_token_that_was_used_does_not_undo_a_revocation() {
    let agents = Agents::new().await;
    let (broker, m1) = (&agents.estate.broker, host_id("m1"));
    agents.joined("m1").await;
    let token = agents.token_of(rejoin("m1")).await;
    let machine = MachineKey::generate().unwrap();
    let peer = peer_of(&agents.join(&token, &machine).await);
    broker.revoke_agent(&owner(), &m1, "stolen").await.unwrap();
    assert_eq!(code(&agents.join(&token, &machine).await), "token-unknown");
    assert_eq!(agents.link(&peer).await.err().unwrap().code, "revoked");
    assert_eq!(agents.overview("m1").await.sight, Sight::Revoked);
}

#[tokio::test]
async fn a_token_that_was_made_before_a_revocation_is_void_and_one_made_after_it_is_good() {
    let agents = Agents::new().await;
    let (broker, m1) = (&agents.estate.broker, host_id("m1"));
    let (_, machine) = agents.joined("m1").await;
    let (before, other) = (
        agents.token_of(rejoin("m1")).await,
        agents.token_of(rejoin("m2")).await,
    );
    broker.revoke_agent(&owner(), &m1, "stolen").await.unwrap();
    assert_eq!(code(&agents.join(&before, &machine).await), "token-unknown");
    assert_eq!(code(&agents.join(&other, &machine).await), "issued");
    let after = agents.token_of(rejoin("m1")).await;
    let fresh = MachineKey::generate().unwrap();
    assert_eq!(code(&agents.join(&after, &fresh).await), "issued");
}

#[tokio::test]
async fn a_machine_that_was_replaced_does_not_come_back_by_its_used_rejoin_token() {
    let agents = Agents::new().await;
    agents.joined("m1").await;
    let (first, second) = (
        MachineKey::generate().unwrap(),
        MachineKey::generate().unwrap(),
    );
    let token = agents.token_of(rejoin("m1")).await;
    agents.join(&token, &first).await;
    let other = agents.token_of(rejoin("m1")).await;
    agents.join(&other, &second).await;
    assert_eq!(code(&agents.join(&token, &first).await), "waiting");
    // An answer that was lost is given again.
    let again = peer_of(&agents.join(&other, &second).await);
    agents.link(&again).await.unwrap();
}

#[tokio::test]
async fn a_renewal_replaces_the_certificate_and_the_former_counts_while_the_new_is_not_seen() {
    let agents = Agents::new().await;
    let (old, machine) = agents.joined("m1").await;
    let (_, old_link) = agents.link(&old).await.unwrap();
    agents.clock().advance_ms(hours(84));
    let new = peer_of(&agents.renew(&old, &machine).await);
    assert!(new.expires_at > old.expires_at);
    assert_eq!(old_link.closed(), None);
    // The answer may have been lost: the old one still links, and renews.
    let (_, again) = agents.link(&old).await.unwrap();
    let newer = peer_of(&agents.renew(&old, &machine).await);
    assert_eq!(agents.link(&new).await.err().unwrap().code, "not-enrolled");
    let (_, _link) = agents.link(&newer).await.unwrap();
    assert!(again.closed().is_some());
    // Now that the current one is linked, the former one does not push it out.
    assert_eq!(agents.link(&old).await.err().unwrap().code, "not-current");
}

#[tokio::test]
async fn a_renewal_with_another_key_waits_for_an_operator() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    let changed = MachineKey::generate().unwrap();
    assert_eq!(code(&agents.renew(&peer, &changed).await), "waiting");
    agents.link(&peer).await.unwrap();
    approve(&agents, "m1").await.unwrap();
    let new = peer_of(&agents.poll("m1", &changed).await);
    agents.link(&new).await.unwrap();
    assert_eq!(agents.link(&peer).await.err().unwrap().code, "not-enrolled");
}

#[tokio::test]
async fn a_lapsed_certificate_neither_links_nor_renews() {
    let agents = Agents::new().await;
    let (peer, machine) = agents.joined("m1").await;
    let (_, link) = agents.link(&peer).await.unwrap();
    agents.clock().set(peer.expires_at);
    assert_eq!(agents.link(&peer).await.err().unwrap().code, "expired");
    assert_eq!(code(&agents.renew(&peer, &machine).await), "expired");
    // A link that is open does not outlive it for long.
    agents.estate.broker.probe_hosts().await.unwrap();
    assert_eq!(link.closed().as_deref(), Some("the certificate lapsed"));
}

#[tokio::test]
async fn the_first_identities_are_accepted_and_a_change_waits_for_an_operator() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let (peer, _) = agents.joined("m1").await;
    assert_eq!(agents.overview("m1").await.identity, Identity::None);
    agents.link(&peer).await.unwrap();
    let m1 = agents.overview("m1").await;
    assert_eq!((m1.identity, m1.pins), (Identity::Accepted, vec![pin(1)]));

    let changed = AgentHello {
        identities: vec![pin(2)],
        ..hello("m1")
    };
    agents.link_with(&peer, changed).await.unwrap();
    let m1 = agents.overview("m1").await;
    assert_eq!((m1.identity, m1.pins), (Identity::Changed, vec![pin(1)]));
    let waiting = broker.agents_waiting().await.unwrap();
    let WaitingFor::Identity { offered, accepted } = &waiting[0].what else {
        panic!("{waiting:?}");
    };
    assert_eq!((offered, accepted), (&vec![pin(2)], &vec![pin(1)]));

    let seen = look(&agents, "m1").await.fingerprint;
    broker
        .trust_host(&owner(), &host_id("m1"), &seen)
        .await
        .unwrap();
    let m1 = agents.overview("m1").await;
    assert_eq!((m1.identity, m1.pins), (Identity::Accepted, vec![pin(2)]));
    let again = broker.trust_host(&owner(), &host_id("m1"), &seen).await;
    assert!(matches!(again, Err(HostActError::NothingWaits { .. })));
    let audited = agents.estate.audited().await;
    for action in [
        "host.identity-accepted",
        "host.identity-changed",
        "host.trust",
    ] {
        assert!(audited.iter().any(|a| a == action), "{action}");
    }
}

#[tokio::test]
async fn the_identities_of_a_host_do_not_change_faster_than_an_agent_looks() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    agents.link(&peer).await.unwrap();
    agents.link_with(&peer, showing(2)).await.unwrap();
    agents.link_with(&peer, showing(2)).await.unwrap();
    // To and fro does not help.
    agents.link(&peer).await.unwrap();
    let refused = agents.link_with(&peer, showing(3)).await.err().unwrap();
    assert_eq!(refused.code, "identities-too-often");
    assert!((50_000..52_000).contains(&refused.retry_after_ms));
    agents.clock().advance_ms(50_000);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    agents.link_with(&peer, showing(3)).await.unwrap();
    let waiting = agents.estate.broker.agents_waiting().await.unwrap();
    assert!(matches!(&waiting[0].what,
        WaitingFor::Identity { offered, .. } if *offered == [pin(3)]));
}

#[tokio::test]
async fn a_certificate_that_was_just_renewed_is_not_renewed_again() {
    let agents = Agents::new().await;
    let (old, machine) = agents.joined("m1").await;
    let new = peer_of(&agents.renew(&old, &machine).await);
    assert_eq!(code(&agents.renew(&new, &machine).await), "too-soon");
    // That answer may have been lost.
    let again = peer_of(&agents.renew(&old, &machine).await);
    agents.clock().advance_ms(600_000);
    assert_eq!(code(&agents.renew(&again, &machine).await), "issued");
}

#[tokio::test]
async fn an_identity_that_changes_back_needs_nobody() {
    let agents = Agents::new().await;
    let (peer, _) = agents.joined("m1").await;
    agents.link(&peer).await.unwrap();
    let changed = AgentHello {
        identities: vec![pin(2)],
        ..hello("m1")
    };
    agents.link_with(&peer, changed).await.unwrap();
    agents.link(&peer).await.unwrap();
    assert_eq!(agents.overview("m1").await.identity, Identity::Accepted);
}

#[tokio::test]
async fn only_operators_decide() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let (hanna, m1) = (agents.estate.principal("hanna").await, host_id("m1"));
    let seen = Fingerprint::new(&"0".repeat(64)).unwrap();
    for outcome in [
        broker.approve_agent(&hanna, &m1, &seen).await,
        broker.reject_agent(&hanna, &m1, None).await,
        broker.revoke_agent(&hanna, &m1, "").await,
        broker.trust_host(&hanna, &m1, &seen).await,
    ] {
        assert!(matches!(outcome, Err(HostActError::Forbidden(_))));
    }
}
