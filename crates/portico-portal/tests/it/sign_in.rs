//! Signing in, staying in, and getting out.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::test_portal::{PASSWORD, TestPortal, network, request};

#[tokio::test]
async fn a_cookie_is_for_this_host_and_for_http_only() {
    let portal = TestPortal::new().await;
    let body = json!({"user": " Ulla ", "password": PASSWORD});
    let answer = portal
        .anonymous(Method::POST, "/api/v1/sign-in", &body)
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-portico="), "{cookie}");
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.to_lowercase().contains("domain"), "{cookie}");
    assert_eq!(answer.json()["user"], "ulla");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_get_the_same_answer() {
    let portal = TestPortal::new().await;
    let mut answers = Vec::new();
    for user in ["ulla", "nobody", "", "../../etc", "ULLA\u{0}"] {
        let body = json!({"user": user, "password": "wrong"});
        let answer = portal
            .anonymous(Method::POST, "/api/v1/sign-in", &body)
            .await;
        answers.push((answer.status, answer.text()));
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn two_hundred_wrong_sign_ins_lock_the_name_and_say_for_how_long() {
    let portal = TestPortal::new().await;
    let wrong = json!({"user": "ulla", "password": "wrong"});
    let mut locked = 0;
    for _ in 0..200 {
        let answer = portal
            .anonymous(Method::POST, "/api/v1/sign-in", &wrong)
            .await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.code(), "locked");
            assert!(answer.json()["error"]["retry_after_s"].as_u64().unwrap() >= 1);
            assert!(answer.headers.contains_key(header::RETRY_AFTER));
            locked += 1;
        }
    }
    assert!(locked >= 190, "{locked} of 200 were locked out");
    let right = json!({"user": "ulla", "password": PASSWORD});
    let answer = portal
        .anonymous(Method::POST, "/api/v1/sign-in", &right)
        .await;
    assert_eq!(
        answer.status,
        StatusCode::TOO_MANY_REQUESTS,
        "the right password waits as well"
    );
    portal.clock.advance_ms(3_600_000);
    let answer = portal
        .anonymous(Method::POST, "/api/v1/sign-in", &right)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

#[tokio::test]
async fn sign_out_ends_the_cookie_and_an_idle_sign_in_ends_by_itself() {
    let portal = TestPortal::new().await;
    let browser = portal.sign_in("ulla").await;
    let other = portal.sign_in("ulla").await;
    let out = portal
        .call(&browser, Method::POST, "/api/v1/sign-out", &Value::Null)
        .await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(
        out.headers[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    let me = portal
        .call(&browser, Method::GET, "/api/v1/me", &Value::Null)
        .await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
    let me = portal
        .call(&other, Method::GET, "/api/v1/me", &Value::Null)
        .await;
    assert_eq!(
        me.status,
        StatusCode::OK,
        "the other browser stays signed in"
    );
    portal.clock.advance_ms(24 * 3_600_000);
    let me = portal
        .call(&other, Method::GET, "/api/v1/me", &Value::Null)
        .await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_clock_set_back_an_hour_keeps_people_signed_in() {
    let portal = TestPortal::new().await;
    let browser = portal.sign_in("ulla").await;
    portal.clock.advance_ms(-3_600_000);
    let me = portal
        .call(&browser, Method::GET, "/api/v1/me", &Value::Null)
        .await;
    assert_eq!(me.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_works_without_csrf_and_a_damaged_one_does_not() {
    let portal = TestPortal::new().await;
    let body = json!({"user": "otto", "password": PASSWORD});
    let answer = portal
        .anonymous(Method::POST, "/api/v1/tokens", &body)
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let with = async |token: &str| {
        let request = request(Method::GET, "/api/v1/hosts")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(axum::body::Body::empty())
            .unwrap();
        portal.send(request, network()).await.status
    };
    assert_eq!(with(&token).await, StatusCode::OK);
    for len in 0..token.len() {
        assert_eq!(
            with(&token[..len]).await,
            StatusCode::UNAUTHORIZED,
            "cut at {len}"
        );
    }
}

#[tokio::test]
async fn the_set_up_link_makes_one_owner_once() {
    let portal = TestPortal::empty();
    let site = portal
        .anonymous(Method::GET, "/api/v1/site", &Value::Null)
        .await
        .json();
    assert_eq!(site["setup_needed"], true);
    let now = portico_net::clock::Clock::now(&portal.clock);
    let token = portico_portal::setup::issue(portal.store.as_ref(), now)
        .await
        .unwrap();
    let body = |token: &str, password: &str| {
        json!({"token": token, "user": "Ina", "display_name": "Ina", "password": password,
            "site_name": "Ina's"})
    };
    let post = async |body: Value| portal.anonymous(Method::POST, "/api/v1/setup", &body).await;
    assert_eq!(
        post(body("wrong", PASSWORD)).await.code(),
        "setup-token-invalid"
    );
    assert_eq!(
        post(body(token.expose(), "short")).await.code(),
        "weak-password"
    );
    let answer = post(body(token.expose(), PASSWORD)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    assert_eq!(
        post(body(token.expose(), PASSWORD)).await.code(),
        "setup-token-invalid"
    );
    let browser = portal.sign_in("ina").await;
    let me = portal
        .call(&browser, Method::GET, "/api/v1/me", &Value::Null)
        .await
        .json();
    assert_eq!(me["role"], "owner");
    let site = portal
        .anonymous(Method::GET, "/api/v1/site", &Value::Null)
        .await
        .json();
    assert_eq!(
        (&site["setup_needed"], &site["name"]),
        (&json!(false), &json!("Ina's"))
    );
}

#[tokio::test]
async fn a_set_up_link_lapses() {
    let portal = TestPortal::empty();
    let now = portico_net::clock::Clock::now(&portal.clock);
    let token = portico_portal::setup::issue(portal.store.as_ref(), now)
        .await
        .unwrap();
    portal.clock.advance_ms(portico_portal::setup::LIFE_MS);
    let body = json!({"token": token.expose(), "user": "ina", "display_name": "",
        "password": PASSWORD, "site_name": ""});
    let answer = portal.anonymous(Method::POST, "/api/v1/setup", &body).await;
    assert_eq!(answer.code(), "setup-token-invalid");
}

#[tokio::test]
async fn what_is_served_beside_the_portal_knows_who_is_signed_in() {
    let portal = TestPortal::new().await;
    let browser = portal.sign_in("ulla").await;
    let with = |name: header::HeaderName, value: &str| {
        http::HeaderMap::from_iter([(name, value.parse().unwrap())])
    };
    let cookie = with(
        header::COOKIE,
        &format!("__Host-portico={}", browser.cookie),
    );
    let token = with(header::AUTHORIZATION, &format!("Bearer {}", browser.cookie));
    let forged = with(header::COOKIE, "__Host-portico=AAAAAAAAAAAAAAAAAAAAAA.AAAA");
    let asked = async |headers: &http::HeaderMap| {
        let answer = portal.portal.is_signed_in(headers, network()).await;
        answer.unwrap()
    };
    assert!(asked(&cookie).await);
    assert!(asked(&token).await);
    assert!(!asked(&forged).await);
    assert!(!asked(&http::HeaderMap::new()).await);
    portal
        .call(&browser, Method::POST, "/api/v1/sign-out", &json!({}))
        .await;
    assert!(!asked(&cookie).await);
}
