use std::time::{Duration, Instant};

use portico_net::udp::{AnswerPort, UdpPeer};
use portico_probe::check::{Limits, Tls, Verdict, What, check, walk};
use portico_wire::probe::{Over, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{FLOW, IMPATIENT, PATIENT, check_with, expect, listener, means, pace, speak, target};
use crate::{reset, stall};

fn ssh() -> What {
    speak(Service::Ssh, Tls::Never)
}

#[tokio::test]
async fn a_service_that_answers_is_proven_and_left_in_order() {
    let outcome = check_with(PATIENT, ssh(), |mut stream| async move {
        stream.write_all(b"SSH-2.0-real_1.0\r\n").await.unwrap();
        stall(stream).await;
    })
    .await;
    expect(&outcome, Verdict::Proven, "SSH-2.0-real_1.0");
    assert!(outcome.address.unwrap().ip().is_loopback());
    assert_eq!(outcome.next_step, None);
}

#[tokio::test]
async fn nothing_is_reachable_and_not_proven_after_the_time_for_the_first_byte() {
    let outcome = check_with(IMPATIENT, ssh(), stall).await;
    expect(&outcome, Verdict::ReachableNotProven, "says nothing");
    assert!(outcome.took >= IMPATIENT.first_byte, "{outcome:?}");
    assert!(outcome.took < IMPATIENT.whole * 4, "{outcome:?}");
}

#[tokio::test]
async fn one_byte_after_the_other_ends_with_the_whole_time() {
    let outcome = check_with(IMPATIENT, ssh(), |mut stream| async move {
        for byte in b"SSH-2.0-slow".iter().cycle() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    expect(&outcome, Verdict::ReachableNotProven, "does not end it");
    assert!(outcome.took >= IMPATIENT.whole, "{outcome:?}");
}

#[tokio::test]
async fn garbage_and_another_protocol_are_the_wrong_service() {
    let garbage = check_with(PATIENT, ssh(), |mut stream| async move {
        stream.write_all(&[0xde; 4000]).await.unwrap();
        stall(stream).await;
    })
    .await;
    expect(&garbage, Verdict::WrongService, "does not speak SSH");
    let other = check_with(PATIENT, ssh(), |mut stream| async move {
        stream.write_all(b"RFB 003.008\n").await.unwrap();
        stall(stream).await;
    })
    .await;
    expect(&other, Verdict::WrongService, "speaks VNC, not SSH");
    let silent_end = check_with(PATIENT, ssh(), |stream| async move { drop(stream) }).await;
    expect(&silent_end, Verdict::WrongService, "closes");
}

#[tokio::test]
async fn an_endless_stream_ends_at_the_limit_of_bytes() {
    let http = speak(Service::Http, Tls::Never);
    let outcome = check_with(PATIENT, http, |mut stream| async move {
        let mut asked = [0; 1];
        stream.read_exact(&mut asked).await.unwrap();
        if stream.write_all(b"HTTP/1.1 200 OK\r\n").await.is_ok() {
            while stream.write_all(b"X-More: and more\r\n").await.is_ok() {}
        }
    })
    .await;
    expect(&outcome, Verdict::WrongService, "HTTP");
}

#[tokio::test]
async fn a_hostile_banner_is_escaped() {
    let outcome = check_with(PATIENT, ssh(), |mut stream| async move {
        let banner = b"SSH-2.0-\x1b[2J\x1b]0;owned\x07\r\n";
        stream.write_all(banner).await.unwrap();
        stall(stream).await;
    })
    .await;
    expect(&outcome, Verdict::Proven, "\\x1b[2J\\x1b]0;owned\\x07");
}

#[tokio::test]
async fn a_reset_behind_the_connection_is_told_from_silence() {
    let outcome = check_with(PATIENT, ssh(), reset).await;
    assert!(matches!(outcome.verdict, Verdict::Blocked), "{outcome:?}");
}

#[tokio::test]
async fn a_port_nobody_listens_on_is_refused_and_a_name_without_address_not_resolvable() {
    let (closed, port) = listener().await;
    drop(closed);
    let refused = check(&target("127.0.0.1", port, ssh()), &means(PATIENT)).await;
    expect(&refused, Verdict::Refused, "refused the connection");
    let unknown = check(&target("no-such-host.invalid", 22, ssh()), &means(PATIENT)).await;
    expect(&unknown, Verdict::NotResolvable, "no-such-host.invalid");
}

#[tokio::test]
async fn a_closed_udp_port_is_refused_by_icmp_and_a_silent_one_gives_no_answer() {
    let dns = What::Speak {
        service: Service::Dns,
        over: Over::Datagram,
        tls: Tls::Never,
    };
    // A port that was free a moment ago.
    let (closed, port) = listener().await;
    drop(closed);
    let refused = check(&target("127.0.0.1", port, dns.clone()), &means(PATIENT)).await;
    expect(&refused, Verdict::Refused, "port unreachable");
    // A socket that takes datagrams and answers none.
    let silent = UdpPeer::open(FLOW, "127.0.0.1:9".parse().unwrap(), AnswerPort::Any)
        .await
        .unwrap();
    let port = silent.local_addr().unwrap().port();
    let outcome = check(&target("127.0.0.1", port, dns.clone()), &means(IMPATIENT)).await;
    expect(&outcome, Verdict::NoAnswer, "no answer of DNS");
    // It answers with nothing, which no connection is closed by.
    let empty = tokio::spawn(async move {
        let mut question = [0; 512];
        loop {
            silent.receive(&mut question).await.unwrap();
            silent.send(b"").await.unwrap();
        }
    });
    let outcome = check(&target("127.0.0.1", port, dns), &means(IMPATIENT)).await;
    empty.abort();
    expect(
        &outcome,
        Verdict::WrongService,
        "answers with an empty datagram, not DNS",
    );
}

#[tokio::test]
async fn what_is_skipped_sends_nothing_and_says_why() {
    let (listener, port) = listener().await;
    let skip = What::Skip {
        why: "it never answers".into(),
        next_step: "listen at the far end".into(),
    };
    let outcome = check(&target("127.0.0.1", port, skip), &means(PATIENT)).await;
    expect(&outcome, Verdict::Skipped, "never answers");
    let accepted = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(accepted.is_err(), "somebody connected");
}

#[tokio::test]
async fn the_walk_keeps_the_order_and_holds_to_its_rate() {
    let (listener, port) = listener().await;
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _gone = stream.write_all(b"SSH-2.0-x\r\n").await;
        }
    });
    let mut targets = vec![target("127.0.0.1", port, ssh()); 20];
    targets.insert(
        3,
        target(
            "127.0.0.1",
            port,
            What::Skip {
                why: "a reason".into(),
                next_step: "a step".into(),
            },
        ),
    );
    let mut ended = 0;
    let begun = Instant::now();
    let outcomes = walk(&targets, &means(PATIENT), pace(8, 40), |_, _| ended += 1).await;
    server.abort();
    assert_eq!((outcomes.len(), ended), (21, 21));
    for (place, outcome) in outcomes.iter().enumerate() {
        let wanted = if place == 3 {
            Verdict::Skipped
        } else {
            Verdict::Proven
        };
        assert_eq!(outcome.verdict, wanted, "{place}: {outcome:?}");
    }
    // 20 checks at 40 a second, of which the first begins at once.
    assert!(
        begun.elapsed() >= Duration::from_millis(425),
        "{:?}",
        begun.elapsed()
    );
}

