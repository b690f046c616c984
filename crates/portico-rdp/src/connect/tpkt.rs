//! Frames of the connect sequence: TPKT (RFC 1006), X.224 data, MCS domain PDUs (T.125).

use super::RewriteError;

/// Length of a TPKT header.
pub(super) const HEADER_LEN: usize = 4;

/// X.224 data TPDU without segmentation.
const X224_DATA: [u8; 3] = [2, 0xf0, 0x80];

const SEND_DATA: &str = "Client Info PDU";

/// Length of the PDU that begins with `bytes`; `None` until its header is whole. The fast-path
/// PDUs of later phases have no place in the connect sequence.
pub(super) fn len(bytes: &[u8]) -> Result<Option<usize>, RewriteError> {
    match bytes {
        [3, 0, high, low, ..] => {
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            if len <= HEADER_LEN {
                return Err(RewriteError::Malformed { part: "TPKT" });
            }
            Ok(Some(len))
        }
        [] | [3] | [3, _] | [3, _, _] => Ok(None),
        _ => Err(RewriteError::Unexpected { expected: "TPKT" }),
    }
}

/// What a whole PDU carries after TPKT and X.224.
pub(super) fn x224_data<'a>(
    pdu: &'a [u8],
    expected: &'static str,
) -> Result<&'a [u8], RewriteError> {
    pdu.get(HEADER_LEN..)
        .and_then(|tpdu| tpdu.strip_prefix(&X224_DATA))
        .ok_or(RewriteError::Unexpected { expected })
}

/// As [`x224_data`], to change it.
pub(super) fn x224_data_mut<'a>(
    pdu: &'a mut [u8],
    expected: &'static str,
) -> Result<&'a mut [u8], RewriteError> {
    x224_data(pdu, expected)?;
    let start = HEADER_LEN + X224_DATA.len();
    pdu.get_mut(start..)
        .ok_or(RewriteError::Unexpected { expected })
}

/// An MCS PDU that a client may send in the connect sequence.
pub(super) enum DomainPdu<'a> {
    /// Erect Domain, Attach User or Channel Join.
    Setup,
    /// Data on a channel.
    SendData(SendData<'a>),
}

/// MCS Send Data Request.
pub(super) struct SendData<'a> {
    /// User and channel, as they came.
    pub(super) route: [u8; 4],
    /// The data.
    pub(super) data: &'a [u8],
}

/// Reads the MCS PDU in a whole TPKT.
pub(super) fn domain_pdu(pdu: &[u8]) -> Result<DomainPdu<'_>, RewriteError> {
    let (choice, body) = x224_data(pdu, SEND_DATA)?
        .split_first()
        .ok_or(RewriteError::Malformed { part: SEND_DATA })?;
    // The upper six bits are the choice, the lower two are options of it.
    match (choice >> 2, body.len()) {
        // Erect Domain: height and interval, as PER integers of one byte each with their lengths.
        (1, 4..=10) | (10, 0) | (14, 4) => Ok(DomainPdu::Setup),
        (25, _) => send_data(body).map(DomainPdu::SendData),
        _ => Err(RewriteError::Unexpected {
            expected: SEND_DATA,
        }),
    }
}

fn send_data(body: &[u8]) -> Result<SendData<'_>, RewriteError> {
    let malformed = RewriteError::Malformed { part: SEND_DATA };
    let (route, rest) = body.split_first_chunk::<4>().ok_or(malformed)?;
    // Priority, and segmentation: begin and end must both be in this PDU.
    let (flags, rest) = rest.split_first().ok_or(malformed)?;
    if flags & 0x30 != 0x30 {
        return Err(malformed);
    }
    let (len, data) = per_length(rest).ok_or(malformed)?;
    if len != data.len() {
        return Err(malformed);
    }
    Ok(SendData {
        route: *route,
        data,
    })
}

/// A PER length of one or two bytes, and what follows it. Longer data would come in fragments,
/// which RDP does not use.
pub(super) fn per_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [len @ ..=0x7f, rest @ ..] => Some((usize::from(*len), rest)),
        [high @ 0x80..=0xbf, low, rest @ ..] => {
            let len = u16::from_be_bytes([high & 0x3f, *low]);
            Some((usize::from(len), rest))
        }
        _ => None,
    }
}

/// A Send Data Request around `data`, whole with TPKT; `None` when it is too long.
pub(super) fn encode_send_data(route: [u8; 4], data: &[u8]) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    const FIXED_LEN: usize = HEADER_LEN + X224_DATA.len() + 1 + 4 + 1 + 2;
    let total = u16::try_from(FIXED_LEN + data.len()).ok()?;
    let data_len = u16::try_from(data.len()).ok().filter(|len| *len < 0x4000)?;
    let mut pdu = zeroize::Zeroizing::new(Vec::with_capacity(total.into()));
    pdu.extend_from_slice(&[3, 0]);
    pdu.extend_from_slice(&total.to_be_bytes());
    pdu.extend_from_slice(&X224_DATA);
    pdu.push(25 << 2);
    pdu.extend_from_slice(&route);
    pdu.push(0x70);
    pdu.extend_from_slice(&(data_len | 0x8000).to_be_bytes());
    pdu.extend_from_slice(data);
    Some(pdu)
}
