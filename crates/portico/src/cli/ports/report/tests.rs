use std::time::Duration;

use expect_test::expect_file;
use portico_catalogue::plan::{self, FlowPlan};
use portico_model::Timestamp;
use portico_net::tls::{CertificateSeen, TlsFault};
use portico_probe::check::{Outcome, Targets, targets};

use super::*;
use crate::cli::output::Format;

const NOW: i64 = 1_795_953_600_000;

/// Hosts with terminals: an engine that opens SSH, RDP and more to each of `count` hosts.
fn planned(count: usize) -> FlowPlan {
    let mut estate = r#"version = 1
[[zones]]
id = "inner"
title = "Inner"
networks = ["192.0.2.0/24", "10.0.0.0/8"]
[[hosts]]
id = "edge"
roles = ["portico.gateway", "portico.engine"]
address = "192.0.2.1"
"#
    .to_owned();
    for place in 0..count {
        let (high, low) = (place / 250, place % 250 + 1);
        let _ = write!(
            estate,
            "[[hosts]]\nid = \"host{place}\"\nroles = [\"portico.session-host\"]\n\
             address = \"10.0.{high}.{low}\"\nzone = \"inner\"\n"
        );
    }
    let draft = portico_estate::parse("estate.toml", &estate).unwrap();
    let deployment = portico_estate::deployment(&draft.estate);
    plan::plan(Catalogue::portico(), &deployment)
}

fn outcome(verdict: Verdict, evidence: &str) -> Outcome {
    Outcome {
        verdict,
        evidence: evidence.into(),
        next_step: (verdict != Verdict::Proven).then(|| "mend it".into()),
        took: Duration::from_millis(12),
        address: None,
        clue: None,
        tls: None,
        clock_ahead_ms: None,
    }
}

fn seen(subject: &str) -> TlsSurvey {
    TlsSurvey {
        version: "TLS 1.3".into(),
        findings: vec!["the certificate has expired".into()],
        faults: vec![TlsFault::Expired],
        chain: vec![CertificateSeen {
            subject: subject.into(),
            issuer: "CN=Own CA".into(),
            names: (0..NAMES_MAX + 2)
                .map(|n| format!("n{n}.example"))
                .collect(),
            not_before: Timestamp::from_unix_ms(NOW - 86_400_000),
            not_after: Timestamp::from_unix_ms(NOW - 1000),
            sha256: "ab12".into(),
        }],
    }
}

/// What is shown of a check whose targets have the outcomes that `of` gives to them.
fn shown(
    plan: &FlowPlan,
    format: Format,
    estate: &str,
    of: impl Fn(usize) -> Outcome,
) -> Result<String, String> {
    let Targets { targets, flows } = targets(plan, None);
    let outcomes: Vec<Outcome> = (0..targets.len()).map(of).collect();
    let checked = Checked {
        plan,
        targets: &targets,
        flows: &flows,
        outcomes: &outcomes,
        accepted: &[Verdict::Proven],
        run: &Run {
            estate: estate.into(),
            machine: "edge".into(),
            at_ms: NOW,
        },
    };
    checked
        .show(format)
        .map_err(|failure| failure.answer.unwrap_or_default())
}

fn either(shown: Result<String, String>) -> String {
    shown.unwrap_or_else(|answer| answer)
}

/// Every element that begins also ends, in order.
fn is_balanced(html: &str) {
    const ALONE: &[&str] = &["!DOCTYPE", "meta", "rect"];
    let mut open: Vec<&str> = Vec::new();
    for piece in html.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').expect("no < stands alone");
        let name = tag.split([' ', '\n', '/']).find(|name| !name.is_empty());
        let name = name.expect("an element has a name");
        if let Some(ended) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(ended), "{piece}");
        } else if !tag.ends_with('/') && !ALONE.contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// Without what is the same in all reports, and without the picture.
fn words(html: &str) -> String {
    let (_, body) = html.split_once("</style>").unwrap();
    let mut out = String::new();
    for piece in body.split("<svg") {
        let rest = piece.split_once("</svg>").map_or(piece, |(_, rest)| rest);
        out.push_str(rest);
    }
    out
}

