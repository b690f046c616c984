//! The checked catalogue and look-ups in it.

use std::{collections::BTreeMap, sync::LazyLock};

use portico_model::estate::Protocol;

use crate::{
    flow::{Answer, FeatureEntry, Flow, LocalSocket, RoleEntry},
    flows::{self, FlowId, LocalSocketId},
    parse::{CatalogueError, DocumentText, Parsed, parse},
};

/// A file of `data/` as part of the program.
macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(DocumentText {
            file_name: concat!("data/", $name),
            text: include_str!(concat!("../data/", $name)),
        }),*]
    };
}

/// Documents that are built in; some have several files.
const BUILT_IN: &[DocumentText<'static>] = built_in![
    "portico.toml",
    "ras-connection-broker.toml",
    "rds-2012.toml",
    "tarantella.toml",
    "windows-services/roles.toml",
    "windows-services/directory.toml",
    "windows-services/files.toml",
    "windows-services/management.toml",
    "windows-services/network.toml",
    "windows-services/platform.toml",
    "windows-services/servers.toml",
    "windows-services/sessions.toml",
];

/// All flows, roles and local sockets; consistent in itself.
#[derive(Debug)]
pub struct Catalogue {
    documents: BTreeMap<String, String>,
    roles: BTreeMap<String, RoleEntry>,
    features: BTreeMap<String, FeatureEntry>,
    flows: BTreeMap<String, Flow>,
    local_sockets: BTreeMap<String, LocalSocket>,
}

impl Catalogue {
    /// The built-in catalogue, read once.
    pub fn portico() -> &'static Self {
        #[expect(
            clippy::panic,
            reason = "the text is part of the program, and a test reads it: it cannot be wrong at run time"
        )]
        static BUILT: LazyLock<Catalogue> = LazyLock::new(|| {
            Catalogue::parse(BUILT_IN).unwrap_or_else(|errors| {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                panic!("the built-in catalogue is wrong:\n{}", lines.join("\n"))
            })
        });
        &BUILT
    }

    /// Reads documents; all errors of all files.
    pub fn parse(documents: &[DocumentText<'_>]) -> Result<Self, Vec<CatalogueError>> {
        let Parsed {
            documents,
            roles,
            features,
            flows,
            local_sockets,
        } = parse(documents)?;
        Ok(Self {
            documents,
            roles,
            features,
            flows,
            local_sockets,
        })
    }

    /// A flow of Portico's own.
    pub fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(id.as_str())
    }

    /// A flow by the text of its id.
    pub fn find(&self, id: &str) -> Option<&Flow> {
        self.flows.get(id)
    }

    /// A local socket.
    pub fn local_socket(&self, id: LocalSocketId) -> Option<&LocalSocket> {
        self.local_sockets.get(id.as_str())
    }

    /// All flows, sorted by id.
    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.flows.values()
    }

    /// All local sockets, sorted by id.
    pub fn local_sockets(&self) -> impl Iterator<Item = &LocalSocket> {
        self.local_sockets.values()
    }

    /// All roles, sorted by id.
    pub fn roles(&self) -> impl Iterator<Item = &RoleEntry> {
        self.roles.values()
    }

    /// A role.
    pub fn role(&self, id: &str) -> Option<&RoleEntry> {
        self.roles.get(id)
    }

    /// All features, sorted by id.
    pub fn features(&self) -> impl Iterator<Item = &FeatureEntry> {
        self.features.values()
    }

    /// A feature.
    pub fn feature(&self, id: &str) -> Option<&FeatureEntry> {
        self.features.get(id)
    }

    /// All documents: id and title, sorted by id.
    pub fn documents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.documents
            .iter()
            .map(|(id, title)| (id.as_str(), title.as_str()))
    }

    /// Flows on which a process with one of `roles` listens.
    pub fn listeners<'a>(&'a self, roles: &'a [&'a str]) -> impl Iterator<Item = &'a Flow> {
        self.flows.values().filter(move |flow| {
            matches!(flow.portico, Answer::Built { .. }) && roles.contains(&flow.to.as_str())
        })
    }
}

/// Port that the code uses for `id` when nothing else is set. The one source of defaults.
pub fn default_port(id: FlowId) -> u16 {
    // 0 cannot come out: a test looks up every constant, and a flow over TCP has a port.
    Catalogue::portico()
        .flow(id)
        .and_then(Flow::default_port)
        .unwrap_or(0)
}

/// Flow by which a host's protocol is relayed.
pub const fn flow_of(protocol: Protocol) -> FlowId {
    match protocol {
        Protocol::Rdp => flows::GATEWAY_HOST_RDP,
        Protocol::Ssh => flows::ENGINE_HOST_SSH,
    }
}
