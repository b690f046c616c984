//! Pictures of a plan: zones as boxes, hosts in them, and lines for bundles of flows.
//!
//! Read [`diagram()`] (text to save or print) and [`Layout`] (the same picture as data) first.
//! A plan gives the same picture each time; names of the estate are shown, and never obeyed.

mod boxes;
mod columns;
mod dot;
mod family;
mod graph;
mod heights;
mod label;
mod layout;
mod mermaid;
mod place;
mod route;
mod state;
mod svg;
mod text;

pub use family::Family;
pub use layout::{
    BundleLine, Connection, EndKind, GroupBox, GroupKind, Label, LabelItem, Layout, NodeBox, Point,
    Rect, TextLine, TextStyle,
};
pub use state::{LineEnds, LineState, STATE_STYLE, Sign, Tone, sign_svg};

use crate::{
    Catalogue,
    plan::{DeployedHost, FlowPlan},
};

/// Language of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiagramFormat {
    /// One SVG file that needs no other, light and dark.
    Svg,
    /// A flowchart of Mermaid.
    Mermaid,
    /// A digraph of Graphviz.
    Dot,
}

/// Between what the lines run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Bundling {
    /// Between hosts when they are few, and between zones otherwise.
    #[default]
    Auto,
    /// Between zones, and hosts that stand in none.
    Groups,
    /// Between hosts; those that are alike are one.
    Nodes,
}

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub struct DiagramOptions<'a> {
    /// Heading of the picture.
    pub title: &'a str,
    /// Knows the roles: their titles, and which stand outside of the estate.
    pub catalogue: &'a Catalogue,
    /// Between what the lines run.
    pub bundling: Bundling,
}

impl<'a> DiagramOptions<'a> {
    /// The usual picture with the roles of `catalogue`.
    pub const fn new(catalogue: &'a Catalogue) -> Self {
        Self {
            title: "Network flows",
            catalogue,
            bundling: Bundling::Auto,
        }
    }

    /// Title of a role, or its id when the catalogue does not have it.
    pub(crate) fn role_title<'b>(&self, id: &'b str) -> &'b str
    where
        'a: 'b,
    {
        match self.catalogue.role(id) {
            Some(role) => &role.title,
            None => id,
        }
    }

    /// Whether a host stands for something outside of the estate.
    pub(crate) fn is_external(&self, host: &DeployedHost) -> bool {
        let external = |role: &String| self.catalogue.role(role).is_some_and(|role| role.external);
        !host.roles.is_empty() && host.roles.iter().all(external)
    }
}

/// Draws `plan` as text of `format`, which ends with a line end.
pub fn diagram(plan: &FlowPlan, format: DiagramFormat, options: &DiagramOptions<'_>) -> String {
    match format {
        DiagramFormat::Svg => svg::write(&layout(plan, options), &[]),
        DiagramFormat::Mermaid => mermaid::write(&graph::Graph::of(plan, options)),
        DiagramFormat::Dot => dot::write(&graph::Graph::of(plan, options), options.title),
    }
}

/// Draws `plan` as SVG with lines that are coloured by a state: the one that `state` gives to what a
/// line joins. Lines without one keep the colour of what they carry.
pub fn stated(
    plan: &FlowPlan,
    options: &DiagramOptions<'_>,
    state: impl Fn(&LineEnds) -> Option<LineState>,
) -> String {
    let layout = layout(plan, options);
    let states: Vec<Option<LineState>> = state::ends(&layout).iter().map(state).collect();
    svg::write(&layout, &states)
}

/// Gives everything in the picture of `plan` its place, in pixels from the upper left corner.
pub fn layout(plan: &FlowPlan, options: &DiagramOptions<'_>) -> Layout {
    place::place(plan, &graph::Graph::of(plan, options), options.title)
}
