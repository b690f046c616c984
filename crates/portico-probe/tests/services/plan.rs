//! The command itself: `portico ports check` with an estate of the lab's servers.
//!
//! `scripts/test-services` names the program (`PORTICO_BIN`) and the estate
//! (`PORTICO_SERVICES_ESTATE`, from `lab estate --services`).

use std::{collections::BTreeSet, process::Command};

use crate::lab::lab;

/// Protocols, in the catalogue's words, that are proven at one host of the estate at least.
const PROVEN: &[(&str, &str)] = &[
    ("Chargen", "tcp"),
    ("Chargen", "udp"),
    ("DC Locator", "udp"),
    ("DNS", "tcp"),
    ("DNS", "udp"),
    ("Daytime", "tcp"),
    ("Daytime", "udp"),
    ("Echo", "tcp"),
    ("Echo", "udp"),
    ("FTP control", "tcp"),
    ("Global Catalog", "tcp"),
    ("HTTP", "tcp"),
    ("HTTPS", "tcp"),
    ("IMAP", "tcp"),
    ("IMAP over SSL", "tcp"),
    ("IPsec ISAKMP", "udp"),
    ("InfluxDB over HTTP", "tcp"),
    ("Kerberos", "tcp"),
    ("Kerberos", "udp"),
    ("Kerberos Password V5", "tcp"),
    ("Kerberos Password V5", "udp"),
    ("L2TP", "udp"),
    ("LDAP", "tcp"),
    ("LDAP", "udp"),
    ("LDAP SSL", "tcp"),
    ("LPD", "tcp"),
    ("NAT-T", "udp"),
    ("NNTP", "tcp"),
    ("NNTP over SSL", "tcp"),
    ("NTP", "udp"),
    ("NetBIOS Name Resolution", "udp"),
    ("NetBIOS Session Service", "tcp"),
    ("POP3", "tcp"),
    ("POP3 over SSL", "tcp"),
    ("PPTP", "tcp"),
    ("Quote of the Day", "tcp"),
    ("RDP", "tcp"),
    ("RPC", "tcp"),
    ("RPC/NP", "tcp"),
    ("RTSP", "tcp"),
    ("SMB", "tcp"),
    ("SMTP", "tcp"),
    ("SNMP", "udp"),
    ("SSDP", "udp"),
    ("SSH", "tcp"),
    ("TFTP", "udp"),
    ("Telnet", "tcp"),
    ("rcmd", "tcp"),
    ("rlogin", "tcp"),
];

#[test]
fn the_command_proves_the_flows_of_an_estate_of_real_servers() {
    if lab().is_none() {
        return;
    }
    let (Ok(program), Ok(estate)) = (
        std::env::var("PORTICO_BIN"),
        std::env::var("PORTICO_SERVICES_ESTATE"),
    ) else {
        assert!(
            std::env::var("PORTICO_SERVICES").as_deref() != Ok("required"),
            "PORTICO_BIN and PORTICO_SERVICES_ESTATE are not set"
        );
        println!("PORTICO_BIN and PORTICO_SERVICES_ESTATE are not set: not run");
        return;
    };
    let done = Command::new(program)
        .args([
            "ports",
            "check",
            "-f",
            &estate,
            "-o",
            "json",
            "--timeout",
            "30",
        ])
        .output()
        .unwrap();
    // Not every flow of the estate has a server: the command ends with 1 and says how many.
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("required flows are not proven"), "{said}");
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let flows = answer["flows"].as_array().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let proven: BTreeSet<(String, String)> = flows
        .iter()
        .filter(|flow| flow["verdict"] == "proven")
        .map(|flow| {
            (
                text(&flow["application_protocol"]),
                text(&flow["transport"]),
            )
        })
        .collect();
    for flow in flows {
        println!(
            "{} {}/{} at {}: {}: {}",
            text(&flow["verdict"]),
            text(&flow["application_protocol"]),
            text(&flow["transport"]),
            text(&flow["to"]),
            text(&flow["evidence"]),
            text(&flow["next_step"]),
        );
    }
    let wanted = PROVEN
        .iter()
        .map(|(name, over)| ((*name).to_owned(), (*over).to_owned()));
    let missing: Vec<(String, String)> = wanted.filter(|pair| !proven.contains(pair)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
