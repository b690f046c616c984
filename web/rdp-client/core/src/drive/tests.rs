//! The drive with a host and a worker that say anything. Answers are read as a host reads them.

use ironrdp_core::ReadCursor;
use ironrdp_rdpdr::pdu::efs::{
    DeviceCloseRequest, FileAttributes, FileBasicInformation, FileDispositionInformation,
    FileEndOfFileInformation, FileRenameInformation, MajorFunction, MinorFunction,
    ServerDriveQueryInformationRequest, ServerDriveQueryVolumeInformationRequest, SharedAccess,
};

use super::*;

fn irp(file_id: u32, major_function: MajorFunction) -> DeviceIoRequest {
    DeviceIoRequest {
        device_id: 2,
        file_id,
        completion_id: 77,
        major_function,
        minor_function: MinorFunction::from(0),
    }
}

/// Status and what follows it of the one answer.
fn answer(messages: &[SvcMessage]) -> (NtStatus, Vec<u8>) {
    assert_eq!(messages.len(), 1, "{messages:?}");
    let bytes = messages[0].encode_unframed_pdu().unwrap();
    assert_eq!(
        bytes[..12],
        *b"rDCI\x02\0\0\0M\0\0\0",
        "completes 77 of device 2"
    );
    let mut rest = ReadCursor::new(&bytes[12..]);
    let status = NtStatus::from(rest.read_u32());
    (status, rest.remaining().to_vec())
}

fn status(messages: &[SvcMessage]) -> NtStatus {
    answer(messages).0
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().unwrap())
}

fn create(path: &str) -> DeviceCreateRequest {
    DeviceCreateRequest {
        device_io_request: irp(0, MajorFunction::Create),
        desired_access: DesiredAccess::GENERIC_READ,
        allocation_size: 0,
        file_attributes: FileAttributes::empty(),
        shared_access: SharedAccess::empty(),
        create_disposition: CreateDisposition::FILE_OPEN,
        create_options: CreateOptions::empty(),
        path: path.to_owned(),
    }
}

fn file(size: u64) -> DriveAnswer {
    entry(Kind::File, size)
}

fn directory() -> DriveAnswer {
    entry(Kind::Directory, 0)
}

fn entry(kind: Kind, size: u64) -> DriveAnswer {
    DriveAnswer {
        entry: Some(Entry {
            kind,
            size,
            modified_ms: 0,
        }),
        ..DriveAnswer::default()
    }
}

fn failed(error: DriveError) -> DriveAnswer {
    DriveAnswer {
        error: Some(error),
        ..DriveAnswer::default()
    }
}

fn drive(mode: Mode) -> Drive {
    Drive::new("Portico".to_owned(), mode)
}

/// The one request that waits for the worker.
fn asked(drive: &mut Drive) -> DriveRequest {
    let mut requests = drive.take_requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0).0
}

/// Opens something that is there.
fn open(drive: &mut Drive, path: &str, writes: bool, found: DriveAnswer) -> u32 {
    let mut request = create(path);
    if writes {
        request.desired_access = DesiredAccess::GENERIC_WRITE;
    }
    assert!(drive.handle(request.into()).is_empty());
    let id = asked(drive).id;
    let (status, rest) = answer(&drive.answer(id, found, Vec::new()));
    assert_eq!(status, NtStatus::SUCCESS);
    u32_at(&rest, 0)
}

fn write(drive: &mut Drive, file_id: u32, offset: u64, data: &[u8]) -> Vec<SvcMessage> {
    drive.handle(
        DeviceWriteRequest {
            device_io_request: irp(file_id, MajorFunction::Write),
            offset,
            write_data: data.to_vec(),
        }
        .into(),
    )
}

fn read(drive: &mut Drive, file_id: u32, offset: u64, length: u32) -> Vec<SvcMessage> {
    drive.handle(
        DeviceReadRequest {
            device_io_request: irp(file_id, MajorFunction::Read),
            length,
            offset,
        }
        .into(),
    )
}

