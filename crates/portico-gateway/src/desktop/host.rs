//! The way to a host: TCP, X.224, TLS with a pinned certificate, CredSSP when the host wants it.

use std::{io, sync::Arc, time::Duration};

use portico_model::{estate::Pin, grant::Target};
use portico_net::tls::{PinMismatch, client_config_pinned};
use portico_rdp::{
    certificate,
    connect::ConnectRules,
    credssp,
    negotiation::{CONFIRM_LEN_MAX, Offer, Security, Selected, confirm_len, decode_confirm},
};
use rustls::pki_types::{CertificateDer, IpAddr, Ipv4Addr, ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    keepalive,
    setup_error::{SetupError, Step},
};
use crate::Limits;

/// A host that waits for the RDP connect sequence.
pub(super) struct HostReady {
    /// TLS with it.
    pub(super) stream: TlsStream<TcpStream>,
    /// What it chose.
    pub(super) selected: Selected,
    /// Its certificates, leaf first.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

/// Connects to `target` and authenticates as `rules` say.
pub(super) async fn connect(
    target: &Target,
    rules: &ConnectRules,
    limits: &Limits,
) -> Result<HostReady, SetupError> {
    let offer = Offer::new(target.security, rules.password().is_some());
    let mut tcp = portico_net::dial_tcp(
        portico_net::flows::GATEWAY_HOST_RDP,
        &target.address,
        target.port,
        limits.dial_timeout,
    )
    .await?;
    keepalive::enable(&tcp);
    let step = limits.host_step_timeout;
    let selected = within(step, Step::Negotiation, negotiate(&mut tcp, offer)).await?;
    let mut stream = within(step, Step::Tls, start_tls(tcp, target)).await?;
    let certificates = stream
        .get_ref()
        .1
        .peer_certificates()
        .unwrap_or_default()
        .to_vec();
    if selected.security != Security::Tls {
        let password = rules.password().ok_or(SetupError::NoPassword)?;
        let leaf = certificates.first().ok_or(SetupError::NoCertificate)?;
        let public_key = certificate::public_key(leaf)?;
        let authentication = async {
            credssp::authenticate(
                &mut stream,
                selected.security,
                rules.account(),
                password,
                &target.address,
                public_key,
            )
            .await
            .map_err(SetupError::from)
        };
        within(step, Step::CredSsp, authentication).await?;
    }
    Ok(HostReady {
        stream,
        selected,
        certificates,
    })
}

async fn within<T>(
    limit: Duration,
    step: Step,
    work: impl Future<Output = Result<T, SetupError>>,
) -> Result<T, SetupError> {
    match timeout(limit, work).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(SetupError::TimedOut { step }),
    }
}

async fn negotiate(tcp: &mut TcpStream, offer: Offer) -> Result<Selected, SetupError> {
    let io = |source| SetupError::Io {
        step: Step::Negotiation,
        source,
    };
    tcp.write_all(&offer.encode()).await.map_err(io)?;
    let mut buffer = [0; CONFIRM_LEN_MAX];
    let mut read = 0;
    loop {
        let so_far = buffer.get(..read).unwrap_or_default();
        let wanted = match confirm_len(so_far)? {
            Some(len) if len == read => return Ok(decode_confirm(offer, so_far)?),
            Some(len) => len,
            None => 4,
        };
        // Not a byte more: TLS follows.
        let place = buffer.get_mut(read..wanted).unwrap_or_default();
        match tcp.read(place).await.map_err(io)? {
            0 => return Err(io(io::ErrorKind::UnexpectedEof.into())),
            more => read += more,
        }
    }
}

async fn start_tls(tcp: TcpStream, target: &Target) -> Result<TlsStream<TcpStream>, SetupError> {
    let name = ServerName::try_from(target.address.clone())
        // The name is only a hint for the host; the pin decides.
        .unwrap_or(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0; 4]))));
    let connector = TlsConnector::from(client_config(target));
    connector.connect(name, tcp).await.map_err(|source| {
        let pinned = target
            .pins
            .iter()
            .any(|pin| matches!(pin, Pin::CertificateSha256(_)));
        match PinMismatch::in_io(&source) {
            Some(PinMismatch { seen }) if pinned => SetupError::OtherCertificate { seen },
            Some(PinMismatch { seen }) => SetupError::NotTrusted { seen },
            None => SetupError::Tls { source },
        }
    })
}

fn client_config(target: &Target) -> Arc<rustls::ClientConfig> {
    client_config_pinned(&target.pins)
}
