//! One agent link over TLS, whoever opened it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use portico_model::{HostId, seen::Order};
use portico_net::{
    link::{Frame, LINK_SILENCE_MAX, LinkError, LinkReader, LinkWriter, PING_EVERY},
    tasks::ShutdownToken,
    tls::{MachineTlsError, PeerMachine},
};
use portico_wire::agent::{
    CHECKS_FLOWS, FlowTarget, FrameError, Head, LINK_VERSION, PAIRS_FLOWS, PORTS_PARTS_MAX,
    PairListen, PairSend, TELLS_PORTS, ToAgent, ToBroker, decode, decode_report, head,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    time::MissedTickBehavior,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Shell, agent_of,
    front::{Stranger, Taken},
    metered::{Allowance, Metered},
};
use crate::{
    broker::Broker,
    hosts::{AgentSeam, LinkId, ORDERS_MAX, PeerIdentity},
};

/// Time for the handshake and the first message.
pub(super) const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that may come until then.
pub(super) const HELLO_BYTES_MAX: u64 = 128 * 1024;
/// Time for saying why a link ends.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// An agent whose version is not spoken here may ask again after so long: it has to be updated.
const VERSION_RETRY_MS: u64 = 300_000;

/// Longest message of an agent that is no report, in bytes: an answer. The longest there is tells
/// 16 SSH keys of 16384 bits.
pub(super) const ANSWER_LEN_MAX: usize = 128 * 1024;
/// Answers that an agent can owe; more are forgotten. It has [`ORDERS_MAX`] orders, and pings.
const OWED_MAX: u32 = 1_024;

/// Serves a connection that an agent opened.
pub(super) async fn taken(shell: Arc<Shell>, taken: Taken) {
    let address = taken.address;
    let _place = taken.place;
    let (stream, allowance) = Metered::new(taken.stream, HELLO_BYTES_MAX);
    let config = Arc::clone(&shell.tls.now().link);
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = tokio::select! {
        biased;
        () = shell.shutdown.cancelled() => return,
        stream = tokio::time::timeout(HELLO_TIMEOUT, handshake) => stream,
    };
    let stream = match stream {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            let error = match MachineTlsError::in_io(&error) {
                Some(why) => why.to_string(),
                None => error.to_string(),
            };
            tracing::info!(%address, error, "Agent was not let in");
            return;
        }
        Err(_elapsed) => {
            tracing::info!(%address, "Agent did not finish its handshake");
            return;
        }
    };
    let peer = match PeerMachine::of(stream.get_ref().1) {
        Ok(machine) => machine.and_then(agent_of),
        Err(error) => {
            tracing::info!(%address, %error, "Agent was not let in");
            return;
        }
    };
    let Some(peer) = peer else {
        tracing::info!(%address, "A machine that is no agent opened an agent link");
        return;
    };
    let guest = Guest {
        allowance: Some(allowance),
        stranger: Some(taken.stranger),
    };
    run(&shell.broker, stream, &peer, guest, &shell.shutdown).await;
}

/// What is given back when the agent is welcome.
#[derive(Default)]
pub(super) struct Guest {
    pub(super) allowance: Option<Allowance>,
    pub(super) stranger: Option<Stranger>,
}

impl Guest {
    fn is_welcome(&mut self) {
        if let Some(allowance) = self.allowance.take() {
            allowance.lift();
        }
        self.stranger = None;
    }
}

/// Runs a link until it ends. `true` when the agent was welcome.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    broker: &Broker,
    stream: S,
    peer: &PeerIdentity,
    guest: Guest,
    shutdown: &ShutdownToken,
) -> bool {
    let (read, write) = tokio::io::split(stream);
    let mut ends = Ends {
        reader: LinkReader::new(read),
        writer: LinkWriter::new(write),
    };
    let open = tokio::select! {
        biased;
        () = shutdown.cancelled() => return false,
        open = ends.welcome(broker, peer, guest) => open,
    };
    let (link, mut inbox) = match open {
        Ok(open) => open,
        Err(error) => {
            tracing::info!(host_id = %peer.host, error, "Agent link was not opened");
            ends.writer.close(FAREWELL_TIMEOUT).await;
            return false;
        }
    };
    // From here on the broker must be told of the end, whatever ends it.
    let _gone = Gone {
        broker,
        host: &peer.host,
        link,
    };
    let why = ends
        .serve(broker, &peer.host, link, &mut inbox, shutdown)
        .await;
    tracing::debug!(host_id = %peer.host, %link, why, "Agent link ends");
    ends.writer.close(FAREWELL_TIMEOUT).await;
    true
}

/// Tells the broker that a link is gone when it goes.
struct Gone<'a> {
    broker: &'a Broker,
    host: &'a HostId,
    link: LinkId,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.broker
            .agent_gone(self.host, self.link, "the link ended");
    }
}

