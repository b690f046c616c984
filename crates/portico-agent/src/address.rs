//! `host:port` as brokers are named.

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address of the form host:port")]
pub struct AddressError {
    text: String,
}

/// Host and port; an IPv6 address stands in brackets.
///
/// # Errors
/// [`AddressError`].
pub fn split(text: &str) -> Result<(&str, u16), AddressError> {
    let parse = || {
        let (host, port) = text.rsplit_once(':')?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty()).then_some((host, port))
    };
    parse().ok_or_else(|| AddressError {
        text: portico_model::printable(text).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        assert_eq!(
            split("broker.example:30004"),
            Ok(("broker.example", 30_004))
        );
        assert_eq!(split("[2001:db8::1]:30004"), Ok(("2001:db8::1", 30_004)));
        for wrong in [
            "",
            "broker",
            ":30004",
            "a:0",
            "a:65536",
            "2001:db8::1:30004",
            "[::1:1",
            "a:-1",
        ] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
