//! What the drive wants of the worker, and what the worker answers: plain things to do with names
//! below a folder.

use serde::{Deserialize, Serialize};

use super::names::Path;

/// Something to do in the folder. As JSON: the fields in camel case, `op` and `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriveRequest {
    /// To be named in the answer.
    pub id: u32,
    /// What.
    #[serde(flatten)]
    pub op: DriveOp,
}

/// What to do. Paths are names from the shared folder down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum DriveOp {
    /// What is there? Answered with `entry`.
    Look {
        /// Where.
        path: Path,
    },
    /// What is in a directory? Answered with `entries`.
    List {
        /// Where.
        path: Path,
    },
    /// Makes an empty file or directory, whose parent is there.
    Create {
        /// Where.
        path: Path,
        /// What.
        kind: Kind,
    },
    /// Answered with bytes: fewer than asked for only at the end of the file.
    Read {
        /// Which file.
        path: Path,
        /// From where.
        offset: u64,
        /// How many bytes.
        length: u32,
    },
    /// Writes the bytes that come with the request.
    Write {
        /// Which file.
        path: Path,
        /// To where; beyond the end means zeros between.
        offset: u64,
    },
    /// Cuts or lengthens a file.
    Resize {
        /// Which file.
        path: Path,
        /// Bytes.
        size: u64,
    },
    /// Removes a file or an empty directory.
    Remove {
        /// Which.
        path: Path,
    },
    /// Gives another name, maybe in another directory.
    Rename {
        /// From.
        from: Path,
        /// To.
        to: Path,
        /// Whether a file that is there may go.
        replace: bool,
    },
    /// What was written shall be there for others from now on.
    Commit {
        /// Which file.
        path: Path,
    },
    /// How much room is there? Answered with `total` and `free`, if they are known.
    Space,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// What is under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// When it was written last, in milliseconds since 1970.
    #[serde(default)]
    pub modified_ms: i64,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NamedEntry {
    /// Its name.
    pub name: String,
    /// What is under it.
    #[serde(flatten)]
    pub entry: Entry,
}

/// The worker's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DriveAnswer {
    /// Why it was not done.
    pub error: Option<DriveError>,
    /// To `look`.
    pub entry: Option<Entry>,
    /// To `list`.
    pub entries: Vec<NamedEntry>,
    /// To `space`, in bytes.
    pub total: Option<u64>,
    /// To `space`, in bytes.
    pub free: Option<u64>,
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriveError {
    /// Nothing has this name.
    NotFound,
    /// A directory on the way is not there.
    PathNotFound,
    /// Something has this name.
    Exists,
    /// A file was meant.
    IsDirectory,
    /// A directory was meant.
    NotDirectory,
    /// A directory has something in it.
    NotEmpty,
    /// The browser or the person does not allow it.
    Denied,
    /// No room is left.
    Full,
    /// Something else holds it.
    Busy,
    /// There are more than are listed.
    TooMany,
    /// Anything else.
    #[serde(other)]
    Failed,
}

impl DriveAnswer {
    /// Reads an answer; what is none counts as a failure.
    pub fn from_json(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_else(|_| Self {
            error: Some(DriveError::Failed),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_have_the_json_of_the_contract() {
        let request = DriveRequest {
            id: 7,
            op: DriveOp::Rename {
                from: vec!["a".into()],
                to: vec!["b".into(), "c".into()],
                replace: true,
            },
        };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"id":7,"op":"rename","from":["a"],"to":["b","c"],"replace":true}"#
        );
        let answer = DriveAnswer::from_json(
            r#"{"entries":[{"name":"x","kind":"file","size":5000000000,"modifiedMs":-1}]}"#,
        );
        assert_eq!(
            answer.entries,
            [NamedEntry {
                name: "x".into(),
                entry: Entry {
                    kind: Kind::File,
                    size: 5_000_000_000,
                    modified_ms: -1
                }
            }]
        );
        assert_eq!(
            DriveAnswer::from_json(r#"{"error":"not-found"}"#).error,
            Some(DriveError::NotFound)
        );
        for bad in ["", "[]x", r#"{"error":"whatever"}"#] {
            assert_eq!(DriveAnswer::from_json(bad).error, Some(DriveError::Failed));
        }
    }
}
