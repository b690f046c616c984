//! Join tokens and the first certificate.

use portico_broker::{
    HostActError, NOTED_OF_HOST_MAX, NewJoinToken, REFUSALS_NOTED_MAX, TokenError, TokenState,
};
use portico_model::{Secret, estate::HostMode};
use portico_net::tls::MachineKey;
use portico_wire::agent::{EnrollmentAnswer, EnrollmentRequest, JoinToken};

use super::{Agents, code, host_id, hours, join_request, new_token, peer_of};
use crate::estate::{bytes_in, owner};

fn key() -> MachineKey {
    MachineKey::generate().unwrap()
}

#[tokio::test]
async fn a_token_joins_one_machine_as_its_host_and_no_other_machine() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    let machine = key();
    let answer = agents.join(&token, &machine).await;
    let peer = peer_of(&answer);
    assert_eq!(peer.host.as_str(), "m1");
    assert_eq!(peer.key_sha256, machine.key_sha256());
    let EnrollmentAnswer::Issued { brokers, .. } = answer else {
        panic!("not issued");
    };
    assert_eq!(brokers, ["broker.example.org:30004"]);

    assert_eq!(code(&agents.join(&token, &key()).await), "token-used");
    let tokens = agents.estate.broker.join_tokens().await.unwrap();
    assert!(
        matches!(&tokens[0].state, TokenState::Used { key_sha256, .. }
        if *key_sha256 == machine.key_sha256())
    );
}

#[tokio::test]
async fn the_machine_that_used_a_token_may_ask_again_as_the_answer_may_be_lost() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    let machine = key();
    let first = peer_of(&agents.join(&token, &machine).await);
    let second = peer_of(&agents.join(&token, &machine).await);
    assert_ne!(first.serial, second.serial);
    agents.link(&second).await.unwrap();
    assert_eq!(
        agents.link(&first).await.err().unwrap().code,
        "not-enrolled"
    );
}

#[tokio::test]
async fn of_two_machines_at_once_one_joins() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    let (one, other) = (key(), key());
    agents.estate.trouble.let_writers_meet(2);
    let (a, b) = tokio::join!(agents.join(&token, &one), agents.join(&token, &other));
    let mut codes = [code(&a), code(&b)];
    codes.sort_unstable();
    assert_eq!(codes, ["issued", "token-used"]);
    let winner = if code(&a) == "issued" { &a } else { &b };
    agents.link(&peer_of(winner)).await.unwrap();
}

#[tokio::test]
async fn a_token_lapses_after_its_hour() {
    let agents = Agents::new().await;
    let (token, other) = (agents.token("m1").await, agents.token("m2").await);
    agents.clock().advance_ms(hours(1) - 1);
    assert_eq!(code(&agents.join(&token, &key()).await), "issued");
    agents.clock().advance_ms(1);
    assert_eq!(code(&agents.join(&other, &key()).await), "token-lapsed");
    let tokens = agents.estate.broker.join_tokens().await.unwrap();
    assert_eq!(tokens[1].state, TokenState::Lapsed);
    // A day later nobody needs to know of it.
    agents.clock().advance_ms(hours(24));
    assert!(agents.estate.broker.join_tokens().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_of_another_host_or_of_nobody_joins_nothing() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    let foreign = JoinToken {
        host: host_id("m2"),
        ..token.clone()
    };
    let guessed = JoinToken {
        secret: Secret::new("A".repeat(22)),
        ..token.clone()
    };
    let unmanaged = JoinToken {
        host: host_id("plain"),
        ..token.clone()
    };
    let unknown = JoinToken {
        host: host_id("nowhere"),
        ..token.clone()
    };
    for (wrong, says) in [
        (&foreign, "token-of-other-host"),
        (&guessed, "token-unknown"),
        (&unmanaged, "token-of-other-host"),
        (&unknown, "token-of-other-host"),
    ] {
        assert_eq!(code(&agents.join(wrong, &key()).await), says);
    }
    // None of that has used it.
    assert_eq!(code(&agents.join(&token, &key()).await), "issued");
}

#[tokio::test]
async fn a_stranger_learns_no_names_of_hosts() {
    let agents = Agents::new().await;
    let guessed = JoinToken {
        secret: Secret::new("A".repeat(22)),
        ..agents.token("m1").await
    };
    for host in ["m1", "plain", "nowhere"] {
        let token = JoinToken {
            host: host_id(host),
            ..guessed.clone()
        };
        assert_eq!(code(&agents.join(&token, &key()).await), "token-unknown");
        assert_eq!(code(&agents.poll(host, &key()).await), "not-waiting");
    }
}

#[tokio::test]
async fn a_revoked_token_joins_nothing() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    let made = broker.create_join_token(&owner(), new_token("m1")).await;
    let (token, view) = made.unwrap();
    broker.revoke_join_token(&owner(), &view.id).await.unwrap();
    assert_eq!(code(&agents.join(&token, &key()).await), "token-unknown");
    assert_eq!(
        broker.revoke_join_token(&owner(), &view.id).await,
        Err(TokenError::NotFound)
    );
}

