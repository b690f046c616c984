//! What the built-in authority issues for machines, and how machines keep their keys.

use std::{fs, os::unix::fs::PermissionsExt};

use portico_model::HostId;
use portico_net::tls::{
    BuiltInCa, CSR_LEN_MAX, CaCertificate, CsrError, IssueError, KeyFileError, MACHINE_LIFE_MS,
    MachineError, MachineIdentity, MachineKey, MachineRole, PeerMachine, RenewAt, csr_key_sha256,
    renew_at,
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use tempfile::tempdir;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use crate::NOW;

fn ca() -> BuiltInCa {
    BuiltInCa::open(tempdir().unwrap().path(), NOW).unwrap()
}

fn host(id: &str) -> HostId {
    HostId::new(id).unwrap()
}

#[test]
fn a_certificate_has_the_name_that_the_broker_chose_and_is_of_the_requests_key() {
    let (ca, key) = (ca(), MachineKey::generate().unwrap());
    let csr = key.csr_der().unwrap();
    assert_eq!(csr_key_sha256(&csr).unwrap(), key.key_sha256());
    let issued = ca
        .issue_machine(&csr, &host("sh1"), NOW, MACHINE_LIFE_MS)
        .unwrap();
    assert_eq!(issued.key_sha256, key.key_sha256());
    assert_eq!(issued.expires_at, NOW.plus_ms(MACHINE_LIFE_MS));
    assert_eq!(issued.chain_der.len(), 2);
    assert_eq!(issued.chain_der[1], ca.certificate().der());
    let about = PeerMachine::of_chain(&issued.chain_der).unwrap();
    assert_eq!(about.role, MachineRole::Host(host("sh1")));
    assert_eq!(about.serial_hex, issued.serial_hex);
    assert_eq!(issued.serial_hex.len(), 32);
    let again = ca
        .issue_machine(&csr, &host("sh1"), NOW, MACHINE_LIFE_MS)
        .unwrap();
    assert_ne!(
        again.serial_hex, issued.serial_hex,
        "the same key, another certificate"
    );
    let half = NOW.plus_ms(MACHINE_LIFE_MS / 2);
    assert!(matches!(renew_at(&about, NOW), RenewAt::Later(at) if at <= half));
    assert_eq!(renew_at(&about, half), RenewAt::Now);
}

#[test]
fn whatever_else_a_request_asks_for_is_ignored() {
    let key = KeyPair::generate().unwrap();
    let mut wish = CertificateParams::new(vec!["portal.example.org".into()]).unwrap();
    wish.distinguished_name
        .push(DnType::CommonName, "the broker");
    for uri in ["portico:broker", "portico:host:sh2"] {
        wish.subject_alt_names
            .push(SanType::URI(uri.try_into().unwrap()));
    }
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    wish.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    let csr = wish.serialize_request(&key).unwrap();
    let issued = ca()
        .issue_machine(csr.der(), &host("sh1"), NOW, MACHINE_LIFE_MS)
        .unwrap();
    let (_, made) = X509Certificate::from_der(&issued.chain_der[0]).unwrap();
    assert!(!made.is_ca());
    let usage = made.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    let extended = made.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.client_auth && extended.server_auth && !extended.code_signing);
    let names = made.subject_alternative_name().unwrap().unwrap().value;
    assert_eq!(names.general_names.len(), 1);
    assert_eq!(made.subject().to_string(), "CN=agent of sh1");
    let about = PeerMachine::of_chain(&issued.chain_der).unwrap();
    assert_eq!(about.role, MachineRole::Host(host("sh1")));
}

#[test]
fn a_request_that_does_not_prove_its_key_is_refused() {
    let ca = ca();
    let refused = |csr: &[u8]| match ca.issue_machine(csr, &host("sh1"), NOW, MACHINE_LIFE_MS) {
        Err(IssueError::Csr(error)) => error,
        other => panic!("{other:?}"),
    };
    let good = MachineKey::generate().unwrap().csr_der().unwrap();
    let mut unsigned = good.clone();
    *unsigned.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&unsigned), CsrError::Signature);
    // The public key of somebody else under the own signature.
    let other = MachineKey::generate().unwrap().csr_der().unwrap();
    let mut stolen = good.clone();
    // The bits of the key end 2 + 72 bytes or so before the end; find them by difference.
    let at = good.iter().zip(&other).position(|(a, b)| a != b).unwrap();
    stolen[at..at + 60].copy_from_slice(&other[at..at + 60]);
    assert!(matches!(
        refused(&stolen),
        CsrError::Signature | CsrError::Malformed | CsrError::KeyKind
    ));
    for len in 0..good.len() {
        refused(&good[..len]);
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(refused(&longer), CsrError::Malformed);
    assert_eq!(
        refused(&vec![0x30; CSR_LEN_MAX + 1]),
        CsrError::TooLong {
            len: CSR_LEN_MAX + 1
        }
    );
    assert_eq!(
        refused(include_bytes!("../corpus/csr-rsa.der")),
        CsrError::KeyKind
    );
}

