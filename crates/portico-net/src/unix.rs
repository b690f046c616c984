//! Unix sockets on one machine, each a `[[local_socket]]` of the catalogue: between Portico's own
//! processes, and ([`ForeignSocket`]) those of other programs.

use std::{
    fs, io,
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt as _, PermissionsExt},
    },
    path::{Path, PathBuf},
};

use portico_catalogue::LocalSocketId;
use tokio::net::UnixStream;

/// Longest path of a socket, in bytes: `sun_path` has 108 with the closing zero (unix(7)).
pub const PATH_LEN_MAX: usize = 107;
/// Room for the name under which the file is made before it takes its place.
const SUFFIX: &str = ".new";

/// A Unix socket that listens; its file is removed when it is dropped.
#[derive(Debug)]
pub struct UnixListener {
    inner: tokio::net::UnixListener,
    path: PathBuf,
    inode: u64,
}

/// Why a Unix socket was not opened.
#[derive(Debug, thiserror::Error)]
pub enum UnixError {
    /// The path does not fit into a socket address.
    #[error("the path of {socket} has {len} bytes, more than {PATH_LEN_MAX}: {}", path.display())]
    PathTooLong {
        /// Which socket.
        socket: LocalSocketId,
        /// Where.
        path: PathBuf,
        /// Its length with room for the suffix.
        len: usize,
    },
    /// Another process answers there.
    #[error("{} is in use: another process answers on it ({socket})", path.display())]
    InUse {
        /// Which socket.
        socket: LocalSocketId,
        /// Where.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{} is there and is no socket ({socket})", path.display())]
    NotASocket {
        /// Which socket.
        socket: LocalSocketId,
        /// Where.
        path: PathBuf,
    },
    /// No process listens there.
    #[error("no process answers on {} ({socket})", path.display())]
    NobodyAnswers {
        /// Which socket.
        socket: LocalSocketId,
        /// Where.
        path: PathBuf,
    },
    /// The file, or the process that listens, belongs to somebody else than it should.
    #[error("{} belongs to user id {uid} ({socket})", path.display())]
    OtherOwner {
        /// Which socket.
        socket: LocalSocketId,
        /// Where.
        path: PathBuf,
        /// Who it belongs to.
        uid: u32,
    },
    /// Anything else.
    #[error("cannot use {} ({socket}): {source}", path.display())]
    Other {
        /// Which socket.
        socket: LocalSocketId,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl UnixError {
    /// What the operator can do.
    pub fn next_step(&self) -> String {
        match self {
            Self::PathTooLong { .. } => "choose a state folder with a shorter path".into(),
            Self::InUse { .. } => "stop the other process, or choose another state folder".into(),
            Self::NotASocket { path, .. } => {
                format!(
                    "look at {}, and move it away when it is not needed",
                    path.display()
                )
            }
            Self::NobodyAnswers { .. } => "start `portico serve` with the same state folder".into(),
            Self::OtherOwner { uid, .. } => {
                format!("see who user id {uid} is, and why a socket of theirs is there")
            }
            Self::Other { .. } => "check the folder's owner and permissions".into(),
        }
    }
}

/// Listens at `path` with permissions `mode`.
///
/// A file that an earlier process left is replaced, but only when nobody answers on it. The socket
/// is made under another name, given its permissions and then moved into place: nobody can connect
/// before the permissions are right.
pub async fn listen(
    socket: LocalSocketId,
    path: &Path,
    mode: u32,
) -> Result<UnixListener, UnixError> {
    let other = |source| UnixError::Other {
        socket,
        path: path.to_owned(),
        source,
    };
    let len = path.as_os_str().len() + SUFFIX.len();
    if len > PATH_LEN_MAX {
        return Err(UnixError::PathTooLong {
            socket,
            path: path.to_owned(),
            len,
        });
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(other(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(UnixError::NotASocket {
                socket,
                path: path.to_owned(),
            });
        }
        Ok(_) => match dial(socket, path).await {
            Ok(_) => {
                return Err(UnixError::InUse {
                    socket,
                    path: path.to_owned(),
                });
            }
            Err(UnixError::NobodyAnswers { .. }) => {
                tracing::info!(%socket, path = %path.display(), "Replacing a socket that nobody answers on");
            }
            Err(error) => return Err(error),
        },
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(SUFFIX);
    let inner = bind(Path::new(&fresh), mode).map_err(other)?;
    fs::rename(&fresh, path).map_err(other)?;
    let inode = fs::symlink_metadata(path).map_err(other)?.ino();
    tracing::info!(%socket, path = %path.display(), "Listening");
    Ok(UnixListener {
        inner,
        path: path.to_owned(),
        inode,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "this crate is where sockets are opened"
)]
fn bind(fresh: &Path, mode: u32) -> io::Result<tokio::net::UnixListener> {
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let inner = tokio::net::UnixListener::bind(fresh)?;
    fs::set_permissions(fresh, fs::Permissions::from_mode(mode))?;
    Ok(inner)
}

/// Connects to the socket at `path`.
pub async fn dial(socket: LocalSocketId, path: &Path) -> Result<UnixStream, UnixError> {
    let failed = |source| failed(socket, path, source);
    connect(path).await.map_err(failed)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this crate is where sockets are opened"
)]
async fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await
}

fn failed(socket: LocalSocketId, path: &Path, source: io::Error) -> UnixError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            UnixError::NobodyAnswers { socket, path }
        }
        _ => UnixError::Other {
            socket,
            path,
            source,
        },
    }
}

/// User id of the process at the other end, as the kernel saw it when it connected.
pub fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    stream.peer_cred().map(|credentials| credentials.uid())
}

