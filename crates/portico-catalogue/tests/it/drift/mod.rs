//! Drift: dumps of the real tools, judged. In a namespace of the test's own where rules have to be
//! loaded; needs root, `ip`, `nsenter`, `nft`, `iptables-restore` and `ip6tables-restore`, and says
//! so where they are not.

mod captured;
mod hostile;
mod judged;
mod loaded;
mod namespace;

use portico_catalogue::{
    PortRange,
    drift::{self, Class, Drift, Listeners, Question, Ruleset, Side},
    markdown::ports_text,
    plan::FlowPlan,
};

/// Compares rules or sockets of a host with a plan.
fn diff(
    plan: &FlowPlan,
    host: &str,
    rules: Option<&Ruleset>,
    listeners: Option<&Listeners>,
) -> Drift {
    drift::diff(&Question {
        plan,
        host: plan.place(host).unwrap(),
        rules,
        listeners,
        interfaces: &[],
        client_ports: &PortRange::new(32_768, 60_999),
        estate_option: " -f estate.toml",
    })
}

/// One line for each finding: class, side, traffic, flows, hosts, networks, processes.
fn lines(drift: &Drift) -> Vec<String> {
    let line = |finding: &drift::Finding| {
        let traffic: Vec<String> = finding
            .traffic
            .iter()
            .map(|one| format!("{} {}", one.protocol, ports_text(&one.ports)))
            .map(|text| text.trim().to_owned())
            .collect();
        let processes: Vec<&str> = finding
            .processes
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        let parts = [
            finding.class.name().to_owned(),
            finding.side.name().to_owned(),
            traffic.join(" + "),
            finding.flows.join(" "),
            finding.needed_by.join(" "),
            finding.from.join(" "),
            processes.join(" "),
        ];
        parts.join(" | ")
    };
    drift.findings.iter().map(line).collect()
}

/// Lines with evidence and next step.
fn told(drift: &Drift) -> String {
    let lines = lines(drift);
    let told = lines.iter().zip(&drift.findings).map(|(line, finding)| {
        format!(
            "{line}\n  {}\n  > {}\n",
            finding.evidence, finding.next_step
        )
    });
    let notes = drift.notes.iter().map(|note| format!("note: {note}\n"));
    told.chain(notes).collect()
}

fn count(drift: &Drift, class: Class, side: Side) -> usize {
    let of = drift.findings.iter();
    of.filter(|finding| finding.class == class && finding.side == side)
        .count()
}
