//! Each object of an estate as the keys and values it has in the file. Plans compare these, and
//! the writer writes them, so that both speak the words of the file.

use std::{collections::BTreeMap, fmt::Write};

use ipnet::IpNet;
use portico_model::{
    estate::{
        AgentLink, AgentMode, ClientSite, Clipboard, Drive, Entitlement, Group, Host, HostMode,
        LoadWeights, Microphone, Pin, PlacementRule, Pool, Printer, Protocol, RdpSecurity,
        Resource, ResourceKind, ResumeFrom, SessionPolicy, SessionsPerAccount, SessionsPerUser,
        Site, SiteRule, User, WeeklyTime,
    },
    network::{HostNetwork, OtherHost, PortSettings, Zone},
    people::{Role, Strength},
    text::is_unsafe_to_show,
};

use crate::parse::{DAYS, GROUP_PREFIX};

/// Keys and values, in the order of the file; each value is valid TOML of one line, and safe to
/// show. A password hash is not among them.
pub(crate) type Fields = Vec<(&'static str, String)>;

pub(crate) fn site(site: &Site) -> Fields {
    let mut fields = vec![("name", quoted(&site.name))];
    fields.extend(
        site.notice
            .as_ref()
            .map(|notice| ("notice", quoted(notice))),
    );
    fields
}

pub(crate) fn client_site(site: &ClientSite) -> Fields {
    vec![
        ("title", quoted(&site.title)),
        ("client_networks", networks(&site.client_networks)),
    ]
}

pub(crate) fn pool(pool: &Pool) -> Fields {
    let placement = match pool.placement {
        PlacementRule::ResourceBased => "resource-based",
        PlacementRule::FewestSessions => "fewest-sessions",
        PlacementRule::RoundRobin => "round-robin",
        PlacementRule::Pack => "pack",
    };
    let mut fields = vec![
        ("title", quoted(&pool.title)),
        ("placement", quoted(placement)),
        ("account", quoted(&pool.account.template)),
    ];
    if !pool.account.exceptions.is_empty() {
        let exceptions = pool
            .account
            .exceptions
            .iter()
            .map(|(user, account)| format!("{} = {}", quoted(user.as_str()), quoted(account)))
            .collect::<Vec<_>>();
        fields.push((
            "account_exceptions",
            format!("{{ {} }}", exceptions.join(", ")),
        ));
    }
    if let Some(policy) = &pool.session_policy {
        fields.push(("session_policy", quoted(policy.as_str())));
    }
    fields.extend(placement_rules(pool));
    fields
}

fn placement_rules(pool: &Pool) -> Fields {
    let sessions_per_user = match pool.sessions_per_user {
        SessionsPerUser::Resource => "resource",
        SessionsPerUser::Pool => "pool",
        SessionsPerUser::Many => "many",
    };
    let resume_from = match pool.resume_from {
        ResumeFrom::Anywhere => "anywhere",
        ResumeFrom::SameNetwork => "same-network",
    };
    let site_rule = match pool.site_rule {
        SiteRule::Prefer => "prefer",
        SiteRule::Require => "require",
        SiteRule::Ignore => "ignore",
    };
    vec![
        ("load_weights", load_weights(&pool.load_weights)),
        ("sign_ins_max", pool.sign_ins_max.to_string()),
        ("sessions_per_user", quoted(sessions_per_user)),
        ("resume_from", quoted(resume_from)),
        ("affinity", pool.affinity.to_string()),
        ("site_rule", quoted(site_rule)),
    ]
}

fn load_weights(weights: &LoadWeights) -> String {
    let LoadWeights {
        sessions,
        cpu,
        memory,
        run_queue,
        disk_wait,
    } = weights;
    format!(
        "{{ sessions = {sessions}, cpu = {cpu}, memory = {memory}, run_queue = {run_queue}, \
         disk_wait = {disk_wait} }}"
    )
}

pub(crate) fn host(host: &Host) -> Fields {
    let protocol = match host.protocol {
        Protocol::Rdp => "rdp",
        Protocol::Ssh => "ssh",
    };
    let mut fields = vec![
        ("title", quoted(&host.title)),
        ("pool", quoted(host.pool.as_str())),
        ("roles", list(&host.roles)),
        ("address", quoted(&host.address)),
        ("protocol", quoted(protocol)),
        ("port", host.port.to_string()),
    ];
    if host.protocol == Protocol::Rdp {
        let security = match host.security {
            RdpSecurity::Negotiate => "negotiate",
            RdpSecurity::Tls => "tls",
            RdpSecurity::Nla => "nla",
        };
        fields.push(("security", quoted(security)));
    }
    let agent = match host.agent {
        AgentMode::None => "none",
        AgentMode::Required => "required",
    };
    fields.push(("agent", quoted(agent)));
    if host.agent == AgentMode::Required {
        let agent_link = match host.agent_link {
            AgentLink::Dial => "dial",
            AgentLink::Listen => "listen",
        };
        fields.push(("agent_link", quoted(agent_link)));
    }
    fields.extend(
        host.site
            .as_ref()
            .map(|site| ("site", quoted(site.as_str()))),
    );
    let sessions_per_account = match host.sessions_per_account {
        SessionsPerAccount::ByProtocol => "by-protocol",
        SessionsPerAccount::One => "one",
        SessionsPerAccount::Many => "many",
    };
    let mode = match host.mode {
        HostMode::Enabled => "enabled",
        HostMode::Drain => "drain",
        HostMode::Disabled => "disabled",
    };
    fields.extend([
        ("sessions_max", host.sessions_max.to_string()),
        ("sessions_per_account", quoted(sessions_per_account)),
        ("weight", host.weight.to_string()),
        ("mode", quoted(mode)),
        (
            "pins",
            list(&host.pins.iter().map(pin_text).collect::<Vec<_>>()),
        ),
    ]);
    fields.extend(host_network(&host.network));
    fields
}

pub(crate) fn other_host(host: &OtherHost) -> Fields {
    let mut fields = vec![("title", quoted(&host.title)), ("roles", list(&host.roles))];
    fields.extend(
        host.site
            .as_ref()
            .map(|site| ("site", quoted(site.as_str()))),
    );
    fields.extend(host_network(&host.network));
    fields
}

/// Only what differs from the default: most hosts need none of it.
fn host_network(network: &HostNetwork) -> Fields {
    let HostNetwork {
        addresses,
        zone,
        os,
        features,
        ports,
        reaches,
    } = network;
    let mut fields = Fields::new();
    if !addresses.is_empty() {
        fields.push(("addresses", list(addresses)));
    }
    fields.extend(zone.as_ref().map(|zone| ("zone", quoted(zone.as_str()))));
    fields.extend(os.as_ref().map(|os| ("os", quoted(os))));
    if !features.is_empty() {
        fields.push(("features", inline(features)));
    }
    if !ports.is_empty() {
        fields.push(("ports", inline(ports)));
    }
    fields.extend(reaches.as_ref().map(|reaches| ("reaches", list(reaches))));
    fields
}

pub(crate) fn zone(zone: &Zone) -> Fields {
    vec![
        ("title", quoted(&zone.title)),
        ("networks", networks(&zone.networks)),
    ]
}

pub(crate) fn ports(ports: &PortSettings) -> Fields {
    let mut fields = Fields::new();
    if ports.optional {
        fields.push(("optional", "true".into()));
    }
    if !ports.features.is_empty() {
        fields.push(("features", inline(&ports.features)));
    }
    fields
}

fn inline<T: ToString>(table: &BTreeMap<String, T>) -> String {
    let entries: Vec<String> = table
        .iter()
        .map(|(key, value)| format!("{} = {}", quoted(key), value.to_string()))
        .collect();
    format!("{{ {} }}", entries.join(", "))
}

pub(crate) fn resource(resource: &Resource) -> Fields {
    let mut fields = vec![("title", quoted(&resource.title))];
    match &resource.kind {
        ResourceKind::Desktop { pool } => {
            fields.push(("kind", quoted("desktop")));
            fields.push(("pool", quoted(pool.as_str())));
        }
        ResourceKind::Terminal { pool } => {
            fields.push(("kind", quoted("terminal")));
            fields.push(("pool", quoted(pool.as_str())));
        }
        ResourceKind::Application {
            pool,
            program,
            work_dir,
        } => {
            fields.push(("kind", quoted("application")));
            fields.push(("pool", quoted(pool.as_str())));
            fields.push(("program", quoted(program)));
            fields.push(("work_dir", quoted(work_dir)));
        }
        ResourceKind::Link { url } => {
            fields.push(("kind", quoted("link")));
            fields.push(("url", quoted(url)));
        }
    }
    fields.extend([
        ("icon", quoted(&resource.icon)),
        ("folder", quoted(&resource.folder)),
        ("description", quoted(&resource.description)),
    ]);
    fields
}

pub(crate) fn entitlement(entitlement: &Entitlement) -> Fields {
    let strength = match entitlement.strength {
        Strength::Password => "password",
        Strength::SecondFactor => "second-factor",
    };
    let times: Vec<String> = entitlement.times.iter().map(weekly_time).collect();
    vec![
        ("groups", list(&entitlement.groups)),
        ("users", list(&entitlement.users)),
        ("resources", list(&entitlement.resources)),
        ("client_networks", networks(&entitlement.client_networks)),
        ("times", format!("[{}]", times.join(", "))),
        ("strength", quoted(strength)),
    ]
}

pub(crate) fn session_policy(policy: &SessionPolicy) -> Fields {
    let clipboard = match policy.clipboard {
        Clipboard::None => "none",
        Clipboard::ToHost => "to-host",
        Clipboard::FromHost => "from-host",
        Clipboard::Both => "both",
    };
    let microphone = match policy.microphone {
        Microphone::Off => "off",
        Microphone::On => "on",
    };
    let drive = match policy.drive {
        Drive::Off => "off",
        Drive::Read => "read",
        Drive::ReadWrite => "read-write",
    };
    let printer = match policy.printer {
        Printer::Off => "off",
        Printer::On => "on",
    };
    vec![
        ("clipboard", quoted(clipboard)),
        ("drive", quoted(drive)),
        ("printer", quoted(printer)),
        ("idle_timeout_s", policy.idle_timeout_s.to_string()),
        ("total_timeout_s", policy.total_timeout_s.to_string()),
        (
            "disconnected_timeout_s",
            policy.disconnected_timeout_s.to_string(),
        ),
        ("session_timeout_s", policy.session_timeout_s.to_string()),
        ("microphone", quoted(microphone)),
    ]
}

pub(crate) fn group(group: &Group) -> Fields {
    let members: Vec<String> = group
        .users
        .iter()
        .map(|user| user.to_string())
        .chain(group.groups.iter().map(|id| format!("{GROUP_PREFIX}{id}")))
        .collect();
    vec![("title", quoted(&group.title)), ("members", list(&members))]
}

pub(crate) fn user(user: &User) -> Fields {
    let role = match user.role {
        Role::User => "user",
        Role::Auditor => "auditor",
        Role::HelpDesk => "help-desk",
        Role::Operator => "operator",
        Role::Owner => "owner",
    };
    vec![
        ("display_name", quoted(&user.display_name)),
        ("role", quoted(role)),
    ]
}

/// A pin as the file has it.
pub(crate) fn pin_text(pin: &Pin) -> String {
    match pin {
        Pin::CertificateSha256(bytes) => {
            let mut text = "sha256:".to_owned();
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
            text
        }
        Pin::SshKey { algorithm, blob } => format!("{algorithm} {blob}"),
    }
}

/// `text` as a basic string of TOML, with everything escaped that is not safe to show.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if is_unsafe_to_show(c) => {
                // Writing to a String cannot fail.
                let _ = match u32::from(c) {
                    code @ 0..=0xffff => write!(out, "\\u{code:04X}"),
                    code => write!(out, "\\U{code:08X}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn networks(networks: &[IpNet]) -> String {
    let texts: Vec<String> = networks.iter().map(ToString::to_string).collect();
    list(&texts)
}

fn list<T: AsRef<str>>(elements: &[T]) -> String {
    let quoted: Vec<String> = elements.iter().map(|e| quoted(e.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

fn weekly_time(time: &WeeklyTime) -> String {
    let days: Vec<&str> = time
        .days
        .iter()
        .filter_map(|day| DAYS.get(usize::from(*day)).copied())
        .collect();
    let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!(
        "{{ days = {}, from = \"{}\", to = \"{}\", time_zone = {} }}",
        list(&days),
        clock(time.from_min),
        clock(time.to_min),
        quoted(&time.time_zone)
    )
}
