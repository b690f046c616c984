//! Any estate, written and read again, is the same.

use std::collections::BTreeMap;

use portico_estate::{ICONS, Passwords, limits, parse, to_toml};
use portico_model::{
    EntitlementId, GroupId, HostId, PoolId, ResourceId, SessionPolicyId, SiteId, UserId, ZoneId,
    estate::*,
    network::{HostNetwork, OtherHost, PortSettings, Zone},
    people::{Role, Strength},
};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::select,
};

/// Ids are `a0` to `a4`, so that references meet.
fn numbered<T: std::fmt::Debug>(make: impl Fn(String) -> T + 'static) -> impl Strategy<Value = T> {
    (0..5u8).prop_map(move |n| make(format!("a{n}")))
}

fn ids<T: Ord + Clone + std::fmt::Debug + 'static>(
    one: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Vec<T>> {
    vec(one, 0..4)
        .prop_map(|ids| {
            let mut seen = std::collections::BTreeSet::new();
            ids.into_iter()
                .filter(|id| seen.insert(id.clone()))
                .collect()
        })
        .boxed()
}

fn title() -> impl Strategy<Value = String> {
    "[^\\p{Cc}\\p{Zl}\\p{Zp}]{0,20}".prop_map(|text| format!("t{text}"))
}

fn all<Id: Ord, T>(make: impl Fn(String) -> Id, values: Vec<T>) -> BTreeMap<Id, T> {
    values
        .into_iter()
        .enumerate()
        .map(|(n, value)| (make(format!("a{n}")), value))
        .collect()
}

fn pool() -> impl Strategy<Value = Pool> {
    (
        title(),
        select(vec!["{user}", "EX\\{user}", "\"{user}'"]),
        proptest::collection::btree_map(
            numbered(|t| UserId::new(t).unwrap()),
            "[ -~]{1,10}x",
            0..3,
        ),
        option::of(numbered(|t| SessionPolicyId::new(t).unwrap())),
        rules(),
    )
        .prop_map(
            |(title, template, exceptions, session_policy, rules)| Pool {
                title,
                account: AccountMapping {
                    template: template.into(),
                    exceptions,
                },
                session_policy,
                ..rules
            },
        )
}

fn rules() -> impl Strategy<Value = Pool> {
    let weight = || 0..=LOAD_WEIGHT_MAX;
    let weights = (1..=LOAD_WEIGHT_MAX, weight(), weight(), weight(), weight());
    (
        select(vec![
            PlacementRule::ResourceBased,
            PlacementRule::FewestSessions,
            PlacementRule::RoundRobin,
            PlacementRule::Pack,
        ]),
        weights,
        0..=limits::SIGN_INS_MAX,
        select(vec![
            SessionsPerUser::Resource,
            SessionsPerUser::Pool,
            SessionsPerUser::Many,
        ]),
        select(vec![ResumeFrom::Anywhere, ResumeFrom::SameNetwork]),
        any::<bool>(),
        select(vec![SiteRule::Prefer, SiteRule::Require, SiteRule::Ignore]),
    )
        .prop_map(
            |(placement, weights, sign_ins_max, per_user, from, affinity, site_rule)| {
                let (disk_wait, sessions, cpu, memory, run_queue) = weights;
                Pool {
                    placement,
                    load_weights: LoadWeights {
                        sessions,
                        cpu,
                        memory,
                        run_queue,
                        disk_wait,
                    },
                    sign_ins_max,
                    sessions_per_user: per_user,
                    resume_from: from,
                    affinity,
                    site_rule,
                    ..Pool::default()
                }
            },
        )
}

/// Each with a network of its own.
fn sites() -> impl Strategy<Value = BTreeMap<SiteId, ClientSite>> {
    vec((title(), any::<bool>()), 5).prop_map(|sites| {
        let sites = sites.into_iter().enumerate();
        let site = |(n, (title, networked)): (usize, (String, bool))| ClientSite {
            title,
            client_networks: networked
                .then(|| format!("10.{n}.0.0/16").parse().unwrap())
                .into_iter()
                .collect(),
        };
        all(|t| SiteId::new(t).unwrap(), sites.map(site).collect())
    })
}

