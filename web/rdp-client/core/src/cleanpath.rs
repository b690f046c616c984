//! RDCleanPath: the one request to the gateway and its one answer, before RDP begins.
//!
//! The destination in the request is not looked at: the gateway takes it from the ticket.

use ironrdp_rdcleanpath::{DetectionResult, RDCleanPath, RDCleanPathPdu};

use crate::{CleanPathError, End, EndCode, inbox::Inbox, limits::ANSWER_LEN_MAX};

/// A PDU whose length cannot be told after so many bytes is none.
const DETECT_LEN: usize = 32;

/// The request, with the X.224 Connection Request of the client in it.
pub(crate) fn request(ticket: &str, x224: Vec<u8>) -> Result<Vec<u8>, End> {
    RDCleanPathPdu::new_request(x224, "portico".to_owned(), ticket.to_owned(), None)
        .and_then(|pdu| pdu.to_der())
        .map_err(|error| End::new(EndCode::Settings, format!("the request: {error}")))
}

/// Takes the answer; `None` until all of it is there. What comes back is the X.224 Connection
/// Confirm. The certificates are the gateway's business, which checked them.
pub(crate) fn take_answer(inbox: &mut Inbox) -> Result<Option<Vec<u8>>, End> {
    let rest = inbox.rest();
    let malformed = |what: &str| End::new(EndCode::Protocol, format!("the gateway {what}"));
    if rest.first().is_some_and(|first| *first != 0x30) {
        return Err(malformed("sent something else than an RDCleanPath PDU"));
    }
    let len = match RDCleanPathPdu::detect(rest.get(..DETECT_LEN).unwrap_or(rest)) {
        DetectionResult::Detected { total_length, .. } if total_length > ANSWER_LEN_MAX => {
            return Err(malformed("sent an RDCleanPath PDU that is too long"));
        }
        DetectionResult::Detected { total_length, .. } => total_length,
        DetectionResult::NotEnoughBytes if rest.len() < DETECT_LEN => return Ok(None),
        DetectionResult::NotEnoughBytes | DetectionResult::Failed => {
            return Err(malformed("sent something else than an RDCleanPath PDU"));
        }
    };
    let Some(bytes) = inbox.take(len) else {
        return Ok(None);
    };
    let answer = RDCleanPathPdu::from_der(&bytes)
        .ok()
        .and_then(|pdu| pdu.into_enum().ok())
        .ok_or_else(|| malformed("sent an RDCleanPath PDU that is malformed"))?;
    match answer {
        RDCleanPath::Response {
            x224_connection_response,
            ..
        } => Ok(Some(x224_connection_response.as_bytes().to_vec())),
        RDCleanPath::GeneralErr(error) => Err(End::from_cleanpath(CleanPathError {
            http: error.http_status_code,
            wsa: error.wsa_last_error,
            tls: error.tls_alert_code,
        })),
        RDCleanPath::NegotiationErr { .. } => Err(End::from_cleanpath(CleanPathError::default())),
        RDCleanPath::Request { .. } => Err(malformed("sent a request")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(pdu: &RDCleanPathPdu) -> Vec<u8> {
        pdu.to_der().unwrap()
    }

    #[test]
    fn an_answer_is_read_wherever_it_is_cut_and_what_follows_stays() {
        let pdu = RDCleanPathPdu::new_response("h".into(), vec![3, 0], [vec![7; 300]]).unwrap();
        let mut bytes = answer(&pdu);
        bytes.extend_from_slice(&[9, 9, 9]);
        for cut in 1..bytes.len() {
            let mut inbox = Inbox::default();
            let mut confirm = None;
            for part in bytes.chunks(cut) {
                inbox.push(part);
                if confirm.is_none() {
                    confirm = take_answer(&mut inbox).unwrap();
                }
            }
            assert_eq!(confirm.as_deref(), Some(&[3, 0][..]));
            assert_eq!(inbox.rest(), [9, 9, 9]);
        }
    }

    #[test]
    fn errors_of_the_gateway_have_their_codes() {
        let mut wsa = RDCleanPathPdu::new_general_error();
        wsa.error.as_mut().unwrap().wsa_last_error = Some(10061);
        let mut tls = RDCleanPathPdu::new_general_error();
        tls.error.as_mut().unwrap().tls_alert_code = Some(48);
        for (pdu, code) in [
            (RDCleanPathPdu::new_http_error(401), EndCode::GatewayRefused),
            (wsa, EndCode::HostUnreachable),
            (tls, EndCode::HostCertificate),
            (
                RDCleanPathPdu::new_negotiation_error(vec![3, 0, 0, 19]).unwrap(),
                EndCode::Negotiation,
            ),
        ] {
            let mut inbox = Inbox::default();
            inbox.push(&answer(&pdu));
            assert_eq!(take_answer(&mut inbox).unwrap_err().code, code);
        }
    }

    #[test]
    fn what_is_no_answer_ends_the_connection() {
        let long = [0x30, 0x83, 0x10, 0, 0, 0xa0, 0x04, 0x02, 0x02, 0x0d, 0x3e];
        for bytes in [&b"HTTP/1.1 400"[..], &[0x30; 40], &long] {
            let mut inbox = Inbox::default();
            inbox.push(bytes);
            assert_eq!(take_answer(&mut inbox).unwrap_err().code, EndCode::Protocol);
        }
    }
}
