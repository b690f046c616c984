//! What waits for an operator over the API: an answer is about what was shown.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use http::{Method, StatusCode};
use portico_broker::{
    Advertised, AgentSeam, EnrollingPeer, IssuedMachine, MachineCa, MachineCaError, PeerIdentity,
    Served,
};
use portico_model::{
    HostId, Timestamp,
    seen::{AgentHello, HostReport, Load, Order},
};
use portico_wire::agent::{
    EnrollmentAnswer, EnrollmentRequest, HostPorts, JoinToken, PortsPart, RulesDump, RulesTold,
    RulesTool,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;

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

/// A portal whose estate has an agent for sh1.
async fn managed() -> TestPortal {
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
    portal
}

#[tokio::test]
async fn an_answer_about_something_else_than_what_waits_is_a_conflict_that_names_both() {
    let portal = managed().await;
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

/// A link whose agent is asked for its rules and listeners.
struct Asked {
    is_able: AtomicBool,
    asked: mpsc::UnboundedSender<u64>,
}

impl AgentSeam for Asked {
    fn send(&self, _: u64, _: Order) -> bool {
        true
    }

    fn tells_ports(&self) -> bool {
        self.is_able.load(SeqCst)
    }

    fn tell_ports(&self, ask: u64) -> bool {
        self.asked.send(ask).is_ok()
    }

    fn close(&self, _: &str) {}
}

#[tokio::test]
async fn an_agent_tells_rules_and_listeners_or_the_answer_says_why_not_and_what_to_do() {
    const STATE: &str = "/api/v1/hosts/sh1/ports/state";
    let unmanaged = TestPortal::new().await;
    let olga = unmanaged.sign_in("olga").await;
    let ask = async |portal: &TestPortal, olga: &Browser| {
        portal.call(olga, Method::GET, STATE, &Value::Null).await
    };
    let refusal = async |portal: &TestPortal, olga: &Browser| {
        let answer = ask(portal, olga).await;
        let error = answer.json()["error"].clone();
        assert!(error["next_step"].is_string(), "{error}");
        (answer.status.as_u16(), answer.code())
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(refusal(&unmanaged, &olga).await, is(409, "not-managed"));

    let portal = managed().await;
    let olga = portal.sign_in("olga").await;
    assert_eq!(refusal(&portal, &olga).await, is(409, "agent-away"));
    let path = "/api/v1/hosts/sh9/ports/state";
    let nowhere = portal.call(&olga, Method::GET, path, &Value::Null).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);

    join(&portal, &olga, 1).await;
    let peer = PeerIdentity {
        host: HostId::new("sh1").unwrap(),
        serial: "01".into(),
        key_sha256: key(1),
        expires_at: Timestamp::from_unix_ms(i64::MAX),
    };
    let hello = AgentHello {
        host: peer.host.clone(),
        software: "portico-agent test".into(),
        boot: "b".into(),
        system: "s".into(),
        cpus: 1,
        identities: vec![],
    };
    let (asked, mut questions) = mpsc::unbounded_channel();
    let link = Arc::new(Asked {
        is_able: AtomicBool::new(false),
        asked,
    });
    let seam = Arc::clone(&link) as Arc<dyn AgentSeam>;
    let broker = &portal.broker;
    let welcome = broker.agent_connected(&peer, hello, seam).await.unwrap();
    let report = HostReport {
        number: 1,
        load: Load::default(),
        sessions: vec![],
    };
    broker
        .agent_report(&peer.host, welcome.link, report)
        .await
        .unwrap();
    assert_eq!(refusal(&portal, &olga).await, is(409, "agent-too-old"));
    link.is_able.store(true, SeqCst);

    let told = HostPorts {
        rules: vec![RulesDump {
            tool: RulesTool::Nft,
            told: RulesTold::Text {
                text: "{\u{1b}".into(),
            },
        }],
        sockets: vec![],
        sockets_fault: None,
        interfaces: vec![],
        client_ports: (1, 2),
        as_root: false,
    };
    let mut answer_with = async |parts: &dyn Fn(u64) -> Vec<PortsPart>| {
        let (answer, ()) = tokio::join!(ask(&portal, &olga), async {
            let question = questions.recv().await.unwrap();
            for part in parts(question) {
                broker.agent_ports(&peer.host, welcome.link, part);
            }
        });
        answer
    };
    let answer = answer_with(&|ask| told.parts(ask)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(HostPorts::read(answer.text().as_bytes()), Ok(told));
    let refused = answer_with(&|ask| vec![PortsPart::refused(ask, "busy\u{1b}".into())]).await;
    assert_eq!(refused.code(), "agent-refused");
    let message = refused.json()["error"]["message"].clone();
    let said = "The agent of host sh1 did not tell them: busy\\u{1b}";
    assert_eq!(message, said);
    let garbage = answer_with(&|ask| {
        vec![PortsPart {
            refused: None,
            ..PortsPart::refused(ask, String::new())
        }]
    })
    .await;
    assert_eq!(garbage.status, StatusCode::BAD_GATEWAY);
    assert_eq!(garbage.code(), "agent-answer-unreadable");
}
