//! Lines that are coloured by a state, such as the verdict of a check, and not by what they carry.

use super::{
    Layout,
    layout::{EndKind, NodeBox},
};

/// How good a state is: its colour, and the dashes of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Nobody can tell.
    Doubtful,
    /// Not as it should be.
    Bad,
    /// Nobody looked.
    Unknown,
}

impl Tone {
    /// Name in class names.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }
}

/// A small picture that tells a state from the others of its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sign {
    /// A tick.
    Tick,
    /// A question mark.
    Question,
    /// Not equal.
    Unequal,
    /// A cross.
    Cross,
    /// Three dots.
    Dots,
    /// A bar, as on the road sign.
    Bar,
    /// The letter N.
    Name,
    /// Nothing in a ring.
    Ring,
}

impl Sign {
    /// Strokes within 3 pixels around 0, 0, in SVG's path language.
    const fn strokes(self) -> &'static str {
        match self {
            Self::Tick => "M-2.5.2L-.8 1.9L2.5-1.9",
            Self::Question => "M-1.6-1.3A1.6 1.6 0 1 1 .4.2Q0 .4 0 1M0 2.6V2.7",
            Self::Unequal => "M-2.4-1H2.4M-2.4 1H2.4M1.3-2.5L-1.3 2.5",
            Self::Cross => "M-2-2L2 2M2-2L-2 2",
            Self::Dots => "M-2.4 0V.1M0 0V.1M2.4 0V.1",
            Self::Bar => "M-2.6 0H2.6",
            Self::Name => "M-1.7 2.2V-2.2L1.7 2.2V-2.2",
            Self::Ring => "",
        }
    }
}

/// The state of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineState {
    /// Its colour and dashes.
    pub tone: Tone,
    /// Its sign.
    pub sign: Sign,
    /// What it means, in words; what of it cannot be shown is replaced.
    pub words: String,
}

/// What a line joins, by places in [`FlowPlan::hosts`](crate::plan::FlowPlan::hosts).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineEnds {
    /// Hosts that open connections.
    pub from: Vec<u32>,
    /// Hosts that listen.
    pub to: Vec<u32>,
}

/// Colours, dashes and signs of states, for a page that shows signs beside the picture, too.
pub const STATE_STYLE: &str = ":root{--good:#0a7045;--doubtful:#865400;--bad:#b3261e;--unknown:#5c6672}
@media screen and (prefers-color-scheme:dark){:root{--good:#5fd39b;--doubtful:#e8b84f;--bad:#ff8f85;--unknown:#aab5c1}}
.tone-good{--c:var(--good)}.tone-doubtful{--c:var(--doubtful)}.tone-bad{--c:var(--bad)}.tone-unknown{--c:var(--unknown)}
.sign .disc{fill:var(--c);stroke:var(--c);stroke-width:1.2}.sign .strokes{fill:none;stroke:var(--bg);stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}.sign.hollow .disc{fill:var(--bg)}
.stated .mark{fill:var(--soft)}.stated .ring{stroke:var(--soft)}
.bundle.tone-bad .line{stroke-width:2.4;stroke-dasharray:7 4}.bundle.tone-doubtful .line{stroke-dasharray:2 3}.bundle.tone-unknown .line{stroke-dasharray:1 4}";

/// A sign as an element of SVG around 0, 0.
pub(super) fn sign_mark(state: (Tone, Sign), x: i32, y: i32) -> String {
    let (tone, sign) = state;
    let hollow = if sign == Sign::Ring { " hollow" } else { "" };
    format!(
        "<g class=\"sign{hollow} tone-{}\" transform=\"translate({x} {y})\"><circle class=\"disc\" r=\"4.9\"/><path class=\"strokes\" d=\"{}\"/></g>",
        tone.id(),
        sign.strokes(),
    )
}

/// A sign as a picture of its own in the text of a page that has [`STATE_STYLE`]. The text beside it
/// has to say what it means.
pub fn sign_svg(tone: Tone, sign: Sign) -> String {
    format!(
        "<svg class=\"sign-box\" viewBox=\"-6 -6 12 12\" width=\"14\" height=\"14\" aria-hidden=\"true\">{}</svg>",
        sign_mark((tone, sign), 0, 0)
    )
}

/// The ends of every bundle, in the order of [`Layout::bundles`].
pub(super) fn ends(layout: &Layout) -> Vec<LineEnds> {
    let of_node = |node: &NodeBox| node.places.clone();
    let of_end = |end: usize| -> Vec<u32> {
        match layout.ends {
            EndKind::Node => layout.nodes.get(end).map(of_node).unwrap_or_default(),
            EndKind::Group => {
                let nodes = layout.groups.get(end).map(|group| group.nodes.as_slice());
                let nodes = nodes.unwrap_or_default().iter();
                nodes
                    .filter_map(|node| layout.nodes.get(*node))
                    .flat_map(of_node)
                    .collect()
            }
        }
    };
    let bundles = layout.bundles.iter();
    bundles
        .map(|bundle| LineEnds {
            from: of_end(bundle.connection.from),
            to: of_end(bundle.connection.to),
        })
        .collect()
}
