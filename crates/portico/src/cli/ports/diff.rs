//! `portico ports diff`.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use portico_catalogue::{
    Catalogue,
    drift::{self, Drift, Question, shell_word},
    plan::{self, Address, FlowPlan},
};

use super::{
    EstateArgs, Source, diff_agents,
    drifted::Drifted,
    host_state::{self, HostState},
    plan::place,
};
use crate::cli::{Globals, failure::Failure};

/// What to compare.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    estate: EstateArgs,

    /// A host of the estate. Of the server's estate: its agent is asked; may be given several times.
    /// With -f: the host that this machine, or a dump, is [default: the one whose address this
    /// machine has].
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,

    /// Ask the agents of all hosts of the server's estate that have one.
    #[arg(long, conflicts_with_all = ["host", "file", "rules", "sockets"])]
    all_hosts: bool,

    /// Rules that were dumped elsewhere, instead of this machine's: what `nft -j list ruleset`,
    /// `iptables-save` or `ip6tables-save` prints. May be given for each of them.
    #[arg(long, value_name = "FILE", requires = "host")]
    rules: Vec<PathBuf>,

    /// Sockets that were dumped elsewhere, instead of this machine's: what `ss -Hlntup` prints.
    #[arg(long, value_name = "FILE", requires = "host")]
    sockets: Option<PathBuf>,

    /// End with 1 if anything is missing, superfluous or unexplained, or a host is not judged.
    #[arg(long)]
    strict: bool,
}

/// Compares hosts with their plan.
pub(crate) async fn diff(globals: &Globals, args: &DiffArgs) -> Result<String, Failure> {
    let source = Source::read(globals, &args.estate).await?;
    let planned = plan::plan(Catalogue::portico(), &source.deployment);
    let is_dumped = !args.rules.is_empty() || args.sockets.is_some();
    let is_of_server = args.estate.file.is_none();
    let estate_option = estate_option(&args.estate);
    if args.all_hosts || (is_of_server && !is_dumped && !args.host.is_empty()) {
        let asking = diff_agents::Asking {
            plan: &planned,
            with_agent: &source.with_agent,
            estate: &source.name,
            estate_option: &estate_option,
            is_strict: args.strict,
        };
        return asking.ask(globals, &args.host).await;
    }
    let interfaces = match is_dumped {
        true => Vec::new(),
        false => host_state::interfaces().await,
    };
    let host = match args.host.as_slice() {
        [] => this_host(&planned, &interfaces, &source.name)?,
        [id] => place(&planned, id, &source.name)?,
        several => {
            return Err(Failure::new(format!("{} hosts are named", several.len()))
                .reason("this machine, or a dump, is one host")
                .next_step("name one of them; without -f the agents of several hosts are asked"));
        }
    };
    let state = match is_dumped {
        true => HostState::from_files(&args.rules, args.sockets.as_deref())?,
        false => HostState::of_this_machine().await?,
    };
    let drift = compared(&planned, host, state, &estate_option);
    Drifted {
        drift: &drift,
        is_strict: args.strict,
    }
    .show(globals.output)
}

/// Compares the host at a place of the plan with its state.
pub(super) fn compared(plan: &FlowPlan, host: u32, state: HostState, estate_option: &str) -> Drift {
    let mut drift = drift::diff(&Question {
        plan,
        host,
        rules: state.rules.as_ref(),
        listeners: state.listeners.as_ref(),
        interfaces: &state.interfaces,
        client_ports: &state.client_ports,
        estate_option,
    });
    drift.notes.extend(state.notes);
    let gaps = plan
        .gaps
        .iter()
        .filter(|gap| gap.kind.leaves_a_flow_out() && gap.hosts.contains(&drift.host));
    let gaps: Vec<String> = gaps
        .map(|gap| {
            format!(
                "{} is not planned: {}; {}",
                gap.flow, gap.reason, gap.next_step
            )
        })
        .collect();
    drift.notes.extend(gaps);
    drift
}

