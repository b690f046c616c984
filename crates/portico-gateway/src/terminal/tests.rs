use std::{
    collections::HashMap,
    sync::{Mutex, mpsc},
    time::Duration,
};

use portico_identity::custody::{GatewayKeyPair, seal_for_gateway};
use portico_model::{
    ConnectionId, HostId, Secret, SessionId, Timestamp, UserId,
    estate::{Clipboard, Drive, Microphone, Printer, RdpSecurity},
    grant::{ChannelGrant, RedeemError, Target},
    session::{ConnectionEvent, ConnectionEventKind},
};
use portico_net::{flows::GATEWAY_ENGINE, unix};
use portico_wire::{
    terminal::{
        ENGINE_FRAME_LEN_MAX, framing,
        header::{Answer, Control, HEADER_LEN_MAX, Header, Refused},
    },
    websocket::{Decoder, Event, Opcode, Role, encode_frame},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::UnixStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

struct TestBroker {
    grants: Mutex<HashMap<String, ChannelGrant>>,
    events: mpsc::Sender<ConnectionEventKind>,
}

impl BrokerSeam for TestBroker {
    async fn redeem(&self, ticket: &str, protocol: Protocol) -> Result<ChannelGrant, RedeemError> {
        assert_eq!(protocol, Protocol::Ssh);
        self.grants
            .lock()
            .unwrap()
            .remove(ticket)
            .ok_or(RedeemError::NotGood)
    }

    async fn report(&self, event: ConnectionEvent) {
        self.events.send(event.kind).unwrap();
    }
}

/// A viewer's end of a WebSocket.
struct Viewer {
    stream: DuplexStream,
    unread: Vec<u8>,
    decoder: Decoder,
}

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Frame(Vec<u8>),
    Close(u16, String),
}

impl Viewer {
    async fn send(&mut self, frame: &ViewerFrame<'_>) {
        let mut payload = Vec::new();
        frame.encode(&mut payload).unwrap();
        self.send_raw(&payload).await;
    }

    async fn send_raw(&mut self, payload: &[u8]) {
        let message = encode_frame(Opcode::Binary, Some([1, 2, 3, 4]), payload);
        self.stream.write_all(&message).await.unwrap();
    }

    async fn next(&mut self) -> Got {
        let mut message = Vec::new();
        loop {
            let total = self.unread.len();
            let mut input = &mut self.unread[..];
            let got = match self.decoder.decode(&mut input).unwrap() {
                Some(Event::Data { payload, end, .. }) => {
                    message.extend_from_slice(payload);
                    end.then(|| Got::Frame(std::mem::take(&mut message)))
                }
                Some(Event::Close(frame)) => Some(Got::Close(
                    frame.code.map_or(1005, |code| code.value()),
                    frame.reason,
                )),
                Some(_) => None,
                None => {
                    self.unread.clear();
                    let reading = self.stream.read_buf(&mut self.unread);
                    let read = tokio::time::timeout(PATIENCE, reading)
                        .await
                        .unwrap()
                        .unwrap();
                    assert_ne!(read, 0, "the gateway closed without a close frame");
                    continue;
                }
            };
            let taken = total - input.len();
            self.unread.drain(..taken);
            if let Some(got) = got {
                return got;
            }
        }
    }

    async fn refused(&mut self) -> (String, u16) {
        let (code, close, _) = self.refused_with().await;
        (code, close)
    }

    async fn refused_with(&mut self) -> (String, u16, String) {
        let Got::Frame(frame) = self.next().await else {
            panic!("closed at once")
        };
        let EngineFrame::Refused(json) = EngineFrame::decode(&frame).unwrap() else {
            panic!("{frame:?}");
        };
        let code = Refused::from_json(json).unwrap().error.code;
        let Got::Close(close, text) = self.next().await else {
            panic!("not closed")
        };
        (code, close, text)
    }
}

struct Bench {
    viewer: Viewer,
    engine: unix::UnixListener,
    events: mpsc::Receiver<ConnectionEventKind>,
    channels: Arc<Channels<TestBroker>>,
    serving: JoinHandle<()>,
    permit: oneshot::Receiver<()>,
    _folder: tempfile::TempDir,
}

