//! One link to one broker: hello, then reports, pings and orders, over any stream.

use std::{sync::Arc, time::Duration};

use portico_model::{
    printable,
    seen::{AgentHello, HostReport, HostSession, Load, Order, OrderOutcome, REPORT_EVERY_MS},
};
use portico_net::link::{LINK_SILENCE_MAX, LinkError, LinkReader, LinkWriter};
use portico_wire::agent::{
    CHECKS_FLOWS, LINK_VERSION, PAIRS_FLOWS, TELLS_PORTS, ToAgent, ToBroker,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{
    checks,
    orders::{Host, ORDERS_MAX, OrderPlace, too_many},
    pairs, ports,
};

/// Least and longest time between two reports that a broker can ask for, in milliseconds.
pub const REPORT_BOUNDS_MS: (u64, u64) = (500, 8_000);
/// Code of a refusal of an agent that an operator revoked.
pub const REVOKED: &str = "revoked";

/// What was seen of the host last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// How busy it is.
    pub load: Load,
    /// Its sessions.
    pub sessions: Vec<HostSession>,
    /// Changes with each look that saw other sessions, or other states of them.
    pub change: u64,
}

/// How a link ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkEnded {
    /// The broker refused.
    #[error("the broker refuses ({code}): {message}")]
    Refused {
        /// Which case.
        code: String,
        /// What is wrong.
        message: String,
        /// What somebody can do.
        next_step: String,
        /// Least time before the next try, in milliseconds.
        retry_after_ms: u64,
    },
    /// The broker speaks another version than it was offered.
    #[error("the broker chose version {version} of the link, which this agent does not speak")]
    Version {
        /// That version.
        version: u16,
    },
    /// The first message was no answer to the hello.
    #[error("the broker did not answer the hello")]
    NoWelcome,
    /// It broke before the broker had welcomed the agent.
    #[error("the link came to nothing: {0}")]
    Failed(#[source] LinkError),
    /// It was open and broke.
    #[error("the link is lost: {0}")]
    Lost(#[source] LinkError),
    /// The agent wants another one, for example with a new certificate.
    #[error("the link was closed by the agent")]
    Closed,
}

/// What a link needs of its agent.
#[derive(Clone)]
pub struct LinkParts {
    /// For orders.
    pub host: Host,
    /// What is reported.
    pub seen: watch::Receiver<Arc<Seen>>,
    /// Where the brokers are, as they say; each welcome tells it.
    pub brokers: mpsc::Sender<Vec<String>>,
}

/// Runs a link until it ends or `close` completes.
pub async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    hello: AgentHello,
    mut parts: LinkParts,
    close: impl Future<Output = ()>,
) -> LinkEnded {
    let (read, write) = tokio::io::split(stream);
    let mut reader = LinkReader::new(read);
    let mut writer = LinkWriter::new(write);
    let every = match open(&mut reader, &mut writer, hello, &parts).await {
        Ok(every) => every,
        Err(ended) => return ended,
    };
    let mut close = std::pin::pin!(close);
    let (answers, mut answer) = mpsc::channel::<ToBroker>(ORDERS_MAX);
    let (parts_to, mut part) = mpsc::channel::<ToBroker>(ports::PARTS_WAITING_MAX);
    let mut schedule = Schedule::new(every);
    loop {
        let due = schedule.due();
        // Biased: what cannot come without end comes first. There is one outcome for each order
        // that was read and one report in its time, so neither can starve what the broker says; a
        // broker that says much cannot starve them either. Parts of a long answer come last: the
        // reports have their time between them.
        let message = tokio::select! {
            biased;
            () = &mut close => {
                writer.close(Duration::from_secs(1)).await;
                return LinkEnded::Closed;
            }
            Some(answer) = answer.recv() => answer,
            () = tokio::time::sleep_until(due) => {
                let seen = Arc::clone(&parts.seen.borrow());
                ToBroker::Report(schedule.now(&seen, Instant::now()))
            }
            read = reader.read::<ToAgent>(LINK_SILENCE_MAX) => match read {
                Ok(ToAgent::Ping { ping }) => ToBroker::Pong { ping },
                Ok(ToAgent::Order { id, order }) => match begin(&parts.host, &answers, id, order) {
                    Ok(()) => continue,
                    Err(outcome) => ToBroker::Outcome { order: id, outcome },
                },
                Ok(ToAgent::Check { check, targets }) => {
                    match checks::begin(&parts.host, &answers, check, targets) {
                        Ok(()) => continue,
                        Err(answer) => *answer,
                    }
                }
                Ok(ToAgent::Listen(order)) => match pairs::listen(&parts.host, &answers, order) {
                    Ok(()) => continue,
                    Err(answer) => *answer,
                },
                Ok(ToAgent::Send(order)) => match pairs::send(&parts.host, &answers, order) {
                    Ok(()) => continue,
                    Err(answer) => *answer,
                },
                Ok(ToAgent::TellPorts { ask }) => match ports::begin(&parts.host, &parts_to, ask) {
                    Ok(()) => continue,
                    Err(answer) => *answer,
                },
                Ok(ToAgent::Refused { code, message, next_step, retry_after_ms }) => {
                    return LinkEnded::Refused { code, message, next_step, retry_after_ms };
                }
                Ok(ToAgent::Welcome { brokers, .. }) => {
                    tell(&parts, brokers);
                    continue;
                }
                Err(error) if error.goes_on() => {
                    tracing::warn!(%error, "A message of the broker is passed over; the agent may be too old");
                    continue;
                }
                Err(error) => return LinkEnded::Lost(error),
            },
            changed = parts.seen.changed() => {
                if changed.is_err() {
                    return LinkEnded::Closed;
                }
                let seen = Arc::clone(&parts.seen.borrow_and_update());
                match schedule.report(&seen, Instant::now()) {
                    Some(report) => ToBroker::Report(report),
                    None => continue,
                }
            }
            Some(part) = part.recv() => part,
        };
        match writer.write(&message, LINK_SILENCE_MAX).await {
            Ok(()) => {}
            Err(error) if error.goes_on() => tracing::warn!(%error, "A message could not be sent"),
            Err(error) => return LinkEnded::Lost(error),
        }
    }
}

