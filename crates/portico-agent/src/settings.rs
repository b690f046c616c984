//! The agent's settings: a TOML file, all of it optional, with all errors told at once. What the
//! command line says wins.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize as _;

use crate::load::LoadOf;

/// Where the settings are looked for when nobody names a file.
pub const DEFAULT_FILE: &str = "/etc/portico/agent.toml";
/// Where the state is kept unless the settings say otherwise.
pub const DEFAULT_STATE: &str = "/var/lib/portico-agent";
/// Longest settings file, in bytes.
const FILE_LEN_MAX: u64 = 64 << 10;

/// Checked settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Folder of key and certificate.
    pub state_dir: PathBuf,
    /// Where to listen for brokers.
    pub listen: Option<SocketAddr>,
    /// What the load is measured of.
    pub load: LoadOf,
    /// Port on loopback where the host's RDP server listens.
    pub rdp_port: u16,
    /// Program and arguments that restart the machine; empty switches it off.
    pub restart_command: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let systemd = Path::new("/run/systemd/system").exists();
        let command: &[&str] = if systemd {
            &["/usr/bin/systemctl", "reboot"]
        } else {
            &["/sbin/shutdown", "-r", "now"]
        };
        Self {
            state_dir: DEFAULT_STATE.into(),
            listen: None,
            load: LoadOf::Machine,
            rdp_port: portico_net::default_port(portico_net::flows::GATEWAY_HOST_RDP),
            restart_command: command.iter().map(|&part| part.into()).collect(),
        }
    }
}

/// Everything that is wrong with a settings file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be used:\n  {}", path.display(), errors.join("\n  "))]
pub struct SettingsError {
    /// Which file.
    pub path: PathBuf,
    /// Each error with its key.
    pub errors: Vec<String>,
}

impl Settings {
    /// Reads a file. Without `path` the default file counts, if it is there.
    ///
    /// # Errors
    /// [`SettingsError`] with all errors.
    pub fn load(path: Option<&Path>) -> Result<Self, SettingsError> {
        let named = path.is_some();
        let path = path.unwrap_or(Path::new(DEFAULT_FILE));
        let failed = |error: String| SettingsError {
            path: path.to_owned(),
            errors: vec![error],
        };
        match std::fs::metadata(path) {
            Ok(about) if about.len() > FILE_LEN_MAX => {
                return Err(failed(format!("it has more than {FILE_LEN_MAX} bytes")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => {
                return Ok(Self::default());
            }
            Err(error) => return Err(failed(error.to_string())),
        }
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(&text).map_err(|errors| SettingsError {
            path: path.to_owned(),
            errors,
        })
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// All errors, each with its key.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| vec![error.to_string().trim_end().to_owned()])?;
        let mut settings = Self::default();
        let mut errors = BTreeMap::new();
        for (key, value) in table {
            if let Err(error) = settings.set(&key, value) {
                errors.insert(key, error);
            }
        }
        if errors.is_empty() {
            return Ok(settings);
        }
        Err(errors
            .iter()
            .map(|(key, error)| format!("{key}: {error}"))
            .collect())
    }

    fn set(&mut self, key: &str, value: toml::Value) -> Result<(), String> {
        match key {
            "state_dir" => {
                let path = PathBuf::from(text(&value)?);
                if !path.is_absolute() {
                    return Err("wants an absolute path".into());
                }
                self.state_dir = path;
            }
            "listen" => {
                let address = text(&value)?.parse();
                self.listen =
                    Some(address.map_err(|_| "wants ADDRESS:PORT, such as \"0.0.0.0:30004\"")?);
            }
            "load" => {
                self.load =
                    LoadOf::deserialize(value).map_err(|_| "wants \"machine\" or \"cgroup\"")?;
            }
            "rdp_port" => {
                let port = value.as_integer().and_then(|port| u16::try_from(port).ok());
                self.rdp_port = port
                    .filter(|port| *port != 0)
                    .ok_or("wants a port, 1 to 65535")?;
            }
            "restart_command" => {
                let command = Vec::<String>::deserialize(value)
                    .map_err(|_| "wants a list of texts: the program and its arguments")?;
                if command
                    .first()
                    .is_some_and(|program| !program.starts_with('/'))
                {
                    return Err("wants the program's absolute path; no shell is used".into());
                }
                self.restart_command = command;
            }
            _ => {
                return Err(
                    "is unknown; there are state_dir, listen, load, rdp_port and restart_command"
                        .into(),
                );
            }
        }
        Ok(())
    }
}

fn text(value: &toml::Value) -> Result<&str, String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| "wants a text".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_file_is_read_and_changes_nothing() {
        let text = include_str!("../packaging/agent.toml");
        assert_eq!(Settings::parse(text), Ok(Settings::default()));
        // Every line of it can be switched on.
        let on: String = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("# ").filter(|line| {
                    line.split_once(" = ")
                        .is_some_and(|(key, _)| !key.contains(' '))
                })
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let settings = Settings::parse(&on).unwrap();
        assert_eq!(settings.listen, Some("0.0.0.0:30004".parse().unwrap()));
        assert_eq!(on.lines().count(), 5);
    }

    #[test]
    fn all_errors_are_told_at_once_with_their_keys() {
        let text = "state_dir = \"x\"\nlisten = \"30004\"\nload = \"moon\"\nrdp_port = 70000\nrestart_command = [\"reboot\"]\ncolour = 1\n";
        let errors = Settings::parse(text).unwrap_err();
        let keys: Vec<&str> = errors.iter().filter_map(|e| e.split(':').next()).collect();
        assert_eq!(
            keys,
            [
                "colour",
                "listen",
                "load",
                "rdp_port",
                "restart_command",
                "state_dir"
            ]
        );
        let broken = Settings::parse("listen = ").unwrap_err();
        assert_eq!(broken.len(), 1);
    }

    #[test]
    fn a_file_that_is_named_must_be_there_and_of_sane_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        assert!(Settings::load(Some(&path)).is_err());
        std::fs::write(&path, "load = \"cgroup\"\n").unwrap();
        assert_eq!(Settings::load(Some(&path)).unwrap().load, LoadOf::Cgroup);
        std::fs::write(&path, "#".repeat(65 << 10)).unwrap();
        let error = Settings::load(Some(&path)).unwrap_err().to_string();
        assert!(error.contains("more than 65536 bytes"), "{error}");
    }
}
