//! Numbers in bytes, without a panic where they end.

/// Big-endian at `place`.
pub(super) fn u16_be(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_be_bytes(array(bytes, place)?))
}

/// Little-endian at `place`.
pub(super) fn u16_le(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_le_bytes(array(bytes, place)?))
}

/// Big-endian at `place`.
pub(super) fn u32_be(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_be_bytes(array(bytes, place)?))
}

/// Little-endian at `place`.
pub(super) fn u32_le(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_le_bytes(array(bytes, place)?))
}

/// Little-endian at `place`.
pub(super) fn u64_le(bytes: &[u8], place: usize) -> Option<u64> {
    Some(u64::from_le_bytes(array(bytes, place)?))
}

/// `N` bytes at `place`.
pub(super) fn array<const N: usize>(bytes: &[u8], place: usize) -> Option<[u8; N]> {
    bytes.get(place..place.checked_add(N)?)?.try_into().ok()
}

/// `bytes` behind their length in two bytes, big-endian; requests here are far shorter than that.
pub(super) fn behind_u16(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut out = len.to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

/// `bytes` behind their length in four bytes, big-endian.
pub(super) fn behind_u32(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut out = len.to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}
