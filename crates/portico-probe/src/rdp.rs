//! RDP: the X.224 Connection Request and Confirm (MS-RDPBCGR 1.3.1.1, phase 1).

use portico_model::estate::{Protocol, RdpSecurity};
use portico_wire::x224::{
    ConnectionConfirm, ConnectionRequest, NegotiationRequest, NegotiationResponse, PACKET_LEN_MAX,
    SecurityProtocols, TPKT_LEN, frame_len,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{ProbeError, broken, shown};

/// Asks for the security that the gateway will ask for, and tells what the host selected.
pub(crate) async fn probe<S>(stream: &mut S, security: RdpSecurity) -> Result<String, ProbeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = ConnectionRequest {
        cookie: None,
        negotiation: Some(NegotiationRequest {
            protocols: wanted(security),
            ..NegotiationRequest::default()
        }),
    };
    let request = request
        .encode()
        .map_err(|error| no_rdp(&error.to_string()))?;
    let io = |error: std::io::Error| broken(Protocol::Rdp, &error);
    stream.write_all(&request).await.map_err(io)?;
    let packet = read_packet(stream).await?;
    let confirm = ConnectionConfirm::decode(&packet)
        .map_err(|error| no_rdp(&format!("{error}, in {:?}", shown(&packet))))?;
    judge(confirm.negotiation, security)
}

fn wanted(security: RdpSecurity) -> SecurityProtocols {
    match security {
        RdpSecurity::Negotiate => SecurityProtocols::TLS.with(SecurityProtocols::CREDSSP),
        RdpSecurity::Tls => SecurityProtocols::TLS,
        // CredSSP runs over TLS, and a client that offers it says so (MS-RDPBCGR 2.2.1.1.1).
        RdpSecurity::Nla => SecurityProtocols::TLS.with(SecurityProtocols::CREDSSP),
    }
}

async fn read_packet<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>, ProbeError> {
    let io = |error: std::io::Error| broken(Protocol::Rdp, &error);
    let mut packet = Vec::with_capacity(PACKET_LEN_MAX);
    let mut header = [0_u8; TPKT_LEN];
    // One byte first: a service that is not RDP may send fewer bytes than a header and wait.
    let (first, rest) = header.split_at_mut(1);
    stream.read_exact(first).await.map_err(io)?;
    frame_len(first).map_err(|error| no_rdp(&error.to_string()))?;
    stream.read_exact(rest).await.map_err(io)?;
    let len = frame_len(&header)
        .map_err(|error| no_rdp(&error.to_string()))?
        .unwrap_or(TPKT_LEN);
    packet.extend_from_slice(&header);
    packet.resize(len, 0);
    let body = packet.get_mut(TPKT_LEN..).unwrap_or_default();
    stream.read_exact(body).await.map_err(io)?;
    Ok(packet)
}

fn judge(answer: NegotiationResponse, security: RdpSecurity) -> Result<String, ProbeError> {
    match answer {
        NegotiationResponse::Selected { protocol, .. } => {
            let nla = protocol == SecurityProtocols::CREDSSP;
            let tls = protocol == SecurityProtocols::TLS;
            match security {
                RdpSecurity::Negotiate if nla || tls => Ok(format!("RDP with {protocol}")),
                RdpSecurity::Tls if tls => Ok(format!("RDP with {protocol}")),
                RdpSecurity::Nla if nla => Ok(format!("RDP with {protocol}")),
                RdpSecurity::Nla if tls => Err(ProbeError::new(
                    "the host speaks RDP and selected TLS, but the estate says security = \"nla\"",
                    "switch network level authentication on at the host, or set security = \"negotiate\" or \"tls\"",
                )),
                _ => Err(ProbeError::new(
                    format!(
                        "the host speaks RDP and selected {protocol}, which the gateway did not offer or cannot speak"
                    ),
                    "let the host offer TLS or network level authentication",
                )),
            }
        }
        NegotiationResponse::Absent => Err(ProbeError::new(
            "the host speaks RDP with standard RDP security only",
            "let the host offer TLS or network level authentication; standard RDP security is not safe and not supported",
        )),
        NegotiationResponse::Failed { code } => Err(ProbeError::new(
            format!("the host speaks RDP and refused the security negotiation: {code}"),
            match security {
                RdpSecurity::Tls => {
                    "set security = \"negotiate\" or \"nla\" for the host in the estate, or change what the host requires"
                }
                _ => "let the host offer TLS or network level authentication",
            },
        )),
    }
}

fn no_rdp(reason: &str) -> ProbeError {
    ProbeError::new(
        format!("what answers on this port does not speak RDP: {reason}"),
        "correct the port or the protocol of the host in the estate",
    )
}
