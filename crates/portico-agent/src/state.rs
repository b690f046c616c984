//! What the agent keeps on disk: its key, its certificate, and where the brokers are. Everything
//! is in one folder of mode 0700; each file is written whole or not at all.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use portico_model::{HostId, estate::AgentLink};
use portico_net::tls::{
    CaCertificate, KeyFileError, MachineError, MachineIdentity, MachineKey, hex,
};
use portico_wire::agent::{EnrollmentAnswer, JoinToken};
use serde::{Deserialize, Serialize};

/// Longest file that is read here, in bytes.
const FILE_LEN_MAX: u64 = 256 << 10;
/// Version of the files.
const VERSION: u32 = 1;

/// The folder.
#[derive(Debug, Clone)]
pub struct StateFolder(PathBuf);

/// A join that has begun and waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joining {
    version: u32,
    /// Host the token is for.
    pub host: HostId,
    /// Where to enroll, `host:port`.
    pub enrollment: Vec<String>,
    /// SHA-256 of the certificate authority, in hexadecimal.
    pub ca_sha256: String,
    /// SHA-256 of the token's secret, in hexadecimal: the same token does not join twice.
    pub token_sha256: String,
}

/// A host that has joined.
#[derive(Debug, Clone)]
pub struct Joined {
    /// How it joined.
    pub joining: Joining,
    /// Certificate and key.
    pub identity: MachineIdentity,
    /// The authority.
    pub ca: CaCertificate,
    /// Link addresses of every broker.
    pub brokers: Vec<String>,
    /// Who opens the link.
    pub link: AgentLink,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or the folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what the agent writes.
    #[error("{} is damaged; remove {} and join again (`portico tokens create --host NAME --rejoin`)", path.display(), folder.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// What was issued is not for this agent.
    #[error("the certificate that was issued cannot be used")]
    Certificate(#[from] MachineError),
    /// The chain does not end in the authority of the token.
    #[error("the certificate that was issued is not of the authority that the token names")]
    OtherAuthority,
    /// The certificate is of another host.
    #[error("the certificate is not for the host {host}")]
    OtherHost {
        /// Whom it should be for.
        host: HostId,
    },
}

impl Joining {
    /// What a token says.
    pub fn of(token: &JoinToken) -> Self {
        Self {
            version: VERSION,
            host: token.host.clone(),
            enrollment: token.enrollment.clone(),
            ca_sha256: hex(&token.ca_sha256),
            token_sha256: hex(&portico_net::tls::sha256(token.secret.expose().as_bytes())),
        }
    }

    /// Whether both come from one token.
    pub fn is_of_same_token(&self, other: &Self) -> bool {
        self.token_sha256 == other.token_sha256
            && self.host == other.host
            && self.ca_sha256 == other.ca_sha256
    }

    /// The authority's SHA-256.
    pub fn authority(&self) -> Option<[u8; 32]> {
        let mut sum = [0_u8; 32];
        let pairs = self.ca_sha256.as_bytes().chunks_exact(2);
        if self.ca_sha256.len() != 64 {
            return None;
        }
        for (byte, pair) in sum.iter_mut().zip(pairs) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(sum)
    }
}

impl StateFolder {
    /// Takes the folder, or makes it.
    ///
    /// # Errors
    /// [`StateError::File`].
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let made = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path);
        made.map_err(at(path))?;
        Ok(Self(path.to_owned()))
    }

    /// The join that waits, and its key.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn joining(&self) -> Result<Option<(Joining, MachineKey)>, StateError> {
        let Some(joining) = self.read::<Joining>("joining.json")? else {
            return Ok(None);
        };
        let key = MachineKey::load(&self.0.join("joining-key.pem"))?;
        Ok(Some((joining, key)))
    }

    /// Keeps a join and its new key, before the broker is asked: whatever happens then, the same
    /// key asks again.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn begin(&self, joining: &Joining) -> Result<MachineKey, StateError> {
        let key = MachineKey::generate()?;
        key.save(&self.0.join("joining-key.pem"))?;
        self.write("joining.json", joining)?;
        Ok(key)
    }

    /// Forgets a join that was refused.
    pub fn forget_joining(&self) {
        for name in ["joining.json", "joining-key.pem"] {
            // What cannot be removed is asked about again, and refused again.
            let _gone = fs::remove_file(self.0.join(name));
        }
    }

    /// What the host joined as.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn joined(&self) -> Result<Option<Joined>, StateError> {
        let Some(joining) = self.read::<Joining>("agent.json")? else {
            return Ok(None);
        };
        let Some(issued) = self.read::<EnrollmentAnswer>("issued.json")? else {
            return Ok(None);
        };
        let key = MachineKey::load(&self.0.join("key.pem"))?;
        joined(joining, &key, issued).map(Some)
    }

    /// Keeps a certificate and everything that belongs to it. The old one stays in use until all
    /// of the new one is there.
    ///
    /// # Errors
    /// [`StateError`]; what was issued is checked before anything is written.
    pub fn keep(
        &self,
        joining: Joining,
        key: &MachineKey,
        issued: EnrollmentAnswer,
    ) -> Result<Joined, StateError> {
        let done = joined(joining.clone(), key, issued.clone())?;
        // A key without its certificate is noticed at the next start; the reverse never happens.
        key.save(&self.0.join("key.pem"))?;
        self.write("issued.json", &issued)?;
        self.write("agent.json", &joining)?;
        self.forget_joining();
        Ok(done)
    }

    /// The key of the certificate, to ask for the next one.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn key(&self) -> Result<MachineKey, StateError> {
        Ok(MachineKey::load(&self.0.join("key.pem"))?)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let path = self.0.join(name);
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at(&path)(error)),
        };
        let limited = io::Read::take(file, FILE_LEN_MAX);
        match serde_json::from_reader(io::BufReader::new(limited)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => match error.io_error_kind() {
                Some(kind) => Err(at(&path)(kind.into())),
                None => Err(StateError::Damaged {
                    folder: self.0.clone(),
                    path,
                }),
            },
        }
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StateError> {
        let path = self.0.join(name);
        let fresh = self.0.join(format!("{name}.new"));
        let attempt = || {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            serde_json::to_writer_pretty(&mut file, value)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            fs::File::open(&self.0)?.sync_all()
        };
        attempt().map_err(at(&path))
    }
}

fn joined(
    joining: Joining,
    key: &MachineKey,
    issued: EnrollmentAnswer,
) -> Result<Joined, StateError> {
    let EnrollmentAnswer::Issued {
        chain_der,
        brokers,
        link,
    } = issued
    else {
        return Err(MachineError::NoCertificate.into());
    };
    let ca = chain_der
        .last()
        .cloned()
        .ok_or(MachineError::NoCertificate)?;
    let ca = CaCertificate::from_der(ca)?;
    if Some(ca.sha256()) != joining.authority() {
        return Err(StateError::OtherAuthority);
    }
    let identity = MachineIdentity::new(key, chain_der)?;
    let wanted = portico_net::tls::MachineRole::Host(joining.host.clone());
    if identity.about().role != wanted {
        return Err(StateError::OtherHost { host: joining.host });
    }
    Ok(Joined {
        joining,
        identity,
        ca,
        brokers,
        link,
    })
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::File { path, source }
}
