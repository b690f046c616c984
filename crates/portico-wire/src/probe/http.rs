//! What speaks HTTP/1.1 (RFC 9112) and its relatives RTSP (RFC 2326) and SSDP (UPnP Device
//! Architecture 1.1, section 1.3): web servers, WS-Management, IPP, RD Gateway, InfluxDB, etcd,
//! ACME, Portico's portal. A web server that knows nothing of the service is the wrong service.

use super::{Ask, Heard, Over, Reading, Service, greeting, shown};

/// Longest head of an answer.
const HEAD_LEN_MAX: usize = 32 << 10;

/// Whose question it is.
pub(super) fn opening(ask: &Ask) -> Vec<u8> {
    let host = host(&ask.host);
    let get = |path: &str| request("GET", path, &host, "", &[]);
    match ask.service {
        Service::WinRm => request(
            "POST",
            "/wsman",
            &host,
            // Windows answers Identify to strangers when this header is there (MS-WSMV 3.1.4.1.30).
            "Content-Type: application/soap+xml;charset=UTF-8\r\nWSMANIDENTIFY: unauthenticated\r\n",
            IDENTIFY.as_bytes(),
        ),
        Service::Ipp => request(
            "POST",
            "/",
            &host,
            "Content-Type: application/ipp\r\n",
            &ipp_question(),
        ),
        Service::RdGateway => request(
            "RDG_OUT_DATA",
            "/remoteDesktopGateway/",
            &host,
            "RDG-Connection-Id: {00000000-0000-0000-0000-000000000000}\r\n",
            &[],
        ),
        Service::RpcOverHttp => request(
            "RPC_OUT_DATA",
            "/rpc/rpcproxy.dll?localhost:593",
            &host,
            "Accept: application/rpc\r\n",
            &[],
        ),
        Service::InfluxDb => get("/ping"),
        Service::Etcd => get("/version"),
        Service::Acme => get("/directory"),
        Service::Portal => get("/api/v1/site"),
        _ => get("/"),
    }
}

