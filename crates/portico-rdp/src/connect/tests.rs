use ironrdp_pdu::{
    gcc::ClientGccBlocks,
    mcs::{ConnectInitial, SendDataRequest},
    nego::SecurityProtocol,
    rdp::{ClientInfoPdu, client_info::ClientInfoFlags},
    x224::{X224, X224Data},
};

use super::*;
use crate::fuzzing::{connect_sequence, erect_to_join, rewrite, sample_rules};

const CHANNELS: [&str; 3] = ["rdpdr", "CLIPRDR", "drdynvc"];

fn sequence() -> Vec<u8> {
    connect_sequence(&CHANNELS).concat()
}

fn rewritten(clipboard: Clipboard) -> (ClientGccBlocks, ClientInfoPdu, Vec<u8>) {
    let (progress, output) = rewrite(
        sample_rules(clipboard),
        Security::HybridEx,
        &[&sequence(), b"after"],
    )
    .unwrap();
    assert_eq!(progress, Progress::Done);
    let mut rest = output.as_slice();
    let mut pdus = Vec::new();
    while let Some(len) = tpkt::len(rest).ok().flatten() {
        let (pdu, after) = rest.split_at(len);
        pdus.push(pdu);
        rest = after;
    }
    assert_eq!(rest, b"after");
    assert_eq!(pdus.len(), 6);
    for (out, sent) in pdus[1..5].iter().zip(erect_to_join()) {
        assert_eq!(*out, sent);
    }
    let blocks = blocks_of(pdus[0]);
    let X224(data) = ironrdp_core::decode::<X224<SendDataRequest<'_>>>(pdus[5]).unwrap();
    assert_eq!((data.initiator_id, data.channel_id), (1007, 1003));
    let info = ironrdp_core::decode::<ClientInfoPdu>(&data.user_data).unwrap();
    (blocks, info, output.to_vec())
}

fn blocks_of(connect_initial: &[u8]) -> ClientGccBlocks {
    let X224(data) = ironrdp_core::decode::<X224<X224Data<'_>>>(connect_initial).unwrap();
    let initial = ironrdp_core::decode::<ConnectInitial>(&data.data).unwrap();
    initial.conference_create_request.into_gcc_blocks()
}

fn channel_names(blocks: &ClientGccBlocks) -> Vec<String> {
    let network = blocks.network.as_ref().unwrap();
    let names = network.channels.iter().map(|channel| channel.name.as_str());
    names.map(|name| name.unwrap().to_owned()).collect()
}

#[test]
fn core_data_gets_the_real_security_and_keeps_what_is_the_clients() {
    let (blocks, _, output) = rewritten(Clipboard::Both);
    let optional = &blocks.core.optional_data;
    assert_eq!(
        optional.server_selected_protocol,
        Some(SecurityProtocol::HYBRID_EX)
    );
    let sent = connect_sequence(&[]);
    let initial = ironrdp_core::decode::<ConnectInitial>(&sent[0][7..]).unwrap();
    let sent = &initial.conference_create_request.gcc_blocks().core;
    assert_eq!(blocks.core.keyboard_layout, sent.keyboard_layout);
    assert_eq!(
        optional.high_color_depth,
        sent.optional_data.high_color_depth
    );
    assert_eq!(
        optional.early_capability_flags,
        sent.optional_data.early_capability_flags
    );
    assert_eq!(blocks.core.desktop_width, 1280);
    assert_eq!(blocks.core.client_name, "ironrdp-web");
    assert!(output.len() > 200);
}

#[test]
fn a_microphone_is_offered_only_when_the_policy_has_one() {
    let offer = |microphone| {
        let mut pdus = connect_sequence(&CHANNELS);
        let info = pdus.last_mut().unwrap();
        // Code page 0, then the flags (MS-RDPBCGR 2.2.1.11.1.1), whose third byte has the offer.
        let at = info
            .windows(8)
            .position(|window| window[..6] == [0x40, 0, 0, 0, 0, 0])
            .unwrap();
        info[at + 8 + 2] |= 0x20;
        let rules = sample_rules(Clipboard::Both).with_microphone(microphone);
        let (_, output) = rewrite(rules, Security::HybridEx, &[&pdus.concat()]).unwrap();
        let at = output
            .windows(8)
            .rposition(|window| window[..6] == [0x40, 0, 0, 0, 0, 0])
            .unwrap();
        output[at + 8 + 2] & 0x20 != 0
    };
    assert!(offer(Microphone::On));
    assert!(!offer(Microphone::Off));
}

