//! Which roles there are, and what each of them brings.

use serde::Serialize;

use super::survey::effective_roles;
use crate::{
    Catalogue,
    flow::{Direction, Flow},
};

/// A role, for somebody who has to choose one.
#[derive(Debug, Clone, Serialize)]
pub struct RoleLesson {
    /// Id, as an estate gives it to a host.
    pub id: &'static str,
    /// Name to show.
    pub title: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Whether it stands outside of the estate.
    pub external: bool,
    /// All roles that a host with this one has, too, at any remove.
    pub includes: Vec<&'static str>,
    /// Flows that a host opens because of this role itself.
    pub opens: Vec<FlowLesson>,
    /// Flows on which a host listens because of this role itself.
    pub answers: Vec<FlowLesson>,
}

/// A flow as one of its roles sees it.
#[derive(Debug, Clone, Serialize)]
pub struct FlowLesson {
    /// Id of the flow.
    pub flow: &'static str,
    /// Role at the other end.
    pub peer: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

/// All roles of a catalogue, sorted by id. Flows that no plan has are not among theirs.
pub fn roles(catalogue: &'static Catalogue) -> Vec<RoleLesson> {
    let roles = catalogue.roles();
    roles
        .map(|role| {
            let mut includes = effective_roles(catalogue, &role.includes);
            includes.remove(role.id.as_str());
            RoleLesson {
                id: &role.id,
                title: &role.title,
                description: &role.description,
                external: role.external,
                includes: includes.into_iter().collect(),
                opens: lessons(catalogue, &role.id, |flow| (&flow.from, &flow.to)),
                answers: lessons(catalogue, &role.id, |flow| (&flow.to, &flow.from)),
            }
        })
        .collect()
}

/// Flows at whose own end `role` is; `ends` are the own and the other end of the way out.
fn lessons(
    catalogue: &'static Catalogue,
    role: &str,
    ends: impl Fn(&'static Flow) -> (&'static str, &'static str),
) -> Vec<FlowLesson> {
    let mut found = Vec::new();
    for flow in catalogue.flows().filter(|flow| !flow.is_left_out()) {
        let (own, peer) = ends(flow);
        let is_back = flow.direction == Direction::BothWays && peer == role;
        if own != role && !is_back {
            continue;
        }
        found.push(FlowLesson {
            flow: &flow.id,
            peer: if own == role { peer } else { own },
            purpose: &flow.purpose,
        });
    }
    found
}
