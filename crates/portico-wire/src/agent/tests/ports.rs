use super::*;

/// What a host tells, with everything that there is in it.
pub(super) fn document() -> HostPorts {
    HostPorts {
        rules: vec![
            RulesDump {
                tool: RulesTool::IptablesSave,
                told: RulesTold::Absent,
            },
            RulesDump {
                tool: RulesTool::Ip6tablesSave,
                told: RulesTold::Failed {
                    why: "no end after 10 s".into(),
                },
            },
            RulesDump {
                tool: RulesTool::Nft,
                told: RulesTold::Text {
                    text: r#"{"nftables": []}"#.into(),
                },
            },
        ],
        sockets: vec![HostSocket {
            transport: SocketTransport::Udp,
            address: "::".parse().unwrap(),
            port: 123,
            takes_ipv4: true,
            interface: Some("eth0".into()),
            processes: vec![HostProcess {
                pid: 7,
                name: "\u{1b}[2Jä".into(),
            }],
        }],
        sockets_fault: Some("some are left out".into()),
        interfaces: vec![HostInterface {
            name: "eth0".into(),
            address: "10.0.0.2".parse().unwrap(),
        }],
        client_ports: (32_768, 60_999),
        as_root: true,
    }
}

fn together(parts: Vec<PortsPart>) -> Result<HostPorts, PortsError> {
    let mut all = PortsParts::default();
    for part in parts {
        if let Some(document) = all.take(part)? {
            return HostPorts::read(&document);
        }
    }
    panic!("no part was the last");
}

#[test]
fn a_document_of_any_length_comes_out_of_its_parts_as_it_was() {
    for len in [0, PORTS_PART_LEN_MAX, 3 * PORTS_PART_LEN_MAX] {
        let mut told = document();
        told.rules[0].told = RulesTold::Text {
            // Quotes are what JSON makes longer.
            text: "\"".repeat(len),
        };
        let parts = told.parts(7);
        assert!(parts.iter().all(|part| part.ask == 7));
        for part in &parts {
            encode(&ToBroker::Ports(part.clone())).unwrap();
        }
        assert_eq!(together(parts), Ok(told), "{len}");
    }
}

#[test]
fn a_document_is_refused_when_cut_anywhere_and_parts_that_are_not_the_next() {
    let whole = serde_json::to_vec(&document()).unwrap();
    check_vector("ports-document", &whole);
    for cut in 0..whole.len() {
        let error = HostPorts::read(&whole[..cut]).unwrap_err();
        assert!(matches!(error, PortsError::Json { .. }), "{cut}: {error}");
    }
    let part = |part, is_last| PortsPart {
        ask: 1,
        part,
        is_last,
        bytes: vec![b' '],
        refused: None,
    };
    let mut parts = PortsParts::default();
    assert_eq!(parts.take(part(0, false)), Ok(None));
    for wrong in [0, 2] {
        let error = parts.take(part(wrong, true));
        assert_eq!(
            error,
            Err(PortsError::Order {
                part: wrong,
                wanted: 1
            })
        );
    }
    assert_eq!(parts.take(part(1, true)), Ok(Some(vec![b' '; 2])));
    let refused = PortsPart::refused(1, "no".into());
    assert_eq!(
        PortsParts::default().take(refused),
        Err(PortsError::Refused("no".into()))
    );
}

#[test]
fn parts_that_make_too_much_are_refused_and_so_much_is_not_sent() {
    let mut parts = PortsParts::default();
    let mut ended = None;
    for part in 0..PORTS_PARTS_MAX {
        let part = PortsPart {
            ask: 1,
            part,
            is_last: false,
            bytes: vec![0; PORTS_PART_LEN_MAX],
            refused: None,
        };
        if let Err(error) = parts.take(part) {
            ended = Some(error);
        }
    }
    assert_eq!(ended, Some(PortsError::TooLong));
    // Within its own limit, but every byte becomes six.
    let mut told = document();
    told.rules[0].told = RulesTold::Text {
        text: "\u{1}".repeat(RULES_LEN_MAX),
    };
    let error = together(told.parts(1)).unwrap_err().to_string();
    assert!(error.contains("at most 16777216 are sent"), "{error}");
}

#[test]
fn every_list_and_text_has_a_limit() {
    type Change = (&'static str, fn(&mut HostPorts, usize), usize);
    let changes: [Change; 9] = [
        (
            "rules",
            |told, len| told.rules = vec![told.rules[0].clone(); len],
            3,
        ),
        (
            "text",
            |told, len| {
                let text = "x".repeat(len);
                told.rules[0].told = RulesTold::Text { text };
            },
            RULES_LEN_MAX,
        ),
        (
            "why",
            |told, len| {
                let why = "x".repeat(len);
                told.rules[0].told = RulesTold::Failed { why };
            },
            WHY_LEN_MAX,
        ),
        (
            "sockets",
            |told, len| told.sockets = vec![told.sockets[0].clone(); len],
            SOCKETS_MAX,
        ),
        (
            "processes",
            |told, len| {
                let process = told.sockets[0].processes[0].clone();
                told.sockets[0].processes = vec![process; len];
            },
            PROCESSES_MAX,
        ),
        (
            "name of a process",
            |told, len| told.sockets[0].processes[0].name = "x".repeat(len),
            NAME_LEN_MAX,
        ),
        (
            "interface",
            |told, len| told.sockets[0].interface = Some("x".repeat(len)),
            NAME_LEN_MAX,
        ),
        (
            "sockets_fault",
            |told, len| told.sockets_fault = Some("x".repeat(len)),
            WHY_LEN_MAX,
        ),
        (
            "interfaces",
            |told, len| told.interfaces = vec![told.interfaces[0].clone(); len],
            INTERFACES_MAX,
        ),
    ];
    for (field, change, max) in changes {
        let mut told = document();
        change(&mut told, max);
        assert_eq!(together(told.parts(1)), Ok(told.clone()), "{field}");
        change(&mut told, max + 1);
        let bytes = serde_json::to_vec(&told).unwrap();
        let Err(PortsError::Limit(limit)) = HostPorts::read(&bytes) else {
            panic!("{field} may be of any length");
        };
        assert_eq!((limit.field, limit.max), (field, max));
        // It is not sent either, but why is.
        let refused = together(told.parts(1)).unwrap_err();
        assert!(matches!(refused, PortsError::Refused(_)), "{refused}");
    }
    let part = |len| {
        ToBroker::Ports(PortsPart {
            bytes: vec![0; len],
            ..PortsPart::refused(1, String::new())
        })
    };
    encode(&part(PORTS_PART_LEN_MAX)).unwrap();
    assert!(encode(&part(PORTS_PART_LEN_MAX + 1)).is_err());
    let refused = |len| ToBroker::Ports(PortsPart::refused(1, "x".repeat(len)));
    encode(&refused(LONG_TEXT_LEN_MAX)).unwrap();
    assert!(encode(&refused(LONG_TEXT_LEN_MAX + 1)).is_err());
}

proptest! {
    #[test]
    fn any_document_that_was_changed_is_handled(at in any::<usize>(), to in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&document()).unwrap();
        let at = at % bytes.len();
        bytes[at] = to;
        crate::fuzzing::agent(&bytes);
    }
}
