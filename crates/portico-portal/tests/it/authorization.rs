//! Every endpoint refuses those who may not call it.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::test_portal::{ROLES, TestPortal};

/// Rows of the checked-in table: method and path, and who may.
fn table() -> BTreeMap<(String, String), String> {
    include_str!("../authorization.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let mut next = || {
                words
                    .next()
                    .unwrap_or_else(|| panic!("row {line:?} is short"))
            };
            ((next(), next()), next())
        })
        .collect()
}

/// Method and path of every endpoint in the description of the API.
fn endpoints() -> Vec<(String, String)> {
    let description: Value =
        serde_json::from_str(&portico_portal::openapi_json().unwrap()).unwrap();
    let paths = description["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .unwrap()
                .keys()
                .map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

/// A body that each endpoint can read, so that only the right is in question.
fn body(path: &str) -> Value {
    match path {
        "/api/v1/launches" => json!({"resource": "desktop"}),
        "/api/v1/sessions/{id}/reconnect" => json!({"grant": "x"}),
        path if path.ends_with("/message") => json!({"text": "x"}),
        path if path.ends_with("/mode") => json!({"mode": "drain"}),
        path if path.ends_with("/revoke") => json!({"reason": "x"}),
        path if path.ends_with("/approve") || path.ends_with("/trust") => {
            json!({"fingerprint": "0".repeat(64)})
        }
        path if path.ends_with("/restart") => json!({"after_s": 1}),
        path if path.ends_with("/probe") => json!({"host": "sh1"}),
        "/api/v1/join-tokens" => json!({"host": "sh1"}),
        "/api/v1/maintenances" => json!({
            "hosts": ["sh1"], "starts_at_ms": 0, "ends_at_ms": 1, "warn_before_s": 0,
            "drain_before_s": 0, "text": "", "restart": false, "at_once": 1,
        }),
        "/api/v1/ports/checks" => json!({"from": ["sh1"]}),
        "/api/v1/explain/launch" => json!({"user": "ulla", "resource": "desktop"}),
        _ => json!({"file_name": "e", "text": "version = 1"}),
    }
}

fn filled(path: &str) -> String {
    path.replace("{id}", &"0".repeat(32))
        .replace("{resource}", "desktop")
}

#[test]
fn every_endpoint_has_a_row_and_every_row_an_endpoint() {
    let (table, endpoints) = (table(), endpoints());
    for endpoint in &endpoints {
        assert!(
            table.contains_key(endpoint),
            "{endpoint:?} has no row in authorization.txt"
        );
    }
    for row in table.keys() {
        assert!(
            endpoints.contains(row),
            "{row:?} of authorization.txt is no endpoint"
        );
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_sign_in() {
    let portal = TestPortal::new().await;
    for ((method, path), who) in table() {
        if who == "public" {
            continue;
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = portal
            .anonymous(method.clone(), &filled(&path), &body(&path))
            .await;
        assert_eq!(
            answer.status,
            StatusCode::UNAUTHORIZED,
            "{method} {path}: {}",
            answer.text()
        );
        assert_eq!(answer.code(), "not-signed-in", "{method} {path}");
    }
}

#[tokio::test]
async fn each_role_is_refused_what_is_above_it_and_allowed_the_rest() {
    let portal = TestPortal::new().await;
    for (index, (role, user)) in ROLES.into_iter().enumerate() {
        let browser = portal.sign_in(user).await;
        for ((method, path), who) in table() {
            if path.ends_with("/sign-out") {
                continue;
            }
            let Some(needed) = ROLES.iter().position(|(name, _)| *name == who) else {
                continue;
            };
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = portal
                .call(&browser, method.clone(), &filled(&path), &body(&path))
                .await;
            let refused = answer.status == StatusCode::FORBIDDEN;
            // An operator may apply, but not a file that leaves out people with roles.
            let about_people = path.ends_with("/apply") && role == "operator";
            if !about_people {
                assert_eq!(
                    refused,
                    index < needed,
                    "{role}: {method} {path}: {}",
                    answer.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_change_with_the_cookie_needs_the_csrf_header() {
    let portal = TestPortal::new().await;
    let good = portal.sign_in("olga").await;
    for ((method, path), who) in table() {
        if who == "public" || method == "GET" {
            continue;
        }
        for csrf in ["", "wrong", &portal.sign_in("olga").await.csrf] {
            let mut forged = good.clone();
            forged.csrf = csrf.to_owned();
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = portal
                .call(&forged, method.clone(), &filled(&path), &body(&path))
                .await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
            assert_eq!(answer.code(), "csrf", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn others_sessions_are_not_found() {
    let portal = TestPortal::new().await;
    let ulla = portal.sign_in("ulla").await;
    let launch = portal
        .call(
            &ulla,
            Method::POST,
            "/api/v1/launches",
            &json!({"resource": "desktop"}),
        )
        .await;
    assert_eq!(launch.status, StatusCode::CREATED, "{}", launch.text());
    let id = launch.json()["session"].as_str().unwrap().to_owned();
    let grant = launch.json()["reconnect_grant"].clone();
    let aude = portal.sign_in("aude").await;
    for (method, path, body) in [
        (
            Method::DELETE,
            format!("/api/v1/sessions/{id}"),
            Value::Null,
        ),
        (
            Method::POST,
            format!("/api/v1/sessions/{id}/disconnect"),
            Value::Null,
        ),
        (
            Method::POST,
            format!("/api/v1/sessions/{id}/reconnect"),
            json!({"grant": grant}),
        ),
    ] {
        let answer = portal.call(&aude, method.clone(), &path, &body).await;
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{method} {path}: {}",
            answer.text()
        );
    }
    let hanna = portal.sign_in("hanna").await;
    let ended = portal
        .call(
            &hanna,
            Method::DELETE,
            &format!("/api/v1/sessions/{id}"),
            &Value::Null,
        )
        .await;
    assert_eq!(
        ended.status,
        StatusCode::OK,
        "help desk ends sessions: {}",
        ended.text()
    );
}
