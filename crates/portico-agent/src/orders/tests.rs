use std::{fs, path::Path};

use portico_model::{
    Timestamp,
    seen::{HostSession, HostSessionState},
};
use portico_net::clock::ManualClock;

use super::*;
use crate::{
    load::LoadOf,
    processes::ProcessId,
    sessions::{Hold, HoldKind},
};

fn seen(key: &str, account: &str, kind: HostSessionKind) -> SeenSession {
    SeenSession {
        session: HostSession {
            key: key.into(),
            account: account.into(),
            kind,
            display: None,
            state: HostSessionState::Active,
            age_s: 1,
            state_age_s: None,
            idle_s: None,
        },
        hold: Hold {
            leader: ProcessId { pid: 1, start: 1 },
            uid: 1,
            gid: 1,
            home: "/".into(),
            kind: HoldKind::Seat,
        },
    }
}

/// A host of an empty folder, on which nothing can be harmed.
fn host(restart_command: &[&str]) -> (tempfile::TempDir, Host) {
    let folder = tempfile::tempdir().unwrap();
    let sampler = Sampler::new(folder.path(), LoadOf::Machine);
    let clock = Arc::new(ManualClock::at(Timestamp::from_unix_ms(0)));
    let command = restart_command.iter().map(|&part| part.into()).collect();
    (folder, Host::new(sampler, clock, 1, command))
}

fn of(key: Option<&str>, account: &str) -> SessionOnHost {
    SessionOnHost {
        key: key.map(str::to_owned),
        account: account.into(),
        kind: HostSessionKind::Rdp,
    }
}

#[test]
fn a_key_that_belongs_to_another_account_by_now_is_not_acted_on() {
    let all = [
        seen("xrdp:10+5", "anna", HostSessionKind::Rdp),
        seen("xrdp:11+6", "ben", HostSessionKind::Rdp),
        seen("ssh:pts/0+7", "anna", HostSessionKind::Ssh),
    ];
    let keys = |wanted: &SessionOnHost| -> Vec<String> {
        chosen(&all, wanted)
            .into_iter()
            .map(|seen| seen.session.key)
            .collect()
    };
    assert_eq!(keys(&of(Some("xrdp:10+5"), "anna")), ["xrdp:10+5"]);
    assert_eq!(keys(&of(None, "anna")), ["xrdp:10+5"]);
    assert!(keys(&of(Some("xrdp:10+5"), "ben")).is_empty());
    assert!(keys(&of(Some("xrdp:10+4"), "anna")).is_empty());
    assert!(keys(&of(Some("ssh:pts/0+7"), "anna")).is_empty());
}

#[tokio::test]
async fn sessions_that_are_not_there_are_not_found_and_nobody_there_is_no_failure() {
    let (_folder, host) = host(&[]);
    let wanted = of(Some("xrdp:10+5"), "anna");
    for order in [
        Order::LogOff {
            session: wanted.clone(),
        },
        Order::Disconnect {
            session: wanted.clone(),
        },
        Order::Message {
            session: Some(wanted),
            from: "ops".into(),
            text: "hi".into(),
        },
    ] {
        assert_eq!(host.carry_out(order).await, OrderOutcome::NotFound);
    }
    let all = Order::Message {
        session: None,
        from: "ops".into(),
        text: "hi".into(),
    };
    assert!(matches!(
        host.carry_out(all).await,
        OrderOutcome::Done { .. }
    ));
}

