//! A portal over a store in memory, whose hosts always answer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use portico_broker::{Broker, BrokerParts, GatewaySeam};
use portico_identity::{GatewayKeyPair, LocalUsers};
use portico_model::{BrokerId, ConnectionId, GatewayId, SessionId, Timestamp, session::EndReason};
use portico_net::clock::{Clock, ManualClock};
use portico_portal::{Peer, Portal, PortalParts};
use portico_probe::{BoxFuture, ProbeError, ProbeOk, ProbeTarget, Prober};
use portico_store::{SqliteJournal, SqliteStore, SqliteStoreOptions, Store};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Password of everybody in [`ESTATE`].
pub(crate) const PASSWORD: &str = "a long enough password";

pub(crate) const ESTATE: &str = r#"
version = 1
[site]
name = "Test site"
[[pools]]
id = "desktops"
title = "Desktops"
[[hosts]]
id = "sh1"
pool = "desktops"
address = "192.0.2.1"
protocol = "rdp"
pins = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"]
[[resources]]
id = "desktop"
title = "Desktop"
kind = "desktop"
pool = "desktops"
icon = "desktop"
[[resources]]
id = "secret"
title = "Nobody may know"
kind = "desktop"
pool = "desktops"
icon = "desktop"
[[entitlements]]
id = "all"
groups = ["all"]
resources = ["desktop"]
[[groups]]
id = "all"
members = ["ulla", "aude", "hanna", "otto", "olga"]
[[users]]
id = "ulla"
display_name = "Ulla"
password = "a long enough password"
role = "user"
[[users]]
id = "aude"
display_name = "Aude"
password = "a long enough password"
role = "auditor"
[[users]]
id = "hanna"
display_name = "Hanna"
password = "a long enough password"
role = "help-desk"
[[users]]
id = "otto"
display_name = "Otto"
password = "a long enough password"
role = "operator"
[[users]]
id = "olga"
display_name = "Olga"
password = "a long enough password"
role = "owner"
"#;

/// User of each role, the least first.
pub(crate) const ROLES: [(&str, &str); 5] = [
    ("user", "ulla"),
    ("auditor", "aude"),
    ("help-desk", "hanna"),
    ("operator", "otto"),
    ("owner", "olga"),
];

pub(crate) struct TestPortal {
    pub(crate) portal: Portal,
    pub(crate) broker: Broker,
    pub(crate) router: Router,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: ManualClock,
}

/// What a call answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A browser that signed in.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

struct AlwaysUp;

impl Prober for AlwaysUp {
    fn probe<'a>(&'a self, _: &'a ProbeTarget) -> BoxFuture<'a, Result<ProbeOk, ProbeError>> {
        Box::pin(async {
            Ok(ProbeOk {
                rtt: Duration::from_millis(1),
                detail: "up".into(),
            })
        })
    }
}

struct NoConnections;

impl GatewaySeam for NoConnections {
    fn close(&self, _: &ConnectionId, _: EndReason, _: Option<&str>) -> bool {
        false
    }

    fn end_terminal<'a>(
        &'a self,
        _: &'a SessionId,
        _: EndReason,
    ) -> portico_store::BoxFuture<'a, bool> {
        Box::pin(async { false })
    }
}

impl TestPortal {
    /// Nobody and nothing in it.
    pub(crate) fn empty() -> Self {
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open_in_memory(SqliteStoreOptions::default()).unwrap());
        let journal = Arc::new(SqliteJournal::open_in_memory().unwrap());
        let clock = ManualClock::at(Timestamp::from_unix_ms(1_800_000_000_000));
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let local_users = LocalUsers::new().unwrap();
        let broker = Broker::new(BrokerParts {
            store: Arc::clone(&store),
            journal: journal.clone(),
            clock: Arc::clone(&shared),
            broker_id: BrokerId::new("broker").unwrap(),
            prober: Arc::new(AlwaysUp),
            local_users: local_users.clone(),
            chance: Arc::new(portico_identity::tokens::SystemChance),
        });
        let keys = GatewayKeyPair::generate().unwrap();
        broker.register_gateway(
            GatewayId::new("gateway").unwrap(),
            keys.public(),
            Arc::new(NoConnections),
        );
        let portal = Portal::new(PortalParts {
            broker: broker.clone(),
            store: Arc::clone(&store),
            journal,
            clock: shared,
            local_users,
        });
        Self {
            router: portal.router(),
            portal,
            broker,
            store,
            clock,
        }
    }

    /// With [`ESTATE`].
    pub(crate) async fn new() -> Self {
        let portal = Self::empty();
        let answer = portal
            .local(
                Method::POST,
                "/api/v1/estate/apply",
                &json!({"file_name": "e", "text": ESTATE}),
            )
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        portal
    }

    pub(crate) async fn send(&self, mut request: Request<Body>, peer: Peer) -> Answer {
        request.extensions_mut().insert(peer);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    /// A call by root on the Unix socket.
    pub(crate) async fn local(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(
            request(method, path)
                .body(Body::from(body.to_string()))
                .unwrap(),
            Peer::Local,
        )
        .await
    }

    /// A call without any proof.
    pub(crate) async fn anonymous(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(
            request(method, path)
                .body(Body::from(body.to_string()))
                .unwrap(),
            network(),
        )
        .await
    }

    /// A call with a browser's cookie and CSRF header.
    pub(crate) async fn call(
        &self,
        browser: &Browser,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        let request = request(method, path)
            .header(
                header::COOKIE,
                format!("other=1; __Host-portico={}", browser.cookie),
            )
            .header("x-portico-csrf", &browser.csrf)
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request, network()).await
    }

    pub(crate) async fn sign_in(&self, user: &str) -> Browser {
        let body = json!({"user": user, "password": PASSWORD});
        let answer = self.anonymous(Method::POST, "/api/v1/sign-in", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        let cookie = cookie
            .split(';')
            .next()
            .unwrap()
            .split_once('=')
            .unwrap()
            .1
            .to_owned();
        let csrf = answer.json()["csrf_token"].as_str().unwrap().to_owned();
        Browser { cookie, csrf }
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Code of the error object.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

pub(crate) fn network() -> Peer {
    Peer::Network(SocketAddr::from(([198, 51, 100, 7], 40_000)))
}

pub(crate) fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
}
