//! How many rows and flows each section has, against numbers counted by hand in the documents.
//!
//! The derivation stands beside each number. `rows`: rows of the section's table, or items of its
//! list. `flows`: flows that name the section as a source. "+1 dyn" means: a row with a dynamic
//! range is two flows, one for each generation of operating systems.

use std::collections::{BTreeMap, BTreeSet};

use portico_catalogue::Catalogue;

struct Expected {
    section: &'static str,
    rows: usize,
    flows: usize,
    #[expect(dead_code, reason = "for the reader")]
    derivation: &'static str,
}

const fn s(section: &'static str, rows: usize, flows: usize, derivation: &'static str) -> Expected {
    Expected {
        section,
        rows,
        flows,
        derivation,
    }
}

fn counted(document: &str) -> BTreeMap<String, (usize, usize)> {
    let mut rows: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let mut flows: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for flow in Catalogue::portico().flows() {
        for source in flow
            .sources
            .iter()
            .filter(|source| source.document == document)
        {
            rows.entry(source.section.clone())
                .or_default()
                .extend(source.row);
            flows
                .entry(source.section.clone())
                .or_default()
                .insert(&flow.id);
        }
    }
    let counted = flows.into_iter().map(|(section, flows)| {
        let rows = rows.get(&section).map_or(0, BTreeSet::len);
        (section, (rows, flows.len()))
    });
    counted.collect()
}

#[track_caller]
fn check(document: &str, expected: &[Expected]) {
    let wanted: BTreeMap<String, (usize, usize)> = expected
        .iter()
        .map(|expected| (expected.section.to_owned(), (expected.rows, expected.flows)))
        .collect();
    assert_eq!(wanted.len(), expected.len(), "a section stands here twice");
    assert_eq!(counted(document), wanted);
}

#[test]
fn ras_has_14_rows_and_49_flows() {
    check(
        "ras-connection-broker",
        &[s(
            "RAS Connection Broker",
            14,
            49,
            "AD 4 TCP + Kerberos 2 + DNS 1 = 7; brokers 2; licensing 1; monitor 1; agents \
             3 rows x TCP and UDP = 6; 2FA 4 ports x 2 = 8; enrollment, reporting, installer 3; \
             push 6 destinations x 3 ports = 18; mail 1; Let's Encrypt 2",
        )],
    );
}

#[test]
fn rds_has_41_items_with_flows_and_one_that_is_a_condition() {
    check(
        "rds-2012",
        &[
            s(
                "From Client to Remote Desktop Resource",
                2,
                5,
                "443; 3389 x TCP and UDP x session hosts and virtual desktops = 4",
            ),
            s(
                "Remote Desktop Connection Broker (RDCB)",
                7,
                11,
                "5504; three times 3389; two items of 445 + mapper + dynamic = 6; 5985",
            ),
            s(
                "Remote Desktop Gateway",
                13,
                21,
                "2 from outside; 88, 135, NTDS 3 (135 has two items); LDAP 2; DNS 2; CRL 2 + 1 + \
                 1; RADIUS 2; 5985; 3389 to session hosts 2, desktops 2, broker 1",
            ),
            s(
                "Remote Desktop Web Access",
                3,
                3,
                "WMI, 5504, 5985; the first of the four items is a condition and has no port",
            ),
            s(
                "Remote Desktop Session Host",
                3,
                4,
                "licensing; 389 and 636; 5985",
            ),
            s(
                "Remote Desktop Virtualization Host",
                3,
                4,
                "licensing; 389 and 636; 5985",
            ),
            s(
                "Remote Desktop Licensing Server / TCP",
                7,
                7,
                "one each; the two dynamic ranges are two items",
            ),
            s(
                "Remote Desktop Licensing Server / NetBIOS",
                3,
                4,
                "137, 138, 389 over UDP and TCP",
            ),
        ],
    );
}

#[test]
fn tarantella_has_30_rows_of_one_flow_each() {
    check(
        "tarantella",
        &[
            s("Table 1", 4, 4, "80, 443, 3144, 5307"),
            s(
                "Table 2",
                19,
                19,
                "22, 23, 137 twice, 139 twice, 389, 512, 513, 514, 515, 636, SecurID, 3389, 3579 \
                 TCP and UDP, 5500, 5999, X11",
            ),
            s("Table 3", 1, 1, "5427"),
            s("Table 4", 6, 6, "80, 3144, two Netlet rows, 8087, 30144"),
        ],
    );
}

#[test]
fn windows_has_200_rows_in_its_sections_and_183_in_its_summary() {
    check("windows-services", WINDOWS);
    let sections = WINDOWS
        .iter()
        .filter(|s| s.section != "Ports and protocols");
    // 197 rows in 58 sections with tables, and the three items of BranchCache.
    assert_eq!(sections.map(|s| s.rows).sum::<usize>(), 200);
}

