//! Identity of the host: its key must be one of the pins. Nothing is trusted for the first time.

use std::sync::{Arc, Mutex, PoisonError};

use portico_model::estate::Pin;
use russh::keys::{
    Algorithm, EcdsaCurve, HashAlg, PublicKey, PublicKeyBase64, PublicKeyOrCertificate,
};

/// Longest banner that is shown.
const BANNER_LEN_MAX: usize = 4096;

/// An accepted host key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshPin {
    algorithm: String,
    blob: String,
}

impl SshPin {
    /// `SHA256:…` as `ssh-keygen -l` shows it.
    pub(super) fn fingerprint(&self) -> String {
        match PublicKey::from_openssh(&format!("{} {}", self.algorithm, self.blob)) {
            Ok(key) => key.fingerprint(HashAlg::Sha256).to_string(),
            Err(_) => "a pin that is no SSH key".into(),
        }
    }
}

/// The pins that are SSH keys.
pub(super) fn ssh_pins(pins: &[Pin]) -> Vec<SshPin> {
    pins.iter()
        .filter_map(|pin| match pin {
            Pin::SshKey { algorithm, blob } => Some(SshPin {
                algorithm: algorithm.clone(),
                blob: blob.clone(),
            }),
            Pin::CertificateSha256(_) => None,
        })
        .collect()
}

/// Kinds of host key to ask for: those of the pins first, so that a host with several keys shows
/// the pinned one; then the others, so that a mismatch can be told with what the host has.
pub(super) fn algorithms(pins: &[SshPin]) -> Vec<Algorithm> {
    let mut known = vec![
        Algorithm::Ed25519,
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        },
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP384,
        },
        Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP521,
        },
        // RSA signatures with SHA-1 are not accepted.
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha512),
        },
        Algorithm::Rsa {
            hash: Some(HashAlg::Sha256),
        },
    ];
    let is_pinned = |algorithm: &Algorithm| match algorithm {
        Algorithm::Rsa { .. } => pins.iter().any(|pin| pin.algorithm == "ssh-rsa"),
        other => pins.iter().any(|pin| pin.algorithm == other.as_str()),
    };
    known.sort_by_key(|algorithm| !is_pinned(algorithm));
    known
}

/// Why russh stopped.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The host has another key.
    KeyChanged {
        /// Kind and fingerprint of what it has.
        seen: String,
    },
    /// Anything else.
    Ssh(russh::Error),
}

impl From<russh::Error> for LinkError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// Our side of russh's conversation with the host.
pub(super) struct Client {
    pins: Vec<SshPin>,
    banner: Banner,
}

/// What the host says before the sign-in.
#[derive(Clone, Default)]
pub(super) struct Banner(Arc<Mutex<String>>);

impl Banner {
    pub(super) fn take(&self) -> String {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, text: &str) {
        let mut banner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody has signed in yet: what it says is text and not orders to the terminal.
        for character in text.chars().filter(|c| *c == '\n' || !c.is_control()) {
            if banner.len() >= BANNER_LEN_MAX {
                return;
            }
            if character == '\n' {
                banner.push('\r');
            }
            banner.push(character);
        }
    }
}

impl Client {
    pub(super) fn new(pins: Vec<SshPin>) -> (Self, Banner) {
        let banner = Banner::default();
        (
            Self {
                pins,
                banner: banner.clone(),
            },
            banner,
        )
    }
}

impl russh::client::Handler for Client {
    type Error = LinkError;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, LinkError> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            // Certificates are not asked for.
            return Err(LinkError::KeyChanged {
                seen: "a certificate".into(),
            });
        };
        let blob = key.public_key_base64();
        let without_padding = |text: &str| text.trim_end_matches('=').to_owned();
        if self
            .pins
            .iter()
            .any(|pin| without_padding(&pin.blob) == without_padding(&blob))
        {
            return Ok(true);
        }
        let seen = key.fingerprint(HashAlg::Sha256).to_string();
        Err(LinkError::KeyChanged { seen })
    }

    async fn auth_banner(
        &mut self,
        banner: &str,
        _session: &mut russh::client::Session,
    ) -> Result<(), LinkError> {
        self.banner.add(banner);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_kinds_of_key_come_first_and_sha1_never() {
        let pin = |algorithm: &str| SshPin {
            algorithm: algorithm.into(),
            blob: String::new(),
        };
        let order = |pins: &[SshPin]| -> Vec<String> {
            algorithms(pins).iter().map(ToString::to_string).collect()
        };
        assert_eq!(order(&[pin("ssh-ed25519")])[0], "ssh-ed25519");
        assert_eq!(
            order(&[pin("ecdsa-sha2-nistp384")])[0],
            "ecdsa-sha2-nistp384"
        );
        assert_eq!(
            order(&[pin("ssh-rsa")])[..2],
            ["rsa-sha2-512", "rsa-sha2-256"]
        );
        assert_eq!(order(&[]).len(), 6);
        assert!(!order(&[pin("ssh-rsa")]).contains(&"ssh-rsa".to_owned()));
    }

    #[test]
    fn a_banner_is_text_and_has_a_limit() {
        let banner = Banner::default();
        banner.add("Hello\n\u{1b}[2Jyou\u{9b}31m\u{7}");
        assert_eq!(banner.take(), "Hello\r\n[2Jyou31m");
        banner.add(&"x".repeat(100_000));
        assert_eq!(banner.take().len(), BANNER_LEN_MAX);
    }
}
