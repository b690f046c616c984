//! The graphics pipeline (MS-RDPEGFX).
//!
//! A processor of our own around the one of the crate: the session layer would draw what it
//! composes at once, and resize the picture to whatever a host says. Here the size is checked
//! first. Video decoded by the browser will come in here as well.

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use ironrdp_core::impl_as_any;
use ironrdp_dvc::{DvcClientProcessor, DvcMessage, DvcProcessor};
use ironrdp_egfx::{
    client::{BitmapUpdate, GraphicsPipelineClient, GraphicsPipelineHandler},
    compositor::OutputUpdate,
    pdu::Codec1Type,
};
use ironrdp_pdu::PduResult;

/// What came through the pipeline since the last look.
#[derive(Debug)]
pub(crate) struct Composed {
    /// A new size of the picture, in pixels, which begins black.
    pub(crate) reset: Option<(u16, u16)>,
    /// Regions that changed, as RGBA.
    pub(crate) updates: Vec<OutputUpdate>,
}

/// The dynamic channel.
pub(crate) struct Graphics {
    pipeline: GraphicsPipelineClient,
    codec: Arc<AtomicU16>,
}

impl Graphics {
    pub(crate) fn new() -> Self {
        let codec = Arc::new(AtomicU16::new(0));
        let handler = Handler {
            codec: Arc::clone(&codec),
        };
        Self {
            pipeline: GraphicsPipelineClient::new(Box::new(handler), None),
            codec,
        }
    }

    /// Takes what was composed; to be called after each PDU of the connection.
    pub(crate) fn take(&mut self) -> Composed {
        Composed {
            reset: self.pipeline.take_output_reset(),
            updates: self.pipeline.drain_output(),
        }
    }

    /// Frames that were completed.
    pub(crate) fn frames(&self) -> u32 {
        self.pipeline.total_frames_decoded()
    }

    /// Updates that could not be decoded.
    pub(crate) fn dropped(&self) -> u64 {
        self.pipeline.dropped_updates()
    }

    /// Name of the codec of the last update.
    pub(crate) fn codec(&self) -> &'static str {
        match self.codec.load(Ordering::Relaxed) {
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

/// Only watches which codecs are used.
struct Handler {
    codec: Arc<AtomicU16>,
}

impl GraphicsPipelineHandler for Handler {
    fn on_bitmap_updated(&mut self, update: &BitmapUpdate) {
        // Tiles of the progressive codec arrive here as uncompressed ones.
        if update.codec_id != Codec1Type::Uncompressed
            || self.codec.load(Ordering::Relaxed) != PROGRESSIVE
        {
            self.codec
                .store(u16::from(update.codec_id), Ordering::Relaxed);
        }
    }

    fn on_wire_to_surface2(&mut self, _pdu: &ironrdp_egfx::pdu::WireToSurface2Pdu) {
        self.codec.store(PROGRESSIVE, Ordering::Relaxed);
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
        self.pipeline.process(channel_id, payload)
    }

    fn close(&mut self, channel_id: u32) {
        self.pipeline.close(channel_id);
    }
}

impl DvcClientProcessor for Graphics {}
