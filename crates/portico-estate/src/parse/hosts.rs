//! Hosts, and what other sections share with them.

use portico_model::{
    HostId,
    estate::{
        AgentLink, AgentMode, Host, HostMode, Pin, Protocol, RdpSecurity, SessionsPerAccount,
        WEIGHT_DEFAULT, WEIGHT_MAX,
    },
};

use super::reader::Reader;
use crate::{
    Kind,
    document::{Item, Table, Wrong},
    limits, values,
};

/// Role of a host whose roles are not given.
const ROLE_DEFAULT: &str = "portico.session-host";
/// Limit of sessions of a host whose limit is not given.
const SESSIONS_MAX_DEFAULT: u32 = 100;

pub(super) fn host<'d>(
    reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    id: &HostId,
) -> Option<Host> {
    let title = optional(table, "title", |item| item.parsed("a name", values::title));
    let pool = table
        .required(
            "pool",
            "pool = \"…\", the id of its pool; or, for a host that is here for its ports only, \
             roles = [\"…\"]",
        )
        .and_then(|item| reader.reference(Kind::Pool, &item));
    let roles = optional(table, "roles", super::network::roles);
    let address = table
        .required("address", "address = \"…\", an IP address or a host name")
        .and_then(|item| item.parsed("an address", values::address));
    let protocol = table
        .required("protocol", "protocol = \"rdp\" or \"ssh\"")
        .and_then(|item| item.choice(&[("rdp", Protocol::Rdp), ("ssh", Protocol::Ssh)]));
    let port = optional(table, "port", |item| {
        item.whole_number(1..=u32::from(u16::MAX))
            .and_then(|port| u16::try_from(port).ok())
    });
    let security = optional(table, "security", |item| security(item, protocol));
    let agent = optional(table, "agent", |item| {
        item.choice(&[("none", AgentMode::None), ("required", AgentMode::Required)])
    });
    let agent_link = optional(table, "agent_link", |item| agent_link(item, agent));
    let site = optional(table, "site", |item| {
        reader.reference(Kind::ClientSite, item).map(Some)
    });
    let weight = optional(table, "weight", |item| item.whole_number(1..=WEIGHT_MAX));
    let sessions_per_account = optional(table, "sessions_per_account", |item| {
        item.choice(&[
            ("by-protocol", SessionsPerAccount::ByProtocol),
            ("one", SessionsPerAccount::One),
            ("many", SessionsPerAccount::Many),
        ])
    });
    let sessions_max = optional(table, "sessions_max", |item| {
        item.whole_number(1..=limits::SESSIONS_MAX)
    });
    let mode = optional(table, "mode", |item| {
        item.choice(&[
            ("enabled", HostMode::Enabled),
            ("drain", HostMode::Drain),
            ("disabled", HostMode::Disabled),
        ])
    });
    let pins = optional(table, "pins", |item| pins(item, protocol));
    let network = super::network::host_network(reader, table);
    let protocol = protocol?;
    Some(Host {
        title: title?.unwrap_or_else(|| id.to_string()),
        pool: pool?,
        roles: roles?.unwrap_or_else(|| vec![ROLE_DEFAULT.to_owned()]),
        address: address?,
        protocol,
        port: port?.unwrap_or(protocol.default_port()),
        security: security?.unwrap_or_default(),
        agent: agent?.unwrap_or_default(),
        sessions_max: sessions_max?.unwrap_or(SESSIONS_MAX_DEFAULT),
        mode: mode?.unwrap_or_default(),
        pins: pins?.unwrap_or_default(),
        weight: weight?.unwrap_or(WEIGHT_DEFAULT),
        sessions_per_account: sessions_per_account?.unwrap_or_default(),
        site: site?.flatten(),
        agent_link: agent_link?.unwrap_or_default(),
        network: network?,
    })
}

/// `Some(None)` when the key is absent, `None` when its value is wrong.
pub(super) fn optional<'d, T>(
    table: &mut Table<'d>,
    key: &'static str,
    read: impl FnOnce(&Item<'d>) -> Option<T>,
) -> Option<Option<T>> {
    match table.optional(key) {
        Some(item) => read(&item).map(Some),
        None => Some(None),
    }
}

/// Reads each element of a short list.
pub(super) fn short_list<'d, T: Ord + Clone>(
    item: &Item<'d>,
    expected: &str,
    mut read: impl FnMut(&Item<'d>) -> Option<T>,
) -> Option<Vec<T>> {
    let items = item.list(expected)?;
    if items.len() > limits::LIST_LEN_MAX {
        item.wrong(Wrong::new(
            format!("has {} elements", items.len()),
            format!("give at most {}", limits::LIST_LEN_MAX),
        ));
        return None;
    }
    let read: Vec<(T, Item<'d>)> = items
        .into_iter()
        .filter_map(|item| Some((read(&item)?, item)))
        .collect();
    super::refuse_twice(&read);
    Some(read.into_iter().map(|(value, _)| value).collect())
}

fn security(item: &Item<'_>, protocol: Option<Protocol>) -> Option<RdpSecurity> {
    if protocol == Some(Protocol::Ssh) {
        item.wrong(Wrong::new(
            "has no meaning for a host that speaks ssh",
            "take the key out",
        ));
        return None;
    }
    item.choice(&[
        ("negotiate", RdpSecurity::Negotiate),
        ("tls", RdpSecurity::Tls),
        ("nla", RdpSecurity::Nla),
    ])
}

/// Who opens the link of an agent. Of a host whose `agent` is wrong nothing is said.
fn agent_link(item: &Item<'_>, agent: Option<Option<AgentMode>>) -> Option<AgentLink> {
    if let Some(None | Some(AgentMode::None)) = agent {
        item.wrong(Wrong::new(
            "has no meaning for a host without agent",
            "add agent = \"required\", or take the key out",
        ));
        return None;
    }
    item.choice(&[("dial", AgentLink::Dial), ("listen", AgentLink::Listen)])
}

fn pins(item: &Item<'_>, protocol: Option<Protocol>) -> Option<Vec<Pin>> {
    let texts = short_list(
        item,
        "a list of identities, such as [\"sha256:…\"]",
        |item| {
            let pin = item.parsed("an identity", values::pin)?;
            let fits = match (&pin, protocol) {
                (Pin::CertificateSha256(_), Some(Protocol::Ssh)) => Err("an SSH host key"),
                (Pin::SshKey { .. }, Some(Protocol::Rdp)) => {
                    Err("the \"sha256:…\" of its certificate")
                }
                _ => Ok(()),
            };
            if let Err(expected) = fits {
                item.wrong(Wrong::new(
                    "is an identity of the other protocol",
                    format!("give {expected}"),
                ));
            }
            Some(crate::fields::pin_text(&pin))
        },
    )?;
    // Compared as texts, so that two spellings of one identity count as the same.
    Some(
        texts
            .iter()
            .filter_map(|text| values::pin(text).ok())
            .collect(),
    )
}
