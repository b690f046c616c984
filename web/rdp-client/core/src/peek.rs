//! What the session layer does not tell, read from the Share Data headers as they pass.
//!
//! The layer knows a few Share Data PDUs and ends the connection on any other; hosts send
//! harmless ones (MS-RDPBCGR 2.2.9.1.1.5 sounds, 2.2.8.2.2.1 input method states). And it turns
//! the code of an error into text.

use ironrdp_pdu::mcs::decode_send_data_indication;

/// `pduType` of a Data PDU (MS-RDPBCGR 2.2.8.1.1.1.1).
const PDU_TYPE_DATA: u16 = 7;
/// `compressedType` bit that says that the payload is compressed (MS-RDPBCGR 2.2.8.1.1.1.2).
const PACKET_COMPRESSED: u8 = 0x20;

/// `pduType2` (MS-RDPBCGR 2.2.8.1.1.1.2).
const SET_KEYBOARD_INDICATORS: u8 = 0x29;
const SET_ERROR_INFO: u8 = 0x2F;
/// Those that the session layer handles: Update, Pointer, Shutdown Denied, Save Session Info,
/// Set Error Info, Auto-Reconnect Status, Monitor Layout.
const HANDLED: [u8; 7] = [0x02, 0x1B, 0x25, 0x26, SET_ERROR_INFO, 0x32, 0x37];

/// Those that belong to the finalization of a connection (MS-RDPBCGR 1.3.1.1): Control,
/// Synchronize, Font Map, Set Error Info, Monitor Layout.
const FINALIZING: [u8; 5] = [0x14, 0x1F, 0x28, SET_ERROR_INFO, 0x37];

/// What was seen in one PDU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// A Set Error Info PDU with a code other than "none" (MS-RDPBCGR 2.2.5.1.1).
    pub(crate) error_info: Option<u32>,
    /// `LedFlags` of a Set Keyboard Indicators PDU (MS-RDPBCGR 2.2.8.2.1.1).
    pub(crate) leds: Option<u16>,
    /// Whether there is nothing in it for the session layer.
    pub(crate) not_for_session: bool,
    /// Whether there is nothing in it for the finalization, which fails on anything else.
    pub(crate) not_for_finalization: bool,
}

/// Looks into an X.224 PDU on its way to the session layer.
pub(crate) fn look(pdu: &[u8], io_channel_id: u16) -> Seen {
    let mut seen = Seen::default();
    let Ok(data) = decode_send_data_indication(pdu) else {
        return seen;
    };
    if data.channel_id != io_channel_id {
        return seen;
    }
    let mut rest = data.user_data;
    let (mut for_session, mut for_finalization) = (rest.is_empty(), rest.is_empty());
    while let Some(head) = share_data_head(rest) {
        match head.kind {
            SET_ERROR_INFO => {
                if let Some([a, b, c, d, ..]) = head.payload {
                    let code = u32::from_le_bytes([*a, *b, *c, *d]);
                    seen.error_info = (code != 0).then_some(code).or(seen.error_info);
                }
            }
            SET_KEYBOARD_INDICATORS => {
                // unitId, then LedFlags.
                if let Some([_, _, a, b, ..]) = head.payload {
                    seen.leds = Some(u16::from_le_bytes([*a, *b]));
                }
            }
            _ => {}
        }
        // What is compressed is needed for the history, whatever it is.
        for_session |= head.compressed || HANDLED.contains(&head.kind);
        for_finalization |= FINALIZING.contains(&head.kind);
        rest = rest.get(head.total_len..).unwrap_or_default();
    }
    let only_data = rest.is_empty();
    seen.not_for_session = only_data && !for_session;
    seen.not_for_finalization = only_data && !for_finalization;
    seen
}

