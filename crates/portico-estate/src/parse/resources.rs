//! Resources, entitlements and session policies.

use ipnet::IpNet;
use portico_model::{
    EntitlementId, ResourceId, SessionPolicyId,
    estate::{
        Clipboard, Drive, Entitlement, Microphone, Printer, Resource, ResourceKind, SessionPolicy,
        WeeklyTime,
    },
    people::Strength,
};

use super::{
    hosts::{optional, short_list},
    reader::Reader,
};
use crate::{
    Kind,
    document::{Item, Table, Wrong},
    limits, values,
};

/// Names of the built-in icons.
pub const ICONS: [&str; 6] = ["desktop", "terminal", "editor", "browser", "link", "app"];

/// Names of the days, Monday first.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Desktop,
    Application,
    Terminal,
    Link,
}

pub(super) fn resource<'d>(
    reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    _id: &ResourceId,
) -> Option<Resource> {
    let title = table
        .required("title", "title = \"…\", the name that people read")
        .and_then(|item| item.parsed("a name", values::title));
    let description = optional(table, "description", |item| {
        item.parsed("a text", |text| {
            values::line_of_text(text, limits::DESCRIPTION_LEN_MAX)
        })
    });
    let folder = optional(table, "folder", |item| {
        item.parsed("a folder", values::folder)
    });
    let icon = optional(table, "icon", |item| {
        item.choice(&ICONS.map(|icon| (icon, icon)))
    });
    let sort = table
        .required(
            "kind",
            "kind = \"desktop\", \"application\", \"terminal\" or \"link\"",
        )
        .and_then(|item| {
            item.choice(&[
                ("desktop", Sort::Desktop),
                ("application", Sort::Application),
                ("terminal", Sort::Terminal),
                ("link", Sort::Link),
            ])
        });
    let (sort, kind) = match sort {
        Some(sort) => (sort, resource_kind(reader, table, sort)),
        None => {
            // Which keys belong here is not known, so none of them is reported as unknown.
            for key in ["pool", "program", "work_dir", "url"] {
                let _ = table.optional(key);
            }
            return None;
        }
    };
    let icon_default = match sort {
        Sort::Desktop => "desktop",
        Sort::Application => "app",
        Sort::Terminal => "terminal",
        Sort::Link => "link",
    };
    Some(Resource {
        title: title?,
        description: description?.unwrap_or_default(),
        folder: folder?.unwrap_or_default(),
        icon: icon?.unwrap_or(icon_default).to_owned(),
        kind: kind?,
    })
}

fn resource_kind<'d>(
    reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    sort: Sort,
) -> Option<ResourceKind> {
    let pool = match sort {
        Sort::Link => None,
        _ => table
            .required("pool", "pool = \"…\", the id of the pool it runs in")
            .and_then(|item| reader.reference(Kind::Pool, &item)),
    };
    match sort {
        Sort::Desktop => Some(ResourceKind::Desktop { pool: pool? }),
        Sort::Terminal => Some(ResourceKind::Terminal { pool: pool? }),
        Sort::Application => {
            let program = table
                .required("program", "program = \"…\", the command line on the host")
                .and_then(|item| item.parsed("a command line", command_line));
            let work_dir = optional(table, "work_dir", |item| {
                item.parsed("a folder on the host", |text| {
                    values::line_of_text(text, limits::DESCRIPTION_LEN_MAX)
                })
            });
            Some(ResourceKind::Application {
                pool: pool?,
                program: program?,
                work_dir: work_dir?.unwrap_or_default(),
            })
        }
        Sort::Link => {
            let url = table
                .required("url", "url = \"https://…\"")
                .and_then(|item| item.parsed("an address", values::url));
            Some(ResourceKind::Link { url: url? })
        }
    }
}

fn command_line(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new(
            "is empty",
            "give a command line, or publish kind = \"desktop\" instead",
        ));
    }
    values::line_of_text(text, limits::DESCRIPTION_LEN_MAX)
}

pub(super) fn entitlement<'d>(
    reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    _id: &EntitlementId,
) -> Option<Entitlement> {
    let users = optional(table, "users", |item| {
        reader.reference_list(Kind::User, item)
    });
    let groups = optional(table, "groups", |item| {
        reader.reference_list(Kind::Group, item)
    });
    let resources = table
        .required("resources", "resources = [\"…\"], ids of resources")
        .and_then(|item| reader.reference_list(Kind::Resource, &item));
    let client_networks = optional(table, "client_networks", networks);
    let times = optional(table, "times", times);
    let strength = optional(table, "strength", |item| {
        item.choice(&[
            ("password", Strength::Password),
            ("second-factor", Strength::SecondFactor),
        ])
    });
    Some(Entitlement {
        users: users?.unwrap_or_default(),
        groups: groups?.unwrap_or_default(),
        resources: resources?,
        client_networks: client_networks?.unwrap_or_default(),
        times: times?.unwrap_or_default(),
        strength: strength?.unwrap_or_default(),
    })
}

