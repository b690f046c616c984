use portico_model::estate::{Protocol, RdpSecurity};
use portico_wire::x224::{
    ConnectionConfirm, ConnectionRequest, FailureCode, NegotiationResponse, SecurityProtocols,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{IMPATIENT, probe_with, probe_within, refused, reset, stall};

async fn answer(
    security: RdpSecurity,
    negotiation: NegotiationResponse,
) -> Result<portico_probe::ProbeOk, portico_probe::ProbeError> {
    probe_with(Protocol::Rdp, security, move |mut stream| async move {
        let mut request = [0; 19];
        stream.read_exact(&mut request).await.unwrap();
        let request = ConnectionRequest::decode(&request).unwrap();
        let offered = request.negotiation.unwrap().protocols;
        assert!(offered.has(SecurityProtocols::TLS));
        assert_eq!(
            offered.has(SecurityProtocols::CREDSSP),
            security != RdpSecurity::Tls
        );
        // In two pieces, as a network may deliver them.
        let confirm = ConnectionConfirm { negotiation }.encode();
        stream.write_all(&confirm[..3]).await.unwrap();
        stream.write_all(&confirm[3..]).await.unwrap();
        stall(stream).await;
    })
    .await
}

fn selected(protocol: SecurityProtocols) -> NegotiationResponse {
    NegotiationResponse::Selected { flags: 0, protocol }
}

#[tokio::test]
async fn a_host_that_selects_what_the_estate_says_answers() {
    for (security, protocol, part) in [
        (
            RdpSecurity::Negotiate,
            SecurityProtocols::CREDSSP,
            "network level",
        ),
        (RdpSecurity::Negotiate, SecurityProtocols::TLS, "TLS"),
        (RdpSecurity::Tls, SecurityProtocols::TLS, "TLS"),
        (
            RdpSecurity::Nla,
            SecurityProtocols::CREDSSP,
            "network level",
        ),
    ] {
        let ok = answer(security, selected(protocol)).await.unwrap();
        assert!(ok.detail.contains(part), "{security:?} {protocol}: {ok:?}");
    }
}

#[tokio::test]
async fn a_host_whose_security_does_not_fit_the_estate_is_refused() {
    use NegotiationResponse::{Absent, Failed};
    let failed = |code| Failed { code };
    for (security, negotiation, part) in [
        (
            RdpSecurity::Nla,
            selected(SecurityProtocols::TLS),
            "selected TLS",
        ),
        (
            RdpSecurity::Negotiate,
            selected(SecurityProtocols::RDP),
            "standard RDP security",
        ),
        (
            RdpSecurity::Tls,
            selected(SecurityProtocols::CREDSSP),
            "did not offer",
        ),
        (
            RdpSecurity::Tls,
            failed(FailureCode::NlaRequired),
            "requires network level",
        ),
        (
            RdpSecurity::Negotiate,
            failed(FailureCode::TlsNotAllowed),
            "standard RDP security only",
        ),
        (
            RdpSecurity::Negotiate,
            failed(FailureCode::Unknown(0x77)),
            "0x77",
        ),
        (RdpSecurity::Negotiate, Absent, "standard RDP security only"),
    ] {
        refused(answer(security, negotiation).await, part);
    }
}

#[tokio::test]
async fn a_service_that_is_not_rdp_is_named_so() {
    for (sent, part) in [
        (&b"SSH-2.0-OpenSSH_9.2p1\r\n"[..], "does not speak RDP"),
        (b"H", "does not speak RDP"),
        (b"\x03\x00\xff\xff", "does not speak RDP"),
        (b"\x03\x00\x00\x04", "does not speak RDP"),
        (b"\x03\x00\x00\x0b\x06\xf0\x00\x00\x00\x00\x00", "type 0xf0"),
    ] {
        let outcome = probe_with(
            Protocol::Rdp,
            RdpSecurity::Negotiate,
            move |mut stream| async move {
                stream.write_all(sent).await.unwrap();
                stall(stream).await;
            },
        )
        .await;
        refused(outcome, part);
    }
}

#[tokio::test]
async fn a_host_that_stalls_resets_or_stops_in_the_middle_is_refused() {
    let tls = RdpSecurity::Tls;
    refused(
        probe_within(IMPATIENT, Protocol::Rdp, tls, stall).await,
        "said nothing",
    );
    refused(probe_with(Protocol::Rdp, tls, reset).await, "reset");
    let whole = ConnectionConfirm {
        negotiation: selected(SecurityProtocols::TLS),
    }
    .encode();
    for len in [1, 4, whole.len() - 1] {
        let part = whole[..len].to_vec();
        let outcome = probe_with(Protocol::Rdp, tls, move |mut stream| async move {
            stream.read_exact(&mut [0; 19]).await.unwrap();
            stream.write_all(&part).await.unwrap();
        })
        .await;
        refused(outcome, "closed the connection");
    }
}
