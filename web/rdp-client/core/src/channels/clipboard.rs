//! The clipboard (MS-RDPECLIP): formats are offered, and data goes only when asked for.
//!
//! Files are not offered nor taken: they would need a store on the device.

use ironrdp_cliprdr::{
    CliprdrClient,
    backend::CliprdrBackend,
    pdu::{
        ClipboardFormat as WireFormat, ClipboardFormatId, ClipboardFormatName,
        ClipboardGeneralCapabilityFlags, FileContentsRequest, FileContentsResponse,
        FormatDataRequest, FormatDataResponse, LockDataId,
    },
};
use ironrdp_core::impl_as_any;

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
}

/// The channel.
pub(crate) fn channel(outlet: Outlet) -> CliprdrClient {
    CliprdrClient::new(Box::new(Backend { outlet }))
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
}

impl_as_any!(Backend);

impl CliprdrBackend for Backend {
    fn temporary_directory(&self) -> &str {
        // Only for files, which are not taken; the field is sent all the same.
        "."
    }

    fn client_capabilities(&self) -> ClipboardGeneralCapabilityFlags {
        ClipboardGeneralCapabilityFlags::USE_LONG_FORMAT_NAMES
    }

    fn on_ready(&mut self) {}

    fn on_request_format_list(&mut self) {
        self.outlet.tell(Notice::Clipboard(ClipboardNotice::Wanted));
    }

    fn on_process_negotiated_capabilities(&mut self, _: ClipboardGeneralCapabilityFlags) {}

    fn on_remote_copy(&mut self, formats: &[WireFormat]) {
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
        let good = !response.is_error() && response.data().len() <= CLIPBOARD_BYTES_MAX;
        let data = good.then(|| response.into_data().into_owned());
        self.outlet
            .tell(Notice::Clipboard(ClipboardNotice::Data(data)));
    }

    fn on_file_contents_request(&mut self, _: FileContentsRequest) {}

    fn on_file_contents_response(&mut self, _: FileContentsResponse<'_>) {}

    fn on_lock(&mut self, _: LockDataId) {}

    fn on_unlock(&mut self, _: LockDataId) {}

    fn now_ms(&self) -> u64 {
        self.outlet.now_ms()
    }
}