fn grant(keys: &GatewayKeyPair) -> ChannelGrant {
    ChannelGrant {
        session: SessionId::from_random(1),
        connection: ConnectionId::from_random(2),
        user: UserId::new("demo").unwrap(),
        target: Target {
            host: HostId::new("ssh1").unwrap(),
            address: "192.0.2.1".into(),
            port: 22,
            protocol: Protocol::Ssh,
            security: RdpSecurity::Negotiate,
            pins: vec![],
        },
        account: "demo".into(),
        sealed_password: Some(
            seal_for_gateway(&keys.public(), &Secret::new("hunter2".into())).unwrap(),
        ),
        program: None,
        client_address: None,
        clipboard: Clipboard::Both,
        drive: Drive::Off,
        printer: Printer::Off,
        idle_timeout_s: 60,
        total_timeout_s: 0,
        microphone: Microphone::Off,
        granted_at: Timestamp::from_unix_ms(0),
        cause: Some("firewall-drops".into()),
    }
}

async fn bench() -> Bench {
    bench_with(PATIENCE).await
}

async fn bench_with(ping_interval: Duration) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let engine_socket = folder.path().join("engine.sock");
    let engine = unix::listen(GATEWAY_ENGINE, &engine_socket, 0o600)
        .await
        .unwrap();
    let keys = GatewayKeyPair::generate().unwrap();
    let grants = Mutex::new(HashMap::from([("good".to_owned(), grant(&keys))]));
    let (sender, events) = mpsc::channel();
    let channels = Arc::new(Channels::new(
        TestBroker {
            grants,
            events: sender,
        },
        keys,
        10,
    ));
    let (near, far) = tokio::io::duplex(1 << 20);
    let serving = {
        let channels = Arc::clone(&channels);
        let (permit, dropped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let limits = Limits {
                ticket_timeout: Duration::from_millis(300),
                ping_interval,
                ..Limits::default()
            };
            let terminals = Terminals {
                channels: &channels,
                limits: &limits,
                engine_socket: &engine_socket,
            };
            terminals
                .serve(WebSocketTransport::new(near, &[]), permit)
                .await;
        });
        (task, dropped)
    };
    Bench {
        viewer: Viewer {
            stream: far,
            unread: Vec::new(),
            decoder: Decoder::new(Role::Client, u64::MAX),
        },
        engine,
        events,
        channels,
        serving: serving.0,
        permit: serving.1,
        _folder: folder,
    }
}

const HELLO: ViewerFrame<'_> = ViewerFrame::Hello {
    cols: 100,
    rows: 40,
    received: 9,
    ticket: "good",
};

/// The engine's end: the header that came, and its stream.
async fn accept(bench: &Bench) -> (Open, UnixStream) {
    let (mut stream, _) = bench.engine.accept().await.unwrap();
    let mut inbox = Vec::new();
    loop {
        if let Some((frame, _)) = framing::split(&inbox, HEADER_LEN_MAX).unwrap() {
            let Header::Open(open) = Header::decode(frame).unwrap() else {
                panic!("no Open")
            };
            return (*open, stream);
        }
        stream.read_buf(&mut inbox).await.unwrap();
    }
}

async fn say(stream: &mut UnixStream, frame: &EngineFrame<'_>) {
    let mut out = Vec::new();
    framing::append(&mut out, |out| frame.encode(out)).unwrap();
    stream.write_all(&out).await.unwrap();
}

async fn hear(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.unwrap();
    let mut frame = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut frame).await.unwrap();
    frame
}

fn closed(reason: EndReason) -> Got {
    let mut frame = Vec::new();
    EngineFrame::Closed(reason).encode(&mut frame).unwrap();
    Got::Frame(frame)
}

#[tokio::test]
async fn frames_go_both_ways_and_the_broker_learns_what_happened() {
    let mut bench = bench().await;
    bench.viewer.send(&HELLO).await;
    let (open, mut engine) = accept(&bench).await;
    assert_eq!(open.password.unwrap().expose(), "hunter2");
    assert_eq!((open.cols, open.rows, open.received), (100, 40, 9));
    assert_eq!(
        (open.address.as_str(), open.idle_timeout_s),
        ("192.0.2.1", 60)
    );
    assert!(bench.events.try_recv().is_err());
    say(
        &mut engine,
        &EngineFrame::Opened {
            start: 9,
            resumed: true,
        },
    )
    .await;
    say(&mut engine, &EngineFrame::Output(b"hello")).await;
    assert_eq!(
        bench.viewer.next().await,
        Got::Frame(b"\x80\0\0\0\0\0\0\0\x09\x01".to_vec())
    );
    assert_eq!(bench.viewer.next().await, Got::Frame(b"\x81hello".to_vec()));
    assert_eq!(bench.events.recv().unwrap(), ConnectionEventKind::Opened);
    assert!(
        (&mut bench.permit).await.is_err(),
        "the permit is given back"
    );
    bench.viewer.send(&ViewerFrame::Input(b"ls\r")).await;
    bench.viewer.send(&ViewerFrame::Ack { received: 14 }).await;
    assert_eq!(hear(&mut engine).await, b"\x01ls\r");
    assert_eq!(hear(&mut engine).await, b"\x03\0\0\0\0\0\0\0\x0e");
    say(
        &mut engine,
        &EngineFrame::Exited {
            status: 3,
            signal: "",
        },
    )
    .await;
    say(&mut engine, &EngineFrame::Closed(EndReason::ProgramExited)).await;
    assert_eq!(
        bench.viewer.next().await,
        Got::Frame(b"\x82\0\0\0\x03\0".to_vec())
    );
    assert_eq!(bench.viewer.next().await, closed(EndReason::ProgramExited));
    assert_eq!(
        bench.viewer.next().await,
        Got::Close(4013, "program-exited".into())
    );
    drop(bench.viewer);
    bench.serving.await.unwrap();
    let ended = ConnectionEventKind::Closed {
        reason: EndReason::ProgramExited,
        bytes_down: 5,
        bytes_up: 3,
        exit_status: Some(3),
    };
    assert_eq!(bench.events.try_iter().collect::<Vec<_>>(), [ended]);
    assert_eq!(bench.channels.count(), 0);
}

