//! What is special to desktops of xrdp.

use std::time::Duration;

use portico_model::seen::{HostSessionState, OrderOutcome};

use super::Host;
use crate::{
    child::Program,
    files::Files,
    parse::process,
    processes::{ProcessId, ids_of, stat_of},
    sessions::{Hold, HoldKind, SeenSession},
};

/// xrdp's own way to cut a connection: it tells xorgxrdp, which drops it.
const XRDP_DIS: &str = "/usr/bin/xrdp-dis";
/// Time for that program, and for the connection to be gone.
const DISCONNECT_GRACE: Duration = Duration::from_secs(3);
/// Longest value that is taken over from a session's environment, in bytes.
const VARIABLE_LEN_MAX: usize = 1_024;

/// Cuts the connection of a desktop; the desktop goes on.
pub(crate) async fn disconnect(host: &Host, seen: &SeenSession) -> OrderOutcome {
    if seen.session.state == HostSessionState::Disconnected {
        return OrderOutcome::Done {
            detail: "nobody was connected".into(),
        };
    }
    let mut program = Program::new(XRDP_DIS);
    program.user = Some((seen.hold.uid, seen.hold.gid));
    program.variables = variables(host, &seen.hold);
    match program.run(DISCONNECT_GRACE).await {
        Ok(ended) if ended.status.success() => {}
        Ok(ended) => {
            return OrderOutcome::Failed {
                detail: format!(
                    "xrdp-dis failed: {} {}",
                    ended.output.trim(),
                    ended.errors.trim()
                ),
            };
        }
        Err(error) => {
            return OrderOutcome::NotSupported {
                detail: format!("{error}; it cuts the connections of desktops with Xorg"),
            };
        }
    }
    let until = tokio::time::Instant::now() + DISCONNECT_GRACE;
    loop {
        let now = host.sessions();
        let still = now
            .iter()
            .find(|other| other.session.key == seen.session.key)
            .map(|other| other.session.state);
        match still {
            None => return OrderOutcome::NotFound,
            Some(HostSessionState::Disconnected) => {
                return OrderOutcome::Done {
                    detail: "the connection is cut, the desktop goes on".into(),
                };
            }
            Some(HostSessionState::Active) if tokio::time::Instant::now() >= until => {
                return OrderOutcome::Failed {
                    detail: "xrdp was told to cut the connection and did not".into(),
                };
            }
            Some(HostSessionState::Active) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The programs whose end is the desktop's: what the session manager started as the user beside the X
/// server and the channels.
pub(crate) fn window_managers(host: &Host, hold: &Hold) -> Vec<ProcessId> {
    let HoldKind::Desktop {
        keeper: Some(keeper),
        ..
    } = hold.kind
    else {
        return Vec::new();
    };
    let mut files = Files::new(&host.0.root);
    let pids: Vec<u32> = files
        .names("proc")
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let mut found = Vec::new();
    for pid in pids {
        let Some(stat) = stat_of(&mut files, pid) else {
            continue;
        };
        let is_child = stat.parent == keeper.pid && pid != hold.leader.pid;
        if is_child
            && stat.name != "xrdp-chansrv"
            && ids_of(&mut files, pid).is_some_and(|ids| ids.uid == hold.uid)
        {
            found.push(ProcessId {
                pid,
                start: stat.start,
            });
        }
    }
    found
}

/// What a program needs to show something on a desktop. The values are the user's own choice, and
/// so is the program's user.
pub(crate) fn variables(host: &Host, hold: &Hold) -> Vec<(&'static str, String)> {
    let HoldKind::Desktop { display, .. } = &hold.kind else {
        return Vec::new();
    };
    let mut files = Files::new(&host.0.root);
    let mut variables = vec![
        ("DISPLAY", format!(":{display}")),
        ("HOME", hold.home.clone()),
        (
            "XAUTHORITY",
            format!("{}/.Xauthority", hold.home.trim_end_matches('/')),
        ),
    ];
    let manager = window_managers(host, hold);
    for id in manager.first().iter().copied().chain([&hold.leader]) {
        let Ok(environ) = files.bytes(&format!("proc/{}/environ", id.pid)) else {
            continue;
        };
        for name in [
            "XAUTHORITY",
            "LANG",
            "XDG_RUNTIME_DIR",
            "DBUS_SESSION_BUS_ADDRESS",
            "XRDP_SOCKET_PATH",
        ] {
            let value = process::variable(environ, name);
            if let Some(value) =
                value.filter(|value| value.len() <= VARIABLE_LEN_MAX && !value.is_empty())
            {
                variables.retain(|(other, _)| *other != name);
                variables.push((name, value));
            }
        }
        break;
    }
    variables
}
