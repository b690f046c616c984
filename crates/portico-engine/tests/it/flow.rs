use std::{sync::atomic::Ordering, time::Duration};

use portico_wire::terminal::{ViewerFrame, WINDOW_LEN};

use crate::{
    ssh_server::{SignIn, SshServer},
    viewer::{PATIENCE, TestEngine, open},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_does_not_draw_makes_the_host_wait_and_goes_on_when_it_does() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::with(|settings| settings.stall_max = Duration::from_secs(3600)).await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    (viewer.draws, viewer.keeps) = (false, false);
    viewer.type_line("flood 16").await;
    let begin = viewer.received;
    while viewer.received < begin + WINDOW_LEN {
        assert_eq!(viewer.read().await, None);
    }
    assert_eq!(
        viewer.received,
        begin + WINDOW_LEN,
        "not one byte beyond the window"
    );
    // All buffers on the way fill up, and then the host waits: two looks see the same.
    let mut last = u64::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = server.flooded.load(Ordering::Relaxed);
        if now == last {
            break;
        }
        last = now;
    }
    assert!(last < 8 << 20, "{last} bytes left the host");
    (viewer.draws, viewer.keeps) = (true, true);
    let received = viewer.received;
    viewer.send(&ViewerFrame::Ack { received }).await;
    viewer.wait_for("ready> ").await;
    assert_eq!(viewer.opened.len(), 1, "nothing was skipped");
    assert_eq!(server.flooded.load(Ordering::Relaxed), 16 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_that_never_draws_is_left_behind_and_can_come_back() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::with(|settings| settings.stall_max = Duration::from_millis(50)).await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    viewer.draws = false;
    viewer.type_line("flood 4").await;
    let flooding = async {
        while server.flooded.load(Ordering::Relaxed) < 4 << 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, flooding)
        .await
        .expect("the program goes on");
    // It draws again: a clean start, and the end of the output.
    viewer.draws = true;
    while viewer.opened.len() < 2 {
        assert_eq!(viewer.read().await, None);
    }
    viewer.wait_for("ready> ").await;
    assert_eq!(viewer.opened.len(), 2);
    assert!(!viewer.opened[1].1);
    viewer.type_line("size").await;
    viewer.wait_for("24 80\r\nready> ").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_viewer_a_flood_ends_and_a_new_viewer_sees_whole_lines() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    viewer.type_line("flood 4").await;
    viewer.read().await;
    drop(viewer);
    let flooding = async {
        while server.flooded.load(Ordering::Relaxed) < 4 << 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, flooding)
        .await
        .expect("the program goes on");
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    let output = String::from_utf8(viewer.output.clone()).unwrap();
    assert!(
        output.starts_with("\x1bc0123456789abcde\n"),
        "{:?}",
        &output[..40]
    );
    assert!(
        (100_000..1_000_000).contains(&output.len()),
        "{}",
        output.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_screen_program_is_made_to_draw_again() {
    let mut server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    viewer.type_line("full-screen").await;
    viewer.wait_for("ready> ").await;
    drop(viewer);
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    let seen = server.wait_seen(|seen| seen.sizes.len() >= 3).await;
    assert_eq!(seen.sizes, [(80, 24), (80, 23), (80, 24)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_input_at_once_arrives_whole_and_in_order() {
    let server = SshServer::start(SignIn::Password).await;
    let engine = TestEngine::start().await;
    let mut viewer = engine.view(&open(&server, 1)).await;
    viewer.wait_for("ready> ").await;
    let begin = viewer.output.len();
    let text: String = (0..40_000).map(|n| format!("{n};")).collect();
    for part in text.as_bytes().chunks(50_000) {
        viewer.send(&ViewerFrame::Input(part)).await;
    }
    viewer.wait_for(";39998;39999;").await;
    assert!(viewer.output[begin..] == *text.as_bytes());
}
