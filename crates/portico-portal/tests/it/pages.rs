//! Pages and files, and the headers that all answers carry.

use http::{Method, StatusCode, header};
use serde_json::Value;

use crate::test_portal::TestPortal;

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let portal = TestPortal::empty();
    for path in [
        "/",
        "/sign-in",
        "/assets/none.js",
        "/api/v1/site",
        "/api/v1/none",
        "/api/v1/me",
    ] {
        let answer = portal.anonymous(Method::GET, path, &Value::Null).await;
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}");
        assert!(!policy.contains("script-src 'unsafe-inline'"), "{path}");
        for name in [
            "x-content-type-options",
            "referrer-policy",
            "strict-transport-security",
        ] {
            assert!(answer.headers.contains_key(name), "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn files_that_do_not_exist_are_not_found_and_pages_are_the_application() {
    let portal = TestPortal::empty();
    let file = portal
        .anonymous(Method::GET, "/assets/none.js", &Value::Null)
        .await;
    assert_eq!(file.status, StatusCode::NOT_FOUND);
    let climb = portal
        .anonymous(Method::GET, "/assets/../../Cargo.toml", &Value::Null)
        .await;
    assert_eq!(climb.status, StatusCode::NOT_FOUND);
    let post = portal
        .anonymous(Method::POST, "/sign-in", &Value::Null)
        .await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn unknown_endpoints_answer_in_the_one_shape() {
    let portal = TestPortal::empty();
    let answer = portal
        .anonymous(Method::GET, "/api/v1/none", &Value::Null)
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.code(), "not-found");
    let answer = portal
        .anonymous(Method::DELETE, "/api/v1/site", &Value::Null)
        .await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}
