use std::sync::Arc;

use portico_model::estate::Pin;
use portico_net::tls::{PinMismatch, client_config_pinned, hex, sha256};
use rustls::{
    ServerConfig, SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, Signer, SigningKey},
};

use crate::{handshake, self_signed};

fn pin(der: &[u8]) -> Pin {
    Pin::CertificateSha256(sha256(der))
}

fn ssh_pin() -> Pin {
    Pin::SshKey {
        algorithm: "ssh-ed25519".into(),
        blob: "AAAA".into(),
    }
}

fn server(version: &'static rustls::SupportedProtocolVersion) -> (Arc<ServerConfig>, Vec<u8>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["elsewhere.example.org".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            key.serialize_der().try_into().unwrap(),
        )
        .unwrap();
    (Arc::new(config), cert.der().to_vec())
}

#[tokio::test]
async fn a_pinned_host_is_accepted_whatever_its_name() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (server, der) = server(version);
        let other = Pin::CertificateSha256([7; 32]);
        let client = client_config_pinned(&[ssh_pin(), other, pin(&der)]);
        handshake(server, client).await.unwrap();
    }
}

#[tokio::test]
async fn another_host_is_refused_and_its_fingerprint_told() {
    let (identity, der) = self_signed(&["portal.example.org"]);
    for pins in [
        vec![],
        vec![ssh_pin()],
        vec![Pin::CertificateSha256([7; 32])],
    ] {
        let client = client_config_pinned(&pins);
        let error = handshake(identity.config(), client).await.unwrap_err();
        let mismatch = PinMismatch::in_io(&error).unwrap();
        assert_eq!(mismatch, PinMismatch { seen: sha256(&der) });
        assert!(
            mismatch.to_string().contains(&hex(&sha256(&der))),
            "{mismatch}"
        );
    }
}

#[test]
fn other_errors_are_no_mismatch() {
    for error in [
        std::io::Error::other("x"),
        std::io::ErrorKind::UnexpectedEof.into(),
        std::io::Error::other(rustls::Error::DecryptError),
    ] {
        assert_eq!(PinMismatch::in_io(&error), None);
    }
}

/// Signs with its own key under a certificate that is another's: what somebody in the middle who
/// has only the host's certificate can do.
#[derive(Debug)]
struct Impostor(Arc<CertifiedKey>);

#[derive(Debug)]
struct Signs(Arc<dyn SigningKey>);

impl SigningKey for Signs {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.0.choose_scheme(offered)
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl ResolvesServerCert for Impostor {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    let (_, der) = self_signed(&["portal.example.org"]);
    let own = rcgen::KeyPair::generate()
        .unwrap()
        .serialize_der()
        .try_into()
        .unwrap();
    let own = rustls::crypto::aws_lc_rs::sign::any_supported_type(&own).unwrap();
    let key = CertifiedKey::new(vec![der.clone().into()], Arc::new(Signs(own)));
    let impostor = Arc::new(Impostor(Arc::new(key)));
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&impostor) as Arc<dyn ResolvesServerCert>);
        let client = client_config_pinned(&[pin(&der)]);
        let error = handshake(Arc::new(server), client).await.unwrap_err();
        assert!(error.to_string().contains("BadSignature"), "{error}");
        assert_eq!(PinMismatch::in_io(&error), None);
    }
}
