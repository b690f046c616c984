//! Hashing of passwords with argon2id, and what a new one must be like.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use portico_model::{Secret, UserId};

use crate::tokens;

mod memory;

pub(crate) use memory::Memory;

/// Memory of one computation in KiB (OWASP Password Storage Cheat Sheet, argon2id: m = 19 MiB,
/// t = 2, p = 1).
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over the memory.
pub const PASSES: u32 = 2;
/// Lanes.
pub const LANES: u32 = 1;
/// Longest password that is looked at, in bytes: hashing must not be a way to keep us busy.
pub const PASSWORD_LEN_MAX: usize = 1024;
/// Shortest new password, in characters.
pub const NEW_PASSWORD_LEN_MIN: usize = 12;

// Bounds for hashes that an estate file brings along: a hash must not take the machine away.
const FOREIGN_MEMORY_KIB_MAX: u32 = 256 * 1024;
const FOREIGN_PASSES_MAX: u32 = 16;
const FOREIGN_LANES_MAX: u32 = 8;
const PHC_LEN_MAX: usize = 512;

/// Why a password could not be hashed, or a stored hash not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Longer than [`PASSWORD_LEN_MAX`].
    #[error("the password is longer than {PASSWORD_LEN_MAX} bytes")]
    TooLong,
    /// Not a PHC string of argon2id, or with costs beyond the limits.
    #[error("not an argon2id hash with up to 256 MiB, 16 passes and 8 lanes")]
    Form,
    /// argon2 or the random source failed.
    #[error("the password could not be hashed")]
    Failed,
}

/// Hashes `password` with the constants of this module into a PHC string. Takes tens of
/// milliseconds: in services go through [`LocalUsers::hash`](crate::LocalUsers::hash).
pub fn hash_password(password: &Secret) -> Result<String, HashError> {
    hash_password_in(&mut Memory::default(), password)
}

/// [`hash_password`] in memory that is there already.
pub(crate) fn hash_password_in(
    memory: &mut Memory,
    password: &Secret,
) -> Result<String, HashError> {
    let text = text_of(password)?;
    let salt = tokens::random_bytes::<16>().map_err(|_| HashError::Failed)?;
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| HashError::Failed)?;
    let output = compute(
        memory,
        text,
        &salt,
        Version::V0x13,
        &params,
        Params::DEFAULT_OUTPUT_LEN,
    )?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|_| HashError::Failed)?,
        salt: Some(Salt::new(&salt).map_err(|_| HashError::Failed)?),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Whether `password` is the one that `phc` was made from. As slow as hashing.
pub(crate) fn verify_password_in(
    memory: &mut Memory,
    password: &Secret,
    phc: &str,
) -> Result<bool, HashError> {
    let text = text_of(password)?;
    let hash = parse(phc)?;
    let params = Params::try_from(&hash).map_err(|_| HashError::Form)?;
    let version = match hash.version {
        Some(version) => Version::try_from(version).map_err(|_| HashError::Form)?,
        None => Version::default(),
    };
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
        return Err(HashError::Form);
    };
    let output = compute(memory, text, &salt, version, &params, expected.len())
        .map_err(|_| HashError::Form)?;
    // Takes the same time wherever they differ.
    Ok(output == expected)
}

fn text_of(password: &Secret) -> Result<&[u8], HashError> {
    let text = password.expose().as_bytes();
    if text.len() > PASSWORD_LEN_MAX {
        return Err(HashError::TooLong);
    }
    Ok(text)
}

fn compute(
    memory: &mut Memory,
    text: &[u8],
    salt: &[u8],
    version: Version,
    params: &Params,
    output_len: usize,
) -> Result<Output, HashError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params.clone());
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..output_len).ok_or(HashError::Form)?;
    memory
        .lend(params, |blocks| {
            argon2.hash_password_into_with_memory(text, salt, output, blocks)
        })
        .map_err(|_| HashError::Failed)?;
    Output::new(output).map_err(|_| HashError::Failed)
}

/// Whether `phc` is a hash that [`LocalUsers::verify`](crate::LocalUsers::verify) accepts; for
/// hashes from outside.
pub fn check_hash(phc: &str) -> Result<(), HashError> {
    parse(phc).map(|_| ())
}

fn parse(phc: &str) -> Result<PasswordHash, HashError> {
    if phc.len() > PHC_LEN_MAX {
        return Err(HashError::Form);
    }
    let hash = PasswordHash::new(phc).map_err(|_| HashError::Form)?;
    let params = Params::try_from(&hash).map_err(|_| HashError::Form)?;
    let bounded = params.m_cost() <= FOREIGN_MEMORY_KIB_MAX
        && params.t_cost() <= FOREIGN_PASSES_MAX
        && params.p_cost() <= FOREIGN_LANES_MAX;
    let complete = hash.hash.is_some() && hash.salt.is_some();
    if hash.algorithm.as_str() == "argon2id" && bounded && complete {
        Ok(hash)
    } else {
        Err(HashError::Form)
    }
}

