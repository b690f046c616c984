use std::{
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::portico;

/// The lines of `portico doctor` as `about: state: what`.
fn lines(folder: &Path) -> Vec<String> {
    let output = portico(folder)
        .args(["doctor", "-o", "json", "--settings"])
        .arg(folder.join("portico.toml"))
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let failed = answer["failed"].as_u64().unwrap();
    assert_eq!(
        output.status.code(),
        Some(i32::from(failed > 0)),
        "{answer:#}"
    );
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let lines = answer["lines"].as_array().unwrap().iter();
    lines
        .map(|line| {
            format!(
                "{}: {}: {}",
                text(line, "about"),
                text(line, "state"),
                text(line, "what")
            )
        })
        .collect()
}

fn has(lines: &[String], begin: &str, part: &str) {
    let found = lines
        .iter()
        .any(|line| line.starts_with(begin) && line.contains(part));
    assert!(found, "{begin} … {part}: {lines:#?}");
}

/// A server that is ended when this is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _over = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _status = self.0.wait();
    }
}

fn serve(folder: &Path) -> Server {
    let child = portico(folder)
        .args(["serve", "--settings"])
        .arg(folder.join("portico.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Server(child);
    let socket = folder.join("state/portico.sock");
    let begun = Instant::now();
    while !socket.exists() {
        if let Some(status) = server.0.try_wait().unwrap() {
            let mut said = String::new();
            let stderr = server.0.stderr.as_mut().unwrap();
            stderr.read_to_string(&mut said).unwrap();
            panic!("{status}: {said}");
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it does not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

#[tokio::test]
async fn doctor_before_and_after_the_installation_and_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let address = "127.0.0.1:0".parse().unwrap();
    let flow = portico_net::flows::CLIENT_PORTAL_HTTPS;
    let free = portico_net::TcpListener::bind(flow, address).await.unwrap();
    let (listen, state) = (free.local_addr(), path.join("state"));
    drop(free);
    let settings = format!(
        "listen = \"{listen}\"\nstate_dir = \"{}\"\n",
        state.display()
    );
    fs::write(path.join("portico.toml"), settings).unwrap();
    let before = lines(path);
    has(&before, "state folder: ok", "`portico init` makes it");
    has(&before, "ports: ok", "is free");
    assert!(!state.exists());

    let made = portico(path)
        .args(["init", "--settings"])
        .arg(path.join("portico.toml"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let after = lines(path);
    has(&after, "state folder: ok", "for its owner only");
    has(&after, "store: ok", "whole");
    has(
        &after,
        "certificate: ok",
        "Portico's own authority issued it",
    );
    has(&after, "sign-in: warning", "there is no owner");
    has(&after, "server: ok", "it does not run");

    let server = serve(path);
    let running = lines(path);
    has(&running, "server: ok", "it answers");
    has(&running, "ports: ok", "(portico) listens on");
    has(&running, "store: ok", "in use by the server");
    has(&running, "journal: ok", "in use by the server");
    has(&running, "sign-in: warning", "there is no owner");
    drop(server);

    let store = state.join("store.sqlite");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    has(&lines(path), "store: failed", "others may read");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&store, "no database at all, whatever its name may be").unwrap();
    has(&lines(path), "store: failed", "is damaged");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
    has(&lines(path), "state folder: failed", "(mode 755)");
    let key = state.join("tls/server.key.pem");
    fs::write(&key, "no key").unwrap();
    has(&lines(path), "certificate: failed", "PRIVATE KEY");
}
