//! One terminal, from sign-in to exit.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use portico_model::{ConnectionId, HostId, SessionId, UserId, session::EndReason};
use portico_net::tasks::{ShutdownToken, Spawner};
use portico_wire::terminal::{
    EngineFrame, SIGNAL_LEN_MAX, ViewerFrame,
    header::{Open, RefusedError},
};
use russh::{ChannelMsg, Sig};
use tokio::{net::UnixStream, sync::mpsc, time::Instant};

use crate::{
    EngineSettings,
    host::{self, HostLink, Started},
    input::{Input, input},
    outflow::{Attached, Outflow},
    viewer::{Progress, Viewer, refuse},
};

/// What others ask of a session.
pub(crate) enum Command {
    /// A viewer comes.
    Attach(Attach),
    /// End the program.
    End(EndReason),
}

/// A viewer that asked for a session.
pub(crate) struct Attach {
    pub(crate) open: Box<Open>,
    pub(crate) stream: UnixStream,
    /// What was read after the header.
    pub(crate) rest: Vec<u8>,
}

/// What others may see of a session.
pub(crate) struct Card {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) host: HostId,
    connection: Mutex<Option<ConnectionId>>,
    exited: AtomicBool,
}

impl Card {
    pub(crate) fn new(open: &Open) -> Self {
        Self {
            session: open.session.clone(),
            user: open.user.clone(),
            host: open.host.clone(),
            connection: Mutex::new(Some(open.connection.clone())),
            exited: AtomicBool::new(false),
        }
    }

    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn has_exited(&self) -> bool {
        self.exited.load(Ordering::Relaxed)
    }

    fn set_connection(&self, connection: Option<ConnectionId>) {
        *self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

/// What a session works with.
pub(crate) struct Surroundings {
    pub(crate) settings: Arc<EngineSettings>,
    pub(crate) card: Arc<Card>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) spawner: Spawner,
    pub(crate) shutdown: ShutdownToken,
}

/// Runs a session for its first viewer until it is over.
pub(crate) async fn run(surroundings: &mut Surroundings, first: Attach) {
    match start(surroundings, first).await {
        Ok((started, attach)) => {
            let card = Arc::clone(&surroundings.card);
            tracing::info!(
                session_id = %card.session, host_id = %card.host, user = %card.user,
                "Terminal opened"
            );
            let reason = Session::new(surroundings, started, attach).run().await;
            tracing::info!(
                session_id = %card.session, host_id = %card.host, user = %card.user,
                reason = reason.as_str(), "Terminal ended"
            );
        }
        Err(None) => {}
        Err(Some((attach, refused))) => {
            let card = &surroundings.card;
            tracing::info!(
                session_id = %card.session, host_id = %card.host, user = %card.user,
                error = refused.code, "Terminal not opened"
            );
            refuse(attach.stream, &refused).await;
        }
    }
}

/// Signs in to the host. Meanwhile another viewer may take the place of the first, and the session
/// may be ended.
async fn start(
    surroundings: &mut Surroundings,
    mut attach: Attach,
) -> Result<(Started, Attach), Option<(Attach, RefusedError)>> {
    // The newest viewer waits, but the request that is under way stays the first one's. Its copy of
    // the password is wiped with it.
    let request = attach.open.clone();
    attach.open.password = None;
    let starting = host::start(&request);
    let mut starting = std::pin::pin!(starting);
    loop {
        tokio::select! {
            started = &mut starting => {
                return match started {
                    Ok(started) => Ok((started, attach)),
                    Err(refused) => Err(Some((attach, refused))),
                };
            }
            command = surroundings.commands.recv() => match command {
                Some(Command::Attach(newer)) => {
                    let older = std::mem::replace(&mut attach, newer);
                    let viewer = Viewer::new(&older.open, older.stream, &[]);
                    retire(&surroundings.spawner, viewer, EndReason::TakenOver);
                }
                Some(Command::End(reason)) => {
                    let viewer = Viewer::new(&attach.open, attach.stream, &[]);
                    retire(&surroundings.spawner, viewer, reason);
                    return Err(None);
                }
                None => return Err(None),
            },
            () = surroundings.shutdown.cancelled() => {
                let viewer = Viewer::new(&attach.open, attach.stream, &[]);
                viewer.leave(&[EngineFrame::Closed(EndReason::ProcessStopped)]).await;
                return Err(None);
            }
        }
    }
}

/// Says farewell beside the session's loop, which must not wait for a viewer that does not read.
fn retire(spawner: &Spawner, viewer: Viewer, reason: EndReason) {
    spawner.spawn("farewell", async move {
        viewer.leave(&[EngineFrame::Closed(reason)]).await;
    });
}

/// How a program ended.
#[derive(Debug)]
struct Exit {
    status: i32,
    signal: String,
}

/// Named by what is waited for.
enum Host {
    /// Output, and the end of the program.
    Running {
        link: Box<HostLink>,
        exit: Option<Exit>,
        was_closed: bool,
    },
    /// A viewer that is shown the rest.
    Ended {
        exit: Option<Exit>,
        reason: EndReason,
    },
}

struct Session<'a> {
    settings: &'a EngineSettings,
    card: &'a Card,
    commands: &'a mut mpsc::Receiver<Command>,
    spawner: &'a Spawner,
    shutdown: &'a ShutdownToken,
    host: Host,
    input: Input,
    outflow: Outflow,
    viewer: Option<Viewer>,
    /// When a viewer last came, went, took or acknowledged something.
    last_progress: Instant,
}

