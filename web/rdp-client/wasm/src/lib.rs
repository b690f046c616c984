//! The client for browsers: only translates types between JavaScript and `rdp-client-core`.
//!
//! What the methods mean stands in `docs/rdp-client.md`, and at the methods of
//! [`rdp_client_core::Client`].

use std::{
    panic,
    sync::{Mutex, Once, PoisonError},
};

use rdp_client_core::{Client, FingerPhase, Monitor, PenSample};
use wasm_bindgen::prelude::*;

mod files;
mod video;

#[wasm_bindgen]
extern "C" {
    /// Milliseconds since the worker began.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// What a broken invariant said. The module is of no use afterwards, but its memory can be read.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// What the client broke on, or nothing. To be asked when a call has thrown: the worker then
/// ends and a new one starts.
#[wasm_bindgen(js_name = lastPanic)]
pub fn last_panic() -> String {
    PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn keep_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        panic::set_hook(Box::new(|info| {
            if let Ok(mut text) = PANIC.try_lock() {
                *text = info.to_string();
            }
        }));
    });
}

/// A client of one connection.
#[wasm_bindgen]
pub struct RdpClient {
    client: Client,
    decode_ms: f64,
    /// Of the last job for the decoder of video.
    video_bytes: Vec<u8>,
}

#[wasm_bindgen]
impl RdpClient {
    /// A client for settings in JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(settings: &str) -> Self {
        keep_panics();
        Self {
            client: Client::new(settings),
            decode_ms: 0.0,
            video_bytes: Vec::new(),
        }
    }

    /// Takes bytes of the gateway, cut anywhere. Never throws for bad bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let begin = performance_now();
        self.client.feed(bytes);
        self.decode_ms += performance_now() - begin;
    }

    /// The time, in milliseconds.
    pub fn tick(&mut self, now_ms: f64) {
        self.client.tick(whole(now_ms));
    }

    /// Bytes to send now; empty when there are none.
    pub fn output(&mut self) -> Vec<u8> {
        self.client.take_output()
    }

    /// JSON array of the events since the last call; an empty text when there are none.
    pub fn events(&mut self) -> String {
        let events = self.client.take_events();
        if events.is_empty() {
            return String::new();
        }
        serde_json::to_string(&events).unwrap_or_default()
    }

    /// x, y, width, height of what changed since the last call.
    pub fn damage(&mut self) -> Vec<u32> {
        self.client.take_damage()
    }

    /// Address of the RGBA frame buffer in the module's memory; valid until the next `feed`.
    #[wasm_bindgen(js_name = framePointer)]
    pub fn frame_pointer(&self) -> usize {
        self.client.frame().as_ptr().addr()
    }

    /// Width of the picture, in pixels.
    pub fn width(&self) -> u32 {
        self.client.width().into()
    }

    /// Height of the picture, in pixels.
    pub fn height(&self) -> u32 {
        self.client.height().into()
    }

    /// RGBA of the pointer shape that the last `pointer` event announced.
    #[wasm_bindgen(js_name = pointerPixels)]
    pub fn pointer_pixels(&self) -> Vec<u8> {
        self.client.pointer_pixels().to_vec()
    }

    /// A key by its scan code.
    pub fn key(&mut self, scancode: u8, extended: bool, pressed: bool) {
        self.client.key(scancode, extended, pressed);
    }

    /// The Pause key, pressed and let go.
    #[wasm_bindgen(js_name = pauseKey)]
    pub fn pause_key(&mut self) {
        self.client.pause_key();
    }

    /// Text that no keys make.
    pub fn text(&mut self, text: &str) {
        self.client.text(text);
    }

    /// The pointer moved.
    #[wasm_bindgen(js_name = pointerMove)]
    pub fn pointer_move(&mut self, x: u16, y: u16) {
        self.client.pointer_move(x, y);
    }

    /// A button at a place.
    #[wasm_bindgen(js_name = pointerButton)]
    pub fn pointer_button(&mut self, button: u8, pressed: bool, x: u16, y: u16) {
        self.client.pointer_button(button, pressed, x, y);
    }

    /// A wheel; 120 units are one notch, up and right are positive.
    pub fn wheel(&mut self, horizontal: bool, units: i32) {
        self.client.wheel(horizontal, units);
    }

    /// Lets go of all keys and buttons.
    #[wasm_bindgen(js_name = releaseAll)]
    pub fn release_all(&mut self) {
        self.client.release_all();
    }

    /// Tells the host the state of the lock keys.
    #[wasm_bindgen(js_name = lockKeys)]
    pub fn lock_keys(&mut self, scroll: bool, num: bool, caps: bool, kana: bool) {
        self.client.lock_keys(scroll, num, caps, kana);
    }

    /// Asks for another size; `false` when the host takes none.
    pub fn resize(&mut self, width: u32, height: u32, scale_percent: u32) -> bool {
        self.client.resize(width, height, scale_percent)
    }

    /// Asks for several monitors, as a JSON array as in the settings; `false` when the host takes
    /// none.
    pub fn arrange(&mut self, monitors: &str) -> bool {
        // What is no list of monitors is none, which is refused.
        let monitors: Vec<Monitor> = serde_json::from_str(monitors).unwrap_or_default();
        self.client.arrange(&monitors)
    }

    /// A finger on the glass: phase 0 down, 1 move, 2 up, anything else cancel.
    pub fn finger(&mut self, id: u32, phase: u8, x: u16, y: u16, pressure: u16) {
        let phase = match phase {
            0 => FingerPhase::Down,
            1 => FingerPhase::Move,
            2 => FingerPhase::Up,
            _ => FingerPhase::Cancel,
        };
        self.client.finger(id, phase, x, y, pressure);
    }

    /// The pen; state is the sum of 1 in range, 2 touches, 4 barrel button, 8 eraser.
    pub fn pen(&mut self, state: u8, x: u16, y: u16, pressure: u16, tilt_x: i16, tilt_y: i16) {
        self.client.pen(PenSample {
            x,
            y,
            in_range: state & 1 != 0,
            in_contact: state & 2 != 0,
            pressure,
            tilt_x,
            tilt_y,
            barrel: state & 4 != 0,
            eraser: state & 8 != 0,
        });
    }

    /// What the microphone heard: interleaved samples of 16 bits, little endian.
    pub fn microphone(&mut self, samples: &[u8]) {
        self.client.microphone(samples);
    }

    /// Whether anybody looks.
    pub fn visible(&mut self, on: bool) {
        self.client.visible(on);
    }

    /// What the device's clipboard has now, as a JSON array of `{id, name}`.
    #[wasm_bindgen(js_name = clipboardOffer)]
    pub fn clipboard_offer(&mut self, formats: &str) {
        // What is no list of formats is none.
        self.client
            .clipboard_offer(serde_json::from_str(formats).unwrap_or_default());
    }

    /// Answers the event `clipboard-request`; without bytes: there is nothing.
    #[wasm_bindgen(js_name = clipboardData)]
    pub fn clipboard_data(&mut self, request_id: u32, bytes: Option<Vec<u8>>) {
        self.client.clipboard_data(request_id, bytes);
    }

    /// Asks the host for a format that it offered; answered by the event `clipboard-data`.
    #[wasm_bindgen(js_name = clipboardFetch)]
    pub fn clipboard_fetch(&mut self, format_id: u32) {
        self.client.clipboard_fetch(format_id);
    }

    /// What the host answered; taken once.
    #[wasm_bindgen(js_name = clipboardBytes)]
    pub fn clipboard_bytes(&mut self) -> Vec<u8> {
        self.client.take_clipboard_bytes()
    }

    /// Sound since the last call: interleaved samples of 16 bits, little endian.
    pub fn sound(&mut self) -> Vec<u8> {
        self.client.take_sound()
    }

    /// How long the device takes to play what was taken, in milliseconds.
    #[wasm_bindgen(js_name = soundLatency)]
    pub fn sound_latency(&mut self, latency_ms: u32) {
        self.client.sound_latency(latency_ms.into());
    }

    /// Counters as JSON.
    pub fn stats(&self) -> String {
        let mut stats = self.client.stats();
        stats.decode_ms = self.decode_ms;
        stats.memory_bytes = memory_bytes();
        serde_json::to_string(&stats).unwrap_or_default()
    }

    /// Ends the connection in order; the session goes on at the host.
    pub fn shutdown(&mut self) {
        self.client.shutdown();
    }
}

fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates, and that is what a wrong clock should do"
    )]
    let whole = number as u64;
    whole
}

#[cfg(target_arch = "wasm32")]
fn memory_bytes() -> u64 {
    /// Bytes of one page of WebAssembly memory.
    const PAGE: usize = 65_536;
    u64::try_from(core::arch::wasm32::memory_size(0) * PAGE).unwrap_or_default()
}

#[cfg(not(target_arch = "wasm32"))]
fn memory_bytes() -> u64 {
    0
}
