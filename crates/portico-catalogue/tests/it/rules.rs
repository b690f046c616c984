//! What the rules say, format by format; `firewall` shows that they hold.

use expect_test::{Expect, expect};
use portico_catalogue::{
    plan::{FlowPlan, Gap},
    rules::{
        Format, GapRule, Options, OutboundRule, Protocol, RuleFile, RulesError, host_rules, write,
    },
};

use crate::rules_plans::plan;

const PLANNED: Options = Options {
    outbound: OutboundRule::Planned,
    gaps: GapRule::Refuse,
};

/// A web server that two networks reach, and which asks a database.
fn small() -> FlowPlan {
    plan(
        &[
            (
                "users",
                &["192.0.2.0/25", "192.0.2.128/25", "2001:db8::/64"],
            ),
            ("web", &["10.0.0.2"]),
            ("db", &["10.0.0.3"]),
        ],
        &[
            ("t.https", "tcp 443", "users", "web"),
            ("t.quic", "udp 443", "users", "web"),
            ("t.sql", "tcp 5432-5433", "web", "db"),
        ],
    )
}

#[track_caller]
fn files(format: Format, plan: &FlowPlan, host: Option<&str>, options: &Options) -> Vec<RuleFile> {
    let files = write(format, plan, host, options).unwrap();
    assert_eq!(files, write(format, &plan.clone(), host, options).unwrap());
    files
}

#[track_caller]
fn check(format: Format, host: &str, options: &Options, expected: Expect) {
    let files = files(format, &small(), Some(host), options);
    let all: Vec<String> = files
        .iter()
        .map(|file| format!("== {}\n{}", file.name, file.text))
        .collect();
    expected.assert_eq(&all.concat());
}

