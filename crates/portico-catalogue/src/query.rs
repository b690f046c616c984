//! Questions to the catalogue: lists by filter, search by words, coverage and errata.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    catalogue::Catalogue,
    flow::{Answer, Erratum, Flow, PortRange, Source, Transport},
    parse::nearest,
};

/// Words that a search looks at; what comes after is not searched for.
pub const SEARCH_WORDS_MAX: usize = 16;

/// What a list is narrowed to; everything that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowFilter {
    /// Id of a document that is among the sources.
    pub document: Option<String>,
    /// Role at either end: this one or one that it includes.
    pub role: Option<String>,
    /// Words of the service or of its system service name, in any case and order.
    pub service: Option<String>,
    /// A port that serves, as written or as corrected.
    pub port: Option<u16>,
    /// `tcp`, `udp`, `icmp`, `ip` (any other), or one of those: `gre`, `esp`, `ah`, `ip/99`.
    pub transport: Option<String>,
    /// Part of the name of the application protocol, in any case.
    pub protocol: Option<String>,
}

/// A filter that names what there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No such document.
    #[error("document {name:?} is not known{hint}; there are {known}")]
    UnknownDocument {
        /// What was asked for.
        name: String,
        /// The nearest name, when one is near.
        hint: String,
        /// All of them.
        known: String,
    },
    /// No such role.
    #[error("role {name:?} is not known{hint}; `portico ports roles` lists them")]
    UnknownRole {
        /// What was asked for.
        name: String,
        /// The nearest name, when one is near.
        hint: String,
    },
    /// No such transport.
    #[error(
        "transport {name:?} is not known{hint}; give tcp, udp, icmp, ip, gre, esp, ah, or ip/ and \
         a number"
    )]
    UnknownTransport {
        /// What was asked for.
        name: String,
        /// The nearest name, when one is near.
        hint: String,
    },
}

/// A flow that a search has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Found<'a> {
    /// How well it fits; more is better.
    pub score: u32,
    /// The flow.
    pub flow: &'a Flow,
}

/// What Portico does about the flows of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentCoverage<'a> {
    /// Id of the document.
    pub document: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Rows of its tables and lists that have a flow.
    pub rows: usize,
    /// Flows of it.
    pub flows: usize,
    /// Ids of the flows that Portico speaks.
    pub built: Vec<&'a str>,
    /// Ids of those whose purpose something else serves.
    pub replaced: Vec<&'a str>,
    /// Ids of those that are known and no more.
    pub catalogued: Vec<&'a str>,
    /// Ids of those that are not done on purpose.
    pub declined: Vec<&'a str>,
}

/// Something that a source gets wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErratumEntry<'a> {
    /// Id of the flow.
    pub flow: &'a str,
    /// Where the flow is written.
    pub sources: &'a [Source],
    /// What is wrong.
    pub erratum: &'a Erratum,
}

impl Catalogue {
    /// The flows that `filter` lets through, sorted by id.
    ///
    /// # Errors
    /// When the filter names a document, role or transport that there is not.
    pub fn list(&self, filter: &FlowFilter) -> Result<Vec<&Flow>, QueryError> {
        self.check(filter)?;
        let roles = filter.role.as_deref().map(|role| self.with_included(role));
        let service = filter.service.as_deref().map(words).unwrap_or_default();
        let protocol = filter.protocol.as_deref().unwrap_or_default();
        let protocol = protocol.to_lowercase();
        let kept = self.flows().filter(|flow| {
            let document = filter.document.as_deref();
            document.is_none_or(|name| flow.sources.iter().any(|source| source.document == name))
                && roles.as_ref().is_none_or(|roles| {
                    roles.contains(flow.from.as_str()) || roles.contains(flow.to.as_str())
                })
                && has_words(&service_names(flow), &service)
                && filter.port.is_none_or(|port| serves(flow, port))
                && filter
                    .transport
                    .as_deref()
                    .is_none_or(|name| is_carried_by(flow, &name.to_lowercase()))
                && flow.application_protocol.to_lowercase().contains(&protocol)
        });
        Ok(kept.collect())
    }