/// Ten thousand flows, every hundredth of them to a port that nobody listens on.
#[tokio::test]
async fn of_ten_thousand_flows_each_has_its_own_outcome() {
    const COUNT: usize = 10_000;
    let (listener, port) = listener().await;
    let (closed, closed_port) = self::listener().await;
    drop(closed);
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _gone = stream.write_all(b"SSH-2.0-x\r\n").await;
        }
    });
    let is_refused = |place: usize| place % 100 == 7;
    let targets: Vec<_> = (0..COUNT)
        .map(|place| {
            let port = if is_refused(place) { closed_port } else { port };
            target("127.0.0.1", port, ssh())
        })
        .collect();
    let mut ended = vec![0_u8; COUNT];
    let means = means(PATIENT);
    let outcomes = walk(&targets, &means, pace(64, 1_000_000), |place, _| {
        ended[place] += 1;
    })
    .await;
    server.abort();
    assert_eq!(outcomes.len(), COUNT);
    assert!(ended.iter().all(|times| *times == 1));
    for (place, outcome) in outcomes.iter().enumerate() {
        let wanted = match is_refused(place) {
            true => Verdict::Refused,
            false => Verdict::Proven,
        };
        assert_eq!(outcome.verdict, wanted, "{place}: {outcome:?}");
    }
}

#[tokio::test]
async fn no_more_checks_run_at_once_than_are_allowed() {
    let (listener, port) = listener().await;
    let server = tokio::spawn(async move {
        let mut open = Vec::new();
        let mut most = 0;
        // Each connection is held until the probe leaves it.
        while let Ok(Ok((stream, _))) =
            tokio::time::timeout(Duration::from_secs(2), listener.accept()).await
        {
            // Asked of the system itself: the runtime hears of an end only later.
            open.retain(|stream: &std::net::TcpStream| !matches!(stream.peek(&mut [0; 1]), Ok(0)));
            open.push(stream.into_std().unwrap());
            most = most.max(open.len());
        }
        most
    });
    let targets = vec![target("127.0.0.1", port, ssh()); 12];
    let limits = Limits {
        first_byte: Duration::from_millis(200),
        ..PATIENT
    };
    walk(&targets, &means(limits), pace(3, 10_000), |_, _| {}).await;
    let most = server.await.unwrap();
    assert!((2..=3).contains(&most), "{most} at once");
}
