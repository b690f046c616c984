//! From the text of an estate file to a [`Draft`], or to all that is wrong with it.

mod hosts;
mod network;
mod people;
mod pools;
mod reader;
mod references;
mod resources;

use std::collections::{BTreeMap, BTreeSet};

use portico_model::estate::{Estate, Site};

use crate::{
    Draft, EstateError, Kind,
    document::{Document, Table, Wrong},
    draft::Unstated,
    limits, values,
};
use network::Described;
use reader::Reader;

pub(crate) use people::GROUP_PREFIX;
pub(crate) use resources::DAYS;
pub use resources::ICONS;

/// Version of the file format.
const VERSION: u32 = 1;

/// Reads an estate file. Either it is wholly good, or every error in it comes back, in the order
/// of the file.
///
/// Nothing is guessed: what a broken line might hide (missing keys, missing references) is only
/// reported once the file is readable.
pub fn parse(file_name: &str, text: &str) -> Result<Draft, Vec<EstateError>> {
    let document = Document::read(file_name, text, limits::FILE_BYTES_MAX)?;
    let draft = read(&document);
    let errors = document.into_errors();
    if errors.is_empty() {
        Ok(draft)
    } else {
        Err(errors)
    }
}

fn read(document: &Document<'_>) -> Draft {
    let mut root = document.root();
    let mut reader = Reader::new(document);
    if version(&mut root) == Version::Other {
        // Every key of another version would be an error, and none of them would help.
        return Draft::default();
    }
    let site = site(&mut root);
    let mut draft = Draft {
        unstated: Unstated {
            site: site.is_none(),
            ..Unstated::default()
        },
        ..Draft::default()
    };
    let sites = reader.section(
        &mut root,
        Kind::ClientSite,
        limits::OBJECTS_MAX,
        pools::client_site,
    );
    let pools = reader.section(&mut root, Kind::Pool, limits::OBJECTS_MAX, pools::pool);
    let zones = reader.section(&mut root, Kind::Zone, limits::OBJECTS_MAX, network::zone);
    let ports = network::settings(&mut root).unwrap_or_default();
    let described = reader.section(&mut root, Kind::Host, limits::HOSTS_MAX, network::host);
    let (mut hosts, mut other_hosts) = (BTreeMap::new(), BTreeMap::new());
    for (id, host) in described {
        match host {
            Described::Session(host) => drop(hosts.insert(id, *host)),
            Described::Other(host) => drop(other_hosts.insert(id, host)),
        }
    }
    let resources = reader.section(
        &mut root,
        Kind::Resource,
        limits::OBJECTS_MAX,
        resources::resource,
    );
    let entitlements = reader.section(
        &mut root,
        Kind::Entitlement,
        limits::OBJECTS_MAX,
        resources::entitlement,
    );
    let session_policies = reader.section(
        &mut root,
        Kind::SessionPolicy,
        limits::OBJECTS_MAX,
        resources::session_policy,
    );
    let groups = reader.section(&mut root, Kind::Group, limits::GROUPS_MAX, people::group);
    let users = reader.section(
        &mut root,
        Kind::User,
        limits::USERS_MAX,
        |reader, table, id| people::user(&mut draft, reader, table, id),
    );
    root.finish();
    draft.estate = Estate {
        site: site.unwrap_or_default(),
        sites,
        zones,
        ports,
        pools,
        hosts,
        other_hosts,
        resources,
        entitlements,
        session_policies,
        groups,
        users,
    };
    references::check(&reader, &draft.estate);
    draft
}

#[derive(PartialEq, Eq)]
enum Version {
    ThisOrUnclear,
    Other,
}

fn version(root: &mut Table<'_>) -> Version {
    let expected = format!("version = {VERSION}");
    let Some(item) = root.required("version", &expected) else {
        return Version::ThisOrUnclear;
    };
    match item.whole_number(0..=u32::MAX) {
        Some(version) if version != VERSION => {
            item.wrong(Wrong::new(
                format!("is {version}, which this Portico cannot read"),
                format!("write {expected} and the keys of that version"),
            ));
            Version::Other
        }
        _ => Version::ThisOrUnclear,
    }
}

/// The site, or `None` when the file does not describe it.
fn site(root: &mut Table<'_>) -> Option<Site> {
    let mut table = root.optional("site")?.table("a section [site]")?;
    let name = table
        .optional("name")
        .and_then(|item| item.parsed("a name", values::title));
    let notice = table.optional("notice").and_then(|item| {
        item.parsed("a text", |text| {
            values::lines_of_text(text, limits::NOTICE_LEN_MAX)
        })
    });
    table.finish();
    Some(Site {
        name: name.unwrap_or_else(|| Site::default().name),
        notice,
    })
}

/// Reports elements that stand in a list twice.
fn refuse_twice<T: Ord>(elements: &[(T, crate::document::Item<'_>)]) {
    let mut seen = BTreeSet::new();
    for (value, item) in elements {
        if !seen.insert(value) {
            item.wrong(Wrong::new("stands in the list twice", "keep one of them"));
        }
    }
}
