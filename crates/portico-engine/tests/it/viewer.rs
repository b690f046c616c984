//! A viewer at the engine's socket, as the gateway brings it there.

use std::{path::Path, time::Duration};

use bytes::BytesMut;
use portico_engine::{Engine, EngineSettings};
use portico_model::{ConnectionId, HostId, Secret, SessionId, UserId, session::EndReason};
use portico_net::{flows::GATEWAY_ENGINE, tasks::ShutdownToken, unix};
use portico_wire::terminal::{
    ENGINE_FRAME_LEN_MAX, EngineFrame, ViewerFrame, framing,
    header::{ANSWER_LEN_MAX, Answer, Control, Open, Refused, RefusedError, TERM},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::JoinHandle,
};

use crate::ssh_server::{PASSWORD, SshServer};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// An engine in a folder of its own.
pub(crate) struct TestEngine {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) shutdown: ShutdownToken,
    pub(crate) running: JoinHandle<()>,
}

impl TestEngine {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut EngineSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = EngineSettings::new(folder.path().join("engine.sock"));
        change(&mut settings);
        let engine = Engine::bind(settings).await.unwrap();
        let shutdown = ShutdownToken::new();
        let running = tokio::spawn(engine.run(shutdown.clone()));
        Self {
            folder,
            shutdown,
            running,
        }
    }

    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("engine.sock")
    }

    pub(crate) async fn view(&self, open: &Open) -> Viewer {
        Viewer::open(&self.socket(), open).await
    }

    pub(crate) async fn ask(&self, control: &Control) -> Answer {
        let mut stream = unix::dial(GATEWAY_ENGINE, &self.socket()).await.unwrap();
        let mut out = Vec::new();
        framing::append_raw(&mut out, &control.encode().unwrap()).unwrap();
        stream.write_all(&out).await.unwrap();
        let mut inbox = Vec::new();
        stream.read_to_end(&mut inbox).await.unwrap();
        let (frame, _) = framing::split(&inbox, ANSWER_LEN_MAX).unwrap().unwrap();
        Answer::decode(frame).unwrap()
    }
}

/// What is asked for a new session on `server`.
pub(crate) fn open(server: &SshServer, session: u128) -> Open {
    Open {
        session: SessionId::from_random(session),
        connection: ConnectionId::from_random(session + 1000),
        user: UserId::new("demo").unwrap(),
        host: HostId::new("ssh1").unwrap(),
        address: server.address.ip().to_string(),
        port: server.address.port(),
        pins: vec![server.pin()],
        account: "demo".into(),
        password: Some(Secret::new(PASSWORD.into())),
        program: None,
        cols: 80,
        rows: 24,
        received: 0,
        term: TERM.into(),
        idle_timeout_s: 0,
        total_timeout_s: 0,
    }
}

pub(crate) struct Viewer {
    stream: UnixStream,
    inbox: BytesMut,
    /// Offset after the last output.
    pub(crate) received: u64,
    /// Output since the viewer opened.
    pub(crate) output: Vec<u8>,
    /// Opened frames.
    pub(crate) opened: Vec<(u64, bool)>,
    /// Exited frame.
    pub(crate) exited: Option<(i32, String)>,
    /// Whether it acknowledges what it gets.
    pub(crate) draws: bool,
    /// Whether it keeps what it gets.
    pub(crate) keeps: bool,
    /// Length of the output when a line was last typed.
    typed_at: usize,
}

/// What ends a viewer's stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Last {
    Refused(Box<RefusedError>),
    Closed(EndReason),
    Cut,
}

impl Viewer {
    pub(crate) async fn open(socket: &Path, open: &Open) -> Self {
        let mut stream = unix::dial(GATEWAY_ENGINE, socket).await.unwrap();
        stream
            .write_all(&open.encode_framed().unwrap())
            .await
            .unwrap();
        Self {
            stream,
            inbox: BytesMut::new(),
            received: 0,
            output: Vec::new(),
            opened: Vec::new(),
            exited: None,
            draws: true,
            keeps: true,
            typed_at: 0,
        }
    }

    pub(crate) async fn send(&mut self, frame: &ViewerFrame<'_>) {
        self.try_send(frame).await.unwrap();
    }

    async fn try_send(&mut self, frame: &ViewerFrame<'_>) -> std::io::Result<()> {
        let mut out = Vec::new();
        framing::append(&mut out, |out| frame.encode(out)).unwrap();
        self.stream.write_all(&out).await
    }

    pub(crate) async fn type_line(&mut self, line: &str) {
        self.typed_at = self.output.len();
        self.send(&ViewerFrame::Input(format!("{line}\r").as_bytes()))
            .await;
    }

    /// Reads until the output since the last line that was typed ends with `text`.
    pub(crate) async fn wait_for(&mut self, text: &str) {
        let waiting = async {
            while !self.ends_with(text) {
                if let Some(last) = self.read().await {
                    panic!("{last:?} before {text:?}: {}", self.text());
                }
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("no {text:?} in {:?}", self.text());
        }
    }

    /// Reads until the stream ends.
    pub(crate) async fn wait_end(&mut self) -> Last {
        let waiting = async {
            loop {
                if let Some(last) = self.read().await {
                    return last;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("the stream ends")
    }

    pub(crate) async fn wait_refused(&mut self) -> RefusedError {
        match self.wait_end().await {
            Last::Refused(error) => *error,
            other => panic!("{other:?} instead of a refusal"),
        }
    }

    fn ends_with(&self, text: &str) -> bool {
        // Nothing is left of what it does not keep, and what is there is new.
        let new = self.output.get(self.typed_at..).unwrap_or(&self.output);
        new.ends_with(text.as_bytes())
    }

    /// The last 300 characters.
    pub(crate) fn text(&self) -> String {
        let from = self.output.len().saturating_sub(300);
        String::from_utf8_lossy(&self.output[from..]).into_owned()
    }

    /// Reads once; some when the stream ended.
    pub(crate) async fn read(&mut self) -> Option<Last> {
        let before = self.received;
        loop {
            if let Some((frame, taken)) = framing::split(&self.inbox, ENGINE_FRAME_LEN_MAX).unwrap()
            {
                let last = match EngineFrame::decode(frame).unwrap() {
                    EngineFrame::Opened { start, resumed } => {
                        self.received = start;
                        self.opened.push((start, resumed));
                        None
                    }
                    EngineFrame::Output(output) => {
                        self.received += output.len() as u64;
                        if !self.keeps {
                            self.output.clear();
                        }
                        self.output.extend_from_slice(output);
                        None
                    }
                    EngineFrame::Exited { status, signal } => {
                        self.exited = Some((status, signal.into()));
                        None
                    }
                    EngineFrame::Refused(json) => Some(Last::Refused(Box::new(
                        Refused::from_json(json).unwrap().error,
                    ))),
                    EngineFrame::Closed(reason) => Some(Last::Closed(reason)),
                };
                let _ = self.inbox.split_to(taken);
                if last.is_some() {
                    return last;
                }
                continue;
            }
            if self.received != before {
                break;
            }
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) | Err(_) => return Some(Last::Cut),
                Ok(_) => {}
            }
        }
        if self.draws {
            // A session that ended meanwhile does not care.
            let received = self.received;
            let _ = self.try_send(&ViewerFrame::Ack { received }).await;
        }
        None
    }
}
