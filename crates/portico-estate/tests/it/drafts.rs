//! What a file leaves to what is there already.

use std::collections::BTreeSet;

use portico_estate::{Draft, parse, plan};
use portico_model::{
    UserId,
    estate::{Estate, Site, User, UserOrigin},
    people::Role,
};

fn draft(text: &str) -> Draft {
    parse("estate.toml", &format!("version = 1\n{text}")).unwrap()
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn seen() -> Estate {
    let mut seen = Estate {
        site: Site {
            name: "Named at set-up".into(),
            notice: None,
        },
        ..Estate::default()
    };
    seen.users.insert(
        user("root"),
        User {
            display_name: "The owner".into(),
            role: Role::Owner,
            password_hash: Some("$argon2id$owner".into()),
            origin: UserOrigin::Setup,
        },
    );
    seen.users.insert(
        user("anna"),
        User {
            display_name: "Anna".into(),
            password_hash: Some("$argon2id$anna".into()),
            ..User::default()
        },
    );
    seen
}

#[test]
fn the_owner_made_at_set_up_is_never_removed_but_a_user_of_the_file_is() {
    let seen = seen();
    let wanted = draft("").wanted("estate.toml", &seen).unwrap();
    assert_eq!(wanted.users.keys().collect::<Vec<_>>(), [&user("root")]);
    assert_eq!(wanted.users[&user("root")], seen.users[&user("root")]);
    assert_eq!(
        plan(&seen, &wanted, &BTreeSet::new()).to_string(),
        "- user anna\n0 added, 0 changed, 1 removed.\n"
    );
}

#[test]
fn naming_the_owner_only_gives_them_a_place_in_groups() {
    let seen = seen();
    let file = draft(
        "[[users]]\nid = \"root\"\n[[users]]\nid = \"anna\"\ndisplay_name = \"Anna\"\n[[groups]]\nid = \"all\"\nmembers = [\"root\"]\n",
    );
    let wanted = file.wanted("estate.toml", &seen).unwrap();
    assert_eq!(wanted.users, seen.users);
    assert_eq!(wanted.site, seen.site);
    // And once it was named, leaving it out again does not remove it either.
    let later = draft("").wanted("estate.toml", &wanted).unwrap();
    assert!(later.users.contains_key(&user("root")));
}

#[test]
fn a_file_cannot_take_the_last_owner_away() {
    let file = draft("[[users]]\nid = \"root\"\nrole = \"user\"\n");
    let errors = file.wanted("estate.toml", &seen()).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "estate.toml:1:1: users: would leave nobody with the role owner; give one user role = \"owner\""
    );
    // With another owner, and before set-up, it may.
    let other = draft(
        "[[users]]\nid = \"root\"\nrole = \"user\"\n[[users]]\nid = \"anna\"\nrole = \"owner\"\n",
    );
    assert!(other.wanted("estate.toml", &seen()).is_ok());
    assert!(file.wanted("estate.toml", &Estate::default()).is_ok());
}

#[test]
fn a_stored_password_stays_unless_the_file_gives_another() {
    let seen = seen();
    let file = draft(
        "[[users]]\nid = \"anna\"\ndisplay_name = \"Anna\"\npassword = \"new\"\n[[users]]\nid = \"ben\"\npassword = \"b\"\n",
    );
    assert_eq!(
        file.plain_passwords.keys().collect::<Vec<_>>(),
        [&user("anna"), &user("ben")]
    );
    assert_eq!(file.plain_passwords[&user("anna")].expose(), "new");
    assert_eq!(file.estate.users[&user("anna")].password_hash, None);
    let wanted = file.wanted("estate.toml", &seen).unwrap();
    // The caller found that the password fits the stored hash: nothing changes.
    let same = plan(&seen, &wanted, &BTreeSet::new());
    assert_eq!(
        same.to_string(),
        "+ user ben\n1 added, 0 changed, 0 removed.\n"
    );
    // It did not fit.
    let other = plan(&seen, &wanted, &BTreeSet::from([user("anna")]));
    assert_eq!(
        other.to_string(),
        "~ user anna: password\n+ user ben\n1 added, 1 changed, 0 removed.\n"
    );
}
