use std::{fmt::Debug, fs, path::PathBuf};

use portico_model::{
    HostId, Secret,
    estate::{AgentLink, Pin, Protocol},
    seen::{
        AgentHello, HostReport, HostSession, HostSessionKind, HostSessionState, IDENTITIES_MAX,
        Load, Order, OrderOutcome, Pressure, REPORT_SESSIONS_MAX, SeenError, SessionOnHost,
        TEXT_LEN_MAX,
    },
};
use proptest::prelude::*;

use super::*;

mod heads;

fn host() -> HostId {
    HostId::new("sh1").unwrap()
}

fn hello() -> AgentHello {
    AgentHello {
        host: host(),
        software: "portico-agent 0.0.0".into(),
        boot: "5f0c9a0e-1111-2222-3333-444455556666".into(),
        system: "Debian GNU/Linux 12".into(),
        cpus: 2,
        identities: vec![
            Pin::CertificateSha256([7; 32]),
            Pin::SshKey {
                algorithm: "ssh-ed25519".into(),
                blob: "AAAAC3NzaC1lZDI1NTE5".into(),
            },
        ],
    }
}

fn report() -> HostReport {
    HostReport {
        number: 3,
        load: Load {
            cpu: 1_234,
            memory: 5_678,
            memory_total_bytes: 8 << 30,
            run_queue: 15_000,
            disk_wait: 12,
            pressure: Some(Pressure {
                cpu: 1,
                memory: 0,
                io: 99,
            }),
            received_bytes_s: 1_000,
            sent_bytes_s: 2_000,
        },
        sessions: vec![HostSession {
            key: "xrdp:10".into(),
            account: "EX\\anna".into(),
            kind: HostSessionKind::Rdp,
            display: Some(":10".into()),
            state: HostSessionState::Disconnected,
            age_s: 3_600,
            state_age_s: Some(60),
            idle_s: None,
        }],
    }
}

fn on_host() -> SessionOnHost {
    SessionOnHost {
        key: Some("xrdp:10".into()),
        account: "EX\\anna".into(),
        kind: HostSessionKind::Rdp,
    }
}

fn flow_target() -> FlowTarget {
    FlowTarget {
        flow: "windows-services.ldap-tcp".into(),
        address: "2001:db8::5".into(),
        port: 389,
    }
}

fn flow_outcome(target: u16) -> FlowOutcome {
    FlowOutcome {
        target,
        verdict: "no-answer".into(),
        evidence: "nothing came back from \"dc1\" within 3 s".into(),
        next_step: (target > 0).then(|| "see whether a firewall drops it".into()),
        clue: (target > 0).then(|| "silent".into()),
        took_ms: 3_000,
    }
}

fn pair_listen(sources: usize, flow_len: usize, seconds: u16) -> PairListen {
    PairListen {
        pair: 6,
        flow: "f".repeat(flow_len),
        address: "10.0.0.2".parse().unwrap(),
        port: 162,
        from: vec!["10.0.0.1".parse().unwrap(); sources],
        nonce: PairNonce([0xa5; PAIR_NONCE_LEN]),
        seconds,
    }
}

fn pair_heard() -> PairHeard {
    PairHeard {
        pair: 6,
        arrived: true,
        from: Some("10.0.0.1".parse().unwrap()),
        after_ms: 12,
        by: HeardBy::Captured,
    }
}

fn to_broker() -> Vec<(&'static str, ToBroker)> {
    vec![
        (
            "hello",
            ToBroker::Hello {
                versions: vec![1, 2],
                hello: hello(),
                abilities: vec![],
            },
        ),
        (
            "hello-able",
            ToBroker::Hello {
                versions: vec![1],
                hello: hello(),
                abilities: vec![CHECKS_FLOWS.into()],
            },
        ),
        ("report", ToBroker::Report(report())),
        (
            "outcome",
            ToBroker::Outcome {
                order: 9,
                outcome: OrderOutcome::Identities {
                    identities: hello().identities,
                },
            },
        ),
        ("pong", ToBroker::Pong { ping: u64::MAX }),
        (
            "checked",
            ToBroker::Checked {
                check: 4,
                outcomes: vec![flow_outcome(0), flow_outcome(1)],
                refused: None,
            },
        ),
        (
            "checked-not",
            ToBroker::Checked {
                check: 5,
                outcomes: vec![],
                refused: Some("the agent has checks of another broker".into()),
            },
        ),
        (
            "listens",
            ToBroker::Listens {
                pair: 6,
                refused: None,
            },
        ),
        (
            "listens-not",
            ToBroker::Listens {
                pair: 7,
                refused: Some("3579/tcp is in use".into()),
            },
        ),
        ("heard", ToBroker::Heard(pair_heard())),
        (
            "sent",
            ToBroker::Sent {
                pair: 6,
                outcome: SentOutcome::NotEchoed,
                detail: Some("it was closed".into()),
            },
        ),
    ]
}

