use std::time::Duration;

use proptest::prelude::*;

use super::*;

// What Xvfb (X.Org 21.1) and its client said to one another, and a file that xauth wrote.
const SETUP_REQUEST: &[u8] = include_bytes!("../../tests/corpus/x11/setup-request.bin");
const SETUP_SUCCESS: &[u8] = include_bytes!("../../tests/corpus/x11/setup-success.bin");
const SETUP_FAILED: &[u8] = include_bytes!("../../tests/corpus/x11/setup-failed.bin");
const QUERY_EXTENSION: &[u8] = include_bytes!("../../tests/corpus/x11/query-extension.bin");
const PRESENT: &[u8] = include_bytes!("../../tests/corpus/x11/query-extension-present.bin");
const ABSENT: &[u8] = include_bytes!("../../tests/corpus/x11/query-extension-absent.bin");
const QUERY_INFO: &[u8] = include_bytes!("../../tests/corpus/x11/query-info.bin");
const INFO: &[u8] = include_bytes!("../../tests/corpus/x11/query-info-reply.bin");
const WRONG_DRAWABLE: &[u8] = include_bytes!("../../tests/corpus/x11/error-drawable.bin");
const AUTHORITY: &[u8] = include_bytes!("../../tests/corpus/x11/xauthority.bin");

const ROOT: u32 = 0x50d;
const OPCODE: u8 = 144;

/// The cookie of the captured session.
fn cookie() -> Cookie {
    Cookie::new(std::array::from_fn(|at| 0xa0 + u8::try_from(at).unwrap()))
}

fn question() -> IdleQuestion {
    IdleQuestion::new(cookie())
}

fn damaged(packet: &[u8], place: usize, value: u8) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[place] = value;
    packet
}

#[test]
fn a_question_is_asked_and_answered_as_it_was_captured() {
    let mut question = question();
    for (asked, answered) in [
        (SETUP_REQUEST, SETUP_SUCCESS),
        (QUERY_EXTENSION, PRESENT),
        (QUERY_INFO, INFO),
    ] {
        assert_eq!(question.answer(), None);
        assert_eq!(question.poll_transmit().unwrap().as_slice(), asked);
        assert_eq!(question.poll_transmit(), None);
        question.push(answered).unwrap();
    }
    assert_eq!(question.answer(), Some(Duration::from_millis(1_405)));
    assert_eq!(question.poll_transmit(), None);
    // What follows the answer does not matter.
    question.push(&[0xff; 100_000]).unwrap();
    assert!(question.received.is_empty());
}

#[test]
fn captured_messages_are_read_and_written() {
    let accepted = SetupReply::Accepted { root: ROOT };
    assert_eq!(SetupReply::decode(SETUP_SUCCESS), Ok(accepted));
    assert_eq!(SetupReply::decode(&accepted.encode()), Ok(accepted));
    assert_eq!(SetupReply::decode(SETUP_FAILED), Ok(SetupReply::Refused));
    let request = SetupRequest { cookie: cookie() }.encode();
    assert_eq!(request.len(), SetupRequest::LEN);
    let extension = ExtensionReply {
        opcode: Some(OPCODE),
    };
    assert_eq!(ExtensionReply::decode(PRESENT, 1), Ok(extension));
    assert_eq!(
        ExtensionReply::decode(&extension.encode(1), 1),
        Ok(extension)
    );
    // It was the fourth request of its connection.
    let absent = ExtensionReply { opcode: None };
    assert_eq!(ExtensionReply::decode(ABSENT, 4), Ok(absent));
    assert_eq!(absent.encode(4), ABSENT);
    let info = IdleInfo { idle_ms: 1_405 };
    assert_eq!(IdleInfo::decode(INFO, 2), Ok(info));
    let wrong = IdleInfo::decode(WRONG_DRAWABLE, 3);
    assert_eq!(wrong, Err(X11Error::Refused(9)));
}

#[test]
fn a_message_cut_at_any_length_is_refused_and_asks_for_more() {
    for whole in [SETUP_SUCCESS, SETUP_FAILED] {
        for len in 0..whole.len() {
            assert!(SetupReply::decode(&whole[..len]).is_err(), "{len}");
        }
        let longer = [whole, &[0]].concat();
        assert!(SetupReply::decode(&longer).is_err());
    }
    for whole in [PRESENT, INFO, WRONG_DRAWABLE] {
        for len in 0..whole.len() {
            assert!(ExtensionReply::decode(&whole[..len], 1).is_err(), "{len}");
            assert!(IdleInfo::decode(&whole[..len], 2).is_err(), "{len}");
        }
        assert!(IdleInfo::decode(&[whole, &[0]].concat(), 2).is_err());
    }
    let whole = [SETUP_SUCCESS, PRESENT, INFO].concat();
    let mut one_by_one = question();
    for len in 0..whole.len() {
        assert_eq!(one_by_one.answer(), None, "{len}");
        one_by_one.push(&whole[len..=len]).unwrap();
    }
    assert!(one_by_one.answer().is_some());
}