#[tokio::test]
async fn a_wrong_ticket_and_a_wrong_beginning_are_refused() {
    let mut wrong = bench().await;
    let hello = ViewerFrame::Hello {
        cols: 80,
        rows: 24,
        received: 0,
        ticket: "bad",
    };
    wrong.viewer.send(&hello).await;
    assert_eq!(
        wrong.viewer.refused().await,
        ("ticket-not-good".into(), 4012)
    );
    let mut other = bench().await;
    other.viewer.send(&ViewerFrame::Input(b"ls")).await;
    assert_eq!(other.viewer.refused().await, ("protocol".into(), 4012));
    let mut silent = bench().await;
    assert_eq!(silent.viewer.refused().await, ("protocol".into(), 4012));
    assert!(silent.events.try_recv().is_err());
}

#[tokio::test]
async fn an_engine_that_is_away_is_said_and_reported() {
    let mut bench = bench().await;
    let path = bench.engine.path().to_owned();
    drop(bench.engine);
    assert!(!path.exists());
    bench.viewer.send(&HELLO).await;
    assert_eq!(bench.viewer.refused().await, ("engine-away".into(), 4011));
    let event = bench.events.recv().unwrap();
    assert!(
        matches!(event, ConnectionEventKind::Failed { .. }),
        "{event:?}"
    );
}

#[tokio::test]
async fn a_refusal_of_the_engine_passes_through_and_is_reported() {
    let mut bench = bench().await;
    bench.viewer.send(&HELLO).await;
    let (_, mut engine) = accept(&bench).await;
    let json = r#"{"error":{"code":"host-key-changed","message":"no","reason":"other key"}}"#;
    say(&mut engine, &EngineFrame::Refused(json)).await;
    assert_eq!(
        bench.viewer.refused_with().await,
        ("host-key-changed".into(), 4002, "host-failed".into())
    );
    let event = bench.events.recv().unwrap();
    let detail = "host-key-changed: no; other key".to_owned();
    assert_eq!(event, ConnectionEventKind::Failed { detail });
}

#[tokio::test]
async fn of_a_host_that_is_not_reached_the_known_cause_is_told() {
    let mut bench = bench().await;
    bench.viewer.send(&HELLO).await;
    let (_, mut engine) = accept(&bench).await;
    let json = r#"{"error":{"code":"host-timed-out","message":"no"}}"#;
    say(&mut engine, &EngineFrame::Refused(json)).await;
    let text = "host-failed cause=firewall-drops".to_owned();
    assert_eq!(
        bench.viewer.refused_with().await,
        ("host-timed-out".into(), 4002, text)
    );
}

#[tokio::test]
async fn the_broker_closes_a_connection_and_only_an_end_ends_the_program() {
    for (reason, order, code) in [
        (EndReason::SignedOut, b"\x04", 4009),
        (EndReason::OperatorEnded, b"\x05", 4006),
    ] {
        let mut bench = bench().await;
        bench.viewer.send(&HELLO).await;
        let (open, mut engine) = accept(&bench).await;
        say(
            &mut engine,
            &EngineFrame::Opened {
                start: 0,
                resumed: false,
            },
        )
        .await;
        bench.viewer.next().await;
        assert!(bench.channels.close(&open.connection, reason, None));
        assert_eq!(hear(&mut engine).await, order);
        assert_eq!(bench.viewer.next().await, closed(reason));
        assert_eq!(
            bench.viewer.next().await,
            Got::Close(code, reason.as_str().into())
        );
    }
}

