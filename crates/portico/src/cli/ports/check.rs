//! `portico ports check`.

use std::{
    io::{self, IsTerminal, Write},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use clap::{Args, builder::PossibleValuesParser};
use portico_catalogue::{
    Catalogue,
    plan::{self, FlowPlan},
};
use portico_net::clock::SystemClock;
use portico_probe::check::{
    CheckedFlow, Limits, Means, Outcome, Pace, Secrets, Target, Targets, Verdict, targets, walk,
};

use super::{
    EstateArgs, Source,
    checked::{Checked, dry},
    plan::place,
    report::Run,
    secrets::SecretArgs,
    watch,
};
use crate::cli::{Globals, failure::Failure, humane};

/// Targets that are checked in one run.
const TARGETS_MAX: usize = 100_000;

/// What to check, and how hard.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    estate: EstateArgs,

    /// Only what this host opens: it should be the machine that the command runs on [default: all].
    #[arg(long, value_name = "HOST")]
    from: Vec<String>,

    /// Show what would be checked and send nothing.
    #[arg(long)]
    dry_run: bool,

    /// Verdicts that are good enough beside "proven", separated by commas.
    #[arg(long, value_name = "VERDICTS", value_delimiter = ',',
        value_parser = PossibleValuesParser::new(Verdict::ALL.iter().map(|verdict| verdict.slug())))]
    accept: Vec<String>,

    /// Checks that run at the same time.
    #[arg(long, value_name = "N", default_value_t = Pace::PARALLEL,
        value_parser = clap::value_parser!(u32).range(1..=1024))]
    parallel: u32,

    /// Checks that begin within a second, at most.
    #[arg(long, value_name = "N", default_value_t = Pace::PER_SECOND,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,

    /// Seconds that one check may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=300))]
    timeout: u32,

    #[command(flatten)]
    secrets: SecretArgs,

    /// Check again and again, gently, and tell each change of a verdict, until Ctrl-C.
    ///
    /// The checks of a round are spread evenly over its time. With -o json each change is an object
    /// on a line of its own.
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,

    /// Time of a round of --watch.
    #[arg(long, value_name = "DURATION", default_value = "60s", requires = "watch",
        value_parser = every)]
    every: u32,
}

/// Shortest round of a watch, in seconds: less is no gentle rate.
const EVERY_MIN_S: u32 = 5;

fn every(text: &str) -> Result<u32, String> {
    match humane::duration_s(text)? {
        short if short < EVERY_MIN_S => Err(format!("give {EVERY_MIN_S}s or more")),
        seconds => Ok(seconds),
    }
}

impl CheckArgs {
    fn every(&self) -> Duration {
        Duration::from_secs(self.every.into())
    }
}

/// What is to be checked, and how.
pub(super) struct Prepared {
    pub(super) plan: FlowPlan,
    pub(super) targets: Vec<Target>,
    pub(super) flows: Vec<CheckedFlow>,
    pub(super) accepted: Vec<Verdict>,
    /// Name of the estate.
    pub(super) estate: String,
    /// The host that this machine is, when it was told.
    pub(super) vantage: String,
    pub(super) means: Means,
    pub(super) pace: Pace,
}

/// Checks an estate.
pub(crate) async fn check(globals: &Globals, args: &CheckArgs) -> Result<String, Failure> {
    let prepared = prepare(globals, args).await?;
    if args.dry_run {
        let Prepared {
            plan,
            targets,
            flows,
            ..
        } = &prepared;
        return dry(globals.output, plan, targets, flows);
    }
    if args.watch {
        return watch::watch(globals.output, prepared, args.every()).await;
    }
    let outcomes = run(&prepared).await;
    prepared.checked(&outcomes, |checked| checked.show(globals.output))
}

