//! RDCleanPath: the one request of the browser and the one answer, before RDP begins.
//!
//! The request names a destination, but the gateway does not look at it: where to go comes from
//! the ticket (`proxy_auth`). A pre-connection blob and the user-name cookie of the browser's
//! X.224 request are dropped as well, as they are not the browser's to choose.

use ironrdp_pdu::{
    nego::{ConnectionRequest, SecurityProtocol},
    x224::X224,
};
use ironrdp_rdcleanpath::{DetectionResult, RDCleanPathPdu};
use portico_model::Secret;

/// Longest request, in bytes.
pub const REQUEST_LEN_MAX: usize = 64 * 1024;

/// Longest ticket, in bytes.
pub const TICKET_LEN_MAX: usize = 512;

/// A request whose version is not readable within so many bytes is none.
const DETECT_LEN: usize = 32;

/// Why bytes are not a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Something else, or a version that is not known.
    #[error("the viewer sent something else than an RDCleanPath PDU")]
    NotCleanPath,
    /// Longer than [`REQUEST_LEN_MAX`].
    #[error("the RDCleanPath PDU is longer than {REQUEST_LEN_MAX} bytes")]
    TooLong,
    /// Bytes after the PDU: the browser must wait for the answer.
    #[error("bytes follow the RDCleanPath PDU")]
    Trailing,
    /// The PDU does not decode.
    #[error("the RDCleanPath PDU is malformed")]
    Malformed,
    /// A field that a request must have is absent.
    #[error("the RDCleanPath PDU has no {0}")]
    Missing(&'static str),
    /// The ticket is longer than [`TICKET_LEN_MAX`].
    #[error("the ticket is longer than {TICKET_LEN_MAX} bytes")]
    TicketTooLong,
    /// The X.224 request in it does not decode.
    #[error("the X.224 request in the RDCleanPath PDU is malformed")]
    X224,
    /// The browser insists on something else than TLS, but the gateway ends network level
    /// authentication itself.
    #[error("the viewer does not offer TLS security; CredSSP in the browser must be off")]
    TlsNotOffered,
}

/// What the browser asks.
#[derive(Debug, Clone)]
pub struct Request {
    /// The launch ticket.
    pub ticket: Secret,
}

impl Request {
    /// How many bytes the request at the front of `bytes` has; `None` until that can be told.
    pub fn detect(bytes: &[u8]) -> Result<Option<usize>, RequestError> {
        // A DER sequence; most of what else comes here is told apart by its first byte.
        if bytes.first().is_some_and(|first| *first != 0x30) {
            return Err(RequestError::NotCleanPath);
        }
        match RDCleanPathPdu::detect(bytes.get(..DETECT_LEN).unwrap_or(bytes)) {
            DetectionResult::Detected { total_length, .. } if total_length > REQUEST_LEN_MAX => {
                Err(RequestError::TooLong)
            }
            DetectionResult::Detected { total_length, .. } => Ok(Some(total_length)),
            DetectionResult::NotEnoughBytes if bytes.len() < DETECT_LEN => Ok(None),
            DetectionResult::NotEnoughBytes | DetectionResult::Failed => {
                Err(RequestError::NotCleanPath)
            }
        }
    }

    /// Reads a whole request.
    pub fn decode(bytes: &[u8]) -> Result<Self, RequestError> {
        match Self::detect(bytes)? {
            Some(len) if len < bytes.len() => return Err(RequestError::Trailing),
            Some(len) if len == bytes.len() => {}
            _ => return Err(RequestError::Malformed),
        }
        let pdu = RDCleanPathPdu::from_der(bytes).map_err(|_| RequestError::Malformed)?;
        let ticket = pdu
            .proxy_auth
            .map(Secret::new)
            .ok_or(RequestError::Missing("proxy_auth"))?;
        if ticket.expose().len() > TICKET_LEN_MAX {
            return Err(RequestError::TicketTooLong);
        }
        let x224 = pdu
            .x224_connection_pdu
            .ok_or(RequestError::Missing("x224_connection_pdu"))?;
        let X224(request) = ironrdp_core::decode::<X224<ConnectionRequest>>(x224.as_bytes())
            .map_err(|_| RequestError::X224)?;
        if !request.protocol.contains(SecurityProtocol::SSL) {
            return Err(RequestError::TlsNotOffered);
        }
        Ok(Self { ticket })
    }
}

