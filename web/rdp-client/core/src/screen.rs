//! What changed in the picture since the worker last asked.

use ironrdp_pdu::geometry::InclusiveRectangle;

use crate::limits::DAMAGE_RECTANGLES_MAX;

/// A rectangle in pixels; right and bottom are outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rectangle {
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Rectangle {
    fn area(self) -> u64 {
        u64::from(self.right - self.left) * u64::from(self.bottom - self.top)
    }

    fn around(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// Rectangles that changed, merged where that costs little.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    rectangles: Vec<Rectangle>,
}

impl Damage {
    /// Adds what changed. Parts outside the picture are cut off.
    pub(crate) fn add(&mut self, changed: &InclusiveRectangle, width: u16, height: u16) {
        let added = Rectangle {
            left: changed.left.min(width).into(),
            top: changed.top.min(height).into(),
            right: (u32::from(changed.right) + 1).min(width.into()),
            bottom: (u32::from(changed.bottom) + 1).min(height.into()),
        };
        if added.left >= added.right || added.top >= added.bottom {
            return;
        }
        self.merge(added);
    }

    /// The whole picture changed.
    pub(crate) fn all(&mut self, width: u16, height: u16) {
        self.rectangles.clear();
        if width > 0 && height > 0 {
            self.rectangles.push(Rectangle {
                left: 0,
                top: 0,
                right: width.into(),
                bottom: height.into(),
            });
        }
    }

    fn merge(&mut self, added: Rectangle) {
        // Hosts send neighbouring tiles one after the other, so the newest is looked at first.
        for old in self.rectangles.iter_mut().rev() {
            let both = old.around(added);
            // One upload of a little more is cheaper than two.
            if both.area() * 4 <= (old.area() + added.area()) * 5 {
                *old = both;
                return;
            }
        }
        self.rectangles.push(added);
        if self.rectangles.len() > DAMAGE_RECTANGLES_MAX
            && let Some(all) = self.rectangles.iter().copied().reduce(Rectangle::around)
        {
            self.rectangles = vec![all];
        }
    }

    /// x, y, width and height of each rectangle; the next call starts from nothing.
    pub(crate) fn take(&mut self) -> Vec<u32> {
        self.rectangles
            .drain(..)
            .flat_map(|r| [r.left, r.top, r.right - r.left, r.bottom - r.top])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rectangle(left: u16, top: u16, right: u16, bottom: u16) -> InclusiveRectangle {
        InclusiveRectangle {
            left,
            top,
            right,
            bottom,
        }
    }

    #[test]
    fn neighbours_become_one_and_far_ones_stay_apart() {
        let mut damage = Damage::default();
        damage.add(&rectangle(0, 0, 63, 63), 1280, 800);
        damage.add(&rectangle(64, 0, 127, 63), 1280, 800);
        damage.add(&rectangle(1000, 700, 1010, 710), 1280, 800);
        assert_eq!(damage.take(), [0, 0, 128, 64, 1000, 700, 11, 11]);
        assert!(damage.take().is_empty());
    }

    #[test]
    fn what_is_outside_is_cut_off() {
        let mut damage = Damage::default();
        damage.add(&rectangle(1270, 790, 1400, 65535), 1280, 800);
        damage.add(&rectangle(1280, 0, 1300, 10), 1280, 800);
        damage.add(&rectangle(10, 10, 5, 5), 1280, 800);
        assert_eq!(damage.take(), [1270, 790, 10, 10]);
    }

    #[test]
    fn there_are_never_more_than_the_limit() {
        let mut damage = Damage::default();
        for index in 0..1000_u16 {
            let at = (index % 100) * 12;
            let top = (index / 100) * 70;
            damage.add(&rectangle(at, top, at, top), 1280, 800);
        }
        assert!(damage.take().len() <= DAMAGE_RECTANGLES_MAX * 4);
    }
}
