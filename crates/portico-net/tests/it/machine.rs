//! Mutual TLS between agents and brokers, in memory.

use std::{io, sync::Arc};

use portico_model::{HostId, Timestamp};
use portico_net::{
    clock::{Clock, ManualClock},
    tls::{
        BROKER_LIFE_DAYS, BuiltInCa, ClientCertificate, ExpectedPeer, MACHINE_BACKDATE_MS,
        MACHINE_LIFE_MS, MachineIdentity, MachineKey, MachineRole, MachineTlsError, PeerMachine,
        ServerIdentity, enrollment_client_config, machine_client_config, machine_server_config,
        machine_server_name, seen_authority,
    },
};
use rustls::{ClientConfig, ServerConfig};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::{DAY_MS, NOW};

/// An installation: its authority, a broker, the agent of sh1, and the time on both sides.
struct Site {
    ca: BuiltInCa,
    broker: MachineIdentity,
    agent: MachineIdentity,
    clock: ManualClock,
}

fn host(id: &str) -> HostId {
    HostId::new(id).unwrap()
}

impl Site {
    fn new() -> Self {
        let ca = BuiltInCa::open(tempdir().unwrap().path(), NOW).unwrap();
        Self {
            broker: ca
                .issue_broker(&["broker1.example.org".into()], NOW)
                .unwrap(),
            agent: agent(&ca, "sh1", NOW),
            clock: ManualClock::at(NOW),
            ca,
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    /// Listens as `identity` for `peer`.
    fn server(&self, identity: &MachineIdentity, peer: ExpectedPeer) -> Arc<ServerConfig> {
        let required = ClientCertificate::Required;
        machine_server_config(
            identity,
            &self.ca.certificate(),
            required,
            peer,
            self.clock(),
        )
        .unwrap()
    }

    fn client(&self, identity: &MachineIdentity, peer: ExpectedPeer) -> Arc<ClientConfig> {
        machine_client_config(identity, &self.ca.certificate(), peer, self.clock()).unwrap()
    }

    fn link(&self) -> Arc<ServerConfig> {
        self.server(&self.broker, ExpectedPeer::AnyHost)
    }

    fn enrollment(&self) -> Arc<ServerConfig> {
        machine_server_config(
            &self.broker,
            &self.ca.certificate(),
            ClientCertificate::Optional,
            ExpectedPeer::AnyHost,
            self.clock(),
        )
        .unwrap()
    }
}

fn agent(ca: &BuiltInCa, id: &str, now: Timestamp) -> MachineIdentity {
    let key = MachineKey::generate().unwrap();
    let csr = key.csr_der().unwrap();
    let issued = ca
        .issue_machine(&csr, &host(id), now, MACHINE_LIFE_MS)
        .unwrap();
    MachineIdentity::new(&key, issued.chain_der).unwrap()
}

type Side = Result<Option<PeerMachine>, MachineTlsError>;

/// What the server and the client see of one another. Each side then sends a byte and reads one,
/// because with TLS 1.3 the client only hears at its first read that it was refused.
async fn meet(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> (Side, Side) {
    let (near, far) = duplex(64 * 1024);
    let serve = async {
        let mut stream = TlsAcceptor::from(server).accept(far).await?;
        stream.write_all(b"x").await?;
        stream.flush().await?;
        stream.read_u8().await?;
        Ok(PeerMachine::of(stream.get_ref().1).unwrap())
    };
    let connect = async {
        let connector = TlsConnector::from(client);
        let mut stream = connector.connect(machine_server_name(), near).await?;
        stream.write_all(b"x").await?;
        stream.flush().await?;
        stream.read_u8().await?;
        Ok(PeerMachine::of(stream.get_ref().1).unwrap())
    };
    let (server, client) = tokio::join!(serve, connect);
    let told = |error: io::Error| {
        MachineTlsError::in_io(&error).unwrap_or_else(|| panic!("no error of TLS: {error:?}"))
    };
    (server.map_err(told), client.map_err(told))
}

#[tokio::test]
async fn agent_and_broker_know_each_other_whoever_dials() {
    let site = Site::new();
    let (agent, broker) = (site.agent.about().clone(), site.broker.about().clone());
    let (server, client) = meet(site.link(), site.client(&site.agent, ExpectedPeer::Broker)).await;
    assert_eq!(server, Ok(Some(agent.clone())));
    assert_eq!(client, Ok(Some(broker.clone())));
    assert_eq!(agent.role, MachineRole::Host(host("sh1")));
    let listening = site.server(&site.agent, ExpectedPeer::Broker);
    let dialling = site.client(&site.broker, ExpectedPeer::Host(host("sh1")));
    let (server, client) = meet(listening, dialling).await;
    assert_eq!(server, Ok(Some(broker)));
    assert_eq!(client, Ok(Some(agent)));
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_on_both_sides() {
    let (site, other) = (Site::new(), Site::new());
    let stranger = site.client(&other.agent, ExpectedPeer::Broker);
    let (server, client) = meet(site.link(), stranger).await;
    assert_eq!(server, Err(MachineTlsError::OtherAuthority));
    assert_eq!(client, Err(MachineTlsError::PeerSaysOtherAuthority));
    let agent = site.client(&site.agent, ExpectedPeer::Broker);
    let (server, client) = meet(other.link(), agent).await;
    assert_eq!(client, Err(MachineTlsError::OtherAuthority));
    assert_eq!(server, Err(MachineTlsError::PeerSaysOtherAuthority));
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_its_owner_told() {
    let site = Site::new();
    let client = || site.client(&site.agent, ExpectedPeer::Broker);
    site.clock.set(NOW.plus_ms(MACHINE_LIFE_MS - 1_000));
    assert!(meet(site.link(), client()).await.0.is_ok());
    site.clock.set(NOW.plus_ms(MACHINE_LIFE_MS + 1_000));
    let (server, told) = meet(site.link(), client()).await;
    assert_eq!(server, Err(MachineTlsError::Expired));
    assert_eq!(told, Err(MachineTlsError::PeerSaysExpired));
    assert!(told.unwrap_err().next_step().contains("--rejoin"));
    site.clock
        .set(NOW.plus_ms(BROKER_LIFE_DAYS * DAY_MS + 1_000));
    let (_, client) = meet(site.link(), client()).await;
    assert_eq!(client, Err(MachineTlsError::Expired), "the broker's, too");
}

#[tokio::test]
async fn a_certificate_that_is_not_valid_yet_is_refused() {
    let site = Site::new();
    let later = NOW.plus_ms(MACHINE_BACKDATE_MS);
    let early = agent(&site.ca, "sh1", later.plus_ms(2_000));
    let client = || site.client(&early, ExpectedPeer::Broker);
    let (server, told) = meet(site.link(), client()).await;
    assert_eq!(server, Err(MachineTlsError::NotYetValid));
    assert_eq!(told, Err(MachineTlsError::PeerSaysExpired));
    // Within the allowance for clocks that are behind it is taken.
    site.clock.advance_ms(3_000);
    assert!(meet(site.link(), client()).await.0.is_ok());
}

#[tokio::test]
async fn a_machine_in_another_role_is_refused() {
    let site = Site::new();
    let second = agent(&site.ca, "sh2", NOW);
    let wrong = |wanted, seen| Err(MachineTlsError::WrongRole { wanted, seen });
    let sh1 = || MachineRole::Host(host("sh1"));

    // An agent that lets brokers dial takes no other agent.
    let listening = site.server(&site.agent, ExpectedPeer::Broker);
    let (server, client) = meet(listening, site.client(&second, ExpectedPeer::AnyHost)).await;
    let sh2 = MachineRole::Host(host("sh2"));
    assert_eq!(server, wrong(ExpectedPeer::Broker, sh2));
    assert_eq!(client, Err(MachineTlsError::PeerRefuses));

    // No agent can play the broker for another one.
    let false_broker = site.server(&site.agent, ExpectedPeer::AnyHost);
    let (_, client) = meet(false_broker, site.client(&second, ExpectedPeer::Broker)).await;
    assert_eq!(client, wrong(ExpectedPeer::Broker, sh1()));

    // The link is for agents.
    let (server, _) = meet(site.link(), site.client(&site.broker, ExpectedPeer::Broker)).await;
    assert_eq!(server, wrong(ExpectedPeer::AnyHost, MachineRole::Broker));

    // The address of sh2 leads to sh1.
    let dialling = site.client(&site.broker, ExpectedPeer::Host(host("sh2")));
    let listening = site.server(&site.agent, ExpectedPeer::Broker);
    let (_, client) = meet(listening, dialling).await;
    assert_eq!(client, wrong(ExpectedPeer::Host(host("sh2")), sh1()));
}

#[tokio::test]
async fn the_portals_certificate_is_no_machines() {
    let folder = tempdir().unwrap();
    let ca = BuiltInCa::open(folder.path(), NOW).unwrap();
    let portal: ServerIdentity = ca
        .server_identity(&["portal.example.org".into()], NOW)
        .unwrap();
    let config =
        enrollment_client_config(ca.certificate().sha256(), Arc::new(ManualClock::at(NOW)))
            .unwrap();
    // The portal speaks TLS 1.3, too, and its chain holds the authority.
    let (_, client) = meet(portal.config(), config).await;
    assert!(
        matches!(client, Err(MachineTlsError::NoMachine(_))),
        "{client:?}"
    );
}

#[tokio::test]
async fn the_link_wants_a_certificate_and_enrollment_does_not() {
    let site = Site::new();
    let pin = site.ca.certificate().sha256();
    let joining = || enrollment_client_config(pin, site.clock()).unwrap();
    let (server, client) = meet(site.link(), joining()).await;
    assert_eq!(server, Err(MachineTlsError::NoCertificate));
    assert_eq!(client, Err(MachineTlsError::PeerWantsCertificate));
    let (server, client) = meet(site.enrollment(), joining()).await;
    assert_eq!(server, Ok(None));
    assert_eq!(client.unwrap().unwrap().role, MachineRole::Broker);
    // For renewal the current certificate is shown there, and checked as anywhere.
    let renewing = site.client(&site.agent, ExpectedPeer::Broker);
    let (server, _) = meet(site.enrollment(), renewing).await;
    assert_eq!(server, Ok(Some(site.agent.about().clone())));
    let other = Site::new();
    let stranger = site.client(&other.agent, ExpectedPeer::Broker);
    let (server, _) = meet(site.enrollment(), stranger).await;
    assert_eq!(server, Err(MachineTlsError::OtherAuthority));
}

#[tokio::test]
async fn enrolling_trusts_only_the_authority_of_the_token_and_keeps_it() {
    let (site, other) = (Site::new(), Site::new());
    let pin = site.ca.certificate().sha256();
    let config = enrollment_client_config(pin, site.clock()).unwrap();
    let (server, client) = meet(other.enrollment(), config.clone()).await;
    assert_eq!(client, Err(MachineTlsError::OtherAuthority));
    assert_eq!(server, Err(MachineTlsError::PeerSaysOtherAuthority));

    // Somebody in the middle appends the pinned certificate to a chain of their own.
    let mut chain = other.broker.chain_der();
    chain.push(site.ca.certificate().der().to_vec());
    let forged = forged(&other.ca, chain);
    let (_, client) = meet(site.server(&forged, ExpectedPeer::AnyHost), config.clone()).await;
    assert_eq!(client, Err(MachineTlsError::OtherAuthority));

    let (near, far) = duplex(64 * 1024);
    let (server, client) = tokio::join!(
        TlsAcceptor::from(site.enrollment()).accept(far),
        TlsConnector::from(config).connect(machine_server_name(), near)
    );
    drop(server.unwrap());
    let client = client.unwrap();
    let kept = seen_authority(client.get_ref().1, pin).unwrap();
    assert_eq!(kept, site.ca.certificate());
    assert_eq!(seen_authority(client.get_ref().1, [0; 32]), None);
}

/// A broker of `ca` whose chain has more certificates than belong there.
fn forged(ca: &BuiltInCa, chain: Vec<Vec<u8>>) -> MachineIdentity {
    let key = MachineKey::generate().unwrap();
    let csr = key.csr_der().unwrap();
    let mut own = ca
        .issue_machine(&csr, &host("sh1"), NOW, MACHINE_LIFE_MS)
        .unwrap()
        .chain_der;
    own.extend(chain.into_iter().skip(1));
    MachineIdentity::new(&key, own).unwrap()
}

#[test]
fn other_errors_are_no_errors_of_tls() {
    for error in [
        io::Error::other("x"),
        io::ErrorKind::UnexpectedEof.into(),
        io::ErrorKind::ConnectionReset.into(),
    ] {
        assert_eq!(MachineTlsError::in_io(&error), None);
    }
}
