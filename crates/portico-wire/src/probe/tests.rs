use proptest::prelude::*;

use super::*;

mod vectors;

use vectors::{Vector, WHOLE};

/// As in every capture.
const NONCE: [u8; 8] = *b"Portico!";
/// What the servers of the captures had for a shared secret or a community.
const SECRET: &str = "testing123";

fn ask(service: Service, over: Over) -> Ask {
    Ask {
        service,
        over,
        host: "127.0.0.1".into(),
        nonce: NONCE,
        now_unix_ms: 1_795_000_000_000,
        secret: service.wants_secret().then(|| Secret::new(SECRET.into())),
        own_address: Some("127.0.0.1".parse().unwrap()),
    }
}

/// A conversation of which every step but the last one is over.
fn before_the_last(vector: &Vector) -> Conversation {
    let mut conversation = Conversation::new(ask(vector.service, vector.over));
    let (_, before) = vector.answers.split_last().unwrap();
    for answer in before {
        let turn = conversation.hear(answer);
        assert!(matches!(turn, Turn::Say(_)), "{}: {turn:?}", vector.name);
    }
    conversation
}

fn last(vector: &Vector) -> &'static [u8] {
    vector.answers.last().unwrap()
}

/// Takes an answer as it comes: in one datagram, or in a stream that may end after it.
fn take(conversation: &mut Conversation, vector: &Vector, answer: &[u8]) -> Turn {
    match (vector.over, vector.ends) {
        (Over::Datagram, _) => conversation.datagram(answer),
        (Over::Stream, false) => conversation.hear(answer),
        (Over::Stream, true) => match conversation.hear(answer) {
            Turn::Listen => conversation.ended(),
            turn => turn,
        },
    }
}

#[test]
fn every_answer_of_a_real_server_and_of_a_specification_is_a_proof() {
    for vector in WHOLE {
        let turn = take(&mut before_the_last(vector), vector, last(vector));
        let Turn::Proven(proof) = turn else {
            panic!("{}: {turn:?}", vector.name)
        };
        assert_eq!(proof.evidence, vector.evidence, "{}", vector.name);
        assert_eq!(proof.starts_tls, vector.starts_tls, "{}", vector.name);
    }
}

#[test]
fn an_answer_cut_at_any_length_is_no_proof() {
    for vector in WHOLE {
        let before = before_the_last(vector);
        let answer = last(vector);
        for len in 0..answer.len() {
            let cut = &answer[..len];
            let context = format!("{} cut at {len}", vector.name);
            let mut conversation = before.clone();
            match vector.over {
                Over::Datagram if vector.has_open_end => {}
                Over::Datagram => {
                    let turn = conversation.datagram(cut);
                    assert!(matches!(turn, Turn::Wrong(_)), "{context}: {turn:?}");
                }
                Over::Stream => {
                    let turn = conversation.hear(cut);
                    assert_eq!(turn, Turn::Listen, "{context}");
                    // What is missing may come later, whatever the cut.
                    let rest = take(&mut conversation.clone(), vector, &answer[len..]);
                    assert!(matches!(rest, Turn::Proven(_)), "{context}: {rest:?}");
                    let turn = conversation.ended();
                    let is_proof = matches!(turn, Turn::Proven(_));
                    assert!(!is_proof || vector.has_open_end, "{context}: {turn:?}");
                }
            }
        }
    }
}

#[test]
fn earlier_steps_cut_at_any_length_wait_for_the_rest() {
    for vector in WHOLE {
        let mut conversation = Conversation::new(ask(vector.service, vector.over));
        let (_, before) = vector.answers.split_last().unwrap();
        for answer in before {
            for len in 0..answer.len() {
                let turn = conversation.clone().hear(&answer[..len]);
                assert_eq!(turn, Turn::Listen, "{} cut at {len}", vector.name);
            }
            conversation.hear(answer);
        }
    }
}

