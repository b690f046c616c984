//! Keys, buttons and wheels, as RDP input events.

use ironrdp_input::{
    Database, MouseButton, MousePosition, Operation, Scancode, WheelRotations, synchronize_event,
};
use ironrdp_pdu::input::{
    InputEvent, MousePdu, ScanCodePdu, SyncPdu, UnicodePdu,
    fast_path::{FastPathInputEvent, KeyboardFlags},
    scan_code, sync, unicode,
};

use crate::limits::TEXT_UNITS_MAX;

/// What is pressed, and where the pointer is.
pub(crate) struct Input {
    database: Database,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            database: Database::new(),
        }
    }
}

impl Input {
    pub(crate) fn key(
        &mut self,
        code: u8,
        extended: bool,
        pressed: bool,
    ) -> Vec<FastPathInputEvent> {
        let code = Scancode::from_u8(extended, code);
        // A held key repeats: the host wants a press for each, without a release between them,
        // which the database would insert.
        if pressed && self.database.is_key_pressed(code) {
            let flags = if extended {
                KeyboardFlags::EXTENDED
            } else {
                KeyboardFlags::empty()
            };
            return vec![FastPathInputEvent::KeyboardEvent(flags, code.as_u8().1)];
        }
        self.apply([if pressed {
            Operation::KeyPressed(code)
        } else {
            Operation::KeyReleased(code)
        }])
    }

    /// The Pause key, which is two keys at once and has no release of its own
    /// (MS-RDPBCGR 2.2.8.1.2.2.1, `EXTENDED1`).
    pub(crate) fn pause() -> [FastPathInputEvent; 4] {
        const CONTROL: u8 = 0x1D;
        const NUM_LOCK: u8 = 0x45;
        let (down, up) = (KeyboardFlags::empty(), KeyboardFlags::RELEASE);
        [
            (down | KeyboardFlags::EXTENDED1, CONTROL),
            (down, NUM_LOCK),
            (up | KeyboardFlags::EXTENDED1, CONTROL),
            (up, NUM_LOCK),
        ]
        .map(|(flags, code)| FastPathInputEvent::KeyboardEvent(flags, code))
    }

    /// Press and release of each UTF-16 unit (MS-RDPBCGR 2.2.8.1.2.2.2).
    pub(crate) fn text(text: &str) -> Vec<FastPathInputEvent> {
        text.encode_utf16()
            .take(TEXT_UNITS_MAX)
            .flat_map(|unit| {
                [KeyboardFlags::empty(), KeyboardFlags::RELEASE]
                    .map(|flags| FastPathInputEvent::UnicodeKeyboardEvent(flags, unit))
            })
            .collect()
    }

    pub(crate) fn pointer_move(&mut self, x: u16, y: u16) -> Vec<FastPathInputEvent> {
        self.apply([Operation::MouseMove(MousePosition { x, y })])
    }

    /// `button` counts as in the DOM: 0 left, 1 middle, 2 right, 3 back, 4 forward.
    pub(crate) fn pointer_button(
        &mut self,
        button: u8,
        pressed: bool,
        x: u16,
        y: u16,
    ) -> Vec<FastPathInputEvent> {
        let Some(button) = MouseButton::from_web_button(button) else {
            return Vec::new();
        };
        self.apply([
            Operation::MouseMove(MousePosition { x, y }),
            if pressed {
                Operation::MouseButtonPressed(button)
            } else {
                Operation::MouseButtonReleased(button)
            },
        ])
    }

    /// `units`: 120 are one notch; up and right are positive.
    pub(crate) fn wheel(&mut self, horizontal: bool, units: i32) -> Vec<FastPathInputEvent> {
        /// Events of one turn; a device that reports more is broken.
        const EVENTS_MAX: usize = 16;
        let (min, max) = MousePdu::WHEEL_ROTATION_RANGE.into_inner();
        let mut left = units;
        let mut events = Vec::new();
        while left != 0 && events.len() < EVENTS_MAX {
            let part = left.clamp(min.into(), max.into());
            left -= part;
            events.extend(self.apply([Operation::WheelRotations(WheelRotations {
                is_vertical: !horizontal,
                rotation_units: i16::try_from(part).unwrap_or_default(),
            })]));
        }
        events
    }

    pub(crate) fn release_all(&mut self) -> Vec<FastPathInputEvent> {
        self.database.release_all().into_vec()
    }

    pub(crate) fn lock_keys(scroll: bool, num: bool, caps: bool, kana: bool) -> FastPathInputEvent {
        synchronize_event(scroll, num, caps, kana)
    }

