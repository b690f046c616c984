//! Desktops: RDCleanPath, the way to the host, the relay.

mod host;
mod keepalive;
mod relay;
mod setup_error;
mod viewer;

use std::sync::Arc;

use portico_model::{Secret, estate::Protocol, grant::ChannelGrant, session::EndReason};
use portico_rdp::{
    account::Account, cleanpath::encode_response, connect::ConnectRewriter, connect::ConnectRules,
};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use crate::{
    BrokerSeam, Limits,
    channel::{Channel, OpenError},
    close_code::{close_frame_with, host_failed_detail},
    gateway::{HandshakePermit, Shared},
    websocket::WebSocketTransport,
};
use host::HostReady;
use relay::{Relay, RelaySettings};
use setup_error::SetupError;
use viewer::{NoRequest, Viewer};

/// Serves one viewer until its connection is over.
pub(crate) async fn serve<B: BrokerSeam>(
    shared: Arc<Shared<B>>,
    transport: WebSocketTransport,
    permit: HandshakePermit,
) {
    // What only the handshake needs is gone before the long life of the relay begins.
    let opened = Box::pin(open(&shared, transport)).await;
    drop(permit);
    let Some((mut channel, relay)) = opened else {
        return;
    };
    let session_id = channel.grant.session.clone();
    let host_id = channel.grant.target.host.clone();
    channel.opened().await;
    info!(%session_id, %host_id, user = %channel.grant.user, "Desktop opened");
    let outcome = relay.run(&mut channel.closed).await;
    match &outcome.detail {
        Some(detail) => info!(%session_id, reason = ?outcome.reason, detail, "Desktop closed"),
        None => info!(%session_id, reason = ?outcome.reason, "Desktop closed"),
    }
    channel
        .ended(outcome.reason, outcome.bytes_down, outcome.bytes_up, None)
        .await;
    outcome.let_viewer_go().await;
}

/// From the first byte to the relay; `None` when it did not come so far, and everybody was told.
async fn open<B: BrokerSeam>(
    shared: &Arc<Shared<B>>,
    transport: WebSocketTransport,
) -> Option<(Channel<B>, Relay)> {
    let limits = &shared.limits;
    let mut viewer = Viewer::new(transport, limits.close_timeout);
    let request = match timeout(limits.ticket_timeout, viewer.request()).await {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => {
            debug!(%error, "Desktop refused before the ticket");
            if let NoRequest::Request(error) = error {
                viewer.refuse(setup_error::of_request(error)).await;
            }
            return None;
        }
        Err(_elapsed) => {
            viewer.refuse(setup_error::ticket_too_late()).await;
            return None;
        }
    };
    let redeemed = shared
        .channels
        .open(request.ticket.expose(), Protocol::Rdp)
        .await;
    let mut channel = match redeemed {
        Ok(channel) => channel,
        Err(error) => {
            match &error {
                OpenError::Redeem(_) => debug!(%error, "Ticket refused"),
                OpenError::Full(_) | OpenError::Password(_) => warn!(%error, "Ticket refused"),
            }
            viewer.refuse(setup_error::of_ticket(&error)).await;
            return None;
        }
    };
    let ready = tokio::select! {
        biased;
        reason = channel.closed.wait() => Err(Stop::Closed(reason)),
        stop = viewer.gone_or_early() => Err(stop),
        ready = prepare(&shared.limits, &channel.grant, channel.password.as_ref()) => ready.map_err(|error| Stop::Setup(Box::new(error))),
    };
    match ready {
        Ok((ready, rules)) => respond(shared, channel, viewer, ready, rules).await,
        Err(stop) => {
            stop_setup(channel, viewer, stop).await;
            None
        }
    }
}

/// Why the setup of a desktop stopped.
enum Stop {
    /// The broker wants it closed.
    Closed(EndReason),
    /// The viewer went away.
    ViewerGone,
    /// The viewer sent something before it was told to.
    Early,
    /// It did not work.
    Setup(Box<SetupError>),
}

async fn prepare(
    limits: &Limits,
    grant: &ChannelGrant,
    password: Option<&Secret>,
) -> Result<(HostReady, ConnectRules), SetupError> {
    let mut random = [0; portico_rdp::connect::CHANNEL_NAME_LEN];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| SetupError::Random)?;
    let rules = ConnectRules::new(
        Account::parse(&grant.account)?,
        password.cloned(),
        grant.program.as_ref(),
        grant.clipboard,
        random,
    )?
    .with_microphone(grant.microphone)
    .with_devices(grant.drive, grant.printer);
    let ready = host::connect(&grant.target, &rules, limits).await?;
    Ok((ready, rules))
}

/// Tells the viewer that the host is ready, and makes the relay.
async fn respond<B: BrokerSeam>(
    shared: &Shared<B>,
    mut channel: Channel<B>,
    mut viewer: Viewer,
    ready: HostReady,
    rules: ConnectRules,
) -> Option<(Channel<B>, Relay)> {
    // The relay has what it needs.
    channel.password = None;
    let grant = &channel.grant;
    let response = encode_response(
        grant.target.address.clone(),
        ready.selected.confirm_for_browser(),
        ready.certificates.iter().map(AsRef::as_ref),
    );
    let Some(response) = response else {
        let stop = Stop::Setup(Box::new(SetupError::CertificatesTooLong));
        stop_setup(channel, viewer, stop).await;
        return None;
    };
    if !viewer.send(&response).await {
        stop_setup(channel, viewer, Stop::ViewerGone).await;
        return None;
    }
    let settings = RelaySettings {
        idle_timeout_s: grant.idle_timeout_s,
        total_timeout_s: grant.total_timeout_s,
        rewrite_timeout: shared.limits.rewrite_timeout,
        ping_interval: shared.limits.ping_interval,
        close_timeout: shared.limits.close_timeout,
    };
    let rewriter = ConnectRewriter::new(rules, ready.selected.security);
    let relay = Relay::new(viewer.into_transport(), ready.stream, rewriter, settings);
    Some((channel, relay))
}

async fn stop_setup<B: BrokerSeam>(channel: Channel<B>, mut viewer: Viewer, stop: Stop) {
    let (session_id, host_id) = (&channel.grant.session, &channel.grant.target.host);
    let ((failure, frame), reason, detail) = match stop {
        Stop::ViewerGone => {
            channel.ended(EndReason::ClientLost, 0, 0, None).await;
            return;
        }
        Stop::Closed(reason) => (setup_error::of_close(reason), reason, None),
        Stop::Early => (setup_error::early(), EndReason::ClientLost, None),
        Stop::Setup(error) => {
            let cause = channel.grant.cause.as_deref();
            let cause = host_failed_detail(cause.filter(|_| error.is_unreached()));
            let frame = close_frame_with(EndReason::HostFailed, cause.as_deref());
            let answer = (error.failure(), frame);
            let detail = error.detail(&channel.grant.target);
            warn!(%session_id, %host_id, user = %channel.grant.user, error = detail, "Desktop not opened");
            (answer, EndReason::HostFailed, Some(detail))
        }
    };
    // The viewer first, as it waits; its leave-taking last, as it may take its time.
    let told = viewer.send(&failure.encode()).await;
    match detail {
        Some(detail) => channel.failed(detail).await,
        None => channel.ended(reason, 0, 0, None).await,
    }
    if told {
        viewer.close(&frame).await;
    }
}
