//! On real hosts. These run when `PORTICO_LAB_FACTS` names the facts of a lab (`lab facts -o
//! json`), as root, with `sh1` (xrdp) or `ssh1` (OpenSSH) up; otherwise they say so and do nothing.
//! The agent runs inside the host, and the broker of the tests outside.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use portico_model::{
    estate::Pin,
    seen::{
        HostReport, HostSession, HostSessionKind, HostSessionState, Order, OrderOutcome,
        SessionOnHost,
    },
};
use tokio::process::{Child, Command};

use crate::broker::{Link, TestBroker};

struct LabHost {
    name: &'static str,
    facts: serde_json::Value,
    address: Ipv4Addr,
    password: String,
}

fn lab_host(name: &'static str) -> Option<LabHost> {
    let Ok(path) = std::env::var("PORTICO_LAB_FACTS") else {
        eprintln!("PORTICO_LAB_FACTS is not set: not run");
        return None;
    };
    let facts: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let server = facts["servers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|server| server["name"] == name)?;
    Some(LabHost {
        name,
        facts: server.clone(),
        address: server["address"].as_str().unwrap().parse().unwrap(),
        password: facts["password"].as_str().unwrap().into(),
    })
}

impl LabHost {
    /// The machine's own address on the lab's network.
    fn machine(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.address.octets();
        Ipv4Addr::new(a, b, c, 1)
    }

    /// Runs the agent in the host; it ends with the handle.
    async fn agent(&self, broker: &mut TestBroker) -> (Child, Link) {
        let at = self.machine();
        let told = format!("{at}:{}", broker.link.port());
        broker.rule(|rules| rules.brokers = vec![told]);
        let token = broker.token(self.name, at).to_text();
        let lab = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/lab");
        let agent = Command::new(lab)
            .args([
                "exec",
                self.name,
                // It may lie below /tmp, where the host has a folder of its own.
                "--program",
                env!("CARGO_BIN_EXE_portico-agent"),
                "--",
                "portico-agent",
                "--join",
                token.expose(),
            ])
            .args(["--state-dir", &format!("/run/agent-{}", std::process::id())])
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let link = broker.next_link().await;
        (agent, link)
    }
}

/// A program that signs in as people do. Where there is a lab it is there, too: skipping without
/// a word is how a test that never ended went unseen.
fn program(name: &str) -> PathBuf {
    let path = Path::new("/usr/bin").join(name);
    assert!(
        path.exists(),
        "{name} is not installed; run: scripts/prepare clients"
    );
    path
}

fn find<'a>(report: &'a HostReport, account: &str) -> Option<&'a HostSession> {
    report
        .sessions
        .iter()
        .find(|session| session.account == account)
}

fn on_host(session: &HostSession) -> SessionOnHost {
    SessionOnHost {
        key: Some(session.key.clone()),
        account: session.account.clone(),
        kind: session.kind,
    }
}

/// Waits until the desktop, in this state, tells that nobody has used it for longer than `least_s`,
/// and then for longer again; the last time told.
async fn idle_grows(link: &mut Link, state: HostSessionState, least_s: u64) -> u64 {
    let told = |report: &HostReport| {
        let session = find(report, "ben").filter(|session| session.state == state)?;
        session.idle_s
    };
    let begun = std::time::Instant::now();
    let report = link.report(|report| told(report) >= Some(least_s)).await;
    let first = told(&report).unwrap();
    eprintln!(
        "{state:?}: unused for {first} s, told after {:?}",
        begun.elapsed()
    );
    assert!(first < least_s + 60, "{first}");
    let report = link.report(|report| told(report) > Some(first + 1)).await;
    told(&report).unwrap()
}

