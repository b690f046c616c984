//! The picture as one SVG file: no script, no file besides it, no font but the reader's.

use std::fmt::Write as _;

use super::{
    boxes::MARK,
    family::Family,
    layout::{
        BundleLine, GroupBox, GroupKind, Label, Layout, NodeBox, Point, Rect, TextLine, TextStyle,
    },
    state::{LineState, STATE_STYLE, sign_mark},
    text::shown,
};

/// Radius of the corners of a line.
const BEND: i32 = 6;
/// Length of an arrowhead.
const ARROW: i32 = 9;
/// Host names in the text that appears over a node.
const NAMES_MAX: usize = 60;

/// Colours, light and dark. Text has a contrast of 4.5 to 1 and more, and so have lines and marks.
const STYLE: &str = r":root{--bg:#fff;--fg:#1b2129;--soft:#4d5966;--zone:#f3f5f8;--edge:#8793a1;--node:#fff;--out:#fbf8f1;
--display:#1d5cb8;--web:#0a7045;--product:#7440b0;--directory:#a04400;--files:#7a6100;--administration:#ab2757;--names:#006a78;--other:#545e69}
@media screen and (prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e8ecf1;--soft:#aab5c1;--zone:#1c2229;--edge:#647180;--node:#262d36;--out:#2b2a26;
--display:#80b3ff;--web:#5fd39b;--product:#caa5ff;--directory:#ffb27a;--files:#e3cc62;--administration:#ff9cbe;--names:#5fd3e1;--other:#b5bfc9}}
svg{background:var(--bg)}
text{font-family:system-ui,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif;fill:var(--fg);white-space:pre;direction:ltr;unicode-bidi:isolate}
.heading{font-size:18px;font-weight:700}.title{font-size:14px;font-weight:700}.name{font-size:12px;font-weight:700}.small{font-size:11px}
.soft{fill:var(--soft)}.page,.back{fill:var(--bg)}
.zone{fill:var(--zone);stroke:var(--edge)}.unzoned{stroke-dasharray:6 4}
.node{fill:var(--node);stroke:var(--edge)}.outside{fill:var(--out);stroke-dasharray:3 3}.pile{fill:var(--node);stroke:var(--edge)}
.line{fill:none;stroke:var(--c);stroke-width:1.6;stroke-linejoin:round}.head,.mark{fill:var(--c)}.ring{fill:none;stroke:var(--c);stroke-width:2}
.bundle:hover .line{stroke-width:3}
.display{--c:var(--display)}.web{--c:var(--web)}.product{--c:var(--product)}.directory{--c:var(--directory)}.files{--c:var(--files)}.administration{--c:var(--administration)}.names{--c:var(--names)}.other{--c:var(--other)}";

/// The picture; `states` are those of its bundles, or empty when lines are coloured by what they
/// carry.
pub(super) fn write(layout: &Layout, states: &[Option<LineState>]) -> String {
    let mut svg = String::new();
    let (width, height) = (layout.width, layout.height);
    let (class, more_style) = match states {
        [] => ("", ""),
        _ => (" class=\"stated\"", STATE_STYLE),
    };
    put(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\"{class} width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"t d\">\n\
         <title id=\"t\">{}</title>\n<desc id=\"d\">{}</desc>\n<style>{STYLE}{more_style}</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n",
            escaped(&layout.title),
            escaped(&description(layout, states)),
        ),
    );
    for line in &layout.texts {
        text(&mut svg, line, line.style == TextStyle::Small);
    }
    for group in layout.groups.iter().filter(|group| group.kind.has_frame()) {
        frame(&mut svg, group);
    }
    let state = |place: usize| states.get(place).and_then(Option::as_ref);
    for (place, bundle) in layout.bundles.iter().enumerate() {
        path(&mut svg, bundle, state(place));
    }
    for node in &layout.nodes {
        node_box(&mut svg, node);
    }
    for (place, bundle) in layout.bundles.iter().enumerate() {
        bundle_label(&mut svg, bundle, state(place));
    }
    label(&mut svg, &layout.legend);
    svg.push_str("</svg>\n");
    svg
}

