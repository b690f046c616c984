//! H.264 in the graphics pipeline, decoded by somebody outside.
//!
//! The browser decodes at its own pace, but the pipeline's decoder answers at once and in order.
//! So messages of the pipeline wait here from the first picture on that is not decoded yet; when
//! its planes are there, they are put where [`Planes`] finds them, and the messages go on, all in
//! the order in which they came.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use ironrdp_core::{ReadCursor, decode};
use ironrdp_egfx::{
    decode::{DecodedFrame, DecoderError, DecoderResult, H264Decoder, Yuv420Frame},
    pdu::{Avc420BitmapStream, Avc444BitmapStream, Codec1Type, GfxPdu},
};
use ironrdp_pdu::Decode as _;
use serde::Serialize;

use crate::{
    h264,
    limits::{
        VIDEO_PICTURES_MAX, VIDEO_PLANES_BYTES_MAX, VIDEO_QUEUE_BYTES_MAX, VIDEO_QUEUE_LEN_MAX,
        VIDEO_SILENCE_MS_MAX, VIDEO_STREAMS_MAX,
    },
};

/// Most of the time between two looks at the clock that counts: a device that slept is no
/// decoder that hangs.
const STEP_MS_MAX: u64 = 1_000;

/// Length of `RDPGFX_HEADER` (MS-RDPEGFX 2.2.1.5), in bytes.
const HEADER_LEN: usize = 8;

/// Something for a decoder outside, in the order in which it came. As JSON: an object with `type`
/// and the fields in camel case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum VideoJob {
    /// A picture to be decoded.
    Decode {
        /// To be named in the answer.
        id: u32,
        /// Each stream has a decoder of its own.
        stream: u32,
        /// Whether decoding may begin here.
        key: bool,
        /// Codec string, when the parameters come with this picture.
        codec: Option<String>,
        /// Annex B; not in the JSON.
        #[serde(skip)]
        bytes: Vec<u8>,
    },
    /// Nothing more comes of a stream.
    Close {
        /// Which.
        stream: u32,
    },
}

/// How the planes of a decoded picture lie in its bytes, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoLayout {
    /// Luma, then blue, then red, each of those half as wide and high, rounded up.
    I420,
    /// Luma, then blue and red in turns.
    Nv12,
}

/// What ends a connection here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VideoRefusal {
    /// More waits than may wait.
    Limit(&'static str),
    /// The decoder outside gave what does not fit, or nothing for too long.
    Decoder(&'static str),
}

/// Messages that wait, and what they wait for.
#[derive(Debug, Default)]
pub(crate) struct Video {
    /// Whether H.264 was offered; what a host sends without that is not decoded.
    offered: bool,
    queue: VecDeque<Waiting>,
    queued_bytes: usize,
    jobs: VecDeque<VideoJob>,
    /// Pictures that are being decoded, and those that are decoded but not used.
    pictures: BTreeMap<u32, Option<Yuv420Frame>>,
    /// Bytes of the decoded ones.
    planes_bytes: usize,
    last_id: u32,
    /// Streams by the surface they are for.
    streams: BTreeMap<u16, Stream>,
    last_stream: u32,
    planes: Arc<Mutex<VecDeque<Option<Yuv420Frame>>>>,
    decoded: u64,
    seen_ms: u64,
    silence_ms: u64,
}

/// A message of the pipeline, and the pictures in it: `None` for one that is none.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) pdu: Vec<u8>,
    pictures: Vec<Option<u32>>,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    /// Whether a picture came, so that a decoder exists.
    began: bool,
}

impl Video {
    pub(crate) fn new(offered: bool) -> Self {
        Self {
            offered,
            ..Self::default()
        }
    }

    /// The end at which the pipeline takes its planes.
    pub(crate) fn decoder(&self) -> Option<Box<dyn H264Decoder>> {
        self.offered
            .then(|| Box::new(Planes(Arc::clone(&self.planes))) as Box<dyn H264Decoder>)
    }

    /// Takes a message of the pipeline. It comes back from [`Video::next`], at once or later.
    pub(crate) fn put(&mut self, pdu: &[u8]) -> Result<(), VideoRefusal> {
        let pictures = self.look(pdu)?;
        if self.queue.len() == VIDEO_QUEUE_LEN_MAX
            || self.queued_bytes + pdu.len() > VIDEO_QUEUE_BYTES_MAX && !self.queue.is_empty()
        {
            return Err(VideoRefusal::Limit("too much waits for a picture"));
        }
        self.queued_bytes += pdu.len();
        self.queue.push_back(Waiting {
            pdu: pdu.to_vec(),
            pictures,
        });
        Ok(())
    }

