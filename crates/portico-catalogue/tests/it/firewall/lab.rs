//! Network namespaces of an estate: two switches, a router between them, a namespace for each host.

use std::{
    io::{BufRead, BufReader, Write},
    net::IpAddr,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use portico_catalogue::{plan::FlowPlan, rules::RuleFile};

use super::{
    SOURCE_PORTS, addresses,
    child::{self, Job},
    for_each_pair, listening_ports,
};

/// The namespaces; gone when this is dropped, also in a panic.
pub(super) struct Lab {
    pub(super) plan: FlowPlan,
    prefix: String,
}

/// Listening processes; stopped when this is dropped.
pub(super) struct Listeners(Vec<Child>);

impl Drop for Listeners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in self.names() {
            let _ = Command::new("ip").args(["netns", "del", &name]).output();
        }
    }
}

impl Lab {
    /// None, and a word about it, where this machine cannot do it.
    pub(super) fn of(plan: FlowPlan) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        for tool in ["nsenter", "nft", "iptables-restore", "ip6tables-restore"] {
            let asked = Command::new(tool).arg("--version").output();
            if !asked.is_ok_and(|output| output.status.success()) {
                eprintln!("not run: this machine has no {tool}");
                return None;
            }
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let lab = Self {
            plan,
            prefix: format!("pfw{}-{number}", std::process::id()),
        };
        let router = lab.router();
        let made = Command::new("ip").args(["netns", "add", &router]).output();
        if !made.is_ok_and(|output| output.status.success()) {
            eprintln!("not run: this machine allows no network namespace (ip netns add)");
            return None;
        }
        lab.build();
        Some(lab)
    }

    fn router(&self) -> String {
        format!("{}-r", self.prefix)
    }

    fn name(&self, host: usize) -> String {
        format!("{}-{host}", self.prefix)
    }

    fn names(&self) -> Vec<String> {
        let hosts = (0..self.plan.hosts.len()).map(|host| self.name(host));
        hosts.chain([self.router()]).collect()
    }

    fn build(&self) {
        let router = self.router();
        let mut batch = String::from("link set lo up\n");
        for zone in ["1", "2"] {
            batch.push_str(&format!(
                "link add br{zone} type bridge\nlink set br{zone} up\n\
                 address add 10.77.{zone}.1/24 dev br{zone}\n\
                 address add fd77:{zone}::1/64 dev br{zone} nodad\n"
            ));
        }
        for host in 0..self.plan.hosts.len() {
            let name = self.name(host);
            finish(Command::new("ip").args(["netns", "add", &name]), "");
            let zone = self.zone(host);
            batch.push_str(&format!(
                "link add p{host} type veth peer name eth0 netns {name}\n\
                 link set p{host} master br{zone}\nlink set p{host} up\n"
            ));
        }
        finish(
            Command::new("ip").args(["-n", &router, "-batch", "-"]),
            &batch,
        );
        let forward =
            "echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding";
        inside(&router, &["sh", "-c", forward], "");
        for host in 0..self.plan.hosts.len() {
            self.build_host(host);
        }
    }

    fn build_host(&self, host: usize) {
        let name = self.name(host);
        let zone = self.zone(host);
        let mut batch = String::from("link set lo up\nlink set eth0 up\n");
        for address in addresses(&self.plan, host) {
            match address {
                IpAddr::V4(ip) => batch.push_str(&format!("address add {ip}/24 dev eth0\n")),
                IpAddr::V6(ip) => batch.push_str(&format!("address add {ip}/64 dev eth0 nodad\n")),
            }
        }
        batch.push_str(&format!(
            "route add default via 10.77.{zone}.1\nroute add default via fd77:{zone}::1\n"
        ));
        finish(
            Command::new("ip").args(["-n", &name, "-batch", "-"]),
            &batch,
        );
        // Connections come from ports that are not probed, either.
        let ports = format!(
            "echo {} {} >/proc/sys/net/ipv4/ip_local_port_range",
            SOURCE_PORTS.start() + 1,
            SOURCE_PORTS.end()
        );
        inside(&name, &["sh", "-c", &ports], "");
    }

    fn zone(&self, host: usize) -> String {
        let address = addresses(&self.plan, host)[0].to_string();
        address.split('.').nth(2).unwrap().to_owned()
    }

    pub(super) fn host_at(&self, address: IpAddr) -> usize {
        (0..self.plan.hosts.len())
            .find(|host| addresses(&self.plan, *host).contains(&address))
            .unwrap_or_else(|| panic!("a packet of {address}, which is no host's"))
    }