/// Begins an order, or says why not. A task is made only when the order has its place on the host
/// and its outcome a place in the queue of this link: a broker that takes no outcomes then keeps
/// its own orders waiting, and none of the places that those of other brokers need.
fn begin(
    host: &Host,
    answers: &mpsc::Sender<ToBroker>,
    id: u64,
    order: Order,
) -> Result<(), OrderOutcome> {
    let what = name(&order);
    let refused = |outcome| {
        tracing::debug!(order = id, what, "Order is refused: there are too many");
        outcome
    };
    let slot = answers.clone().try_reserve_owned();
    let slot = slot.map_err(|_full| refused(too_many()))?;
    let place: OrderPlace = host.place().map_err(refused)?;
    tracing::info!(order = id, what, "Order");
    tokio::spawn(async move {
        let outcome = place.carry_out(order).await;
        // A link that is gone has nobody who wants to know.
        slot.send(ToBroker::Outcome { order: id, outcome });
    });
    Ok(())
}

/// Says hello; the time between two reports that the broker wants.
async fn open<R, W>(
    reader: &mut LinkReader<R>,
    writer: &mut LinkWriter<W>,
    hello: AgentHello,
    parts: &LinkParts,
) -> Result<Duration, LinkEnded>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let hello = ToBroker::Hello {
        versions: vec![LINK_VERSION],
        hello,
        abilities: vec![CHECKS_FLOWS.into(), PAIRS_FLOWS.into(), TELLS_PORTS.into()],
    };
    let sent = writer.write(&hello, LINK_SILENCE_MAX).await;
    sent.map_err(LinkEnded::Failed)?;
    match reader.read::<ToAgent>(LINK_SILENCE_MAX).await {
        Ok(ToAgent::Welcome {
            version: LINK_VERSION,
            report_every_ms,
            brokers,
        }) => {
            tell(parts, brokers);
            let (least, most) = REPORT_BOUNDS_MS;
            Ok(Duration::from_millis(report_every_ms.clamp(least, most)))
        }
        Ok(ToAgent::Welcome { version, .. }) => Err(LinkEnded::Version { version }),
        Ok(ToAgent::Refused {
            code,
            message,
            next_step,
            retry_after_ms,
        }) => Err(LinkEnded::Refused {
            code,
            message,
            next_step,
            retry_after_ms,
        }),
        Ok(
            ToAgent::Order { .. }
            | ToAgent::Ping { .. }
            | ToAgent::Check { .. }
            | ToAgent::Listen(_)
            | ToAgent::Send(_)
            | ToAgent::TellPorts { .. },
        ) => Err(LinkEnded::NoWelcome),
        Err(error) => Err(LinkEnded::Failed(error)),
    }
}

