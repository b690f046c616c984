//! What the viewer's diagnostics show.

use serde::Serialize;

/// Counters since the start of the connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Frames that the host marked as complete (frame markers or the graphics pipeline).
    pub frames_received: u64,
    /// Calls of `feed` that changed the picture.
    pub updates: u64,
    /// Rectangles that changed.
    pub rectangles: u64,
    /// Pixels that changed.
    pub pixels: u64,
    /// Milliseconds spent in `feed`; filled in by whoever has a clock.
    pub decode_ms: f64,
    /// Bytes of the gateway.
    pub bytes_in: u64,
    /// Bytes to the gateway.
    pub bytes_out: u64,
    /// How the last pictures came: `bitmap`, `surface` or the codecs of the graphics pipeline.
    pub codec: &'static str,
    /// Bytes of the frame buffer.
    pub frame_bytes: u64,
    /// Bytes of WebAssembly memory; filled in by whoever knows.
    pub memory_bytes: u64,
    /// Round-trip time that the host measured, in milliseconds (MS-RDPBCGR 2.2.14.1.5).
    pub rtt_ms: Option<u32>,
    /// Bandwidth that the host measured, in kbit/s.
    pub bandwidth_kbps: Option<u32>,
    /// Updates of the graphics pipeline that could not be decoded.
    pub dropped_updates: u64,
    /// Pictures of H.264 that the browser decoded.
    pub video_pictures: u64,
}
