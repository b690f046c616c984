use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use portico_model::Timestamp;
use portico_net::tls::{BuiltInCa, CaError, ServerIdentity};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use tempfile::tempdir;

use crate::{DAY_MS, NOW, handshake};

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn issue(folder: &Path, list: &[&str], now: Timestamp) -> ServerIdentity {
    BuiltInCa::open(folder, now)
        .unwrap()
        .server_identity(&names(list), now)
        .unwrap()
}

#[test]
fn keys_are_for_their_owner_only_and_kept() {
    let folder = tempdir().unwrap();
    let folder = &folder.path().join("tls");
    let first = issue(folder, &["portal.example.org"], NOW);
    for (file, mode) in [
        ("ca.key.pem", 0o600),
        ("server.key.pem", 0o600),
        ("ca.cert.pem", 0o644),
        ("server.cert.pem", 0o644),
    ] {
        let about = fs::metadata(folder.join(file)).unwrap();
        assert_eq!(about.permissions().mode() & 0o777, mode, "{file}");
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), 4);
    let again = issue(folder, &["portal.example.org"], NOW.plus_ms(DAY_MS));
    assert_eq!(first.fingerprint(), again.fingerprint());
}

#[test]
fn other_names_or_little_time_left_make_a_new_certificate_by_the_same_authority() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let authority = BuiltInCa::open(folder, NOW).unwrap().fingerprint();
    let first = issue(folder, &["a.example.org", "10.0.0.1"], NOW);
    assert_eq!(first.names(), ["10.0.0.1", "a.example.org"]);
    // Order, case and repetition do not count.
    let same = issue(folder, &["10.0.0.1", "A.example.org", "a.example.org"], NOW);
    assert_eq!(first.fingerprint(), same.fingerprint());
    let other = issue(folder, &["a.example.org", "10.0.0.2", "::1"], NOW);
    assert_ne!(first.fingerprint(), other.fingerprint());
    let list = &["a.example.org", "10.0.0.2", "::1"];
    let early = issue(folder, list, NOW.plus_ms(334 * DAY_MS));
    assert_eq!(other.fingerprint(), early.fingerprint());
    let late = issue(folder, list, NOW.plus_ms(336 * DAY_MS));
    assert_ne!(other.fingerprint(), late.fingerprint());
    assert_eq!(
        BuiltInCa::open(folder, NOW).unwrap().fingerprint(),
        authority
    );
}

#[test]
fn damaged_or_foreign_server_files_are_replaced() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let list = &["a.example.org"];
    let first = issue(folder, list, NOW);
    // As after a crash between the two files.
    fs::write(folder.join("server.cert.pem"), "").unwrap();
    let second = issue(folder, list, NOW);
    assert_ne!(first.fingerprint(), second.fingerprint());
    for file in ["ca.key.pem", "ca.cert.pem"] {
        fs::remove_file(folder.join(file)).unwrap();
    }
    let third = issue(folder, list, NOW);
    assert_ne!(second.fingerprint(), third.fingerprint());
}

#[test]
fn what_is_wrong_with_the_authority_is_said_and_nothing_is_overwritten() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    BuiltInCa::open(folder, NOW).unwrap();
    let (key, cert) = (folder.join("ca.key.pem"), folder.join("ca.cert.pem"));
    let key_text = fs::read_to_string(&key).unwrap();
    let open = || BuiltInCa::open(folder, NOW).unwrap_err();

    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(open(), CaError::KeyExposed { mode: 0o640, .. }));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    fs::write(&key, "-----BEGIN PRIVATE KEY-----\nsecret\n").unwrap();
    let damaged = open();
    assert!(matches!(damaged, CaError::Damaged { .. }), "{damaged:?}");
    assert!(!format!("{damaged} {damaged:?}").contains("secret"));

    fs::remove_file(&key).unwrap();
    assert!(matches!(open(), CaError::HalfMissing { path } if path == key));
    assert!(!key.exists());
    fs::write(&key, key_text).unwrap();
    fs::remove_file(&cert).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(open(), CaError::HalfMissing { path } if path == cert));
}

#[test]
fn hostile_names_are_refused() {
    let folder = tempdir().unwrap();
    let authority = BuiltInCa::open(folder.path(), NOW).unwrap();
    for name in [
        "",
        "a b",
        "a\r\nb",
        "*",
        "ä.example.org",
        "a/b",
        "10.0.0.0/8",
        "${x}",
        "a..b",
    ] {
        let outcome = authority.server_identity(&names(&[name]), NOW);
        assert!(
            matches!(outcome, Err(CaError::Name { .. })),
            "{name:?}: {outcome:?}"
        );
    }
    let none = authority.server_identity(&[], NOW);
    assert!(
        matches!(none, Err(CaError::NameCount { count: 0 })),
        "{none:?}"
    );
    let many: Vec<String> = (0..101).map(|n| format!("h{n}.example.org")).collect();
    let many = authority.server_identity(&many, NOW);
    assert!(
        matches!(many, Err(CaError::NameCount { count: 101 })),
        "{many:?}"
    );
}

#[tokio::test]
async fn a_browser_that_trusts_the_authority_accepts_the_portal() {
    let folder = tempdir().unwrap();
    // The client checks validity by the real clock.
    let now = portico_net::clock::Clock::now(&portico_net::clock::SystemClock);
    let authority = BuiltInCa::open(folder.path(), now).unwrap();
    let identity = authority
        .server_identity(&names(&["portal.example.org", "127.0.0.1"]), now)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    handshake(identity.config(), Arc::new(client))
        .await
        .unwrap();
}
