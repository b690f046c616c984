#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rdp_client_core::fuzzing::video(bytes));
