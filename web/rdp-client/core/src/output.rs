//! What the client has for the worker: bytes, events, changed rectangles, the pointer's shape.

use std::collections::VecDeque;

use ironrdp_graphics::pointer::DecodedPointer;

use crate::{
    Event, FileEvent, PointerChange, Stats,
    limits::{EVENTS_MAX, SOUND_BYTES_MAX},
    screen::Damage,
};

/// Everything that waits to be taken.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    events: VecDeque<Event>,
    pub(crate) damage: Damage,
    /// RGBA of the last shape.
    pub(crate) pointer: Vec<u8>,
    pub(crate) stats: Stats,
    /// Interleaved samples that wait, and their channels and rate.
    pub(crate) sound: VecDeque<u8>,
    sound_format: Option<(u16, u32)>,
    /// What the host answered last.
    pub(crate) clipboard: Vec<u8>,
    /// Things about files that wait, with the bytes that belong to them.
    pub(crate) files: VecDeque<(FileEvent, Vec<u8>)>,
    /// Bytes of the last one that was taken.
    pub(crate) file_bytes: Vec<u8>,
}

impl Output {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn event(&mut self, event: Event) {
        // Only the last shape has pixels, so earlier ones that wait are of no use.
        if matches!(event, Event::Pointer(_)) {
            self.events
                .retain(|old| !matches!(old, Event::Pointer(change) if replaces(&event, change)));
        }
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(crate) fn pointer_shape(&mut self, shape: &DecodedPointer) {
        if shape.width == 0 || shape.height == 0 {
            self.event(Event::Pointer(PointerChange::Hidden));
            return;
        }
        self.pointer.clone_from(&shape.bitmap_data);
        self.event(Event::Pointer(PointerChange::Shape {
            width: shape.width,
            height: shape.height,
            hotspot_x: shape.hotspot_x.min(shape.width - 1),
            hotspot_y: shape.hotspot_y.min(shape.height - 1),
        }));
    }

    /// Keeps sound until the worker takes it. What waits must be of one format, so another one
    /// drops what waits of the old one.
    pub(crate) fn wave(&mut self, format: (u16, u32), samples: &[u8]) {
        if self.sound_format != Some(format) {
            self.sound.clear();
            self.sound_format = Some(format);
            let (channels, rate) = format;
            self.event(Event::SoundFormat {
                channels,
                rate,
                bits: 16,
            });
        }
        self.sound.extend(samples);
        if self.sound.len() > SOUND_BYTES_MAX {
            let block = usize::from(format.0) * 2;
            let surplus = (self.sound.len() - SOUND_BYTES_MAX).next_multiple_of(block);
            self.sound.drain(..surplus);
        }
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }
}

/// Whether a new change of the pointer makes an old one that still waits pointless.
fn replaces(new: &Event, old: &PointerChange) -> bool {
    let is_position = |change: &PointerChange| matches!(change, PointerChange::Position { .. });
    matches!(new, Event::Pointer(change) if is_position(change) == is_position(old))
}
