//! Keys of the store that this crate writes, and the form of what is under them.

use portico_model::{SignInId, UserId};
use portico_store::StoreError;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const ROOT: &str = "/portico/v1/default";

/// All sign-in records.
pub(crate) fn sign_ins() -> String {
    format!("{ROOT}/sign-in/")
}

/// One sign-in record.
pub(crate) fn sign_in(id: &SignInId) -> String {
    format!("{ROOT}/sign-in/{id}")
}

/// Index of the sign-ins of one user.
pub(crate) fn sign_ins_of(user: &UserId) -> String {
    format!("{ROOT}/sign-in-of/{user}/")
}

/// Entry of that index.
pub(crate) fn sign_in_of(user: &UserId, id: &SignInId) -> String {
    format!("{ROOT}/sign-in-of/{user}/{id}")
}

/// All lock-out records.
pub(crate) fn lock_outs() -> String {
    format!("{ROOT}/lock-out/")
}

/// Lock-out record of a name somebody typed. Hashed: it may be anything, a password included.
pub(crate) fn lock_out_of_name(typed: &str) -> String {
    let hash = crate::tokens::sha256_hex(typed.as_bytes());
    format!("{ROOT}/lock-out/user/{hash}")
}

/// Lock-out record of a client network.
pub(crate) fn lock_out_of_network(network: ipnet::IpNet) -> String {
    format!(
        "{ROOT}/lock-out/network/{}-{}",
        network.addr(),
        network.prefix_len()
    )
}

/// A stored document and its version, so that a later Portico can tell what it reads.
#[derive(Serialize, Deserialize)]
struct Document<T> {
    v: u32,
    body: T,
}

const VERSION: u32 = 1;

pub(crate) fn write<T: Serialize>(key: &str, body: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Document { v: VERSION, body }).map_err(|error| corrupt(key, error))
}

pub(crate) fn read<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StoreError> {
    let document: Document<T> =
        serde_json::from_slice(value).map_err(|error| corrupt(key, error))?;
    if document.v == VERSION {
        Ok(document.body)
    } else {
        Err(corrupt(key, format!("version {} is not known", document.v)))
    }
}

fn corrupt(key: &str, detail: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        place: key.to_owned(),
        detail: detail.to_string(),
    }
}
