//! The API client over real sockets, with a server that answers as it is told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portico_net::{
    TcpListener, flows,
    tls::{BuiltInCa, ServerIdentity, install_provider},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};

use super::{
    client::{ApiClient, CallError},
    credentials::{Credentials, FingerprintText, Known, read_fingerprint},
    failure::Failure,
    server::Server,
    transport,
};

/// Reads one request up to the end of its body, answers with `answer`, and gives the request.
async fn serve_one(mut stream: impl transport::Stream, answer: Vec<u8>) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !whole(&request) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(len) => request.extend_from_slice(&buffer[..len]),
        }
    }
    // The client may have enough before the answer is out.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
    String::from_utf8(request).unwrap()
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// A client over a Unix socket whose server gives one answer.
async fn local(answer: Vec<u8>) -> (ApiClient, JoinHandle<String>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portico.sock");
    let listener = portico_net::unix::listen(flows::CLI_PORTAL, &path, 0o600)
        .await
        .unwrap();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve_one(stream, answer).await
    });
    let client = ApiClient::new(Server::Socket(path), &Credentials::default());
    (client, task, folder)
}

fn identity() -> ServerIdentity {
    install_provider();
    let folder = tempfile::tempdir().unwrap();
    let now = portico_net::clock::Clock::now(&portico_net::clock::SystemClock);
    let ca = BuiltInCa::open(folder.path(), now).unwrap();
    ca.server_identity(&["localhost".into(), "127.0.0.1".into()], now)
        .unwrap()
}

/// A TLS server that gives one answer to each connection that gets through the handshake.
async fn over_tls(identity: &ServerIdentity, answer: Vec<u8>) -> (Server, JoinHandle<String>) {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(flows::CLIENT_PORTAL_HTTPS, anywhere)
        .await
        .unwrap();
    let port = listener.local_addr().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&identity.config()));
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                return serve_one(stream, answer).await;
            }
        }
    });
    let host = "127.0.0.1".to_owned();
    (Server::Https { host, port }, task)
}

fn reason(error: CallError) -> String {
    Failure::from(error).to_string()
}

#[tokio::test]
async fn a_call_over_the_socket_needs_no_token() {
    let (client, task, _folder) = local(answer("200 OK", "[{\"id\":\"sh1\"}]")).await;
    assert_eq!(
        client.get("/hosts").await.unwrap(),
        json!([{ "id": "sh1" }])
    );
    let request = task.await.unwrap();
    assert!(
        request.starts_with("GET /api/v1/hosts HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        !request.to_lowercase().contains("authorization"),
        "{request}"
    );
}

#[tokio::test]
async fn no_content_is_an_answer_too() {
    let (client, task, _folder) = local(answer("204 No Content", "")).await;
    let body = json!({ "text": "x".repeat(100_000) });
    assert!(client.post("/estate/apply", &body).await.unwrap().is_null());
    assert!(task.await.unwrap().len() > 100_000);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_api() {
    let body = r#"{"error":{"code":"role-missing","message":"Your role does not allow this",
        "reason":"it needs the role operator","next_step":"Ask an owner"}}"#;
    let (client, _task, _folder) = local(answer("403 Forbidden", body)).await;
    assert_eq!(
        reason(client.delete("/sessions/0f").await.unwrap_err()),
        "error: Your role does not allow this\n  reason:    it needs the role operator\n  \
         next step: Ask an owner\n"
    );
}

#[tokio::test]
async fn an_answer_that_is_none_of_porticos_is_a_failure() {
    for (answer, told) in [
        (
            answer("200 OK", "<html>"),
            "does not answer as Portico does",
        ),
        (
            answer("502 Bad Gateway", "<html>"),
            "it answered 502 Bad Gateway",
        ),
        (b"SSH-2.0-OpenSSH\r\n".to_vec(), "broke the connection off"),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[".to_vec(),
            "broke the connection off",
        ),
        (Vec::new(), "broke the connection off"),
    ] {
        let (client, _task, _folder) = local(answer).await;
        let shown = reason(client.get("/hosts").await.unwrap_err());
        assert!(shown.contains(told), "{told:?} is not in {shown}");
        assert!(shown.contains("next step: "), "{shown}");
    }
}

#[tokio::test]
async fn a_socket_nobody_listens_on_names_both_ways_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::Socket(folder.path().join("portico.sock"));
    let client = ApiClient::new(server, &Credentials::default());
    let shown = reason(client.get("/hosts").await.unwrap_err());
    assert!(
        shown.contains("portico serve") && shown.contains("portico login"),
        "{shown}"
    );
}

#[tokio::test]
async fn the_token_only_goes_to_the_server_with_the_accepted_certificate() {
    let identity = identity();
    let seen = read_fingerprint(&identity.fingerprint()).unwrap();
    let (server, task) = over_tls(&identity, answer("200 OK", "[]")).await;
    assert_eq!(transport::seen_fingerprint(&server).await.unwrap(), seen);

    let mut credentials = Credentials::default();
    let mut client = |fingerprint| {
        let known = Known {
            user: "anna".into(),
            token: portico_model::Secret::new("the-token".into()),
            fingerprint: FingerprintText(fingerprint),
        };
        credentials.servers.insert(server.to_string(), known);
        ApiClient::new(server.clone(), &credentials)
    };
    let shown = reason(client([7; 32]).get("/hosts").await.unwrap_err());
    assert!(shown.contains("has another certificate"), "{shown}");
    assert!(shown.contains(&identity.fingerprint()), "{shown}");

    let anonymous = ApiClient::anonymous(server.clone(), None);
    let shown = reason(anonymous.get("/hosts").await.unwrap_err());
    assert!(
        shown.contains("run `portico login --server https://127.0.0.1:"),
        "{shown}"
    );

    // Neither of them got through, so that this is the first request the server sees.
    assert_eq!(client(seen).get("/hosts").await.unwrap(), json!([]));
    let request = task.await.unwrap();
    assert!(
        request
            .to_lowercase()
            .contains("authorization: bearer the-token"),
        "{request}"
    );
    assert!(request.contains("host: 127.0.0.1:"), "{request}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_address() {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(flows::CLIENT_PORTAL_HTTPS, anywhere)
        .await
        .unwrap();
    let port = listener.local_addr().port();
    drop(listener);
    let host = "127.0.0.1".to_owned();
    let failure = transport::seen_fingerprint(&Server::Https { host, port })
        .await
        .unwrap_err()
        .to_string();
    assert!(
        failure.contains(&format!("https://127.0.0.1:{port} cannot be reached")),
        "{failure}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portico.sock");
    let _listener = portico_net::unix::listen(flows::CLI_PORTAL, &path, 0o600)
        .await
        .unwrap();
    let client = ApiClient::new(Server::Socket(path), &Credentials::default());
    let asked = tokio::time::Instant::now();
    let shown = reason(client.get("/hosts").await.unwrap_err());
    assert!(shown.contains("does not answer"), "{shown}");
    assert!(asked.elapsed() >= Duration::from_secs(100));
}
