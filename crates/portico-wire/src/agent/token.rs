//! The join token: what an operator carries from the broker to a host.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portico_model::{HostId, Secret};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::link::{ADDRESS_LEN_MAX, BROKERS_MAX};

/// Beginning of a token's text, with the version of what follows.
pub const TOKEN_PREFIX: &str = "portico-join-1.";
/// Longest text of a token, in bytes.
pub const TOKEN_LEN_MAX: usize = 16_384;
/// Longest secret in a token, in bytes.
pub const SECRET_LEN_MAX: usize = 128;

/// One-time, one-host grant by which an agent gets its certificate. It pins the certificate
/// authority, so that the secret is told to nobody else. Not printable: see [`JoinToken::to_text`].
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// The host it is for.
    pub host: HostId,
    /// Where to enroll, `host:port`; tried in order.
    pub enrollment: Vec<String>,
    /// SHA-256 of the certificate of the built-in authority, in DER.
    pub ca_sha256: [u8; 32],
    /// What proves that the token was given out. Good for one join.
    pub secret: Secret,
}

/// Why a text is not a join token. None of it holds anything of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It begins otherwise.
    #[error(
        "this is no join token: it must begin with `{TOKEN_PREFIX}`; copy it whole from `portico tokens create --host NAME`"
    )]
    Prefix,
    /// A token of a later version.
    #[error("this join token is of a later version of Portico; update the agent")]
    Version,
    /// It is too long.
    #[error("this join token has {len} bytes; at most {TOKEN_LEN_MAX} are possible")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Characters are missing or changed.
    #[error(
        "this join token is damaged; copy it whole from the command that made it, or create another with `portico tokens create --host NAME`"
    )]
    Damaged,
}

/// What stands in the token. Short names: people paste it.
#[derive(Serialize, Deserialize)]
struct Content<'a> {
    host: HostId,
    enrollment: Vec<String>,
    ca_sha256: String,
    #[serde(borrow)]
    secret: std::borrow::Cow<'a, str>,
}

impl JoinToken {
    /// The token as it is given to the agent.
    pub fn to_text(&self) -> Secret {
        let content = Content {
            host: self.host.clone(),
            enrollment: self.enrollment.clone(),
            ca_sha256: self.ca_sha256.iter().map(|b| format!("{b:02x}")).collect(),
            secret: self.secret.expose().into(),
        };
        // Texts, lists of texts and maps of them can always be written.
        let json = Zeroizing::new(serde_json::to_vec(&content).unwrap_or_default());
        let mut out = TOKEN_PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string(&*json, &mut out);
        Secret::new(out)
    }

    /// Reads the text of a token; white space around it does not count.
    ///
    /// # Errors
    /// [`TokenError`], which says what to do.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.len() > TOKEN_LEN_MAX {
            return Err(TokenError::TooLong { len: text.len() });
        }
        let Some(body) = text.strip_prefix(TOKEN_PREFIX) else {
            return Err(if text.starts_with("portico-join-") {
                TokenError::Version
            } else {
                TokenError::Prefix
            });
        };
        let json = URL_SAFE_NO_PAD.decode(body).map(Zeroizing::new);
        let json = json.map_err(|_| TokenError::Damaged)?;
        let content: Content<'_> =
            serde_json::from_slice(&json).map_err(|_| TokenError::Damaged)?;
        let addresses_fit = content
            .enrollment
            .iter()
            .all(|address| (1..=ADDRESS_LEN_MAX).contains(&address.len()));
        if !(1..=BROKERS_MAX).contains(&content.enrollment.len())
            || !addresses_fit
            || !(1..=SECRET_LEN_MAX).contains(&content.secret.len())
        {
            return Err(TokenError::Damaged);
        }
        Ok(Self {
            host: content.host,
            enrollment: content.enrollment,
            ca_sha256: from_hex(&content.ca_sha256).ok_or(TokenError::Damaged)?,
            secret: Secret::new(content.secret.into_owned()),
        })
    }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0_u8; 32];
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(out)
}
