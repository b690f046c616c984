//! The process: listens on its socket, keeps the sessions, answers questions about them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
use portico_model::SessionId;
use portico_net::{
    flows::GATEWAY_ENGINE,
    tasks::{ShutdownToken, Spawner, Tasks},
    unix::{self, UnixError, UnixListener},
};
use portico_wire::terminal::{
    framing,
    header::{Answer, Control, HEADER_LEN_MAX, Header, Open, RefusedError, TerminalSession},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::{Semaphore, mpsc},
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    host::refusal,
    session::{self, Attach, Card, Command, Surroundings},
    viewer::refuse,
};

/// Time for a connection's header.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections whose header is awaited at a time.
const HEADERS_AWAITED_MAX: usize = 64;
/// Commands that wait for a session.
const COMMANDS_WAITING_MAX: usize = 8;
/// Time for sessions to say farewell when the engine stops. Whoever stops it waits a little longer.
const FAREWELL_MAX: Duration = Duration::from_millis(2500);

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Where it listens; only processes of the same user are served.
    pub socket: PathBuf,
    /// Most sessions.
    pub sessions_max: usize,
    /// A session without a viewer is ended after this time.
    pub detached_max: Duration,
    /// The last output of a program that ended without a viewer is kept for this time.
    pub exited_kept: Duration,
    /// A viewer that takes nothing does not hold up its program for longer than this.
    pub stall_max: Duration,
    /// A viewer of a program that has ended gets this time to take the rest, whenever it took
    /// something.
    pub last_words_max: Duration,
}