#[tokio::test]
async fn a_request_that_its_key_has_not_signed_gets_nothing() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    let EnrollmentRequest::Join {
        host,
        secret,
        mut csr_der,
        software,
    } = join_request(&token, &key())
    else {
        panic!("no join");
    };
    if let Some(last) = csr_der.last_mut() {
        *last ^= 1;
    }
    let request = EnrollmentRequest::Join {
        host,
        secret,
        csr_der,
        software,
    };
    assert_eq!(code(&agents.enroll(request, None).await), "bad-request");
}

#[tokio::test]
async fn only_the_hash_of_a_secret_is_kept() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    agents.join(&token, &key()).await;
    let secret = token.secret.expose().as_bytes();
    let kept = bytes_in(agents.estate.folder.path());
    assert!(!kept.windows(secret.len()).any(|window| window == secret));
}

#[tokio::test]
async fn a_new_host_starts_in_drain_unless_its_token_enables_it() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    agents.join(&token, &key()).await;
    let m1 = agents.overview("m1").await;
    assert_eq!(m1.mode, HostMode::Drain);
    assert_eq!(m1.mode_set.unwrap().by, "root");
    agents.joined("m2").await;
    assert_eq!(agents.overview("m2").await.mode, HostMode::Enabled);
}

#[tokio::test]
async fn tokens_are_made_by_operators_for_managed_hosts_and_within_the_hour() {
    let agents = Agents::new().await;
    let broker = &agents.estate.broker;
    for user in ["ina", "hanna"] {
        let actor = agents.estate.principal(user).await;
        let made = broker.create_join_token(&actor, new_token("m1")).await;
        assert!(matches!(made, Err(TokenError::Forbidden(_))));
    }
    let otto = agents.estate.principal("otto").await;
    for (host, life_s, is_right) in [
        ("m1", 3_600, true),
        ("m1", 60, true),
        ("m1", 59, false),
        ("m1", 3_601, false),
        ("plain", 3_600, false),
        ("nowhere", 3_600, false),
    ] {
        let new = NewJoinToken {
            life_s,
            ..new_token(host)
        };
        let made = broker.create_join_token(&otto, new).await;
        assert_eq!(made.is_ok(), is_right, "{host} {life_s}");
        if host == "plain" {
            assert!(matches!(
                made,
                Err(TokenError::Host(HostActError::NotManaged { .. }))
            ));
        }
    }
    let audited = agents.estate.audited().await;
    let made = audited.iter().filter(|a| *a == "join-token.create");
    assert_eq!(made.count(), 2);
}

#[tokio::test]
async fn a_store_that_is_away_or_full_joins_nobody_and_uses_no_token_up() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    agents.estate.trouble.away(true);
    assert_eq!(code(&agents.join(&token, &key()).await), "store-away");
    agents.estate.trouble.away(false);
    agents.estate.trouble.full(true);
    assert_eq!(code(&agents.join(&token, &key()).await), "store-away");
    agents.estate.trouble.full(false);
    agents.estate.trouble.always_late(true);
    assert_eq!(code(&agents.join(&token, &key()).await), "busy");
    agents.estate.trouble.always_late(false);
    assert_eq!(code(&agents.join(&token, &key()).await), "issued");
}

#[tokio::test]
async fn strangers_do_not_hide_that_a_token_was_used_by_another_machine() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    let (machine, thief) = (key(), key());
    agents.join(&token, &machine).await;
    let guessed = JoinToken {
        secret: Secret::new("A".repeat(22)),
        ..token.clone()
    };
    tokio::time::pause();
    for _ in 0..=REFUSALS_NOTED_MAX {
        agents.join(&guessed, &thief).await;
    }
    let joins = |audited: Vec<String>| audited.iter().filter(|a| *a == "agent.join").count();
    let before = joins(agents.estate.audited().await);
    assert_eq!(code(&agents.join(&token, &thief).await), "token-used");
    tokio::time::resume();
    assert_eq!(joins(agents.estate.audited().await), before + 1);
}

#[tokio::test]
async fn an_agent_does_not_fill_the_audit_log_with_joins() {
    let agents = Agents::new().await;
    let token = agents.token("m1").await;
    let machine = key();
    tokio::time::pause();
    for _ in 0..NOTED_OF_HOST_MAX + 10 {
        assert_eq!(code(&agents.join(&token, &machine).await), "issued");
    }
    tokio::time::resume();
    let audited = agents.estate.audited().await;
    let joins = audited.iter().filter(|action| *action == "agent.join");
    assert_eq!(joins.count(), usize::try_from(NOTED_OF_HOST_MAX).unwrap());
}

#[tokio::test]
async fn strangers_do_not_fill_the_audit_log() {
    let agents = Agents::new().await;
    let token = JoinToken {
        secret: Secret::new("A".repeat(22)),
        ..agents.token("m1").await
    };
    let machine = key();
    tokio::time::pause();
    for _ in 0..REFUSALS_NOTED_MAX + 20 {
        assert_eq!(code(&agents.join(&token, &machine).await), "token-unknown");
    }
    tokio::time::resume();
    let audited = agents.estate.audited().await;
    let refused = audited.iter().filter(|action| *action == "agent.join");
    assert_eq!(
        refused.count(),
        usize::try_from(REFUSALS_NOTED_MAX).unwrap()
    );
}
