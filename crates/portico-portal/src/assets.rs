//! The web application: built files, precompressed, with the headers that keep pages honest.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

// Debug builds read the folder at run time, release builds carry it inside.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
#[allow_missing = true]
struct Dist;

/// Whether this program can serve the web pages: they are built into it, or in debug builds in their
/// folder.
pub fn has_pages() -> bool {
    Dist::get("index.html").is_some()
}

/// What pages may load. `unsafe-inline` is for styles only: the terminal sets some.
/// The desktop viewer's worker is served with it as well, and compiles its WebAssembly under it.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
    script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
    connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; worker-src 'self' blob:; \
    manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Answers a request for a page or a file of the web application.
///
/// Paths without a file get the application's one page, which shows what belongs there or says
/// that nothing does; paths under `assets/` have a hash in their name, so a missing one is a 404.
pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let hashed = path.starts_with("assets/");
    let found = (!path.is_empty()).then(|| lookup(path, &headers)).flatten();
    let file = match found {
        Some(file) => file,
        None if hashed || path.starts_with("api/") => {
            return (StatusCode::NOT_FOUND, "There is no such file\n").into_response();
        }
        None => match lookup("index.html", &headers) {
            Some(file) => file,
            None => {
                return (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The web pages are not built; run: make web\n",
                )
                    .into_response();
            }
        },
    };
    respond(file, hashed, &headers)
}

struct Found {
    data: std::borrow::Cow<'static, [u8]>,
    encoding: Option<&'static str>,
    content_type: &'static str,
    etag: String,
}

fn lookup(path: &str, headers: &HeaderMap) -> Option<Found> {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let accepts = |coding: &str| {
        accepted.split(',').any(|item| {
            let mut parts = item.split(';');
            parts.next().map(str::trim) == Some(coding)
                && !parts.any(|p| matches!(p.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
    };
    for (coding, suffix) in [("br", ".br"), ("gzip", ".gz")] {
        if accepts(coding)
            && let Some(file) = Dist::get(&format!("{path}{suffix}"))
        {
            return Some(found(path, file, Some(coding)));
        }
    }
    Dist::get(path).map(|file| found(path, file, None))
}

fn found(path: &str, file: rust_embed::EmbeddedFile, encoding: Option<&'static str>) -> Found {
    let hash = file.metadata.sha256_hash();
    let etag: String = hash
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Found {
        data: file.data,
        encoding,
        content_type: content_type(path),
        etag: format!("\"{etag}\""),
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn respond(file: Found, hashed: bool, request: &HeaderMap) -> Response {
    let cache = if hashed {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let fresh = request
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|seen| seen.split(',').any(|tag| tag.trim() == file.etag));
    let mut response = if fresh {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(file.data.into_owned()));
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(file.content_type),
        );
        if let Some(encoding) = file.encoding {
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(etag) = HeaderValue::from_str(&file.etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// Headers of every answer, pages and API alike.
pub(crate) fn security_headers(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (
            header::HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(self), geolocation=(), payment=(), usb=()",
        ),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