fn request(method: &str, path: &str, host: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let len = match body.is_empty() {
        true => String::new(),
        false => format!("Content-Length: {}\r\n", body.len()),
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: portico-probe\r\nAccept: */*\r\n\
         {more}{len}Connection: close\r\n\r\n"
    );
    let mut out = head.into_bytes();
    out.extend_from_slice(body);
    out
}

/// A name or address as it may stand in a header, whatever the estate has in it.
fn host(name: &str) -> String {
    let fits =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    let name: String = name.chars().filter(|c| fits(*c)).collect();
    match name.contains(':') && !name.starts_with('[') {
        true => format!("[{name}]"),
        false => name,
    }
}

/// WS-Management Identify (DSP0226 §11).
const IDENTIFY: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
     xmlns:wsmid=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"><s:Header/>\
     <s:Body><wsmid:Identify/></s:Body></s:Envelope>";

/// IPP/1.1 Get-Printer-Attributes for a printer that is not there (RFC 8011 §4.2.5): a server
/// that knows IPP answers it with an IPP status.
fn ipp_question() -> Vec<u8> {
    let mut out = vec![1, 1, 0, 0x0b, 0, 0, 0, 1, 1];
    let mut attribute = |tag: u8, name: &str, value: &str| {
        out.push(tag);
        for text in [name, value] {
            out.extend_from_slice(&super::pdu::behind_u16(text.as_bytes()));
        }
    };
    attribute(0x47, "attributes-charset", "utf-8");
    attribute(0x48, "attributes-natural-language", "en");
    attribute(
        0x45,
        "printer-uri",
        "ipp://localhost/printers/portico-probe",
    );
    out.push(3);
    out
}

/// A head that was read.
struct Head<'a> {
    status: u16,
    lines: &'a [u8],
    body: &'a [u8],
}

enum Parsed<'a> {
    Short,
    Other,
    Whole(Head<'a>),
}

fn parse<'a>(bytes: &'a [u8], version: &[u8]) -> Parsed<'a> {
    if !greeting::starts_alike(bytes, version) || bytes.len() > super::ANSWER_LEN_MAX {
        return Parsed::Other;
    }
    let Some((first, mut rest)) = greeting::line(bytes) else {
        return match bytes.len() > HEAD_LEN_MAX {
            true => Parsed::Other,
            false => Parsed::Short,
        };
    };
    let Some(status) = status(first) else {
        return Parsed::Other;
    };
    let lines = rest;
    while let Some((text, after)) = greeting::line(rest) {
        if text.is_empty() {
            let len = lines.len() - rest.len();
            return Parsed::Whole(Head {
                status,
                lines: lines.get(..len).unwrap_or_default(),
                body: after,
            });
        }
        rest = after;
    }
    match bytes.len() > HEAD_LEN_MAX {
        true => Parsed::Other,
        false => Parsed::Short,
    }
}

/// `NAME/1.1 200 OK`
fn status(line: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(line.get(..line.len().min(64))?).ok();
    let text = text.or_else(|| std::str::from_utf8(line.get(..12)?).ok())?;
    let status = text.split(' ').nth(1)?;
    status
        .parse()
        .ok()
        .filter(|code| (100..=999).contains(code))
}

impl<'a> Head<'a> {
    /// Values of a header, in their order.
    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.lines;
        let name = name.to_ascii_lowercase();
        std::iter::from_fn(move || {
            while let Some((text, after)) = greeting::line(rest) {
                rest = after;
                let colon = text.iter().position(|byte| *byte == b':').unwrap_or(0);
                let own = text.get(..colon).unwrap_or_default();
                if own.eq_ignore_ascii_case(name.as_bytes()) {
                    let value = text.get(colon + 1..).unwrap_or_default();
                    return Some(value.trim_ascii());
                }
            }
            None
        })
    }

    fn has_value(&self, name: &str, part: &str) -> bool {
        self.values(name).any(|value| has(value, part))
    }

    /// Whether the body is there to its end.
    fn is_whole(&self, is_all: bool) -> bool {
        let len = self.values("content-length").next();
        let len = len.and_then(|len| std::str::from_utf8(len).ok()?.parse::<usize>().ok());
        let chunked = self.has_value("transfer-encoding", "chunked");
        match len {
            _ if matches!(self.status, 100..=199 | 204 | 304) => true,
            _ if chunked => self.body.ends_with(b"0\r\n\r\n"),
            Some(len) => self.body.len() >= len,
            None => is_all,
        }
    }

    fn evidence(&self) -> String {
        let mut out = format!("HTTP {}", self.status);
        if let Some(server) = self.values("server").next() {
            out.push_str(&format!(", {}", shown(server)));
        }
        let schemes: Vec<String> = self
            .values("www-authenticate")
            .filter_map(|value| value.split(|byte| *byte == b' ').next())
            .map(shown)
            .take(4)
            .collect();
        if !schemes.is_empty() {
            out.push_str(&format!(", asks for {}", schemes.join(", ")));
        }
        out
    }
}

fn has(bytes: &[u8], part: &str) -> bool {
    bytes
        .windows(part.len().max(1))
        .any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

pub(super) fn read(ask: &Ask, heard: Heard<'_>) -> Reading {
    let head = match parse(heard.bytes, b"HTTP/1.") {
        Parsed::Short => return heard.unfinished(),
        Parsed::Other => return Reading::Wrong,
        Parsed::Whole(head) => head,
    };
    if let Service::Http | Service::RdGateway | Service::RpcOverHttp = ask.service {
        return judge_head(ask.service, &head);
    }
    if ask.service == Service::WinRm && head.status == 401 {
        return judge_head(ask.service, &head);
    }
    match head.is_whole(heard.is_all) {
        true => judge_body(ask.service, &head),
        false => heard.unfinished(),
    }
}

/// Services that show themselves by the head.
fn judge_head(service: Service, head: &Head<'_>) -> Reading {
    let asks = |scheme: &str| head.has_value("www-authenticate", scheme);
    let windows = asks("negotiate") || asks("ntlm") || asks("kerberos");
    let is_it = match service {
        Service::Http => true,
        // The method is RD Gateway's and RPC over HTTP's own, and so is WinRM's path: a web server
        // refuses them with 400, 404, 405 or 501, or answers as to everything, and does not ask who
        // wants to use them by the schemes of Windows.
        Service::RdGateway | Service::RpcOverHttp | Service::WinRm => head.status == 401 && windows,
        _ => false,
    };
    match is_it {
        true => Reading::proven(head.evidence()),
        false => Reading::Wrong,
    }
}

/// Services that show themselves by the body.
fn judge_body(service: Service, head: &Head<'_>) -> Reading {
    let body = head.body;
    let is_it = match service {
        Service::WinRm => has(body, "IdentifyResponse"),
        Service::Ipp => {
            head.has_value("content-type", "application/ipp") && ipp_status(head).is_some()
        }
        Service::InfluxDb => {
            matches!(head.status, 200 | 204) && head.values("x-influxdb-version").next().is_some()
        }
        Service::Etcd => head.status == 200 && has(body, "\"etcdserver\""),
        Service::Acme => head.status == 200 && has(body, "\"newNonce\""),
        // What the portal says to everybody; no other site has these three.
        Service::Portal => {
            head.status == 200
                && ["\"setup_needed\":", "\"notice\":", "\"version\":"]
                    .iter()
                    .all(|key| has(body, key))
        }
        _ => false,
    };
    if !is_it {
        return Reading::Wrong;
    }
    let more = match service {
        Service::Ipp => ipp_status(head).map(|status| format!("IPP status {status:#06x}")),
        Service::InfluxDb => head
            .values("x-influxdb-version")
            .next()
            .map(|version| format!("InfluxDB {}", shown(version))),
        Service::Etcd => Some(shown(body)),
        Service::Portal => Some(format!(
            "Portico {}",
            text_of(body, "version").unwrap_or_default()
        )),
        Service::WinRm => value_of(body, "ProductVendor"),
        _ => None,
    };
    match more {
        Some(more) => Reading::proven(format!("{}, {more}", head.evidence())),
        None => Reading::proven(head.evidence()),
    }
}

/// Status of an IPP answer (RFC 8010 §3.1), behind the line of the first chunk where there is one.
fn ipp_status(head: &Head<'_>) -> Option<u16> {
    let mut body = head.body;
    if head.has_value("transfer-encoding", "chunked") {
        body = greeting::line(body)?.1;
    }
    match body {
        [1 | 2, 0..=2, ..] => super::pdu::u16_be(body, 2),
        _ => None,
    }
}

/// Text of a JSON field, for the evidence only.
fn text_of(body: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let after = text.split_once(&format!("\"{name}\":\""))?.1;
    let value = after.split_once('"')?.0;
    Some(shown(value.as_bytes()))
}

/// Text of an XML element by its local name, for the evidence only.
fn value_of(body: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let after = text.split_once(&format!("{name}>"))?.1;
    let value = after.split_once('<')?.0;
    Some(shown(value.as_bytes()))
}

pub(super) fn rtsp_opening() -> Vec<u8> {
    b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: portico-probe\r\n\r\n".to_vec()
}

pub(super) fn rtsp(heard: Heard<'_>) -> Reading {
    match parse(heard.bytes, b"RTSP/1.") {
        Parsed::Short => heard.unfinished(),
        Parsed::Other => Reading::Wrong,
        Parsed::Whole(head) => {
            let public = head.values("public").next().map(shown);
            let public = public.map(|methods| format!(", {methods}"));
            Reading::proven(format!(
                "RTSP {}{}",
                head.status,
                public.unwrap_or_default()
            ))
        }
    }
}

/// A search that is sent to one device and not to the group.
pub(super) fn ssdp_opening(ask: &Ask) -> Vec<u8> {
    debug_assert!(ask.over == Over::Datagram);
    format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: {}:1900\r\nMAN: \"ssdp:discover\"\r\nST: ssdp:all\r\n\r\n",
        host(&ask.host)
    )
    .into_bytes()
}

pub(super) fn ssdp(heard: Heard<'_>) -> Reading {
    match parse(heard.bytes, b"HTTP/1.1") {
        Parsed::Short => heard.unfinished(),
        Parsed::Whole(head) if head.status == 200 && head.values("usn").next().is_some() => {
            let server = head.values("server").next().map(shown);
            Reading::proven(format!(
                "SSDP, {}",
                server.unwrap_or_else(|| "no name".into())
            ))
        }
        _ => Reading::Wrong,
    }
}