#[track_caller]
fn done(outcome: &OrderOutcome) {
    assert!(matches!(outcome, OrderOutcome::Done { .. }), "{outcome:?}");
    eprintln!("{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desktop_of_xrdp_is_seen_told_cut_and_ended() {
    let Some(host) = lab_host("sh1") else {
        return;
    };
    let (client, screen) = (program("xfreerdp"), program("Xvfb"));
    let mut broker = TestBroker::start(Ipv4Addr::UNSPECIFIED).await;
    let (_agent, mut link) = host.agent(&mut broker).await;
    let shown = host.facts["tls_sha256"].as_str().unwrap();
    let pinned = link.hello.identities.iter().any(
        |pin| matches!(pin, Pin::CertificateSha256(sum) if portico_net::tls::hex(sum) == shown),
    );
    assert!(pinned, "{:?}", link.hello.identities);

    let display = ":95";
    let _screen = Command::new(screen)
        .args([display, "-nolisten", "tcp"])
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let connect = || {
        Command::new(&client)
            .env("DISPLAY", display)
            .args([
                format!("/v:{}", host.address),
                "/u:ben".into(),
                format!("/p:{}", host.password),
            ])
            .args(["/cert:ignore", "/size:800x600", "/log-level:ERROR"])
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    // The screen may not take connections yet.
    while !Path::new("/tmp/.X11-unix/X95").exists() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _client = connect();
    let is = |state| {
        move |report: &HostReport| find(report, "ben").is_some_and(|session| session.state == state)
    };
    let report = link.report(is(HostSessionState::Active)).await;
    let session = on_host(find(&report, "ben").unwrap());
    assert_eq!(session.kind, HostSessionKind::Rdp);
    let idle_s = idle_grows(&mut link, HostSessionState::Active, 0).await;

    let wrong = SessionOnHost {
        account: "anna".into(),
        ..session.clone()
    };
    assert_eq!(
        link.order(1, Order::LogOff { session: wrong }).await,
        OrderOutcome::NotFound
    );
    let text = "Maintenance at 18:00.\nPlease save your work.".to_owned();
    // The desktop may still be starting when the session is there already.
    let message = Order::Message {
        session: Some(session.clone()),
        from: "the operator".into(),
        text,
    };
    done(&link.order(2, message).await);
    done(
        &link
            .order(
                3,
                Order::Disconnect {
                    session: session.clone(),
                },
            )
            .await,
    );
    let report = link.report(is(HostSessionState::Disconnected)).await;
    assert_eq!(on_host(find(&report, "ben").unwrap()), session);
    // Nobody is there to type, so it goes on counting.
    idle_grows(&mut link, HostSessionState::Disconnected, idle_s).await;
    let begun = std::time::Instant::now();
    done(
        &link
            .order(
                4,
                Order::LogOff {
                    session: session.clone(),
                },
            )
            .await,
    );
    link.report(|report| find(report, "ben").is_none()).await;
    eprintln!("logged off and reported after {:?}", begun.elapsed());
    assert_eq!(
        link.order(5, Order::LogOff { session }).await,
        OrderOutcome::NotFound
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_over_ssh_is_seen_told_and_ended() {
    let Some(host) = lab_host("ssh1") else {
        return;
    };
    let client = program("sshpass");
    let mut broker = TestBroker::start(Ipv4Addr::UNSPECIFIED).await;
    let (_agent, mut link) = host.agent(&mut broker).await;
    let pins: Vec<String> = link
        .hello
        .identities
        .iter()
        .map(|pin| match pin {
            Pin::SshKey { algorithm, blob } => format!("{algorithm} {blob}"),
            Pin::CertificateSha256(_) => String::new(),
        })
        .collect();
    let keys = host.facts["host_keys"].to_string();
    assert!(
        pins.iter().any(|pin| !pin.is_empty() && keys.contains(pin)),
        "{pins:?} {keys}"
    );

    let mut shell = Command::new(client)
        .args([
            "-p",
            &host.password,
            "ssh",
            "-tt",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args([
            "-o",
            "LogLevel=ERROR",
            &format!("ben@{}", host.address),
            "echo ready; exec sleep 1000",
        ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let report = link.report(|report| find(report, "ben").is_some()).await;
    let session = find(&report, "ben").unwrap();
    assert_eq!(
        (session.kind, session.state),
        (HostSessionKind::Ssh, HostSessionState::Active)
    );
    let session = on_host(session);
    let message = Order::Message {
        session: Some(session.clone()),
        from: "the operator".into(),
        text: "Good night\u{1b}[2J".into(),
    };
    done(&link.order(1, message).await);
    // Before the log-off: what a terminal holds when its connection ends may not reach the client.
    let mut out = shell.stdout.take().unwrap();
    let mut seen = Vec::new();
    // The terminal itself puts another return before each line end.
    let told = "Message from the operator:\r\r\nGood night\\u{1b}[2J\r\r\n";
    while !String::from_utf8_lossy(&seen).contains(told) {
        let read = tokio::io::AsyncReadExt::read_buf(&mut out, &mut seen).await;
        assert!(read.unwrap() > 0, "{:?}", String::from_utf8_lossy(&seen));
    }
    let cut = link
        .order(
            2,
            Order::Disconnect {
                session: session.clone(),
            },
        )
        .await;
    assert!(matches!(cut, OrderOutcome::NotSupported { .. }), "{cut:?}");
    done(&link.order(3, Order::LogOff { session }).await);
    link.report(|report| find(report, "ben").is_none()).await;
}