/// Both ends of the stream.
struct Ends<R, W> {
    reader: LinkReader<R>,
    writer: LinkWriter<W>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Ends<R, W> {
    /// Takes the hello and answers it.
    async fn welcome(
        &mut self,
        broker: &Broker,
        peer: &PeerIdentity,
        mut guest: Guest,
    ) -> Result<(LinkId, Inbox), String> {
        let text = |error: LinkError| error.to_string();
        let first: ToBroker = self.reader.read(HELLO_TIMEOUT).await.map_err(text)?;
        let ToBroker::Hello {
            versions,
            hello,
            abilities,
        } = first
        else {
            return Err("the first message was no hello".into());
        };
        if !versions.contains(&LINK_VERSION) {
            let refused = ToAgent::Refused {
                code: "version".into(),
                message: format!(
                    "this broker speaks version {LINK_VERSION} of the agent link, the agent {versions:?}"
                ),
                next_step: "update the agent or the broker".into(),
                retry_after_ms: VERSION_RETRY_MS,
            };
            self.writer
                .write(&refused, HELLO_TIMEOUT)
                .await
                .map_err(text)?;
            return Err("it speaks another version".into());
        }
        let is_able = |wanted: &str| abilities.iter().any(|ability| ability == wanted);
        let (seam, inbox) = channel(Abilities {
            checks: is_able(CHECKS_FLOWS),
            pairs: is_able(PAIRS_FLOWS),
            tells_ports: is_able(TELLS_PORTS),
        });
        match broker.agent_connected(peer, hello, seam).await {
            Ok(welcome) => {
                guest.is_welcome();
                let message = ToAgent::Welcome {
                    version: LINK_VERSION,
                    report_every_ms: welcome.report_every_ms,
                    brokers: welcome.brokers,
                };
                if let Err(error) = self.writer.write(&message, LINK_SILENCE_MAX).await {
                    broker.agent_gone(&peer.host, welcome.link, "the welcome was not sent");
                    return Err(text(error));
                }
                Ok((welcome.link, inbox))
            }
            Err(refused) => {
                let message = ToAgent::Refused {
                    code: refused.code.clone(),
                    message: refused.message,
                    next_step: refused.next_step,
                    retry_after_ms: refused.retry_after_ms,
                };
                self.writer
                    .write(&message, HELLO_TIMEOUT)
                    .await
                    .map_err(text)?;
                Err(refused.code)
            }
        }
    }

    /// Carries messages until the link ends; why it did.
    async fn serve(
        &mut self,
        broker: &Broker,
        host: &HostId,
        link: LinkId,
        inbox: &mut Inbox,
        shutdown: &ShutdownToken,
    ) -> String {
        let mut pings = tokio::time::interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ping = 0_u64;
        let mut owed = Owed::default();
        loop {
            let next = tokio::select! {
                biased;
                () = shutdown.cancelled() => return "the broker stops".into(),
                () = inbox.closed.cancelled() => return inbox.why(),
                order = inbox.orders.recv() => match order {
                    Some(message) => Next::Write(message),
                    None => return "the broker has forgotten the link".into(),
                },
                _tick = pings.tick() => {
                    ping = ping.wrapping_add(1);
                    Next::Write(ToAgent::Ping { ping })
                }
                frame = self.reader.read_frame(LINK_SILENCE_MAX) => Next::Read(frame),
            };
            let done = match next {
                Next::Write(message) => {
                    let written = self.writer.write(&message, LINK_SILENCE_MAX).await;
                    if written.is_ok() {
                        owed.for_message(&message);
                    }
                    written
                }
                Next::Read(Ok(frame)) => take(broker, host, link, &mut owed, &frame).await,
                Next::Read(Err(error)) => Err(error),
            };
            match done {
                Ok(()) => {}
                Err(error) if error.goes_on() => {
                    tracing::debug!(host_id = %host, %error, "Message of an agent link is passed over");
                }
                Err(error) => return error.to_string(),
            }
        }
    }
}

enum Next {
    Write(ToAgent),
    Read(Result<Frame, LinkError>),
}

/// Answers that the agent owes for orders and pings. Nothing else that is no report is read: an
/// agent must not choose how much there is for the broker to read.
#[derive(Debug, Default)]
struct Owed {
    answers: u32,
    /// Questions whose answers come in parts, oldest first.
    in_parts: VecDeque<u64>,
    /// Parts that may come for all of them.
    parts: u32,
}

impl Owed {
    fn for_message(&mut self, message: &ToAgent) {
        match message {
            ToAgent::TellPorts { ask } => {
                if self.in_parts.len() >= ORDERS_MAX {
                    self.in_parts.pop_front();
                }
                self.in_parts.push_back(*ask);
                let questions = u32::try_from(self.in_parts.len()).unwrap_or(u32::MAX);
                self.parts = self
                    .parts
                    .saturating_add(PORTS_PARTS_MAX)
                    .min(questions.saturating_mul(PORTS_PARTS_MAX));
            }
            // That it listens, and what it heard.
            ToAgent::Listen(_) => self.more(2),
            _ => self.more(1),
        }
    }

    fn more(&mut self, count: u32) {
        self.answers = self.answers.saturating_add(count).min(OWED_MAX);
    }

    /// Whether an answer may come.
    fn pay(&mut self) -> bool {
        let left = self.answers.checked_sub(1);
        self.answers = left.unwrap_or(0);
        left.is_some()
    }

