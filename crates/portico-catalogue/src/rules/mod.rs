//! From a plan to the rules of firewalls, in the words of each tool. Pure: the caller writes files.
//!
//! Read [`write()`] and [`HostRules`] first. Every format starts from the same [`HostRules`], so they
//! differ only in how they say it; what one cannot say is an error that lists the flows.

mod aws;
mod azure;
mod csv;
mod error;
mod html;
mod iptables;
mod kubernetes;
mod markdown;
mod merge;
mod nftables;
mod report;
mod terraform;
mod text;
mod windows;

use crate::plan::{FlowPlan, Gap, GapKind, PlannedFlow};

pub use error::{RulesError, Unsayable};
pub use merge::{HostRules, Peers, Protocol, Rule, host_rules};

/// Whose words the rules are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// A file for `nft -f`, with a table of its own.
    Nftables,
    /// Two files for `iptables-restore --noflush` and `ip6tables-restore --noflush`.
    Iptables,
    /// A PowerShell script for the firewall of Windows.
    Windows,
    /// Terraform, JSON syntax: security groups of AWS.
    TerraformAws,
    /// Terraform, JSON syntax: network security groups of Azure.
    TerraformAzure,
    /// Kubernetes network policies, as JSON.
    Kubernetes,
    /// A table for spreadsheets and programs.
    Csv,
    /// A document for people.
    Markdown,
    /// The same as a page.
    Html,
}

impl Format {
    /// Every format, in the order in which people are told of them.
    pub const ALL: [Self; 9] = [
        Self::Nftables,
        Self::Iptables,
        Self::Windows,
        Self::TerraformAws,
        Self::TerraformAzure,
        Self::Kubernetes,
        Self::Csv,
        Self::Markdown,
        Self::Html,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
            Self::Windows => "windows",
            Self::TerraformAws => "terraform-aws",
            Self::TerraformAzure => "terraform-azure",
            Self::Kubernetes => "kubernetes",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
            Self::Html => "html",
        }
    }

    /// The format of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What hosts may open connections to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutboundRule {
    /// Anything. The default: a plan knows the flows of its products, not what else a machine
    /// needs (updates, time, names), and a firewall that guesses there cuts machines off.
    #[default]
    Any,
    /// Only what is planned.
    Planned,
}

/// What happens when the plan has gaps that leave a planned flow out. Other gaps (a role that no
/// host has) are always noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GapRule {
    /// [`RulesError::Gaps`]: rules that lack a flow are found out by users.
    #[default]
    Refuse,
    /// The rules say at their beginning what is missing.
    Note,
}

/// How rules are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// What hosts may open connections to.
    pub outbound: OutboundRule,
    /// What happens when the plan has gaps.
    pub gaps: GapRule,
}

/// One file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFile {
    /// Name without a folder: letters, digits, `.`, `-` and `_`. No two files of one call share it.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// Writes the rules of one host, or of all. Formats of one file for each host are nftables,
/// iptables (two) and Windows; the others make one document. Deterministic.
///
/// Without `host`, hosts whose roles are all outside of the estate (services on the Internet) get
/// no rules: nobody can load them there.
///
/// # Errors
/// When there is no such host, when the plan has gaps (see [`GapRule`]), and when the format cannot
/// say some of the flows; then nothing is written at all.
pub fn write(
    format: Format,
    plan: &FlowPlan,
    host: Option<&str>,
    options: &Options,
) -> Result<Vec<RuleFile>, RulesError> {
    let incomplete = plan.gaps.iter().filter(|gap| gap.kind.leaves_a_flow_out());
    let incomplete: Vec<Gap> = incomplete.cloned().collect();
    if options.gaps == GapRule::Refuse && !incomplete.is_empty() {
        return Err(RulesError::Gaps(incomplete));
    }
    let portless = portless(plan);
    if !portless.is_empty() {
        return Err(RulesError::Gaps(portless));
    }
    let mut rules = host_rules(plan, host)?;
    if options.outbound == OutboundRule::Any {
        for host in &mut rules {
            host.outbound.clear();
        }
    }
    let job = Job {
        format,
        plan,
        options,
        hosts: &rules,
        notes: notes(plan),
    };
    match format {
        Format::Nftables => nftables::write(&job),
        Format::Iptables => iptables::write(&job),
        Format::Windows => windows::write(&job),
        Format::TerraformAws => aws::write(&job),
        Format::TerraformAzure => azure::write(&job),
        Format::Kubernetes => kubernetes::write(&job),
        Format::Csv => Ok(csv::write(&job)),
        Format::Markdown => Ok(markdown::write(&job)),
        Format::Html => Ok(html::write(&job)),
    }
}

/// What a format is given.
struct Job<'a> {
    format: Format,
    plan: &'a FlowPlan,
    options: &'a Options,
    hosts: &'a [HostRules<'a>],
    /// Gaps, one line each.
    notes: Vec<String>,
}

impl Job<'_> {
    /// What the outbound rule means, for the beginning of a file.
    fn outbound_note(&self) -> &'static str {
        match self.options.outbound {
            OutboundRule::Any => "Outbound: anything. Inbound: only what is planned.",
            OutboundRule::Planned => "Outbound and inbound: only what is planned.",
        }
    }
}

/// TCP and UDP flows without a port: no rule can be made of them, and none would be missed.
fn portless(plan: &FlowPlan) -> Vec<Gap> {
    let flows = plan.flows.iter();
    let portless = flows.filter(|flow| flow.transport.has_ports() && flow.ports.is_empty());
    let gap = |planned: &PlannedFlow| Gap {
        kind: GapKind::Port,
        hosts: Vec::new(),
        flow: planned.flow.id.clone(),
        reason: "the plan names no port for it".to_owned(),
        next_step: "name the port in the estate".to_owned(),
    };
    portless.map(gap).collect()
}

fn notes(plan: &FlowPlan) -> Vec<String> {
    // Few formats let a comment have quotes, and the names in them need none.
    let plain = |text: &str| text.replace('"', "");
    let line = |gap: &Gap| {
        format!(
            "{}: {} ({}): {}; {}",
            if gap.kind.leaves_a_flow_out() {
                "NOT in these rules"
            } else {
                "Perhaps a host is missing"
            },
            gap.flow,
            gap.hosts.join(", "),
            plain(&gap.reason),
            plain(&gap.next_step)
        )
    };
    plan.gaps.iter().map(line).collect()
}
