//! Masking of client payloads (RFC 6455, section 5.3).

/// XORs `payload` with the masking key; the first byte has place `offset` in the frame's payload.
///
/// Masking and unmasking are the same. Eight bytes at a time, which the compiler turns into
/// vector instructions.
pub fn apply_mask(payload: &mut [u8], key: [u8; 4], offset: u64) {
    let [a, b, c, d] = match offset % 4 {
        0 => key,
        1 => [key[1], key[2], key[3], key[0]],
        2 => [key[2], key[3], key[0], key[1]],
        _ => [key[3], key[0], key[1], key[2]],
    };
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}