/// What woke the session.
enum Wake {
    Host(Option<ChannelMsg>),
    Viewer(Progress),
    InputRoom,
    Command(Option<Command>),
    Deadline,
    Shutdown,
}

impl<'a> Session<'a> {
    fn new(surroundings: &'a mut Surroundings, started: Started, attach: Attach) -> Self {
        let Surroundings {
            settings,
            card,
            commands,
            spawner,
            shutdown,
        } = surroundings;
        let (input, pump) = input(started.cols, started.rows);
        let writer = started.writer;
        spawner.spawn("input", async move {
            if let Err(error) = pump.run(writer).await {
                tracing::debug!(%error, "Input ended");
            }
        });
        let link = Box::new(started.link);
        let mut session = Self {
            settings,
            card,
            commands,
            spawner,
            shutdown,
            host: Host::Running {
                link,
                exit: None,
                was_closed: false,
            },
            input,
            outflow: Outflow::default(),
            viewer: None,
            last_progress: Instant::now(),
        };
        session.outflow.push(started.banner.as_bytes());
        for message in started.early {
            session.hear(Some(message));
        }
        session.attach(attach);
        session
    }

    /// Until the session is over; says why.
    async fn run(mut self) -> EndReason {
        loop {
            if let Some(reason) = self.show_the_end() {
                return reason;
            }
            if let Some(viewer) = &mut self.viewer {
                viewer.fill(&mut self.outflow);
            }
            let over = match self.wake().await {
                Wake::Host(message) => {
                    self.hear_all(message);
                    None
                }
                Wake::Viewer(Progress::Written) => {
                    self.last_progress = Instant::now();
                    None
                }
                Wake::Viewer(Progress::Read) => self.read_viewer(),
                Wake::Viewer(Progress::Gone) => {
                    self.detach(None);
                    None
                }
                Wake::InputRoom => None,
                Wake::Command(Some(Command::Attach(attach))) => {
                    self.attach(attach);
                    None
                }
                Wake::Command(Some(Command::End(reason))) => Some(reason),
                Wake::Deadline => self.pass_deadline(),
                Wake::Command(None) | Wake::Shutdown => Some(EndReason::ProcessStopped),
            };
            if let Some(reason) = over {
                self.detach(Some(reason));
                return reason;
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let deadline = self.next_deadline();
        let has_input_room = self.input.has_room();
        let room = self.outflow.room();
        let Self {
            host,
            viewer,
            input,
            commands,
            shutdown,
            ..
        } = self;
        let from_host = async {
            match host {
                Host::Running { link, .. } if room > 0 => link.reader.wait().await,
                _ => std::future::pending().await,
            }
        };
        let at_viewer = async {
            match viewer {
                Some(viewer) => viewer.progress(has_input_room).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = from_host => Wake::Host(message),
            progress = at_viewer => Wake::Viewer(progress),
            () = input.wait_for_room(), if !has_input_room => Wake::InputRoom,
            command = commands.recv() => Wake::Command(command),
            () = tokio::time::sleep_until(deadline) => Wake::Deadline,
            () = shutdown.cancelled() => Wake::Shutdown,
        }
    }

    /// Takes `message` and all that wait behind it, so that a flood goes out in large frames and
    /// a single key at once.
    fn hear_all(&mut self, message: Option<ChannelMsg>) {
        self.hear(message);
        while self.outflow.room() > 0 {
            let Host::Running { link, .. } = &mut self.host else {
                return;
            };
            match link.reader.wait().now_or_never() {
                Some(message) => self.hear(message),
                None => return,
            }
        }
    }

    fn hear(&mut self, message: Option<ChannelMsg>) {
        let Host::Running {
            exit, was_closed, ..
        } = &mut self.host
        else {
            return;
        };
        match message {
            Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                self.outflow.push(&data);
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => {
                let status = i32::try_from(exit_status).unwrap_or(i32::MAX);
                *exit = Some(Exit {
                    status,
                    signal: String::new(),
                });
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                *exit = Some(Exit {
                    status: -1,
                    signal: signal(&signal_name),
                });
            }
            Some(ChannelMsg::Close) => *was_closed = true,
            Some(_) => {}
            None => {
                let reason = match (&exit, *was_closed) {
                    (Some(_), _) => EndReason::ProgramExited,
                    (None, true) => EndReason::HostClosed,
                    (None, false) => EndReason::HostLost,
                };
                self.host = Host::Ended {
                    exit: exit.take(),
                    reason,
                };
                self.card.exited.store(true, Ordering::Relaxed);
                self.last_progress = Instant::now();
            }
        }
    }

    /// When the program has ended and its viewer has all output: the farewell, and when that is
    /// written, too, the end. A viewer that is gone without our knowing fails the writing, so
    /// that the last words wait for the next one.
    fn show_the_end(&mut self) -> Option<EndReason> {
        let Host::Ended { exit, reason } = &self.host else {
            return None;
        };
        let viewer = self
            .viewer
            .as_mut()
            .filter(|v| v.is_flushed() && self.outflow.is_sent())?;
        if viewer.was_told_the_end() {
            let viewer = self.viewer.take()?;
            self.spawner
                .spawn("farewell", async move { viewer.leave(&[]).await });
            return Some(*reason);
        }
        let exited = exit
            .as_ref()
            .map(|Exit { status, signal }| EngineFrame::Exited {
                status: *status,
                signal,
            });
        viewer.tell_the_end(exited.into_iter().chain([EngineFrame::Closed(*reason)]));
        None
    }

    fn attach(&mut self, attach: Attach) {
        self.detach(Some(EndReason::TakenOver));
        let Attach { open, stream, rest } = attach;
        let attached = self.outflow.attach(open.received);
        tracing::debug!(
            session_id = %self.card.session, connection_id = %open.connection, ?attached,
            "Viewer attached"
        );
        self.input.resize(open.cols, open.rows);
        if attached == (Attached::Replayed { full_screen: true }) {
            self.input.nudge();
        }
        self.card.set_connection(Some(open.connection.clone()));
        self.viewer = Some(Viewer::new(&open, stream, &rest));
        self.last_progress = Instant::now();
    }

    /// The viewer leaves; with a reason it is told.
    fn detach(&mut self, reason: Option<EndReason>) {
        let Some(viewer) = self.viewer.take() else {
            return;
        };
        let told = reason.map_or("client-lost", EndReason::as_str);
        tracing::debug!(
            session_id = %self.card.session, connection_id = %viewer.connection, reason = told,
            "Viewer detached"
        );
        if let Some(reason) = reason {
            retire(self.spawner, viewer, reason);
        }
        self.outflow.detach();
        self.card.set_connection(None);
        self.last_progress = Instant::now();
    }

    fn read_viewer(&mut self) -> Option<EndReason> {
        while self.input.has_room() {
            let viewer = self.viewer.as_mut()?;
            let mut asked = Asked::Nothing;
            let (input, outflow) = (&self.input, &mut self.outflow);
            let result = viewer.next_frame(|frame| asked = obey(frame, input, outflow));
            match (result, asked) {
                (Ok(false), _) => return None,
                (Ok(true), Asked::Nothing) => {}
                (Ok(true), Asked::Typed) => viewer.note_input(),
                (Ok(true), Asked::Acked) => self.last_progress = Instant::now(),
                (Ok(true), Asked::Disconnect) => self.detach(Some(EndReason::UserDisconnected)),
                (Ok(true), Asked::End) => return Some(EndReason::UserEnded),
                (Err(_), _) | (_, Asked::Nonsense) => {
                    let connection = &viewer.connection;
                    tracing::warn!(connection_id = %connection, "Viewer sent what is no frame");
                    self.detach(Some(EndReason::ClientLost));
                }
            }
        }
        None
    }

    /// The earliest moment at which something is to be done without anybody asking.
    fn next_deadline(&self) -> Instant {
        let settings = self.settings;
        let progress = self.last_progress;
        match (&self.viewer, &self.host) {
            (None, Host::Running { .. }) => progress + settings.detached_max,
            (None, Host::Ended { .. }) => progress + settings.exited_kept,
            (Some(_), Host::Ended { .. }) => progress + settings.last_words_max,
            (Some(viewer), Host::Running { .. }) => {
                let stall = (self.outflow.room() == 0).then(|| progress + settings.stall_max);
                let closing = viewer.deadline().map(|(at, _)| at);
                // Nothing to do is a deadline far away.
                let far = Instant::now() + Duration::from_secs(86_400);
                stall.into_iter().chain(closing).min().unwrap_or(far)
            }
        }
    }

    fn pass_deadline(&mut self) -> Option<EndReason> {
        let now = Instant::now();
        match (&self.viewer, &self.host) {
            (None, Host::Running { .. }) => (now
                >= self.last_progress + self.settings.detached_max)
                .then_some(EndReason::LimitReached),
            // The program has ended, and nobody reads its last words.
            (_, Host::Ended { reason, .. }) => Some(*reason),
            (Some(viewer), Host::Running { .. }) => {
                match viewer.deadline() {
                    Some((at, reason)) if now >= at => self.detach(Some(reason)),
                    _ => {
                        let stalled = now >= self.last_progress + self.settings.stall_max;
                        if stalled && self.outflow.room() == 0 {
                            tracing::debug!(
                                session_id = %self.card.session, "Viewer does not draw: left behind"
                            );
                            self.outflow.leave_behind();
                        }
                    }
                }
                None
            }
        }
    }
}

/// What a viewer's frame asks of the session.
enum Asked {
    Nothing,
    Typed,
    Acked,
    Disconnect,
    End,
    Nonsense,
}

fn obey(frame: &[u8], input: &Input, outflow: &mut Outflow) -> Asked {
    match ViewerFrame::decode(frame) {
        Ok(ViewerFrame::Input(bytes)) => {
            input.put(Bytes::copy_from_slice(bytes));
            Asked::Typed
        }
        Ok(ViewerFrame::Resize { cols, rows }) => {
            input.resize(cols, rows);
            Asked::Nothing
        }
        Ok(ViewerFrame::Ack { received }) => {
            outflow.ack(received);
            Asked::Acked
        }
        Ok(ViewerFrame::Disconnect) => Asked::Disconnect,
        Ok(ViewerFrame::End) => Asked::End,
        // The gateway keeps Hello for itself.
        Ok(ViewerFrame::Hello { .. }) | Err(_) => Asked::Nonsense,
    }
}

/// Name of a signal without `SIG`, as in RFC 4254 §6.10. The host chooses the text.
fn signal(signal: &Sig) -> String {
    let name = match signal {
        Sig::Custom(name) => name.as_str(),
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
    };
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(SIGNAL_LEN_MAX)
        .collect()
}