/// Why a desktop could not be opened, as the browser is told.
///
/// The component on the page shows these as "error kind and details"; a viewer that wants more
/// asks the portal about the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// An HTTP status: 400 bad request, 401 ticket not good, 403 log-on refused by the host,
    /// 408 too slow, 409 taken over or ended meanwhile, 410 host gone, 413 too long,
    /// 500 a fault of the gateway, 502 the host does not speak RDP as expected, 503 no capacity.
    Http(u16),
    /// A Windows socket error: 10054 reset, 10060 timed out, 10061 refused, 10065 no route,
    /// 11001 name not found.
    Socket(u16),
    /// A TLS alert: 42 the certificate is not the pinned one, 48 no certificate is trusted for
    /// the host, 40 no common TLS parameters.
    Tls(u8),
    /// The host refused the negotiation; its X.224 confirm.
    Negotiation(Vec<u8>),
}

impl Failure {
    /// The error PDU.
    pub fn encode(&self) -> Vec<u8> {
        let pdu = match self {
            Self::Http(status) => RDCleanPathPdu::new_http_error(*status),
            Self::Socket(code) => RDCleanPathPdu::new_wsa_error(*code),
            Self::Tls(alert) => RDCleanPathPdu::new_tls_error(*alert),
            Self::Negotiation(confirm) => RDCleanPathPdu::new_negotiation_error(confirm.clone())
                .unwrap_or_else(|_| RDCleanPathPdu::new_general_error()),
        };
        // An error PDU of numbers always encodes; the browser reads an empty message as a break.
        pdu.to_der().unwrap_or_default()
    }
}

/// The answer to a request whose host is ready: the X.224 confirm for the browser, and the
/// certificates of the host, leaf first.
///
/// `None` when they are too long to encode.
pub fn encode_response<'a>(
    host_address: String,
    confirm: Vec<u8>,
    certificates: impl IntoIterator<Item = &'a [u8]>,
) -> Option<Vec<u8>> {
    let chain = certificates.into_iter().map(<[u8]>::to_vec);
    RDCleanPathPdu::new_response(host_address, confirm, chain)
        .and_then(|pdu| pdu.to_der())
        .ok()
}

/// A request as a browser makes it. For tests and benches.
#[doc(hidden)]
pub fn encode_request(destination: &str, ticket: &str, protocols: u32) -> Vec<u8> {
    let request = ConnectionRequest {
        nego_data: Some(ironrdp_pdu::nego::NegoRequestData::cookie("browser".into())),
        flags: ironrdp_pdu::nego::RequestFlags::empty(),
        protocol: SecurityProtocol::from_bits_retain(protocols),
        correlation_info: None,
    };
    let x224 = ironrdp_core::encode_vec(&X224(request)).unwrap_or_default();
    RDCleanPathPdu::new_request(x224, destination.into(), ticket.into(), None)
        .and_then(|pdu| pdu.to_der())
        .unwrap_or_default()
}

/// What a gateway answered. For tests and benches.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The host is ready.
    Ready {
        /// X.224 confirm.
        confirm: Vec<u8>,
        /// Certificates, leaf first.
        certificates: Vec<Vec<u8>>,
    },
    /// It is not.
    Failed(Failure),
}

