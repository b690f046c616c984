//! The graphics pipeline (MS-RDPEGFX).
//!
//! A processor of our own around the one of the crate: the session layer would draw what it
//! composes at once, and resize the picture to whatever a host says. Here the size is checked
//! first. Video decoded by the browser will come in here as well.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU16, Ordering},
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
    watched: Watched,
}

/// What the handler leaves for the processor.
#[derive(Debug, Clone, Default)]
struct Watched {
    codec: Arc<AtomicU16>,
    too_large: Arc<AtomicBool>,
}

impl Graphics {
    pub(crate) fn new() -> Self {
        let watched = Watched::default();
        let handler = Handler {
            watched: watched.clone(),
        };
        Self {
            pipeline: GraphicsPipelineClient::new(Box::new(handler), None),
            watched,
        }
    }

    /// Takes what was composed; to be called after each PDU of the connection.
    pub(crate) fn take(&mut self) -> Composed {
        Composed {
            reset: self.pipeline.take_output_reset(),
            updates: self.pipeline.drain_output(),
        }
    }

    /// Whether the host asked for a picture that is larger than the pipeline may hold.
    pub(crate) fn too_large(&self) -> bool {
        self.watched.too_large.load(Ordering::Relaxed)
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
}

impl GraphicsPipelineHandler for Handler {
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
