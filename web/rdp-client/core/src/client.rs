//! The client as a whole: what its caller may call in every state.

use std::sync::mpsc::Receiver;

use ironrdp_connector::{
    ClientConnector, ConnectionOutcome, ConnectorError, ConnectorErrorKind, Sequence as _,
};
use ironrdp_core::{MonotonicInstant, WriteBuf};
use ironrdp_pdu::{Action, input::fast_path::FastPathInputEvent};

use crate::{
    ClipboardFormat, End, EndCode, Event, FingerPhase, Monitor, PenSample, Settings, Stats, Step,
    VideoJob, VideoLayout,
    active::{Active, chain},
    channels::{
        Notice, Outlet, clipboard::ClipboardNotice, microphone::Microphone, sound::SoundNotice,
    },
    cleanpath,
    connect::{self, Early},
    inbox::Inbox,
    input::Input,
    monitors,
    output::Output,
    peek,
};

mod files;

/// A client of one connection.
///
/// Call [`Client::tick`] and [`Client::feed`] with what the gateway sent, then take what came of
/// it: [`Client::take_output`], [`Client::take_events`], [`Client::take_damage`]. Input is
/// ignored unless the desktop is open. Nothing here fails: what goes wrong is an
/// [`Event::End`], after which nothing happens any more.
pub struct Client {
    state: State,
    inbox: Inbox,
    output: Output,
    input: Input,
    outlet: Outlet,
    notices: Receiver<Notice>,
    now: MonotonicInstant,
    clipboard: Clipboard,
    microphone: Microphone,
}

/// The device's side of the clipboard.
#[derive(Debug, Default)]
struct Clipboard {
    /// What the device has; told to the host as soon as it asks.
    offer: Vec<ClipboardFormat>,
    /// Number of the host's last request.
    request: u32,
    /// Whether it waits for its answer: the protocol allows one at a time.
    waits: bool,
    files: files::ClipboardFiles,
}

/// Named by what it waits for.
enum State {
    /// The gateway's answer.
    Answer(Box<ClientConnector>),
    /// The end of the connect sequence.
    Connected(Box<ClientConnector>, Early),
    /// Whatever the host does.
    Session(Box<Active>),
    /// Nothing.
    Ended,
}

impl Client {
    /// A client for settings in JSON; its request to the gateway waits in
    /// [`Client::take_output`].
    pub fn new(settings: &str) -> Self {
        let (outlet, notices) = Outlet::new();
        let mut client = Self {
            state: State::Ended,
            inbox: Inbox::default(),
            output: Output::default(),
            input: Input::default(),
            outlet,
            notices,
            now: MonotonicInstant::from_millis(0),
            clipboard: Clipboard::default(),
            microphone: Microphone::default(),
        };
        match client.begin(settings) {
            Ok(connector) => client.state = State::Answer(connector),
            Err(end) => client.output.event(Event::End(end)),
        }
        client
    }

    fn begin(&mut self, settings: &str) -> Result<Box<ClientConnector>, End> {
        let settings = Settings::from_json(settings)
            .map_err(|error| End::new(EndCode::Settings, error.to_string()))?;
        let mut connector = Box::new(connect::connector(
            &settings,
            &self.outlet,
            &self.microphone,
        )?);
        let mut x224 = WriteBuf::new();
        connector
            .step_no_input(&mut x224)
            .map_err(|error| connector_end(&error))?;
        let request = cleanpath::request(&settings.ticket, x224.filled().to_vec())?;
        self.output.send(&request);
        self.output.event(Event::Progress {
            step: Step::SigningIn,
        });
        Ok(connector)
    }

    /// The time, in milliseconds of a clock that does not go back.
    pub fn tick(&mut self, now_ms: u64) {
        self.now = MonotonicInstant::from_millis(now_ms);
        self.outlet.set_clock(now_ms);
        self.with_session(|active, _| active.tick(now_ms));
        self.look_after_clipboard(now_ms);
    }

