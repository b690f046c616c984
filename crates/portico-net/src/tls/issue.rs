//! Machine certificates by the built-in authority.

use portico_model::{HostId, Timestamp};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber,
};
use time::OffsetDateTime;

use super::{
    BuiltInCa, CaError, CsrError, MachineError, MachineIdentity, MachineKey, MachineRole,
    PeerMachine, built_in_ca::canonical, csr::proven_key,
};

/// Life of a host's certificate, in milliseconds: 7 days. Renewed at half of it.
pub const MACHINE_LIFE_MS: i64 = 7 * 86_400_000;
/// Life of a broker's certificate. A broker issues itself another at each start, and before.
pub const BROKER_LIFE_DAYS: i64 = 30;
/// A certificate is valid from so long before it was made, in milliseconds: an hour, because
/// other machines' clocks may be behind.
pub const MACHINE_BACKDATE_MS: i64 = 3_600_000;

const SERIAL_LEN: usize = 16;

/// What was issued for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The certificates in DER, the machine's first, the authority's last.
    pub chain_der: Vec<Vec<u8>>,
    /// Serial number in lower-case hexadecimal.
    pub serial_hex: String,
    /// SHA-256 of the public key (SubjectPublicKeyInfo), in lower-case hexadecimal.
    pub key_sha256: String,
    /// When it lapses.
    pub expires_at: Timestamp,
}

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request is wrong; its sender is to blame.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// The authority cannot do it.
    #[error("no certificate could be issued")]
    Ca(#[from] CaError),
}

impl BuiltInCa {
    /// A certificate for the agent of `host`, for the key of `csr_der`, good for `life_ms` (usually
    /// [`MACHINE_LIFE_MS`]) from `now`.
    ///
    /// The request must be signed with its own key. Everything else that it asks for is ignored:
    /// the name is that of `host`, and it is neither an authority nor anything but client and
    /// server of mutual TLS.
    ///
    /// # Errors
    /// [`IssueError`] tells the requester's faults from the authority's.
    pub fn issue_machine(
        &self,
        csr_der: &[u8],
        host: &HostId,
        now: Timestamp,
        life_ms: i64,
    ) -> Result<IssuedCertificate, IssueError> {
        let key = proven_key(csr_der)?;
        let role = MachineRole::Host(host.clone());
        let chain_der = self.machine_chain(&role, Vec::new(), &key, now, life_ms)?;
        let about = PeerMachine::of_chain(&chain_der).map_err(unusable)?;
        tracing::info!(host_id = %host, serial = %about.serial_hex, "Issued a machine certificate");
        Ok(IssuedCertificate {
            chain_der,
            serial_hex: about.serial_hex,
            key_sha256: about.key_sha256,
            expires_at: about.expires_at,
        })
    }

    /// A new identity for a broker: server of agents that dial, client of agents that listen.
    /// `names` are the DNS names and addresses under which agents reach it.
    ///
    /// # Errors
    /// [`CaError`], for example when a name cannot stand in a certificate.
    pub fn issue_broker(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<MachineIdentity, CaError> {
        let names = canonical(names)?;
        let names = names
            .iter()
            .map(|name| match name.parse() {
                Ok(address) => Ok(SanType::IpAddress(address)),
                Err(_) => Ok(SanType::DnsName(name.as_str().try_into()?)),
            })
            .collect::<Result<Vec<_>, rcgen::Error>>()
            .map_err(|error| make(&error))?;
        let key = MachineKey::generate().map_err(|error| CaError::Make {
            reason: error.to_string(),
        })?;
        let life_ms = BROKER_LIFE_DAYS * 86_400_000;
        let chain = self.machine_chain(&MachineRole::Broker, names, key.pair(), now, life_ms)?;
        MachineIdentity::new(&key, chain).map_err(unusable)
    }

    fn machine_chain(
        &self,
        role: &MachineRole,
        names: Vec<SanType>,
        key: &impl PublicKeyData,
        now: Timestamp,
        life_ms: i64,
    ) -> Result<Vec<Vec<u8>>, CaError> {
        let issue = || {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            let name = role.to_string();
            params.distinguished_name.push(DnType::CommonName, name);
            params.subject_alt_names = names;
            let uri = SanType::URI(role.uri().as_str().try_into()?);
            params.subject_alt_names.push(uri);
            params.serial_number = Some(serial()?);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
            params.use_authority_key_identifier_extension = true;
            params.not_before = at(now.plus_ms(-MACHINE_BACKDATE_MS))?;
            params.not_after = at(now.plus_ms(life_ms))?;
            params.signed_by(key, &self.issuer()?)
        };
        let certificate = issue().map_err(|error| make(&error))?;
        let authority = self.certificate().der().to_vec();
        Ok(vec![certificate.der().to_vec(), authority])
    }
}

/// Random, so that a number is never used twice and tells nothing (CA/Browser Forum baseline
/// requirements, 7.1). Positive and of full length: the first bits are 01.
fn serial() -> Result<SerialNumber, rcgen::Error> {
    let mut bytes = [0_u8; SERIAL_LEN];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

fn at(time: Timestamp) -> Result<OffsetDateTime, rcgen::Error> {
    OffsetDateTime::from_unix_timestamp(time.unix_ms().div_euclid(1000))
        .map_err(|_| rcgen::Error::Time)
}

fn make(error: &rcgen::Error) -> CaError {
    CaError::Make {
        reason: error.to_string(),
    }
}

fn unusable(error: MachineError) -> CaError {
    CaError::Make {
        reason: error.to_string(),
    }
}
