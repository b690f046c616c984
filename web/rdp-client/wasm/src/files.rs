//! Files: the drive, the clipboard's files and the printer.

use rdp_client_core::DriveAnswer;
use wasm_bindgen::prelude::*;

use super::RdpClient;

#[wasm_bindgen]
impl RdpClient {
    /// The next thing about files, as a JSON object; an empty text when there is none.
    #[wasm_bindgen(js_name = fileEvent)]
    pub fn file_event(&mut self) -> String {
        self.client
            .take_file_event()
            .and_then(|event| serde_json::to_string(&event).ok())
            .unwrap_or_default()
    }

    /// The bytes that came with the last file event; taken once.
    #[wasm_bindgen(js_name = fileBytes)]
    pub fn file_bytes(&mut self) -> Vec<u8> {
        self.client.take_file_bytes()
    }

    /// Shares a folder under a name, in place of the one before.
    #[wasm_bindgen(js_name = driveAdd)]
    pub fn drive_add(&mut self, name: &str, may_write: bool) {
        self.client.drive_add(name, may_write);
    }

    /// Takes the folder back.
    #[wasm_bindgen(js_name = driveRemove)]
    pub fn drive_remove(&mut self) {
        self.client.drive_remove();
    }

    /// Answers the event `drive-request` with JSON, and bytes for `read`.
    #[wasm_bindgen(js_name = driveAnswer)]
    pub fn drive_answer(&mut self, id: u32, answer: &str, bytes: Option<Vec<u8>>) {
        let answer = DriveAnswer::from_json(answer);
        self.client
            .drive_answer(id, answer, bytes.unwrap_or_default());
    }

    /// What files the device's clipboard has now, as a JSON array of `{name, size}`.
    #[wasm_bindgen(js_name = clipboardOfferFiles)]
    pub fn clipboard_offer_files(&mut self, files: &str) {
        // What is no list of files is none.
        self.client
            .clipboard_offer_files(serde_json::from_str(files).unwrap_or_default());
    }

    /// Asks which files the host has; answered by the event `clipboard-files`.
    #[wasm_bindgen(js_name = clipboardFetchFiles)]
    pub fn clipboard_fetch_files(&mut self) {
        self.client.clipboard_fetch_files();
    }

    /// Asks for a part of a file, or for its size with a length of 0; answered by the event
    /// `clipboard-file-data`.
    #[wasm_bindgen(js_name = clipboardFetchPart)]
    pub fn clipboard_fetch_part(
        &mut self,
        id: u32,
        index: u32,
        offset: f64,
        length: u32,
        lock: Option<u32>,
    ) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "numbers of JavaScript; the cast saturates, and the host has no such part"
        )]
        let offset = offset as u64;
        self.client
            .clipboard_fetch_part(id, index, offset, length, lock);
    }

    /// Answers the event `clipboard-file-request`; without bytes: there is nothing.
    #[wasm_bindgen(js_name = clipboardPart)]
    pub fn clipboard_part(&mut self, id: u32, bytes: Option<Vec<u8>>) {
        self.client.clipboard_part(id, bytes);
    }
}
