//! Video that the browser decodes: jobs out, planes in.

use rdp_client_core::{VideoJob, VideoLayout};
use wasm_bindgen::prelude::*;

use crate::{RdpClient, performance_now, whole};

#[wasm_bindgen]
impl RdpClient {
    /// JSON of the next picture to decode, or of a stream that ends; an empty text when there is
    /// nothing. The bytes of a picture wait in `videoBytes`.
    #[wasm_bindgen(js_name = videoJob)]
    pub fn video_job(&mut self) -> String {
        let Some(mut job) = self.client.take_video_job() else {
            return String::new();
        };
        if let VideoJob::Decode { bytes, .. } = &mut job {
            self.video_bytes = std::mem::take(bytes);
        }
        serde_json::to_string(&job).unwrap_or_default()
    }

    /// Bytes of the last job, as a byte stream of H.264; taken once.
    #[wasm_bindgen(js_name = videoBytes)]
    pub fn video_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.video_bytes)
    }

    /// The planes of a decoded picture without gaps: I420, or NV12.
    #[wasm_bindgen(js_name = videoPicture)]
    pub fn video_picture(&mut self, id: u32, width: u16, height: u16, nv12: bool, planes: Vec<u8>) {
        let begin = performance_now();
        let layout = if nv12 {
            VideoLayout::Nv12
        } else {
            VideoLayout::I420
        };
        self.client.video_picture(id, width, height, layout, planes);
        self.decode_ms += performance_now() - begin;
    }

    /// The browser's decoder gave up; the connection ends with the code `video`.
    #[wasm_bindgen(js_name = videoFailed)]
    pub fn video_failed(&mut self, message: &str) {
        self.client.video_failed(message);
    }

    /// How many bytes came but were not fed yet; the host is told.
    pub fn backlog(&mut self, bytes: f64) {
        self.client.backlog(whole(bytes));
    }
}
