#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portico_rdp::fuzzing::connect_sequence_rewriting(bytes));
