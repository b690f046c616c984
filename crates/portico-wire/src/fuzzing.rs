//! Bodies of the fuzz targets: each takes any bytes and checks what must always hold. The targets
//! in `fuzz/` call them, and so do tests with seeded mutations, where no fuzzer runs.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken oracle must stop the fuzzer"
)]

use crate::agent::{
    EnrollmentAnswer, EnrollmentRequest, FrameDecoder, Head, HostPorts, JoinToken, Message,
    PortsParts, ReportError, ToAgent, ToBroker, captured_udp, decode, decode_report, encode, head,
};
use crate::probe;
use crate::terminal::{self, EngineFrame, ViewerFrame, framing, header};
use crate::websocket::{Decoder, Event, FrameHeader, HEADER_LEN_MAX, Role};
use crate::x11::{self, ExtensionReply, IdleInfo, IdleQuestion, SetupReply};
use crate::x224::{ConnectionConfirm, ConnectionRequest, PACKET_LEN_MAX, frame_len};

/// Terminal frames: what is decoded encodes to the same bytes, and a stream of frames ends.
pub fn terminal(bytes: &[u8]) {
    let mut again = Vec::new();
    if let Ok(frame) = ViewerFrame::decode(bytes) {
        frame.encode(&mut again).unwrap();
        assert_eq!(again, bytes);
    }
    again.clear();
    if let Ok(frame) = EngineFrame::decode(bytes) {
        frame.encode(&mut again).unwrap();
        assert_eq!(again, bytes);
    }
    if let Ok(header::Header::Open(open)) = header::Header::decode(bytes) {
        // Written again it can be a little longer, because what was left out is written as null.
        if let Ok(frame) = open.encode() {
            assert!(header::Header::decode(&frame).is_ok());
        }
    }
    let _ = header::Answer::decode(bytes);
    let mut rest = bytes;
    while let Ok(Some((frame, taken))) = framing::split(rest, terminal::VIEWER_FRAME_LEN_MAX) {
        assert_eq!(taken, frame.len() + framing::LENGTH_LEN);
        let Some(next) = rest.get(taken..) else {
            panic!("a frame of {taken} bytes in {}", rest.len());
        };
        rest = next;
    }
}

