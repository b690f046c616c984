//! The Client Info PDU (MS-RDPBCGR 2.2.1.11), built anew from the rules.

use portico_model::estate::Microphone;
use zeroize::Zeroizing;

use super::{
    ConnectRules, RewriteError,
    tpkt::{SendData, encode_send_data},
};

const NAME: &str = "Client Info PDU";
const MALFORMED: RewriteError = RewriteError::Malformed { part: NAME };

/// Flags of the basic security header (2.2.8.1.1.2.1).
const SEC_INFO_PKT: u16 = 0x0040;
const SEC_ENCRYPT: u16 = 0x0008;

/// Flags of the Info Packet (2.2.1.11.1.1).
const INFO_AUTOLOGON: u32 = 0x0000_0008;
const INFO_UNICODE: u32 = 0x0000_0010;
const INFO_RAIL: u32 = 0x0000_8000;
const INFO_AUDIOCAPTURE: u32 = 0x0020_0000;
const INFO_PASSWORD_IS_SC_PIN: u32 = 0x0004_0000;
const INFO_HIDEF_RAIL_SUPPORTED: u32 = 0x0200_0000;

/// Cleared in any case. RAIL would let the client name programs on a channel of its own.
const INFO_NEVER: u32 = INFO_RAIL | INFO_PASSWORD_IS_SC_PIN | INFO_HIDEF_RAIL_SUPPORTED;

/// The PDU for the host, whole with TPKT.
pub(super) fn rewrite(
    send_data: &SendData<'_>,
    rules: &ConnectRules,
) -> Result<Zeroizing<Vec<u8>>, RewriteError> {
    let info = info_packet(send_data.data)?;
    let mut flags = info.flags & !(INFO_NEVER | INFO_AUTOLOGON);
    if rules.password.is_some() {
        flags |= INFO_AUTOLOGON;
    }
    if rules.microphone == Microphone::Off {
        flags &= !INFO_AUDIOCAPTURE;
    }
    let password = rules.password.as_ref().map_or("", |secret| secret.expose());
    let texts = [
        rules.account.domain.as_str(),
        rules.account.user.as_str(),
        password,
        rules.shell.as_str(),
        rules.work_dir.as_str(),
    ];
    // Exact, so that the password is never moved.
    let texts_len: usize = texts.iter().map(|text| utf16_len(text) + 2).sum();
    let len = info.security_header.len() + 8 + 2 * texts.len() + texts_len + info.extra.len();
    let mut data = Zeroizing::new(Vec::with_capacity(len));
    data.extend_from_slice(&info.security_header);
    data.extend_from_slice(&info.code_page);
    data.extend_from_slice(&flags.to_le_bytes());
    for text in texts {
        let len = u16::try_from(utf16_len(text)).map_err(|_| MALFORMED)?;
        data.extend_from_slice(&len.to_le_bytes());
    }
    for text in texts {
        for unit in text.encode_utf16() {
            data.extend_from_slice(&unit.to_le_bytes());
        }
        data.extend_from_slice(&[0, 0]);
    }
    data.extend_from_slice(&info.extra);
    encode_send_data(send_data.route, &data).ok_or(RewriteError::Limit)
}

fn utf16_len(text: &str) -> usize {
    text.encode_utf16().count() * 2
}

/// What is kept of the client's Info Packet.
struct InfoPacket {
    security_header: [u8; 4],
    code_page: [u8; 4],
    flags: u32,
    extra: Vec<u8>,
}

fn info_packet(data: &[u8]) -> Result<InfoPacket, RewriteError> {
    let (security_header, rest) = data.split_first_chunk::<4>().ok_or(MALFORMED)?;
    let [low, high, ..] = *security_header;
    let security_flags = u16::from_le_bytes([low, high]);
    if security_flags & (SEC_INFO_PKT | SEC_ENCRYPT) != SEC_INFO_PKT {
        return Err(RewriteError::Unexpected { expected: NAME });
    }
    let (code_page, rest) = rest.split_first_chunk::<4>().ok_or(MALFORMED)?;
    let (flags, mut rest) = rest.split_first_chunk::<4>().ok_or(MALFORMED)?;
    let flags = u32::from_le_bytes(*flags);
    // Every client of this century sends Unicode.
    if flags & INFO_UNICODE == 0 {
        return Err(MALFORMED);
    }
    let mut texts_len = 0;
    for _ in 0..5 {
        let (len, after) = rest.split_first_chunk::<2>().ok_or(MALFORMED)?;
        // The terminator is there, but not counted.
        texts_len += usize::from(u16::from_le_bytes(*len)) + 2;
        rest = after;
    }
    let extra = rest.get(texts_len..).ok_or(MALFORMED)?;
    Ok(InfoPacket {
        security_header: *security_header,
        code_page: *code_page,
        flags,
        extra: without_reconnect_cookie(extra)?,
    })
}

/// The extended info (2.2.1.11.1.1.1) without the cookie by which a client joins a session
/// without a log-on: which session it gets is not the client's choice.
fn without_reconnect_cookie(extra: &[u8]) -> Result<Vec<u8>, RewriteError> {
    /// Time zone, session id, performance flags.
    const FIXED_LEN: usize = 172 + 4 + 4;

    if extra.is_empty() {
        return Ok(Vec::new());
    }
    let mut rest = extra.get(2..).ok_or(MALFORMED)?; // address family
    for _ in 0..2 {
        // Client address and folder; here the terminator is counted.
        let (len, after) = rest.split_first_chunk::<2>().ok_or(MALFORMED)?;
        let len = usize::from(u16::from_le_bytes(*len));
        rest = after.get(len..).ok_or(MALFORMED)?;
    }
    let Some(after_fixed) = rest.get(FIXED_LEN..) else {
        // Older clients end before the cookie.
        return Ok(extra.to_vec());
    };
    let Some((cookie_len, after)) = after_fixed.split_first_chunk::<2>() else {
        return Ok(extra.to_vec());
    };
    let cookie_len = usize::from(u16::from_le_bytes(*cookie_len));
    let after_cookie = after.get(cookie_len..).ok_or(MALFORMED)?;
    let kept_len = extra.len() - after_fixed.len();
    let mut kept = extra.get(..kept_len).ok_or(MALFORMED)?.to_vec();
    kept.extend_from_slice(&[0, 0]);
    kept.extend_from_slice(after_cookie);
    Ok(kept)
}