/// The socket file of another program, held open: who may write to its folder can put another
/// there meanwhile, and this one is still what is dialled.
#[derive(Debug)]
pub struct ForeignSocket {
    socket: LocalSocketId,
    path: PathBuf,
    file: fs::File,
    owners: Vec<u32>,
}

impl ForeignSocket {
    /// Takes hold of the socket at `path`, if it is one, no symbolic link, and belongs to one of
    /// the user ids `owners`. Nothing is connected. A folder that does not answer holds it up.
    ///
    /// # Errors
    /// [`UnixError`] for what is there instead.
    pub fn open(socket: LocalSocketId, path: &Path, owners: &[u32]) -> Result<Self, UnixError> {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::NOFOLLOW;
        let attempt = || {
            let file = fs::OpenOptions::new()
                .read(true)
                .custom_flags(i32::try_from(flags.bits()).map_err(io::Error::other)?)
                .open(path)?;
            let about = file.metadata()?;
            Ok::<_, io::Error>((file, about))
        };
        let (file, about) = attempt().map_err(|source| failed(socket, path, source))?;
        let (path, owners) = (path.to_owned(), owners.to_vec());
        if !about.file_type().is_socket() {
            return Err(UnixError::NotASocket { socket, path });
        }
        let uid = about.uid();
        if !owners.contains(&uid) {
            return Err(UnixError::OtherOwner { socket, path, uid });
        }
        Ok(Self {
            socket,
            path,
            file,
            owners,
        })
    }

    /// Connects to it. The process that listens must belong to one of the owners, too.
    ///
    /// # Errors
    /// [`UnixError`]; [`UnixError::OtherOwner`] before a byte is sent.
    pub async fn dial(&self) -> Result<UnixStream, UnixError> {
        let held = PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        let failed = |source| failed(self.socket, &self.path, source);
        let stream = connect(&held).await.map_err(failed)?;
        let uid = peer_uid(&stream).map_err(failed)?;
        if !self.owners.contains(&uid) {
            return Err(UnixError::OtherOwner {
                socket: self.socket,
                path: self.path.clone(),
                uid,
            });
        }
        Ok(stream)
    }
}

impl UnixListener {
    /// The next connection and the user id of its process.
    pub async fn accept(&self) -> io::Result<(UnixStream, u32)> {
        let (stream, _) = self.inner.accept().await?;
        let uid = peer_uid(&stream)?;
        Ok((stream, uid))
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        // Another process may have taken the name meanwhile; its file is left alone.
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "Socket file was not removed");
        }
    }
}
