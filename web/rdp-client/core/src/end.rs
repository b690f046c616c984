//! Why a connection ended, as codes that the pages have texts for.

use std::fmt;

use serde::Serialize;

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    /// Which case.
    pub code: EndCode,
    /// For operators, in English.
    pub message: String,
    /// The host's own code (MS-RDPBCGR 2.2.5.1.1), when it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_info: Option<u32>,
    /// What the gateway said, when it was the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleanpath: Option<CleanPathError>,
}

/// The error PDU of the gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CleanPathError {
    /// An HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<u16>,
    /// A Windows socket error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wsa: Option<u16>,
    /// A TLS alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<u8>,
}

/// The cases that a page tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndCode {
    /// The viewer closed it.
    Closed,
    /// The settings of the viewer are wrong; a fault of the page.
    Settings,
    /// The gateway refused, with an HTTP status.
    GatewayRefused,
    /// The gateway could not reach the host, with a socket error.
    HostUnreachable,
    /// The gateway did not accept the host's certificate or TLS parameters.
    HostCertificate,
    /// The host refused the kind of security that was offered.
    Negotiation,
    /// Somebody else took the session over.
    TakenOver,
    /// The person signed out in the session.
    LoggedOff,
    /// An administrator ended or disconnected it.
    EndedByAdministrator,
    /// The person, or a program of theirs, disconnected the session on the host.
    Disconnected,
    /// Nothing was done for too long.
    IdleTimeout,
    /// The log-on took too long.
    LogonTimeout,
    /// The host does not allow this account or this connection.
    Denied,
    /// The host wants the password again.
    CredentialsNeeded,
    /// The host has no memory left.
    HostOutOfMemory,
    /// The host shuts down or restarts.
    HostShutdown,
    /// Something on the host broke.
    HostFailed,
    /// The host has no licence for this connection.
    Licence,
    /// The host's own connection broker could not place the session.
    HostBroker,
    /// The host sends the client elsewhere; the gateway decides about hosts, so this is an end.
    Redirected,
    /// The host closed the connection and did not say why.
    HostClosed,
    /// The host sent what the protocol does not allow, or what this client cannot read.
    Protocol,
    /// The host wanted more memory than a host may have.
    Limit,
    /// The browser does not decode the host's video; without the offer of it the host sends
    /// something else.
    Video,
}

impl End {
    /// An end that has only a code and a message.
    pub(crate) fn new(code: EndCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            error_info: None,
            cleanpath: None,
        }
    }

    /// Something in the bytes is not as it must be.
    pub(crate) fn protocol(what: &str, error: impl fmt::Display) -> Self {
        Self::new(EndCode::Protocol, format!("{what}: {error}"))
    }

    /// The end that a Set Error Info PDU announces (MS-RDPBCGR 2.2.5.1.1).
    pub(crate) fn from_error_info(code: u32) -> Self {
        let (end, text) = error_info(code);
        Self {
            error_info: Some(code),
            ..Self::new(end, format!("{text} (error info 0x{code:08X})"))
        }
    }

    /// The end that an error PDU of the gateway is.
    pub(crate) fn from_cleanpath(error: CleanPathError) -> Self {
        let (code, message) = match error {
            CleanPathError { http: Some(s), .. } => {
                (EndCode::GatewayRefused, format!("the gateway answered {s}"))
            }
            CleanPathError { wsa: Some(w), .. } => (
                EndCode::HostUnreachable,
                format!("the gateway did not reach the host: socket error {w}"),
            ),
            CleanPathError { tls: Some(a), .. } => (
                EndCode::HostCertificate,
                format!("the gateway did not accept the host: TLS alert {a}"),
            ),
            _ => (
                EndCode::Negotiation,
                "the host did not accept the offered security".to_owned(),
            ),
        };
        Self {
            cleanpath: Some(error),
            ..Self::new(code, message)
        }
    }
}

/// Codes of MS-RDPBCGR 2.2.5.1.1 (Set Error Info PDU Data).
fn error_info(code: u32) -> (EndCode, &'static str) {
    match code {
        0x01 => (
            EndCode::EndedByAdministrator,
            "an administrator disconnected the session",
        ),
        0x02 => (
            EndCode::EndedByAdministrator,
            "an administrator ended the session",
        ),
        0x03 => (EndCode::IdleTimeout, "the session was idle for too long"),
        0x04 => (EndCode::LogonTimeout, "the log-on took too long"),
        0x05 => (EndCode::TakenOver, "another client took the session over"),
        0x06 => (EndCode::HostOutOfMemory, "the host ran out of memory"),
        0x07 => (EndCode::Denied, "the host denied the connection"),
        0x09 => (
            EndCode::Denied,
            "the account may not use this host remotely",
        ),
        0x0A => (
            EndCode::CredentialsNeeded,
            "the host does not take stored credentials",
        ),
        0x0B => (
            EndCode::Disconnected,
            "the session was disconnected from inside",
        ),
        0x0C => (EndCode::LoggedOff, "the session was signed out of"),
        0x0F..=0x12 => (EndCode::HostFailed, "the host's display driver failed"),
        0x17 | 0x18 => (EndCode::HostFailed, "a system process of the host ended"),
        0x19 => (EndCode::HostShutdown, "the host shuts down"),
        0x1A => (EndCode::HostShutdown, "the host restarts"),
        0x0100..=0x010A => (EndCode::Licence, "the host's licensing failed"),
        0x0400..=0x04FF => (EndCode::HostBroker, "the host's connection broker failed"),
        0x10C9..=0x1192 => (EndCode::Protocol, "the host did not understand this client"),
        0x1193..=0x1195 => (
            EndCode::HostFailed,
            "the host could not keep the secrets of the connection",
        ),
        _ => (EndCode::HostFailed, "the host ended the session"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_info_codes_are_told_apart() {
        let cases = [
            (0x03, EndCode::IdleTimeout),
            (0x05, EndCode::TakenOver),
            (0x0C, EndCode::LoggedOff),
            (0x1A, EndCode::HostShutdown),
            (0x0102, EndCode::Licence),
            (0x0408, EndCode::HostBroker),
            (0x10F4, EndCode::Protocol),
            (0xFFFF_FFFF, EndCode::HostFailed),
        ];
        for (code, end) in cases {
            let found = End::from_error_info(code);
            assert_eq!((found.code, found.error_info), (end, Some(code)));
        }
    }

    #[test]
    fn an_end_has_the_json_of_the_contract() {
        let end = End::from_cleanpath(CleanPathError {
            http: Some(401),
            ..CleanPathError::default()
        });
        assert_eq!(
            serde_json::to_string(&end).unwrap(),
            r#"{"code":"gateway-refused","message":"the gateway answered 401","cleanpath":{"http":401}}"#
        );
    }
}
