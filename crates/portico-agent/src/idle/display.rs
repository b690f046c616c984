//! One question to the X server of a desktop.
//!
//! The agent is root; the cookie file, its folder, the socket and the server are the user's. So the
//! file counts only when it is a plain file of that user, which the user could have read anyway: the
//! agent cannot be made to show a secret of somebody else to a server of the user. The socket and
//! the process that listens on it must be the user's or root's (an X server may have been started
//! with root's rights), and nothing is written before both are known.

use std::{
    fs, io,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use portico_net::{
    flows::AGENT_DISPLAY,
    unix::{ForeignSocket, UnixError},
};
use portico_wire::x11::{AUTHORITY_LEN_MAX, Cookie, IdleQuestion, X11Error, cookie_for};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Semaphore,
};

use super::Told;
use crate::{files::Files, parse::process};

/// Time for a question in all.
pub const QUESTION_TIMEOUT: Duration = Duration::from_millis(200);
/// Questions whose files are being read. A folder of a user that does not answer keeps its place
/// here, and no more than this many threads.
pub const READING_MAX: usize = 8;
/// Longest path of a cookie file, in bytes.
const PATH_LEN_MAX: usize = 1_024;
/// Bytes that are read at once.
const ROOM: usize = 4 << 10;

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Key of the session.
    pub key: String,
    /// Its display.
    pub display: u16,
    /// Its user.
    pub uid: u32,
    /// That user's home folder.
    pub home: String,
    /// Its X server.
    pub pid: u32,
    /// Where the files of the host are; `/` but in tests.
    pub root: PathBuf,
}

/// Why it is not known for how long nobody has used a desktop.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The cookie file cannot be read.
    #[error("cannot read the cookie file {}: {source}", path.display())]
    Authority {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The cookie file is somebody else's, or none.
    #[error("{} is no plain file of the desktop's user", path.display())]
    NotTheUsers {
        /// Which.
        path: PathBuf,
    },
    /// The cookie file has none for the display.
    #[error("{} has no cookie for display :{display}", path.display())]
    NoCookie {
        /// Which.
        path: PathBuf,
        /// Which display.
        display: u16,
    },
    /// The socket.
    #[error(transparent)]
    Socket(#[from] UnixError),
    /// What the server, or the file, says.
    #[error(transparent)]
    Protocol(#[from] X11Error),
    /// The connection broke.
    #[error("the connection to the display broke: {0}")]
    Broken(#[source] io::Error),
    /// Too slow.
    #[error("there was no answer within {} ms", QUESTION_TIMEOUT.as_millis())]
    TimedOut,
    /// The files of other desktops do not answer.
    #[error("the files of {READING_MAX} desktops are being read already")]
    Busy,
}

impl AskError {
    /// Whether the desktop had its chance.
    pub fn told(&self) -> Told {
        match self {
            Self::Authority { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Told::NotThere
            }
            Self::NoCookie { .. } | Self::Busy => Told::NotThere,
            Self::Socket(UnixError::NobodyAnswers { .. }) => Told::NotThere,
            _ => Told::Failed,
        }
    }
}

/// Asks X servers.
#[derive(Debug, Clone)]
pub struct Asker {
    reading: Arc<Semaphore>,
}

impl Default for Asker {
    fn default() -> Self {
        Self {
            reading: Arc::new(Semaphore::new(READING_MAX)),
        }
    }
}

impl Asker {
    /// For how long nobody has used the desktop, by its X server.
    ///
    /// # Errors
    /// [`AskError`]; within [`QUESTION_TIMEOUT`] in any case.
    pub async fn ask(&self, question: &Question) -> Result<Duration, AskError> {
        let Ok(place) = Arc::clone(&self.reading).try_acquire_owned() else {
            return Err(AskError::Busy);
        };
        let asked = async {
            let question = question.clone();
            let found = tokio::task::spawn_blocking(move || {
                // Kept until the files have answered, not only until somebody waits for them.
                let _place = place;
                look(&question)
            });
            let (cookie, socket) = found
                .await
                .map_err(|error| AskError::Broken(io::Error::other(error)))??;
            exchange(cookie, &socket).await
        };
        tokio::time::timeout(QUESTION_TIMEOUT, asked)
            .await
            .unwrap_or(Err(AskError::TimedOut))
    }
}

/// The cookie and the socket of a display.
fn look(question: &Question) -> Result<(Cookie, ForeignSocket), AskError> {
    let mut files = Files::new(&question.root);
    let path = authority_path(&mut files, question);
    let file = authority(&path, question.uid)?;
    let host = files.text("proc/sys/kernel/hostname").unwrap_or_default();
    let cookie = cookie_for(&file, host.trim_end().as_bytes(), question.display)?;
    let display = question.display;
    let cookie = cookie.ok_or(AskError::NoCookie { path, display })?;
    let path = files.path(&format!("tmp/.X11-unix/X{display}"));
    let socket = ForeignSocket::open(AGENT_DISPLAY, &path, &[question.uid, 0])?;
    Ok((cookie, socket))
}

/// Where the cookie file is: where the X server was told, otherwise where its environment says, or
/// in the home folder. xrdp starts X servers in the home folder, with a path that begins there.
fn authority_path(files: &mut Files, question: &Question) -> PathBuf {
    let pid = question.pid;
    let line = files.bytes(&format!("proc/{pid}/cmdline"));
    let arguments = line.map(process::arguments).unwrap_or_default();
    let told = arguments
        .iter()
        .position(|argument| argument == "-auth")
        .and_then(|at| arguments.get(at + 1).cloned());
    let told = told.or_else(|| {
        let environ = files.bytes(&format!("proc/{pid}/environ")).ok()?;
        process::variable(environ, "XAUTHORITY")
    });
    let told = told
        .filter(|path| !path.is_empty() && path.len() <= PATH_LEN_MAX)
        .unwrap_or_else(|| ".Xauthority".into());
    // An absolute path takes the place of the home folder.
    let path = Path::new(&question.home).join(told);
    files.path(&path.strip_prefix("/").unwrap_or(&path).to_string_lossy())
}

/// The bytes of the cookie file, if it is a plain file of the user.
fn authority(path: &Path, uid: u32) -> Result<Vec<u8>, AskError> {
    let failed = |source| AskError::Authority {
        path: path.to_owned(),
        source,
    };
    // A pipe must not hold the agent, and a symbolic link could lead anywhere.
    let flags =
        rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NOFOLLOW;
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or(0))
        .open(path)
        .map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.file_type().is_file() || about.uid() != uid {
        return Err(AskError::NotTheUsers {
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(AUTHORITY_LEN_MAX).unwrap_or(u64::MAX);
    // One more than the limit, which the codec refuses.
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}

async fn exchange(cookie: Cookie, socket: &ForeignSocket) -> Result<Duration, AskError> {
    let mut stream = socket.dial().await?;
    let mut question = IdleQuestion::new(cookie);
    let mut room = [0; ROOM];
    loop {
        if let Some(bytes) = question.poll_transmit() {
            stream.write_all(&bytes).await.map_err(AskError::Broken)?;
        }
        if let Some(idle) = question.answer() {
            return Ok(idle);
        }
        let read = stream.read(&mut room).await.map_err(AskError::Broken)?;
        if read == 0 {
            return Err(AskError::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        question.push(room.get(..read).unwrap_or_default())?;
    }
}