fn close(drive: &mut Drive, file_id: u32) -> Vec<SvcMessage> {
    let device_io_request = irp(file_id, MajorFunction::Close);
    drive.handle(DeviceCloseRequest { device_io_request }.into())
}

fn set(drive: &mut Drive, file_id: u32, set_buffer: FileInformationClass) -> Vec<SvcMessage> {
    drive.handle(
        ServerDriveSetInformationRequest {
            device_io_request: irp(file_id, MajorFunction::SetInformation),
            set_buffer,
        }
        .into(),
    )
}

fn rename(to: &str) -> FileInformationClass {
    FileRenameInformation {
        replace_if_exists: 0.into(),
        file_name: to.to_owned(),
    }
    .into()
}

fn disposition(delete_pending: u8) -> FileInformationClass {
    FileDispositionInformation { delete_pending }.into()
}

fn list(drive: &mut Drive, file_id: u32, initial: bool, path: &str) -> Vec<SvcMessage> {
    drive.handle(
        ServerDriveQueryDirectoryRequest {
            device_io_request: irp(file_id, MajorFunction::DirectoryControl),
            file_info_class_lvl: FileInformationClassLevel::FILE_NAMES_INFORMATION,
            initial_query: initial.into(),
            path: path.to_owned(),
        }
        .into(),
    )
}

/// Name in an answer with FileNamesInformation (MS-FSCC 2.4.33).
fn listed_name(messages: &[SvcMessage]) -> Result<String, NtStatus> {
    let (status, rest) = answer(messages);
    if status != NtStatus::SUCCESS {
        return Err(status);
    }
    // Length of the buffer, next entry, index, length of the name.
    let units: Vec<u16> = rest[16..]
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .collect();
    Ok(String::from_utf16(&units).unwrap())
}

fn names(names: &[&str]) -> DriveAnswer {
    DriveAnswer {
        entries: names
            .iter()
            .map(|name| NamedEntry {
                name: (*name).to_owned(),
                entry: Entry {
                    kind: Kind::File,
                    size: 1,
                    modified_ms: 0,
                },
            })
            .collect(),
        ..DriveAnswer::default()
    }
}

