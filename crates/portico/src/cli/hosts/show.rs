//! Hosts as people see them.

use std::fmt::Write as _;

use portico_model::printable;
use serde_json::Value;

use super::{decide::PART_DIGITS_MIN, humane, listed, ms_of, number_of, output, text_of};

/// Columns of the drawing of the last hour.
const HISTORY_COLUMNS: usize = 60;

/// `portico hosts list`.
pub(super) fn list(hosts: &Value, now_ms: i64) -> String {
    let hosts = hosts.as_array().map(Vec::as_slice).unwrap_or_default();
    if hosts.is_empty() {
        return "There is no host.\n".into();
    }
    let rows = hosts
        .iter()
        .map(|host| {
            vec![
                text_of(host, "id").to_owned(),
                text_of(host, "pool").to_owned(),
                text_of(host, "state").to_owned(),
                text_of(host, "mode").to_owned(),
                sessions(host),
                load(host),
                agent(host, now_ms),
                why_not(host).join("; "),
            ]
        })
        .collect();
    output::table(
        &[
            "name",
            "pool",
            "state",
            "mode",
            "sessions",
            "load",
            "agent",
            "takes nobody because",
        ],
        &["sessions", "load"],
        rows,
    )
}

/// What each host takes, after its mode was set.
pub(super) fn modes(hosts: &Value) -> String {
    let mut out = String::new();
    for host in hosts.as_array().into_iter().flatten() {
        let name = printable(text_of(host, "id")).into_owned();
        // Writing to a String cannot fail, here and below.
        let _ = match why_not(host).as_slice() {
            [] => writeln!(out, "{name}: takes new sessions."),
            reasons => writeln!(
                out,
                "{name}: takes no new session: {}. It has {} of {} sessions.",
                printable(&reasons.join("; ")),
                number_of(host, "sessions"),
                number_of(host, "sessions_max"),
            ),
        };
    }
    out
}

/// `portico hosts waiting`.
pub(super) fn waiting(waiting: &Value, now_ms: i64) -> String {
    let waiting = waiting.as_array().map(Vec::as_slice).unwrap_or_default();
    if waiting.is_empty() {
        return "Nothing waits for an operator.\n".into();
    }
    let mut out = String::new();
    for item in waiting {
        out.push_str(&waits(item, now_ms));
        let (host, seen) = (text_of(item, "host"), first_digits(item));
        let answer = match text_of(item, "kind") {
            "identity" => format!("`portico hosts trust {host}{seen}`"),
            _ => format!(
                "`portico hosts approve {host}{seen}` or `portico hosts reject {host}{seen}`"
            ),
        };
        let _ = writeln!(out, "  {:<11} {}", "answer", printable(&answer));
    }
    out
}

/// The option that says what was seen, with as much of it as is asked for.
fn first_digits(item: &Value) -> String {
    let digits = text_of(item, "fingerprint").get(..PART_DIGITS_MIN);
    digits.map_or_else(String::new, |digits| format!(" --fingerprint {digits}"))
}

/// One thing that waits, with what an operator compares.
pub(super) fn waits(item: &Value, now_ms: i64) -> String {
    let texts = |field: &str| {
        let texts = item.get(field).and_then(Value::as_array);
        let texts: Vec<&str> = texts
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        texts.join(", ")
    };
    let (what, of) = match text_of(item, "kind") {
        "identity" => (
            "its agent reports another identity than the accepted one",
            "of all that is offered",
        ),
        _ => ("a machine wants to be its agent", "of its key"),
    };
    let fingerprint = match text_of(item, "fingerprint") {
        "" => String::new(),
        fingerprint => format!("{fingerprint} ({of})"),
    };
    let ago = ms_of(item, "at_ms").map(|at| format!(" (since {})", humane::since(at, now_ms)));
    let mut out = format!(
        "{}: {what}{}\n",
        printable(text_of(item, "host")),
        ago.unwrap_or_default()
    );
    for (label, value) in [
        ("address", text_of(item, "address").to_owned()),
        ("software", text_of(item, "software").to_owned()),
        ("accepted", texts("accepted")),
        ("offered", texts("offered")),
        ("fingerprint", fingerprint),
    ] {
        if !value.is_empty() {
            let _ = writeln!(out, "  {label:<11} {}", printable(&value));
        }
    }
    out
}

/// `portico hosts show`: the host, its load over the last hour, and the sessions on it.
pub(super) fn one(host: &Value, history: &Value, sessions: &Value, now_ms: i64) -> String {
    let mut out = format!("{}  {}\n", text(host, "id"), text(host, "title"));
    for (label, value) in facts(host, now_ms) {
        let _ = writeln!(out, "  {label:<10} {}", printable(&value));
    }
    takes(&mut out, host);
    if let Some(load) = host.get("load") {
        draw_load(&mut out, load, now_ms);
    }
    draw_history(&mut out, history);
    if host.get("agent_state").is_some() {
        draw_sessions(&mut out, sessions);
    }
    out
}

fn text(object: &Value, field: &str) -> String {
    printable(text_of(object, field)).into_owned()
}

