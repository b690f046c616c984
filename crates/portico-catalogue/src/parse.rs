//! Reads the documents of the catalogue and finds all that is wrong in them, with file and line.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use crate::flow::{
    Answer, Condition, Direction, Erratum, FeatureEntry, Flow, LocalSocket, PortRange, Proof,
    RoleEntry, SocketFile, Source, Transport,
};

/// Largest document, in bytes.
pub(crate) const DOCUMENT_LEN_MAX: usize = 4 << 20;

/// A document as it stands in its file.
#[derive(Debug, Clone, Copy)]
pub struct DocumentText<'a> {
    /// Name to show in errors.
    pub file_name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Something wrong in a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file_name}:{line}: {reason}")]
pub struct CatalogueError {
    /// File it stands in.
    pub file_name: String,
    /// Line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub reason: String,
}

/// Everything that all documents together hold.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) documents: BTreeMap<String, String>,
    pub(crate) roles: BTreeMap<String, RoleEntry>,
    pub(crate) features: BTreeMap<String, FeatureEntry>,
    pub(crate) flows: BTreeMap<String, Flow>,
    pub(crate) local_sockets: BTreeMap<String, LocalSocket>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument {
    document: Spanned<String>,
    /// In the first file of a document; its other files have none.
    title: Option<String>,
    #[serde(default)]
    role: Vec<Spanned<RoleEntry>>,
    #[serde(default)]
    feature: Vec<Spanned<FeatureEntry>>,
    #[serde(default)]
    flow: Vec<Spanned<RawFlow>>,
    #[serde(default)]
    local_socket: Vec<Spanned<RawLocalSocket>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFlow {
    id: String,
    from: Spanned<String>,
    to: Spanned<String>,
    transport: Spanned<Transport>,
    ip_protocol: Option<u8>,
    #[serde(default)]
    ports: Vec<Spanned<PortRange>>,
    application_protocol: String,
    service: String,
    system_service_name: Option<String>,
    purpose: String,
    direction: Direction,
    #[serde(default)]
    conditions: Vec<Spanned<Condition>>,
    proof: Proof,
    sources: Vec<Spanned<Source>>,
    #[serde(default)]
    errata: Vec<Erratum>,
    portico: Answer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLocalSocket {
    id: String,
    from: Spanned<String>,
    to: Spanned<String>,
    purpose: String,
    file_name: Option<String>,
    mode: Option<u32>,
    foreign_path: Option<String>,
}

/// Reads all documents; errors are in the order of files and lines.
pub(crate) fn parse(documents: &[DocumentText<'_>]) -> Result<Parsed, Vec<CatalogueError>> {
    let mut reader = Reader::default();
    let mut raw = Vec::new();
    for document in documents {
        if document.text.len() > DOCUMENT_LEN_MAX {
            reader.fail(
                *document,
                0,
                format!("is longer than {DOCUMENT_LEN_MAX} bytes"),
            );
            continue;
        }
        match toml::from_str::<RawDocument>(document.text) {
            Ok(read) => raw.push((*document, read)),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                reader.fail(*document, at, error.message().to_owned());
            }
        }
    }
    // Names first, so that a flow may use a role or document of a later file.
    for (at, document) in &mut raw {
        reader.take_names(*at, document);
    }
    reader.check_titles(&raw);
    reader.check_includes(&raw);
    for (at, document) in raw {
        reader.take_flows(at, document);
    }
    if reader.errors.is_empty() {
        Ok(reader.parsed)
    } else {
        reader
            .errors
            .sort_by(|a, b| (&a.file_name, a.line).cmp(&(&b.file_name, b.line)));
        Err(reader.errors)
    }
}

#[derive(Default)]
struct Reader {
    parsed: Parsed,
    errors: Vec<CatalogueError>,
}

impl Reader {
    fn fail(&mut self, document: DocumentText<'_>, offset: usize, reason: String) {
        let before = document.text.as_bytes().get(..offset).unwrap_or_default();
        self.errors.push(CatalogueError {
            file_name: document.file_name.to_owned(),
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            reason,
        });
    }

    fn take_names(&mut self, at: DocumentText<'_>, raw: &mut RawDocument) {
        if let Some(title) = raw.title.take() {
            let id = raw.document.get_ref().clone();
            if let Some(first) = self.parsed.documents.insert(id, title) {
                let reason = format!(
                    "document {:?} has the title {first:?} already; a further file of it has none",
                    raw.document.get_ref()
                );
                self.fail(at, raw.document.span().start, reason);
            }
        }
        for feature in std::mem::take(&mut raw.feature) {
            let offset = feature.span().start;
            let feature = feature.into_inner();
            self.check_id(at, offset, "feature", &feature.id);
            if let Some(first) = self.parsed.features.insert(feature.id.clone(), feature) {
                let reason = format!("feature {:?} is there twice; remove one", first.id);
                self.fail(at, offset, reason);
            }
        }
        for role in &raw.role {
            let (offset, role) = (role.span().start, role.get_ref().clone());
            self.check_id(at, offset, "role", &role.id);
            if let Some(first) = self.parsed.roles.insert(role.id.clone(), role) {
                let reason = format!("role {:?} is there twice; remove one", first.id);
                self.fail(at, offset, reason);
            }
        }
    }

    fn check_titles(&mut self, documents: &[(DocumentText<'_>, RawDocument)]) {
        for (at, document) in documents {
            let id = document.document.get_ref();
            if !self.parsed.documents.contains_key(id) {
                let reason = format!("document {id:?} has no title; give it one in one file");
                self.fail(*at, document.document.span().start, reason);
            }
        }
    }

    fn check_includes(&mut self, documents: &[(DocumentText<'_>, RawDocument)]) {
        for (at, document) in documents {
            for role in &document.role {
                let offset = role.span().start;
                for included in &role.get_ref().includes {
                    self.check_role_name(*at, offset, included);
                }
                let id = &role.get_ref().id;
                if self.includes_itself(id) {
                    let reason = format!("role {id:?} includes itself; break the circle");
                    self.fail(*at, offset, reason);
                }
            }
        }
    }

    fn includes_itself(&self, id: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            for included in self
                .parsed
                .roles
                .get(next)
                .iter()
                .flat_map(|role| &role.includes)
            {
                if included == id {
                    return true;
                }
                if seen.insert(included.as_str()) {
                    open.push(included);
                }
            }
        }
        false
    }

    fn take_flows(&mut self, at: DocumentText<'_>, raw: RawDocument) {
        let document = raw.document.into_inner();
        for flow in raw.flow {
            let offset = flow.span().start;
            let flow = self.checked_flow(at, offset, &document, flow.into_inner());
            if let Some(first) = self.parsed.flows.insert(flow.id.clone(), flow) {
                let reason = format!("flow {:?} is there twice; give one another id", first.id);
                self.fail(at, offset, reason);
            }
        }
        for socket in raw.local_socket {
            let offset = socket.span().start;
            let socket = socket.into_inner();
            self.check_own_id(at, offset, &document, &socket.id);
            self.check_role(at, &socket.from);
            self.check_role(at, &socket.to);
            let file = (socket.file_name, socket.mode, socket.foreign_path);
            let Some(file) = self.checked_socket_file(at, offset, file) else {
                continue;
            };
            let socket = LocalSocket {
                id: socket.id,
                from: socket.from.into_inner(),
                to: socket.to.into_inner(),
                purpose: socket.purpose,
                file,
            };
            if let Some(first) = self.parsed.local_sockets.insert(socket.id.clone(), socket) {
                let reason = format!("local socket {:?} is there twice", first.id);
                self.fail(at, offset, reason);
            }
        }
    }

    fn checked_socket_file(
        &mut self,
        at: DocumentText<'_>,
        offset: usize,
        raw: (Option<String>, Option<u32>, Option<String>),
    ) -> Option<SocketFile> {
        match raw {
            (Some(file_name), Some(mode), None) => {
                if file_name.is_empty() || file_name.contains('/') {
                    let reason = format!("file_name {file_name:?} must be a bare name");
                    self.fail(at, offset, reason);
                }
                if mode & !0o777 != 0 {
                    let reason = format!("mode {mode:#o} is not between 0 and 0o777");
                    self.fail(at, offset, reason);
                }
                Some(SocketFile::Own { file_name, mode })
            }
            (None, None, Some(foreign_path)) => {
                if !foreign_path.starts_with('/') {
                    let reason = format!("foreign_path {foreign_path:?} must be absolute");
                    self.fail(at, offset, reason);
                }
                Some(SocketFile::Foreign { foreign_path })
            }
            _ => {
                let reason = "a local socket has file_name and mode, or foreign_path alone";
                self.fail(at, offset, reason.to_owned());
                None
            }
        }
    }

    fn checked_flow(
        &mut self,
        at: DocumentText<'_>,
        offset: usize,
        document: &str,
        raw: RawFlow,
    ) -> Flow {
        self.check_own_id(at, offset, document, &raw.id);
        self.check_role(at, &raw.from);
        self.check_role(at, &raw.to);
        let transport = *raw.transport.get_ref();
        let is_given = raw
            .conditions
            .iter()
            .any(|condition| matches!(condition.get_ref(), Condition::PortGiven { .. }));
        if transport.has_ports() && is_given != raw.ports.is_empty() {
            let reason = if is_given {
                "has ports and a condition \"port-given\"; keep one of the two"
            } else {
                "has no ports; give at least one { first, last }"
            };
            self.fail(at, raw.transport.span().start, reason.to_owned());
        }
        if !transport.has_ports() && (is_given || !raw.ports.is_empty()) {
            let reason = "has ports, but its transport has none; remove them";
            self.fail(at, raw.transport.span().start, reason.to_owned());
        }
        if (transport == Transport::Ip) != raw.ip_protocol.is_some() {
            let reason = "ip_protocol belongs to the transport \"ip\", and to no other";
            self.fail(at, raw.transport.span().start, reason.to_owned());
        }
        for range in &raw.ports {
            let PortRange {
                first,
                last,
                formula,
            } = range.get_ref();
            if *first == 0 || first > last {
                let reason =
                    format!("ports {first} to {last} are no range; the lower comes first, from 1");
                self.fail(at, range.span().start, reason);
            }
            if let Some(formula) = formula {
                self.check_role_name(at, range.span().start, &formula.each);
                if formula.step == 0 {
                    let reason = "a formula's step is 1 or more".to_owned();
                    self.fail(at, range.span().start, reason);
                }
            }
        }
        for condition in &raw.conditions {
            self.check_condition(at, condition);
        }
        if raw.sources.is_empty() {
            self.fail(
                at,
                offset,
                format!("flow {:?} has no source; say where it is written", raw.id),
            );
        }
        for source in &raw.sources {
            let name = &source.get_ref().document;
            if !self.parsed.documents.contains_key(name) {
                let reason = format!(
                    "document {name:?} is not known{}",
                    nearest(name, self.parsed.documents.keys())
                );
                self.fail(at, source.span().start, reason);
            }
        }
        Flow {
            id: raw.id,
            from: raw.from.into_inner(),
            to: raw.to.into_inner(),
            transport,
            ip_protocol: raw.ip_protocol,
            ports: raw.ports.into_iter().map(Spanned::into_inner).collect(),
            application_protocol: raw.application_protocol,
            service: raw.service,
            system_service_name: raw.system_service_name,
            purpose: raw.purpose,
            direction: raw.direction,
            conditions: raw
                .conditions
                .into_iter()
                .map(Spanned::into_inner)
                .collect(),
            proof: raw.proof,
            sources: raw.sources.into_iter().map(Spanned::into_inner).collect(),
            errata: raw.errata,
            portico: raw.portico,
        }
    }

    fn check_id(&mut self, at: DocumentText<'_>, offset: usize, what: &str, id: &str) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if id.is_empty() || !id.chars().all(plain) {
            let reason = format!("{what} id {id:?} must be of a-z, 0-9, '-' and '.'");
            self.fail(at, offset, reason);
        }
    }

    fn check_own_id(&mut self, at: DocumentText<'_>, offset: usize, document: &str, id: &str) {
        self.check_id(at, offset, "flow", id);
        let own = id
            .strip_prefix(document)
            .and_then(|rest| rest.strip_prefix('.'));
        if own.is_none_or(str::is_empty) {
            let reason =
                format!("id {id:?} must begin with its document, as in \"{document}.name\"");
            self.fail(at, offset, reason);
        }
    }

    fn check_condition(&mut self, at: DocumentText<'_>, condition: &Spanned<Condition>) {
        let reason = match condition.get_ref() {
            Condition::Feature { feature } if !self.parsed.features.contains_key(feature) => {
                format!(
                    "feature {feature:?} is not known{}",
                    nearest(feature, self.parsed.features.keys())
                )
            }
            Condition::Os {
                first: Some(first),
                last: Some(last),
                ..
            } if first > last => "no operating system is that new and that old".to_owned(),
            _ => return,
        };
        self.fail(at, condition.span().start, reason);
    }

    fn check_role(&mut self, at: DocumentText<'_>, role: &Spanned<String>) {
        self.check_role_name(at, role.span().start, role.get_ref());
    }

    fn check_role_name(&mut self, at: DocumentText<'_>, offset: usize, name: &str) {
        if !self.parsed.roles.contains_key(name) {
            let reason = format!(
                "role {name:?} is not known{}",
                nearest(name, self.parsed.roles.keys())
            );
            self.fail(at, offset, reason);
        }
    }
}

/// Longest name for which a near one is looked for, in bytes.
const NAME_LEN_MAX: usize = 200;

/// "; the nearest is …" when a known name is so near that a slip is likely.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    // Longer names are no slip of a known one, and the distance takes their length in time.
    if name.len() > NAME_LEN_MAX {
        return String::new();
    }
    known
        .map(|other| (distance(name, other), other))
        .filter(|(distance, _)| *distance <= name.len() / 3)
        .min()
        .map(|(_, other)| format!("; did you mean {other:?}?"))
        .unwrap_or_default()
}

/// Levenshtein distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, y) in row.iter().skip(1).zip(b.bytes()) {
            left = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(a.len())
}
