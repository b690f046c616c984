use super::*;

fn open() -> Open {
    Open {
        session: SessionId::from_random(1),
        connection: ConnectionId::from_random(2),
        user: UserId::new("ina").unwrap(),
        host: HostId::new("ssh1").unwrap(),
        address: "10.0.0.1".into(),
        port: 22,
        pins: vec![Pin::SshKey {
            algorithm: "ssh-ed25519".into(),
            blob: "AAAA".into(),
        }],
        account: "ina".into(),
        password: Some(Secret::new("p\"ä\u{1b}".into())),
        program: None,
        cols: 80,
        rows: 24,
        received: 7,
        term: TERM.into(),
        idle_timeout_s: 0,
        total_timeout_s: 60,
    }
}

#[test]
fn an_open_header_keeps_everything_and_never_shows_the_password() {
    let frame = open().encode().unwrap();
    let Header::Open(read) = Header::decode(&frame).unwrap() else {
        panic!("another header");
    };
    assert_eq!(read.password.as_ref().unwrap().expose(), "p\"ä\u{1b}");
    assert_eq!(read.pins, open().pins);
    assert_eq!((read.port, read.received, read.cols), (22, 7, 80));
    assert!(!format!("{read:?}").contains("p\\\""));
}

#[test]
fn a_header_cut_at_any_length_is_refused_and_its_error_tells_no_secret() {
    let frame = open().encode().unwrap();
    for len in 0..frame.len() {
        let error = Header::decode(&frame[..len]).unwrap_err().to_string();
        assert!(!error.contains('ä'), "{error}");
    }
    let control = Control::List.encode().unwrap();
    for len in 0..control.len() {
        assert!(Header::decode(&control[..len]).is_err());
    }
}

#[test]
fn controls_and_answers_round_trip() {
    for control in [
        Control::List,
        Control::End {
            session: SessionId::from_random(3),
            reason: EndReason::UserEnded,
        },
    ] {
        let frame = control.encode().unwrap();
        let Header::Control(read) = Header::decode(&frame).unwrap() else {
            panic!("another header");
        };
        assert_eq!(read, control);
    }
    for answer in [
        Answer::Unknown,
        Answer::Ending,
        Answer::Sessions {
            sessions: vec![TerminalSession {
                session: SessionId::from_random(1),
                user: UserId::new("ina").unwrap(),
                host: HostId::new("ssh1").unwrap(),
                connection: None,
                exited: true,
            }],
        },
    ] {
        assert_eq!(Answer::decode(&answer.encode().unwrap()).unwrap(), answer);
    }
}

#[test]
fn a_header_beyond_its_limit_is_refused() {
    let mut open = open();
    open.account = "x".repeat(HEADER_LEN_MAX);
    assert!(open.encode().is_err());
    assert!(Header::decode(&vec![TYPE_OPEN; HEADER_LEN_MAX + 1]).is_err());
}

#[test]
fn a_refusal_always_fits_its_frame() {
    let mut error = RefusedError {
        code: "host-refused".into(),
        message: "no".into(),
        reason: Some("x".repeat(20_000)),
        next_step: Some("ask".into()),
        details: None,
    };
    let json: Refused = serde_json::from_str(&error.to_json()).unwrap();
    assert_eq!(json.error.next_step.as_deref(), Some("ask"));
    assert_eq!(json.error.reason, None);
    error.message = "x".repeat(20_000);
    assert!(error.to_json().len() <= super::super::REFUSED_LEN_MAX);
}
