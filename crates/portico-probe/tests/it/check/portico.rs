//! Portico's own links, with certificates of its own authority.

use std::sync::Arc;

use portico_model::HostId;
use portico_net::{
    clock::ManualClock,
    tls::{
        BuiltInCa, ClientCertificate, ExpectedPeer, MACHINE_LIFE_MS, MachineIdentity, MachineKey,
        ServerIdentity, machine_server_config,
    },
};
use portico_probe::check::{Outcome, PorticoLink, Verdict, What, check};
use tokio::io::AsyncReadExt;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{NOW, PATIENT, expect, is_fit_to_show, listener, means, target};

fn authority() -> BuiltInCa {
    BuiltInCa::open(tempfile::tempdir().unwrap().path(), NOW).unwrap()
}

fn broker(ca: &BuiltInCa) -> MachineIdentity {
    ca.issue_broker(&["127.0.0.1".into()], NOW).unwrap()
}

fn agent(ca: &BuiltInCa) -> MachineIdentity {
    let key = MachineKey::generate().unwrap();
    let csr = key.csr_der().unwrap();
    let host = HostId::new("sh1").unwrap();
    let issued = ca.issue_machine(&csr, &host, NOW, MACHINE_LIFE_MS);
    MachineIdentity::new(&key, issued.unwrap().chain_der).unwrap()
}

fn listens(
    ca: &BuiltInCa,
    identity: &MachineIdentity,
    certificate: ClientCertificate,
    peer: ExpectedPeer,
) -> Arc<ServerConfig> {
    let clock = Arc::new(ManualClock::at(NOW));
    machine_server_config(identity, &ca.certificate(), certificate, peer, clock).unwrap()
}

async fn look(config: Arc<ServerConfig>, link: PorticoLink) -> Outcome {
    let (listener, port) = listener().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = TlsAcceptor::from(config).accept(stream).await {
            let _nothing_comes = stream.read_u8().await;
        }
    });
    let outcome = check(
        &target("127.0.0.1", port, What::Portico(link)),
        &means(PATIENT),
    )
    .await;
    server.abort();
    is_fit_to_show(&outcome);
    outcome
}

#[tokio::test]
async fn each_link_is_proven_by_its_certificate_and_by_what_it_asks_of_a_stranger() {
    use ClientCertificate::{Optional, Required};
    let ca = authority();
    let (broker, agent) = (broker(&ca), agent(&ca));
    let link = listens(&ca, &broker, Required, ExpectedPeer::AnyHost);
    let enrollment = listens(&ca, &broker, Optional, ExpectedPeer::AnyHost);
    let listening = listens(&ca, &agent, Required, ExpectedPeer::Broker);
    for (config, asked, says, is_it) in [
        (&link, PorticoLink::Broker, "a broker", true),
        (
            &link,
            PorticoLink::Enrollment,
            "asks for a certificate",
            false,
        ),
        (&link, PorticoLink::Agent, "a broker", false),
        (
            &enrollment,
            PorticoLink::Enrollment,
            "waits for a request",
            true,
        ),
        (&listening, PorticoLink::Agent, "the agent of sh1", true),
        (&listening, PorticoLink::Broker, "the agent of sh1", false),
        (
            &listening,
            PorticoLink::Enrollment,
            "the agent of sh1",
            false,
        ),
    ] {
        let outcome = look(Arc::clone(config), asked).await;
        let verdict = match is_it {
            true => Verdict::Proven,
            false => Verdict::WrongService,
        };
        expect(&outcome, verdict, says);
        let sum = ca.fingerprint().replace(':', "").to_lowercase();
        expect(&outcome, verdict, &format!("fingerprint {}…", &sum[..16]));
        assert_eq!(outcome.next_step.is_none(), is_it, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_server_of_somebody_else_is_the_wrong_service() {
    let (pem, key) = {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let other = ServerIdentity::from_pem(pem.as_bytes(), key.as_bytes()).unwrap();
    let outcome = look(other.config(), PorticoLink::Broker).await;
    expect(&outcome, Verdict::WrongService, "no machine of Portico");
    // The portal's certificate is of the same authority, and is no machine's.
    let folder = tempfile::tempdir().unwrap();
    let ca = BuiltInCa::open(folder.path(), NOW).unwrap();
    let portal = ca.server_identity(&["127.0.0.1".into()], NOW).unwrap();
    let outcome = look(portal.config(), PorticoLink::Broker).await;
    expect(&outcome, Verdict::WrongService, "no machine of Portico");
}

#[tokio::test]
async fn a_lapsed_certificate_is_told_though_it_is_the_link() {
    let ca = authority();
    let broker = broker(&ca);
    let config = listens(
        &ca,
        &broker,
        ClientCertificate::Optional,
        ExpectedPeer::AnyHost,
    );
    let (listener, port) = listener().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(config).accept(stream).await.unwrap();
        let _nothing_comes = stream.read_u8().await;
    });
    let mut means = means(PATIENT);
    means.clock = Arc::new(ManualClock::at(NOW.plus_ms(4000 * 86_400_000)));
    let what = What::Portico(PorticoLink::Enrollment);
    let outcome = check(&target("127.0.0.1", port, what), &means).await;
    expect(&outcome, Verdict::Proven, "a broker");
    assert!(outcome.next_step.unwrap().contains("lapsed"));
    server.abort();
}