fn to_agent() -> Vec<(&'static str, ToAgent)> {
    let order = |id, order| ToAgent::Order { id, order };
    vec![
        (
            "welcome",
            ToAgent::Welcome {
                version: 1,
                report_every_ms: 2_000,
                brokers: vec!["broker1.example.org:30004".into(), "[::1]:30004".into()],
            },
        ),
        (
            "refused",
            ToAgent::Refused {
                code: "revoked".into(),
                message: "The certificate of sh1 was revoked".into(),
                next_step: "join again".into(),
                retry_after_ms: 60_000,
            },
        ),
        (
            "order-message",
            order(
                1,
                Order::Message {
                    session: Some(on_host()),
                    from: "olga".into(),
                    text: "Restart at 12:00\n\u{202e}".into(),
                },
            ),
        ),
        (
            "order-probe",
            order(
                2,
                Order::Probe {
                    protocol: Protocol::Ssh,
                    address: "10.0.0.2".into(),
                    port: 22,
                },
            ),
        ),
        ("ping", ToAgent::Ping { ping: 1 }),
        (
            "check",
            ToAgent::Check {
                check: 4,
                targets: vec![flow_target(), flow_target()],
            },
        ),
        ("listen", ToAgent::Listen(pair_listen(2, 9, 5))),
        (
            "send",
            ToAgent::Send(PairSend {
                pair: 6,
                flow: "windows-services.vpn-gre".into(),
                address: "2001:db8::5".parse().unwrap(),
                port: 0,
                nonce: PairNonce([0xa5; PAIR_NONCE_LEN]),
            }),
        ),
    ]
}

fn requests() -> Vec<(&'static str, EnrollmentRequest)> {
    vec![
        (
            "join",
            EnrollmentRequest::Join {
                host: host(),
                secret: Secret::new("vB3k-secret".into()),
                csr_der: vec![0x30, 0x03, 1, 2, 255],
                software: "portico-agent 0.0.0".into(),
            },
        ),
        (
            "poll",
            EnrollmentRequest::Poll {
                host: host(),
                csr_der: vec![0x30, 0],
            },
        ),
        (
            "renew",
            EnrollmentRequest::Renew {
                csr_der: vec![0x30],
            },
        ),
    ]
}

fn answers() -> Vec<(&'static str, EnrollmentAnswer)> {
    vec![
        (
            "issued",
            EnrollmentAnswer::Issued {
                chain_der: vec![vec![0x30, 1, 0], vec![0x30]],
                brokers: vec!["broker1.example.org:30004".into()],
                link: AgentLink::Listen,
            },
        ),
        (
            "waiting",
            EnrollmentAnswer::Waiting {
                retry_after_s: 15,
                message: "An operator must approve sh1".into(),
            },
        ),
        (
            "enrollment-refused",
            EnrollmentAnswer::Refused {
                code: "token-used".into(),
                message: "The token was used".into(),
                next_step: "create another".into(),
            },
        ),
    ]
}

/// Messages have no equality of their own where they hold secrets; their JSON has.
fn check_message<M: Message + Debug>(name: &str, message: &M) {
    let frame = encode(message).unwrap();
    let mut decoder = FrameDecoder::with_max(M::LEN_MAX);
    for cut in 0..frame.len() {
        decoder.push(frame.get(..cut).unwrap());
        assert_eq!(decoder.next(), Ok(None), "{name} cut at {cut}");
        decoder = FrameDecoder::with_max(M::LEN_MAX);
    }
    decoder.push(&frame);
    let json = decoder.next().unwrap().unwrap();
    assert!(decoder.is_between_frames());
    let read: M = decode(&json).unwrap();
    assert_eq!(encode(&read).unwrap(), frame, "{name}");
    for cut in 0..json.len() {
        let error = decode::<M>(&json[..cut]).unwrap_err();
        assert!(!error.link_goes_on(), "{name} cut at {cut}: {error}");
    }
    check_vector(name, &frame);
}

