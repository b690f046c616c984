//! The open desktop: pictures, pointer, channels, and the rounds of deactivation and
//! reactivation in which a host changes the size (MS-RDPBCGR 1.3.1.3).

use ironrdp_cliprdr::{
    CliprdrClient,
    pdu::{ClipboardFormatId, FormatDataResponse},
};
use ironrdp_connector::{
    ConnectionResult, Sequence as _,
    connection_activation::{
        ConnectionActivationFactory, ConnectionActivationSequence, ConnectionActivationState,
    },
};
use ironrdp_core::{MonotonicInstant, WriteBuf};
use ironrdp_dvc::{DrdynvcClient, encode_dvc_messages};
use ironrdp_graphics::image_processing::PixelFormat;
use ironrdp_pdu::{
    Action, PduResult,
    geometry::{ExclusiveRectangle, InclusiveRectangle},
    input::{InputEventPdu, fast_path::FastPathInputEvent},
    mcs::{DisconnectProviderUltimatum, DisconnectReason, McsMessage, decode_send_data_indication},
    rdp::{
        autodetect::AutoDetectRequest, capability_sets::InputFlags, headers::ShareDataPdu,
        suppress_output::SuppressOutputPdu,
    },
    x224::X224,
};
use ironrdp_session::{
    ActiveStage, ActiveStageBuilder, ActiveStageOutput, GracefulDisconnectReason,
    image::DecodedImage,
};

use ironrdp_svc::{ChannelFlags, SvcProcessorMessages};

mod files;

use crate::{
    ClipboardFormat, End, EndCode, Event, Monitor, PointerChange, VideoJob, VideoLayout,
    channels::{
        clipboard,
        graphics::{Composed, Graphics},
        microphone::Packet,
    },
    input::slow_path,
    limits::{CHANNEL_MESSAGE_MAX, PIXELS_MAX, REACTIVATIONS_MAX, SIDE_MAX},
    monitors,
    output::Output,
    peek,
    touch::Touch,
};

/// An open desktop.
pub(crate) struct Active {
    pub(crate) stage: ActiveStage,
    image: DecodedImage,
    factory: ConnectionActivationFactory,
    /// While the host renews the share.
    reactivation: Option<Box<ConnectionActivationSequence>>,
    /// Since the last picture.
    reactivations: u32,
    io_channel_id: u16,
    dynamic_channel_id: Option<u16>,
    message_channel_id: Option<u16>,
    fast_path_input: bool,
    refresh_rect: bool,
    suppress_output: bool,
    /// Why the host will end the connection, if it said so.
    error_info: Option<u32>,
    now: Option<MonotonicInstant>,
    pub(crate) touch: Touch,
}

impl Active {
    /// Takes over from the connector.
    pub(crate) fn new(result: ConnectionResult, output: &mut Output) -> Result<Self, End> {
        let size = result.desktop_size;
        let dynamic_channel_id = result
            .static_channels
            .get_channel_id_by_type::<DrdynvcClient>();
        let stage = ActiveStageBuilder {
            static_channels: result.static_channels,
            user_channel_id: result.user_channel_id,
            io_channel_id: result.io_channel_id,
            message_channel_id: result.message_channel_id,
            share_id: result.share_id,
            compression_type: result.compression_type,
            enable_server_pointer: result.enable_server_pointer,
            pointer_software_rendering: result.pointer_software_rendering,
        }
        .build();
        let mut active = Self {
            stage,
            image: DecodedImage::new(PixelFormat::RgbA32, 0, 0),
            factory: result.activation_factory,
            reactivation: None,
            reactivations: 0,
            io_channel_id: result.io_channel_id,
            dynamic_channel_id,
            message_channel_id: result.message_channel_id,
            fast_path_input: takes_fast_path(result.input_flags),
            refresh_rect: result.refresh_rect_support,
            suppress_output: result.suppress_output_support,
            error_info: None,
            now: None,
            touch: Touch::default(),
        };
        active.set_size(size.width, size.height, output)?;
        Ok(active)
    }

    pub(crate) fn image(&self) -> &DecodedImage {
        &self.image
    }

