#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| portico_catalogue::fuzzing::check_drift(text).unwrap());
