//! Client side, to look and not to talk: any certificate is taken, and what is wrong with it is
//! told. Nothing secret may be sent over such a connection.

use std::{io, path::Path, sync::Arc, time::Duration};

use portico_model::Timestamp;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::WebPkiSupportedAlgorithms,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

use super::{
    fingerprint_sha256_hex,
    pinned::{verify_tls12, verify_tls13},
    provider,
};

/// Where distributions keep the authorities of the machine, in one file.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Certificates of a chain that are looked at.
const CHAIN_LEN_MAX: usize = 10;
/// Names of a certificate that are listed.
const NAMES_MAX: usize = 100;
/// A certificate that ends within this time is worth a word.
const ENDS_SOON_MS: i64 = 14 * 24 * 3600 * 1000;

/// The certificate authorities that this machine trusts.
#[derive(Debug, Clone)]
pub struct Authorities(Arc<RootCertStore>);

/// What a TLS server shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSurvey {
    /// Version of TLS, as in `TLS 1.3`.
    pub version: String,
    /// The chain, the server's own certificate first.
    pub chain: Vec<CertificateSeen>,
    /// What clients that check will find wrong, in sentences; empty when nothing is.
    pub findings: Vec<String>,
    /// The same in one word each, in the same order.
    pub faults: Vec<TlsFault>,
}

/// What is wrong with a certificate, for programs that draw conclusions from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsFault {
    /// There is no certificate that can be read.
    NoCertificate,
    /// It has ended.
    Expired,
    /// It ends within two weeks.
    ExpiresSoon,
    /// It has not begun, or a clock is wrong.
    NotYetValid,
    /// A certificate of the chain above it has ended.
    IssuerExpired,
    /// It is not for the name that was asked for.
    WrongName,
    /// It is its own issuer.
    SelfSigned,
    /// No authority that this machine trusts has issued it.
    UnknownIssuer,
    /// The chain cannot be verified for another reason.
    Unverifiable,
}

impl TlsFault {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::NoCertificate,
        Self::Expired,
        Self::ExpiresSoon,
        Self::NotYetValid,
        Self::IssuerExpired,
        Self::WrongName,
        Self::SelfSigned,
        Self::UnknownIssuer,
        Self::Unverifiable,
    ];

    /// In one word, for programs.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::Expired => "expired",
            Self::ExpiresSoon => "expires-soon",
            Self::NotYetValid => "not-yet-valid",
            Self::IssuerExpired => "issuer-expired",
            Self::WrongName => "wrong-name",
            Self::SelfSigned => "self-signed",
            Self::UnknownIssuer => "unknown-issuer",
            Self::Unverifiable => "unverifiable",
        }
    }

    /// The one that a program means by `slug`.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.slug() == slug)
    }
}

/// A certificate of the chain. Texts are the server's and have to be escaped where they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSeen {
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// Begin.
    pub not_before: Timestamp,
    /// End.
    pub not_after: Timestamp,
    /// SHA-256 of its DER, as pins are written.
    pub sha256: String,
}

impl Authorities {
    /// Those of the machine, of the first of the usual files that is there.
    ///
    /// # Errors
    /// There is such a file and it cannot be read.
    pub fn of_machine() -> io::Result<Self> {
        let found = BUNDLES.iter().map(Path::new).find(|path| path.exists());
        match found {
            Some(path) => Self::from_pem(&std::fs::read(path)?),
            None => Ok(Self(Arc::new(RootCertStore::empty()))),
        }
    }

    /// Those of a PEM file.
    ///
    /// # Errors
    /// It is no PEM.
    pub fn from_pem(pem: &[u8]) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(io::Error::other)?;
            // A machine may have roots that webpki cannot use; the others count.
            let _unusable = roots.add(certificate);
        }
        Ok(Self(Arc::new(roots)))
    }
}

