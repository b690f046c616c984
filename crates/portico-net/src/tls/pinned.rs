//! Client side: a host is who the estate says when its certificate is one of the pinned ones and
//! it proves that it has the key. Name, issuer and validity do not count: session hosts sign their
//! own certificates.

use std::{error::Error as StdError, io, sync::Arc};

use portico_model::estate::Pin;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, PeerMisbehaved,
    SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::{asn1_rs::Any, certificate::X509Certificate, prelude::FromDer};

use super::{hex, provider, sha256};

/// The host showed a certificate that is not pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the host's certificate is not pinned: its SHA-256 is {}", hex(seen))]
pub struct PinMismatch {
    /// SHA-256 of the certificate it showed.
    pub seen: [u8; 32],
}

impl PinMismatch {
    /// The mismatch in an error of rustls.
    pub fn in_tls(error: &Error) -> Option<Self> {
        match error {
            Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
                inner.downcast_ref::<Self>().copied()
            }
            _ => None,
        }
    }

    /// The mismatch in an error of `tokio_rustls::TlsConnector::connect`, which wraps rustls's.
    pub fn in_io(error: &io::Error) -> Option<Self> {
        let mut next: Option<&(dyn StdError + 'static)> = error
            .get_ref()
            .map(|inner| inner as &(dyn StdError + 'static));
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Error>().and_then(Self::in_tls) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// Settings for dialling a host: its certificate must be one of `pins`, of which those of other
/// kinds (SSH keys) are passed over. With none, every host is refused.
///
/// On refusal, [`PinMismatch::in_io`] finds the certificate that was seen.
pub fn client_config_pinned(pins: &[Pin]) -> Arc<ClientConfig> {
    let provider = provider();
    let pins = pins
        .iter()
        .filter_map(|pin| match pin {
            Pin::CertificateSha256(sum) => Some(*sum),
            Pin::SshKey { .. } => None,
        })
        .collect();
    let verifier = PinVerifier {
        pins,
        algorithms: provider.signature_verification_algorithms,
    };
    #[expect(
        clippy::expect_used,
        reason = "the provider is ours and has suites for both versions"
    )]
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("aws-lc-rs has cipher suites for TLS 1.3 and 1.2");
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A resumed session shows no certificate; each connection to a host shall show it.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct PinVerifier {
    pins: Vec<[u8; 32]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = sha256(end_entity);
        if self.pins.contains(&seen) {
            Ok(ServerCertVerified::assertion())
        } else {
            let mismatch = OtherError(Arc::new(PinMismatch { seen }));
            Err(Error::InvalidCertificate(CertificateError::Other(mismatch)))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12(&self.algorithms, message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13(&self.algorithms, message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether the peer has the key of this certificate, in TLS 1.2.
pub(super) fn verify_tls12(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let key = PublicKey::of(cert)?;
    let candidates = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == dss.scheme)
        .map(|(_, candidates)| *candidates)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    let verified = candidates
        .iter()
        .filter(|algorithm| *algorithm.public_key_alg_id() == *key.algorithm)
        .any(|algorithm| {
            algorithm
                .verify_signature(&key.bits, message, dss.signature())
                .is_ok()
        });
    if verified {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}

/// Whether the peer has the key of this certificate, in TLS 1.3.
pub(super) fn verify_tls13(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    cert: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let key = PublicKey::of(cert)?;
    verify_tls13_signature_with_raw_key(message, &key.whole, dss, algorithms)
}

/// The public key of a certificate. It is taken out here and not by webpki, which refuses X.509
/// version 1, as some hosts sign their own certificates with.
struct PublicKey {
    whole: SubjectPublicKeyInfoDer<'static>,
    /// Content of the AlgorithmIdentifier, without its SEQUENCE header.
    algorithm: Vec<u8>,
    bits: Vec<u8>,
}

impl PublicKey {
    fn of(cert: &CertificateDer<'_>) -> Result<Self, Error> {
        let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, parsed) = X509Certificate::from_der(cert).map_err(|_| bad())?;
        let info = parsed.public_key();
        let whole = info.raw.to_vec();
        // SubjectPublicKeyInfo ::= SEQUENCE { algorithm SEQUENCE, subjectPublicKey BIT STRING }
        let (_, outer) = Any::from_der(info.raw).map_err(|_| bad())?;
        let (_, first) = Any::from_der(outer.data).map_err(|_| bad())?;
        let algorithm = first.data.to_vec();
        let bits = info.subject_public_key.data.to_vec();
        Ok(Self {
            whole: whole.into(),
            algorithm,
            bits,
        })
    }
}
