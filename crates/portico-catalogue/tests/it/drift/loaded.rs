//! Rules that Portico writes, loaded with the real tools, read back, and broken on purpose.

use portico_catalogue::{
    drift::{Class, Side},
    plan::FlowPlan,
    rules::{self, Format, Options, OutboundRule},
};

use super::{count, diff, lines, namespace::Namespace, told};
use crate::{firewall, rules_plans::plan};

fn load(
    namespace: &Namespace,
    plan: &FlowPlan,
    host: &str,
    format: Format,
    outbound: OutboundRule,
) {
    let options = Options {
        outbound,
        ..Options::default()
    };
    let files = rules::write(format, plan, Some(host), &options).unwrap();
    namespace.flush();
    if format == Format::Nftables {
        namespace.nft(&files[0].text);
        return;
    }
    for (file, program) in files.iter().zip(["iptables", "ip6tables"]) {
        let restore = format!("{program}-restore");
        namespace.tool(&[&restore, "--noflush"], &file.text);
        namespace.tool(&[program, "-I", "INPUT", "-j", "PORTICO-IN"], "");
        namespace.tool(&[program, "-I", "OUTPUT", "-j", "PORTICO-OUT"], "");
    }
}

const FORMATS: [Format; 2] = [Format::Nftables, Format::Iptables];

#[test]
fn rules_that_portico_writes_are_understood_and_differ_in_nothing() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    for plan in [firewall::estate(), firewall::planned_estate()] {
        for format in FORMATS {
            for outbound in [OutboundRule::Any, OutboundRule::Planned] {
                for host in &plan.hosts {
                    load(&namespace, &plan, &host.id, format, outbound);
                    let rules = namespace.rules();
                    assert!(!rules.rules.is_empty());
                    let drift = diff(&plan, &host.id, Some(&rules), None);
                    assert_eq!(told(&drift), "", "{format:?} {outbound:?} {}", host.id);
                }
            }
        }
    }
}

#[test]
fn rules_for_everybody_and_for_many_differ_in_nothing() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    // iptables has a rule for each of them, and so has a limit where nftables has none.
    for (format, count) in [(Format::Nftables, 2000), (Format::Iptables, 200)] {
        let clients: Vec<String> = (0..count)
            .map(|n| format!("10.{}.{}.{}", n % 7, n / 250, 1 + n % 250))
            .collect();
        let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
        let plan = plan(
            &[
                ("any", &["0.0.0.0/0", "::/0"]),
                ("clients", &clients),
                ("web", &["10.77.1.10", "fd77::10"]),
            ],
            &[
                ("t.https", "tcp 443", "any", "web"),
                ("t.ping", "icmp", "any", "web"),
                ("t.gre", "ip 47", "clients", "web"),
                ("t.rdp", "udp 3389", "clients", "web"),
                ("t.many", "tcp 1000 2000-3000", "clients", "web"),
            ],
        );
        load(&namespace, &plan, "web", format, OutboundRule::Any);
        let drift = diff(&plan, "web", Some(&namespace.rules()), None);
        assert_eq!(told(&drift), "", "{format:?}");
    }
}