#[test]
fn a_server_that_does_not_let_in_or_has_no_screen_saver_is_asked_no_further() {
    let mut refused = question();
    assert_eq!(refused.push(SETUP_FAILED), Err(X11Error::NotLetIn));
    assert_eq!(refused.push(SETUP_SUCCESS), Err(X11Error::NotLetIn));
    let more = SetupReply::MoreWanted.encode();
    assert_eq!(question().push(&more), Err(X11Error::NotLetIn));
    let mut without = question();
    without.push(SETUP_SUCCESS).unwrap();
    let absent = ExtensionReply { opcode: None }.encode(1);
    assert_eq!(without.push(&absent), Err(X11Error::NoExtension));
    assert_eq!(without.answer(), None);
}

#[test]
fn damaged_answers_are_refused_with_what_is_wrong() {
    let setup = |place, value| SetupReply::decode(&damaged(SETUP_SUCCESS, place, value));
    assert_eq!(setup(0, 3), Err(X11Error::Status(3)));
    assert_eq!(setup(2, 12), Err(X11Error::Version(12)));
    assert_eq!(setup(28, 0), Err(X11Error::NoScreen));
    let len = SETUP_SUCCESS.len();
    assert_eq!(setup(25, 0xff), Err(X11Error::SetupLength(len)));
    let more = len + 4;
    let wrong = X11Error::Truncated {
        has: len,
        wants: more,
    };
    assert_eq!(setup(6, SETUP_SUCCESS[6] + 1), Err(wrong));
    let absurd = question().push(&[1, 0, 11, 0, 0, 0, 0xff, 0xff]);
    assert_eq!(absurd, Err(X11Error::SetupLength(8 + 4 * 0xffff)));
    let reason = SetupReply::decode(&damaged(SETUP_FAILED, 1, 33));
    assert_eq!(reason, Err(X11Error::SetupLength(40)));

    let info = |place, value| IdleInfo::decode(&damaged(INFO, place, value), 2);
    assert_eq!(info(1, 2), Err(X11Error::Value(2)));
    let wrong = X11Error::Sequence { has: 9, wants: 2 };
    assert_eq!(info(2, 9), Err(wrong));
    assert_eq!(info(0, 22), Err(X11Error::Kind(22)));
    assert_eq!(info(7, 0x7f), Err(X11Error::Length(4 * 0x7f00_0000)));
    let longer = [&damaged(INFO, 4, 1)[..], &[0; 4]].concat();
    assert_eq!(IdleInfo::decode(&longer, 2), Err(X11Error::Length(4)));
    let extension = |place, value| ExtensionReply::decode(&damaged(PRESENT, place, value), 1);
    assert_eq!(extension(8, 2), Err(X11Error::Value(2)));
    assert_eq!(extension(9, 98), Err(X11Error::Value(98)));
}

#[test]
fn events_are_passed_over_up_to_their_limit() {
    // MappingNotify, and one of the longest that can be longer.
    let event = damaged(&[0; PACKET_LEN], 0, 34);
    let mut long = damaged(&[0; PACKET_LEN_MAX], 0, 35);
    let more = u32::try_from((PACKET_LEN_MAX - PACKET_LEN) / 4).unwrap();
    long[4..8].copy_from_slice(&more.to_le_bytes());
    let mut asked = question();
    asked.push(SETUP_SUCCESS).unwrap();
    for _ in 0..PASSED_OVER_MAX / 2 {
        asked.push(&event).unwrap();
        asked.push(&long).unwrap();
    }
    asked.push(PRESENT).unwrap();
    let mut too_many = question();
    too_many.push(SETUP_SUCCESS).unwrap();
    let flood = event.repeat(usize::try_from(PASSED_OVER_MAX).unwrap() + 1);
    assert_eq!(too_many.push(&flood), Err(X11Error::PassedOver));
    assert_eq!(asked.push(&event), Err(X11Error::PassedOver));
    long[4..8].copy_from_slice(&(more + 1).to_le_bytes());
    let mut too_long = question();
    too_long.push(SETUP_SUCCESS).unwrap();
    let wrong = X11Error::Length(4 * u64::from(more + 1));
    assert_eq!(too_long.push(&long[..8]), Err(wrong));
}

