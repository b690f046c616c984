//! What each role of people may do in Portico. One table, asked everywhere.

use portico_model::people::{Principal, Role};

/// Something a person asks Portico to do, beyond what is their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Launch what is published for them, use and end their own sessions.
    UseWorkspace,
    /// See pools, hosts, resources, entitlements and people.
    ReadEstate,
    /// See everybody's sessions.
    ReadSessions,
    /// See the audit log.
    ReadAudit,
    /// Ask what a launch of anybody would come to.
    ExplainLaunch,
    /// Disconnect or end sessions of others.
    EndSessions,
    /// Show a text to somebody in their session.
    MessageSessions,
    /// Change what hosts take, give orders to their agents, let agents in and shut them out.
    OperateHosts,
    /// Compare an estate file with the estate.
    PlanEstate,
    /// Apply an estate file that leaves people with a role as they are.
    ApplyEstate,
    /// Add, change or remove people who have a role, their passwords included.
    ChangePeople,
}

impl Action {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::UseWorkspace,
        Self::ReadEstate,
        Self::ReadSessions,
        Self::ReadAudit,
        Self::ExplainLaunch,
        Self::EndSessions,
        Self::MessageSessions,
        Self::OperateHosts,
        Self::PlanEstate,
        Self::ApplyEstate,
        Self::ChangePeople,
    ];

    /// The least role that may do it. Roles are ordered; an auditor is below all who change
    /// something.
    pub const fn least_role(self) -> Role {
        match self {
            Self::UseWorkspace => Role::User,
            Self::ReadEstate | Self::ReadSessions | Self::ReadAudit | Self::ExplainLaunch => {
                Role::Auditor
            }
            Self::EndSessions | Self::MessageSessions => Role::HelpDesk,
            Self::OperateHosts | Self::PlanEstate | Self::ApplyEstate => Role::Operator,
            Self::ChangePeople => Role::Owner,
        }
    }
}

/// The person's role does not allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the role {has:?} may not do this; it takes {needs:?} or above")]
pub struct Forbidden {
    /// What was asked.
    pub action: Action,
    /// Role of the person.
    pub has: Role,
    /// Least role that may.
    pub needs: Role,
}

/// Whether `role` may do `action`.
pub fn may(role: Role, action: Action) -> bool {
    role >= action.least_role()
}

/// Lets `principal` do `action`, or says what it takes.
pub fn authorize(principal: &Principal, action: Action) -> Result<(), Forbidden> {
    if may(principal.role, action) {
        return Ok(());
    }
    Err(Forbidden {
        action,
        has: principal.role,
        needs: action.least_role(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 5] = [
        Role::User,
        Role::Auditor,
        Role::HelpDesk,
        Role::Operator,
        Role::Owner,
    ];

    /// The file is what people review; the code must say the same.
    #[test]
    fn the_table_is_the_checked_in_one() {
        let mut table = format!("{:<16}", "");
        for role in ROLES {
            table += &format!("{:>9}", format!("{role:?}"));
        }
        for action in Action::ALL {
            table += &format!("\n{:<16}", format!("{action:?}"));
            for role in ROLES {
                table += &format!("{:>9}", if may(role, action) { "yes" } else { "-" });
            }
        }
        table.push('\n');
        assert_eq!(table, include_str!("../data/roles.txt"), "\n{table}");
    }
}
