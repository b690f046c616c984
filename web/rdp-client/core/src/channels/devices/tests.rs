//! The channel of devices, with messages as a host sends them, made here byte by byte: no host of
//! the lab knows printers.

use std::sync::mpsc::Receiver;

use super::*;

#[test]
fn names_of_drives_stand_in_paths() {
    for (name, expected) in [
        ("Projekte 2026", "Projekte 2026"),
        ("a/b\\c:d", "abcd"),
        ("..", "Portico"),
        ("", "Portico"),
        ("x\n", "x"),
    ] {
        assert_eq!(drive_name(name), expected);
    }
    assert_eq!(drive_name(&"n".repeat(1000)).len(), DRIVE_NAME_LEN_MAX);
}

#[test]
fn requests_to_a_drive_that_is_gone_are_refused_and_others_are_not() {
    let request = [
        b"rDRI".as_slice(),
        &[5, 0, 0, 0],
        &[0; 4],
        &[9, 0, 0, 0],
        &[0; 8],
    ]
    .concat();
    let refusal = refusal_for_gone(&request, &[4, 5]).unwrap();
    let bytes = refusal.encode_unframed_pdu().unwrap();
    assert_eq!(
        bytes,
        [
            b"rDCI".as_slice(),
            &[5, 0, 0, 0, 9, 0, 0, 0, 0x0E, 0, 0, 0xC0],
            &[0; 5]
        ]
        .concat()
    );
    assert!(refusal_for_gone(&request, &[4]).is_none());
    for len in 0..16 {
        assert!(refusal_for_gone(&request[..len], &[5]).is_none());
    }
}

/// General, printer and drive capabilities (MS-RDPEFS 2.2.2.7).
const CAPABILITIES: [u8; 68] = {
    let mut bytes = [0; 68];
    let head = *b"rDPS\x03\0\0\0\x01\0\x2C\0\x02\0\0\0";
    let mut at = 0;
    while at < head.len() {
        bytes[at] = head[at];
        at += 1;
    }
    // Protocol 1.12, all requests, all three extended PDUs.
    bytes[24] = 1;
    bytes[26] = 12;
    bytes[28] = 0xFF;
    bytes[29] = 0xFF;
    bytes[36] = 7;
    let devices = *b"\x02\0\x08\0\x01\0\0\0\x04\0\x08\0\x02\0\0\0";
    at = 0;
    while at < devices.len() {
        bytes[52 + at] = devices[at];
        at += 1;
    }
    bytes
};

struct Host {
    devices: Devices,
    notices: Receiver<Notice>,
}

