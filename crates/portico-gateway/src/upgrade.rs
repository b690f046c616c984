//! From an HTTP request to a WebSocket (RFC 6455, section 4.2), or the answer why not.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};

/// Salt of the accept header (RFC 6455, section 1.3).
const ACCEPT_SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request is not upgraded, with the answer's status and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpgradeError {
    #[error("this page of another site may not open sessions here")]
    Origin,
    #[error("this address takes WebSocket upgrades over HTTP/1.1 only")]
    NotAnUpgrade,
    #[error("the WebSocket version must be 13")]
    Version,
    #[error("the Sec-WebSocket-Key is not 16 bytes in base64")]
    Key,
    #[error("the WebSocket sub-protocol {0} must be offered")]
    SubProtocol(&'static str),
}

impl UpgradeError {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Origin => StatusCode::FORBIDDEN,
            Self::NotAnUpgrade | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Key | Self::SubProtocol(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Checks a request and gives the headers of the answer.
pub(crate) fn check<T>(
    request: &http::Request<T>,
    allowed_origins: &[String],
    sub_protocol: Option<&'static str>,
) -> Result<HeaderMap, UpgradeError> {
    let headers = request.headers();
    // Cookies go along with requests of any page, so the browser's word on whose page it is
    // comes first. A client without Origin is no browser and has no business here.
    let origin = headers.get(header::ORIGIN).and_then(|o| o.to_str().ok());
    let ours = origin.is_some_and(|origin| {
        allowed_origins
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    });
    if !ours || headers.get_all(header::ORIGIN).iter().count() != 1 {
        return Err(UpgradeError::Origin);
    }
    if request.method() != Method::GET
        || request.version() != Version::HTTP_11
        || !lists(headers, &header::CONNECTION, "upgrade")
        || !lists(headers, &header::UPGRADE, "websocket")
    {
        return Err(UpgradeError::NotAnUpgrade);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION) != Some(&HeaderValue::from_static("13")) {
        return Err(UpgradeError::Version);
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes)
        .filter(|key| STANDARD.decode(key).is_ok_and(|key| key.len() == 16))
        .ok_or(UpgradeError::Key)?;
    let mut answer = HeaderMap::new();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&accept_value(key)).map_err(|_| UpgradeError::Key)?;
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(name) = sub_protocol {
        if !lists(headers, &header::SEC_WEBSOCKET_PROTOCOL, name) {
            return Err(UpgradeError::SubProtocol(name));
        }
        answer.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(name),
        );
    }
    Ok(answer)
}

/// Value of `Sec-WebSocket-Accept` for a key. SHA-1 is what the RFC says; it protects nothing.
fn accept_value(key: &[u8]) -> String {
    let salted = [key, ACCEPT_SALT].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &salted))
}

/// Whether a comma-separated header has the item, whatever the case.
fn lists(headers: &HeaderMap, name: &header::HeaderName, item: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: impl FnOnce(&mut http::Request<()>)) -> http::Request<()> {
        let mut request = http::Request::get("/session/desktop")
            .header("Origin", "https://portal.example:8443")
            .header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Protocol", "other, portico.terminal.v1")
            .body(())
            .unwrap();
        change(&mut request);
        request
    }

    fn outcome(change: impl FnOnce(&mut http::Request<()>)) -> Result<HeaderMap, UpgradeError> {
        let origins = ["https://portal.example:8443".to_owned()];
        check(&request(change), &origins, Some("portico.terminal.v1"))
    }

    #[test]
    fn the_example_of_rfc_6455_section_1_3_is_accepted() {
        let answer = outcome(|_| {}).unwrap();
        assert_eq!(
            answer["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_eq!(answer["sec-websocket-protocol"], "portico.terminal.v1");
    }

    #[test]
    fn a_foreign_missing_or_doubled_origin_is_refused_first() {
        for origin in [
            "https://evil.example",
            "null",
            "https://portal.example",
            "https://portal.example:8443.evil.example",
        ] {
            let refused = outcome(|r| {
                r.headers_mut()
                    .insert("origin", HeaderValue::from_static(origin));
                r.headers_mut().remove("upgrade");
            });
            assert_eq!(refused, Err(UpgradeError::Origin), "{origin}");
        }
        let missing = outcome(|r| drop(r.headers_mut().remove("origin")));
        assert_eq!(missing, Err(UpgradeError::Origin));
        let doubled = outcome(|r| {
            r.headers_mut()
                .append("origin", HeaderValue::from_static("https://evil.example"));
        });
        assert_eq!(doubled, Err(UpgradeError::Origin));
        assert_eq!(UpgradeError::Origin.status(), StatusCode::FORBIDDEN);
    }

    #[test]
    fn what_is_no_websocket_upgrade_is_refused() {
        let plain = outcome(|r| drop(r.headers_mut().remove("upgrade")));
        assert_eq!(plain, Err(UpgradeError::NotAnUpgrade));
        let post = outcome(|r| *r.method_mut() = Method::POST);
        assert_eq!(post, Err(UpgradeError::NotAnUpgrade));
        let version = outcome(|r| drop(r.headers_mut().remove("sec-websocket-version")));
        assert_eq!(version, Err(UpgradeError::Version));
        let key = outcome(|r| {
            r.headers_mut()
                .insert("sec-websocket-key", HeaderValue::from_static("AAAA"));
        });
        assert_eq!(key, Err(UpgradeError::Key));
        let protocol = outcome(|r| drop(r.headers_mut().remove("sec-websocket-protocol")));
        assert_eq!(
            protocol,
            Err(UpgradeError::SubProtocol("portico.terminal.v1"))
        );
    }
}
