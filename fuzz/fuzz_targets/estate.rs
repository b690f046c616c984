#![no_main]
libfuzzer_sys::fuzz_target!(|text: &str| portico_estate::fuzzing::check_parse(text).unwrap());