/// Services whose answer is also one of the other: they are told apart by nothing.
fn are_alike(asked: Service, answered: Service) -> bool {
    use Service as S;
    let web = [S::Http, S::WinRm, S::Ipp, S::RdGateway, S::RpcOverHttp];
    let data = [S::InfluxDb, S::Etcd, S::Acme, S::Portal];
    let windows = [S::WinRm, S::RdGateway, S::RpcOverHttp];
    let old = [S::Rsh, S::Rexec, S::Rlogin];
    let radius = [S::Radius, S::RadiusAccounting];
    asked == answered
        || (asked == S::Http && (web.contains(&answered) || data.contains(&answered)))
        || (asked == S::Rpc && answered == S::RpcMapper)
        // Whoever has no answer by the community is asked for version 3.
        || (asked == S::SnmpCommunity && answered == S::Snmp)
        // One question, and many servers answer it on both ports alike.
        || (radius.contains(&asked) && radius.contains(&answered))
        // Every text is a quote.
        || (asked == S::Quote && matches!(answered, S::Daytime | S::Echo))
        // The question is what tells them apart: who else asks for log-on there?
        || (windows.contains(&asked) && windows.contains(&answered))
        // All three refuse with a byte and any text.
        || (old.contains(&asked) && old.contains(&answered))
}

