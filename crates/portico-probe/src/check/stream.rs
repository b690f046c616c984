//! Checks over TCP.

use std::io;

use portico_net::race::{Dialled, SourcePort, dial_tcp_first};
use portico_wire::probe::{Ask, Conversation, Proof, Service, Turn};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::Instant,
};

use super::{Clue, Means, Outcome, Target, Tls, Verdict, tls};

/// Bytes that are read at once.
const CHUNK_LEN: usize = 4096;

/// Connects and nothing more: there is no probe.
pub(super) async fn connect_only(target: &Target, means: &Means, why: &str) -> Outcome {
    match dial(target, means, SourcePort::Any).await {
        Ok(dialled) => Outcome::new(
            Verdict::ReachableNotProven,
            format!("takes the connection; {why}"),
            "see with a client of the service whether it works",
        )
        .at(dialled.address),
        Err(outcome) => *outcome,
    }
}

/// Looks at TLS and speaks nothing in it: there is no probe for what is in it.
pub(super) async fn tls_only(
    target: &Target,
    means: &Means,
    deadline: Instant,
    why: &str,
) -> Outcome {
    let dialled = match dial(target, means, SourcePort::Any).await {
        Ok(dialled) => dialled,
        Err(outcome) => return *outcome,
    };
    let address = dialled.address;
    match tls::begin(target, means, deadline, dialled.stream).await {
        Ok((_, survey)) => {
            let outcome = Outcome::new(
                Verdict::ReachableNotProven,
                format!("speaks {}; {why}", survey.version),
                "see with a client of the service whether it works",
            );
            Outcome {
                tls: Some(survey),
                ..outcome
            }
        }
        Err(outcome) => *outcome,
    }
    .at(address)
}

/// Speaks the protocol of the service.
pub(super) async fn speak(
    target: &Target,
    means: &Means,
    deadline: Instant,
    ask: Ask,
    tls: Tls,
) -> Outcome {
    let privileged = match ask.service.wants_privileged_port() {
        true => dial(target, means, SourcePort::Privileged).await.ok(),
        false => None,
    };
    let dialled = match privileged {
        Some(dialled) => Ok(dialled),
        None => dial(target, means, SourcePort::Any).await,
    };
    let dialled = match dialled {
        Ok(dialled) => dialled,
        Err(outcome) => return *outcome,
    };
    let (address, failed) = (dialled.address, failed_addresses(&dialled));
    let mut conversation = Conversation::new(ask);
    let mut outcome = match tls {
        Tls::Never => in_clear(target, means, deadline, dialled, &mut conversation).await,
        Tls::FromTheStart => match tls::begin(target, means, deadline, dialled.stream).await {
            Ok((mut stream, survey)) => {
                let outcome = match converse(means, deadline, &mut stream, &mut conversation).await
                {
                    Heard::Proof(proof) => Outcome::proven(proof),
                    other => not_proven(target, &conversation, other),
                };
                outcome.with_tls(survey)
            }
            Err(outcome) => *outcome,
        },
    }
    .at(address);
    if let Some(failed) = failed {
        outcome.evidence = format!("{}; {failed}", outcome.evidence);
        outcome.next_step.get_or_insert_with(|| {
            "clients lose time with the addresses that do not answer: mend them, or take them out \
             of the name"
                .into()
        });
    }
    outcome
}

async fn in_clear(
    target: &Target,
    means: &Means,
    deadline: Instant,
    mut dialled: Dialled,
    conversation: &mut Conversation,
) -> Outcome {
    let proof = match converse(means, deadline, &mut dialled.stream, conversation).await {
        Heard::Proof(proof) => proof,
        other => return not_proven(target, conversation, other),
    };
    if !proof.starts_tls {
        return Outcome::proven(proof);
    }
    // That TLS begins was said in the clear, and one byte of PostgreSQL's is not much: it counts
    // when TLS really begins.
    match tls::begin(target, means, deadline, dialled.stream).await {
        // Session hosts sign their own certificates, and Portico pins them: that is no finding.
        Ok((_, survey)) if target.is_of(Service::Rdp) => Outcome {
            tls: Some(survey),
            ..Outcome::proven(proof)
        },
        Ok((_, survey)) => Outcome::proven(proof).with_tls(survey),
        Err(outcome) => Outcome {
            evidence: format!("{}; then: {}", proof.evidence, outcome.evidence),
            ..*outcome
        },
    }
}

/// What came of listening.
pub(super) enum Heard {
    Proof(Proof),
    Unproven(String),
    Wrong(portico_wire::probe::Wrong),
    /// Not one byte, until the time was over.
    Silence,
    /// Some bytes, and then none until the time was over.
    Half,
    /// The connection broke.
    Broken(io::Error),
}

pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    means: &Means,
    deadline: Instant,
    stream: &mut S,
    conversation: &mut Conversation,
) -> Heard {
    let first_byte = (Instant::now() + means.limits.first_byte).min(deadline);
    let mut until = first_byte;
    let mut chunk = vec![0; CHUNK_LEN];
    if let Err(error) = say(stream, &conversation.opening()).await {
        return Heard::Broken(error);
    }
    loop {
        let turn = match tokio::time::timeout_at(until, stream.read(&mut chunk)).await {
            Err(_elapsed) if until == first_byte => return Heard::Silence,
            Err(_elapsed) => return Heard::Half,
            Ok(Ok(0)) => conversation.ended(),
            Ok(Ok(len)) => conversation.hear(chunk.get(..len).unwrap_or_default()),
            // A TLS server that ends without a closing alert, and one that resets after its answer,
            // have said all they had to say.
            Ok(Err(error)) if is_an_end(&error) && !conversation.heard().is_empty() => {
                conversation.ended()
            }
            Ok(Err(error)) => return Heard::Broken(error),
        };
        until = deadline;
        match turn {
            Turn::Listen => {}
            Turn::Say(bytes) => {
                if let Err(error) = say(stream, &bytes).await {
                    return Heard::Broken(error);
                }
            }
            Turn::Proven(proof) => {
                // That the server does not hear our parting changes nothing.
                let _parted = say(stream, &proof.parting).await;
                if !proof.starts_tls {
                    let _closed = stream.shutdown().await;
                }
                return Heard::Proof(proof);
            }
            Turn::Unproven(why) => return Heard::Unproven(why),
            Turn::Wrong(wrong) => return Heard::Wrong(wrong),
        }
    }
}

fn is_an_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    )
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    stream.write_all(bytes).await?;
    stream.flush().await
}

pub(super) fn not_proven(target: &Target, conversation: &Conversation, heard: Heard) -> Outcome {
    let service = conversation.ask().service;
    let wanted = service.name();
    let see_log = format!("see the {wanted} service on {} and its log", target.host);
    match heard {
        Heard::Proof(proof) => Outcome::proven(proof),
        Heard::Unproven(why) => Outcome::unproven(conversation.ask(), &why),
        // A server that does not know us, or that knows another secret, closes.
        Heard::Wrong(wrong) if wrong.said.is_empty() && service.wants_secret() => Outcome::new(
            Verdict::ReachableNotProven,
            format!("closes without a word, as {wanted} does for whom it does not know"),
            "see that this machine is a client of the server, and that the secret is that of it",
        ),
        Heard::Wrong(wrong) if wrong.said.is_empty() && service.wants_privileged_port() => {
            Outcome::new(
                Verdict::ReachableNotProven,
                format!("closes without a word, as {wanted} does for whom it does not like"),
                "run the check as root, so that it can come from a port below 1024",
            )
        }
        // Some refuse a stranger by closing, as rexecd does.
        Heard::Wrong(wrong) if wrong.said.is_empty() && service == Service::Rexec => Outcome::new(
            Verdict::ReachableNotProven,
            "closes without a word, as rexecd may for a stranger",
            see_log,
        ),
        Heard::Wrong(wrong) => Outcome::wrong(target, wanted, wrong),
        Heard::Silence => Outcome::new(
            Verdict::ReachableNotProven,
            format!("takes the connection and says nothing of {wanted}"),
            see_log,
        )
        .with_clue(Clue::Silent),
        Heard::Half => match conversation.wrong() {
            // Slow is not wrong, as long as it does not look like another protocol.
            Turn::Wrong(wrong) if wrong.looks_like.is_some_and(|known| known != wanted) => {
                Outcome::wrong(target, wanted, wrong)
            }
            Turn::Wrong(wrong) => Outcome::new(
                Verdict::ReachableNotProven,
                format!("begins an answer and does not end it: \"{}\"", wrong.said),
                see_log,
            )
            .with_clue(Clue::Unfinished),
            _ => Outcome::new(
                Verdict::ReachableNotProven,
                "does not end its answer",
                see_log,
            )
            .with_clue(Clue::Unfinished),
        },
        Heard::Broken(error) if error.kind() == io::ErrorKind::ConnectionReset => Outcome::new(
            Verdict::Blocked,
            format!("the connection was made, and reset before an answer of {wanted}"),
            format!(
                "see the log of the service on {}; when it has nothing of this, something on the \
                 way resets the connection",
                target.host
            ),
        )
        .with_clue(Clue::Reset),
        Heard::Broken(error) => Outcome::new(
            Verdict::ReachableNotProven,
            format!("the connection broke before an answer of {wanted}: {error}"),
            see_log,
        ),
    }
}

pub(super) async fn dial(
    target: &Target,
    means: &Means,
    source: SourcePort,
) -> Result<Dialled, Box<Outcome>> {
    let timeout = means.limits.connect.min(means.limits.whole);
    dial_tcp_first(target.flow, &target.host, target.port, timeout, source)
        .await
        .map_err(|error| Box::new(Outcome::undialled(&error)))
}

/// The addresses of the name that failed before one answered.
fn failed_addresses(dialled: &Dialled) -> Option<String> {
    if dialled.failed.is_empty() {
        return None;
    }
    let failed = dialled.failed.iter();
    let failed: Vec<String> = failed
        .map(|(address, error)| format!("{} failed before ({error})", address.ip()))
        .collect();
    Some(failed.join(", "))
}
