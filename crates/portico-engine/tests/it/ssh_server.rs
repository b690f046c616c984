//! An SSH server in this process, made by russh's own server side, whose "shell" knows a few
//! commands that the tests need. The lab has the real ones.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use portico_model::estate::Pin;
use portico_net::{TcpListener, flows::ENGINE_HOST_SSH};
use russh::{
    Channel, ChannelId, ChannelMsg, ChannelWriteHalf, MethodKind, MethodSet, Pty, Sig,
    keys::{Algorithm, PrivateKey, PublicKeyBase64},
    server::{
        Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, Response, Session, run_stream,
    },
};
use tokio::sync::{mpsc, watch};

pub(crate) const PASSWORD: &str = "correct horse";

/// A running server.
pub(crate) struct SshServer {
    pub(crate) address: SocketAddr,
    pub(crate) key: PrivateKey,
    /// Connections that came as far as a shell and are not over.
    pub(crate) shells: Arc<AtomicUsize>,
    /// Wrong passwords.
    pub(crate) failures: Arc<AtomicUsize>,
    /// Bytes that the flood command has got rid of.
    pub(crate) flooded: Arc<AtomicU64>,
    pub(crate) seen: watch::Receiver<Seen>,
    /// Lets the hold command go on.
    pub(crate) release: watch::Sender<bool>,
    _stop: mpsc::Sender<()>,
}

/// What the server was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) sizes: Vec<(u32, u32)>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) modes: Vec<(Pty, u32)>,
    pub(crate) program: Option<String>,
}

/// How it signs in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    Password,
    Questions,
    TwoQuestions,
    KeysOnly,
}

impl SshServer {
    pub(crate) async fn start(sign_in: SignIn) -> Self {
        let key =
            PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let methods: &[MethodKind] = match sign_in {
            SignIn::Password => &[MethodKind::Password, MethodKind::KeyboardInteractive],
            SignIn::Questions | SignIn::TwoQuestions => &[MethodKind::KeyboardInteractive],
            SignIn::KeysOnly => &[MethodKind::PublicKey],
        };
        let config = Arc::new(Config {
            keys: vec![key.clone()],
            methods: MethodSet::from(methods),
            auth_rejection_time: Duration::from_millis(1),
            auth_rejection_time_initial: Some(Duration::ZERO),
            nodelay: true,
            ..Config::default()
        });
        let (stop, mut stopped) = mpsc::channel::<()>(1);
        let listener = TcpListener::bind(ENGINE_HOST_SSH, "127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let address = listener.local_addr();
        let (shells, failures) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (seen_in, seen) = watch::channel(Seen::default());
        let flooded = Arc::new(AtomicU64::new(0));
        let (release, released) = watch::channel(false);
        let host = Host {
            sign_in,
            shells: Arc::clone(&shells),
            failures: Arc::clone(&failures),
            flooded: Arc::clone(&flooded),
            released,
            seen: seen_in,
            channel: None,
            counted: false,
        };
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    _ = stopped.recv() => return,
                    accepted = listener.accept() => accepted,
                };
                let (stream, _) = accepted.unwrap();
                let (config, host) = (Arc::clone(&config), host.fresh());
                tokio::spawn(async move {
                    if let Ok(session) = run_stream(config, stream, host).await {
                        let _ = session.await;
                    }
                });
            }
        });
        Self {
            address,
            key,
            shells,
            failures,
            flooded,
            seen,
            release,
            _stop: stop,
        }
    }

    pub(crate) fn pin(&self) -> Pin {
        pin_of(&self.key)
    }

    pub(crate) async fn wait_seen(&mut self, is: impl FnMut(&Seen) -> bool) -> Seen {
        let waiting = self.seen.wait_for(is);
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .unwrap()
            .unwrap()
            .clone()
    }
}

pub(crate) fn pin_of(key: &PrivateKey) -> Pin {
    Pin::SshKey {
        algorithm: key.algorithm().to_string(),
        blob: key.public_key().public_key_base64(),
    }
}

struct Host {
    sign_in: SignIn,
    shells: Arc<AtomicUsize>,
    failures: Arc<AtomicUsize>,
    flooded: Arc<AtomicU64>,
    released: watch::Receiver<bool>,
    seen: watch::Sender<Seen>,
    channel: Option<Channel<Msg>>,
    counted: bool,
}

impl Host {
    fn fresh(&self) -> Self {
        Self {
            sign_in: self.sign_in,
            shells: Arc::clone(&self.shells),
            failures: Arc::clone(&self.failures),
            flooded: Arc::clone(&self.flooded),
            released: self.released.clone(),
            seen: self.seen.clone(),
            channel: None,
            counted: false,
        }
    }

