//! The graphics pipeline without a connection around it, for [`crate::fuzzing::video`].

use ironrdp_dvc::DvcProcessor as _;
use ironrdp_graphics::zgfx::wrap_uncompressed;
use ironrdp_pdu::PduResult;

use super::{Graphics, factory};
use crate::{Settings, VideoJob, VideoLayout, channels::Outlet};

/// The pipeline and the number of its channel.
pub(crate) struct Alone {
    graphics: Graphics,
    channel_id: u32,
}

/// A graphics pipeline that offers H.264 and has one surface.
pub(crate) fn alone(channel_id: u32) -> Option<Alone> {
    let settings =
        Settings::from_json(r#"{"ticket":"t","width":800,"height":600,"h264":true}"#).ok()?;
    let (outlet, _) = Outlet::new();
    let mut graphics = factory(&settings, &outlet)();
    graphics.start(channel_id).ok()?;
    let mut alone = Alone {
        graphics,
        channel_id,
    };
    // Caps Confirm for version 8.1 with AVC420, then Create Surface: 64 x 64 (MS-RDPEGFX 2.2.2).
    alone
        .message(0x13, &[5, 1, 8, 0, 4, 0, 0, 0, 0x10, 0, 0, 0])
        .ok()?;
    alone.message(0x09, &[1, 0, 64, 0, 64, 0, 0x20]).ok()?;
    Some(alone)
}

impl Alone {
    /// One message: `cmdId` and what stands behind the header.
    pub(crate) fn message(&mut self, kind: u16, content: &[u8]) -> PduResult<()> {
        let len = u32::try_from(content.len() + 8).unwrap_or(u32::MAX);
        let head = [&kind.to_le_bytes()[..], &[0, 0], &len.to_le_bytes()].concat();
        let message = wrap_uncompressed(&[&head, content].concat());
        self.graphics.process(self.channel_id, &message)?;
        self.graphics.take();
        Ok(())
    }

    pub(crate) fn picture(
        &mut self,
        id: u32,
        side: u16,
        layout: VideoLayout,
        planes: Vec<u8>,
    ) -> PduResult<()> {
        self.graphics
            .picture(self.channel_id, id, (side, side), layout, planes)?;
        self.graphics.take();
        Ok(())
    }

    pub(crate) fn take_job(&mut self) -> Option<VideoJob> {
        self.graphics.take_job()
    }
}
