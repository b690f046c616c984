//! All times of a relay on one timer. Activity only notes the time; the timer fires at the
//! earliest deadline it knew and is then set again, so a busy session never touches it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use portico_model::session::EndReason;
use tokio::time::{Instant, Sleep, sleep_until};

use super::RelaySettings;

/// What the time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Ask the client for a sign of life.
    Ping,
    /// End the connection.
    End(EndReason),
    /// The client did not get through the connect sequence in time.
    RewriteTooLong,
}

/// The times of one relay.
pub(super) struct Timers {
    sleep: Pin<Box<Sleep>>,
    idle_timeout: Option<Duration>,
    total_at: Option<Instant>,
    rewrite_at: Option<Instant>,
    ping_interval: Duration,
    last_input: Instant,
    last_sign_of_life: Instant,
    pinged: bool,
}

impl Timers {
    pub(super) fn start(settings: &RelaySettings) -> Self {
        let now = Instant::now();
        let seconds = |s: u32| (s > 0).then(|| Duration::from_secs(s.into()));
        let mut timers = Self {
            sleep: Box::pin(sleep_until(now)),
            idle_timeout: seconds(settings.idle_timeout_s),
            total_at: seconds(settings.total_timeout_s).map(|total| now + total),
            rewrite_at: Some(now + settings.rewrite_timeout),
            ping_interval: settings.ping_interval,
            last_input: now,
            last_sign_of_life: now,
            pinged: false,
        };
        timers.set();
        timers
    }

    /// The client sent something.
    pub(super) fn sign_of_life(&mut self) {
        self.last_sign_of_life = Instant::now();
        self.pinged = false;
    }

    /// The user did something.
    pub(super) fn input(&mut self) {
        self.last_input = Instant::now();
    }

    /// The client is through the connect sequence.
    pub(super) fn rewritten(&mut self) {
        self.rewrite_at = None;
    }

    /// Resolves when something is due. Call again until it is pending.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Due> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            let due = self.due(Instant::now());
            self.set();
            if let Some(due) = due {
                return Poll::Ready(due);
            }
        }
    }

    fn due(&mut self, now: Instant) -> Option<Due> {
        let past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if past(self.total_at) {
            return Some(Due::End(EndReason::TotalTimeout));
        }
        if past(self.idle_at()) {
            return Some(Due::End(EndReason::IdleTimeout));
        }
        if past(self.rewrite_at) {
            return Some(Due::RewriteTooLong);
        }
        if past(Some(self.silence_at())) {
            if self.pinged {
                return Some(Due::End(EndReason::ClientLost));
            }
            self.pinged = true;
            return Some(Due::Ping);
        }
        None
    }

    fn idle_at(&self) -> Option<Instant> {
        self.idle_timeout.map(|timeout| self.last_input + timeout)
    }

    fn silence_at(&self) -> Instant {
        let patience = if self.pinged { 2 } else { 1 };
        self.last_sign_of_life + self.ping_interval * patience
    }

    fn set(&mut self) {
        let next = [self.total_at, self.idle_at(), self.rewrite_at]
            .into_iter()
            .flatten()
            .fold(self.silence_at(), Instant::min);
        self.sleep.as_mut().reset(next);
    }
}
