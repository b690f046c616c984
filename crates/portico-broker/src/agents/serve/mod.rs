//! The network side: agents that link and enroll, and hosts that are dialled.
//!
//! Everything a stranger can make the broker do before it is known who they are is bounded: how
//! many at once, from one address, how many bytes, how long.

mod dial;
mod enroll;
mod front;
mod link;
mod metered;
mod presence;
mod refusals;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use portico_net::{
    TcpListener,
    tasks::{ShutdownToken, Tasks},
    tls::{
        BuiltInCa, CaError, ClientCertificate, ExpectedPeer, MachineIdentity, MachineRole,
        PeerMachine, machine_client_config, machine_server_config,
    },
};
use tokio_rustls::{TlsConnector, rustls::ServerConfig};

use super::{Advertised, Served};
use crate::{broker::Broker, hosts::PeerIdentity};

/// The broker's own certificate is made anew so often.
const IDENTITY_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// How often it is tried when that failed.
const IDENTITY_AGAIN: Duration = Duration::from_secs(60);
/// Time that links get to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Where agents come in.
#[derive(Debug)]
pub struct AgentListeners {
    /// For links; without it only hosts that listen are linked.
    pub link: Option<TcpListener>,
    /// For enrollment.
    pub enrollment: Option<TcpListener>,
    /// Authority that issues and checks certificates.
    pub ca: Arc<BuiltInCa>,
    /// How agents find the two, `host:port` each.
    pub advertise: Advertised,
}

impl Broker {
    /// Serves agents until shutdown: takes their links and requests for certificates, and dials
    /// the hosts that listen.
    pub async fn serve_agents(&self, listeners: AgentListeners, shutdown: ShutdownToken) {
        let AgentListeners {
            link,
            enrollment,
            ca,
            advertise,
        } = listeners;
        self.set_served(Served {
            advertise: advertise.clone(),
            ca_sha256: ca.certificate().sha256(),
        });
        let Some(tls) = self.first_tls(&ca, &advertise, &shutdown).await else {
            return;
        };
        let tasks = Tasks::under("agents", &shutdown);
        let shell = Arc::new(Shell {
            broker: self.clone(),
            ca,
            advertise,
            tls,
            shutdown: tasks.shutdown_token(),
        });
        if let Some(listener) = link {
            let run = front::links(Arc::clone(&shell), listener, tasks.spawner());
            tasks.spawn("take links", run);
        }
        if let Some(listener) = enrollment {
            let run = front::enrollments(Arc::clone(&shell), listener, tasks.spawner());
            tasks.spawn("take enrollments", run);
        }
        let dialler = dial::run(Arc::clone(&shell), tasks.spawner());
        tasks.spawn("dial agents", dialler);
        tasks.spawn("renew identity", renew(Arc::clone(&shell)));
        tasks.spawn("be known", presence::keep(Arc::clone(&shell)));
        shutdown.cancelled().await;
        let _joined = tasks.join(STOP_TIMEOUT).await;
    }

    async fn first_tls(
        &self,
        ca: &BuiltInCa,
        advertise: &Advertised,
        shutdown: &ShutdownToken,
    ) -> Option<Tls> {
        loop {
            match TlsConfigs::of(self, ca, advertise) {
                Ok(configs) => return Some(Tls(Mutex::new(Arc::new(configs)))),
                Err(error) => tracing::error!(%error, "Agents cannot be served yet"),
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep(IDENTITY_AGAIN) => {}
            }
        }
    }
}

/// What the tasks of the network side share.
struct Shell {
    broker: Broker,
    ca: Arc<BuiltInCa>,
    advertise: Advertised,
    tls: Tls,
    shutdown: ShutdownToken,
}

/// The settings of TLS with the broker's certificate as it is now.
struct Tls(Mutex<Arc<TlsConfigs>>);

struct TlsConfigs {
    link: Arc<ServerConfig>,
    enrollment: Arc<ServerConfig>,
    identity: MachineIdentity,
}

/// Why there are no settings of TLS.
#[derive(Debug, thiserror::Error)]
enum TlsError {
    #[error(transparent)]
    Ca(#[from] CaError),
    #[error(transparent)]
    Tls(#[from] tokio_rustls::rustls::Error),
}

impl Tls {
    fn now(&self) -> Arc<TlsConfigs> {
        let configs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&configs)
    }

    fn set(&self, configs: TlsConfigs) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(configs);
    }
}

impl TlsConfigs {
    fn of(broker: &Broker, ca: &BuiltInCa, advertise: &Advertised) -> Result<Self, TlsError> {
        let clock = &broker.0.clock;
        let identity = ca.issue_broker(&names(advertise), clock.now())?;
        let server = |certificate| {
            let peer = ExpectedPeer::AnyHost;
            let anchor = ca.certificate();
            machine_server_config(&identity, &anchor, certificate, peer, Arc::clone(clock))
        };
        Ok(Self {
            link: server(ClientCertificate::Required)?,
            enrollment: server(ClientCertificate::Optional)?,
            identity,
        })
    }

    /// For dialling the agent of `host`.
    fn connector(
        &self,
        shell: &Shell,
        host: &portico_model::HostId,
    ) -> Result<TlsConnector, TlsError> {
        let peer = ExpectedPeer::Host(host.clone());
        let clock = Arc::clone(&shell.broker.0.clock);
        let anchor = shell.ca.certificate();
        let config = machine_client_config(&self.identity, &anchor, peer, clock)?;
        Ok(TlsConnector::from(config))
    }
}

/// The names of the broker's certificate: those under which agents dial it.
fn names(advertise: &Advertised) -> Vec<String> {
    let addresses = advertise.link.iter().chain(&advertise.enrollment);
    let mut names: Vec<String> = addresses
        .map(|address| {
            let host = address
                .rsplit_once(':')
                .map_or(&**address, |(host, _)| host);
            host.trim_matches(['[', ']']).to_owned()
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        names.push("localhost".into());
    }
    names
}

async fn renew(shell: Arc<Shell>) {
    let mut pause = IDENTITY_EVERY;
    loop {
        tokio::select! {
            biased;
            () = shell.shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = match TlsConfigs::of(&shell.broker, &shell.ca, &shell.advertise) {
            Ok(configs) => {
                shell.tls.set(configs);
                IDENTITY_EVERY
            }
            Err(error) => {
                tracing::error!(%error, "The broker's certificate was not renewed");
                IDENTITY_AGAIN
            }
        };
    }
}

/// The agent at the other end, if it is one.
fn agent_of(machine: PeerMachine) -> Option<PeerIdentity> {
    match machine.role {
        MachineRole::Host(host) => Some(PeerIdentity {
            host,
            serial: machine.serial_hex,
            key_sha256: machine.key_sha256,
            expires_at: machine.expires_at,
        }),
        MachineRole::Broker => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_for_the_names_that_agents_dial() {
        let advertise = Advertised {
            link: vec!["b.example.org:30004".into(), "[2001:db8::1]:30004".into()],
            enrollment: vec!["b.example.org:30030".into()],
        };
        assert_eq!(names(&advertise), ["2001:db8::1", "b.example.org"]);
        assert_eq!(names(&Advertised::default()), ["localhost"]);
    }
}