    fn apply(
        &mut self,
        operations: impl IntoIterator<Item = Operation>,
    ) -> Vec<FastPathInputEvent> {
        self.database.apply(operations).into_vec()
    }
}

/// The same event for hosts without fast-path input (MS-RDPBCGR 2.2.8.1.1.3).
pub(crate) fn slow_path(event: &FastPathInputEvent) -> Option<InputEvent> {
    Some(match event {
        FastPathInputEvent::KeyboardEvent(flags, code) => {
            let mut slow = if flags.contains(KeyboardFlags::RELEASE) {
                scan_code::KeyboardFlags::RELEASE
            } else {
                scan_code::KeyboardFlags::empty()
            };
            if flags.contains(KeyboardFlags::EXTENDED) {
                slow |= scan_code::KeyboardFlags::EXTENDED;
            }
            if flags.contains(KeyboardFlags::EXTENDED1) {
                slow |= scan_code::KeyboardFlags::EXTENDED_1;
            }
            InputEvent::ScanCode(ScanCodePdu {
                flags: slow,
                key_code: u16::from(*code),
            })
        }
        FastPathInputEvent::UnicodeKeyboardEvent(flags, unit) => InputEvent::Unicode(UnicodePdu {
            flags: if flags.contains(KeyboardFlags::RELEASE) {
                unicode::KeyboardFlags::RELEASE
            } else {
                unicode::KeyboardFlags::empty()
            },
            unicode_code: *unit,
        }),
        FastPathInputEvent::MouseEvent(mouse) => InputEvent::Mouse(*mouse),
        FastPathInputEvent::MouseEventEx(mouse) => InputEvent::MouseX(*mouse),
        FastPathInputEvent::SyncEvent(flags) => InputEvent::Sync(SyncPdu {
            flags: sync::SyncToggleFlags::from_bits_retain(u32::from(flags.bits())),
        }),
        FastPathInputEvent::MouseEventRel(_) | FastPathInputEvent::QoeEvent(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_key_repeats_presses_and_is_released_once() {
        let mut input = Input::default();
        let press = FastPathInputEvent::KeyboardEvent(KeyboardFlags::EXTENDED, 0x4D);
        let release = FastPathInputEvent::KeyboardEvent(
            KeyboardFlags::EXTENDED | KeyboardFlags::RELEASE,
            0x4D,
        );
        assert_eq!(input.key(0x4D, true, true), [press]);
        assert_eq!(input.key(0x4D, true, true), [press]);
        assert_eq!(input.key(0x4D, true, false), [release]);
        assert_eq!(input.key(0x4D, true, false), []);
    }

    #[test]
    fn pause_is_the_sequence_of_the_specification() {
        let (down, up) = (KeyboardFlags::empty(), KeyboardFlags::RELEASE);
        let wanted = [
            (down | KeyboardFlags::EXTENDED1, 0x1D),
            (down, 0x45),
            (up | KeyboardFlags::EXTENDED1, 0x1D),
            (up, 0x45),
        ];
        assert_eq!(
            Input::pause(),
            wanted.map(|(flags, code)| FastPathInputEvent::KeyboardEvent(flags, code))
        );
    }

    #[test]
    fn a_large_turn_of_the_wheel_keeps_its_size() {
        let mut input = Input::default();
        let turned = |events: Vec<FastPathInputEvent>| -> i32 {
            events
                .iter()
                .map(|event| match event {
                    FastPathInputEvent::MouseEvent(mouse) => {
                        i32::from(mouse.number_of_wheel_rotation_units)
                    }
                    _ => 0,
                })
                .sum()
        };
        for units in [120, -120, 600, -1000, 0] {
            assert_eq!(turned(input.wheel(false, units)), units);
        }
        assert!(input.wheel(true, i32::MIN).len() <= 16);
    }

    #[test]
    fn text_is_pressed_and_released_in_utf_16() {
        assert_eq!(Input::text("a\u{1F600}").len(), 6);
        assert_eq!(Input::text(&"x".repeat(100_000)).len(), TEXT_UNITS_MAX * 2);
    }

    #[test]
    fn all_that_is_pressed_is_let_go() {
        let mut input = Input::default();
        input.key(0x1D, false, true);
        input.pointer_button(0, true, 5, 6);
        assert_eq!(input.release_all().len(), 2);
        assert_eq!(input.release_all().len(), 0);
        assert_eq!(input.pointer_button(9, true, 5, 6), []);
    }
}
