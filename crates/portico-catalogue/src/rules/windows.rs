//! A PowerShell script for the firewall of Windows: rules of one group, removed and made anew.
//!
//! Rules of others stay, also those of Windows that let something in; `docs/rules.md` says how to
//! look at them.

use std::fmt::{Display, Write as _};

use super::{
    HostRules, Job, OutboundRule, Peers, Protocol, Rule, RuleFile, RulesError,
    error::Problems,
    text::{Names, comment, plain},
};

/// Longest description, in bytes; a list of rules stays readable.
const COMMENT_LEN_MAX: usize = 255;

pub(super) fn write(job: &Job<'_>) -> Result<Vec<RuleFile>, RulesError> {
    let mut problems = Problems::new(job.format);
    job.hosts.iter().for_each(|host| problems.add_names(host));
    problems.result()?;
    let names = Names::of(job.plan, 100);
    let file = |host: &HostRules<'_>| RuleFile {
        name: format!("{}.ps1", names.of_host(host)),
        text: script(job, host),
    };
    Ok(job.hosts.iter().map(file).collect())
}

/// Neighbour discovery is IPv6's ARP, and too big packets are told by ICMP. Windows has such rules
/// of its own (Core Networking), which somebody may have switched off.
const ESSENTIALS_IN: &[(&str, &str, &str)] = &[
    ("ICMPv4", "'3:4'", "packets that are too big"),
    ("ICMPv6", "'2'", "packets that are too big"),
    ("ICMPv6", "'134','135','136'", "IPv6 neighbour discovery"),
    (
        "ICMPv6",
        "'130'",
        "IPv6 multicast, which neighbour discovery needs",
    ),
];

const ESSENTIALS_OUT: &[(&str, &str, &str)] = &[
    ("ICMPv4", "'3:4'", "packets that are too big"),
    ("ICMPv6", "'2'", "packets that are too big"),
    ("ICMPv6", "'133','135','136'", "IPv6 neighbour discovery"),
    (
        "ICMPv6",
        "'131','132','143'",
        "IPv6 multicast, which neighbour discovery needs",
    ),
];

fn script(job: &Job<'_>, host: &HostRules<'_>) -> String {
    let planned = job.options.outbound == OutboundRule::Planned;
    let mut text = format!(
        "# Portico: rules of host {} ({})\n# {}\n",
        plain(&host.host.id),
        plain(&host.host.title),
        job.outbound_note()
    );
    for note in &job.notes {
        line(&mut text, format_args!("# {}", plain(note)));
    }
    text.push_str(
        "#Requires -RunAsAdministrator\n$ErrorActionPreference = 'Stop'\n\
         Get-NetFirewallRule -Group 'Portico' -ErrorAction SilentlyContinue | Remove-NetFirewallRule\n",
    );
    let mut number = 0;
    essentials(&mut text, &mut number, "Inbound", ESSENTIALS_IN);
    for rule in &host.inbound {
        write_rule(&mut text, &mut number, "Inbound", rule);
    }
    if planned {
        essentials(&mut text, &mut number, "Outbound", ESSENTIALS_OUT);
        for rule in &host.outbound {
            write_rule(&mut text, &mut number, "Outbound", rule);
        }
    }
    let outbound = if planned { "Block" } else { "Allow" };
    let profile = format_args!(
        "Set-NetFirewallProfile -All -Enabled True -DefaultInboundAction Block -DefaultOutboundAction {outbound}"
    );
    line(&mut text, profile);
    text
}

fn essentials(text: &mut String, number: &mut u32, direction: &str, rules: &[(&str, &str, &str)]) {
    for (protocol, kinds, why) in rules {
        let matched = format!("-Protocol {protocol} -IcmpType {kinds}");
        new_rule(text, number, direction, &matched, why);
    }
}

fn write_rule(text: &mut String, number: &mut u32, direction: &str, rule: &Rule) {
    let why = comment(&rule.flows, COMMENT_LEN_MAX);
    if rule.flows.len() > 1 {
        let ids: Vec<String> = rule.flows.iter().map(|flow| plain(&flow.id)).collect();
        line(text, format_args!("# {}", ids.join(", ")));
    }
    // The ports are those of the listening end: here when something comes in, there otherwise.
    let side = if direction == "Inbound" {
        "Local"
    } else {
        "Remote"
    };
    let ports = || {
        let ports = rule.protocol.ports().iter();
        let quoted: Vec<String> = ports
            .map(|p| format!("'{}'", super::report::port_text(p)))
            .collect();
        quoted.join(",")
    };
    let peers = &rule.peers;
    let all = addresses(peers, true, true);
    match &rule.protocol {
        Protocol::Tcp(_) | Protocol::Udp(_) => {
            let name = rule.protocol.name().to_uppercase();
            let matched = format!("-Protocol {name} -{side}Port {}{all}", ports());
            new_rule(text, number, direction, &matched, &why);
        }
        Protocol::Ip(protocol) => {
            let matched = format!("-Protocol {protocol}{all}");
            new_rule(text, number, direction, &matched, &why);
        }
        Protocol::Icmp => {
            if !peers.v4.is_empty() {
                let v4 = addresses(peers, true, false);
                let matched = format!("-Protocol ICMPv4 -IcmpType '8'{v4}");
                new_rule(text, number, direction, &matched, &why);
            }
            if !peers.v6.is_empty() {
                let v6 = addresses(peers, false, true);
                let matched = format!("-Protocol ICMPv6 -IcmpType '128'{v6}");
                new_rule(text, number, direction, &matched, &why);
            }
        }
    }
}

/// ` -RemoteAddress …`. Windows takes no network of all addresses, but its two halves.
fn addresses(peers: &Peers, v4: bool, v6: bool) -> String {
    let mut all: Vec<String> = Vec::new();
    for net in peers.v4.iter().filter(|_| v4) {
        match net.prefix_len() {
            0 => all.extend(["'0.0.0.0/1'".to_owned(), "'128.0.0.0/1'".to_owned()]),
            32 => all.push(format!("'{}'", net.addr())),
            _ => all.push(format!("'{net}'")),
        }
    }
    for net in peers.v6.iter().filter(|_| v6) {
        match net.prefix_len() {
            0 => all.extend(["'::/1'".to_owned(), "'8000::/1'".to_owned()]),
            128 => all.push(format!("'{}'", net.addr())),
            _ => all.push(format!("'{net}'")),
        }
    }
    format!(" -RemoteAddress {}", all.join(","))
}

fn new_rule(text: &mut String, number: &mut u32, direction: &str, matched: &str, why: &str) {
    *number += 1;
    let rule = format_args!(
        "New-NetFirewallRule -Group 'Portico' -Name 'Portico-{number}' -DisplayName 'Portico {number}: {why}' \
         -Description '{why}' -Direction {direction} -Action Allow -Profile Any {matched} | Out-Null"
    );
    line(text, rule);
}

fn line(text: &mut String, line: impl Display) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}
