//! Bytes of the two packets.

use super::{
    COOKIE_LEN_MAX, CORRELATION_LEN, CORRELATION_PRESENT, ConnectionConfirm, ConnectionRequest,
    FailureCode, NEGOTIATION_LEN, NegotiationRequest, NegotiationResponse, PACKET_LEN_MAX,
    SecurityProtocols, TPKT_LEN, X224_LEN, X224Error,
};

const TPKT_VERSION: u8 = 3;
const CONNECTION_REQUEST: u8 = 0xe0;
const CONNECTION_CONFIRM: u8 = 0xd0;
const NEG_REQ: u8 = 0x01;
const NEG_RSP: u8 = 0x02;
const NEG_FAILURE: u8 = 0x03;
const CORRELATION: u8 = 0x06;
const CR_LF: &[u8] = b"\r\n";

pub(super) fn frame_len(bytes: &[u8]) -> Result<Option<usize>, X224Error> {
    match bytes {
        [version, ..] if *version != TPKT_VERSION => Err(X224Error::Version(*version)),
        [_, _, high, low, ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if (TPKT_LEN + X224_LEN..=PACKET_LEN_MAX).contains(&len) {
                Ok(Some(len))
            } else {
                Err(X224Error::Length(len))
            }
        }
        _ => Ok(None),
    }
}

pub(super) fn encode_request(request: &ConnectionRequest) -> Result<Vec<u8>, X224Error> {
    let mut body = Vec::new();
    if let Some(cookie) = &request.cookie {
        if cookie.len() > COOKIE_LEN_MAX
            || cookie.iter().any(|b| CR_LF.contains(b))
            || !is_cookie(cookie)
        {
            return Err(X224Error::Cookie);
        }
        body.extend_from_slice(cookie);
        body.extend_from_slice(CR_LF);
    }
    if let Some(NegotiationRequest {
        flags,
        protocols,
        correlation_id,
    }) = request.negotiation
    {
        let present = if correlation_id.is_some() {
            CORRELATION_PRESENT
        } else {
            0
        };
        let flags = flags & !CORRELATION_PRESENT | present;
        put_structure(&mut body, NEG_REQ, flags, protocols.0);
        if let Some(id) = correlation_id {
            body.extend_from_slice(&[CORRELATION, 0, 36, 0]);
            body.extend_from_slice(&id);
            body.extend_from_slice(&[0; 16]);
        }
    }
    Ok(packet(CONNECTION_REQUEST, 0, &body))
}

pub(super) fn encode_confirm(confirm: &ConnectionConfirm) -> Vec<u8> {
    /// A server's reference, which nobody reads; the one that Windows sends.
    const SOURCE_REFERENCE: u16 = 0x1234;
    let mut body = Vec::new();
    match confirm.negotiation {
        NegotiationResponse::Absent => {}
        NegotiationResponse::Selected { flags, protocol } => {
            put_structure(&mut body, NEG_RSP, flags, protocol.0);
        }
        NegotiationResponse::Failed { code } => {
            put_structure(&mut body, NEG_FAILURE, 0, code.code());
        }
    }
    packet(CONNECTION_CONFIRM, SOURCE_REFERENCE, &body)
}

/// What can stand before the negotiation begins with a letter; both structures begin with a
/// control character.
fn is_cookie(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first >= 0x20)
}

fn put_structure(body: &mut Vec<u8>, kind: u8, flags: u8, value: u32) {
    body.extend_from_slice(&[kind, flags, 8, 0]);
    body.extend_from_slice(&value.to_le_bytes());
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a body is at most a cookie and both structures, together within PACKET_LEN_MAX"
)]
fn packet(kind: u8, source: u16, body: &[u8]) -> Vec<u8> {
    let len = TPKT_LEN + X224_LEN + body.len();
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&[TPKT_VERSION, 0]);
    out.extend_from_slice(&(len as u16).to_be_bytes());
    out.push((X224_LEN - 1 + body.len()) as u8);
    out.push(kind);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&source.to_be_bytes());
    out.push(0);
    out.extend_from_slice(body);
    out
}

