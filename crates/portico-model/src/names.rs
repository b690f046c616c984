//! Typed names. An id is a short slug that is safe in a URL, a store key, a file name and a log;
//! what people read (titles, descriptions) is free text and never used as a key.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// Longest id, in bytes.
pub const ID_LEN_MAX: usize = 64;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No characters at all.
    #[error("is empty; give 1 to {ID_LEN_MAX} characters")]
    Empty,
    /// More than [`ID_LEN_MAX`] bytes.
    #[error("is {len} bytes long; at most {ID_LEN_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A character that is not allowed at its place.
    #[error(
        "has {character:?} at place {place}; use a-z, 0-9, '.', '_', '-' or '@', beginning with a letter or digit"
    )]
    Character {
        /// The offending character.
        character: char,
        /// Its place, counted from 1.
        place: usize,
    },
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > ID_LEN_MAX {
        return Err(NameError::TooLong { len: text.len() });
    }
    for (index, character) in text.chars().enumerate() {
        let plain = character.is_ascii_lowercase() || character.is_ascii_digit();
        let joined = index > 0 && matches!(character, '.' | '_' | '-' | '@');
        if !plain && !joined {
            return Err(NameError::Character {
                character,
                place: index + 1,
            });
        }
    }
    Ok(())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the text and makes an id of it.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(|e| serde::de::Error::custom(format!("{text:?} {e}")))
            }
        }
    )*};
}

ids! {
    /// A tenant; `default` until there is more than one.
    TenantId;
    /// A broker process.
    BrokerId;
    /// A gateway process.
    GatewayId;
    /// A pool of like hosts.
    PoolId;
    /// A session host.
    HostId;
    /// A place that clients and hosts are at.
    SiteId;
    /// A part of the network.
    ZoneId;
    /// A planned maintenance of hosts.
    MaintenanceId;
    /// A join token: the first 16 hexadecimal digits of its hash.
    JoinTokenId;
    /// A published resource.
    ResourceId;
    /// A grant of resources to people.
    EntitlementId;
    /// A set of rules for sessions.
    SessionPolicyId;
    /// A group of people.
    GroupId;
    /// A person, by the name they sign in with, in lower case.
    UserId;
    /// A session: 128 random bits in lower-case hexadecimal.
    SessionId;
    /// One transport to a session: 128 random bits in lower-case hexadecimal.
    ConnectionId;
    /// A sign-in record: the SHA-256 of the secret in the cookie, in lower-case hexadecimal.
    SignInId;
}

impl TenantId {
    /// The tenant of an installation that has only one.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}

macro_rules! random_ids {
    ($($name:ident),*) => {$(
        impl $name {
            /// An id from 128 bits of the caller's random source.
            pub fn from_random(bits: u128) -> Self {
                Self(format!("{bits:032x}").into())
            }
        }
    )*};
}

random_ids!(SessionId, ConnectionId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_slugs() {
        for good in ["a", "sh1", "sh1.example.org", "anna@example.org", "0-x_y"] {
            assert_eq!(PoolId::new(good).unwrap().as_str(), good);
        }
        assert_eq!(PoolId::new(""), Err(NameError::Empty));
        assert_eq!(
            PoolId::new("a".repeat(65)),
            Err(NameError::TooLong { len: 65 })
        );
        for (bad, character, place) in [
            ("A", 'A', 1),
            ("-a", '-', 1),
            ("a/b", '/', 2),
            ("a b", ' ', 2),
            ("é", 'é', 1),
        ] {
            assert_eq!(
                PoolId::new(bad),
                Err(NameError::Character { character, place }),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_wrong_id_in_json_names_itself() {
        let error = serde_json::from_str::<HostId>("\"a b\"")
            .unwrap_err()
            .to_string();
        assert!(error.contains("\"a b\" has ' ' at place 2"), "{error}");
    }
}
