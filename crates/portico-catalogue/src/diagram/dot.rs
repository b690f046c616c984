//! The picture as a digraph of Graphviz.

use super::{
    EndKind,
    graph::{Graph, Node},
    label::Items,
};

/// Services that a label names.
const ITEMS: usize = 4;
/// Hosts that a node names.
const HOSTS: usize = 3;

pub(super) fn write(graph: &Graph, title: &str) -> String {
    let title = quoted(&super::text::shown(title));
    let mut text = format!(
        "digraph flows {{\n  graph [label=\"{title}\", labelloc=t, rankdir=LR, compound=true, \
         nodesep=0.4, ranksep=1.4, fontname=\"sans-serif\", fontsize=14];\n  \
         node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\", fontsize=10];\n  \
         edge [fontname=\"sans-serif\", fontsize=9];\n",
    );
    for (place, group) in graph.groups.iter().enumerate() {
        if group.kind.has_frame() {
            let mut title = quoted(&group.title);
            if !group.subtitle.is_empty() {
                title.push_str(&format!("\\n{}", quoted(&group.subtitle)));
            }
            text.push_str(&format!(
                "  subgraph cluster_{place} {{\n    label=\"{title}\"; style=\"rounded,filled\"; fillcolor=\"#f3f5f8\"; color=\"#8793a1\";\n"
            ));
            for node in &group.nodes {
                text.push_str(&format!("    {}\n", node_line(graph, *node)));
            }
            text.push_str("  }\n");
        } else if let Some(node) = group.nodes.first() {
            text.push_str(&format!("  {}\n", node_line(graph, *node)));
        }
    }
    for bundle in &graph.bundles {
        let (from, tail) = end(graph, bundle.from, "ltail");
        let (to, head) = end(graph, bundle.to, "lhead");
        // Graphviz has no line from a frame to itself: it starts and ends at a node of it.
        let frames = if bundle.from == bundle.to {
            String::new()
        } else {
            format!("{tail}{head}")
        };
        text.push_str(&format!(
            "  {from} -> {to} [label=\"{}\"{frames}];\n",
            services(&bundle.items)
        ));
    }
    text.push_str("}\n");
    text
}

/// Node at which a line ends, and the frame at which it is cut off.
fn end(graph: &Graph, end: usize, key: &str) -> (String, String) {
    if graph.ends == EndKind::Node {
        return (format!("n{end}"), String::new());
    }
    let group = graph.groups.get(end);
    let node = group
        .and_then(|group| group.nodes.get(group.nodes.len() / 2))
        .copied()
        .unwrap_or(0);
    let frame = match group {
        Some(group) if group.kind.has_frame() => format!(", {key}=\"cluster_{end}\""),
        _ => String::new(),
    };
    (format!("n{node}"), frame)
}

fn node_line(graph: &Graph, place: usize) -> String {
    let Some(node) = graph.nodes.get(place) else {
        return String::new();
    };
    let style = if node.is_external {
        ", style=\"rounded,dashed\""
    } else {
        ""
    };
    format!("n{place} [label=\"{}\"{style}];", node_title(node))
}

fn node_title(node: &Node) -> String {
    let mut title = node
        .hosts
        .iter()
        .take(HOSTS)
        .map(|host| quoted(host))
        .collect::<Vec<_>>()
        .join(", ");
    if node.hosts.len() > HOSTS {
        title.push_str(&format!(" and {} more", node.hosts.len() - HOSTS));
    }
    for role in &node.role_titles {
        title.push_str(&format!("\\n{}", quoted(role)));
    }
    title
}

fn services(items: &Items) -> String {
    let mut names: Vec<String> = items
        .all
        .iter()
        .take(ITEMS)
        .map(|item| quoted(&item.text))
        .collect();
    if items.all.len() > ITEMS {
        names.push(format!("+{} more", items.all.len() - ITEMS));
    }
    names.iter().map(|name| format!("{name}\\l")).collect()
}

/// Inside of a quoted string of Graphviz: no end of the string, no escapes, no entities.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '&' => quoted.push_str("&amp;"),
            c => quoted.push(c),
        }
    }
    quoted
}