/// Vectors are what is on the wire today. One that changes breaks agents that are out there.
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads, and on request writes, its own vectors"
)]
fn check_vector(name: &str, frame: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus/agent")
        .join(format!("{name}.bin"));
    if option_env!("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, frame).unwrap();
    }
    let kept = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(
        String::from_utf8_lossy(&kept),
        String::from_utf8_lossy(frame),
        "{name}"
    );
}

#[test]
fn every_message_is_read_as_it_was_written_and_refused_when_cut_anywhere() {
    for (name, message) in to_broker() {
        check_message(name, &message);
    }
    for (name, message) in to_agent() {
        check_message(name, &message);
    }
    for (name, message) in requests() {
        check_message(name, &message);
    }
    for (name, message) in answers() {
        check_message(name, &message);
    }
}

#[test]
fn every_kind_has_a_vector_and_is_listed() {
    fn kinds<M: Message>(messages: &[(&str, M)]) {
        let seen: std::collections::BTreeSet<String> = messages
            .iter()
            .map(|(_, message)| serde_json::to_value(message).unwrap()["kind"].to_string())
            .collect();
        let listed = M::KINDS.iter().map(|kind| format!("\"{kind}\"")).collect();
        assert_eq!(seen, listed);
    }
    kinds(&to_broker());
    kinds(&to_agent());
    kinds(&requests());
    kinds(&answers());
}