    fn judge(&self, is_right: bool) -> Auth {
        if is_right {
            return Auth::Accept;
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        Auth::reject()
    }

    fn start(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(id)?;
        self.shells.fetch_add(1, Ordering::Relaxed);
        self.counted = true;
        let (channel, handle) = (self.channel.take().unwrap(), session.handle());
        let host = self.fresh();
        tokio::spawn(async move {
            let _ = shell(channel, handle, host).await;
        });
        Ok(())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.counted {
            self.shells.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Handler for Host {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(Some("Authorised \u{1b}[31musers only\n".into()))
    }

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(self.judge(password == PASSWORD))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        match response {
            Some(mut answers) => {
                let is_right = answers
                    .next()
                    .is_some_and(|answer| answer == PASSWORD.as_bytes());
                Ok(self.judge(is_right))
            }
            None => {
                let mut prompts = vec![(Cow::Borrowed("Password: "), false)];
                if self.sign_in == SignIn::TwoQuestions {
                    prompts.push((Cow::Borrowed("Code: "), true));
                }
                Ok(Auth::Partial {
                    name: "".into(),
                    instructions: "".into(),
                    prompts: prompts.into(),
                })
            }
        }
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        cols: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.seen.send_modify(|seen| {
            seen.sizes.push((cols, rows));
            seen.modes = modes.to_vec();
        });
        session.channel_success(id)
    }

    async fn env_request(
        &mut self,
        _id: ChannelId,
        name: &str,
        value: &str,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.seen
            .send_modify(|seen| seen.environment.push((name.into(), value.into())));
        Ok(())
    }

    async fn shell_request(
        &mut self,
        id: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.start(id, session)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(command).into_owned();
        self.seen.send_modify(|seen| seen.program = Some(command));
        self.start(id, session)
    }

    async fn window_change_request(
        &mut self,
        _id: ChannelId,
        cols: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.seen.send_modify(|seen| seen.sizes.push((cols, rows)));
        Ok(())
    }
}

/// Echoes, and at the end of a line obeys:
/// `exit N`, `kill`, `drop`, `hold`, `size`, `seq N`, `flood MIB`, `full-screen`.
async fn shell(channel: Channel<Msg>, handle: Handle, mut host: Host) -> Result<(), russh::Error> {
    let (mut typed, channel) = channel.split();
    channel.data_bytes("ready> ").await?;
    let mut line = String::new();
    while let Some(message) = typed.wait().await {
        let ChannelMsg::Data { data } = message else {
            continue;
        };
        for key in data {
            if key != b'\r' {
                channel.data_bytes(vec![key]).await?;
                line.push(char::from(key));
                continue;
            }
            channel.data_bytes("\r\n").await?;
            if !obey(&line, &channel, &handle, &mut host).await? {
                return channel.close().await;
            }
            channel.data_bytes("ready> ").await?;
            line.clear();
        }
    }
    Ok(())
}

async fn obey(
    line: &str,
    channel: &ChannelWriteHalf<Msg>,
    handle: &Handle,
    host: &mut Host,
) -> Result<bool, russh::Error> {
    let (command, number) = line.split_once(' ').unwrap_or((line, "0"));
    let number: u32 = number.parse().unwrap_or(0);
    match command {
        "exit" => {
            channel.exit_status(number).await?;
            channel.eof().await?;
            return Ok(false);
        }
        "drop" => return Ok(false),
        "kill" => {
            let none = String::new;
            let id = channel.id();
            handle
                .exit_signal_request(id, Sig::TERM, false, none(), none())
                .await
                .unwrap();
            // Through the same queue, so that it does not overtake the signal.
            handle.close(id).await.unwrap();
            return std::future::pending().await;
        }
        "hold" => {
            host.released.wait_for(|released| *released).await.unwrap();
        }
        "size" => {
            let (cols, rows) = host.seen.borrow().sizes.last().copied().unwrap_or_default();
            channel.data_bytes(format!("{rows} {cols}\r\n")).await?;
        }
        "seq" => {
            let mut out = String::new();
            for number in 1..=number {
                out.push_str(&format!("{number}\r\n"));
                if out.len() > 4000 {
                    channel.data_bytes(std::mem::take(&mut out)).await?;
                }
            }
            channel.data_bytes(out).await?;
        }
        "flood" => {
            let block = "0123456789abcde\n".repeat(1024);
            for _ in 0..number * 64 {
                channel.data_bytes(block.clone()).await?;
                host.flooded
                    .fetch_add(block.len() as u64, Ordering::Relaxed);
            }
        }
        "full-screen" => channel.data_bytes("\x1b[?1049h\x1b[?25l").await?,
        _ => {}
    }
    Ok(true)
}
