//! Custody of passwords: sealed at rest by a key that only the browser has, and sealed on the way
//! to the gateway that will use them.
//!
//! Sealed texts are versioned by their first byte and carry nothing readable.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, RandomizedNonceKey, UnboundKey},
    agreement::{self, EphemeralPrivateKey, PrivateKey, UnparsedPublicKey, X25519},
    hkdf,
    rand::SystemRandom,
};
use portico_model::Secret;
use zeroize::{Zeroize, Zeroizing};

use crate::tokens::{self, NoRandomness};

/// Longest password that is sealed or opened, in bytes.
pub const SEALED_PASSWORD_LEN_MAX: usize = 1024;

const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const PUBLIC_LEN: usize = 32;
const SIGN_IN_LABEL: &str = "portico sign-in password v1";
const CSRF_LABEL: &str = "portico csrf v1";
const GATEWAY_LABEL: &[u8] = b"portico gateway password v1";

/// Why a password could not be sealed or opened. Says nothing about the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CustodyError {
    /// Sealing failed: no random bytes or a public key that is not one.
    #[error("the password could not be sealed")]
    Seal,
    /// The sealed text was cut, changed, or made for another key.
    #[error("the sealed password could not be opened")]
    Open,
    /// Longer than [`SEALED_PASSWORD_LEN_MAX`].
    #[error("the password is longer than {SEALED_PASSWORD_LEN_MAX} bytes")]
    TooLong,
}

impl From<NoRandomness> for CustodyError {
    fn from(_: NoRandomness) -> Self {
        Self::Seal
    }
}

/// The key half of the sign-in cookie. The server never stores it.
pub struct SignInKey([u8; 32]);

impl Drop for SignInKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl SignInKey {
    /// A fresh key.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(tokens::random_bytes()?))
    }

    /// The key in base64url, as in the cookie.
    pub fn from_text(text: &str) -> Option<Self> {
        tokens::decode(text).map(Self)
    }

    /// The key in base64url, for the cookie.
    pub fn to_text(&self) -> Secret {
        Secret::new(tokens::encode(&self.0))
    }

    /// Seals `password` for the sign-in `sign_in`; opens only for the same one.
    pub fn seal(&self, sign_in: &str, password: &Secret) -> Result<Vec<u8>, CustodyError> {
        let text = password.expose();
        if text.len() > SEALED_PASSWORD_LEN_MAX {
            return Err(CustodyError::TooLong);
        }
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len() + TAG_LEN);
        let mut body = text.as_bytes().to_vec();
        body.reserve_exact(TAG_LEN); // The plain text is encrypted in place, never moved.
        let nonce = self
            .aead()?
            .seal_in_place_append_tag(Aad::from(sign_in.as_bytes()), &mut body)
            .map_err(|_| CustodyError::Seal)?;
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) made.
    pub fn open(&self, sign_in: &str, sealed: &[u8]) -> Result<Secret, CustodyError> {
        if sealed.len() > 1 + NONCE_LEN + SEALED_PASSWORD_LEN_MAX + TAG_LEN {
            return Err(CustodyError::Open);
        }
        let (version, rest) = sealed.split_first().ok_or(CustodyError::Open)?;
        if *version != VERSION {
            return Err(CustodyError::Open);
        }
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(CustodyError::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| CustodyError::Open)?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self
            .aead()?
            .open_in_place(nonce, Aad::from(sign_in.as_bytes()), &mut body)
            .map_err(|_| CustodyError::Open)?;
        secret(plain)
    }

    /// Value of the header that state-changing requests must carry. It follows from the cookie,
    /// so that every portal process and a restarted one know it without keeping it.
    pub fn csrf_token(&self, sign_in: &str) -> Secret {
        let mac = tokens::derive(&self.0, CSRF_LABEL, sign_in.as_bytes());
        Secret::new(tokens::encode(&mac))
    }

    /// Whether `token` is the one of this sign-in, in constant time.
    pub fn csrf_token_is(&self, sign_in: &str, token: &str) -> bool {
        tokens::same(
            self.csrf_token(sign_in).expose().as_bytes(),
            token.as_bytes(),
        )
    }

    fn aead(&self) -> Result<RandomizedNonceKey, CustodyError> {
        let key = Zeroizing::new(tokens::derive(&self.0, SIGN_IN_LABEL, &[]));
        RandomizedNonceKey::new(&AES_256_GCM, &*key).map_err(|_| CustodyError::Seal)
    }
}

