//! An estate as a file.

use portico_model::estate::Estate;

use crate::{
    Kind,
    fields::{self, Fields},
};

/// What becomes of password hashes in a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passwords {
    /// They stay out; applying the file leaves the stored ones as they are.
    LeftOut,
    /// They are written as `password_hash`.
    Hashes,
}

/// `estate` as a file that [`parse`](crate::parse()) reads back to the same estate, with every
/// user's origin being the file.
pub fn to_toml(estate: &Estate, passwords: Passwords) -> String {
    let mut out = "version = 1\n".to_owned();
    section(&mut out, "[site]", None, fields::site(&estate.site));
    for (id, site) in &estate.sites {
        let fields = fields::client_site(site);
        object(&mut out, Kind::ClientSite, id.as_str(), fields);
    }
    for (id, zone) in &estate.zones {
        object(&mut out, Kind::Zone, id.as_str(), fields::zone(zone));
    }
    let ports = fields::ports(&estate.ports);
    if !ports.is_empty() {
        section(&mut out, "[ports]", None, ports);
    }
    for (id, pool) in &estate.pools {
        object(&mut out, Kind::Pool, id.as_str(), fields::pool(pool));
    }
    for (id, host) in &estate.hosts {
        object(&mut out, Kind::Host, id.as_str(), fields::host(host));
    }
    for (id, host) in &estate.other_hosts {
        object(&mut out, Kind::Host, id.as_str(), fields::other_host(host));
    }
    for (id, resource) in &estate.resources {
        object(
            &mut out,
            Kind::Resource,
            id.as_str(),
            fields::resource(resource),
        );
    }
    for (id, entitlement) in &estate.entitlements {
        let fields = fields::entitlement(entitlement);
        object(&mut out, Kind::Entitlement, id.as_str(), fields);
    }
    for (id, policy) in &estate.session_policies {
        let fields = fields::session_policy(policy);
        object(&mut out, Kind::SessionPolicy, id.as_str(), fields);
    }
    for (id, group) in &estate.groups {
        object(&mut out, Kind::Group, id.as_str(), fields::group(group));
    }
    for (id, user) in &estate.users {
        let mut fields = fields::user(user);
        if passwords == Passwords::Hashes
            && let Some(hash) = &user.password_hash
        {
            fields.push(("password_hash", fields::quoted(hash)));
        }
        object(&mut out, Kind::User, id.as_str(), fields);
    }
    out
}

fn object(out: &mut String, kind: Kind, id: &str, fields: Fields) {
    section(out, &format!("[[{}]]", kind.section()), Some(id), fields);
}

fn section(out: &mut String, header: &str, id: Option<&str>, fields: Fields) {
    out.push('\n');
    out.push_str(header);
    out.push('\n');
    let id = id.map(|id| ("id", fields::quoted(id)));
    for (key, value) in id.into_iter().chain(fields) {
        out.push_str(key);
        out.push_str(" = ");
        out.push_str(&value);
        out.push('\n');
    }
}