impl EngineSettings {
    /// The defaults, listening at `socket`.
    pub fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            sessions_max: 1000,
            detached_max: Duration::from_secs(24 * 3600),
            exited_kept: Duration::from_secs(15 * 60),
            stall_max: Duration::from_secs(5),
            last_words_max: Duration::from_secs(30),
        }
    }
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Its socket cannot be had.
    #[error("the engine cannot listen")]
    Listen(#[source] UnixError),
    /// Its own user is not known.
    #[error("the engine cannot read its own user id")]
    OwnUser(#[source] io::Error),
}

/// An engine that listens.
pub struct Engine {
    listener: UnixListener,
    own_uid: u32,
    inner: Arc<Inner>,
    tasks: Tasks,
}

/// Binds and runs an engine until `shutdown`.
pub async fn run(settings: EngineSettings, shutdown: ShutdownToken) -> Result<(), BindError> {
    Engine::bind(settings).await?.run(shutdown).await;
    Ok(())
}

/// Cancels `shutdown` when standard input ends. A parent keeps the other end of the pipe open as
/// long as it lives, so the engine goes with it however it dies.
pub fn stop_with_parent(shutdown: ShutdownToken) -> io::Result<()> {
    std::thread::Builder::new()
        .name("parent".into())
        .spawn(move || {
            // An error is an end too.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            tracing::info!("Standard input ended: the parent is gone");
            shutdown.cancel();
        })?;
    Ok(())
}

struct Inner {
    settings: Arc<EngineSettings>,
    sessions: Mutex<BTreeMap<SessionId, Entry>>,
    awaited: Semaphore,
    spawner: Spawner,
}

#[derive(Clone)]
struct Entry {
    card: Arc<Card>,
    commands: mpsc::Sender<Command>,
}

impl Engine {
    /// Listens; connections wait until [`Self::run`].
    pub async fn bind(settings: EngineSettings) -> Result<Self, BindError> {
        let listener = unix::listen(GATEWAY_ENGINE, &settings.socket, 0o600)
            .await
            .map_err(BindError::Listen)?;
        let own_uid = own_uid().map_err(BindError::OwnUser)?;
        let tasks = Tasks::new("engine");
        let inner = Arc::new(Inner {
            settings: Arc::new(settings),
            sessions: Mutex::default(),
            awaited: Semaphore::new(HEADERS_AWAITED_MAX),
            spawner: tasks.spawner(),
        });
        Ok(Self {
            listener,
            own_uid,
            inner,
            tasks,
        })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        self.listener.path()
    }

    /// Serves until `shutdown`; then ends all sessions and tells their viewers.
    pub async fn run(self, shutdown: ShutdownToken) {
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, uid)) if uid == self.own_uid => {
                    let inner = Arc::clone(&self.inner);
                    self.tasks
                        .spawn("connection", async move { inner.serve(stream).await });
                }
                Ok((_, uid)) => tracing::warn!(uid, "Connection of another user refused"),
                Err(error) => {
                    tracing::warn!(%error, "Connection not accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop(self.listener);
        self.tasks.join(FAREWELL_MAX).await;
    }
}

impl Inner {
    async fn serve(self: Arc<Self>, mut stream: UnixStream) {
        let header = {
            let Ok(_permit) = self.awaited.acquire().await else {
                return;
            };
            tokio::time::timeout(HEADER_TIMEOUT, read_header(&mut stream)).await
        };
        match header {
            Ok(Ok((Header::Open(open), rest))) => {
                self.attach(Attach { open, stream, rest }).await;
            }
            Ok(Ok((Header::Control(control), _))) => {
                let answer = self.obey(control).await;
                if let Err(error) = tell(&mut stream, &answer).await {
                    tracing::debug!(%error, "Answer not delivered");
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "Connection without a header"),
            Err(_) => tracing::warn!("Connection without a header in time"),
        }
    }

    /// Brings a viewer to its session, which is started when there is none.
    async fn attach(self: Arc<Self>, mut attach: Attach) {
        // A session may end while the viewer is on its way to it; the next round then starts it
        // anew. One that keeps ending does not get more than these.
        for _ in 0..3 {
            let entry = match self.enter(&attach.open) {
                Ok(Place::Running(entry)) => entry,
                Ok(Place::New(surroundings)) => {
                    self.spawner
                        .spawn("session", Arc::clone(&self).keep(*surroundings, attach));
                    return;
                }
                Err(refused) => {
                    refuse(attach.stream, &refused).await;
                    return;
                }
            };
            match entry.commands.send(Command::Attach(attach)).await {
                Ok(()) => return,
                Err(mpsc::error::SendError(Command::Attach(back))) => attach = back,
                Err(_) => return,
            }
            // Its task is between its end and taking its entry away.
            tokio::task::yield_now().await;
        }
        let message = "the session ended while it was being opened".to_owned();
        refuse(
            attach.stream,
            &refusal("session-ended", message, "", "open it again"),
        )
        .await;
    }

    fn enter(&self, open: &Open) -> Result<Place, Box<RefusedError>> {
        let mut sessions = self.sessions();
        if let Some(entry) = sessions.get(&open.session) {
            if entry.card.user != open.user || entry.card.host != open.host {
                // The broker never does this; if it ever did, nobody would see another's terminal.
                tracing::error!(session_id = %open.session, user = %open.user, "Session of another");
                let message = "this session belongs to somebody else".to_owned();
                let refused = refusal("session-mismatch", message, "", "open a new one");
                return Err(Box::new(refused));
            }
            if !entry.commands.is_closed() {
                return Ok(Place::Running(entry.clone()));
            }
        }
        if sessions.len() >= self.settings.sessions_max {
            tracing::warn!(sessions = sessions.len(), "No more terminals");
            return Err(Box::new(refusal(
                "too-many-sessions",
                "the engine has as many terminals as it may have".into(),
                &format!("its limit is {}", self.settings.sessions_max),
                "end a terminal you do not need, or ask an operator",
            )));
        }
        let (sender, commands) = mpsc::channel(COMMANDS_WAITING_MAX);
        let card = Arc::new(Card::new(open));
        let entry = Entry {
            card: Arc::clone(&card),
            commands: sender,
        };
        sessions.insert(open.session.clone(), entry);
        Ok(Place::New(Box::new(Surroundings {
            settings: Arc::clone(&self.settings),
            card,
            commands,
            spawner: self.spawner.clone(),
            shutdown: self.spawner.shutdown_token(),
        })))
    }

    /// Runs a session, then takes its entry away and sends those who came too late back.
    async fn keep(self: Arc<Self>, mut surroundings: Surroundings, first: Attach) {
        // Also when the session's task panics: its entry must not stay.
        let entry = Leaving {
            inner: &self,
            card: Arc::clone(&surroundings.card),
        };
        session::run(&mut surroundings, first).await;
        surroundings.commands.close();
        drop(entry);
        while let Some(command) = surroundings.commands.recv().await {
            if let Command::Attach(late) = command {
                let inner = Arc::clone(&self);
                self.spawner
                    .spawn("late viewer", async move { inner.attach_boxed(late).await });
            }
        }
    }

    /// `attach` starts `keep`, which ends in `attach`: a future of known size is needed somewhere.
    fn attach_boxed(
        self: Arc<Self>,
        attach: Attach,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.attach(attach))
    }

    async fn obey(&self, control: Control) -> Answer {
        match control {
            Control::List => {
                let sessions = self.sessions();
                let sessions = sessions.values().map(|entry| {
                    let card = &entry.card;
                    TerminalSession {
                        session: card.session.clone(),
                        user: card.user.clone(),
                        host: card.host.clone(),
                        connection: card.connection(),
                        exited: card.has_exited(),
                    }
                });
                Answer::Sessions {
                    sessions: sessions.collect(),
                }
            }
            Control::End { session, reason } => {
                let entry = self.sessions().get(&session).cloned();
                match entry {
                    Some(entry) if entry.commands.send(Command::End(reason)).await.is_ok() => {
                        Answer::Ending
                    }
                    _ => Answer::Unknown,
                }
            }
        }
    }

    /// A panic cannot happen while it is held, and if it did the map would still be whole.
    fn sessions(&self) -> MutexGuard<'_, BTreeMap<SessionId, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a viewer belongs.
enum Place {
    Running(Entry),
    New(Box<Surroundings>),
}

/// Takes a session's entry away when dropped, unless a newer one has its place.
struct Leaving<'a> {
    inner: &'a Inner,
    card: Arc<Card>,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let mut sessions = self.inner.sessions();
        if sessions
            .get(&self.card.session)
            .is_some_and(|entry| Arc::ptr_eq(&entry.card, &self.card))
        {
            sessions.remove(&self.card.session);
        }
    }
}

