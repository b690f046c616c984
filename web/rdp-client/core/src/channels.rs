//! Virtual channels: one file each. What they learn comes out as a [`Notice`], since the
//! session layer owns them while they run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
    mpsc::{Receiver, Sender, channel},
};

use ironrdp_connector::ClientConnector;
use ironrdp_dvc::DrdynvcClient;

use crate::{Event, FileEvent, Settings, touch};

pub(crate) mod clipboard;
pub(crate) mod devices;
pub(crate) mod display;
pub(crate) mod graphics;
pub(crate) mod microphone;
pub(crate) mod sound;
pub(crate) mod video;

use clipboard::ClipboardNotice;
use sound::SoundNotice;

/// What a channel tells.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Goes to the worker as it is.
    Event(Event),
    /// Of the clipboard.
    Clipboard(ClipboardNotice),
    /// Of the sound.
    Sound(SoundNotice),
    /// What the device heard, ready to be sent.
    Microphone(microphone::Packet),
    /// Goes to the worker as it is, with its bytes.
    Files(FileEvent, Vec<u8>),
}

/// The channels' way out, and the time, which they may not read themselves.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    notices: Sender<Notice>,
    clock_ms: Arc<AtomicU64>,
    sound_latency_ms: Arc<AtomicU64>,
    backlog_bytes: Arc<AtomicU64>,
}

impl Outlet {
    /// A way out and its other end. It needs no limit: the other end is emptied after each PDU,
    /// and one PDU causes few notices.
    pub(crate) fn new() -> (Self, Receiver<Notice>) {
        let (notices, receiver) = channel();
        let outlet = Self {
            notices,
            clock_ms: Arc::default(),
            sound_latency_ms: Arc::default(),
            backlog_bytes: Arc::default(),
        };
        (outlet, receiver)
    }

    pub(crate) fn tell(&self, notice: Notice) {
        // Nobody listens only while the client is being dropped.
        let _ = self.notices.send(notice);
    }

    pub(crate) fn event(&self, event: Event) {
        self.tell(Notice::Event(event));
    }

    pub(crate) fn set_clock(&self, now_ms: u64) {
        self.clock_ms.store(now_ms, Ordering::Relaxed);
    }

    /// How long the device takes to play what was taken, in milliseconds; the host keeps sound
    /// and picture together by it.
    pub(crate) fn set_sound_latency(&self, latency_ms: u64) {
        self.sound_latency_ms.store(latency_ms, Ordering::Relaxed);
    }

    pub(crate) fn sound_latency_ms(&self) -> u64 {
        self.sound_latency_ms.load(Ordering::Relaxed)
    }

    /// Bytes that came and are not decoded yet: a host that sends pictures waits by it.
    pub(crate) fn set_backlog(&self, bytes: u64) {
        self.backlog_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn backlog_bytes(&self) -> u64 {
        self.backlog_bytes.load(Ordering::Relaxed)
    }

    /// Milliseconds of the worker's clock.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock_ms.load(Ordering::Relaxed)
    }
}

/// Attaches the channels that the settings want.
pub(crate) fn attach(
    connector: &mut ClientConnector,
    settings: &Settings,
    outlet: &Outlet,
    microphone: &microphone::Microphone,
) {
    let mut dynamic = DrdynvcClient::new().with_dynamic_channel(display::channel(outlet.clone()));
    if settings.graphics_pipeline {
        dynamic = dynamic.with_dynamic_channel_factory(
            ironrdp_egfx::CHANNEL_NAME,
            graphics::factory(settings, outlet),
        );
    }
    if settings.touch {
        dynamic = dynamic.with_dynamic_channel_factory(ironrdp_rdpei::CHANNEL_NAME, touch::channel);
    }
    if settings.microphone {
        let (outlet, microphone) = (outlet.clone(), microphone.clone());
        // xrdp opens it anew for each program that listens.
        dynamic = dynamic.with_dynamic_channel_factory(ironrdp_rdpeai::CHANNEL_NAME, move || {
            microphone::channel(&outlet, &microphone)
        });
    }
    if settings.sound {
        let each = outlet.clone();
        dynamic = dynamic.with_dynamic_channel_factory(sound::DYNAMIC_NAME, move || {
            sound::dynamic_channel(&each)
        });
        connector.attach_static_channel(sound::channel(outlet));
    }
    if settings.clipboard {
        connector.attach_static_channel(clipboard::channel(outlet.clone()));
    }
    if let Some(devices) = devices::channel(settings, outlet) {
        connector.attach_static_channel(devices);
    }
    connector.attach_static_channel(dynamic);
}