async fn prepare(globals: &Globals, args: &CheckArgs) -> Result<Prepared, Failure> {
    let source = Source::read(globals, &args.estate).await?;
    let plan = plan::plan(Catalogue::portico(), &source.deployment);
    let mut from = Vec::new();
    for id in &args.from {
        from.push(place(&plan, id, &source.name)?);
    }
    let Targets { targets, flows } = targets(&plan, (!from.is_empty()).then_some(from.as_slice()));
    if targets.len() > TARGETS_MAX {
        return Err(
            Failure::new(format!("There are {} things to check", targets.len()))
                .reason(format!("one run checks {TARGETS_MAX} at most"))
                .next_step("check the flows of one host at a time with --from HOST"),
        );
    }
    let accepted = Verdict::ALL
        .iter()
        .copied()
        .filter(|verdict| {
            *verdict == Verdict::Proven || args.accept.iter().any(|slug| slug == verdict.slug())
        })
        .collect();
    // What sends nothing needs none.
    let secrets = match args.dry_run {
        true => Secrets::default(),
        false => args.secrets.read()?,
    };
    let at_least = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Ok(Prepared {
        plan,
        targets,
        flows,
        accepted,
        estate: source.name,
        vantage: match args.from.as_slice() {
            [only] => only.clone(),
            _ => String::new(),
        },
        means: means(Duration::from_secs(args.timeout.into()))?.with_secrets(secrets),
        pace: Pace {
            parallel: at_least(args.parallel),
            per_second: at_least(args.rate),
        },
    })
}

/// The means of this machine, for checks that may take `whole`.
pub(crate) fn means(whole: Duration) -> Result<Means, Failure> {
    let usual = Limits::default();
    let limits = Limits {
        connect: usual.connect.min(whole),
        first_byte: usual.first_byte.min(whole),
        whole,
    };
    Means::of_machine(limits, Arc::new(SystemClock)).map_err(|error| {
        Failure::new("The certificate authorities of this machine cannot be read")
            .reason(error)
            .next_step("mend the file; ca-certificates brings it on Debian")
    })
}

impl Prepared {
    /// Shows what came of it.
    pub(super) fn checked<T>(
        &self,
        outcomes: &[Outcome],
        show: impl FnOnce(&Checked<'_>) -> T,
    ) -> T {
        show(&Checked {
            plan: &self.plan,
            targets: &self.targets,
            flows: &self.flows,
            outcomes,
            accepted: &self.accepted,
            run: &Run {
                estate: self.estate.clone(),
                machine: machine(),
                at_ms: self.means.clock.now().unix_ms(),
            },
        })
    }
}

/// Name of this machine, for whoever reads the report elsewhere.
pub(super) fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this machine".to_owned(),
        name => name.to_owned(),
    }
}

async fn run(prepared: &Prepared) -> Vec<Outcome> {
    let Prepared {
        targets,
        means,
        pace,
        ..
    } = prepared;
    let mut bar = Bar::new(targets.len(), io::stderr().is_terminal());
    let outcomes = walk(targets, means, *pace, |_, outcome| bar.step(outcome)).await;
    bar.end();
    outcomes
}

/// A line on standard error that is written over and over; none where nobody looks.
struct Bar {
    all: usize,
    done: usize,
    proven: usize,
    is_shown: bool,
}

impl Bar {
    /// Width of the bar itself.
    const WIDTH: usize = 30;

    fn new(all: usize, is_shown: bool) -> Self {
        Self {
            all,
            done: 0,
            proven: 0,
            is_shown,
        }
    }

    fn step(&mut self, outcome: &Outcome) {
        self.done += 1;
        self.proven += usize::from(outcome.verdict == Verdict::Proven);
        if self.is_shown {
            // Nothing depends on the bar.
            let _ = write!(io::stderr(), "\r{}", self.text());
        }
    }

    fn text(&self) -> String {
        let full = Self::WIDTH * self.done / self.all.max(1);
        format!(
            "[{}{}] {} of {}, {} proven",
            "#".repeat(full),
            " ".repeat(Self::WIDTH - full),
            self.done,
            self.all,
            self.proven
        )
    }

    fn end(&self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r{}\r", " ".repeat(self.text().len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_to_its_width_and_not_over_it() {
        let mut bar = Bar::new(3, false);
        assert_eq!(bar.text(), format!("[{}] 0 of 3, 0 proven", " ".repeat(30)));
        bar.done = 3;
        bar.proven = 2;
        assert_eq!(bar.text(), format!("[{}] 3 of 3, 2 proven", "#".repeat(30)));
        assert!(Bar::new(0, false).text().contains("0 of 0"));
    }
}