/// The keys of a host that came with agents.
fn managed() -> impl Strategy<Value = Host> {
    (
        select(vec![
            (AgentMode::None, AgentLink::Dial),
            (AgentMode::Required, AgentLink::Dial),
            (AgentMode::Required, AgentLink::Listen),
        ]),
        1..=WEIGHT_MAX,
        select(vec![
            SessionsPerAccount::ByProtocol,
            SessionsPerAccount::One,
            SessionsPerAccount::Many,
        ]),
        option::of(numbered(|t| SiteId::new(t).unwrap())),
    )
        .prop_map(
            |((agent, agent_link), weight, sessions_per_account, site)| Host {
                title: String::new(),
                pool: PoolId::new("hosts").unwrap(),
                roles: vec![],
                address: String::new(),
                protocol: Protocol::Rdp,
                port: 1,
                security: RdpSecurity::Negotiate,
                sessions_max: 1,
                mode: HostMode::Enabled,
                pins: vec![],
                agent,
                agent_link,
                weight,
                sessions_per_account,
                site,
                network: HostNetwork::default(),
            },
        )
}

/// Where a host is in the network; the names are those of the catalogue.
fn network() -> impl Strategy<Value = HostNetwork> {
    let features = vec!["portico.agent-dials".to_owned(), "portico.host-ssh".into()];
    (
        ids(select(vec![
            "10.0.0.2".to_owned(),
            "2001:db8::2".into(),
            "192.0.2.0/24".into(),
            "other.example.org".into(),
        ])),
        option::of(numbered(|t| ZoneId::new(t).unwrap())),
        option::of(select(vec!["windows-2019".to_owned(), "linux".into()])),
        btree_map(select(features), any::<bool>(), 0..2),
        btree_map(
            select(vec!["443/tcp".to_owned(), "22/tcp".into()]),
            1..=u16::MAX,
            0..2,
        ),
        option::of(ids(select(vec!["a0".to_owned(), "a1".into()]))),
    )
        .prop_map(
            |(addresses, zone, os, features, ports, reaches)| HostNetwork {
                addresses,
                zone,
                os,
                features,
                ports,
                reaches,
            },
        )
}

fn other_host() -> impl Strategy<Value = OtherHost> {
    (
        title(),
        select(vec!["portico.broker".to_owned(), "portico.client".into()]),
        option::of(numbered(|t| SiteId::new(t).unwrap())),
        network(),
    )
        .prop_map(|(title, role, site, mut network)| {
            if network.addresses.is_empty() {
                network.addresses.push("10.0.0.3".into());
            }
            OtherHost {
                title,
                roles: vec![role],
                site,
                network,
            }
        })
}

/// Zones whose networks do not overlap, and what holds for the plan.
fn zones() -> impl Strategy<Value = (BTreeMap<ZoneId, Zone>, PortSettings)> {
    let features = vec!["portico.agent-dials".to_owned(), "portico.host-rdp".into()];
    (
        vec(title(), 5),
        any::<bool>(),
        btree_map(select(features), any::<bool>(), 0..2),
    )
        .prop_map(|(titles, optional, features)| {
            let zones = titles.into_iter().enumerate().map(|(n, title)| Zone {
                title,
                networks: vec![format!("10.{n}.0.0/16").parse().unwrap()],
            });
            let zones = all(|t| ZoneId::new(t).unwrap(), zones.collect());
            (zones, PortSettings { optional, features })
        })
}

