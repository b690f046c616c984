//! Lists, search, coverage and errata.

use portico_catalogue::{Answer, Catalogue, FlowFilter, QueryError};

fn list(change: impl FnOnce(&mut FlowFilter)) -> Vec<&'static str> {
    let mut filter = FlowFilter::default();
    change(&mut filter);
    let flows = Catalogue::portico().list(&filter).unwrap();
    flows.iter().map(|flow| flow.id.as_str()).collect()
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn a_filter_that_says_nothing_lets_all_through() {
    let all = list(|_| {});
    assert_eq!(all.len(), Catalogue::portico().flows().count());
    assert!(all.is_sorted());
}

#[test]
fn all_parts_of_a_filter_have_to_hold() {
    let found = list(|filter| {
        filter.document = text("rds-2012");
        filter.role = text("rds.gateway");
        filter.transport = text("UDP");
        filter.port = Some(389);
        filter.protocol = text("ldap");
    });
    assert_eq!(
        found,
        [
            "rds-2012.gateway-crl-ldap-udp",
            "rds-2012.gateway-dc-ldap-udp"
        ]
    );
}

#[test]
fn a_role_brings_the_flows_of_those_that_it_includes() {
    let found = list(|filter| filter.role = text("windows.domain-member"));
    assert!(found.contains(&"windows-services.kerberos-udp"));
    assert!(found.contains(&"windows-services.time-ntp"));
    assert!(!found.contains(&"windows-services.lpd"));
}

#[test]
fn a_service_is_found_by_words_of_its_title_or_system_name() {
    for words in ["lsass", "security active", "ACTIVE DIRECTORY (local"] {
        let found = list(|filter| filter.service = text(words));
        assert!(
            found.contains(&"windows-services.active-directory-ldap"),
            "{words}"
        );
    }
    assert_eq!(
        list(|filter| filter.service = text("no such service")),
        Vec::<&str>::new()
    );
}

#[test]
fn a_port_is_found_in_ranges_as_written_and_as_corrected() {
    let found = list(|filter| {
        filter.document = text("rds-2012");
        filter.port = Some(60000);
    });
    assert!(found.contains(&"rds-2012.licensing-rpc-dynamic-legacy"));
    assert!(found.contains(&"rds-2012.licensing-rpc-dynamic-current"));
    // Every other port only: the formula has a step of 2.
    let netlet = |port| {
        list(|filter| {
            filter.document = text("tarantella");
            filter.service = text("netlet");
            filter.port = Some(port);
        })
    };
    assert_eq!(netlet(4002), ["tarantella.netlet-control"]);
    assert_eq!(netlet(4003), ["tarantella.netlet-applications"]);
}

#[test]
fn other_ip_protocols_are_found_by_name_and_by_number() {
    let ids = [
        "windows-services.active-directory-tunnel-esp",
        "windows-services.vpn-esp",
    ];
    for name in ["esp", "ip/50", "ESP"] {
        assert_eq!(list(|filter| filter.transport = text(name)), ids, "{name}");
    }
    let all = list(|filter| filter.transport = text("ip"));
    assert_eq!(all.len(), 4, "{all:?}");
}

#[test]
fn an_unknown_name_in_a_filter_is_refused_with_the_nearest() {
    let error = |change: fn(&mut FlowFilter)| -> String {
        let mut filter = FlowFilter::default();
        change(&mut filter);
        Catalogue::portico().list(&filter).unwrap_err().to_string()
    };
    assert_eq!(
        error(|filter| filter.document = text("rds-2021")),
        "document \"rds-2021\" is not known; did you mean \"rds-2012\"?; there are portico, \
         ras-connection-broker, rds-2012, tarantella, windows-services"
    );
    assert_eq!(
        error(|filter| filter.role = text("rds.gatway")),
        "role \"rds.gatway\" is not known; did you mean \"rds.gateway\"?; `portico ports roles` \
         lists them"
    );
    assert_eq!(
        error(|filter| filter.transport = text("tpc")),
        "transport \"tpc\" is not known; give tcp, udp, icmp, ip, gre, esp, ah, or ip/ and a number"
    );
    let hostile = FlowFilter {
        role: text("a\r\n\u{1b}[31m\u{202e}"),
        ..FlowFilter::default()
    };
    let error = Catalogue::portico().list(&hostile).unwrap_err();
    assert!(matches!(error, QueryError::UnknownRole { .. }));
    assert!(
        error
            .to_string()
            .chars()
            .all(|c| !c.is_control() && c != '\u{202e}')
    );
    let long = FlowFilter {
        role: Some("r".repeat(1 << 20)),
        ..FlowFilter::default()
    };
    assert!(Catalogue::portico().list(&long).is_err());
}

#[track_caller]
fn check_first(words: &str, expected: &str) {
    let found = Catalogue::portico().search(words);
    let ids: Vec<&str> = found
        .iter()
        .take(5)
        .map(|found| found.flow.id.as_str())
        .collect();
    assert_eq!(ids.first(), Some(&expected), "{words}: {ids:?}");
}

#[test]
fn search_puts_the_best_first_and_wants_every_word() {
    check_first(
        "branchcache discovery",
        "windows-services.branchcache-discovery",
    );
    check_first("48885", "windows-services.ipam-management");
    check_first("636/udp", "windows-services.active-directory-ldaps-udp");
    check_first("W32Time", "windows-services.time-ntp");
    check_first("tarantella securid 5500", "tarantella.securid-answer");
    let catalogue = Catalogue::portico();
    assert!(catalogue.search("kerberos tarantella").is_empty());
    assert!(catalogue.search(" \t ").is_empty());
    assert!(catalogue.search("no-such-word").is_empty());
    let long = "kerberos ".repeat(1 << 16);
    assert!(!catalogue.search(&long).is_empty());
}

#[test]
fn coverage_names_each_flow_once_under_its_document() {
    let catalogue = Catalogue::portico();
    let coverage = catalogue.coverage();
    let mut flows = 0;
    for entry in &coverage {
        let lists = [
            &entry.built,
            &entry.replaced,
            &entry.catalogued,
            &entry.declined,
        ];
        assert_eq!(
            lists.iter().map(|list| list.len()).sum::<usize>(),
            entry.flows
        );
        flows += entry.flows;
    }
    assert_eq!(flows, catalogue.flows().count());
    let rows: Vec<(&str, usize)> = coverage
        .iter()
        .map(|entry| (entry.document, entry.rows))
        .collect();
    assert_eq!(
        rows,
        [
            ("portico", 7),
            ("ras-connection-broker", 14),
            ("rds-2012", 41),
            ("tarantella", 30),
            ("windows-services", 383),
        ]
    );
    let portico = &coverage[0];
    assert_eq!(portico.built.len(), portico.flows);
    let find = |id: &str| catalogue.find(id).unwrap();
    assert!(matches!(
        find("tarantella.application-ssh").portico,
        Answer::Built { .. }
    ));
    assert!(matches!(
        find("tarantella.client-web-http").portico,
        Answer::Declined { .. }
    ));
}

#[test]
fn errata_come_with_flow_and_place() {
    let errata = Catalogue::portico().errata();
    assert!(errata.len() > 100, "{}", errata.len());
    assert!(errata.iter().all(|entry| !entry.sources.is_empty()));
    let json = serde_json::to_value(&errata[0]).unwrap();
    assert!(json["flow"].is_string() && json["erratum"]["correction"].is_string());
}
