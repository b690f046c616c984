//! One link to one broker: hello, then reports, pings and orders, over any stream.

use std::{sync::Arc, time::Duration};

use portico_model::{
    printable,
    seen::{AgentHello, HostReport, HostSession, Load, OrderOutcome, REPORT_EVERY_MS},
};
use portico_net::link::{LINK_SILENCE_MAX, LinkError, LinkReader, LinkWriter};
use portico_wire::agent::{LINK_VERSION, ToAgent, ToBroker};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
    time::Instant,
};

use crate::orders::{Host, ORDERS_MAX};

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
    let (outcomes, mut outcome) = mpsc::channel::<(u64, OrderOutcome)>(ORDERS_MAX);
    let mut schedule = Schedule::new(every);
    loop {
        let due = schedule.due();
        // Biased: what the broker says comes first, and a busy host cannot starve its pings.
        let message = tokio::select! {
            biased;
            () = &mut close => {
                writer.close(Duration::from_secs(1)).await;
                return LinkEnded::Closed;
            }
            read = reader.read::<ToAgent>(LINK_SILENCE_MAX) => match read {
                Ok(ToAgent::Ping { ping }) => ToBroker::Pong { ping },
                Ok(ToAgent::Order { id, order }) => {
                    let (host, outcomes) = (parts.host.clone(), outcomes.clone());
                    tokio::spawn(async move {
                        tracing::info!(order = id, what = name(&order), "Order");
                        let outcome = host.carry_out(order).await;
                        // A link that is gone has nobody who wants to know.
                        let _gone = outcomes.send((id, outcome)).await;
                    });
                    continue;
                }
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
            Some((order, outcome)) = outcome.recv() => ToBroker::Outcome { order, outcome },
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
            () = tokio::time::sleep_until(due) => {
                let seen = Arc::clone(&parts.seen.borrow());
                ToBroker::Report(schedule.now(&seen, Instant::now()))
            }
        };
        match writer.write(&message, LINK_SILENCE_MAX).await {
            Ok(()) => {}
            Err(error) if error.goes_on() => tracing::warn!(%error, "A message could not be sent"),
            Err(error) => return LinkEnded::Lost(error),
        }
    }
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
        Ok(ToAgent::Order { .. } | ToAgent::Ping { .. }) => Err(LinkEnded::NoWelcome),
        Err(error) => Err(LinkEnded::Failed(error)),
    }
}

fn tell(parts: &LinkParts, brokers: Vec<String>) {
    // When the queue is full, the next welcome tells it again.
    let _full = parts.brokers.try_send(brokers);
}

fn name(order: &portico_model::seen::Order) -> &'static str {
    use portico_model::seen::Order;
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
    use super::*;

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
