use super::*;

fn json(message: &ToBroker) -> Vec<u8> {
    encode(message).unwrap()[LENGTH_LEN..].to_vec()
}

#[test]
fn the_head_of_a_message_tells_reports_from_others_without_the_rest() {
    for (_, message) in to_broker() {
        let frame = json(&message);
        let wanted = match message {
            ToBroker::Report(report) => Head::Report {
                number: Some(report.number),
            },
            ToBroker::Ports(_) => Head::Ports,
            _ => Head::Other,
        };
        assert_eq!(head(&frame), Ok(wanted));
        // What comes after the head is not looked at, and no cut is a panic or another kind.
        for len in 0..frame.len() {
            let cut = head(&frame[..len]);
            assert!(
                matches!(
                    &cut,
                    Err(DecodeError::NoKind) | Ok(Head::Report { number: None })
                ) || cut == Ok(wanted),
                "{len}: {cut:?}"
            );
        }
    }
    for (text, wanted) in [
        (
            r#"{"kind":"report","number":7,!"#,
            Ok(Head::Report { number: Some(7) }),
        ),
        (
            r#"{"kind":"report","number":18446744073709551615}"#,
            Ok(Head::Report {
                number: Some(u64::MAX),
            }),
        ),
        // No number that the whole reader would take for the same.
        (
            r#"{"kind":"report","number":18446744073709551616,"#,
            Ok(Head::Report { number: None }),
        ),
        (
            r#"{"kind":"report","number":1.5,"#,
            Ok(Head::Report { number: None }),
        ),
        (
            r#"{"kind":"report","number":7e9,"#,
            Ok(Head::Report { number: None }),
        ),
        (
            r#"{"kind":"report","number":-7,"#,
            Ok(Head::Report { number: None }),
        ),
        (
            r#"{"kind":"report","number":,"#,
            Ok(Head::Report { number: None }),
        ),
        (
            r#"{"kind":"report","load":{},"number":7}"#,
            Ok(Head::Report { number: None }),
        ),
        (r#"{"kind":"later","number":7}"#, Ok(Head::Other)),
        (r#"{"kind":""}"#, Ok(Head::Other)),
        (r#"{"number":7,"kind":"report"}"#, Err(DecodeError::NoKind)),
        (r#"{ "kind":"report"}"#, Err(DecodeError::NoKind)),
        (r#"{"kind":"re\u0070ort"}"#, Err(DecodeError::NoKind)),
        (r#"{"kind":7}"#, Err(DecodeError::NoKind)),
        ("[]", Err(DecodeError::NoKind)),
    ] {
        assert_eq!(head(text.as_bytes()), wanted, "{text}");
    }
    let endless = format!(r#"{{"kind":"{}"#, "r".repeat(1 << 20));
    assert_eq!(head(endless.as_bytes()), Err(DecodeError::NoKind));
}

#[test]
fn a_report_is_read_alone_as_it_is_read_among_all_messages() {
    let frame = json(&ToBroker::Report(report()));
    assert_eq!(decode_report(&frame), Ok(report()));
    for len in 0..frame.len() {
        let cut = decode_report(&frame[..len]);
        assert!(matches!(cut, Err(ReportError::Decode(_))), "{len}: {cut:?}");
    }
    // A field of a later version is passed over, as everywhere.
    let later = String::from_utf8(frame).unwrap();
    let later = later.replacen("\"number\"", "\"later\":[[1]],\"number\"", 1);
    assert_eq!(decode_report(later.as_bytes()), Ok(report()));
}

#[test]
fn of_sessions_that_are_too_many_only_the_number_is_read() {
    let with = |sessions: usize, rest: &str| {
        let one = serde_json::to_string(&report().sessions[0]).unwrap();
        let head = r#"{"kind":"report","number":3,"load":"#;
        let load = serde_json::to_string(&report().load).unwrap();
        let all = vec![one; sessions].join(",");
        format!("{head}{load},\"sessions\":[{all}{rest}]}}")
    };
    let most = decode_report(with(REPORT_SESSIONS_MAX, "").as_bytes()).unwrap();
    assert_eq!(most.sessions.len(), REPORT_SESSIONS_MAX);
    // They need not even be sessions.
    let over = with(REPORT_SESSIONS_MAX, ",7,{},[[]]");
    let count = REPORT_SESSIONS_MAX + 3;
    assert_eq!(
        decode_report(over.as_bytes()),
        Err(ReportError::TooMany(SeenError::TooManySessions { count }))
    );
}