#[test]
fn what_an_opening_does_depends_on_what_is_there() {
    use NtStatus as S;
    let open = CreateDisposition::FILE_OPEN;
    let make = CreateDisposition::FILE_CREATE;
    let open_if = CreateDisposition::FILE_OPEN_IF;
    let overwrite = CreateDisposition::FILE_OVERWRITE;
    let overwrite_if = CreateDisposition::FILE_OVERWRITE_IF;
    let supersede = CreateDisposition::FILE_SUPERSEDE;
    let not_found = || failed(DriveError::NotFound);
    let plain = CreateOptions::empty();
    let only_directory = CreateOptions::FILE_DIRECTORY_FILE;
    let only_file = CreateOptions::FILE_NON_DIRECTORY_FILE;
    // What is asked, what is there, and either a status or (what else is done, information).
    let cases = [
        (&open, &plain, file(5), Ok((None, 1))),
        (&open, &plain, not_found(), Err(S::NO_SUCH_FILE)),
        (
            &open,
            &plain,
            failed(DriveError::PathNotFound),
            Err(S::OBJECT_PATH_NOT_FOUND),
        ),
        (
            &open,
            &plain,
            failed(DriveError::Denied),
            Err(S::ACCESS_DENIED),
        ),
        (&open, &only_directory, file(5), Err(S::NOT_A_DIRECTORY)),
        (&open, &only_directory, directory(), Ok((None, 1))),
        (&open, &only_file, directory(), Err(S::FILE_IS_A_DIRECTORY)),
        (&make, &plain, file(5), Err(S::OBJECT_NAME_COLLISION)),
        (&make, &plain, not_found(), Ok((Some("create"), 2))),
        (&make, &only_directory, not_found(), Ok((Some("create"), 2))),
        (&open_if, &plain, file(5), Ok((None, 1))),
        (&open_if, &plain, not_found(), Ok((Some("create"), 2))),
        (&overwrite, &plain, not_found(), Err(S::NO_SUCH_FILE)),
        (&overwrite, &plain, file(5), Ok((Some("resize"), 3))),
        (&overwrite_if, &plain, not_found(), Ok((Some("create"), 2))),
        (
            &overwrite_if,
            &plain,
            directory(),
            Err(S::OBJECT_NAME_COLLISION),
        ),
        (&supersede, &plain, file(5), Ok((Some("resize"), 0))),
    ];
    for (disposition, options, found, expected) in cases {
        let case = format!("{disposition:?} {options:?} {found:?}");
        let mut drive = drive(Mode::ReadWrite);
        let mut request = create("\\x");
        request.desired_access = DesiredAccess::GENERIC_WRITE;
        request.create_disposition = *disposition;
        request.create_options = options.clone();
        assert!(drive.handle(request.into()).is_empty());
        let id = asked(&mut drive).id;
        let mut messages = drive.answer(id, found, Vec::new());
        let done = drive.take_requests().pop().map(|(request, _)| request);
        if let Some(request) = &done {
            messages = drive.answer(request.id, DriveAnswer::default(), Vec::new());
        }
        let (status, rest) = answer(&messages);
        match expected {
            Err(expected) => assert_eq!((status, done), (expected, None), "{case}"),
            Ok((op, information)) => {
                assert_eq!(status, NtStatus::SUCCESS, "{case}");
                let op_done = done.map(|request| serde_json::to_value(request).unwrap());
                let op_done = op_done.map(|json| json["op"].as_str().unwrap().to_owned());
                assert_eq!(op_done.as_deref(), op, "{case}");
                assert_eq!(u32_at(&rest, 0), 1, "{case}: file id");
                assert_eq!(rest[4], information, "{case}");
            }
        }
    }
}

#[test]
fn nothing_of_a_read_only_drive_is_changed() {
    let mut drive = drive(Mode::Read);
    for access in [
        DesiredAccess::GENERIC_WRITE,
        DesiredAccess::GENERIC_ALL,
        DesiredAccess::DELETE,
        DesiredAccess::FILE_WRITE_DATA_OR_FILE_ADD_FILE,
        DesiredAccess::FILE_APPEND_DATA_OR_FILE_ADD_SUBDIRECTORY,
        DesiredAccess::FILE_WRITE_ATTRIBUTES,
    ] {
        let mut request = create("\\x");
        request.desired_access = access;
        assert_eq!(
            status(&drive.handle(request.into())),
            NtStatus::ACCESS_DENIED
        );
    }
    let mut request = create("\\x");
    request.create_options = CreateOptions::FILE_DELETE_ON_CLOSE;
    assert_eq!(
        status(&drive.handle(request.into())),
        NtStatus::ACCESS_DENIED
    );
    assert!(
        drive.take_requests().is_empty(),
        "the worker hears of none of these"
    );

    for (disposition, found) in [
        (CreateDisposition::FILE_CREATE, failed(DriveError::NotFound)),
        (
            CreateDisposition::FILE_OPEN_IF,
            failed(DriveError::NotFound),
        ),
        (CreateDisposition::FILE_OVERWRITE, file(1)),
        (CreateDisposition::FILE_SUPERSEDE, file(1)),
    ] {
        let mut request = create("\\x");
        request.create_disposition = disposition;
        drive.handle(request.into());
        let id = asked(&mut drive).id;
        let messages = drive.answer(id, found, Vec::new());
        assert_eq!(status(&messages), NtStatus::ACCESS_DENIED);
        assert!(drive.take_requests().is_empty());
    }

    // All that there is must not give the right to write, either.
    let mut request = create("\\x");
    request.desired_access = DesiredAccess::MAXIMUM_ALLOWED;
    drive.handle(request.into());
    let id = asked(&mut drive).id;
    let (_, rest) = answer(&drive.answer(id, file(1), Vec::new()));
    let file_id = u32_at(&rest, 0);
    assert_eq!(
        status(&write(&mut drive, file_id, 0, b"x")),
        NtStatus::ACCESS_DENIED
    );
    for information in [
        rename("\\y"),
        disposition(1),
        FileEndOfFileInformation { end_of_file: 0 }.into(),
    ] {
        assert_eq!(
            status(&set(&mut drive, file_id, information)),
            NtStatus::ACCESS_DENIED
        );
    }
    close(&mut drive, file_id);
    assert!(drive.take_requests().is_empty());
}

