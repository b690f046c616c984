//! Settings of mutual TLS between agents and brokers: TLS 1.3 only, no resumption (each connection
//! shows the certificates anew, so that a renewed or revoked one counts at once), and the peer's
//! role is checked beside its chain.

use std::{fmt, sync::Arc, time::Duration};

use portico_model::HostId;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    PeerIncompatible, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::CryptoProvider,
    server::{
        NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::SingleCertAndKey,
    time_provider::TimeProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{
    CaCertificate, MachineIdentity, MachineRole, PeerMachine, machine_error::Unfit, provider,
    sha256,
};
use crate::clock::Clock;

/// Whether a client must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate {
    /// It must: the agent link.
    Required,
    /// It may: enrollment, where the first certificate is asked for.
    Optional,
}

/// Who the other end must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedPeer {
    /// A broker.
    Broker,
    /// The agent of any host; [`PeerMachine`] says of which.
    AnyHost,
    /// The agent of this host.
    Host(HostId),
}

impl ExpectedPeer {
    fn fits(&self, role: &MachineRole) -> bool {
        match (self, role) {
            (Self::Broker, MachineRole::Broker) | (Self::AnyHost, MachineRole::Host(_)) => true,
            (Self::Host(wanted), MachineRole::Host(host)) => wanted == host,
            _ => false,
        }
    }
}

impl fmt::Display for ExpectedPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker => f.write_str("a broker"),
            Self::AnyHost => f.write_str("an agent"),
            Self::Host(host) => write!(f, "the agent of {host}"),
        }
    }
}

/// Name to give to a TLS connector. It is neither sent nor checked: the role in the certificate
/// is.
pub fn machine_server_name() -> ServerName<'static> {
    ServerName::IpAddress(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED).into())
}

/// For listening: brokers on their link and enrollment ports, agents where brokers dial.
pub fn machine_server_config(
    identity: &MachineIdentity,
    ca: &CaCertificate,
    certificate: ClientCertificate,
    peer: ExpectedPeer,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, Error> {
    let roots = Arc::new(roots(ca.certificate())?);
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider());
    let builder = match certificate {
        ClientCertificate::Required => builder,
        ClientCertificate::Optional => builder.allow_unauthenticated(),
    };
    let chain = builder
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
    let verifier = ClientVerifier { chain, peer };
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(Time(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// For dialling: agents to brokers, and brokers to agents that listen.
pub fn machine_client_config(
    identity: &MachineIdentity,
    ca: &CaCertificate,
    peer: ExpectedPeer,
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, Error> {
    let anchor = Anchor::Known(roots(ca.certificate())?);
    let builder = client_builder(anchor, peer, clock)?;
    let resolver = SingleCertAndKey::from(identity.certified());
    Ok(finished(
        builder.with_client_cert_resolver(Arc::new(resolver)),
    ))
}

/// For enrolling with a join token: the broker's chain must hold the certificate authority whose
/// certificate has this SHA-256, and that authority must have signed it. No certificate of ours is
/// shown. [`seen_authority`] takes the authority's certificate from the connection, to be kept.
pub fn enrollment_client_config(
    ca_sha256: [u8; 32],
    clock: Arc<dyn Clock>,
) -> Result<Arc<ClientConfig>, Error> {
    let anchor = Anchor::Pinned(ca_sha256);
    let builder = client_builder(anchor, ExpectedPeer::Broker, clock)?;
    Ok(finished(builder.with_no_client_auth()))
}

/// The authority's certificate in the chain that a broker showed, by its SHA-256.
pub fn seen_authority(
    connection: &rustls::CommonState,
    ca_sha256: [u8; 32],
) -> Option<CaCertificate> {
    connection
        .peer_certificates()?
        .iter()
        .find(|certificate| sha256(certificate) == ca_sha256)
        .map(|certificate| CaCertificate::of_own(certificate.clone().into_owned()))
}

type ClientBuilder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn client_builder(
    anchor: Anchor,
    peer: ExpectedPeer,
    clock: Arc<dyn Clock>,
) -> Result<ClientBuilder, Error> {
    let verifier = ServerVerifier {
        anchor,
        peer,
        provider: provider(),
    };
    Ok(
        ClientConfig::builder_with_details(provider(), Arc::new(Time(clock)))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier)),
    )
}

fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Arc::new(config)
}

fn roots(ca: &CertificateDer<'static>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone())?;
    Ok(roots)
}

fn check_role(peer: &ExpectedPeer, certificate: &CertificateDer<'_>) -> Result<(), Error> {
    let unfit = match PeerMachine::of_certificate(certificate) {
        Ok(about) if peer.fits(&about.role) => return Ok(()),
        Ok(about) => Unfit::Role {
            wanted: peer.clone(),
            seen: about.role,
        },
        Err(error) => Unfit::NoMachine(error),
    };
    Err(CertificateError::Other(OtherError(Arc::new(unfit))).into())
}

/// Every installation's authority has the same name, so that a certificate of another one seems to
/// be signed badly. The peer shall be told what it is.
fn other_authority(error: Error) -> Error {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            CertificateError::UnknownIssuer.into()
        }
        other => other,
    }
}

/// Chain by webpki, then the role.
#[derive(Debug)]
struct ClientVerifier {
    chain: Arc<dyn ClientCertVerifier>,
    peer: ExpectedPeer,
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .chain
            .verify_client_cert(end_entity, intermediates, now)
            .map_err(other_authority)?;
        check_role(&self.peer, end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// What a client trusts.
#[derive(Debug)]
enum Anchor {
    Known(RootCertStore),
    /// SHA-256 of the authority's certificate, which the server sends along.
    Pinned([u8; 32]),
}

#[derive(Debug)]
struct ServerVerifier {
    anchor: Anchor,
    peer: ExpectedPeer,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned;
        let anchors = match &self.anchor {
            Anchor::Known(roots) => roots,
            Anchor::Pinned(sum) => {
                let ca = intermediates.iter().find(|seen| sha256(seen) == *sum);
                let ca = ca.ok_or(CertificateError::UnknownIssuer)?;
                pinned = roots(&ca.clone().into_owned())?;
                &pinned
            }
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, anchors, intermediates, now, algorithms)
            .map_err(other_authority)?;
        check_role(&self.peer, end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The service's clock for rustls.
struct Time(Arc<dyn Clock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.0.now().unix_ms()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time(…)")
    }
}
