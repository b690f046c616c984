//! The names of Portico's own flows, so that a socket without a line in the catalogue does not
//! compile. A test keeps these lists and `data/portico.toml` the same.

use std::fmt;

use crate::Flow;

/// Names one flow: of the document `portico`, or, for the port check alone, of any document. Only
/// this module makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(&'static str);

/// Names one local (Unix) socket of the document `portico`. Only this module makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalSocketId(&'static str);

/// Client to portal and gateway: HTTPS and WebSocket, 443/tcp.
pub const CLIENT_PORTAL_HTTPS: FlowId = FlowId("portico.client-portal-https");
/// Gateway to session host: RDP, 3389/tcp.
pub const GATEWAY_HOST_RDP: FlowId = FlowId("portico.gateway-host-rdp");
/// Engine to session host: SSH, 22/tcp.
pub const ENGINE_HOST_SSH: FlowId = FlowId("portico.engine-host-ssh");
/// Gateway to session host: the SSH probe, 22/tcp.
pub const GATEWAY_HOST_SSH_PROBE: FlowId = FlowId("portico.gateway-host-ssh-probe");
/// Agent to broker: the agent link, 30004/tcp.
pub const AGENT_BROKER_LINK: FlowId = FlowId("portico.agent-broker-link");
/// Broker to agent: the agent link opened from the other end, 30004/tcp.
pub const BROKER_AGENT_LINK: FlowId = FlowId("portico.broker-agent-link");
/// Agent to broker: enrollment and renewal, 30030/tcp.
pub const AGENT_BROKER_ENROLLMENT: FlowId = FlowId("portico.agent-broker-enrollment");

/// All flow constants.
pub const ALL: &[FlowId] = &[
    CLIENT_PORTAL_HTTPS,
    GATEWAY_HOST_RDP,
    ENGINE_HOST_SSH,
    GATEWAY_HOST_SSH_PROBE,
    AGENT_BROKER_LINK,
    BROKER_AGENT_LINK,
    AGENT_BROKER_ENROLLMENT,
];

/// Command line of root to the portal on the same machine.
pub const CLI_PORTAL: LocalSocketId = LocalSocketId("portico.cli-portal");
/// Gateway to the engine on the same machine.
pub const GATEWAY_ENGINE: LocalSocketId = LocalSocketId("portico.gateway-engine");
/// Agent to the X server of a desktop on the same machine, whose socket is not Portico's.
pub const AGENT_DISPLAY: LocalSocketId = LocalSocketId("portico.agent-display");

/// All constants of local sockets.
pub const ALL_LOCAL: &[LocalSocketId] = &[CLI_PORTAL, GATEWAY_ENGINE, AGENT_DISPLAY];

impl FlowId {
    /// The flow of a plan that the port check proves by speaking its protocol, whoever opens it
    /// otherwise.
    pub fn checked(flow: &'static Flow) -> Self {
        Self(&flow.id)
    }

    /// The id as the catalogue writes it.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl LocalSocketId {
    /// The id as the catalogue writes it.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for LocalSocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}
