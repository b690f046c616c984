//! `portico hosts trust`, `approve` and `reject`: an answer to what waits, about what was seen.
//!
//! What was seen is given as a fingerprint, or shown and confirmed on a terminal. Either way the
//! server is told the whole fingerprint, and does nothing when something else waits by then.

use clap::Args;
use portico_model::HostId;
use portico_net::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{Names, at, one, show, text_of};
use crate::cli::{client::ApiClient, failure::Failure, sign_in::Ask};

/// Fewest hexadecimal digits of a fingerprint that are taken: nobody makes another key with the
/// same 64 bits while an operator looks.
pub(super) const PART_DIGITS_MIN: usize = 16;
/// Digits of a whole one.
const DIGITS: usize = 64;

/// Which hosts, and what was seen of them.
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    /// Which hosts.
    #[command(flatten)]
    pub(super) names: Names,
    /// What you looked at: the fingerprint that `portico hosts waiting` shows, or at least its
    /// first 16 digits; once for each host. Without it a terminal shows what waits and asks.
    #[arg(long = "fingerprint", value_name = "HEX", value_parser = part)]
    pub(super) fingerprints: Vec<String>,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Trust,
    Approve,
    Reject,
}

impl Decision {
    /// The word of the command, and of the API.
    fn act(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }

    /// Kind of what waits, as the API names it.
    fn kind(self) -> &'static str {
        match self {
            Self::Trust => "identity",
            Self::Approve | Self::Reject => "join",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Trust => "its identities are accepted",
            Self::Approve => "approved; its agent comes within seconds",
            Self::Reject => "turned away",
        }
    }

    fn question(self) -> &'static str {
        match self {
            Self::Trust => "Does the host itself show what is offered? Accept it? (yes/no) ",
            Self::Approve => "Does the agent on the host show this key? Approve it? (yes/no) ",
            Self::Reject => "Turn it away? (yes/no) ",
        }
    }
}

/// Reads a fingerprint or the first digits of one.
fn part(text: &str) -> Result<String, String> {
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    let digits: String = text
        .chars()
        .filter(|c| !matches!(c, ':' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let is_part = (PART_DIGITS_MIN..=DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_part.then_some(digits).ok_or_else(|| {
        format!("give the {DIGITS} hexadecimal digits that are shown, or the first {PART_DIGITS_MIN} or more of them")
    })
}

/// Answers what waits at each host. Nothing is sent before all that is named was found.
pub(super) async fn decide(
    client: &ApiClient,
    decision: Decision,
    args: &DecideArgs,
    person: &mut impl Ask,
) -> Result<Vec<Value>, Failure> {
    let names = &args.names.names;
    let mut answers = Vec::new();
    if decision == Decision::Reject && args.fingerprints.is_empty() {
        // Nobody gets a right by it, so it need not be said which machine is meant.
        return super::each(client, names, decision.act(), &json!({}), decision.done()).await;
    }
    let waiting = client.get("/agents/waiting").await?;
    let waiting = waiting.as_array().map(Vec::as_slice).unwrap_or_default();
    let found = found(decision, names, waiting)?;
    all_are_meant(decision, &found, &args.fingerprints)?;
    for (name, item) in found {
        if args.fingerprints.is_empty() {
            confirmed(decision, name, item, person)
                .map_err(|failure| at(name, &answers, failure))?;
        }
        let body = json!({ "fingerprint": text_of(item, "fingerprint") });
        let answer = one(client, name, decision.act(), &body, decision.done()).await;
        answers.push(answer.map_err(|failure| at(name, &answers, failure))?);
    }
    Ok(answers)
}

/// A host, and what waits there.
type Found<'a> = (&'a HostId, &'a Value);

fn found<'a>(
    decision: Decision,
    names: &'a [HostId],
    waiting: &'a [Value],
) -> Result<Vec<Found<'a>>, Failure> {
    let of = |name: &'a HostId| {
        let item = waiting.iter().find(|item| {
            text_of(item, "host") == name.as_str() && text_of(item, "kind") == decision.kind()
        });
        item.map(|item| (name, item)).ok_or_else(|| {
            let failure = Failure::new("nothing waits there that this could answer")
                .next_step("see what waits: `portico hosts waiting`");
            at(name, &[], failure)
        })
    };
    names.iter().map(of).collect()
}

/// Whether what was given as seen, if anything was, is what waits: each of it at one host.
fn all_are_meant(decision: Decision, found: &[Found<'_>], parts: &[String]) -> Result<(), Failure> {
    if parts.is_empty() {
        return Ok(());
    }
    let look = format!(
        "look at what waits with `portico hosts waiting`, compare it with the host itself, and {} that",
        decision.act()
    );
    for (name, item) in found {
        let waits = text_of(item, "fingerprint");
        if !parts.iter().any(|part| waits.starts_with(part.as_str())) {
            let failure = Failure::new("something else waits than what you name")
                .reason(format!("{waits} waits, and you name {}", parts.join(", ")))
                .next_step(&look);
            return Err(at(name, &[], failure));
        }
    }
    for part in parts {
        let meant = found
            .iter()
            .filter(|(_, item)| text_of(item, "fingerprint").starts_with(part.as_str()));
        let what = match meant.count() {
            1 => continue,
            0 => "waits at none of the hosts",
            _ => "is the beginning of more than one that waits; give more digits",
        };
        return Err(Failure::new(format!("{part} {what}")).next_step(&look));
    }
    Ok(())
}

/// Shows what waits, and has a person say that it is right.
fn confirmed(
    decision: Decision,
    name: &HostId,
    item: &Value,
    person: &mut impl Ask,
) -> Result<(), Failure> {
    let shown = show::waits(item, SystemClock.now().unix_ms());
    let with = format!(
        "compare what `portico hosts waiting` shows with the host itself, then `portico hosts {} {name} --fingerprint {}`",
        decision.act(),
        text_of(item, "fingerprint")
    );
    match person.ask(&format!("{shown}{}", decision.question())) {
        Ok(answer) if answer.trim().eq_ignore_ascii_case("yes") => Ok(()),
        Ok(_) => Err(Failure::new("nothing was done").reason("you did not say yes")),
        Err(nobody) => Err(Failure::new("it was not said what you looked at")
            .reason(nobody.reason.unwrap_or(nobody.what))
            .next_step(with)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_taken_as_people_copy_it_and_not_too_short() {
        let whole = "5f0c2a9be1d47738".repeat(4);
        let colons: Vec<String> = whole
            .as_bytes()
            .chunks(2)
            .map(|two| String::from_utf8_lossy(two).to_uppercase())
            .collect();
        for text in [
            whole.clone(),
            whole.to_uppercase(),
            format!("sha256:{whole}"),
            colons.join(":"),
        ] {
            assert_eq!(part(&text), Ok(whole.clone()), "{text}");
        }
        assert_eq!(part("5f0c 2a9b e1d4 7738").unwrap(), "5f0c2a9be1d47738");
        for wrong in [
            "",
            "5f0c2a9be1d4773",
            "5f0c2a9be1d4773g",
            &format!("{whole}0"),
        ] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }
}