/// Writing to a string cannot fail.
fn put(svg: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = svg.write_fmt(arguments);
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn description(layout: &Layout, states: &[Option<LineState>]) -> String {
    let mut words = layout.summary.clone();
    for (place, bundle) in layout.bundles.iter().enumerate() {
        let services = bundle
            .connection
            .services
            .iter()
            .take(6)
            .cloned()
            .collect::<Vec<_>>();
        let (from, to) = (
            end_name(layout, bundle.connection.from),
            end_name(layout, bundle.connection.to),
        );
        words.push_str(&format!(" {from} to {to}: {}", services.join(", ")));
        let more = bundle.connection.services.len().saturating_sub(6);
        if more > 0 {
            words.push_str(&format!(" and {more} more"));
        }
        if let Some(state) = states.get(place).and_then(Option::as_ref) {
            words.push_str(&format!(": {}", shown(&state.words)));
        }
        words.push('.');
    }
    words
}

fn end_name(layout: &Layout, end: usize) -> String {
    let group = match layout.ends {
        super::EndKind::Group => layout.groups.get(end),
        super::EndKind::Node => None,
    };
    match group {
        Some(group) if group.kind.has_frame() => group.title.clone(),
        Some(group) => group
            .nodes
            .first()
            .map_or(String::new(), |node| node_name(layout, *node)),
        None => node_name(layout, end),
    }
}

fn node_name(layout: &Layout, node: usize) -> String {
    let Some(node) = layout.nodes.get(node) else {
        return String::new();
    };
    let first = node.hosts.first().cloned().unwrap_or_default();
    match node.hosts.len() {
        0 | 1 => first,
        count => format!("{first} and {} like it", count - 1),
    }
}

fn frame(svg: &mut String, group: &GroupBox) {
    let more = if group.kind == GroupKind::Unzoned {
        " unzoned"
    } else {
        ""
    };
    put(
        svg,
        format_args!("<g data-group=\"{}\">", escaped(&group.id)),
    );
    rect(svg, group.rect, 10, &format!("zone{more}"));
    for line in &group.texts {
        text(svg, line, line.style == TextStyle::Small);
    }
    svg.push_str("</g>\n");
}

fn node_box(svg: &mut String, node: &NodeBox) {
    let mut names = node
        .hosts
        .iter()
        .take(NAMES_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if node.hosts.len() > NAMES_MAX {
        names.push_str(", …");
    }
    put(
        svg,
        format_args!(
            "<g data-node=\"{}\"><title>{}: {}</title>",
            node.id,
            escaped(&names),
            escaped(&node.roles.join(", ")),
        ),
    );
    if node.hosts.len() > 1 {
        // A second sheet behind the first, seen above it: more than one host.
        let behind = Rect {
            x: node.rect.x + 5,
            y: node.rect.y - 4,
            width: node.rect.width - 10,
            ..node.rect
        };
        rect(svg, behind, 6, "pile");
    }
    rect(
        svg,
        node.rect,
        6,
        if node.external {
            "node outside"
        } else {
            "node"
        },
    );
    for line in &node.texts {
        text(svg, line, line.style == TextStyle::Small);
    }
    svg.push_str("</g>\n");
}

fn rect(svg: &mut String, rect: Rect, radius: i32, class: &str) {
    let Rect {
        x,
        y,
        width,
        height,
    } = rect;
    put(
        svg,
        format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>"
        ),
    );
}

fn text(svg: &mut String, line: &TextLine, soft: bool) {
    let class = match line.style {
        TextStyle::Heading => "heading",
        TextStyle::Title => "title",
        TextStyle::Name => "name",
        TextStyle::Small => "small",
    };
    let soft = if soft { " soft" } else { "" };
    put(
        svg,
        format_args!(
            "<text class=\"{class}{soft}\" x=\"{}\" y=\"{}\">{}</text>",
            line.x,
            line.y,
            escaped(&line.text),
        ),
    );
}

fn path(svg: &mut String, bundle: &BundleLine, state: Option<&LineState>) {
    let Some((tip, points)) = bundle.path.split_last() else {
        return;
    };
    let Some(before) = points.last() else {
        return;
    };
    let forward = (tip.x - before.x).signum();
    let neck = Point {
        x: tip.x - forward * (ARROW - 1),
        y: tip.y,
    };
    put(
        svg,
        format_args!(
            "<g class=\"bundle {}\" data-bundle=\"{}\"><title>{}</title><path class=\"line\" d=\"{}\"/>",
            state.map_or_else(
                || bundle.family.id().to_owned(),
                |state| format!("tone-{}", state.tone.id())
            ),
            bundle.id,
            title(bundle, state),
            rounded(points, neck),
        ),
    );
    let (x, y, back) = (tip.x, tip.y, tip.x - forward * ARROW);
    put(
        svg,
        format_args!(
            "<path class=\"head\" d=\"M{x} {y}L{back} {}L{back} {}Z\"/></g>\n",
            y - 4,
            y + 4,
        ),
    );
}

/// What appears over a line.
fn title(bundle: &BundleLine, state: Option<&LineState>) -> String {
    let services = bundle.connection.services.join(", ");
    match state {
        Some(state) => escaped(&format!("{}: {services}", shown(&state.words))),
        None => escaped(&services),
    }
}

/// Straight pieces with round corners.
fn rounded(points: &[Point], last: Point) -> String {
    let mut d = String::new();
    let mut at: Option<Point> = None;
    let next = points.iter().skip(1).chain(std::iter::once(&last));
    for (point, next) in points.iter().zip(next) {
        match at {
            None => put(&mut d, format_args!("M{} {}", point.x, point.y)),
            Some(before) => {
                let bend = BEND
                    .min(reach(before, *point) / 2)
                    .min(reach(*point, *next) / 2);
                let (a, b) = (toward(*point, before, bend), toward(*point, *next, bend));
                put(
                    &mut d,
                    format_args!("L{} {}Q{} {} {} {}", a.x, a.y, point.x, point.y, b.x, b.y,),
                );
            }
        }
        at = Some(*point);
    }
    put(&mut d, format_args!("L{} {}", last.x, last.y));
    d
}

fn reach(a: Point, b: Point) -> i32 {
    (a.x - b.x).abs().max((a.y - b.y).abs())
}

fn toward(from: Point, to: Point, by: i32) -> Point {
    Point {
        x: from.x + (to.x - from.x).signum() * by,
        y: from.y + (to.y - from.y).signum() * by,
    }
}

fn bundle_label(svg: &mut String, bundle: &BundleLine, state: Option<&LineState>) {
    put(
        svg,
        format_args!(
            "<g data-bundle=\"{}\"><title>{}</title>",
            bundle.id,
            title(bundle, state),
        ),
    );
    if !bundle.path.is_empty() {
        rect(svg, bundle.label.rect, 2, "back");
    }
    label(svg, &bundle.label);
    if let Some(state) = state {
        let (x, y) = sign_place(bundle);
        svg.push_str(&sign_mark((state.tone, state.sign), x, y));
    }
    svg.push_str("</g>\n");
}

/// On the line where it begins; before the label of what stays inside.
fn sign_place(bundle: &BundleLine) -> (i32, i32) {
    match bundle.path.as_slice() {
        [start, next, ..] => (start.x + (next.x - start.x).signum() * 10, start.y),
        _ => (bundle.label.rect.x - 5, bundle.label.rect.y + 7),
    }
}

fn label(svg: &mut String, label: &Label) {
    for item in &label.items {
        if let Some(family) = item.family {
            mark(svg, family, item.text.x - MARK + 5, item.text.y - 4);
        }
        text(svg, &item.text, item.family.is_none());
    }
}

/// Each family has a shape of its own: nobody has to tell it by its colour.
fn mark(svg: &mut String, family: Family, x: i32, y: i32) {
    let class = if family == Family::Names {
        "ring"
    } else {
        "mark"
    };
    let shape = match family {
        Family::Display => "M-4-4H4V4H-4Z",
        Family::Web => "M-4.5 0A4.5 4.5 0 1 1 4.5 0A4.5 4.5 0 1 1-4.5 0Z",
        Family::Product => "M0-5L5 0L0 5L-5 0Z",
        Family::Directory => "M0-4.5L5 4H-5Z",
        Family::Files => "M-5-4H5L0 4.5Z",
        Family::Administration => "M-1.5-4.5H1.5V-1.5H4.5V1.5H1.5V4.5H-1.5V1.5H-4.5V-1.5H-1.5Z",
        Family::Names => "M-3.5 0A3.5 3.5 0 1 1 3.5 0A3.5 3.5 0 1 1-3.5 0Z",
        Family::Other => "M-4.5-1.5H4.5V1.5H-4.5Z",
    };
    put(
        svg,
        format_args!(
            "<path class=\"{class} {}\" transform=\"translate({x} {y})\" d=\"{shape}\"/>",
            family.id(),
        ),
    );
}
