//! How large boxes and labels are, and what stands where in them.

use super::{
    EndKind,
    family::Family,
    graph::{Graph, Group, Node},
    label::{Item, Items},
    layout::{Label, LabelItem, Rect, TextLine, TextStyle},
    text::{Weight, shorten, width, wrap},
};

/// Width of a node.
pub(super) const NODE_WIDTH: i32 = 190;
/// Room between a frame and its nodes, and between nodes.
pub(super) const PADDING: i32 = 14;
/// Height of a line of small text.
pub(super) const LINE: i32 = 15;
/// Room of the mark before a service.
pub(super) const MARK: i32 = 14;
/// Room between services of a line.
const ITEM_GAP: i32 = 12;
/// Most services that a label names.
const ITEMS_MAX: usize = 6;
/// Width and lines of the label of a line.
pub(super) const LABEL_WIDTH: i32 = 230;
pub(super) const LABEL_LINES: usize = 2;
/// Lines of a label for what stays inside.
const INSIDE_LINES: usize = 3;
const NODE_INSIDE_LINES: usize = 2;
/// Space above and below the text of a node.
const NODE_MARGIN: i32 = 9;

/// Length as a number of pixels.
pub(super) fn int(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX / 1024)
}

/// Columns of nodes in the frame of a group.
pub(super) fn node_columns(graph: &Graph, group: &Group) -> usize {
    match (graph.ends, group.nodes.len()) {
        (EndKind::Node, _) | (_, 0..=4) => 1,
        (_, 5..=12) => 2,
        (_, 13..=30) => 3,
        (_, count) => (4..).find(|n| n * n * 3 >= count).unwrap_or(4),
    }
}

/// Width of a group.
pub(super) fn group_width(graph: &Graph, group: &Group) -> i32 {
    if group.kind.has_frame() {
        let columns = int(node_columns(graph, group));
        columns * (NODE_WIDTH + PADDING) + PADDING
    } else {
        NODE_WIDTH
    }
}

/// Height of the title of a frame.
pub(super) fn header_height(group: &Group) -> i32 {
    if !group.kind.has_frame() {
        return 0;
    }
    let subtitle = if group.subtitle.is_empty() { 0 } else { LINE };
    10 + 18 + subtitle + 8
}

/// Title and networks of a frame at `rect`.
pub(super) fn group_texts(group: &Group, rect: Rect) -> Vec<TextLine> {
    if !group.kind.has_frame() {
        return Vec::new();
    }
    let room = rect.width - 2 * PADDING;
    let mut texts = vec![line(
        &group.title,
        rect.x + PADDING,
        rect.y + 24,
        room,
        TextStyle::Title,
    )];
    if !group.subtitle.is_empty() {
        let y = rect.y + 24 + LINE + 1;
        texts.push(line(
            &group.subtitle,
            rect.x + PADDING,
            y,
            room,
            TextStyle::Small,
        ));
    }
    texts
}

/// Height that the text of a node takes, with the label of what stays inside of it.
pub(super) fn node_height(graph: &Graph, place: usize, node: &Node) -> i32 {
    let lines = int(role_lines(node).len() + name_lines(node).len()) - 1;
    2 * NODE_MARGIN + 14 + lines * LINE + node_inside(graph, place).map_or(0, |l| l.rect.height + 6)
}

/// Label of the flows among the hosts of a node, unless the frame around it has them.
pub(super) fn node_inside(graph: &Graph, place: usize) -> Option<Label> {
    let group = graph.nodes.get(place)?.group;
    let is_bare = graph
        .groups
        .get(group)
        .is_some_and(|group| !group.kind.has_frame());
    let items = match graph.ends {
        EndKind::Node => inside(graph, EndKind::Node, place)?,
        EndKind::Group if is_bare => inside(graph, EndKind::Group, group)?,
        EndKind::Group => return None,
    };
    Some(label(items, NODE_WIDTH - 20, NODE_INSIDE_LINES))
}

/// Label of the flows that stay inside of a group, where lines run between groups.
pub(super) fn group_inside(graph: &Graph, place: usize, room: i32) -> Option<Label> {
    let items = inside(graph, EndKind::Group, place)?;
    Some(label(items, room - 2 * PADDING, INSIDE_LINES))
}

fn inside(graph: &Graph, kind: EndKind, place: usize) -> Option<&Items> {
    let same = graph
        .bundles
        .iter()
        .find(|bundle| bundle.from == place && bundle.to == place);
    (graph.ends == kind)
        .then_some(same?)
        .map(|bundle| &bundle.items)
}

fn role_lines(node: &Node) -> Vec<String> {
    let roles = node.role_titles.join(", ");
    if roles.is_empty() {
        return Vec::new();
    }
    wrap(&roles, NODE_WIDTH - 20, TextStyle::Small.size(), 3)
}

/// The name of a single host, on a second line where one is too short for it.
fn name_lines(node: &Node) -> Vec<String> {
    let first = node.hosts.first().map_or("", String::as_str);
    let room = NODE_WIDTH - 20;
    let fits = |text: &str| width(text, TextStyle::Name.size(), Weight::Bold) <= room;
    if node.hosts.len() > 1 || fits(first) {
        return vec![first.to_owned()];
    }
    let cuts = first.char_indices().map(|(at, c)| at + c.len_utf8());
    let longest = cuts
        .take_while(|at| first.get(..*at).is_some_and(fits))
        .last()
        .unwrap_or(0);
    let head = first.get(..longest).unwrap_or_default();
    let at = head.rfind(['.', '-']).map_or(longest, |at| at + 1);
    let (head, rest) = first.split_at_checked(at).unwrap_or((first, ""));
    vec![head.to_owned(), rest.to_owned()]
}