/// The only host that has an address of this machine.
fn this_host(
    plan: &FlowPlan,
    interfaces: &[(String, IpAddr)],
    estate: &str,
) -> Result<u32, Failure> {
    let own: Vec<IpAddr> = interfaces
        .iter()
        .map(|(_, address)| *address)
        .filter(|address| !address.is_loopback())
        .collect();
    let is_here = |address: &Address| match address {
        Address::Ip(address) => own.contains(address),
        Address::Network(_) | Address::Name(_) => false,
    };
    let hosts = (0_u32..).zip(&plan.hosts);
    let here: Vec<(u32, &str)> = hosts
        .filter(|(_, host)| host.addresses.iter().any(is_here))
        .map(|(place, host)| (place, host.id.as_str()))
        .collect();
    match here.as_slice() {
        [(place, _)] => Ok(*place),
        [] => {
            let own: Vec<String> = own.iter().map(ToString::to_string).collect();
            let all = listed(plan.hosts.iter().map(|host| host.id.as_str()).take(20));
            let own = match own.is_empty() {
                true => "no address of this machine is known".to_owned(),
                false => format!("this machine has {}", own.join(", ")),
            };
            Err(Failure::new(format!("No host of {estate} is this machine"))
                .reason(format!("{own}, and no host has one of these"))
                .next_step(format!("name the host with --host: {all}")))
        }
        several => Err(Failure::new(format!(
            "Several hosts of {estate} have addresses of this machine"
        ))
        .reason("each would be compared with the same rules and sockets")
        .next_step(format!(
            "name one with --host: {}",
            listed(several.iter().map(|(_, id)| *id))
        ))),
    }
}

fn listed<'h>(ids: impl Iterator<Item = &'h str>) -> String {
    ids.collect::<Vec<_>>().join(", ")
}

/// How this estate is given to another command, with a blank before it.
fn estate_option(args: &EstateArgs) -> String {
    let mut option = String::new();
    if let Some(file) = &args.file {
        // Standard input cannot be read again.
        let name = match file.as_os_str() == "-" {
            true => "FILE".to_owned(),
            false => shell_word(&file.display().to_string()),
        };
        option.push_str(&format!(" -f {name}"));
    }
    if args.optional {
        option.push_str(" --optional");
    }
    for (feature, is_on) in &args.feature {
        let state = if *is_on { "on" } else { "off" };
        option.push_str(&format!(" --feature {}={state}", shell_word(feature)));
    }
    option
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ports::tests::example_plan;

    #[test]
    fn the_host_is_found_by_an_address_or_has_to_be_named() {
        let plan = example_plan("rds.toml");
        let at = |addresses: &[&str]| {
            let own: Vec<(String, IpAddr)> = addresses
                .iter()
                .map(|address| ("eth0".to_owned(), address.parse().unwrap()))
                .collect();
            this_host(&plan, &own, "rds.toml")
        };
        let place = at(&["127.0.0.1", "10.30.0.11"]).unwrap();
        assert_eq!(plan.hosts[place as usize].id, "broker1");
        // An office network is no machine.
        let none = at(&["127.0.0.1", "10.30.128.5"]).unwrap_err().to_string();
        expect_test::expect![[r#"
            error: No host of rds.toml is this machine
              reason:    this machine has 10.30.128.5, and no host has one of these
              next step: name the host with --host: admin1, broker1, clearing-house, clients, dc1, licensing1, rdsh1, rdsh2, web1
        "#]]
        .assert_eq(&none);
        let several = at(&["10.30.0.11", "10.30.0.5"]).unwrap_err();
        assert_eq!(
            several.next_step.as_deref(),
            Some("name one with --host: broker1, dc1")
        );
        assert!(
            at(&[])
                .unwrap_err()
                .reason
                .unwrap()
                .starts_with("no address")
        );
    }

    #[test]
    fn the_estate_is_named_as_a_shell_takes_it() {
        let args = EstateArgs {
            file: Some("my estate.toml".into()),
            optional: true,
            feature: vec![("rds.gateway-udp".into(), false)],
        };
        assert_eq!(
            estate_option(&args),
            " -f 'my estate.toml' --optional --feature rds.gateway-udp=off"
        );
        assert_eq!(estate_option(&EstateArgs::default()), "");
    }
}
