//! For how long nobody has used a desktop: its X server is asked now and then, beside the looks at
//! the host, and reports take the last answer and add the time that has passed.
//!
//! - [`IdleTimes`] decides whom to ask when, and what is known; it does no I/O.
//! - [`display`] asks one server.
//!
//! A server belongs to the session's user, who may run one that lies, floods or keeps silent. It can
//! tell a wrong time of its own session; it can cost one time-out a minute; it cannot hold up a
//! report, and nothing is guessed in its place.

pub mod display;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::MissedTickBehavior};

use crate::{orders::Host, sampler::Sampler};
use display::{Asker, Question};

/// Time from when a desktop is seen until its server is asked: one that was started without
/// `-noreset` starts anew when its last client goes, and that must not be the agent, while the
/// desktop's own programs are on their way.
pub const ASK_FIRST_AFTER: Duration = Duration::from_secs(5);
/// Time between two questions to the same server.
pub const ASK_EVERY: Duration = Duration::from_secs(10);
/// Time until a server is asked again that did not answer as it should.
pub const ASK_AFTER_FAILURE: Duration = Duration::from_secs(60);
/// Time for which an answer counts: when there are so many desktops that their turn comes late,
/// nothing is known.
pub const ANSWER_LASTS: Duration = Duration::from_secs(30);
/// Servers that are asked in one round.
pub const ROUND_MAX: usize = 32;
/// Least time between the beginnings of two rounds.
const ROUND_EVERY: Duration = Duration::from_secs(1);
/// Servers that are asked at the same time.
const AT_ONCE: usize = 4;

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The server has said it.
    Idle(Duration),
    /// There is no server yet, or no cookie; looking cost nothing.
    NotThere,
    /// The server did not answer as it should, or not in time.
    Failed,
}

/// What is known of each desktop by its key. Times are those of a clock that does not jump.
#[derive(Debug, Default)]
pub struct IdleTimes {
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    /// When it was told, and what.
    answer: Option<(Duration, Duration)>,
    ask_at: Duration,
}

impl IdleTimes {
    /// The desktops to ask now, at most [`ROUND_MAX`], those that wait longest first. Each is asked
    /// again after [`ASK_EVERY`] at the earliest. Desktops that are not among `keys` are forgotten.
    pub fn due<'a>(
        &mut self,
        keys: impl IntoIterator<Item = &'a str>,
        now: Duration,
    ) -> Vec<String> {
        let mut known = BTreeMap::new();
        for key in keys {
            let (key, before) = self.known.remove_entry(key).unwrap_or_else(|| {
                let new = Known {
                    answer: None,
                    ask_at: now + ASK_FIRST_AFTER,
                };
                (key.to_owned(), new)
            });
            known.insert(key, before);
        }
        self.known = known;
        let waiting = self
            .known
            .iter_mut()
            .filter(|(_, known)| known.ask_at <= now);
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_by_key(|(_, known)| known.ask_at);
        waiting.truncate(ROUND_MAX);
        let asked = waiting.into_iter().map(|(key, known)| {
            known.ask_at = now + ASK_EVERY;
            key.clone()
        });
        asked.collect()
    }

    /// Takes what the question to `key`, which ended now, has told.
    pub fn learn(&mut self, key: &str, told: Told, now: Duration) {
        let Some(known) = self.known.get_mut(key) else {
            return;
        };
        known.answer = match told {
            Told::Idle(idle) => Some((now, idle)),
            Told::NotThere | Told::Failed => None,
        };
        if told == Told::Failed {
            known.ask_at = now + ASK_AFTER_FAILURE;
        }
    }

    /// For how long nobody has used the desktop `key`, as far as its server has told it lately.
    pub fn of(&self, key: &str, now: Duration) -> Option<Duration> {
        let (at, idle) = self.known.get(key)?.answer?;
        let passed = now.saturating_sub(at);
        (passed < ANSWER_LASTS).then(|| idle + passed)
    }
}

/// Asks for ever.
pub async fn keep_asking(host: Host) {
    let asker = Asker::default();
    let mut ticks = tokio::time::interval(ROUND_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let questions = host.with_sampler(Sampler::idle_questions);
        for few in questions.chunks(AT_ONCE) {
            ask(&host, &asker, few).await;
        }
    }
}