    /// The next message whose pictures are all there; they lie ready for the pipeline's decoder.
    pub(crate) fn next(&mut self) -> Option<Waiting> {
        let ready = self
            .queue
            .front()?
            .pictures
            .iter()
            .flatten()
            .all(|id| self.pictures.get(id).is_some_and(Option::is_some));
        if !ready {
            return None;
        }
        let waiting = self.queue.pop_front()?;
        self.queued_bytes -= waiting.pdu.len();
        let mut planes = self.planes.lock().unwrap_or_else(PoisonError::into_inner);
        // What an update did not take, as it was refused, must not meet the next one.
        planes.clear();
        for id in &waiting.pictures {
            let picture = id.and_then(|id| self.pictures.remove(&id).flatten());
            if let Some(picture) = &picture {
                self.planes_bytes -= size_of_planes(picture);
            }
            planes.push_back(picture);
        }
        Some(waiting)
    }

    /// Takes what the decoder outside made of a picture; of one that nobody waits for, nothing.
    pub(crate) fn picture(
        &mut self,
        id: u32,
        (width, height): (u16, u16),
        layout: VideoLayout,
        bytes: Vec<u8>,
    ) -> Result<(), VideoRefusal> {
        let Some(place @ None) = self.pictures.get_mut(&id) else {
            return Ok(());
        };
        let picture = planes(width, height, layout, bytes).ok_or(VideoRefusal::Decoder(
            "the planes of a picture are too short",
        ))?;
        self.planes_bytes += size_of_planes(&picture);
        *place = Some(picture);
        self.decoded += 1;
        self.silence_ms = 0;
        if self.planes_bytes > VIDEO_PLANES_BYTES_MAX {
            return Err(VideoRefusal::Limit("too many pictures wait for one"));
        }
        Ok(())
    }

    /// The next thing for the decoder outside.
    pub(crate) fn take_job(&mut self) -> Option<VideoJob> {
        self.jobs.pop_front()
    }

    /// Time goes by; too much of it without a picture is an end.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Result<(), VideoRefusal> {
        let step = now_ms.saturating_sub(self.seen_ms).min(STEP_MS_MAX);
        self.seen_ms = now_ms;
        if !self.pictures.values().any(Option::is_none) {
            self.silence_ms = 0;
            return Ok(());
        }
        self.silence_ms += step;
        if self.silence_ms > VIDEO_SILENCE_MS_MAX {
            return Err(VideoRefusal::Decoder("no picture came back for too long"));
        }
        Ok(())
    }

    /// Bytes of messages that wait.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Pictures that were decoded outside.
    pub(crate) fn decoded(&self) -> u64 {
        self.decoded
    }

    /// The host closed the channel.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
        self.queued_bytes = 0;
        self.pictures.clear();
        self.planes_bytes = 0;
        self.close_all();
    }

    /// Finds pictures, and where their streams begin and end.
    fn look(&mut self, pdu: &[u8]) -> Result<Vec<Option<u32>>, VideoRefusal> {
        let Some(kind) = pdu.first_chunk::<2>().filter(|_| self.offered) else {
            return Ok(Vec::new());
        };
        // The pipeline says what is wrong with a message that cannot be read.
        match u16::from_le_bytes(*kind) {
            CREATE_SURFACE | DELETE_SURFACE => match decode::<GfxPdu>(pdu) {
                Ok(GfxPdu::CreateSurface(create)) => self.open(create.surface_id),
                Ok(GfxPdu::DeleteSurface(delete)) => self.close(delete.surface_id),
                _ => {}
            },
            // All surfaces go with it (MS-RDPEGFX 3.3.5.14).
            RESET_GRAPHICS => self.close_all(),
            WIRE_TO_SURFACE_1 if codec_of(pdu).is_some_and(is_avc) => {
                if let Ok(GfxPdu::WireToSurface1(wire)) = decode::<GfxPdu>(pdu) {
                    return self.pictures_of(wire.surface_id, wire.codec_id, &wire.bitmap_data);
                }
            }
            _ => {}
        }
        Ok(Vec::new())
    }

    fn pictures_of(
        &mut self,
        surface_id: u16,
        codec: Codec1Type,
        data: &[u8],
    ) -> Result<Vec<Option<u32>>, VideoRefusal> {
        let mut cursor = ReadCursor::new(data);
        if codec == Codec1Type::Avc420 {
            return match Avc420BitmapStream::decode(&mut cursor) {
                Ok(stream) => Ok(vec![self.ask(surface_id, stream.data)?]),
                Err(_) => Ok(Vec::new()),
            };
        }
        // Both views are pictures of one stream, in this order (MS-RDPEGFX 2.2.4.5).
        let Ok(stream) = Avc444BitmapStream::decode(&mut cursor) else {
            return Ok(Vec::new());
        };
        let mut pictures = vec![self.ask(surface_id, stream.stream1.data)?];
        if let Some(second) = &stream.stream2 {
            pictures.push(self.ask(surface_id, second.data)?);
        }
        Ok(pictures)
    }

    /// Has a picture decoded; `None` when there is none or nothing to draw it on.
    fn ask(&mut self, surface_id: u16, data: &[u8]) -> Result<Option<u32>, VideoRefusal> {
        let Some(coded) = h264::read(data) else {
            return Ok(None);
        };
        let running = self.streams.values().filter(|stream| stream.began).count();
        let Some(stream) = self.streams.get_mut(&surface_id) else {
            return Ok(None);
        };
        if !stream.began && running == VIDEO_STREAMS_MAX {
            return Err(VideoRefusal::Limit("too many streams of video"));
        }
        if self.pictures.len() == VIDEO_PICTURES_MAX {
            return Err(VideoRefusal::Limit("too many pictures of video wait"));
        }
        stream.began = true;
        self.last_id = self.last_id.wrapping_add(1);
        self.pictures.insert(self.last_id, None);
        self.jobs.push_back(VideoJob::Decode {
            id: self.last_id,
            stream: stream.id,
            key: coded.key,
            codec: coded.codec,
            bytes: coded.bytes,
        });
        Ok(Some(self.last_id))
    }

    fn open(&mut self, surface_id: u16) {
        self.close(surface_id);
        self.last_stream = self.last_stream.wrapping_add(1);
        let stream = Stream {
            id: self.last_stream,
            began: false,
        };
        self.streams.insert(surface_id, stream);
    }

    fn close(&mut self, surface_id: u16) {
        if let Some(Stream { id, began: true }) = self.streams.remove(&surface_id) {
            self.jobs.push_back(VideoJob::Close { stream: id });
        }
    }

    fn close_all(&mut self) {
        while let Some((surface_id, _)) = self.streams.first_key_value() {
            self.close(*surface_id);
        }
    }
}

