//! RADIUS (RFC 2865, 2866): Status-Server (RFC 5997), which asks only whether the server is there,
//! and an Access-Request of nobody for servers that do not know it. What is not signed with the
//! shared secret is dropped without a word, and every answer is signed with it.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use super::{Ask, Heard, OWN_NAME, Over, Reading, Service, pdu::u16_be, shown};

const ACCESS_REQUEST: u8 = 1;
const ACCESS_ACCEPT: u8 = 2;
const ACCESS_REJECT: u8 = 3;
const ACCOUNTING_RESPONSE: u8 = 5;
const ACCESS_CHALLENGE: u8 = 11;
const STATUS_SERVER: u8 = 12;

const USER_NAME: u8 = 1;
const USER_PASSWORD: u8 = 2;
const REPLY_MESSAGE: u8 = 18;
const NAS_IDENTIFIER: u8 = 32;
const MESSAGE_AUTHENTICATOR: u8 = 80;

const HEAD_LEN: usize = 20;
/// RFC 2865 §3.
const PACKET_LEN_MAX: usize = 4096;

type Sum = [u8; 16];

fn sum(parts: &[&[u8]]) -> Sum {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part);
    }
    md5.finalize().into()
}

/// The shared secret; without one nobody knows what it is, and the nonce is no better or worse than
/// anything else.
fn secret(ask: &Ask) -> &[u8] {
    match &ask.secret {
        Some(secret) => secret.expose().as_bytes(),
        None => &ask.nonce,
    }
}

/// One of the two questions that are asked.
struct Question<'a> {
    ask: &'a Ask,
    code: u8,
}

impl Question<'_> {
    fn id(&self) -> u8 {
        self.ask.nonce[0].wrapping_add(self.code)
    }

    /// Request Authenticator.
    fn authenticator(&self) -> Sum {
        sum(&[&self.ask.nonce, &[self.code]])
    }

    fn encode(&self) -> Vec<u8> {
        let authenticator = self.authenticator();
        // Zero where it stands while it is made (RFC 2869 §5.14), and first of all: servers that
        // guard against forged answers want it there.
        let mut attributes = attribute(MESSAGE_AUTHENTICATOR, &[0; 16]);
        attributes.extend(attribute(NAS_IDENTIFIER, OWN_NAME.as_bytes()));
        if self.code == ACCESS_REQUEST {
            attributes.extend(attribute(USER_NAME, OWN_NAME.as_bytes()));
            // Sixteen characters that nobody has for a password, hidden as RFC 2865 §5.2 says.
            let hex: String = self.ask.nonce.iter().map(|b| format!("{b:02x}")).collect();
            let pad = sum(&[secret(self.ask), &authenticator]);
            let hidden = hex.bytes().zip(pad).map(|(byte, pad)| byte ^ pad);
            let hidden: Vec<u8> = hidden.collect();
            attributes.extend(attribute(USER_PASSWORD, &hidden));
        }
        let len = u16::try_from(HEAD_LEN + attributes.len()).unwrap_or(u16::MAX);
        let mut out = vec![self.code, self.id()];
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&authenticator);
        out.extend_from_slice(&attributes);
        if let Ok(mut mac) = Hmac::<Md5>::new_from_slice(secret(self.ask)) {
            mac.update(&out);
            let signature = mac.finalize().into_bytes();
            let place = out.iter_mut().skip(HEAD_LEN + 2);
            place.zip(signature).for_each(|(to, from)| *to = from);
        }
        out
    }

    /// Codes that answer it: Status-Server has the ones of the port that it came to (RFC 5997 §3).
    fn is_answered_by(&self, code: u8) -> bool {
        match self.code {
            ACCESS_REQUEST => matches!(code, ACCESS_ACCEPT | ACCESS_REJECT | ACCESS_CHALLENGE),
            _ => matches!(code, ACCESS_ACCEPT | ACCOUNTING_RESPONSE),
        }
    }
}

fn attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    let len = u8::try_from(2 + value.len()).unwrap_or(u8::MAX);
    let mut out = vec![kind, len];
    out.extend_from_slice(value);
    out
}

/// What is asked, one after the other. Only where users are checked is there something else to ask:
/// a request for accounting leaves a record. Over TCP every server knows Status-Server (RFC 6613
/// §2.6.5), and a second question would come too late on a connection that was closed.
fn questions(ask: &Ask) -> &'static [u8] {
    match (ask.service, ask.over) {
        (Service::Radius, Over::Datagram) => &[STATUS_SERVER, ACCESS_REQUEST],
        _ => &[STATUS_SERVER],
    }
}

/// What is asked for the first time, the second, and so on.
pub(super) fn question(ask: &Ask, asked: u32) -> Vec<u8> {
    let codes = questions(ask);
    let place = usize::try_from(asked).unwrap_or(usize::MAX);
    let code = codes.get(place).or(codes.last());
    let code = code.copied().unwrap_or(STATUS_SERVER);
    Question { ask, code }.encode()
}

pub(super) fn read(ask: &Ask, heard: Heard<'_>) -> Reading {
    let bytes = heard.bytes;
    let (Some(code), Some(id)) = (bytes.first().copied(), bytes.get(1).copied()) else {
        let codes = [ACCESS_ACCEPT, ACCESS_REJECT, ACCOUNTING_RESPONSE];
        return match bytes.first().is_none_or(|code| codes.contains(code)) {
            true => heard.unfinished(),
            false => Reading::Wrong,
        };
    };
    let mut asked = questions(ask)
        .iter()
        .map(|code| Question { ask, code: *code });
    let Some(question) = asked.find(|own| own.id() == id && own.is_answered_by(code)) else {
        return Reading::Wrong;
    };
    let Some(len) = u16_be(bytes, 2).map(usize::from) else {
        return heard.unfinished();
    };
    if !(HEAD_LEN..=PACKET_LEN_MAX).contains(&len) {
        return Reading::Wrong;
    }
    let (Some(head), Some(authenticator), Some(attributes)) = (
        bytes.get(..4),
        bytes.get(4..HEAD_LEN),
        bytes.get(HEAD_LEN..len),
    ) else {
        return heard.unfinished();
    };
    if !are_whole(attributes) {
        return Reading::Wrong;
    }
    let own = question.authenticator();
    if sum(&[head, &own, attributes, secret(ask)]) != authenticator {
        return Reading::Unproven(match ask.secret {
            Some(_) => {
                "answers as RADIUS does, and signs with another secret than the given one".into()
            }
            None => "answers as RADIUS does; without the shared secret its signature says nothing"
                .into(),
        });
    }
    let answer = match code {
        ACCESS_ACCEPT => "Access-Accept",
        ACCESS_REJECT => "Access-Reject",
        ACCESS_CHALLENGE => "Access-Challenge",
        _ => "Accounting-Response",
    };
    let to = match question.code {
        STATUS_SERVER => "Status-Server",
        _ => "Access-Request of nobody",
    };
    let said = values(attributes, REPLY_MESSAGE).next().map(shown);
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    Reading::proven(format!("RADIUS, answers {to} with {answer}{said}"))
}

/// Whether attributes follow each other to the end.
fn are_whole(mut rest: &[u8]) -> bool {
    while let Some(len) = rest.get(1) {
        match rest.get(usize::from(*len)..) {
            Some(after) if *len >= 2 => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}

fn values(attributes: &[u8], kind: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = attributes;
    std::iter::from_fn(move || {
        loop {
            let (own, len) = (*rest.first()?, usize::from(*rest.get(1)?));
            let value = rest.get(2..len)?;
            rest = rest.get(len..)?;
            if own == kind {
                return Some(value);
            }
        }
    })
}
