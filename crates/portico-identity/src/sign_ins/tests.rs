use portico_model::{estate::User, people::Role};
use portico_net::clock::ManualClock;
use portico_store::{SqliteStore, SqliteStoreOptions};

use super::*;

const START: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);
const HOUR_MS: i64 = 3_600_000;

struct Fixture {
    store: Arc<SqliteStore>,
    clock: ManualClock,
    sign_ins: SignIns,
    estate: Estate,
    ina: UserId,
}

fn fixture() -> Fixture {
    let store = Arc::new(SqliteStore::open_in_memory(SqliteStoreOptions::default()).unwrap());
    let clock = ManualClock::at(START);
    let ina = UserId::new("ina").unwrap();
    let mut estate = Estate::default();
    estate.users.insert(
        ina.clone(),
        User {
            display_name: "Ina".into(),
            role: Role::HelpDesk,
            ..User::default()
        },
    );
    Fixture {
        sign_ins: SignIns::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::new(clock.clone()),
            SignInSettings::default(),
        ),
        store,
        clock,
        estate,
        ina,
    }
}

impl Fixture {
    async fn create(&self) -> NewSignIn {
        let password = Secret::new("hunter2".into());
        self.sign_ins
            .create(&self.ina, Strength::Password, None, Some(&password))
            .await
            .unwrap()
    }

