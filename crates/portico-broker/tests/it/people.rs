//! Applying estates: twice is once, and nobody makes themselves an owner.

use std::sync::Arc;

use portico_broker::ApplyError;
use portico_estate::Action;
use portico_identity::{SignInSettings, SignIns, Verdict};
use portico_model::{
    UserId,
    people::{Role, Strength},
};

use crate::estate::{ESTATE, TestEstate, draft, owner};

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

#[tokio::test]
async fn applying_twice_changes_nothing() {
    let estate = TestEstate::new().await;
    let before = estate.broker.estate().await.unwrap();
    let hash = before.users["ina"].password_hash.clone().unwrap();
    assert!(hash.starts_with("$argon2id$"));
    let planned = estate.broker.plan(&owner(), &draft(ESTATE)).await.unwrap();
    assert!(planned.is_empty(), "{planned}");
    let applied = estate.broker.apply(&owner(), draft(ESTATE)).await.unwrap();
    assert!(applied.is_empty(), "{applied}");
    let after = estate.broker.estate().await.unwrap();
    assert!(Arc::ptr_eq(&before, &after), "not even written");
}

#[tokio::test]
async fn a_plan_is_what_applying_does() {
    let estate = TestEstate::new().await;
    let changed = ESTATE
        .replace("title = \"Desktop\"", "title = \"Workplace\"")
        .replacen("violet anchor tin", "another anchor tin", 1);
    let planned = estate
        .broker
        .plan(&owner(), &draft(&changed))
        .await
        .unwrap();
    assert_eq!(planned.count(Action::Changed), 2);
    assert!(!planned.to_string().contains("anchor"), "{planned}");
    let applied = estate
        .broker
        .apply(&owner(), draft(&changed))
        .await
        .unwrap();
    assert_eq!(planned, applied);
    let hash = estate.broker.estate().await.unwrap().users["ina"]
        .password_hash
        .clone();
    let users = portico_identity::LocalUsers::new().unwrap();
    let new = portico_model::Secret::new("another anchor tin".into());
    assert_eq!(users.verify(hash.as_deref(), new).await, Ok(Verdict::Right));
}

#[tokio::test]
async fn a_new_password_signs_its_user_out() {
    let estate = TestEstate::new().await;
    let sign_ins = SignIns::new(
        Arc::clone(&estate.store),
        Arc::new(estate.clock.clone()),
        SignInSettings::default(),
    );
    for id in ["ina", "tom"] {
        sign_ins
            .create(&user(id), Strength::Password, None, None)
            .await
            .unwrap();
    }
    let changed = ESTATE.replacen("violet anchor tin", "another anchor tin", 1);
    estate.apply(&changed).await;
    let left = sign_ins.list(None).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].user, user("tom"));
}

#[tokio::test]
async fn an_operator_changes_the_estate_but_nobody_with_a_role() {
    let estate = TestEstate::new().await;
    let mut operator = owner();
    operator.role = Role::Operator;
    let apply = async |text: &str| estate.broker.apply(&operator, draft(text)).await;
    for wrong in [
        // A role for a friend, for somebody new, less of a role, and a role-holder's password.
        ESTATE.replace(
            "display_name = \"Tom\"",
            "display_name = \"Tom\"\nrole = \"owner\"",
        ),
        ESTATE.to_owned() + "\n[[users]]\nid = \"new\"\ndisplay_name = \"N\"\nrole = \"auditor\"\n",
        ESTATE.replace("role = \"help-desk\"", "role = \"user\""),
        ESTATE.replace(
            "display_name = \"Hanna\"",
            "display_name = \"Hanna\"\npassword = \"other anchor tin\"",
        ),
    ] {
        assert_eq!(apply(&wrong).await.unwrap_err(), ApplyError::NotAllowed);
    }
    let fine = ESTATE.replace("title = \"Desktop\"", "title = \"Workplace\"")
        + "\n[[users]]\nid = \"new\"\ndisplay_name = \"N\"\n";
    assert_eq!(apply(&fine).await.unwrap().changes.len(), 2);
    operator.role = Role::HelpDesk;
    let refused = estate.broker.apply(&operator, draft(ESTATE)).await;
    assert!(matches!(refused, Err(ApplyError::Forbidden(_))));
}

#[tokio::test]
async fn a_plan_does_not_tell_an_operator_whether_a_guessed_password_is_right() {
    let estate = TestEstate::new().await;
    let with = |password: &str| {
        let line = format!("display_name = \"Hanna\"\npassword = \"{password}\"");
        ESTATE.replace("display_name = \"Hanna\"", &line)
    };
    let right = with("amber anchor tin");
    estate.apply(&right).await;
    let plan = async |role, text: &str| {
        let actor = portico_model::people::Principal { role, ..owner() };
        estate.broker.plan(&actor, &draft(text)).await
    };
    assert!(plan(Role::Owner, &right).await.unwrap().is_empty());
    let for_right = plan(Role::Operator, &right).await.unwrap();
    let for_wrong = plan(Role::Operator, &with("other anchor tin"))
        .await
        .unwrap();
    assert_eq!(for_right.changes.len(), 1);
    assert_eq!(for_right, for_wrong);
    let refused = plan(Role::HelpDesk, &right).await;
    assert!(matches!(refused, Err(ApplyError::Forbidden(_))));
}

#[tokio::test]
async fn the_owner_is_made_once_and_no_file_removes_them() {
    let estate = TestEstate::with("version = 1\n").await;
    let make = async |id: &str| {
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAA".to_owned();
        estate
            .broker
            .make_owner(&user(id), "The Owner", hash, "Site", None)
            .await
    };
    make("boss").await.unwrap();
    assert_eq!(make("other").await.unwrap_err(), ApplyError::NotAllowed);
    estate.apply(ESTATE).await;
    let after = estate.broker.estate().await.unwrap();
    assert_eq!(after.users["boss"].role, Role::Owner);
    assert_eq!(after.users.len(), 5);
    assert_eq!(after.site.name, "Site");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn estates_applied_at_once_leave_one_of_them_whole() {
    let estate = Arc::new(TestEstate::new().await);
    let applying: Vec<_> = (0..6)
        .map(|n| {
            let estate = Arc::clone(&estate);
            let text = ESTATE
                .replace("title = \"Desktop\"", &format!("title = \"Desktop {n}\""))
                .replace("title = \"Editor\"", &format!("title = \"Editor {n}\""));
            tokio::spawn(async move { estate.apply(&text).await })
        })
        .collect();
    for one in applying {
        one.await.unwrap();
    }
    let after = estate.broker.estate().await.unwrap();
    let number = |id: &str| {
        after.resources[id]
            .title
            .split(' ')
            .next_back()
            .unwrap()
            .to_owned()
    };
    assert_eq!(number("desktop"), number("editor"));
}
