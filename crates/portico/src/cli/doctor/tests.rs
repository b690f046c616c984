use std::{os::unix::fs::PermissionsExt, path::Path};

use clap::Parser;
use expect_test::expect;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::cli::answer as answer_of;

const DAY_MS: i64 = 86_400_000;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: crate::cli::Command,
}

/// The lines of `portico doctor` with these settings, and whether it succeeds.
async fn lines(folder: &Path, settings: &str, more: &str) -> (Vec<Value>, bool) {
    portico_net::tls::install_provider();
    let path = folder.join("portico.toml");
    std::fs::write(&path, settings).unwrap();
    let line = format!(
        "portico doctor -o json --settings {} {more}",
        path.display()
    );
    let line = Command::try_parse_from(line.split_whitespace()).unwrap();
    let (text, good) = match answer_of(&line.globals, line.command).await {
        Ok(text) => (text, true),
        Err(failure) => (failure.answer.unwrap(), false),
    };
    let answer: Value = serde_json::from_str(&text).unwrap();
    (answer["lines"].as_array().unwrap().clone(), good)
}

/// The lines about one thing, as `state: what`; each that is not good has a next step.
fn about(lines: &[Value], about: &str) -> Vec<String> {
    for line in lines {
        assert_eq!(
            line["next_step"].is_null(),
            line["state"] == "ok",
            "{line:#}"
        );
    }
    let found = lines.iter().filter(|line| line["about"] == about);
    found
        .map(|line| {
            format!(
                "{}: {}",
                line["state"].as_str().unwrap(),
                line["what"].as_str().unwrap()
            )
        })
        .collect()
}

fn settings(folder: &Path) -> String {
    format!(
        "listen = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n",
        folder.join("state").display()
    )
}

#[tokio::test]
async fn before_the_installation_nothing_is_made_and_what_makes_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, _) = lines(folder.path(), &settings(folder.path()), "").await;
    assert!(about(&lines, "state folder")[0].contains("`portico init` makes it"));
    assert!(about(&lines, "store")[0].starts_with("ok: there is no "));
    assert!(about(&lines, "certificate")[0].starts_with("ok: there is none so far"));
    assert!(about(&lines, "agents' CA")[0].starts_with("skipped"));
    assert!(about(&lines, "sign-in")[0].starts_with("skipped"));
    assert!(about(&lines, "flows")[0].starts_with("skipped"));
    assert!(about(&lines, "ports")[0].starts_with("ok: 127.0.0.1:0 is free"));
    assert!(about(&lines, "clock")[0].starts_with("ok: it says 20"));
    assert!(
        !folder.path().join("state").exists(),
        "doctor makes nothing"
    );
}

#[tokio::test]
async fn settings_with_errors_fail_with_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, good) = lines(folder.path(), "listen = \"nowhere\"\nlissten = 1\n", "").await;
    assert!(!good);
    let said = about(&lines, "settings");
    assert!(
        said[0].contains("nowhere") && said[0].contains("lissten"),
        "{said:?}"
    );
    assert!(
        about(&lines, "clock")[0].starts_with("ok"),
        "the rest is looked at"
    );
}

#[tokio::test]
async fn a_port_that_another_holds_fails_with_who_it_is() {
    let address = "127.0.0.1:0".parse().unwrap();
    let flow = portico_net::flows::CLIENT_PORTAL_HTTPS;
    let holder = portico_net::TcpListener::bind(flow, address).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = settings(folder.path()).replace("127.0.0.1:0", &holder.local_addr().to_string());
    let (lines, good) = lines(folder.path(), &text, "").await;
    assert!(!good);
    let said = about(&lines, "ports");
    let own = format!("process {}", std::process::id());
    assert!(
        said[0].starts_with("failed") && said[0].contains(&own),
        "{said:?}"
    );
}

/// Certificate and key of a server, from files.
fn with_certificate(folder: &Path, names: &[&str], days: i64) -> String {
    let at = |days: i64| {
        let seconds = (SystemClock.now().unix_ms() + days * DAY_MS) / 1000 + 60;
        time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    (params.not_before, params.not_after) = (at(-400), at(days));
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("cert.pem"), cert.pem()).unwrap();
    let key_file = folder.join("key.pem");
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    format!(
        "{}origins = [\"https://localhost:8443\"]\n[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        settings(folder),
        folder.join("cert.pem").display(),
        key_file.display()
    )
}

