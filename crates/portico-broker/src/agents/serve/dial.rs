//! Links that the broker opens: hosts whose agents listen. The address comes from the estate only.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use portico_identity::tokens;
use portico_model::{
    HostId,
    estate::{AgentLink, AgentMode, Estate, Host},
};
use portico_net::{
    dial_tcp, flows,
    tasks::Spawner,
    tls::{MachineTlsError, PeerMachine, machine_server_name},
};
use tokio::sync::Semaphore;

use super::{
    Shell, agent_of,
    link::{self, Guest, HELLO_TIMEOUT},
};

/// The estate is looked at for hosts to dial so often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Time for a connection to be made.
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that are being made at once.
pub(super) const DIALS_AT_ONCE: usize = 64;
/// Pause before the first further try; it doubles with each one that fails.
const AGAIN_MIN: Duration = Duration::from_millis(500);
/// Longest pause.
const AGAIN_MAX: Duration = Duration::from_secs(30);

/// Dials until shutdown.
pub(super) async fn run(shell: Arc<Shell>, spawner: Spawner) {
    let dialled: Arc<Mutex<BTreeSet<HostId>>> = Arc::default();
    let dials = Arc::new(Semaphore::new(DIALS_AT_ONCE));
    loop {
        match shell.broker.estate().await {
            Ok(estate) => {
                for host in listening(&estate) {
                    let fresh = lock(&dialled).insert(host.clone());
                    if fresh {
                        let (shell, dials) = (Arc::clone(&shell), Arc::clone(&dials));
                        let dialled = Arc::clone(&dialled);
                        spawner.spawn(format!("dial {host}"), async move {
                            keep(&shell, &host, &dials).await;
                            lock(&dialled).remove(&host);
                        });
                    }
                }
            }
            Err(error) => tracing::debug!(%error, "No look for hosts to dial"),
        }
        tokio::select! {
            biased;
            () = shell.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn listening(estate: &Estate) -> Vec<HostId> {
    let hosts = estate.hosts.iter().filter(|(_, host)| listens(host));
    hosts.map(|(id, _)| id.clone()).collect()
}

fn listens(host: &Host) -> bool {
    host.agent == AgentMode::Required && host.agent_link == AgentLink::Listen
}

/// Keeps a link to one host for as long as the estate wants it.
async fn keep(shell: &Shell, host: &HostId, dials: &Semaphore) {
    let mut pause = AGAIN_MIN;
    loop {
        let wanted = match shell.broker.estate().await {
            Ok(estate) => estate.hosts.get(host).filter(|host| listens(host)).cloned(),
            Err(_away) => None,
        };
        let Some(wanted) = wanted else { return };
        let once = once(shell, host, &wanted, dials);
        let was_welcome = tokio::select! {
            biased;
            () = shell.shutdown.cancelled() => return,
            once = once => match once {
                Ok(was_welcome) => was_welcome,
                Err(error) => {
                    tracing::debug!(host_id = %host, error, "Agent could not be dialled");
                    false
                }
            },
        };
        pause = if was_welcome {
            AGAIN_MIN
        } else {
            (pause * 2).min(AGAIN_MAX)
        };
        let lot = tokens::u64_of(&*shell.broker.0.chance).unwrap_or(0);
        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX);
        let jitter = Duration::from_millis(lot.checked_rem(half.max(1)).unwrap_or(0));
        tokio::select! {
            biased;
            () = shell.shutdown.cancelled() => return,
            () = tokio::time::sleep(pause / 2 + jitter) => {}
        }
    }
}

/// Dials once and runs the link until it ends. `true` when the agent was welcome.
async fn once(
    shell: &Shell,
    host: &HostId,
    wanted: &Host,
    dials: &Semaphore,
) -> Result<bool, String> {
    let permit = dials.acquire().await.map_err(|error| error.to_string())?;
    let port = shell.broker.0.agents.dial_port.load(Ordering::Relaxed);
    let flow = flows::BROKER_AGENT_LINK;
    let stream = dial_tcp(flow, &wanted.address, port, DIAL_TIMEOUT)
        .await
        .map_err(|error| error.to_string())?;
    let configs = shell.tls.now();
    let connector = configs
        .connector(shell, host)
        .map_err(|error| error.to_string())?;
    let handshake = connector.connect(machine_server_name(), stream);
    let stream = tokio::time::timeout(HELLO_TIMEOUT, handshake)
        .await
        .map_err(|_elapsed| "the agent did not finish its handshake".to_owned())?
        .map_err(|error| match MachineTlsError::in_io(&error) {
            Some(why) => why.to_string(),
            None => error.to_string(),
        })?;
    drop(permit);
    let machine = PeerMachine::of(stream.get_ref().1).map_err(|error| error.to_string())?;
    let peer = machine
        .and_then(agent_of)
        .ok_or("the machine that answered is no agent")?;
    let guest = Guest::default();
    Ok(link::run(&shell.broker, stream, &peer, guest, &shell.shutdown).await)
}

fn lock(dialled: &Mutex<BTreeSet<HostId>>) -> std::sync::MutexGuard<'_, BTreeSet<HostId>> {
    dialled.lock().unwrap_or_else(PoisonError::into_inner)
}