async fn ask(host: &Host, asker: &Asker, questions: &[Question]) {
    let mut running = JoinSet::new();
    for question in questions {
        let (asker, question) = (asker.clone(), question.clone());
        running.spawn(async move {
            let begun = Instant::now();
            let answer = asker.ask(&question).await;
            let took = begun.elapsed();
            tracing::trace!(key = %question.key, ?answer, ?took, "A desktop was asked how long nobody has used it");
            (question.key, answer)
        });
    }
    while let Some(ended) = running.join_next().await {
        // A question that broke has shown its reason; its desktop is asked again in its turn.
        let Ok((key, answer)) = ended else {
            continue;
        };
        let told = match answer {
            Ok(idle) => Told::Idle(idle),
            Err(error) => {
                tracing::debug!(%key, error = %portico_model::printable(&error.to_string()), "It is not known how long nobody has used a desktop");
                error.told()
            }
        };
        host.with_sampler(|sampler| sampler.learn_idle(&key, told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_goes_on_counting_until_the_next_and_lapses_without_one() {
        let mut times = IdleTimes::default();
        assert_eq!(times.due(["a"], at(95)), [""; 0]);
        assert_eq!(times.due(["a"], at(100)), ["a"]);
        assert_eq!(times.of("a", at(100)), None);
        times.learn("a", Told::Idle(at(5)), at(101));
        assert_eq!(times.of("a", at(101)), Some(at(5)));
        assert_eq!(times.of("a", at(109)), Some(at(13)));
        // A clock that goes back a little is no reason for a time below the answer.
        assert_eq!(times.of("a", at(99)), Some(at(5)));
        assert_eq!(times.due(["a"], at(109)), [""; 0]);
        assert_eq!(times.due(["a"], at(110)), ["a"]);
        times.learn("a", Told::Idle(at(0)), at(110));
        assert_eq!(times.of("a", at(110)), Some(at(0)));
        assert_eq!(times.of("a", at(139)), Some(at(29)));
        assert_eq!(times.of("a", at(140)), None);
        assert_eq!(times.of("b", at(110)), None);
    }

    #[test]
    fn a_server_that_fails_waits_a_minute_and_one_that_is_not_there_its_turn() {
        let mut times = IdleTimes::default();
        times.due(["bad", "new"], Duration::ZERO);
        assert_eq!(times.due(["bad", "new"], at(5)).len(), 2);
        for key in ["bad", "new"] {
            times.learn(key, Told::Idle(at(9)), at(6));
        }
        assert_eq!(times.due(["bad", "new"], at(15)).len(), 2);
        times.learn("bad", Told::Failed, at(16));
        times.learn("new", Told::NotThere, at(16));
        // Nothing is guessed: what they told before is forgotten.
        assert_eq!(times.of("bad", at(16)), None);
        assert_eq!(times.of("new", at(16)), None);
        assert_eq!(times.due(["bad", "new"], at(25)), ["new"]);
        assert_eq!(times.due(["bad"], at(75)), [""; 0]);
        assert_eq!(times.due(["bad"], at(76)), ["bad"]);
    }

    #[test]
    fn a_round_has_its_limit_and_those_who_wait_longest_come_first() {
        let keys: Vec<String> = (0..ROUND_MAX * 2 + 1).map(|n| format!("{n:03}")).collect();
        let keys = || keys.iter().map(String::as_str);
        let mut times = IdleTimes::default();
        assert_eq!(times.due(keys(), at(0)), [""; 0]);
        let first = times.due(keys(), at(5));
        let second = times.due(keys(), at(6));
        assert_eq!((first.len(), second.len()), (ROUND_MAX, ROUND_MAX));
        assert!(first.iter().all(|key| !second.contains(key)));
        // The last one has waited since 5, the first ones since 15.
        let third = times.due(keys(), at(16));
        assert_eq!(third.len(), ROUND_MAX);
        assert_eq!(third[0], "064");
        assert_eq!(third[1], "000");
    }

    #[test]
    fn a_desktop_that_is_gone_is_forgotten() {
        let mut times = IdleTimes::default();
        times.due(["a"], at(0));
        times.learn("a", Told::Idle(at(5)), at(0));
        assert_eq!(times.due([], at(1)), [""; 0]);
        times.learn("a", Told::Idle(at(5)), at(1));
        assert_eq!(times.of("a", at(1)), None);
        assert!(times.known.is_empty());
    }
}
