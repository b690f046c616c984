use std::sync::Arc;

use portico_model::estate::Pin;
use portico_net::tls::{
    IdentityError, ServerIdentity, client_config_pinned, fingerprint_sha256, install_provider,
    server_config, sha256,
};
use rustls::{HandshakeKind, ProtocolVersion, client::Resumption};

use crate::{handshake, self_signed};

fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["b.example.org".into(), "10.0.0.1".into()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (cert.pem(), key.serialize_pem())
}

#[test]
fn the_provider_may_be_installed_twice() {
    install_provider();
    install_provider();
}

#[test]
fn an_identity_tells_its_names_validity_and_fingerprint() {
    let (cert, key) = pair();
    let identity = ServerIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(identity.names(), ["10.0.0.1", "b.example.org"]);
    assert!(identity.not_before() < identity.not_after());
    assert_eq!(
        identity.fingerprint(),
        fingerprint_sha256(&identity.chain()[0])
    );
    assert_eq!(identity.fingerprint().len(), 95);
    assert_eq!(
        identity.config().alpn_protocols,
        [b"h2".to_vec(), b"http/1.1".to_vec()]
    );
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let (cert, key) = pair();
    let (_, other_key) = pair();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let damaged_key = key.replacen("MIG", "!!!", 1);
    for (cert, key, part) in [
        ("", key.as_str(), "no CERTIFICATE section"),
        (&key, &key, "no CERTIFICATE section"),
        (&cert[..cert.len() - 30], &key, "not in PEM form"),
        (junk, &key, "not X.509"),
        (&cert, "", "no PRIVATE KEY section"),
        (&cert, &cert, "no PRIVATE KEY section"),
        (&cert, encrypted, "decrypt it with"),
        (&cert, &damaged_key, "a line is damaged"),
        (&cert, &other_key, "does not belong"),
    ] {
        let error = server_config(cert.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(
            error.to_string().contains(part),
            "{error} must contain {part:?}"
        );
        assert!(
            !error.to_string().contains("MIG"),
            "a key's line in {error}"
        );
    }
    let missing = ServerIdentity::from_files("no-such.pem".as_ref(), "no-such.key".as_ref());
    let Err(IdentityError::Read { file, .. }) = missing else {
        panic!("{missing:?}")
    };
    assert_eq!(file, "no-such.pem");
}

#[tokio::test]
async fn both_versions_of_tls_are_served_and_sessions_resumed() {
    let (identity, der) = self_signed(&["portal.example.org"]);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let pinned = client_config_pinned(&[Pin::CertificateSha256(sha256(&der))]);
        // The pinned settings, for one version and with resumption, as a browser has it.
        let provider = Arc::clone(pinned.crypto_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(der.clone().into()).unwrap();
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::in_memory_sessions(8);
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = Arc::new(client);
        for (round, kind) in [HandshakeKind::Full, HandshakeKind::Resumed]
            .into_iter()
            .enumerate()
        {
            let stream = handshake(identity.config(), Arc::clone(&client))
                .await
                .unwrap();
            let (_, connection) = stream.get_ref();
            assert_eq!(
                connection.handshake_kind(),
                Some(kind),
                "round {round} of {version:?}"
            );
            assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
        }
    }
}

#[tokio::test]
async fn the_newest_version_is_preferred() {
    let (identity, der) = self_signed(&["portal.example.org"]);
    let client = client_config_pinned(&[Pin::CertificateSha256(sha256(&der))]);
    let stream = handshake(identity.config(), client).await.unwrap();
    assert_eq!(
        stream.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );
}
