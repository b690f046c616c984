//! Files that must stay readable.

use portico_estate::{Passwords, fuzzing, parse, samples, to_toml};
use portico_model::{HostId, estate::*, network::HostNetwork};

#[test]
fn the_hostile_estate_is_allowed() {
    let draft = parse("hostile.toml", samples::HOSTILE)
        .map_err(|errors| crate::errors::lines(&errors))
        .unwrap();
    assert_eq!(draft.estate.resources.len(), 5);
    fuzzing::check_parse(samples::HOSTILE).unwrap();
}

#[test]
fn what_is_written_of_the_hostile_estate_is_safe_to_show() {
    let estate = parse("hostile.toml", samples::HOSTILE).unwrap().estate;
    let written = to_toml(&estate, Passwords::LeftOut);
    let unsafe_lines: Vec<&str> = written
        .lines()
        .filter(|line| line.chars().any(portico_model::text::is_unsafe_to_show))
        .collect();
    assert!(unsafe_lines.is_empty(), "{unsafe_lines:?}");
}

#[test]
fn what_the_file_leaves_out_has_its_default() {
    let text = "version = 1\n[[pools]]\nid = \"p\"\ntitle = \"P\"\n\
        [[hosts]]\nid = \"h\"\npool = \"p\"\naddress = \"H.example.org\"\nprotocol = \"ssh\"\n";
    let estate = parse("estate.toml", text).unwrap().estate;
    let host = &estate.hosts[&HostId::new("h").unwrap()];
    assert_eq!(
        *host,
        Host {
            title: "h".into(),
            pool: host.pool.clone(),
            roles: vec!["portico.session-host".into()],
            address: "h.example.org".into(),
            protocol: Protocol::Ssh,
            port: 22,
            security: RdpSecurity::Negotiate,
            agent: AgentMode::None,
            sessions_max: 100,
            mode: HostMode::Enabled,
            pins: vec![],
            weight: 100,
            sessions_per_account: SessionsPerAccount::default(),
            site: None,
            agent_link: AgentLink::default(),
            network: HostNetwork::default(),
        }
    );
    assert_eq!(estate.site, Site::default());
}

#[test]
fn the_empty_estate_needs_its_version_only() {
    assert_eq!(
        parse("estate.toml", "version = 1").unwrap().estate,
        Estate::default()
    );
    assert!(parse("estate.toml", "").is_err());
}

/// The example of the manual has every key, so that what it says of them cannot grow old.
#[test]
fn the_example_of_the_manual_is_right() {
    let manual = include_str!("../../../../docs/estate.md");
    let example = manual
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let draft = parse("docs/estate.md", example)
        .map_err(|errors| crate::errors::lines(&errors))
        .unwrap();
    fuzzing::check_parse(example).unwrap();
    let written = to_toml(&draft.estate, Passwords::LeftOut);
    for line in written.lines() {
        if let Some((key, _)) = line.split_once(" = ")
            && key != "id"
        {
            assert!(
                manual.contains(&format!("`{key}`")),
                "{key} is not in the manual"
            );
        }
    }
}