#[test]
fn the_log_on_of_the_client_is_overwritten_not_merged() {
    let (_, info, output) = rewritten(Clipboard::Both);
    let info = info.client_info;
    assert_eq!(info.credentials.domain.as_deref(), Some("EX"));
    assert_eq!(info.credentials.username, "anna");
    assert_eq!(info.credentials.password, "pässwörd");
    assert_eq!(info.alternate_shell, "xterm -e top");
    assert_eq!(info.work_dir, "/srv");
    assert!(info.flags.contains(ClientInfoFlags::AUTOLOGON));
    assert!(info.flags.contains(ClientInfoFlags::MOUSE));
    assert!(!info.flags.contains(ClientInfoFlags::RAIL));
    assert_eq!(info.extra_info.address, "192.0.2.1");
    let optional = &info.extra_info.optional_data;
    assert!(optional.timezone().is_some());
    assert!(optional.performance_flags().is_some());
    assert!(optional.reconnect_cookie().is_none());
    for word in ["mallory", "guess", "EVIL", "evil"] {
        let utf16: Vec<u8> = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(!output.windows(utf16.len()).any(|part| part == utf16));
    }
}

#[test]
fn without_password_and_program_the_host_asks() {
    let account = Account::parse("anna").unwrap();
    let rules = ConnectRules::new(account, None, None, Clipboard::Both, [0; 7]).unwrap();
    let sequence = connect_sequence(&[]);
    let (_, output) = rewrite(rules, Security::Tls, &[&sequence.concat()]).unwrap();
    let info_at = sequence[..5].concat().len();
    let X224(data) = ironrdp_core::decode::<X224<SendDataRequest<'_>>>(&output[info_at..]).unwrap();
    let info = ironrdp_core::decode::<ClientInfoPdu>(&data.user_data)
        .unwrap()
        .client_info;
    assert_eq!(info.credentials.password, "");
    assert_eq!(info.credentials.domain, None);
    assert_eq!(info.alternate_shell, "");
    assert_eq!(info.work_dir, "");
    assert!(!info.flags.contains(ClientInfoFlags::AUTOLOGON));
}

#[test]
fn the_clipboard_channel_is_closed_by_every_policy_but_both() {
    for clipboard in [
        Clipboard::Both,
        Clipboard::None,
        Clipboard::ToHost,
        Clipboard::FromHost,
    ] {
        let (blocks, _, _) = rewritten(clipboard);
        let names = channel_names(&blocks);
        let clipboard_name = if clipboard == Clipboard::Both {
            "CLIPRDR"
        } else {
            "hhhhhh1"
        };
        // No drive and no printer is allowed here, so their channel is closed as well.
        assert_eq!(names, ["hhhhhh0", clipboard_name, "drdynvc"]);
    }
}

#[test]
fn the_channel_of_drives_and_printers_is_open_when_one_of_them_is_allowed() {
    for (drive, printer, expected) in [
        (Drive::Off, Printer::Off, "hhhhhh0"),
        (Drive::Read, Printer::Off, "rdpdr"),
        (Drive::ReadWrite, Printer::Off, "rdpdr"),
        (Drive::Off, Printer::On, "rdpdr"),
    ] {
        let rules = sample_rules(Clipboard::None).with_devices(drive, printer);
        let (_, output) = rewrite(rules, Security::Tls, &[&sequence()]).unwrap();
        let len = tpkt::len(&output).unwrap().unwrap();
        let names = channel_names(&blocks_of(&output[..len]));
        assert_eq!(
            names,
            [expected, "hhhhhh1", "drdynvc"],
            "{drive:?} {printer:?}"
        );
    }
}

#[test]
fn a_client_does_not_name_a_session_of_the_host() {
    let (blocks, _, _) = rewritten(Clipboard::Both);
    let cluster = blocks.cluster.unwrap();
    assert_eq!(cluster.redirected_session_id, 0);
    let flags = format!("{:?}", cluster.flags);
    assert!(!flags.contains("SESSION_FIELD_VALID"), "{flags}");
}

#[test]
fn the_outcome_is_the_same_when_the_stream_is_cut_anywhere() {
    let sequence = [sequence(), b"more".to_vec()].concat();
    let rules = || sample_rules(Clipboard::None);
    let whole = rewrite(rules(), Security::Tls, &[&sequence]).unwrap();
    for cut in 0..sequence.len() {
        let (front, back) = sequence.split_at(cut);
        let outcome = rewrite(rules(), Security::Tls, &[front, back]).unwrap();
        assert!(outcome == whole, "{cut}");
    }
    let bytes: Vec<&[u8]> = sequence.chunks(1).collect();
    assert!(rewrite(rules(), Security::Tls, &bytes).unwrap() == whole);
}

