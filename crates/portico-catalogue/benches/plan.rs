//! Plans of 10,000 hosts and the rules of them: seconds and memory, from the built-in catalogue
//! and a synthetic one.
//!
//! `cargo bench -p portico-catalogue`. The most memory is that of the whole process so far, so it
//! only grows from row to row.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints its table, measures time, and may stop at the first error"
)]

use std::{collections::BTreeMap, fmt::Write as _, io, net::Ipv4Addr, time::Instant};

use portico_catalogue::{
    Catalogue, DocumentText, Transport,
    plan::{Address, DeployedHost, Deployment, FlowPlan, PortKey, compare, plan, why},
    rules::{self, Format, GapRule, Options},
};

/// Hosts of each estate.
const HOSTS: usize = 10_000;
/// Flows of the synthetic catalogue, about what the documents have together.
const FLOWS: usize = 600;
/// Seconds for a plan.
const SECONDS_BUDGET: f64 = 5.0;
/// Most memory of the process, in MiB.
const MEMORY_BUDGET_MIB: f64 = 1024.0;

fn main() {
    println!(
        "{:<52} {:>10} {:>10}",
        "plan of 10,000 hosts", "seen", "budget"
    );
    let documents = Catalogue::portico();
    let synthetic = synthetic();
    rules_of(&plan(documents, &estate(documents, 20, false)));
    for (name, catalogue) in [("built-in", documents), ("synthetic", synthetic)] {
        measure(
            &format!("{name}, 20 sites"),
            catalogue,
            &estate(catalogue, 20, false),
        );
        let varied = estate(catalogue, 200, true);
        measure(
            &format!("{name}, 200 sites, reaches, ports"),
            catalogue,
            &varied,
        );
    }
}

/// The rules of all hosts, in the format with a file for each and in the one that is a table.
fn rules_of(plan: &FlowPlan) {
    let options = Options {
        gaps: GapRule::Note,
        ..Options::default()
    };
    for format in [Format::Nftables, Format::Windows, Format::Csv] {
        let begun = Instant::now();
        let files = rules::write(format, plan, None, &options).unwrap();
        let name = format.name();
        seconds(&format!("built-in: rules, {name}"), begun, None);
        let bytes: usize = files.iter().map(|file| file.text.len()).sum();
        row(
            &format!("built-in:   files, {name}"),
            &files.len().to_string(),
            "-",
        );
        row(
            &format!("built-in:   MiB, {name}"),
            &(bytes >> 20).to_string(),
            "-",
        );
    }
}

fn measure(name: &str, catalogue: &'static Catalogue, estate: &Deployment) {
    let begun = Instant::now();
    let before = plan(catalogue, estate);
    seconds(&format!("{name}: plan"), begun, Some(SECONDS_BUDGET));
    row(
        &format!("{name}:   rows"),
        &before.flows.len().to_string(),
        "-",
    );
    row(
        &format!("{name}:   pairs with a flow, x1000"),
        &pairs(&before).to_string(),
        "-",
    );

    let mut changed = estate.clone();
    for host in changed.hosts.iter_mut().step_by(7) {
        host.site = Some("moved".into());
    }
    let after = plan(catalogue, &changed);
    let begun = Instant::now();
    let comparison = compare(&before, &after);
    seconds(
        &format!("{name}: compare, a seventh moved"),
        begun,
        Some(SECONDS_BUDGET),
    );
    let changes = comparison.gained.len() + comparison.lost.len();
    row(&format!("{name}:   changes"), &changes.to_string(), "-");

    let begun = Instant::now();
    let mut sink = Counted(0);
    serde_json::to_writer(&mut sink, &before.report()).unwrap();
    seconds(&format!("{name}: report as JSON"), begun, None);
    row(
        &format!("{name}:   MiB of JSON"),
        &(sink.0 >> 20).to_string(),
        "-",
    );

    let begun = Instant::now();
    why(catalogue, estate, &catalogue.flows().next().unwrap().id).unwrap();
    seconds(&format!("{name}: why one flow"), begun, None);
    let budget = format!("{MEMORY_BUDGET_MIB:.0}");
    row(
        &format!("{name}: most memory, MiB"),
        &format!("{:.0}", memory_mib()),
        &budget,
    );
}