    async fn resolve(&self, cookie: &str) -> Option<SignedIn> {
        self.sign_ins
            .resolve(&self.estate, cookie, None)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_cookie_opens_its_sign_in_with_the_password() {
    let fixture = fixture();
    let made = fixture.create().await;
    let opened = fixture.resolve(made.cookie.expose()).await.unwrap();
    assert_eq!(opened.principal.user, fixture.ina);
    assert_eq!(opened.principal.role, Role::HelpDesk);
    assert_eq!(opened.principal.sign_in, Some(made.id.clone()));
    assert_eq!(opened.password().unwrap().unwrap().expose(), "hunter2");
    assert!(opened.csrf_token_is(made.csrf_token.expose()));
    assert!(!opened.csrf_token_is("x"));
    assert_eq!(opened.expires_at, START.plus_ms(12 * HOUR_MS));
}

#[tokio::test]
async fn what_is_stored_opens_nothing() {
    let fixture = fixture();
    let made = fixture.create().await;
    let stored = fixture.store.range("", None, None).await.unwrap();
    let (id, key) = made.cookie.expose().split_once('.').unwrap();
    for item in &stored.items {
        let text = format!("{} {}", item.key, String::from_utf8_lossy(&item.value));
        for secret in [id, key, "hunter2", made.csrf_token.expose()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert!(
        fixture
            .resolve(&format!("{}.{key}", made.id))
            .await
            .is_none()
    );
}

#[tokio::test]
async fn a_cookie_that_is_none_is_no_sign_in() {
    let fixture = fixture();
    let made = fixture.create().await;
    let cookie = made.cookie.expose();
    for end in 0..cookie.len() {
        assert!(fixture.resolve(&cookie[..end]).await.is_none());
    }
    let long = "x".repeat(1_000_000);
    for text in ["", ".", "a.b", "\u{0}.\u{0}", long.as_str()] {
        assert!(fixture.resolve(text).await.is_none());
    }
    // The right record with another key: somebody is found, but neither password nor CSRF token.
    let other = SignInKey::generate().unwrap().to_text();
    let id = cookie.split_once('.').unwrap().0;
    let opened = fixture
        .resolve(&format!("{id}.{}", other.expose()))
        .await
        .unwrap();
    assert_eq!(opened.password().unwrap_err(), CustodyError::Open);
    assert!(!opened.csrf_token_is(made.csrf_token.expose()));
}

#[tokio::test]
async fn an_unused_sign_in_ends_after_an_hour_and_any_after_twelve() {
    let fixture = fixture();
    let idle = fixture.create().await;
    let used = fixture.create().await;
    for _ in 0..23 {
        fixture.clock.advance_ms(HOUR_MS / 2);
        assert!(fixture.resolve(used.cookie.expose()).await.is_some());
    }
    assert!(fixture.resolve(idle.cookie.expose()).await.is_none());
    fixture.clock.advance_ms(HOUR_MS / 2);
    assert!(fixture.resolve(used.cookie.expose()).await.is_none());
    assert_eq!(
        fixture
            .store
            .range("", None, None)
            .await
            .unwrap()
            .items
            .len(),
        0
    );
}

#[tokio::test]
async fn a_clock_set_back_ends_nobody_and_keeps_nobody_for_ever() {
    let fixture = fixture();
    let made = fixture.create().await;
    fixture.clock.advance_ms(-HOUR_MS);
    assert!(fixture.resolve(made.cookie.expose()).await.is_some());
    fixture.clock.advance_ms(HOUR_MS - 1);
    assert!(fixture.resolve(made.cookie.expose()).await.is_some());
    fixture.clock.advance_ms(2 * HOUR_MS);
    assert!(fixture.resolve(made.cookie.expose()).await.is_none());
}

#[tokio::test]
async fn the_time_of_use_is_written_at_most_once_a_minute() {
    let fixture = fixture();
    let made = fixture.create().await;
    let key = keys::sign_in(&made.id);
    for (advance_ms, version) in [(59_999, 1), (1, 2), (59_999, 2), (1, 3)] {
        fixture.clock.advance_ms(advance_ms);
        fixture.resolve(made.cookie.expose()).await.unwrap();
        let stored = fixture.store.get(&key).await.unwrap().unwrap();
        assert_eq!(stored.version, version);
    }
}

#[tokio::test]
async fn a_sign_in_can_be_revoked_alone_or_with_all_of_its_user() {
    let fixture = fixture();
    let (first, second, third) = (
        fixture.create().await,
        fixture.create().await,
        fixture.create().await,
    );
    assert_eq!(fixture.sign_ins.list(None).await.unwrap().len(), 3);
    assert!(fixture.sign_ins.revoke(&first.id).await.unwrap());
    assert!(!fixture.sign_ins.revoke(&first.id).await.unwrap());
    assert!(fixture.resolve(first.cookie.expose()).await.is_none());
    assert!(fixture.resolve(second.cookie.expose()).await.is_some());
    assert_eq!(fixture.sign_ins.revoke_user(&fixture.ina).await.unwrap(), 2);
    assert!(fixture.resolve(third.cookie.expose()).await.is_none());
    assert!(
        fixture
            .sign_ins
            .list(Some(&fixture.ina))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_user_who_was_removed_is_signed_out() {
    let mut fixture = fixture();
    let made = fixture.create().await;
    fixture.estate.users.clear();
    assert!(fixture.resolve(made.cookie.expose()).await.is_none());
}

#[tokio::test]
async fn one_more_than_the_limit_ends_the_least_recently_used() {
    let fixture = fixture();
    let first = fixture.create().await;
    fixture.clock.advance_ms(120_000);
    let second = fixture.create().await;
    fixture.clock.advance_ms(120_000);
    for _ in 2..SIGN_INS_PER_USER_MAX {
        fixture.create().await;
    }
    assert!(fixture.resolve(first.cookie.expose()).await.is_some()); // used now
    fixture.create().await;
    assert!(fixture.resolve(first.cookie.expose()).await.is_some());
    assert!(fixture.resolve(second.cookie.expose()).await.is_none());
    let all = fixture.sign_ins.list(None).await.unwrap();
    assert_eq!(all.len(), SIGN_INS_PER_USER_MAX);
}

#[tokio::test]
async fn ended_sign_ins_are_reaped() {
    let fixture = fixture();
    fixture.create().await;
    fixture.clock.advance_ms(HOUR_MS);
    let fresh = fixture.create().await;
    assert_eq!(fixture.sign_ins.reap().await.unwrap(), 1);
    assert!(fixture.resolve(fresh.cookie.expose()).await.is_some());
}
