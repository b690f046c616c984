//! MCS Connect Initial with GCC Conference Create Request (MS-RDPBCGR 2.2.1.3).
//!
//! The way to the settings blocks is walked strictly, every length against what is really there:
//! a PDU that the host might read in another way than the gateway does not get through.

use portico_model::estate::Clipboard;

use super::{
    ConnectRules, Devices, RewriteError,
    tpkt::{per_length, x224_data_mut},
};
use crate::negotiation::Security;

const NAME: &str = "MCS Connect Initial";
const MALFORMED: RewriteError = RewriteError::Malformed { part: NAME };

/// Tag of Connect Initial: application 101.
const CONNECT_INITIAL: [u8; 2] = [0x7f, 0x65];

/// T.124 key: object identifier 0.0.20.124.0.1.
const T124_KEY: [u8; 7] = [0x00, 0x05, 0x00, 0x14, 0x7c, 0x00, 0x01];

/// Conference Create Request with one set of user data under the client's H.221 key. Only after
/// this key do the settings blocks begin; their tags may occur by chance before it.
const CREATE_REQUEST: [u8; 12] = *b"\x00\x08\x00\x10\x00\x01\xc0\x00Duca";

/// IronRDP, which is what the browser runs, does not count the two bytes of the inner length in
/// the outer one. Hosts do not look at the outer one; the inner one is exact.
const IRONRDP_SHORT_BY: usize = 2;

/// Changes the PDU in place; its length stays.
pub(super) fn rewrite(
    pdu: &mut [u8],
    rules: &ConnectRules,
    security: Security,
) -> Result<(), RewriteError> {
    let blocks = settings_blocks(x224_data_mut(pdu, NAME)?)?;
    let mut rest = blocks;
    let (mut core, mut network) = (false, false);
    while !rest.is_empty() {
        let (header, _) = rest.split_first_chunk::<4>().ok_or(MALFORMED)?;
        let [kind_low, kind_high, len_low, len_high] = *header;
        let len = usize::from(u16::from_le_bytes([len_low, len_high]));
        let (block, after) = rest.split_at_mut_checked(len).ok_or(MALFORMED)?;
        let body = block.get_mut(4..).ok_or(MALFORMED)?;
        match u16::from_le_bytes([kind_low, kind_high]) {
            // A second block of a kind might be the one that the host reads.
            0xc001 if core => return Err(MALFORMED),
            0xc003 if network => return Err(MALFORMED),
            0xc001 => {
                rewrite_core(body, security)?;
                core = true;
            }
            0xc003 => {
                rewrite_network(body, rules)?;
                network = true;
            }
            0xc004 => forget_session(body)?,
            _ => {}
        }
        rest = after;
    }
    if core { Ok(()) } else { Err(MALFORMED) }
}

/// The way down: BER to the user data, PER to the blocks.
fn settings_blocks(connect_initial: &mut [u8]) -> Result<&mut [u8], RewriteError> {
    let body = connect_initial
        .strip_prefix_mut(&CONNECT_INITIAL)
        .ok_or(RewriteError::Unexpected { expected: NAME })?;
    let mut rest = ber_all(body)?;
    // Calling and called domain selector, upward flag, target, minimum and maximum parameters.
    for tag in [0x04, 0x04, 0x01, 0x30, 0x30, 0x30] {
        let (_, after) = ber_element(rest, tag)?;
        rest = after;
    }
    let (user_data, after) = ber_element(rest, 0x04)?;
    if !after.is_empty() {
        return Err(MALFORMED);
    }
    let connect_pdu = user_data.strip_prefix_mut(&T124_KEY).ok_or(MALFORMED)?;
    let create_request = per_rest(connect_pdu, IRONRDP_SHORT_BY)?;
    let octets = create_request
        .strip_prefix_mut(&CREATE_REQUEST)
        .ok_or(MALFORMED)?;
    per_rest(octets, 0)
}

trait StripPrefixMut {
    fn strip_prefix_mut(&mut self, prefix: &[u8]) -> Option<&mut [u8]>;
}

impl StripPrefixMut for [u8] {
    fn strip_prefix_mut(&mut self, prefix: &[u8]) -> Option<&mut [u8]> {
        let (front, rest) = self.split_at_mut_checked(prefix.len())?;
        (front == prefix).then_some(rest)
    }
}

/// What follows a BER length that covers all of the rest.
fn ber_all(bytes: &mut [u8]) -> Result<&mut [u8], RewriteError> {
    let (len, header_len) = ber_length(bytes).ok_or(MALFORMED)?;
    let content = bytes.get_mut(header_len..).ok_or(MALFORMED)?;
    if content.len() == len {
        Ok(content)
    } else {
        Err(MALFORMED)
    }
}