fn tell(parts: &LinkParts, brokers: Vec<String>) {
    // When the queue is full, the next welcome tells it again.
    let _full = parts.brokers.try_send(brokers);
}

fn name(order: &Order) -> &'static str {
    match order {
        Order::LogOff { .. } => "log-off",
        Order::Disconnect { .. } => "disconnect",
        Order::Message { .. } => "message",
        Order::Probe { .. } => "probe",
        Order::Restart { .. } => "restart",
        Order::TellIdentities => "tell-identities",
    }
}

/// When a report is due: every so often, and at once when the sessions are others.
#[derive(Debug)]
pub struct Schedule {
    every: Duration,
    number: u64,
    last: Option<(Instant, u64)>,
}

impl Schedule {
    /// A link that has not reported yet: the first report is due at once.
    pub fn new(every: Duration) -> Self {
        Self {
            every,
            number: 0,
            last: None,
        }
    }

    /// The report to send when `seen` is new; `None` when it can wait.
    pub fn report(&mut self, seen: &Seen, now: Instant) -> Option<HostReport> {
        // Looks come a little early or late; half a look is no reason to wait for another.
        let slack = Duration::from_millis(REPORT_EVERY_MS / 8);
        let can_wait = self.last.is_some_and(|(at, change)| {
            change == seen.change && now.duration_since(at) + slack < self.every
        });
        (!can_wait).then(|| self.now(seen, now))
    }

    /// The report to send in any case.
    pub fn now(&mut self, seen: &Seen, now: Instant) -> HostReport {
        self.number += 1;
        self.last = Some((now, seen.change));
        HostReport {
            number: self.number,
            load: seen.load,
            sessions: seen.sessions.clone(),
        }
    }

    /// When a report is sent even without anything new: a look at the host may take long, and
    /// silence must not be mistaken for an agent that is gone.
    fn due(&self) -> Instant {
        match self.last {
            None => Instant::now(),
            Some((at, _)) => at + self.every * 2,
        }
    }
}

