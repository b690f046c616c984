//! Sessions as they are read from the files of real hosts of the lab, kept below
//! `tests/captured`, and from hosts that change or lie.

use std::{fs, path::Path};

use portico_agent::{
    load::LoadOf,
    sampler::{Sampler, Sessions},
    sessions::HoldKind,
};
use portico_model::{
    Timestamp,
    seen::{HostSessionKind, HostSessionState},
};

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_245_000_000);

fn captured(name: &str) -> Sampler {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captured");
    let mut sampler = Sampler::new(folder.join(name), LoadOf::Machine);
    sampler.look(NOW);
    sampler
}

/// `key account kind display state` of each session.
fn lines(sampler: &Sampler) -> Vec<String> {
    let report = sampler.report(1);
    assert_eq!(report.check(), Ok(()));
    report
        .sessions
        .iter()
        .map(|s| {
            let display = s.display.as_deref().unwrap_or("-");
            format!(
                "{} {} {:?} {display} {:?}",
                s.key, s.account, s.kind, s.state
            )
        })
        .collect()
}

#[test]
fn an_xrdp_session_is_active_while_xrdp_is_connected_to_its_sockets() {
    let active = captured("xrdp-active");
    assert_eq!(lines(&active), ["xrdp:10+1398777 demo Rdp :10 Active"]);
    let gone = captured("xrdp-disconnected");
    assert_eq!(lines(&gone), ["xrdp:10+1398777 demo Rdp :10 Disconnected"]);
    let seen = &gone.sessions()[0];
    assert_eq!(
        (seen.hold.uid, seen.hold.home.as_str()),
        (2001, "/home/demo")
    );
    assert!(
        matches!(&seen.hold.kind, HoldKind::Desktop { display: 10, keeper: Some(keeper) } if keeper.pid == 72)
    );
    assert!(seen.session.age_s > 60, "{seen:?}");
}

#[test]
fn an_ssh_session_is_a_terminal_of_the_ssh_server() {
    let sampler = captured("ssh");
    let lines = lines(&sampler);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("ssh:pts/0+"), "{lines:?}");
    assert!(lines[0].ends_with(" anna Ssh pts/0 Active"), "{lines:?}");
}

/// A host made of files, for what cannot be captured.
struct Made {
    folder: tempfile::TempDir,
}

struct Program<'a> {
    pid: u32,
    parent: u32,
    uid: u32,
    name: &'a str,
    start: u64,
    line: &'a str,
}