fn host() -> impl Strategy<Value = Host> {
    let rdp = (
        select(vec![
            RdpSecurity::Negotiate,
            RdpSecurity::Tls,
            RdpSecurity::Nla,
        ]),
        ids(any::<[u8; 32]>()),
    )
        .prop_map(|(security, pins)| {
            let pins = pins.into_iter().map(Pin::CertificateSha256).collect();
            (Protocol::Rdp, security, pins)
        });
    let ssh_pin = Pin::SshKey {
        algorithm: "ssh-ed25519".into(),
        blob: "AAAAC3NzaC1lZDI1NTE5AAAAIJd8hPDXZEdWY8sGRYTj9yTxfLJjJuPLHRRAWLl0Jq2p".into(),
    };
    let ssh = any::<bool>().prop_map(move |pinned| {
        let pins = if pinned {
            vec![ssh_pin.clone()]
        } else {
            vec![]
        };
        (Protocol::Ssh, RdpSecurity::Negotiate, pins)
    });
    (
        title(),
        select(vec!["10.0.0.1", "2001:db8::1", "sh1.example.org"]),
        prop_oneof![rdp, ssh],
        1..=u16::MAX,
        1..=10_000u32,
        select(vec![HostMode::Enabled, HostMode::Drain, HostMode::Disabled]),
        ids(select(vec![
            "portico.session-host".to_owned(),
            "portico.gateway".to_owned(),
        ])),
        (managed(), network()),
    )
        .prop_map(
            |(
                title,
                address,
                (protocol, security, pins),
                port,
                sessions_max,
                mode,
                roles,
                (managed, network),
            )| Host {
                title,
                pool: PoolId::new("hosts").unwrap(),
                roles,
                address: address.into(),
                protocol,
                port,
                security,
                sessions_max,
                mode,
                pins,
                network,
                ..managed
            },
        )
}

fn resource() -> impl Strategy<Value = Resource> {
    let pool = || numbered(|t| PoolId::new(t).unwrap());
    let kind = prop_oneof![
        pool().prop_map(|pool| ResourceKind::Desktop { pool }),
        pool().prop_map(|pool| ResourceKind::Terminal { pool }),
        (pool(), title(), "[^\\p{Cc}\\p{Zl}\\p{Zp}]{0,20}").prop_map(
            |(pool, program, work_dir)| {
                ResourceKind::Application {
                    pool,
                    program,
                    work_dir,
                }
            }
        ),
        "https?://[a-z]{1,9}(:80)?(/[a-zA-Z0-9!$&'()*+,;=:@/?%#_.~-]{0,9})?"
            .prop_map(|url| ResourceKind::Link { url }),
    ];
    (
        title(),
        title(),
        select(ICONS.to_vec()),
        kind,
        any::<bool>(),
    )
        .prop_map(|(title, description, icon, kind, in_folder)| Resource {
            title,
            description,
            folder: if in_folder {
                "Work/Büro".into()
            } else {
                String::new()
            },
            icon: icon.into(),
            kind,
        })
}

fn weekly_time() -> impl Strategy<Value = WeeklyTime> {
    (
        proptest::collection::btree_set(0..7u8, 1..7),
        0..1440u16,
        1..=1440u16,
        select(vec![
            "Europe/Berlin",
            "UTC",
            "America/Argentina/Buenos_Aires",
        ]),
    )
        .prop_map(|(days, from_min, to_min, zone)| WeeklyTime {
            days: days.into_iter().collect(),
            from_min,
            to_min,
            time_zone: zone.into(),
        })
}

fn entitlement() -> impl Strategy<Value = Entitlement> {
    (
        ids(numbered(|t| UserId::new(t).unwrap())),
        ids(numbered(|t| GroupId::new(t).unwrap())),
        ids(numbered(|t| ResourceId::new(t).unwrap())),
        ids(select(vec!["10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"])),
        vec(weekly_time(), 0..3),
        select(vec![Strength::Password, Strength::SecondFactor]),
    )
        .prop_map(
            |(users, groups, resources, networks, times, strength)| Entitlement {
                users,
                groups,
                resources,
                client_networks: networks.iter().map(|n| n.parse().unwrap()).collect(),
                times,
                strength,
            },
        )
}

fn user() -> impl Strategy<Value = User> {
    (
        title(),
        select(vec![
            Role::User,
            Role::Auditor,
            Role::HelpDesk,
            Role::Operator,
            Role::Owner,
        ]),
        option::of(Just(
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned(),
        )),
    )
        .prop_map(|(display_name, role, password_hash)| User {
            display_name,
            role,
            password_hash,
            origin: UserOrigin::File,
        })
}

