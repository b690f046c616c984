//! The ports that this node listens on.

use std::net::SocketAddr;

use portico_net::{FlowId, TcpListener, flows, holders};

use super::{Line, Node};

const ABOUT: &str = "ports";

/// Each listener: held by Portico when it runs, free when it does not.
pub(super) async fn listeners(node: &Node) -> Vec<Line> {
    let settings = &node.settings;
    let mut wanted = vec![(flows::CLIENT_PORTAL_HTTPS, settings.listen)];
    if let Some(agents) = &settings.agents {
        wanted.push((flows::AGENT_BROKER_LINK, agents.link));
        wanted.push((flows::AGENT_BROKER_ENROLLMENT, agents.enrollment));
    }
    let mut lines = Vec::new();
    for (flow, address) in wanted {
        lines.push(match node.is_running {
            true => held(flow, address).await,
            false => free(flow, address).await,
        });
    }
    lines
}

async fn free(flow: FlowId, address: SocketAddr) -> Line {
    match TcpListener::bind(flow, address).await {
        Ok(_) => Line::ok(ABOUT, format!("{address} is free for {flow}")),
        Err(error) => Line::failed(ABOUT, error.to_string(), error.next_step()),
    }
}

async fn held(flow: FlowId, address: SocketAddr) -> Line {
    let found = tokio::task::spawn_blocking(move || holders::holder_of(address)).await;
    match found.ok().flatten() {
        Some(holder) if holder.name.starts_with("portico") => {
            Line::ok(ABOUT, format!("{holder} listens on {address} for {flow}"))
        }
        Some(holder) => Line::failed(
            ABOUT,
            format!("{holder} listens on {address}, which is for {flow}"),
            format!("stop {holder}, and start Portico again with these settings"),
        ),
        // Processes of others are seen by root only.
        None => match TcpListener::bind(flow, address).await {
            Ok(_) => Line::failed(
                ABOUT,
                format!("Portico runs, and nothing listens on {address} for {flow}"),
                "start it again: its settings have changed since",
            ),
            Err(_) => Line::ok(ABOUT, format!("{address} is held, as Portico runs")),
        },
    }
}
