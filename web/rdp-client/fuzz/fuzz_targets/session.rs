#![no_main]

use std::sync::OnceLock;

use rdp_client_core::fuzzing::{Recording, session};

static FILE: &[u8] = include_bytes!("../../testdata/xrdp-0.9-desktop.rec");

/// The part of a recording until the desktop is open.
fn opening() -> &'static Recording {
    static OPENING: OnceLock<Recording> = OnceLock::new();
    OPENING.get_or_init(|| {
        let mut recording = Recording::read(FILE).expect("a recording");
        let len = recording.opening_len().expect("a desktop");
        recording.bytes.truncate(len);
        recording
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| session(opening(), bytes));