/// Key pair of one gateway process: made when it starts, never written anywhere.
pub struct GatewayKeyPair {
    private: PrivateKey,
    public: [u8; PUBLIC_LEN],
}

impl GatewayKeyPair {
    /// A fresh pair.
    pub fn generate() -> Result<Self, CustodyError> {
        let private = PrivateKey::generate(&X25519).map_err(|_| CustodyError::Seal)?;
        let public = private
            .compute_public_key()
            .map_err(|_| CustodyError::Seal)?
            .as_ref()
            .try_into()
            .map_err(|_| CustodyError::Seal)?;
        Ok(Self { private, public })
    }

    /// The half that brokers seal to.
    pub fn public(&self) -> [u8; PUBLIC_LEN] {
        self.public
    }

    /// Opens what [`seal_for_gateway`] made for this gateway.
    pub fn open(&self, sealed: &[u8]) -> Result<Secret, CustodyError> {
        if sealed.len() > 1 + PUBLIC_LEN + SEALED_PASSWORD_LEN_MAX + TAG_LEN {
            return Err(CustodyError::Open);
        }
        let (version, rest) = sealed.split_first().ok_or(CustodyError::Open)?;
        if *version != VERSION {
            return Err(CustodyError::Open);
        }
        let (ephemeral, body) = rest
            .split_at_checked(PUBLIC_LEN)
            .ok_or(CustodyError::Open)?;
        let key = agreement::agree(
            &self.private,
            UnparsedPublicKey::new(&X25519, ephemeral),
            CustodyError::Open,
            |shared| gateway_key(shared, ephemeral, &self.public).ok_or(CustodyError::Open),
        )?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = key
            .open_in_place(only_nonce(), Aad::empty(), &mut body)
            .map_err(|_| CustodyError::Open)?;
        secret(plain)
    }
}

impl std::fmt::Debug for GatewayKeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayKeyPair").finish_non_exhaustive()
    }
}

/// Seals `password` so that only the gateway with the public key `public` can open it.
pub fn seal_for_gateway(
    public: &[u8; PUBLIC_LEN],
    password: &Secret,
) -> Result<Vec<u8>, CustodyError> {
    let text = password.expose();
    if text.len() > SEALED_PASSWORD_LEN_MAX {
        return Err(CustodyError::TooLong);
    }
    let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new())
        .map_err(|_| CustodyError::Seal)?;
    let ephemeral = private
        .compute_public_key()
        .map_err(|_| CustodyError::Seal)?;
    let ephemeral = ephemeral.as_ref();
    let key = agreement::agree_ephemeral(
        private,
        UnparsedPublicKey::new(&X25519, public),
        CustodyError::Seal,
        |shared| gateway_key(shared, ephemeral, public).ok_or(CustodyError::Seal),
    )?;
    let mut body = text.as_bytes().to_vec();
    body.reserve_exact(TAG_LEN); // The plain text is encrypted in place, never moved.
    key.seal_in_place_append_tag(only_nonce(), Aad::empty(), &mut body)
        .map_err(|_| CustodyError::Seal)?;
    let mut sealed = Vec::with_capacity(1 + ephemeral.len() + body.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(ephemeral);
    sealed.extend_from_slice(&body);
    Ok(sealed)
}

/// HKDF-SHA256 over the shared secret, bound to both public keys as HPKE (RFC 9180 §4.1) does.
fn gateway_key(shared: &[u8], ephemeral: &[u8], public: &[u8]) -> Option<LessSafeKey> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, GATEWAY_LABEL).extract(shared);
    let info = [ephemeral, public];
    let okm = prk.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(okm)))
}

