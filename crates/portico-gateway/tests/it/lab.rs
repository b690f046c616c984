//! Against real hosts. These run when `PORTICO_LAB_FACTS` names the facts of a lab
//! (`lab facts -o json`) in which `sh1` (xrdp) and `nla1` (NLA only) are up; otherwise they say
//! so and do nothing.

use portico_identity::custody::seal_for_gateway;
use portico_model::{
    HostId, Secret,
    estate::{Pin, Protocol, RdpSecurity},
    grant::{ChannelGrant, Target},
    session::{ConnectionEventKind, EndReason},
};
use portico_rdp::{
    cleanpath::Failure,
    client::{ClientError, NativeClient},
};

use crate::kit::{TestGateway, Viewer, soon};

/// A host of the lab and the password of its users.
fn host(name: &str) -> Option<(Target, String)> {
    let Ok(path) = std::env::var("PORTICO_LAB_FACTS") else {
        eprintln!("PORTICO_LAB_FACTS is not set: not run");
        return None;
    };
    let facts: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let servers = facts["servers"].as_array().unwrap();
    let server = servers.iter().find(|server| server["name"] == name);
    let server = server.expect("the host is up");
    let hex = server["tls_sha256"].as_str().unwrap();
    let mut sha256 = [0; 32];
    for (place, byte) in sha256.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).unwrap();
    }
    let target = Target {
        host: HostId::new(name).unwrap(),
        address: server["address"].as_str().unwrap().into(),
        port: server["port"].as_u64().unwrap().try_into().unwrap(),
        protocol: Protocol::Rdp,
        security: RdpSecurity::Negotiate,
        pins: vec![Pin::CertificateSha256(sha256)],
    };
    Some((target, facts["password"].as_str().unwrap().into()))
}

async fn desktop(
    gateway: &TestGateway,
    target: Target,
    password: &str,
) -> Result<(Viewer, NativeClient), ClientError> {
    let sealed =
        seal_for_gateway(&gateway.broker.public_key(), &Secret::new(password.into())).unwrap();
    let ticket = gateway
        .broker
        .ticket_with(target, |grant: &mut ChannelGrant| {
            grant.account = "demo".into();
            grant.sealed_password = Some(sealed);
            grant.program = None;
        });
    let mut viewer = gateway.viewer().await;
    let mut client = NativeClient::new(1024, 768);
    viewer.send(&client.request(&ticket)?).await;
    let answer = viewer.message().await.unwrap();
    let first = client.answered(&answer)?;
    viewer.send(&first).await;
    Ok((viewer, client))
}

/// Goes on until the host has drawn something.
async fn first_picture(viewer: &mut Viewer, client: &mut NativeClient) {
    let drawing = async {
        while client.bitmaps + client.surface_commands == 0 {
            let message = match viewer.message().await {
                Ok(message) => message,
                Err(ended) => panic!("{ended:?}, connected: {}", client.is_connected()),
            };
            let reply = client.receive(&message).unwrap();
            if !reply.is_empty() {
                viewer.send(&reply).await;
            }
        }
    };
    soon(drawing).await;
    assert!(client.is_connected());
    eprintln!(
        "bitmaps: {}, surface commands: {}",
        client.bitmaps, client.surface_commands
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn xrdp_logs_on_by_itself_and_sends_remote_fx() {
    let Some((target, password)) = host("sh1") else {
        return;
    };
    let gateway = TestGateway::start().await;
    // The second connection resumes the session of the first.
    for _ in 0..2 {
        let (mut viewer, mut client) = desktop(&gateway, target.clone(), &password).await.unwrap();
        first_picture(&mut viewer, &mut client).await;
        // The client asked for 16 bits; RemoteFX comes because the gateway asked for 32. It comes
        // only inside the session: a log-in window would be drawn with bitmaps.
        assert!(client.surface_commands > 0);
        assert_eq!(gateway.broker.kind().await, ConnectionEventKind::Opened);
        drop(viewer);
        match gateway.broker.kind().await {
            ConnectionEventKind::Closed {
                reason, bytes_down, ..
            } => {
                assert_eq!(reason, EndReason::ClientLost);
                assert!(bytes_down > 1000);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn xrdp_with_a_wrong_password_does_not_open_the_session() {
    let Some((target, _)) = host("sh1") else {
        return;
    };
    let gateway = TestGateway::start().await;
    let (mut viewer, mut client) = desktop(&gateway, target, "wrong").await.unwrap();
    // xrdp shows its log-in window, drawn with bitmaps, or closes.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(4), async {
        while client.bitmaps + client.surface_commands == 0 {
            let Ok(message) = viewer.message().await else {
                return;
            };
            let reply = client.receive(&message).unwrap();
            if !reply.is_empty() {
                viewer.send(&reply).await;
            }
        }
    })
    .await;
    assert_eq!(client.surface_commands, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_does_nla_and_the_browser_sees_tls() {
    let Some((target, password)) = host("nla1") else {
        return;
    };
    let gateway = TestGateway::start().await;
    let (mut viewer, mut client) = desktop(&gateway, target, &password).await.unwrap();
    first_picture(&mut viewer, &mut client).await;
    assert_eq!(gateway.broker.kind().await, ConnectionEventKind::Opened);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nla_with_a_wrong_password_says_so() {
    let Some((target, _)) = host("nla1") else {
        return;
    };
    let gateway = TestGateway::start().await;
    let Err(ClientError::Refused(failure)) = desktop(&gateway, target, "wrong").await else {
        panic!("it was opened");
    };
    match gateway.broker.kind().await {
        ConnectionEventKind::Failed { detail } => {
            assert!(detail.contains("host nla1: the host refused the log-on"));
            assert!(!detail.contains("wrong"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(failure, Failure::Http(403));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_host_set_to_tls_but_insisting_on_nla_says_so() {
    let Some((mut target, password)) = host("nla1") else {
        return;
    };
    target.security = RdpSecurity::Tls;
    let gateway = TestGateway::start().await;
    let outcome = desktop(&gateway, target, &password).await;
    assert!(matches!(
        outcome,
        Err(ClientError::Refused(Failure::Negotiation(_)))
    ));
    let ConnectionEventKind::Failed { detail } = gateway.broker.kind().await else {
        panic!("not reported");
    };
    assert!(detail.contains("CredSSP"), "{detail}");
}