    /// Output of a tool at a host.
    pub(super) fn tool(&self, host: usize, words: &[&str]) -> String {
        inside(&self.name(host), words, "")
    }

    pub(super) fn pipe(&self, host: usize, words: &[&str], text: &str) -> String {
        inside(&self.name(host), words, text)
    }

    /// Loads one file for each host, twice: the second time changes nothing.
    pub(super) fn load_nftables(&self, files: &[RuleFile]) {
        for (host, file) in files.iter().enumerate() {
            self.pipe(host, &["nft", "-f", "-"], &file.text);
            let once = self.tool(host, &["nft", "list", "table", "inet", "portico"]);
            self.pipe(host, &["nft", "-f", "-"], &file.text);
            let twice = self.tool(host, &["nft", "list", "table", "inet", "portico"]);
            assert_eq!(once, twice);
        }
        self.forget_neighbours();
    }

    /// Loads two files for each host, as their first lines say, twice.
    pub(super) fn load_iptables(&self, files: &[RuleFile]) {
        for (index, file) in files.iter().enumerate() {
            let (host, program) = (index / 2, ["iptables", "ip6tables"][index % 2]);
            let load = || {
                self.pipe(
                    host,
                    &[&format!("{program}-restore"), "--noflush"],
                    &file.text,
                );
                for jump in file
                    .text
                    .lines()
                    .filter_map(|line| line.strip_prefix("#   "))
                {
                    self.tool(host, &["sh", "-c", &format!("{{ {jump}; }} 2>/dev/null")]);
                }
                let saved = self.tool(host, &[&format!("{program}-save"), "-t", "filter"]);
                let lines = saved.lines().filter(|line| !line.starts_with('#'));
                // Counters of the built-in chains go on.
                let lines = lines.map(|line| line.split(" [").next().unwrap().to_owned());
                lines.collect::<Vec<String>>()
            };
            let once = load();
            assert!(
                once.iter().any(|line| line == "-A INPUT -j PORTICO-IN"),
                "{once:?}"
            );
            assert_eq!(once, load());
        }
        self.forget_neighbours();
    }

    /// Neighbours have to be found through the rules.
    fn forget_neighbours(&self) {
        for host in 0..self.plan.hosts.len() {
            self.tool(host, &["ip", "neighbour", "flush", "all"]);
        }
    }

    /// Does a job at a host; what it tells.
    pub(super) fn run(&self, host: usize, job: &Job) -> Vec<String> {
        let output = child::command(&self.name(host), job).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut told: Vec<String> = child::told(text.lines().map(str::to_owned)).collect();
        let last = told.pop();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(last.as_deref(), Some("done"), "{text}\n{errors}");
        told
    }

    /// Listens for all planned flows.
    pub(super) fn listen(&self) -> Listeners {
        let mut listeners = Listeners(Vec::new());
        for host in 0..self.plan.hosts.len() {
            let (mut tcp, mut udp, mut ip) = (Vec::new(), Vec::new(), Vec::new());
            for_each_pair(&self.plan, |flow, _, to| {
                if to == host {
                    match flow.transport {
                        portico_catalogue::Transport::Tcp => tcp.extend(listening_ports(flow)),
                        portico_catalogue::Transport::Udp => udp.extend(listening_ports(flow)),
                        portico_catalogue::Transport::Ip => ip.extend(flow.ip_protocol),
                        portico_catalogue::Transport::Icmp => {}
                    }
                }
            });
            for list in [&mut tcp, &mut udp] {
                list.sort_unstable();
                list.dedup();
            }
            ip.sort_unstable();
            ip.dedup();
            let job = Job::Listen {
                addresses: addresses(&self.plan, host),
                tcp,
                udp,
                ip,
            };
            let mut command = child::command(&self.name(host), &job);
            let mut started = command.stdout(Stdio::piped()).spawn().unwrap();
            let lines = BufReader::new(started.stdout.take().unwrap()).lines();
            listeners.0.push(started);
            let told = child::told(lines.map_while(Result::ok)).next();
            assert_eq!(told.as_deref(), Some("listening"));
        }
        listeners
    }
}

/// A command that goes on with its next words in a namespace. `ip netns exec` would do, but takes
/// its time to make a mount namespace, too.
pub(super) fn enter(namespace: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}"));
    command
}

/// Runs in a namespace; the output.
fn inside(namespace: &str, words: &[&str], text: &str) -> String {
    let mut command = enter(namespace);
    command.args(words);
    finish(&mut command, text)
}

#[track_caller]
fn finish(command: &mut Command, text: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}\n{text}");
    String::from_utf8(output.stdout).unwrap()
}