#[test]
fn nftables_has_a_table_of_its_own() {
    check(
        Format::Nftables,
        "web",
        &PLANNED,
        expect![[r#"
        == web.nft
        #!/usr/sbin/nft -f
        # Portico: rules of host web (The web)
        # Outbound and inbound: only what is planned.
        add table inet portico
        delete table inet portico
        table inet portico {
        	chain input {
        		type filter hook input priority filter; policy drop;
        		ct state established,related accept comment "answers, and errors such as packet too big"
        		iif "lo" accept comment "the host to itself"
        		icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept comment "IPv6 neighbour discovery"
        		icmpv6 type mld-listener-query ip6 saddr fe80::/10 accept comment "IPv6 multicast, which neighbour discovery needs"
        		ip saddr 192.0.2.0/24 tcp dport 443 accept comment "t.https: purpose of t.https"
        		ip6 saddr 2001:db8::/64 tcp dport 443 accept comment "t.https: purpose of t.https"
        		ip saddr 192.0.2.0/24 udp dport 443 accept comment "t.quic: purpose of t.quic"
        		ip6 saddr 2001:db8::/64 udp dport 443 accept comment "t.quic: purpose of t.quic"
        	}
        	chain output {
        		type filter hook output priority filter; policy drop;
        		ct state established,related accept comment "answers, and errors such as packet too big"
        		oif "lo" accept comment "the host to itself"
        		icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept comment "IPv6 neighbour discovery"
        		icmpv6 type { mld-listener-report, mld-listener-reduction, mld2-listener-report } accept comment "IPv6 multicast, which neighbour discovery needs"
        		ip daddr 10.0.0.3 tcp dport 5432-5433 accept comment "t.sql: purpose of t.sql"
        	}
        }
    "#]],
    );
}

#[test]
fn iptables_has_chains_of_its_own() {
    check(
        Format::Iptables,
        "web",
        &Options::default(),
        expect![[r#"
        == web.rules.v4
        # Portico: rules of host web (The web)
        # Outbound: anything. Inbound: only what is planned.
        # Load: iptables-restore --noflush FILE
        # Then, where it is not there yet:
        #   iptables -C INPUT -j PORTICO-IN || iptables -I INPUT -j PORTICO-IN
        #   iptables -C OUTPUT -j PORTICO-OUT || iptables -I OUTPUT -j PORTICO-OUT
        *filter
        :PORTICO-IN - [0:0]
        :PORTICO-OUT - [0:0]
        -A PORTICO-IN -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "answers, and errors such as packet too big" -j RETURN
        -A PORTICO-IN -i lo -m comment --comment "the host to itself" -j RETURN
        -A PORTICO-IN -s 192.0.2.0/24 -p tcp -m tcp --dport 443 -m comment --comment "t.https: purpose of t.https" -j RETURN
        -A PORTICO-IN -s 192.0.2.0/24 -p udp -m udp --dport 443 -m comment --comment "t.quic: purpose of t.quic" -j RETURN
        -A PORTICO-IN -j DROP
        COMMIT
        == web.rules.v6
        # Portico: rules of host web (The web)
        # Outbound: anything. Inbound: only what is planned.
        # Load: ip6tables-restore --noflush FILE
        # Then, where it is not there yet:
        #   ip6tables -C INPUT -j PORTICO-IN || ip6tables -I INPUT -j PORTICO-IN
        #   ip6tables -C OUTPUT -j PORTICO-OUT || ip6tables -I OUTPUT -j PORTICO-OUT
        *filter
        :PORTICO-IN - [0:0]
        :PORTICO-OUT - [0:0]
        -A PORTICO-IN -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "answers, and errors such as packet too big" -j RETURN
        -A PORTICO-IN -i lo -m comment --comment "the host to itself" -j RETURN
        -A PORTICO-IN -p ipv6-icmp -m icmp6 --icmpv6-type 134 -m hl --hl-eq 255 -m comment --comment "IPv6 neighbour discovery" -j RETURN
        -A PORTICO-IN -p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -m comment --comment "IPv6 neighbour discovery" -j RETURN
        -A PORTICO-IN -p ipv6-icmp -m icmp6 --icmpv6-type 136 -m hl --hl-eq 255 -m comment --comment "IPv6 neighbour discovery" -j RETURN
        -A PORTICO-IN -s fe80::/10 -p ipv6-icmp -m icmp6 --icmpv6-type 130 -m comment --comment "IPv6 multicast, which neighbour discovery needs" -j RETURN
        -A PORTICO-IN -s 2001:db8::/64 -p tcp -m tcp --dport 443 -m comment --comment "t.https: purpose of t.https" -j RETURN
        -A PORTICO-IN -s 2001:db8::/64 -p udp -m udp --dport 443 -m comment --comment "t.quic: purpose of t.quic" -j RETURN
        -A PORTICO-IN -j DROP
        COMMIT
    "#]],
    );
}

#[test]
fn windows_has_a_group_of_its_own() {
    check(
        Format::Windows,
        "web",
        &PLANNED,
        expect![[r#"
        == web.ps1
        # Portico: rules of host web (The web)
        # Outbound and inbound: only what is planned.
        #Requires -RunAsAdministrator
        $ErrorActionPreference = 'Stop'
        Get-NetFirewallRule -Group 'Portico' -ErrorAction SilentlyContinue | Remove-NetFirewallRule
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-1' -DisplayName 'Portico 1: packets that are too big' -Description 'packets that are too big' -Direction Inbound -Action Allow -Profile Any -Protocol ICMPv4 -IcmpType '3:4' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-2' -DisplayName 'Portico 2: packets that are too big' -Description 'packets that are too big' -Direction Inbound -Action Allow -Profile Any -Protocol ICMPv6 -IcmpType '2' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-3' -DisplayName 'Portico 3: IPv6 neighbour discovery' -Description 'IPv6 neighbour discovery' -Direction Inbound -Action Allow -Profile Any -Protocol ICMPv6 -IcmpType '134','135','136' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-4' -DisplayName 'Portico 4: IPv6 multicast, which neighbour discovery needs' -Description 'IPv6 multicast, which neighbour discovery needs' -Direction Inbound -Action Allow -Profile Any -Protocol ICMPv6 -IcmpType '130' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-5' -DisplayName 'Portico 5: t.https: purpose of t.https' -Description 't.https: purpose of t.https' -Direction Inbound -Action Allow -Profile Any -Protocol TCP -LocalPort '443' -RemoteAddress '192.0.2.0/24','2001:db8::/64' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-6' -DisplayName 'Portico 6: t.quic: purpose of t.quic' -Description 't.quic: purpose of t.quic' -Direction Inbound -Action Allow -Profile Any -Protocol UDP -LocalPort '443' -RemoteAddress '192.0.2.0/24','2001:db8::/64' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-7' -DisplayName 'Portico 7: packets that are too big' -Description 'packets that are too big' -Direction Outbound -Action Allow -Profile Any -Protocol ICMPv4 -IcmpType '3:4' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-8' -DisplayName 'Portico 8: packets that are too big' -Description 'packets that are too big' -Direction Outbound -Action Allow -Profile Any -Protocol ICMPv6 -IcmpType '2' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-9' -DisplayName 'Portico 9: IPv6 neighbour discovery' -Description 'IPv6 neighbour discovery' -Direction Outbound -Action Allow -Profile Any -Protocol ICMPv6 -IcmpType '133','135','136' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-10' -DisplayName 'Portico 10: IPv6 multicast, which neighbour discovery needs' -Description 'IPv6 multicast, which neighbour discovery needs' -Direction Outbound -Action Allow -Profile Any -Protocol ICMPv6 -IcmpType '131','132','143' | Out-Null
        New-NetFirewallRule -Group 'Portico' -Name 'Portico-11' -DisplayName 'Portico 11: t.sql: purpose of t.sql' -Description 't.sql: purpose of t.sql' -Direction Outbound -Action Allow -Profile Any -Protocol TCP -RemotePort '5432-5433' -RemoteAddress '10.0.0.3' | Out-Null
        Set-NetFirewallProfile -All -Enabled True -DefaultInboundAction Block -DefaultOutboundAction Block
    "#]],
    );
}

#[test]
fn aws_has_one_rule_for_each_network_and_range() {
    check(
        Format::TerraformAws,
        "web",
        &Options::default(),
        expect![[r#"
            == portico-aws.tf.json
            {
              "//": "Portico firewall rules.\nOutbound: anything. Inbound: only what is planned.",
              "resource": {
                "aws_security_group": {
                  "web": {
                    "description": "Portico: host web (The web)",
                    "name": "portico-web",
                    "vpc_id": "${var.vpc_id}"
                  }
                },
                "aws_vpc_security_group_egress_rule": {
                  "web_any_v4": {
                    "cidr_ipv4": "0.0.0.0/0",
                    "description": "Portico: outbound is not restricted",
                    "ip_protocol": "-1",
                    "security_group_id": "${aws_security_group.web.id}"
                  },
                  "web_any_v6": {
                    "cidr_ipv6": "::/0",
                    "description": "Portico: outbound is not restricted",
                    "ip_protocol": "-1",
                    "security_group_id": "${aws_security_group.web.id}"
                  }
                },
                "aws_vpc_security_group_ingress_rule": {
                  "web_tcp_443-443_192-0-2-0-24": {
                    "cidr_ipv4": "192.0.2.0/24",
                    "description": "t.https: purpose of t.https",
                    "from_port": 443,
                    "ip_protocol": "tcp",
                    "security_group_id": "${aws_security_group.web.id}",
                    "to_port": 443
                  },
                  "web_tcp_443-443_2001-db8---64": {
                    "cidr_ipv6": "2001:db8::/64",
                    "description": "t.https: purpose of t.https",
                    "from_port": 443,
                    "ip_protocol": "tcp",
                    "security_group_id": "${aws_security_group.web.id}",
                    "to_port": 443
                  },
                  "web_udp_443-443_192-0-2-0-24": {
                    "cidr_ipv4": "192.0.2.0/24",
                    "description": "t.quic: purpose of t.quic",
                    "from_port": 443,
                    "ip_protocol": "udp",
                    "security_group_id": "${aws_security_group.web.id}",
                    "to_port": 443
                  },
                  "web_udp_443-443_2001-db8---64": {
                    "cidr_ipv6": "2001:db8::/64",
                    "description": "t.quic: purpose of t.quic",
                    "from_port": 443,
                    "ip_protocol": "udp",
                    "security_group_id": "${aws_security_group.web.id}",
                    "to_port": 443
                  }
                }
              },
              "variable": {
                "vpc_id": {
                  "description": "The VPC of the hosts",
                  "type": "string"
                }
              }
            }
        "#]],
    );
}

#[test]
fn azure_has_priorities_and_forbids_the_rest() {
    check(
        Format::TerraformAzure,
        "db",
        &PLANNED,
        expect![[r#"
        == portico-azure.tf.json
        {
          "//": "Portico firewall rules.\nOutbound and inbound: only what is planned.",
          "resource": {
            "azurerm_network_security_group": {
              "db": {
                "location": "${var.location}",
                "name": "portico-db",
                "resource_group_name": "${var.resource_group_name}"
              }
            },
            "azurerm_network_security_rule": {
              "db_inbound-100": {
                "access": "Allow",
                "description": "t.sql: purpose of t.sql",
                "destination_address_prefix": "*",
                "destination_port_range": "5432-5433",
                "direction": "Inbound",
                "name": "portico-inbound-100",
                "network_security_group_name": "${azurerm_network_security_group.db.name}",
                "priority": 100,
                "protocol": "Tcp",
                "resource_group_name": "${var.resource_group_name}",
                "source_address_prefix": "10.0.0.2/32",
                "source_port_range": "*"
              },
              "db_inbound-4096": {
                "access": "Deny",
                "description": "Portico: inbound that is not planned",
                "destination_address_prefix": "*",
                "destination_port_range": "*",
                "direction": "Inbound",
                "name": "portico-inbound-4096",
                "network_security_group_name": "${azurerm_network_security_group.db.name}",
                "priority": 4096,
                "protocol": "*",
                "resource_group_name": "${var.resource_group_name}",
                "source_address_prefix": "*",
                "source_port_range": "*"
              },
              "db_outbound-4096": {
                "access": "Deny",
                "description": "Portico: outbound that is not planned",
                "destination_address_prefix": "*",
                "destination_port_range": "*",
                "direction": "Outbound",
                "name": "portico-outbound-4096",
                "network_security_group_name": "${azurerm_network_security_group.db.name}",
                "priority": 4096,
                "protocol": "*",
                "resource_group_name": "${var.resource_group_name}",
                "source_address_prefix": "*",
                "source_port_range": "*"
              }
            }
          },
          "variable": {
            "location": {
              "description": "The region of the hosts",
              "type": "string"
            },
            "resource_group_name": {
              "description": "The resource group of the hosts",
              "type": "string"
            }
          }
        }
    "#]],
    );
}

#[test]
fn kubernetes_has_one_policy_for_each_host() {
    check(
        Format::Kubernetes,
        "web",
        &PLANNED,
        expect![[r#"
        == portico-network-policies.json
        {
          "apiVersion": "v1",
          "items": [
            {
              "apiVersion": "networking.k8s.io/v1",
              "kind": "NetworkPolicy",
              "metadata": {
                "annotations": {
                  "portico/about": "Portico firewall rules.\nOutbound and inbound: only what is planned.",
                  "portico/egress": "1: t.sql (purpose of t.sql)\n",
                  "portico/host": "web (The web)",
                  "portico/ingress": "1: t.https (purpose of t.https)\n2: t.quic (purpose of t.quic)\n"
                },
                "name": "portico-web"
              },
              "spec": {
                "egress": [
                  {
                    "ports": [
                      {
                        "endPort": 5433,
                        "port": 5432,
                        "protocol": "TCP"
                      }
                    ],
                    "to": [
                      {
                        "ipBlock": {
                          "cidr": "10.0.0.3/32"
                        }
                      }
                    ]
                  }
                ],
                "ingress": [
                  {
                    "from": [
                      {
                        "ipBlock": {
                          "cidr": "192.0.2.0/24"
                        }
                      },
                      {
                        "ipBlock": {
                          "cidr": "2001:db8::/64"
                        }
                      }
                    ],
                    "ports": [
                      {
                        "port": 443,
                        "protocol": "TCP"
                      }
                    ]
                  },
                  {
                    "from": [
                      {
                        "ipBlock": {
                          "cidr": "192.0.2.0/24"
                        }
                      },
                      {
                        "ipBlock": {
                          "cidr": "2001:db8::/64"
                        }
                      }
                    ],
                    "ports": [
                      {
                        "port": 443,
                        "protocol": "UDP"
                      }
                    ]
                  }
                ],
                "podSelector": {
                  "matchLabels": {
                    "portico-host": "web"
                  }
                },
                "policyTypes": [
                  "Ingress",
                  "Egress"
                ]
              }
            }
          ],
          "kind": "List"
        }
    "#]],
    );
}

#[test]
fn csv_has_one_line_for_each_rule() {
    let files = files(Format::Csv, &small(), Some("db"), &PLANNED);
    let [file] = files.as_slice() else { panic!() };
    assert_eq!(
        file.text,
        "\"Host\",\"Name\",\"Direction\",\"Protocol\",\"Ports\",\"Peers\",\"Addresses\",\"Flows\",\"Why\"\r\n\
         \"db\",\"The db\",\"inbound\",\"tcp\",\"5432-5433\",\"web\",\"10.0.0.2/32\",\"t.sql\",\"purpose of t.sql\"\r\n"
    );
}

#[test]
fn markdown_has_one_table_for_each_host() {
    check(
        Format::Markdown,
        "web",
        &Options::default(),
        expect![[r#"
        == portico-rules.md
        # Firewall rules

        Outbound: anything. Inbound: only what is planned.

        ## web: The web

        | Direction | Protocol | Ports | Peers | Addresses | Flows | Why |
        | --- | --- | --- | --- | --- | --- | --- |
        | inbound | tcp | 443 | users | 192.0.2.0/24, 2001:db8::/64 | t.https | purpose of t.https |
        | inbound | udp | 443 | users | 192.0.2.0/24, 2001:db8::/64 | t.quic | purpose of t.quic |
        | outbound | any | any | any | any |  | not restricted |
    "#]],
    );
}

#[test]
fn html_is_one_page() {
    let files = files(Format::Html, &small(), None, &PLANNED);
    let [file] = files.as_slice() else { panic!() };
    let (_, body) = file.text.split_once("<body>").unwrap();
    assert_eq!(body.matches("<table>").count(), 3);
    expect![[r#"
        <bdi>web</bdi>: <bdi>The web</bdi></h2>
        <div class="wide">
        <table>
        <thead><tr><th scope="col">Direction</th><th scope="col">Protocol</th><th scope="col">Ports</th><th scope="col">Peers</th><th scope="col">Addresses</th><th scope="col">Flows</th><th scope="col">Why</th></tr></thead>
        <tbody>
        <tr><td>inbound</td><td>tcp</td><td>443</td><td>users</td><td>192.0.2.0/24, 2001:db8::/64</td><td>t.https</td><td>purpose of t.https</td></tr>
        <tr><td>inbound</td><td>udp</td><td>443</td><td>users</td><td>192.0.2.0/24, 2001:db8::/64</td><td>t.quic</td><td>purpose of t.quic</td></tr>
        <tr><td>outbound</td><td>tcp</td><td>5432-5433</td><td>db</td><td>10.0.0.3/32</td><td>t.sql</td><td>purpose of t.sql</td></tr>
        </tbody>
        </table>
        </div>
    "#]].assert_eq(body.split("<h2>").nth(2).unwrap());
}

#[test]
fn without_a_host_all_hosts_have_rules_in_files_that_no_two_share() {
    let hosts: &[(&str, &[&str])] = &[
        ("a b", &["10.0.0.1"]),
        ("a/b", &["10.0.0.2"]),
        ("../", &["10.0.0.3"]),
        ("1b", &["10.0.0.4"]),
    ];
    let plan = plan(hosts, &[("t.x", "tcp 1", "a/b", "../")]);
    let names = |format| -> Vec<String> {
        let files = files(format, &plan, None, &Options::default());
        files.into_iter().map(|file| file.name).collect()
    };
    assert_eq!(
        names(Format::Nftables),
        ["a-b.nft", "a-b-2.nft", "host.nft", "host-1b.nft"]
    );
    assert_eq!(names(Format::Iptables).len(), 8);
    assert_eq!(names(Format::TerraformAws), ["portico-aws.tf.json"]);
    let alone = files(Format::Nftables, &plan, Some("a/b"), &Options::default());
    assert_eq!(alone[0].name, "a-b-2.nft", "the same as among all");
}

#[test]
fn ports_that_touch_are_one_rule_and_others_stay_apart() {
    let plan = plan(
        &[("a", &["10.0.0.1"]), ("b", &["10.0.0.2"])],
        &[
            ("t.1", "tcp 80 443", "a", "b"),
            ("t.2", "tcp 81-90", "a", "b"),
            ("t.3", "tcp 442", "a", "b"),
            ("t.4", "tcp 500", "a", "b"),
            ("t.5", "udp 81", "a", "b"),
            ("t.6", "tcp 65535 85-95", "a", "b"),
        ],
    );
    let rules = host_rules(&plan, Some("b")).unwrap();
    let said: Vec<(String, Vec<&str>)> = rules[0]
        .inbound
        .iter()
        .map(|rule| {
            let ports = rule.protocol.ports().iter();
            let ports: Vec<_> = ports.map(|p| format!("{}-{}", p.first, p.last)).collect();
            let said = format!("{} {}", rule.protocol.name(), ports.join(" "));
            (
                said,
                rule.flows.iter().map(|flow| flow.id.as_str()).collect(),
            )
        })
        .collect();
    let of = |said: &str, flows: &[&'static str]| (said.to_owned(), flows.to_vec());
    assert_eq!(
        said,
        [
            of(
                "tcp 80-95 442-443 65535-65535",
                &["t.1", "t.2", "t.3", "t.6"]
            ),
            of("tcp 500-500", &["t.4"]),
            of("udp 81-81", &["t.5"]),
        ]
    );
    assert!(rules[0].outbound.is_empty());
}

#[test]
fn networks_that_touch_are_one_and_no_host_is_its_own_peer() {
    let plan = plan(
        &[
            ("a", &["10.0.0.0", "2001:db8::/65"]),
            ("b", &["10.0.0.1", "b.example"]),
            ("c", &["10.0.0.2/31", "10.0.0.3", "2001:db8:0:0:8000::/65"]),
            ("d", &["d.example"]),
        ],
        &[("t.x", "ip 47", "a b c d", "b d")],
    );
    let rules = host_rules(&plan, None).unwrap();
    let peers = &rules[3].inbound[0].peers;
    assert_eq!(peers.hosts, [0, 1, 2]);
    assert_eq!(peers.v4, ["10.0.0.0/30".parse().unwrap()]);
    assert_eq!(peers.v6, ["2001:db8::/64".parse().unwrap()]);
    assert!(peers.names.is_empty(), "b has an address, too");
    let peers = &rules[1].inbound[0].peers;
    assert_eq!(peers.hosts, [0, 2, 3]);
    assert_eq!(peers.v4.len(), 2, "{:?}", peers.v4);
    assert_eq!(peers.names, ["d.example"]);
    assert_eq!(rules[1].inbound[0].protocol, Protocol::Ip(47));
}

#[track_caller]
fn check_error(format: Format, plan: &FlowPlan, options: &Options, expected: Expect) {
    let error = write(format, plan, None, options).unwrap_err();
    expected.assert_eq(&error.to_string());
}

#[test]
fn a_name_without_an_address_is_told_by_every_format_that_needs_addresses() {
    let plan = plan(
        &[
            ("a", &["a.example"]),
            ("b", &["10.0.0.2"]),
            ("c", &["10.0.0.3"]),
        ],
        &[("t.in", "tcp 1", "a", "b c"), ("t.out", "tcp 2", "b", "a")],
    );
    for format in Format::ALL {
        let written = write(format, &plan, None, &PLANNED);
        let for_people = matches!(format, Format::Csv | Format::Markdown | Format::Html);
        assert_eq!(written.is_ok(), for_people, "{format:?}");
    }
    check_error(
        Format::Nftables,
        &plan,
        &PLANNED,
        expect![[r#"
            nftables rules cannot say all that is planned:
              t.in, hosts b, c: the peer is known by name only (a.example); give these hosts an address or a network in the estate, or use csv, markdown or html
              t.out, hosts b: the peer is known by name only (a.example); give these hosts an address or a network in the estate, or use csv, markdown or html"#]],
    );
    // Who may open anything has no rule for it.
    check_error(
        Format::Nftables,
        &plan,
        &Options::default(),
        expect![[r#"
            nftables rules cannot say all that is planned:
              t.in, hosts b, c: the peer is known by name only (a.example); give these hosts an address or a network in the estate, or use csv, markdown or html"#]],
    );
}

#[test]
fn protocols_without_words_are_told() {
    let hosts: &[(&str, &[&str])] = &[("a", &["10.0.0.1", "2001:db8::1"]), ("b", &["10.0.0.2"])];
    let flows = [
        ("t.ping", "icmp", "a", "b"),
        ("t.gre", "ip 47", "a", "b"),
        ("t.esp", "ip 50", "a", "b"),
        ("t.fine", "tcp 1", "a", "b"),
    ];
    let plan = plan(hosts, &flows);
    check_error(
        Format::Kubernetes,
        &plan,
        &Options::default(),
        expect![[r#"
            kubernetes rules cannot say all that is planned:
              t.esp, hosts b: network policies have no rules for esp; switch the feature off that needs it, or leave this flow to the network plugin's own policies
              t.gre, hosts b: network policies have no rules for gre; switch the feature off that needs it, or leave this flow to the network plugin's own policies
              t.ping, hosts b: network policies have no rules for icmp; switch the feature off that needs it, or leave this flow to the network plugin's own policies"#]],
    );
    check_error(
        Format::TerraformAzure,
        &plan,
        &Options::default(),
        expect![[r#"
            terraform-azure rules cannot say all that is planned:
              t.gre, hosts b: Azure has no rules for gre; carry it inside of an allowed protocol, or use firewalls on the hosts (nftables, iptables, windows)
              t.ping, hosts b: Azure has no rules for ICMP over IPv6; give these hosts IPv4 addresses only, or switch the feature off that needs ICMP"#]],
    );
    for format in [
        Format::Nftables,
        Format::Iptables,
        Format::Windows,
        Format::TerraformAws,
    ] {
        assert!(write(format, &plan, None, &PLANNED).is_ok(), "{format:?}");
    }
}

#[test]
fn more_rules_than_a_cloud_takes_are_told() {
    let ports: Vec<String> = (0..1001).map(|n| format!("{}", 1000 + 2 * n)).collect();
    let flows: Vec<(String, String)> = (0..1001)
        .map(|n| (format!("t.{n}"), format!("tcp {}", ports[n])))
        .collect();
    let flows: Vec<(&str, &str, &str, &str)> = flows
        .iter()
        .map(|(id, carried)| (id.as_str(), carried.as_str(), "a", "b"))
        .collect();
    let hosts: &[(&str, &[&str])] = &[("a", &["10.0.0.1"]), ("b", &["10.0.0.2"])];
    let too_much = plan(hosts, &flows);
    check_error(
        Format::TerraformAws,
        &too_much,
        &Options::default(),
        expect![[r#"
            terraform-aws rules cannot say all that is planned:
              all flows together, hosts b: 1001 rules of one kind are needed, and AWS has room for 1000; give the peers addresses that lie together, so that they become one network, or split the host's roles"#]],
    );
    check_error(
        Format::TerraformAzure,
        &too_much,
        &Options::default(),
        expect![[r#"
            terraform-azure rules cannot say all that is planned:
              all flows together, hosts b: 1002 rules are needed, and Azure takes 1000; give the peers addresses that lie together, so that they become one network, or split the host's roles"#]],
    );
    let fits = plan(hosts, &flows[..999]);
    assert!(write(Format::TerraformAws, &fits, None, &Options::default()).is_ok());
    let text = &files(Format::TerraformAzure, &fits, None, &Options::default())[0].text;
    let mut priorities: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"priority\": "))
        .collect();
    // One that forbids the rest at `a`, and at `b` 999 and such a one.
    assert_eq!(priorities.len(), 1001);
    priorities.sort_unstable();
    priorities.dedup();
    assert_eq!(priorities.len(), 1000);
}

#[test]
fn a_plan_with_gaps_makes_no_rules_unless_asked() {
    let mut plan = small();
    plan.gaps.push(Gap {
        kind: portico_catalogue::plan::GapKind::Port,
        hosts: vec!["web".into()],
        flow: "t.wmi".into(),
        reason: "the port is not known".into(),
        next_step: "set ports.wmi".into(),
    });
    check_error(
        Format::Csv,
        &plan,
        &PLANNED,
        expect![[r#"
        the plan has gaps, and rules without these flows would block them:
          t.wmi, hosts web: the port is not known; set ports.wmi"#]],
    );
    let noted = Options {
        gaps: GapRule::Note,
        ..PLANNED
    };
    for format in Format::ALL {
        for file in files(format, &plan, None, &noted) {
            assert!(
                file.text.contains("t.wmi (web): the port is not known"),
                "{}",
                file.text
            );
        }
    }
    let mut portless = small();
    portless.flows[0].ports.clear();
    let error = write(Format::Csv, &portless, None, &noted).unwrap_err();
    assert!(matches!(error, RulesError::Gaps(_)), "{error}");
}

#[test]
fn an_unknown_host_is_told_with_those_that_are_like_it() {
    let error = write(Format::Csv, &small(), Some("wep"), &PLANNED).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the plan has no host \"wep\"; it has web, db, users"
    );
}

#[test]
fn formats_are_known_by_name() {
    for format in Format::ALL {
        assert_eq!(Format::by_name(format.name()), Some(format));
    }
    assert_eq!(Format::by_name("pf"), None);
}

#[test]
fn all_addresses_are_said_in_the_words_of_each_tool() {
    let plan = plan(
        &[("any", &["0.0.0.0/0", "::/0"]), ("web", &["10.0.0.2"])],
        &[("t.https", "tcp 443", "any", "web")],
    );
    let text = |format| {
        let files = files(format, &plan, Some("web"), &Options::default());
        files.into_iter().map(|file| file.text).collect::<String>()
    };
    for (format, words) in [
        (Format::Nftables, "\tmeta nfproto ipv4 tcp dport 443 accept"),
        (Format::Nftables, "\tmeta nfproto ipv6 tcp dport 443 accept"),
        (Format::Iptables, "-s 0.0.0.0/0 -p tcp"),
        (Format::Iptables, "-s ::/0 -p tcp"),
        (
            Format::Windows,
            "'0.0.0.0/1','128.0.0.0/1','::/1','8000::/1'",
        ),
        (Format::TerraformAws, "\"cidr_ipv6\": \"::/0\""),
    ] {
        assert!(text(format).contains(words), "{words}: {}", text(format));
    }
}

#[test]
fn a_host_without_any_address_is_no_rule_for_everybody() {
    let plan = plan(
        &[("lost", &[]), ("web", &["10.0.0.2"])],
        &[("t.https", "tcp 443", "lost", "web")],
    );
    let error = write(Format::Kubernetes, &plan, None, &Options::default()).unwrap_err();
    assert!(error.to_string().contains("by name only (lost)"), "{error}");
}
