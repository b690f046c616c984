#![expect(
    clippy::disallowed_methods,
    reason = "tests are the services and the other ends"
)]

use tokio::net::UdpSocket;

use super::*;

const TRAP: &str = "windows-services.snmp-trap";
const X11: &str = "tarantella.x11";
const RAW_FLOWS: [&str; 3] = [
    "windows-services.vpn-gre",
    "windows-services.vpn-esp",
    "windows-services.vpn-ah",
];
const NONCE: PairNonce = PairNonce([0x5a; 16]);

fn order(flow: &str, port: u16, from: &str) -> PairListen {
    order_at("127.0.0.1", flow, port, from)
}

fn order_at(ip: &str, flow: &str, port: u16, from: &str) -> PairListen {
    PairListen {
        pair: 1,
        flow: flow.into(),
        address: ip.parse().unwrap(),
        port,
        from: vec![from.parse().unwrap()],
        nonce: NONCE,
        seconds: 1,
    }
}

async fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.local_addr().unwrap().port()
}

/// Sends for an order with a nonce, while it is listened for.
async fn pair(order: &PairListen, nonce: PairNonce) -> (PairHeard, Sent) {
    let opened = open(order).await.unwrap();
    let sending = PairSend {
        pair: 1,
        flow: order.flow.clone(),
        address: order.address,
        port: order.port,
        nonce,
    };
    let flow = flow_of(&sending.flow, sending.port).unwrap();
    tokio::join!(hear(opened, order), sent(flow, &sending))
}

#[tokio::test]
async fn a_datagram_is_heard_by_its_nonce_and_from_its_source_alone() {
    let port = free_port().await;
    let (heard, _) = pair(&order(TRAP, port, "127.0.0.1"), NONCE).await;
    assert!(heard.arrived, "{heard:?}");
    assert_eq!(heard.by, HeardBy::Listened);
    assert_eq!(heard.from, Some(Ipv4Addr::LOCALHOST.into()));

    let (heard, sent) = pair(&order(TRAP, port, "127.0.0.1"), PairNonce([1; 16])).await;
    assert_eq!((heard.arrived, heard.from), (false, None));
    assert_eq!(sent.0, SentOutcome::Sent);

    let (heard, _) = pair(&order(TRAP, port, "192.0.2.1"), NONCE).await;
    assert!(!heard.arrived, "another source counts");
    assert_eq!(heard.from, Some(Ipv4Addr::LOCALHOST.into()));
}

#[tokio::test]
async fn a_connection_says_the_nonce_back_only_where_it_counts() {
    let port = free_port().await;
    let (heard, sent) = pair(&order(X11, port, "127.0.0.1"), NONCE).await;
    assert!(heard.arrived, "{heard:?}");
    assert_eq!(sent, (SentOutcome::Echoed, None));
    for (from, nonce) in [("127.0.0.1", PairNonce([1; 16])), ("192.0.2.1", NONCE)] {
        let (heard, sent) = pair(&order(X11, port, from), nonce).await;
        assert!(!heard.arrived, "{from}");
        assert_eq!(sent.0, SentOutcome::NotEchoed, "{from}");
    }
    // The port is nobody's afterwards.
    let flow = flow_of(X11, port).unwrap();
    let order = PairSend {
        pair: 1,
        flow: X11.into(),
        address: Ipv4Addr::LOCALHOST.into(),
        port,
        nonce: NONCE,
    };
    assert_eq!(
        sent_over_tcp(FlowId::checked(flow), &order).await.0,
        SentOutcome::Rejected
    );
}

