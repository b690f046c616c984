//! `portico doctor`: whether this node is ready, before it is installed and while it runs.
//!
//! Read [`Line`] (one thing that was looked at) and [`doctor`] first; each file below looks at one
//! thing. Nothing is made or changed: what is missing is said with the command that makes it.

mod certificates;
mod flows;
mod names;
mod network;
mod state;
#[cfg(test)]
mod tests;

use std::{fmt::Write, path::PathBuf, time::Duration};

use clap::Args;
use portico_model::{Timestamp, estate::Estate, printable};
use portico_net::{
    clock::{Clock, SystemClock},
    flows::CLI_PORTAL,
    unix,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Globals,
    client::{ApiClient, typed},
    credentials::Credentials,
    failure::Failure,
    ports::EstateArgs,
    server::Server,
    teach,
};
use crate::settings::{SETTINGS_FILE, Settings};

/// End of its help.
pub(crate) const HELP: &str = teach![
    "portico doctor                                 # as root, or as the user that Portico runs as",
    "portico doctor --settings new.toml -f estate.toml  # before the installation",
    "portico doctor -f estate.toml --host gw1       # with the flows that gw1 opens",
    "portico doctor -o json | jq '.lines[] | select(.state == \"failed\")'",
];

/// No clock of a machine that runs this is before 2026.
const CLOCK_MIN_MS: i64 = 1_767_225_600_000;
/// A wall clock that moves so much against the monotonic one while this runs was set, in
/// milliseconds.
const CLOCK_STEP_MS: i64 = 1_000;

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    estate: EstateArgs,

    /// The host of the estate that this machine is [default: those whose address it has].
    #[arg(long, value_name = "HOST")]
    host: Option<String>,

    /// Look only at this machine: no flow is checked.
    #[arg(long)]
    no_flows: bool,

    /// Seconds that the check of one flow may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
        value_parser = clap::value_parser!(u32).range(1..=300))]
    timeout: u32,
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Ok,
    Warning,
    Failed,
    /// It does not apply, or could not be looked at.
    Skipped,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    state: State,
    /// What it is about, in a word or two.
    about: &'static str,
    /// How it is, and why.
    what: String,
    /// What to do about it; there is one for everything that is not ok.
    next_step: Option<String>,
}

impl Line {
    fn ok(about: &'static str, what: impl Into<String>) -> Self {
        Self {
            state: State::Ok,
            about,
            what: what.into(),
            next_step: None,
        }
    }

    fn new(
        state: State,
        about: &'static str,
        what: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        Self {
            state,
            next_step: Some(next_step.into()),
            ..Self::ok(about, what)
        }
    }

    fn warning(about: &'static str, what: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(State::Warning, about, what, next_step)
    }

    fn failed(about: &'static str, what: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(State::Failed, about, what, next_step)
    }

    fn skipped(about: &'static str, what: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(State::Skipped, about, what, next_step)
    }
}

/// What the things to look at have in common.
struct Node {
    settings: Settings,
    /// Whether the server of these settings answers on its socket.
    is_running: bool,
    now: Timestamp,
}

/// Looks at everything.
pub(crate) async fn doctor(globals: &Globals, args: &DoctorArgs) -> Result<String, Failure> {
    let (wall, monotonic) = (SystemClock.now(), Instant::now());
    let mut lines = Vec::new();
    let mut estate = None;
    match read_settings(globals) {
        Ok((settings, line)) => {
            lines.push(line);
            let running = unix::dial(CLI_PORTAL, &settings.socket).await;
            let node = Node {
                settings,
                is_running: running.is_ok(),
                now: wall,
            };
            lines.push(server(&node));
            lines.extend(network::listeners(&node).await);
            lines.extend(names::names(&node).await);
            lines.extend(state::folder(&node));
            lines.extend(state::files(&node));
            lines.extend(certificates::of_portal(&node));
            lines.push(certificates::of_agents(&node));
            estate = stored_estate(&node).await;
            lines.push(sign_in(&node, estate.as_ref()));
            lines.push(pages());
        }
        Err(line) => lines.push(line),
    }
    let (flow_lines, skew) = flows::flows(args, estate).await;
    lines.extend(flow_lines);
    let waited = i64::try_from(monotonic.elapsed().as_millis()).unwrap_or(i64::MAX);
    let moved = SystemClock.now().unix_ms() - wall.unix_ms() - waited;
    lines.push(clock(wall, moved, &skew));
    conclude(globals, &lines)
}

fn read_settings(globals: &Globals) -> Result<(Settings, Line), Line> {
    const ABOUT: &str = "settings";
    let path = globals.settings.clone();
    let name = path.clone().unwrap_or_else(|| PathBuf::from(SETTINGS_FILE));
    let name = name.display().to_string();
    let mut settings = Settings::load(path.as_deref()).map_err(|error| {
        Line::failed(
            ABOUT,
            error.to_string().replace('\n', "; "),
            "mend the file, or name another one with --settings",
        )
    })?;
    if let Some(state) = &globals.state {
        settings.state_dir.clone_from(state);
        settings.socket = state.join("portico.sock");
        settings.engine_socket = state.join("engine.sock");
    }
    let line = match path.is_some() || std::path::Path::new(&name).exists() {
        true => Line::ok(ABOUT, format!("{name} is good")),
        false => Line::ok(ABOUT, format!("there is no {name}: the defaults hold")),
    };
    Ok((settings, line))
}