/// Why a new password is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`NEW_PASSWORD_LEN_MIN`] characters.
    #[error("the password has {len} characters; give at least {NEW_PASSWORD_LEN_MIN}")]
    TooShort {
        /// How many it has.
        len: usize,
    },
    /// More than [`PASSWORD_LEN_MAX`] bytes.
    #[error("the password is longer than {PASSWORD_LEN_MAX} bytes")]
    TooLong,
    /// Too few different characters.
    #[error("the password repeats a few characters; use at least 5 different ones")]
    Repeats,
    /// Built around the user's own name.
    #[error("the password is the user name with little else; choose something unrelated")]
    UserName,
    /// One of those that are tried first.
    #[error("the password is one of the first that an attacker tries; choose another")]
    Common,
}

/// Passwords of at least the least length that head the lists of leaked ones, or are built from
/// their words. Compared without case, digits and signs at the end ignored.
const COMMON: &[&str] = &[
    "password",
    "passwordpassword",
    "passw0rd",
    "qwertyuiop",
    "qwertyuiopasdfghjkl",
    "qwertyqwerty",
    "asdfghjkl",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "q1w2e3r4t5y6",
    "iloveyou",
    "iloveyouiloveyou",
    "letmein",
    "letmeinletmein",
    "administrator",
    "admin",
    "adminadmin",
    "changeme",
    "changemechangeme",
    "welcome",
    "welcometoportico",
    "portico",
    "porticoportico",
    "trustno",
    "abcdefghijkl",
    "abcdefghijklmnopqrstuvwxyz",
    "unbelievable",
    "motherfucker",
    "manchesterunited",
    "correcthorsebatterystaple",
];

/// Checks a new password; the reason is for the person who chose it.
pub fn check_new_password(user: &UserId, password: &Secret) -> Result<(), WeakPassword> {
    let text = password.expose();
    if text.len() > PASSWORD_LEN_MAX {
        return Err(WeakPassword::TooLong);
    }
    let len = text.chars().count();
    if len < NEW_PASSWORD_LEN_MIN {
        return Err(WeakPassword::TooShort { len });
    }
    let different: std::collections::BTreeSet<char> = text.chars().collect();
    if different.len() < 5 {
        return Err(WeakPassword::Repeats);
    }
    let lower = text.to_lowercase();
    let core = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    if core.is_empty() || COMMON.contains(&core) || COMMON.contains(&lower.as_str()) {
        return Err(WeakPassword::Common);
    }
    let rest = lower.replace(user.as_str(), "");
    if rest.len() < lower.len() && rest.chars().count() < 8 {
        return Err(WeakPassword::UserName);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(password: &Secret, phc: &str) -> Result<bool, HashError> {
        verify_password_in(&mut Memory::default(), password, phc)
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_hash_carries_the_parameters_and_a_fresh_salt() {
        let first = hash_password(&secret("a long enough one")).unwrap();
        let second = hash_password(&secret("a long enough one")).unwrap();
        assert!(
            first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{first}"
        );
        assert_ne!(first, second);
        assert_eq!(verify(&secret("a long enough one"), &first), Ok(true));
        assert_eq!(verify(&secret("a long enough onE"), &first), Ok(false));
        assert_eq!(verify(&secret(""), &first), Ok(false));
    }

    #[test]
    fn a_hash_from_outside_is_bounded() {
        let salt_and_hash = "c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let phc = |head: &str| format!("{head}${salt_and_hash}");
        assert_eq!(check_hash(&phc("$argon2id$v=19$m=65536,t=3,p=4")), Ok(()));
        for bad in [
            phc("$argon2id$v=19$m=4194304,t=3,p=4"),
            phc("$argon2id$v=19$m=65536,t=4000000,p=4"),
            phc("$argon2id$v=19$m=65536,t=3,p=200"),
            phc("$argon2i$v=19$m=65536,t=3,p=4"),
            "$argon2id$v=19$m=65536,t=3,p=4".into(),
            "$2y$10$abcdefghijklmnopqrstuv".into(),
            "plain".into(),
            String::new(),
            "$".repeat(100_000),
        ] {
            assert_eq!(check_hash(&bad), Err(HashError::Form), "{bad:.60}");
        }
    }

    #[test]
    fn a_password_beyond_the_limit_is_not_hashed() {
        let long = secret(&"x".repeat(PASSWORD_LEN_MAX + 1));
        assert_eq!(hash_password(&long), Err(HashError::TooLong));
        assert_eq!(verify(&long, "$argon2id$"), Err(HashError::TooLong));
    }

    #[test]
    fn a_weak_new_password_is_refused_with_the_reason() {
        let owner = UserId::new("margarete").unwrap();
        let check = |text: &str| check_new_password(&owner, &secret(text));
        assert_eq!(check("short"), Err(WeakPassword::TooShort { len: 5 }));
        assert_eq!(
            check("üüüüüüüüüü1"),
            Err(WeakPassword::TooShort { len: 11 })
        );
        assert_eq!(check("abababababab"), Err(WeakPassword::Repeats));
        assert_eq!(check("Password1234!"), Err(WeakPassword::Common));
        assert_eq!(check("1q2w3e4r5t6y"), Err(WeakPassword::Common));
        assert_eq!(check("123456789012"), Err(WeakPassword::Common));
        assert_eq!(check("Margarete2024!"), Err(WeakPassword::UserName));
        assert_eq!(check(&"ab1c!".repeat(1000)), Err(WeakPassword::TooLong));
        assert_eq!(check("violet anchor tin"), Ok(()));
    }
}
