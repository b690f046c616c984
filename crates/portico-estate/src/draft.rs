//! What an estate file says, before it meets what the store has.

use std::collections::{BTreeMap, BTreeSet};

use portico_model::{
    Secret, UserId,
    estate::{Estate, UserOrigin},
    people::Role,
};

use crate::EstateError;

/// What an estate file says.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The estate. A user's `password_hash` is only set when the file gives the hash itself.
    pub estate: Estate,
    /// Plain passwords of the file. The caller compares each with the stored hash and hashes it
    /// only if it differs, so that applying a file twice changes nothing.
    pub plain_passwords: BTreeMap<UserId, Secret>,
    /// What the file leaves to what is there already.
    pub unstated: Unstated,
}

/// What the file does not state, so that [`Draft::estate`] has a default there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unstated {
    /// There is no section `[site]`.
    pub site: bool,
    /// Users without `role`.
    pub roles: BTreeSet<UserId>,
    /// Users without `display_name`.
    pub display_names: BTreeSet<UserId>,
}

impl Draft {
    /// The estate that is wanted, given the one that is `seen` in the store:
    ///
    /// - the site stays when the file does not describe it;
    /// - a user's stored password stays unless the file gives a hash (plain passwords are the
    ///   caller's part, see [`Draft::plain_passwords`]);
    /// - a user who was made at set-up or by a command stays, named in the file or not, keeps
    ///   that origin, and keeps the role and name that the file does not state.
    ///
    /// Fails when `seen` has an owner and the result would have none: nobody could undo it.
    pub fn wanted(&self, file_name: &str, seen: &Estate) -> Result<Estate, Vec<EstateError>> {
        let mut wanted = self.estate.clone();
        if self.unstated.site {
            wanted.site = seen.site.clone();
        }
        for (id, user) in &seen.users {
            let Some(named) = wanted.users.get_mut(id) else {
                if user.origin == UserOrigin::Setup {
                    wanted.users.insert(id.clone(), user.clone());
                }
                continue;
            };
            if named.password_hash.is_none() {
                named.password_hash.clone_from(&user.password_hash);
            }
            named.origin = user.origin;
            if user.origin == UserOrigin::Setup {
                if self.unstated.roles.contains(id) {
                    named.role = user.role;
                }
                if self.unstated.display_names.contains(id) {
                    named.display_name.clone_from(&user.display_name);
                }
            }
        }
        if has_owner(seen) && !has_owner(&wanted) {
            return Err(vec![EstateError {
                file: file_name.to_owned(),
                line: 1,
                column: 1,
                key: "users".to_owned(),
                object: None,
                reason: "would leave nobody with the role owner".to_owned(),
                expected: Some("give one user role = \"owner\"".to_owned()),
            }]);
        }
        Ok(wanted)
    }
}

fn has_owner(estate: &Estate) -> bool {
    estate.users.values().any(|user| user.role == Role::Owner)
}
