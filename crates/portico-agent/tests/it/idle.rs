//! For how long nobody has used a desktop: asked of a real X server, and of servers that lie.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use portico_agent::idle::{
    Told,
    display::{AskError, Asker, QUESTION_TIMEOUT, Question},
};
use portico_net::{
    flows::AGENT_DISPLAY,
    unix::{self, UnixError, UnixListener},
};
use portico_wire::x11::{
    AUTHORITY_LEN_MAX, AuthorityEntry, COOKIE_LEN, COOKIE_NAME, ExtensionReply, FAMILY_WILD,
    IdleInfo, SetupReply, SetupRequest, X11Error,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    process::Command,
};

const COOKIE: [u8; COOKIE_LEN] = *b"a cookie of test";

/// A host made of files with one desktop of this user.
struct Desk {
    folder: tempfile::TempDir,
    question: Question,
}

impl Desk {
    fn new(display: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let question = Question {
            key: "xrdp:7+1".into(),
            display,
            uid: fs::metadata(folder.path()).unwrap().uid(),
            home: "/home/anna".into(),
            pid: 74,
            root: folder.path().to_owned(),
        };
        let desk = Self { folder, question };
        fs::create_dir_all(desk.path("tmp/.X11-unix")).unwrap();
        desk.write("proc/sys/kernel/hostname", "sh1\n");
        desk.started_with(&["Xorg", ":7", "-auth", ".Xauthority"]);
        desk.write("home/anna/.Xauthority", cookie_file(display, COOKIE));
        desk
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn started_with(&self, arguments: &[&str]) {
        self.write("proc/74/cmdline", format!("{}\0", arguments.join("\0")));
    }

    async fn listen(&self) -> UnixListener {
        let path = self.path("tmp/.X11-unix/X7");
        unix::listen(AGENT_DISPLAY, &path, 0o777).await.unwrap()
    }

    async fn ask(&self) -> Result<Duration, AskError> {
        Asker::default().ask(&self.question).await
    }
}

fn cookie_file(display: u16, cookie: [u8; COOKIE_LEN]) -> Vec<u8> {
    let mut file = Vec::new();
    AuthorityEntry {
        family: FAMILY_WILD,
        address: b"",
        number: display.to_string().as_bytes(),
        name: COOKIE_NAME,
        data: &cookie,
    }
    .encode(&mut file)
    .unwrap();
    file
}

/// A busy machine may be too slow for one question; the answer counts, not the try.
async fn patiently(asker: &Asker, question: &Question) -> Result<Duration, AskError> {
    for _ in 0..100 {
        match asker.ask(question).await {
            Err(AskError::TimedOut | AskError::Busy) => {}
            other => return other,
        }
    }
    panic!("100 questions without an answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_x_server_tells_a_time_that_grows_and_nothing_for_a_wrong_cookie() {
    let program = Path::new("/usr/bin/Xvfb");
    assert!(
        program.exists(),
        "Xvfb is not installed; run: scripts/prepare clients"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cookie");
    // An entry for every display: the server chooses one that is free.
    let mut all = Vec::new();
    AuthorityEntry {
        family: FAMILY_WILD,
        address: b"",
        number: b"",
        name: COOKIE_NAME,
        data: &COOKIE,
    }
    .encode(&mut all)
    .unwrap();
    fs::write(&file, &all).unwrap();
    let mut server = Command::new(program)
        .args(["-displayfd", "1", "-noreset", "-nolisten", "tcp", "-auth"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let display = lines.next_line().await.unwrap().unwrap();
    let question = Question {
        key: "xrdp:x+1".into(),
        display: display.trim().parse().unwrap(),
        uid: fs::metadata(&file).unwrap().uid(),
        home: "/nonexistent".into(),
        pid: server.id().unwrap(),
        root: "/".into(),
    };
    let asker = Asker::default();
    let first = patiently(&asker, &question).await.unwrap();
    let begun = Instant::now();
    // Nobody uses this display, so its clock and ours go alike.
    let (mut took, mut asked) = (Duration::ZERO, 0_u32);
    let last = loop {
        let one = Instant::now();
        let idle = patiently(&asker, &question).await.unwrap();
        (took, asked) = (took + one.elapsed(), asked + 1);
        if idle >= first + Duration::from_millis(300) {
            break idle;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{first:?} {idle:?}"
        );
    };
    assert!(last < first + begun.elapsed() + Duration::from_secs(1));
    eprintln!("{asked} questions, {:?} for one", took / asked);

    // The server reads its own file again when it changes, so the wrong one is another.
    let elsewhere = Question {
        pid: u32::MAX,
        home: folder.path().to_str().unwrap().to_owned(),
        ..question
    };
    let own = folder.path().join(".Xauthority");
    fs::write(&own, cookie_file(elsewhere.display, [9; COOKIE_LEN])).unwrap();
    let error = patiently(&asker, &elsewhere).await.unwrap_err();
    assert!(
        matches!(error, AskError::Protocol(X11Error::NotLetIn)),
        "{error:?}"
    );
    assert_eq!(error.told(), Told::Failed);
    fs::write(&own, &all).unwrap();
    patiently(&asker, &elsewhere).await.unwrap();
    // Not killed: it takes its socket and lock away.
    let pid = rustix::process::Pid::from_raw(server.id().unwrap().try_into().unwrap());
    rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::TERM).unwrap();
    server.wait().await.unwrap();
    let error = patiently(&asker, &elsewhere).await.unwrap_err();
    assert!(matches!(error, AskError::Socket(_)), "{error:?}");
    assert_eq!(error.told(), Told::NotThere);
}

/// Serves one client as an X server does; the cookie that it showed.
async fn serve(stream: &mut UnixStream, idle_ms: u32) -> std::io::Result<Vec<u8>> {
    let mut request = [0; SetupRequest::LEN];
    stream.read_exact(&mut request).await?;
    let setup = SetupReply::Accepted { root: 5 }.encode();
    stream.write_all(&setup).await?;
    stream.read_exact(&mut [0; 24]).await?;
    let extension = ExtensionReply { opcode: Some(130) };
    stream.write_all(&extension.encode(1)).await?;
    stream.read_exact(&mut [0; 8]).await?;
    let info = IdleInfo { idle_ms };
    stream.write_all(&info.encode(2)).await?;
    Ok(request[SetupRequest::LEN - COOKIE_LEN..].to_vec())
}

#[tokio::test]
async fn the_cookie_is_found_where_the_server_or_its_environment_says() {
    let desk = Desk::new(7);
    let listener = desk.listen().await;
    let cookie = |byte| cookie_file(7, [byte; COOKIE_LEN]);
    desk.write("home/anna/told", cookie(1));
    desk.write("run/user/absolute", cookie(2));
    desk.write("home/anna/.Xauthority", cookie(3));
    for (arguments, environ, byte) in [
        (&["Xorg", ":7", "-auth", "told"][..], "", 1),
        (
            &["Xorg", ":7", "-auth", "/run/user/absolute"],
            "XAUTHORITY=told\0",
            2,
        ),
        (&["Xvnc", ":7"], "A=1\0XAUTHORITY=/run/user/absolute\0", 2),
        (&["Xvnc", ":7", "-auth"], "XAUTHORITY=\0", 3),
        (&["Xvnc", ":7"], "", 3),
    ] {
        desk.started_with(arguments);
        desk.write("proc/74/environ", environ);
        let served = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                // One that ran into the time-out is gone; the next try comes.
                if let Ok(shown) = serve(&mut stream, 4_000).await {
                    break shown;
                }
            }
        };
        let asker = Asker::default();
        let (answer, shown) = tokio::join!(patiently(&asker, &desk.question), served);
        assert_eq!(answer.unwrap(), Duration::from_secs(4), "{arguments:?}");
        assert_eq!(shown, [byte; COOKIE_LEN], "{arguments:?}");
    }
}

#[tokio::test]
async fn a_cookie_file_that_is_not_a_plain_file_of_the_user_is_not_read() {
    let desk = Desk::new(7);
    let file = desk.path("home/anna/.Xauthority");
    let _listener = desk.listen().await;
    let refused = |error: AskError| matches!(error, AskError::NotTheUsers { .. });
    // Somebody else's, as root's own would be.
    let mut other = desk.question.clone();
    other.uid += 1;
    let error = Asker::default().ask(&other).await.unwrap_err();
    assert!(refused(error));
    fs::rename(&file, desk.path("home/anna/real")).unwrap();
    std::os::unix::fs::symlink("real", &file).unwrap();
    let error = desk.ask().await.unwrap_err();
    assert!(matches!(error, AskError::Authority { .. }), "{error:?}");
    assert_eq!(error.told(), Told::Failed);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(refused(desk.ask().await.unwrap_err()));
    fs::remove_dir(&file).unwrap();
    assert_eq!(desk.ask().await.unwrap_err().told(), Told::NotThere);
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, mode).unwrap();
    assert!(refused(desk.ask().await.unwrap_err()));
    fs::remove_file(&file).unwrap();
    fs::write(&file, vec![0; AUTHORITY_LEN_MAX + 100]).unwrap();
    let wrong = X11Error::AuthorityLength(AUTHORITY_LEN_MAX + 1);
    let error = desk.ask().await.unwrap_err();
    assert!(
        matches!(error, AskError::Protocol(it) if it == wrong),
        "{error:?}"
    );
    fs::write(&file, cookie_file(8, COOKIE)).unwrap();
    let error = desk.ask().await.unwrap_err();
    assert!(
        matches!(error, AskError::NoCookie { display: 7, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_socket_that_is_a_link_or_somebody_elses_is_not_dialled() {
    let desk = Desk::new(7);
    let error = desk.ask().await.unwrap_err();
    assert_eq!(error.told(), Told::NotThere);
    let path = desk.path("tmp/.X11-unix/X7");
    let real = desk.path("tmp/real");
    let _listener = unix::listen(AGENT_DISPLAY, &real, 0o777).await.unwrap();
    std::os::unix::fs::symlink(&real, &path).unwrap();
    let error = desk.ask().await.unwrap_err();
    let wrong = matches!(error, AskError::Socket(UnixError::NotASocket { .. }));
    assert!(wrong, "{error:?}");
    assert_eq!(error.told(), Told::Failed);
}

#[tokio::test]
async fn a_hostile_server_costs_one_time_out_at_most() {
    let desk = Desk::new(7);
    let listener = desk.listen().await;
    let huge = [1, 0, 11, 0, 0, 0, 0xff, 0xff];
    let setup = SetupReply::Accepted { root: 5 }.encode();
    let event = [34; 32];
    // Silence; endless zeros; a length beyond all limits; endless events; the end; nonsense.
    for (front, endless, closes) in [
        (&b""[..], &b""[..], false),
        (&[], &[0; 4096], false),
        (&huge, &[0; 4096], false),
        (&setup, &event, false),
        (&setup, &[], true),
        (&[9; 40], &[9; 40], false),
    ] {
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _gone = stream.write_all(front).await;
            while !endless.is_empty() && stream.write_all(endless).await.is_ok() {}
            if !closes {
                // Until the agent has had enough.
                let _gone = stream.read_to_end(&mut Vec::new()).await;
            }
        };
        let begun = Instant::now();
        let asked = async {
            let error = desk.ask().await.unwrap_err();
            (error, begun.elapsed())
        };
        let ((error, took), ()) = tokio::join!(asked, served);
        assert_eq!(error.told(), Told::Failed, "{error:?}");
        // The rest is for a machine that is busy.
        assert!(took < QUESTION_TIMEOUT + Duration::from_secs(2), "{took:?}");
        if front.is_empty() && endless.is_empty() {
            assert!(matches!(error, AskError::TimedOut), "{error:?}");
            assert!(took >= QUESTION_TIMEOUT, "{took:?}");
        }
    }
}