#[test]
fn a_sequence_cut_short_waits_and_gives_only_whole_pdus() {
    let sequence = connect_sequence(&CHANNELS);
    let ends: Vec<usize> = sequence
        .iter()
        .scan(0, |end, pdu| {
            *end += pdu.len();
            Some(*end)
        })
        .collect();
    let bytes = sequence.concat();
    for len in 0..bytes.len() {
        let rules = sample_rules(Clipboard::Both);
        let (progress, output) = rewrite(rules, Security::Tls, &[&bytes[..len]]).unwrap();
        assert_eq!(progress, Progress::More);
        let whole = ends.iter().filter(|end| **end <= len).max().unwrap_or(&0);
        assert_eq!(output.len(), *whole, "{len}");
    }
}

fn error_of(bytes: &[u8]) -> RewriteError {
    rewrite(sample_rules(Clipboard::None), Security::Tls, &[bytes]).unwrap_err()
}

#[test]
fn other_pdus_than_those_of_the_sequence_are_refused() {
    let parts = connect_sequence(&CHANNELS);
    // Client Info before Connect Initial.
    assert!(matches!(
        error_of(&parts[5]),
        RewriteError::Unexpected { .. }
    ));
    // Connect Initial twice.
    let twice = [parts[0].clone(), parts[0].clone()].concat();
    assert!(matches!(error_of(&twice), RewriteError::Unexpected { .. }));
    // Data that is no Client Info.
    let mut data = parts[5].clone();
    data[15] = 0;
    let sequence = [parts[0].clone(), data].concat();
    assert!(matches!(
        error_of(&sequence),
        RewriteError::Unexpected { .. }
    ));
    // Fast-path input, and plain HTTP.
    assert!(matches!(
        error_of(&[0x44, 0x04, 0, 0]),
        RewriteError::Unexpected { .. }
    ));
    assert!(matches!(
        error_of(b"GET /"),
        RewriteError::Unexpected { .. }
    ));
}

#[test]
fn limits_hold() {
    let parts = connect_sequence(&CHANNELS);
    let mut joins = parts[0].clone();
    for _ in 0..PDUS_BETWEEN_MAX {
        joins.extend_from_slice(&parts[3]);
    }
    let rules = sample_rules(Clipboard::None);
    assert!(rewrite(rules, Security::Tls, &[&joins]).is_ok());
    joins.extend_from_slice(&parts[3]);
    assert_eq!(error_of(&joins), RewriteError::Limit);
    assert_eq!(error_of(&[3, 0, 0xff, 0xff]), RewriteError::Limit);
    assert_eq!(
        error_of(&[3, 0, 0, 4]),
        RewriteError::Malformed { part: "TPKT" }
    );
}

#[test]
fn a_changed_length_anywhere_is_refused() {
    let parts = connect_sequence(&CHANNELS);
    // Offsets of lengths in the Connect Initial are found by trying: each byte raised by one
    // either is refused or leaves the walk alone, but never moves it to other blocks.
    let expected = rewrite(
        sample_rules(Clipboard::None),
        Security::Tls,
        &[&parts[0].clone()],
    )
    .unwrap()
    .1;
    for at in 7..parts[0].len() {
        let mut changed = parts[0].clone();
        changed[at] = changed[at].wrapping_add(1);
        let rules = sample_rules(Clipboard::None);
        if let Ok((_, output)) = rewrite(rules, Security::Tls, &[&changed]) {
            let differing = output
                .iter()
                .zip(expected.iter())
                .filter(|(out, expected)| out != expected)
                .count();
            assert!(differing <= 8 + 8 + 4, "{at}: {differing}");
        }
    }
}

#[test]
fn a_second_core_or_network_block_is_refused() {
    let mut pdu = connect_sequence(&CHANNELS).remove(0);
    let security_at = pdu
        .windows(4)
        .position(|part| part == [0x02, 0xc0, 12, 0])
        .unwrap();
    pdu[security_at] = 0x01; // another CS_CORE
    assert_eq!(
        error_of(&pdu),
        RewriteError::Malformed {
            part: "MCS Connect Initial"
        }
    );
    pdu[security_at] = 0x03; // another CS_NET, and a malformed one
    assert!(matches!(error_of(&pdu), RewriteError::Malformed { .. }));
}

#[test]
fn fields_beyond_the_pdu_are_refused_before_connecting() {
    let rules = |program: &str| {
        ConnectRules::new(
            Account::parse("anna").unwrap(),
            None,
            Some(&Program {
                command: program.into(),
                work_dir: String::new(),
            }),
            Clipboard::Both,
            [0; 7],
        )
    };
    assert!(rules(&"x".repeat(255)).is_ok());
    assert_eq!(
        rules(&"x".repeat(256)).err(),
        Some(FieldError::TooLong {
            field: "program",
            units: 256
        })
    );
}