impl Made {
    fn new() -> Self {
        let made = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        made.write("proc/uptime", "1000.00 0.00\n");
        made.last_pid(100);
        made.write("etc/passwd", "root:x:0:0::/root:/bin/sh\nanna:x:2002:2002::/home/anna:/bin/sh\nben:x:2003:2003::/home/ben:/bin/sh\n");
        made.write(
            "proc/net/unix",
            "Num RefCount Protocol Flags Type St Inode Path\n",
        );
        made.run(&Program {
            pid: 5,
            parent: 1,
            uid: 0,
            name: "xrdp-sesman",
            start: 5,
            line: "xrdp-sesman",
        });
        made.run(&Program {
            pid: 6,
            parent: 1,
            uid: 0,
            name: "sshd",
            start: 6,
            line: "sshd: [listener]",
        });
        made
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn last_pid(&self, pid: u32) {
        self.write("proc/loadavg", format!("0 0 0 1/10 {pid}\n"));
    }

    fn run(&self, program: &Program<'_>) {
        let Program {
            pid,
            parent,
            uid,
            name,
            start,
            line,
        } = program;
        let zeros = "0 ".repeat(17);
        self.write(
            &format!("proc/{pid}/stat"),
            format!("{pid} ({name}) S {parent} {zeros}{start} 0\n"),
        );
        self.write(
            &format!("proc/{pid}/status"),
            format!("Name:\tx\nUid:\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\n"),
        );
        self.write(&format!("proc/{pid}/cmdline"), line.replace(' ', "\0"));
    }

    fn title(&self, pid: u32, title: &str) {
        self.write(&format!("proc/{pid}/cmdline"), title);
    }

    fn end(&self, pid: u32) {
        fs::remove_dir_all(self.folder.path().join(format!("proc/{pid}"))).unwrap();
    }

    fn x_server(&self, pid: u32, parent: u32, uid: u32, display: u32, start: u64) {
        let line = format!("/usr/lib/xorg/Xorg :{display} -auth .Xauthority");
        self.run(&Program {
            pid,
            parent,
            uid,
            name: "Xorg",
            start,
            line: &line,
        });
    }

    fn sampler(&self) -> Sampler {
        Sampler::new(self.folder.path(), LoadOf::Machine)
    }
}

fn keys(sampler: &Sampler) -> Vec<String> {
    sampler
        .report(1)
        .sessions
        .into_iter()
        .map(|s| s.key)
        .collect()
}

#[test]
fn a_session_that_vanishes_is_missed_at_the_next_look_also_as_a_zombie() {
    let host = Made::new();
    host.x_server(20, 5, 2002, 10, 50_000);
    let mut sampler = host.sampler();
    assert_eq!(sampler.look(NOW), Sessions::Changed);
    assert_eq!(keys(&sampler), ["xrdp:10+50000"]);
    assert_eq!(sampler.look(NOW), Sessions::Same);
    let stat = format!("20 (Xorg) Z 5 {}50000 0\n", "0 ".repeat(17));
    host.write("proc/20/stat", stat);
    assert_eq!(sampler.look(NOW), Sessions::Changed);
    assert!(keys(&sampler).is_empty());
    host.end(20);
    assert_eq!(sampler.look(NOW), Sessions::Same);
}

#[test]
fn a_process_id_that_is_used_again_is_another_session() {
    let host = Made::new();
    host.x_server(20, 5, 2002, 10, 50_000);
    let mut sampler = host.sampler();
    sampler.look(NOW);
    // The same id, display and user, and nobody looked in between.
    host.x_server(20, 5, 2002, 10, 60_000);
    host.last_pid(101);
    assert_eq!(sampler.look(NOW), Sessions::Changed);
    assert_eq!(keys(&sampler), ["xrdp:10+60000"]);
    // Now it is somebody else's, and no X server.
    host.run(&Program {
        pid: 20,
        parent: 1,
        uid: 2003,
        name: "vi",
        start: 61_000,
        line: "vi",
    });
    sampler.look(NOW);
    assert!(keys(&sampler).is_empty());
}

#[test]
fn an_id_of_no_interest_that_is_used_again_is_looked_at_when_ids_went_round() {
    let host = Made::new();
    host.run(&Program {
        pid: 20,
        parent: 1,
        uid: 0,
        name: "cron",
        start: 10,
        line: "cron",
    });
    let mut sampler = host.sampler();
    sampler.look(NOW);
    host.x_server(20, 5, 2002, 10, 99_000);
    host.last_pid(20);
    sampler.look(NOW);
    assert_eq!(keys(&sampler), ["xrdp:10+99000"]);
}

#[test]
fn a_process_that_becomes_an_x_server_after_it_was_seen_is_found() {
    let host = Made::new();
    host.run(&Program {
        pid: 20,
        parent: 5,
        uid: 0,
        name: "xrdp-sesman",
        start: 99_950,
        line: "xrdp-sesman",
    });
    let mut sampler = host.sampler();
    sampler.look(NOW);
    assert!(keys(&sampler).is_empty());
    // No process was made since: it only started another program.
    host.x_server(20, 5, 2002, 10, 99_950);
    assert_eq!(sampler.look(NOW), Sessions::Changed);
    assert_eq!(keys(&sampler), ["xrdp:10+99950"]);
}

#[test]
fn files_that_vanish_or_are_cut_while_they_are_read_leave_a_session_out() {
    for (path, text) in [
        ("proc/20/stat", None),
        ("proc/20/stat", Some("20 (Xorg) S 5")),
        ("proc/20/stat", Some("")),
        ("proc/20/status", None),
        ("proc/20/status", Some("Uid:")),
        ("proc/20/cmdline", None),
        ("proc/20/cmdline", Some("")),
    ] {
        let host = Made::new();
        host.x_server(20, 5, 2002, 10, 50_000);
        host.x_server(30, 5, 2003, 11, 50_001);
        host.run(&Program {
            pid: 7,
            parent: 5,
            uid: 0,
            name: "xrdp-sesman",
            start: 7,
            line: "xrdp-sesman",
        });
        host.x_server(31, 7, 2003, 12, 50_002);
        match text {
            None => fs::remove_file(host.folder.path().join(path)).unwrap(),
            Some(text) => host.write(path, text),
        }
        let mut sampler = host.sampler();
        sampler.look(NOW);
        // The other two have one keeper each; only the broken one is missing.
        assert_eq!(
            keys(&sampler),
            ["xrdp:11+50001", "xrdp:12+50002"],
            "{path} {text:?}"
        );
    }
    // Without a list of sockets nobody is known to be connected, and the session is still there.
    let host = Made::new();
    host.x_server(20, 5, 2002, 10, 50_000);
    fs::remove_file(host.folder.path().join("proc/net/unix")).unwrap();
    let mut sampler = host.sampler();
    sampler.look(NOW);
    assert_eq!(keys(&sampler), ["xrdp:10+50000"]);
}

#[test]
fn programs_of_users_cannot_pretend_to_be_sessions_of_others() {
    let host = Made::new();
    // An X server nobody asked for, one of root, and one below a shell.
    host.x_server(20, 1, 2002, 10, 50_000);
    host.x_server(21, 5, 0, 11, 50_001);
    host.run(&Program {
        pid: 22,
        parent: 1,
        uid: 2003,
        name: "xrdp-sesman",
        start: 9,
        line: "x",
    });
    host.x_server(23, 22, 2003, 12, 50_002);
    // A copy of `sleep` that is called sshd, with the title of somebody else's session.
    host.run(&Program {
        pid: 24,
        parent: 22,
        uid: 2003,
        name: "sshd",
        start: 50_003,
        line: "x",
    });
    host.title(24, "sshd: root@pts/0");
    let mut sampler = host.sampler();
    sampler.look(NOW);
    assert!(keys(&sampler).is_empty(), "{:?}", keys(&sampler));
    // Many X servers below one keeper are one session, so no key appears twice.
    host.x_server(30, 5, 2002, 10, 50_000);
    host.x_server(31, 5, 2002, 10, 50_000);
    host.last_pid(101);
    sampler.look(NOW);
    assert_eq!(keys(&sampler), ["xrdp:10+50000"]);
}

#[test]
fn hostile_names_are_made_harmless_and_short() {
    let host = Made::new();
    host.run(&Program {
        pid: 20,
        parent: 6,
        uid: 2002,
        name: "sshd",
        start: 50_000,
        line: "x",
    });
    let name = format!("\u{1b}[2J\u{202e}\r\n{}", "n".repeat(400));
    host.title(20, &format!("sshd: {name}@pts/0"));
    let mut sampler = host.sampler();
    sampler.look(NOW);
    let report = sampler.report(1);
    assert_eq!(report.check(), Ok(()));
    let account = &report.sessions[0].account;
    assert!(
        account.starts_with("\\u{1b}[2J\\u{202e}\\r\\nnnn"),
        "{account:?}"
    );
    assert_eq!(account.len(), 256);
}

#[test]
fn terminals_that_belong_to_others_are_no_sessions() {
    let host = Made::new();
    let own = rustix::process::getuid().as_raw();
    host.run(&Program {
        pid: 20,
        parent: 6,
        uid: own,
        name: "sshd",
        start: 50_000,
        line: "x",
    });
    host.run(&Program {
        pid: 21,
        parent: 6,
        uid: own + 1,
        name: "sshd",
        start: 50_001,
        line: "x",
    });
    host.title(20, "sshd: anna@pts/1,pts/2");
    host.title(21, "sshd: ben@pts/1");
    for number in [1, 2] {
        host.write(&format!("dev/pts/{number}"), "");
    }
    let mut sampler = host.sampler();
    sampler.look(NOW);
    assert_eq!(keys(&sampler), ["ssh:pts/1+50000", "ssh:pts/2+50000"]);
    assert!(sampler.report(1).sessions[0].idle_s.is_some());
    for seen in sampler.sessions() {
        assert!(matches!(
            seen.hold.kind,
            HoldKind::Terminal { shared: true, .. }
        ));
    }
}

#[test]
fn an_xvnc_session_is_active_while_somebody_is_connected_to_its_port_on_loopback() {
    let host = Made::new();
    host.run(&Program {
        pid: 20,
        parent: 5,
        uid: 2002,
        name: "Xvnc",
        start: 50_000,
        line: "Xvnc :12 -auth .Xauthority",
    });
    let mut sampler = host.sampler();
    sampler.look(NOW);
    let state = |sampler: &Sampler| sampler.report(1).sessions[0].state;
    assert_eq!(state(&sampler), HostSessionState::Disconnected);
    host.write("proc/net/tcp", "head\n 0: 0100007F:1718 0100007F:A000 01\n");
    assert_eq!(sampler.look(NOW), Sessions::Changed);
    assert_eq!(state(&sampler), HostSessionState::Active);
    assert_eq!(sampler.report(1).sessions[0].state_age_s, Some(0));
    host.write("proc/uptime", "1007.00 0.00\n");
    sampler.look(NOW);
    assert_eq!(sampler.report(1).sessions[0].state_age_s, Some(7));
}

#[test]
fn accounts_of_directories_are_asked_for_before_their_sessions_are_told() {
    let host = Made::new();
    host.x_server(20, 5, 70_001, 10, 50_000);
    let mut sampler = host.sampler();
    sampler.look(NOW);
    assert!(keys(&sampler).is_empty());
    assert!(sampler.unknown_ids().contains(&70_001));
    sampler.learn(70_001, Some("EX\\ina:*:70001:7::/home/ina:/bin/sh"));
    sampler.look(NOW);
    assert_eq!(sampler.report(1).sessions[0].account, "EX\\ina");
}

#[test]
fn people_at_the_machine_are_known_by_logind_or_utmp() {
    let host = Made::new();
    host.run(&Program {
        pid: 40,
        parent: 1,
        uid: 2002,
        name: "login",
        start: 90_000,
        line: "login",
    });
    let session = "UID=2002\nUSER=anna\nSTATE=active\nREMOTE=0\nCLASS=user\nSEAT=seat0\nTTY=tty2\nLEADER=40\n";
    host.write("run/systemd/sessions/3", session);
    host.write("run/systemd/sessions/3.ref", "");
    host.write(
        "run/systemd/sessions/4",
        session.replace("LEADER=40", "LEADER=41"),
    );
    let mut sampler = host.sampler();
    sampler.look(NOW);
    let report = sampler.report(1);
    assert_eq!(keys(&sampler), ["console:tty2+90000"]);
    assert_eq!(report.sessions[0].kind, HostSessionKind::Console);
    assert_eq!(report.sessions[0].age_s, 100);
}

#[test]
fn a_report_names_no_more_sessions_than_it_may() {
    let host = Made::new();
    host.run(&Program {
        pid: 20,
        parent: 6,
        uid: 2002,
        name: "sshd",
        start: 50_000,
        line: "x",
    });
    let all: Vec<String> = (0..=portico_model::seen::REPORT_SESSIONS_MAX)
        .map(|n| format!("pts/{n}"))
        .collect();
    host.title(20, &format!("sshd: anna@{}", all.join(",")));
    let mut sampler = host.sampler();
    sampler.look(NOW);
    let report = sampler.report(1);
    assert_eq!(report.check(), Ok(()));
    assert_eq!(
        report.sessions.len(),
        portico_model::seen::REPORT_SESSIONS_MAX
    );
}
