//! A folder of the device, as a drive of the host (MS-RDPEFS 2.2.3).
//!
//! Without I/O: a host's request becomes a [`DriveRequest`] for the worker, and the worker's
//! [`DriveAnswer`] becomes the host's. What is decided here: which names there are, what may be
//! written, what is open, and how much of all this a host may have at once.

use std::collections::{BTreeMap, VecDeque};

use ironrdp_rdpdr::pdu::{
    RdpdrPdu,
    efs::{
        ClientDriveLockControlResponse, CreateDisposition, CreateOptions, DesiredAccess,
        DeviceControlResponse, DeviceCreateRequest, DeviceIoRequest, DeviceReadRequest,
        DeviceWriteRequest, FileInformationClass, FileInformationClassLevel,
        FileSystemInformationClassLevel, Information, NtStatus, ServerDriveIoRequest,
        ServerDriveQueryDirectoryRequest, ServerDriveSetInformationRequest,
    },
};
use ironrdp_svc::SvcMessage;

mod names;
mod pattern;
mod replies;
mod request;

pub use request::{DriveAnswer, DriveError, DriveOp, DriveRequest, Entry, Kind, NamedEntry};

use crate::limits::{
    DRIVE_FILE_LEN_MAX, DRIVE_FILES_MAX, DRIVE_LISTED_MAX, DRIVE_READ_MAX, DRIVE_REQUESTS_MAX,
    DRIVE_WRITE_BYTES_MAX,
};
use names::Path;
pub(crate) use names::good_name;

/// Whether a host may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    Read,
    ReadWrite,
}

/// The drive.
#[derive(Debug)]
pub(crate) struct Drive {
    label: String,
    mode: Mode,
    files: BTreeMap<u32, OpenFile>,
    last_file_id: u32,
    waiting: BTreeMap<u32, Waiting>,
    last_request: u32,
    /// Bytes in the requests that wait.
    write_bytes: usize,
    /// Requests to be told of changes in a directory. No browser tells of them, so they wait until
    /// the directory is closed.
    watches: Vec<DeviceIoRequest>,
    outbox: Vec<(DriveRequest, Vec<u8>)>,
}

/// A file or directory that a host has open.
#[derive(Debug)]
struct OpenFile {
    path: Path,
    kind: Kind,
    writes: bool,
    /// Whether something was done to it that has to be committed.
    changed: bool,
    delete: bool,
    /// What of the directory's listing the host has not had yet.
    listing: Option<VecDeque<NamedEntry>>,
}

/// A request of the host that waits for the worker.
#[derive(Debug)]
struct Waiting {
    irp: DeviceIoRequest,
    step: Step,
}

/// What the worker does, and what comes of it.
#[derive(Debug)]
enum Step {
    /// Looks whether it is there.
    OpenLook(Opening),
    /// Makes or empties it.
    OpenMake(Opening, Kind, Information),
    Close,
    Query(FileInformationClassLevel, bool),
    Volume(FileSystemInformationClassLevel),
    List {
        level: FileInformationClassLevel,
        pattern: String,
    },
    Read {
        length: u32,
    },
    Write {
        length: usize,
    },
    Flush,
    /// Sets something that has no part here.
    Set(ServerDriveSetInformationRequest),
    /// Looks how long the file is, since only what is too long is cut.
    Allocate(ServerDriveSetInformationRequest, u64),
    /// Looks whether the directory is empty.
    Delete(ServerDriveSetInformationRequest),
    Rename(ServerDriveSetInformationRequest, Path),
}

/// What a host wants to open.
#[derive(Debug)]
struct Opening {
    path: Path,
    disposition: CreateDisposition,
    directory: bool,
    not_directory: bool,
    writes: bool,
    delete: bool,
}

