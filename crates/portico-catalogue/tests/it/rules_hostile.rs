//! Names are hostile: whatever they hold, the rules are those of harmless names.
//!
//! Each format is read by a small reader of its own that keeps what the tool would act on and leaves
//! the insides of comments and strings out.

use std::collections::BTreeSet;

use portico_catalogue::{
    plan::FlowPlan,
    rules::{Format, GapRule, Options, OutboundRule, write},
};
use proptest::prelude::*;
use serde_json::Value;

use crate::rules_plans::{flow, plan};

const OPTIONS: Options = Options {
    outbound: OutboundRule::Planned,
    gaps: GapRule::Note,
};

/// Texts that mean something to one tool or another.
pub(crate) const HOSTILE: &[&str] = &[
    "\"; drop; \"",
    "' ; Remove-Item C:\\ ; '",
    "\u{2018}; calc; \u{2019}",
    "a\nb\r\n*filter\n-P INPUT ACCEPT",
    "$(reboot) `reboot` ${var.secret} %{ for x in y }",
    "*/ ]]> --> <script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "@SUM(1)\t+1-2",
    "| a | b\\",
    "\u{202e}txt.exe\u{2066}\u{200b}",
    "\u{1b}[2J\u{0}\u{7f}\u{85}\u{2028}",
    "Büro 大阪 Ω",
    "<#block#> #> # @' '@ \\",
    "[link](javascript:x) www.example.org http://example.org a@example.org",
    "",
];

/// Two rules with several flows each, in and out; names at every place that has one.
fn named(id: &str, title: &str, flow_id: &str, purpose: &str) -> FlowPlan {
    let hosts: &[(&str, &[&str])] = &[
        ("peer", &["10.0.0.1", "10.0.1.1", "2001:db8::1"]),
        ("self", &["10.0.0.2", "2001:db8::2"]),
    ];
    let flows = [
        ("t.a", "tcp 80-90", "peer", "self"),
        ("t.b", "tcp 91", "peer", "self"),
        ("t.c", "udp 53", "self", "peer"),
    ];
    let mut plan = plan(hosts, &flows);
    plan.hosts[1].id = id.to_owned();
    for host in &mut plan.hosts {
        host.title = title.to_owned();
    }
    for (number, planned) in plan.flows.iter_mut().enumerate() {
        let id = format!("{flow_id}{number}");
        planned.flow = Box::leak(Box::new(flow(&id, purpose)));
    }
    plan.gaps.push(portico_catalogue::plan::Gap {
        kind: portico_catalogue::plan::GapKind::Port,
        hosts: vec![id.to_owned()],
        flow: flow_id.to_owned(),
        reason: title.to_owned(),
        next_step: purpose.to_owned(),
    });
    plan
}

fn texts(format: Format, plan: &FlowPlan) -> Vec<String> {
    let files = write(format, plan, None, &OPTIONS).unwrap();
    let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names.len(), files.len());
    for name in names {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        assert!(
            name.chars().all(plain) && !name.starts_with(['.', '-']),
            "{name}"
        );
    }
    files.into_iter().map(|file| file.text).collect()
}

fn check(id: &str, title: &str, flow_id: &str, purpose: &str) {
    let hostile = named(id, title, flow_id, purpose);
    let tame = named("self", "Title", "t.x", "Purpose");
    for format in Format::ALL {
        let pairs = texts(format, &hostile)
            .into_iter()
            .zip(texts(format, &tame));
        for (hostile, tame) in pairs {
            assert_eq!(
                skeleton(format, &hostile),
                skeleton(format, &tame),
                "{hostile}"
            );
            let seen = |c: char| !c.is_control() || "\n\r\t".contains(c);
            assert!(hostile.chars().all(seen), "{hostile:?}");
            let turns = ['\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}'];
            assert!(!hostile.contains(turns), "{hostile:?}");
        }
    }
}

/// What a tool acts on.
fn skeleton(format: Format, text: &str) -> Vec<String> {
    match format {
        Format::Nftables => quoted(text, &['"'], 128),
        Format::Iptables => quoted(text, &['"'], 255),
        // PowerShell takes typographic quotes for quotes.
        Format::Windows => quoted(
            text,
            &[
                '\'', '"', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}', '\u{201c}', '\u{201d}',
                '\u{201e}',
            ],
            300,
        ),
        Format::TerraformAws | Format::TerraformAzure | Format::Kubernetes => {
            vec![json(&serde_json::from_str(text).unwrap(), format)]
        }
        Format::Csv => csv(text),
        Format::Markdown => markdown(text),
        Format::Html => html(text),
    }
}

/// Lines without comments; strings become `S`, and none has anything in it that ends it early, is
/// expanded, or is too long.
fn quoted(text: &str, quotes: &[char], len_max: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let (mut kept, mut inside) = (String::new(), None::<(char, String)>);
        for c in line.chars() {
            match &mut inside {
                None if quotes.contains(&c) => inside = Some((c, String::new())),
                None => kept.push(c),
                Some((open, string)) if c == *open => {
                    assert!(string.len() <= len_max, "{string}");
                    let addressed = !string.is_empty()
                        && string
                            .chars()
                            .all(|c| c.is_ascii_hexdigit() || ".:/-".contains(c));
                    kept.push_str(if addressed { string } else { "S" });
                    inside = None;
                }
                Some((_, string)) => {
                    assert!(!quotes.contains(&c) && !"\\`$".contains(c), "{line}");
                    string.push(c);
                }
            }
        }
        assert!(inside.is_none(), "{line}");
        assert!(kept.is_ascii(), "{line}");
        lines.push(kept);
    }
    lines
}

