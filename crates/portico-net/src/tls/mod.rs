//! TLS 1.3 and 1.2 by rustls and aws-lc-rs: the portal's identity, the built-in certificate
//! authority, the check of a host's certificate against the pins of the estate, and machine
//! certificates: mutual TLS between agents and brokers ([`MachineIdentity`], [`PeerMachine`]).

mod built_in_ca;
mod csr;
mod identity;
mod issue;
mod machine;
mod machine_config;
mod machine_error;
mod machine_key;
mod pinned;
mod survey;

pub use built_in_ca::{BuiltInCa, CA_LIFE_DAYS, CaError, RENEW_BEFORE_DAYS, SERVER_LIFE_DAYS};
pub use csr::{CSR_LEN_MAX, CsrError, csr_key_sha256};
pub use identity::{IdentityError, ServerIdentity, server_config};
pub use issue::{
    BROKER_LIFE_DAYS, IssueError, IssuedCertificate, MACHINE_BACKDATE_MS, MACHINE_LIFE_MS,
};
pub use machine::{
    CaCertificate, MachineError, MachineIdentity, MachineRole, PeerMachine, RenewAt, renew_at,
};
pub use machine_config::{
    ClientCertificate, ExpectedPeer, enrollment_client_config, machine_client_config,
    machine_server_config, machine_server_name, seen_authority,
};
pub use machine_error::MachineTlsError;
pub use machine_key::{KeyFileError, MachineKey};
pub use pinned::{PinMismatch, client_config_pinned};
pub use survey::{
    Authorities, CertificateSeen, TlsFault, TlsSurvey, client_config_survey, survey, survey_chain,
};

/// Makes aws-lc-rs the process's provider. Call it once at start; calling it again does nothing.
pub fn install_provider() {
    // The error only says that one is installed already, and this crate is the only one to do so.
    let _already = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// SHA-256 of a DER certificate.
pub fn sha256(der: &[u8]) -> [u8; 32] {
    let mut sum = [0_u8; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    for (to, from) in sum.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    sum
}

/// SHA-256 of a DER certificate as browsers show it: `AB:CD:…`.
pub fn fingerprint_sha256(der: &[u8]) -> String {
    colon_hex(&sha256(der))
}

/// SHA-256 of a DER certificate as pins are written: `abcd…`.
pub fn fingerprint_sha256_hex(der: &[u8]) -> String {
    hex(&sha256(der))
}

/// Bytes as upper-case hexadecimal with colons between them.
pub fn colon_hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
