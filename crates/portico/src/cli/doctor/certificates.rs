//! The certificate that clients see, and the authority of the agents.

use std::path::{Path, PathBuf};

use portico_model::Timestamp;
use portico_net::tls::{
    Authorities, BuiltInCa, RENEW_BEFORE_DAYS, ServerIdentity, TlsFault, survey_chain,
};
use rustls::pki_types::{CertificateDer, ServerName};

use super::{Line, Node, names::host_of, state};
use crate::settings::Tls;

const ABOUT: &str = "certificate";
const AGENTS: &str = "agents' CA";
const DAY_MS: i64 = 86_400_000;
/// A certificate from files that ends sooner is worth a word, in days.
const ENDS_SOON_DAYS: i64 = 30;
/// An authority that ends sooner is worth a word, in days: every host gets a new one.
const CA_ENDS_SOON_DAYS: i64 = 180;

/// The portal's certificate: it is readable, belongs to its key, is for the names, and is valid.
pub(super) fn of_portal(node: &Node) -> Vec<Line> {
    match &node.settings.tls {
        Tls::Files { certificate, key } => of_files(node, certificate, key),
        Tls::BuiltIn { .. } => vec![built_in(node)],
    }
}

fn of_files(node: &Node, certificate: &Path, key: &Path) -> Vec<Line> {
    let identity = match ServerIdentity::from_files(certificate, key) {
        Ok(identity) => identity,
        Err(error) => {
            return vec![Line::failed(
                ABOUT,
                error.to_string(),
                format!(
                    "see {} and {}; run this as root or as the user that Portico runs as",
                    certificate.display(),
                    key.display()
                ),
            )];
        }
    };
    let mut lines = vec![validity(&identity, node.now)];
    let mode = state::mode(key).unwrap_or(0);
    if mode & 0o077 != 0 {
        lines.push(Line::warning(
            ABOUT,
            format!("others may read the key {} (mode {mode:o})", key.display()),
            format!(
                "run `chmod 600 {}`, and see who could read it",
                key.display()
            ),
        ));
    }
    lines.extend(trust(node, &identity));
    lines
}

fn days_left(end: Timestamp, now: Timestamp) -> i64 {
    (end.unix_ms() - now.unix_ms()).div_euclid(DAY_MS)
}

fn validity(identity: &ServerIdentity, now: Timestamp) -> Line {
    let days = days_left(identity.not_after(), now);
    let names = identity.names().join(", ");
    if identity.not_before() > now {
        return Line::failed(
            ABOUT,
            format!("that for {names} is not valid yet"),
            "see the clock of this machine, and the certificate",
        );
    }
    match days {
        ..0 => Line::failed(
            ABOUT,
            format!("that for {names} ended {} days ago", -days),
            "renew it, and start Portico again",
        ),
        0..ENDS_SOON_DAYS => Line::warning(
            ABOUT,
            format!("that for {names} ends in {days} days"),
            "renew it, and start Portico again",
        ),
        _ => Line::ok(
            ABOUT,
            format!("that for {names} belongs to its key and is valid for {days} days"),
        ),
    }
}