/// `cmdId` (MS-RDPEGFX 2.2.1.5).
const WIRE_TO_SURFACE_1: u16 = 0x0001;
const CREATE_SURFACE: u16 = 0x0009;
const DELETE_SURFACE: u16 = 0x000A;
const RESET_GRAPHICS: u16 = 0x000E;

/// Splits the first message off; `None` when its length is not possible.
pub(crate) fn split_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = u32::from_le_bytes(*bytes.get(4..)?.first_chunk::<4>()?);
    let len = usize::try_from(len).ok()?;
    if len < HEADER_LEN {
        return None;
    }
    bytes.split_at_checked(len)
}

/// `codecId` of a Wire To Surface PDU 1 (MS-RDPEGFX 2.2.2.1), behind the header and the surface.
fn codec_of(pdu: &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(
        *pdu.get(HEADER_LEN + 2..)?.first_chunk::<2>()?,
    ))
}

fn is_avc(codec: u16) -> bool {
    [Codec1Type::Avc420, Codec1Type::Avc444, Codec1Type::Avc444v2]
        .into_iter()
        .any(|avc| u16::from(avc) == codec)
}

fn planes(width: u16, height: u16, layout: VideoLayout, mut bytes: Vec<u8>) -> Option<Yuv420Frame> {
    let luma_stride = usize::from(width);
    let chroma_stride = luma_stride.div_ceil(2);
    let luma_len = luma_stride.checked_mul(usize::from(height))?;
    let chroma_len = chroma_stride.checked_mul(usize::from(height).div_ceil(2))?;
    if width == 0 || height == 0 || bytes.len() < luma_len + 2 * chroma_len {
        return None;
    }
    let chroma = bytes.get(luma_len..luma_len + 2 * chroma_len)?;
    let (u, v) = match layout {
        VideoLayout::I420 => {
            let (u, v) = chroma.split_at_checked(chroma_len)?;
            (u.to_vec(), v.to_vec())
        }
        VideoLayout::Nv12 => chroma
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[u, v]| (*u, *v))
            .unzip(),
    };
    bytes.truncate(luma_len);
    Yuv420Frame::new(width, height, bytes, luma_stride, u, v, chroma_stride).ok()
}

fn size_of_planes(picture: &Yuv420Frame) -> usize {
    usize::from(picture.width()) * usize::from(picture.height()) * 3 / 2
}

/// The pipeline's decoder: gives what was decoded outside.
struct Planes(Arc<Mutex<VecDeque<Option<Yuv420Frame>>>>);

impl H264Decoder for Planes {
    fn decode(&mut self, data: &[u8]) -> DecoderResult<DecodedFrame> {
        self.decode_yuv420(data).map(|picture| picture.to_rgba())
    }

    fn decode_yuv420(&mut self, _data: &[u8]) -> DecoderResult<Yuv420Frame> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
            .flatten()
            .ok_or_else(|| DecoderError::msg("there is no picture in the data"))
    }

    /// Without planes the pipeline does not offer AVC444.
    fn supports_yuv420(&self) -> bool {
        true
    }
}