    /// Handles one PDU of the host.
    pub(crate) fn process(
        &mut self,
        action: Action,
        pdu: &[u8],
        now: MonotonicInstant,
        output: &mut Output,
    ) -> Result<(), End> {
        self.now = Some(now);
        if action == Action::X224 {
            self.check_channel_message(pdu)?;
            let seen = peek::look(pdu, self.io_channel_id);
            self.error_info = seen.error_info.or(self.error_info);
            if let Some(leds) = seen.leds {
                output.event(Event::KeyboardLeds {
                    scroll: leds & 1 != 0,
                    num: leds & 2 != 0,
                    caps: leds & 4 != 0,
                    kana: leds & 8 != 0,
                });
            }
            let skipped = match self.reactivation {
                Some(_) => seen.not_for_finalization,
                None => seen.not_for_session,
            };
            if skipped {
                return Ok(());
            }
        }
        // While the share is renewed, channels go on, and so must fast-path updates: their
        // compression has a history.
        if self.reactivation.is_some() && action == Action::X224 {
            let of_channel = decode_send_data_indication(pdu)
                .is_ok_and(|data| data.channel_id != self.io_channel_id);
            if !of_channel {
                let mut pdu = pdu.to_vec();
                peek::uncompress_finalizing(&mut pdu);
                return self.reactivate(&pdu, output);
            }
        }
        let outputs = self
            .stage
            .process(&mut self.image, action, pdu, Some(now))
            .map_err(|error| self.graphics_end("the host sent what cannot be read", error))?;
        if action == Action::FastPath {
            note_fast_path_codec(pdu, output);
        }
        self.handle(outputs, output)?;
        self.compose(output)?;
        self.touch.follow(
            &mut self.stage,
            now.as_millis().saturating_mul(1_000),
            output,
        )
    }

    /// Refuses messages that would fill the memory before anything looks at them.
    fn check_channel_message(&self, pdu: &[u8]) -> Result<(), End> {
        let of_channel = decode_send_data_indication(pdu).is_ok_and(|data| {
            data.channel_id != self.io_channel_id
                && Some(data.channel_id) != self.message_channel_id
        });
        if of_channel
            && peek::channel_message_len(pdu, self.dynamic_channel_id) > CHANNEL_MESSAGE_MAX
        {
            return Err(End::new(
                EndCode::Limit,
                "the host announced a channel message that is too long",
            ));
        }
        Ok(())
    }

    /// Sends input, in the form that the host takes.
    pub(crate) fn input(
        &mut self,
        events: &[FastPathInputEvent],
        output: &mut Output,
    ) -> Result<(), End> {
        if events.is_empty() || self.reactivation.is_some() {
            return Ok(());
        }
        if self.fast_path_input {
            let outputs = self
                .stage
                .process_fastpath_input(&mut self.image, events)
                .map_err(|error| self.end("input", error))?;
            return self.handle(outputs, output);
        }
        let events = events.iter().filter_map(slow_path).collect();
        self.send_share_data(ShareDataPdu::Input(InputEventPdu(events)), output)
    }

    /// Tells the host whether anybody looks (MS-RDPBCGR 2.2.11.3).
    pub(crate) fn visible(&mut self, on: bool, output: &mut Output) -> Result<(), End> {
        if !self.suppress_output || self.reactivation.is_some() {
            return Ok(());
        }
        let desktop_rect = on.then(|| whole(&self.image));
        let pdu = ShareDataPdu::SuppressOutput(SuppressOutputPdu { desktop_rect });
        self.send_share_data(pdu, output)
    }

    /// Asks for another size; `false` when the host takes none.
    pub(crate) fn resize(
        &mut self,
        width: u32,
        height: u32,
        scale_percent: u32,
        output: &mut Output,
    ) -> Result<bool, End> {
        let (width, height) =
            ironrdp_displaycontrol::pdu::MonitorLayoutEntry::adjust_display_size(width, height);
        match self
            .stage
            .encode_resize(width, height, Some(scale_percent), None)
        {
            None => Ok(false),
            Some(Ok(bytes)) => {
                output.send(&bytes);
                Ok(true)
            }
            Some(Err(error)) => Err(self.end("resize", error)),
        }
    }

