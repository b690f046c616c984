//! Where a Portico is.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where a Portico is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    /// On this machine, by its Unix socket.
    Socket(PathBuf),
    /// Anywhere, by HTTPS.
    Https {
        /// Name or address, an IPv6 address without brackets.
        host: String,
        /// Port.
        port: u16,
    },
}

/// Why a text does not say where a Portico is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerError {
    /// Plain HTTP.
    PlainHttp,
    /// Something else.
    Form,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainHttp => "Portico speaks HTTPS only: write https://",
            Self::Form => {
                "give https://HOST, https://HOST:PORT, or the absolute path of a Unix socket"
            }
        })
    }
}

impl std::error::Error for ServerError {}

impl FromStr for Server {
    type Err = ServerError;

    fn from_str(text: &str) -> Result<Self, ServerError> {
        let path = text.strip_prefix("unix:").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Self::Socket(path.into()));
        }
        if text.starts_with("http://") {
            return Err(ServerError::PlainHttp);
        }
        let authority = text.strip_prefix("https://").ok_or(ServerError::Form)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                (host, port.parse().map_err(|_| ServerError::Form)?)
            }
            _ => (authority, 443),
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let address =
            portico_estate::read_address(bare.unwrap_or(host)).map_err(|_| ServerError::Form)?;
        if bare.is_some() != address.contains(':') {
            return Err(ServerError::Form);
        }
        Ok(Self::Https {
            host: address,
            port,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Https { host, port } => {
                f.write_str("https://")?;
                match host.contains(':') {
                    true => write!(f, "[{host}]")?,
                    false => f.write_str(host)?,
                }
                match port {
                    443 => Ok(()),
                    port => write!(f, ":{port}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_path_or_an_https_address() {
        for (text, shown) in [
            (
                "/run/portico/portico.sock",
                "unix:/run/portico/portico.sock",
            ),
            ("unix:/a b", "unix:/a b"),
            (
                "https://Portico.example.org/",
                "https://portico.example.org",
            ),
            ("https://localhost:8443", "https://localhost:8443"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            let server: Server = text.parse().unwrap();
            assert_eq!(server.to_string(), shown);
            assert_eq!(server.to_string().parse(), Ok(server));
        }
        for text in [
            "",
            "localhost",
            "https://",
            "https://a/b",
            "https://a:b",
            "https://::1",
            "ftp://a",
        ] {
            assert_eq!(text.parse::<Server>(), Err(ServerError::Form), "{text}");
        }
        assert_eq!("http://a".parse::<Server>(), Err(ServerError::PlainHttp));
    }
}
