//! Frames on a stream: a length of four bytes, big-endian, in front of each.

/// Longest frame, in bytes, without its length.
pub const FRAME_LEN_MAX: usize = 1 << 20;
/// Bytes of the length in front of a frame.
pub const LENGTH_LEN: usize = 4;
/// An empty buffer that grew beyond this, in bytes, is given back.
const KEPT_LEN_MAX: usize = 16 * 1024;

/// Cuts a stream of bytes into frames. Push what was read, then call [`FrameDecoder::next`] until
/// it has none.
#[derive(Debug)]
pub struct FrameDecoder {
    /// Bytes from `taken` on are not handed out yet.
    buffer: Vec<u8>,
    taken: usize,
    frame_len_max: usize,
    failed: Option<FrameError>,
}

/// Why bytes are not frames. Nothing after such an error can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame without content.
    #[error("a frame has no content")]
    Empty,
    /// A frame that is longer than allowed.
    #[error("a frame of {len} bytes is announced; at most {max} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// What it may be.
        max: usize,
    },
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameDecoder {
    /// A decoder for frames of up to [`FRAME_LEN_MAX`] bytes.
    pub fn new() -> Self {
        Self::with_max(FRAME_LEN_MAX)
    }

    /// A decoder for frames of up to `frame_len_max` bytes.
    pub fn with_max(frame_len_max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            taken: 0,
            frame_len_max,
            failed: None,
        }
    }

    /// Takes bytes as they came from the stream. Only what is pushed is kept: the length that a
    /// frame announces allocates nothing.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
            if self.buffer.is_empty() && self.buffer.capacity() > KEPT_LEN_MAX {
                self.buffer = Vec::new();
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, without its length; `None` when more bytes must be pushed first.
    ///
    /// # Errors
    /// Once it failed it fails for ever, because nobody knows where the next frame begins.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator ends at its first None, a decoder goes on after the next push"
    )]
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.split() {
            Ok(frame) => Ok(frame),
            Err(error) => {
                self.failed = Some(error);
                self.buffer = Vec::new();
                self.taken = 0;
                Err(error)
            }
        }
    }

    /// Whether the stream may end here: between two frames.
    pub fn is_between_frames(&self) -> bool {
        self.failed.is_none() && self.buffer.len() == self.taken
    }

    fn split(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk::<LENGTH_LEN>() else {
            return Ok(None);
        };
        // A length that does not fit an address is too long in any case.
        let len = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if len == 0 {
            return Err(FrameError::Empty);
        }
        if len > self.frame_len_max {
            let max = self.frame_len_max;
            return Err(FrameError::TooLong { len, max });
        }
        let Some(frame) = rest.get(..len).map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        self.taken += LENGTH_LEN + len;
        Ok(Some(frame))
    }
}