/// Reads an answer. For tests and benches.
#[doc(hidden)]
pub fn decode_answer(bytes: &[u8]) -> Option<Answer> {
    let pdu = RDCleanPathPdu::from_der(bytes).ok()?;
    if let Some(error) = pdu.error {
        let failure = if let Some(status) = error.http_status_code {
            Failure::Http(status)
        } else if let Some(code) = error.wsa_last_error {
            Failure::Socket(code)
        } else if let Some(alert) = error.tls_alert_code {
            Failure::Tls(alert)
        } else {
            Failure::Negotiation(pdu.x224_connection_pdu?.as_bytes().to_vec())
        };
        return Some(Answer::Failed(failure));
    }
    Some(Answer::Ready {
        confirm: pdu.x224_connection_pdu?.as_bytes().to_vec(),
        certificates: pdu
            .server_cert_chain?
            .iter()
            .map(|certificate| certificate.as_bytes().to_vec())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_and_its_destination_is_not() {
        let bytes = encode_request("10.0.0.1:3389", "broker.ticket", 1);
        assert_eq!(Request::detect(&bytes), Ok(Some(bytes.len())));
        let request = Request::decode(&bytes).unwrap();
        assert_eq!(request.ticket.expose(), "broker.ticket");
    }

    #[test]
    fn a_request_cut_at_any_length_is_incomplete_or_refused() {
        let bytes = encode_request("host", "ticket", 1);
        for len in 0..bytes.len() {
            let part = &bytes[..len];
            match Request::detect(part) {
                Ok(None) => assert!(len < DETECT_LEN),
                Ok(Some(total)) => assert_eq!(total, bytes.len()),
                Err(error) => panic!("{error} at {len}"),
            }
            assert!(Request::decode(part).is_err(), "{len}");
        }
    }

    #[test]
    fn what_is_no_request_is_told_early() {
        assert_eq!(
            Request::detect(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n......."),
            Err(RequestError::NotCleanPath)
        );
        assert_eq!(
            Request::detect(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]),
            Ok(None)
        );
        let huge = [
            0x30, 0x83, 0x01, 0x00, 0x00, 0xa0, 0x04, 0x02, 0x02, 0x0d, 0x3e,
        ];
        assert_eq!(Request::detect(&huge), Err(RequestError::TooLong));
        let other_version = [0x30, 0x06, 0xa0, 0x04, 0x02, 0x02, 0x0d, 0x3f];
        assert_eq!(
            Request::detect(&other_version),
            Err(RequestError::NotCleanPath)
        );
    }

    #[test]
    fn requests_that_cannot_be_served_say_why() {
        let mut bytes = encode_request("host", "ticket", 1);
        bytes.push(0);
        assert_eq!(Request::decode(&bytes).err(), Some(RequestError::Trailing));
        let nla_only = encode_request("host", "ticket", 2);
        assert_eq!(
            Request::decode(&nla_only).err(),
            Some(RequestError::TlsNotOffered)
        );
        let long = encode_request("host", &"t".repeat(TICKET_LEN_MAX + 1), 1);
        assert_eq!(
            Request::decode(&long).err(),
            Some(RequestError::TicketTooLong)
        );
        let answer = Failure::Http(401).encode();
        assert_eq!(
            Request::decode(&answer).err(),
            Some(RequestError::Missing("proxy_auth"))
        );
    }

    #[test]
    fn failures_and_answers_come_back_as_they_were() {
        for failure in [
            Failure::Http(401),
            Failure::Socket(10061),
            Failure::Tls(48),
            Failure::Negotiation(vec![3, 0, 0, 19]),
        ] {
            let bytes = failure.encode();
            assert_eq!(decode_answer(&bytes), Some(Answer::Failed(failure)));
        }
        let bytes = encode_response("h".into(), vec![1, 2], [&[3_u8][..], &[4]]).unwrap();
        let ready = Answer::Ready {
            confirm: vec![1, 2],
            certificates: vec![vec![3], vec![4]],
        };
        assert_eq!(decode_answer(&bytes), Some(ready));
    }
}