const WINDOWS: &[Expected] = &[
    s(
        "Service overview and network port requirements for Windows",
        0,
        2,
        "the two dynamic ranges of the note at the head",
    ),
    s(
        "Active Directory (local security authority)",
        13,
        15,
        "13, +1 dyn; prose: ESP",
    ),
    s(
        "Application Layer Gateway service",
        1,
        2,
        "1; prose: 3000-5000 on the loopback adapter",
    ),
    s("ASP.NET State Service", 1, 1, "1"),
    s(
        "Certificate Services",
        3,
        5,
        "3, 445 and 139 in one row +1, +1 dyn",
    ),
    s("Cluster service", 5, 8, "5, +1 dyn; prose: ICMP, 445"),
    s("Computer Browser", 3, 3, "3"),
    s(
        "Dynamic Host Configuration Protocol (DHCP) Server",
        3,
        3,
        "3",
    ),
    s("Distributed File System Namespaces", 7, 8, "7, +1 dyn"),
    s("Distributed File System Replication", 3, 4, "3, +1 dyn"),
    s("Distributed Link Tracking Server", 2, 3, "2, +1 dyn"),
    s("Distributed Transaction Coordinator", 2, 3, "2, +1 dyn"),
    s("DNS Server", 2, 2, "2"),
    s("Event Log", 4, 4, "4"),
    s("Fax Service", 4, 5, "4, +1 dyn"),
    s("File Replication", 2, 3, "2, +1 dyn"),
    s("FTP Publishing Service", 3, 4, "3, +1 dyn"),
    s(
        "Group Policy",
        5,
        14,
        "DCOM: TCP and UDP x two ranges 4; ICMP; LDAP; SMB; RPC: 135 and two ranges 3; prose: \
         refresh 135 and range 2, Kerberos TCP and UDP 2",
    ),
    s("HTTP SSL", 1, 1, "1"),
    s("Hyper-V service", 7, 7, "replica 4, live migration 3"),
    s("Internet Authentication Service", 4, 4, "4"),
    s(
        "Internet Connection Firewall (ICF)/Internet Connection Sharing",
        3,
        3,
        "3",
    ),
    s("IP Address Management (IPAM)", 0, 1, "prose: 48885"),
    s("BranchCache information", 3, 3, "a list of 3"),
    s(
        "ISA/TMG Server",
        10,
        13,
        "10, two rows over TCP and UDP +2, two dynamic ranges +1",
    ),
    s("Kerberos Key Distribution Center", 5, 5, "5"),
    s(
        "License Logging",
        3,
        4,
        "3; prose: 137 of File and Printer Sharing",
    ),
    s("Message Queuing", 8, 8, "8"),
    s(
        "Microsoft Exchange Message Transfer Agent (MTA) stacks",
        1,
        1,
        "1",
    ),
    s("Microsoft POP3 service", 1, 1, "1"),
    s("Net Logon", 6, 8, "5; RPC: 135 and two ranges 3"),
    s("NetMeeting Remote Desktop Sharing", 1, 1, "1"),
    s("Network News Transfer Protocol (NNTP)", 2, 2, "2"),
    s(
        "Offline Files, User Profile Service, Folder Redirection, and Primary Computer",
        6,
        6,
        "6",
    ),
    s("Performance Logs and Alerts", 1, 1, "1"),
    s("Print Spooler", 4, 4, "4"),
    s("Remote Installation", 1, 1, "1"),
    s(
        "Remote Procedure Call (RPC)",
        6,
        8,
        "6; prose: the ephemeral range, by generation 2",
    ),
    s("Remote Procedure Call (RPC) Locator", 4, 4, "4"),
    s("Remote Storage Notification", 2, 3, "2, +1 dyn"),
    s("Remote Storage", 2, 3, "2, +1 dyn"),
    s(
        "Routing and Remote Access",
        5,
        7,
        "5; prose: 500 and 4500 for L2TP",
    ),
    s("Server", 4, 6, "4; prose: ICMP before 139, ICMP before 445"),
    s("SharePoint Portal Server", 2, 2, "2"),
    s(
        "Simple Mail Transfer Protocol (SMTP)",
        1,
        2,
        "1; prose: replication by mail",
    ),
    s(
        "Simple TCP/IP Services",
        10,
        10,
        "five services x TCP and UDP",
    ),
    s(
        "Simple Network Management Protocol (SNMP) Service",
        1,
        1,
        "1",
    ),
    s("SNMP Trap Service", 1, 1, "1"),
    s(
        "Simple Service Discovery Protocol (SSDP) Discovery Service",
        3,
        3,
        "3",
    ),
    s("TCP/IP Print Server", 1, 1, "1"),
    s("Telnet", 1, 1, "1"),
    s("Terminal Services", 1, 1, "1"),
    s("Terminal Services Licensing", 6, 7, "6, +1 dyn"),
    s("Terminal Services Session Directory", 2, 3, "2, +1 dyn"),
    s(
        "Trivial FTP Daemon",
        1,
        2,
        "1; prose: data from a random port",
    ),
    s("UPnP Device Host", 1, 1, "1"),
    s("Windows Internet Name Service (WINS)", 3, 3, "3"),
    s("Windows Media Services", 7, 7, "7"),
    s(
        "Windows Remote Management (WinRM)",
        2,
        4,
        "two versions x HTTP and HTTPS",
    ),
    s(
        "Windows Time",
        2,
        6,
        "2; prose: Kerberos TCP and UDP, DNS TCP and UDP",
    ),
    s(
        "World Wide Web Publishing Service",
        2,
        3,
        "2; prose: administration 8098",
    ),
    s(
        "Ports and protocols",
        183,
        182,
        "one flow for each row, but one for the two rows of Exchange at 135; the note below names \
         two flows that have rows",
    ),
];
