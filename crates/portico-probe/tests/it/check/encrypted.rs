use portico_net::tls::{Authorities, ServerIdentity};
use portico_probe::check::{Outcome, Tls, Verdict, What, check};
use portico_wire::probe::Service;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::{NOW, PATIENT, check_with, expect, is_fit_to_show, listener, means, speak, target};
use crate::stall;

const DAY_MS: i64 = 86_400_000;

/// An authority, and a server's certificate of it that is good until `days` from now.
fn issued(names: &[&str], days: i64) -> (Authorities, ServerIdentity) {
    let at = |days: i64| {
        let seconds = (NOW.unix_ms() + days * DAY_MS) / 1000;
        time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    };
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(vec![]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(rcgen::DnType::CommonName, "Test authority");
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut own = rcgen::CertificateParams::new(names).unwrap();
    own.distinguished_name
        .push(rcgen::DnType::CommonName, "server");
    own.not_before = at(-400);
    own.not_after = at(days);
    let pem = own.signed_by(&key, &issuer).unwrap().pem();
    let identity =
        ServerIdentity::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    (Authorities::from_pem(ca_pem.as_bytes()).unwrap(), identity)
}

/// A web server behind this certificate, asked by somebody who trusts `authorities`.
async fn look(authorities: Authorities, identity: ServerIdentity) -> Outcome {
    let (listener, port) = listener().await;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = TlsAcceptor::from(identity.config());
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let mut asked = [0; 4];
            stream.read_exact(&mut asked).await.unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\nServer: real\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
            std::future::pending::<()>().await;
        }
    });
    let mut means = means(PATIENT);
    means.authorities = authorities;
    let https = speak(Service::Http, Tls::FromTheStart);
    let outcome = check(&target("127.0.0.1", port, https), &means).await;
    server.abort();
    is_fit_to_show(&outcome);
    outcome
}

fn findings(outcome: &Outcome) -> Vec<&str> {
    expect(outcome, Verdict::Proven, "HTTP 204, real");
    let tls = outcome.tls.as_ref().unwrap();
    assert_eq!(tls.version, "TLS 1.3");
    tls.findings.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn a_good_certificate_has_its_names_and_no_findings() {
    let (authorities, identity) = issued(&["127.0.0.1", "host.example"], 100);
    let outcome = look(authorities, identity).await;
    assert_eq!(findings(&outcome), Vec::<&str>::new());
    assert_eq!(outcome.next_step, None);
    let own = &outcome.tls.as_ref().unwrap().chain[0];
    assert_eq!(own.names, ["127.0.0.1", "host.example"]);
    assert!(own.issuer.contains("Test authority"), "{own:?}");
}

#[tokio::test]
async fn expired_wrong_name_and_unknown_issuer_are_each_found() {
    let (authorities, identity) = issued(&["127.0.0.1"], -1);
    let outcome = look(authorities, identity).await;
    assert_eq!(findings(&outcome), ["the certificate has expired"]);
    assert!(outcome.next_step.unwrap().contains("has expired"));

    let (authorities, identity) = issued(&["127.0.0.1"], 3);
    let outcome = look(authorities, identity).await;
    assert_eq!(
        findings(&outcome),
        ["the certificate expires within two weeks"]
    );

    let (authorities, identity) = issued(&["other.example"], 100);
    let outcome = look(authorities, identity).await;
    assert_eq!(findings(&outcome), ["the certificate is not for 127.0.0.1"]);

    let (_, identity) = issued(&["127.0.0.1"], 100);
    let (others, _) = issued(&["127.0.0.1"], 100);
    for strangers in [others, Authorities::from_pem(b"").unwrap()] {
        let (_, identity) = issued(&["127.0.0.1"], 100);
        let outcome = look(strangers, identity).await;
        let found = findings(&outcome).join("; ");
        assert!(
            found.contains("no authority") && found.contains("Test authority"),
            "{found}"
        );
    }
    drop(identity);
}

#[tokio::test]
async fn a_self_signed_certificate_is_called_so() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut own = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    own.not_after = time::OffsetDateTime::from_unix_timestamp(NOW.unix_ms() / 1000).unwrap()
        + time::Duration::days(300);
    let pem = own.self_signed(&key).unwrap().pem();
    let identity =
        ServerIdentity::from_pem(pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    let outcome = look(Authorities::from_pem(b"").unwrap(), identity).await;
    assert_eq!(findings(&outcome), ["the certificate is self-signed"]);
}

#[tokio::test]
async fn a_service_without_tls_is_the_wrong_one_and_is_recognised() {
    let https = || speak(Service::Http, Tls::FromTheStart);
    let outcome = check_with(PATIENT, https(), |mut stream| async move {
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        stall(stream).await;
    })
    .await;
    expect(&outcome, Verdict::WrongService, "speaks SSH, not TLS");
}

#[tokio::test]
async fn no_common_cipher_is_reachable_and_not_proven() {
    let https = speak(Service::Http, Tls::FromTheStart);
    let outcome = check_with(PATIENT, https, |mut stream| async move {
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await.unwrap();
        // Alert: fatal, handshake_failure (RFC 8446 §6).
        stream.write_all(&[0x15, 3, 3, 0, 2, 2, 40]).await.unwrap();
        stall(stream).await;
    })
    .await;
    expect(
        &outcome,
        Verdict::ReachableNotProven,
        "refuses the handshake",
    );
}

#[tokio::test]
async fn one_byte_that_promises_tls_is_no_proof_without_it() {
    let postgres = || speak(Service::Postgres, Tls::Never);
    let promise = check_with(PATIENT, postgres(), |mut stream| async move {
        let mut asked = [0; 8];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(b"S").await.unwrap();
        stream.write_all(b"SH-2.0-x\r\n").await.unwrap();
        stall(stream).await;
    })
    .await;
    assert_ne!(promise.verdict, Verdict::Proven, "{promise:?}");
    let kept = check_with(PATIENT, postgres(), |mut stream| async move {
        let mut asked = [0; 8];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(b"S").await.unwrap();
        let (_, identity) = issued(&["127.0.0.1"], 100);
        let acceptor = TlsAcceptor::from(identity.config());
        let _stream = acceptor.accept(stream).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    expect(&kept, Verdict::Proven, "PostgreSQL");
    assert!(kept.tls.is_some());
}

#[tokio::test]
async fn tls_around_what_no_probe_knows_is_looked_at_and_not_proven() {
    let what = What::Tls {
        why: "there is no probe".into(),
    };
    let outcome = check_with(PATIENT, what, |stream| async move {
        let (_, identity) = issued(&["127.0.0.1"], 100);
        let acceptor = TlsAcceptor::from(identity.config());
        let _stream = acceptor.accept(stream).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    expect(&outcome, Verdict::ReachableNotProven, "there is no probe");
    assert!(outcome.tls.is_some());
}