#[test]
fn a_file_opened_to_read_is_not_written_through_it_but_xrdp_removes_it_so() {
    let mut drive = drive(Mode::ReadWrite);
    let id = open(&mut drive, "\\x", false, file(1));
    assert_eq!(
        status(&write(&mut drive, id, 0, b"x")),
        NtStatus::ACCESS_DENIED
    );
    let end = FileEndOfFileInformation { end_of_file: 0 };
    assert_eq!(
        status(&set(&mut drive, id, end.into())),
        NtStatus::ACCESS_DENIED
    );
    assert_eq!(
        status(&set(&mut drive, id, disposition(1))),
        NtStatus::SUCCESS
    );
}

#[test]
fn paths_that_lead_out_are_refused_before_the_worker_hears_of_them() {
    let mut drive = drive(Mode::ReadWrite);
    for path in [
        "\\..\\x",
        "..",
        "\\a\\..\\..\\b",
        "C:\\x",
        "\\x:y",
        "\\con",
        "\\a?",
    ] {
        let messages = drive.handle(create(path).into());
        assert_eq!(status(&messages), NtStatus::OBJECT_NAME_INVALID, "{path}");
    }
    let id = open(&mut drive, "\\x", true, file(1));
    for path in ["\\..\\x", "\\nul", "\\a*"] {
        let messages = set(&mut drive, id, rename(path));
        assert_eq!(status(&messages), NtStatus::OBJECT_NAME_INVALID, "{path}");
    }
    assert!(drive.take_requests().is_empty());
}

#[test]
fn bytes_go_to_and_from_the_worker_also_beyond_4_gb() {
    let mut drive = drive(Mode::ReadWrite);
    let id = open(&mut drive, "\\big", true, file(5_000_000_000));
    assert!(write(&mut drive, id, 4_999_999_999, b"ab").is_empty());
    let (request, bytes) = drive.take_requests().remove(0);
    let path = vec!["big".to_owned()];
    let op = DriveOp::Write {
        path: path.clone(),
        offset: 4_999_999_999,
    };
    assert_eq!((request.op, bytes.as_slice()), (op, &b"ab"[..]));
    let (status, rest) = answer(&drive.answer(request.id, DriveAnswer::default(), Vec::new()));
    assert_eq!((status, u32_at(&rest, 0)), (NtStatus::SUCCESS, 2));

    assert!(read(&mut drive, id, 4_999_999_999, 10).is_empty());
    let request = asked(&mut drive);
    let op = DriveOp::Read {
        path,
        offset: 4_999_999_999,
        length: 10,
    };
    assert_eq!(request.op, op);
    let (status, rest) = answer(&drive.answer(request.id, DriveAnswer::default(), b"ab".to_vec()));
    assert_eq!((status, &rest[4..]), (NtStatus::SUCCESS, &b"ab"[..]));

    let level = FileInformationClassLevel::FILE_STANDARD_INFORMATION;
    let query = ServerDriveQueryInformationRequest {
        device_io_request: irp(id, MajorFunction::QueryInformation),
        file_info_class_lvl: level,
    };
    assert!(drive.handle(query.into()).is_empty());
    let request = asked(&mut drive);
    let (_, rest) = answer(&drive.answer(request.id, file(5_000_000_001), Vec::new()));
    // Length, then the allocation, then the end of the file.
    assert_eq!(rest[12..20], 5_000_000_001_u64.to_le_bytes());
}

