//! Showing a text to people: in a window on desktops, as lines on terminals.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use portico_model::{printable, seen::OrderOutcome};

use super::{Host, desktop};
use crate::{
    child::Program,
    sessions::{Hold, HoldKind, SeenSession},
};

/// Time a message stays on a screen unless it is closed.
const SHOWN: Duration = Duration::from_secs(300);
/// A program that still runs after this time shows its window.
const STARTS: Duration = Duration::from_millis(1_500);
/// Longest text that is shown, in bytes.
const TEXT_LEN_MAX: usize = 2_048;

/// Shows a text to one session.
pub(crate) async fn show(host: &Host, seen: &SeenSession, from: &str, text: &str) -> OrderOutcome {
    let title = format!("Message from {}", printable(from));
    let text = harmless(text);
    match &seen.hold.kind {
        HoldKind::Desktop { .. } => on_desktop(host, &seen.hold, &title, &text).await,
        HoldKind::Terminal { terminal, .. } => {
            let path = host.0.root.join("dev").join(terminal);
            on_terminal(&path, seen.hold.uid, &title, &text)
        }
        HoldKind::Seat => OrderOutcome::NotSupported {
            detail: "messages reach desktops of xrdp and terminals".into(),
        },
    }
}

/// The text with its lines, and nothing in it that a terminal or window would act on.
pub(crate) fn harmless(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(printable).collect();
    let mut text = lines.join("\n");
    if text.len() > TEXT_LEN_MAX {
        let end = (0..=TEXT_LEN_MAX)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

/// The programs that can show a text, best first. None of them is given the text where it could
/// be taken for an option or for markup.
pub(crate) fn programs(title: &str, text: &str) -> Vec<Program> {
    let seconds = SHOWN.as_secs().to_string();
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let whole = format!("{title}\n\n{text}\n");
    let mut xmessage = Program::new("/usr/bin/xmessage").arguments([
        "-center", "-timeout", &seconds, "-buttons", "Close", "-default", "Close", "-file", "-",
    ]);
    xmessage.input = Some(whole);
    vec![
        Program::new("/usr/bin/zenity").arguments([
            "--info".to_owned(),
            "--no-markup".into(),
            format!("--timeout={seconds}"),
            format!("--title={title}"),
            // zenity reads backslash escapes in its text.
            format!("--text={}", text.replace('\\', "\\\\")),
        ]),
        Program::new("/usr/bin/kdialog").arguments([
            format!("--title={title}"),
            format!("--msgbox=<qt>{}</qt>", escaped.replace('\n', "<br>")),
        ]),
        xmessage,
        Program::new("/usr/bin/notify-send").arguments([
            format!("--expire-time={}", SHOWN.as_millis()),
            "--urgency=critical".into(),
            "--".into(),
            title.to_owned(),
            escaped,
        ]),
    ]
}

async fn on_desktop(host: &Host, hold: &Hold, title: &str, text: &str) -> OrderOutcome {
    let Ok(permit) = host.0.messages.clone().try_acquire_owned() else {
        return OrderOutcome::Failed {
            detail: format!("{} messages are on screens already", super::MESSAGES_MAX),
        };
    };
    let variables = desktop::variables(host, hold);
    let mut reasons = Vec::new();
    for mut program in programs(title, text) {
        if !host
            .0
            .root
            .join(program.path.strip_prefix("/").unwrap_or(&program.path))
            .exists()
        {
            continue;
        }
        program.user = Some((hold.uid, hold.gid));
        program.variables.clone_from(&variables);
        let name = program.path.display().to_string();
        let mut child = match program.start() {
            Ok(child) => child,
            Err(error) => {
                reasons.push(error.to_string());
                continue;
            }
        };
        match tokio::time::timeout(STARTS, child.wait()).await {
            Ok(Ok(status)) if !status.success() => {
                reasons.push(format!("{name} failed ({status})"))
            }
            Ok(Err(error)) => reasons.push(format!("{name}: {error}")),
            ended => {
                if ended.is_err() {
                    tokio::spawn(async move {
                        // Killed when it is dropped.
                        let _closed = tokio::time::timeout(SHOWN, child.wait()).await;
                        drop(permit);
                    });
                }
                return OrderOutcome::Done {
                    detail: format!("shown by {name}"),
                };
            }
        }
    }
    if reasons.is_empty() {
        return OrderOutcome::NotSupported {
            detail:
                "install zenity, kdialog, xmessage (package x11-utils) or notify-send on the host"
                    .into(),
        };
    }
    OrderOutcome::Failed {
        detail: reasons.join("; "),
    }
}

/// Writes to a terminal, if it is one and belongs to the user: what was there may be gone.
pub(crate) fn on_terminal(path: &Path, uid: u32, title: &str, text: &str) -> OrderOutcome {
    let attempt = || {
        let mut terminal = fs::OpenOptions::new()
            .write(true)
            // A terminal that is stopped must not hold the agent, nor become its own.
            .custom_flags(not_blocking())
            .open(path)?;
        let about = terminal.metadata()?;
        if !about.file_type().is_char_device() || about.uid() != uid {
            return Ok(false);
        }
        let text = text.replace('\n', "\r\n");
        terminal.write_all(format!("\r\n\u{7}{title}:\r\n{text}\r\n\r\n").as_bytes())?;
        Ok::<bool, std::io::Error>(true)
    };
    match attempt() {
        Ok(true) => OrderOutcome::Done {
            detail: format!("written to {}", path.display()),
        },
        Ok(false) => OrderOutcome::NotFound,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => OrderOutcome::NotFound,
        Err(error) => OrderOutcome::Failed {
            detail: format!("{}: {error}", path.display()),
        },
    }
}

fn not_blocking() -> i32 {
    let flags =
        rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NOFOLLOW;
    i32::try_from(flags.bits()).unwrap_or(0)
}
