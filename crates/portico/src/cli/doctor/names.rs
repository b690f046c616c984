//! The names under which others come to this node.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use portico_net::{FlowId, flows, own, race};

use super::{Line, Node};

const ABOUT: &str = "names";
/// Time for one name.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Each name: it has to lead here, or to something that stands in front.
pub(super) async fn names(node: &Node) -> Vec<Line> {
    let mut names: BTreeMap<String, FlowId> = BTreeMap::new();
    for origin in &node.settings.origins {
        names.insert(host_of(origin).to_owned(), flows::CLIENT_PORTAL_HTTPS);
    }
    for name in node
        .settings
        .agents
        .iter()
        .flat_map(|agents| &agents.advertise)
    {
        names.insert(name.clone(), flows::AGENT_BROKER_LINK);
    }
    let mut lines = Vec::new();
    let mut is_local_only = true;
    for (name, flow) in &names {
        let (line, is_local) = name_line(name, *flow).await;
        is_local_only &= is_local;
        lines.push(line);
    }
    if is_local_only && !names.is_empty() {
        lines.push(Line::warning(
            ABOUT,
            "all names are of this machine alone: nobody can come from elsewhere",
            "give the names that people use, as in [tls] names = [\"portico.example.org\"]",
        ));
    }
    lines
}

/// Host of an origin such as `https://[::1]:8443`.
pub(super) fn host_of(origin: &str) -> &str {
    let authority = origin.strip_prefix("https://").unwrap_or(origin);
    if let Some((host, _)) = authority.strip_prefix('[').and_then(|a| a.split_once(']')) {
        return host;
    }
    authority
        .split_once(':')
        .map_or(authority, |(host, _)| host)
}

/// How a name is, and whether it leads no further than this machine.
async fn name_line(name: &str, flow: FlowId) -> (Line, bool) {
    let port = portico_net::default_port(flow);
    let found = match race::addresses_of(flow, name, port, TIMEOUT).await {
        Ok(found) => found,
        Err(error) => {
            let line = Line::warning(
                ABOUT,
                error.to_string(),
                format!("add {name} to the DNS, for this machine and for those that come"),
            );
            return (line, false);
        }
    };
    let ips: Vec<IpAddr> = found.iter().map(|address| address.ip()).collect();
    let is_local = ips.iter().all(IpAddr::is_loopback);
    let shown: Vec<String> = ips.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    let is_ip = name.parse::<IpAddr>().is_ok();
    for ip in &ips {
        if own::is_own(*ip).await {
            let what = match is_ip {
                true => format!("{name} is an address of this machine"),
                false => format!("{name} leads to this machine ({shown})"),
            };
            return (Line::ok(ABOUT, what), is_local);
        }
    }
    let line = Line::warning(
        ABOUT,
        match is_ip {
            true => format!("{name} is no address of this machine"),
            false => format!("{name} leads to {shown}, which is no address of this machine"),
        },
        "that is right behind a load balancer or address translation; otherwise correct the DNS or \
         the settings",
    );
    (line, is_local)
}
