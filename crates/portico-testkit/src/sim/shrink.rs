//! Makes a failing scenario small: leaves out what is not needed for the same promise to break.

use super::{
    invariants::Invariant,
    run::run,
    scenario::{Action, Scenario},
};

/// Runs that one shrinking may take.
const RUNS_MAX: usize = 600;

/// The smallest scenario found that still breaks the same promise as `scenario` does; itself when
/// it breaks none. What is seen must be of the same kind too, as one cause hides behind another.
pub fn shrink(scenario: &Scenario) -> Scenario {
    let Some(violation) = run(scenario).violation else {
        return scenario.clone();
    };
    let mut shrinker = Shrinker {
        kind: violation.kind(),
        best: scenario.clone(),
        runs: 0,
    };
    // Nothing after the break is needed, but for what is seen only in the quiet.
    let mut cut = scenario.clone();
    cut.actions.retain(|timed| timed.at_ms <= violation.at_ms);
    shrinker.try_this(cut);
    loop {
        let before = shrinker.best.clone();
        shrinker.drop_actions();
        shrinker.drop_hosts();
        shrinker.calm();
        if shrinker.best == before || shrinker.runs >= RUNS_MAX {
            return shrinker.best;
        }
    }
}

struct Shrinker {
    kind: (Invariant, String),
    best: Scenario,
    runs: usize,
}

impl Shrinker {
    /// Keeps `scenario` if it breaks the same promise.
    fn try_this(&mut self, scenario: Scenario) -> bool {
        if scenario == self.best || self.runs >= RUNS_MAX {
            return false;
        }
        self.runs += 1;
        let fails = run(&scenario)
            .violation
            .is_some_and(|it| it.kind() == self.kind);
        if fails {
            self.best = scenario;
        }
        fails
    }

    /// Leaves out actions: halves first, then smaller parts, then one by one.
    fn drop_actions(&mut self) {
        let mut part = self.best.actions.len().div_ceil(2);
        while part > 0 {
            let mut from = 0;
            while from < self.best.actions.len() {
                let mut smaller = self.best.clone();
                let to = (from + part).min(smaller.actions.len());
                smaller.actions.drain(from..to);
                if !self.try_this(smaller) {
                    from += part;
                }
            }
            part /= 2;
        }
    }

    /// Leaves out hosts.
    fn drop_hosts(&mut self) {
        let mut part = self.best.hosts.len().div_ceil(2);
        while part > 0 {
            let mut from = 0;
            while from < self.best.hosts.len() {
                let mut smaller = self.best.clone();
                let to = (from + part).min(smaller.hosts.len());
                smaller.hosts.drain(from..to);
                if smaller.hosts.is_empty() || !self.try_this(smaller) {
                    from += part;
                }
            }
            part /= 2;
        }
        let users = self.best.actions.iter().filter_map(|it| match it.action {
            Action::Launch { user, .. } => Some(user + 1),
            _ => None,
        });
        let users = users.max().unwrap_or(1);
        let smaller = Scenario {
            users,
            ..self.best.clone()
        };
        self.try_this(smaller);
    }

    /// Takes troubles out one by one, and brokers.
    fn calm(&mut self) {
        for brokers in 1..self.best.brokers {
            let smaller = Scenario {
                brokers,
                ..self.best.clone()
            };
            if self.try_this(smaller) {
                break;
            }
        }
        let settings: [fn(&mut Scenario); 12] = [
            |it| it.chances.answer_lost = 0,
            |it| it.chances.event_ms = 0,
            |it| it.chances.event_twice = 0,
            |it| it.chances.report_lost = 0,
            |it| it.chances.report_twice = 0,
            |it| it.chances.report_ms = 5,
            |it| it.chances.dial_fails = 0,
            |it| it.chances.ticket_unused = 0,
            |it| it.chances.store_ms = 0,
            |it| it.chances.skew_ms = 0,
            |it| it.disconnected_timeout_s = 0,
            |it| it.session_timeout_s = 0,
        ];
        for setting in settings {
            let mut smaller = self.best.clone();
            setting(&mut smaller);
            self.try_this(smaller);
        }
    }
}
