//! The causes of `portico explain flow`, each produced for real between two network namespaces: a
//! stopped server, nftables that drop and reject, a wrong DNS, an expired certificate, a host that
//! is gone. They run where namespaces can be made, and say so where not.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use portico_net::clock::{Clock, SystemClock};
use serde_json::Value;

/// Addresses of the two ends, for documentation (RFC 5737).
const EDGE: &str = "198.51.100.1";
const APP: &str = "198.51.100.2";
/// Nobody's.
const NOBODY: &str = "198.51.100.77";

struct Lab {
    folder: tempfile::TempDir,
    edge: String,
    app: String,
    servers: Vec<Child>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop();
        for name in [&self.edge, &self.app] {
            let _gone = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

fn ip(line: &str) {
    run(Command::new("ip").args(line.split(' ')));
}

impl Lab {
    /// `None` where there is no lab.
    fn new() -> Option<Self> {
        let id = std::process::id();
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
            edge: format!("ptc{id}a"),
            app: format!("ptc{id}b"),
            servers: Vec::new(),
        };
        let made = Command::new("ip")
            .args(["netns", "add", &lab.edge])
            .output();
        if !made.is_ok_and(|made| made.status.success()) {
            eprintln!("not run: this machine allows no network namespace (ip netns add)");
            return None;
        }
        let (edge, app) = (&lab.edge, &lab.app);
        ip(&format!("netns add {app}"));
        ip(&format!(
            "link add ve{id} netns {edge} type veth peer name ve{id} netns {app}"
        ));
        for (name, address) in [(edge, EDGE), (app, APP)] {
            ip(&format!("-n {name} addr add {address}/24 dev ve{id}"));
            ip(&format!("-n {name} link set ve{id} up"));
            ip(&format!("-n {name} link set lo up"));
        }
        Some(lab)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn at_app(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.app, program]);
        command
    }

    /// OpenSSH on these ports of the host, and one that is up.
    fn sshd(&mut self, ports: &[u16]) {
        let key = self.folder.path().join("host-key");
        if !key.exists() {
            run(Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key));
        }
        fs::create_dir_all("/run/sshd").unwrap();
        let mut config = format!("HostKey {}\nUsePAM no\nPidFile none\n", key.display());
        for port in ports {
            config.push_str(&format!("ListenAddress {APP}:{port}\n"));
        }
        let config = self.file("sshd_config", &config);
        let mut command = self.at_app("/usr/sbin/sshd");
        command.args(["-D", "-f"]).arg(config);
        self.start(command, ports);
    }

    /// A web server of OpenSSL with a certificate for the host that ended `days` ago.
    fn https(&mut self, days: i64) {
        let at = |days: i64| {
            let seconds = SystemClock.now().unix_ms() / 1000 + days * 86_400;
            time::OffsetDateTime::from_unix_timestamp(seconds).unwrap()
        };
        let mut params = rcgen::CertificateParams::new(vec!["app.example".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (at(-400), at(-days));
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = self.file("cert.pem", &params.self_signed(&key).unwrap().pem());
        let key = self.file("key.pem", &key.serialize_pem());
        let mut command = self.at_app("openssl");
        command
            .args(["s_server", "-quiet", "-www", "-accept", "443", "-cert"])
            .arg(cert)
            .arg("-key")
            .arg(key)
            .stdin(Stdio::piped());
        self.start(command, &[443]);
    }

    /// Starts a server and waits until it listens on all of `ports`.
    fn start(&mut self, mut command: Command, ports: &[u16]) {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.servers.push(child);
        let begun = std::time::Instant::now();
        loop {
            let listening = self.at_app("ss").arg("-ltnH").output().unwrap();
            let listening = String::from_utf8(listening.stdout).unwrap();
            let is_up = |port: &u16| listening.contains(&format!(":{port} "));
            if ports.iter().all(is_up) {
                return;
            }
            assert!(begun.elapsed().as_secs() < 20, "{command:?}: {listening}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn stop(&mut self) {
        for mut server in self.servers.drain(..) {
            let _gone = server.kill();
            let _status = server.wait();
        }
    }

    /// Puts these rules in place of those of the host.
    fn firewall(&self, rules: &str) {
        run(self.at_app("nft").args(["flush", "ruleset"]));
        let mut child = self
            .at_app("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(rules.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success(), "{rules}");
    }

    /// What is said of a port, with `name` at `address` in the hosts file of whoever asks.
    fn explain(&self, port: u16, address: Option<&str>) -> Value {
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        if let Some(address) = address {
            hosts.push_str(&format!("{address} app.example\n"));
        }
        let hosts = self.file("hosts", &hosts);
        let estate = format!(
            r#"version = 1
[[hosts]]
id = "edge"
roles = ["portico.engine", "portico.gateway", "portico.client"]
address = "{EDGE}"
[[hosts]]
id = "app"
roles = ["portico.session-host", "portico.portal"]
addresses = ["app.example", "{APP}"]
"#
        );
        let estate = self.file("estate.toml", &estate);
        let output = Command::new("ip")
            .args(["netns", "exec", &self.edge, "unshare", "-m", "sh", "-c"])
            .arg("mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"")
            .arg("sh")
            .arg(hosts)
            .arg(env!("CARGO_BIN_EXE_portico"))
            .args([
                "explain",
                "flow",
                "--from",
                "edge",
                "--to",
                "app",
                "--timeout",
                "4",
            ])
            .args(["-o", "json", "--port", &format!("{port}/tcp"), "-f"])
            .arg(estate)
            .env("HOME", self.folder.path())
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    #[track_caller]
    fn check(&self, port: u16, address: Option<&str>, expected: &[&str]) {
        let answer = self.explain(port, address);
        assert_eq!(answer["seen_from_there"], true, "{answer:#}");
        let causes = answer["causes"].as_array().unwrap().iter();
        let kinds: Vec<&str> = causes
            .map(|cause| cause["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, expected, "{answer:#}");
    }
}

#[test]
fn each_failure_that_is_produced_has_its_cause() {
    let Some(mut lab) = Lab::new() else {
        return;
    };
    assert!(Path::new("/usr/sbin/sshd").exists(), "the lab has OpenSSH");
    let (good, refused) = (Some(APP), &["nothing-listens", "firewall-rejects"]);
    lab.check(22, good, refused);
    lab.sshd(&[22, 3389]);
    lab.check(22, good, &[]);
    lab.check(3389, good, &["wrong-service"]);
    lab.check(22, None, &["name-unknown"]);
    lab.check(
        22,
        Some(EDGE),
        &["address-of-another", "nothing-listens", "firewall-rejects"],
    );
    lab.check(22, Some(NOBODY), &["address-of-another", "host-down"]);

    let chain = "table inet t {\n chain i {\n type filter hook input priority 0\n";
    lab.firewall(&format!("{chain} tcp dport 22 drop\n }}\n}}\n"));
    lab.check(22, good, &["firewall-drops"]);
    lab.firewall(&format!(
        "{chain} tcp dport 22 reject with icmpx admin-prohibited\n }}\n}}\n"
    ));
    lab.check(22, good, &["firewall-rejects"]);
    lab.firewall("");

    lab.https(3);
    // A web server, but not Portico's portal.
    let causes = [
        "wrong-service",
        "certificate-expired",
        "certificate-self-signed",
    ];
    lab.check(443, good, &causes);
    lab.stop();
    lab.check(22, good, refused);
    let id = std::process::id();
    ip(&format!("-n {} link set ve{id} down", lab.app));
    lab.check(22, good, &["host-down"]);
}