fn facts(host: &Value, now_ms: i64) -> Vec<(&'static str, String)> {
    let of = |field| text_of(host, field).to_owned();
    let since = ms_of(host, "since_ms")
        .map(|at| format!(" for {}", humane::since(at, now_ms)))
        .unwrap_or_default();
    let detail = match text_of(host, "detail") {
        "" => String::new(),
        detail => format!(": {detail}"),
    };
    let address = format!(
        "{}, port {} ({})",
        text_of(host, "address"),
        number_of(host, "port"),
        text_of(host, "protocol")
    );
    let mut facts = vec![
        ("pool", of("pool")),
        ("site", of("site")),
        ("address", address),
        ("state", format!("{}{since}{detail}", of("state"))),
        ("mode", mode(host, now_ms)),
        ("sessions", all_sessions(host)),
        ("weight", format!("{} %", number_of(host, "weight"))),
        ("identity", identity(host)),
        ("agent", whole_agent(host, now_ms)),
    ];
    if let Some(penalty) = host.get("penalty").filter(|penalty| penalty.is_object()) {
        let left = ms_of(penalty, "until_ms").and_then(|until| humane::until(until, now_ms));
        let failures = number_of(penalty, "failures");
        let left = left.unwrap_or_else(|| "0s".into());
        facts.push((
            "penalty",
            format!("comes last for {left}: {failures} launches failed in a row"),
        ));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn mode(host: &Value, now_ms: i64) -> String {
    let mut out = text_of(host, "mode").to_owned();
    let wanted = text_of(host, "wanted_mode");
    if !wanted.is_empty() {
        let _ = write!(out, " (estate: {wanted}");
        if let Some(set) = host.get("mode_set").filter(|set| set.is_object()) {
            let _ = write!(out, "; {} set {}", text_of(set, "by"), text_of(set, "mode"));
            if let Some(at) = ms_of(set, "at_ms") {
                let _ = write!(out, " {} ago", humane::since(at, now_ms));
            }
            if set.get("until_restart") == Some(&Value::Bool(true)) {
                out.push_str(", until its restart");
            }
            match text_of(set, "reason") {
                "" => {}
                reason => {
                    let _ = write!(out, ": {reason}");
                }
            }
        }
        out.push(')');
    }
    out
}

fn sessions(host: &Value) -> String {
    let (now, max) = (number_of(host, "sessions"), number_of(host, "sessions_max"));
    format!("{now}/{max}")
}

fn all_sessions(host: &Value) -> String {
    let mut out = format!(
        "{} of {}",
        number_of(host, "sessions"),
        number_of(host, "sessions_max")
    );
    match number_of(host, "sign_ins") {
        0 => {}
        sign_ins => {
            let _ = write!(out, ", {sign_ins} signing in");
        }
    }
    match number_of(host, "unmanaged_sessions") {
        0 => {}
        others => {
            let _ = write!(out, ", {others} not started by Portico");
        }
    }
    out
}

/// The load index in percent; nothing without a report.
fn load(host: &Value) -> String {
    let load = host.get("load").filter(|load| load.is_object());
    load.map(|load| humane::percent(number_of(load, "index")))
        .unwrap_or_default()
}

fn identity(host: &Value) -> String {
    let name = text_of(host, "id");
    match text_of(host, "identity") {
        "pinned" => "pinned in the estate".into(),
        "accepted" => "reported by its agent and accepted".into(),
        "changed" => format!(
            "its agent reports another one than was accepted: `portico hosts waiting`, then \
             `portico hosts trust {name}`"
        ),
        "none" => {
            format!("unknown: pins in the estate file, or `portico hosts trust {name}`")
        }
        other => other.to_owned(),
    }
}

/// The agent in a word or two.
fn agent(host: &Value, now_ms: i64) -> String {
    let Some(state) = host.get("agent_state").filter(|state| state.is_object()) else {
        return match text_of(host, "agent") {
            "none" => "not managed".into(),
            other => other.to_owned(),
        };
    };
    let since = ms_of(state, "since_ms").map(|at| humane::since(at, now_ms));
    match (text_of(state, "state"), since) {
        ("silent", Some(since)) => format!("silent {since}"),
        (word, _) => word.replace('-', " "),
    }
}

fn whole_agent(host: &Value, now_ms: i64) -> String {
    let mut parts = vec![agent(host, now_ms)];
    let Some(state) = host.get("agent_state").filter(|state| state.is_object()) else {
        return parts.concat();
    };
    let since = ms_of(state, "since_ms").map(|at| humane::since(at, now_ms));
    if let (Some(since), "connected") = (since, text_of(state, "state")) {
        parts.push(format!("for {since}"));
    }
    parts.push(text_of(state, "software").to_owned());
    parts.push(text_of(state, "system").to_owned());
    match number_of(state, "cpus") {
        0 => {}
        cpus => parts.push(format!("{cpus} processors")),
    }
    parts.push(match text_of(state, "link") {
        "dial" => "the agent dials".into(),
        "listen" => "the broker dials".into(),
        other => other.to_owned(),
    });
    if let Some(expires) = ms_of(state, "certificate_expires_ms") {
        parts.push(match humane::until(expires, now_ms) {
            Some(left) => format!("certificate good for {left}"),
            None => "certificate expired".into(),
        });
    }
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

fn why_not(host: &Value) -> Vec<String> {
    let takes = host.get("takes_new") != Some(&Value::Bool(false));
    let reasons = host.get("why_not").and_then(Value::as_array);
    let reasons: Vec<String> = reasons
        .into_iter()
        .flatten()
        .map(|reason| text_of(reason, "message").trim_end_matches('.').to_owned())
        .collect();
    match (takes, reasons.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) => vec!["the server does not say".into()],
        (false, false) => reasons,
    }
}

fn takes(out: &mut String, host: &Value) {
    if why_not(host).is_empty() {
        let _ = writeln!(out, "  {:<10} yes", "takes new");
        return;
    }
    let _ = writeln!(out, "  {:<10} no:", "takes new");
    for reason in host
        .get("why_not")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let _ = writeln!(out, "    - {}", text(reason, "message"));
        let step = text(reason, "next_step");
        if !step.is_empty() {
            let _ = writeln!(out, "      would change with: {step}");
        }
    }
}

fn draw_load(out: &mut String, load: &Value, now_ms: i64) {
    let ago = ms_of(load, "at_ms").map(|at| format!(", {} ago", humane::since(at, now_ms)));
    let index = humane::percent(number_of(load, "index"));
    let _ = writeln!(out, "\nLoad{}: index {index}", ago.unwrap_or_default());
    let mut bar = |label: &str, share: u32, more: &str| {
        let percent = humane::percent(share);
        let line = format!("  {label:<10} {} {percent:>5} {more}", humane::bar(share));
        let _ = writeln!(out, "{}", line.trim_end());
    };
    let total = load.get("memory_total_bytes").and_then(Value::as_u64);
    let total = total.map(|total| format!("of {}", humane::bytes(total)));
    bar("processor", number_of(load, "cpu"), "");
    bar(
        "memory",
        number_of(load, "memory"),
        &total.unwrap_or_default(),
    );
    // 100 % is one task for each processor, and there can be more.
    bar(
        "run queue",
        number_of(load, "run_queue"),
        "of the processors",
    );
    bar("disk wait", number_of(load, "disk_wait"), "");
    if let Some(pressure) = load.get("pressure").filter(|pressure| pressure.is_object()) {
        let share = |field| humane::percent(number_of(pressure, field));
        let _ = writeln!(
            out,
            "  {:<10} processor {}, memory {}, disks {} of the last 10s",
            "stalled",
            share("cpu"),
            share("memory"),
            share("io")
        );
    }
    let rate = |field| {
        let count = load.get(field).and_then(Value::as_u64).unwrap_or(0);
        format!("{}/s", humane::bytes(count))
    };
    let _ = writeln!(
        out,
        "  {:<10} {} in, {} out",
        "network",
        rate("received_bytes_s"),
        rate("sent_bytes_s")
    );
}

/// The last hour in [`HISTORY_COLUMNS`] columns, each the highest of its points.
fn draw_history(out: &mut String, history: &Value) {
    let points = history.get("points").and_then(Value::as_array);
    let points = points.map(Vec::as_slice).unwrap_or_default();
    if points.is_empty() {
        return;
    }
    let size = points.len().div_ceil(HISTORY_COLUMNS);
    let peaks = |field| -> Vec<u32> {
        points
            .chunks(size)
            .map(|chunk| chunk.iter().map(|p| number_of(p, field)).max().unwrap_or(0))
            .collect()
    };
    let period_s = u64::from(number_of(history, "period_s").max(1));
    let count = u64::try_from(points.len()).unwrap_or(u64::MAX);
    let span = humane::duration(period_s.saturating_mul(count));
    let _ = writeln!(out, "\nThe last {span}, oldest first");
    for (label, field) in [("processor", "cpu"), ("memory", "memory")] {
        let shares = peaks(field);
        let most = humane::percent(shares.iter().copied().max().unwrap_or(0));
        let _ = writeln!(
            out,
            "  {label:<10} {}  at most {most}",
            humane::columns(&shares)
        );
    }
    let counts = peaks("sessions");
    let most = counts.iter().copied().max().unwrap_or(0);
    let shares: Vec<u32> = counts
        .iter()
        .map(|count| count.saturating_mul(10_000) / most.max(1))
        .collect();
    let _ = writeln!(
        out,
        "  {:<10} {}  at most {most}",
        "sessions",
        humane::columns(&shares)
    );
}

fn draw_sessions(out: &mut String, sessions: &Value) {
    let Some(sessions) = sessions.as_array() else {
        return;
    };
    let _ = writeln!(out, "\nSessions that its agent sees");
    let columns = [
        listed::text("key"),
        listed::text("account"),
        listed::text("kind"),
        listed::text("display"),
        listed::text("state"),
        listed::span("age", "age_s"),
        listed::span("idle", "idle_s"),
        listed::text("session"),
    ];
    out.push_str(&listed::table(sessions, &columns, "None."));
}