/// Removes a claim of compression from a finalizing PDU.
///
/// xrdp leaves that byte of its Font Map as it happens to be in memory; a reactivation then fails
/// by chance. These PDUs are a few bytes long, and no host compresses them.
pub(crate) fn uncompress_finalizing(pdu: &mut [u8]) {
    /// Offset of `compressedType` behind the Share Control header's begin.
    const COMPRESSED_TYPE: usize = 15;
    let Ok(data) = decode_send_data_indication(pdu) else {
        return;
    };
    let user_data = data.user_data;
    let finalizing = share_data_head(user_data)
        .is_some_and(|head| head.compressed && FINALIZING.contains(&head.kind));
    let at = pdu.len() - user_data.len() + COMPRESSED_TYPE;
    if finalizing && let Some(byte) = pdu.get_mut(at) {
        *byte = 0;
    }
}

/// The length that a message of a virtual channel claims to have once it is put together
/// (MS-RDPBCGR 2.2.6.1.1 `length`; MS-RDPEDYC 2.2.3.1 `Length`), in bytes.
///
/// The layers below put messages together without a limit.
pub(crate) fn channel_message_len(pdu: &[u8], dynamic_channel_id: Option<u16>) -> u32 {
    /// CHANNEL_FLAG_FIRST.
    const FIRST: u8 = 1;
    let Ok(data) = decode_send_data_indication(pdu) else {
        return 0;
    };
    let [l0, l1, l2, l3, flags, _, _, _, chunk @ ..] = data.user_data else {
        return 0;
    };
    let len = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
    if dynamic_channel_id == Some(data.channel_id) && flags & FIRST != 0 {
        len.max(dynamic_message_len(chunk).unwrap_or(0))
    } else {
        len
    }
}

/// Length in a DYNVC_DATA_FIRST or DYNVC_DATA_FIRST_COMPRESSED.
fn dynamic_message_len(chunk: &[u8]) -> Option<u32> {
    const DATA_FIRST: u8 = 2;
    const DATA_FIRST_COMPRESSED: u8 = 6;
    let head = *chunk.first()?;
    if ![DATA_FIRST, DATA_FIRST_COMPRESSED].contains(&(head >> 4)) {
        return None;
    }
    // Width of a field by its two bits; 3 is not valid.
    let width = |bits: u8| match bits & 3 {
        0 => 1,
        1 => 2,
        _ => 4,
    };
    let begin = 1 + width(head);
    let bytes = chunk.get(begin..begin + width(head >> 2))?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |len, byte| (len << 8) | u32::from(*byte)),
    )
}

struct Head<'a> {
    total_len: usize,
    kind: u8,
    compressed: bool,
    /// `None` when it is compressed.
    payload: Option<&'a [u8]>,
}

