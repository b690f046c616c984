//! Settings of the server: one TOML file, read into checked [`Settings`] or into all its errors.
//! Nothing else is looked up, no environment included.

use std::{
    collections::BTreeSet,
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use portico_broker::PortCheckSettings;
use portico_estate::document::{Document, DocumentError, Item, Table, Wrong, shortened};
use portico_model::HostId;

/// Where the settings are looked for unless told.
pub(crate) const SETTINGS_FILE: &str = "/etc/portico/portico.toml";
/// Where the state is kept unless told.
const STATE_DIR: &str = "/var/lib/portico";
/// Where the sockets are when the state is at its default place.
const RUN_DIR: &str = "/run/portico";
/// Bytes of a settings file.
const FILE_BYTES_MAX: usize = 256 * 1024;
/// Bounds of the seconds between two checks of a flow.
const PORT_CHECK_EVERY_S: std::ops::RangeInclusive<u32> = 10..=86_400;
/// Elements of each list.
const LIST_LEN_MAX: usize = 100;

/// Settings of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where portal and gateway listen for HTTPS.
    pub(crate) listen: SocketAddr,
    /// Addresses under which browsers know the portal; WebSockets of other origins are refused.
    /// The first one is printed and put into links.
    pub(crate) origins: Vec<String>,
    /// Folder of everything that must outlive the process.
    pub(crate) state_dir: PathBuf,
    /// Where the certificate comes from.
    pub(crate) tls: Tls,
    /// Unix socket of the command line.
    pub(crate) socket: PathBuf,
    /// Unix socket between gateway and engine.
    pub(crate) engine_socket: PathBuf,
    /// Where agents of session hosts come; `None` until the file has the section.
    pub(crate) agents: Option<Agents>,
    /// How often the flows of the estate are checked; `None`: never.
    pub(crate) port_checks: Option<PortCheckSettings>,
    /// What is logged, and how.
    pub(crate) log: Log,
    /// What this process does.
    pub(crate) roles: BTreeSet<ProcessRole>,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Portico's own authority signs one for these names and addresses.
    BuiltIn {
        /// Names and addresses, at least one.
        names: Vec<String>,
    },
    /// From PEM files.
    Files {
        /// The chain, the server's certificate first.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// Where agents of session hosts come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agents {
    /// Where they open their link.
    pub(crate) link: SocketAddr,
    /// Where they get and renew their certificates.
    pub(crate) enrollment: SocketAddr,
    /// Names and addresses under which they reach this broker, at least one.
    pub(crate) advertise: Vec<String>,
}

impl Agents {
    /// What agents dial for the link, `host:port`.
    pub(crate) fn link_addresses(&self) -> Vec<String> {
        with_port(&self.advertise, self.link.port())
    }

    /// What agents dial for certificates, `host:port`.
    pub(crate) fn enrollment_addresses(&self) -> Vec<String> {
        with_port(&self.advertise, self.enrollment.port())
    }
}

fn with_port(names: &[String], port: u16) -> Vec<String> {
    let one = |name: &String| match name.contains(':') {
        true => format!("[{name}]:{port}"),
        false => format!("{name}:{port}"),
    };
    names.iter().map(one).collect()
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Log {
    /// Least level that is logged.
    pub(crate) level: LogLevel,
    /// Form of the lines.
    pub(crate) format: LogFormat,
}

/// Level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogLevel {
    /// Failures.
    Error,
    /// What somebody should look at.
    Warn,
    /// Rare events of life cycles.
    #[default]
    Info,
    /// Single steps.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As `tracing` filters write it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum ProcessRole {
    /// Decides launches and keeps the sessions.
    Broker,
    /// Relays connections.
    Gateway,
    /// Serves the web pages and the API.
    Portal,
    /// Runs terminals.
    Engine,
}

impl ProcessRole {
    /// All of them, as `portico serve` has them by default; the engine in a process of its own.
    pub(crate) const ALL: [Self; 4] = [Self::Broker, Self::Gateway, Self::Portal, Self::Engine];
}

/// Why there are no settings.
#[derive(Debug)]
pub(crate) enum SettingsError {
    /// The file cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has errors, all of which are here.
    Wrong(Vec<DocumentError>),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, source } => {
                let path = path.display().to_string();
                write!(
                    f,
                    "cannot read {}: {source}",
                    portico_model::printable(&path)
                )
            }
            Self::Wrong(errors) => {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl std::error::Error for SettingsError {}

impl Default for Settings {
    fn default() -> Self {
        let port = portico_net::default_port(portico_net::flows::CLIENT_PORTAL_HTTPS);
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        Self {
            listen,
            origins: origins_of(&names, listen.port()),
            state_dir: STATE_DIR.into(),
            tls: Tls::BuiltIn { names },
            agents: None,
            socket: Path::new(RUN_DIR).join("portico.sock"),
            engine_socket: Path::new(RUN_DIR).join("engine.sock"),
            port_checks: Some(PortCheckSettings::default()),
            log: Log::default(),
            roles: ProcessRole::ALL.into(),
        }
    }
}

/// The journal in the state folder.
pub(crate) fn journal_file(state_dir: &Path) -> PathBuf {
    state_dir.join("journal.sqlite")
}

impl Settings {
    /// The settings in the file `path`, or in the usual one, which need not exist.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, SettingsError> {
        let file = path.unwrap_or(Path::new(SETTINGS_FILE));
        match std::fs::read_to_string(file) {
            Ok(text) => {
                Self::parse(&file.display().to_string(), &text).map_err(SettingsError::Wrong)
            }
            Err(error) if path.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(source) => Err(SettingsError::Read {
                path: file.to_owned(),
                source,
            }),
        }
    }

    /// The settings of a file, or everything that is wrong with it.
    pub(crate) fn parse(file_name: &str, text: &str) -> Result<Self, Vec<DocumentError>> {
        let document = Document::read(file_name, text, FILE_BYTES_MAX)?;
        let settings = read(&document);
        let errors = document.into_errors();
        if errors.is_empty() {
            Ok(settings)
        } else {
            Err(errors)
        }
    }
}

fn read(document: &Document<'_>) -> Settings {
    let mut root = document.root();
    let mut settings = Settings::default();
    if let Some(listen) = root
        .optional("listen")
        .and_then(|item| socket_address(&item))
    {
        settings.listen = listen;
    }
    if let Some(state_dir) = root.optional("state_dir").and_then(|item| path(&item)) {
        settings.socket = state_dir.join("portico.sock");
        settings.engine_socket = state_dir.join("engine.sock");
        settings.state_dir = state_dir;
    }
    if let Some(socket) = root.optional("socket").and_then(|item| path(&item)) {
        settings.socket = socket;
    }
    if let Some(socket) = root.optional("engine_socket").and_then(|item| path(&item)) {
        settings.engine_socket = socket;
    }
    if let Some(roles) = root.optional("roles").and_then(|item| roles(&item)) {
        settings.roles = roles;
    }
    if let Some(tls) = root.optional("tls").and_then(|item| tls(&item)) {
        settings.tls = tls;
    }
    origins(&mut root, &mut settings);
    if let Some(item) = root.optional("agents") {
        settings.agents = agents(&item, settings.listen.ip());
    }
    if let Some(item) = root.optional("port_checks") {
        settings.port_checks = port_checks(&item);
    }
    if let Some(log) = root.optional("log").and_then(|item| log(&item)) {
        settings.log = log;
    }
    root.finish();
    settings
}

fn socket_address(item: &Item<'_>) -> Option<SocketAddr> {
    item.parsed("an address with port", |text| {
        text.parse().map_err(|_| {
            Wrong::new(
                format!("\"{}\" is not an address with port", shortened(text)),
                "give an IP address and a port, such as \"0.0.0.0:443\" or \"[::]:443\"",
            )
        })
    })
}

fn agents(item: &Item<'_>, ip: IpAddr) -> Option<Agents> {
    let mut table = item.table("a section [agents]")?;
    let mut listen = |key, flow| match table.optional(key) {
        Some(item) => socket_address(&item),
        None => Some(SocketAddr::new(ip, portico_net::default_port(flow))),
    };
    let link = listen("link", portico_net::flows::AGENT_BROKER_LINK);
    let enrollment = listen("enrollment", portico_net::flows::AGENT_BROKER_ENROLLMENT);
    let form = "a list such as [\"portico.example.org\", \"10.0.0.5\"]";
    let advertise = table
        .required(
            "advertise",
            "advertise = [\"portico.example.org\"], the names that agents dial",
        )
        .and_then(|item| {
            list(&item, form, |item| {
                item.parsed("a name or address", portico_estate::read_address)
            })
        });
    table.finish();
    Some(Agents {
        link: link?,
        enrollment: enrollment?,
        advertise: advertise?,
    })
}

/// How the flows of the estate are checked; `None` when they are not, or something is wrong.
fn port_checks(item: &Item<'_>) -> Option<PortCheckSettings> {
    let mut table = item.table("a section [port_checks]")?;
    let usual = PortCheckSettings::default();
    let is_on = table.optional("enabled").and_then(|item| item.truth());
    let mut seconds = |key, usual: Duration| match table.optional(key) {
        Some(item) => item
            .whole_number(PORT_CHECK_EVERY_S)
            .map(|seconds| Duration::from_secs(seconds.into())),
        None => Some(usual),
    };
    let every = seconds("every_s", usual.every);
    let again = seconds("again_s", usual.again);
    let form = "a list such as [\"gateway\"]";
    let own = match table.optional("own_hosts") {
        Some(item) => list(&item, form, |item| {
            item.parsed("the id of a host of the estate", |text| {
                HostId::new(text).map_err(|error| {
                    Wrong::new(
                        format!("\"{}\" is not the id of a host: {error}", shortened(text)),
                        "give ids of hosts of the estate",
                    )
                })
            })
        }),
        None => Some(usual.own),
    };
    table.finish();
    let settings = PortCheckSettings {
        every: every?,
        again: again?,
        own: own?,
    };
    is_on.unwrap_or(true).then_some(settings)
}

fn origins(root: &mut Table<'_>, settings: &mut Settings) {
    // With certificates from files only the administrator knows the names.
    let item = match &settings.tls {
        Tls::BuiltIn { names } => {
            settings.origins = origins_of(names, settings.listen.port());
            root.optional("origins")
        }
        Tls::Files { .. } => root.required(
            "origins",
            "origins = [\"https://portico.example.org\"], the addresses that browsers use",
        ),
    };
    let form = "a list such as [\"https://portico.example.org\"]";
    if let Some(list) =
        item.and_then(|item| list(&item, form, |item| item.parsed("an address", origin)))
    {
        settings.origins = list;
    }
}

/// Scheme, host and port as browsers send them in `Origin`.
fn origin(text: &str) -> Result<String, Wrong> {
    let wrong = |reason: String| {
        Wrong::new(
            reason,
            "give https:// and a name, with a port unless it is 443, and nothing behind it",
        )
    };
    let Some(authority) = text.strip_prefix("https://") else {
        return Err(wrong(format!(
            "\"{}\" does not begin with https://",
            shortened(text)
        )));
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port.map(str::parse::<u16>) {
        None | Some(Ok(443)) => String::new(),
        Some(Ok(port)) => format!(":{port}"),
        Some(Err(_)) => return Err(wrong(format!("\"{}\" has no good port", shortened(text)))),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match portico_estate::read_address(bare.unwrap_or(host)) {
        Ok(host) if bare.is_some() == host.contains(':') => match bare {
            Some(_) => Ok(format!("https://[{host}]{port}")),
            None => Ok(format!("https://{host}{port}")),
        },
        _ => Err(wrong(format!(
            "\"{}\" is not the address of a site",
            shortened(text)
        ))),
    }
}

fn origins_of(names: &[String], port: u16) -> Vec<String> {
    let port = match port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    names
        .iter()
        .map(|name| match name.contains(':') {
            true => format!("https://[{name}]{port}"),
            false => format!("https://{name}{port}"),
        })
        .collect()
}

fn tls(item: &Item<'_>) -> Option<Tls> {
    let mut table = item.table("a section [tls]")?;
    let names = table.optional("names");
    let certificate = table.optional("certificate");
    let key = table.optional("key");
    table.finish();
    match (names, certificate, key) {
        (names, None, None) => {
            let form = "a list such as [\"portico.example.org\", \"10.0.0.5\"]";
            let names = match names {
                Some(item) => list(&item, form, |item| {
                    item.parsed("a name or address", portico_estate::read_address)
                })?,
                None => vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            };
            Some(Tls::BuiltIn { names })
        }
        (None, Some(certificate), Some(key)) => {
            let (certificate, key) = (path(&certificate), path(&key));
            Some(Tls::Files {
                certificate: certificate?,
                key: key?,
            })
        }
        (Some(names), _, _) => {
            names.wrong(Wrong::new(
                "stands beside \"certificate\" or \"key\"",
                "keep \"names\" for a certificate of Portico's own authority, or the two files",
            ));
            None
        }
        (None, Some(alone), None) | (None, None, Some(alone)) => {
            alone.wrong(Wrong::new(
                "stands without the other",
                "give both \"certificate\" and \"key\"",
            ));
            None
        }
    }
}

fn log(item: &Item<'_>) -> Option<Log> {
    let mut table = item.table("a section [log]")?;
    let level = table.optional("level").and_then(|item| {
        item.choice(&[
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ])
    });
    let format = table
        .optional("format")
        .and_then(|item| item.choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]));
    table.finish();
    Some(Log {
        level: level.unwrap_or_default(),
        format: format.unwrap_or_default(),
    })
}

fn roles(item: &Item<'_>) -> Option<BTreeSet<ProcessRole>> {
    let roles = list(item, "a list such as [\"broker\", \"portal\"]", |item| {
        item.choice(&[
            ("broker", ProcessRole::Broker),
            ("gateway", ProcessRole::Gateway),
            ("portal", ProcessRole::Portal),
            ("engine", ProcessRole::Engine),
        ])
    })?;
    Some(roles.into_iter().collect())
}

fn path(item: &Item<'_>) -> Option<PathBuf> {
    item.parsed("a path", |text| {
        let path = Path::new(text);
        let good = path.is_absolute() && !text.chars().any(portico_model::text::is_unsafe_to_show);
        match good {
            true => Ok(path.to_owned()),
            false => Err(Wrong::new(
                format!("\"{}\" is not an absolute path", shortened(text)),
                "write the whole path, beginning with /",
            )),
        }
    })
}

/// The elements of a list that is not empty.
fn list<'d, T>(
    item: &Item<'d>,
    form: &str,
    mut read: impl FnMut(&Item<'d>) -> Option<T>,
) -> Option<Vec<T>> {
    let items = item.list(form)?;
    if items.is_empty() || items.len() > LIST_LEN_MAX {
        item.wrong(Wrong::new(
            format!("has {} elements", items.len()),
            format!("give 1 to {LIST_LEN_MAX}"),
        ));
        return None;
    }
    Some(items.iter().filter_map(&mut read).collect())
}

#[cfg(test)]
mod tests;
