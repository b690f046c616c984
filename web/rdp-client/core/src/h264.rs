//! What has to be known of a coded H.264 picture before somebody else decodes it.

/// `nal_unit_type` (ITU-T H.264, table 7-1).
const SLICE: u8 = 1;
const SLICE_IDR: u8 = 5;
const SEQUENCE_PARAMETERS: u8 = 7;

/// A coded picture.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Coded {
    /// As a byte stream (ITU-T H.264, annex B).
    pub(crate) bytes: Vec<u8>,
    /// Whether decoding may begin here.
    pub(crate) key: bool,
    /// Codec string (RFC 6381, 3.3) of the parameters that come with it.
    pub(crate) codec: Option<String>,
}

/// Looks at what a host sent as a picture; `None` when there is no picture in it.
///
/// Hosts send byte streams as MS-RDPEGFX 2.2.4.4 wants it, or units with their lengths before
/// them; decoders of browsers are told once which, so all becomes a byte stream.
pub(crate) fn read(data: &[u8]) -> Option<Coded> {
    let (units, bytes) = if begins_with_start_code(data) {
        (byte_stream_units(data), data.to_vec())
    } else {
        let units = length_prefixed_units(data)?;
        let mut bytes = Vec::with_capacity(data.len());
        for unit in &units {
            bytes.extend([0, 0, 0, 1]);
            bytes.extend(*unit);
        }
        (units, bytes)
    };
    let mut coded = Coded {
        bytes,
        key: false,
        codec: None,
    };
    let mut has_slice = false;
    for unit in units {
        let Some(first) = unit.first() else { continue };
        match first & 0x1F {
            SLICE_IDR => coded.key = true,
            SEQUENCE_PARAMETERS => {
                if let Some([profile, constraints, level]) = unit.get(1..4) {
                    coded.codec = Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"));
                }
            }
            _ => {}
        }
        has_slice |= (SLICE..=SLICE_IDR).contains(&(first & 0x1F));
    }
    has_slice.then_some(coded)
}

fn begins_with_start_code(data: &[u8]) -> bool {
    data.starts_with(&[0, 0, 1]) || data.starts_with(&[0, 0, 0, 1])
}

/// What lies between the start codes.
fn byte_stream_units(data: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while let Some(found) = data
        .get(at..)
        .and_then(|rest| rest.windows(3).position(|window| window == [0, 0, 1]))
    {
        let code = at + found;
        if let Some(unit) = begin.and_then(|begin| data.get(begin..code)) {
            units.push(unit);
        }
        at = code + 3;
        begin = Some(at);
    }
    if let Some(unit) = begin.and_then(|begin| data.get(begin..)) {
        units.push(unit);
    }
    units
}

/// Units behind lengths of four bytes; `None` unless the lengths cover exactly all of it.
fn length_prefixed_units(mut data: &[u8]) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    while let Some((len, rest)) = data.split_first_chunk::<4>() {
        let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
        let (unit, rest) = rest.split_at_checked(len)?;
        units.push(unit);
        data = rest;
    }
    data.is_empty().then_some(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMETERS: [u8; 5] = [0x67, 0x42, 0xC0, 0x1F, 0x00];

    #[test]
    fn both_forms_become_the_same_byte_stream() {
        let stream = [&[0, 0, 0, 1][..], &PARAMETERS, &[0, 0, 0, 1, 0x65, 9]].concat();
        let prefixed = [&[0, 0, 0, 5][..], &PARAMETERS, &[0, 0, 0, 2, 0x65, 9]].concat();
        let coded = read(&stream).unwrap();
        assert_eq!(coded.bytes, stream);
        assert!(coded.key);
        assert_eq!(coded.codec.as_deref(), Some("avc1.42c01f"));
        assert_eq!(read(&prefixed).unwrap(), coded);
    }

    #[test]
    fn short_start_codes_are_start_codes() {
        let coded = read(&[0, 0, 1, 0x68, 1, 0, 0, 1, 0x41, 1]).unwrap();
        assert_eq!((coded.key, coded.codec), (false, None));
    }

    #[test]
    fn what_holds_no_picture_is_none() {
        let lying = [0, 0, 0, 9, 0x65];
        let only_parameters = [&[0, 0, 0, 1][..], &PARAMETERS].concat();
        for data in [&[][..], &[1, 2, 3], &lying, &only_parameters, &[0, 0, 1]] {
            assert_eq!(read(data), None, "{data:?}");
        }
    }
}
