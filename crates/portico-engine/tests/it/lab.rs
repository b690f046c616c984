//! Against real OpenSSH servers. These run when `PORTICO_LAB_FACTS` names the facts of a lab
//! (`lab facts -o json`) in which `ssh1` and `ssh2` are up; otherwise they say so and do nothing.

use portico_model::{Secret, SessionId, estate::Pin, session::EndReason};
use portico_wire::terminal::{
    ViewerFrame, WINDOW_LEN,
    header::{Open, ProgramToRun},
};

use crate::{
    ssh_server::{SignIn, SshServer},
    viewer::{Last, TestEngine, Viewer, open},
};

/// What is asked for a session on a lab host; none without a lab.
async fn on(host: &str, session: u128) -> Option<Open> {
    let Ok(path) = std::env::var("PORTICO_LAB_FACTS") else {
        eprintln!("PORTICO_LAB_FACTS is not set: not run");
        return None;
    };
    let facts: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let servers = facts["servers"].as_array().unwrap();
    let server = servers
        .iter()
        .find(|server| server["name"] == host)
        .expect("the host is up");
    // A server of its own is only the form to fill in.
    let form = SshServer::start(SignIn::Password).await;
    let pins = server["host_keys"].as_array().unwrap().iter().map(|key| {
        let (algorithm, blob) = key.as_str().unwrap().split_once(' ').unwrap();
        Pin::SshKey {
            algorithm: algorithm.into(),
            blob: blob.into(),
        }
    });
    Some(Open {
        address: server["address"].as_str().unwrap().into(),
        port: server["port"].as_u64().unwrap() as u16,
        pins: pins.collect(),
        password: Some(Secret::new(facts["password"].as_str().unwrap().into())),
        ..open(&form, session)
    })
}