/// Thousands of host pairs that have a flow, each flow counted for itself.
fn pairs(plan: &FlowPlan) -> usize {
    let flows = plan.flows.iter();
    flows
        .map(|flow| flow.from.len() * flow.to.len())
        .sum::<usize>()
        / 1000
}

fn seconds(what: &str, begun: Instant, budget: Option<f64>) {
    let seen = format!("{:.2} s", begun.elapsed().as_secs_f64());
    row(
        what,
        &seen,
        &budget.map_or("-".into(), |budget| format!("{budget:.0} s")),
    );
}

fn row(what: &str, seen: &str, budget: &str) {
    println!("{what:<52} {seen:>10} {budget:>10}");
}

/// Counts what is written, and keeps nothing.
struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Most memory that the process had so far, as the kernel counts it.
fn memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// Every role of the catalogue in turn, three of them on each host.
fn estate(catalogue: &Catalogue, sites: usize, is_varied: bool) -> Deployment {
    let roles: Vec<String> = catalogue.roles().map(|role| role.id.clone()).collect();
    let hosts = (0..HOSTS).map(|n| {
        let site = format!("site-{}", n % sites);
        let own = roles.iter().cycle().skip(n * 3 % roles.len()).take(3);
        let ports = (is_varied && n % 10 == 0)
            .then_some((PortKey::Default(443, Transport::Tcp), 8443))
            .into_iter();
        DeployedHost {
            id: format!("host-{n}"),
            title: format!("Host {n}"),
            roles: own.cloned().collect(),
            addresses: vec![Address::Ip(address(n).into())],
            zone: Some(format!("zone-{}", n % 4)),
            reaches: (is_varied && n % 3 == 0).then(|| vec![site.clone(), "zone-0".into()]),
            site: Some(site),
            os: None,
            features: BTreeMap::new(),
            ports: ports.collect(),
        }
    });
    Deployment {
        hosts: hosts.collect(),
        with_optional: true,
        ..Deployment::default()
    }
}

/// The n-th address of 10.0.0.0/8.
fn address(n: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000_u32 + u32::try_from(n).unwrap_or(0))
}

/// Thirty roles with all kinds of flows between them.
fn synthetic() -> &'static Catalogue {
    let mut text = String::from("document = \"s\"\ntitle = \"S\"\n");
    for n in 0..30 {
        let id = format!("id = \"s.r{n}\"\ntitle = \"R\"\ndescription = \"-\"\n");
        write!(text, "[[role]]\n{id}").unwrap();
    }
    for n in 0..FLOWS {
        let (from, to, port) = (n % 30, n * 7 % 29, 1000 + n);
        let conditions = match n % 8 {
            0 => "{ when = \"same-site\" }",
            1 => "{ when = \"os\", at = \"to\", first = \"windows-2008\" }",
            _ => "",
        };
        let direction = if n % 5 == 0 { "both-ways" } else { "one-way" };
        write!(
            text,
            "[[flow]]\nid = \"s.f{n}\"\nfrom = \"s.r{from}\"\nto = \"s.r{to}\"\n\
             transport = \"tcp\"\nports = [{{ first = {port}, last = {port} }}, \
             {{ first = 443, last = 443 }}]\napplication_protocol = \"-\"\nservice = \"-\"\n\
             purpose = \"to measure\"\ndirection = \"{direction}\"\n\
             conditions = [{conditions}]\nproof = \"A\"\n\
             sources = [{{ document = \"s\", section = \"S\", as_written = \"-\" }}]\n\
             portico = {{ answer = \"catalogued\", why = \"-\" }}\n"
        )
        .unwrap();
    }
    let document = DocumentText {
        file_name: "s.toml",
        text: &text,
    };
    Box::leak(Box::new(Catalogue::parse(&[document]).unwrap()))
}
