//! Frames on a stream: a length of four bytes in front of each.

use super::FrameError;

/// Bytes of the length in front of a frame.
pub const LENGTH_LEN: usize = 4;

/// Takes the first frame of `stream`, the bytes read so far: the frame and the number of bytes it
/// takes with its length. `None` when more bytes must be read first; the buffer then never needs
/// to hold more than [`LENGTH_LEN`] + `max` bytes.
pub fn split(stream: &[u8], max: usize) -> Result<Option<(&[u8], usize)>, FrameError> {
    let Some((length, rest)) = stream.split_first_chunk::<LENGTH_LEN>() else {
        return Ok(None);
    };
    // A length that does not fit an address is too long in any case.
    let len = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if len == 0 {
        return Err(FrameError::Empty);
    }
    if len > max {
        return Err(FrameError::TooLong {
            frame: "stream",
            len,
            max,
        });
    }
    Ok(rest.get(..len).map(|frame| (frame, LENGTH_LEN + len)))
}

/// Appends to `out` the frame that `encode` appends, with its length in front. On an error `out`
/// is as it was.
pub fn append(
    out: &mut Vec<u8>,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), FrameError>,
) -> Result<(), FrameError> {
    let begin = out.len();
    out.extend_from_slice(&[0; LENGTH_LEN]);
    let result = encode(out).and_then(|()| {
        let len = out.len().saturating_sub(begin + LENGTH_LEN);
        let length = u32::try_from(len).map_err(|_| FrameError::TooLong {
            frame: "stream",
            len,
            max: usize::try_from(u32::MAX).unwrap_or(usize::MAX),
        })?;
        if let Some(place) = out.get_mut(begin..begin + LENGTH_LEN) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    });
    if result.is_err() {
        out.truncate(begin);
    }
    result
}

/// Appends a frame that is already encoded, with its length in front.
pub fn append_raw(out: &mut Vec<u8>, frame: &[u8]) -> Result<(), FrameError> {
    append(out, |out| {
        out.extend_from_slice(frame);
        Ok(())
    })
}