    /// Whether a part of an answer may come.
    fn pay_part(&mut self) -> bool {
        let left = self.parts.checked_sub(1);
        self.parts = left.unwrap_or(0);
        left.is_some()
    }

    /// The answer to `ask` is whole. One to a question that was not asked ends no other.
    fn last_part(&mut self, ask: u64) {
        self.in_parts.retain(|asked| *asked != ask);
        if self.in_parts.is_empty() {
            self.parts = 0;
        }
    }
}

/// Takes one message, and reads no more of it than its first bytes when it is to be refused.
async fn take(
    broker: &Broker,
    host: &HostId,
    link: LinkId,
    owed: &mut Owed,
    frame: &[u8],
) -> Result<(), LinkError> {
    match head(frame)? {
        Head::Report { number } => {
            let report = broker.read_report(host, link, number, || decode_report(frame));
            // One that is refused is counted where it is; the link goes on.
            let _refused = report.await?;
            return Ok(());
        }
        Head::Ports if !owed.pay_part() => {
            tracing::debug!(host_id = %host, "A part that nobody asked for is passed over");
            return Ok(());
        }
        Head::Other if !owed.pay() => {
            tracing::debug!(host_id = %host, "An answer that nobody asked for is passed over");
            return Ok(());
        }
        Head::Ports | Head::Other => {}
    }
    if frame.len() > ANSWER_LEN_MAX {
        return Err(LinkError::Frame(FrameError::TooLong {
            len: frame.len(),
            max: ANSWER_LEN_MAX,
        }));
    }
    match decode::<ToBroker>(frame)? {
        ToBroker::Outcome { order, outcome } => broker.agent_outcome(host, link, order, outcome),
        ToBroker::Checked {
            check,
            outcomes,
            refused,
        } => broker.agent_checked(host, link, check, outcomes, refused),
        ToBroker::Listens { pair, refused } => broker.agent_listens(host, link, pair, refused),
        ToBroker::Heard(heard) => broker.agent_heard(host, link, heard),
        ToBroker::Sent {
            pair,
            outcome,
            detail,
        } => broker.agent_sent(host, link, pair, outcome, detail),
        ToBroker::Ports(part) => {
            if part.is_last {
                owed.last_part(part.ask);
            }
            broker.agent_ports(host, link, part);
        }
        ToBroker::Pong { .. } => {}
        ToBroker::Hello { .. } | ToBroker::Report(_) => {
            tracing::debug!(host_id = %host, "A second hello is passed over");
        }
    }
    Ok(())
}

/// What an agent says that it can do.
#[derive(Debug, Clone, Copy)]
struct Abilities {
    /// Check flows.
    checks: bool,
    /// Paired probes.
    pairs: bool,
    /// Tell rules and listeners.
    tells_ports: bool,
}

/// The broker's side of the seam.
struct Mailbox {
    orders: mpsc::Sender<ToAgent>,
    can: Abilities,
    closed: ShutdownToken,
    why: Arc<Mutex<Option<String>>>,
}

/// The link's side of it.
struct Inbox {
    orders: mpsc::Receiver<ToAgent>,
    closed: ShutdownToken,
    why: Arc<Mutex<Option<String>>>,
}

fn channel(can: Abilities) -> (Arc<dyn AgentSeam>, Inbox) {
    let (sender, orders) = mpsc::channel(ORDERS_MAX);
    let closed = ShutdownToken::new();
    let why = Arc::new(Mutex::new(None));
    let mailbox = Mailbox {
        orders: sender,
        can,
        closed: closed.clone(),
        why: Arc::clone(&why),
    };
    let inbox = Inbox {
        orders,
        closed,
        why,
    };
    (Arc::new(mailbox), inbox)
}

impl AgentSeam for Mailbox {
    fn send(&self, id: u64, order: Order) -> bool {
        self.orders.try_send(ToAgent::Order { id, order }).is_ok()
    }

    fn checks_flows(&self) -> bool {
        self.can.checks
    }

    fn check(&self, check: u64, targets: Vec<FlowTarget>) -> bool {
        let message = ToAgent::Check { check, targets };
        self.can.checks && self.orders.try_send(message).is_ok()
    }

    fn pairs_flows(&self) -> bool {
        self.can.pairs
    }

    fn listen(&self, listen: PairListen) -> bool {
        self.can.pairs && self.orders.try_send(ToAgent::Listen(listen)).is_ok()
    }

    fn send_pair(&self, send: PairSend) -> bool {
        self.can.pairs && self.orders.try_send(ToAgent::Send(send)).is_ok()
    }

    fn tells_ports(&self) -> bool {
        self.can.tells_ports
    }

    fn tell_ports(&self, ask: u64) -> bool {
        self.can.tells_ports && self.orders.try_send(ToAgent::TellPorts { ask }).is_ok()
    }

    fn close(&self, why: &str) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        self.closed.cancel();
    }
}

impl Inbox {
    fn why(&self) -> String {
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.clone().unwrap_or_else(|| "it was closed".into())
    }
}
