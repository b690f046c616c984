//! An independent reader of the four documents, where they are at hand: each row has its flows, and
//! each source of the catalogue stands in its document as written.
//!
//! The folder is `PORTICO_SEEDS`, or `../shared/seeds` beside the workspace. Without it the tests
//! say so and pass, since the documents are not part of this repository.

mod reading;

use std::collections::BTreeSet;

use portico_catalogue::{Catalogue, Flow, PortRange, Source, Transport};

use reading::{
    Row, document, list_rows, plain, ranges, rds_item, sections, system_names, table_rows,
    tarantella_rows, transports,
};

fn flows_of(document: &str, row: &Row) -> Vec<&'static Flow> {
    let of_row = |source: &Source| {
        source.document == document && source.section == row.section && source.row == Some(row.row)
    };
    Catalogue::portico()
        .flows()
        .filter(|flow| flow.sources.iter().any(of_row))
        .collect()
}

#[track_caller]
fn expect_flow(flows: &[&Flow], row: &Row, transport: Transport, ports: &PortRange) {
    let found = flows.iter().any(|flow| {
        flow.transport == transport
            && flow
                .ports
                .iter()
                .any(|range| (range.first, range.last) == (ports.first, ports.last))
    });
    assert!(found, "no flow over {transport:?} {ports:?} for {row:?}");
}

#[test]
fn every_row_of_ras_has_its_flows_for_each_destination() {
    let Some(text) = document("000") else { return };
    let lines = |cell: &str| -> Vec<String> {
        let cell = cell.replace("</p>", "");
        let lines = cell
            .split("<p>")
            .map(str::trim)
            .filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    };
    let rows = table_rows(&text);
    assert_eq!(rows.len(), 14);
    for row in rows {
        let flows = flows_of("ras-connection-broker", &row);
        let (destinations, protocols, ports) = (
            lines(&row.cells[1]),
            lines(&row.cells[2]),
            lines(&row.cells[3]),
        );
        for (i, line) in ports.iter().enumerate() {
            let protocol = protocols.get(i).unwrap_or(&protocols[0]);
            for transport in transports(protocol) {
                for range in ranges(line, &[]) {
                    let here: Vec<&Flow> = flows
                        .iter()
                        .copied()
                        .filter(|flow| flow.transport == transport && flow.ports.contains(&range))
                        .collect();
                    let ends: BTreeSet<&str> = here.iter().map(|flow| flow.to.as_str()).collect();
                    assert_eq!(
                        ends.len(),
                        destinations.len(),
                        "{range:?} {transport:?} {row:?}"
                    );
                    let as_written =
                        |flow: &&Flow| flow.sources.iter().any(|s| s.as_written == *line);
                    assert!(here.iter().all(as_written), "{line} {row:?}");
                }
            }
        }
    }
}

#[test]
fn every_item_of_rds_has_its_flows() {
    let Some(text) = document("001") else { return };
    let rows = list_rows(&text, true);
    assert_eq!(rows.len(), 42);
    for row in rows {
        let item = &row.cells[0];
        let flows = flows_of("rds-2012", &row);
        let (transports, numbers) = rds_item(item);
        let named = item.contains("Fixed Port")
            || item.contains("Port RPC")
            || item.contains("Port on which");
        if named {
            assert!(
                flows.iter().any(|flow| flow.port_name().is_some()),
                "{row:?}"
            );
        }
        if item.contains("and RPC") {
            expect_flow(&flows, &row, Transport::Tcp, &PortRange::one(135));
            expect_flow(&flows, &row, Transport::Tcp, &PortRange::new(49152, 65535));
        }
        let ranges = ranges(&numbers, &["-"]);
        for transport in &transports {
            for range in &ranges {
                expect_flow(&flows, &row, *transport, range);
            }
        }
        if !item.contains("perimeter network") {
            assert!(!flows.is_empty(), "{row:?}");
            assert!(
                named || (!transports.is_empty() && !ranges.is_empty()),
                "{row:?}"
            );
        }
    }
}

#[test]
fn every_row_of_tarantella_has_its_flow_in_its_direction() {
    let Some(text) = document("003") else { return };
    let mut rows = tarantella_rows(&text);
    assert_eq!(rows.len(), 30);
    for row in &mut rows {
        let flows = flows_of("tarantella", row);
        let [flow] = flows.as_slice() else {
            panic!("{row:?} has {} flows", flows.len())
        };
        let cell = &row.cells[2];
        let transport = if cell.contains("udp") {
            Transport::Udp
        } else {
            Transport::Tcp
        };
        let all = ranges(&cell.replace("/udp", "").replace("/tcp", ""), &["to"]);
        let last = if cell.contains("above") {
            65535
        } else {
            all[0].last
        };
        assert_eq!(
            (flow.transport, flow.ports[0].first),
            (transport, all[0].first),
            "{row:?}"
        );
        if cell.contains("...") {
            let formula = flow.ports[0].formula.as_ref().unwrap();
            assert_eq!(all[0].first + formula.step, all[1].first);
        } else {
            assert_eq!(flow.ports, [PortRange::new(all[0].first, last)], "{row:?}");
        }
        for (name, role) in [(&row.cells[0], &flow.from), (&row.cells[1], &flow.to)] {
            assert_eq!(tarantella_end(name), end_of(role), "{row:?}");
        }
    }
}

