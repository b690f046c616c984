//! What a host may cost the browser. A host that wants more ends the connection with
//! [`EndCode::Limit`](crate::EndCode::Limit); it never makes the worker run out of memory.

/// Longest answer to the RDCleanPath request, in bytes; certificates make up most of it.
pub const ANSWER_LEN_MAX: usize = 128 * 1024;

/// Largest picture, in pixels; 8192 × 4320, of which one frame buffer takes 142 MB.
pub const PIXELS_MAX: usize = 8192 * 4320;

/// Longest side of a picture, in pixels (MS-RDPEDISP 2.2.2.2.1 allows 8192 for one monitor).
pub const SIDE_MAX: u16 = 16384;

/// Smallest side of a picture that is asked for, in pixels (MS-RDPEDISP 2.2.2.2.1).
pub const SIDE_MIN: u16 = 200;

/// Monitors in the settings (MS-RDPBCGR 2.2.1.3.6).
pub const MONITORS_MAX: usize = 16;

/// Longest JSON of settings, in bytes.
pub const SETTINGS_LEN_MAX: usize = 64 * 1024;

/// Longest ticket, in bytes; the gateway refuses longer ones.
pub const TICKET_LEN_MAX: usize = 512;

/// Channel messages that are kept until the desktop is open, in bytes.
pub const EARLY_BYTES_MAX: usize = 256 * 1024;

/// Rectangles of one call of [`Client::damage`](crate::Client::damage); more are merged.
pub const DAMAGE_RECTANGLES_MAX: usize = 64;

/// Rounds of deactivation and reactivation between two pictures. A host that only restarts the
/// share would keep the worker busy for ever.
pub const REACTIVATIONS_MAX: u32 = 64;

/// Longest text of one call of [`Client::text`](crate::Client::text), in UTF-16 units.
pub const TEXT_UNITS_MAX: usize = 4096;

/// Events that wait for the worker; a host that floods with pointer shapes loses the oldest.
pub const EVENTS_MAX: usize = 1024;

/// Formats of one clipboard.
pub const CLIPBOARD_FORMATS_MAX: usize = 128;

/// Data of one clipboard format, in bytes; more counts as "the host has none".
pub const CLIPBOARD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Sound that waits for the worker, in bytes: four seconds in stereo at 48 kHz. The oldest goes.
pub const SOUND_BYTES_MAX: usize = 4 * 48_000 * 4;

/// Contacts of fingers at a time; the host is told so.
pub const TOUCH_CONTACTS_MAX: u16 = 10;

/// One packet of the microphone that a host may ask for, in bytes: a third of a second of the best
/// format. What waits for a packet to be full is never more.
pub const MICROPHONE_PACKET_MAX: usize = 64 * 1024;

/// One message of a virtual channel, in bytes, put together from its parts.
pub const CHANNEL_MESSAGE_MAX: u32 = 64 * 1024 * 1024;

/// Pictures of video that are being decoded, or wait for one that is. Hosts wait for
/// acknowledgements long before.
pub const VIDEO_PICTURES_MAX: usize = 256;

/// Surfaces with video at the same time; each takes a decoder of the browser.
pub const VIDEO_STREAMS_MAX: usize = 16;

/// Messages of the graphics pipeline that wait for a picture.
pub const VIDEO_QUEUE_LEN_MAX: usize = 65_536;

/// The same in bytes.
pub const VIDEO_QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Decoded pictures that wait for an earlier one, in bytes.
pub const VIDEO_PLANES_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Longest time in which the browser decodes none of the pictures it was given. Starting its
/// decoder takes a tenth of that on a busy machine.
pub const VIDEO_SILENCE_MS_MAX: u64 = 5_000;
/// One message of the channel of drives and printers, in bytes. Hosts write 64 KiB at once, or 1 MiB.
pub const DEVICE_MESSAGE_MAX: usize = 8 * 1024 * 1024;

/// Files and directories that a host has open at once; also requests to watch one.
pub const DRIVE_FILES_MAX: usize = 256;

/// Requests of a host that wait for the worker at once.
pub const DRIVE_REQUESTS_MAX: usize = 128;

/// Bytes that a host reads at once.
pub const DRIVE_READ_MAX: u32 = 4 * 1024 * 1024;

/// Bytes to be written in requests that wait.
pub const DRIVE_WRITE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Longest file that a host makes, in bytes: 1 TiB.
pub const DRIVE_FILE_LEN_MAX: u64 = 1 << 40;

/// Lines of directory listings that wait for a host, of all directories together. The worker lists
/// no directory with more.
pub const DRIVE_LISTED_MAX: usize = 50_000;

/// Print jobs that a host has open at once.
pub const PRINT_JOBS_MAX: usize = 4;

/// Bytes of all open print jobs together.
pub const PRINT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Files in one clipboard, either way.
pub const CLIPBOARD_FILES_MAX: usize = 1_000;

/// Bytes of a file of the clipboard in one request, either way.
pub const CLIPBOARD_FILE_PART_MAX: u32 = 4 * 1024 * 1024;

/// Requests of a host for files of the clipboard that wait for the worker.
pub const CLIPBOARD_FILE_REQUESTS_MAX: usize = 64;