#[test]
fn every_verdict_is_shown_worst_first_with_its_sign() {
    let plan = planned(6);
    let html = either(shown(&plan, Format::Html, "estate.toml", |place| {
        let verdict = Verdict::ALL[place % Verdict::ALL.len()];
        let mut outcome = outcome(verdict, "what was seen");
        if place == 0 {
            outcome.tls = Some(seen("CN=host0"));
        }
        outcome
    }));
    is_balanced(&html);
    let mut at = 0;
    for verdict in WORST_FIRST {
        let tile = format!("<span class=\"word\">{}</span></span></li>", verdict.name());
        let found = html[at..]
            .find(&tile)
            .unwrap_or_else(|| panic!("{verdict:?}"));
        at += found;
        // No two verdicts look the same without colours.
        let same = WORST_FIRST
            .iter()
            .filter(|other| look(**other).1 == look(verdict).1);
        assert_eq!(same.count(), 1, "{verdict:?}");
    }
    for link in html.split("href=\"#").skip(1) {
        let (anchor, _) = link.split_once('"').unwrap();
        assert_eq!(
            html.matches(&format!("id=\"{anchor}\"")).count(),
            1,
            "{anchor}"
        );
    }
    expect_file!["../../golden/report.txt"].assert_eq(&words(&html));
}

#[test]
fn the_file_needs_nothing_else_and_runs_nothing() {
    let html = either(shown(&planned(3), Format::Html, "e", |_| {
        outcome(Verdict::Proven, "SSH-2.0-x")
    }));
    is_balanced(&html);
    let html = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for foreign in [
        "http://", "https://", "url(", "@import", "src=", "<script", "<link", "<object", "<iframe",
    ] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("All 9 required flows are good."), "{html}");
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn what_servers_and_estates_say_is_text_and_nothing_else() {
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[31m<script>alert(1)</script>\"'><img src=x \
                   onerror=alert(1)>\u{202e}&lt;\r\n";
    let plan = planned(1);
    let of = |_| {
        let mut outcome = outcome(Verdict::WrongService, hostile);
        outcome.next_step = Some(hostile.into());
        let mut survey = seen(hostile);
        survey.findings = vec![hostile.into()];
        survey.version = hostile.into();
        survey.chain[0].issuer = hostile.into();
        survey.chain[0].names = vec![hostile.into()];
        survey.chain[0].sha256 = hostile.into();
        outcome.tls = Some(survey);
        outcome
    };
    let html = either(shown(&plan, Format::Html, hostile, of));
    is_balanced(&html);
    assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    for harm in [
        "<script", "<img", "'><", "\u{1b}", "\u{7}", "\u{202e}", "\r",
    ] {
        assert!(!html.contains(harm), "{harm:?} in {html}");
    }
    let page = either(shown(&plan, Format::Table, hostile, of));
    assert!(page.contains("<script>alert(1)</script>"), "{page}");
    for harm in ["\u{1b}", "\u{7}", "\u{202e}", "\r"] {
        assert!(!page.contains(harm), "{harm:?} in {page}");
    }
}

#[test]
fn lines_of_the_picture_have_the_worst_verdict_of_their_flows() {
    let plan = planned(1);
    let html = either(shown(&plan, Format::Html, "e", |place| match place {
        0 => outcome(Verdict::Refused, "no"),
        _ => outcome(Verdict::Proven, "yes"),
    }));
    assert!(html.contains("class=\"bundle tone-bad\""), "{html}");
    // One target is for two of the three flows.
    let words = ["1 refused, 2 proven: ", "2 refused, 1 proven: "];
    assert!(words.iter().any(|words| html.contains(words)), "{html}");
    let html = either(shown(&plan, Format::Html, "e", |_| {
        outcome(Verdict::Proven, "yes")
    }));
    assert!(!html.contains("class=\"bundle tone-bad\""), "{html}");
    assert!(html.contains("class=\"bundle tone-good\""), "{html}");
}

#[test]
fn of_very_many_flows_the_worst_are_listed_and_the_rest_counted() {
    let plan = planned(4_000);
    let bad_targets = 7_600..8_000;
    let html = either(shown(
        &plan,
        Format::Html,
        "large",
        |place| match bad_targets.contains(&place) {
            true => outcome(Verdict::Refused, "no"),
            false => outcome(Verdict::Proven, "yes"),
        },
    ));
    is_balanced(&html);
    let count = |part: &str| html.matches(part).count();
    assert_eq!(count("<li class=\"flow "), LISTED_MAX);
    let bad = count("<li class=\"flow tone-bad\"");
    assert!(bad >= bad_targets.len(), "{bad}");
    assert!(html.contains(&format!("{bad} of 12000 required flows are not proven")));
    let left_out = 12_000 - LISTED_MAX;
    let said = format!("{left_out} more flows are left out here ({left_out} proven)");
    assert!(html.contains(&said));
    assert!(html.contains(&format!(
        "{} more are in the sections below",
        bad - TODO_MAX
    )));
    assert!(html.len() < 8 << 20, "{} bytes", html.len());
    let rows = html.split("<tbody>").nth(1).unwrap();
    let columns = rows.split("</tr>").next().unwrap().matches("<td").count();
    assert_eq!(columns, MATRIX_MAX);
}
