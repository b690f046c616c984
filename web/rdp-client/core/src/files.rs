//! What the worker learns of files: those of the drive, of the clipboard and of the printer.
//!
//! Apart from [`Event`](crate::Event), since none of these may be dropped, whatever else a host
//! floods the worker with; each kind has its own limit of what waits.

use serde::{Deserialize, Serialize};

use crate::drive::DriveRequest;

/// Something about files. As JSON: an object with `type` and the fields in camel case. Bytes that
/// belong to it are taken right after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum FileEvent {
    /// Something to do in the shared folder; to be answered. Bytes come with `write`.
    DriveRequest(DriveRequest),
    /// How it is with drives on this host.
    DriveState {
        /// How.
        state: DriveState,
    },
    /// A print job is complete; its bytes come with it.
    PrintJob {
        /// Whether all of it is there: a job beyond the limit is not.
        complete: bool,
    },
    /// The host takes and gives files over the clipboard, or it does not.
    ClipboardFilesAble {
        /// Whether.
        able: bool,
    },
    /// The files that the host's clipboard has; the answer to asking for them.
    ClipboardFiles {
        /// None when the host did not say.
        files: Vec<ClipboardFile>,
        /// To be named when their bytes are asked for.
        lock: Option<u32>,
    },
    /// The host wants a part of a file that was offered; to be answered.
    ClipboardFileRequest {
        /// To be named in the answer.
        id: u32,
        /// Which of the files.
        index: u32,
        /// From where.
        offset: u64,
        /// How many bytes; 0 asks for the size of the file, as 8 bytes.
        length: u32,
        /// Names those that were offered when the host took this lock.
        lock: Option<u32>,
    },
    /// The host may still ask for what is offered now when something else is.
    ClipboardLock {
        /// Its name.
        lock: u32,
    },
    /// It may no more.
    ClipboardUnlock {
        /// Its name.
        lock: u32,
    },
    /// Bytes of a file of the host come with it.
    ClipboardFileData {
        /// As it was asked for.
        id: u32,
        /// Whether there are any.
        ok: bool,
    },
}

/// How it is with drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriveState {
    /// The host takes drives.
    Ready,
    /// It took this one.
    Accepted,
    /// It did not take this one.
    Refused,
    /// It sent what the protocol does not allow, so that it has no devices any more.
    Broken,
}

/// A file of a clipboard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClipboardFile {
    /// Its name, without a path.
    pub name: String,
    /// Bytes; not known of all files of a host.
    #[serde(default)]
    pub size: Option<u64>,
    /// Number of it in the list of the host, which also has directories.
    #[serde(default)]
    pub index: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::DriveOp;

    #[test]
    fn events_have_the_json_of_the_contract() {
        let request = DriveRequest {
            id: 3,
            op: DriveOp::Read {
                path: vec!["a".into()],
                offset: 1,
                length: 2,
            },
        };
        for (event, json) in [
            (
                FileEvent::DriveRequest(request),
                r#"{"type":"drive-request","id":3,"op":"read","path":["a"],"offset":1,"length":2}"#,
            ),
            (
                FileEvent::DriveState {
                    state: DriveState::Ready,
                },
                r#"{"type":"drive-state","state":"ready"}"#,
            ),
            (
                FileEvent::ClipboardFiles {
                    files: vec![ClipboardFile {
                        name: "x".into(),
                        size: None,
                        index: 4,
                    }],
                    lock: Some(1),
                },
                r#"{"type":"clipboard-files","files":[{"name":"x","size":null,"index":4}],"lock":1}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&event).unwrap(), json);
        }
    }
}
