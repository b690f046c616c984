use std::{net::SocketAddr, time::Duration};

use portico_net::{
    DialError, ListenError, TcpListener, dial_tcp, flows, holders::listening_sockets,
};

use crate::loopback;

const FLOW: portico_net::FlowId = flows::CLIENT_PORTAL_HTTPS;
const TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn both_ends_send_small_packets_at_once() {
    let listener = loopback().await;
    let port = listener.local_addr().port();
    // A name with several addresses: the ones that nobody listens on are passed over.
    let (accepted, dialled) = tokio::join!(
        listener.accept(),
        dial_tcp(FLOW, "localhost", port, TIMEOUT)
    );
    let ((server, peer), client) = (accepted.unwrap(), dialled.unwrap());
    assert!(server.nodelay().unwrap());
    assert!(client.nodelay().unwrap());
    assert_eq!(peer, client.local_addr().unwrap());
}

#[tokio::test]
async fn an_ipv6_address_may_stand_in_brackets_and_all_addresses_take_ipv4() {
    let Ok(listener) = TcpListener::bind(FLOW, "[::]:0".parse().unwrap()).await else {
        // A machine without IPv6 cannot show it.
        return;
    };
    let port = listener.local_addr().port();
    for host in ["[::1]", "::1", "127.0.0.1"] {
        let (accepted, dialled) =
            tokio::join!(listener.accept(), dial_tcp(FLOW, host, port, TIMEOUT));
        dialled.unwrap();
        let (_, peer) = accepted.unwrap();
        assert_eq!(peer.is_ipv4(), host == "127.0.0.1", "{host} came as {peer}");
    }
}

#[tokio::test]
async fn a_taken_port_names_its_holder_and_the_way_out() {
    let listener = loopback().await;
    let error = TcpListener::bind(FLOW, listener.local_addr())
        .await
        .unwrap_err();
    let pid = std::process::id();
    let ListenError::AddressInUse {
        holder: Some(holder),
        ..
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(holder.pid, pid);
    assert!(
        error.to_string().contains(&format!("process {pid}")),
        "{error}"
    );
    assert!(
        error.next_step().contains("listen = "),
        "{}",
        error.next_step()
    );
}

#[tokio::test]
async fn an_address_of_another_machine_cannot_be_listened_on() {
    // 192.0.2.0/24 is for documentation (RFC 5737).
    let error = TcpListener::bind(FLOW, "192.0.2.1:0".parse().unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ListenError::NoSuchAddress { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
}

#[tokio::test]
async fn a_port_that_was_left_can_be_taken_at_once() {
    let listener = loopback().await;
    let address = listener.local_addr();
    let (accepted, dialled) = tokio::join!(
        listener.accept(),
        dial_tcp(FLOW, "127.0.0.1", address.port(), TIMEOUT)
    );
    // The server closes first, so its end waits in TIME-WAIT.
    drop(accepted.unwrap());
    drop(listener);
    drop(dialled.unwrap());
    TcpListener::bind(FLOW, address).await.unwrap();
}

#[tokio::test]
async fn what_this_process_listens_on_is_listed() {
    let (one, two) = (loopback().await, loopback().await);
    let listed: Vec<SocketAddr> = listening_sockets(std::process::id()).unwrap();
    assert!(
        listed.contains(&one.local_addr()) && listed.contains(&two.local_addr()),
        "{listed:?}"
    );
    let gone = two.local_addr();
    drop(two);
    assert!(
        !listening_sockets(std::process::id())
            .unwrap()
            .contains(&gone)
    );
    assert!(listening_sockets(u32::MAX).is_err());
}

#[tokio::test]
async fn dial_errors_say_what_happened_and_what_to_do() {
    let listener = loopback().await;
    let port = listener.local_addr().port();
    drop(listener);
    let refused = dial_tcp(FLOW, "127.0.0.1", port, TIMEOUT)
        .await
        .unwrap_err();
    assert!(matches!(refused, DialError::Refused { .. }), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        format!("127.0.0.1 port {port} refused the connection (127.0.0.1:{port})")
    );
    assert_eq!(refused.flow(), FLOW);

    // .invalid never resolves (RFC 6761 §6.4).
    let unknown = dial_tcp(FLOW, "no-such-host.invalid", 1, TIMEOUT)
        .await
        .unwrap_err();
    assert!(matches!(unknown, DialError::Resolve { .. }), "{unknown:?}");
    assert!(
        unknown
            .next_step()
            .contains("getent hosts no-such-host.invalid")
    );
    for name in [String::new(), "a".repeat(254)] {
        let wrong = dial_tcp(FLOW, &name, 1, TIMEOUT).await.unwrap_err();
        assert!(matches!(wrong, DialError::Resolve { .. }), "{wrong:?}");
    }
}

#[test]
fn what_forbids_a_connection_is_named_with_its_port() {
    let at = |kind: std::io::ErrorKind| (SocketAddr::from(([192, 0, 2, 1], 3389)), kind.into());
    let unreachable = |(address, source)| DialError::Unreachable {
        flow: FLOW,
        host: "sh1".into(),
        port: 3389,
        address,
        source,
    };
    let other = |(address, source)| DialError::Other {
        flow: FLOW,
        host: "sh1".into(),
        port: 3389,
        address,
        source,
    };
    for error in [
        unreachable(at(std::io::ErrorKind::HostUnreachable)),
        other(at(std::io::ErrorKind::PermissionDenied)),
    ] {
        let step = error.next_step();
        assert!(step.contains("firewall"), "{step}");
        assert!(step.contains("3389/tcp"), "{step}");
        assert!(step.contains(FLOW.as_str()), "{step}");
    }
    let step = other(at(std::io::ErrorKind::OutOfMemory)).next_step();
    assert!(!step.contains("firewall"), "{step}");
}

#[tokio::test]
async fn dialling_ends_at_the_timeout() {
    // A full backlog of a listener that nobody serves drops further requests: the dial hangs.
    let socket = socket2_listener_with_backlog_1();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    let mut held = Vec::new();
    for _ in 0..16 {
        match dial_tcp(FLOW, "127.0.0.1", port, Duration::from_millis(200)).await {
            Ok(stream) => held.push(stream),
            Err(error) => {
                assert!(matches!(error, DialError::TimedOut { .. }), "{error:?}");
                assert!(error.to_string().contains("within 200 ms"), "{error}");
                assert!(error.next_step().contains(FLOW.as_str()));
                return;
            }
        }
    }
    panic!("a backlog of 1 took {} connections", held.len());
}

#[expect(
    clippy::disallowed_methods,
    reason = "a listener that is wrong on purpose"
)]
fn socket2_listener_with_backlog_1() -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into())
        .unwrap();
    socket.listen(1).unwrap();
    socket
}
