//! What waits for an operator over the API: an answer is about what was shown.

use http::{Method, StatusCode};
use portico_broker::{Advertised, EnrollingPeer, IssuedMachine, MachineCa, MachineCaError, Served};
use portico_model::{HostId, Timestamp};
use portico_wire::agent::{EnrollmentAnswer, EnrollmentRequest, JoinToken};
use serde_json::{Value, json};

use crate::test_portal::{Browser, ESTATE, TestPortal};

/// An authority whose requests are the names of keys.
struct Authority;

impl MachineCa for Authority {
    fn key_of(&self, csr_der: &[u8]) -> Result<String, MachineCaError> {
        Ok(key(csr_der[0]))
    }

    fn issue(
        &self,
        csr_der: &[u8],
        _: &HostId,
        now: Timestamp,
    ) -> Result<IssuedMachine, MachineCaError> {
        Ok(IssuedMachine {
            chain_der: vec![csr_der.to_vec()],
            serial: "01".into(),
            key_sha256: key(csr_der[0]),
            expires_at: now.plus_ms(3_600_000),
        })
    }
}

fn key(machine: u8) -> String {
    format!("{machine:02x}").repeat(32)
}

/// Has `machine` ask to be the agent of sh1 with a fresh token.
async fn join(portal: &TestPortal, olga: &Browser, machine: u8) -> EnrollmentAnswer {
    let made = portal
        .call(
            olga,
            Method::POST,
            "/api/v1/join-tokens",
            &json!({"host": "sh1"}),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let token = JoinToken::parse(made.json()["token"].as_str().unwrap()).unwrap();
    let request = EnrollmentRequest::Join {
        host: token.host,
        secret: token.secret,
        csr_der: vec![machine],
        software: "portico-agent test".into(),
    };
    let broker = &portal.broker;
    broker
        .enroll(&Authority, request, EnrollingPeer::default())
        .await
}

async fn waiting(portal: &TestPortal, olga: &Browser) -> Value {
    let path = "/api/v1/agents/waiting";
    portal
        .call(olga, Method::GET, path, &Value::Null)
        .await
        .json()
}

#[tokio::test]
async fn an_answer_about_something_else_than_what_waits_is_a_conflict_that_names_both() {
    let portal = TestPortal::empty();
    let managed = ESTATE.replacen("id = \"sh1\"", "id = \"sh1\"\nagent = \"required\"", 1);
    let body = json!({"file_name": "e", "text": managed});
    let applied = portal
        .local(Method::POST, "/api/v1/estate/apply", &body)
        .await;
    assert_eq!(applied.status, StatusCode::OK, "{}", applied.text());
    portal.broker.set_served(Served {
        advertise: Advertised {
            link: vec!["broker:30004".into()],
            enrollment: vec!["broker:30030".into()],
        },
        ca_sha256: [0; 32],
    });
    let olga = portal.sign_in("olga").await;
    let first = join(&portal, &olga, 1).await;
    assert!(
        matches!(first, EnrollmentAnswer::Issued { .. }),
        "{first:?}"
    );
    let second = join(&portal, &olga, 2).await;
    assert!(
        matches!(second, EnrollmentAnswer::Waiting { .. }),
        "{second:?}"
    );
    let shown = waiting(&portal, &olga).await;
    assert_eq!(shown[0]["fingerprint"], key(2));

    let answer = async |act: &str, body: Value| {
        let path = format!("/api/v1/hosts/sh1/{act}");
        portal.call(&olga, Method::POST, &path, &body).await
    };
    for act in ["approve", "reject"] {
        let other = answer(act, json!({"fingerprint": key(3)})).await;
        assert_eq!(other.status, StatusCode::CONFLICT, "{act}");
        let error = other.json()["error"].clone();
        assert_eq!(error["code"], "waiting-changed");
        assert_eq!(error["details"], json!({"seen": key(3), "waiting": key(2)}));
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains(&key(2)) && message.contains(&key(3)),
            "{message}"
        );
    }
    for act in ["approve", "trust", "reject"] {
        for wrong in ["", "0202020202020202", &format!("{}0", key(2))] {
            let answer = answer(act, json!({"fingerprint": wrong})).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(answer.code(), "wrong-fingerprint", "{act} {wrong}");
        }
    }
    for act in ["approve", "trust"] {
        let unsaid = answer(act, json!({})).await;
        assert_eq!(unsaid.code(), "wrong-request", "{act}: {}", unsaid.text());
    }
    let nothing = answer("trust", json!({"fingerprint": key(2)})).await;
    assert_eq!(nothing.code(), "nothing-waits");
    assert_eq!(waiting(&portal, &olga).await, shown, "nothing was done");

    let approved = answer("approve", json!({"fingerprint": key(2).to_uppercase()})).await;
    assert_eq!(approved.status, StatusCode::NO_CONTENT);
    assert_eq!(waiting(&portal, &olga).await, json!([]));
}
