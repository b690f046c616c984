//! Answers to a host, in its terms (MS-RDPEFS 2.2.3.4, MS-FSCC 2.4 and 2.5).

use ironrdp_rdpdr::pdu::{
    RdpdrPdu,
    efs::{
        Boolean, Characteristics, ClientDriveNotifyChangeDirectoryResponse,
        ClientDriveQueryDirectoryResponse, ClientDriveQueryInformationResponse,
        ClientDriveQueryVolumeInformationResponse, ClientDriveSetInformationResponse,
        DeviceCloseResponse, DeviceCreateResponse, DeviceFlushBuffersResponse, DeviceIoRequest,
        DeviceIoResponse, DeviceReadResponse, DeviceWriteResponse, FileAttributeTagInformation,
        FileAttributes, FileBasicInformation, FileBothDirectoryInformation,
        FileDirectoryInformation, FileFsAttributeInformation, FileFsDeviceInformation,
        FileFsFullSizeInformation, FileFsSizeInformation, FileFsVolumeInformation,
        FileFullDirectoryInformation, FileInformationClass, FileInformationClassLevel,
        FileNamesInformation, FileStandardInformation, FileSystemAttributes,
        FileSystemInformationClass, FileSystemInformationClassLevel, Information, NtStatus,
        ServerDriveSetInformationRequest,
    },
};
use ironrdp_svc::SvcMessage;

use super::{
    Mode,
    request::{DriveError, Entry, Kind, NamedEntry},
};

/// STATUS_TOO_MANY_OPENED_FILES, which the layer below does not name.
pub(super) const TOO_MANY_OPENED_FILES: u32 = 0xC000_011F;

/// Milliseconds from 1601, where Windows begins to count, to 1970.
const EPOCH_MS: i64 = 11_644_473_600_000;
const SECTOR_LEN: u32 = 512;
const SECTORS_PER_UNIT: u32 = 8;
/// What is reported when the device does not tell: enough for a host not to refuse to write.
const UNKNOWN_SPACE: u64 = 1 << 40;

fn message(pdu: impl Into<RdpdrPdu>) -> SvcMessage {
    SvcMessage::from(pdu.into())
}

pub(super) fn status_of(error: DriveError) -> NtStatus {
    match error {
        DriveError::NotFound => NtStatus::NO_SUCH_FILE,
        DriveError::PathNotFound => NtStatus::OBJECT_PATH_NOT_FOUND,
        DriveError::Exists => NtStatus::OBJECT_NAME_COLLISION,
        DriveError::IsDirectory => NtStatus::FILE_IS_A_DIRECTORY,
        DriveError::NotDirectory => NtStatus::NOT_A_DIRECTORY,
        DriveError::NotEmpty => NtStatus::DIRECTORY_NOT_EMPTY,
        DriveError::Denied => NtStatus::ACCESS_DENIED,
        DriveError::Full => NtStatus::DISK_FULL,
        DriveError::Busy => NtStatus::SHARING_VIOLATION,
        DriveError::TooMany => NtStatus::INSUFFICIENT_RESOURCES,
        DriveError::Failed => NtStatus::UNSUCCESSFUL,
    }
}

pub(super) fn create(
    irp: DeviceIoRequest,
    outcome: Result<(u32, Information), NtStatus>,
) -> SvcMessage {
    let (status, file_id, information) = match outcome {
        Ok((file_id, information)) => (NtStatus::SUCCESS, file_id, information),
        Err(status) => (status, 0, Information::empty()),
    };
    message(DeviceCreateResponse {
        device_io_reply: DeviceIoResponse::new(irp, status),
        file_id,
        information,
    })
}

pub(super) fn close(irp: DeviceIoRequest, status: NtStatus) -> SvcMessage {
    message(DeviceCloseResponse {
        device_io_response: DeviceIoResponse::new(irp, status),
    })
}

pub(super) fn flush(irp: DeviceIoRequest, status: NtStatus) -> SvcMessage {
    message(DeviceFlushBuffersResponse {
        device_io_response: DeviceIoResponse::new(irp, status),
    })
}

pub(super) fn read(irp: DeviceIoRequest, outcome: Result<Vec<u8>, NtStatus>) -> SvcMessage {
    let (status, read_data) = match outcome {
        Ok(data) => (NtStatus::SUCCESS, data),
        Err(status) => (status, Vec::new()),
    };
    message(DeviceReadResponse {
        device_io_reply: DeviceIoResponse::new(irp, status),
        read_data,
    })
}