fn policy() -> impl Strategy<Value = SessionPolicy> {
    let clipboard = select(vec![
        Clipboard::None,
        Clipboard::ToHost,
        Clipboard::FromHost,
        Clipboard::Both,
    ]);
    let drive = select(vec![Drive::Off, Drive::Read, Drive::ReadWrite]);
    let printer = select(vec![Printer::Off, Printer::On]);
    let timeout = || 0..=limits::TIMEOUT_S_MAX;
    let microphone = select(vec![Microphone::Off, Microphone::On]);
    let timeouts = (timeout(), timeout(), timeout(), timeout());
    let devices = (drive, printer, microphone);
    (clipboard, timeouts, devices).prop_map(
        |(clipboard, (idle, total, disconnected, session), (drive, printer, microphone))| {
            SessionPolicy {
                clipboard,
                drive,
                printer,
                idle_timeout_s: idle,
                total_timeout_s: total,
                disconnected_timeout_s: disconnected,
                session_timeout_s: session,
                microphone,
            }
        },
    )
}

/// Groups only contain groups with a greater number, so that there is no cycle.
fn groups() -> impl Strategy<Value = Vec<Group>> {
    vec(
        (
            title(),
            ids(numbered(|t| UserId::new(t).unwrap())),
            any::<[bool; 5]>(),
        ),
        5,
    )
    .prop_map(|groups| {
        let inner = |own: usize, wanted: [bool; 5]| {
            (own + 1..5)
                .filter(|n| wanted[*n])
                .map(|n| GroupId::new(format!("a{n}")).unwrap())
                .collect()
        };
        groups
            .into_iter()
            .enumerate()
            .map(|(own, (title, users, wanted))| Group {
                title,
                users,
                groups: inner(own, wanted),
            })
            .collect()
    })
}

fn estate() -> impl Strategy<Value = Estate> {
    (
        (
            title(),
            option::of("[^\\p{Cc}\\p{Zl}\\p{Zp}]{0,9}(\n[a-z]{0,9})?"),
        ),
        (sites(), vec(pool(), 5)),
        (vec(host(), 0..5), vec(other_host(), 0..3), zones()),
        vec(resource(), 5),
        vec(entitlement(), 0..5),
        vec(policy(), 5),
        groups(),
        vec(user(), 5),
    )
        .prop_map(
            |(
                site,
                (sites, pools),
                (hosts, others, (zones, ports)),
                resources,
                entitlements,
                policies,
                groups,
                users,
            )| {
                let mut pools = all(|t| PoolId::new(t).unwrap(), pools);
                // The hosts have a pool of their own, so that no resource is of another protocol.
                pools.insert(
                    PoolId::new("hosts").unwrap(),
                    pools[&PoolId::new("a0").unwrap()].clone(),
                );
                Estate {
                    site: Site {
                        name: site.0,
                        notice: site.1,
                    },
                    sites,
                    zones,
                    ports,
                    pools,
                    other_hosts: others
                        .into_iter()
                        .enumerate()
                        .map(|(n, host)| (HostId::new(format!("other{n}")).unwrap(), host))
                        .collect(),
                    hosts: all(|t| HostId::new(t).unwrap(), hosts),
                    resources: all(|t| ResourceId::new(t).unwrap(), resources),
                    entitlements: all(|t| EntitlementId::new(t).unwrap(), entitlements),
                    session_policies: all(|t| SessionPolicyId::new(t).unwrap(), policies),
                    groups: all(|t| GroupId::new(t).unwrap(), groups),
                    users: all(|t| UserId::new(t).unwrap(), users),
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_estate_written_and_read_again_is_the_same(estate in estate()) {
        let written = to_toml(&estate, Passwords::Hashes);
        let read = parse("written.toml", &written)
            .map_err(|errors| TestCaseError::fail(format!("{}\n{written}", crate::errors::lines(&errors))))?;
        prop_assert_eq!(read.estate, estate);
    }
}
