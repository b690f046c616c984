//! Hostile names go through the API as they are, and only as JSON text.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::test_portal::{ESTATE, TestPortal};

#[tokio::test]
async fn hostile_titles_arrive_unchanged_and_as_json() {
    let portal = TestPortal::empty();
    let text = include_str!("../../../portico-estate/fixtures/hostile.toml");
    let body = json!({"file_name": "hostile.toml", "text": text});
    let answer = portal
        .local(Method::POST, "/api/v1/estate/apply", &body)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    for path in [
        "pools",
        "hosts",
        "resources",
        "users",
        "estate",
        "audit",
        "sessions",
    ] {
        let answer = portal
            .local(Method::GET, &format!("/api/v1/{path}"), &Value::Null)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "application/json",
            "{path}"
        );
        assert_eq!(
            answer.headers[header::X_CONTENT_TYPE_OPTIONS],
            "nosniff",
            "{path}"
        );
        // JSON carries no raw control characters.
        assert!(
            !answer.text().chars().any(|c| c.is_control() && c != '\n'),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_long_body_is_read_of_nobody_but_those_who_send_an_estate() {
    let portal = TestPortal::new().await;
    let long = "#".repeat(2 * portico_portal::BODY_LEN_MAX);
    for path in ["/api/v1/sign-in", "/api/v1/tokens"] {
        let body = json!({"user": "ulla", "password": &long});
        let answer = portal.anonymous(Method::POST, path, &body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
    let body = json!({"file_name": "e", "text": format!("{ESTATE}\n{long}")});
    let path = "/api/v1/estate/plan";
    let answer = portal.anonymous(Method::POST, path, &body).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let answer = portal.local(Method::POST, path, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}
