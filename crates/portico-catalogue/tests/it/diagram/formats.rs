//! The texts of pictures: names cannot break out of them, and the same plan gives the same text.

use std::collections::BTreeSet;

use portico_catalogue::Catalogue;
use portico_catalogue::diagram::{DiagramFormat, DiagramOptions, Family, diagram, layout};
use portico_catalogue::plan::FlowPlan;
use proptest::prelude::*;
use roxmltree::Document;

use super::{
    estates::{self, catalogue, host, zone},
    room::any_plan,
};

const HOSTILE: &[&str] = &[
    "</text><script>alert(1)</script>",
    "\"] --> n1; click n0 call x()",
    "a\" ]; }\nn1 -> n2",
    "a\\\" -> b",
    "${HOME}`id`$(id)",
    "=cmd|' /C calc'!A0",
    "\u{1b}[31mred\u{7}",
    "a\r\nb",
    "\u{202e}gpj.exe\u{200f}",
    "]]><!--&amp;&#x41;",
    "%%{init: {}}%%",
    "end",
    "#quot;x",
];

fn hostile() -> FlowPlan {
    let zones = HOSTILE.iter().enumerate();
    let zones = zones.map(|(n, name)| zone(&format!("z{n}"), name, &format!("10.{n}.0.0/16")));
    let hosts = HOSTILE.iter().enumerate().map(|(n, name)| {
        let role = ["client.pc", "ras.gateway", "ras.session-host"][n % 3];
        host(name, &[role], Some(&format!("z{n}")))
    });
    estates::plan(zones.collect(), hosts.collect())
}

fn drawn(plan: &FlowPlan, format: DiagramFormat) -> String {
    let title = HOSTILE[0];
    diagram(
        plan,
        format,
        &DiagramOptions {
            title,
            ..DiagramOptions::new(catalogue())
        },
    )
}

/// Only our own elements, no scripts, no links, and every name whole in the text.
fn check_svg(svg: &str) {
    let document = Document::parse(svg).unwrap();
    let known = ["svg", "title", "desc", "style", "g", "rect", "path", "text"];
    for element in document.descendants().filter(roxmltree::Node::is_element) {
        assert!(
            known.contains(&element.tag_name().name()),
            "{:?}",
            element.tag_name()
        );
        for attribute in element.attributes() {
            assert!(!attribute.name().starts_with("on") && attribute.name() != "href");
        }
    }
    let root = document.root_element();
    let first: Vec<&str> = root
        .children()
        .filter(roxmltree::Node::is_element)
        .take(2)
        .map(|element| element.tag_name().name())
        .collect();
    assert_eq!(first, ["title", "desc"], "read out by screen readers");
}

/// Lines of Mermaid are of four kinds, and what stands in quotes has none of its signs.
fn check_mermaid(text: &str) {
    for line in text.lines().skip(1) {
        let quotes: Vec<&str> = line.split('"').collect();
        assert!(quotes.len() == 3 || line == "  end", "{line}");
        let [before, inside, after] = quotes[..] else {
            continue;
        };
        let plain = inside
            .replace("<br/>", "")
            .replace("<b>", "")
            .replace("</b>", "");
        assert!(
            !plain.contains(['<', '>', '[', ']', '{', '}', '`', '|', '%', '$']),
            "{line}"
        );
        let code = format!("{}{}", before.trim(), after);
        let is_code = |c: char| c.is_ascii_alphanumeric() || " ->|[]()".contains(c);
        assert!(code.chars().all(is_code), "{code}");
    }
}

/// Quotes of DOT come in pairs when escaped ones are taken away, and outside of them is our own.
fn check_dot(text: &str) {
    let outside: String = text
        .replace("\\\\", "")
        .replace("\\\"", "")
        .split('"')
        .step_by(2)
        .collect();
    let is_code = |c: char| c.is_ascii_alphanumeric() || " \n->=,;.[]{}_".contains(c);
    assert!(outside.chars().all(is_code), "{outside}");
    assert_eq!(outside.matches('{').count(), outside.matches('}').count());
}

#[test]
fn hostile_names_do_not_break_out() {
    let plan = hostile();
    let svg = drawn(&plan, DiagramFormat::Svg);
    check_svg(&svg);
    assert!(!svg.contains('\u{202e}') && !svg.contains('\u{1b}') && !svg.contains('\r'));
    check_mermaid(&drawn(&plan, DiagramFormat::Mermaid));
    check_dot(&drawn(&plan, DiagramFormat::Dot));
}

#[test]
fn the_same_plan_gives_the_same_text() {
    for format in [
        DiagramFormat::Svg,
        DiagramFormat::Mermaid,
        DiagramFormat::Dot,
    ] {
        assert_eq!(
            drawn(&estates::ras(), format),
            drawn(&estates::ras(), format)
        );
    }
}