    /// Flows in which each of the words of `text` stands somewhere, the best first.
    ///
    /// Looked at are ids, services, system service names, protocols, roles, purposes, and ports
    /// (`389`, `389/udp`). At most [`SEARCH_WORDS_MAX`] words count.
    pub fn search(&self, text: &str) -> Vec<Found<'_>> {
        let words = words(text);
        if words.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<Found<'_>> = self
            .flows()
            .filter_map(|flow| {
                let scores: Option<Vec<u32>> =
                    words.iter().map(|word| self.score(flow, word)).collect();
                let score = scores?.into_iter().sum();
                Some(Found { score, flow })
            })
            .collect();
        found.sort_by(|a, b| (b.score, &a.flow.id).cmp(&(a.score, &b.flow.id)));
        found
    }

    /// What Portico does about each document's flows, by document.
    pub fn coverage(&self) -> Vec<DocumentCoverage<'_>> {
        let mut all: BTreeMap<&str, DocumentCoverage<'_>> = BTreeMap::new();
        for (document, title) in self.documents() {
            let rows: BTreeSet<(&str, u32)> = self
                .flows()
                .flat_map(|flow| &flow.sources)
                .filter(|source| source.document == document)
                .filter_map(|source| Some((source.section.as_str(), source.row?)))
                .collect();
            let coverage = DocumentCoverage {
                document,
                title,
                rows: rows.len(),
                flows: 0,
                built: Vec::new(),
                replaced: Vec::new(),
                catalogued: Vec::new(),
                declined: Vec::new(),
            };
            all.insert(document, coverage);
        }
        for flow in self.flows() {
            let Some(coverage) = all.get_mut(document_of(flow)) else {
                continue;
            };
            coverage.flows += 1;
            match &flow.portico {
                Answer::Built { .. } => coverage.built.push(&flow.id),
                Answer::Replaced { .. } => coverage.replaced.push(&flow.id),
                Answer::Catalogued { .. } => coverage.catalogued.push(&flow.id),
                Answer::Declined { .. } => coverage.declined.push(&flow.id),
            }
        }
        all.into_values().collect()
    }

    /// Everything that the documents get wrong, by flow.
    pub fn errata(&self) -> Vec<ErratumEntry<'_>> {
        self.flows()
            .flat_map(|flow| {
                flow.errata.iter().map(|erratum| ErratumEntry {
                    flow: &flow.id,
                    sources: &flow.sources,
                    erratum,
                })
            })
            .collect()
    }

    /// A role and all that it includes, directly or through others.
    pub fn with_included<'a>(&'a self, role: &'a str) -> BTreeSet<&'a str> {
        let mut all = BTreeSet::from([role]);
        let mut open = vec![role];
        while let Some(next) = open.pop() {
            for included in self.role(next).iter().flat_map(|entry| &entry.includes) {
                if all.insert(included) {
                    open.push(included);
                }
            }
        }
        all
    }

    fn check(&self, filter: &FlowFilter) -> Result<(), QueryError> {
        if let Some(name) = &filter.document
            && self.documents().all(|(id, _)| id != name)
        {
            let known: Vec<String> = self.documents().map(|(id, _)| id.to_owned()).collect();
            return Err(QueryError::UnknownDocument {
                name: name.clone(),
                hint: nearest(name, known.iter()),
                known: known.join(", "),
            });
        }
        if let Some(name) = &filter.role
            && self.role(name).is_none()
        {
            return Err(QueryError::UnknownRole {
                name: name.clone(),
                hint: nearest(name, self.roles().map(|role| &role.id)),
            });
        }
        if let Some(name) = &filter.transport
            && !is_transport(&name.to_lowercase())
        {
            let known = TRANSPORTS.map(str::to_owned);
            return Err(QueryError::UnknownTransport {
                name: name.clone(),
                hint: nearest(name, known.iter()),
            });
        }
        Ok(())
    }

    /// How well one word fits; `None` when it stands nowhere.
    fn score(&self, flow: &Flow, word: &str) -> Option<u32> {
        let role = |id: &str| {
            let title = self.role(id).map(|role| role.title.as_str());
            title.unwrap_or_default().to_lowercase()
        };
        let fields = [
            (9, flow.id.to_lowercase()),
            (8, service_names(flow)),
            (7, flow.application_protocol.to_lowercase()),
            (
                4,
                format!(
                    "{} {} {} {}",
                    flow.from,
                    role(&flow.from),
                    flow.to,
                    role(&flow.to)
                ),
            ),
            (2, flow.purpose.to_lowercase()),
        ];
        let texts = fields.iter().map(|(weight, text)| {
            let whole = text
                .split(|c: char| !c.is_alphanumeric())
                .any(|part| part == word);
            match (whole, text.contains(word)) {
                (true, _) => 2 * weight,
                (false, true) => *weight,
                (false, false) => 0,
            }
        });
        let best = texts.max().unwrap_or_default().max(port_score(flow, word));
        (best > 0).then_some(best)
    }
}

const TRANSPORTS: [&str; 7] = ["tcp", "udp", "icmp", "ip", "gre", "esp", "ah"];

fn is_transport(name: &str) -> bool {
    let number = name.strip_prefix("ip/").map(str::parse::<u8>);
    TRANSPORTS.contains(&name) || matches!(number, Some(Ok(_)))
}

fn is_carried_by(flow: &Flow, transport: &str) -> bool {
    let number = flow.ip_protocol.map(|number| format!("ip/{number}"));
    flow.transport_name() == transport
        || number.as_deref() == Some(transport)
        || (transport == "ip" && flow.transport == Transport::Ip)
}

fn document_of(flow: &Flow) -> &str {
    flow.id.split('.').next().unwrap_or_default()
}

fn service_names(flow: &Flow) -> String {
    let system = flow.system_service_name.as_deref().unwrap_or_default();
    format!("{} {system}", flow.service).to_lowercase()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .take(SEARCH_WORDS_MAX)
        .map(str::to_lowercase)
        .collect()
}

fn has_words(text: &str, words: &[String]) -> bool {
    words.iter().all(|word| text.contains(word.as_str()))
}

fn holds(range: &PortRange, port: u16) -> bool {
    let Some(distance) = port.checked_sub(range.first) else {
        return false;
    };
    let step = range.formula.as_ref().map_or(1, |formula| formula.step);
    port <= range.last && distance.checked_rem(step) == Some(0)
}

fn serves(flow: &Flow, port: u16) -> bool {
    let all = flow.ports.iter().chain(flow.corrected_ports());
    all.into_iter().any(|range| holds(range, port))
}

/// A word that is a port counts most where the flow has that port alone.
fn port_score(flow: &Flow, word: &str) -> u32 {
    let (port, transport) = word.split_once('/').unwrap_or((word, ""));
    let Ok(port) = port.parse::<u16>() else {
        return 0;
    };
    if !serves(flow, port) || !(transport.is_empty() || flow.transport_name() == transport) {
        return 0;
    }
    let alone = flow.ports.contains(&PortRange::one(port));
    if alone { 20 } else { 1 }
}
