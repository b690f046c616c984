//! The graphics pipeline (MS-RDPEGFX).
//!
//! A processor of our own around the one of the crate: the session layer would draw what it
//! composes at once, and resize the picture to whatever a host says. Here the size is checked
//! first, and messages wait for the pictures of H.264 in them ([`super::video`]).
//!
//! The compression of the channel has a history, so it is undone once, here; the crate's
//! processor gets each message by itself and uncompressed.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU16, Ordering},
};

use ironrdp_core::{decode, encode_vec, impl_as_any};
use ironrdp_dvc::{DvcClientProcessor, DvcMessage, DvcProcessor};
use ironrdp_egfx::{
    client::{BitmapUpdate, GraphicsPipelineClient, GraphicsPipelineHandler},
    compositor::OutputUpdate,
    pdu::{
        CapabilitiesV8Flags, CapabilitiesV81Flags, CapabilitySet, Codec1Type, FrameAcknowledgePdu,
        GfxPdu, QueueDepth,
    },
};
use ironrdp_graphics::zgfx::{Decompressor, wrap_uncompressed};
use ironrdp_pdu::{PduResult, pdu_other_err};

use super::{
    Outlet,
    video::{Video, VideoJob, VideoLayout, VideoRefusal, split_message},
};
use crate::{End, EndCode, Settings};

/// Memory that is kept for the next message, in bytes.
const PLAIN_KEPT: usize = 4 * 1024 * 1024;

/// What came through the pipeline since the last look.
#[derive(Debug)]
pub(crate) struct Composed {
    /// A new size of the picture, in pixels, which begins black.
    pub(crate) reset: Option<(u16, u16)>,
    /// Regions that changed, as RGBA.
    pub(crate) updates: Vec<OutputUpdate>,
}

/// What goes on when a host closes the channel and opens it anew, as xrdp does for another size:
/// the decoder outside knows pictures and streams by numbers, of which none may come twice.
#[derive(Debug, Default)]
struct Kept {
    video: Option<Video>,
    frames: u32,
    dropped: u64,
}

/// What makes the dynamic channel, each time that the host opens it.
pub(crate) fn factory(
    settings: &Settings,
    outlet: &Outlet,
) -> impl FnMut() -> Graphics + Send + 'static {
    let (settings, outlet) = (settings.clone(), outlet.clone());
    let kept = Arc::default();
    move || Graphics::new(&settings, outlet.clone(), Arc::clone(&kept))
}

/// The dynamic channel.
pub(crate) struct Graphics {
    pipeline: GraphicsPipelineClient,
    kept: Arc<Mutex<Kept>>,
    /// Of earlier openings.
    frames_before: u32,
    dropped_before: u64,
    watched: Watched,
    decompressor: Decompressor,
    /// Messages of which the compression is undone; kept for its memory.
    plain: Vec<u8>,
    video: Video,
    refusal: Option<VideoRefusal>,
    outlet: Outlet,
}

/// What the handler leaves for the processor.
#[derive(Debug, Clone, Default)]
struct Watched {
    codec: Arc<AtomicU16>,
    too_large: Arc<AtomicBool>,
}

impl Graphics {
    fn new(settings: &Settings, outlet: Outlet, kept: Arc<Mutex<Kept>>) -> Self {
        let watched = Watched::default();
        let (video, frames_before, dropped_before) = {
            let mut before = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let video = before.video.take();
            (video, before.frames, before.dropped)
        };
        let video = video.unwrap_or_else(|| Video::new(settings.h264));
        let handler = Handler {
            watched: watched.clone(),
            only_avc420: !settings.avc444,
        };
        Self {
            pipeline: GraphicsPipelineClient::new(Box::new(handler), video.decoder()),
            kept,
            frames_before,
            dropped_before,
            watched,
            decompressor: Decompressor::new(),
            plain: Vec::new(),
            video,
            refusal: None,
            outlet,
        }
    }