/// First word of an end of the document that tells it from the others.
fn tarantella_end(name: &str) -> &'static str {
    let known = [
        ("Web server", "web"),
        ("Tarantella Native", "native"),
        ("Another Tarantella", "tarantella"),
        ("Tarantella server", "tarantella"),
        ("Application", "application"),
        ("Windows", "windows"),
        ("LDAP", "ldap"),
        ("RSA", "securid"),
        ("Sun", "portal"),
        ("Netlet", "netlet"),
        ("Client", "client"),
    ];
    let found = known.iter().find(|(start, _)| name.starts_with(start));
    found.unwrap_or_else(|| panic!("{name}")).1
}

fn end_of(role: &str) -> &'static str {
    match role {
        "tarantella.web-server" => "web",
        "tarantella.native-client" => "native",
        "tarantella.server" | "tarantella.primary-server" => "tarantella",
        "tarantella.application-server" => "application",
        "tarantella.windows-server" => "windows",
        "tarantella.ldap-server" => "ldap",
        "tarantella.securid-server" => "securid",
        "tarantella.portal-server" => "portal",
        "tarantella.netlet-applet" => "netlet",
        "tarantella.client" => "client",
        other => panic!("{other}"),
    }
}

#[test]
fn every_row_of_the_windows_sections_and_summary_has_its_flows() {
    let Some(text) = document("002") else { return };
    let names = system_names(&text);
    let rows = table_rows(&text);
    assert_eq!(rows.len(), 197 + 183);
    for row in rows {
        let summary = row.section == "Ports and protocols";
        let flows = flows_of("windows-services", &row);
        assert!(!flows.is_empty(), "{row:?}");
        let (protocol, ports) = if summary {
            (&row.cells[1], &row.cells[0])
        } else {
            (&row.cells[1], row.cells.get(2).unwrap_or(&row.cells[1]))
        };
        let protocol = if protocol.is_empty() {
            &row.cells[0]
        } else {
            protocol
        };
        let transports = transports(&plain(protocol));
        assert!(!transports.is_empty(), "{row:?}");
        // The rows of ISA number their remarks in brackets in the middle of a cell.
        let notes = ports
            .split("(note")
            .map(|part| part.split_once(')').map_or(part, |(_, rest)| rest));
        let ports = if ports.contains("(note") {
            ports.split("(note").next().unwrap().to_owned() + &notes.skip(1).collect::<String>()
        } else {
            plain(ports)
        };
        let ranges = ranges(&ports.replace("<br/>", ";"), &["-", "and"]);
        for transport in transports {
            assert!(
                flows.iter().any(|flow| flow.transport == transport),
                "{row:?}"
            );
            for range in &ranges {
                expect_flow(&flows, &row, transport, range);
            }
        }
        if let Some(name) = names.get(&row.section) {
            for flow in flows {
                let written = flow.system_service_name.as_deref();
                assert_eq!(written, Some(name.as_str()), "{}", flow.id);
            }
        }
    }
    for row in list_rows(&text, false) {
        if row.section == "BranchCache information" {
            let flows = flows_of("windows-services", &row);
            let transport = transports(&row.cells[0]);
            let port = &ranges(&row.cells[0], &[])[0];
            expect_flow(&flows, &row, transport[0], port);
        }
    }
}

/// What can stand as written for a row: a cell, cells side by side, a line of a cell.
fn is_in_row(source: &Source, row: &Row) -> bool {
    if row.cells.len() == 1 {
        return row.cells[0].contains(&source.as_written);
    }
    let lines = row.cells.iter().flat_map(|cell| cell.split("<p>"));
    let mut lines = lines.map(|line| line.trim_end_matches("</p>").trim());
    let mut cells = (0..row.cells.len())
        .flat_map(|from| (from + 1..=row.cells.len()).map(move |to| (from, to)))
        .map(|(from, to)| row.cells[from..to].join(" | "));
    cells.any(|cells| cells == source.as_written) || lines.any(|line| line == source.as_written)
}

#[test]
fn every_source_of_the_catalogue_stands_in_its_document_as_written() {
    for (name, prefix) in [
        ("ras-connection-broker", "000"),
        ("rds-2012", "001"),
        ("windows-services", "002"),
        ("tarantella", "003"),
    ] {
        let Some(text) = document(prefix) else { return };
        let mut rows = match prefix {
            "000" => table_rows(&text),
            "001" => list_rows(&text, true),
            "003" => tarantella_rows(&text),
            _ => table_rows(&text),
        };
        if prefix == "002" {
            let items = list_rows(&text, false);
            rows.extend(
                items
                    .into_iter()
                    .filter(|row| row.section == "BranchCache information"),
            );
        }
        let sections = sections(&text);
        for flow in Catalogue::portico().flows() {
            for source in flow.sources.iter().filter(|source| source.document == name) {
                let found = match source.row {
                    Some(number) => rows
                        .iter()
                        .filter(|row| row.section == source.section && row.row == number)
                        .any(|row| is_in_row(source, row)),
                    None => sections
                        .get(&source.section)
                        .is_some_and(|text| text.contains(&source.as_written)),
                };
                assert!(found, "{}: {source:?}", flow.id);
            }
        }
    }
}
