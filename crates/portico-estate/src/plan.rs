//! What changes when one estate becomes another.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use portico_model::{UserId, estate::Estate};
use serde::{Deserialize, Serialize};

use crate::{
    Kind,
    fields::{self, Fields},
};

/// Name of the field that stands for any change of a password; its values are never shown.
const PASSWORD: &str = "password";

/// What changes, in the order of kinds and then of ids. Shown for people by `Display`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The changes.
    pub changes: Vec<Change>,
}

/// What changes in one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Kind of the object.
    pub kind: Kind,
    /// Its id; empty for the site, of which there is one.
    pub id: String,
    /// What happens to it.
    pub action: Action,
    /// What changes in it; only for [`Action::Changed`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is new.
    Added,
    /// It stays and becomes different.
    Changed,
    /// It goes.
    Removed,
}

/// A field that becomes different. Values are written as in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its key.
    pub field: String,
    /// Value before; absent when the key was, and for passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// Value after; absent when the key is, and for passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// The changes from `seen` to `wanted`, which is what [`Draft::wanted`](crate::Draft::wanted)
/// gave. `changed_passwords` are the users whose plain password in the file does not fit the
/// stored hash; whether those are hashed already makes no difference.
pub fn plan(seen: &Estate, wanted: &Estate, changed_passwords: &BTreeSet<UserId>) -> Plan {
    let mut plan = Plan::default();
    let site = BTreeMap::from([("", &seen.site)]);
    let wanted_site = BTreeMap::from([("", &wanted.site)]);
    plan.compare(Kind::Site, &site, &wanted_site, |_, old, new| {
        (fields::site(old), fields::site(new))
    });
    plan.compare(
        Kind::ClientSite,
        &seen.sites,
        &wanted.sites,
        |_, old, new| (fields::client_site(old), fields::client_site(new)),
    );
    plan.compare(Kind::Zone, &seen.zones, &wanted.zones, |_, old, new| {
        (fields::zone(old), fields::zone(new))
    });
    let ports = BTreeMap::from([("", &seen.ports)]);
    let wanted_ports = BTreeMap::from([("", &wanted.ports)]);
    plan.compare(Kind::Ports, &ports, &wanted_ports, |_, old, new| {
        (fields::ports(old), fields::ports(new))
    });
    plan.compare(Kind::Pool, &seen.pools, &wanted.pools, |_, old, new| {
        (fields::pool(old), fields::pool(new))
    });
    plan.compare(Kind::Host, &seen.hosts, &wanted.hosts, |_, old, new| {
        (fields::host(old), fields::host(new))
    });
    plan.compare(
        Kind::Host,
        &seen.other_hosts,
        &wanted.other_hosts,
        |_, old, new| (fields::other_host(old), fields::other_host(new)),
    );
    plan.compare(
        Kind::Resource,
        &seen.resources,
        &wanted.resources,
        |_, old, new| (fields::resource(old), fields::resource(new)),
    );
    plan.compare(
        Kind::Entitlement,
        &seen.entitlements,
        &wanted.entitlements,
        |_, old, new| (fields::entitlement(old), fields::entitlement(new)),
    );
    plan.compare(
        Kind::SessionPolicy,
        &seen.session_policies,
        &wanted.session_policies,
        |_, old, new| (fields::session_policy(old), fields::session_policy(new)),
    );
    plan.compare(Kind::Group, &seen.groups, &wanted.groups, |_, old, new| {
        (fields::group(old), fields::group(new))
    });
    plan.compare(Kind::User, &seen.users, &wanted.users, |id, old, new| {
        let mut pair = (fields::user(old), fields::user(new));
        if old.password_hash != new.password_hash || changed_passwords.contains(id) {
            pair.0.push((PASSWORD, String::new()));
            pair.1.push((PASSWORD, "changed".into()));
        }
        pair
    });
    plan
}

impl Plan {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// How many objects are added, changed and removed.
    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|c| c.action == action).count()
    }

    fn compare<Id: Ord + AsRef<str>, T>(
        &mut self,
        kind: Kind,
        seen: &BTreeMap<Id, T>,
        wanted: &BTreeMap<Id, T>,
        both: impl Fn(&Id, &T, &T) -> (Fields, Fields),
    ) {
        let ids: BTreeSet<&Id> = seen.keys().chain(wanted.keys()).collect();
        for id in ids {
            let (action, fields) = match (seen.get(id), wanted.get(id)) {
                (None, Some(_)) => (Action::Added, Vec::new()),
                (Some(_), None) => (Action::Removed, Vec::new()),
                (Some(old), Some(new)) => {
                    let (old, new) = both(id, old, new);
                    let fields = differences(old, new);
                    if fields.is_empty() {
                        continue;
                    }
                    (Action::Changed, fields)
                }
                (None, None) => continue,
            };
            self.changes.push(Change {
                kind,
                id: id.as_ref().to_owned(),
                action,
                fields,
            });
        }
    }
}

fn differences(old: Fields, new: Fields) -> Vec<FieldChange> {
    let old: BTreeMap<&str, String> = old.into_iter().collect();
    let mut gone = old.clone();
    let mut changes = Vec::new();
    for (field, new) in new {
        gone.remove(field);
        let before = old.get(field).cloned();
        if before.as_ref() == Some(&new) {
            continue;
        }
        let secret = field == PASSWORD;
        changes.push(FieldChange {
            field: field.to_owned(),
            old: before.filter(|_| !secret),
            new: Some(new).filter(|_| !secret),
        });
    }
    changes.extend(gone.into_iter().map(|(field, value)| FieldChange {
        field: field.to_owned(),
        old: Some(value),
        new: None,
    }));
    changes
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "Nothing to change.");
        }
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        writeln!(
            f,
            "{} added, {} changed, {} removed.",
            self.count(Action::Added),
            self.count(Action::Changed),
            self.count(Action::Removed)
        )
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Added => '+',
            Action::Changed => '~',
            Action::Removed => '-',
        };
        write!(f, "{sign} {}", self.kind)?;
        if !self.id.is_empty() {
            write!(f, " {}", portico_model::printable(&self.id))?;
        }
        for (index, field) in self.fields.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            write!(f, "{field}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A plan may come from a server; it is made safe again where it is shown.
        let shown = |text: &str| portico_model::printable(text).into_owned();
        let field = shown(&self.field);
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "{field} {} → {}", shown(old), shown(new)),
            (Some(old), None) => write!(f, "{field} {} → none", shown(old)),
            (None, Some(new)) => write!(f, "{field} none → {}", shown(new)),
            (None, None) => f.write_str(&field),
        }
    }
}
