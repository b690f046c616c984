//! Files of the clipboard: lists go with formats, bytes in parts and only when asked for.

use std::collections::{BTreeMap, VecDeque};

use ironrdp_cliprdr::{
    CliprdrClient,
    pdu::{
        ClipboardFileAttributes, ClipboardFormat, ClipboardFormatId, ClipboardFormatName,
        ClipboardGeneralCapabilityFlags, FileContentsFlags, FileContentsRequest,
        FileContentsResponse, FileDescriptor, LockDataId,
    },
};
use ironrdp_pdu::PduResult;
use ironrdp_svc::SvcProcessorMessages;

use super::{Backend, ClipboardNotice, Notice, Outlet};
use crate::{
    ClipboardFile, FileEvent,
    drive::good_name,
    limits::{CLIPBOARD_FILE_PART_MAX, CLIPBOARD_FILE_REQUESTS_MAX, CLIPBOARD_FILES_MAX},
};

/// Files go as streams, without paths of the device, and may be long.
pub(super) const CAPABILITIES: ClipboardGeneralCapabilityFlags =
    ClipboardGeneralCapabilityFlags::STREAM_FILECLIP_ENABLED
        .union(ClipboardGeneralCapabilityFlags::FILECLIP_NO_FILE_PATHS)
        .union(ClipboardGeneralCapabilityFlags::CAN_LOCK_CLIPDATA)
        .union(ClipboardGeneralCapabilityFlags::HUGE_FILE_SUPPORT_ENABLED);

/// Bytes that the answer to a question for a size has.
const SIZE_LEN: u32 = 8;

/// What the client has to do about files.
#[derive(Debug)]
pub(crate) enum FilesNotice {
    /// Files that were offered before the channel was ready can be offered now.
    Ready,
    /// Too much waits already.
    Refuse(u32),
}

/// A part of a file of the host, or its size when `length` is 0.
#[derive(Debug)]
pub(crate) struct FilePart {
    pub(crate) id: u32,
    pub(crate) index: u32,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) lock: Option<u32>,
}

impl FilePart {
    pub(crate) fn to_request(&self) -> FileContentsRequest {
        let is_size = self.length == 0;
        FileContentsRequest {
            stream_id: self.id,
            // What no list can have, the layer below refuses.
            index: i32::try_from(self.index).unwrap_or(-1),
            flags: if is_size {
                FileContentsFlags::SIZE
            } else {
                FileContentsFlags::RANGE
            },
            position: if is_size { 0 } else { self.offset },
            requested_size: if is_size { SIZE_LEN } else { self.length },
            data_id: self.lock,
        }
    }
}

/// Files of the device as the channel takes them.
pub(crate) fn files_to_wire(files: &[ClipboardFile]) -> Vec<FileDescriptor> {
    files
        .iter()
        .take(CLIPBOARD_FILES_MAX)
        .map(|file| {
            let descriptor = FileDescriptor::new(good_name(&file.name))
                .with_attributes(ClipboardFileAttributes::ARCHIVE);
            match file.size {
                Some(size) => descriptor.with_file_size(size),
                None => descriptor,
            }
        })
        .collect()
}

/// Asks for the list of the host's files.
pub(crate) fn fetch_files(
    channel: &mut CliprdrClient,
) -> PduResult<SvcProcessorMessages<CliprdrClient>> {
    let format = channel
        .downcast_backend::<Backend>()
        .and_then(|backend| backend.files.list_format);
    let Some(format) = format else {
        if let Some(backend) = channel.downcast_backend::<Backend>() {
            backend.files.tell_list(Vec::new(), None);
        }
        return Ok(Vec::new().into());
    };
    if let Some(backend) = channel.downcast_backend_mut::<Backend>() {
        backend.files.fetches.push_back(true);
    }
    channel.initiate_paste(format)
}

/// Notes that the answer to come is not the list of files.
pub(crate) fn fetches_format(channel: &mut CliprdrClient) {
    if let Some(backend) = channel.downcast_backend_mut::<Backend>() {
        backend.files.fetches.push_back(false);
    }
}

/// The host's own number of a request that is about to be answered.
pub(crate) fn take_asked(channel: &mut CliprdrClient, id: u32) -> Option<u32> {
    let backend = channel.downcast_backend_mut::<Backend>()?;
    backend.files.asked.remove(&id)
}

