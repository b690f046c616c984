//! Security groups of AWS, in the JSON syntax of Terraform.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    HostRules, Job, OutboundRule, Protocol, Rule, RuleFile, RulesError,
    error::Problems,
    terraform::{document, literal, notes},
    text::{self, Names, comment},
};
use crate::flow::Flow;

/// Longest description, and longest name.
const DESCRIPTION_LEN_MAX: usize = 255;

/// Rules of one direction and IP version that a group has without asking AWS for more.
const QUOTA: usize = 60;

/// The most that AWS gives: rules of all groups of one network interface.
const RULES_MAX: usize = 1000;

const INGRESS: &str = "aws_vpc_security_group_ingress_rule";
const EGRESS: &str = "aws_vpc_security_group_egress_rule";

pub(super) fn write(job: &Job<'_>) -> Result<Vec<RuleFile>, RulesError> {
    let mut problems = Problems::new(job.format);
    let names = Names::of(job.plan, 100);
    let mut groups = Map::new();
    let mut rules: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    let mut notes = notes(job);
    for host in job.hosts {
        problems.add_names(host);
        let name = names.of_host(host);
        let title = format!("Portico: host {} ({})", host.host.id, host.host.title);
        let group = json!({
            "name": format!("portico-{name}"),
            "description": literal(&described(&title)),
            "vpc_id": "${var.vpc_id}",
        });
        groups.insert(name.to_owned(), group);
        for (kind, planned) in [(INGRESS, &host.inbound), (EGRESS, &host.outbound)] {
            let made = lines(planned);
            check_count(&mut problems, &mut notes, host, kind, &made);
            let into = rules.entry(kind).or_default();
            for (key, line) in &made {
                into.insert(format!("{name}_{key}"), line.value(name));
            }
        }
        if job.options.outbound == OutboundRule::Any {
            // Terraform takes AWS's own rule for everything away from the groups that it makes.
            let into = rules.entry(EGRESS).or_default();
            for (key, network) in [("any_v4", "0.0.0.0/0"), ("any_v6", "::/0")] {
                into.insert(format!("{name}_{key}"), anything(name, network));
            }
        }
    }
    problems.result()?;
    let mut resource = Map::new();
    resource.insert("aws_security_group".to_owned(), Value::Object(groups));
    for (kind, rules) in rules {
        if !rules.is_empty() {
            resource.insert(kind.to_owned(), Value::Object(rules));
        }
    }
    let mut parts = Map::new();
    parts.insert("resource".to_owned(), Value::Object(resource));
    let variable = json!({ "vpc_id": { "type": "string", "description": "The VPC of the hosts" } });
    parts.insert("variable".to_owned(), variable);
    Ok(vec![document("portico-aws.tf.json", notes, parts)])
}

fn described(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    let plain = text::only(&text::plain(text), allowed).replace('?', "_");
    text::cut(&plain, DESCRIPTION_LEN_MAX).to_owned()
}

fn anything(group: &str, network: &str) -> Value {
    let key = if network.contains(':') {
        "cidr_ipv6"
    } else {
        "cidr_ipv4"
    };
    json!({
        "security_group_id": format!("${{aws_security_group.{group}.id}}"),
        "ip_protocol": "-1",
        key: network,
        "description": "Portico: outbound is not restricted",
    })
}

/// One rule of AWS: one network, one range of ports.
struct Line {
    protocol: String,
    ports: Option<(i32, i32)>,
    network: (&'static str, String),
    flows: Vec<&'static Flow>,
}

impl Line {
    fn value(&self, group: &str) -> Value {
        let mut value = json!({
            "security_group_id": format!("${{aws_security_group.{group}.id}}"),
            "ip_protocol": self.protocol,
            "description": literal(&described(&comment(&self.flows, DESCRIPTION_LEN_MAX))),
        });
        if let Value::Object(fields) = &mut value {
            fields.insert(self.network.0.to_owned(), json!(self.network.1));
            if let Some((first, last)) = self.ports {
                fields.insert("from_port".to_owned(), json!(first));
                fields.insert("to_port".to_owned(), json!(last));
            }
        }
        value
    }
}

/// By a key that says all that AWS tells rules apart by: it refuses the same one twice, and a rule
/// that stays keeps its place in Terraform's state.
fn lines(rules: &[Rule]) -> BTreeMap<String, Line> {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for rule in rules {
        let v4 = rule
            .peers
            .v4
            .iter()
            .map(|net| ("cidr_ipv4", net.to_string()));
        let v6 = rule
            .peers
            .v6
            .iter()
            .map(|net| ("cidr_ipv6", net.to_string()));
        for network in v4.chain(v6) {
            for (protocol, ports) in protocols(&rule.protocol, network.0) {
                let range = ports.map_or(String::new(), |(a, b)| format!("_{a}-{b}"));
                let place = network.1.replace(['.', ':', '/'], "-");
                let key = format!("{protocol}{range}_{place}");
                let line = lines.entry(key).or_insert_with(|| Line {
                    protocol,
                    ports,
                    network: network.clone(),
                    flows: Vec::new(),
                });
                line.flows.extend(&rule.flows);
                line.flows.sort_by(|a, b| a.id.cmp(&b.id));
                line.flows.dedup_by(|a, b| a.id == b.id);
            }
        }
    }
    lines
}

fn protocols(protocol: &Protocol, version: &str) -> Vec<(String, Option<(i32, i32)>)> {
    match protocol {
        Protocol::Tcp(ports) | Protocol::Udp(ports) => ports
            .iter()
            .map(|range| {
                (
                    protocol.name(),
                    Some((range.first.into(), range.last.into())),
                )
            })
            .collect(),
        // For ICMP the two numbers are type and code; -1 is any code.
        Protocol::Icmp if version == "cidr_ipv4" => vec![("icmp".to_owned(), Some((8, -1)))],
        Protocol::Icmp => vec![("icmpv6".to_owned(), Some((128, -1)))],
        Protocol::Ip(number) => vec![(number.to_string(), None)],
    }
}

fn check_count(
    problems: &mut Problems,
    notes: &mut String,
    host: &HostRules<'_>,
    kind: &str,
    lines: &BTreeMap<String, Line>,
) {
    for version in ["cidr_ipv4", "cidr_ipv6"] {
        let count = lines
            .values()
            .filter(|line| line.network.0 == version)
            .count();
        if count > RULES_MAX {
            let why =
                format!("{count} rules of one kind are needed, and AWS has room for {RULES_MAX}");
            let next = "give the peers addresses that lie together, so that they become one network, or split the host's roles";
            problems.add_host(host, &why, next);
        } else if count > QUOTA {
            let note = format!(
                "\nHost {} needs {count} rules of kind {kind} for {version}: raise the quota of {QUOTA} first.",
                text::one_line(&host.host.id)
            );
            notes.push_str(&note);
        }
    }
}
