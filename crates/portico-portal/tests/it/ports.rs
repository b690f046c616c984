//! The catalogue, and the plan of the live estate.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::test_portal::{Answer, TestPortal};

const HOSTS: &str = r#"
version = 1
[[zones]]
id = "edge"
title = "</text><script>alert(1)</script>"
networks = ["192.0.2.0/24"]
[[pools]]
id = "p"
title = "P"
[[hosts]]
id = "sh1"
pool = "p"
address = "10.0.0.1"
protocol = "rdp"
port = 3390
[[hosts]]
id = "gate"
roles = ["portico.gateway", "portico.portal"]
addresses = ["192.0.2.1", "2001:db8::1"]
[[hosts]]
id = "clients"
title = "\"quoted\" <b>"
roles = ["portico.client"]
addresses = ["10.9.0.0/16"]
"#;

async fn portal() -> TestPortal {
    let portal = TestPortal::empty();
    let body = json!({"file_name": "e", "text": HOSTS});
    let answer = portal
        .local(Method::POST, "/api/v1/estate/apply", &body)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    portal
}

async fn get(portal: &TestPortal, path: &str) -> Answer {
    let path = format!("/api/v1/ports/{path}");
    portal.local(Method::GET, &path, &Value::Null).await
}

fn data(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn the_catalogue_is_there_whole() {
    let portal = portal().await;
    let flows = data(&get(&portal, "flows").await);
    let documents: std::collections::BTreeSet<&str> = flows
        .as_array()
        .unwrap()
        .iter()
        .map(|flow| flow["sources"][0]["document"].as_str().unwrap())
        .collect();
    assert_eq!(documents.len(), 5, "{documents:?}");
    let roles = data(&get(&portal, "roles").await);
    let is_gateway = |role: &&Value| role["id"] == "rds.gateway";
    assert!(
        roles
            .as_array()
            .unwrap()
            .iter()
            .any(|role| is_gateway(&role))
    );
}

#[tokio::test]
async fn the_plan_is_that_of_the_live_estate() {
    let portal = portal().await;
    let plan = data(&get(&portal, "plan").await);
    let flow = |id: &str| -> Value {
        let flows = plan["flows"].as_array().unwrap();
        flows
            .iter()
            .find(|flow| flow["flow"] == id)
            .cloned()
            .unwrap_or_default()
    };
    let rdp = flow("portico.gateway-host-rdp");
    assert_eq!(rdp["from"], json!(["gate"]));
    assert_eq!(rdp["to"], json!(["sh1"]));
    assert_eq!(rdp["ports"], json!([{"first": 3390, "last": 3390}]));
    assert_eq!(
        flow("portico.client-portal-https")["from"],
        json!(["clients"])
    );
    assert_eq!(
        flow("portico.engine-host-ssh"),
        Value::Null,
        "no host speaks SSH"
    );
    let gate = plan["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|host| host["id"] == "gate");
    assert_eq!(gate.unwrap()["zone"], "edge");
}

#[tokio::test]
async fn rules_come_as_a_file_and_refusals_say_what_to_do() {
    let portal = portal().await;
    let rules = get(&portal, "rules?format=nftables&host=sh1").await;
    assert_eq!(rules.status, StatusCode::OK, "{}", rules.text());
    assert!(rules.text().contains("3390"), "{}", rules.text());
    let disposition = rules.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
    assert!(
        disposition.starts_with("attachment; filename=\""),
        "{disposition}"
    );
    for (query, code) in [
        ("rules?format=nftable", "unknown-format"),
        ("rules?format=nftables&host=sh9", "unknown-host"),
        ("diagram?format=png", "unknown-format"),
    ] {
        let refused = get(&portal, query).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(refused.code(), code, "{query}: {}", refused.text());
    }
    let several = get(&portal, "rules?format=iptables&host=sh1").await;
    assert_eq!(
        several.text().matches("# ---- ").count(),
        2,
        "{}",
        several.text()
    );
}

#[tokio::test]
async fn pictures_carry_no_script_of_a_name_and_may_run_none() {
    let portal = portal().await;
    let svg = get(&portal, "diagram?format=svg").await;
    assert_eq!(svg.status, StatusCode::OK, "{}", svg.text());
    assert_eq!(svg.headers[header::CONTENT_TYPE], "image/svg+xml");
    let policy = svg.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("sandbox"),
        "{policy}"
    );
    assert!(!svg.text().contains("<script"), "{}", svg.text());
    let layout = data(&get(&portal, "diagram?format=json").await);
    assert!(layout["groups"].as_array().unwrap().len() >= 2, "{layout}");
}

#[tokio::test]
async fn the_rules_of_thousands_of_hosts_are_not_one_answer() {
    let portal = TestPortal::empty();
    let hosts: String = (0..1_001)
        .map(|n| {
            let (a, b) = (n / 250, n % 250);
            format!("[[hosts]]\nid = \"h{n}\"\nroles = [\"portico.session-host\"]\naddress = \"10.0.{a}.{b}\"\n")
        })
        .collect();
    let body = json!({"file_name": "e", "text": format!("version = 1\n{hosts}")});
    let answer = portal
        .local(Method::POST, "/api/v1/estate/apply", &body)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let refused = get(&portal, "rules?format=csv").await;
    assert_eq!(refused.code(), "choose-host", "{}", refused.text());
    let one = get(&portal, "rules?format=csv&host=h7").await;
    assert_eq!(one.status, StatusCode::OK, "{}", one.text());
}

#[tokio::test]
async fn a_flow_is_explained_from_what_is_stored_of_it() {
    let portal = portal().await;
    let path = "explain?to=sh1&port=3390&from=gate";
    let told = data(&get(&portal, path).await);
    assert_eq!(
        (
            &told["from"],
            &told["to"],
            &told["port"],
            &told["transport"]
        ),
        (&json!("gate"), &json!("sh1"), &json!(3390), &Value::Null)
    );
    let flow = &told["flows"][0];
    assert_eq!(flow["id"], "portico.gateway-host-rdp");
    assert_eq!(
        (&flow["transport"], &flow["required"]),
        (&json!("tcp"), &json!(true))
    );
    let needed_by = flow["needed_by"][0].as_str().unwrap();
    assert!(
        needed_by.starts_with("gate as portico.gateway, of sh1 as "),
        "{needed_by}"
    );
    let seen = &told["seen"][0];
    assert_eq!(
        (&seen["from"], &seen["verdict"]),
        (&json!("gate"), &json!("not-checked"))
    );
    let cause = &told["causes"][0];
    assert_eq!(
        (&cause["kind"], &cause["certainty"]),
        (&json!("unchecked"), &json!("certain"))
    );
    assert_eq!(
        (&cause["from"], &cause["to"]),
        (&json!("gate"), &json!("sh1"))
    );
    assert!(!cause["next_step"].as_str().unwrap().is_empty());
    assert_eq!(told["not_planned"], false);
    let other = data(&get(&portal, "explain?to=sh1&port=3390&transport=udp").await);
    assert_eq!(
        (&other["not_planned"], &other["transport"]),
        (&json!(true), &json!("udp"))
    );
    assert_eq!(other["causes"][0]["kind"], "not-planned");
    for (question, status, code) in [
        ("to=nobody&port=1", StatusCode::NOT_FOUND, "not-found"),
        (
            "to=sh1&port=1&from=nobody",
            StatusCode::NOT_FOUND,
            "not-found",
        ),
        (
            "to=sh1&port=0",
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong-port",
        ),
        (
            "to=sh1&port=65536",
            StatusCode::UNPROCESSABLE_ENTITY,
            "wrong-port",
        ),
        (
            "to=sh1&port=1&transport=sctp",
            StatusCode::UNPROCESSABLE_ENTITY,
            "unknown-transport",
        ),
    ] {
        let answer = get(&portal, &format!("explain?{question}")).await;
        assert_eq!(
            (answer.status, answer.code()),
            (status, code.to_owned()),
            "{question}"
        );
        assert!(answer.text().contains("next_step"), "{}", answer.text());
    }
}
