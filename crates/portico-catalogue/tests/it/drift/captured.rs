//! What the real tools printed (nft 1.0.6, iptables 1.8.9), and what is understood of it.

use expect_test::expect_file;
use portico_catalogue::drift::{self, Ruleset};

pub(super) const NFT: &str = include_str!("captured.nft.json");
pub(super) const IPTABLES: &str = include_str!("captured.rules");

fn understood(rules: &Ruleset) -> String {
    let mut text = String::new();
    for chain in &rules.chains {
        let base = chain
            .base
            .map(|base| format!(" {base:?}"))
            .unwrap_or_default();
        text.push_str(&format!(
            "{} / {} {:?}{base}\n",
            chain.table, chain.name, chain.version
        ));
        for rule in chain.rules.iter().map(|id| &rules.rules[*id]) {
            text.push_str(&format!("    {}\n", rule.name));
            for condition in &rule.conditions {
                text.push_str(&format!("        {condition:?}\n"));
            }
            text.push_str(&format!("        => {:?}\n", rule.action));
        }
    }
    for unread in &rules.unread {
        text.push_str(&format!("unread: {unread}\n"));
    }
    text
}

#[test]
fn every_construct_of_nft_is_understood_or_kept_as_unknown() {
    let rules = drift::read_rules(&[NFT]).unwrap();
    expect_file!["captured.nft.txt"].assert_eq(&understood(&rules));
}

#[test]
fn every_construct_of_iptables_is_understood_or_kept_as_unknown() {
    let rules = drift::read_rules(&[IPTABLES]).unwrap();
    expect_file!["captured.rules.txt"].assert_eq(&understood(&rules));
}