/// Each key of [`gateway_key`] comes from an ephemeral pair and seals one text, so one fixed nonce
/// is never used twice with it.
fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn secret(plain: &[u8]) -> Result<Secret, CustodyError> {
    let text = std::str::from_utf8(plain).map_err(|_| CustodyError::Open)?;
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn password(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_cookie_key_opens_its_own_sign_in_only() {
        let key = SignInKey::generate().unwrap();
        let again = SignInKey::from_text(key.to_text().expose()).unwrap();
        let sealed = key.seal("one", &password("hunter2 ü")).unwrap();
        assert_eq!(again.open("one", &sealed).unwrap().expose(), "hunter2 ü");
        assert!(again.open("two", &sealed).is_err());
        assert!(SignInKey::generate().unwrap().open("one", &sealed).is_err());
        assert_ne!(sealed, key.seal("one", &password("hunter2 ü")).unwrap());
    }

    #[test]
    fn the_gateway_opens_what_is_for_it_only() {
        let gateway = GatewayKeyPair::generate().unwrap();
        let other = GatewayKeyPair::generate().unwrap();
        let sealed = seal_for_gateway(&gateway.public(), &password("hunter2")).unwrap();
        assert_eq!(gateway.open(&sealed).unwrap().expose(), "hunter2");
        assert!(other.open(&sealed).is_err());
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
    }

    #[test]
    fn a_public_key_of_low_order_is_refused() {
        assert_eq!(
            seal_for_gateway(&[0; 32], &password("x")).unwrap_err(),
            CustodyError::Seal
        );
    }

    #[test]
    fn cut_or_changed_at_any_place_is_an_error() {
        let key = SignInKey::generate().unwrap();
        let gateway = GatewayKeyPair::generate().unwrap();
        let at_rest = key.seal("one", &password("hunter2")).unwrap();
        let on_the_way = seal_for_gateway(&gateway.public(), &password("hunter2")).unwrap();
        for end in 0..at_rest.len() {
            assert!(key.open("one", &at_rest[..end]).is_err());
        }
        for end in 0..on_the_way.len() {
            assert!(gateway.open(&on_the_way[..end]).is_err());
        }
        for place in 0..at_rest.len() {
            let mut changed = at_rest.clone();
            changed[place] ^= 0x41;
            assert!(key.open("one", &changed).is_err(), "place {place}");
        }
        for place in 0..on_the_way.len() {
            let mut changed = on_the_way.clone();
            changed[place] ^= 0x41;
            // X25519 ignores the top bit of the key it is given (RFC 7748 §5), but both public
            // keys are bound into the key, so that a change of it shows as well.
            assert!(gateway.open(&changed).is_err(), "place {place}");
        }
    }

    #[test]
    fn the_length_of_a_password_is_limited() {
        let key = SignInKey::generate().unwrap();
        let gateway = GatewayKeyPair::generate().unwrap();
        let longest = password(&"x".repeat(SEALED_PASSWORD_LEN_MAX));
        let too_long = password(&"x".repeat(SEALED_PASSWORD_LEN_MAX + 1));
        assert!(key.open("a", &key.seal("a", &longest).unwrap()).is_ok());
        let sealed = seal_for_gateway(&gateway.public(), &longest).unwrap();
        assert!(gateway.open(&sealed).is_ok());
        assert_eq!(key.seal("a", &too_long), Err(CustodyError::TooLong));
        assert_eq!(
            seal_for_gateway(&gateway.public(), &too_long),
            Err(CustodyError::TooLong)
        );
    }

    #[test]
    fn the_csrf_token_belongs_to_one_sign_in_and_key() {
        let key = SignInKey::generate().unwrap();
        let token = key.csrf_token("one");
        assert!(key.csrf_token_is("one", token.expose()));
        assert!(!key.csrf_token_is("two", token.expose()));
        assert!(!key.csrf_token_is("one", ""));
        assert!(
            !SignInKey::generate()
                .unwrap()
                .csrf_token_is("one", token.expose())
        );
    }

    proptest! {
        #[test]
        fn any_bytes_open_to_an_error_not_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1200)) {
            let key = SignInKey::from_text(&"A".repeat(43)).unwrap();
            prop_assert!(key.open("one", &bytes).is_err());
            prop_assert!(GatewayKeyPair::generate().unwrap().open(&bytes).is_err());
        }
    }
}