#[test]
fn an_unknown_kind_is_named_and_the_link_goes_on() {
    let error = decode::<ToAgent>(br#"{"kind":"dance","steps":3}"#).unwrap_err();
    assert_eq!(
        error,
        DecodeError::UnknownKind {
            kind: "dance".into()
        }
    );
    assert!(error.link_goes_on());
    let long = format!(r#"{{"kind":"{}"}}"#, "ä".repeat(500));
    let DecodeError::UnknownKind { kind } = decode::<ToBroker>(long.as_bytes()).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(kind.len(), KIND_LEN_MAX);
    for (broken, why) in [
        (r#"{"kind":"ping"}"#, "a field is missing"),
        (r#"{"kind":"ping","ping":-1}"#, "a negative number"),
        (r#"{"kind":"ping","ping":1.5}"#, "a fraction"),
        (r#"{"kind":7}"#, "the kind is no text"),
        (r#"{}"#, "no kind"),
        ("[]", "a list"),
        ("ping", "no JSON"),
        (r#"{"kind":"ping","ping":1} {}"#, "something after it"),
    ] {
        let error = decode::<ToAgent>(broken.as_bytes()).unwrap_err();
        assert!(!error.link_goes_on(), "{why}: {error}");
    }
}

#[test]
fn fields_of_later_versions_are_passed_over_and_new_ones_have_defaults() {
    let later = br#"{"kind":"ping","ping":1,"sent_at":"noon"}"#;
    assert_eq!(decode::<ToAgent>(later).unwrap(), ToAgent::Ping { ping: 1 });
    let hello = br#"{"kind":"hello","versions":[1],"hello":{"host":"sh1","software":"x",
        "boot":"b","system":"s","cpus":1}}"#;
    assert!(matches!(
        decode::<ToBroker>(hello).unwrap(),
        ToBroker::Hello { hello, .. } if hello.identities.is_empty()
    ));
}

#[test]
fn another_hosts_name_that_is_no_id_is_refused() {
    let hello = br#"{"kind":"hello","versions":[1],"hello":{"host":"../../etc","software":"x",
        "boot":"b","system":"s","cpus":1}}"#;
    assert!(matches!(
        decode::<ToBroker>(hello),
        Err(DecodeError::Json { .. })
    ));
}

#[test]
fn no_error_tells_anything_of_the_frame() {
    let join = br#"{"kind":"join","host":"sh1","secret":"hunter2","csr_der":"!","software":"x"}"#;
    let error = decode::<EnrollmentRequest>(join).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let (_, join) = requests().remove(0);
    assert!(!format!("{join:?}").contains("vB3k"));
}

#[test]
fn limits_hold_when_writing_and_when_reading() {
    let long = |len: usize| "x".repeat(len);
    fn check<M: Message>(at_limit: &M, beyond: &M, field: &str) {
        encode(at_limit).unwrap();
        let Err(EncodeError::Limit(limit)) = encode(beyond) else {
            panic!("{field} may be of any length");
        };
        assert_eq!(limit.field, field);
        let json = serde_json::to_vec(beyond).unwrap();
        assert_eq!(decode::<M>(&json).err(), Some(DecodeError::Limit(limit)));
    }
    let hello = |len, abilities, ability| ToBroker::Hello {
        versions: vec![1; len],
        hello: hello(),
        abilities: vec![long(ability); abilities],
    };
    let max = VERSIONS_MAX;
    check(&hello(max, 0, 0), &hello(max + 1, 0, 0), "versions");
    let max = ABILITIES_MAX;
    check(&hello(1, max, 1), &hello(1, max + 1, 1), "abilities");
    let max = ABILITY_LEN_MAX;
    check(&hello(1, 1, max), &hello(1, 1, max + 1), "ability");
    let outcome = |len| ToBroker::Outcome {
        order: 1,
        outcome: OrderOutcome::Failed { detail: long(len) },
    };
    let max = LONG_TEXT_LEN_MAX;
    check(&outcome(max), &outcome(max + 1), "detail");
    let identities = |len| ToBroker::Outcome {
        order: 1,
        outcome: OrderOutcome::Identities {
            identities: vec![Pin::CertificateSha256([1; 32]); len],
        },
    };
    let max = IDENTITIES_MAX;
    check(&identities(max), &identities(max + 1), "identities");
    let welcome = |len, address| ToAgent::Welcome {
        version: 1,
        report_every_ms: 1,
        brokers: vec![long(address); len],
    };
    let (most, longest) = (BROKERS_MAX, ADDRESS_LEN_MAX);
    check(&welcome(most, 9), &welcome(most + 1, 9), "brokers");
    let field = "address of a broker";
    check(&welcome(1, longest), &welcome(1, longest + 1), field);
    let restart = |len| ToAgent::Order {
        id: 1,
        order: Order::Restart {
            after_s: 1,
            text: long(len),
        },
    };
    let max = LONG_TEXT_LEN_MAX;
    check(&restart(max), &restart(max + 1), "text");
    let log_off = |len| ToAgent::Order {
        id: 1,
        order: Order::LogOff {
            session: SessionOnHost {
                account: long(len),
                ..on_host()
            },
        },
    };
    let max = TEXT_LEN_MAX;
    check(&log_off(max), &log_off(max + 1), "session.account");
    let renew = |len| EnrollmentRequest::Renew {
        csr_der: vec![1; len],
    };
    check(&renew(DER_LEN_MAX), &renew(DER_LEN_MAX + 1), "csr_der");
    let issued = |len| EnrollmentAnswer::Issued {
        chain_der: vec![vec![1; DER_LEN_MAX]; len],
        brokers: vec![],
        link: AgentLink::Dial,
    };
    let max = CHAIN_LEN_MAX;
    check(&issued(max), &issued(max + 1), "chain_der");
    let join = |len| EnrollmentRequest::Join {
        host: host(),
        secret: Secret::new(long(len)),
        csr_der: vec![],
        software: String::new(),
    };
    check(&join(SECRET_LEN_MAX), &join(SECRET_LEN_MAX + 1), "secret");
}

#[test]
fn limits_of_checks_hold_when_writing_and_when_reading() {
    fn check<M: Message>(at_limit: &M, beyond: &M, field: &str) {
        encode(at_limit).unwrap();
        let Err(EncodeError::Limit(limit)) = encode(beyond) else {
            panic!("{field} may be of any length");
        };
        assert_eq!(limit.field, field);
        let json = serde_json::to_vec(beyond).unwrap();
        assert_eq!(decode::<M>(&json).err(), Some(DecodeError::Limit(limit)));
    }
    let long = |len: usize| "x".repeat(len);
    let order = |count, flow, address| ToAgent::Check {
        check: 1,
        targets: vec![
            FlowTarget {
                flow: long(flow),
                address: long(address),
                port: 1,
            };
            count
        ],
    };
    let (most, flow, address) = (CHECK_TARGETS_MAX, FLOW_LEN_MAX, TARGET_ADDRESS_LEN_MAX);
    let largest = order(most, flow, address);
    check(&largest, &order(most + 1, flow, address), "targets");
    check(&largest, &order(1, flow + 1, 1), "flow");
    check(&largest, &order(1, 1, address + 1), "address");
    let answer = |count, verdict, evidence, next_step, refused| ToBroker::Checked {
        check: 1,
        outcomes: vec![
            FlowOutcome {
                target: 0,
                verdict: long(verdict),
                evidence: long(evidence),
                next_step: Some(long(next_step)),
                clue: Some(long(verdict)),
                took_ms: u32::MAX,
            };
            count
        ],
        refused: Some(long(refused)),
    };
    let (verdict, text) = (VERDICT_LEN_MAX, CHECK_TEXT_LEN_MAX);
    let largest = answer(most, verdict, text, text, LONG_TEXT_LEN_MAX);
    check(&largest, &answer(most + 1, 1, 1, 1, 1), "outcomes");
    check(&largest, &answer(1, verdict + 1, 1, 1, 1), "verdict");
    check(&largest, &answer(1, 1, text + 1, 1, 1), "evidence");
    check(&largest, &answer(1, 1, 1, text + 1, 1), "next_step");
    let refused = answer(0, 0, 0, 0, LONG_TEXT_LEN_MAX + 1);
    check(&largest, &refused, "refused");
    let clue = ToBroker::Checked {
        check: 1,
        outcomes: vec![FlowOutcome {
            clue: Some(long(verdict + 1)),
            ..flow_outcome(0)
        }],
        refused: None,
    };
    check(&largest, &clue, "clue");
}

#[test]
fn limits_of_pairs_hold_when_writing_and_when_reading() {
    fn check<M: Message>(at_limit: &M, beyond: &M, field: &str) {
        encode(at_limit).unwrap();
        let Err(EncodeError::Limit(limit)) = encode(beyond) else {
            panic!("{field} may be of any length");
        };
        assert_eq!(limit.field, field);
        let json = serde_json::to_vec(beyond).unwrap();
        assert_eq!(decode::<M>(&json).err(), Some(DecodeError::Limit(limit)));
    }
    let (sources, flow, seconds) = (PAIR_SOURCES_MAX, FLOW_LEN_MAX, PAIR_SECONDS_MAX);
    let listen = |sources, flow, seconds| ToAgent::Listen(pair_listen(sources, flow, seconds));
    let largest = listen(sources, flow, seconds);
    check(&largest, &listen(sources + 1, 1, 1), "from");
    check(&largest, &listen(1, flow + 1, 1), "flow");
    check(&largest, &listen(1, 1, seconds + 1), "seconds");
    let send = |flow| {
        let PairListen {
            pair,
            flow,
            address,
            port,
            nonce,
            ..
        } = pair_listen(0, flow, 0);
        ToAgent::Send(PairSend {
            pair,
            flow,
            address,
            port,
            nonce,
        })
    };
    check(&send(flow), &send(flow + 1), "flow");
    let listens = |len: usize| ToBroker::Listens {
        pair: 1,
        refused: Some("x".repeat(len)),
    };
    check(
        &listens(LONG_TEXT_LEN_MAX),
        &listens(LONG_TEXT_LEN_MAX + 1),
        "refused",
    );
    let sent = |len: usize| ToBroker::Sent {
        pair: 1,
        outcome: SentOutcome::Sent,
        detail: Some("x".repeat(len)),
    };
    check(
        &sent(LONG_TEXT_LEN_MAX),
        &sent(LONG_TEXT_LEN_MAX + 1),
        "detail",
    );
    let no_nonce = br#"{"kind":"send","pair":1,"flow":"f","address":"::1","port":1,"nonce":"00"}"#;
    assert!(decode::<ToAgent>(no_nonce).is_err());
}

#[test]
fn a_hello_without_abilities_is_one_of_an_agent_that_has_none() {
    let (_, with) = to_broker().swap_remove(1);
    let ToBroker::Hello { abilities, .. } = with else {
        panic!("another message");
    };
    assert_eq!(abilities, [CHECKS_FLOWS]);
    let hello = br#"{"kind":"hello","versions":[1],"hello":{"host":"sh1","software":"x",
        "boot":"b","system":"s","cpus":1}}"#;
    assert!(matches!(
        decode::<ToBroker>(hello).unwrap(),
        ToBroker::Hello { abilities, .. } if abilities.is_empty()
    ));
}

#[test]
fn the_largest_report_fits_a_frame_and_a_larger_message_is_not_sent() {
    let mut large = report();
    let one = HostSession {
        key: "ssh:pts/10000".into(),
        account: "EXAMPLE\\a.long.account.name".into(),
        ..large.sessions[0].clone()
    };
    large.sessions = vec![one; REPORT_SESSIONS_MAX];
    let frame = encode(&ToBroker::Report(large.clone())).unwrap();
    assert!(frame.len() < FRAME_LEN_MAX);
    for session in &mut large.sessions {
        session.account = "x".repeat(TEXT_LEN_MAX);
    }
    assert!(matches!(
        encode(&ToBroker::Report(large)),
        Err(EncodeError::Frame(FrameError::TooLong { .. }))
    ));
}

#[test]
fn absurd_lengths_are_refused_before_anything_is_allocated() {
    for (length, error) in [
        (0_u32, FrameError::Empty),
        (
            u32::MAX,
            FrameError::TooLong {
                len: 0xffff_ffff,
                max: FRAME_LEN_MAX,
            },
        ),
        (
            (1 << 20) + 1,
            FrameError::TooLong {
                len: (1 << 20) + 1,
                max: FRAME_LEN_MAX,
            },
        ),
    ] {
        let mut decoder = FrameDecoder::new();
        decoder.push(&length.to_be_bytes());
        assert_eq!(decoder.next(), Err(error));
        // It stays failed, and keeps nothing.
        decoder.push(&encode(&ToAgent::Ping { ping: 1 }).unwrap());
        assert_eq!(decoder.next(), Err(error));
        assert!(!decoder.is_between_frames());
    }
    let mut decoder = FrameDecoder::new();
    decoder.push(&(1_u32 << 20).to_be_bytes());
    assert_eq!(decoder.next(), Ok(None), "the longest frame is allowed");
}

fn token() -> JoinToken {
    JoinToken {
        host: host(),
        enrollment: vec!["broker1.example.org:30030".into()],
        ca_sha256: [0xab; 32],
        secret: Secret::new("vB3k-secret".into()),
    }
}

#[test]
fn a_token_is_read_as_it_was_written_whatever_white_space_is_around_it() {
    let text = token().to_text();
    assert!(text.expose().starts_with(TOKEN_PREFIX));
    check_vector("token", text.expose().as_bytes());
    let read = JoinToken::parse(&format!(" {}\r\n", text.expose())).unwrap();
    assert_eq!(
        (read.host, read.enrollment, read.ca_sha256),
        (token().host, token().enrollment, token().ca_sha256)
    );
    assert_eq!(read.secret.expose(), "vB3k-secret");
    assert!(!format!("{:?}", token()).contains("vB3k"));
}

#[test]
fn a_token_that_is_cut_or_changed_is_refused_without_telling_it() {
    let text = token().to_text();
    let text = text.expose();
    for len in 0..text.len() {
        let error = JoinToken::parse(&text[..len]).unwrap_err();
        let wanted = match len {
            0..14 => [TokenError::Prefix, TokenError::Version],
            14 => [TokenError::Version, TokenError::Version],
            _ => [TokenError::Damaged, TokenError::Damaged],
        };
        assert!(wanted.contains(&error), "cut at {len}: {error}");
    }
    let with = |change: fn(&mut JoinToken)| {
        let mut token = token();
        change(&mut token);
        JoinToken::parse(token.to_text().expose()).map(|_| ())
    };
    for damaged in [
        with(|token| token.enrollment.clear()),
        with(|token| token.enrollment = vec!["a:1".into(); BROKERS_MAX + 1]),
        with(|token| token.enrollment = vec![String::new()]),
        with(|token| token.enrollment = vec!["x".repeat(ADDRESS_LEN_MAX + 1)]),
        with(|token| token.secret = Secret::default()),
        with(|token| token.secret = Secret::new("x".repeat(SECRET_LEN_MAX + 1))),
        JoinToken::parse(&format!("{TOKEN_PREFIX}e30")).map(|_| ()),
    ] {
        assert_eq!(damaged, Err(TokenError::Damaged));
    }
    assert_eq!(
        JoinToken::parse("portico-join-2.AAAA").unwrap_err(),
        TokenError::Version
    );
    assert_eq!(
        JoinToken::parse(&"x".repeat(TOKEN_LEN_MAX + 1)).unwrap_err(),
        TokenError::TooLong {
            len: TOKEN_LEN_MAX + 1
        }
    );
    // The largest one there can be is taken.
    let largest = JoinToken {
        host: HostId::new("h".repeat(64)).unwrap(),
        enrollment: vec!["x".repeat(ADDRESS_LEN_MAX); BROKERS_MAX],
        ca_sha256: [0; 32],
        secret: Secret::new("s".repeat(SECRET_LEN_MAX)),
    };
    JoinToken::parse(largest.to_text().expose()).unwrap();
}

fn any_session() -> impl Strategy<Value = HostSession> {
    (
        any::<(String, String, Option<String>)>(),
        0..3_u8,
        any::<bool>(),
        any::<(u64, Option<u64>, Option<u64>)>(),
    )
        .prop_map(
            |((key, account, display), kind, active, ages)| HostSession {
                key,
                account,
                kind: match kind {
                    0 => HostSessionKind::Rdp,
                    1 => HostSessionKind::Ssh,
                    _ => HostSessionKind::Console,
                },
                display,
                state: if active {
                    HostSessionState::Active
                } else {
                    HostSessionState::Disconnected
                },
                age_s: ages.0,
                state_age_s: ages.1,
                idle_s: ages.2,
            },
        )
}

fn any_report() -> impl Strategy<Value = ToBroker> {
    (
        any::<u64>(),
        any::<[u32; 4]>(),
        any::<Option<[u32; 3]>>(),
        any::<[u64; 3]>(),
        proptest::collection::vec(any_session(), 0..5),
    )
        .prop_map(|(number, shares, pressure, bytes, sessions)| {
            ToBroker::Report(HostReport {
                number,
                load: Load {
                    cpu: shares[0],
                    memory: shares[1],
                    memory_total_bytes: bytes[0],
                    run_queue: shares[2],
                    disk_wait: shares[3],
                    pressure: pressure.map(|p| Pressure {
                        cpu: p[0],
                        memory: p[1],
                        io: p[2],
                    }),
                    received_bytes_s: bytes[1],
                    sent_bytes_s: bytes[2],
                },
                sessions,
            })
        })
}

proptest! {
    #[test]
    fn any_messages_come_out_of_a_stream_however_it_is_cut(
        report in any_report(),
        ping in any::<u64>(),
        cuts in proptest::collection::vec(1_usize..200, 1..50),
    ) {
        let sent = [report, ToBroker::Pong { ping }];
        let stream: Vec<u8> = sent.iter().flat_map(|m| encode(m).unwrap()).collect();
        let mut decoder = FrameDecoder::new();
        let mut read: Vec<ToBroker> = Vec::new();
        let (mut rest, mut sizes) = (stream.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (part, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            decoder.push(part);
            while let Some(frame) = decoder.next().unwrap() {
                read.push(decode(&frame).unwrap());
            }
            rest = after;
        }
        prop_assert!(decoder.is_between_frames());
        prop_assert_eq!(read.as_slice(), &sent);
    }

    #[test]
    fn any_bytes_are_handled(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        crate::fuzzing::agent(&bytes);
    }

    #[test]
    fn any_frame_that_was_changed_is_handled(which in 0..19_usize, at in any::<usize>(), to in any::<u8>()) {
        let mut frames: Vec<Vec<u8>> = Vec::new();
        frames.extend(to_broker().iter().map(|(_, m)| encode(m).unwrap()));
        frames.extend(to_agent().iter().map(|(_, m)| encode(m).unwrap()));
        frames.extend(requests().iter().map(|(_, m)| encode(m).unwrap()));
        frames.extend(answers().iter().map(|(_, m)| encode(m).unwrap()));
        let mut frame = frames.swap_remove(which % frames.len());
        let at = at % frame.len();
        frame[at] = to;
        crate::fuzzing::agent(&frame);
    }

    #[test]
    fn any_text_is_a_token_or_is_refused(text in "\\PC{0,80}", body in "[A-Za-z0-9_-]{0,80}") {
        let _ = JoinToken::parse(&text);
        let _ = JoinToken::parse(&format!("{TOKEN_PREFIX}{body}"));
    }
}
