//! What the open desktop does about files: it brings what the worker says into the channels.

use ironrdp_cliprdr::pdu::FileContentsResponse;
use ironrdp_svc::{SvcMessage, SvcProcessorMessages};

use super::Active;
use crate::{
    ClipboardFile, End,
    channels::{clipboard, devices::Devices},
    output::Output,
};

impl Active {
    /// Does something with the channel of drives and printers, if there is one.
    pub(crate) fn devices(
        &mut self,
        output: &mut Output,
        act: impl FnOnce(&mut Devices) -> Vec<SvcMessage>,
    ) -> Result<(), End> {
        let Some(devices) = self.stage.get_svc_processor_mut::<Devices>() else {
            return Ok(());
        };
        let messages = SvcProcessorMessages::<Devices>::new(act(devices));
        let bytes = self
            .stage
            .process_svc_processor_messages(messages)
            .map_err(|error| self.end("a file for the host", error))?;
        output.send(&bytes);
        Ok(())
    }

    /// Offers files to the host, in place of what was offered before.
    pub(crate) fn clipboard_offer_files(
        &mut self,
        files: &[ClipboardFile],
        output: &mut Output,
    ) -> Result<(), End> {
        let files = clipboard::files_to_wire(files);
        self.clipboard(output, |channel| channel.initiate_file_copy(files))
    }

    /// Asks the host which files it has.
    pub(crate) fn clipboard_fetch_files(&mut self, output: &mut Output) -> Result<(), End> {
        self.clipboard(output, clipboard::fetch_files)
    }

    /// Asks the host for a part of a file.
    pub(crate) fn clipboard_fetch_part(
        &mut self,
        part: &clipboard::FilePart,
        output: &mut Output,
    ) -> Result<(), End> {
        let request = part.to_request();
        self.clipboard(output, |channel| channel.request_file_contents(request))
    }

    /// Gives the host a part of a file, or says that there is none.
    pub(crate) fn clipboard_part(
        &mut self,
        id: u32,
        bytes: Option<Vec<u8>>,
        output: &mut Output,
    ) -> Result<(), End> {
        self.clipboard(output, |channel| {
            let Some(stream_id) = clipboard::take_asked(channel, id) else {
                return Ok(Vec::new().into());
            };
            channel.submit_file_contents(match bytes {
                Some(bytes) => FileContentsResponse::new_data_response(stream_id, bytes),
                None => FileContentsResponse::new_error(stream_id),
            })
        })
    }

    /// Refuses a request of the host.
    pub(crate) fn clipboard_refuse_part(
        &mut self,
        stream_id: u32,
        output: &mut Output,
    ) -> Result<(), End> {
        self.clipboard(output, |channel| {
            channel.submit_file_contents(FileContentsResponse::new_error(stream_id))
        })
    }

    /// Lets go of locks that nobody uses any more.
    pub(crate) fn clipboard_timeouts(&mut self, output: &mut Output) -> Result<(), End> {
        self.clipboard(output, |channel| channel.drive_timeouts())
    }
}