#[test]
fn a_worker_that_gives_more_than_was_asked_for_is_not_believed() {
    let mut drive = drive(Mode::Read);
    let id = open(&mut drive, "\\x", false, file(9));
    read(&mut drive, id, 0, 2);
    let request = asked(&mut drive).id;
    let messages = drive.answer(request, DriveAnswer::default(), b"abc".to_vec());
    assert_eq!(status(&messages), NtStatus::UNSUCCESSFUL);
}

#[test]
fn what_was_written_is_committed_when_the_file_is_closed() {
    let mut drive = drive(Mode::ReadWrite);
    let id = open(&mut drive, "\\x", true, file(1));
    assert!(close(&mut drive, id).is_empty());
    let request = asked(&mut drive);
    let path = vec!["x".to_owned()];
    assert_eq!(request.op, DriveOp::Commit { path });
    let messages = drive.answer(request.id, failed(DriveError::Full), Vec::new());
    assert_eq!(
        status(&messages),
        NtStatus::DISK_FULL,
        "a host must hear of a loss"
    );
    assert_eq!(status(&close(&mut drive, id)), NtStatus::INVALID_HANDLE);
}

#[test]
fn a_file_is_removed_when_the_last_who_has_it_open_closes_it() {
    let mut drive = drive(Mode::ReadWrite);
    let one = open(&mut drive, "\\x", true, file(1));
    let other = open(&mut drive, "\\x", false, file(1));
    assert_eq!(
        status(&set(&mut drive, one, disposition(1))),
        NtStatus::SUCCESS
    );
    assert_eq!(status(&close(&mut drive, one)), NtStatus::SUCCESS);
    assert!(drive.take_requests().is_empty());
    assert!(close(&mut drive, other).is_empty());
    let path = vec!["x".to_owned()];
    assert_eq!(asked(&mut drive).op, DriveOp::Remove { path });
}

#[test]
fn a_directory_with_something_in_it_is_not_removed_nor_is_the_folder() {
    let mut drive = drive(Mode::ReadWrite);
    let id = open(&mut drive, "\\d", true, directory());
    assert!(set(&mut drive, id, disposition(1)).is_empty());
    let request = asked(&mut drive).id;
    let messages = drive.answer(request, names(&["a"]), Vec::new());
    assert_eq!(status(&messages), NtStatus::DIRECTORY_NOT_EMPTY);
    assert!(set(&mut drive, id, disposition(1)).is_empty());
    let request = asked(&mut drive).id;
    let messages = drive.answer(request, names(&[]), Vec::new());
    assert_eq!(status(&messages), NtStatus::SUCCESS);
    close(&mut drive, id);
    let path = vec!["d".to_owned()];
    assert_eq!(asked(&mut drive).op, DriveOp::Remove { path });

    let root = open(&mut drive, "\\", true, directory());
    assert_eq!(
        status(&set(&mut drive, root, disposition(1))),
        NtStatus::ACCESS_DENIED
    );
    assert_eq!(
        status(&set(&mut drive, root, rename("\\r"))),
        NtStatus::ACCESS_DENIED
    );
    let mut request = create("\\");
    request.create_options = CreateOptions::FILE_DELETE_ON_CLOSE;
    assert_eq!(
        status(&drive.handle(request.into())),
        NtStatus::ACCESS_DENIED
    );
}

#[test]
fn what_is_open_below_a_renamed_directory_moves_with_it() {
    let mut drive = drive(Mode::ReadWrite);
    let inside = open(&mut drive, "\\d\\f", true, file(1));
    let like = open(&mut drive, "\\dd", true, file(1));
    let dir = open(&mut drive, "\\d", true, directory());
    let into_itself = set(&mut drive, dir, rename("\\d\\e"));
    assert_eq!(status(&into_itself), NtStatus::INVALID_PARAMETER);
    assert!(set(&mut drive, dir, rename("\\e\\f")).is_empty());
    let request = asked(&mut drive).id;
    let done = drive.answer(request, DriveAnswer::default(), Vec::new());
    assert_eq!(status(&done), NtStatus::SUCCESS);
    for (id, expected) in [(inside, "e/f/f"), (like, "dd"), (dir, "e/f")] {
        assert_eq!(drive.files[&id].path.join("/"), expected);
    }
}