/// Why a connection is dropped before it is served.
#[derive(Debug, thiserror::Error)]
enum HeaderError {
    #[error("the stream ended")]
    Read(#[from] io::Error),
    #[error("the header is too long or empty")]
    Frame(#[from] portico_wire::terminal::FrameError),
    #[error("the header cannot be read")]
    Header(#[from] portico_wire::terminal::header::HeaderError),
}

/// Reads the header and what already came behind it.
async fn read_header(stream: &mut UnixStream) -> Result<(Header, Vec<u8>), HeaderError> {
    // Room for the longest, so that growing leaves no copy of the password behind.
    let mut buffer = WipedBuffer(BytesMut::with_capacity(
        framing::LENGTH_LEN + HEADER_LEN_MAX,
    ));
    loop {
        if let Some((frame, taken)) = framing::split(&buffer.0, HEADER_LEN_MAX)? {
            let header = Header::decode(frame)?;
            let rest = buffer.0.get(taken..).unwrap_or_default().to_vec();
            return Ok((header, rest));
        }
        if stream.read_buf(&mut buffer.0).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

struct WipedBuffer(BytesMut);

impl Drop for WipedBuffer {
    fn drop(&mut self) {
        self.0.as_mut().zeroize();
    }
}

async fn tell(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let frame = answer.encode().map_err(io::Error::other)?;
    let mut out = Zeroizing::new(Vec::new());
    framing::append_raw(&mut out, &frame).map_err(io::Error::other)?;
    stream.write_all(&out).await?;
    stream.shutdown().await
}

fn own_uid() -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").map(|own| own.uid())
}