/// What clients say that trust whom this machine trusts.
fn trust(node: &Node, identity: &ServerIdentity) -> Vec<Line> {
    let Ok(authorities) = Authorities::of_machine() else {
        return vec![];
    };
    let mut lines = Vec::new();
    for origin in &node.settings.origins {
        let host = host_of(origin).to_owned();
        let Ok(name) = ServerName::try_from(host.clone()) else {
            continue;
        };
        let seen = survey_chain(identity.chain(), &name, &authorities, node.now);
        for (fault, finding) in seen.faults.iter().zip(&seen.findings) {
            let line = match fault {
                TlsFault::WrongName => Line::failed(
                    ABOUT,
                    finding.clone(),
                    format!("get one that is for {host}, or correct \"origins\" in the settings"),
                ),
                TlsFault::UnknownIssuer | TlsFault::SelfSigned | TlsFault::Unverifiable => {
                    Line::warning(
                        ABOUT,
                        finding.clone(),
                        "put the intermediate certificates after the server's own one into its \
                         file; with an authority of your own, clients have to trust that",
                    )
                }
                TlsFault::IssuerExpired => Line::failed(
                    ABOUT,
                    finding.clone(),
                    "renew the intermediate certificates in the file",
                ),
                // Said above, with the days.
                TlsFault::Expired
                | TlsFault::ExpiresSoon
                | TlsFault::NotYetValid
                | TlsFault::NoCertificate => continue,
            };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

fn tls_folder(node: &Node) -> PathBuf {
    node.settings.state_dir.join("tls")
}

fn built_in(node: &Node) -> Line {
    let folder = tls_folder(node);
    let (certificate, key) = (
        folder.join("server.cert.pem"),
        folder.join("server.key.pem"),
    );
    match (certificate.try_exists(), key.try_exists()) {
        (Ok(true), Ok(true)) => {}
        (Ok(false), Ok(_)) | (Ok(_), Ok(false)) => {
            return Line::ok(
                ABOUT,
                "there is none so far: Portico's own authority issues it at the first start",
            );
        }
        (Err(error), _) | (_, Err(error)) => {
            return Line::failed(
                ABOUT,
                format!("{} cannot be looked at: {error}", folder.display()),
                "run this as root or as the user that Portico runs as",
            );
        }
    }
    match ServerIdentity::from_files(&certificate, &key) {
        Ok(identity) => {
            let days = days_left(identity.not_after(), node.now);
            match node.is_running && days < RENEW_BEFORE_DAYS {
                true => Line::warning(
                    ABOUT,
                    format!("that of Portico's own authority ends in {days} days"),
                    "start Portico again: it issues a new one then",
                ),
                false => Line::ok(
                    ABOUT,
                    format!(
                        "Portico's own authority issued it for {}; valid for {days} days",
                        identity.names().join(", ")
                    ),
                ),
            }
        }
        Err(error) => Line::failed(
            ABOUT,
            error.to_string(),
            format!(
                "remove {} and {}: the next start issues new ones",
                certificate.display(),
                key.display()
            ),
        ),
    }
}

/// The authority that issues the agents' certificates.
pub(super) fn of_agents(node: &Node) -> Line {
    if node.settings.agents.is_none() {
        return Line::skipped(
            AGENTS,
            "agents are not set up",
            "add [agents] to the settings when session hosts shall have agents",
        );
    }
    let folder = tls_folder(node);
    let is_there = |name: &str| folder.join(name).try_exists();
    match (is_there("ca.cert.pem"), is_there("ca.key.pem")) {
        (Ok(false), Ok(false)) => {
            Line::ok(AGENTS, "there is none so far: the first start makes it")
        }
        (Ok(_), Ok(_)) => match BuiltInCa::open(&folder, node.now) {
            Ok(ca) => authority(&ca, node.now),
            Err(error) => Line::failed(
                AGENTS,
                error.to_string(),
                "restore the folder from a backup; with a new authority every agent has to join \
                 again",
            ),
        },
        (Err(error), _) | (_, Err(error)) => Line::failed(
            AGENTS,
            format!("{} cannot be looked at: {error}", folder.display()),
            "run this as root or as the user that Portico runs as",
        ),
    }
}

fn authority(ca: &BuiltInCa, now: Timestamp) -> Line {
    let chain = [CertificateDer::from(ca.certificate().der().to_vec())];
    let (Ok(name), Ok(authorities)) = (
        ServerName::try_from("portico.invalid"),
        Authorities::from_pem(b""),
    ) else {
        return Line::ok(AGENTS, "it is there");
    };
    let seen = survey_chain(&chain, &name, &authorities, now);
    let Some(own) = seen.chain.first() else {
        return Line::failed(
            AGENTS,
            "its certificate cannot be read",
            "restore the folder from a backup",
        );
    };
    let days = days_left(own.not_after, now);
    let next_step = "stop Portico, move ca.cert.pem and ca.key.pem away, start it, and let the \
                     agents join again with new tokens";
    match days {
        ..0 => Line::failed(AGENTS, format!("it ended {} days ago", -days), next_step),
        0..CA_ENDS_SOON_DAYS => Line::warning(AGENTS, format!("it ends in {days} days"), next_step),
        _ => Line::ok(AGENTS, format!("it is valid for {days} days")),
    }
}
