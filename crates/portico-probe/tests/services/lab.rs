//! The lab's servers, and how they are made to fail.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The servers that these tests are about.
const SERVERS: &[&str] = &["svc1", "svc2", "svc3", "svc4", "sh1"];

/// A lab that is up.
pub(crate) struct Lab {
    /// Prefix of its network namespaces.
    name: String,
    /// First three numbers of its network.
    pub(crate) net: String,
    /// Its state folder.
    folder: PathBuf,
    addresses: BTreeMap<String, String>,
    /// The certificate of its authority.
    pub(crate) authority: Vec<u8>,
}

/// The lab, when there is one with these servers.
pub(crate) fn lab() -> Option<Lab> {
    let found = find();
    if let Err(why) = &found {
        assert!(
            std::env::var("PORTICO_SERVICES").as_deref() != Ok("required"),
            "{why}"
        );
        println!("{why}: not run");
    }
    found.ok()
}

fn find() -> Result<Lab, String> {
    let path = std::env::var("PORTICO_LAB_FACTS").map_err(|_| "PORTICO_LAB_FACTS is not set")?;
    let facts = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let addresses: BTreeMap<String, String> = facts["servers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|server| (text(&server["name"]), text(&server["address"])))
        .collect();
    for name in SERVERS {
        if !addresses.contains_key(*name) {
            return Err(format!("{name} is not up in the lab"));
        }
    }
    let folder = PathBuf::from(text(&facts["dir"]));
    let authority = folder.join("ca/ca.crt");
    let authority =
        std::fs::read(&authority).map_err(|error| format!("{}: {error}", authority.display()))?;
    Ok(Lab {
        name: text(&facts["lab"]),
        net: text(&facts["gateway"]).trim_end_matches(".1").to_owned(),
        folder,
        addresses,
        authority,
    })
}

/// Tests that stop `svc4` wait for those that use it.
static FAULTS: RwLock<()> = RwLock::const_new(());

impl Lab {
    /// Address of a server.
    pub(crate) fn address(&self, server: &str) -> &str {
        &self.addresses[server]
    }

    /// `svc4`, which stays up as long as this is held.
    pub(crate) async fn faults_in_use() -> RwLockReadGuard<'static, ()> {
        FAULTS.read().await
    }

    /// `svc4`, for somebody who stops it.
    pub(crate) async fn faults_alone() -> RwLockWriteGuard<'static, ()> {
        FAULTS.write().await
    }

    /// `lab/lab COMMAND SERVER`.
    pub(crate) fn command(&self, command: &str, server: &str) {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/lab");
        let done = Command::new(program)
            .args([command, server])
            .env("LAB_NAME", &self.name)
            .env("LAB_NET", &self.net)
            .env("LAB_DIR", &self.folder)
            .output()
            .unwrap();
        assert!(done.status.success(), "lab {command} {server}: {done:?}");
    }

    /// Loads rules into the network namespace of a server until the result is dropped.
    ///
    /// `rules` are lines of the chain of arriving packets.
    pub(crate) fn firewall(&self, server: &str, table: &str, rules: &[String]) -> Firewall {
        let firewall = Firewall {
            namespace: format!("{}-{server}", self.name),
            table: table.to_owned(),
        };
        let rules = rules.join("\n    ");
        firewall.nft(&format!(
            "table inet {table} {{\n  chain arriving {{\n    type filter hook input priority 0;\n    {rules}\n  }}\n}}\n"
        ));
        firewall
    }
}

/// Rules that are loaded.
pub(crate) struct Firewall {
    namespace: String,
    table: String,
}

impl Firewall {
    fn nft(&self, script: &str) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.namespace, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "nft: {done:?}\n{script}");
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        self.nft(&format!("delete table inet {}\n", self.table));
    }
}