#[test]
fn a_broker_is_named_as_its_agents_reach_it() {
    let ca = ca();
    let names = ["broker1.example.org".to_owned(), "10.0.0.1".to_owned()];
    let broker = ca.issue_broker(&names, NOW).unwrap();
    assert_eq!(broker.about().role, MachineRole::Broker);
    assert!(!format!("{broker:?}").contains("key:"));
    assert!(ca.issue_broker(&[], NOW).is_err());
    assert!(ca.issue_broker(&["a b".into()], NOW).is_err());
}

#[test]
fn roles_are_read_from_names_and_nothing_else() {
    for role in [MachineRole::Broker, MachineRole::Host(host("sh1"))] {
        assert_eq!(MachineRole::from_uri(&role.uri()), Some(role));
    }
    for uri in [
        "portico:host:",
        "portico:host:../sh1",
        "portico:host:SH1",
        "portico:broker:x",
        "portico:brokers",
        "https://portico:broker",
        "",
    ] {
        assert_eq!(MachineRole::from_uri(uri), None, "{uri}");
    }
    let certificate = |names: &[&str]| {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()))
            .collect();
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        PeerMachine::of_certificate(made.der()).map(|about| about.role)
    };
    assert_eq!(certificate(&["portico:broker"]), Ok(MachineRole::Broker));
    assert_eq!(certificate(&["urn:x"]), Err(MachineError::NoRole));
    assert_eq!(certificate(&[]), Err(MachineError::NoRole));
    assert_eq!(
        certificate(&["portico:broker", "portico:host:sh1"]),
        Err(MachineError::SeveralRoles)
    );
    assert_eq!(
        PeerMachine::of_certificate(b"x"),
        Err(MachineError::Malformed)
    );
    assert_eq!(
        PeerMachine::of_chain::<Vec<u8>>(&[]),
        Err(MachineError::NoCertificate)
    );
}

#[test]
fn an_identity_needs_the_key_of_its_certificate() {
    let (ca, key) = (ca(), MachineKey::generate().unwrap());
    let csr = key.csr_der().unwrap();
    let issued = ca
        .issue_machine(&csr, &host("sh1"), NOW, MACHINE_LIFE_MS)
        .unwrap();
    let identity = MachineIdentity::new(&key, issued.chain_der.clone()).unwrap();
    assert_eq!(identity.chain_der(), issued.chain_der);
    let other = MachineKey::generate().unwrap();
    assert_eq!(
        MachineIdentity::new(&other, issued.chain_der).unwrap_err(),
        MachineError::KeyMismatch
    );
}

#[test]
fn an_authoritys_certificate_is_read_from_both_forms() {
    let ca = ca();
    let known = ca.certificate();
    let pem = CaCertificate::from_pem(ca.certificate_pem().as_bytes()).unwrap();
    let der = CaCertificate::from_der(known.der().to_vec()).unwrap();
    assert_eq!((&pem, &der), (&known, &known));
    assert_eq!(
        CaCertificate::from_pem(b"x"),
        Err(MachineError::NoCertificate)
    );
    assert_eq!(
        CaCertificate::from_der(vec![0x30]),
        Err(MachineError::Malformed)
    );
}

#[test]
fn a_key_file_is_for_its_owner_only() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("agent.key.pem");
    let key = MachineKey::generate().unwrap();
    key.save(&path).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(
        MachineKey::load(&path).unwrap().key_sha256(),
        key.key_sha256()
    );
    // Another one takes its place whole.
    let next = MachineKey::generate().unwrap();
    next.save(&path).unwrap();
    assert_eq!(
        MachineKey::load(&path).unwrap().key_sha256(),
        next.key_sha256()
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    for open in [0o640, 0o604, 0o660] {
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
        let error = MachineKey::load(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Exposed { mode, .. } if mode == open));
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "-----BEGIN PRIVATE KEY-----\nhunter2\n").unwrap();
    let error = MachineKey::load(&path).unwrap_err();
    assert!(matches!(error, KeyFileError::Damaged { .. }));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let missing = MachineKey::load(&folder.path().join("none")).unwrap_err();
    assert!(matches!(missing, KeyFileError::File { .. }));
    assert_eq!(format!("{key:?}"), "MachineKey(…)");
}
