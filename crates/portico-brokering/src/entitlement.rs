//! Who may launch what, and which condition failed when they may not.

use std::net::IpAddr;

use portico_model::{
    EntitlementId, GroupId, ResourceId, Timestamp, UserId,
    estate::{Entitlement, Estate},
    launch::{Condition, FailedCondition, Refusal},
    people::{Principal, Strength},
};

use crate::weekly_time;

/// The person a question is about.
#[derive(Debug, Clone)]
pub struct Asker<'a> {
    /// Who.
    pub user: &'a UserId,
    /// All groups, nested ones included.
    pub groups: &'a [GroupId],
    /// How strongly signed in.
    pub strength: Strength,
    /// Where they come from; `None` fails every condition on the network.
    pub client_address: Option<IpAddr>,
}

impl<'a> From<&'a Principal> for Asker<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self {
            user: &principal.user,
            groups: &principal.groups,
            strength: principal.strength,
            client_address: principal.client_address,
        }
    }
}

/// The answer about one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entitled {
    /// They may; by these entitlements, at least one.
    Now {
        /// Sorted.
        allowed_by: Vec<EntitlementId>,
    },
    /// Entitlements name them, but none with all conditions met.
    NotNow {
        /// Every failed condition of every such entitlement.
        conditions: Vec<FailedCondition>,
    },
    /// No entitlement names them, or there is no such resource: not told apart, so that nobody
    /// learns what exists.
    Never,
}

impl Entitled {
    /// The entitlements that allow it, or the refusal.
    pub fn into_result(self, resource: &ResourceId) -> Result<Vec<EntitlementId>, Refusal> {
        match self {
            Self::Now { allowed_by } => Ok(allowed_by),
            Self::NotNow { conditions } => Err(Refusal::NotNow {
                resource: resource.clone(),
                conditions,
            }),
            Self::Never => Err(Refusal::NotFound {
                resource: resource.clone(),
            }),
        }
    }
}

/// Whether `asker` may launch `resource` at `now`.
pub fn entitled(
    estate: &Estate,
    asker: &Asker<'_>,
    resource: &ResourceId,
    now: Timestamp,
) -> Entitled {
    if !estate.resources.contains_key(resource) {
        return Entitled::Never;
    }
    let mut allowed_by = Vec::new();
    let mut conditions = Vec::new();
    for (id, entitlement) in &estate.entitlements {
        if !entitlement.resources.contains(resource) || !names(entitlement, asker) {
            continue;
        }
        let failed = failed_conditions(entitlement, asker, now);
        if failed.is_empty() {
            allowed_by.push(id.clone());
        }
        conditions.extend(failed.into_iter().map(|condition| FailedCondition {
            entitlement: id.clone(),
            condition,
        }));
    }
    if !allowed_by.is_empty() {
        Entitled::Now { allowed_by }
    } else if !conditions.is_empty() {
        Entitled::NotNow { conditions }
    } else {
        Entitled::Never
    }
}

fn names(entitlement: &Entitlement, asker: &Asker<'_>) -> bool {
    entitlement.users.contains(asker.user)
        || entitlement
            .groups
            .iter()
            .any(|group| asker.groups.contains(group))
}

fn failed_conditions(
    entitlement: &Entitlement,
    asker: &Asker<'_>,
    now: Timestamp,
) -> Vec<Condition> {
    let networks = &entitlement.client_networks;
    let inside = asker.client_address.is_some_and(|address| {
        let address = address.to_canonical(); // An IPv4 client of an IPv6 socket.
        networks.iter().any(|network| network.contains(&address))
    });
    let in_time = entitlement
        .times
        .iter()
        .any(|span| weekly_time::contains(span, now));
    [
        (networks.is_empty() || inside, Condition::ClientNetwork),
        (entitlement.times.is_empty() || in_time, Condition::Time),
        (asker.strength >= entitlement.strength, Condition::Strength),
    ]
    .into_iter()
    .filter(|(holds, _)| !holds)
    .map(|(_, condition)| condition)
    .collect()
}