/// A shell whose prompt is `ready> `.
async fn shell(engine: &TestEngine, wanted: &Open) -> Viewer {
    let mut viewer = engine.view(wanted).await;
    while viewer.opened.is_empty() {
        assert_eq!(viewer.read().await, None);
    }
    viewer
        .type_line("PS1='ready''> '; bind 'set enable-bracketed-paste off'")
        .await;
    viewer.wait_for("\rready> ").await;
    viewer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_sign_in_size_utf8_and_exit_status() {
    let Some(wanted) = on("ssh1", 1).await else {
        return;
    };
    let engine = TestEngine::start().await;
    let mut viewer = shell(&engine, &wanted).await;
    viewer.type_line("stty size; echo $TERM; id -un").await;
    viewer
        .wait_for("24 80\r\nxterm-256color\r\ndemo\r\nready> ")
        .await;
    viewer
        .send(&ViewerFrame::Resize {
            cols: 132,
            rows: 43,
        })
        .await;
    viewer.type_line("stty size").await;
    viewer.wait_for("43 132\r\nready> ").await;
    viewer.type_line("locale charmap; printf 'gr\\303\\274\\303\\237e %s\\n' ✓; stty -a | grep -o -- -*iutf8").await;
    viewer
        .wait_for("UTF-8\r\ngrüße ✓\r\niutf8\r\nready> ")
        .await;
    viewer.type_line("exit 42").await;
    assert_eq!(
        viewer.wait_end().await,
        Last::Closed(EndReason::ProgramExited)
    );
    assert_eq!(viewer.exited, Some((42, String::new())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_flood_is_whole_and_interrupted_at_once() {
    let Some(wanted) = on("ssh2", 1).await else {
        return;
    };
    let engine = TestEngine::start().await;
    let mut viewer = shell(&engine, &wanted).await;
    viewer.type_line("seq 1 300000").await;
    viewer.wait_for("\n299999\r\n300000\r\nready> ").await;
    let numbers: String = (1..=300_000)
        .map(|number| format!("{number}\r\n"))
        .collect();
    let whole = String::from_utf8_lossy(&viewer.output).into_owned();
    assert!(whole.ends_with(&format!("seq 1 300000\r\n{numbers}ready> ")));
    // An endless flood ends at Ctrl-C, with a viewer that draws slowly.
    viewer.keeps = false;
    viewer.type_line("yes").await;
    for _ in 0..200 {
        assert_eq!(viewer.read().await, None);
    }
    let before = viewer.received;
    viewer.send(&ViewerFrame::Input(b"\x03")).await;
    viewer.wait_for("ready> ").await;
    let passed = viewer.received - before;
    assert!(passed < 4 * WINDOW_LEN, "{passed} bytes after Ctrl-C");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_program_is_replayed_and_resumed() {
    let Some(wanted) = on("ssh1", 2).await else {
        return;
    };
    let engine = TestEngine::start().await;
    let mut viewer = shell(&engine, &wanted).await;
    viewer.type_line("echo first; sleep 1; echo second").await;
    viewer.wait_for("\r\nfirst\r\n").await;
    let received = viewer.received;
    drop(viewer);
    let again = Open {
        received,
        password: None,
        ..wanted.clone()
    };
    let mut viewer = engine.view(&again).await;
    viewer.wait_for("second\r\nready> ").await;
    assert_eq!(viewer.opened, [(received, true)]);
    assert_eq!(viewer.text(), "second\r\nready> ");
    // A full-screen program draws again for a new viewer.
    viewer.type_line("less /etc/services").await;
    viewer.wait_for("\x1b[K").await;
    drop(viewer);
    let mut viewer = engine
        .view(&Open {
            received: 0,
            ..again
        })
        .await;
    viewer.wait_for("\x1b[K").await;
    viewer.send(&ViewerFrame::End).await;
    assert_eq!(viewer.wait_end().await, Last::Closed(EndReason::UserEnded));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_refusals() {
    let Some(mut wanted) = on("ssh1", 3).await else {
        return;
    };
    let engine = TestEngine::start().await;
    let other = on("ssh2", 3).await.unwrap();
    let changed = Open {
        pins: other.pins,
        ..wanted.clone()
    };
    let refused = engine.view(&changed).await.wait_refused().await;
    assert_eq!(refused.code, "host-key-changed");
    wanted.session = SessionId::from_random(4);
    wanted.password = Some(Secret::new("wrong".into()));
    let refused = engine.view(&wanted).await.wait_refused().await;
    assert_eq!(refused.code, "wrong-password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_runs_the_program_of_a_grant() {
    let Some(mut wanted) = on("ssh1", 5).await else {
        return;
    };
    let engine = TestEngine::start().await;
    wanted.program = Some(ProgramToRun {
        command: "pwd; tty -s && exit 3".into(),
        work_dir: "/usr/lib".into(),
    });
    let mut viewer = engine.view(&wanted).await;
    assert_eq!(
        viewer.wait_end().await,
        Last::Closed(EndReason::ProgramExited)
    );
    assert!(viewer.text().ends_with("/usr/lib\r\n"), "{}", viewer.text());
    assert_eq!(viewer.exited, Some((3, String::new())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openssh_flood_to_a_viewer_that_never_draws_takes_no_memory() {
    let Some(wanted) = on("ssh2", 6).await else {
        return;
    };
    // The memory is the process's, and other tests grow in it, too.
    const ALONE: &str = "PORTICO_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let alone = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "lab::openssh_flood_to_a_viewer_that_never_draws_takes_no_memory",
            ])
            .env(ALONE, "1")
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&alone.stdout);
        assert!(alone.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    let engine = TestEngine::start().await;
    let mut viewer = shell(&engine, &wanted).await;
    viewer.draws = false;
    let before = resident_kib();
    let flood = "rm -f flood; head -c 200000000 /dev/zero | tr '\\0' x | fold; echo done > flood";
    viewer.type_line(flood).await;
    // Neither while the host waits, nor when the program has gone on without the viewer.
    let second = Open {
        session: SessionId::from_random(7),
        ..wanted.clone()
    };
    let mut probe = shell(&engine, &second).await;
    probe
        .type_line("until [ -e flood ]; do sleep 0.2; done; echo flood''ed")
        .await;
    probe.wait_for("\nflooded\r\nready> ").await;
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB more");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