impl LinkEnded {
    /// What to do about it, for the log; the other side's words are made harmless.
    pub fn next_step(&self) -> String {
        match self {
            Self::Refused { next_step, .. } => printable(next_step).into_owned(),
            Self::Version { .. } => "update the agent or the broker".into(),
            Self::NoWelcome => "check that the address leads to Portico's agent link".into(),
            Self::Failed(error) | Self::Lost(error) => match error {
                LinkError::Io(io) => portico_net::tls::MachineTlsError::in_io(io)
                    .map_or_else(String::new, |error| error.next_step().into()),
                _ => String::new(),
            },
            Self::Closed => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portico_model::{HostId, Timestamp};
    use portico_net::clock::ManualClock;

    use super::*;
    use crate::{load::LoadOf, sampler::Sampler};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// A broker that writes orders as fast as the stream takes them.
    #[tokio::test]
    async fn a_flood_of_orders_makes_no_more_tasks_than_places_and_each_is_answered_once() {
        const FLOOD: u64 = 5_000;
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(0)));
        let sampler = Sampler::new(folder.path(), LoadOf::Machine);
        let host = Host::new(sampler, clock, 1, Vec::new());
        let (_seen_to, seen) = watch::channel(Arc::default());
        let (brokers, _told) = mpsc::channel(1);
        let hello = host.with_sampler(|sampler| sampler.hello(HostId::new("sh1").unwrap()));
        let parts = LinkParts {
            host: host.clone(),
            seen,
            brokers,
        };
        let (near, far) = tokio::io::duplex(16 * 1024);
        let link = tokio::spawn(run(near, hello, parts, std::future::pending()));
        let (read, write) = tokio::io::split(far);
        let (mut reader, mut writer) = (LinkReader::new(read), LinkWriter::new(write));
        reader.read::<ToBroker>(PATIENCE).await.unwrap();
        let welcome = ToAgent::Welcome {
            version: LINK_VERSION,
            report_every_ms: 2_000,
            brokers: Vec::new(),
        };
        writer.write(&welcome, PATIENCE).await.unwrap();

        // Other brokers have all places but one.
        let others: Vec<OrderPlace> = (1..ORDERS_MAX)
            .map(|_| host.place().ok().unwrap())
            .collect();
        let tasks = tokio::runtime::Handle::current().metrics();
        let before = tasks.num_alive_tasks();
        let flood = tokio::spawn(async move {
            for id in 0..FLOOD {
                let order = Order::TellIdentities;
                let order = ToAgent::Order { id, order };
                writer.write(&order, PATIENCE).await.unwrap();
            }
            writer
        });
        let (mut answers, mut most) = (BTreeMap::new(), 0);
        while answers.len() < usize::try_from(FLOOD).unwrap() {
            let message = reader.read::<ToBroker>(PATIENCE).await.unwrap();
            most = most.max(tasks.num_alive_tasks());
            if let ToBroker::Outcome { order, outcome } = message {
                let twice = answers.insert(order, outcome);
                assert_eq!(twice, None, "{order}");
            }
        }
        // The flood itself, and the one order that has a place.
        assert!(most <= before + 2, "{most} tasks, {before} before");
        assert!(matches!(answers[&0], OrderOutcome::Identities { .. }));
        let refused = answers.values().filter(
            |outcome| matches!(outcome, OrderOutcome::Failed { detail } if detail.contains("16 orders")),
        );
        assert!(refused.count() > 0);

        // With the places of the others back, as many orders as there are places are taken.
        drop(others);
        let mut writer = flood.await.unwrap();
        for id in 0..2 {
            let order = Order::TellIdentities;
            let order = ToAgent::Order { id, order };
            writer.write(&order, PATIENCE).await.unwrap();
        }
        for _ in 0..2 {
            let outcome = loop {
                match reader.read::<ToBroker>(PATIENCE).await.unwrap() {
                    ToBroker::Outcome { outcome, .. } => break outcome,
                    _ => continue,
                }
            };
            assert!(matches!(outcome, OrderOutcome::Identities { .. }));
        }
        assert_eq!(host.0.at_once.available_permits(), ORDERS_MAX);
        link.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn reports_come_in_time_and_at_once_when_sessions_change() {
        let mut schedule = Schedule::new(Duration::from_secs(2));
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let mut seen = Seen::default();
        assert!(schedule.due() <= begun);
        assert_eq!(schedule.report(&seen, at(0)).map(|r| r.number), Some(1));
        assert_eq!(schedule.report(&seen, at(1_000)), None);
        // A look that came a little early still counts.
        assert_eq!(schedule.report(&seen, at(1_900)).map(|r| r.number), Some(2));
        seen.change += 1;
        assert_eq!(schedule.report(&seen, at(2_000)).map(|r| r.number), Some(3));
        assert_eq!(schedule.report(&seen, at(2_100)), None);
        assert_eq!(schedule.due(), at(6_000));
    }
}