impl Drive {
    pub(crate) fn new(label: String, mode: Mode) -> Self {
        Self {
            label,
            mode,
            files: BTreeMap::new(),
            last_file_id: 0,
            waiting: BTreeMap::new(),
            last_request: 0,
            write_bytes: 0,
            watches: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// Forgets what a host had open: it begins anew. Request numbers go on, so that an answer
    /// that is on its way finds nothing.
    pub(crate) fn reset(&mut self) {
        self.files.clear();
        self.waiting.clear();
        self.watches.clear();
        self.outbox.clear();
        self.write_bytes = 0;
    }

    /// The drive goes: whatever waits is told so.
    pub(crate) fn cancel(&mut self) -> Vec<SvcMessage> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut messages: Vec<SvcMessage> = waiting
            .into_values()
            .flat_map(|waiting| self.refuse(waiting, NtStatus::CANCELLED))
            .collect();
        let watches = std::mem::take(&mut self.watches);
        messages.extend(
            watches
                .into_iter()
                .map(|irp| replies::notify(irp, NtStatus::CANCELLED)),
        );
        self.reset();
        messages
    }

    /// What the worker has to do, with the bytes that belong to it.
    pub(crate) fn take_requests(&mut self) -> Vec<(DriveRequest, Vec<u8>)> {
        std::mem::take(&mut self.outbox)
    }

    /// Takes a request of the host; returns what can be answered at once.
    pub(crate) fn handle(&mut self, request: ServerDriveIoRequest) -> Vec<SvcMessage> {
        use ServerDriveIoRequest as Request;
        match request {
            Request::ServerCreateDriveRequest(request) => self.open(&request),
            Request::DeviceCloseRequest(request) => self.close(request.device_io_request),
            Request::DeviceReadRequest(request) => self.read(request),
            Request::DeviceWriteRequest(request) => self.write(request),
            Request::DeviceFlushBuffersRequest(request) => {
                let irp = request.device_io_request;
                match self.file(&irp).map(|file| file.path.clone()) {
                    Ok(path) => self.ask(irp, Step::Flush, DriveOp::Commit { path }, Vec::new()),
                    Err(status) => vec![replies::flush(irp, status)],
                }
            }
            Request::ServerDriveQueryInformationRequest(request) => {
                let (irp, level) = (request.device_io_request, request.file_info_class_lvl);
                match self.file(&irp).map(|file| (file.path.clone(), file.delete)) {
                    Ok((path, delete)) => {
                        let step = Step::Query(level, delete);
                        self.ask(irp, step, DriveOp::Look { path }, Vec::new())
                    }
                    Err(status) => vec![replies::query(irp, &level, Err(status), self.mode)],
                }
            }
            Request::ServerDriveQueryVolumeInformationRequest(request) => {
                let step = Step::Volume(request.fs_info_class_lvl);
                self.ask(request.device_io_request, step, DriveOp::Space, Vec::new())
            }
            Request::ServerDriveQueryDirectoryRequest(request) => self.list(request),
            Request::ServerDriveSetInformationRequest(request) => self.set(request),
            Request::ServerDriveNotifyChangeDirectoryRequest(request) => {
                let irp = request.device_io_request;
                if self.file(&irp).is_err() || self.watches.len() >= DRIVE_FILES_MAX {
                    return vec![replies::notify(irp, NtStatus::NOT_SUPPORTED)];
                }
                self.watches.push(irp);
                Vec::new()
            }
            // Nobody but this session uses the folder through the host, and browsers have no
            // locks: what FreeRDP and rdesktop answer.
            Request::ServerDriveLockControlRequest(request) => {
                let status = match self.file(&request.device_io_request) {
                    Ok(_) => NtStatus::SUCCESS,
                    Err(status) => status,
                };
                let response =
                    ClientDriveLockControlResponse::new(request.device_io_request, status);
                vec![RdpdrPdu::from(response).into()]
            }
            Request::DeviceControlRequest(request) => {
                let response = DeviceControlResponse::new(request, NtStatus::NOT_SUPPORTED, None);
                vec![RdpdrPdu::from(response).into()]
            }
            // Not announced, so no host asks; the answer has the form of any other.
            Request::ServerDriveQuerySecurityRequest(request) => {
                vec![replies::close(
                    request.device_io_request,
                    NtStatus::NOT_SUPPORTED,
                )]
            }
            Request::ServerDriveSetSecurityRequest(request) => {
                vec![replies::close(
                    request.device_io_request,
                    NtStatus::NOT_SUPPORTED,
                )]
            }
        }
    }

    /// Takes an answer of the worker; one that nobody waits for is dropped.
    pub(crate) fn answer(
        &mut self,
        id: u32,
        answer: DriveAnswer,
        bytes: Vec<u8>,
    ) -> Vec<SvcMessage> {
        let Some(waiting) = self.waiting.remove(&id) else {
            return Vec::new();
        };
        if let Step::Write { length } = waiting.step {
            self.write_bytes = self.write_bytes.saturating_sub(length);
        }
        let Waiting { irp, step } = waiting;
        match (step, answer.error) {
            (Step::OpenLook(opening), error) => self.opened(irp, opening, answer.entry, error),
            (step, Some(error)) => self.refuse(Waiting { irp, step }, replies::status_of(error)),
            (Step::OpenMake(opening, kind, information), None) => {
                self.keep_open(irp, opening, kind, information)
            }
            (Step::Close, None) => vec![replies::close(irp, NtStatus::SUCCESS)],
            (Step::Flush, None) => vec![replies::flush(irp, NtStatus::SUCCESS)],
            (Step::Query(level, delete), None) => {
                let outcome = answer.entry.ok_or(NtStatus::UNSUCCESSFUL);
                let outcome = outcome.map(|entry| (entry, delete));
                vec![replies::query(irp, &level, outcome, self.mode)]
            }
            (Step::Volume(level), None) => {
                let space = (answer.total, answer.free);
                vec![replies::volume(irp, &level, &self.label, space, self.mode)]
            }
            (Step::List { level, pattern }, None) => {
                self.listed(irp, &level, &pattern, answer.entries)
            }
            (Step::Read { length }, None) => {
                let fits = u32::try_from(bytes.len()).is_ok_and(|len| len <= length);
                let outcome = fits.then_some(bytes).ok_or(NtStatus::UNSUCCESSFUL);
                vec![replies::read(irp, outcome)]
            }
            (Step::Write { length }, None) => {
                vec![replies::write(
                    irp,
                    u32::try_from(length).map_err(|_| NtStatus::UNSUCCESSFUL),
                )]
            }
            (Step::Set(request), None) => replies::set(&request, NtStatus::SUCCESS),
            (Step::Allocate(request, size), None) => {
                let is_longer = answer.entry.is_some_and(|entry| entry.size > size);
                match self.file(&irp).map(|file| file.path.clone()) {
                    Ok(path) if is_longer => {
                        let op = DriveOp::Resize { path, size };
                        self.ask(irp, Step::Set(request), op, Vec::new())
                    }
                    Ok(_) => replies::set(&request, NtStatus::SUCCESS),
                    Err(status) => replies::set(&request, status),
                }
            }
            (Step::Delete(request), None) => {
                let status = match self.files.get_mut(&irp.file_id) {
                    None => NtStatus::INVALID_HANDLE,
                    Some(_) if !answer.entries.is_empty() => NtStatus::DIRECTORY_NOT_EMPTY,
                    Some(file) => {
                        file.delete = true;
                        NtStatus::SUCCESS
                    }
                };
                replies::set(&request, status)
            }
            (Step::Rename(request, to), None) => {
                if let Some(from) = self.files.get(&irp.file_id).map(|file| file.path.clone()) {
                    self.moved(&from, &to);
                }
                replies::set(&request, NtStatus::SUCCESS)
            }
        }
    }

    fn open(&mut self, request: &DeviceCreateRequest) -> Vec<SvcMessage> {
        const WRITES: DesiredAccess = DesiredAccess::FILE_WRITE_DATA_OR_FILE_ADD_FILE
            .union(DesiredAccess::FILE_APPEND_DATA_OR_FILE_ADD_SUBDIRECTORY)
            .union(DesiredAccess::FILE_WRITE_ATTRIBUTES)
            .union(DesiredAccess::FILE_WRITE_EA)
            .union(DesiredAccess::FILE_DELETE_CHILD)
            .union(DesiredAccess::DELETE)
            .union(DesiredAccess::WRITE_DAC)
            .union(DesiredAccess::WRITE_OWNER)
            .union(DesiredAccess::GENERIC_WRITE)
            .union(DesiredAccess::GENERIC_ALL);
        let irp = request.device_io_request.clone();
        let options = &request.create_options;
        let delete = options.contains(CreateOptions::FILE_DELETE_ON_CLOSE);
        let asks_to_write = request.desired_access.intersects(WRITES) || delete;
        if asks_to_write && self.mode == Mode::Read {
            return vec![replies::create(irp, Err(NtStatus::ACCESS_DENIED))];
        }
        let path = match names::parse(&request.path) {
            Ok(path) => path,
            Err(status) => return vec![replies::create(irp, Err(status))],
        };
        if delete && path.is_empty() {
            return vec![replies::create(irp, Err(NtStatus::ACCESS_DENIED))];
        }
        // Those that are about to be opened count, too, or many at once would pass.
        let opening = self
            .waiting
            .values()
            .filter(|waiting| matches!(waiting.step, Step::OpenLook(_) | Step::OpenMake(..)));
        if self.files.len() + opening.count() >= DRIVE_FILES_MAX {
            let status = NtStatus::from(replies::TOO_MANY_OPENED_FILES);
            return vec![replies::create(irp, Err(status))];
        }
        let all = DesiredAccess::MAXIMUM_ALLOWED;
        let opening = Opening {
            path: path.clone(),
            disposition: request.create_disposition,
            directory: options.contains(CreateOptions::FILE_DIRECTORY_FILE),
            not_directory: options.contains(CreateOptions::FILE_NON_DIRECTORY_FILE),
            writes: self.mode == Mode::ReadWrite
                && (asks_to_write || request.desired_access.intersects(all)),
            delete,
        };
        self.ask(
            irp,
            Step::OpenLook(opening),
            DriveOp::Look { path },
            Vec::new(),
        )
    }

    /// Decides what becomes of an opening, now that it is known what is there.
    fn opened(
        &mut self,
        irp: DeviceIoRequest,
        opening: Opening,
        found: Option<Entry>,
        error: Option<DriveError>,
    ) -> Vec<SvcMessage> {
        let refuse = |status| vec![replies::create(irp.clone(), Err(status))];
        let disposition = &opening.disposition;
        let empties = matches!(
            *disposition,
            CreateDisposition::FILE_SUPERSEDE
                | CreateDisposition::FILE_OVERWRITE
                | CreateDisposition::FILE_OVERWRITE_IF
        );
        match (found, error) {
            (_, Some(DriveError::NotFound)) => {
                let makes = *disposition != CreateDisposition::FILE_OPEN
                    && *disposition != CreateDisposition::FILE_OVERWRITE;
                if !makes {
                    return refuse(NtStatus::NO_SUCH_FILE);
                }
                if self.mode == Mode::Read {
                    return refuse(NtStatus::ACCESS_DENIED);
                }
                let kind = if opening.directory {
                    Kind::Directory
                } else {
                    Kind::File
                };
                let path = opening.path.clone();
                let step = Step::OpenMake(opening, kind, Information::file_created());
                self.ask(irp, step, DriveOp::Create { path, kind }, Vec::new())
            }
            (_, Some(error)) => refuse(replies::status_of(error)),
            (None, None) => refuse(NtStatus::UNSUCCESSFUL),
            (Some(_), None) if *disposition == CreateDisposition::FILE_CREATE => {
                refuse(NtStatus::OBJECT_NAME_COLLISION)
            }
            (Some(entry), None) if entry.kind == Kind::Directory => {
                if opening.not_directory {
                    return refuse(NtStatus::FILE_IS_A_DIRECTORY);
                }
                if empties {
                    return refuse(NtStatus::OBJECT_NAME_COLLISION);
                }
                self.keep_open(irp, opening, Kind::Directory, Information::file_opened())
            }
            (Some(_), None) => {
                if opening.directory {
                    return refuse(NtStatus::NOT_A_DIRECTORY);
                }
                if !empties {
                    return self.keep_open(irp, opening, Kind::File, Information::file_opened());
                }
                if self.mode == Mode::Read {
                    return refuse(NtStatus::ACCESS_DENIED);
                }
                let information = match *disposition {
                    CreateDisposition::FILE_SUPERSEDE => Information::file_superseded(),
                    _ => Information::file_overwritten(),
                };
                let op = DriveOp::Resize {
                    path: opening.path.clone(),
                    size: 0,
                };
                let step = Step::OpenMake(opening, Kind::File, information);
                self.ask(irp, step, op, Vec::new())
            }
        }
    }

    fn keep_open(
        &mut self,
        irp: DeviceIoRequest,
        opening: Opening,
        kind: Kind,
        information: Information,
    ) -> Vec<SvcMessage> {
        let id = loop {
            self.last_file_id = self.last_file_id.wrapping_add(1).max(1);
            if !self.files.contains_key(&self.last_file_id) {
                break self.last_file_id;
            }
        };
        let file = OpenFile {
            path: opening.path,
            kind,
            writes: opening.writes,
            changed: information != Information::file_opened(),
            delete: opening.delete,
            listing: None,
        };
        self.files.insert(id, file);
        vec![replies::create(irp, Ok((id, information)))]
    }

    fn close(&mut self, irp: DeviceIoRequest) -> Vec<SvcMessage> {
        let Some(file) = self.files.remove(&irp.file_id) else {
            return vec![replies::close(irp, NtStatus::INVALID_HANDLE)];
        };
        let (of_file, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.watches)
            .into_iter()
            .partition(|watch| watch.file_id == irp.file_id);
        self.watches = others;
        let mut messages: Vec<SvcMessage> = of_file
            .into_iter()
            .map(|watch| replies::notify(watch, NtStatus::CANCELLED))
            .collect();
        let path = file.path;
        if file.delete && self.files.values().any(|other| other.path == path) {
            // The last one to close it removes it.
            for other in self.files.values_mut().filter(|other| other.path == path) {
                other.delete = true;
            }
        } else if file.delete {
            messages.extend(self.ask(irp, Step::Close, DriveOp::Remove { path }, Vec::new()));
            return messages;
        } else if (file.writes || file.changed) && file.kind == Kind::File {
            messages.extend(self.ask(irp, Step::Close, DriveOp::Commit { path }, Vec::new()));
            return messages;
        }
        messages.push(replies::close(irp, NtStatus::SUCCESS));
        messages
    }

    fn read(&mut self, request: DeviceReadRequest) -> Vec<SvcMessage> {
        let DeviceReadRequest {
            device_io_request: irp,
            length,
            offset,
        } = request;
        let path = match self.file(&irp) {
            Err(status) => Err(status),
            Ok(file) if file.kind == Kind::Directory => Err(NtStatus::INVALID_DEVICE_REQUEST),
            Ok(_) if length > DRIVE_READ_MAX => Err(NtStatus::INSUFFICIENT_RESOURCES),
            Ok(_) if offset > DRIVE_FILE_LEN_MAX => Err(NtStatus::END_OF_FILE),
            Ok(file) => Ok(file.path.clone()),
        };
        match path {
            Err(status) => vec![replies::read(irp, Err(status))],
            Ok(path) => {
                let op = DriveOp::Read {
                    path,
                    offset,
                    length,
                };
                self.ask(irp, Step::Read { length }, op, Vec::new())
            }
        }
    }

    fn write(&mut self, request: DeviceWriteRequest) -> Vec<SvcMessage> {
        let DeviceWriteRequest {
            device_io_request: irp,
            offset,
            write_data,
        } = request;
        let length = write_data.len();
        let end = u64::try_from(length)
            .ok()
            .and_then(|length| offset.checked_add(length));
        let path = match self.file(&irp) {
            Err(status) => Err(status),
            Ok(file) if !file.writes => Err(NtStatus::ACCESS_DENIED),
            Ok(file) if file.kind == Kind::Directory => Err(NtStatus::FILE_IS_A_DIRECTORY),
            Ok(_) if end.is_none_or(|end| end > DRIVE_FILE_LEN_MAX) => Err(NtStatus::DISK_FULL),
            Ok(_) if self.write_bytes + length > DRIVE_WRITE_BYTES_MAX => {
                Err(NtStatus::INSUFFICIENT_RESOURCES)
            }
            Ok(file) => Ok(file.path.clone()),
        };
        match path {
            Err(status) => vec![replies::write(irp, Err(status))],
            Ok(path) => {
                let op = DriveOp::Write { path, offset };
                self.ask(irp, Step::Write { length }, op, write_data)
            }
        }
    }

    fn list(&mut self, request: ServerDriveQueryDirectoryRequest) -> Vec<SvcMessage> {
        let ServerDriveQueryDirectoryRequest {
            device_io_request: irp,
            file_info_class_lvl: level,
            initial_query,
            path,
        } = request;
        let mode = self.mode;
        let file = match self.files.get_mut(&irp.file_id) {
            Some(file) if file.kind == Kind::Directory => file,
            Some(_) => {
                let status = Err(NtStatus::INVALID_PARAMETER);
                return vec![replies::directory(irp, &level, status, mode)];
            }
            None => {
                let status = Err(NtStatus::INVALID_HANDLE);
                return vec![replies::directory(irp, &level, status, mode)];
            }
        };
        if initial_query == 0
            && let Some(listing) = &mut file.listing
        {
            let line = listing.pop_front().ok_or(NtStatus::NO_MORE_FILES);
            return vec![replies::directory(irp, &level, line, mode)];
        }
        file.listing = None;
        let pattern = names::pattern_of(&path).to_owned();
        let path = file.path.clone();
        let step = Step::List { level, pattern };
        self.ask(irp, step, DriveOp::List { path }, Vec::new())
    }

    fn listed(
        &mut self,
        irp: DeviceIoRequest,
        level: &FileInformationClassLevel,
        pattern: &str,
        entries: Vec<NamedEntry>,
    ) -> Vec<SvcMessage> {
        let kept: usize = self
            .files
            .values()
            .filter_map(|file| file.listing.as_ref())
            .map(VecDeque::len)
            .sum();
        let Some(file) = self.files.get_mut(&irp.file_id) else {
            let status = Err(NtStatus::INVALID_HANDLE);
            return vec![replies::directory(irp, level, status, self.mode)];
        };
        // Directories have these two on Windows, and an empty one would look like a missing one.
        let dots = [".", ".."].map(|name| NamedEntry {
            name: name.to_owned(),
            entry: Entry {
                kind: Kind::Directory,
                size: 0,
                modified_ms: 0,
            },
        });
        let mut entries: Vec<NamedEntry> = entries
            .into_iter()
            .filter(|line| names::is_good(&line.name) && pattern::fits(pattern, &line.name))
            .collect();
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let dots = dots
            .into_iter()
            .filter(|dot| pattern::fits(pattern, &dot.name));
        let mut listing: VecDeque<NamedEntry> = dots.chain(entries).collect();
        if kept + listing.len() > DRIVE_LISTED_MAX {
            let status = Err(NtStatus::INSUFFICIENT_RESOURCES);
            return vec![replies::directory(irp, level, status, self.mode)];
        }
        let line = listing.pop_front().ok_or(NtStatus::NO_SUCH_FILE);
        file.listing = Some(listing);
        vec![replies::directory(irp, level, line, self.mode)]
    }

    fn set(&mut self, request: ServerDriveSetInformationRequest) -> Vec<SvcMessage> {
        let irp = request.device_io_request.clone();
        let file = match self.file(&irp) {
            Ok(file) => file,
            Err(status) => return replies::set(&request, status),
        };
        // xrdp removes through a handle that it opened to look only, as other clients let it.
        let of_name = matches!(
            request.set_buffer,
            FileInformationClass::Disposition(_) | FileInformationClass::Rename(_)
        );
        if self.mode == Mode::Read || !(file.writes || of_name) {
            return replies::set(&request, NtStatus::ACCESS_DENIED);
        }
        let path = file.path.clone();
        let kind = file.kind;
        match &request.set_buffer {
            // Browsers set neither times nor attributes. A copy that keeps them must not fail.
            FileInformationClass::Basic(_) => replies::set(&request, NtStatus::SUCCESS),
            FileInformationClass::EndOfFile(end) => match length(end.end_of_file) {
                Ok(_) if kind == Kind::Directory => {
                    replies::set(&request, NtStatus::INVALID_PARAMETER)
                }
                Ok(size) => {
                    let op = DriveOp::Resize { path, size };
                    self.ask(irp, Step::Set(request), op, Vec::new())
                }
                Err(status) => replies::set(&request, status),
            },
            FileInformationClass::Allocation(allocation) => {
                match length(allocation.allocation_size) {
                    Ok(size) => {
                        let step = Step::Allocate(request, size);
                        self.ask(irp, step, DriveOp::Look { path }, Vec::new())
                    }
                    Err(status) => replies::set(&request, status),
                }
            }
            FileInformationClass::Disposition(disposition) if disposition.delete_pending == 0 => {
                for file in self.files.values_mut().filter(|file| file.path == path) {
                    file.delete = false;
                }
                replies::set(&request, NtStatus::SUCCESS)
            }
            FileInformationClass::Disposition(_) if path.is_empty() => {
                replies::set(&request, NtStatus::ACCESS_DENIED)
            }
            FileInformationClass::Disposition(_) if kind == Kind::Directory => {
                let step = Step::Delete(request);
                self.ask(irp, step, DriveOp::List { path }, Vec::new())
            }
            FileInformationClass::Disposition(_) => {
                if let Some(file) = self.files.get_mut(&irp.file_id) {
                    file.delete = true;
                }
                replies::set(&request, NtStatus::SUCCESS)
            }
            FileInformationClass::Rename(rename) => {
                let to = match names::parse(&rename.file_name) {
                    // Not the folder itself, nor into itself.
                    Ok(to) if path.is_empty() || to.is_empty() => {
                        return replies::set(&request, NtStatus::ACCESS_DENIED);
                    }
                    Ok(to) if to.len() > path.len() && to.starts_with(&path) => {
                        return replies::set(&request, NtStatus::INVALID_PARAMETER);
                    }
                    Ok(to) => to,
                    Err(status) => return replies::set(&request, status),
                };
                if to == path {
                    return replies::set(&request, NtStatus::SUCCESS);
                }
                let op = DriveOp::Rename {
                    from: path,
                    to: to.clone(),
                    replace: u8::from(rename.replace_if_exists) != 0,
                };
                self.ask(irp, Step::Rename(request, to), op, Vec::new())
            }
            _ => replies::set(&request, NtStatus::NOT_SUPPORTED),
        }
    }

    /// What is open below the old name is below the new one now.
    fn moved(&mut self, from: &Path, to: &Path) {
        for file in self.files.values_mut() {
            if let Some(rest) = file.path.strip_prefix(from.as_slice()) {
                file.path = to.iter().chain(rest).cloned().collect();
            }
        }
    }

    fn file(&self, irp: &DeviceIoRequest) -> Result<&OpenFile, NtStatus> {
        self.files.get(&irp.file_id).ok_or(NtStatus::INVALID_HANDLE)
    }

    /// Asks the worker, if not too much waits for it already.
    fn ask(
        &mut self,
        irp: DeviceIoRequest,
        step: Step,
        op: DriveOp,
        bytes: Vec<u8>,
    ) -> Vec<SvcMessage> {
        let waiting = Waiting { irp, step };
        if self.waiting.len() >= DRIVE_REQUESTS_MAX {
            return self.refuse(waiting, NtStatus::INSUFFICIENT_RESOURCES);
        }
        let id = loop {
            self.last_request = self.last_request.wrapping_add(1);
            if !self.waiting.contains_key(&self.last_request) {
                break self.last_request;
            }
        };
        if let Step::Write { length } = waiting.step {
            self.write_bytes += length;
        }
        self.waiting.insert(id, waiting);
        self.outbox.push((DriveRequest { id, op }, bytes));
        Vec::new()
    }

    /// The answer to a request that is not carried out, in the form of its kind.
    fn refuse(&self, waiting: Waiting, status: NtStatus) -> Vec<SvcMessage> {
        let Waiting { irp, step } = waiting;
        match step {
            Step::OpenLook(_) | Step::OpenMake(..) => vec![replies::create(irp, Err(status))],
            Step::Close => vec![replies::close(irp, status)],
            Step::Flush => vec![replies::flush(irp, status)],
            Step::Query(level, _) => vec![replies::query(irp, &level, Err(status), self.mode)],
            Step::Volume(level) => {
                let label = &self.label;
                vec![replies::volume(irp, &level, label, (None, None), self.mode)]
            }
            Step::List { level, .. } => {
                vec![replies::directory(irp, &level, Err(status), self.mode)]
            }
            Step::Read { .. } => vec![replies::read(irp, Err(status))],
            Step::Write { .. } => vec![replies::write(irp, Err(status))],
            Step::Set(request)
            | Step::Allocate(request, _)
            | Step::Delete(request)
            | Step::Rename(request, _) => replies::set(&request, status),
        }
    }
}

/// A length that a host sets.
fn length(bytes: i64) -> Result<u64, NtStatus> {
    match u64::try_from(bytes) {
        Ok(bytes) if bytes <= DRIVE_FILE_LEN_MAX => Ok(bytes),
        Ok(_) => Err(NtStatus::DISK_FULL),
        Err(_) => Err(NtStatus::INVALID_PARAMETER),
    }
}

#[cfg(test)]
mod tests;