    /// Asks for several monitors; `false` when the host takes none.
    pub(crate) fn arrange(
        &mut self,
        monitors: &[Monitor],
        output: &mut Output,
    ) -> Result<bool, End> {
        let Ok(layout) = monitors::layout(monitors) else {
            return Ok(false);
        };
        match self.stage.encode_monitor_layout(&layout) {
            Some(Ok(bytes)) => {
                output.send(&bytes);
                Ok(true)
            }
            // More, or larger ones, than the host takes.
            None | Some(Err(_)) => Ok(false),
        }
    }

    /// Sends what the microphone's channel made.
    pub(crate) fn microphone(&mut self, packet: Packet, output: &mut Output) -> Result<(), End> {
        let bytes = self
            .stage
            .encode_dvc_messages(packet.0)
            .map_err(|error| self.end("the microphone", error))?;
        output.send(&bytes);
        Ok(())
    }

    /// Tells the host what the device's clipboard has.
    pub(crate) fn clipboard_offer(
        &mut self,
        formats: &[ClipboardFormat],
        output: &mut Output,
    ) -> Result<(), End> {
        let formats = clipboard::to_wire(formats);
        self.clipboard(output, |channel| channel.initiate_copy(&formats))
    }

    /// Asks the host for a format.
    pub(crate) fn clipboard_fetch(&mut self, format: u32, output: &mut Output) -> Result<(), End> {
        self.clipboard(output, |channel| {
            if channel.is_ready() {
                clipboard::fetches_format(channel);
            }
            channel.initiate_paste(ClipboardFormatId::new(format))
        })
    }

    /// Gives the host what it asked for, or says that there is nothing.
    pub(crate) fn clipboard_data(
        &mut self,
        data: Option<Vec<u8>>,
        output: &mut Output,
    ) -> Result<(), End> {
        let response = match data {
            Some(data) => FormatDataResponse::new_data(data),
            None => FormatDataResponse::new_error(),
        };
        self.clipboard(output, |channel| channel.submit_format_data(response))
    }

    /// Does something with the clipboard's channel, if the host opened it.
    fn clipboard(
        &mut self,
        output: &mut Output,
        act: impl FnOnce(&mut CliprdrClient) -> PduResult<SvcProcessorMessages<CliprdrClient>>,
    ) -> Result<(), End> {
        let Some(channel) = self.stage.get_svc_processor_mut::<CliprdrClient>() else {
            return Ok(());
        };
        // The one error is a channel that is not ready: the policy or the host keeps it closed,
        // or it opens only now and will ask by itself.
        let Ok(messages) = act(channel) else {
            return Ok(());
        };
        let bytes = self
            .stage
            .process_svc_processor_messages(messages)
            .map_err(|error| self.end("the clipboard", error))?;
        output.send(&bytes);
        Ok(())
    }

    /// The last words of the client (MS-RDPBCGR 2.2.2.3, "user requested").
    pub(crate) fn goodbye(output: &mut Output) {
        let ultimatum = McsMessage::DisconnectProviderUltimatum(
            DisconnectProviderUltimatum::from_reason(DisconnectReason::UserRequested),
        );
        if let Ok(bytes) = ironrdp_core::encode_vec(&X224(ultimatum)) {
            output.send(&bytes);
        }
    }

    /// Number of the frames that the graphics pipeline completed, updates it dropped, its codec.
    pub(crate) fn graphics(&self) -> Option<(u32, u64, &'static str)> {
        let graphics = self.stage.get_dvc::<Graphics>()?;
        let graphics = graphics.processor();
        (graphics.frames() > 0).then(|| (graphics.frames(), graphics.dropped(), graphics.codec()))
    }

