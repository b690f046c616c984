//! The clipboard (MS-RDPECLIP): formats are offered, and data goes only when asked for.

use ironrdp_cliprdr::{
    CliprdrClient,
    backend::CliprdrBackend,
    pdu::{
        ClipboardFormat as WireFormat, ClipboardFormatId, ClipboardFormatName,
        ClipboardGeneralCapabilityFlags, FileContentsRequest, FileContentsResponse, FileDescriptor,
        FormatDataRequest, FormatDataResponse, LockDataId,
    },
};
use ironrdp_core::impl_as_any;

mod files;
pub(crate) use files::{
    FilePart, FilesNotice, fetch_files, fetches_format, files_to_wire, take_asked,
};

use super::{Notice, Outlet};
use crate::{
    ClipboardFormat, Event,
    limits::{CLIPBOARD_BYTES_MAX, CLIPBOARD_FORMATS_MAX},
};

/// What the clipboard's channel tells.
#[derive(Debug)]
pub(crate) enum ClipboardNotice {
    /// The host wants to know what the device has, at the start.
    Wanted,
    /// The host wants the data of a format.
    Request(u32),
    /// The host's data; `None` when it has none (any more).
    Data(Option<Vec<u8>>),
    /// Of files.
    Files(FilesNotice),
}

/// The channel.
pub(crate) fn channel(outlet: Outlet) -> CliprdrClient {
    let files = files::Files::new(outlet.clone());
    CliprdrClient::new(Box::new(Backend { outlet, files }))
}

/// Formats as the channel takes them.
pub(crate) fn to_wire(formats: &[ClipboardFormat]) -> Vec<WireFormat> {
    formats
        .iter()
        .take(CLIPBOARD_FORMATS_MAX)
        .map(|format| {
            WireFormat::new(ClipboardFormatId::new(format.id))
                .with_name(ClipboardFormatName::new(format.name.clone()))
        })
        .collect()
}

#[derive(Debug)]
struct Backend {
    outlet: Outlet,
    files: files::Files,
}

impl_as_any!(Backend);

impl CliprdrBackend for Backend {
    fn temporary_directory(&self) -> &str {
        // For a way of carrying files that is not offered; the field is sent all the same.
        "."
    }

    fn client_capabilities(&self) -> ClipboardGeneralCapabilityFlags {
        ClipboardGeneralCapabilityFlags::USE_LONG_FORMAT_NAMES | files::CAPABILITIES
    }

    fn on_ready(&mut self) {
        self.files.ready();
    }

    fn on_request_format_list(&mut self) {
        self.outlet.tell(Notice::Clipboard(ClipboardNotice::Wanted));
    }

    fn on_process_negotiated_capabilities(&mut self, flags: ClipboardGeneralCapabilityFlags) {
        self.files.negotiated(flags);
    }

    fn on_remote_copy(&mut self, formats: &[WireFormat]) {
        self.files.remote_copied(formats);
        let formats = formats
            .iter()
            .take(CLIPBOARD_FORMATS_MAX)
            .map(|format| ClipboardFormat {
                id: format.id().value(),
                name: format
                    .name()
                    .map(|name| name.value().to_owned())
                    .unwrap_or_default(),
            })
            .collect();
        self.outlet.event(Event::ClipboardOffer { formats });
    }

    fn on_format_data_request(&mut self, request: FormatDataRequest) {
        self.outlet.tell(Notice::Clipboard(ClipboardNotice::Request(
            request.format.value(),
        )));
    }

    fn on_format_data_response(&mut self, response: FormatDataResponse<'_>) {
        if self.files.failed_to_list() {
            return;
        }
        let good = !response.is_error() && response.data().len() <= CLIPBOARD_BYTES_MAX;
        let data = good.then(|| response.into_data().into_owned());
        self.outlet
            .tell(Notice::Clipboard(ClipboardNotice::Data(data)));
    }

    fn on_file_contents_request(&mut self, request: FileContentsRequest) {
        self.files.asked_for_part(&request);
    }

    fn on_file_contents_response(&mut self, response: FileContentsResponse<'_>) {
        self.files.part_came(&response);
    }

    fn on_remote_file_list(&mut self, files: &[FileDescriptor], lock: Option<u32>) {
        self.files.listed(files, lock);
    }

    fn on_lock(&mut self, lock: LockDataId) {
        self.files.locked(&lock);
    }

    fn on_unlock(&mut self, lock: LockDataId) {
        self.files.unlocked(&lock);
    }

    fn now_ms(&self) -> u64 {
        self.outlet.now_ms()
    }
}