#[test]
fn lengths_are_set_and_attributes_are_accepted() {
    let mut drive = drive(Mode::ReadWrite);
    let id = open(&mut drive, "\\x", true, file(1));
    let times = FileBasicInformation {
        creation_time: 1,
        last_access_time: 1,
        last_write_time: 1,
        change_time: 1,
        file_attributes: FileAttributes::FILE_ATTRIBUTE_HIDDEN,
    };
    assert_eq!(
        status(&set(&mut drive, id, times.into())),
        NtStatus::SUCCESS
    );
    for (end, expected) in [
        (-1, NtStatus::INVALID_PARAMETER),
        (1 << 50, NtStatus::DISK_FULL),
    ] {
        let messages = set(
            &mut drive,
            id,
            FileEndOfFileInformation { end_of_file: end }.into(),
        );
        assert_eq!(status(&messages), expected);
    }
    assert!(
        set(
            &mut drive,
            id,
            FileEndOfFileInformation { end_of_file: 7 }.into()
        )
        .is_empty()
    );
    let path = vec!["x".to_owned()];
    assert_eq!(asked(&mut drive).op, DriveOp::Resize { path, size: 7 });
}

#[test]
fn a_directory_is_listed_line_by_line_without_names_that_no_path_can_have() {
    let mut drive = drive(Mode::Read);
    let id = open(&mut drive, "\\d", false, directory());
    assert!(list(&mut drive, id, true, "\\d\\*").is_empty());
    let request = asked(&mut drive);
    let path = vec!["d".to_owned()];
    assert_eq!(request.op, DriveOp::List { path });
    let found = names(&["b.txt", "a:b", "äöü", "aux", "a.txt", "..", "q?"]);
    let mut line = drive.answer(request.id, found, Vec::new());
    let mut seen = Vec::new();
    let end = loop {
        match listed_name(&line) {
            Ok(name) => seen.push(name),
            Err(status) => break status,
        }
        line = list(&mut drive, id, false, "");
    };
    assert_eq!(seen, [".", "..", "a.txt", "b.txt", "äöü"]);
    assert_eq!(end, NtStatus::NO_MORE_FILES);

    list(&mut drive, id, true, "\\d\\A*");
    let request = asked(&mut drive).id;
    let line = drive.answer(request, names(&["b.txt", "a.txt"]), Vec::new());
    assert_eq!(listed_name(&line).as_deref(), Ok("a.txt"));
    list(&mut drive, id, true, "\\d\\nothing");
    let request = asked(&mut drive).id;
    let line = drive.answer(request, names(&["b.txt"]), Vec::new());
    assert_eq!(listed_name(&line), Err(NtStatus::NO_SUCH_FILE));
}

#[test]
fn the_volume_says_what_is_known_of_its_size() {
    let mut drive = drive(Mode::Read);
    let query = ServerDriveQueryVolumeInformationRequest {
        device_io_request: irp(0, MajorFunction::QueryVolumeInformation),
        fs_info_class_lvl: FileSystemInformationClassLevel::FILE_FS_SIZE_INFORMATION,
    };
    drive.handle(query.into());
    let request = asked(&mut drive).id;
    let space = DriveAnswer {
        total: Some(4096 * 10),
        free: Some(4096 * 3),
        ..DriveAnswer::default()
    };
    let (status, rest) = answer(&drive.answer(request, space, Vec::new()));
    assert_eq!(status, NtStatus::SUCCESS);
    assert_eq!(rest[4..12], 10_u64.to_le_bytes());
    assert_eq!(rest[12..20], 3_u64.to_le_bytes());
}

