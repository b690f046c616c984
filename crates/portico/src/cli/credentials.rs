//! Sign-ins of this user, in a file that only they can read.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use portico_model::Secret;
use serde::{Deserialize, Serialize, Serializer};

use super::{failure::Failure, transport::Fingerprint};

/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Sign-ins by server.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// Version of the file.
    #[serde(default = "version")]
    pub(crate) v: u32,
    /// Server of the last sign-in.
    #[serde(default)]
    pub(crate) current: Option<String>,
    /// What is known of each server.
    #[serde(default)]
    pub(crate) servers: BTreeMap<String, Known>,
}

/// What is known of a server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Who is signed in.
    pub(crate) user: String,
    /// What proves it.
    #[serde(serialize_with = "exposed")]
    pub(crate) token: Secret,
    /// Fingerprint of the certificate that was accepted.
    pub(crate) fingerprint: FingerprintText,
}

/// A fingerprint as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct FingerprintText(pub(crate) Fingerprint);

fn version() -> u32 {
    1
}

fn exposed<S: Serializer>(token: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    // The one place where a token is written: a file of mode 0600.
    serializer.serialize_str(token.expose())
}

impl Credentials {
    /// Reads the file; without one nobody is signed in anywhere.
    pub(crate) fn load() -> Result<Self, Failure> {
        match file() {
            Some(path) => Self::load_from(&path),
            None => Ok(Self::default()),
        }
    }

    /// Writes the file.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let path = file().ok_or_else(|| {
            Failure::new("There is no folder to keep the sign-in in")
                .reason("neither XDG_CONFIG_HOME nor HOME is set")
                .next_step("set HOME")
        })?;
        self.save_to(&path)
    }

    pub(crate) fn load_from(path: &Path) -> Result<Self, Failure> {
        let failed = |reason: &dyn fmt::Display, next_step: &str| {
            Failure::new(format!("{} cannot be used", path.display()))
                .reason(reason)
                .next_step(next_step)
        };
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(&error, "make it readable for you")),
            Ok(metadata) => metadata,
        };
        if metadata.mode() & 0o077 != 0 {
            return Err(failed(
                &"others on this machine can read it",
                "if nobody did, `chmod 600` it; otherwise remove it and sign in again",
            ));
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(failed(&"it is too long", "remove it and sign in again"));
        }
        let text =
            fs::read_to_string(path).map_err(|error| failed(&error, "make it readable for you"))?;
        // serde_json names places, not contents: no token can be in the message.
        serde_json::from_str(&text).map_err(|error| failed(&error, "remove it and sign in again"))
    }

    pub(crate) fn save_to(&self, path: &Path) -> Result<(), Failure> {
        self.write(path).map_err(|error| {
            Failure::new(format!("The sign-in cannot be kept in {}", path.display()))
                .reason(error)
                .next_step("make room, or let the folder belong to you")
        })
    }

    /// Writes beside the file and moves into place: the file is whole at every moment.
    fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let fresh = path.with_extension("new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    }
}

/// Where the file is, by the XDG base directory specification.
fn file() -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let folder = env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .and_then(absolute)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".config")))?;
    Some(folder.join("portico").join("credentials.json"))
}

/// A fingerprint as browsers and `portico serve` show it.
pub(crate) fn fingerprint_text(fingerprint: &Fingerprint) -> String {
    portico_net::tls::colon_hex(fingerprint)
}

/// Reads a fingerprint with or without colons, and with or without `sha256:` before it.
pub(crate) fn read_fingerprint(text: &str) -> Result<Fingerprint, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect();
    bytes
        .filter(|_| digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|bytes| Fingerprint::try_from(bytes).ok())
        .ok_or_else(|| "give the 64 hexadecimal digits of a SHA-256".into())
}

impl TryFrom<String> for FingerprintText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        read_fingerprint(&text).map(Self)
    }
}

impl From<FingerprintText> for String {
    fn from(text: FingerprintText) -> Self {
        fingerprint_text(&text.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        let known = Known {
            user: "anna".into(),
            token: Secret::new("the-token".into()),
            fingerprint: FingerprintText([7; 32]),
        };
        Credentials {
            v: 1,
            current: Some("https://a".into()),
            servers: BTreeMap::from([("https://a".into(), known)]),
        }
    }

    #[test]
    fn the_file_comes_back_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portico/credentials.json");
        credentials().save_to(&path).unwrap();
        credentials().save_to(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777,
            0o700
        );
        let read = Credentials::load_from(&path).unwrap();
        assert_eq!(read.servers["https://a"].token.expose(), "the-token");
        assert_eq!(read.servers["https://a"].fingerprint.0, [7; 32]);
        assert!(!format!("{read:?}").contains("the-token"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        credentials().save_to(&path).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let failure = Credentials::load_from(&path).unwrap_err();
        assert_eq!(
            failure.reason.as_deref(),
            Some("others on this machine can read it")
        );
    }

    #[test]
    fn a_damaged_file_is_refused_without_showing_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials.json");
        credentials().save_to(&path).unwrap();
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("\"the-token\"", "[\"the-token\"]");
        fs::write(&path, text).unwrap();
        let failure = Credentials::load_from(&path).unwrap_err();
        assert!(!failure.to_string().contains("the-token"), "{failure}");
        assert_eq!(
            Credentials::load_from(&folder.path().join("none"))
                .unwrap()
                .current,
            None
        );
    }

    #[test]
    fn fingerprints_are_read_in_all_their_spellings() {
        let hex = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        for text in [&hex, &colons, &format!("sha256:{hex}")] {
            assert_eq!(read_fingerprint(text), Ok([0xab; 32]), "{text}");
        }
        for text in [
            "",
            "ab",
            &hex[1..],
            &format!("{hex}00"),
            &"zz".repeat(32),
            &"é".repeat(32),
            &"+1".repeat(32),
        ] {
            assert!(read_fingerprint(text).is_err(), "{text}");
        }
    }
}