#[cfg(test)]
mod tests {
    use portico_model::estate::{Group, Resource, ResourceKind, WeeklyTime};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_736_164_800_000); // Mon 2025-01-06 12:00 UTC

    fn estate(entitlements: &[(&str, Entitlement)]) -> Estate {
        let mut estate = Estate::default();
        estate.resources.insert(
            ResourceId::new("desktop").unwrap(),
            Resource {
                title: String::new(),
                description: String::new(),
                folder: String::new(),
                icon: String::new(),
                kind: ResourceKind::Link { url: String::new() },
            },
        );
        let group = |users: &[&str], groups: &[&str]| Group {
            title: String::new(),
            users: users.iter().map(|u| UserId::new(u).unwrap()).collect(),
            groups: groups.iter().map(|g| GroupId::new(g).unwrap()).collect(),
        };
        estate
            .groups
            .insert(GroupId::new("inner").unwrap(), group(&["ina"], &[]));
        estate
            .groups
            .insert(GroupId::new("outer").unwrap(), group(&[], &["inner"]));
        for (id, entitlement) in entitlements {
            let id = EntitlementId::new(id).unwrap();
            estate.entitlements.insert(id, entitlement.clone());
        }
        estate
    }

    fn grant(users: &[&str], groups: &[&str]) -> Entitlement {
        Entitlement {
            users: users.iter().map(|u| UserId::new(u).unwrap()).collect(),
            groups: groups.iter().map(|g| GroupId::new(g).unwrap()).collect(),
            resources: vec![ResourceId::new("desktop").unwrap()],
            ..Entitlement::default()
        }
    }

    /// The entitlements that allow, or `entitlement:condition` of those that do not.
    fn check(
        estate: &Estate,
        user: &str,
        address: Option<&str>,
    ) -> Result<Vec<String>, Vec<String>> {
        let user = UserId::new(user).unwrap();
        let groups = estate.groups_of(&user);
        let asker = Asker {
            user: &user,
            groups: &groups,
            strength: Strength::Password,
            client_address: address.map(|a| a.parse().unwrap()),
        };
        match entitled(estate, &asker, &ResourceId::new("desktop").unwrap(), NOW) {
            Entitled::Now { allowed_by } => {
                Ok(allowed_by.iter().map(ToString::to_string).collect())
            }
            Entitled::NotNow { conditions } => Err(conditions
                .iter()
                .map(|c| format!("{}:{:?}", c.entitlement, c.condition))
                .collect()),
            Entitled::Never => Err(vec![]),
        }
    }

    #[test]
    fn users_and_nested_groups_are_named() {
        let estate = estate(&[
            ("by-group", grant(&[], &["outer"])),
            ("by-name", grant(&["tom"], &[])),
        ]);
        assert_eq!(check(&estate, "ina", None), Ok(vec!["by-group".into()]));
        assert_eq!(check(&estate, "tom", None), Ok(vec!["by-name".into()]));
        assert_eq!(check(&estate, "eve", None), Err(vec![]));
    }

    #[test]
    fn what_does_not_exist_and_what_is_not_granted_look_the_same() {
        let estate = estate(&[("by-name", grant(&["tom"], &[]))]);
        let user = UserId::new("eve").unwrap();
        let asker = Asker {
            user: &user,
            groups: &[],
            strength: Strength::Password,
            client_address: None,
        };
        for id in ["desktop", "nowhere"] {
            let id = ResourceId::new(id).unwrap();
            let answer = entitled(&estate, &asker, &id, NOW);
            assert_eq!(
                answer.into_result(&id),
                Err(Refusal::NotFound {
                    resource: id.clone()
                })
            );
        }
    }

    #[test]
    fn all_conditions_must_hold_and_each_failed_one_is_named() {
        let strict = Entitlement {
            client_networks: vec![
                "10.0.0.0/8".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ],
            times: vec![WeeklyTime {
                days: vec![0],
                from_min: 13 * 60,
                to_min: 14 * 60,
                time_zone: "Europe/Berlin".into(), // 13:00 there at NOW.
            }],
            strength: Strength::Password,
            ..grant(&["ina"], &[])
        };
        let second_factor = Entitlement {
            strength: Strength::SecondFactor,
            ..grant(&["ina"], &[])
        };
        let both = estate(&[("strict", strict.clone()), ("strong", second_factor)]);
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"] {
            assert_eq!(
                check(&both, "ina", Some(inside)),
                Ok(vec!["strict".into()]),
                "{inside}"
            );
        }
        for outside in [Some("192.0.2.1"), None] {
            assert_eq!(
                check(&both, "ina", outside),
                Err(vec![
                    "strict:ClientNetwork".into(),
                    "strong:Strength".into()
                ])
            );
        }
        let late = Entitlement {
            times: vec![WeeklyTime {
                days: vec![1],
                ..strict.times[0].clone()
            }],
            ..strict
        };
        assert_eq!(
            check(&estate(&[("late", late)]), "ina", None),
            Err(vec!["late:ClientNetwork".into(), "late:Time".into()])
        );
    }
}