#[tokio::test]
async fn a_viewer_or_an_engine_that_is_gone_ends_the_other() {
    let mut gone = bench().await;
    gone.viewer.send(&HELLO).await;
    let (_, mut engine) = accept(&gone).await;
    gone.viewer.send(&ViewerFrame::Input(b"exit\r")).await;
    drop(gone.viewer);
    assert_eq!(
        hear(&mut engine).await,
        b"\x01exit\r",
        "what was typed last still arrives"
    );
    assert_eq!(engine.read(&mut [0; 8]).await.unwrap(), 0);
    let event = gone.events.recv().unwrap();
    let lost = |kind: &ConnectionEventKind, want| matches!(kind, ConnectionEventKind::Closed { reason, .. } if *reason == want);
    assert!(lost(&event, EndReason::ClientLost), "{event:?}");

    let mut stays = bench().await;
    stays.viewer.send(&HELLO).await;
    drop(accept(&stays).await);
    assert_eq!(stays.viewer.next().await, closed(EndReason::ProcessStopped));
    assert_eq!(
        stays.viewer.next().await,
        Got::Close(4011, "process-stopped".into())
    );
}

#[tokio::test]
async fn what_is_no_frame_ends_the_connection() {
    let mut bench = bench().await;
    bench.viewer.send(&HELLO).await;
    let (_, mut engine) = accept(&bench).await;
    bench.viewer.send_raw(b"\x02\x00").await;
    assert_eq!(bench.viewer.next().await, closed(EndReason::ClientLost));
    assert_eq!(hear(&mut engine).await, b"\x04");
}

#[tokio::test]
async fn a_viewer_that_does_not_read_is_not_read_for() {
    let mut bench = bench().await;
    bench.viewer.send(&HELLO).await;
    let (_, mut engine) = accept(&bench).await;
    let mut frame = Vec::new();
    let output = vec![b'x'; ENGINE_FRAME_LEN_MAX - 1];
    framing::append(&mut frame, |out| EngineFrame::Output(&output).encode(out)).unwrap();
    // The viewer's pipe holds 1 MiB; the engine's socket a little. Then the engine has to wait.
    let mut written = 0;
    let flood = async {
        loop {
            engine.write_all(&frame).await.unwrap();
            written += frame.len();
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(500), flood)
            .await
            .is_err()
    );
    assert!((1 << 20..3 << 20).contains(&written), "{written}");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_through_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("engine.sock");
    assert!(matches!(sessions(&socket).await, Err(EngineError::Dial(_))));
    let engine = unix::listen(GATEWAY_ENGINE, &socket, 0o600).await.unwrap();
    let answering = async {
        for (question, answer) in [
            (Control::List, Answer::Sessions { sessions: vec![] }),
            (
                Control::End {
                    session: SessionId::from_random(1),
                    reason: EndReason::UserEnded,
                },
                Answer::Ending,
            ),
        ] {
            let (mut stream, _) = engine.accept().await.unwrap();
            let header = Header::decode(&hear(&mut stream).await).unwrap();
            assert!(matches!(header, Header::Control(asked) if asked == question));
            let mut out = Vec::new();
            framing::append_raw(&mut out, &answer.encode().unwrap()).unwrap();
            stream.write_all(&out).await.unwrap();
        }
    };
    let asking = async {
        assert_eq!(sessions(&socket).await.unwrap(), []);
        let session = SessionId::from_random(1);
        assert!(
            end_session(&socket, &session, EndReason::UserEnded)
                .await
                .unwrap()
        );
    };
    tokio::join!(answering, asking);
}

#[tokio::test]
async fn a_viewer_that_answers_no_ping_is_lost_and_one_that_does_is_not() {
    let mut bench = bench_with(Duration::from_millis(100)).await;
    bench.viewer.send(&HELLO).await;
    let (_, mut engine) = accept(&bench).await;
    // Each answer is good for two more questions.
    let mut bytes = [0; 2];
    for _ in 0..5 {
        bench.viewer.stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, [0x89, 0], "a ping");
        let pong = encode_frame(Opcode::Pong, Some([1, 2, 3, 4]), &[]);
        bench.viewer.stream.write_all(&pong).await.unwrap();
    }
    assert_eq!(
        engine.read(&mut [0; 8]).await.unwrap(),
        0,
        "the engine is left"
    );
    let event = bench.events.recv().unwrap();
    let ConnectionEventKind::Closed { reason, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!(reason, EndReason::ClientLost);
}