/// The state of all this.
#[derive(Debug)]
pub(super) struct Files {
    outlet: Outlet,
    /// Under which number the host offers a list of files.
    list_format: Option<ClipboardFormatId>,
    /// Whether what was asked for, oldest first, is the list of files: answers come in order and
    /// without a name.
    fetches: VecDeque<bool>,
    /// Requests of the host, under our numbers, since the host may use one of its own twice.
    asked: BTreeMap<u32, u32>,
    last_id: u32,
}

impl Files {
    pub(super) fn new(outlet: Outlet) -> Self {
        Self {
            outlet,
            list_format: None,
            fetches: VecDeque::new(),
            asked: BTreeMap::new(),
            last_id: 0,
        }
    }

    pub(super) fn ready(&self) {
        self.notice(FilesNotice::Ready);
    }

    pub(super) fn negotiated(&self, flags: ClipboardGeneralCapabilityFlags) {
        let able = flags.contains(ClipboardGeneralCapabilityFlags::STREAM_FILECLIP_ENABLED);
        self.tell(FileEvent::ClipboardFilesAble { able }, Vec::new());
    }

    pub(super) fn remote_copied(&mut self, formats: &[ClipboardFormat]) {
        let is_list = |format: &&ClipboardFormat| {
            format
                .name()
                .is_some_and(|name| name.value() == ClipboardFormatName::FILE_LIST.value())
        };
        self.list_format = formats.iter().find(is_list).map(ClipboardFormat::id);
    }

    /// An answer came that is no list; true when a list was asked for.
    pub(super) fn failed_to_list(&mut self) -> bool {
        let was_list = self.fetches.pop_front() == Some(true);
        if was_list {
            self.tell_list(Vec::new(), None);
        }
        was_list
    }

    pub(super) fn listed(&mut self, files: &[FileDescriptor], lock: Option<u32>) {
        self.fetches.pop_front();
        let is_file = |file: &FileDescriptor| {
            !file
                .attributes
                .is_some_and(|attributes| attributes.contains(ClipboardFileAttributes::DIRECTORY))
        };
        let files = (0..)
            .zip(files)
            .filter(|(_, file)| is_file(file))
            .take(CLIPBOARD_FILES_MAX)
            .map(|(index, file)| ClipboardFile {
                name: good_name(&file.name),
                size: file.file_size,
                index,
            })
            .collect();
        self.tell_list(files, lock);
    }

    pub(super) fn asked_for_part(&mut self, request: &FileContentsRequest) {
        let is_size = request.flags.contains(FileContentsFlags::SIZE);
        let length = request.requested_size.min(CLIPBOARD_FILE_PART_MAX);
        let Ok(index) = u32::try_from(request.index) else {
            self.notice(FilesNotice::Refuse(request.stream_id));
            return;
        };
        if self.asked.len() >= CLIPBOARD_FILE_REQUESTS_MAX
            || request.flags.validate().is_err()
            || (!is_size && length == 0)
        {
            self.notice(FilesNotice::Refuse(request.stream_id));
            return;
        }
        let id = loop {
            self.last_id = self.last_id.wrapping_add(1);
            if !self.asked.contains_key(&self.last_id) {
                break self.last_id;
            }
        };
        self.asked.insert(id, request.stream_id);
        let event = FileEvent::ClipboardFileRequest {
            id,
            index,
            offset: if is_size { 0 } else { request.position },
            length: if is_size { 0 } else { length },
            lock: request.data_id,
        };
        self.tell(event, Vec::new());
    }

    pub(super) fn part_came(&self, response: &FileContentsResponse<'_>) {
        let fits = u32::try_from(response.data().len()).is_ok_and(|n| n <= CLIPBOARD_FILE_PART_MAX);
        let ok = !response.is_error() && fits;
        let id = response.stream_id();
        let bytes = if ok { response.data() } else { &[] };
        self.tell(FileEvent::ClipboardFileData { id, ok }, bytes.to_vec());
    }

    pub(super) fn locked(&self, lock: &LockDataId) {
        self.tell(FileEvent::ClipboardLock { lock: lock.0 }, Vec::new());
    }

    pub(super) fn unlocked(&self, lock: &LockDataId) {
        self.tell(FileEvent::ClipboardUnlock { lock: lock.0 }, Vec::new());
    }

    fn tell_list(&self, files: Vec<ClipboardFile>, lock: Option<u32>) {
        self.tell(FileEvent::ClipboardFiles { files, lock }, Vec::new());
    }

    fn tell(&self, event: FileEvent, bytes: Vec<u8>) {
        self.outlet.tell(Notice::Files(event, bytes));
    }

    fn notice(&self, notice: FilesNotice) {
        self.outlet
            .tell(Notice::Clipboard(ClipboardNotice::Files(notice)));
    }
}
