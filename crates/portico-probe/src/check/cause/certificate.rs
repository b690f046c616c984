//! What is wrong with a certificate, and who may have put it there.

use portico_catalogue::Catalogue;
use portico_model::printable;
use portico_net::tls::TlsFault;

use super::{Case, Cause, CauseKind, Certainty, Certificate, Observation, Seen, shown_vantage};

/// Protocols whose servers sign their own certificates, which clients pin.
const SELF_SIGNING: &[&str] = &["RDP", "Terminal Services"];

/// The causes in a certificate. `is_early`: it is valid by the clock of the host, which is not the
/// one here.
pub(super) fn of(
    case: &Case<'_>,
    seen: &Seen<'_>,
    own: &Observation,
    is_early: bool,
) -> Vec<Cause> {
    let Some(certificate) = &own.tls else {
        return vec![];
    };
    let signs_itself = signs_itself(&own.flow);
    let intercepted = intercepted(case, seen, own, certificate);
    let is_intercepted = intercepted.is_some();
    let mut out: Vec<Cause> = intercepted.into_iter().collect();
    for fault in &certificate.faults {
        if signs_itself || (is_intercepted && is_of_trust(*fault)) {
            continue;
        }
        if is_early && matches!(fault, TlsFault::Expired | TlsFault::NotYetValid) {
            // The clock is the cause, and is said as one.
            continue;
        }
        out.push(of_fault(case, own, certificate, *fault));
    }
    out
}

fn signs_itself(flow: &str) -> bool {
    let flow = Catalogue::portico().find(flow);
    flow.is_some_and(|flow| SELF_SIGNING.contains(&flow.application_protocol.as_str()))
}

const fn is_of_trust(fault: TlsFault) -> bool {
    matches!(
        fault,
        TlsFault::UnknownIssuer | TlsFault::SelfSigned | TlsFault::Unverifiable
    )
}

/// Another certificate than others see, or one of an issuer that nobody expects.
fn intercepted(
    case: &Case<'_>,
    seen: &Seen<'_>,
    own: &Observation,
    certificate: &Certificate,
) -> Option<Cause> {
    let differs = seen.elsewhere.iter().find_map(|other| {
        let theirs = other.tls.as_ref()?;
        let differs = other.host == own.host
            && theirs.issuer != certificate.issuer
            && !theirs.faults.iter().any(|fault| is_of_trust(*fault));
        differs.then_some((other, theirs))
    });
    let is_distrusted = certificate.faults.iter().any(|fault| is_of_trust(*fault));
    let (certainty, why) = match differs {
        Some((other, theirs)) if is_distrusted => (
            Certainty::Likely,
            format!(
                "{} sees a certificate of {}, and {} sees one of {} at the same address",
                shown_vantage(&own.vantage),
                named(&certificate.issuer),
                shown_vantage(&other.vantage),
                named(&theirs.issuer)
            ),
        ),
        _ if is_distrusted && !case.issuers.is_empty() => {
            let expected = |issuer: &String| certificate.issuer.contains(issuer.as_str());
            if case.issuers.iter().any(expected) {
                return None;
            }
            (
                Certainty::Likely,
                format!(
                    "the certificate is of {}, and one of {} is expected",
                    named(&certificate.issuer),
                    named(&case.issuers.join(" or "))
                ),
            )
        }
        _ => return None,
    };
    Some(Cause {
        kind: CauseKind::CertificateIntercepted,
        certainty,
        why,
        next_step: format!(
            "look for a proxy or firewall between {} and {} that opens TLS, and exempt this flow; \
             compare the fingerprint {} with that on the host",
            shown_vantage(&own.vantage),
            case.to,
            certificate.sha256
        ),
    })
}

/// A text of a certificate, safe to show.
fn named(text: &str) -> String {
    format!("\"{}\"", printable(text))
}

fn of_fault(
    case: &Case<'_>,
    own: &Observation,
    certificate: &Certificate,
    fault: TlsFault,
) -> Cause {
    let days = |ms: i64| ms.unsigned_abs() / 86_400_000;
    let (kind, certainty, why, next_step) = match fault {
        TlsFault::Expired => (
            CauseKind::CertificateExpired,
            Certainty::Sure,
            format!(
                "its certificate ended {} days ago",
                days(own.at_ms.saturating_sub(certificate.not_after_ms))
            ),
            format!("renew the certificate of the service on {}", case.to),
        ),
        TlsFault::IssuerExpired => (
            CauseKind::CertificateExpired,
            Certainty::Likely,
            "a certificate of the chain above its own has ended".into(),
            format!("renew the chain that the service on {} shows", case.to),
        ),
        TlsFault::ExpiresSoon => (
            CauseKind::CertificateExpiresSoon,
            Certainty::Possible,
            format!(
                "its certificate ends in {} days",
                days(certificate.not_after_ms.saturating_sub(own.at_ms))
            ),
            format!("renew the certificate of the service on {}", case.to),
        ),
        TlsFault::NotYetValid => (
            CauseKind::CertificateNotYetValid,
            Certainty::Sure,
            format!(
                "its certificate begins in {} minutes by the clock of {}",
                certificate
                    .not_before_ms
                    .saturating_sub(own.at_ms)
                    .unsigned_abs()
                    / 60_000,
                shown_vantage(&own.vantage)
            ),
            format!(
                "see the clocks of {} and {} (`timedatectl`), then the certificate",
                shown_vantage(&own.vantage),
                case.to
            ),
        ),
        TlsFault::WrongName => (
            CauseKind::CertificateWrongName,
            Certainty::Sure,
            format!(
                "its certificate is for {}, not for {}",
                names(certificate),
                own.host
            ),
            format!(
                "give the host in the estate by a name that its certificate has, or get one for {}",
                own.host
            ),
        ),
        TlsFault::SelfSigned => (
            CauseKind::CertificateSelfSigned,
            Certainty::Sure,
            "its certificate is signed by itself".into(),
            "use a certificate of an authority that the clients trust, or let them pin this one"
                .into(),
        ),
        TlsFault::UnknownIssuer | TlsFault::Unverifiable => (
            CauseKind::CertificateUntrusted,
            Certainty::Sure,
            format!("its certificate is of {}", named(&certificate.issuer)),
            format!(
                "add that authority to those that {} trusts (update-ca-certificates), if it is \
                 yours; if nobody knows it, something between looks into TLS",
                shown_vantage(&own.vantage)
            ),
        ),
        TlsFault::NoCertificate => (
            CauseKind::TlsRefused,
            Certainty::Sure,
            "it shows no certificate that can be read".into(),
            format!("see the certificate of the service on {}", case.to),
        ),
    };
    Cause {
        kind,
        certainty,
        why,
        next_step,
    }
}

/// Names that a certificate is for, as many as fit into a sentence.
fn names(certificate: &Certificate) -> String {
    const SHOWN_MAX: usize = 4;
    let names = certificate.names.iter().take(SHOWN_MAX);
    let names: Vec<String> = names.map(|name| printable(name).into_owned()).collect();
    match (names.as_slice(), certificate.names.len()) {
        ([], _) => "no name".into(),
        (_, all) if all > SHOWN_MAX => {
            format!("{} and {} more", names.join(", "), all - SHOWN_MAX)
        }
        _ => names.join(", "),
    }
}
