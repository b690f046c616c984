//! Firewall rules and listeners of a host as the API shows them.

use std::net::IpAddr;

use portico_wire::agent::{
    HostInterface, HostPorts, HostProcess, HostSocket, RulesDump, RulesTold, RulesTool,
    SocketTransport,
};
use serde::Serialize;
use utoipa::ToSchema;

/// What a host has loaded as firewall rules, and who listens there, as its agent read it now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostPortsView {
    /// What each tool that shows rules said.
    rules: Vec<RulesDumpView>,
    /// Sockets that take connections, or datagrams from anybody.
    sockets: Vec<HostSocketView>,
    /// Why not all sockets are there.
    sockets_fault: Option<String>,
    /// Interfaces, an entry for each address.
    interfaces: Vec<HostInterfaceView>,
    /// First and last of the ports that programs get when they ask for any.
    client_ports: [u16; 2],
    /// Whether the agent runs as root. Others see neither the rules nor whose the sockets are.
    as_root: bool,
}

/// What one tool said.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RulesDumpView {
    tool: RulesToolView,
    state: RulesStateView,
    /// What it printed. Free text of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// A tool that shows rules.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RulesToolView {
    Nft,
    IptablesSave,
    Ip6tablesSave,
}

/// What came of a tool.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RulesStateView {
    /// It printed rules.
    Text,
    /// It is not installed.
    Absent,
    /// It printed nothing that can be judged.
    Failed,
}

/// A socket.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostSocketView {
    transport: SocketTransportView,
    #[schema(value_type = String)]
    address: IpAddr,
    port: u16,
    /// Whether one at an IPv6 address takes IPv4, too.
    takes_ipv4: bool,
    /// The only interface that it listens at.
    interface: Option<String>,
    /// Who holds it, as far as the agent may know.
    processes: Vec<HostProcessView>,
}

/// The protocol of a socket.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SocketTransportView {
    Tcp,
    Udp,
}

/// A process.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostProcessView {
    pid: u32,
    /// Its short name. Free text of the host.
    name: String,
}

/// An interface and one of its addresses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HostInterfaceView {
    name: String,
    #[schema(value_type = String)]
    address: IpAddr,
}

impl From<HostPorts> for HostPortsView {
    fn from(told: HostPorts) -> Self {
        let (first, last) = told.client_ports;
        Self {
            rules: told.rules.into_iter().map(RulesDumpView::from).collect(),
            sockets: told.sockets.into_iter().map(HostSocketView::from).collect(),
            sockets_fault: told.sockets_fault,
            interfaces: told
                .interfaces
                .into_iter()
                .map(|HostInterface { name, address }| HostInterfaceView { name, address })
                .collect(),
            client_ports: [first, last],
            as_root: told.as_root,
        }
    }
}

impl From<RulesDump> for RulesDumpView {
    fn from(dump: RulesDump) -> Self {
        let (state, text, why) = match dump.told {
            RulesTold::Text { text } => (RulesStateView::Text, Some(text), None),
            RulesTold::Absent => (RulesStateView::Absent, None, None),
            RulesTold::Failed { why } => (RulesStateView::Failed, None, Some(why)),
        };
        Self {
            tool: match dump.tool {
                RulesTool::Nft => RulesToolView::Nft,
                RulesTool::IptablesSave => RulesToolView::IptablesSave,
                RulesTool::Ip6tablesSave => RulesToolView::Ip6tablesSave,
            },
            state,
            text,
            why,
        }
    }
}

impl From<HostSocket> for HostSocketView {
    fn from(socket: HostSocket) -> Self {
        Self {
            transport: match socket.transport {
                SocketTransport::Tcp => SocketTransportView::Tcp,
                SocketTransport::Udp => SocketTransportView::Udp,
            },
            address: socket.address,
            port: socket.port,
            takes_ipv4: socket.takes_ipv4,
            interface: socket.interface,
            processes: socket
                .processes
                .into_iter()
                .map(|HostProcess { pid, name }| HostProcessView { pid, name })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command line reads the API's answer as what the agent told.
    #[test]
    fn what_the_api_shows_is_read_as_what_was_told() {
        let told = HostPorts {
            rules: vec![
                RulesDump {
                    tool: RulesTool::IptablesSave,
                    told: RulesTold::Failed { why: "no".into() },
                },
                RulesDump {
                    tool: RulesTool::Ip6tablesSave,
                    told: RulesTold::Absent,
                },
                RulesDump {
                    tool: RulesTool::Nft,
                    told: RulesTold::Text { text: "{}".into() },
                },
            ],
            sockets: [SocketTransport::Tcp, SocketTransport::Udp]
                .map(|transport| HostSocket {
                    transport,
                    address: "::1".parse().unwrap(),
                    port: 5,
                    takes_ipv4: true,
                    interface: None,
                    processes: vec![HostProcess {
                        pid: 7,
                        name: "\u{1b}x".into(),
                    }],
                })
                .to_vec(),
            sockets_fault: Some("some are left out".into()),
            interfaces: vec![HostInterface {
                name: "eth0".into(),
                address: "10.0.0.2".parse().unwrap(),
            }],
            client_ports: (1, 2),
            as_root: true,
        };
        let shown = serde_json::to_vec(&HostPortsView::from(told.clone())).unwrap();
        assert_eq!(HostPorts::read(&shown), Ok(told));
    }
}
