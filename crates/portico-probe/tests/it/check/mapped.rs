//! Ranges of RPC against an endpoint mapper that names what the tests listen on.

use portico_catalogue::PortRange;
use portico_net::TcpListener;
use portico_probe::check::{Outcome, Verdict, What, check};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::{FLOW, PATIENT, expect, is_fit_to_show, listener, means, target};

/// The question's number, as the nonce of the tests makes it.
const CALL: &[u8] = b"Port";

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
    out.extend_from_slice(&u16::try_from(16 + body.len()).unwrap().to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(CALL);
    out.extend_from_slice(body);
    out
}

/// bind_ack with this result for the one context.
fn bound(result: u8) -> Vec<u8> {
    let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 1, 0, 0, 0];
    body.extend_from_slice(b"\x04\x00135\x00\0\0");
    body.extend_from_slice(&[1, 0, 0, 0, result, 0, result, 0]);
    body.extend_from_slice(&[0; 20]);
    packet(12, &body)
}

/// The answer to ept_lookup: one interface at each port, with a name.
fn list(ports: &[u16]) -> Vec<u8> {
    let count = u32::try_from(ports.len()).unwrap().to_le_bytes();
    let mut body = vec![0; 8];
    body.extend_from_slice(&[0; 20]);
    for number in [&count, &count, &[0; 4], &count] {
        body.extend_from_slice(number);
    }
    for _ in ports {
        body.extend_from_slice(&[0; 16]);
        body.extend_from_slice(&[1, 0, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0]);
        body.extend_from_slice(b"test\0\0\0\0");
    }
    for port in ports {
        let mut tower = vec![3, 0];
        let interface = [&[0x0d][..], &[7; 16], &[1, 0]].concat();
        for (left, right) in [
            (&interface[..], &[0, 0][..]),
            (&[0x0b], &[0, 0]),
            (&[0x07], &port.to_be_bytes()),
        ] {
            for part in [left, right] {
                tower.extend_from_slice(&u16::try_from(part.len()).unwrap().to_le_bytes());
                tower.extend_from_slice(part);
            }
        }
        let len = u32::try_from(tower.len()).unwrap().to_le_bytes();
        body.extend_from_slice(&len);
        body.extend_from_slice(&len);
        body.extend_from_slice(&tower);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    body.extend_from_slice(&[0; 4]);
    packet(2, &body)
}

/// Answers the question of `len` bytes.
async fn answer(stream: &mut TcpStream, len: usize, answer: &[u8]) {
    stream.read_exact(&mut vec![0; len]).await.unwrap();
    stream.write_all(answer).await.unwrap();
}

const BIND_LEN: usize = 72;
const LOOKUP_LEN: usize = 64;

/// A mapper that names these.
async fn mapper(ports: &[u16]) -> (u16, JoinHandle<()>) {
    let (listener, port) = listener().await;
    let list = list(ports);
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, BIND_LEN, &bound(0)).await;
        answer(&mut stream, LOOKUP_LEN, &list).await;
        std::future::pending::<()>().await;
    });
    (port, task)
}

/// An RPC server that has no endpoint mapper.
async fn rpc() -> (u16, JoinHandle<()>) {
    let (listener, port) = listener().await;
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream, BIND_LEN, &bound(2)).await;
        std::future::pending::<()>().await;
    });
    (port, task)
}

async fn follow(mapper: u16, range: PortRange) -> Outcome {
    let what = What::Mapped {
        mapper,
        planned: vec![PortRange::one(mapper), range.clone()],
        range,
    };
    let outcome = check(&target("127.0.0.1", 1, what), &means(PATIENT)).await;
    is_fit_to_show(&outcome);
    outcome
}

#[tokio::test]
async fn what_the_mapper_names_within_the_range_is_proven_and_nothing_else_is_sent_anything() {
    let (port, server) = rpc().await;
    let (outside, outside_port) = listener().await;
    let (mapper, naming) = mapper(&[port, outside_port]).await;
    let outcome = follow(mapper, PortRange::one(port)).await;
    expect(
        &outcome,
        Verdict::Proven,
        &format!("RPC answers at {port} (test)"),
    );
    expect(
        &outcome,
        Verdict::Proven,
        &format!("ports that the plan does not have: {outside_port}"),
    );
    let next_step = outcome.next_step.unwrap();
    assert!(next_step.contains("the plan does not have"), "{next_step}");
    let time = std::time::Duration::from_millis(100);
    let accepted = tokio::time::timeout(time, outside.accept()).await;
    assert!(
        accepted.is_err(),
        "somebody connected to a port outside the plan"
    );
    server.abort();
    naming.abort();
}

#[tokio::test]
async fn a_named_port_that_does_not_answer_decides() {
    let (good, server) = rpc().await;
    let (closed, port) = listener().await;
    drop::<TcpListener>(closed);
    let (mapper, naming) = mapper(&[good, port]).await;
    let range = PortRange::new(good.min(port), good.max(port));
    let outcome = follow(mapper, range).await;
    expect(&outcome, Verdict::Refused, &format!("{port} (test): "));
    expect(
        &outcome,
        Verdict::Refused,
        &format!("RPC answers at {good} (test)"),
    );
    server.abort();
    naming.abort();
}

#[tokio::test]
async fn a_range_is_skipped_when_no_port_of_it_is_named_or_the_mapper_does_not_answer() {
    let (mapper, naming) = mapper(&[]).await;
    let outcome = follow(mapper, PortRange::new(49152, 65535)).await;
    expect(
        &outcome,
        Verdict::Skipped,
        "names no port of 49152 to 65535",
    );
    naming.abort();
    let closed = TcpListener::bind(FLOW, "127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let port = closed.local_addr().port();
    drop(closed);
    let outcome = follow(port, PortRange::new(49152, 65535)).await;
    expect(&outcome, Verdict::Skipped, "refused");
    assert!(
        outcome
            .next_step
            .unwrap()
            .contains(&format!("{port}/tcp first"))
    );
}