pub(super) fn write(irp: DeviceIoRequest, outcome: Result<u32, NtStatus>) -> SvcMessage {
    let (status, length) = match outcome {
        Ok(length) => (NtStatus::SUCCESS, length),
        Err(status) => (status, 0),
    };
    message(DeviceWriteResponse {
        device_io_reply: DeviceIoResponse::new(irp, status),
        length,
    })
}

pub(super) fn set(request: &ServerDriveSetInformationRequest, status: NtStatus) -> Vec<SvcMessage> {
    // The one error is a buffer beyond 4 GB, which no message holds.
    ClientDriveSetInformationResponse::new(request, status)
        .map(message)
        .into_iter()
        .collect()
}

pub(super) fn notify(irp: DeviceIoRequest, status: NtStatus) -> SvcMessage {
    message(ClientDriveNotifyChangeDirectoryResponse::new(
        irp,
        status,
        Vec::new(),
    ))
}

pub(super) fn query(
    irp: DeviceIoRequest,
    level: &FileInformationClassLevel,
    outcome: Result<(Entry, bool), NtStatus>,
    mode: Mode,
) -> SvcMessage {
    let (status, buffer) = match outcome {
        Err(status) => (status, None),
        Ok((entry, delete)) => match information(level, entry, delete, mode) {
            None => (NtStatus::NOT_SUPPORTED, None),
            buffer => (NtStatus::SUCCESS, buffer),
        },
    };
    message(ClientDriveQueryInformationResponse {
        device_io_response: DeviceIoResponse::new(irp, status),
        buffer,
    })
}

fn information(
    level: &FileInformationClassLevel,
    entry: Entry,
    delete: bool,
    mode: Mode,
) -> Option<FileInformationClass> {
    let time = file_time(entry.modified_ms);
    let flag = |on| if on { Boolean::True } else { Boolean::False };
    Some(match *level {
        FileInformationClassLevel::FILE_BASIC_INFORMATION => FileBasicInformation {
            creation_time: time,
            last_access_time: time,
            last_write_time: time,
            change_time: time,
            file_attributes: attributes(entry.kind, mode),
        }
        .into(),
        FileInformationClassLevel::FILE_STANDARD_INFORMATION => FileStandardInformation {
            allocation_size: allocated(entry.size),
            end_of_file: signed(entry.size),
            number_of_links: 1,
            delete_pending: flag(delete),
            directory: flag(entry.kind == Kind::Directory),
        }
        .into(),
        FileInformationClassLevel::FILE_ATTRIBUTE_TAG_INFORMATION => FileAttributeTagInformation {
            file_attributes: attributes(entry.kind, mode),
            reparse_tag: 0,
        }
        .into(),
        _ => return None,
    })
}

pub(super) fn directory(
    irp: DeviceIoRequest,
    level: &FileInformationClassLevel,
    outcome: Result<NamedEntry, NtStatus>,
    mode: Mode,
) -> SvcMessage {
    let (status, buffer) = match outcome {
        Err(status) => (status, None),
        Ok(line) => match listed(level, line, mode) {
            None => (NtStatus::NOT_SUPPORTED, None),
            buffer => (NtStatus::SUCCESS, buffer),
        },
    };
    message(ClientDriveQueryDirectoryResponse {
        device_io_reply: DeviceIoResponse::new(irp, status),
        buffer,
    })
}

fn listed(
    level: &FileInformationClassLevel,
    line: NamedEntry,
    mode: Mode,
) -> Option<FileInformationClass> {
    let NamedEntry { name, entry } = line;
    let time = file_time(entry.modified_ms);
    let size = signed(entry.size);
    let attributes = attributes(entry.kind, mode);
    Some(match *level {
        FileInformationClassLevel::FILE_BOTH_DIRECTORY_INFORMATION => {
            FileBothDirectoryInformation::new(time, time, time, time, size, attributes, name).into()
        }
        FileInformationClassLevel::FILE_FULL_DIRECTORY_INFORMATION => {
            FileFullDirectoryInformation::new(time, time, time, time, size, attributes, name).into()
        }
        FileInformationClassLevel::FILE_DIRECTORY_INFORMATION => {
            FileDirectoryInformation::new(time, time, time, time, size, attributes, name).into()
        }
        FileInformationClassLevel::FILE_NAMES_INFORMATION => FileNamesInformation::new(name).into(),
        _ => return None,
    })
}

