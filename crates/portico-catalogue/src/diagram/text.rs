//! Text: how wide it is, how it is wrapped and shortened, and what of it is shown at all.
//!
//! Widths are those of `DejaVu Sans`, the widest of the usual sans-serif faces, so that a reader
//! with another one sees a little more air, and never text over text.

/// Thickness of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// Pixels that `text` takes at `size` pixels, rounded up.
pub(super) fn width(text: &str, size: i32, weight: Weight) -> i32 {
    let thousandths: i32 = text
        .chars()
        .map(|c| char_width(c, weight))
        .fold(0, i32::saturating_add);
    thousandths.saturating_mul(size).saturating_add(999) / 1000
}

/// Shortens `text` to `room` pixels, with an ellipsis for what is left out.
pub(super) fn shorten(text: &str, room: i32, size: i32, weight: Weight) -> String {
    if width(text, size, weight) <= room {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if width(&short, size, weight) + width("…", size, weight) > room {
            short.pop();
            break;
        }
    }
    let kept = short.trim_end().len();
    short.truncate(kept);
    short.push('…');
    short
}

/// Breaks `text` between words into at most `lines` lines of `room` pixels; the last one ends with
/// an ellipsis when there is more.
pub(super) fn wrap(text: &str, room: i32, size: i32, lines: usize) -> Vec<String> {
    let mut done: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if line.is_empty()
            || width(&longer, size, Weight::Regular) <= room
            || done.len() + 1 >= lines
        {
            line = longer;
        } else {
            done.push(shorten(&line, room, size, Weight::Regular));
            line = word.to_owned();
        }
    }
    done.push(shorten(&line, room, size, Weight::Regular));
    done
}

/// `text` with what cannot be shown, or would change how the text around it is shown, replaced:
/// control characters, line ends, marks of writing direction and joiners.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if is_showable(c) { c } else { '\u{fffd}' })
        .collect()
}

fn is_showable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            // Soft hyphen, marks of direction, zero-width characters, separators of lines.
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            // A whole sentence in one character, and what XML does not allow.
            | '\u{fdfd}' | '\u{fffe}' | '\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}

fn char_width(c: char, weight: Weight) -> i32 {
    let table = match weight {
        Weight::Regular => &REGULAR,
        Weight::Bold => &BOLD,
    };
    let place = u32::from(c).checked_sub(0x20);
    let known = place
        .and_then(|place| usize::try_from(place).ok())
        .and_then(|place| table.get(place));
    match (known, c) {
        (Some(width), _) => *width,
        (None, '–') => 500,
        (None, '\u{a1}'..='\u{17f}' | '→' | '…') => 1000,
        // Wide scripts and signs are a square, and some a little more.
        (None, _) => 1600,
    }
}

/// Thousandths of the size that U+0020 to U+007E take.
#[rustfmt::skip]
const REGULAR: [i32; 95] = [
    318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 500, 838, 318, 361, 318, 337,
    637, 637, 637, 637, 637, 637, 637, 637, 637, 637, 337, 337, 838, 838, 838, 531,
    1000, 685, 687, 699, 771, 632, 576, 775, 752, 295, 295, 656, 558, 863, 749, 788,
    604, 788, 695, 635, 611, 732, 685, 989, 686, 611, 686, 391, 337, 391, 838, 500,
    500, 613, 635, 550, 635, 616, 353, 635, 634, 278, 278, 580, 278, 975, 634, 612,
    635, 635, 412, 521, 393, 634, 592, 818, 592, 592, 525, 637, 337, 637, 838,
];

/// The same for bold text.
#[rustfmt::skip]
const BOLD: [i32; 95] = [
    349, 457, 521, 838, 696, 1002, 873, 307, 458, 458, 523, 838, 380, 416, 380, 366,
    696, 696, 696, 696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 581,
    1000, 774, 763, 734, 831, 684, 684, 821, 837, 373, 373, 775, 638, 996, 837, 851,
    733, 851, 771, 721, 683, 813, 774, 1104, 771, 725, 726, 458, 366, 458, 838, 500,
    500, 675, 716, 593, 716, 679, 436, 716, 712, 343, 343, 666, 343, 1042, 712, 688,
    716, 716, 494, 596, 479, 712, 652, 924, 646, 652, 583, 712, 366, 712, 838,
];