    /// Takes bytes of the gateway, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Ended) {
            return;
        }
        self.output.stats.bytes_in += u64::try_from(bytes.len()).unwrap_or_default();
        self.inbox.push(bytes);
        let rectangles = self.output.stats.rectangles;
        let result = self.process();
        if self.output.stats.rectangles != rectangles {
            self.output.stats.updates += 1;
        }
        self.settle(result);
    }

    /// Bytes to send to the gateway.
    pub fn take_output(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.output.bytes);
        self.output.stats.bytes_out += u64::try_from(bytes.len()).unwrap_or_default();
        bytes
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.output.take_events()
    }

    /// x, y, width and height, in pixels, of the rectangles that changed since the last call.
    pub fn take_damage(&mut self) -> Vec<u32> {
        self.output.damage.take()
    }

    /// The picture: RGBA, opaque, rows of `width * 4` bytes without gaps. Empty before the
    /// desktop is open.
    pub fn frame(&self) -> &[u8] {
        self.session().map_or(&[], |active| active.image().data())
    }

    /// Width of the picture, in pixels.
    pub fn width(&self) -> u16 {
        self.session().map_or(0, |active| active.image().width())
    }

    /// Height of the picture, in pixels.
    pub fn height(&self) -> u16 {
        self.session().map_or(0, |active| active.image().height())
    }

    /// RGBA (not premultiplied) of the shape that the last pointer event announced.
    pub fn pointer_pixels(&self) -> &[u8] {
        &self.output.pointer
    }

    /// Counters since the start.
    pub fn stats(&self) -> Stats {
        let mut stats = self.output.stats.clone();
        if let Some((frames, dropped, codec)) = self.session().and_then(|active| active.graphics())
        {
            stats.frames_received = frames.into();
            stats.dropped_updates = dropped;
            stats.codec = codec;
        }
        stats.video_pictures = self.session().map_or(0, Active::video_pictures);
        stats
    }

    /// The next thing for the decoder of video, if H.264 was offered; to be asked after each
    /// [`Client::feed`] until there is none.
    pub fn take_video_job(&mut self) -> Option<VideoJob> {
        match &mut self.state {
            State::Session(active) => active.take_video_job(),
            _ => None,
        }
    }

    /// The planes of a picture that [`VideoJob::Decode`] asked for; what waited for it is drawn.
    pub fn video_picture(
        &mut self,
        id: u32,
        width: u16,
        height: u16,
        layout: VideoLayout,
        bytes: Vec<u8>,
    ) {
        let rectangles = self.output.stats.rectangles;
        self.with_session(|active, output| {
            active.video_picture(id, (width, height), layout, bytes, output)
        });
        if self.output.stats.rectangles != rectangles {
            self.output.stats.updates += 1;
        }
    }

    /// The decoder of video gave up: the connection ends, so that another one goes without.
    pub fn video_failed(&mut self, message: &str) {
        let end = End::new(EndCode::Video, format!("the browser's decoder: {message}"));
        self.with_session(|_, _| Err(end));
    }

    /// How many bytes came but were not fed yet.
    pub fn backlog(&mut self, bytes: u64) {
        self.outlet.set_backlog(bytes);
    }

    /// A key by its scan code (set 1); `extended` for those with the prefix E0.
    pub fn key(&mut self, scancode: u8, extended: bool, pressed: bool) {
        let events = self.input.key(scancode, extended, pressed);
        self.send_input(&events);
    }

    /// The Pause key, pressed and let go.
    pub fn pause_key(&mut self) {
        self.send_input(&Input::pause());
    }

    /// Text that no keys make, such as that of an input method.
    pub fn text(&mut self, text: &str) {
        self.send_input(&Input::text(text));
    }

    /// The pointer moved, in pixels of the desktop.
    pub fn pointer_move(&mut self, x: u16, y: u16) {
        let events = self.input.pointer_move(x, y);
        self.send_input(&events);
    }

    /// A button at a place: 0 left, 1 middle, 2 right, 3 back, 4 forward.
    pub fn pointer_button(&mut self, button: u8, pressed: bool, x: u16, y: u16) {
        let events = self.input.pointer_button(button, pressed, x, y);
        self.send_input(&events);
    }

    /// A wheel; 120 units are one notch, up and right are positive.
    pub fn wheel(&mut self, horizontal: bool, units: i32) {
        let events = self.input.wheel(horizontal, units);
        self.send_input(&events);
    }

    /// Lets go of all keys and buttons.
    pub fn release_all(&mut self) {
        let events = self.input.release_all();
        self.send_input(&events);
        let now_us = self.now_us();
        self.with_session(|active, output| {
            active.touch.cancel_all(&mut active.stage, now_us, output)
        });
    }

    /// A finger on the glass, by a number of the page's; pressure is 0 to 1024, 0 for unknown.
    /// Ignored unless the event `TouchInput` said that the host takes fingers.
    pub fn finger(&mut self, id: u32, phase: FingerPhase, x: u16, y: u16, pressure: u16) {
        let now_us = self.now_us();
        self.with_session(|active, output| {
            let at = (x, y, pressure);
            active
                .touch
                .finger(&mut active.stage, (id, phase), at, now_us, output)
        });
    }

    /// The pen; ignored unless the event `TouchInput` said that the host takes one.
    pub fn pen(&mut self, sample: PenSample) {
        self.with_session(|active, output| active.touch.pen(&mut active.stage, sample, output));
    }

    /// Tells the host the state of the lock keys.
    pub fn lock_keys(&mut self, scroll: bool, num: bool, caps: bool, kana: bool) {
        self.send_input(&[Input::lock_keys(scroll, num, caps, kana)]);
    }

    /// Asks for another size of the desktop; `false` when the host takes none (yet).
    pub fn resize(&mut self, width: u32, height: u32, scale_percent: u32) -> bool {
        let mut asked = false;
        self.with_session(|active, output| {
            asked = active.resize(width, height, scale_percent, output)?;
            Ok(())
        });
        asked
    }

    /// Asks for several monitors; `false` when they make no desktop, or the host takes none (yet).
    pub fn arrange(&mut self, monitors: &[Monitor]) -> bool {
        let mut asked = false;
        if monitors::desktop_size(monitors).is_some() {
            self.with_session(|active, output| {
                asked = active.arrange(monitors, output)?;
                Ok(())
            });
        }
        asked
    }

    /// What the microphone heard, in the format of the last event `MicrophoneWanted`: interleaved
    /// samples of 16 bits, little endian. Dropped while the host does not listen.
    pub fn microphone(&mut self, samples: &[u8]) {
        if matches!(self.state, State::Session(_)) {
            self.microphone.heard(samples);
            self.settle(Ok(()));
        }
    }

    /// Whether anybody looks; a host sends no pictures while nobody does.
    pub fn visible(&mut self, on: bool) {
        self.with_session(|active, output| active.visible(on, output));
    }

    /// What the device's clipboard has now.
    pub fn clipboard_offer(&mut self, formats: Vec<ClipboardFormat>) {
        self.clipboard.offer = formats;
        self.clipboard.files.forget_offer();
        let offer = self.clipboard.offer.clone();
        self.with_session(|active, output| active.clipboard_offer(&offer, output));
    }

    /// Answers the event `ClipboardRequest`; `None` when the device has nothing (any more).
    pub fn clipboard_data(&mut self, request_id: u32, data: Option<Vec<u8>>) {
        if self.clipboard.waits && self.clipboard.request == request_id {
            self.clipboard.waits = false;
            self.with_session(|active, output| active.clipboard_data(data, output));
        }
    }

    /// Asks the host for a format that it offered; answered by the event `ClipboardData`.
    pub fn clipboard_fetch(&mut self, format_id: u32) {
        self.with_session(|active, output| active.clipboard_fetch(format_id, output));
    }

    /// What the host answered last; taken once.
    pub fn take_clipboard_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output.clipboard)
    }

    /// Sound since the last call: interleaved samples of 16 bits, little endian, in the format
    /// of the last event `SoundFormat`.
    pub fn take_sound(&mut self) -> Vec<u8> {
        self.output.sound.drain(..).collect()
    }

    /// How long the device takes to play what was taken, in milliseconds.
    pub fn sound_latency(&mut self, latency_ms: u64) {
        self.outlet.set_sound_latency(latency_ms);
    }

    /// Ends the connection in order; the session goes on at the host.
    pub fn shutdown(&mut self) {
        if matches!(self.state, State::Ended) {
            return;
        }
        if matches!(self.state, State::Session(_)) {
            self.release_all();
            Active::goodbye(&mut self.output);
        }
        self.settle(Err(End::new(EndCode::Closed, "closed by the viewer")));
    }

    /// Names of the static channels in the order in which the host is asked for them; empty once
    /// the gateway has answered. For recordings.
    pub(crate) fn channel_names(&self) -> Vec<String> {
        match &self.state {
            State::Answer(connector) => connector
                .static_channels
                .values()
                .filter_map(|channel| channel.channel_name().as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn now_us(&self) -> u64 {
        self.outlet.now_ms().saturating_mul(1_000)
    }

    fn session(&self) -> Option<&Active> {
        match &self.state {
            State::Session(active) => Some(active),
            _ => None,
        }
    }

    fn with_session(&mut self, act: impl FnOnce(&mut Active, &mut Output) -> Result<(), End>) {
        if let State::Session(active) = &mut self.state {
            let result = act(active, &mut self.output);
            self.settle(result);
        }
    }

    fn send_input(&mut self, events: &[FastPathInputEvent]) {
        self.with_session(|active, output| active.input(events, output));
    }

    /// Passes on what the channels told, and ends the connection when it must end.
    fn settle(&mut self, mut result: Result<(), End>) {
        while let Ok(notice) = self.notices.try_recv() {
            if let Err(end) = self.take_notice(notice) {
                result = result.and(Err(end));
            }
        }
        if let Err(end) = result {
            self.state = State::Ended;
            self.inbox = Inbox::default();
            self.output.event(Event::End(end));
        }
    }

    fn take_notice(&mut self, notice: Notice) -> Result<(), End> {
        match notice {
            Notice::Event(event) => self.output.event(event),
            Notice::Clipboard(ClipboardNotice::Wanted) => {
                if let State::Session(active) = &mut self.state {
                    active.clipboard_offer(&self.clipboard.offer, &mut self.output)?;
                }
            }
            Notice::Clipboard(ClipboardNotice::Request(format_id)) => {
                self.clipboard.request = self.clipboard.request.wrapping_add(1);
                self.clipboard.waits = true;
                self.output.event(Event::ClipboardRequest {
                    request_id: self.clipboard.request,
                    format_id,
                });
            }
            Notice::Clipboard(ClipboardNotice::Data(data)) => {
                let ok = data.is_some();
                self.output.clipboard = data.unwrap_or_default();
                self.output.event(Event::ClipboardData { ok });
            }
            Notice::Clipboard(ClipboardNotice::Files(notice)) => self.take_files_notice(&notice)?,
            Notice::Files(event, bytes) => self.output.files.push_back((event, bytes)),
            Notice::Sound(SoundNotice::Wave { format, samples }) => {
                self.output.wave(format, &samples);
            }
            Notice::Sound(SoundNotice::Silence) => {}
            Notice::Microphone(packet) => {
                if let State::Session(active) = &mut self.state {
                    active.microphone(packet, &mut self.output)?;
                }
            }
        }
        Ok(())
    }

    fn process(&mut self) -> Result<(), End> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Answer(mut connector) => {
                    let Some(confirm) = cleanpath::take_answer(&mut self.inbox)? else {
                        self.state = State::Answer(connector);
                        return Ok(());
                    };
                    self.output.event(Event::Progress {
                        step: Step::Starting,
                    });
                    self.step(&mut connector, &confirm)?;
                    connector.mark_security_upgrade_as_done();
                    if connector.should_perform_credssp() {
                        return Err(End::new(
                            EndCode::Negotiation,
                            "the gateway left network level authentication to the browser",
                        ));
                    }
                    self.state = self.advance(connector, Early::default())?;
                }
                State::Connected(mut connector, mut early) => {
                    let Some((action, pdu)) = self.inbox.take_pdu()? else {
                        self.state = State::Connected(connector, early);
                        return Ok(());
                    };
                    // A picture of nothing: the desktop is not open yet.
                    if action == Action::X224
                        && let Some(pdu) = early.sort(&connector, pdu)?
                    {
                        self.step(&mut connector, &pdu)?;
                    }
                    self.state = self.advance(connector, early)?;
                }
                State::Session(mut active) => {
                    let Some((action, pdu)) = self.inbox.take_pdu()? else {
                        self.state = State::Session(active);
                        return Ok(());
                    };
                    active.process(action, &pdu, self.now, &mut self.output)?;
                    self.state = State::Session(active);
                }
                State::Ended => return Ok(()),
            }
        }
    }

    /// One step of the connect sequence.
    fn step(&mut self, connector: &mut ClientConnector, pdu: &[u8]) -> Result<(), End> {
        let mut answer = WriteBuf::new();
        connector
            .step(pdu, Some(self.now), &mut answer)
            .map_err(|error| match error_info(pdu) {
                Some(code) => End::from_error_info(code),
                None => connector_end(&error),
            })?;
        self.output.send(answer.filled());
        Ok(())
    }

    /// Takes the steps that need nothing of the host, and the one into the session.
    fn advance(&mut self, mut connector: Box<ClientConnector>, early: Early) -> Result<State, End> {
        while connector.next_pdu_hint().is_none() && !connector.state().is_terminal() {
            if connector.should_perform_multitransport() {
                let mut answer = WriteBuf::new();
                connector
                    .skip_multitransport(&mut answer)
                    .map_err(|error| connector_end(&error))?;
                self.output.send(answer.filled());
                continue;
            }
            self.step(&mut connector, &[])?;
        }
        let result = match connector.state.take_outcome() {
            None => return Ok(State::Connected(connector, early)),
            Some(ConnectionOutcome::Connected(result)) => result,
            Some(ConnectionOutcome::Redirected(_)) => {
                return Err(End::new(
                    EndCode::Redirected,
                    "the host sends the client to another host",
                ));
            }
        };
        let mut active = Box::new(Active::new(result, &mut self.output)?);
        self.output.event(Event::Progress { step: Step::Open });
        for pdu in early.into_pdus() {
            active.process(Action::X224, &pdu, self.now, &mut self.output)?;
        }
        Ok(State::Session(active))
    }
}

/// Code of a Set Error Info PDU, on whatever channel: the connector knows it and nobody else.
fn error_info(pdu: &[u8]) -> Option<u32> {
    let data = ironrdp_pdu::mcs::decode_send_data_indication(pdu).ok()?;
    peek::look(pdu, data.channel_id).error_info
}

fn connector_end(error: &ConnectorError) -> End {
    let code = match error.kind() {
        ConnectorErrorKind::Negotiation(_) => EndCode::Negotiation,
        ConnectorErrorKind::AccessDenied => EndCode::Denied,
        _ => EndCode::Protocol,
    };
    End::new(code, format!("connecting: {}", chain(error)))
}