#[test]
fn the_answer_of_one_service_is_no_proof_of_another() {
    for vector in WHOLE {
        for service in Service::ALL.iter().copied() {
            if are_alike(service, vector.service) || !service.carriers().contains(&vector.over) {
                continue;
            }
            let mut conversation = Conversation::new(ask(service, vector.over));
            for answer in vector.answers {
                let turn = take(&mut conversation, vector, answer);
                let context = format!("{service:?} hears {}", vector.name);
                assert!(!matches!(turn, Turn::Proven(_)), "{context}: {turn:?}");
                if matches!(turn, Turn::Wrong(_)) {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_refusal_that_names_another_program_is_none_of_ours() {
    let named = b"\x01rlogind: Permission denied.\n";
    for (service, is_own) in [
        (Service::Rlogin, true),
        (Service::Rsh, false),
        (Service::Rexec, false),
    ] {
        let turn = Conversation::new(ask(service, Over::Stream)).hear(named);
        assert_eq!(matches!(turn, Turn::Proven(_)), is_own, "{turn:?}");
    }
}

/// Echo services are real, and are where other services were meant to be.
#[test]
fn a_question_that_comes_back_is_no_answer() {
    for service in Service::ALL.iter().copied() {
        for over in service.carriers().iter().copied() {
            let mut conversation = Conversation::new(ask(service, over));
            let question = conversation.opening();
            if service == Service::Echo || question.is_empty() {
                continue;
            }
            let mut turn = match over {
                Over::Stream => conversation.hear(&question),
                Over::Datagram => conversation.datagram(&question),
            };
            if turn == Turn::Listen {
                turn = conversation.ended();
            }
            assert!(matches!(turn, Turn::Wrong(_)), "{service:?}: {turn:?}");
        }
    }
}

#[test]
fn a_ring_of_characters_is_no_quote() {
    let ring = b"/0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuv\r\n";
    let turn = Conversation::new(ask(Service::Quote, Over::Datagram)).datagram(ring);
    assert!(matches!(turn, Turn::Wrong(_)), "{turn:?}");
}

#[test]
fn a_refusal_of_rsh_and_its_relatives_is_none_of_a_print_server() {
    for text in ["rshd: no", "Permission denied.", "Login incorrect."] {
        let mut conversation = Conversation::new(ask(Service::Lpd, Over::Stream));
        conversation.hear(format!("\x01{text}\n").as_bytes());
        let turn = conversation.ended();
        assert!(matches!(turn, Turn::Wrong(_)), "{text}: {turn:?}");
    }
}

#[test]
fn what_greets_is_recognised_when_something_else_is_asked() {
    for (name, looks_like) in [
        ("ssh", "SSH"),
        ("smtp", "SMTP"),
        ("ftp", "FTP"),
        ("imap", "IMAP"),
        ("pop3", "POP3"),
        ("vnc", "VNC"),
        ("mysql", "MySQL"),
        ("telnet", "telnet"),
        ("ipp", "HTTP"),
        ("rdp", "RDP"),
        ("ldap", "LDAP"),
        ("smb", "SMB"),
        ("rpc-mapper", "RPC"),
        ("pptp", "PPTP"),
    ] {
        let Some(vector) = WHOLE.iter().find(|vector| vector.name == name) else {
            panic!("no vector {name}")
        };
        let first = vector.answers.first().unwrap();
        assert_eq!(recognise(first), Some(looks_like), "{name}");
    }
    assert_eq!(recognise(b"\x15\x03\x01\x00\x02\x02\x46"), Some("TLS"));
    assert_eq!(recognise(b"hello"), None);
    assert_eq!(recognise(b""), None);
}

#[test]
fn a_hostile_banner_comes_out_printable_and_short() {
    let mut conversation = Conversation::new(ask(Service::Ssh, Over::Stream));
    let banner = format!(
        "SSH-2.0-\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}{}",
        "x".repeat(150)
    );
    let Turn::Proven(proof) = conversation.hear(format!("{banner}\r\n").as_bytes()) else {
        panic!("it is a banner all the same")
    };
    assert!(
        proof
            .evidence
            .starts_with("SSH-2.0-\\x1b[2J\\x1b]0;owned\\x07")
    );
    assert!(proof.evidence.chars().all(|c| matches!(c, ' '..='~' | '…')));
    assert!(proof.evidence.chars().count() <= SHOWN_LEN_MAX + 4);
}

#[test]
fn an_endless_answer_ends_at_the_limit() {
    for service in Service::ALL.iter().copied() {
        let mut conversation = Conversation::new(ask(service, Over::Stream));
        // The beginnings that each waits longest for the rest of.
        for begin in [
            &b"HTTP/1.1 200 OK\r\n"[..],
            b"220-",
            b"\x30\x84\x00\x00\xff\xff",
            b"",
        ] {
            let mut chunks = std::iter::once(begin).chain(std::iter::repeat(&[b'a'; 4096][..]));
            let ended = chunks
                .by_ref()
                .take(2 + ANSWER_LEN_MAX / 4096)
                .any(|chunk| !matches!(conversation.hear(chunk), Turn::Listen | Turn::Say(_)));
            assert!(ended, "{service:?} still listens");
            assert!(conversation.heard().len() <= ANSWER_LEN_MAX + 4096);
        }
    }
}

#[test]
fn an_answer_to_somebody_elses_question_is_no_proof() {
    for name in [
        "dns-udp",
        "ntp",
        "snmp",
        "netbios-name",
        "l2tp",
        "ike",
        "echo-udp",
        "radius-status",
        "radius-reject",
        "radius-accounting",
        "snmp-v2c",
        "dhcp",
        "msmq-ping",
    ] {
        let vector = WHOLE.iter().find(|vector| vector.name == name).unwrap();
        let mut other = ask(vector.service, vector.over);
        other.nonce = *b"another?";
        let turn = Conversation::new(other).datagram(last(vector));
        assert!(matches!(turn, Turn::Wrong(_)), "{name}: {turn:?}");
    }
}

#[test]
fn an_answer_of_radius_that_another_secret_signs_proves_nothing() {
    for name in [
        "radius-status",
        "radius-reject",
        "radius-accounting",
        "radius-tcp",
    ] {
        let vector = WHOLE.iter().find(|vector| vector.name == name).unwrap();
        for (secret, says) in [
            (Some("another"), "another secret"),
            (None, "without the shared"),
        ] {
            let mut ask = ask(vector.service, vector.over);
            ask.secret = secret.map(|secret| Secret::new(secret.into()));
            let turn = take(&mut Conversation::new(ask), vector, last(vector));
            let Turn::Unproven(why) = turn else {
                panic!("{name}: {turn:?}")
            };
            assert!(why.contains(says), "{name}: {why}");
        }
        // Every byte is signed, and so is the question that it answers.
        for place in 0..last(vector).len() {
            let mut answer = last(vector).to_vec();
            answer[place] ^= 0x20;
            let mut conversation = Conversation::new(ask(vector.service, vector.over));
            let turn = take(&mut conversation, vector, &answer);
            assert!(!matches!(turn, Turn::Proven(_)), "{name} {place}: {turn:?}");
        }
    }
}

#[test]
fn radius_asks_for_the_status_first_and_for_nobodys_access_where_that_is_harmless() {
    let code = |service, over, asked| Conversation::new(ask(service, over)).question(asked)[0];
    let (udp, tcp) = (Over::Datagram, Over::Stream);
    assert_eq!(
        [0, 1, 2].map(|asked| code(Service::Radius, udp, asked)),
        [12, 1, 1]
    );
    assert_eq!(code(Service::Radius, tcp, 0), 12);
    for asked in 0..3 {
        assert_eq!(code(Service::RadiusAccounting, udp, asked), 12);
    }
    let question = Conversation::new(ask(Service::Radius, udp)).question(1);
    let has = |part: &[u8]| question.windows(part.len()).any(|window| window == part);
    assert!(has(b"portico-probe"));
    assert!(
        !has(SECRET.as_bytes()) && !has(b"506f727469636f21"),
        "the password is hidden"
    );
}

#[test]
fn a_secret_is_in_no_debug_text() {
    let text = format!(
        "{:?}",
        Conversation::new(ask(Service::Radius, Over::Datagram))
    );
    assert!(!text.contains(SECRET), "{text}");
}

#[test]
fn the_mapper_names_ports_interfaces_and_what_they_call_themselves() {
    let vector = WHOLE
        .iter()
        .find(|vector| vector.name == "rpc-mapper")
        .unwrap();
    let turn = take(&mut before_the_last(vector), vector, last(vector));
    let Turn::Proven(proof) = turn else {
        panic!("{turn:?}")
    };
    let netlogon = "12345678-1234-abcd-ef00-01234567cffb";
    let named = |endpoint: &&Endpoint| endpoint.interface == netlogon;
    let netlogon = proof.endpoints.iter().find(named).unwrap();
    assert!((49152..=65535).contains(&netlogon.port), "{netlogon:?}");
}

#[test]
fn a_list_of_the_mapper_that_does_not_fit_together_is_none() {
    let vector = WHOLE
        .iter()
        .find(|vector| vector.name == "rpc-mapper")
        .unwrap();
    // Behind the head of the fragment and the handle: how many there are, from where, and again.
    for place in [24 + 20, 24 + 28, 24 + 32] {
        let mut answer = last(vector).to_vec();
        answer[place] ^= 1;
        let turn = take(&mut before_the_last(vector), vector, &answer);
        assert!(!matches!(turn, Turn::Proven(_)), "{place}: {turn:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_hold_the_oracle(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::probe(&bytes);
    }

    /// Answers of every service to every question, damaged at some places.
    #[test]
    fn damaged_answers_hold_the_oracle(
        asked in any::<u8>(),
        which in any::<prop::sample::Index>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let vector = which.get(WHOLE);
        let own = Service::ALL.iter().position(|service| *service == vector.service).unwrap();
        for asked in [asked, u8::try_from(own).unwrap()] {
            for answer in vector.answers {
                let mut bytes = vec![asked];
                bytes.extend_from_slice(answer);
                for (place, value) in &damage {
                    if !answer.is_empty() {
                        bytes[1 + place.index(answer.len())] = *value;
                    }
                }
                crate::fuzzing::probe(&bytes);
            }
        }
    }
}
