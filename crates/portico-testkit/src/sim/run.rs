//! One run: from the empty store to the quiet at the end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use portico_model::{
    HostId, PoolId, SessionPolicyId,
    estate::{
        AgentMode, Entitlement, Estate, Group, Host, HostMode, Pin, Pool, Protocol, Resource,
        ResourceKind, SessionPolicy,
    },
};
use portico_store::{Op, Txn};
use tokio::time::{sleep, sleep_until};

use super::{
    invariants::{self, Violation},
    people::{everybody, resource_id},
    sabotage::Sabotage,
    scenario::Scenario,
    truth::host_id,
    world::{World, address, user_id},
};
use crate::chance::Dice;

/// Time for troubles to pass and for periodic work to be done, before everything is compared.
const QUIET_FOR: Duration = Duration::from_secs(240);

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The first promise that was broken.
    pub violation: Option<Violation>,
    /// Hash of all that happened: the same for the same scenario.
    pub trace_hash: u64,
    /// What happened, line by line: the last lines, or all of a traced run.
    pub trace: Vec<String>,
    /// How much happened.
    pub counts: Counts,
}

/// How much happened in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Launches that were asked for.
    pub launches: u64,
    /// Those that were refused.
    pub refusals: u64,
    /// Sessions that were placed.
    pub sessions: u64,
    /// Reports of agents that a broker took.
    pub reports: u64,
    /// Processes that were killed.
    pub crashes: u64,
    /// Revisions of the store.
    pub revisions: u64,
    /// Operations of the store, and events that its watches told.
    pub operations: u64,
}

/// Runs a scenario.
pub fn run(scenario: &Scenario) -> Outcome {
    run_with(scenario, None, false)
}

/// Runs a scenario and keeps every line of its trace.
pub fn run_traced(scenario: &Scenario) -> Outcome {
    run_with(scenario, None, true)
}

/// Runs a scenario with a rule broken on purpose.
pub fn run_sabotaged(scenario: &Scenario, sabotage: Sabotage) -> Outcome {
    run_with(scenario, Some(sabotage), false)
}

fn run_with(scenario: &Scenario, sabotage: Option<Sabotage>, keep_trace: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let scenario = scenario.clone();
    runtime.block_on(async move {
        let world = World::new(scenario, sabotage, keep_trace);
        let all = play(&world);
        tokio::select! {
            biased;
            () = world.stop.notified() => {}
            () = all => {}
        }
        let outcome = outcome(&world);
        take_down(&world);
        outcome
    })
}

async fn play(world: &Arc<World>) {
    write_estate(world, &BTreeMap::new());
    world.enroll_agents();
    let mut dice = Dice::of(world.scenario.seed, "skew", 0);
    for broker in &mut world.lock().brokers {
        let skew = dice.between(0, world.scenario.chances.skew_ms);
        broker.skew_ms = i64::try_from(skew).unwrap_or(0);
    }
    let brokers = world.lock().brokers.len();
    for index in 0..brokers {
        world.start_broker(index);
    }
    for plan in &world.scenario.hosts {
        world.agent_starts(plan.host);
    }
    for timed in &world.scenario.actions {
        sleep_until(world.start + Duration::from_millis(timed.at_ms)).await;
        world.act(timed);
    }
    sleep_until(world.start + Duration::from_millis(world.scenario.quiet_at_ms)).await;
    be_quiet(world);
    sleep(QUIET_FOR).await;
    invariants::check_quiet(world);
}

fn be_quiet(world: &Arc<World>) {
    let mut state = world.lock();
    state.note(world.start, format_args!("quiet"));
    state.is_quiet = true;
    for broker in &state.brokers {
        if let Some(process) = &broker.process {
            process.store.live_on();
        }
    }
}

fn outcome(world: &World) -> Outcome {
    let state = world.lock();
    let facts = &state.facts;
    Outcome {
        violation: state.violation.clone(),
        trace_hash: state.trace.hash(),
        trace: state.trace.lines(),
        counts: Counts {
            launches: facts.launches,
            refusals: facts.refusals,
            sessions: u64::try_from(state.directory.sessions.len()).unwrap_or(0),
            reports: facts.reports_taken,
            crashes: facts.crashes,
            revisions: world.memory.revision(),
            operations: world.operations(),
        },
    }
}

