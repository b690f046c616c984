//! Reading small files of the kernel and the system, below a root that tests choose.

use std::{
    borrow::Cow,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Longest file that is read, in bytes. `/proc/net/unix` of a busy host has some 100 for each
/// socket.
pub const FILE_LEN_MAX: usize = 8 << 20;
/// Room that is kept between two reads, in bytes.
const ROOM_KEPT: usize = 64 << 10;

/// Reads files below a root, one after the other into the same room.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    room: Vec<u8>,
}

impl Files {
    /// Files below `root`; `/` but in tests.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            room: Vec::new(),
        }
    }

    /// Where `path` is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What is in a file, given by its path below the root.
    ///
    /// # Errors
    /// What the system says, or `FileTooLarge` past [`FILE_LEN_MAX`].
    pub fn bytes(&mut self, path: &str) -> io::Result<&[u8]> {
        self.room.clear();
        self.room.shrink_to(ROOM_KEPT);
        let file = File::open(self.root.join(path))?;
        let limit = u64::try_from(FILE_LEN_MAX).unwrap_or(u64::MAX);
        file.take(limit.saturating_add(1))
            .read_to_end(&mut self.room)?;
        if self.room.len() > FILE_LEN_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(&self.room)
    }

    /// The same as text; bytes that are none become U+FFFD.
    ///
    /// # Errors
    /// As [`Files::bytes`].
    pub fn text(&mut self, path: &str) -> io::Result<Cow<'_, str>> {
        self.bytes(path).map(String::from_utf8_lossy)
    }

    /// Names in a folder, in no order. Empty when there is no such folder.
    pub fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join(path)) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_past_the_limit_is_refused_and_its_room_given_back() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("most"), vec![b'a'; FILE_LEN_MAX]).unwrap();
        fs::write(folder.path().join("more"), vec![b'a'; FILE_LEN_MAX + 1]).unwrap();
        fs::write(folder.path().join("wild"), b"a\xffb").unwrap();
        let mut files = Files::new(folder.path());
        assert_eq!(files.bytes("most").unwrap().len(), FILE_LEN_MAX);
        let error = files.bytes("more").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(files.text("wild").unwrap(), "a\u{fffd}b");
        assert!(files.room.capacity() <= 2 * ROOM_KEPT);
        assert!(files.bytes("none").is_err());
        assert!(files.names("none").is_empty());
    }
}