impl Host {
    /// A host that has got through the beginning with a client of these settings.
    fn new(settings: &str) -> Self {
        let json = format!(r#"{{"ticket":"t","width":800,"height":600,{settings}}}"#);
        let settings = Settings::from_json(&json).unwrap();
        let (outlet, notices) = Outlet::new();
        let devices = channel(&settings, &outlet).unwrap();
        let mut host = Self { devices, notices };
        host.says(b"rDnI\x01\0\x0C\0\x07\0\0\0");
        host.says(&CAPABILITIES);
        host.says(b"rDCC\x01\0\x0C\0\x07\0\0\0");
        host
    }

    fn says(&mut self, message: &[u8]) -> Vec<Vec<u8>> {
        bytes(self.devices.process(message).unwrap())
    }

    fn requests(&mut self, device: u32, file: u32, major: u32, rest: &[u8]) -> Vec<Vec<u8>> {
        let numbers = [device, file, 9, major, 0].map(u32::to_le_bytes).concat();
        self.says(&[b"rDRI", &numbers[..], rest].concat())
    }

    fn files(&self) -> Vec<(FileEvent, Vec<u8>)> {
        self.notices
            .try_iter()
            .filter_map(|notice| match notice {
                Notice::Files(event, bytes) => Some((event, bytes)),
                _ => None,
            })
            .collect()
    }

    fn states(&self) -> Vec<DriveState> {
        self.files()
            .into_iter()
            .filter_map(|(event, _)| match event {
                FileEvent::DriveState { state } => Some(state),
                _ => None,
            })
            .collect()
    }
}

fn bytes(messages: Vec<SvcMessage>) -> Vec<Vec<u8>> {
    messages
        .iter()
        .map(|message| message.encode_unframed_pdu().unwrap())
        .collect()
}

fn has(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}

/// Body of a request to open something (MS-RDPEFS 2.2.1.4.1).
fn opening(path: &str) -> Vec<u8> {
    let path: Vec<u8> = path
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    let path = if path.len() == 2 { Vec::new() } else { path };
    let mut body = vec![0; 28];
    // Read; open what is there.
    body[3] = 0x80;
    body[20] = 1;
    body.extend(u32::try_from(path.len()).unwrap().to_le_bytes());
    body.extend(path);
    body
}

#[test]
fn a_drive_is_announced_when_it_is_added_and_its_requests_reach_the_worker() {
    let mut host = Host::new(r#""drive":"read-write""#);
    host.says(b"rDLU");
    assert_eq!(host.states(), [DriveState::Ready]);
    let announced = bytes(host.devices.add_drive("Ordner", true)).concat();
    assert!(has(
        &announced,
        b"rDAD\x01\0\0\0\x08\0\0\0\x02\0\0\0Ordner\0\0"
    ));
    host.says(b"rDrd\x02\0\0\0\0\0\0\0");
    assert_eq!(host.states(), [DriveState::Accepted]);

    assert!(host.requests(2, 0, 0, &opening("\\a.txt")).is_empty());
    let files = host.files();
    let [(FileEvent::DriveRequest(request), _)] = &files[..] else {
        panic!("{files:?}");
    };
    let entry = DriveAnswer::from_json(r#"{"entry":{"kind":"file"}}"#);
    let opened = bytes(host.devices.answer(request.id, entry, Vec::new())).concat();
    assert_eq!(opened, b"rDCI\x02\0\0\0\x09\0\0\0\0\0\0\0\x01\0\0\0\x01");

    // Another folder takes its place under another number; the old one is refused.
    let again = bytes(host.devices.add_drive("Other", true)).concat();
    assert!(has(&again, b"rDMD\x01\0\0\0\x02\0\0\0"), "the old one goes");
    assert!(has(&again, b"\x03\0\0\0Other"), "the new one comes");
    let refused = host.requests(2, 1, 2, &[0; 32]).concat();
    assert_eq!(refused[12..16], [0x0E, 0, 0, 0xC0]);
}

#[test]
fn a_folder_that_was_added_before_the_host_was_ready_is_announced_after_the_sign_in() {
    let mut host = Host::new(r#""drive":"read""#);
    assert!(host.devices.add_drive("Early", true).is_empty());
    let announced = host.says(b"rDLU").concat();
    assert!(has(&announced, b"Early"));
}

#[test]
fn a_policy_that_only_reads_wins_over_a_person_who_lets_write() {
    let mut host = Host::new(r#""drive":"read""#);
    host.says(b"rDLU");
    host.devices.add_drive("x", true);
    host.says(b"rDrd\x02\0\0\0\0\0\0\0");
    host.files();
    let mut body = opening("\\a");
    body[3] = 0x40; // GENERIC_WRITE
    let refused = host.requests(2, 0, 0, &body).concat();
    assert_eq!(refused[12..16], [0x22, 0, 0, 0xC0]);
    assert!(host.files().is_empty());
}

#[test]
fn there_is_no_channel_without_a_device_and_no_drive_without_its_policy() {
    let settings = Settings::from_json(r#"{"ticket":"t","width":800,"height":600}"#).unwrap();
    assert!(channel(&settings, &Outlet::new().0).is_none());
    let mut host = Host::new(r#""printer":true"#);
    host.says(b"rDLU");
    assert!(host.devices.add_drive("x", true).is_empty());
}

#[test]
fn a_host_that_does_not_take_the_folder_is_told_of() {
    let mut host = Host::new(r#""drive":"read""#);
    host.says(b"rDLU");
    host.devices.add_drive("x", true);
    host.files();
    host.says(b"rDrd\x02\0\0\0\x01\0\0\xC0");
    assert_eq!(host.states(), [DriveState::Refused]);
}

#[test]
fn a_host_that_breaks_the_rules_loses_its_devices_and_nothing_else() {
    for message in [
        &b"rDRI\x02"[..],
        b"xxxx",
        b"",
        b"rDrd\x63\0\0\0\0\0\0\0",
        &CAPABILITIES,
        &vec![0; DEVICE_MESSAGE_MAX + 1],
    ] {
        let mut host = Host::new(r#""drive":"read-write","printer":true"#);
        host.says(b"rDLU");
        host.devices.add_drive("x", true);
        host.files();
        assert!(host.says(message).is_empty());
        assert_eq!(
            host.states(),
            [DriveState::Broken],
            "{:?}",
            message.get(..20)
        );
        assert!(host.requests(2, 0, 0, &opening("\\a")).is_empty());
        assert!(host.devices.add_drive("y", true).is_empty());
    }
}

#[test]
fn messages_that_are_cut_anywhere_do_no_more_harm() {
    let whole = [
        b"rDRI",
        &[2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0][..],
        &[0; 8],
        &opening("\\a"),
    ]
    .concat();
    for len in 0..whole.len() {
        let mut host = Host::new(r#""drive":"read""#);
        host.says(b"rDLU");
        host.devices.add_drive("x", true);
        host.says(whole.get(..len).unwrap());
        assert_eq!(host.states().last(), Some(&DriveState::Broken), "{len}");
    }
}

#[test]
fn a_print_job_comes_to_the_worker_when_it_is_complete() {
    let mut host = Host::new(r#""printer":true"#);
    let announced = host.says(b"rDLU").concat();
    let driver: Vec<u8> = PRINTER_DRIVER
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(has(&announced, b"PRN1") && has(&announced, &driver));
    host.says(b"rDrd\x01\0\0\0\0\0\0\0");
    let opened = host.requests(1, 0, 0, &opening("")).concat();
    assert_eq!(opened[12..20], [0, 0, 0, 0, 1, 0, 0, 0]);
    for part in [b"%!PS-Adobe-3.0\n", b"(text) show\n   "] {
        let mut body = u32::try_from(part.len()).unwrap().to_le_bytes().to_vec();
        body.extend([0; 28]);
        body.extend(part);
        let written = host.requests(1, 1, 4, &body).concat();
        assert_eq!(written[12..20], [0, 0, 0, 0, 15, 0, 0, 0]);
    }
    host.files();
    host.requests(1, 1, 2, &[0; 32]);
    let job = b"%!PS-Adobe-3.0\n(text) show\n   ".to_vec();
    assert_eq!(
        host.files(),
        [(FileEvent::PrintJob { complete: true }, job)]
    );
}