/// The world and its tasks hold one another.
fn take_down(world: &World) {
    let mut state = world.lock();
    for broker in &mut state.brokers {
        broker.process = None;
    }
    state.connections.clear();
    state.links.clear();
    state.agents.clear();
    drop(state);
    let mut tasks = world
        .tasks
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    tasks.abort_all();
}

/// An operator changes what a host takes.
pub(crate) fn set_mode(world: &World, host: u64, _mode: HostMode) {
    let drained = &world.lock().drained.clone();
    let modes = drained.keys().map(|host| (*host, HostMode::Drain));
    let _ = host;
    write_estate(world, &modes.collect());
}

fn write_estate(world: &World, modes: &BTreeMap<u64, HostMode>) {
    let mut estate = estate(&world.scenario, modes);
    misread(&mut estate, world.sabotage);
    let value = serde_json::json!({ "v": 1, "body": estate });
    let value = serde_json::to_vec(&value).expect("an estate");
    let txn = Txn::of([Op::put("/portico/v1/default/estate/wanted", value)]);
    world.memory.txn_now(&txn).expect("a store");
}

/// What brokers read when they are to read it wrong.
fn misread(estate: &mut Estate, sabotage: Option<Sabotage>) {
    for host in estate.hosts.values_mut() {
        match sabotage {
            Some(Sabotage::LimitMisread) => host.sessions_max += 1,
            Some(Sabotage::HostsMisread) => host.mode = HostMode::Disabled,
            _ => {}
        }
    }
    if sabotage == Some(Sabotage::GuardMisread) {
        for pool in estate.pools.values_mut() {
            pool.sign_ins_max = 0;
        }
    }
}

fn estate(scenario: &Scenario, modes: &BTreeMap<u64, HostMode>) -> Estate {
    let pool_id = PoolId::new("pool").expect("a slug");
    let policy_id = SessionPolicyId::new("policy").expect("a slug");
    let pool = Pool {
        placement: scenario.placement,
        sign_ins_max: scenario.sign_ins_max,
        sessions_per_user: scenario.sessions_per_user,
        session_policy: Some(policy_id.clone()),
        ..Pool::default()
    };
    let policy = SessionPolicy {
        disconnected_timeout_s: scenario.disconnected_timeout_s,
        session_timeout_s: scenario.session_timeout_s,
        ..SessionPolicy::default()
    };
    let users: Vec<_> = (0..scenario.users).map(user_id).collect();
    let resources: Vec<_> = (0..scenario.resources).map(resource_id).collect();
    let entitlement = Entitlement {
        groups: vec![everybody()],
        resources: resources.clone(),
        ..Entitlement::default()
    };
    let group = Group {
        users,
        ..Group::default()
    };
    let host = |plan: &super::HostPlan| -> (HostId, Host) {
        (
            host_id(plan.host),
            Host {
                title: String::new(),
                pool: pool_id.clone(),
                roles: Vec::new(),
                address: address(plan.host),
                protocol: Protocol::Rdp,
                port: 3389,
                security: Default::default(),
                agent: if plan.agent {
                    AgentMode::Required
                } else {
                    AgentMode::None
                },
                sessions_max: plan.sessions_max,
                mode: modes.get(&plan.host).copied().unwrap_or_default(),
                pins: vec![Pin::CertificateSha256([0; 32])],
                weight: plan.weight,
                sessions_per_account: Default::default(),
                site: None,
                agent_link: Default::default(),
                network: Default::default(),
            },
        )
    };
    let resource = |id: &portico_model::ResourceId| {
        let resource = Resource {
            title: String::new(),
            description: String::new(),
            folder: String::new(),
            icon: String::new(),
            kind: ResourceKind::Desktop {
                pool: pool_id.clone(),
            },
        };
        (id.clone(), resource)
    };
    Estate {
        pools: [(pool_id.clone(), pool)].into(),
        hosts: scenario.hosts.iter().map(host).collect(),
        resources: resources.iter().map(resource).collect(),
        entitlements: [(
            portico_model::EntitlementId::new("all").expect("a slug"),
            entitlement,
        )]
        .into(),
        session_policies: [(policy_id, policy)].into(),
        groups: [(everybody(), group)].into(),
        ..Estate::default()
    }
}