/// Settings for looking at a server.
pub fn client_config_survey() -> Arc<ClientConfig> {
    let provider = provider();
    let verifier = TakeAny {
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
    // A resumed session shows no certificate.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// What clients that ask for `name` will say of a chain, the server's own certificate first, which
/// was not shown by a server but lies here in a file. There is no version of TLS in it.
pub fn survey_chain(
    chain: &[CertificateDer<'static>],
    name: &ServerName<'static>,
    authorities: &Authorities,
    now: Timestamp,
) -> TlsSurvey {
    let chain = chain.get(..CHAIN_LEN_MAX).unwrap_or(chain);
    let seen: Vec<CertificateSeen> = chain.iter().filter_map(CertificateSeen::of).collect();
    let (faults, findings) = findings(chain, &seen, name, authorities, now)
        .into_iter()
        .unzip();
    TlsSurvey {
        version: String::new(),
        findings,
        faults,
        chain: seen,
    }
}

/// What there is to say about a connection whose handshake is done.
pub fn survey(
    connection: &ClientConnection,
    name: &ServerName<'static>,
    authorities: &Authorities,
    now: Timestamp,
) -> TlsSurvey {
    let chain = connection.peer_certificates().unwrap_or_default();
    TlsSurvey {
        version: match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2".into(),
            other => format!("{other:?}"),
        },
        ..survey_chain(chain, name, authorities, now)
    }
}

fn findings(
    chain: &[CertificateDer<'static>],
    seen: &[CertificateSeen],
    name: &ServerName<'static>,
    authorities: &Authorities,
    now: Timestamp,
) -> Vec<(TlsFault, String)> {
    let (Some(own), Some(end)) = (seen.first(), chain.first()) else {
        let finding = "the server shows no certificate that can be read";
        return vec![(TlsFault::NoCertificate, finding.into())];
    };
    let mut out = Vec::new();
    if own.not_after < now {
        out.push((TlsFault::Expired, "the certificate has expired".into()));
    } else if own.not_after.unix_ms() - now.unix_ms() < ENDS_SOON_MS {
        let finding = "the certificate expires within two weeks";
        out.push((TlsFault::ExpiresSoon, finding.into()));
    }
    if own.not_before > now {
        let finding = "the certificate is not valid yet, or a clock is wrong";
        out.push((TlsFault::NotYetValid, finding.into()));
    }
    for certificate in seen.iter().skip(1).filter(|c| c.not_after < now) {
        let finding = format!("its issuer {} has expired", certificate.subject);
        out.push((TlsFault::IssuerExpired, finding));
    }
    if webpki::name_is_wrong(end, name) {
        let finding = format!("the certificate is not for {}", name.to_str());
        out.push((TlsFault::WrongName, finding));
    }
    // A time at which the certificate is valid, so that expiry is said once and above.
    let inside = now.unix_ms().clamp(
        own.not_before.unix_ms().saturating_add(1000),
        own.not_after.unix_ms().saturating_sub(1000),
    );
    if let Some(finding) = webpki::distrust(chain, own, authorities, inside) {
        out.push(finding);
    }
    out
}

/// What rustls' own verifier says, one question at a time.
mod webpki {
    use rustls::{CertificateError, server::ParsedCertificate};

    use super::*;

    pub(super) fn name_is_wrong(end: &CertificateDer<'_>, name: &ServerName<'_>) -> bool {
        let parsed = ParsedCertificate::try_from(end);
        parsed.is_ok_and(|end| rustls::client::verify_server_name(&end, name).is_err())
    }

    pub(super) fn distrust(
        chain: &[CertificateDer<'static>],
        own: &CertificateSeen,
        authorities: &Authorities,
        inside_ms: i64,
    ) -> Option<(TlsFault, String)> {
        let roots = Arc::clone(&authorities.0);
        let unknown = || match own.subject == own.issuer {
            true => (
                TlsFault::SelfSigned,
                "the certificate is self-signed".to_owned(),
            ),
            false => (
                TlsFault::UnknownIssuer,
                format!(
                    "no authority that this machine trusts has issued it; its issuer is {}",
                    own.issuer
                ),
            ),
        };
        let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(roots, provider()).build()
        else {
            // There are no authorities on this machine.
            return Some(unknown());
        };
        let (end, intermediates) = chain.split_first()?;
        let ms = u64::try_from(inside_ms).unwrap_or(0);
        let at = UnixTime::since_unix_epoch(Duration::from_millis(ms));
        // Its name was looked at already: any that it has will do.
        let name = own.names.iter().find_map(|name| {
            let name = name.replacen('*', "any", 1);
            ServerName::try_from(name).ok()
        });
        let name = name.or_else(|| ServerName::try_from("portico.invalid").ok())?;
        match verifier.verify_server_cert(end, intermediates, &name, &[], at) {
            Ok(_) => None,
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => None,
            // An authority of the same name and another key is another authority.
            Err(Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => Some(unknown()),
            Err(Error::InvalidCertificate(_)) if own.subject == own.issuer => Some(unknown()),
            Err(error) => Some((
                TlsFault::Unverifiable,
                format!("the chain cannot be verified: {error}"),
            )),
        }
    }
}

impl CertificateSeen {
    fn of(der: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.as_slice());
        let names = names.unwrap_or_default().iter().filter_map(shown_name);
        let at = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_unix_ms(time.timestamp().saturating_mul(1000))
        };
        Some(Self {
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            names: names.take(NAMES_MAX).collect(),
            not_before: at(parsed.validity().not_before),
            not_after: at(parsed.validity().not_after),
            sha256: fingerprint_sha256_hex(der),
        })
    }
}

fn shown_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(v4) => Some(std::net::Ipv4Addr::from(v4).to_string()),
            Err(_) => {
                let v6 = <[u8; 16]>::try_from(*bytes).ok()?;
                Some(std::net::Ipv6Addr::from(v6).to_string())
            }
        },
        _ => None,
    }
}

/// Takes every certificate of which the server has the key.
#[derive(Debug)]
struct TakeAny {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
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