#[tokio::test]
async fn a_certificate_is_told_with_its_days_its_names_its_key_and_who_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for (names, days, expected) in [
        (
            &["localhost"],
            100,
            "ok: that for localhost belongs to its key and is valid for 100 days",
        ),
        (
            &["localhost"],
            29,
            "warning: that for localhost ends in 29 days",
        ),
        (
            &["localhost"],
            -3,
            "failed: that for localhost ended 3 days ago",
        ),
        (
            &["elsewhere.example"],
            100,
            "failed: the certificate is not for localhost",
        ),
    ] {
        let (lines, _) = lines(path, &with_certificate(path, names, days), "").await;
        let said = about(&lines, "certificate");
        assert!(
            said.iter().any(|line| line == expected),
            "{expected}: {said:?}"
        );
        assert!(
            said.iter()
                .any(|line| line == "warning: the certificate is self-signed"),
            "{said:?}"
        );
    }
    let text = with_certificate(path, &["localhost"], 100);
    std::fs::set_permissions(path.join("key.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let (found, _) = lines(path, &text, "").await;
    let said = about(&found, "certificate");
    assert!(
        said.iter().any(|line| line.contains("(mode 644)")),
        "{said:?}"
    );
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    std::fs::write(path.join("key.pem"), other).unwrap();
    let (found, good) = lines(path, &text, "").await;
    assert!(!good);
    assert!(
        about(&found, "certificate")[0].contains("does not belong to the certificate"),
        "{found:?}"
    );
}

#[tokio::test]
async fn names_that_lead_nowhere_or_only_here_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{}[tls]\nnames = [\"127.0.0.1\", \"192.0.2.99\", \"nothing.invalid\"]\n",
        settings(folder.path())
    );
    let (found, _) = lines(folder.path(), &text, "").await;
    let said = about(&found, "names");
    assert!(
        said.contains(&"ok: 127.0.0.1 is an address of this machine".to_owned()),
        "{said:?}"
    );
    assert!(
        said.contains(&"warning: 192.0.2.99 is no address of this machine".to_owned()),
        "{said:?}"
    );
    assert!(
        said.iter()
            .any(|line| line.contains("nothing.invalid could not be resolved"))
    );
    let (found, _) = lines(folder.path(), &settings(folder.path()), "").await;
    let said = about(&found, "names");
    assert!(
        said.iter()
            .any(|line| line.contains("of this machine alone")),
        "{said:?}"
    );
}

#[test]
fn hosts_are_read_from_origins() {
    for (origin, host) in [
        ("https://portico.example.org", "portico.example.org"),
        ("https://localhost:8443", "localhost"),
        ("https://[::1]:8443", "::1"),
    ] {
        assert_eq!(names::host_of(origin), host);
    }
}

#[tokio::test]
async fn the_flows_that_this_node_opens_are_checked_and_no_others() {
    let address = "127.0.0.1:0".parse().unwrap();
    let flow = portico_net::flows::ENGINE_HOST_SSH;
    let listener = portico_net::TcpListener::bind(flow, address).await.unwrap();
    let port = listener.local_addr().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _gone = stream.write_all(b"SSH-2.0-real\r\n").await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let estate = |ssh: u16| {
        let text = format!(
            r#"version = 1
[[hosts]]
id = "engine"
roles = ["portico.engine"]
address = "127.0.0.2"
[[hosts]]
id = "app"
roles = ["portico.session-host"]
address = "127.0.0.1"
ports = {{ "22/tcp" = {ssh} }}
"#
        );
        let path = folder.path().join("estate.toml");
        std::fs::write(&path, text).unwrap();
        format!("-f {}", path.display())
    };
    let text = settings(folder.path());
    let (found, _) = lines(folder.path(), &text, &estate(port)).await;
    assert_eq!(
        about(&found, "flows"),
        ["ok: 1 of 1 that engine opens are proven"]
    );
    // Nobody listens on the port of the discard service here.
    let (found, good) = lines(folder.path(), &text, &estate(9)).await;
    assert!(!good);
    let said = about(&found, "flows");
    assert!(
        said[1].starts_with("failed: SSH to app 9/tcp is refused"),
        "{said:?}"
    );
    let more = format!("{} --no-flows", estate(9));
    let (found, _) = lines(folder.path(), &text, &more).await;
    assert_eq!(about(&found, "flows"), Vec::<String>::new());
}

#[test]
fn clocks_that_jump_or_differ_are_told() {
    let now = Timestamp::from_unix_ms(CLOCK_MIN_MS + 1);
    let skew = |ahead_ms| {
        vec![flows::Skew {
            host: "dc1".into(),
            ahead_ms,
        }]
    };
    for (line, state, words) in [
        (clock(now, 0, &[]), State::Ok, "runs steadily"),
        (
            clock(Timestamp::from_unix_ms(0), 0, &[]),
            State::Failed,
            "1970",
        ),
        (
            clock(now, -CLOCK_STEP_MS - 1, &[]),
            State::Warning,
            "was set by -1001 ms",
        ),
        (clock(now, 0, &skew(60_000)), State::Ok, "1 other hosts"),
        (
            clock(now, 0, &skew(-300_000)),
            State::Warning,
            "dc1 is 300 s behind",
        ),
    ] {
        assert_eq!(line.state, state, "{line:?}");
        assert!(line.what.contains(words), "{line:?}");
    }
}

#[test]
fn people_see_the_state_first_and_the_next_step_under_it() {
    let shown = page(&[
        Line::ok("disk", "/ has 5 GiB free"),
        Line::failed("ports", "process 7 (\u{1b}[31mx) holds it", "stop it"),
    ]);
    expect![[r"
        ok      disk   / has 5 GiB free
        failed  ports  process 7 (\u{1b}[31mx) holds it
                       next step: stop it

        1 ok, 0 to look at, 1 failed, 0 skipped.
    "]]
    .assert_eq(&shown);
}