#[tokio::test]
async fn no_more_orders_than_the_limit_are_carried_out_at_once() {
    let (_folder, host) = host(&[]);
    let mut places: Vec<OrderPlace> = (0..ORDERS_MAX)
        .map(|_| host.place().ok().unwrap())
        .collect();
    let refused = host.place().err().unwrap();
    assert!(
        matches!(&refused, OrderOutcome::Failed { detail } if detail.contains("16 orders")),
        "{refused:?}"
    );
    places.pop();
    let place = host.place().ok().unwrap();
    let outcome = place.carry_out(Order::TellIdentities).await;
    assert!(
        matches!(outcome, OrderOutcome::Identities { .. }),
        "{outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_planned_once_and_runs_its_command_after_the_time() {
    let (folder, host) = host(&[]);
    let order = |after_s| Order::Restart {
        after_s,
        text: "soon".into(),
    };
    assert!(matches!(
        host.carry_out(order(0)).await,
        OrderOutcome::NotSupported { .. }
    ));
    let mark = folder.path().join("restarted");
    let command = ["/usr/bin/touch", mark.to_str().unwrap()];
    let (_other, host) = self::host(&command);
    let late = host.carry_out(order(RESTART_AFTER_MAX_S + 1)).await;
    assert!(matches!(late, OrderOutcome::Failed { .. }), "{late:?}");
    assert!(matches!(
        host.carry_out(order(60)).await,
        OrderOutcome::Done { .. }
    ));
    let twice = host.carry_out(order(60)).await;
    assert!(
        matches!(&twice, OrderOutcome::Failed { detail } if detail.contains("already")),
        "{twice:?}"
    );
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert!(!mark.exists());
    tokio::time::sleep(Duration::from_secs(1)).await;
    tokio::time::resume();
    while host.0.restarting.load(std::sync::atomic::Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    assert!(mark.exists());
}

#[tokio::test]
async fn a_restart_command_that_is_not_there_is_told_at_once() {
    for command in ["/no/such/program", "reboot"] {
        let (_folder, host) = host(&[command]);
        let order = Order::Restart {
            after_s: 0,
            text: String::new(),
        };
        for _ in 0..2 {
            let outcome = host.carry_out(order.clone()).await;
            assert!(
                matches!(&outcome, OrderOutcome::Failed { detail } if detail.contains(command)),
                "{outcome:?}"
            );
        }
    }
}

#[test]
fn a_message_is_no_option_no_markup_and_no_escape_sequence() {
    let text = message::harmless("--title=x\n<b>$(reboot)</b> & \u{1b}[2J\u{202e}\\n");
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{202e}'),
        "{text:?}"
    );
    for program in message::programs("Message from ops", &text) {
        let name = program.path.display().to_string();
        let options = program
            .arguments
            .iter()
            .take_while(|argument| *argument != "--");
        for argument in options {
            assert!(!argument.starts_with("--title=x"), "{name}: {argument:?}");
        }
        for argument in &program.arguments {
            if name.ends_with("kdialog") || name.ends_with("notify-send") {
                assert!(!argument.contains("<b>"), "{name}: {argument:?}");
            }
        }
        if name.ends_with("xmessage") {
            assert!(program.input.unwrap().contains("<b>$(reboot)</b>"));
        }
    }
    assert!(message::harmless(&"é".repeat(5_000)).len() <= 2_048 + 3);
}

#[test]
fn a_message_is_written_to_no_file_and_to_nobody_elses_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pts");
    fs::write(&file, "before").unwrap();
    let own = rustix::process::getuid().as_raw();
    assert_eq!(
        message::on_terminal(&file, own, "t", "x"),
        OrderOutcome::NotFound
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    let none = folder.path().join("none");
    assert_eq!(
        message::on_terminal(&none, own, "t", "x"),
        OrderOutcome::NotFound
    );
    // A character device of somebody else.
    let null = Path::new("/dev/null");
    assert_eq!(
        message::on_terminal(null, own + 1, "t", "x"),
        OrderOutcome::NotFound
    );
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(null, &link).unwrap();
    assert!(matches!(
        message::on_terminal(&link, own, "t", "x"),
        OrderOutcome::Failed { .. }
    ));
}

#[tokio::test]
async fn a_signal_reaches_that_process_and_no_other_with_its_id() {
    use rustix::process::Signal;
    use signals::{Signalled, gone, signal};
    let mut child = crate::child::Program::new("/bin/sleep")
        .arguments(["1000"])
        .start()
        .unwrap();
    let pid = child.id().unwrap();
    let stat = crate::processes::stat_of(&mut crate::files::Files::new("/"), pid).unwrap();
    let id = ProcessId {
        pid,
        start: stat.start,
    };
    let other = ProcessId {
        pid,
        start: stat.start + 1,
    };
    assert_eq!(signal(other, Signal::KILL).unwrap(), Signalled::Gone);
    assert!(gone(&[other], Duration::ZERO).await);
    assert!(!gone(&[id], Duration::ZERO).await);
    assert_eq!(signal(id, Signal::TERM).unwrap(), Signalled::Sent);
    assert!(gone(&[id], Duration::from_secs(10)).await);
    child.wait().await.unwrap();
    assert_eq!(signal(id, Signal::KILL).unwrap(), Signalled::Gone);
}

#[test]
fn outcomes_of_several_sessions_are_joined_and_cut_to_what_a_message_holds() {
    let mut said = Said::default();
    said.add("a", OrderOutcome::Done { detail: "x".into() });
    said.add("b", OrderOutcome::NotFound);
    said.add(
        "c",
        OrderOutcome::Failed {
            detail: "\u{1b}[2J".repeat(2_000),
        },
    );
    let OrderOutcome::Failed { detail } = fit(said.outcome()) else {
        panic!("not failed");
    };
    assert!(detail.len() <= LONG_TEXT_LEN_MAX && !detail.contains('\u{1b}'));
    let mut said = Said::default();
    said.add("a", OrderOutcome::NotSupported { detail: "x".into() });
    assert!(matches!(said.outcome(), OrderOutcome::NotSupported { .. }));
    assert_eq!(Said::default().outcome(), OrderOutcome::NotFound);
}