pub(super) fn networks(item: &Item<'_>) -> Option<Vec<IpNet>> {
    short_list(
        item,
        "a list of networks, such as [\"10.0.0.0/8\"]",
        |item| item.parsed("a network", values::network),
    )
}

const TIMES_FORM: &str = "a list such as \
    [{ days = [\"mon\", \"fri\"], from = \"08:00\", to = \"18:00\", time_zone = \"Europe/Berlin\" }]";

fn times(item: &Item<'_>) -> Option<Vec<WeeklyTime>> {
    let items = item.list(TIMES_FORM)?;
    if items.len() > limits::LIST_LEN_MAX {
        item.wrong(Wrong::new(
            format!("has {} elements", items.len()),
            format!("give at most {}", limits::LIST_LEN_MAX),
        ));
        return None;
    }
    Some(items.iter().filter_map(weekly_time).collect())
}

fn weekly_time(item: &Item<'_>) -> Option<WeeklyTime> {
    let mut table = item.table(TIMES_FORM)?;
    let days = table
        .required("days", "days = [\"mon\", …]")
        .and_then(|item| days(&item));
    let from = table.required("from", "from = \"08:00\"").and_then(|item| {
        let from = item.parsed("a time of day", values::minute_of_day)?;
        if from >= 24 * 60 {
            item.wrong(Wrong::new(
                "is the end of the day",
                "write \"00:00\" and the next day",
            ));
        }
        Some(from)
    });
    let to = table
        .required("to", "to = \"18:00\"")
        .and_then(|item| item.parsed("a time of day", values::minute_of_day));
    let time_zone = table
        .required("time_zone", "time_zone = \"Europe/Berlin\"")
        .and_then(|item| time_zone(&item));
    table.finish();
    Some(WeeklyTime {
        days: days?,
        from_min: from?,
        // Midnight as an end is the end of the day.
        to_min: to.map(|to| if to == 0 { 24 * 60 } else { to })?,
        time_zone: time_zone?,
    })
}

fn days(item: &Item<'_>) -> Option<Vec<u8>> {
    let numbered: Vec<(&str, u8)> = DAYS.into_iter().zip(0..).collect();
    let mut days = short_list(item, "a list of days, such as [\"mon\", \"fri\"]", |item| {
        item.choice(&numbered)
    })?;
    if days.is_empty() {
        item.wrong(Wrong::new(
            "has no day",
            "name at least one day, or leave the time out",
        ));
    }
    days.sort_unstable();
    Some(days)
}

fn time_zone(item: &Item<'_>) -> Option<String> {
    let text = item.text("the name of a time zone")?;
    match values::time_zone(text) {
        Ok(name) => Some(name),
        Err(mut wrong) => {
            let hint = item.document().did_you_mean(text, values::time_zones());
            wrong.expected.push_str(&hint);
            item.wrong(wrong);
            None
        }
    }
}

fn timeout(table: &mut Table<'_>, key: &'static str) -> Option<Option<u32>> {
    optional(table, key, |item| {
        item.whole_number(0..=limits::TIMEOUT_S_MAX)
    })
}

pub(super) fn session_policy<'d>(
    _reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    _id: &SessionPolicyId,
) -> Option<SessionPolicy> {
    let defaults = SessionPolicy::default();
    let clipboard = optional(table, "clipboard", |item| {
        item.choice(&[
            ("none", Clipboard::None),
            ("to-host", Clipboard::ToHost),
            ("from-host", Clipboard::FromHost),
            ("both", Clipboard::Both),
        ])
    });
    let drive = optional(table, "drive", |item| {
        item.choice(&[
            ("off", Drive::Off),
            ("read", Drive::Read),
            ("read-write", Drive::ReadWrite),
        ])
    });
    let printer = optional(table, "printer", |item| {
        item.choice(&[("off", Printer::Off), ("on", Printer::On)])
    });
    let idle = timeout(table, "idle_timeout_s");
    let total = timeout(table, "total_timeout_s");
    let disconnected = timeout(table, "disconnected_timeout_s");
    let session = timeout(table, "session_timeout_s");
    let microphone = optional(table, "microphone", |item| {
        item.choice(&[("off", Microphone::Off), ("on", Microphone::On)])
    });
    Some(SessionPolicy {
        clipboard: clipboard?.unwrap_or_default(),
        drive: drive?.unwrap_or_default(),
        printer: printer?.unwrap_or_default(),
        idle_timeout_s: idle?.unwrap_or(defaults.idle_timeout_s),
        total_timeout_s: total?.unwrap_or(defaults.total_timeout_s),
        disconnected_timeout_s: disconnected?.unwrap_or(defaults.disconnected_timeout_s),
        session_timeout_s: session?.unwrap_or(defaults.session_timeout_s),
        microphone: microphone?.unwrap_or_default(),
    })
}
