//! Groups and users.

use portico_model::{
    GroupId, Secret, UserId,
    estate::{Group, User, UserOrigin},
    people::Role,
};

use super::{hosts::optional, reader::Reader, refuse_twice};
use crate::{
    Draft, Kind,
    document::{Item, Nature, Table},
    values,
};

/// What stands before the id of a group among the members of another.
pub(crate) const GROUP_PREFIX: &str = "group:";

/// A member of a group.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    User(UserId),
    Group(GroupId),
}

pub(super) fn group<'d>(
    reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    id: &GroupId,
) -> Option<Group> {
    let title = optional(table, "title", |item| item.parsed("a name", values::title));
    let members = optional(table, "members", |item| members(reader, item));
    let mut group = Group {
        title: title?.unwrap_or_else(|| id.to_string()),
        ..Group::default()
    };
    for member in members?.unwrap_or_default() {
        match member {
            Member::User(user) => group.users.push(user),
            Member::Group(inner) => group.groups.push(inner),
        }
    }
    Some(group)
}

fn members<'d>(reader: &mut Reader<'d>, item: &Item<'d>) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    for item in item.list("a list of users and groups, such as [\"anna\", \"group:staff\"]")? {
        let Some(text) = item.text("a user, or a group as \"group:staff\"") else {
            continue;
        };
        let member = match text.strip_prefix(GROUP_PREFIX) {
            Some(id) => reader
                .reference_to(Kind::Group, id, &item)
                .map(Member::Group),
            None => reader
                .reference_to(Kind::User, text, &item)
                .map(Member::User),
        };
        members.extend(member.map(|member| (member, item)));
    }
    refuse_twice(&members);
    Some(members.into_iter().map(|(member, _)| member).collect())
}

pub(super) fn user<'d>(
    draft: &mut Draft,
    _reader: &mut Reader<'d>,
    table: &mut Table<'d>,
    id: &UserId,
) -> Option<User> {
    let display_name = optional(table, "display_name", |item| {
        item.parsed("a name", values::title)
    });
    let role = optional(table, "role", |item| {
        item.choice(&[
            ("user", Role::User),
            ("auditor", Role::Auditor),
            ("help-desk", Role::HelpDesk),
            ("operator", Role::Operator),
            ("owner", Role::Owner),
        ])
    });
    let password = optional(table, "password", |item| {
        item.parsed("a password", values::password).map(Secret::new)
    });
    let hash_item = table.optional("password_hash");
    let password_hash = hash_item
        .as_ref()
        .map(|item| item.parsed("a hash", values::password_hash));
    if let (Some(Some(_)), Some(item)) = (&password, &hash_item) {
        table.document().report(
            Nature::Written,
            item.place(),
            "stands beside a plain password",
            "keep one of \"password\" and \"password_hash\"".to_owned(),
        );
    }
    let (display_name, role, password) = (display_name?, role?, password?);
    if let Some(password) = password {
        draft.plain_passwords.insert(id.clone(), password);
    }
    if role.is_none() {
        draft.unstated.roles.insert(id.clone());
    }
    if display_name.is_none() {
        draft.unstated.display_names.insert(id.clone());
    }
    Some(User {
        display_name: display_name.unwrap_or_else(|| id.to_string()),
        role: role.unwrap_or_default(),
        password_hash: match password_hash {
            Some(hash) => Some(hash?),
            None => None,
        },
        origin: UserOrigin::File,
    })
}
