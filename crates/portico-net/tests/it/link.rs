//! The framed link, with the time held still.

use std::time::Duration;

use portico_net::link::{LINK_SILENCE_MAX, LinkError, LinkReader, LinkWriter, PING_EVERY};
use portico_wire::agent::{
    DecodeError, ENROLLMENT_FRAME_LEN_MAX, FRAME_LEN_MAX, FrameError, ToAgent, ToBroker, encode,
};
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, sleep, timeout},
};

const LIMIT: Duration = LINK_SILENCE_MAX;

fn ping(ping: u64) -> ToAgent {
    ToAgent::Ping { ping }
}

/// A message that does not fit into a pipe of 64 bytes.
fn large() -> ToAgent {
    ToAgent::Welcome {
        version: 1,
        report_every_ms: 2_000,
        brokers: vec!["broker1.example.org:30004".into(); 16],
    }
}

async fn read(reader: &mut LinkReader<DuplexStream>) -> Result<ToAgent, LinkError> {
    reader.read(LIMIT).await
}

#[tokio::test(start_paused = true)]
async fn messages_arrive_in_order_and_an_end_between_them_is_orderly() {
    let (near, far) = duplex(64);
    let (mut writer, mut reader) = (LinkWriter::new(near), LinkReader::new(far));
    let send = async {
        writer.write(&ping(1), LIMIT).await.unwrap();
        writer.write(&large(), LIMIT).await.unwrap();
        writer.write(&ping(2), LIMIT).await.unwrap();
        writer.close(LIMIT).await;
    };
    let receive = async {
        assert_eq!(read(&mut reader).await.unwrap(), ping(1));
        assert_eq!(read(&mut reader).await.unwrap(), large());
        assert_eq!(read(&mut reader).await.unwrap(), ping(2));
        assert!(matches!(read(&mut reader).await, Err(LinkError::Closed)));
    };
    tokio::join!(send, receive);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_link_ends_after_the_silence_that_is_allowed() {
    let (_near, far) = duplex(64);
    let mut reader = LinkReader::new(far);
    let began = Instant::now();
    assert!(matches!(
        read(&mut reader).await,
        Err(LinkError::TimedOut { after: LIMIT })
    ));
    assert_eq!(began.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn silence_counts_across_cancelled_reads() {
    let (_near, far) = duplex(64);
    let mut reader = LinkReader::new(far);
    let began = Instant::now();
    let error = loop {
        // As in a broker that sends a ping between two looks at the link.
        if let Ok(outcome) = timeout(PING_EVERY, read(&mut reader)).await {
            break outcome.unwrap_err();
        }
    };
    assert!(matches!(error, LinkError::TimedOut { .. }));
    assert_eq!(began.elapsed(), LIMIT);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_busy_elsewhere_finds_the_link_alive() {
    let (near, far) = duplex(64);
    let (mut writer, mut reader) = (LinkWriter::new(near), LinkReader::new(far));
    writer.write(&ping(1), LIMIT).await.unwrap();
    read(&mut reader).await.unwrap();
    sleep(LIMIT * 3).await;
    writer.write(&ping(2), LIMIT).await.unwrap();
    assert_eq!(read(&mut reader).await.unwrap(), ping(2));
    let began = Instant::now();
    assert!(read(&mut reader).await.is_err());
    assert_eq!(began.elapsed(), LIMIT, "the busy time does not count");
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_drips_in_does_not_prolong_its_time() {
    let (mut near, far) = duplex(64);
    let mut reader = LinkReader::new(far);
    let frame = encode(&large()).unwrap();
    let drip = async {
        for byte in &frame {
            sleep(Duration::from_secs(1)).await;
            if near.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    let began = Instant::now();
    let listen = async {
        let error = read(&mut reader).await.unwrap_err();
        assert!(matches!(error, LinkError::TimedOut { .. }), "{error}");
        assert_eq!(began.elapsed(), LIMIT);
        drop(reader);
    };
    tokio::join!(drip, listen);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_was_cancelled_within_a_frame_loses_nothing() {
    let (mut near, far) = duplex(4096);
    let mut reader = LinkReader::new(far);
    let frame = encode(&large()).unwrap();
    let (front, back) = frame.split_at(frame.len() / 2);
    near.write_all(front).await.unwrap();
    assert!(timeout(PING_EVERY, read(&mut reader)).await.is_err());
    near.write_all(back).await.unwrap();
    assert_eq!(read(&mut reader).await.unwrap(), large());
}

#[tokio::test(start_paused = true)]
async fn an_absurd_length_ends_the_link_at_once() {
    let (mut near, far) = duplex(64);
    let mut reader = LinkReader::new(far);
    near.write_all(&[0xff; 4]).await.unwrap();
    let began = Instant::now();
    let error = read(&mut reader).await.unwrap_err();
    assert!(matches!(
        error,
        LinkError::Frame(FrameError::TooLong {
            max: FRAME_LEN_MAX,
            ..
        })
    ));
    assert!(!error.goes_on());
    assert_eq!(began.elapsed(), Duration::ZERO);

    let (mut near, far) = duplex(64);
    let mut reader = LinkReader::with_max(far, ENROLLMENT_FRAME_LEN_MAX);
    near.write_all(&0x0001_0001_u32.to_be_bytes())
        .await
        .unwrap();
    assert!(matches!(
        read(&mut reader).await,
        Err(LinkError::Frame(FrameError::TooLong { .. }))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_ends_within_a_frame_says_so_at_every_length() {
    let frame = encode(&large()).unwrap();
    for len in 1..frame.len() {
        let (mut near, far) = duplex(4096);
        near.write_all(&frame[..len]).await.unwrap();
        drop(near);
        let error = read(&mut LinkReader::new(far)).await.unwrap_err();
        assert!(matches!(error, LinkError::Truncated), "{len}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kind_is_passed_over_and_what_is_no_message_is_not() {
    let (mut near, far) = duplex(4096);
    let mut reader = LinkReader::new(far);
    let framed = |json: &str| {
        let len = u32::try_from(json.len()).unwrap();
        [&len.to_be_bytes(), json.as_bytes()].concat()
    };
    near.write_all(&framed(r#"{"kind":"dance"}"#))
        .await
        .unwrap();
    near.write_all(&encode(&ping(1)).unwrap()).await.unwrap();
    near.write_all(&framed(r#"{"kind":"ping"}"#)).await.unwrap();
    let error = read(&mut reader).await.unwrap_err();
    assert!(error.goes_on());
    assert!(matches!(
        error,
        LinkError::Decode(DecodeError::UnknownKind { kind }) if kind == "dance"
    ));
    assert_eq!(read(&mut reader).await.unwrap(), ping(1));
    assert!(!read(&mut reader).await.unwrap_err().goes_on());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_ends_the_link_and_half_a_message_is_never_followed() {
    let (near, far) = duplex(64);
    let mut writer = LinkWriter::new(near);
    let began = Instant::now();
    assert!(matches!(
        writer.write(&large(), LIMIT).await,
        Err(LinkError::TimedOut { .. })
    ));
    assert_eq!(began.elapsed(), LIMIT);
    let again = writer.write(&ping(1), LIMIT).await;
    assert!(matches!(again, Err(LinkError::Broken)));
    drop(far);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_cancelled_is_finished_by_the_next_one() {
    let (near, far) = duplex(64);
    let (mut writer, mut reader) = (LinkWriter::new(near), LinkReader::new(far));
    let cancelled = timeout(Duration::from_millis(1), writer.write(&large(), LIMIT)).await;
    assert!(cancelled.is_err());
    let send = async { writer.write(&ping(1), LIMIT).await.unwrap() };
    let receive = async {
        assert_eq!(read(&mut reader).await.unwrap(), large());
        assert_eq!(read(&mut reader).await.unwrap(), ping(1));
    };
    tokio::join!(send, receive);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_large_is_not_sent_and_the_link_goes_on() {
    let (near, far) = duplex(4096);
    let (mut writer, mut reader) = (LinkWriter::new(near), LinkReader::<DuplexStream>::new(far));
    let too_large = ToBroker::Hello {
        versions: vec![1; 1_000],
        hello: portico_model::seen::AgentHello {
            host: portico_model::HostId::new("sh1").unwrap(),
            software: "x".into(),
            boot: "b".into(),
            system: "s".into(),
            cpus: 1,
            identities: vec![],
        },
        abilities: vec![],
    };
    let error = writer.write(&too_large, LIMIT).await.unwrap_err();
    assert!(matches!(error, LinkError::Encode(_)) && error.goes_on());
    let pong = ToBroker::Pong { ping: 1 };
    writer.write(&pong, LIMIT).await.unwrap();
    assert_eq!(reader.read::<ToBroker>(LIMIT).await.unwrap(), pong);
}

#[test]
fn the_pings_of_a_broker_fit_into_the_silence_that_is_allowed() {
    assert!(PING_EVERY * 3 < LINK_SILENCE_MAX);
}