#[test]
fn each_host_and_each_bundle_is_in_the_text_of_every_format() {
    let plan = estates::rds();
    let pairs = layout(&plan, &DiagramOptions::new(catalogue()));
    let lines = pairs
        .bundles
        .iter()
        .filter(|bundle| !bundle.path.is_empty())
        .count();
    let mermaid = drawn(&plan, DiagramFormat::Mermaid);
    assert_eq!(mermaid.matches("-->").count(), lines);
    let dot = drawn(&plan, DiagramFormat::Dot);
    assert_eq!(dot.matches("->").count(), pairs.bundles.len());
    let svg = drawn(&plan, DiagramFormat::Svg);
    assert_eq!(svg.matches("class=\"head\"").count(), lines);
    for host in ["clients", "gw1", "broker1", "dc1", "files", "rdsh01"] {
        assert!(
            [&mermaid, &dot, &svg]
                .iter()
                .all(|text| text.contains(host)),
            "{host}"
        );
    }
}

#[test]
fn a_service_over_tcp_and_udp_is_named_once_and_what_has_no_room_is_counted() {
    let layout = layout(&estates::ras(), &DiagramOptions::new(catalogue()));
    let all: BTreeSet<&str> = layout
        .bundles
        .iter()
        .flat_map(|bundle| &bundle.connection.services)
        .map(String::as_str)
        .collect();
    assert!(
        all.contains("RDP 3389/tcp+udp") && all.contains("LDAP 389,636/tcp"),
        "{all:?}"
    );
    for bundle in &layout.bundles {
        let named = bundle
            .label
            .items
            .iter()
            .filter(|item| item.family.is_some())
            .count();
        let last = &bundle.label.items.last().unwrap().text.text;
        let more = last
            .strip_prefix('+')
            .and_then(|text| text.strip_suffix(" more"));
        let more: usize = more.map_or(0, |text| text.parse().unwrap());
        assert_eq!(named + more, bundle.connection.services.len());
    }
}

/// Relative luminance as WCAG 2 has it.
fn luminance(hex: &str) -> f64 {
    let long = if hex.len() == 3 {
        hex.chars().flat_map(|c| [c, c]).collect()
    } else {
        hex.to_owned()
    };
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&long[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.03928 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
}

#[test]
fn every_colour_has_a_contrast_of_four_and_a_half_in_both_schemes() {
    let svg = drawn(&estates::rds(), DiagramFormat::Svg);
    let schemes: Vec<&str> = svg
        .split(":root{")
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap())
        .collect();
    assert_eq!(schemes.len(), 2);
    for scheme in schemes {
        let colours: Vec<(&str, f64)> = scheme
            .split(';')
            .filter_map(|pair| pair.trim().strip_prefix("--")?.split_once(":#"))
            .map(|(name, hex)| (name, luminance(hex)))
            .collect();
        let of = |name: &str| colours.iter().find(|(other, _)| *other == name).unwrap().1;
        for (name, colour) in &colours {
            if ["bg", "zone", "node", "out", "edge"].contains(name) {
                continue;
            }
            for ground in ["bg", "zone", "node", "out"] {
                let (a, b) = (colour.max(of(ground)), colour.min(of(ground)));
                let contrast = (a + 0.05) / (b + 0.05);
                assert!(contrast >= 4.5, "{name} on {ground}: {contrast}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_name_breaks_out(plan in any_plan()) {
        check_svg(&drawn(&plan, DiagramFormat::Svg));
        check_mermaid(&drawn(&plan, DiagramFormat::Mermaid));
        check_dot(&drawn(&plan, DiagramFormat::Dot));
    }
}

#[test]
fn the_protocol_of_a_flow_tells_its_family() {
    let flows: Vec<_> = Catalogue::portico().flows().collect();
    for (protocol, family) in [
        ("RDP over UDP in DTLS", Family::Display),
        ("HTTPS, RPC over HTTP", Family::Web),
        ("HTTP with Kerberos", Family::Web),
        ("Global Catalog", Family::Directory),
        ("Legacy RADIUS", Family::Directory),
        ("NetBIOS Session Service", Family::Files),
        ("NetBIOS Name Resolution", Family::Names),
        ("NetBIOS Datagram Service", Family::Names),
        ("SMB over NetBIOS", Family::Files),
        ("WinRM", Family::Administration),
        ("RAS redundancy", Family::Product),
        ("SQL over TCP", Family::Other),
    ] {
        let flow = flows
            .iter()
            .find(|flow| flow.application_protocol == protocol);
        let flow = flow.unwrap_or_else(|| panic!("no flow of {protocol}"));
        assert_eq!(Family::of(flow), family, "{protocol}");
    }
}