    fn handle(&mut self, outputs: Vec<ActiveStageOutput>, output: &mut Output) -> Result<(), End> {
        let mut changed = false;
        for item in outputs {
            match item {
                ActiveStageOutput::ResponseFrame(bytes) => output.send(&bytes),
                ActiveStageOutput::GraphicsUpdate(_) => changed = true,
                ActiveStageOutput::PointerDefault => {
                    output.event(Event::Pointer(PointerChange::Default));
                }
                ActiveStageOutput::PointerHidden => {
                    output.event(Event::Pointer(PointerChange::Hidden));
                }
                ActiveStageOutput::PointerPosition { x, y } => {
                    output.event(Event::Pointer(PointerChange::Position { x, y }));
                }
                ActiveStageOutput::PointerBitmap(shape) => output.pointer_shape(&shape),
                ActiveStageOutput::SaveSessionInfo { logon_complete } => {
                    if logon_complete {
                        output.event(Event::SignedIn);
                    }
                }
                ActiveStageOutput::AutoReconnectCookie(cookie) => {
                    output.event(Event::AutoReconnectCookie {
                        logon_id: cookie.logon_id,
                        random: hexadecimal(&cookie.random_bits),
                    });
                }
                ActiveStageOutput::LogonErrors(errors) => output.event(Event::SignInNotice {
                    kind: errors.error_type.as_u32(),
                    data: errors.error_data.to_u32(),
                }),
                ActiveStageOutput::AutoDetect(
                    AutoDetectRequest::NetworkCharacteristicsResult {
                        average_rtt_ms,
                        bandwidth_kbps,
                        ..
                    },
                ) => {
                    output.stats.rtt_ms = Some(average_rtt_ms);
                    output.stats.bandwidth_kbps = bandwidth_kbps.or(output.stats.bandwidth_kbps);
                }
                ActiveStageOutput::DeactivateAll => self.deactivated()?,
                ActiveStageOutput::ServerRedirection(_) => {
                    return Err(End::new(
                        EndCode::Redirected,
                        "the host sends the client to another host",
                    ));
                }
                ActiveStageOutput::Terminate(reason) => return Err(self.terminated(&reason)),
                // The gateway carries one TCP connection, so no second transport is set up;
                // windows and monitors are not asked for; sign-in by cookie is the gateway's.
                ActiveStageOutput::MultitransportRequest(_)
                | ActiveStageOutput::AutoDetect(_)
                | ActiveStageOutput::MonitorLayout(_)
                | ActiveStageOutput::WindowingOrders(_)
                | ActiveStageOutput::WindowSurfaceUpdates(_)
                | ActiveStageOutput::SessionId(_)
                | ActiveStageOutput::AutoReconnectFailed => {}
            }
        }
        if changed {
            self.reactivations = 0;
            let regions = self.stage.take_damage_regions();
            self.note_damage(&regions, output);
        }
        self.recover(output)
    }

    /// The next thing for the decoder of video outside.
    pub(crate) fn take_video_job(&mut self) -> Option<VideoJob> {
        self.stage
            .get_dvc_mut::<Graphics>()?
            .processor_mut()
            .take_job()
    }

    /// Takes a picture that was decoded outside, and draws what waited for it.
    pub(crate) fn video_picture(
        &mut self,
        id: u32,
        size: (u16, u16),
        layout: VideoLayout,
        bytes: Vec<u8>,
        output: &mut Output,
    ) -> Result<(), End> {
        let Some(mut graphics) = self.stage.get_dvc_mut::<Graphics>() else {
            return Ok(());
        };
        let channel_id = graphics.channel_id();
        let answers = graphics
            .processor_mut()
            .picture(channel_id, id, size, layout, bytes)
            .map_err(|error| self.graphics_end("the graphics pipeline", error))?;
        let messages = encode_dvc_messages(channel_id, answers, ChannelFlags::empty())
            .map_err(|error| self.end("the graphics pipeline", error))?;
        let bytes = self
            .stage
            .encode_dvc_messages(messages)
            .map_err(|error| self.end("the graphics pipeline", error))?;
        output.send(&bytes);
        self.compose(output)
    }