/// Frames and messages of the agent link and of enrollment, and join tokens: what frames come out
/// does not depend on how the bytes are cut, what is read is written so that it is read the same,
/// and the head of a message says what the whole of it says.
pub fn agent(bytes: &[u8]) {
    let whole = agent_frames(&[bytes]);
    for cut in [1, bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let (front, back) = bytes.split_at(cut.min(bytes.len()));
        assert_eq!(agent_frames(&[front, back]), whole, "cut at {cut}");
    }
    for frame in whole.0.iter().map(Vec::as_slice).chain([bytes]) {
        agent_message::<ToBroker>(frame);
        agent_head(frame);
        agent_message::<ToAgent>(frame);
        agent_message::<EnrollmentRequest>(frame);
        agent_message::<EnrollmentAnswer>(frame);
    }
    host_ports(bytes);
    for is_ipv4 in [true, false] {
        if let Some((_, payload)) = captured_udp(is_ipv4, bytes) {
            assert!(payload.len() + 8 <= bytes.len());
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(token) = JoinToken::parse(text)
    {
        let again = JoinToken::parse(token.to_text().expose()).unwrap();
        assert_eq!(again.to_text().expose(), token.to_text().expose());
    }
}

/// What a host tells of its rules and listeners: what is read comes out of its parts as it was.
fn host_ports(bytes: &[u8]) {
    let Ok(read) = HostPorts::read(bytes) else {
        return;
    };
    let mut parts = PortsParts::default();
    for part in read.parts(1) {
        // What was read from few bytes can be written with more, but never too many for an answer.
        if let Some(document) = parts.take(part).unwrap() {
            assert_eq!(HostPorts::read(&document), Ok(read));
            return;
        }
    }
    panic!("no part was the last");
}

fn agent_frames(parts: &[&[u8]]) -> (Vec<Vec<u8>>, Option<crate::agent::FrameError>) {
    let (mut decoder, mut frames) = (FrameDecoder::new(), Vec::new());
    for part in parts {
        decoder.push(part);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn agent_message<M: Message>(frame: &[u8]) {
    let Ok(message) = decode::<M>(frame) else {
        return;
    };
    // Written again it can be a little longer, because what was left out is written as null.
    if let Ok(written) = encode(&message) {
        let json = written.get(crate::agent::LENGTH_LEN..).unwrap();
        assert_eq!(encode(&decode::<M>(json).unwrap()).unwrap(), written);
    }
}

fn agent_head(frame: &[u8]) {
    let (head, whole) = (head(frame), decode::<ToBroker>(frame));
    match head {
        Ok(Head::Report { number }) => {
            // A kind that stands twice is an error of the whole message, and passed over here.
            let Ok(ToBroker::Report(report)) = whole else {
                return;
            };
            assert!(number.is_none_or(|number| number == report.number));
            match decode_report(frame) {
                Ok(same) => assert_eq!(same, report),
                Err(error) => assert!(matches!(error, ReportError::TooMany(_)), "{error}"),
            }
        }
        Ok(Head::Ports) => assert!(matches!(whole, Ok(ToBroker::Ports(_)) | Err(_))),
        Ok(Head::Other) => assert!(!matches!(
            whole,
            Ok(ToBroker::Report(_) | ToBroker::Ports(_))
        )),
        Err(_) => {}
    }
    if let Ok(message) = decode::<ToBroker>(frame)
        && let Ok(written) = encode(&message)
    {
        let json = written.get(crate::agent::LENGTH_LEN..).unwrap();
        let of_own = crate::agent::head(json).unwrap();
        let wanted = match message {
            ToBroker::Report(report) => Head::Report {
                number: Some(report.number),
            },
            ToBroker::Ports(_) => Head::Ports,
            _ => Head::Other,
        };
        assert_eq!(of_own, wanted);
    }
}

/// X.224 negotiation: what is read is written so that it is read the same, and a length that is
/// given is within the limit.
pub fn x224(bytes: &[u8]) {
    if let Ok(Some(len)) = frame_len(bytes) {
        assert!(len <= PACKET_LEN_MAX);
    }
    if let Ok(request) = ConnectionRequest::decode(bytes) {
        let again = request.encode().unwrap();
        assert_eq!(ConnectionRequest::decode(&again), Ok(request));
    }
    if let Ok(confirm) = ConnectionConfirm::decode(bytes) {
        assert_eq!(ConnectionConfirm::decode(&confirm.encode()), Ok(confirm));
    }
}

/// Answers of X servers and cookie files: what comes of a question does not depend on how the bytes
/// are cut, a length that is given is within its limit, and what is read is written so that it is
/// read the same.
pub fn x11(bytes: &[u8]) {
    if let Ok(Some(len)) = x11::setup_len(bytes) {
        assert!(len <= x11::SETUP_LEN_MAX);
    }
    if let Ok(Some(len)) = x11::packet_len(bytes) {
        assert!((x11::PACKET_LEN..=x11::PACKET_LEN_MAX).contains(&len));
    }
    if let Ok(reply) = SetupReply::decode(bytes) {
        assert_eq!(SetupReply::decode(&reply.encode()), Ok(reply));
    }
    for sequence in [1, 2] {
        if let Ok(reply) = ExtensionReply::decode(bytes, sequence) {
            let again = reply.encode(sequence);
            assert_eq!(ExtensionReply::decode(&again, sequence), Ok(reply));
        }
        if let Ok(info) = IdleInfo::decode(bytes, sequence) {
            assert_eq!(IdleInfo::decode(&info.encode(sequence), sequence), Ok(info));
        }
    }
    let whole = x11_answer(&[bytes]);
    for cut in [
        1,
        bytes.len() / 3,
        bytes.len() / 2,
        bytes.len().saturating_sub(1),
    ] {
        let (front, back) = bytes.split_at(cut.min(bytes.len()));
        assert_eq!(x11_answer(&[front, back]), whole, "cut at {cut}");
    }
    x11_authority(bytes);
}

fn x11_answer(parts: &[&[u8]]) -> Result<Option<std::time::Duration>, x11::X11Error> {
    let mut question = IdleQuestion::new(x11::Cookie::new([7; x11::COOKIE_LEN]));
    for part in parts {
        question.push(part)?;
    }
    Ok(question.answer())
}

fn x11_authority(bytes: &[u8]) {
    let Ok(entries) = x11::entries(bytes) else {
        return;
    };
    let (mut again, mut is_whole) = (Vec::new(), true);
    for entry in entries {
        match entry {
            Ok(entry) => entry.encode(&mut again).unwrap(),
            Err(_) => is_whole = false,
        }
    }
    assert_eq!(bytes.get(..again.len()), Some(again.as_slice()));
    assert_eq!(is_whole, again.len() == bytes.len());
    let cookie = x11::cookie_for(bytes, b"host", 10);
    assert_eq!(cookie.is_ok(), is_whole);
    if let Ok(Some(cookie)) = cookie {
        let is_there = |found: &[u8]| found == cookie.expose();
        assert!(bytes.windows(x11::COOKIE_LEN).any(is_there));
    }
}

/// WebSocket frames: what the decoder makes of bytes does not depend on how they are cut, it hands
/// out no more than it was given, and a header that is read is written the same.
pub fn websocket(bytes: &[u8]) {
    if let Ok(Some((header, taken))) = FrameHeader::decode(bytes) {
        assert!(taken <= HEADER_LEN_MAX);
        assert_eq!(header.encode().as_ref(), bytes.get(..taken).unwrap());
    }
    let whole = websocket_events(&[bytes]);
    assert!(whole.1 <= bytes.len(), "more payload than bytes");
    for cut in [
        1,
        bytes.len() / 3,
        bytes.len() / 2,
        bytes.len().saturating_sub(1),
    ] {
        let (front, back) = bytes.split_at(cut.min(bytes.len()));
        assert_eq!(websocket_events(&[front, back]), whole, "cut at {cut}");
    }
}

/// Events with the parts of each message joined, how much payload they have, and the error.
fn websocket_events(
    parts: &[&[u8]],
) -> (Vec<String>, usize, Option<crate::websocket::DecodeError>) {
    let mut decoder = Decoder::new(Role::Server, 1 << 20);
    let (mut events, mut message, mut payload_len) = (Vec::new(), Vec::new(), 0);
    for part in parts {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        loop {
            match decoder.decode(&mut input) {
                Ok(None) => break,
                Err(error) => return (events, payload_len, Some(error)),
                Ok(Some(Event::Data { kind, payload, end })) => {
                    payload_len += payload.len();
                    message.extend_from_slice(payload);
                    if end {
                        events.push(format!("{kind:?} {:?}", std::mem::take(&mut message)));
                    }
                }
                Ok(Some(Event::Ping(payload))) => {
                    events.push(format!("ping {:?}", payload.as_ref()))
                }
                Ok(Some(Event::Pong(payload))) => {
                    events.push(format!("pong {:?}", payload.as_ref()))
                }
                Ok(Some(Event::Close(frame))) => events.push(format!("{frame:?}")),
            }
        }
    }
    (events, payload_len, None)
}

/// Answers to the probes, of any service to any question: everything that comes out is printable
/// and bounded, a stream that has ended and a datagram always have a verdict, and so has an endless
/// stream once its limit is reached.
pub fn probe(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let all = probe::Service::ALL;
    let service = *all.get(usize::from(*first) % all.len()).unwrap();
    for over in service.carriers() {
        for secret in [None, Some(portico_model::Secret::new("secret".into()))] {
            probe_answer(
                &probe::Ask {
                    service,
                    over: *over,
                    host: "host.example".into(),
                    nonce: *b"Portico!",
                    now_unix_ms: 0,
                    secret,
                    own_address: None,
                },
                bytes,
            );
        }
    }
}

fn probe_answer(ask: &probe::Ask, bytes: &[u8]) {
    let begin = || probe::Conversation::new(ask.clone());
    assert_ne!(probe_turn(begin().datagram(bytes)), probe::Turn::Listen);
    let mut whole = begin();
    let mut rest = bytes;
    // Each step has an answer of its own: the bytes are cut where the server may cut them.
    for len in [1, 3, 12, bytes.len()] {
        let (front, back) = rest.split_at(len.min(rest.len()));
        match probe_turn(whole.hear(front)) {
            probe::Turn::Listen | probe::Turn::Say(_) => rest = back,
            _ => return,
        }
    }
    assert_ne!(probe_turn(whole.ended()), probe::Turn::Listen);
    let mut endless = begin();
    for _ in 0..=probe::ANSWER_LEN_MAX / bytes.len().max(1) {
        if probe_turn(endless.hear(bytes)) != probe::Turn::Listen {
            break;
        }
    }
    assert!(endless.heard().len() <= probe::ANSWER_LEN_MAX + bytes.len());
}

fn probe_turn(turn: probe::Turn) -> probe::Turn {
    let text = match &turn {
        probe::Turn::Proven(proof) => &proof.evidence,
        probe::Turn::Unproven(why) => why,
        probe::Turn::Wrong(wrong) => &wrong.said,
        probe::Turn::Listen | probe::Turn::Say(_) => return turn,
    };
    assert!(
        text.chars().all(|c| c == '…' || matches!(c, ' '..='~')),
        "{text:?}"
    );
    assert!(
        text.len() <= 32 * probe::SHOWN_LEN_MAX,
        "{} bytes",
        text.len()
    );
    turn
}
