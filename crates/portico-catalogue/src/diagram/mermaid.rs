//! The picture as a Mermaid flowchart.

use super::{
    EndKind,
    graph::{Graph, Group, Node},
    label::Items,
};

/// Services that a label names.
const ITEMS: usize = 3;
/// Hosts that a node names.
const HOSTS: usize = 3;

pub(super) fn write(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for (place, group) in graph.groups.iter().enumerate() {
        if group.kind.has_frame() {
            text.push_str(&format!(
                "  subgraph g{place}[\"{}\"]\n",
                group_title(graph, place, group)
            ));
            for node in &group.nodes {
                text.push_str(&format!("    {}\n", node_line(graph, *node)));
            }
            text.push_str("  end\n");
        } else if let Some(node) = group.nodes.first() {
            text.push_str(&format!("  {}\n", node_line(graph, *node)));
        }
    }
    for bundle in graph
        .bundles
        .iter()
        .filter(|bundle| bundle.from != bundle.to)
    {
        let (from, to) = (end(graph, bundle.from), end(graph, bundle.to));
        text.push_str(&format!(
            "  {from} -->|\"{}\"| {to}\n",
            services(&bundle.items)
        ));
    }
    text
}

fn end(graph: &Graph, end: usize) -> String {
    if graph.ends == EndKind::Node {
        return format!("n{end}");
    }
    match graph.groups.get(end) {
        Some(group) if !group.kind.has_frame() => group
            .nodes
            .first()
            .map_or_else(String::new, |node| format!("n{node}")),
        _ => format!("g{end}"),
    }
}

fn group_title(graph: &Graph, place: usize, group: &Group) -> String {
    let mut title = quoted(&group.title);
    if !group.subtitle.is_empty() {
        title.push_str(&format!("<br/>{}", quoted(&group.subtitle)));
    }
    if graph.ends == EndKind::Group {
        title.push_str(&inside(graph, place));
    }
    title
}

fn node_line(graph: &Graph, place: usize) -> String {
    let Some(node) = graph.nodes.get(place) else {
        return String::new();
    };
    let bare = graph
        .groups
        .get(node.group)
        .is_some_and(|group| !group.kind.has_frame());
    let inside = match graph.ends {
        EndKind::Node => inside(graph, place),
        EndKind::Group if bare => inside(graph, node.group),
        EndKind::Group => String::new(),
    };
    let (open, close) = if node.is_external {
        ("([", "])")
    } else {
        ("[", "]")
    };
    format!("n{place}{open}\"{}{inside}\"{close}", node_title(node))
}

fn node_title(node: &Node) -> String {
    let mut hosts = node
        .hosts
        .iter()
        .take(HOSTS)
        .map(|host| quoted(host))
        .collect::<Vec<_>>()
        .join(", ");
    if node.hosts.len() > HOSTS {
        hosts.push_str(&format!(" and {} more", node.hosts.len() - HOSTS));
    }
    format!(
        "<b>{hosts}</b><br/>{}",
        quoted(&node.role_titles.join(", "))
    )
}

/// A line from a subgraph to itself is an error in Mermaid: its flows stand in its title.
fn inside(graph: &Graph, end: usize) -> String {
    graph
        .bundles
        .iter()
        .find(|bundle| bundle.from == end && bundle.to == end)
        .map(|bundle| format!("<br/>inside: {}", services(&bundle.items)))
        .unwrap_or_default()
}

fn services(items: &Items) -> String {
    let mut names: Vec<String> = items
        .all
        .iter()
        .take(ITEMS)
        .map(|item| quoted(&item.text))
        .collect();
    if items.all.len() > ITEMS {
        names.push(format!("and {} more", items.all.len() - ITEMS));
    }
    names.join("<br/>")
}

/// Letters and digits stay; of the rest only what means nothing to Mermaid, to Markdown or to HTML.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '/' | '-' | '+' | '–' | '…' | ':')
        {
            quoted.push(c);
        } else {
            quoted.push_str(&format!("#{};", u32::from(c)));
        }
    }
    quoted
}