/// Share Control and Share Data header, when `bytes` begin with a whole Data PDU.
fn share_data_head(bytes: &[u8]) -> Option<Head<'_>> {
    let [l0, l1, t0, t1, rest @ ..] = bytes else {
        return None;
    };
    let total_len = usize::from(u16::from_le_bytes([*l0, *l1]));
    if u16::from_le_bytes([*t0, *t1]) & 0x0F != PDU_TYPE_DATA || total_len > bytes.len() {
        return None;
    }
    // pduSource (2), shareId (4), pad (1), streamId (1), uncompressedLength (2).
    let [kind, compressed_type, ..] = rest.get(10..)? else {
        return None;
    };
    // Then compressedLength (2); the payload begins at 18 of the whole.
    let compressed = compressed_type & PACKET_COMPRESSED != 0;
    let payload = bytes.get(18..total_len)?;
    Some(Head {
        total_len,
        kind: *kind,
        compressed,
        payload: (!compressed).then_some(payload),
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use ironrdp_core::encode_vec;
    use ironrdp_pdu::{
        mcs::{McsMessage, SendDataIndication},
        x224::X224,
    };

    use super::*;

    fn share_data(kind: u8, compressed: u8, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(18 + payload.len()).unwrap();
        let mut bytes = len.to_le_bytes().to_vec();
        bytes.extend([
            0x17, 0, 0xEA, 3, 1, 0, 1, 0, 0, 1, 0, 0, kind, compressed, 0, 0,
        ]);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn pdu(channel_id: u16, user_data: &[u8]) -> Vec<u8> {
        encode_vec(&X224(McsMessage::SendDataIndication(SendDataIndication {
            initiator_id: 1002,
            channel_id,
            user_data: Cow::Borrowed(user_data),
        })))
        .unwrap()
    }

    #[test]
    fn errors_and_lock_keys_are_seen_and_unknown_pdus_skipped() {
        let error = share_data(SET_ERROR_INFO, 0, &[5, 0, 0, 0]);
        let leds = share_data(SET_KEYBOARD_INDICATORS, 0, &[0, 0, 6, 0]);
        let beep = share_data(0x22, 0, &[0; 8]);
        let none = share_data(SET_ERROR_INFO, 0, &[0; 4]);
        let packed = share_data(0x22, 0x21, &[1, 2, 3]);
        let font_map = share_data(0x28, 0, &[0; 8]);
        let update = share_data(0x02, 0, &[0; 8]);
        // Data; error, lock keys; for the session, for the finalization.
        let cases = [
            (error.clone(), Some(5), None, true, true),
            (leds.clone(), None, Some(6), false, false),
            (beep.clone(), None, None, false, false),
            (none, None, None, true, true),
            (packed, None, None, true, false),
            (font_map, None, None, false, true),
            (update, None, None, true, false),
            ([beep.clone(), error].concat(), Some(5), None, true, true),
            ([beep, leds].concat(), None, Some(6), false, false),
        ];
        for (user_data, error_info, leds, for_session, for_finalization) in cases {
            let expected = Seen {
                error_info,
                leds,
                not_for_session: !for_session,
                not_for_finalization: !for_finalization,
            };
            assert_eq!(look(&pdu(1003, &user_data), 1003), expected);
            assert_eq!(look(&pdu(1004, &user_data), 1003), Seen::default());
        }
    }

    #[test]
    fn a_font_map_that_claims_to_be_compressed_is_read_as_it_is() {
        let mut odd = pdu(1003, &share_data(0x28, 0xE1, &[0; 8]));
        uncompress_finalizing(&mut odd);
        assert_eq!(odd, pdu(1003, &share_data(0x28, 0, &[0; 8])));
        let update = pdu(1003, &share_data(0x02, 0x21, &[0; 8]));
        let mut same = update.clone();
        uncompress_finalizing(&mut same);
        assert_eq!(same, update);
        uncompress_finalizing(&mut [3, 0, 0, 4]);
    }

    #[test]
    fn claimed_lengths_of_channel_messages_are_seen() {
        let head = |len: u32, flags: u8| [&len.to_le_bytes()[..], &[flags, 0, 0, 0]].concat();
        // DATA_FIRST with a channel id of one byte and a length of four.
        let first = [0x28, 7, 0x78, 0x56, 0x34, 0x12, 0, 0];
        let cases = [
            (head(5000, 3), 5000),
            ([head(8, 3), first.to_vec()].concat(), 0x1234_5678),
            // A later chunk of something else begins with any bytes.
            ([head(8, 2), first.to_vec()].concat(), 8),
            ([head(8, 3), first[..4].to_vec()].concat(), 8),
            (vec![1, 2, 3], 0),
        ];
        for (user_data, len) in cases {
            assert_eq!(channel_message_len(&pdu(1005, &user_data), Some(1005)), len);
        }
        let other = [head(8, 3), first.to_vec()].concat();
        assert_eq!(channel_message_len(&pdu(1005, &other), Some(1006)), 8);
    }

    #[test]
    fn cut_pdus_are_left_to_the_session_layer() {
        let whole = share_data(SET_ERROR_INFO, 0, &[5, 0, 0, 0]);
        for len in 0..whole.len() {
            let seen = look(&pdu(1003, &whole[..len]), 1003);
            assert_eq!(seen, Seen::default(), "{len}");
        }
        assert_eq!(look(&[3, 0, 0, 4], 1003), Seen::default());
    }
}