/// Of the volume. Its sizes are what the worker knows.
pub(super) fn volume(
    irp: DeviceIoRequest,
    level: &FileSystemInformationClassLevel,
    label: &str,
    (total, free): (Option<u64>, Option<u64>),
    mode: Mode,
) -> SvcMessage {
    let units = |bytes: u64| signed(bytes / u64::from(SECTOR_LEN * SECTORS_PER_UNIT));
    let total = total.unwrap_or(UNKNOWN_SPACE);
    let free = free.unwrap_or(UNKNOWN_SPACE).min(total);
    let buffer: Option<FileSystemInformationClass> = match *level {
        FileSystemInformationClassLevel::FILE_FS_VOLUME_INFORMATION => Some(
            FileFsVolumeInformation {
                volume_creation_time: 0,
                volume_serial_number: 0,
                supports_objects: Boolean::False,
                volume_label: label.to_owned(),
            }
            .into(),
        ),
        FileSystemInformationClassLevel::FILE_FS_SIZE_INFORMATION => Some(
            FileFsSizeInformation {
                total_alloc_units: units(total),
                available_alloc_units: units(free),
                sectors_per_alloc_unit: SECTORS_PER_UNIT,
                bytes_per_sector: SECTOR_LEN,
            }
            .into(),
        ),
        FileSystemInformationClassLevel::FILE_FS_FULL_SIZE_INFORMATION => Some(
            FileFsFullSizeInformation {
                total_alloc_units: units(total),
                caller_available_alloc_units: units(free),
                actual_available_alloc_units: units(free),
                sectors_per_alloc_unit: SECTORS_PER_UNIT,
                bytes_per_sector: SECTOR_LEN,
            }
            .into(),
        ),
        FileSystemInformationClassLevel::FILE_FS_ATTRIBUTE_INFORMATION => {
            // Programs refuse files over 4 GB on FAT32, and want access lists on NTFS.
            let mut attributes = FileSystemAttributes::FILE_CASE_PRESERVED_NAMES
                | FileSystemAttributes::FILE_UNICODE_ON_DISK;
            if mode == Mode::Read {
                attributes |= FileSystemAttributes::FILE_READ_ONLY_VOLUME;
            }
            Some(
                FileFsAttributeInformation {
                    file_system_attributes: attributes,
                    max_component_name_len: 255,
                    file_system_name: "exFAT".to_owned(),
                }
                .into(),
            )
        }
        FileSystemInformationClassLevel::FILE_FS_DEVICE_INFORMATION => {
            /// FILE_DEVICE_DISK (MS-FSCC 2.5.10).
            const DISK: u32 = 7;
            Some(
                FileFsDeviceInformation {
                    device_type: DISK,
                    characteristics: Characteristics::FILE_REMOTE_DEVICE,
                }
                .into(),
            )
        }
        _ => None,
    };
    let status = match buffer {
        Some(_) => NtStatus::SUCCESS,
        None => NtStatus::NOT_SUPPORTED,
    };
    message(ClientDriveQueryVolumeInformationResponse::new(
        irp, status, buffer,
    ))
}

fn attributes(kind: Kind, mode: Mode) -> FileAttributes {
    match (kind, mode) {
        // Windows means something else by a directory that is read-only.
        (Kind::Directory, _) => FileAttributes::FILE_ATTRIBUTE_DIRECTORY,
        (Kind::File, Mode::Read) => {
            FileAttributes::FILE_ATTRIBUTE_ARCHIVE | FileAttributes::FILE_ATTRIBUTE_READONLY
        }
        (Kind::File, Mode::ReadWrite) => FileAttributes::FILE_ATTRIBUTE_ARCHIVE,
    }
}

/// 100 ns since 1601 (MS-DTYP 2.3.3).
fn file_time(ms: i64) -> i64 {
    ms.saturating_add(EPOCH_MS).max(0).saturating_mul(10_000)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn allocated(bytes: u64) -> i64 {
    let unit = u64::from(SECTOR_LEN * SECTORS_PER_UNIT);
    signed(bytes.div_ceil(unit).saturating_mul(unit))
}