/// `family address number name`, and the byte that the secret consists of.
fn file(entries: &[(u16, &str, &str, &[u8], u8)]) -> Vec<u8> {
    let mut file = Vec::new();
    for (family, address, number, name, byte) in entries {
        let entry = AuthorityEntry {
            family: *family,
            address: address.as_bytes(),
            number: number.as_bytes(),
            name,
            data: &[*byte; COOKIE_LEN],
        };
        entry.encode(&mut file).unwrap();
    }
    file
}

#[test]
fn the_cookie_is_that_of_the_machine_and_the_display() {
    assert_eq!(cookie_for(AUTHORITY, b"sh1", 10), Ok(Some(cookie())));
    // A machine that was renamed.
    assert_eq!(cookie_for(AUTHORITY, b"sh2", 10), Ok(Some(cookie())));
    for other in [1, 0, 11, 100] {
        assert_eq!(cookie_for(AUTHORITY, b"sh1", other), Ok(None), "{other}");
    }
    let many = file(&[
        (0, "h", "10", COOKIE_NAME, 1),
        (FAMILY_LOCAL, "h", "10", b"XDM-AUTHORIZATION-1", 2),
        (FAMILY_LOCAL, "other", "10", COOKIE_NAME, 3),
        (FAMILY_WILD, "", "", COOKIE_NAME, 4),
        (FAMILY_LOCAL, "h", "10", COOKIE_NAME, 5),
        (FAMILY_LOCAL, "h", "10", COOKIE_NAME, 6),
    ]);
    let found = |host: &[u8], display| cookie_for(&many, host, display).unwrap().unwrap();
    assert_eq!(found(b"h", 10).expose(), &[5; COOKIE_LEN]);
    assert_eq!(found(b"i", 10).expose(), &[4; COOKIE_LEN]);
    assert_eq!(found(b"h", 9).expose(), &[4; COOKIE_LEN]);
    assert_eq!(cookie_for(b"", b"h", 1), Ok(None));
    assert_eq!(format!("{:?}", found(b"h", 10)), "Cookie(…)");
}

#[test]
fn a_cookie_file_cut_at_any_length_ends_after_whole_entries_or_is_refused() {
    let mut whole = 0;
    for len in 0..=AUTHORITY.len() {
        let cut = &AUTHORITY[..len];
        let ends = entries(cut).unwrap().all(|entry| entry.is_ok());
        whole += usize::from(ends);
        assert_eq!(cookie_for(cut, b"sh1", 10).is_ok(), ends, "{len}");
    }
    // Nothing, the first entry, both.
    assert_eq!(whole, 3);
    let most = vec![0; AUTHORITY_LEN_MAX];
    let more = vec![0; AUTHORITY_LEN_MAX + 1];
    assert!(entries(&most).is_ok());
    let wrong = X11Error::AuthorityLength(AUTHORITY_LEN_MAX + 1);
    assert_eq!(cookie_for(&more, b"h", 1), Err(wrong));
    let long = vec![0; 65_536];
    let entry = AuthorityEntry {
        family: 0,
        address: &long,
        number: b"",
        name: b"",
        data: b"",
    };
    let mut out = Vec::new();
    assert_eq!(entry.encode(&mut out), Err(X11Error::TextLength(65_536)));
    assert!(out.is_empty());
}

#[test]
fn captured_bytes_hold_the_oracle() {
    for bytes in [
        SETUP_SUCCESS,
        SETUP_FAILED,
        PRESENT,
        ABSENT,
        INFO,
        WRONG_DRAWABLE,
        AUTHORITY,
    ] {
        crate::fuzzing::x11(bytes);
    }
    crate::fuzzing::x11(&[SETUP_SUCCESS, PRESENT, INFO].concat());
}

proptest! {
    #[test]
    fn any_idle_time_is_written_and_read(idle_ms: u32, sequence: u16, root: u32) {
        let info = IdleInfo { idle_ms };
        prop_assert_eq!(IdleInfo::decode(&info.encode(sequence), sequence), Ok(info));
        let setup = SetupReply::Accepted { root };
        prop_assert_eq!(SetupReply::decode(&setup.encode()), Ok(setup));
    }

    #[test]
    fn any_bytes_hold_the_oracle(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzzing::x11(&bytes);
        // Random bytes seldom pass the setup; give them a right one, too.
        let setup = SetupReply::Accepted { root: ROOT }.encode();
        crate::fuzzing::x11(&[&setup[..], &bytes].concat());
    }

    #[test]
    fn changed_answers_hold_the_oracle(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let setup = SetupReply::Accepted { root: ROOT }.encode();
        for whole in [[&setup[..], PRESENT, INFO].concat(), AUTHORITY.to_vec()] {
            let mut bytes = whole;
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            crate::fuzzing::x11(&bytes);
        }
    }
}
