//! Random values that stand for a right, and how they are kept: only as a hash.

use aws_lc_rs::{constant_time, digest, hmac, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portico_model::Secret;

/// Bytes in a token: 128 bits cannot be guessed.
pub const TOKEN_LEN: usize = 16;

/// The random source of the process failed; nothing secret may be made then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// Where random bytes come from. A simulation gives a seeded one, so that it can be replayed.
pub trait Chance: Send + Sync + 'static {
    /// Fills `bytes`, all of them or none.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The operating system's randomness: the only chance outside of tests and simulations.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        rand::fill(bytes).map_err(|_| NoRandomness)
    }
}

/// `N` bytes of `chance`.
pub fn bytes_of<const N: usize>(chance: &dyn Chance) -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    chance.fill(&mut bytes)?;
    Ok(bytes)
}

/// 64 bits of `chance`, for lots.
pub fn u64_of(chance: &dyn Chance) -> Result<u64, NoRandomness> {
    Ok(u64::from_be_bytes(bytes_of(chance)?))
}

/// 128 bits of `chance`, for ids.
pub fn u128_of(chance: &dyn Chance) -> Result<u128, NoRandomness> {
    Ok(u128::from_be_bytes(bytes_of(chance)?))
}

/// A fresh token of [`TOKEN_LEN`] bytes of `chance`, in base64url.
pub fn token_of(chance: &dyn Chance) -> Result<Secret, NoRandomness> {
    Ok(Secret::new(encode(&bytes_of::<TOKEN_LEN>(chance)?)))
}

/// `N` random bytes.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    bytes_of(&SystemChance)
}

/// 128 random bits, for ids.
pub fn random_u128() -> Result<u128, NoRandomness> {
    u128_of(&SystemChance)
}

/// A fresh token of [`TOKEN_LEN`] random bytes, in base64url.
pub fn random_token() -> Result<Secret, NoRandomness> {
    token_of(&SystemChance)
}

/// Base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Exactly `N` bytes from base64url without padding; `None` for anything else.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // A longer text is never decoded, whatever its length.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// SHA-256 in lower-case hexadecimal: the form in which tokens are kept.
pub fn sha256_hex(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().fold(
        String::with_capacity(64),
        |mut text, byte| {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
            text
        },
    )
}

/// Whether two byte strings are the same, in a time that depends on their lengths only.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Whether `token` is the one whose SHA-256 is `hash_hex`.
pub fn matches_hash(token: &str, hash_hex: &str) -> bool {
    same(sha256_hex(token.as_bytes()).as_bytes(), hash_hex.as_bytes())
}

/// A key for one purpose, from a key for many. The label keeps the purposes apart.
pub(crate) fn derive(key: &[u8], label: &str, context: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut mac = hmac::Context::with_key(&key);
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac.update(context);
    let mut out = [0; 32];
    out.copy_from_slice(mac.sign().as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha256_in_hexadecimal() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_token_is_known_by_its_hash_only() {
        let token = random_token().unwrap();
        let hash = sha256_hex(token.expose().as_bytes());
        assert!(matches_hash(token.expose(), &hash));
        assert!(!matches_hash("", &hash));
        assert!(!matches_hash(token.expose(), ""));
        assert!(!matches_hash(random_token().unwrap().expose(), &hash));
    }

    #[test]
    fn only_the_exact_length_decodes() {
        let bytes = random_bytes::<16>().unwrap();
        let text = encode(&bytes);
        assert_eq!(decode::<16>(&text), Some(bytes));
        assert_eq!(decode::<15>(&text), None);
        assert_eq!(decode::<16>(&format!("{text}A")), None);
        assert_eq!(decode::<16>("////////////////////=="), None);
        for end in 0..text.len() {
            assert_eq!(decode::<16>(&text[..end]), None);
        }
    }
}
