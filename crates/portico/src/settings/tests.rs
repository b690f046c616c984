use expect_test::expect;

use super::*;

const EXAMPLE: &str = include_str!("../../../../docs/portico.example.toml");

#[test]
fn the_example_says_what_the_defaults_are() {
    let example = Settings::parse("portico.example.toml", EXAMPLE).unwrap();
    assert_eq!(example, Settings::default());
    // And each of its commented keys may be used.
    let all: String = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line))
        .filter(|line| !line.starts_with("names ="))
        .map(|line| format!("{line}\n"))
        .collect();
    let changed = Settings::parse("portico.example.toml", &all).unwrap();
    assert!(matches!(changed.tls, Tls::Files { .. }));
}

#[test]
fn sockets_follow_the_state_folder() {
    let text = "listen = \"127.0.0.1:8443\"\nstate_dir = \"/srv/p\"\n[tls]\nnames = [\"localhost\", \"::1\"]\n";
    let settings = Settings::parse("portico.toml", text).unwrap();
    assert_eq!(settings.socket, Path::new("/srv/p/portico.sock"));
    assert_eq!(settings.engine_socket, Path::new("/srv/p/engine.sock"));
    assert_eq!(
        settings.origins,
        ["https://localhost:8443", "https://[::1]:8443"]
    );
}

#[test]
fn origins_are_written_as_browsers_send_them() {
    for (written, sent) in [
        ("https://Portico.example.org", "https://portico.example.org"),
        ("https://a:443", "https://a"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("https://10.0.0.1", "https://10.0.0.1"),
    ] {
        assert_eq!(origin(written).unwrap(), sent);
    }
    for wrong in [
        "http://a",
        "https://a/",
        "https://",
        "https://a:x",
        "https://::1",
        "a",
        "https://u@a",
    ] {
        assert!(origin(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn all_errors_are_listed_with_their_keys() {
    let text = "\
listen = \"443\"
origins = [\"http://a\", 3]
state_dir = \"state\"
state_dirs = \"/a\"
roles = [\"brokr\"]
socket = 7
[tls]
names = []
[log]
level = \"verbose\"
colour = true
";
    let errors = Settings::parse("portico.toml", text).unwrap_err();
    let lines: String = errors.iter().map(|error| format!("{error}\n")).collect();
    expect![[r#"
            portico.toml:1:10: listen: "443" is not an address with port; give an IP address and a port, such as "0.0.0.0:443" or "[::]:443"
            portico.toml:2:12: origins[0]: "http://a" does not begin with https://; give https:// and a name, with a port unless it is 443, and nothing behind it
            portico.toml:2:24: origins[1]: is a number; give an address in "quotes"
            portico.toml:3:13: state_dir: "state" is not an absolute path; write the whole path, beginning with /
            portico.toml:4:1: state_dirs: "state_dirs" is not a key that is known here; did you mean "state_dir"?
            portico.toml:5:10: roles[0]: "brokr" is none of the choices; give one of "broker", "gateway", "portal", "engine"; did you mean "broker"?
            portico.toml:6:10: socket: is a number; give a path in "quotes"
            portico.toml:8:9: tls.names: has 0 elements; give 1 to 100
            portico.toml:10:9: log.level: "verbose" is none of the choices; give one of "error", "warn", "info", "debug", "trace"
            portico.toml:11:1: log.colour: "colour" is not a key that is known here; use one of: level, format
        "#]].assert_eq(&lines);
}

#[test]
fn certificate_and_key_come_together() {
    for (tls, reason) in [
        ("certificate = \"/c\"", "stands without the other"),
        ("key = \"/k\"", "stands without the other"),
        (
            "names = [\"a\"]\ncertificate = \"/c\"\nkey = \"/k\"",
            "stands beside",
        ),
        ("certificate = \"/c\"\nkey = \"/k\"", "origins: is missing"),
    ] {
        let errors = Settings::parse("portico.toml", &format!("[tls]\n{tls}\n")).unwrap_err();
        assert!(errors[0].to_string().contains(reason), "{errors:?}");
    }
}

#[test]
fn a_missing_file_is_an_error_only_when_it_was_named() {
    let path = Path::new("/nonexistent/portico.toml");
    assert!(matches!(
        Settings::load(Some(path)),
        Err(SettingsError::Read { .. })
    ));
}

#[test]
fn port_checks_are_on_until_the_file_says_otherwise() {
    let parse = |text: &str| Settings::parse("portico.toml", text).map(|made| made.port_checks);
    assert_eq!(parse("").unwrap(), Some(PortCheckSettings::default()));
    assert_eq!(parse("[port_checks]\nenabled = false\n").unwrap(), None);
    let text = "[port_checks]\nevery_s = 60\nagain_s = 10\nown_hosts = [\"gate\"]\n";
    let settings = parse(text).unwrap().unwrap();
    assert_eq!(settings.every, Duration::from_secs(60));
    assert_eq!(settings.again, Duration::from_secs(10));
    assert_eq!(settings.own, [HostId::new("gate").unwrap()]);
    for wrong in [
        "every_s = 9",
        "again_s = 90000",
        "own_hosts = [\"a b\"]",
        "own_hosts = []",
        "enabled = 1",
        "every = 60",
    ] {
        assert!(
            parse(&format!("[port_checks]\n{wrong}\n")).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn agents_are_off_until_the_file_names_where_they_come() {
    let settings = Settings::parse("portico.toml", "listen = \"10.0.0.5:443\"\n").unwrap();
    assert_eq!(settings.agents, None);
    let text = "listen = \"10.0.0.5:443\"\n[agents]\nenrollment = \"127.0.0.1:31030\"\n\
        advertise = [\"portico.example.org\", \"::1\"]\n";
    let agents = Settings::parse("portico.toml", text)
        .unwrap()
        .agents
        .unwrap();
    assert_eq!(agents.link, "10.0.0.5:30004".parse().unwrap());
    assert_eq!(
        agents.link_addresses(),
        ["portico.example.org:30004", "[::1]:30004"]
    );
    assert_eq!(
        agents.enrollment_addresses(),
        ["portico.example.org:31030", "[::1]:31030"]
    );
    let errors = Settings::parse("portico.toml", "[agents]\nlink = \"x\"\n").unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
}
