//! The picture as data. All lengths are pixels; `y` grows downwards.

use serde::Serialize;

use super::family::Family;

/// A picture in which everything has its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// Heading.
    pub title: String,
    /// What the picture shows, in a sentence or two.
    pub summary: String,
    /// Width of the whole.
    pub width: i32,
    /// Height of the whole.
    pub height: i32,
    /// What [`Connection::from`] and [`Connection::to`] count.
    pub ends: EndKind,
    /// Zones, and hosts that stand alone.
    pub groups: Vec<GroupBox>,
    /// Hosts, and hosts that are alike.
    pub nodes: Vec<NodeBox>,
    /// Bundles of flows.
    pub bundles: Vec<BundleLine>,
    /// Heading and summary as drawn.
    pub texts: Vec<TextLine>,
    /// Families that occur, each with its mark.
    pub legend: Label,
}

/// What the ends of bundles are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndKind {
    /// [`Layout::groups`].
    Group,
    /// [`Layout::nodes`].
    Node,
}

/// What a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// A zone of the estate.
    Zone,
    /// The hosts without zone, beside zones.
    Unzoned,
    /// One node in an estate without zones.
    Alone,
    /// One node outside of the estate.
    External,
}

impl GroupKind {
    /// Whether a frame is drawn around the nodes.
    pub const fn has_frame(self) -> bool {
        matches!(self, Self::Zone | Self::Unzoned)
    }
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Rect {
    /// Left side.
    pub x: i32,
    /// Upper side.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

impl Rect {
    /// Right side.
    pub const fn right(&self) -> i32 {
        self.x + self.width
    }

    /// Lower side.
    pub const fn bottom(&self) -> i32 {
        self.y + self.height
    }
}

/// A point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Point {
    /// From the left.
    pub x: i32,
    /// From above.
    pub y: i32,
}

/// How text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextStyle {
    /// Heading of the picture.
    Heading,
    /// Title of a zone.
    Title,
    /// Id of a host.
    Name,
    /// Everything else.
    Small,
}

impl TextStyle {
    /// Size of the type.
    pub const fn size(self) -> i32 {
        match self {
            Self::Heading => 18,
            Self::Title => 14,
            Self::Name => 12,
            Self::Small => 11,
        }
    }
}

/// One line of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TextLine {
    /// Where it begins.
    pub x: i32,
    /// Its base line.
    pub y: i32,
    /// Room that it takes at most.
    pub width: i32,
    /// The text, without control characters and marks of direction.
    pub text: String,
    /// How it looks.
    pub style: TextStyle,
}

/// A zone, or a frameless group of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupBox {
    /// Id of the zone, or of the node.
    pub id: String,
    /// Name to show; empty without frame.
    pub title: String,
    /// What it is.
    pub kind: GroupKind,
    /// Where it is.
    pub rect: Rect,
    /// Its nodes, by place in [`Layout::nodes`].
    pub nodes: Vec<usize>,
    /// Title and networks as drawn.
    pub texts: Vec<TextLine>,
}

/// A host, or hosts with the same roles in the same zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeBox {
    /// Id, new for each picture.
    pub id: String,
    /// Its group, by place in [`Layout::groups`].
    pub group: usize,
    /// Ids of the hosts.
    pub hosts: Vec<String>,
    /// The same by place in [`FlowPlan::hosts`](crate::plan::FlowPlan::hosts).
    #[serde(skip)]
    pub places: Vec<u32>,
    /// Ids of the roles.
    pub roles: Vec<String>,
    /// Whether it stands for something outside of the estate.
    pub external: bool,
    /// Where it is.
    pub rect: Rect,
    /// Hosts and roles as drawn.
    pub texts: Vec<TextLine>,
}

/// What a bundle joins, and which flows are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// The end that opens connections, by place in what [`Layout::ends`] says.
    pub from: usize,
    /// The end that listens; the same one for flows that stay inside.
    pub to: usize,
    /// Ids of the flows, sorted, each once.
    pub flows: Vec<String>,
    /// The flows, by place in [`FlowPlan::flows`](crate::plan::FlowPlan::flows), ascending.
    pub planned: Vec<usize>,
    /// Every service with its ports, the most important first.
    pub services: Vec<String>,
}

/// A bundle of flows as a line with a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleLine {
    /// Id, new for each picture.
    pub id: String,
    /// What it joins.
    pub connection: Connection,
    /// Family of the first service, which gives the line its colour.
    pub family: Family,
    /// Corners of the line, with the arrowhead at the last one; empty for flows that stay inside.
    pub path: Vec<Point>,
    /// What is written at it.
    pub label: Label,
}

/// Text with marks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Label {
    /// Room that it takes.
    pub rect: Rect,
    /// What stands in it.
    pub items: Vec<LabelItem>,
}

/// One service of a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelItem {
    /// Mark before the text; none for "and so many more".
    pub family: Option<Family>,
    /// The text, in [`TextStyle::Small`]; it begins after the room of the mark.
    pub text: TextLine,
}
