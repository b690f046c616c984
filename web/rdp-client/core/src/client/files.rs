//! Files: what the worker may call about the drive, the clipboard's files and the printer.

use super::{Client, State};
use crate::{
    ClipboardFile, DriveAnswer, End, FileEvent,
    channels::clipboard::{FilePart, FilesNotice},
    limits::{CLIPBOARD_FILE_PART_MAX, CLIPBOARD_FILES_MAX},
};

/// How often the clipboard's channel looks for locks that nobody uses any more.
const TIMEOUTS_EVERY_MS: u64 = 5_000;

/// The device's side of the clipboard's files.
#[derive(Debug, Default)]
pub(super) struct ClipboardFiles {
    /// What the device offers in place of formats; told to the host as soon as it listens.
    offer: Option<Vec<ClipboardFile>>,
    looked_ms: u64,
}

impl ClipboardFiles {
    /// Something else is offered.
    pub(super) fn forget_offer(&mut self) {
        self.offer = None;
    }
}

impl Client {
    /// The next thing about files; its bytes are to be taken before the next call.
    pub fn take_file_event(&mut self) -> Option<FileEvent> {
        let (event, bytes) = self.output.files.pop_front()?;
        self.output.file_bytes = bytes;
        Some(event)
    }

    /// The bytes that came with the last event; taken once.
    pub fn take_file_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output.file_bytes)
    }

    /// Shares a folder under a name, in place of the one before. Whether the host writes there is
    /// up to `may_write` and the settings, whichever is stricter.
    pub fn drive_add(&mut self, name: &str, may_write: bool) {
        self.with_session(|active, output| {
            active.devices(output, |devices| devices.add_drive(name, may_write))
        });
    }

    /// Takes the folder back.
    pub fn drive_remove(&mut self) {
        self.with_session(|active, output| {
            active.devices(output, |devices| devices.remove_drive())
        });
    }

    /// Answers the event `DriveRequest`.
    pub fn drive_answer(&mut self, id: u32, answer: DriveAnswer, bytes: Vec<u8>) {
        self.with_session(|active, output| {
            active.devices(output, |devices| devices.answer(id, answer, bytes))
        });
    }

    /// The device's clipboard has files now.
    pub fn clipboard_offer_files(&mut self, mut files: Vec<ClipboardFile>) {
        files.truncate(CLIPBOARD_FILES_MAX);
        self.clipboard.offer.clear();
        self.clipboard.files.offer = Some(files.clone());
        self.with_session(|active, output| active.clipboard_offer_files(&files, output));
    }

    /// Asks which files the host's clipboard has; answered by the event `ClipboardFiles`.
    pub fn clipboard_fetch_files(&mut self) {
        self.with_session(|active, output| active.clipboard_fetch_files(output));
    }

    /// Asks for a part of one of them, or for its size when `length` is 0; answered by the event
    /// `ClipboardFileData`.
    pub fn clipboard_fetch_part(
        &mut self,
        id: u32,
        index: u32,
        offset: u64,
        length: u32,
        lock: Option<u32>,
    ) {
        let part = FilePart {
            id,
            index,
            offset,
            length: length.min(CLIPBOARD_FILE_PART_MAX),
            lock,
        };
        self.with_session(|active, output| active.clipboard_fetch_part(&part, output));
    }

    /// Answers the event `ClipboardFileRequest`; `None` when there is nothing (any more).
    pub fn clipboard_part(&mut self, id: u32, bytes: Option<Vec<u8>>) {
        self.with_session(|active, output| active.clipboard_part(id, bytes, output));
    }

    /// Called with the time.
    pub(super) fn look_after_clipboard(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.clipboard.files.looked_ms) >= TIMEOUTS_EVERY_MS {
            self.clipboard.files.looked_ms = now_ms;
            self.with_session(|active, output| active.clipboard_timeouts(output));
        }
    }

    pub(super) fn take_files_notice(&mut self, notice: &FilesNotice) -> Result<(), End> {
        let State::Session(active) = &mut self.state else {
            return Ok(());
        };
        match notice {
            FilesNotice::Ready => match &self.clipboard.files.offer {
                Some(files) => active.clipboard_offer_files(files, &mut self.output),
                None => Ok(()),
            },
            FilesNotice::Refuse(stream_id) => {
                active.clipboard_refuse_part(*stream_id, &mut self.output)
            }
        }
    }
}