/// Content of the BER element at the front, which must have `tag`, and what follows it.
fn ber_element(bytes: &mut [u8], tag: u8) -> Result<(&mut [u8], &mut [u8]), RewriteError> {
    let (found, rest) = bytes.split_first_mut().ok_or(MALFORMED)?;
    if *found != tag {
        return Err(MALFORMED);
    }
    let (len, header_len) = ber_length(rest).ok_or(MALFORMED)?;
    let content = rest.get_mut(header_len..).ok_or(MALFORMED)?;
    content.split_at_mut_checked(len).ok_or(MALFORMED)
}

/// A definite BER length, and how many bytes it took.
fn ber_length(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes {
        [len @ ..=0x7f, ..] => Some((usize::from(*len), 1)),
        [0x81, len, ..] => Some((usize::from(*len), 2)),
        [0x82, high, low, ..] => Some((usize::from(u16::from_be_bytes([*high, *low])), 3)),
        _ => None,
    }
}

/// What follows a PER length that covers all of the rest, or falls short by up to `short_by`.
fn per_rest(bytes: &mut [u8], short_by: usize) -> Result<&mut [u8], RewriteError> {
    let (len, rest) = per_length(bytes).ok_or(MALFORMED)?;
    let rest_len = rest.len();
    if len > rest_len || rest_len - len > short_by {
        return Err(MALFORMED);
    }
    let start = bytes.len() - rest_len;
    bytes.get_mut(start..).ok_or(MALFORMED)
}

/// Client Core Data (2.2.1.3.2), without the block header. The browser was told TLS; the host
/// compares with what it really chose.
fn rewrite_core(body: &mut [u8], security: Security) -> Result<(), RewriteError> {
    const SERVER_SELECTED_PROTOCOL: usize = 208;
    put(
        body,
        SERVER_SELECTED_PROTOCOL,
        security.wire_value().to_le_bytes(),
    )
}

/// Client Network Data (2.2.1.3.4), without the block header. Only channels that some policy item
/// governs, or that need none, stay open.
fn rewrite_network(body: &mut [u8], rules: &ConnectRules) -> Result<(), RewriteError> {
    let (count, channels) = body.split_first_chunk_mut::<4>().ok_or(MALFORMED)?;
    let count = usize::try_from(u32::from_le_bytes(*count)).map_err(|_| MALFORMED)?;
    let (channels, rest) = channels.as_chunks_mut::<12>();
    if channels.len() != count || !rest.is_empty() || count > 31 {
        return Err(MALFORMED);
    }
    for (index, [name @ .., _, _, _, _]) in (b'0'..).zip(channels) {
        // Hosts end the name at the NUL and do not tell upper from lower case.
        let end = name.iter().position(|byte| *byte == 0);
        let text = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
        let is_open = text.eq_ignore_ascii_case(b"drdynvc")
            || text.eq_ignore_ascii_case(b"rdpsnd")
            || (text.eq_ignore_ascii_case(b"cliprdr") && rules.clipboard == Clipboard::Both)
            || (text.eq_ignore_ascii_case(b"rdpdr") && rules.devices == Devices::Open);
        if !is_open {
            // Under a name that nothing on the host listens to; each has its own.
            let [a, b, c, d, e, f, _] = rules.closed_channel_name;
            *name = [a, b, c, d, e, f, index, 0];
        }
    }
    Ok(())
}

/// Client Cluster Data (2.2.1.3.5), without the block header: a client does not choose a session
/// of the host by its number, such as the console's.
fn forget_session(body: &mut [u8]) -> Result<(), RewriteError> {
    const REDIRECTED_SESSIONID_FIELD_VALID: u32 = 0x0000_0002;
    const REDIRECTED_SMARTCARD: u32 = 0x0000_0040;
    let flags = u32::from_le_bytes(field(body, 0)?);
    let kept = flags & !(REDIRECTED_SESSIONID_FIELD_VALID | REDIRECTED_SMARTCARD);
    put(body, 0, kept.to_le_bytes())?;
    put(body, 4, [0; 4])
}

fn field<const N: usize>(body: &[u8], at: usize) -> Result<[u8; N], RewriteError> {
    body.get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or(MALFORMED)
}

fn put<const N: usize>(body: &mut [u8], at: usize, value: [u8; N]) -> Result<(), RewriteError> {
    let place = body
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut())
        .ok_or(MALFORMED)?;
    *place = value;
    Ok(())
}
