use std::collections::BTreeSet;

use portico_catalogue::{
    Answer, Catalogue, PortRange, SocketFile, Transport, default_port, flow_of,
    flows::{self, ALL, ALL_LOCAL},
};
use portico_model::estate::Protocol;

#[test]
fn constants_and_data_are_the_same() {
    let catalogue = Catalogue::portico();
    let constants: BTreeSet<&str> = ALL.iter().map(|id| id.as_str()).collect();
    let data: BTreeSet<&str> = catalogue
        .flows()
        .map(|flow| flow.id.as_str())
        .filter(|id| id.starts_with("portico."))
        .collect();
    assert_eq!(constants, data);
    assert_eq!(constants.len(), ALL.len());
    let constants: BTreeSet<&str> = ALL_LOCAL.iter().map(|id| id.as_str()).collect();
    let data: BTreeSet<&str> = catalogue
        .local_sockets()
        .map(|socket| socket.id.as_str())
        .collect();
    assert_eq!(constants, data);
    assert_eq!(constants.len(), ALL_LOCAL.len());
}

#[test]
fn default_ports_come_from_the_data() {
    for (id, port) in [
        (flows::CLIENT_PORTAL_HTTPS, 443),
        (flows::GATEWAY_HOST_RDP, 3389),
        (flows::ENGINE_HOST_SSH, 22),
        (flows::GATEWAY_HOST_SSH_PROBE, 22),
    ] {
        assert_eq!(default_port(id), port);
        let flow = Catalogue::portico().flow(id).unwrap();
        assert_eq!(flow.transport, Transport::Tcp);
        assert_eq!(flow.ports, vec![PortRange::one(port)]);
    }
    assert!(ALL.iter().all(|id| default_port(*id) != 0));
}

#[test]
fn names_of_operating_systems_are_those_of_the_documents() {
    use portico_catalogue::OsGeneration;
    for (name, generation) in OsGeneration::NAMES {
        let read: OsGeneration = serde_json::from_value((*name).into()).unwrap();
        assert_eq!(read, *generation, "{name}");
        assert_eq!(OsGeneration::by_name(name), Some(*generation));
    }
    assert!(OsGeneration::NAMES.is_sorted_by_key(|(_, generation)| *generation));
}

#[test]
fn the_words_and_the_catalogue_agree_on_ports() {
    for protocol in [Protocol::Rdp, Protocol::Ssh] {
        assert_eq!(default_port(flow_of(protocol)), protocol.default_port());
    }
}

#[test]
fn only_what_is_built_is_in_the_document_of_portico() {
    assert!(
        Catalogue::portico()
            .flows()
            .filter(|flow| flow.id.starts_with("portico."))
            .all(|flow| matches!(flow.portico, Answer::Built { .. }))
    );
}

#[test]
fn the_listeners_of_a_process_are_the_flows_to_its_roles() {
    let catalogue = Catalogue::portico();
    let ports = |roles: &[&str]| -> Vec<u16> {
        catalogue
            .listeners(roles)
            .filter_map(|flow| flow.default_port())
            .collect()
    };
    assert_eq!(ports(&["portico.portal", "portico.gateway"]), vec![443]);
    assert_eq!(ports(&["portico.engine"]), Vec::<u16>::new());
}

#[test]
fn local_sockets_that_portico_makes_are_for_their_owner_only() {
    for socket in Catalogue::portico().local_sockets() {
        match &socket.file {
            SocketFile::Own { mode, .. } => assert_eq!(*mode, 0o600, "{}", socket.id),
            SocketFile::Foreign { .. } => assert_eq!(socket.id, flows::AGENT_DISPLAY.as_str()),
        }
    }
}

#[test]
fn a_flow_as_json_has_the_keys_that_programs_read() {
    let flow = Catalogue::portico()
        .flow(flows::CLIENT_PORTAL_HTTPS)
        .unwrap();
    let json = serde_json::to_value(flow).unwrap();
    let keys: BTreeSet<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = "id from to transport ip_protocol ports application_protocol service \
                    system_service_name purpose direction conditions proof sources errata portico";
    assert_eq!(keys, expected.split_whitespace().collect());
    assert_eq!(
        json["ports"],
        serde_json::json!([{ "first": 443, "last": 443 }])
    );
    assert_eq!(json["transport"], "tcp");
    assert_eq!(json["portico"]["answer"], "built");
    assert_eq!(
        json["sources"][0]["as_written"],
        "443/tcp (8443 in make run)"
    );
}