#[tokio::test]
async fn a_service_keeps_its_port_and_over_udp_what_it_gets_is_seen() {
    let service = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = service.local_addr().unwrap().port();
    let order_udp = order(TRAP, port, "127.0.0.1");
    match open(&order_udp).await {
        Ok(opened) => {
            assert!(matches!(opened, Open::CapturedUdp(_)), "{opened:?}");
            drop(opened);
            let (heard, _) = pair(&order_udp, NONCE).await;
            assert!(heard.arrived, "{heard:?}");
            assert_eq!(heard.by, HeardBy::Captured);
        }
        // Without the privilege it says so.
        Err(why) => assert!(why.contains("CAP_NET_RAW"), "{why}"),
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let why = open(&order(X11, port, "127.0.0.1")).await.unwrap_err();
    assert!(why.contains("is not disturbed"), "{why}");
}

#[tokio::test]
async fn protocols_without_ports_are_heard_where_privileges_allow() {
    for (flow, ip) in RAW_FLOWS
        .into_iter()
        .flat_map(|flow| [(flow, "127.0.0.1"), (flow, "::1")])
    {
        let order = order_at(ip, flow, 0, ip);
        match open(&order).await {
            Ok(opened) => {
                drop(opened);
                let (heard, sent) = pair(&order, NONCE).await;
                assert!(heard.arrived, "{flow} {ip}: {heard:?} {sent:?}");
                let wrong = pair(&order, PairNonce([1; 16])).await;
                assert!(!wrong.0.arrived, "{flow} {ip}: {wrong:?}");
            }
            Err(why) => assert!(why.contains("CAP_NET_RAW"), "{flow} {ip}: {why}"),
        }
    }
}

#[tokio::test]
async fn ports_are_heard_over_ipv6_too() {
    for flow in [TRAP, X11] {
        let order = order_at("::1", flow, free_port().await, "::1");
        let (heard, sent) = pair(&order, NONCE).await;
        assert!(heard.arrived, "{flow}: {heard:?} {sent:?}");
        assert_eq!(heard.from, Some(Ipv6Addr::LOCALHOST.into()), "{flow}");
    }
    // And copies of what a service gets there.
    let service = UdpSocket::bind("[::1]:0").await.unwrap();
    let order = order_at("::1", TRAP, service.local_addr().unwrap().port(), "::1");
    match open(&order).await {
        Ok(opened) => {
            drop(opened);
            let (heard, _) = pair(&order, NONCE).await;
            assert_eq!((heard.arrived, heard.by), (true, HeardBy::Captured));
        }
        Err(why) => assert!(why.contains("CAP_NET_RAW"), "{why}"),
    }
}

#[tokio::test]
async fn what_is_no_test_is_refused() {
    let other = PairListen {
        address: "192.0.2.1".parse().unwrap(),
        ..order(TRAP, 162, "127.0.0.1")
    };
    let any = PairListen {
        address: "0.0.0.0".parse().unwrap(),
        ..order(TRAP, 162, "127.0.0.1")
    };
    for (order, says) in [
        (order("portico.no-such-flow", 1, "::1"), "does not know"),
        (
            order("portico.gateway-host-rdp", 1, "::1"),
            "by its own service",
        ),
        (order(TRAP, 0, "::1"), "port is zero"),
        (
            order("windows-services.active-directory-icmp", 0, "::1"),
            "icmp is not sent",
        ),
        (other, "no address of this host"),
        (any, "no address of this host"),
    ] {
        let why = open(&order).await.unwrap_err();
        assert!(why.contains(says), "{why}");
    }
}

#[tokio::test]
async fn a_host_listens_for_one_test_at_a_time_and_answers_twice() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(portico_net::clock::ManualClock::at(
        portico_model::Timestamp::from_unix_ms(0),
    ));
    let sampler = crate::sampler::Sampler::new(folder.path(), crate::load::LoadOf::Machine);
    let host = Host::new(sampler, clock, 1, Vec::new());
    let (answers, mut answer) = mpsc::channel(4);
    let port = free_port().await;
    listen(&host, &answers, order(TRAP, port, "127.0.0.1")).unwrap();
    let Some(ToBroker::Listens { refused: None, .. }) = answer.recv().await else {
        panic!("it does not listen");
    };
    let busy = listen(&host, &answers, order(TRAP, port, "127.0.0.1")).unwrap_err();
    assert!(
        matches!(
            *busy,
            ToBroker::Listens {
                refused: Some(_),
                ..
            }
        ),
        "{busy:?}"
    );
    let sending = PairSend {
        pair: 1,
        flow: TRAP.into(),
        address: Ipv4Addr::LOCALHOST.into(),
        port,
        nonce: NONCE,
    };
    send(&host, &answers, sending).unwrap();
    let Some(ToBroker::Heard(heard)) = answer.recv().await else {
        panic!("nothing was heard");
    };
    assert!(heard.arrived, "{heard:?}");
    // What comes later finds nobody: the network may say so.
    assert!(matches!(answer.recv().await, Some(ToBroker::Sent { .. })));
    listen(&host, &answers, order(TRAP, port, "127.0.0.1")).unwrap();
}
