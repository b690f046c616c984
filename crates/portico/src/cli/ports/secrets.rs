//! Secrets for checks, from files: on the command line everybody of the machine would read them.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use clap::Args;
use portico_model::Secret;
use portico_probe::check::Secrets;

use crate::cli::failure::Failure;

/// Longest secret, in bytes.
const SECRET_LEN_MAX: u64 = 1024;

/// Files of secrets.
#[derive(Debug, Args)]
pub(super) struct SecretArgs {
    /// File with the shared secret of the RADIUS servers; without it they answer nothing.
    #[arg(long, value_name = "FILE")]
    radius_secret_file: Option<PathBuf>,

    /// File with a community of SNMP version 2c [default: only version 3 is asked].
    #[arg(long, value_name = "FILE")]
    snmp_community_file: Option<PathBuf>,
}

impl SecretArgs {
    /// Reads them.
    pub(super) fn read(&self) -> Result<Secrets, Failure> {
        let secret = |path: &Option<PathBuf>| path.as_deref().map(secret).transpose();
        Ok(Secrets {
            radius: secret(&self.radius_secret_file)?,
            snmp_community: secret(&self.snmp_community_file)?,
        })
    }
}

/// The first line of a file, without its end.
fn secret(path: &Path) -> Result<Secret, Failure> {
    let bad = |reason: String| {
        Failure::new(format!("The secret in {} cannot be used", path.display()))
            .reason(reason)
            .next_step("write the secret into the file, in one line and nothing else")
    };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| bad(error.to_string()))?;
    // One more than is allowed, with an end of the line.
    let read = file.take(SECRET_LEN_MAX + 3).read_to_string(&mut text);
    read.map_err(|error| bad(error.to_string()))?;
    let text = Secret::new(text);
    let line = text.expose();
    let line = line.strip_suffix('\n').unwrap_or(line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(bad("the file is empty".into()));
    }
    if u64::try_from(line.len()).is_ok_and(|len| len > SECRET_LEN_MAX) {
        return Err(bad(format!("it has more than {SECRET_LEN_MAX} bytes")));
    }
    if line.contains(['\n', '\r']) {
        return Err(bad("it has more than one line".into()));
    }
    Ok(Secret::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_of_a_file_and_in_no_message() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (text, is_good) in [
            ("testing123", true),
            ("testing123\n", true),
            ("testing123\r\n", true),
            ("", false),
            ("\n", false),
            ("testing123\nmore\n", false),
            (&"x".repeat(1024), true),
            (&"x".repeat(1025), false),
            (&"x".repeat(5000), false),
        ] {
            std::fs::write(&path, text).unwrap();
            match secret(&path) {
                Ok(secret) => {
                    assert!(is_good, "{text:?}");
                    assert_eq!(secret.expose(), text.trim_end());
                    assert!(!format!("{secret:?}").contains("testing"));
                }
                Err(failure) => {
                    assert!(!is_good, "{text:?}: {failure}");
                    let text = failure.to_string();
                    assert!(!text.contains("testing") && !text.contains("xxx"), "{text}");
                    assert!(failure.next_step.is_some());
                }
            }
        }
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert!(secret(&path).is_err(), "no UTF-8");
        assert!(secret(&folder.path().join("none")).is_err());
    }
}
