//! Pools, and the places that clients and hosts are at.

use std::collections::BTreeMap;

use portico_model::{
    PoolId, SiteId, UserId,
    estate::{
        AccountMapping, ClientSite, LOAD_WEIGHT_MAX, LoadWeights, PlacementRule, Pool, ResumeFrom,
        SessionsPerUser, SiteRule,
    },
};

use super::{hosts::optional, reader::Reader, resources::networks};
use crate::{
    Kind,
    document::{Item, Table, Wrong},
    limits, values,
};

pub(super) fn client_site<'d>(
    _reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    id: &SiteId,
) -> Option<ClientSite> {
    let title = optional(table, "title", |item| item.parsed("a name", values::title));
    let client_networks = optional(table, "client_networks", networks);
    Some(ClientSite {
        title: title?.unwrap_or_else(|| id.to_string()),
        client_networks: client_networks?.unwrap_or_default(),
    })
}

pub(super) fn pool<'d>(
    reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    _id: &PoolId,
) -> Option<Pool> {
    let title = table
        .required("title", "title = \"…\", the name that people read")
        .and_then(|item| item.parsed("a name", values::title));
    let placement = optional(table, "placement", |item| {
        item.choice(&[
            ("resource-based", PlacementRule::ResourceBased),
            ("fewest-sessions", PlacementRule::FewestSessions),
            ("round-robin", PlacementRule::RoundRobin),
            ("pack", PlacementRule::Pack),
        ])
    });
    let template = optional(table, "account", |item| {
        item.parsed("a template", values::account_template)
    });
    let exceptions = optional(table, "account_exceptions", |item| exceptions(reader, item));
    let session_policy = optional(table, "session_policy", |item| {
        reader.reference(Kind::SessionPolicy, item).map(Some)
    });
    let rules = rules(table);
    Some(Pool {
        title: title?,
        placement: placement?.unwrap_or_default(),
        account: AccountMapping {
            template: template?.unwrap_or_else(|| AccountMapping::default().template),
            exceptions: exceptions?.unwrap_or_default(),
        },
        session_policy: session_policy?.flatten(),
        ..rules?
    })
}

/// A pool with the keys that say how it places and resumes sessions, and defaults elsewhere.
fn rules(table: &mut Table<'_>) -> Option<Pool> {
    let defaults = Pool::default();
    let load_weights = optional(table, "load_weights", load_weights);
    let sign_ins_max = optional(table, "sign_ins_max", |item| {
        item.whole_number(0..=limits::SIGN_INS_MAX)
    });
    let sessions_per_user = optional(table, "sessions_per_user", |item| {
        item.choice(&[
            ("resource", SessionsPerUser::Resource),
            ("pool", SessionsPerUser::Pool),
            ("many", SessionsPerUser::Many),
        ])
    });
    let resume_from = optional(table, "resume_from", |item| {
        item.choice(&[
            ("anywhere", ResumeFrom::Anywhere),
            ("same-network", ResumeFrom::SameNetwork),
        ])
    });
    let affinity = optional(table, "affinity", Item::truth);
    let site_rule = optional(table, "site_rule", |item| {
        item.choice(&[
            ("prefer", SiteRule::Prefer),
            ("require", SiteRule::Require),
            ("ignore", SiteRule::Ignore),
        ])
    });
    Some(Pool {
        load_weights: load_weights?.unwrap_or(defaults.load_weights),
        sign_ins_max: sign_ins_max?.unwrap_or(defaults.sign_ins_max),
        sessions_per_user: sessions_per_user?.unwrap_or_default(),
        resume_from: resume_from?.unwrap_or_default(),
        affinity: affinity?.unwrap_or(defaults.affinity),
        site_rule: site_rule?.unwrap_or_default(),
        ..defaults
    })
}

/// What counts how much. Of a table that is there, a key that is not counts nothing: what somebody
/// writes down is all that counts.
fn load_weights(item: &Item<'_>) -> Option<LoadWeights> {
    let mut table = item.table("a table such as { sessions = 40, cpu = 25, memory = 20 }")?;
    let mut weight = |key| {
        optional(&mut table, key, |item| {
            item.whole_number(0..=LOAD_WEIGHT_MAX)
        })
    };
    let sessions = weight("sessions");
    let cpu = weight("cpu");
    let memory = weight("memory");
    let run_queue = weight("run_queue");
    let disk_wait = weight("disk_wait");
    table.finish();
    let weights = LoadWeights {
        sessions: sessions?.unwrap_or(0),
        cpu: cpu?.unwrap_or(0),
        memory: memory?.unwrap_or(0),
        run_queue: run_queue?.unwrap_or(0),
        disk_wait: disk_wait?.unwrap_or(0),
    };
    let nothing = LoadWeights {
        sessions: 0,
        cpu: 0,
        memory: 0,
        run_queue: 0,
        disk_wait: 0,
    };
    if weights == nothing {
        item.wrong(Wrong::new(
            "counts nothing, so that every host would be as good",
            "give at least one a number from 1 on, or take the key out",
        ));
        return None;
    }
    Some(weights)
}

fn exceptions<'d>(reader: &mut Reader<'d>, item: &Item<'d>) -> Option<BTreeMap<UserId, String>> {
    let mut table = item.table("a table such as { anna = \"administrator\" }")?;
    let mut exceptions = BTreeMap::new();
    for (user, item) in table.entries() {
        let user = reader.reference_to(Kind::User, user, &item);
        let account = item.parsed("the name of an account", values::account);
        if let (Some(user), Some(account)) = (user, account) {
            exceptions.insert(user, account);
        }
    }
    Some(exceptions)
}
