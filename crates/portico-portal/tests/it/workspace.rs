//! What people are offered and what they launch.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::test_portal::TestPortal;

#[tokio::test]
async fn people_see_what_they_are_entitled_to_and_nothing_else() {
    let portal = TestPortal::new().await;
    let browser = portal.sign_in("ulla").await;
    let workspace = portal
        .call(&browser, Method::GET, "/api/v1/workspace", &Value::Null)
        .await;
    let resources = workspace.json()["resources"].clone();
    assert_eq!(resources.as_array().unwrap().len(), 1, "{resources}");
    assert_eq!(resources[0]["id"], "desktop");
    assert_eq!(resources[0]["availability"]["state"], "available");
    for resource in ["secret", "nothing", "../x"] {
        let body = json!({"resource": resource});
        let answer = portal
            .call(&browser, Method::POST, "/api/v1/launches", &body)
            .await;
        assert_eq!(
            answer.status,
            StatusCode::NOT_FOUND,
            "{resource}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_second_launch_resumes_the_session_and_the_grant_comes_back_to_it() {
    let portal = TestPortal::new().await;
    let browser = portal.sign_in("ulla").await;
    let body = json!({"resource": "desktop"});
    let launch = async || {
        portal
            .call(&browser, Method::POST, "/api/v1/launches", &body)
            .await
    };
    let first = launch().await.json();
    assert_eq!(first["viewer"], "desktop");
    assert_eq!(first["gateway"]["path"], "/session/desktop");
    let second = launch().await.json();
    assert_eq!(first["session"], second["session"]);
    assert_ne!(first["ticket"], second["ticket"]);
    let path = format!(
        "/api/v1/sessions/{}/reconnect",
        second["session"].as_str().unwrap()
    );
    // The second viewer has not shown up, so the first one still holds the session.
    let grant = json!({"grant": first["reconnect_grant"]});
    let back = portal.call(&browser, Method::POST, &path, &grant).await;
    assert_eq!(back.status, StatusCode::OK, "{}", back.text());
    assert_eq!(back.json()["session"], first["session"]);
    let wrong = portal
        .call(&browser, Method::POST, &path, &json!({"grant": "wrong"}))
        .await;
    assert!(wrong.status.is_client_error(), "{}", wrong.text());
    let workspace = portal
        .call(&browser, Method::GET, "/api/v1/workspace", &Value::Null)
        .await;
    assert_eq!(workspace.json()["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn favourites_stay() {
    let portal = TestPortal::new().await;
    let browser = portal.sign_in("ulla").await;
    let favourite = async || {
        let workspace = portal
            .call(&browser, Method::GET, "/api/v1/workspace", &Value::Null)
            .await;
        workspace.json()["resources"][0]["favourite"]
            .as_bool()
            .unwrap()
    };
    assert!(!favourite().await);
    for (method, expected) in [(Method::PUT, true), (Method::DELETE, false)] {
        let path = "/api/v1/favourites/desktop";
        let answer = portal.call(&browser, method, path, &Value::Null).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(favourite().await, expected);
    }
    let answer = portal
        .call(
            &browser,
            Method::PUT,
            "/api/v1/favourites/secret",
            &Value::Null,
        )
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_large_are_refused_in_the_one_shape() {
    let portal = TestPortal::new().await;
    let browser = portal.sign_in("ulla").await;
    for body in [
        json!("text"),
        json!({}),
        json!({"resource": 7}),
        json!(null),
    ] {
        let answer = portal
            .call(&browser, Method::POST, "/api/v1/launches", &body)
            .await;
        assert!(answer.status.is_client_error());
        assert_eq!(answer.code(), "wrong-request", "{}", answer.text());
    }
    let large = json!({"resource": "x".repeat(portico_portal::BODY_LEN_MAX)});
    let answer = portal
        .call(&browser, Method::POST, "/api/v1/launches", &large)
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.code(), "wrong-request");
}