    /// Time goes by.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Result<(), End> {
        let Some(mut graphics) = self.stage.get_dvc_mut::<Graphics>() else {
            return Ok(());
        };
        let result = graphics.processor_mut().tick(now_ms);
        result.map_err(|error| self.graphics_end("the graphics pipeline", error))
    }

    /// Pictures of video that were decoded outside.
    pub(crate) fn video_pictures(&self) -> u64 {
        self.stage
            .get_dvc::<Graphics>()
            .map_or(0, |graphics| graphics.processor().video_pictures())
    }

    /// The end for an error that may be one of the graphics pipeline.
    fn graphics_end(&self, what: &str, error: impl std::error::Error) -> End {
        self.stage
            .get_dvc::<Graphics>()
            .and_then(|graphics| graphics.processor().refusal())
            .unwrap_or_else(|| self.end(what, error))
    }

    /// Draws what came through the graphics pipeline.
    fn compose(&mut self, output: &mut Output) -> Result<(), End> {
        let Some(mut graphics) = self.stage.get_dvc_mut::<Graphics>() else {
            return Ok(());
        };
        let Composed { reset, updates } = graphics.processor_mut().take();
        if let Some((width, height)) = reset {
            self.set_size(width, height, output)?;
        }
        if updates.is_empty() {
            return Ok(());
        }
        let changed = self
            .stage
            .composite_rgba32(
                &mut self.image,
                updates
                    .into_iter()
                    .map(|update| (update.region, update.data)),
            )
            .map_err(|error| self.end("a picture of the graphics pipeline", error))?;
        if changed.is_some() {
            self.reactivations = 0;
            let regions = self.stage.take_damage_regions();
            self.note_damage(&regions, output);
        }
        Ok(())
    }

    fn note_damage(&self, regions: &[InclusiveRectangle], output: &mut Output) {
        output.stats.frames_received += 1;
        for region in regions {
            let width = u64::from(region.right.saturating_sub(region.left)) + 1;
            let height = u64::from(region.bottom.saturating_sub(region.top)) + 1;
            output.stats.rectangles += 1;
            output.stats.pixels += width * height;
            output
                .damage
                .add(region, self.image.width(), self.image.height());
        }
    }

    /// Asks for the whole picture again when a part of it could not be decoded.
    fn recover(&mut self, output: &mut Output) -> Result<(), End> {
        if !self.stage.take_bitmap_recovery_request() || self.image.data().is_empty() {
            return Ok(());
        }
        let frames = self
            .stage
            .request_full_redraw(
                self.image.width(),
                self.image.height(),
                self.refresh_rect,
                self.suppress_output,
            )
            .map_err(|error| self.end("redraw", error))?;
        for frame in frames {
            output.send(&frame);
        }
        Ok(())
    }

    fn deactivated(&mut self) -> Result<(), End> {
        self.reactivations += 1;
        if self.reactivations > REACTIVATIONS_MAX {
            return Err(End::new(
                EndCode::Limit,
                "the host renews the desktop again and again",
            ));
        }
        self.reactivation = Some(Box::new(self.factory.create()));
        Ok(())
    }

    fn reactivate(&mut self, pdu: &[u8], output: &mut Output) -> Result<(), End> {
        let Some(mut sequence) = self.reactivation.take() else {
            return Ok(());
        };
        let mut answer = WriteBuf::new();
        sequence
            .step(pdu, self.now, &mut answer)
            .map_err(|error| self.end("the host renewed the desktop", error))?;
        output.send(answer.filled());
        // Some steps of a sequence only send.
        while sequence.next_pdu_hint().is_none() && !sequence.state().is_terminal() {
            answer.clear();
            sequence
                .step_no_input(&mut answer)
                .map_err(|error| self.end("the host renewed the desktop", error))?;
            output.send(answer.filled());
        }
        match sequence.connection_activation_state() {
            ConnectionActivationState::Finalized {
                desktop_size,
                share_id,
                input_flags,
                static_channel_chunk_size,
                enable_server_pointer,
                pointer_software_rendering,
                refresh_rect_support,
                suppress_output_support,
                ..
            } => {
                let good = self.stage.reactivate(
                    sequence.io_channel_id(),
                    sequence.user_channel_id(),
                    share_id,
                    enable_server_pointer,
                    pointer_software_rendering,
                    static_channel_chunk_size,
                );
                if !good {
                    return Err(End::new(
                        EndCode::Protocol,
                        "the host's chunk size is invalid",
                    ));
                }
                self.fast_path_input = takes_fast_path(input_flags);
                self.refresh_rect = refresh_rect_support;
                self.suppress_output = suppress_output_support;
                self.set_size(desktop_size.width, desktop_size.height, output)
            }
            ConnectionActivationState::Redirected { .. } => Err(End::new(
                EndCode::Redirected,
                "the host sends the client to another host",
            )),
            _ => {
                self.reactivation = Some(sequence);
                Ok(())
            }
        }
    }

    /// Makes the picture as large as the host says, black where nothing is drawn yet.
    fn set_size(&mut self, width: u16, height: u16, output: &mut Output) -> Result<(), End> {
        let pixels = usize::from(width) * usize::from(height);
        if width > SIDE_MAX || height > SIDE_MAX || pixels > PIXELS_MAX {
            return Err(End::new(
                EndCode::Limit,
                format!("the host wants a picture of {width} by {height} pixels"),
            ));
        }
        if (width, height) == (self.image.width(), self.image.height()) {
            return Ok(());
        }
        self.image = DecodedImage::new(PixelFormat::RgbA32, 0, 0); // before the new one is made
        self.image = DecodedImage::new(PixelFormat::RgbA32, width, height);
        self.blacken()?;
        output.stats.frame_bytes = u64::try_from(self.image.data().len()).unwrap_or_default();
        output.event(Event::Resized { width, height });
        output.damage.all(width, height);
        Ok(())
    }

    /// A new image is transparent; the frame buffer is promised to be opaque.
    fn blacken(&mut self) -> Result<(), End> {
        const ROWS: u16 = 64;
        let (width, height) = (self.image.width(), self.image.height());
        let black = [0, 0, 0, 255];
        let strips = (0..height).step_by(ROWS.into()).map(|top| {
            let bottom = top.saturating_add(ROWS).min(height);
            let pixels = usize::from(width) * usize::from(bottom - top);
            let region = ExclusiveRectangle {
                left: 0,
                top,
                right: width,
                bottom,
            };
            (region, black.repeat(pixels))
        });
        self.stage
            .composite_rgba32(&mut self.image, strips)
            .map_err(|error| End::protocol("a new picture", error))?;
        self.stage.take_damage_regions();
        Ok(())
    }

    fn send_share_data(&self, pdu: ShareDataPdu, output: &mut Output) -> Result<(), End> {
        let mut bytes = WriteBuf::new();
        self.stage
            .encode_static(&mut bytes, pdu)
            .map_err(|error| self.end("a message to the host", error))?;
        output.send(bytes.filled());
        Ok(())
    }

    /// The end for an error; what the host itself said goes first.
    fn end(&self, what: &str, error: impl std::error::Error) -> End {
        match self.error_info {
            Some(code) => End::from_error_info(code),
            None => End::protocol(what, chain(&error)),
        }
    }

    fn terminated(&self, reason: &GracefulDisconnectReason) -> End {
        match self.error_info {
            Some(code) => End::from_error_info(code),
            None => End::new(EndCode::HostClosed, reason.description()),
        }
    }
}

/// An error with its sources, as the layers below put only a word into each.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

fn takes_fast_path(flags: InputFlags) -> bool {
    flags.intersects(InputFlags::FASTPATH_INPUT | InputFlags::FASTPATH_INPUT_2)
}

fn whole(image: &DecodedImage) -> InclusiveRectangle {
    InclusiveRectangle {
        left: 0,
        top: 0,
        right: image.width().saturating_sub(1),
        bottom: image.height().saturating_sub(1),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which kind of update the PDU begins with (MS-RDPBCGR 2.2.9.1.2.1, `updateCode`).
fn note_fast_path_codec(pdu: &[u8], output: &mut Output) {
    let long = pdu.get(1).is_some_and(|length| length & 0x80 != 0);
    match pdu
        .get(if long { 3 } else { 2 })
        .map(|header| header & 0x0F)
    {
        Some(1) => output.stats.codec = "bitmap",
        Some(4) => output.stats.codec = "surface",
        _ => {}
    }
}
