//! Planning and applying estate files.

use http::{Method, StatusCode};
use serde_json::json;

use crate::test_portal::{ESTATE, TestPortal};

#[tokio::test]
async fn applying_twice_changes_nothing_and_a_plan_changes_nothing_at_all() {
    let portal = TestPortal::empty();
    let body = json!({"file_name": "estate.toml", "text": ESTATE});
    let plan = portal
        .local(Method::POST, "/api/v1/estate/plan", &body)
        .await
        .json();
    let apply = portal
        .local(Method::POST, "/api/v1/estate/apply", &body)
        .await
        .json();
    assert_eq!(plan, apply, "a plan is what applying does");
    assert!(!apply["changes"].as_array().unwrap().is_empty());
    let again = portal
        .local(Method::POST, "/api/v1/estate/apply", &body)
        .await
        .json();
    assert_eq!(again["changes"], json!([]));
}

#[tokio::test]
async fn a_wrong_file_lists_all_its_errors_and_changes_nothing() {
    let portal = TestPortal::new().await;
    let text = "version = 1\n[[hosts]]\nid = \"a b\"\npool = \"none\"\n[[pool]]\nid = \"x\"\n";
    let body = json!({"file_name": "estate.toml", "text": text});
    let answer = portal
        .local(Method::POST, "/api/v1/estate/apply", &body)
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.code(), "estate-invalid");
    let errors = answer.json()["error"]["details"]["errors"].clone();
    assert!(errors.as_array().unwrap().len() >= 3, "{errors}");
    for error in errors.as_array().unwrap() {
        assert!(error["line"].as_u64().is_some(), "{error}");
        assert!(error["reason"].as_str().is_some(), "{error}");
    }
    let hosts = portal
        .local(Method::GET, "/api/v1/hosts", &json!(null))
        .await
        .json();
    assert_eq!(hosts[0]["id"], "sh1");
}

#[tokio::test]
async fn the_estate_shows_no_password_hashes() {
    let portal = TestPortal::new().await;
    for path in ["/api/v1/estate", "/api/v1/users"] {
        let text = portal.local(Method::GET, path, &json!(null)).await.text();
        assert!(text.contains("ulla"), "{text}");
        assert!(!text.contains("argon2"), "{text}");
    }
}

#[tokio::test]
async fn an_explanation_names_every_host() {
    let portal = TestPortal::new().await;
    let body = json!({"user": "ulla", "resource": "desktop"});
    let answer = portal
        .local(Method::POST, "/api/v1/explain/launch", &body)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(answer.text().contains("sh1"), "{}", answer.text());
    let body = json!({"user": "nobody", "resource": "desktop"});
    let answer = portal
        .local(Method::POST, "/api/v1/explain/launch", &body)
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text());
}