#[test]
fn a_host_has_only_so_many_files_open() {
    let mut drive = drive(Mode::Read);
    for _ in 0..DRIVE_FILES_MAX {
        open(&mut drive, "\\x", false, file(1));
    }
    let refused = status(&drive.handle(create("\\x").into()));
    assert_eq!(refused, NtStatus::from(replies::TOO_MANY_OPENED_FILES));
    close(&mut drive, 5);
    assert!(drive.handle(create("\\x").into()).is_empty());
}

#[test]
fn a_host_has_only_so_many_requests_and_bytes_waiting() {
    let mut drive = drive(Mode::ReadWrite);
    let id = open(&mut drive, "\\x", true, file(1));
    for _ in 0..DRIVE_REQUESTS_MAX {
        assert!(read(&mut drive, id, 0, 1).is_empty());
    }
    assert_eq!(
        status(&read(&mut drive, id, 0, 1)),
        NtStatus::INSUFFICIENT_RESOURCES
    );
    let waiting = drive.take_requests();
    assert_eq!(waiting.len(), DRIVE_REQUESTS_MAX);
    for (request, _) in waiting {
        drive.answer(request.id, DriveAnswer::default(), Vec::new());
    }
    let too_long = read(&mut drive, id, 0, DRIVE_READ_MAX + 1);
    assert_eq!(status(&too_long), NtStatus::INSUFFICIENT_RESOURCES);

    let part = vec![0; DRIVE_WRITE_BYTES_MAX / 2];
    assert!(write(&mut drive, id, 0, &part).is_empty());
    assert!(write(&mut drive, id, 0, &part).is_empty());
    assert_eq!(
        status(&write(&mut drive, id, 0, b"x")),
        NtStatus::INSUFFICIENT_RESOURCES
    );
    let (request, _) = drive.take_requests().remove(0);
    drive.answer(request.id, DriveAnswer::default(), Vec::new());
    assert!(write(&mut drive, id, 0, b"x").is_empty());
    for offset in [DRIVE_FILE_LEN_MAX, u64::MAX] {
        assert_eq!(
            status(&write(&mut drive, id, offset, b"x")),
            NtStatus::DISK_FULL
        );
    }
}

#[test]
fn listings_that_wait_have_a_limit_together() {
    let mut drive = drive(Mode::Read);
    let lines: Vec<String> = (0..DRIVE_LISTED_MAX / 2).map(|n| format!("n{n}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let ask = |drive: &mut Drive| {
        let id = open(drive, "\\d", false, directory());
        list(drive, id, true, "\\d\\*");
        let request = asked(drive).id;
        status(&drive.answer(request, names(&lines), Vec::new()))
    };
    assert_eq!(ask(&mut drive), NtStatus::SUCCESS);
    assert_eq!(ask(&mut drive), NtStatus::INSUFFICIENT_RESOURCES);
}

#[test]
fn answers_that_nobody_waits_for_do_nothing() {
    let mut drive = drive(Mode::Read);
    assert!(drive.answer(1, file(1), Vec::new()).is_empty());
    drive.handle(create("\\x").into());
    let id = asked(&mut drive).id;
    drive.reset();
    assert!(
        drive.answer(id, file(1), Vec::new()).is_empty(),
        "the host began anew"
    );
    drive.handle(create("\\x").into());
    assert_ne!(
        asked(&mut drive).id,
        id,
        "an old answer must not meet a new request"
    );
}

#[test]
fn whatever_waits_is_cancelled_when_the_folder_is_taken_back() {
    let mut drive = drive(Mode::ReadWrite);
    let id = open(&mut drive, "\\x", true, file(1));
    read(&mut drive, id, 0, 1);
    assert_eq!(status(&drive.cancel()), NtStatus::CANCELLED);
    assert_eq!(status(&close(&mut drive, id)), NtStatus::INVALID_HANDLE);
}
