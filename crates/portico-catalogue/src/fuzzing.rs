//! Bodies of the fuzz targets: what must hold for any text at all. The targets in `fuzz/` call
//! them, and so do tests with seeded mutations, where no fuzzer runs.

use std::net::IpAddr;

use crate::{
    drift::{self, Class, Question},
    flow::PortRange,
    plan::{Address, DeployedHost, FlowPlan},
};

/// Reads `text` as rules and as sockets of a host that nothing is planned at, and says what does
/// not hold, if anything: what is read is judged, and nothing of it is missing.
///
/// # Errors
/// The rule that is broken.
pub fn check_drift(text: &str) -> Result<(), String> {
    let rules = drift::read_rules(&[text]).ok();
    let sockets = drift::read_ss(text).ok();
    let plan = FlowPlan {
        hosts: vec![DeployedHost {
            id: "host".into(),
            title: String::new(),
            roles: Vec::new(),
            addresses: vec![
                Address::Ip(IpAddr::from([10, 0, 0, 1])),
                Address::Ip(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1])),
            ],
            zone: None,
            site: None,
            os: None,
            features: Default::default(),
            ports: Default::default(),
            reaches: None,
        }],
        zones: Vec::new(),
        flows: Vec::new(),
        gaps: Vec::new(),
        assumptions: Vec::new(),
    };
    let drift = drift::diff(&Question {
        plan: &plan,
        host: 0,
        rules: rules.as_ref(),
        listeners: sockets.as_ref(),
        interfaces: &[],
        client_ports: &PortRange::new(32_768, 60_999),
        estate_option: "",
    });
    for finding in &drift.findings {
        if finding.class == Class::Missing {
            return Err(format!("missing, and nothing is planned: {finding:?}"));
        }
        if finding.evidence.is_empty() || finding.next_step.is_empty() {
            return Err(format!("says nothing: {finding:?}"));
        }
    }
    Ok(())
}
