//! The chain: what is hashed and what is signed. Pure.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ED25519, UnparsedPublicKey},
};
use portico_model::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// SHA-256 of a record and of all before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AuditHash(pub(super) [u8; 32]);

/// A signed head of the chain, to be kept where whoever can write the journal cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Version of this document.
    pub v: AnchorVersion,
    /// Writer of the chain.
    pub writer: String,
    /// Number of the record.
    pub seq: u64,
    /// Its hash.
    pub hash: AuditHash,
    /// When it was signed.
    pub at: Timestamp,
    /// Ed25519 public key, in hexadecimal.
    #[serde(with = "hex")]
    pub public_key: Vec<u8>,
    /// Ed25519 signature, in hexadecimal.
    #[serde(with = "hex")]
    pub signature: Vec<u8>,
}

/// The only version there is: 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct AnchorVersion;

/// Why a text is not an anchor.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// Not the document of an anchor.
    #[error("not an anchor of portico")]
    Form(#[from] serde_json::Error),
    /// The signature in it is not of its key.
    #[error("the signature of the anchor is wrong: it was changed after it was made")]
    Signature,
}

impl Anchor {
    /// Reads an anchor file and checks that its signature is of the key it names.
    pub fn from_json(text: &str) -> Result<Self, AnchorError> {
        let anchor: Self = serde_json::from_str(text)?;
        if !anchor.is_signed() {
            return Err(AnchorError::Signature);
        }
        Ok(anchor)
    }

    /// The text of an anchor file.
    pub fn to_json(&self) -> Result<String, AnchorError> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// Whether its signature is of the key it names.
    pub fn is_signed(&self) -> bool {
        let message = signed_bytes(&self.writer, self.seq, &self.hash, self.at);
        UnparsedPublicKey::new(&ED25519, &self.public_key)
            .verify(&message, &self.signature)
            .is_ok()
    }
}

/// A record as the file has it: texts exactly as stored, so that nothing has to be written the
/// same way twice for the hash to hold.
#[derive(Debug, Clone)]
pub(super) struct StoredRecord {
    pub(super) seq: u64,
    pub(super) at_ms: i64,
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) object: String,
    pub(super) outcome: String,
    /// Empty for none.
    pub(super) client_address: String,
    /// JSON.
    pub(super) detail: String,
    pub(super) hash: AuditHash,
}

impl StoredRecord {
    /// The hash it must have after `before`. Numbers are big-endian; each text is preceded by its
    /// length as u32, so that no two records have the same bytes.
    pub(super) fn hash_after(&self, before: &AuditHash) -> AuditHash {
        let mut bytes = b"portico audit record v1".to_vec();
        bytes.extend_from_slice(&before.0);
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.at_ms.to_be_bytes());
        for text in [
            &self.actor,
            &self.action,
            &self.object,
            &self.outcome,
            &self.client_address,
            &self.detail,
        ] {
            push_text(&mut bytes, text);
        }
        AuditHash::of(&bytes)
    }
}

impl AuditHash {
    /// What stands before the first record of a writer's chain.
    pub(super) fn genesis(writer: &str) -> Self {
        let mut bytes = b"portico audit chain v1".to_vec();
        push_text(&mut bytes, writer);
        Self::of(&bytes)
    }

    fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(hash)
    }
}

/// What the signature of a head covers.
pub(super) fn signed_bytes(writer: &str, seq: u64, hash: &AuditHash, at: Timestamp) -> Vec<u8> {
    let mut bytes = b"portico audit head v1".to_vec();
    push_text(&mut bytes, writer);
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.extend_from_slice(&hash.0);
    bytes.extend_from_slice(&at.unix_ms().to_be_bytes());
    bytes
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    // Texts are far below 4 GiB by the limits of an entry.
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Lower-case hexadecimal.
pub(super) mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn encode(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
        let bytes = text.as_bytes().chunks(2);
        bytes
            .map(|pair| match pair {
                [high, low] => {
                    let digit = |c: &u8| char::from(*c).to_digit(16);
                    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
                }
                _ => None,
            })
            .collect()
    }

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        decode(&text).ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
    }
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for AuditHash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuditHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let bytes = hex::deserialize(from)?;
        let hash = bytes.try_into();
        hash.map(Self)
            .map_err(|_| serde::de::Error::custom("a hash has 32 bytes"))
    }
}

impl TryFrom<u8> for AnchorVersion {
    type Error = String;
    fn try_from(v: u8) -> Result<Self, String> {
        match v {
            1 => Ok(Self),
            other => Err(format!("version {other} of anchors is not known")),
        }
    }
}

impl From<AnchorVersion> for u8 {
    fn from(_: AnchorVersion) -> Self {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_under_the_hash_and_no_two_records_share_bytes() {
        let record = StoredRecord {
            seq: 1,
            at_ms: 2,
            actor: "ab".into(),
            action: "c".into(),
            object: "o".into(),
            outcome: "ok".into(),
            client_address: String::new(),
            detail: "null".into(),
            hash: AuditHash([0; 32]),
        };
        let before = AuditHash::genesis("w");
        let hash = record.hash_after(&before);
        let changes: [fn(&mut StoredRecord); 9] = [
            |r| r.seq = 2,
            |r| r.at_ms = 3,
            |r| (r.actor, r.action) = ("a".into(), "bc".into()),
            |r| r.actor.clear(),
            |r| r.action.clear(),
            |r| r.object.clear(),
            |r| r.outcome.clear(),
            |r| r.client_address.push('1'),
            |r| r.detail.push(' '),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut changed = record.clone();
            change(&mut changed);
            assert_ne!(changed.hash_after(&before), hash, "change {index}");
        }
        assert_ne!(record.hash_after(&AuditHash::genesis("v")), hash);
    }

    #[test]
    fn hexadecimal_is_read_back_and_nothing_else_is_read() {
        assert_eq!(
            hex::decode(&hex::encode(&[0, 15, 255])),
            Some(vec![0, 15, 255])
        );
        assert_eq!(hex::decode("0"), None);
        assert_eq!(hex::decode("0g"), None);
    }
}