/// Hosts and roles of a node at `rect`.
pub(super) fn node_texts(node: &Node, rect: Rect) -> Vec<TextLine> {
    let x = rect.x + 10;
    let room = rect.width - 20;
    let mut y = rect.y + NODE_MARGIN + 11;
    let mut texts = Vec::new();
    let first = node.hosts.first().map_or("", String::as_str);
    if node.hosts.len() > 1 {
        let count = format!("{}×", node.hosts.len());
        let count_width = width(&count, TextStyle::Name.size(), Weight::Bold);
        let last = node.hosts.last().map_or("", String::as_str);
        let size = TextStyle::Name.size();
        let names = room - count_width - 8;
        let both = format!("{first} … {last}");
        let name = if width(&both, size, Weight::Bold) <= names {
            both
        } else {
            let dots = width("… ", size, Weight::Bold);
            format!("{} …", shorten(first, names - dots, size, Weight::Bold))
        };
        texts.push(line(&name, x, y, names, TextStyle::Name));
        let at = x + room - count_width;
        texts.push(line(&count, at, y, count_width, TextStyle::Name));
    } else {
        for (place, name) in name_lines(node).iter().enumerate() {
            y += LINE * int(place.min(1));
            texts.push(line(name, x, y, room, TextStyle::Name));
        }
    }
    for role in role_lines(node) {
        y += LINE;
        texts.push(line(&role, x, y, room, TextStyle::Small));
    }
    texts
}

/// A line of text, shortened to `room`.
pub(super) fn line(text: &str, x: i32, y: i32, room: i32, style: TextStyle) -> TextLine {
    let weight = match style {
        TextStyle::Small => Weight::Regular,
        _ => Weight::Bold,
    };
    let text = shorten(text, room, style.size(), weight);
    let width = width(&text, style.size(), weight).min(room.max(0));
    TextLine {
        x,
        y,
        width,
        text,
        style,
    }
}

/// Names as many services as there is room for, and how many more there are. At 0, 0.
pub(super) fn label(items: &Items, room: i32, lines: usize) -> Label {
    let most = items.all.len().min(ITEMS_MAX);
    (2..=most)
        .rev()
        .find_map(|count| fill(items, count, room, lines))
        .or_else(|| fill(items, 1, room, lines))
        .unwrap_or_else(|| only_first(items, room))
}

/// The families that occur, each with its mark. At 0, 0.
pub(super) fn legend(families: &[Family], room: i32) -> Label {
    let all = families
        .iter()
        .map(|family| Item {
            family: *family,
            text: family.title().into(),
        })
        .collect();
    let items = Items { all };
    let count = items.all.len();
    (1..=count.max(1))
        .find_map(|lines| fill(&items, count, room, lines))
        .unwrap_or_default()
}

/// One service, shortened, for a place where not even one fits.
fn only_first(items: &Items, room: i32) -> Label {
    let mut label = Label::default();
    if let Some(item) = items.all.first() {
        let text = line(&item.text, MARK, 11, room - MARK, TextStyle::Small);
        label.rect.width = MARK + text.width;
        label.rect.height = LINE;
        label.items.push(LabelItem {
            family: Some(item.family),
            text,
        });
    }
    if items.all.len() > 1 {
        let more = format!("+{} more", items.all.len() - 1);
        let text = line(&more, 0, 11 + LINE, room, TextStyle::Small);
        label.rect.width = label.rect.width.max(text.width);
        label.rect.height += LINE;
        label.items.push(LabelItem { family: None, text });
    }
    label
}

fn fill(items: &Items, count: usize, room: i32, lines: usize) -> Option<Label> {
    let mut texts: Vec<(Option<Family>, String)> = items
        .all
        .iter()
        .take(count)
        .map(|item| (Some(item.family), item.text.clone()))
        .collect();
    let more = items.all.len().saturating_sub(count);
    if more > 0 {
        texts.push((None, format!("+{more} more")));
    }
    let mut label = Label::default();
    let (mut x, mut row) = (0, 0);
    for (family, text) in texts {
        let mark = if family.is_some() { MARK } else { 0 };
        let needed = mark + width(&text, TextStyle::Small.size(), Weight::Regular);
        if needed > room {
            return None;
        }
        if x > 0 && x + needed > room {
            x = 0;
            row += 1;
        }
        let text = line(&text, x + mark, 11 + row * LINE, room, TextStyle::Small);
        label.items.push(LabelItem { family, text });
        label.rect.width = label.rect.width.max(x + needed);
        x += needed + ITEM_GAP;
    }
    label.rect.height = (row + 1) * LINE;
    (row < int(lines)).then_some(label)
}

/// Moves a label from 0, 0.
pub(super) fn moved(mut label: Label, x: i32, y: i32) -> Label {
    label.rect.x += x;
    label.rect.y += y;
    for item in &mut label.items {
        item.text.x += x;
        item.text.y += y;
    }
    label
}