    /// Takes what was composed; to be called after each PDU of the connection.
    pub(crate) fn take(&mut self) -> Composed {
        Composed {
            reset: self.pipeline.take_output_reset(),
            updates: self.pipeline.drain_output(),
        }
    }

    /// The end that the last failure means, when it was not the bytes that were wrong.
    pub(crate) fn refusal(&self) -> Option<End> {
        if self.watched.too_large.load(Ordering::Relaxed) {
            return Some(End::new(
                EndCode::Limit,
                "the host wants a picture that is too large",
            ));
        }
        self.refusal.map(|refusal| match refusal {
            VideoRefusal::Limit(text) => End::new(EndCode::Limit, text),
            VideoRefusal::Decoder(text) => End::new(EndCode::Video, text),
        })
    }

    /// The next thing for the decoder outside.
    pub(crate) fn take_job(&mut self) -> Option<VideoJob> {
        self.video.take_job()
    }

    /// Takes a picture that was decoded outside, and what waited for it.
    pub(crate) fn picture(
        &mut self,
        channel_id: u32,
        id: u32,
        size: (u16, u16),
        layout: VideoLayout,
        bytes: Vec<u8>,
    ) -> PduResult<Vec<DvcMessage>> {
        let taken = self.video.picture(id, size, layout, bytes);
        self.may(taken)?;
        let mut answers = Vec::new();
        self.go_on(channel_id, &mut answers)?;
        Ok(answers)
    }

    /// Time goes by.
    pub(crate) fn tick(&mut self, now_ms: u64) -> PduResult<()> {
        let result = self.video.tick(now_ms);
        self.may(result)
    }

    /// Pictures that were decoded outside.
    pub(crate) fn video_pictures(&self) -> u64 {
        self.video.decoded()
    }

    /// Frames that were completed.
    pub(crate) fn frames(&self) -> u32 {
        self.frames_before
            .saturating_add(self.pipeline.total_frames_decoded())
    }

    /// Updates that could not be decoded.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped_before
            .saturating_add(self.pipeline.dropped_updates())
    }

    /// Name of the codec of the last update.
    pub(crate) fn codec(&self) -> &'static str {
        match self.watched.codec.load(Ordering::Relaxed) {
            3 => "gfx-remotefx",
            8 => "gfx-clearcodec",
            10 => "gfx-planar",
            11 => "gfx-avc420",
            12 => "gfx-alpha",
            14 | 15 => "gfx-avc444",
            PROGRESSIVE => "gfx-progressive",
            _ => "gfx-uncompressed",
        }
    }
}

/// `RDPGFX_CODECID_CAPROGRESSIVE` (MS-RDPEGFX 2.2.2.2); it comes in a message of its own.
const PROGRESSIVE: u16 = 9;

/// Only watches.
struct Handler {
    watched: Watched,
    only_avc420: bool,
}

impl GraphicsPipelineHandler for Handler {
    // Later versions mean AVC444 as well; the pipeline leaves out what it cannot decode.
    fn capabilities(&self) -> Vec<CapabilitySet> {
        if !self.only_avc420 {
            return AllSets.capabilities();
        }
        vec![
            CapabilitySet::V8_1 {
                flags: CapabilitiesV81Flags::AVC420_ENABLED | CapabilitiesV81Flags::SMALL_CACHE,
            },
            CapabilitySet::V8 {
                flags: CapabilitiesV8Flags::SMALL_CACHE,
            },
        ]
    }

    fn on_reset_graphics_rejected(&mut self, _width: u32, _height: u32) {
        self.watched.too_large.store(true, Ordering::Relaxed);
    }

    fn on_bitmap_updated(&mut self, update: &BitmapUpdate) {
        let codec = &self.watched.codec;
        // Tiles of the progressive codec arrive here as uncompressed ones.
        if update.codec_id != Codec1Type::Uncompressed
            || codec.load(Ordering::Relaxed) != PROGRESSIVE
        {
            codec.store(u16::from(update.codec_id), Ordering::Relaxed);
        }
    }

