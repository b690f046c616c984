//! Network policies of Kubernetes, as one JSON list.

use serde_json::{Value, json};

use super::{
    HostRules, Job, OutboundRule, Protocol, Rule, RuleFile, RulesError,
    error::Problems,
    terraform::notes,
    text::{Names, cut, one_line},
};

/// Longest value of a label, which is how a pod says whose rules are its own.
const LABEL_LEN_MAX: usize = 63;

/// All annotations of one object, in bytes, with some left for others.
const ANNOTATION_LEN_MAX: usize = 200_000;

pub(super) fn write(job: &Job<'_>) -> Result<Vec<RuleFile>, RulesError> {
    let mut problems = Problems::new(job.format);
    let names = Names::of(job.plan, LABEL_LEN_MAX);
    let mut policies = Vec::new();
    for host in job.hosts {
        problems.add_names(host);
        for rule in host.inbound.iter().chain(&host.outbound) {
            if matches!(rule.protocol, Protocol::Icmp | Protocol::Ip(_)) {
                let why = format!(
                    "network policies have no rules for {}",
                    rule.protocol.name()
                );
                let next = "switch the feature off that needs it, or leave this flow to the network plugin's own policies";
                problems.add(host, rule, &why, next);
            }
        }
        policies.push(policy(job, host, names.of_host(host)));
    }
    problems.result()?;
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": policies });
    Ok(vec![RuleFile {
        name: "portico-network-policies.json".to_owned(),
        text: format!("{list:#}\n"),
    }])
}

fn policy(job: &Job<'_>, host: &HostRules<'_>, name: &str) -> Value {
    let mut spec = json!({
        "podSelector": { "matchLabels": { "portico-host": name } },
        "policyTypes": ["Ingress"],
        "ingress": rules(&host.inbound, "from"),
    });
    if job.options.outbound == OutboundRule::Planned
        && let Value::Object(spec) = &mut spec
    {
        spec.insert("policyTypes".to_owned(), json!(["Ingress", "Egress"]));
        spec.insert("egress".to_owned(), rules(&host.outbound, "to"));
    }
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": format!("portico-{name}"),
            "annotations": {
                "portico/about": notes(job),
                "portico/host": one_line(&format!("{} ({})", host.host.id, host.host.title)),
                "portico/ingress": reasons(&host.inbound),
                "portico/egress": reasons(&host.outbound),
            },
        },
        "spec": spec,
    })
}

fn rules(rules: &[Rule], side: &str) -> Value {
    let all = rules.iter().map(|rule| {
        let v4 = rule.peers.v4.iter().map(ToString::to_string);
        let v6 = rule.peers.v6.iter().map(ToString::to_string);
        let peers: Vec<Value> = v4
            .chain(v6)
            .map(|network| json!({ "ipBlock": { "cidr": network } }))
            .collect();
        json!({ side: peers, "ports": ports(&rule.protocol) })
    });
    Value::Array(all.collect())
}

fn ports(protocol: &Protocol) -> Vec<Value> {
    let name = protocol.name().to_uppercase();
    let port = |range: &crate::flow::PortRange| match range.first == range.last {
        true => json!({ "protocol": name, "port": range.first }),
        false => json!({ "protocol": name, "port": range.first, "endPort": range.last }),
    };
    protocol.ports().iter().map(port).collect()
}

/// The format has no comments: why each rule is there, in their order, stands in an annotation.
fn reasons(rules: &[Rule]) -> String {
    let mut text = String::new();
    for (number, rule) in (1..).zip(rules) {
        let flows = rule.flows.iter();
        let all: Vec<String> = flows
            .map(|flow| format!("{} ({})", flow.id, flow.purpose))
            .collect();
        text.push_str(&one_line(&format!("{number}: {}", all.join("; "))));
        text.push('\n');
    }
    cut(&text, ANNOTATION_LEN_MAX / 2).to_owned()
}