/// Values without those that are text; keys are left out, because names are in some of them. Sorted,
/// because keys are. Terraform's templates are only those of the format.
fn json(value: &Value, format: Format) -> String {
    match value {
        Value::Object(fields) => {
            let mut kept: Vec<String> = fields
                .iter()
                .filter(|(key, value)| !is_text(key, value, format))
                .map(|(_, value)| json(value, format))
                .collect();
            kept.sort_unstable();
            format!("{{{}}}", kept.join(","))
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| json(item, format));
            items.collect::<Vec<String>>().join(",")
        }
        Value::String(text) if text.starts_with("${") => {
            let inner = text.strip_prefix("${").unwrap().strip_suffix('}').unwrap();
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            assert!(inner.chars().all(plain), "{inner}");
            "template".to_owned()
        }
        other => other.to_string(),
    }
}

fn is_text(key: &str, value: &Value, format: Format) -> bool {
    let Some(text) = value.as_str() else {
        return false;
    };
    if ["name", "portico-host"].contains(&key) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let len_max = match format {
            Format::TerraformAws => 255,
            Format::TerraformAzure => 80,
            // A label may have 63 characters; its policy has `portico-` before it.
            _ => 63 + 8,
        };
        assert!(text.chars().all(plain) && text.len() <= len_max, "{text}");
        return true;
    }
    if key == "description" {
        let len_max = match format {
            Format::TerraformAws => 255,
            _ => 140,
        };
        assert!(text.len() <= len_max && !text.contains('\n'), "{text}");
    } else if key != "//" && !key.starts_with("portico/") {
        return false;
    }
    if format != Format::Kubernetes {
        let template = text.replace("$${", "").replace("%%{", "");
        assert!(
            !template.contains("${") && !template.contains("%{"),
            "{text}"
        );
    }
    true
}

/// Number of cells and the ones that are no text, line by line.
fn csv(text: &str) -> Vec<String> {
    let mut kept = Vec::new();
    for line in text.split_terminator("\r\n") {
        let (mut cells, mut rest) = (Vec::new(), line);
        while let Some(begun) = rest.strip_prefix('"') {
            let (mut cell, mut chars) = (String::new(), begun.char_indices().peekable());
            let mut end = None;
            while let Some((at, c)) = chars.next() {
                match (c, chars.peek()) {
                    ('"', Some((_, '"'))) => {
                        cell.push('"');
                        chars.next();
                    }
                    ('"', _) => {
                        end = Some(at + 1);
                        break;
                    }
                    _ => cell.push(c),
                }
            }
            assert!(
                !cell.trim_start().starts_with(['=', '+', '-', '@']),
                "{cell}"
            );
            cells.push(cell);
            rest = &begun[end.unwrap()..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        assert_eq!(rest, "");
        assert_eq!(cells.len(), 9, "{line}");
        kept.push(format!(
            "{} {} {} {}",
            cells[2], cells[3], cells[4], cells[6]
        ));
    }
    kept
}

/// Cells of tables without those that hold names, and kinds of the other lines.
fn markdown(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            let line = line.replace("\\\\", "");
            let line = line.replace("\\|", "").replace("\\]", "");
            assert!(!line.contains('<') && !line.contains("]("), "{line}");
            match line.strip_prefix("| ") {
                Some(row) => {
                    let cells: Vec<&str> = row.split('|').collect();
                    assert_eq!(cells.len(), 8, "{line}");
                    cells[..3].concat()
                }
                None => line.chars().take_while(|c| "#*".contains(*c)).collect(),
            }
        })
        .collect()
}

/// The tags; between them there is text and nothing else.
fn html(text: &str) -> Vec<String> {
    let (_, body) = text.split_once("<body>").unwrap();
    let mut tags = Vec::new();
    for part in body.split('<').skip(1) {
        let (tag, between) = part.split_once('>').unwrap();
        assert!(!between.contains(['>', '"', '\'']), "{between}");
        tags.push(tag.to_owned());
    }
    tags
}

#[test]
fn known_hostile_names_change_nothing() {
    for name in HOSTILE {
        check(name, name, name, name);
        let long = name.repeat(60);
        check(&long, &long, &long, &long);
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(HOSTILE).prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
        "[ -~]{0,12}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]
    #[test]
    fn no_name_changes_anything(
        id in hostile(), title in hostile(), flow_id in hostile(), purpose in hostile()
    ) {
        check(&id, &title, &flow_id, &purpose);
    }
}

/// For `scripts/check-rules`, which gives them to the parsers of other people.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the files are for a script, which says where"
)]
fn samples_are_written_where_the_script_asks() {
    let Ok(folder) = std::env::var("PORTICO_RULES_SAMPLES") else {
        return;
    };
    let mut plan = named("self", "Title", "t.x", "Purpose");
    for name in HOSTILE {
        let mut more = named(name, name, name, name);
        let shift = u32::try_from(plan.hosts.len()).unwrap();
        // Ids of hosts differ.
        more.hosts[0].id = format!("peer{shift}");
        plan.hosts.extend(more.hosts);
        plan.flows.extend(more.flows.into_iter().map(|mut planned| {
            planned.from = planned.from.iter().map(|host| host + shift).collect();
            planned.to = planned.to.iter().map(|host| host + shift).collect();
            planned
        }));
    }
    for format in Format::ALL {
        for file in write(format, &plan, None, &OPTIONS).unwrap() {
            assert!(!std::path::Path::new(&format!("{folder}/{}", file.name)).exists());
            std::fs::write(format!("{folder}/{}", file.name), file.text).unwrap();
        }
    }
}