fn server(node: &Node) -> Line {
    const ABOUT: &str = "server";
    let socket = node.settings.socket.display();
    match (node.is_running, node.settings.socket.exists()) {
        (true, _) => Line::ok(ABOUT, format!("it answers on {socket}")),
        (false, true) => Line::warning(
            ABOUT,
            format!("nobody answers on {socket}, which is there"),
            "start it (`portico serve`) when it should run; run this as root or as the user that \
             Portico runs as",
        ),
        (false, false) => Line::ok(ABOUT, "it does not run: its ports have to be free"),
    }
}

fn pages() -> Line {
    match portico_portal::has_pages() {
        true => Line::ok("web pages", "they are built in"),
        false => Line::failed(
            "web pages",
            "this program has none: browsers would see an error",
            "install a release, or run `make web` and build again",
        ),
    }
}

/// The estate of the server when it runs, else of its store.
async fn stored_estate(node: &Node) -> Option<Estate> {
    if node.is_running {
        let server = Server::Socket(node.settings.socket.clone());
        let client = ApiClient::new(server, &Credentials::default());
        return typed(&client.get("/estate").await.ok()?).ok();
    }
    state::estate(node).await
}

/// Who can sign in.
fn sign_in(node: &Node, estate: Option<&Estate>) -> Line {
    const ABOUT: &str = "sign-in";
    let Some(estate) = estate else {
        return match state::is_made(node) {
            true => Line::skipped(
                ABOUT,
                "the estate cannot be read, so that nobody knows who may sign in",
                "run this as root or as the user that Portico runs as",
            ),
            false => Line::skipped(
                ABOUT,
                "there is no installation so far",
                "run `portico init`, which prints the link that makes the owner",
            ),
        };
    };
    if portico_portal::setup::is_needed(estate) {
        return Line::warning(
            ABOUT,
            "there is no owner: nobody can administer this Portico in a browser",
            "run `portico init` and open the link that it prints",
        );
    }
    Line::ok(
        ABOUT,
        format!(
            "local users are the source; there are {} with an owner among them",
            estate.users.len()
        ),
    )
}

/// The clock: sane, steady, and like those of the hosts that told theirs.
fn clock(now: Timestamp, moved_ms: i64, skew: &[flows::Skew]) -> Line {
    const ABOUT: &str = "clock";
    const NTP: &str = "set the clock by NTP (`timedatectl` or `chronyc tracking` shows it)";
    let time = super::listed::utc(now.unix_ms());
    if now.unix_ms() < CLOCK_MIN_MS {
        return Line::failed(ABOUT, format!("it says {time}, which is in the past"), NTP);
    }
    if moved_ms.abs() > CLOCK_STEP_MS {
        return Line::warning(
            ABOUT,
            format!("it was set by {moved_ms} ms while this ran"),
            "let only one service set the clock, slowly",
        );
    }
    let worst = skew.iter().max_by_key(|skew| skew.ahead_ms.abs());
    match worst {
        Some(skew) if skew.ahead_ms.abs() > flows::SKEW_MAX_MS => {
            let side = if skew.ahead_ms > 0 {
                "ahead of"
            } else {
                "behind"
            };
            Line::warning(
                ABOUT,
                format!(
                    "the clock of {} is {} s {side} this one",
                    skew.host,
                    skew.ahead_ms.abs() / 1000
                ),
                format!("see which of the two is wrong, and {NTP}"),
            )
        }
        Some(_) => Line::ok(
            ABOUT,
            format!("it says {time}, as {} other hosts do", skew.len()),
        ),
        None => Line::ok(ABOUT, format!("it says {time}, and runs steadily")),
    }
}

/// The lines as an answer; a failure among them makes a failure of it.
fn conclude(globals: &Globals, lines: &[Line]) -> Result<String, Failure> {
    let text = globals.output.show(&answer(lines), |_| Ok(page(lines)))?;
    let failed = count(lines, State::Failed);
    if failed == 0 {
        return Ok(text);
    }
    let what = match failed {
        1 => "1 thing is not ready".to_owned(),
        count => format!("{count} things are not ready"),
    };
    Err(Failure::new(what)
        .next_step("do what is written at each line that failed")
        .answer(text))
}

fn count(lines: &[Line], state: State) -> usize {
    lines.iter().filter(|line| line.state == state).count()
}

fn answer(lines: &[Line]) -> Value {
    let shown: Vec<Value> = lines
        .iter()
        .map(|line| {
            json!({
                "state": line.state.name(), "about": line.about, "what": line.what,
                "next_step": line.next_step,
            })
        })
        .collect();
    json!({
        "lines": shown, "ok": count(lines, State::Ok), "warnings": count(lines, State::Warning),
        "failed": count(lines, State::Failed), "skipped": count(lines, State::Skipped),
    })
}

fn page(lines: &[Line]) -> String {
    let wide = |text: &str| text.chars().count();
    let first = lines.iter().map(|line| wide(line.state.name())).max();
    let second = lines.iter().map(|line| wide(line.about)).max();
    let (first, second) = (first.unwrap_or(0), second.unwrap_or(0));
    let mut out = String::new();
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{:<first$}  {:<second$}  {}",
            line.state.name(),
            line.about,
            printable(&line.what)
        );
        if let Some(next_step) = &line.next_step {
            let indent = first + second + 4;
            let _ = writeln!(out, "{:indent$}next step: {}", "", printable(next_step));
        }
    }
    let _ = writeln!(
        out,
        "\n{} ok, {} to look at, {} failed, {} skipped.",
        count(lines, State::Ok),
        count(lines, State::Warning),
        count(lines, State::Failed),
        count(lines, State::Skipped)
    );
    out
}

impl DoctorArgs {
    fn whole(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}
