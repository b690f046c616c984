use std::{sync::atomic::Ordering, time::Duration};

use portico_model::{ConnectionId, SessionId, UserId, session::EndReason};
use portico_wire::terminal::{
    ViewerFrame,
    header::{Answer, Control, ProgramToRun},
};
use russh::Pty;

use crate::{
    ssh_server::{SignIn, SshServer},
    viewer::{Last, PATIENCE, TestEngine, Viewer, open},
};

/// Waits until the host has `count` programs.
async fn wait_shells(server: &SshServer, count: usize) {
    let waiting = async {
        while server.shells.load(Ordering::Relaxed) != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the host's programs end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_is_signed_in_to_used_and_left_by_its_exit_status() {
    let mut server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    assert_eq!(viewer.opened, [(0, false)]);
    // The host's banner is shown, as text.
    assert!(
        viewer.text().starts_with("Authorised [31musers only\r\n"),
        "{}",
        viewer.text()
    );
    viewer.type_line("size").await;
    viewer.wait_for("24 80\r\nready> ").await;
    viewer
        .send(&ViewerFrame::Resize {
            cols: 120,
            rows: 50,
        })
        .await;
    server
        .wait_seen(|seen| seen.sizes.last() == Some(&(120, 50)))
        .await;
    viewer.type_line("size").await;
    viewer.wait_for("50 120\r\nready> ").await;
    let seen = server.seen.borrow().clone();
    assert!(
        seen.environment
            .contains(&("LC_CTYPE".into(), "C.UTF-8".into()))
    );
    assert!(seen.modes.contains(&(Pty::IUTF8, 1)));
    viewer.type_line("exit 7").await;
    assert_eq!(
        viewer.wait_end().await,
        Last::Closed(EndReason::ProgramExited)
    );
    assert_eq!(viewer.exited, Some((7, String::new())));
    wait_shells(&server, 0).await;
    // The viewer hears of the end before the list does; each question gives the engine its turn.
    let empty = async {
        while engine.ask(&Control::List).await != (Answer::Sessions { sessions: vec![] }) {}
    };
    tokio::time::timeout(Duration::from_secs(10), empty)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_answers_the_one_question_of_a_host() {
    let server = SshServer::start(SignIn::Questions).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_is_run_in_its_folder() {
    let mut server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut wanted = open(&server, 1);
    wanted.program = Some(ProgramToRun {
        command: "top -b".into(),
        work_dir: "/srv".into(),
    });
    let mut viewer = engine.view(&wanted).await;
    viewer.wait_for("ready> ").await;
    let seen = server.wait_seen(|seen| seen.program.is_some()).await;
    assert_eq!(seen.program.as_deref(), Some("cd '/srv' && top -b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_and_a_host_that_closes_are_told_apart_from_an_exit() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    viewer.type_line("kill").await;
    assert_eq!(
        viewer.wait_end().await,
        Last::Closed(EndReason::ProgramExited)
    );
    assert_eq!(viewer.exited, Some((-1, "TERM".into())));
    let mut viewer = engine.view(&open(&server, 2)).await;
    viewer.wait_for("ready> ").await;
    viewer.type_line("drop").await;
    assert_eq!(viewer.wait_end().await, Last::Closed(EndReason::HostClosed));
    assert_eq!(viewer.exited, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_comes_back_gets_exactly_what_it_misses() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    viewer.type_line("seq 10000").await;
    // It has got some of it, however much, when its connection breaks.
    viewer.read().await;
    let (received, mut output) = (viewer.received, std::mem::take(&mut viewer.output));
    drop(viewer);
    let mut wanted = open(&server, 1);
    wanted.password = None;
    wanted.received = received;
    let mut viewer = engine.view(&wanted).await;
    viewer.wait_for("\n10000\r\nready> ").await;
    assert_eq!(viewer.opened, [(received, true)]);
    output.extend_from_slice(&viewer.output);
    let numbers: String = (1..=10_000).map(|number| format!("{number}\r\n")).collect();
    let whole = String::from_utf8(output).unwrap();
    assert!(whole.ends_with(&format!("ready> seq 10000\r\n{numbers}ready> ")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_viewer_takes_a_session_over() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut first = engine.view(&open(&server, 1)).await;
    first.wait_for("ready> ").await;
    first.type_line("seq 3").await;
    first.wait_for("3\r\nready> ").await;
    let mut wanted = open(&server, 1);
    wanted.password = None;
    wanted.connection = ConnectionId::from_random(77);
    (wanted.cols, wanted.rows) = (100, 30);
    let mut second = engine.view(&wanted).await;
    second.wait_for("3\r\nready> ").await;
    assert_eq!(first.wait_end().await, Last::Closed(EndReason::TakenOver));
    second.type_line("size").await;
    second.wait_for("30 100\r\nready> ").await;
    let Answer::Sessions { sessions } = engine.ask(&Control::List).await else {
        panic!()
    };
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].connection, Some(ConnectionId::from_random(77)));
    assert_eq!(server.shells.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_somebody_else_is_not_shown() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    let mut wanted = open(&server, 1);
    wanted.user = UserId::new("eve").unwrap();
    let refused = engine.view(&wanted).await.wait_refused().await;
    assert_eq!(refused.code, "session-mismatch");
    viewer.type_line("size").await;
    viewer.wait_for("24 80\r\nready> ").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_outlives_its_viewer_and_is_ended_by_a_control() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    viewer.send(&ViewerFrame::Disconnect).await;
    assert_eq!(
        viewer.wait_end().await,
        Last::Closed(EndReason::UserDisconnected)
    );
    let Answer::Sessions { sessions } = engine.ask(&Control::List).await else {
        panic!()
    };
    assert_eq!((sessions.len(), &sessions[0].connection), (1, &None));
    let end = |session: u128| Control::End {
        session: SessionId::from_random(session),
        reason: EndReason::OperatorEnded,
    };
    assert_eq!(engine.ask(&end(2)).await, Answer::Unknown);
    assert_eq!(engine.ask(&end(1)).await, Answer::Ending);
    wait_shells(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn end_ends_the_program() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    viewer.send(&ViewerFrame::End).await;
    assert_eq!(viewer.wait_end().await, Last::Closed(EndReason::UserEnded));
    wait_shells(&server, 0).await;
}

/// A program that ends when the test says so.
async fn about_to_exit(server: &SshServer, engine: &TestEngine) -> Viewer {
    let mut viewer = engine.view(&open(server, 1)).await;
    viewer.wait_for("ready> ").await;
    for line in ["hold", "seq 5", "exit 3"] {
        viewer.type_line(line).await;
    }
    viewer
}

async fn expect_last_words(server: &SshServer, engine: &TestEngine) {
    let mut wanted = open(server, 1);
    wanted.password = None;
    let mut viewer = engine.view(&wanted).await;
    assert_eq!(
        viewer.wait_end().await,
        Last::Closed(EndReason::ProgramExited)
    );
    assert_eq!(viewer.exited, Some((3, String::new())));
    assert!(
        viewer.text().contains("4\r\n5\r\nready> exit 3\r\n"),
        "{}",
        viewer.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_words_of_a_program_wait_for_its_viewer() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = about_to_exit(&server, &engine).await;
    viewer.send(&ViewerFrame::Disconnect).await;
    viewer.wait_end().await;
    server.release.send_replace(true);
    wait_shells(&server, 0).await;
    expect_last_words(&server, &engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_words_wait_though_nobody_noticed_that_the_viewer_is_gone() {
    for _ in 0..20 {
        let server = SshServer::start(SignIn::Password).await;
        let engine = TestEngine::start().await;
        let viewer = about_to_exit(&server, &engine).await;
        // The engine learns of both at the same instant.
        drop(viewer);
        server.release.send_replace(true);
        wait_shells(&server, 0).await;
        expect_last_words(&server, &engine).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_and_total_time_disconnect_and_leave_the_program() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut wanted = open(&server, 1);
    wanted.idle_timeout_s = 1;
    let mut viewer = engine.view(&wanted).await;
    assert_eq!(
        viewer.wait_end().await,
        Last::Closed(EndReason::IdleTimeout)
    );
    wanted.idle_timeout_s = 0;
    wanted.total_timeout_s = 1;
    let mut viewer = engine.view(&wanted).await;
    assert_eq!(
        viewer.wait_end().await,
        Last::Closed(EndReason::TotalTimeout)
    );
    assert_eq!(server.shells.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_without_a_viewer_ends_after_its_time() {
    let server = SshServer::start(SignIn::Password).await;
    let engine =
        TestEngine::with(|settings| settings.detached_max = Duration::from_millis(100)).await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    drop(viewer);
    wait_shells(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_stops_tells_its_viewers_and_ends_the_programs() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    let socket = engine.socket();
    engine.shutdown.cancel();
    assert_eq!(
        viewer.wait_end().await,
        Last::Closed(EndReason::ProcessStopped)
    );
    tokio::time::timeout(PATIENCE, engine.running)
        .await
        .unwrap()
        .unwrap();
    assert!(!socket.exists());
    wait_shells(&server, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_viewers_at_the_same_instant_share_one_program() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let wanted = open(&server, 1);
    let (mut one, mut two) = tokio::join!(engine.view(&wanted), engine.view(&wanted));
    let mut stays = tokio::select! {
        last = one.wait_end() => {
            assert_eq!(last, Last::Closed(EndReason::TakenOver));
            two
        }
        last = two.wait_end() => {
            assert_eq!(last, Last::Closed(EndReason::TakenOver));
            one
        }
    };
    if stays.output.is_empty() {
        stays.wait_for("ready> ").await;
    }
    assert_eq!(server.shells.load(Ordering::Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_of_sessions_is_told() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::with(|settings| settings.sessions_max = 1).await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    let refused = engine.view(&open(&server, 2)).await.wait_refused().await;
    assert_eq!(refused.code, "too-many-sessions");
}