#[test]
fn nftables_rules_that_are_broken_are_found_out() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let plan = firewall::estate();
    let load = || {
        load(
            &namespace,
            &plan,
            "session1",
            Format::Nftables,
            OutboundRule::Any,
        )
    };
    let found = || diff(&plan, "session1", Some(&namespace.rules()), None);

    // A rule less.
    load();
    let listed = namespace.tool(&["nft", "-a", "list", "table", "inet", "portico"], "");
    for line in listed.lines().filter(|line| line.contains("t.rdp")) {
        let (_, handle) = line.rsplit_once("# handle ").unwrap();
        namespace.nft(&format!("delete rule inet portico input handle {handle}\n"));
    }
    expect_test::expect![[r#"
        missing | rule | tcp 3389 | t.rdp | gateway | 10.77.1.20 fd77:1::20 | 
          not let in: the policy of chain input of table inet portico drops it
          > load the rules anew: portico ports rules -f estate.toml --host session1 --format nftables | nft -f -
    "#]]
    .assert_eq(&told(&found()));

    // A rule more, and its removal.
    load();
    namespace.nft("add rule inet portico input tcp dport 5555 accept comment \"forgotten\"\n");
    let drift = found();
    assert_eq!(
        lines(&drift),
        ["superfluous | rule | tcp 5555 |  |  | anywhere | "]
    );
    assert!(drift.findings[0].evidence.contains("\"forgotten\""));
    let (_, removal) = drift.findings[0].next_step.split_once(": ").unwrap();
    namespace.tool(&removal.split(' ').collect::<Vec<_>>(), "");
    assert_eq!(told(&found()), "");

    // Everything let in from some.
    namespace.nft("insert rule inet portico input ip saddr 192.168.0.0/16 accept\n");
    assert_eq!(
        lines(&found()),
        [
            "superfluous | rule | icmp + other protocols + tcp 0-65535 + udp 0-65535 |  |  | 192.168.0.0/16 | "
        ]
    );

    // A part of what is planned dropped before, by a table of somebody else.
    load();
    namespace.nft(
        "table ip other {\n chain in {\n type filter hook input priority -5\n \
         ip saddr 10.77.1.20 tcp dport 3000-4000 drop\n }\n}\n",
    );
    expect_test::expect![[r#"
        missing | rule | tcp 3389 | t.rdp | gateway | 10.77.1.20 | 
          not let in: dropped by rule 2 in chain in of table ip other
          > let it in there; portico ports rules -f estate.toml --host session1 --format nftables writes the rule
    "#]]
    .assert_eq(&told(&found()));

    // No rules at all.
    namespace.flush();
    expect_test::expect![[r#"
        superfluous | rule | gre + icmp + other protocols + tcp 0-65535 + udp 0-65535 |  |  | anywhere | 
          let in: no chain looks at what comes in
          > let in only what is planned: portico ports rules -f estate.toml --host session1 --format nftables | nft -f -
    "#]]
    .assert_eq(&told(&found()));
}

#[test]
fn iptables_rules_that_are_broken_are_found_out() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let plan = firewall::estate();
    let load = || {
        load(
            &namespace,
            &plan,
            "gateway",
            Format::Iptables,
            OutboundRule::Any,
        )
    };
    let found = || diff(&plan, "gateway", Some(&namespace.rules()), None);

    load();
    let saved = namespace.tool(&["ip6tables-save"], "");
    let rule = saved.lines().find(|line| line.contains("t.datagrams"));
    let (matched, _) = rule.unwrap().split_once(" -m comment").unwrap();
    let deleted = format!(
        "{} -m comment --comment \"t.datagrams: purpose of t.datagrams\" -j RETURN",
        matched.replacen("-A", "-D", 1)
    );
    namespace.tool(
        &["ip6tables-restore", "--noflush"],
        &format!("*filter\n{deleted}\nCOMMIT\n"),
    );
    expect_test::expect![[r#"
        missing | rule | udp 3391 | t.datagrams | client | fd77:1::10 | 
          not let in: dropped by rule -A PORTICO-IN -j DROP in table ip6tables filter
          > load the rules anew: portico ports rules -f estate.toml --host gateway --format iptables --into DIR, then as the first lines of the files say
    "#]]
    .assert_eq(&told(&found()));

    load();
    namespace.tool(
        &[
            "iptables", "-I", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT",
        ],
        "",
    );
    let drift = found();
    expect_test::expect![[r#"
        superfluous | rule | tcp 22 |  |  | anywhere over IPv4 | 
          let in by rule -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT in table iptables filter
          > take it out, unless something outside of the estate needs it: iptables -t filter -D INPUT -p tcp -m tcp --dport 22 -j ACCEPT
    "#]]
    .assert_eq(&told(&drift));
    let (_, removal) = drift.findings[0].next_step.split_once(": ").unwrap();
    namespace.tool(&removal.split(' ').collect::<Vec<_>>(), "");
    assert_eq!(told(&found()), "");

    // Nothing is dropped over IPv6.
    namespace.tool(&["ip6tables", "-D", "PORTICO-IN", "-j", "DROP"], "");
    let drift = found();
    assert_eq!(
        count(&drift, Class::Superfluous, Side::Rule),
        1,
        "{}",
        told(&drift)
    );
    assert!(lines(&drift)[0].contains("tcp 0-65535"), "{}", told(&drift));
    assert!(lines(&drift)[0].contains("over IPv6"), "{}", told(&drift));

    // The jump is not there.
    load();
    namespace.tool(&["iptables", "-D", "INPUT", "-j", "PORTICO-IN"], "");
    let drift = found();
    assert!(
        told(&drift).contains("by the policy \"accept\" of chain INPUT of table iptables filter"),
        "{}",
        told(&drift)
    );
}

#[test]
fn rules_that_cannot_be_judged_are_unexplained_and_never_passed_over() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let plan = firewall::estate();
    for (before, unexplained) in [
        (
            "insert rule inet portico input tcp dport 3389 limit rate over 5/second drop",
            "tcp 3389",
        ),
        (
            "add set inet portico blocked { type ipv4_addr; flags dynamic, timeout; timeout 1m; }\n\
             insert rule inet portico input ip saddr @blocked drop",
            "t.rdp",
        ),
        (
            "insert rule inet portico input meta mark 7 tcp dport 9999 accept",
            "tcp 9999",
        ),
        (
            "add chain inet portico redirected { type nat hook prerouting priority dstnat; }\n\
             add rule inet portico redirected tcp dport 3389 redirect to :13389",
            "t.rdp",
        ),
    ] {
        load(
            &namespace,
            &plan,
            "session1",
            Format::Nftables,
            OutboundRule::Any,
        );
        namespace.nft(&format!("{before}\n"));
        let drift = diff(&plan, "session1", Some(&namespace.rules()), None);
        assert_eq!(
            count(&drift, Class::Unexplained, Side::Rule),
            1,
            "{before}:\n{}",
            told(&drift)
        );
        assert!(
            told(&drift).contains(unexplained),
            "{before}:\n{}",
            told(&drift)
        );
        assert_eq!(
            count(&drift, Class::Missing, Side::Rule),
            0,
            "{}",
            told(&drift)
        );
        assert_eq!(
            count(&drift, Class::Superfluous, Side::Rule),
            0,
            "{}",
            told(&drift)
        );
    }
}