    fn on_wire_to_surface2(&mut self, _pdu: &ironrdp_egfx::pdu::WireToSurface2Pdu) {
        self.watched.codec.store(PROGRESSIVE, Ordering::Relaxed);
    }
}

/// For the sets that the crate offers by itself.
struct AllSets;

impl GraphicsPipelineHandler for AllSets {}

impl Graphics {
    /// Takes messages whose compression is undone.
    fn take_in(&mut self, channel_id: u32, mut plain: &[u8]) -> PduResult<Vec<DvcMessage>> {
        let mut answers = Vec::new();
        while !plain.is_empty() {
            let (pdu, rest) = split_message(plain)
                .ok_or_else(|| pdu_other_err!("a message of the graphics pipeline is cut"))?;
            plain = rest;
            let put = self.video.put(pdu);
            self.may(put)?;
            self.go_on(channel_id, &mut answers)?;
        }
        Ok(answers)
    }

    /// Hands the pipeline all messages up to the first whose pictures are not there.
    fn go_on(&mut self, channel_id: u32, answers: &mut Vec<DvcMessage>) -> PduResult<()> {
        while let Some(waiting) = self.video.next() {
            let wrapped = wrap_uncompressed(&waiting.pdu);
            for answer in self.pipeline.process(channel_id, &wrapped)? {
                answers.push(self.with_queue_depth(answer)?);
            }
        }
        Ok(())
    }

    /// An acknowledgement says how much waits here, so that a host sends no faster than is drawn
    /// (MS-RDPEGFX 2.2.2.13). The frame itself is drawn by now.
    fn with_queue_depth(&self, answer: DvcMessage) -> PduResult<DvcMessage> {
        let waits = u32::try_from(self.video.queued_bytes()).unwrap_or(u32::MAX);
        let backlog = u32::try_from(self.outlet.backlog_bytes()).unwrap_or(u32::MAX);
        // The largest number would mean that no acknowledgements follow.
        let bytes = waits.saturating_add(backlog).min(u32::MAX - 1);
        if bytes == 0 {
            return Ok(answer);
        }
        let encoded = encode_vec(answer.as_ref())
            .map_err(|error| pdu_other_err!("acknowledgement", source: error))?;
        match decode::<GfxPdu>(&encoded) {
            Ok(GfxPdu::FrameAcknowledge(acknowledge)) => {
                Ok(Box::new(GfxPdu::FrameAcknowledge(FrameAcknowledgePdu {
                    queue_depth: QueueDepth::AvailableBytes(bytes),
                    ..acknowledge
                })))
            }
            _ => Ok(answer),
        }
    }

    /// Keeps why something was refused: errors of channels carry only texts.
    fn may(&mut self, result: Result<(), VideoRefusal>) -> PduResult<()> {
        result.map_err(|refusal| {
            self.refusal = Some(refusal);
            pdu_other_err!("video")
        })
    }
}

impl_as_any!(Graphics);

impl DvcProcessor for Graphics {
    fn channel_name(&self) -> &str {
        self.pipeline.channel_name()
    }

    fn start(&mut self, channel_id: u32) -> PduResult<Vec<DvcMessage>> {
        self.pipeline.start(channel_id)
    }

    fn process(&mut self, channel_id: u32, payload: &[u8]) -> PduResult<Vec<DvcMessage>> {
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        plain.shrink_to(PLAIN_KEPT);
        self.decompressor.decompress(payload, &mut plain).map_err(
            |error| pdu_other_err!("compression of the graphics pipeline", source: error),
        )?;
        let answers = self.take_in(channel_id, &plain);
        self.plain = plain;
        answers
    }

    fn close(&mut self, channel_id: u32) {
        self.video.clear();
        let (frames, dropped) = (self.frames(), self.dropped());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Kept {
            video: Some(std::mem::take(&mut self.video)),
            frames,
            dropped,
        };
        drop(kept);
        self.pipeline.close(channel_id);
    }
}

impl DvcClientProcessor for Graphics {}

pub(crate) mod alone;

#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod tests;
