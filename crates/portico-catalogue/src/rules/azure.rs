//! Network security groups of Azure, in the JSON syntax of Terraform.

use serde_json::{Map, Value, json};

use super::{
    HostRules, Job, OutboundRule, Protocol, Rule, RuleFile, RulesError,
    error::Problems,
    report::port_text,
    terraform::{document, literal, notes},
    text::{Names, comment},
};

/// Longest description.
const DESCRIPTION_LEN_MAX: usize = 140;

/// Rules of one group, both directions together.
const RULES_MAX: usize = 1000;

/// Addresses in all rules of one group.
const ADDRESSES_MAX: usize = 4000;

/// Priorities go from here to 4096, which is for what forbids the rest.
const PRIORITY_FIRST: usize = 100;
const PRIORITY_LAST: usize = 4096;

pub(super) fn write(job: &Job<'_>) -> Result<Vec<RuleFile>, RulesError> {
    let mut problems = Problems::new(job.format);
    let names = Names::of(job.plan, 60);
    let mut groups = Map::new();
    let mut rules = Map::new();
    for host in job.hosts {
        problems.add_names(host);
        let name = names.of_host(host);
        let group = json!({
            "name": format!("portico-{name}"),
            "location": "${var.location}",
            "resource_group_name": "${var.resource_group_name}",
        });
        groups.insert(name.to_owned(), group);
        let mut count = Count::default();
        for (direction, planned) in [("Inbound", &host.inbound), ("Outbound", &host.outbound)] {
            if direction == "Outbound" && job.options.outbound == OutboundRule::Any {
                continue;
            }
            let mut made = Vec::new();
            for rule in planned {
                made.extend(values(&mut problems, host, rule, direction, &mut count));
            }
            made.push(deny(direction));
            count.rules += made.len();
            let last = made.len() - 1;
            for (index, mut fields) in made.into_iter().enumerate() {
                let priority = match index == last {
                    true => PRIORITY_LAST,
                    false => PRIORITY_FIRST + index,
                };
                let rule = format!("{}-{priority}", direction.to_lowercase());
                fields.insert("name".to_owned(), json!(format!("portico-{rule}")));
                fields.insert("priority".to_owned(), json!(priority));
                for (key, value) in common(name, direction) {
                    fields.insert(key, value);
                }
                rules.insert(format!("{name}_{rule}"), Value::Object(fields));
            }
        }
        count.check(&mut problems, host);
    }
    problems.result()?;
    let mut parts = Map::new();
    let resource = json!({
        "azurerm_network_security_group": groups,
        "azurerm_network_security_rule": rules,
    });
    parts.insert("resource".to_owned(), resource);
    let variable = json!({
        "location": { "type": "string", "description": "The region of the hosts" },
        "resource_group_name": { "type": "string", "description": "The resource group of the hosts" },
    });
    parts.insert("variable".to_owned(), variable);
    Ok(vec![document("portico-azure.tf.json", notes(job), parts)])
}

#[derive(Default)]
struct Count {
    rules: usize,
    addresses: usize,
}

impl Count {
    fn check(&self, problems: &mut Problems, host: &HostRules<'_>) {
        let next = "give the peers addresses that lie together, so that they become one network, or split the host's roles";
        if self.rules > RULES_MAX {
            let why = format!(
                "{} rules are needed, and Azure takes {RULES_MAX}",
                self.rules
            );
            problems.add_host(host, &why, next);
        }
        if self.addresses > ADDRESSES_MAX {
            let why = format!(
                "{} addresses are needed, and Azure takes {ADDRESSES_MAX}",
                self.addresses
            );
            problems.add_host(host, &why, next);
        }
    }
}

fn common(group: &str, direction: &str) -> [(String, Value); 4] {
    [
        ("direction".to_owned(), json!(direction)),
        ("source_port_range".to_owned(), json!("*")),
        (
            "network_security_group_name".to_owned(),
            json!(format!("${{azurerm_network_security_group.{group}.name}}")),
        ),
        (
            "resource_group_name".to_owned(),
            json!("${var.resource_group_name}"),
        ),
    ]
}

/// Azure's own rules, which come after all others, let in whatever comes from the virtual network.
fn deny(direction: &str) -> Map<String, Value> {
    fields([
        ("access", json!("Deny")),
        ("protocol", json!("*")),
        ("source_address_prefix", json!("*")),
        ("destination_address_prefix", json!("*")),
        ("destination_port_range", json!("*")),
        (
            "description",
            json!(format!(
                "Portico: {} that is not planned",
                direction.to_lowercase()
            )),
        ),
    ])
}

/// The rule, once for each IP version: Azure does not mix them.
fn values(
    problems: &mut Problems,
    host: &HostRules<'_>,
    rule: &Rule,
    direction: &str,
    count: &mut Count,
) -> Vec<Map<String, Value>> {
    let protocol = match &rule.protocol {
        Protocol::Tcp(_) => "Tcp",
        Protocol::Udp(_) => "Udp",
        Protocol::Icmp => "Icmp",
        Protocol::Ip(50) => "Esp",
        Protocol::Ip(51) => "Ah",
        Protocol::Ip(_) => {
            let why = format!("Azure has no rules for {}", rule.protocol.name());
            let next = "carry it inside of an allowed protocol, or use firewalls on the hosts (nftables, iptables, windows)";
            problems.add(host, rule, &why, next);
            return Vec::new();
        }
    };
    if rule.protocol == Protocol::Icmp && !rule.peers.v6.is_empty() {
        let next =
            "give these hosts IPv4 addresses only, or switch the feature off that needs ICMP";
        problems.add(host, rule, "Azure has no rules for ICMP over IPv6", next);
        return Vec::new();
    }
    let v4: Vec<String> = rule.peers.v4.iter().map(ToString::to_string).collect();
    let v6: Vec<String> = rule.peers.v6.iter().map(ToString::to_string).collect();
    let (peers, others) = match direction {
        "Inbound" => ("source_address_prefix", "destination_address_prefix"),
        _ => ("destination_address_prefix", "source_address_prefix"),
    };
    let mut made = Vec::new();
    for networks in [v4, v6] {
        if networks.is_empty() {
            continue;
        }
        count.addresses += networks.len();
        let mut value = fields([
            ("access", json!("Allow")),
            ("protocol", json!(protocol)),
            (
                "description",
                json!(literal(&comment(&rule.flows, DESCRIPTION_LEN_MAX))),
            ),
            (others, json!("*")),
        ]);
        one_or_more(&mut value, peers, "es", networks);
        let ports: Vec<String> = rule.protocol.ports().iter().map(port_text).collect();
        let ports = if ports.is_empty() {
            vec!["*".to_owned()]
        } else {
            ports
        };
        one_or_more(&mut value, "destination_port_range", "s", ports);
        made.push(value);
    }
    made
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The provider has one field for one value and another one for several.
fn one_or_more(into: &mut Map<String, Value>, key: &str, plural: &str, values: Vec<String>) {
    match values.as_slice() {
        [one] => into.insert(key.to_owned(), json!(one)),
        _ => into.insert(format!("{key}{plural}"), json!(values)),
    };
}
