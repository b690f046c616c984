//! Portico's own links. A stranger gets no further than TLS: the certificate says which part of
//! Portico it is, and the handshake that the key belongs to it.

use std::io;

use portico_model::printable;
use portico_net::{
    race::SourcePort,
    tls::{MachineRole, PeerMachine, TlsSurvey},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Duration, Instant},
};
use tokio_rustls::rustls::{AlertDescription, Error as TlsError};

use super::{Means, Outcome, PorticoLink, Target, Verdict, stream, tls};

/// Time in which a broker that wants a certificate says so; enrollment waits for a request without
/// a word.
const QUIET: Duration = Duration::from_secs(1);

/// Begins TLS and looks who is there.
pub(super) async fn look(
    target: &Target,
    means: &Means,
    deadline: Instant,
    link: PorticoLink,
) -> Outcome {
    let dialled = match stream::dial(target, means, SourcePort::Any).await {
        Ok(dialled) => dialled,
        Err(outcome) => return *outcome,
    };
    let address = dialled.address;
    let (mut stream, survey) = match tls::begin(target, means, deadline, dialled.stream).await {
        Ok(begun) => begun,
        Err(outcome) => return outcome.at(address),
    };
    let machine = PeerMachine::of(stream.get_ref().1).ok().flatten();
    let mut outcome = match machine {
        Some(machine) => {
            let wants = wants_certificate(&mut stream, link, means, deadline).await;
            judge(target, means, link, &machine, wants, &survey)
        }
        None => wrong(target, link, "shows a certificate of no machine of Portico"),
    };
    outcome.tls = Some(survey);
    outcome.at(address)
}

/// What comes after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It wants our certificate.
    WantsCertificate,
    /// It waits for us.
    Waits,
    /// Anything else.
    Other,
}

async fn wants_certificate<S: AsyncRead + Unpin>(
    stream: &mut S,
    link: PorticoLink,
    means: &Means,
    deadline: Instant,
) -> After {
    let time = match link {
        PorticoLink::Broker | PorticoLink::Agent => means.limits.first_byte,
        PorticoLink::Enrollment => QUIET.min(means.limits.first_byte),
    };
    let until = (Instant::now() + time).min(deadline);
    match tokio::time::timeout_at(until, stream.read(&mut [0; 1])).await {
        Err(_elapsed) => After::Waits,
        Ok(Err(error)) if is_certificate_required(&error) => After::WantsCertificate,
        Ok(_) => After::Other,
    }
}

fn is_certificate_required(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(
        inner,
        Some(TlsError::AlertReceived(
            AlertDescription::CertificateRequired
        ))
    )
}

fn judge(
    target: &Target,
    means: &Means,
    link: PorticoLink,
    machine: &PeerMachine,
    after: After,
    survey: &TlsSurvey,
) -> Outcome {
    let who = match &machine.role {
        MachineRole::Broker => "a broker".to_owned(),
        MachineRole::Host(host) => format!("the agent of {}", printable(host.as_str())),
    };
    let is_role = match link {
        PorticoLink::Broker | PorticoLink::Enrollment => machine.role == MachineRole::Broker,
        PorticoLink::Agent => matches!(machine.role, MachineRole::Host(_)),
    };
    // A link ends what a stranger begins, and says why if the network lets it; enrollment waits.
    let is_kind = (link == PorticoLink::Enrollment) == (after == After::Waits);
    let does = match after {
        After::WantsCertificate => "asks for a certificate of Portico",
        After::Waits => "waits for a request",
        After::Other => "ends the connection",
    };
    let evidence = format!(
        "Portico: {who} by its certificate {}, {does}{}",
        machine.serial_hex,
        authority(survey)
    );
    if !is_role || !is_kind {
        return wrong(target, link, &evidence);
    }
    let has_lapsed = machine.expires_at < means.clock.now();
    Outcome {
        next_step: has_lapsed.then(|| {
            "its certificate has lapsed, and the other side of the link refuses it: see the log of \
             the service, and the clocks of both"
                .into()
        }),
        ..Outcome::new(Verdict::Proven, evidence, "")
    }
}

/// Begin of the authority's fingerprint: another installation has another one, and a stranger
/// cannot know which is the right one.
fn authority(survey: &TlsSurvey) -> String {
    let authority = survey.chain.get(1).map(|certificate| &certificate.sha256);
    let begin = authority.and_then(|sum| sum.get(..16));
    begin.map_or_else(String::new, |begin| {
        format!("; its authority has the fingerprint {begin}…")
    })
}

fn wrong(target: &Target, link: PorticoLink, evidence: &str) -> Outcome {
    Outcome::new(
        Verdict::WrongService,
        format!("{evidence}; this is not {}", link.name()),
        format!(
            "see on {} which program listens on {} (`ss -ltnup`), or correct the port in the estate",
            target.host, target.port
        ),
    )
}