pub(super) fn decode_request(packet: &[u8]) -> Result<ConnectionRequest, X224Error> {
    let mut body = body(packet, CONNECTION_REQUEST)?;
    let cookie = if is_cookie(body) {
        let end = body
            .windows(2)
            .position(|pair| pair == CR_LF)
            .ok_or(X224Error::Cookie)?;
        let (line, rest) = body.split_at(end);
        if line.len() > COOKIE_LEN_MAX || line.iter().any(|b| CR_LF.contains(b)) {
            return Err(X224Error::Cookie);
        }
        body = rest.get(CR_LF.len()..).unwrap_or_default();
        Some(line.to_vec())
    } else {
        None
    };
    if body.is_empty() {
        return Ok(ConnectionRequest {
            cookie,
            negotiation: None,
        });
    }
    let (kind, flags, protocols) = take_structure(&mut body)?;
    if kind != NEG_REQ {
        return Err(X224Error::Structure { kind });
    }
    let correlation_id = if flags & CORRELATION_PRESENT == 0 {
        None
    } else {
        Some(take_correlation(&mut body)?)
    };
    end(body)?;
    let negotiation = NegotiationRequest {
        flags: flags & !CORRELATION_PRESENT,
        protocols: SecurityProtocols(protocols),
        correlation_id,
    };
    Ok(ConnectionRequest {
        cookie,
        negotiation: Some(negotiation),
    })
}

pub(super) fn decode_confirm(packet: &[u8]) -> Result<ConnectionConfirm, X224Error> {
    let mut body = body(packet, CONNECTION_CONFIRM)?;
    if body.is_empty() {
        return Ok(ConnectionConfirm {
            negotiation: NegotiationResponse::Absent,
        });
    }
    let (kind, flags, value) = take_structure(&mut body)?;
    end(body)?;
    let negotiation = match kind {
        NEG_RSP => NegotiationResponse::Selected {
            flags,
            protocol: SecurityProtocols(value),
        },
        NEG_FAILURE => NegotiationResponse::Failed {
            code: FailureCode::from_code(value),
        },
        _ => return Err(X224Error::Structure { kind }),
    };
    Ok(ConnectionConfirm { negotiation })
}

/// What follows the X.224 header of one whole packet of type `wanted`.
fn body(packet: &[u8], wanted: u8) -> Result<&[u8], X224Error> {
    let truncated = |wants| X224Error::Truncated {
        has: packet.len(),
        wants,
    };
    let len = frame_len(packet)?.ok_or(truncated(TPKT_LEN))?;
    if packet.len() != len {
        return Err(truncated(len));
    }
    let [_, _, _, _, indicator, kind, _, _, _, _, class, body @ ..] = packet else {
        return Err(truncated(TPKT_LEN + X224_LEN));
    };
    if TPKT_LEN + 1 + usize::from(*indicator) != len {
        return Err(X224Error::Indicator(*indicator));
    }
    // The low half of the type is the initial credit, always 0 in class 0.
    if *kind != wanted {
        return Err(X224Error::Type(*kind));
    }
    if *class != 0 {
        return Err(X224Error::Class(*class));
    }
    Ok(body)
}

fn take_structure(body: &mut &[u8]) -> Result<(u8, u8, u32), X224Error> {
    let kind = body.first().copied().unwrap_or(0);
    let Some((head, rest)) = body.split_first_chunk::<NEGOTIATION_LEN>() else {
        return Err(X224Error::Structure { kind });
    };
    let [kind, flags, 8, 0, a, b, c, d] = *head else {
        return Err(X224Error::Structure { kind });
    };
    *body = rest;
    Ok((kind, flags, u32::from_le_bytes([a, b, c, d])))
}

fn take_correlation(body: &mut &[u8]) -> Result<[u8; 16], X224Error> {
    let wrong = X224Error::Structure { kind: CORRELATION };
    let (whole, rest) = body.split_first_chunk::<CORRELATION_LEN>().ok_or(wrong)?;
    let (head, ids) = whole.split_first_chunk::<4>().ok_or(wrong)?;
    let (id, _reserved) = ids.split_first_chunk::<16>().ok_or(wrong)?;
    if *head != [CORRELATION, 0, 36, 0] {
        return Err(wrong);
    }
    *body = rest;
    Ok(*id)
}

fn end(body: &[u8]) -> Result<(), X224Error> {
    if body.is_empty() {
        Ok(())
    } else {
        Err(X224Error::Trailing(body.len()))
    }
}
